"""Reads many documents, on this machine or on many, with an account of every page."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
