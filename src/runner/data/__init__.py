"""Data sets before a run: what there are, fetching and preparing one, looking through one. Needs no Hydra."""
