"""The commands for many documents: ``dsocr batch`` and ``dsocr estimate``."""
