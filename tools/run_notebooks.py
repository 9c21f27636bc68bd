"""Runs all cells of every notebook; with --write, stores the outputs."""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"


def _without_duplicate_pictures(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Removes each PNG that is stored beside the same picture as JPEG or in HTML."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/jpeg" in data or "data:image/png" in data.get("text/html", ""):
                data.pop("image/png", None)
    return notebook


def _without_paths(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Removes the kernel's temporary file from warnings, and where this checkout lies."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "text" in output:
                text = output["text"].replace(str(FOLDER.parent), ".")
                output["text"] = re.sub(r"/\S*/ipykernel_\d+/\d+\.py", "<cell>", text)
    return notebook


def _run(path: Path) -> None:
    start = time.monotonic()
    notebook = nbformat.read(path, as_version=4)
    if not any(cell.cell_type == "code" and cell.outputs for cell in notebook.cells):
        print(f"{path.name}: stored without outputs")
    NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        resources={"metadata": {"path": str(FOLDER)}},
    ).execute()
    if "--write" in sys.argv[1:]:
        nbformat.write(_without_paths(_without_duplicate_pictures(notebook)), path)
    print(f"{path.name}: ran in {time.monotonic() - start:.0f} s")


def main() -> None:
    """Runs the notebooks; the first cell that fails ends it with its traceback."""
    notebooks = sorted(FOLDER.glob("*.ipynb"))
    if not notebooks:
        sys.exit(f"no notebooks in {FOLDER}")
    with TemporaryDirectory() as pages:
        # One cache for all, so that the sample's scan is read once; and not the user's, whose pages
        # would hide that a notebook no longer reads them.
        os.environ["DSOCR_CACHE_DIR"] = pages
        os.environ["TORCHDYNAMO_DISABLE"] = "1"  # see conftest.py
        for path in notebooks:
            _run(path)


if __name__ == "__main__":
    main()
