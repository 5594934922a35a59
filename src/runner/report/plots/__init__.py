"""Figures of a run: every function takes plain data and a path and writes one PNG file."""
