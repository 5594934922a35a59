"""Training procedures: what is minimised, when, on which split; one file per procedure."""
