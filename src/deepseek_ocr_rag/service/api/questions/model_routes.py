"""Which language models a question may name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request

from ...answer_models import AnswerModels
from ..asker import Owner, in_worker

__all__ = ["ROUTER"]

ROUTER: Final = APIRouter(tags=["questions"])


@dataclass(frozen=True, slots=True)
class ModelsReply:
    """The language models that a question may name.

    Attributes:
        default: What answers where a question names none.
        models: All of them, the default first; "none" quotes passages.
        problem: Why there are no others, and what to do; null if there are some.
    """

    default: str
    models: list[str]
    problem: str | None


@ROUTER.get("/v1/language-models")
async def list_models(request: Request, owner: Owner) -> ModelsReply:
    """List the language models that may answer a question."""
    models: AnswerModels = request.app.state.answer_models
    names = await in_worker(models.names)
    return ModelsReply(models.default, list(names), await in_worker(models.problem) or None)
