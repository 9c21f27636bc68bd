"""Two Ollamas on loopback that answer as the real ones were seen to: 0.24.0 and 0.33.0.

0.24 is the last with a runner of its own, 0.33 runs llama.cpp's server as every one since 0.30.
Each answer names the line of ``../shared/ollama-wire.md`` that it comes from; what that file
does not have says so. Nothing here is kinder than what was seen.
"""

from .models import FakeModel, Written, deepseek_ocr, write_small_file
from .versions import Ollama024, Ollama033

__all__ = [
    "FakeModel",
    "Ollama024",
    "Ollama033",
    "Written",
    "deepseek_ocr",
    "write_small_file",
]
