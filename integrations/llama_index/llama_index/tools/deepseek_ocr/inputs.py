"""Argument schemas of the tools, made from the forms of :mod:`deepseek_ocr_rag.agents`."""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import BaseModel, create_model
from pydantic.fields import FieldInfo

from deepseek_ocr_rag.agents import FORMS, ToolArgument, ToolForm

__all__ = ["schema_of"]


def schema_of(form: ToolForm) -> type[BaseModel]:
    """Return the schema that a model is shown; arguments are checked when the tool is called."""
    return _schema(form.name)


@cache
def _schema(name: str) -> type[BaseModel]:
    arguments = FORMS[name].arguments
    fields: dict[str, Any] = {argument.name: _field(argument) for argument in arguments}
    return create_model(name, __module__=__name__, **fields)


def __getattr__(name: str) -> type[BaseModel]:
    """Return the schema of the tool of that name: pickled tools look for it here."""
    if name in FORMS:
        return _schema(name)
    raise AttributeError(name)


def _field(argument: ToolArgument) -> tuple[object, FieldInfo]:
    if argument.required:
        return argument.kind.annotation, FieldInfo(description=argument.description)
    shown = FieldInfo(default=argument.default, description=argument.description)
    return argument.kind.annotation, shown
