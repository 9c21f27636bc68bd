"""The built-in reader: a PDF's own text, or a small OCR."""
