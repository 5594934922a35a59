"""Official checkpoints of the three methods as models of ours."""

from runner.interop.adashare import adashare

__all__ = ["adashare"]
