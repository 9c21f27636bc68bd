"""The program of a reading process: started by path, imported by nobody.

Only the renderers are loaded. The package's own ``__init__`` would load
readers, chunks and answers too, which takes five times as long, so an empty
package of the same name and place stands in for it.
"""

from __future__ import annotations

import importlib
import sys
import types
from pathlib import Path

__all__: list[str] = []

if __name__ == "__main__":
    folder = Path(__file__).resolve().parents[2]
    package = types.ModuleType(folder.name)
    package.__path__ = [str(folder)]
    sys.modules[folder.name] = package
    importlib.import_module(f"{folder.name}.sources.isolation.worker").main()
