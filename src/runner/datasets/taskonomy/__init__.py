"""Taskonomy (Zamir et al. 2018): five dense tasks of indoor views, from AdaShare's list or the official folders."""

from runner.datasets.taskonomy.dataset import Taskonomy

__all__ = ["Taskonomy"]
