"""The spiking neuron of TSSL-BP: one reference, compiled forms held equal to it, its losses and its weights."""

from runner.spiking.dynamics import Layer, Neuron, sum_pool
from runner.spiking.losses import count_loss, desired_train, kernel_loss, rate_loss, softmax_loss
from runner.spiking.neuron import psc_filter, spiking_layer, tsslbp
from runner.spiking.rules import GradientRule

__all__ = [
    "GradientRule",
    "Layer",
    "Neuron",
    "count_loss",
    "desired_train",
    "kernel_loss",
    "psc_filter",
    "rate_loss",
    "softmax_loss",
    "spiking_layer",
    "sum_pool",
    "tsslbp",
]
