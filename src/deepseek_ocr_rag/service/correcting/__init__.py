"""What people correct in the pages that were read: texts, rows, and examples for training."""
