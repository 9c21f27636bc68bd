"""The language models that write answers."""
