"""Fine-tunes the DeepSeek-OCR family on a user's own pages, and judges the text it then writes."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
