"""The HTTP API of the service: routes, problems, keys, limits, events and metrics."""
