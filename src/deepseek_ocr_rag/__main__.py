"""``python -m deepseek_ocr_rag`` is the command ``dsocr``."""

from __future__ import annotations

import sys

from .cli.main import main

if __name__ == "__main__":
    sys.exit(main())
