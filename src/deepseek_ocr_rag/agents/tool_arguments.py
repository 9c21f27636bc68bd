"""Understands the arguments of a whole call, as language models write them."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any, Final

from ..errors import ConfigurationError
from ..setting_names import near_name
from ..text.control_tokens import one_line
from .argument_values import (
    box_value,
    decoded,
    is_absent,
    number_value,
    page_value,
    pages_value,
    path_text,
    text_value,
)
from .tool_forms import ArgumentKind, ToolArgument, ToolForm

__all__ = ["arguments_of", "folder_of", "path_of", "words_of"]

_CONTENT: Final = ("arguments", "parameters", "args", "input", "tool_input", "kwargs", "properties")
_ENVELOPE: Final = frozenset({"name", "type", "id", "function", "tool", "tool_name", "action"})
"""Keys around the arguments, if a model writes the whole call in their place."""

_WRAPPERS: Final = 3
"""Most nested objects around the arguments, such as ``{"arguments": {...}}``."""

MOST_ARGUMENTS: Final = 30

_TEXTS: Final = (ArgumentKind.PATH, ArgumentKind.WORDS, ArgumentKind.CITATIONS)


def arguments_of(form: ToolForm, given: object) -> dict[str, Any]:
    """All arguments of a call in canonical form, by name.

    Args:
        form: The tool that was called.
        given: What the model gave: a mapping, the same as JSON text, or the text of the only
            required argument. Values may be text where numbers are meant, JSON where lists are
            meant, null where nothing is meant; names may be those that other tools use.

    Raises:
        ConfigurationError: If an argument is missing, unknown, given twice or invalid; the message
            names it.
    """
    values = _named_values(form, _mapping(form, given))
    return {
        argument.name: _canonical(argument, values.get(argument.name))
        for argument in form.arguments
    }


def path_of(value: object, name: str = "path") -> str:
    """A path as :meth:`AgentReader.read` takes it; ``name`` is the argument's."""
    remedy = f"Give {name} as text: the file to open, like 'report.pdf'."
    return path_text(text_value(name, value, remedy=remedy))


def words_of(name: str, value: object) -> str:
    """What to look for, in a few words."""
    return text_value(name, value, remedy="Give a few words to look for.")


def folder_of(value: object) -> str:
    """A folder inside the allowed one, without slashes at its ends; "" for the allowed one."""
    if is_absent(value):
        return ""
    text = path_text(text_value("folder", value, remedy="Give a folder like 'reports/2024'."))
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if ".." in parts or "\\" in text or "://" in text:
        raise ConfigurationError(
            f"folder cannot be '{one_line(text[:60])}'",
            remedy="Give a folder inside the allowed one, like 'reports/2024', or leave it out.",
        )
    return "" if parts == ["*"] else "/".join(parts)


def _canonical(argument: ToolArgument, value: object) -> str | int | list[float]:
    kind, name = argument.kind, argument.name
    if kind is ArgumentKind.PATH:
        return path_of(value, name) if argument.required or not is_absent(value) else ""
    if kind is ArgumentKind.WORDS:
        return words_of(name, value)
    if kind is ArgumentKind.CITATIONS:
        return text_value(
            name,
            value,
            remedy=f"Give {name} as it is printed: dsocr://doc/report.pdf/page/3?boxes=...",
        )
    if kind is ArgumentKind.PAGES:
        return pages_value(name, value) or ""
    if kind is ArgumentKind.PAGE:
        return page_value(name, value)
    if kind is ArgumentKind.NUMBER:
        return number_value(name, value, default=0)
    if kind is ArgumentKind.FOLDER:
        return folder_of(value)
    return list(box_value(name, value) or ())


def _mapping(form: ToolForm, given: object) -> Mapping[Any, Any]:
    """The arguments by name, without any wrapping."""
    for _ in range(_WRAPPERS + 1):
        inner = decoded(given) if isinstance(given, str) else given
        if isinstance(inner, str):
            given = {form.arguments[0].name: inner}
            break
        given = inner
        if given is None or (isinstance(given, list | tuple) and not given):
            return {}
        if isinstance(given, list | tuple) and len(given) == 1:
            given = given[0]
            continue
        if isinstance(given, Mapping):
            given = _merged(form, _without_envelope(_present(form, given)))
        if not isinstance(given, Mapping) or len(given) != 1:
            break
        (key, value) = next(iter(given.items()))
        content = decoded(value) if isinstance(value, str) else value
        if not isinstance(content, Mapping) or (
            _argument(form, key) is not None and not _names_arguments(form, content)
        ):
            break
        given = content
    if not isinstance(given, Mapping):
        raise ConfigurationError(
            "the arguments are not an object", remedy=f"Give {_listed(form)} by name."
        )
    return given


def _names_arguments(form: ToolForm, content: Mapping[Any, Any]) -> bool:
    """Whether an argument's value is really the object of all arguments."""
    exact = {argument.name for argument in form.arguments}
    return len(content) > 1 and {str(key)[:40] for key in content} <= exact


def _named_values(form: ToolForm, given: Mapping[Any, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    # Exact names first, so that synonyms are compared with them.
    for key, value in sorted(given.items(), key=lambda item: _argument(form, item[0]) != item[0]):
        name = _argument(form, key)
        if name is None:
            raise _unknown(form, key)
        if name in values and values[name] != value:
            raise ConfigurationError(
                f"{name} was given twice, the second time as '{one_line(str(key)[:40])}'",
                remedy=f"Give {name} once.",
            )
        values[name] = value
    return values


def _present(form: ToolForm, given: Mapping[Any, Any]) -> dict[Any, Any]:
    """The arguments, without those whose value means that they were omitted."""
    if len(given) > MOST_ARGUMENTS:
        raise ConfigurationError(
            f"there are {len(given)} arguments", remedy=f"Give only {_listed(form)}."
        )
    defaults = {each.name: each.default for each in form.arguments if not each.required}
    words = {each.name for each in form.arguments if each.kind in _TEXTS}
    present = {}
    for key, value in given.items():
        is_word = isinstance(value, str) and value.strip() and _argument(form, key) in words
        is_zero = type(value) is int and value == 0 and defaults.get(key) == 0
        if is_word or not (is_absent(value) or is_zero):
            present[key] = value
    return present


def _without_envelope(given: dict[Any, Any]) -> dict[Any, Any]:
    """The arguments of a call that is written out with the tool's name."""
    inside = next((key for key in _CONTENT if key in given), None)
    if inside is None or not set(given) - {inside} <= _ENVELOPE:
        return given
    return {inside: given[inside]}


def _merged(form: ToolForm, given: dict[Any, Any]) -> dict[Any, Any]:
    """The arguments, including those that are in an object beside the others."""
    merged: dict[Any, Any] = {}
    for key, value in given.items():
        content = decoded(value) if isinstance(value, str) else value
        beside = len(given) > 1 and _argument(form, key) is None
        if beside and isinstance(content, Mapping) and all(_argument(form, k) for k in content):
            merged |= {each: content[each] for each in content if each not in given}
        else:
            merged[key] = value
    return merged


def _argument(form: ToolForm, key: object) -> str | None:
    """The name of the argument that a key means, or None."""
    if not isinstance(key, str):
        return None
    names = [argument.name for argument in form.arguments]
    if key in names:
        return key
    letters = unicodedata.normalize("NFKC", key[:40]).lower()
    plain = "".join(filter(str.isalnum, letters))
    exact = [name for name in names if name.replace("_", "") == plain]
    meant = [argument.name for argument in form.arguments if plain in argument.also]
    return next(iter([*exact, *meant]), None)


def _unknown(form: ToolForm, key: object) -> ConfigurationError:
    name = one_line(str(key)[:40])
    near = near_name(name, [argument.name for argument in form.arguments])
    meant = f" Write {near} instead." if near else ""
    return ConfigurationError(
        f"there is no argument '{name}'",
        remedy=f"{form.name} takes {_listed(form)}.{meant}",
    )


def _listed(form: ToolForm) -> str:
    return ", ".join(
        argument.name + ("" if argument.required else " (optional)") for argument in form.arguments
    )
