"""Makes a copy of Ollama's deepseek-ocr that writes the marks of its layout."""
