"""Renderers: how a file becomes page images. Chosen by source.py."""
