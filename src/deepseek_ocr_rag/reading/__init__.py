"""Reads documents: the Reader, its page stream, order, cache and admission."""
