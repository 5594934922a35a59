"""Pure mathematics: policies, masks, neurons, losses; no training, no data."""
