"""``dsocr eval``: judges what a backend writes by pages with their correct text."""

from __future__ import annotations

import argparse
from contextlib import closing
from pathlib import Path
from typing import Any

from ...backends.local.backend import LocalBackend
from ...backends.registry import backend_named
from ...backends.transformers.backend import TransformersBackend
from ...errors import ConfigurationError, OutputError
from ...text.visible import json_line, visible_line
from ..output import print_note, print_output
from .data_options import add_data, check_extra

__all__ = ["add_eval_options", "evaluate_backend"]

NEEDED = ("jiwer", "rapidfuzz")


def add_eval_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``dsocr eval``."""
    add_data(parser, "; or OmniDocBench or olmOCR-bench")
    parser.add_argument(
        "--backend", default="transformers", help="as for dsocr read (default: transformers)"
    )
    parser.add_argument(
        "--base", metavar="MODEL", help="the model, for the backends transformers and local"
    )
    parser.add_argument("--adapter", metavar="FOLDER", help="an adapter for it")
    parser.add_argument(
        "--held-out",
        type=float,
        metavar="SHARE",
        help="judge only by the pages that `dsocr train` with this share does not learn from",
    )
    parser.add_argument(
        "-o", "--output", metavar="FOLDER", help="write report.html and .json there"
    )


def evaluate_backend(options: argparse.Namespace) -> int:
    """``dsocr eval``."""
    check_extra(NEEDED)
    from ...training.judging.evaluation import evaluate, write_report
    from ...training.judging.olmocr_bench import olmocr_bench_folder
    from ...training.judging.omnidocbench import omnidocbench_file
    from ...training.sample_folders import read_samples, split_samples

    for known, judged in (
        (omnidocbench_file, _evaluate_omnidocbench),
        (olmocr_bench_folder, _evaluate_olmocr_bench),
    ):
        if known(options.data) is not None:
            if options.held_out is not None:
                raise ConfigurationError(
                    "a benchmark has no held-out pages", remedy="Leave out --held-out."
                )
            return judged(options)
    samples = read_samples(options.data).checked()
    if options.held_out is not None:
        samples = split_samples(samples, options.held_out)[1]
    _make_folder(options.output)
    with closing(_backend(options)) as backend:
        found = evaluate(backend, samples, mode=options.mode)
    if options.output is not None:
        print_note(f"report: {write_report(found, samples, Path(options.output))}")
    print_output(json_line(found.scores.to_dict()))
    return 0


def _evaluate_omnidocbench(options: argparse.Namespace) -> int:
    from ...training.judging.evaluation import write_report
    from ...training.judging.omnidocbench import (
        evaluate_omnidocbench,
        read_omnidocbench,
        write_pages_as_markdown,
    )

    for note in read_omnidocbench(options.data).notes:
        print_note(visible_line(note))
    _make_folder(options.output)
    with closing(_backend(options)) as backend:
        found, samples = evaluate_omnidocbench(backend, options.data, mode=options.mode)
    if options.output is not None:
        write_pages_as_markdown(found, samples, options.output)
        print_note(f"report: {write_report(found, samples, options.output)}")
    print_output(json_line({"benchmark": "OmniDocBench", **found.scores.to_dict()}))
    return 0


def _evaluate_olmocr_bench(options: argparse.Namespace) -> int:
    from ...training.judging.olmocr_bench import evaluate_olmocr_bench

    _make_folder(options.output)
    with closing(_backend(options)) as backend:
        found = evaluate_olmocr_bench(backend, options.data, mode=options.mode)
    if options.output is not None:
        print_note(f"report: {found.write(options.output)}")
    print_output(json_line({"benchmark": "olmOCR-bench", **found.to_dict()}))
    return 0


def _make_folder(output: str | None) -> None:
    """Make the report's folder before anything is read, which may take hours."""
    if output is None:
        return
    try:
        Path(output).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot be made ({error.strerror})", source=output, remedy="Name another folder."
        ) from error


def _backend(options: argparse.Namespace) -> Any:  # noqa: ANN401 - one of many
    given = {"model": options.base, "adapter": options.adapter, "revision": options.revision}
    settings = {name: value for name, value in given.items() if value is not None}
    kinds = {"transformers": TransformersBackend, "local": LocalBackend}
    if options.backend in kinds:
        return kinds[options.backend](**settings)
    if settings:
        names = " and ".join("--base" if name == "model" else f"--{name}" for name in settings)
        raise ConfigurationError(
            f"{names} cannot be given for the backend {options.backend!r}",
            remedy="Use --backend transformers or local, or leave them out.",
        )
    return backend_named(options.backend)
