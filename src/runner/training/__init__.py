"""The loop and what happens around it; knows no figure and no table."""
