"""Options from which a reader is built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from pydantic import BaseModel

from deepseek_ocr_rag import FetchPolicy, Limits, Reader
from deepseek_ocr_rag.backends import Backend
from deepseek_ocr_rag.errors import ConfigurationError
from deepseek_ocr_rag.service import reader_named
from deepseek_ocr_rag.setting_names import refuse_unknown

__all__ = ["ReaderOptions", "reader_from", "refuse_unknown_fields"]


class ReaderOptions(TypedDict, total=False):
    """Arguments for :class:`deepseek_ocr_rag.Reader`, all optional.

    Attributes:
        backend: What reads the pages: a backend, or "auto" (the default: the best
            one available), "lite", "ollama", "ollama/<model>", "server",
            "server:<base url>", "replay:<file>"; on a GPU of your own "local" (our
            engine) or "transformers", each also with ":<folder or hub id>"; or a service
            that others share (``dsocr serve``): "service:<base url>".
        resolution: How finely the model sees a page: tiny, small, base, large, or
            gundam (the default), which adds detailed tiles for small print; as in
            ``Reader``. ``lite`` has no such setting.
        task: What to ask of each page: document (the default), ocr, free, figure,
            describe, "locate: <what>", or "prompt: <your own words>".
        renderer: "pdfium" (the default) or "pymupdf".
        limits: Limits on size, pages and time of one document.
        allow_urls: Whether a source may be an https URL; off by default. A
            :class:`deepseek_ocr_rag.FetchPolicy` restricts the hosts.
    """

    backend: Backend | str
    resolution: str
    task: str
    renderer: str
    limits: Limits | None
    allow_urls: bool | FetchPolicy


def reader_from(reader: Reader | None, options: ReaderOptions) -> Reader:
    """Return the reader that was passed, or a new one built from the options.

    Raises:
        ConfigurationError: If both are given.
    """
    if reader is None:
        return reader_named(
            options.get("backend", "auto"),
            resolution=options.get("resolution", "gundam"),
            task=options.get("task", "document"),
            renderer=options.get("renderer", "pdfium"),
            limits=options.get("limits"),
            allow_urls=options.get("allow_urls", False),
        )
    if options:
        raise ConfigurationError(
            f"both a reader and {', '.join(sorted(options))} were given",
            remedy="Pass these to the Reader, or leave the reader out.",
        )
    return reader


def refuse_unknown_fields(model: type[BaseModel], values: object) -> object:
    """Check the names of a model's fields before they are validated: pydantic drops unknown ones.

    Returns:
        The values as they are.

    Raises:
        UnknownSettingError: If there is no such field.
    """
    if isinstance(values, Mapping):
        aliases = {field.alias for field in model.model_fields.values() if field.alias}
        refuse_unknown(model.__name__, map(str, values), {*model.model_fields, *aliases})
    return values
