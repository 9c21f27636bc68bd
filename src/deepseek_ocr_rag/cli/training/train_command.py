"""``dsocr train``, ``dsocr eval`` and ``dsocr merge``: fine-tuning on the user's own pages."""

from __future__ import annotations

import argparse
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ...backends.local.backend import LocalBackend
from ...backends.registry import backend_named
from ...backends.transformers.backend import TransformersBackend
from ...errors import ConfigurationError, MissingExtraError
from ...installing import install_command
from ...model.prompts import MODES
from ...text.visible import json_line, visible_line
from ..output import print_note, print_output

__all__ = [
    "add_eval_options",
    "add_merge_options",
    "add_train_options",
    "evaluate_backend",
    "merge_adapter",
    "train_adapter",
]

NEEDED = ("torch", "transformers", "peft", "jiwer", "rapidfuzz")
TARGETS = ("attention", "mlp", "shared")


def add_train_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``dsocr train``."""
    _add_data(parser)
    parser.add_argument(
        "--base", default="deepseek-ocr", metavar="MODEL", help="the model (default: deepseek-ocr)"
    )
    parser.add_argument("-o", "--output", metavar="FOLDER", help="where the adapter is written")
    parser.add_argument(
        "--check",
        action="store_true",
        help="train nothing: say what can be learnt and what cannot, and with -o write what the "
        "model would see",
    )
    parser.add_argument("--resume", action="store_true", help="go on with the training in -o")
    parser.add_argument("--epochs", type=float, default=3.0, help="default: 3")
    parser.add_argument(
        "--learning-rate", type=float, default=2e-4, metavar="RATE", help="default: 2e-4"
    )
    parser.add_argument(
        "--batch", type=int, default=1, metavar="PAGES", help="at once (default: 1)"
    )
    parser.add_argument(
        "--accumulate", type=int, default=8, metavar="N", help="batches in a step (default: 8)"
    )
    parser.add_argument("--rank", type=int, default=16, help="of the adapter (default: 16)")
    parser.add_argument(
        "--target",
        action="append",
        metavar="GROUP",
        help="what is changed: attention, mlp, shared, experts, projector, vision; may be repeated "
        "(default: the first three)",
    )
    parser.add_argument(
        "--held-out",
        type=float,
        default=0.1,
        metavar="SHARE",
        help="share of the pages to judge by, where the data does not say (default: 0.1)",
    )
    parser.add_argument("--judge-every", type=int, default=50, metavar="STEPS", help="default: 50")
    parser.add_argument(
        "--patience",
        type=int,
        default=3,
        metavar="N",
        help="judgements without a better text after which training ends; 0 never (default: 3)",
    )
    parser.add_argument(
        "--regression",
        metavar="DATA",
        help="ordinary pages with their right text that the model must not forget",
    )
    parser.add_argument(
        "--forgetting",
        type=float,
        default=0.01,
        metavar="RATE",
        help="most that their character error rate may rise (default: 0.01)",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", help="default: the GPU, if there is one")


def add_eval_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``dsocr eval``."""
    _add_data(parser, ", OmniDocBench or olmOCR-bench")
    parser.add_argument("--backend", default="transformers", help="default: transformers")
    parser.add_argument("--base", metavar="MODEL", help="the model of the backend")
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


def add_merge_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``dsocr merge``."""
    parser.add_argument("adapter", metavar="ADAPTER", help="the folder of dsocr train -o")
    parser.add_argument("--base", default="deepseek-ocr", metavar="MODEL")
    parser.add_argument("-o", "--output", required=True, metavar="FOLDER", help="a new folder")
    parser.add_argument("--revision", metavar="COMMIT", help="of a hub id")


def _add_data(parser: argparse.ArgumentParser, more: str = "") -> None:
    parser.add_argument("data", metavar="DATA", help=f"a JSONL file, a folder of samples{more}")
    parser.add_argument(
        "--mode", default="base", choices=sorted(MODES), help="resolution (default: base)"
    )
    parser.add_argument("--revision", metavar="COMMIT", help="of a hub id")


def _check_extra() -> None:
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"fine-tuning needs what is not installed: {', '.join(missing)}",
            remedy=f"Run: {install_command('train')}",
        )


def train_adapter(options: argparse.Namespace) -> int:
    """``dsocr train``."""
    _check_extra()
    from ...training.adapters import AdapterSettings
    from ...training.checking import check_samples
    from ...training.finetuning import fine_tune
    from ...training.finetuning_settings import FineTuning
    from ...training.processes import started_processes

    if options.check:
        found = check_samples(
            options.base,
            options.data,
            mode=options.mode,
            revision=options.revision,
            folder=options.output,
        )
        for line in found.lines():
            print_output(visible_line(line))
        return 3 if found.problems or not found.usable else 0
    if options.output is None:
        raise ConfigurationError("no folder for the adapter", remedy="Give -o FOLDER.")
    targets = tuple(options.target or TARGETS)
    settings = FineTuning(
        adapter=AdapterSettings(targets=targets, rank=options.rank, alpha=2 * options.rank),
        **{
            name: getattr(options, name)
            for name in (
                *("mode", "epochs", "learning_rate", "batch", "accumulate", "held_out"),
                *("judge_every", "patience", "forgetting", "seed", "device"),
            )
        },
    )
    result = fine_tune(
        options.base,
        options.data,
        options.output,
        settings,
        regression=options.regression,
        revision=options.revision,
        resume=options.resume,
        told=lambda line: print_note(visible_line(line)),
    )
    data: dict[str, Any] = {
        "adapter": str(result.adapter),
        "steps": result.steps,
        "trained_weights": result.trained,
        "before": result.before and result.before.to_dict(),
        "best": result.best and result.best.to_dict(),
        "best_step": result.best_step,
        "regression_before": result.regression_before and result.regression_before.to_dict(),
        "regression": result.regression and result.regression.to_dict(),
    }
    if started_processes(options.device).first:
        print_output(json_line(data))
    return 0


def evaluate_backend(options: argparse.Namespace) -> int:
    """``dsocr eval``."""
    _check_extra()
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
    with closing(_backend(options)) as backend:
        found, samples = evaluate_omnidocbench(backend, options.data, mode=options.mode)
    if options.output is not None:
        write_pages_as_markdown(found, samples, options.output)
        print_note(f"report: {write_report(found, samples, options.output)}")
    print_output(json_line({"benchmark": "OmniDocBench", **found.scores.to_dict()}))
    return 0


def _evaluate_olmocr_bench(options: argparse.Namespace) -> int:
    from ...training.judging.olmocr_bench import evaluate_olmocr_bench

    with closing(_backend(options)) as backend:
        found = evaluate_olmocr_bench(backend, options.data, mode=options.mode)
    if options.output is not None:
        print_note(f"report: {found.write(options.output)}")
    print_output(json_line({"benchmark": "olmOCR-bench", **found.to_dict()}))
    return 0


def _backend(options: argparse.Namespace) -> Any:  # noqa: ANN401 - one of many
    given = {"model": options.base, "adapter": options.adapter, "revision": options.revision}
    settings = {name: value for name, value in given.items() if value is not None}
    kinds = {"transformers": TransformersBackend, "local": LocalBackend}
    if options.backend in kinds:
        return kinds[options.backend](**settings)
    if settings:
        raise ConfigurationError(
            f"{' and '.join(settings)} cannot be given for the backend {options.backend!r}",
            remedy="Use --backend transformers or local, or leave them out.",
        )
    return backend_named(options.backend)


def merge_adapter(options: argparse.Namespace) -> int:
    """``dsocr merge``."""
    _check_extra()
    from ...training.merging import merge

    print_output(
        str(merge(options.base, options.adapter, options.output, revision=options.revision))
    )
    return 0
