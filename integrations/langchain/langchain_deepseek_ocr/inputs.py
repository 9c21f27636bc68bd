"""Argument schemas of the tools, made from the forms of :mod:`deepseek_ocr_rag.agents`."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, create_model, model_validator
from pydantic.fields import FieldInfo

from deepseek_ocr_rag.agents import (
    LIST_DOCUMENTS,
    LOCATE,
    LOOK_AT,
    READ_DOCUMENT,
    SEARCH_DOCUMENT,
    SEARCH_DOCUMENTS,
    ToolArgument,
    ToolForm,
    arguments_of,
)

__all__ = [
    "ListDocumentsInput",
    "LocateInput",
    "LookAtInput",
    "ReadDocumentInput",
    "SearchDocumentInput",
    "SearchDocumentsInput",
    "ToolInput",
]


class ToolInput(BaseModel):
    """Arguments of a tool, accepted as language models write them.

    Attributes:
        form: The tool.
    """

    model_config = ConfigDict(extra="forbid")
    form: ClassVar[ToolForm]

    @model_validator(mode="before")
    @classmethod
    def _as_meant(cls, given: object) -> dict[str, Any]:
        return arguments_of(cls.form, given)


def _field(argument: ToolArgument) -> tuple[object, FieldInfo]:
    if argument.required:
        return argument.kind.annotation, FieldInfo(description=argument.description)
    shown = FieldInfo(default=argument.default, description=argument.description)
    return argument.kind.annotation, shown


def _schema(name: str, form: ToolForm) -> type[ToolInput]:
    fields: dict[str, Any] = {argument.name: _field(argument) for argument in form.arguments}
    doc = f"Arguments of ``{form.name}``."
    schema = create_model(name, __base__=ToolInput, __module__=__name__, __doc__=doc, **fields)
    schema.form = form
    return schema


ListDocumentsInput = _schema("ListDocumentsInput", LIST_DOCUMENTS)
SearchDocumentsInput = _schema("SearchDocumentsInput", SEARCH_DOCUMENTS)
ReadDocumentInput = _schema("ReadDocumentInput", READ_DOCUMENT)
SearchDocumentInput = _schema("SearchDocumentInput", SEARCH_DOCUMENT)
LocateInput = _schema("LocateInput", LOCATE)
LookAtInput = _schema("LookAtInput", LOOK_AT)
