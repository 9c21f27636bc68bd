"""The models through transformers, in this process."""
