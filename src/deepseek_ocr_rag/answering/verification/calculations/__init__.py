"""Recomputes numbers that the sources do not state from the figures that they do."""
