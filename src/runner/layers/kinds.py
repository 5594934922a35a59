"""Kinds of layers, whatever the number of their dimensions."""

from torch import nn

Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d
Layer = Convolution | nn.Linear
BatchNorm = nn.modules.batchnorm._BatchNorm  # of one to three dimensions, lazy, and synchronised over processes
