"""Units whose pages were drawn by another process than the one that reads them."""
