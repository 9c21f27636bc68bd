"""``dsocr serve``: runs the service until it is told to end."""

from __future__ import annotations

import argparse
import logging
from contextlib import closing
from dataclasses import fields
from functools import partial
from typing import Any

from ...answering.models.model_choice import choose_language_model, language_model_named
from ...errors import ConfigurationError
from ...installing import install_command
from ...samples import sample_path
from ...sources.fetch_policy import FetchPolicy
from ...sources.limits import Limits
from ..documents import given_limits
from ..output import print_note
from .page_opening import check_file, show_page

__all__ = ["run_service", "service_settings"]


def run_service(options: argparse.Namespace) -> int:
    """``dsocr serve``: serve until SIGTERM or Ctrl-C."""
    from ...service.serving import check_extra, listening_socket, serve

    check_extra()
    from ...service.api.operations.json_log import json_log
    from ...service.queue import JobQueue

    if not options.drain > 0:
        raise ConfigurationError(
            f"--drain {options.drain:g} is not a time", remedy="Give seconds above 0."
        )
    reader, limits, settings = service_settings(options)
    if options.open:
        check_file(options.open, bool(settings.keys))
    listener = listening_socket(options.host, options.port)
    with closing(listener), json_log(logging.DEBUG if options.verbose else logging.INFO):
        queue = JobQueue(options.data, reader, limits)
        try:
            queue.start()
            port = listener.getsockname()[1]
            print_note(f"serving on http://{_shown(options.host)}:{port}, data in {options.data}")
            if options.open is not None:
                show_page(queue, options.open, options.host, port)
            serve(
                queue,
                settings,
                listener,
                drain_seconds=options.drain,
                extend=partial(_add_mcp, queue, settings),
            )
        finally:
            queue.close()
    return 0


def _add_mcp(queue: Any, settings: Any, app: Any) -> None:  # noqa: ANN401 - of the extra [serve]
    """Mount the MCP server at /mcp, if the extra [mcp] is installed."""
    try:
        from ...mcp.service_mount import PATH, add_mcp
    except ImportError:
        print_note(f"no MCP server at /mcp: it needs {install_command('mcp')}")
        return
    add_mcp(
        app,
        queue,
        llm=settings.llm,
        embeddings=settings.embeddings,
        allow_remote=settings.allow_remote,
    )
    print_note(f"the MCP server is at {PATH}")


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def service_settings(options: argparse.Namespace) -> tuple[Any, Any, Any]:
    """The settings of the reader, the limits, and what the HTTP side allows."""
    from ...service.api.access.api_keys import ApiKeys
    from ...service.api.api_settings import ApiSettings
    from ...service.callbacks.callback_settings import CallbackSettings
    from ...service.service_limits import ReaderSettings, ServiceLimits

    limits = _sorted_limits(given_limits(options), (Limits, ServiceLimits, ApiSettings))
    reader = ReaderSettings(
        backend=options.backend,
        renderer=options.renderer,
        limits=Limits(**limits[Limits]),
        allow_remote_code=options.allow_remote_code,
        allow_remote=options.allow_remote,
        probe=str(sample_path()),
    )
    service = ServiceLimits(**limits[ServiceLimits])
    policy = FetchPolicy()
    settings = ApiSettings(
        host=options.host,
        keys=ApiKeys.load(options.keys),
        hosts=tuple(name.lower() for name in options.allow_host or ()),
        urls=policy if options.allow_url else None,
        callbacks=CallbackSettings.load() if options.allow_callbacks else None,
        llm=_language_model(options),
        only_llm=options.only_llm,
        embeddings=options.embeddings,
        allow_remote=options.allow_remote,
        **{"upload_bytes": service.upload_bytes, **limits[ApiSettings]},
    )
    return reader, service, settings


def _sorted_limits(
    given: dict[str, float], classes: tuple[type[Any], ...]
) -> dict[type[Any], dict[str, Any]]:
    """Sort limits by the class that has them.

    Raises:
        ConfigurationError: If no class has such a limit.
    """
    names = {
        kind: {
            each.name
            for each in fields(kind)
            if str(each.type) in ("int", "float") and each.name != "upload_bytes"
        }
        for kind in classes
    }
    names[classes[1]].add("upload_bytes")
    unknown = [name for name in given if not any(name in known for known in names.values())]
    if unknown:
        listed = ", ".join(sorted(set().union(*names.values())))
        raise ConfigurationError(
            f"there is no limit {unknown[0]!r}", remedy=f"Choose from {listed}."
        )
    return {
        kind: {name: value for name, value in given.items() if name in known}
        for kind, known in names.items()
    }


def _language_model(options: argparse.Namespace) -> str:
    """The name of the language model; a named one is checked now."""
    if options.llm == "auto":
        name, hint = choose_language_model()
        if hint:
            print_note(hint)
        return name or "none"
    model = language_model_named(options.llm, allow_remote=options.allow_remote)
    if model is not None:
        model.check()
    return str(options.llm)
