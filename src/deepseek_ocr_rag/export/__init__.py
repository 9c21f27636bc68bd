"""Writes results: folders, drawings, evidence pictures, docling."""
