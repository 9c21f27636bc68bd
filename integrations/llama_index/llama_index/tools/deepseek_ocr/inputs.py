"""Argument schemas of the tools, made from the forms of :mod:`deepseek_ocr_rag.agents`."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, create_model
from pydantic.fields import FieldInfo

from deepseek_ocr_rag.agents import ToolArgument, ToolForm

__all__ = ["schema_of"]


def schema_of(form: ToolForm) -> type[BaseModel]:
    """The schema that a model is shown; arguments are checked when the tool is called."""
    fields: dict[str, Any] = {argument.name: _field(argument) for argument in form.arguments}
    return create_model(form.name, __module__=__name__, **fields)


def _field(argument: ToolArgument) -> tuple[object, FieldInfo]:
    if argument.required:
        return argument.kind.annotation, FieldInfo(description=argument.description)
    shown = FieldInfo(default=argument.default, description=argument.description)
    return argument.kind.annotation, shown
