"""Refuses settings that do not exist, and names the one that was probably meant."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, TypeVar

from .errors import ConfigurationError, UnknownSettingError

__all__ = [
    "did_you_mean_model",
    "near_name",
    "refuse_unknown",
    "renamed_setting",
    "warn_renamed",
    "with_known_settings",
]

Class = TypeVar("Class", bound=type)

_ALIKE = 0.6
"""Least similarity (:mod:`difflib`) at which a name counts as a misspelling of another."""


def near_name(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant, or None.

    A known name that begins or ends with the given words comes first: ``root_dir`` for ``root``.

    Example:
        >>> near_name("bakend", ["backend", "mode"])
        'backend'
        >>> near_name("root", ["root_dir", "mode"])
        'root_dir'
    """
    names = list(known)
    lower = name.lower()
    parts = [each for each in names if len(lower) > 2 and each.lower().startswith(f"{lower}_")]
    parts += [each for each in names if len(lower) > 2 and each.lower().endswith(f"_{lower}")]
    # Imported late: only wrong names need it.
    import difflib

    alike = difflib.get_close_matches(lower, [each.lower() for each in names], 1, _ALIKE)
    alike = [each for each in names if each.lower() in alike]
    return next(iter([*parts, *alike]), None)


def did_you_mean_model(name: object) -> str:
    """Return "Did you mean 'ollama/...'? " if a name looks like a model of Ollama, else "".

    Example:
        >>> did_you_mean_model("gemma3")
        "Did you mean 'ollama/gemma3'? "
    """
    text = name.strip() if isinstance(name, str) else ""
    provider, separator, model = text.partition("/")
    if not separator and near_name(text.partition(":")[0], ["ollama"]):
        provider, separator, model = text.partition(":")
    meant = text
    if separator and model and near_name(provider, ["ollama"]):
        meant = model
    elif (separator and "." not in provider) or text in ("", "auto", "none"):
        return ""
    if near_name(meant.partition(":")[0], ["ollama", "openai"]):
        return ""  # a provider without a model or an address
    return f"Did you mean 'ollama/{meant}'? " if meant.isprintable() else ""


def refuse_unknown(owner: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Refuses names of settings that do not exist.

    Args:
        owner: Name of the class or function that takes them.
        given: The names that were passed.
        known: The names that exist.

    Raises:
        UnknownSettingError: If a name is unknown; the remedy names the one probably meant.
    """
    names = [each for each in known if not each.startswith("_")]
    unknown = [each for each in given if each not in names]
    if not unknown:
        return
    near = [(each, near_name(each, names)) for each in unknown]
    meant = [f"{found} instead of {each}" for each, found in near if found is not None]
    listed = ", ".join(sorted(names))
    raise UnknownSettingError(
        f"{owner} has no setting {', '.join(map(repr, unknown))}",
        remedy=f"Write {', '.join(meant)}." if meant else f"Choose from {listed}.",
    )


def warn_renamed(old: str, new: str, *, stacklevel: int = 3) -> None:
    """Warns the caller's caller that a name is an old one, which the next release will not have."""
    warnings.warn(f"{old} is now {new}", DeprecationWarning, stacklevel=stacklevel)


def renamed_setting(old: str, new: str) -> Callable[[Class], Class]:
    """Makes a class take a setting by its old name too, with a DeprecationWarning.

    It must be above :func:`with_known_settings`, which does not know the old name.

    Returns:
        A class decorator.
    """

    def decorate(cls: Class) -> Class:
        construct: Any = cls.__init__  # type: ignore[misc]

        @wraps(construct)
        def translate_and_construct(self: object, *values: object, **settings: object) -> None:
            if old in settings and new in settings:
                raise ConfigurationError(
                    f"both {new} and its old name {old} were given", remedy=f"Leave {old} out."
                )
            if old in settings:
                warn_renamed(f"{old}=", f"{new}=")
                settings[new] = settings.pop(old)
            construct(self, *values, **settings)

        cls.__init__ = translate_and_construct  # type: ignore[misc]
        return cls

    return decorate


def with_known_settings(*more: str) -> Callable[[Class], Class]:
    """Makes a class raise :class:`UnknownSettingError` for settings that it does not have.

    Args:
        *more: Settings that the class takes as ``**options``.

    Returns:
        A class decorator.
    """

    def decorate(cls: Class) -> Class:
        construct: Any = cls.__init__  # type: ignore[misc]
        named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        known = [
            name
            for name, parameter in inspect.signature(construct).parameters.items()
            if parameter.kind in named and name != "self"
        ]

        @wraps(construct)
        def check_and_construct(self: object, *values: object, **settings: object) -> None:
            refuse_unknown(type(self).__name__, settings, [*known, *more])
            construct(self, *values, **settings)

        cls.__init__ = check_and_construct  # type: ignore[misc]
        return cls

    return decorate
