from .token_count import estimate_tokens

__all__ = [
    "estimate_tokens",
]
