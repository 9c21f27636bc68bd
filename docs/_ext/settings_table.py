"""The directive ``settings``: a class's settings in one table, from its signature and docstring.

A setting without a description fails the build.
"""

from __future__ import annotations

import importlib
import inspect
import re
from dataclasses import MISSING, fields, is_dataclass

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

REQUIRED = "required"
OURS = (
    "deepseek_ocr_rag",
    "langchain_deepseek_ocr",
    "llama_index.readers.deepseek_ocr",
    "llama_index.retrievers.deepseek_ocr",
    "llama_index.tools.deepseek_ocr",
)

_log = logging.getLogger(__name__)


class Settings(SphinxDirective):
    """A table with a row for each setting: its name, its default, what it means."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Generate a list-table and parse it."""
        module, _, name = self.arguments[0].rpartition(".")
        described = getattr(importlib.import_module(module), name)
        meanings = descriptions(described)
        lines = [
            ".. list-table::",
            "   :header-rows: 1",
            "   :widths: 22 18 60",
            "",
            "   * - setting",
            "     - default",
            "     - meaning",
        ]
        for setting, default in defaults(described).items():
            if setting not in meanings:
                _log.warning("%s does not describe %s", name, setting, location=self.get_location())
            lines += [f"   * - ``{setting}``", f"     - {shown(default)}"]
            lines += [f"     - {meanings.get(setting, '')}"]
        return self.parse_text_to_nodes("\n".join([*lines, ""]))


def defaults(described: object) -> dict[str, object]:
    """Every setting with its default, in the order of the signature."""
    if is_dataclass(described):
        return {
            field.name: (
                field.default
                if field.default is not MISSING
                else REQUIRED
                if field.default_factory is MISSING
                else field.default_factory()
            )
            for field in fields(described)
            if field.init
        }
    if hasattr(described, "model_fields"):
        return model_defaults(described)
    parameters = inspect.signature(described).parameters.values()  # type: ignore[arg-type]
    return {
        each.name: REQUIRED if each.default is each.empty else each.default
        for each in parameters
        if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    }


def model_defaults(described: type) -> dict[str, object]:
    """The fields of a pydantic model, without those that it inherits from a framework."""
    named: set[str] = set()
    inherited: set[str] = set()
    for kind in described.__mro__:
        names = inspect.get_annotations(kind)
        (named if kind.__module__.startswith(OURS) else inherited).update(names)
    return {
        name: REQUIRED if field.is_required() else field.get_default(call_default_factory=True)
        for name, field in described.model_fields.items()  # type: ignore[attr-defined]
        if name in named - inherited
    }


def shown(default: object) -> str:
    """A default as the table shows it."""
    if default is REQUIRED:
        return REQUIRED
    if isinstance(default, int) and not isinstance(default, bool) and default >= 10_000:
        return f"``{default:_}``"
    return f"``{default!r}``"


def descriptions(described: object) -> dict[str, str]:
    """What the docstring says about each setting, under ``Args:`` or ``Attributes:``."""
    found: dict[str, str] = {}
    for kind in reversed(getattr(described, "__mro__", (described,))):
        text = inspect.cleandoc(kind.__doc__ or "")
        for section in re.findall(
            r"^(?:Args|Attributes):\n((?:[ ]+.*\n?|\n)+)", text, flags=re.MULTILINE
        ):
            for names, meaning in re.findall(
                r"^    (\w+(?:, \w+)*): (.*(?:\n(?:        .*|$))*)", section, flags=re.MULTILINE
            ):
                found |= dict.fromkeys(names.split(", "), " ".join(meaning.split()))
    return found


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("settings", Settings)
    return {"parallel_read_safe": True}
