"""The dsocr command."""
