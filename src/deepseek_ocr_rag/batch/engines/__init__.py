"""Runs the reading on this machine or on Ray."""
