"""Backends that ask a server: Ollama and OpenAI-compatible ones."""
