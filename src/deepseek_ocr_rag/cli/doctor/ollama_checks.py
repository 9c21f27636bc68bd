"""Checks whether this machine's Ollama passes on the layout that its deepseek-ocr writes."""

from __future__ import annotations

from ...backends.auto import ANSWER_SECONDS, CONNECT_SECONDS
from ...backends.layout_model.layout_model import hides_layout
from ...backends.remote.ollama_models import OllamaFacts
from ...errors import DeepSeekOCRError
from ...hosts import is_this_machine
from ...model.ollama_names import meant_model
from ...ollama_address import ollama_headers, ollama_url
from .check import Check

__all__ = ["ollama_checks"]


def ollama_checks() -> tuple[Check, ...]:
    """One check if there is such a model; the backend's own check says why there is none."""
    try:
        url = ollama_url()
        if not is_this_machine(url):
            return ()
        facts = OllamaFacts(
            url,
            connect_seconds=CONNECT_SECONDS,
            seconds=ANSWER_SECONDS,
            headers=ollama_headers(),
        )
        model = meant_model([each.name for each in facts.models() if not each.remote])
        if model is None:
            return ()
        hides = hides_layout(facts, model, facts.version())
    except DeepSeekOCRError:
        return ()
    if not hides:
        return (Check("ollama layout", True, f"{model} writes its boxes and table cells"),)
    return (
        Check(
            "ollama layout",
            False,
            f"this Ollama drops boxes and table cells of {model}",
            "Run `dsocr ollama-model` once.",
        ),
    )
