"""Parts of a statement that have figures of their own, and what they name."""
