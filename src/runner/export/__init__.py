"""Trained networks for use elsewhere: `python -m runner.export RUN`, then `load(folder)`; loading needs nothing that trains."""

from runner.export.network import Exported, load
from runner.export.write import export

__all__ = ["Exported", "export", "load"]
