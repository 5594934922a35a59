"""What a run leaves in its folder; prints nothing."""
