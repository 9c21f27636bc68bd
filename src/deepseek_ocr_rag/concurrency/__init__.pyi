from .cancellation import run_cancellable

__all__ = [
    "run_cancellable",
]
