"""Asks servers to read pages: Ollama and OpenAI-compatible ones."""
