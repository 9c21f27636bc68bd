"""Reaches documents and results on this machine, on object stores and at URLs."""
