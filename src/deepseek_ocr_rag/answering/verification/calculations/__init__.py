"""Recomputes numbers that the sources do not print from the figures that they do."""
