"""Runs the published code in a process and an environment of its own."""
