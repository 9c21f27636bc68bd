"""The shards of a run: written once, marked, counted, read back."""
