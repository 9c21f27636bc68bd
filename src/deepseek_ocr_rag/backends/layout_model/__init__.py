"""Makes a copy of Ollama's deepseek-ocr that writes its layout tokens."""
