"""A service whose documents are known and whose language model writes what its question asks for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from drawn_report import Part, drawn_report, recorded_report
from fake_ollama import FakeModel, Ollama033, Written
from hostile_markdown import ATTACKS
from running_service import serving

from deepseek_ocr_rag.service.queue import JobQueue
from deepseek_ocr_rag.service.service_limits import ReaderSettings, ServiceLimits

__all__ = ["LENS", "MODEL", "answering_service", "light_document"]

MODEL = "ollama/writer:latest"

LENS = (
    "In 1951 the old lens was carried down the stairs of the tower, packed in straw, and",
    "shipped to the maritime museum in Bergen, where visitors can still see it.",
)
"""A sentence over the end of a page."""

FARES = (
    "<table><tr><td>Route</td><td>Single (EUR)</td><td>Return (EUR)</td></tr>"
    "<tr><td>Hestur</td><td>14.25</td><td>26.80</td></tr>"
    "<tr><td>Skuvoy</td><td>9.10</td><td>17.00</td></tr></table>"
)

SCRIPT: Mapping[str, tuple[str, ...]] = {
    "mixed": (
        "The lighthouse was built in 1871.",
        "Anna Berg keeps the lamp, and the moon is made of green cheese.",
        "Every keeper was a trained dentist from Oslo.",
    ),
    "keeps": ("Anna Berg keeps the lamp.",),
    "lens": (
        "In 1951 the old lens was carried down the stairs of the tower and shipped to the"
        " maritime museum in Bergen.",
    ),
    "weather": ("This is not in these documents.",),
    "litres": ("The lamp burns 41 litres of oil a month.",),
}
"""What is written, by a word of the question."""


def light_document() -> list[list[Part]]:
    """Two pages; a sentence runs over the end of the first."""
    return [
        [
            ("title", "# Lights of the northern sound"),
            ("text", "The lighthouse was built in 1871. Its lamp burns 40 litres of oil a month."),
            ("text", "Anna Berg keeps the lamp. She signed the letter in May."),
            ("text", LENS[0]),
        ],
        [
            ("text", LENS[1]),
            ("sub_title", "## Visitors"),
            ("text", "Boats leave at nine."),
            ("table", FARES),
        ],
    ]


def _answer(body: Mapping[str, Any]) -> Written:
    asked = str((body.get("messages") or [{}])[-1].get("content", ""))
    if "Follow-up question" in asked:
        return Written("Who keeps the lamp of the lighthouse?")
    question = asked.rpartition("Question:")[2] or asked
    if found := re.search(r"attack (\d+)", question):
        sentences: tuple[str, ...] = (f"{ATTACKS[int(found[1])]} Anna Berg keeps the lamp.",)
    else:
        sentences = next((SCRIPT[word] for word in SCRIPT if word in question), SCRIPT["weather"])
    reply = {"sentences": [{"text": text, "sources": []} for text in sentences]}
    return Written(json.dumps(reply), pause=0.02 if "slow" in question else 0.0)


@contextmanager
def answering_service(folder: Path) -> Iterator[tuple[Any, Path]]:
    """A service with that model; an HTTP client with its address, and a document to send."""
    document = folder / "lights.pdf"
    document.write_bytes(drawn_report(light_document()))
    backend = recorded_report(folder / "recording.jsonl", light_document())
    model = FakeModel("writer:latest", None, _answer)
    with (
        pytest.MonkeyPatch.context() as patch,
        Ollama033(folder, model) as ollama,
        JobQueue(folder / "data", ReaderSettings(backend=backend), ServiceLimits()) as queue,
    ):
        patch.setenv("OLLAMA_HOST", ollama.url)
        with serving(queue) as http:
            yield http, document
