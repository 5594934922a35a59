"""An experiment runner for AdaShare, Knowledge Evolution and TSSL-BP."""

__version__ = "0.1.0"
