"""Reads manifests, which list the documents of a run."""
