"""Fine-tunes the DeepSeek-OCR family on a user's own pages, and judges what it then writes."""
