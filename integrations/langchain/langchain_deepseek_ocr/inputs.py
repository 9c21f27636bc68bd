"""Argument schemas of the tools, made from the forms of :mod:`deepseek_ocr_rag.agents`."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, create_model, model_validator
from pydantic.fields import FieldInfo

from deepseek_ocr_rag.agents import FORMS, ToolArgument, ToolForm, arguments_of

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


ListDocumentsInput = _schema("ListDocumentsInput", FORMS["list_documents"])
SearchDocumentsInput = _schema("SearchDocumentsInput", FORMS["search_documents"])
ReadDocumentInput = _schema("ReadDocumentInput", FORMS["read_document"])
SearchDocumentInput = _schema("SearchDocumentInput", FORMS["search_document"])
LocateInput = _schema("LocateInput", FORMS["locate"])
LookAtInput = _schema("LookAtInput", FORMS["look_at"])
