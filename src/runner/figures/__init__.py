"""The figures of finished runs, drawn again without training."""
