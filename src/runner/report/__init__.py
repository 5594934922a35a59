"""What is said and drawn of finished runs."""
