"""Writes the shards of a run once, marks them, counts their pages and reads them back."""
