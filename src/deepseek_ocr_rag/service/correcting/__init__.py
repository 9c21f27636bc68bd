"""Handles corrections that people make to pages: texts, rows, and examples for training."""
