"""NYU Depth v2: segmentation, surface normals and depth of indoor scenes, from any of its three usual distributions."""

from runner.datasets.nyu.dataset import NYU

__all__ = ["NYU"]
