"""Drop-in layers that compute what torch's do in less time, and how weights begin."""
