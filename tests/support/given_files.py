"""Gives a file to the service's page as a person does, by the events of a browser."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

GIVE = """
([kinds, name, text]) => {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], name, { type: "application/pdf" }));
  const rest = { bubbles: true, cancelable: true };
  for (const kind of kinds)
    document.body.dispatchEvent(
      kind === "paste" ? new ClipboardEvent(kind, { clipboardData: data, ...rest })
        : new DragEvent(kind, { dataTransfer: data, ...rest }));
}
"""

WAYS = {"dropped": ["dragenter", "dragover", "drop"], "pasted": ["paste"]}
"""How a file gets onto the page, and the browser's events of it."""


def give(page: Any, file: Path, events: list[str]) -> None:
    page.evaluate(GIVE, [events, file.name, base64.b64encode(file.read_bytes()).decode()])
