"""Knowledge Evolution: channels, hypotheses, slim networks."""
