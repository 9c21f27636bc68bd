"""Runs the models through transformers, in this process."""
