"""Reads many documents, on this machine or on many, and accounts for every page."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
