"""Routes for clients that people already run: Open WebUI, docling and Mistral OCR."""
