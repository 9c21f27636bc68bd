"""Architecture: which rooms there are, who may import whom, and how large things may become.

``pytest -s tests/test_architecture.py`` prints the measurements.
"""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from house import (
    INTEGRATION_FILES,
    MODULE_FILES,
    OUR_FILES,
    PACKAGE,
    SRC,
    import_graph,
    imported,
    name_of,
    offenders,
    parsed,
    reach,
)
from long_files import LONG_FILES

MOST_FILES = 17
MOST_LINES = 400
MOST_FLOORS = 9
MOST_ARROWS = 48
"""Without the arrows from and to :data:`SERVING`, which offer all other rooms to other programs, or
train."""

SERVING = ("service", "mcp", "batch", "training")


@dataclass(frozen=True)
class Room:
    """A top-level folder or module of the package.

    Attributes:
        purpose: What lives there.
        may_import: The rooms that it may import, beside errors and version.
    """

    purpose: str
    may_import: tuple[str, ...] = ()


GROUND = (
    *("errors", "version", "hosts", "certificates", "http_replies", "installing"),
    "ollama_address",
    "interface_words",
    "setting_names",
    "threads",
)
"""Every room may import these."""

ROOMS = {
    "errors": Room("every error that this package raises"),
    "version": Room("the package's version"),
    "hosts": Room("which hosts are this machine"),
    "certificates": Room("which certificates HTTPS connections trust"),
    "http_replies": Room("which replies of HTTP servers are accepted"),
    "ollama_address": Room("where Ollama listens, and its credentials"),
    "interface_words": Room("what an error says of Python, in the words of another interface"),
    "setting_names": Room("refusing settings that do not exist"),
    "threads": Room("work in threads, and the error where none can be started"),
    "installing": Room("the pip command that installs more of this package"),
    "ollama_server": Room("talking to an Ollama"),
    "samples": Room("the sample document"),
    "text": Room("words, sentences, numbers, dates, line ends, token counts of any text"),
    "concurrency": Room("cancellation, fair turns, frames on a pipe, child processes, offline"),
    "model": Room("what the DeepSeek-OCR family takes and gives, without torch"),
    "document": Room("documents as data, and the model's output grammar", ("text",)),
    "engine": Room("the CUDA engine", ("model",)),
    "sources": Room("from what a user names to page images", ("document", "concurrency")),
    "backends": Room(
        "from a page image to the model's text",
        ("document", "model", "engine", "concurrency", "text", "ollama_server"),
    ),
    "reading": Room(
        "Reader, page stream, read-ahead, reorder buffer, page cache",
        ("sources", "backends", "document", "model", "concurrency", "text"),
    ),
    "retrieval": Room("chunks and search", ("document", "text", "ollama_server")),
    "export": Room("folders, drawing, evidence pictures, docling", ("document", "sources", "text")),
    "answering": Room(
        "question, prompt, answer, verification",
        ("retrieval", "export", "document", "text", "ollama_server"),
    ),
    "agents": Room(
        "what the tools of both frameworks share",
        ("reading", "retrieval", "export", "sources", "document", "text", "concurrency"),
    ),
    "service": Room(
        "jobs that survive everything, the reading process, HTTP and its doors",
        (
            *("backends", "reading", "document", "sources", "concurrency", "model", "text"),
            *("answering", "export"),
        ),
    ),
    "mcp": Room(
        "the MCP server: documents as tools and resources",
        ("agents", "answering", "concurrency", "service"),
    ),
    "batch": Room(
        "many documents, on this machine or many, with an account of every page",
        (
            *("reading", "backends", "sources", "document", "model", "concurrency", "text"),
            "retrieval",
        ),
    ),
    "training": Room(
        "fine-tuning: samples, loss, adapters, and judging what is written",
        ("batch", "backends", "sources", "document", "model", "text"),
    ),
    "records": Room("door: documents as metadata", ("document", "retrieval")),
    "grammar": Room("door: the model's output grammar", ("document",)),
    "__main__": Room("python -m deepseek_ocr_rag: the command again", ("cli",)),
    "cli": Room(
        "the dsocr command",
        (
            *("samples", "text", "concurrency", "model", "document", "sources", "backends"),
            *("reading", "export", "answering", "ollama_server", "service", "mcp", "batch"),
            "training",
        ),
    ),
}

MODEL_RUNTIME_HOMES = (
    *("engine", "backends.local", "backends.transformers", "backends.official"),
    "training",
)
"""Only these may import torch and transformers."""


def room_of(module: str) -> str:
    """The first name after the package's; "" for the package itself."""
    return module.removeprefix(PACKAGE).removeprefix(".").split(".")[0]


def arrows() -> set[tuple[str, str]]:
    """Which room imports which; the ground that all import does not count."""
    return {
        (room_of(module), room_of(other))
        for module, others in import_graph().items()
        for other in others
        if room_of(module) and room_of(module) != room_of(other) and room_of(other) not in GROUND
    }


def floors() -> dict[str, int]:
    """How high each room stands: one above the highest that it imports."""
    below: dict[str, set[str]] = {room: set() for room in ROOMS}
    for room, other in arrows():
        below[room].add(other)
    order = TopologicalSorter(below).static_order()  # CycleError where rooms form a circle
    height: dict[str, int] = {}
    for room in order:
        height[room] = 1 + max((height[other] for other in below[room]), default=0)
    return height


def folders() -> Counter[Path]:
    """How many Python files each folder of the package has, ``__init__.py`` included."""
    return Counter(path.parent for path in MODULE_FILES.values())


def test_every_module_stands_in_a_room() -> None:
    assert {room_of(module) for module in MODULE_FILES} - {""} == set(ROOMS)


def test_every_room_says_what_it_is_for() -> None:
    assert [name for name, room in ROOMS.items() if not room.purpose] == []


def test_a_room_imports_only_what_it_may() -> None:
    wrong = {
        module: sorted(
            other
            for other in others
            if room_of(other) != room_of(module)
            and room_of(other) not in (*GROUND, *ROOMS[room_of(module)].may_import)
        )
        for module, others in import_graph().items()
        if room_of(module)
    }
    assert offenders(wrong) == {}


def test_no_module_imports_itself_through_others() -> None:
    assert [module for module in MODULE_FILES if module in reach(module)] == []


def test_folders_floors_and_arrows_between_rooms_stay_within_their_limits(
    capsys: pytest.CaptureFixture[str],
) -> None:
    largest, files = folders().most_common(1)[0]
    lines = sum(len(path.read_text("utf-8").splitlines()) for path in MODULE_FILES.values())
    highest = max(floors().values())
    serving = {each for each in arrows() if set(each) & set(SERVING)}
    inside = arrows() - serving
    with capsys.disabled():
        print(
            f"\nlargest folder: {files} files ({name_of(largest)}); floors: {highest};"
            f" arrows between rooms: {len(inside)}, and {len(serving)} of {' and '.join(SERVING)};"
            f" modules: {len(MODULE_FILES)}; lines: {lines}"
        )
    assert files <= MOST_FILES
    assert highest <= MOST_FLOORS
    assert len(inside) <= MOST_ARROWS


def test_files_stay_under_400_lines() -> None:
    lines = {name_of(path): len(path.read_text("utf-8").splitlines()) for path in OUR_FILES}
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}


def test_file_names_say_something() -> None:
    empty = {"util", "utils", "helper", "helpers", "manager", "managers", "misc", "common"}
    assert [name_of(path) for path in OUR_FILES if empty & set(path.stem.split("_"))] == []


def test_no_two_files_have_one_name() -> None:
    """But for a backend's own class, which is in ``backend.py`` of its folder."""
    names = Counter(path.stem for path in MODULE_FILES.values())
    twice = {name for name, count in names.items() if count > 1}
    assert twice <= {"__init__", "backend"}


def test_no_two_classes_have_one_name() -> None:
    names = Counter(
        node.name
        for path in MODULE_FILES.values()
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ClassDef)
    )
    assert {name: count for name, count in names.items() if count > 1} == {}


def own_private_names(tree: ast.Module) -> set[str]:
    """Private names that a module itself defines: attributes, methods, fields, functions."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            if isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"):
                found.add(node.attr)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return found


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_"


def test_no_module_uses_private_names_of_another() -> None:
    public_in_spite = {
        "_exit",
        "_replace",
        "_asdict",
        "_fields",
        "_fields_",
        "_scaled_mm",
        "_addmm_activation",
    }  # os, namedtuple, ctypes; torch, whose product in fp8 has no public name before 2.10, and whose
    # product that applies GELU has none
    wrong: dict[str, list[str]] = {}
    for path in OUR_FILES:
        tree = parsed(path)
        own = own_private_names(tree)
        used = [
            f"{ast.unparse(node)} (line {node.lineno})"
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute)
            and is_private(node.attr)
            and node.attr not in own | public_in_spite
            and not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"))
        ]
        used += [
            f"import {alias.name} (line {node.lineno})"
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
            if is_private(alias.name)
        ]
        wrong[name_of(path)] = used
    assert offenders(wrong) == {}


def test_the_package_imports_itself_relatively() -> None:
    wrong = {
        module: [
            node.lineno
            for node in ast.walk(parsed(path))
            if (isinstance(node, ast.ImportFrom) and not node.level and node.module)
            and node.module.split(".")[0] == PACKAGE
        ]
        for module, path in MODULE_FILES.items()
    }
    assert offenders(wrong) == {}


def test_frameworks_and_torch_stay_in_their_homes() -> None:
    wrong = {}
    for module, path in MODULE_FILES.items():
        kept_out = {"langchain", "langchain_core", "langchain_deepseek_ocr", "llama_index"}
        if not module.removeprefix(f"{PACKAGE}.").startswith(MODEL_RUNTIME_HOMES):
            kept_out |= {"torch", "transformers"}
        wrong[module] = sorted({name.split(".")[0] for name in imported(path, module)} & kept_out)
    assert offenders(wrong) == {}


def test_integrations_import_only_public_modules() -> None:
    doors = {PACKAGE, *(f"{PACKAGE}.{room}" for room in ROOMS)}
    wrong = {
        name_of(path): sorted(
            name for name in imported(path) if name.split(".")[0] == PACKAGE and name not in doors
        )
        for path in INTEGRATION_FILES
    }
    assert offenders(wrong) == {}


def test_the_source_folder_holds_nothing_else() -> None:
    assert [path.name for path in SRC.iterdir() if path.name != "__pycache__"] == [PACKAGE]


def test_the_files_that_begin_first_are_there() -> None:
    assert [file for file in LONG_FILES if not (SRC.parent / file).is_file()] == []
