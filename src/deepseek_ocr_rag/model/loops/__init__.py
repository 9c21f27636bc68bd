"""Finds and trims the loops that a model falls into."""
