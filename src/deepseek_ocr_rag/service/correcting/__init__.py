"""Corrections that people make to pages: texts, their rows, and examples for training."""
