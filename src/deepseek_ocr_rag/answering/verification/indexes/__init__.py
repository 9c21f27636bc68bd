"""Indexes that are built once for all sentences of an answer, and the time limit of comparing."""
