"""The reading process, its supervisor, and which job it gets next."""
