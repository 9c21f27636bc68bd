"""Checks each sentence of an answer against its sources."""
