"""An experiment runner for AdaShare, Knowledge Evolution and TSSL-BP."""
