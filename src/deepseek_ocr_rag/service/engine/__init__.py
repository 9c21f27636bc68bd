"""Runs and supervises the reading process, and chooses its next job."""
