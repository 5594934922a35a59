"""Kinds of layers, whatever the number of their dimensions."""

from torch import nn

Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d
Transposed = nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d
Layer = Convolution | Transposed | nn.Linear
BatchNorm = nn.modules.batchnorm._BatchNorm  # of one to three dimensions, lazy, and synchronised over processes
InstanceNorm = nn.InstanceNorm1d | nn.InstanceNorm2d | nn.InstanceNorm3d
Norm = BatchNorm | InstanceNorm | nn.GroupNorm  # every channel, or group of channels, by itself
