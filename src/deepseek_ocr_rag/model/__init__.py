"""What DeepSeek-OCR models take and return, without torch: views, tokens, checkpoints, loops."""
