"""Runs the CUDA engine in a process of its own."""
