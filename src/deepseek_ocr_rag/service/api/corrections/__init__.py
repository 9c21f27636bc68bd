"""Corrections over HTTP: of one block, and all of a job as examples for training."""
