"""Implements the HTTP API: routes, problems, keys, limits, events and metrics."""
