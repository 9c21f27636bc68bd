"""Answers without a language model: finds the sentences of the documents that fit a question."""
