"""Renderers, which turn files into page images; opening.py chooses one."""
