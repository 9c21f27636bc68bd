"""Chunks and search."""
