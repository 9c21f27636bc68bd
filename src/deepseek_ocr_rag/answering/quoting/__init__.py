"""Answers without a language model: which sentences of the documents fit a question."""
