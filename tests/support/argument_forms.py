"""Arguments as language models write them, and what they mean: one table for both frameworks.

The forms were collected from public reports about tool calls of small local models: numbers as
text, null for what is left out, lists and objects as JSON in a text, names of other tools'
arguments, the arguments wrapped once more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["ACCEPTED", "REFUSED", "Form"]

BOX = [0.1, 0.2, 0.5, 0.25]


@dataclass(frozen=True, slots=True)
class Form:
    """One call.

    Attributes:
        tool: The tool's name.
        given: The arguments as the model writes them.
        meant: The arguments that it means, without those that keep their defaults.
        names: The argument that a refusal names.
    """

    tool: str
    given: Mapping[str, Any]
    meant: Mapping[str, Any] | None = None
    names: str = ""


def read(meant: Mapping[str, Any], **given: Any) -> Form:
    return Form("read_document", {"path": "a.pdf", **given}, {"path": "a.pdf", **meant})


def look(meant: Mapping[str, Any], **given: Any) -> Form:
    whole = {"path": "a.pdf", "page": 1}
    return Form("look_at", {**whole, **given}, {**whole, **meant})


def refused(tool: str, names: str, **given: Any) -> Form:
    rest: dict[str, Any] = {"path": "a.pdf"}
    if tool == "look_at":
        rest["page"] = 1
    return Form(tool, {**rest, **given}, None, names)


ACCEPTED = (
    read({}, pages=None, start=None),
    read({}, pages="", start=""),
    read({}, pages="null", start="null"),
    read({}, pages="None"),
    read({}, pages="all"),
    read({}, pages=[]),
    read({}, start="0"),
    read({"start": 1}, start=1.0),
    read({"start": 1}, start="1"),
    read({"start": 120}, start=" 120 "),
    read({"start": 7}, start="7.0"),
    read({"start": 7}, start=[7]),
    read({"start": 7}, start="[7]"),
    read({"start": 7}, start={"value": 7}),
    read({"start": 7}, offset=7),
    read({"pages": "3"}, pages=3),
    read({"pages": "3"}, pages=3.0),
    read({"pages": "3"}, pages="3.0"),
    read({"pages": "3"}, page=3),
    read({"pages": "3"}, page="3"),
    read({"pages": "3"}, page_number="page 3"),
    read({"pages": "1,2,3"}, pages=[1, 2, 3]),
    read({"pages": "1,2,3"}, pages="[1, 2, 3]"),
    read({"pages": "1,2"}, pages=["1", "2"]),
    read({"pages": "1-3,7"}, pages="1-3,7"),
    read({"pages": "1-3,7"}, pages=["1-3", 7]),
    read({"pages": "1-3,7"}, pages="pages 1 to 3 and 7"),
    read({"pages": "1-3"}, pages="1 – 3"),
    read({"pages": "1,2,3"}, pages="1, 2, and 3."),
    read({"pages": "1-3"}, pages={"start": 1, "end": 3}),
    read({"pages": "1-3"}, pages='{"from": "1", "to": "3"}'),
    read({"pages": "5-"}, pages="5-end"),
    read({"pages": "1-3"}, pages="until page 3"),
    read({"pages": "1-3"}, pages="start-3"),
    read({}, path="'a.pdf'"),
    read({}, path=["a.pdf"]),
    read({}, path='["a.pdf"]'),
    read({}, path={"path": "a.pdf"}),
    read({}, encoding=None),
    read({}, pages="[]", start="{}"),
    read({"pages": "3-9", "start": 120}, pages='pages="3-9"', start="start=120"),
    read({"pages": "2"}, kwargs={"pages": 2}),
    Form(
        "read_document",
        {"name": "read_document", "arguments": {"path": "a.pdf", "pages": 2}},
        {"path": "a.pdf", "pages": "2"},
    ),
    Form(
        "search_document",
        {"type": "object", "properties": '{"path": "a.pdf", "query": "lamp"}'},
        {"path": "a.pdf", "query": "lamp"},
    ),
    Form("read_document", {"file_path": "a.pdf"}, {"path": "a.pdf"}),
    Form("read_document", {"filename": "a.pdf", "Pages": "2"}, {"path": "a.pdf", "pages": "2"}),
    Form("read_document", {"arguments": {"path": "a.pdf"}}, {"path": "a.pdf"}),
    Form(
        "read_document", {"input": '{"path": "a.pdf", "pages": 2}'}, {"path": "a.pdf", "pages": "2"}
    ),
    Form(
        "search_document",
        {"path": "a.pdf", "question": "who?", "pages": "null", "offset": "5"},
        {"path": "a.pdf", "query": "who?", "offset": 5},
    ),
    Form(
        "search_document",
        {"path": "a.pdf", "query": ["lamp", "oil"], "offset": None},
        {"path": "a.pdf", "query": "lamp oil"},
    ),
    Form("search_document", {"path": "a.pdf", "query": "none"}, {"path": "a.pdf", "query": "none"}),
    Form("search_document", {"path": "a.pdf", "query": 2024}, {"path": "a.pdf", "query": "2024"}),
    Form("locate", {"path": "a.pdf", "query": "the total"}, {"path": "a.pdf", "what": "the total"}),
    Form(
        "locate",
        {"path": "a.pdf", "what": "seal", "page": 2},
        {"path": "a.pdf", "what": "seal", "pages": "2"},
    ),
    look({}, page="1", box=None),
    look({}, page=1.0, box="null"),
    look({}, page="page 1", box=[]),
    look({}, page=[1], box="whole page"),
    look({"page": 2}, page={"value": "2"}),
    look({"box": BOX}, box=BOX),
    look({"box": BOX}, box="[0.1, 0.2, 0.5, 0.25]"),
    look({"box": BOX}, box="0.1, 0.2, 0.5, 0.25"),
    look({"box": BOX}, box="(0.1 0.2 0.5 0.25)"),
    look({"box": BOX}, box=["0.1", "0.2", "0.5", "0.25"]),
    look({"box": BOX}, box=[BOX]),
    look({"box": BOX}, box={"x0": 0.1, "y0": 0.2, "x1": 0.5, "y1": 0.25}),
    look({"box": BOX}, box='{"left": 0.1, "top": "0.2", "right": 0.5, "bottom": 0.25}'),
    look({"box": BOX}, bbox="[[0.1, 0.2], [0.5, 0.25]]"),
    look({"box": BOX}, box=["10%", "20%", "50%", "25%"]),
    Form("list_documents", {}, {}),
    Form("list_documents", {"folder": None, "offset": "0"}, {}),
    Form("list_documents", {"path": "./2024/"}, {"folder": "2024"}),
    Form("search_documents", {"query": "lamp", "folder": "null"}, {"query": "lamp"}),
    Form("search_documents", {"text": "lamp", "start": 5.0}, {"query": "lamp", "offset": 5}),
)

REFUSED = (
    Form("read_document", {}, None, "path"),
    Form("read_document", {"path": None}, None, "path"),
    Form("read_document", {"path": ["a.pdf", "b.pdf"]}, None, "path"),
    Form("read_document", {"path": True}, None, "path"),
    Form("read_document", {"path": "a" * 1001}, None, "path"),
    refused("read_document", "start", start=-1),
    refused("read_document", "start", start="two"),
    refused("read_document", "start", start=1.5),
    refused("read_document", "start", start=True),
    refused("read_document", "start", start="1e400"),
    refused("read_document", "start", start=float("nan")),
    refused("read_document", "start", start=10**30),
    refused("read_document", "start", start=[1, 2]),
    refused("read_document", "start", start=3, offset=4),
    refused("read_document", "pages", pages="first"),
    refused("read_document", "pages", pages="the first three"),
    refused("read_document", "pages", pages=0),
    refused("read_document", "pages", pages="0"),
    refused("read_document", "pages", pages="0,5"),
    refused("read_document", "pages", pages="9" * 40),
    refused("read_document", "pages", pages=-3),
    refused("read_document", "pages", pages="-3"),
    refused("read_document", "pages", pages="page –1"),
    refused("read_document", "pages", pages="2, -1"),
    refused("read_document", "pages", pages="1.5"),
    refused("read_document", "pages", pages="3-1"),
    refused("read_document", "pages", pages="1-2-3"),
    refused("read_document", "pages", pages="1/2"),
    refused("read_document", "pages", pages="\u1369"),
    refused("read_document", "pages", pages="page 2 of 9"),
    refused("read_document", "pages", pages=True),
    refused("read_document", "pages", pages=[1, None]),
    refused("read_document", "pages", pages={"a": 1, "b": 2, "c": 3}),
    refused("read_document", "pages", pages="1" + " " * 50_000 + "-" + " " * 50_000 + "x"),
    refused("read_document", "pages", pages="[" * 5000),
    refused("read_document", "pages", pages=list(range(1, 5000))),
    refused("read_document", "strat", strat=3),
    refused("read_document", "language", language="en"),
    Form("search_document", {"path": "a.pdf"}, None, "query"),
    refused("search_document", "query", query=" "),
    refused("search_document", "query", query="lamp " * 600_000),
    refused("search_document", "query", query={"a": 1, "b": 2}),
    refused("search_document", "offset", query="lamp", offset=-5),
    refused("locate", "what", what=""),
    refused("locate", "what", what=None),
    Form("look_at", {"path": "a.pdf"}, None, "page"),
    refused("look_at", "page", page="all"),
    refused("look_at", "page", page="1-3"),
    refused("look_at", "page", page=0),
    refused("look_at", "box", box="the top"),
    refused("look_at", "box", box=[10, 10, 90, 20]),
    refused("look_at", "box", box=[0.1, 0.2, 0.3]),
    refused("look_at", "box", box=[0.1, 0.2, 0.3, "x"]),
    refused("look_at", "box", box=[0.1, 0.2, 0.3, float("inf")]),
    refused("look_at", "box", box=[True, 0, 1, 1]),
    refused("look_at", "box", box="0.1," * 100_000),
    Form("list_documents", {"folder": "../.."}, None, "folder"),
    Form("list_documents", {"offset": "many"}, None, "offset"),
    Form("search_documents", {"query": None}, None, "query"),
    Form("search_documents", {"query": "lamp", "limit": 3}, None, "limit"),
)
