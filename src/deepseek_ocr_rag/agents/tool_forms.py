"""Declares the tools: their names, what they tell the model, and their arguments.

Both frameworks build their schemas from these forms. Every argument has one plain JSON type and a
default that is not null: some clients, Ollama's among them, drop ``anyOf``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import GenericAlias
from typing import Final

__all__ = ["FORMS", "ArgumentKind", "ToolArgument", "ToolForm"]


class ArgumentKind(Enum):
    """What an argument holds; the value is the Python type of its schema."""

    PATH = "path"
    WORDS = "words"
    CITATIONS = "citations"
    PAGES = "pages"
    PAGE = "page"
    NUMBER = "number"
    BOX = "box"
    FOLDER = "folder"

    @property
    def annotation(self) -> type | GenericAlias:
        """The type that the schema shows."""
        if self is ArgumentKind.BOX:
            return list[float]
        return int if self in (ArgumentKind.PAGE, ArgumentKind.NUMBER) else str


@dataclass(frozen=True, slots=True)
class ToolArgument:
    """One argument of a tool.

    Attributes:
        name: Its name.
        kind: What it holds.
        description: What the model is told about it.
        required: Whether the model must give it.
        also: Other names that models write for it, in lower case without "_".
    """

    name: str
    kind: ArgumentKind
    description: str
    required: bool = False
    also: frozenset[str] = frozenset()

    @property
    def default(self) -> str | int | list[float]:
        """The value of an omitted argument."""
        if self.kind is ArgumentKind.BOX:
            return []
        return 0 if self.kind is ArgumentKind.NUMBER else ""


@dataclass(frozen=True, slots=True)
class ToolForm:
    """One tool.

    Attributes:
        name: Its name.
        description: What the model is told about it.
        arguments: What it takes, required ones first.
    """

    name: str
    description: str
    arguments: tuple[ToolArgument, ...]


_PATH_NAMES: Final = frozenset(
    {"file", "filename", "filepath", "document", "documentpath", "documentname", "doc", "pdf"}
    | {"source", "pathtofile", "name"}
)
_PAGES_NAMES: Final = frozenset(
    {"page", "pagenumber", "pagenumbers", "pagerange", "pageranges", "pagelist", "pageno"}
)


def _path(what: str) -> ToolArgument:
    return ToolArgument(
        "path",
        ArgumentKind.PATH,
        f"The file to {what}, written as list_documents shows it.",
        required=True,
        also=_PATH_NAMES,
    )


def _pages(what: str, default: str) -> ToolArgument:
    return ToolArgument(
        "pages",
        ArgumentKind.PAGES,
        f"Which pages{what}, counted from 1, like '3' or '1-3,7'. {default}",
        also=_PAGES_NAMES,
    )


def _offset(what: str) -> ToolArgument:
    return ToolArgument(
        "offset",
        ArgumentKind.NUMBER,
        f"Only when an earlier reply said that there {what}: the offset to continue from.",
        also=frozenset({"start", "skip", "from", "startat"}),
    )


_QUERY: Final = ToolArgument(
    "query",
    ArgumentKind.WORDS,
    "A question, or a few words from the document.",
    required=True,
    also=frozenset(
        {"question", "q", "searchquery", "searchterm", "searchterms", "search", "text", "words"}
        | {"keywords", "keyword", "terms", "queries", "what"}
    ),
)
_FOLDER: Final = ToolArgument(
    "folder",
    ArgumentKind.FOLDER,
    "Only documents in this folder, like 'reports/2024'. Leave it out for all of them.",
    also=frozenset({"directory", "dir", "subfolder", "path", "rootdir"}),
)

LIST_DOCUMENTS: Final = ToolForm(
    "list_documents",
    "List the documents that can be read and searched, by their paths. Use it first when you do "
    "not know a file's name.",
    (_FOLDER, _offset("are more")),
)
SEARCH_DOCUMENTS: Final = ToolForm(
    "search_documents",
    "Search all documents for passages that match a question, best first, with file, page and "
    "boxes. Use it when you do not know which document has the answer.",
    (_QUERY, _FOLDER, _offset("is more")),
)
READ_DOCUMENT: Final = ToolForm(
    "read_document",
    "Read a PDF or a scanned page as Markdown text with page numbers. Use it whenever the answer "
    "may be in such a file. A long document comes in portions: the end of each reply says how to "
    "ask for the next pages.",
    (
        ToolArgument(
            "path",
            ArgumentKind.PATH,
            "The file to read: a PDF or a picture (PNG, JPEG, TIFF, WebP, BMP), as a path "
            "relative to the allowed folder, with forward slashes, like 'report.pdf'.",
            required=True,
            also=_PATH_NAMES,
        ),
        _pages("", "Leave it out to begin at the first page."),
        ToolArgument(
            "start",
            ArgumentKind.NUMBER,
            "Only when an earlier reply said that a page goes on: the character to continue from.",
            also=frozenset({"offset", "startat", "startcharacter", "startchar", "character"}),
        ),
    ),
)
SEARCH_DOCUMENT: Final = ToolForm(
    "search_document",
    "Search a PDF or a scan for passages that match a question, best first, with their pages and "
    "boxes. Use it for a long document instead of reading all of it. More results come with offset.",
    (
        _path("search"),
        _QUERY,
        _pages(" to search", "Leave it out for all of them."),
        _offset("is more"),
    ),
)
LOCATE: Final = ToolForm(
    "locate",
    "Find where something is in a PDF or a scan: 'the total', 'the signature'. Returns pages and "
    "boxes, which look_at can show.",
    (
        _path("look into"),
        ToolArgument(
            "what",
            ArgumentKind.WORDS,
            "What to find, in a few words, like 'the total amount'.",
            required=True,
            also=frozenset(
                {"query", "object", "target", "text", "find", "item", "element", "phrase", "thing"}
            ),
        ),
        _pages(" to look at", "Leave it out for all of them."),
    ),
)
LOOK_AT: Final = ToolForm(
    "look_at",
    "Look at a page of a PDF or a scan, or at a part of it, as a picture: for figures, "
    "signatures, stamps, and to check what was read. Boxes come from search_document and locate.",
    (
        _path("look at"),
        ToolArgument(
            "page",
            ArgumentKind.PAGE,
            "The page to look at, counted from 1, like 3.",
            required=True,
            also=_PAGES_NAMES - {"page"} | {"pages"},
        ),
        ToolArgument(
            "box",
            ArgumentKind.BOX,
            "The part of the page: [left, top, right, bottom] as fractions of the page from 0 to "
            "1, as search_document and locate give them. Leave it out for the whole page.",
            also=frozenset({"bbox", "boundingbox", "boxes", "region", "area", "rect", "rectangle"}),
        ),
    ),
)

FORMS: Final[Mapping[str, ToolForm]] = {
    form.name: form
    for form in (
        LIST_DOCUMENTS,
        SEARCH_DOCUMENTS,
        READ_DOCUMENT,
        SEARCH_DOCUMENT,
        LOCATE,
        LOOK_AT,
    )
}
"""All tools by name, in the order in which a model should see them."""
