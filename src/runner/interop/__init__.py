"""Official checkpoints in, exchange formats out."""
