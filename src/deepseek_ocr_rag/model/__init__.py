"""What the DeepSeek-OCR family of models takes and gives, without torch: views, tokens, checkpoints, loops."""
