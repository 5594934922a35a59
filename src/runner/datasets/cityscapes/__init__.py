"""Cityscapes: segmentation and inverse depth of street scenes, from any of its three usual distributions."""

from runner.datasets.cityscapes.dataset import Cityscapes

__all__ = ["Cityscapes"]
