"""Official checkpoints of the three methods as models of ours."""

from runner.interop.adashare import adashare
from runner.interop.ke import ke, ke_masks
from runner.interop.tsslbp import tsslbp

__all__ = ["adashare", "ke", "ke_masks", "tsslbp"]
