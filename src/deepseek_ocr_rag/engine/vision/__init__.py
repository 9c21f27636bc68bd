"""The vision towers and their preprocessing."""
