"""Runs beside each other: a row a configuration, means over seeds, what they differ in. Needs neither torch nor Hydra."""
