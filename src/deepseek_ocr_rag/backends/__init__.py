"""Backends: how text is got from a page image. Import them from their own modules."""
