"""From what a user names to page images: files, URLs, limits, renderers, isolation."""
