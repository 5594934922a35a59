"""What a trained network sees in pictures of a user's own: `python -m runner.predict RUN_OR_EXPORT IMAGES... --output DIR`."""
