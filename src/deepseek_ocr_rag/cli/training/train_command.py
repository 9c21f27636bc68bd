"""``dsocr train`` and ``dsocr merge``: fine-tuning on the user's own pages."""

from __future__ import annotations

import argparse
from typing import Any

from ...errors import ConfigurationError
from ...text.visible import json_line, visible_line
from ..output import print_note, print_output
from .data_options import add_data, check_extra

__all__ = ["add_merge_options", "add_train_options", "merge_adapter", "train_adapter"]

TO_TRAIN = ("torch", "transformers", "peft", "jiwer", "rapidfuzz")
TO_CHECK = ("tokenizers",)
TO_MERGE = ("torch", "transformers")
TARGETS = ("attention", "mlp", "shared")


def add_train_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``dsocr train``."""
    add_data(parser)
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
    parser.add_argument(
        "--epochs",
        type=float,
        default=3.0,
        metavar="N",
        help="how many times each page is learnt (default: 3)",
    )
    parser.add_argument(
        "--learning-rate", type=float, default=2e-4, metavar="RATE", help="default: 2e-4"
    )
    parser.add_argument(
        "--batch", type=int, default=1, metavar="N", help="pages at once in memory (default: 1)"
    )
    parser.add_argument(
        "--accumulate", type=int, default=8, metavar="N", help="batches in a step (default: 8)"
    )
    parser.add_argument("--rank", type=int, default=16, help="of the adapter (default: 16)")
    parser.add_argument(
        "--dropout",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="share of an adapter's inputs that is zeroed while it learns; 0.1 forgets less "
        "(default: 0)",
    )
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
        help="share of the documents to judge by, where the data does not say (default: 0.1)",
    )
    parser.add_argument(
        "--judge-every",
        type=int,
        default=50,
        metavar="STEPS",
        help="steps between two judgements of what is written (default: 50)",
    )
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
        help="ordinary pages with their correct text that the model must not forget",
    )
    parser.add_argument(
        "--forgetting",
        type=float,
        default=0.01,
        metavar="RATE",
        help="most that their character error rate may rise (default: 0.01)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the adapter and the order (default: 0)"
    )
    parser.add_argument("--device", help="cpu, cuda, cuda:1 (default: the GPU, if there is one)")


def add_merge_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``dsocr merge``."""
    parser.add_argument("adapter", metavar="ADAPTER", help="the folder of dsocr train -o")
    parser.add_argument("--base", default="deepseek-ocr", metavar="MODEL")
    parser.add_argument("-o", "--output", required=True, metavar="FOLDER", help="a new folder")
    parser.add_argument("--revision", metavar="COMMIT", help="of a hub id")


def train_adapter(options: argparse.Namespace) -> int:
    """``dsocr train``."""
    if options.check:
        return _check_data(options)
    if options.output is None:
        raise ConfigurationError("no folder for the adapter", remedy="Give -o FOLDER.")
    check_extra(TO_TRAIN)
    from ...training.adapters import AdapterSettings
    from ...training.finetuning import fine_tune
    from ...training.finetuning_settings import FineTuning
    from ...training.processes import started_processes

    targets = tuple(options.target or TARGETS)
    settings = FineTuning(
        adapter=AdapterSettings(
            targets=targets, rank=options.rank, alpha=2 * options.rank, dropout=options.dropout
        ),
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


def _check_data(options: argparse.Namespace) -> int:
    check_extra(TO_CHECK)
    from ...training.checking import check_samples

    found = check_samples(
        options.base,
        options.data,
        mode=options.mode,
        revision=options.revision,
        held_out=options.held_out,
        folder=options.output,
    )
    for line in found.lines():
        print_output(visible_line(line))
    return 3 if found.problems or not found.usable else 0


def merge_adapter(options: argparse.Namespace) -> int:
    """``dsocr merge``."""
    check_extra(TO_MERGE)
    from ...training.merging import merge

    print_output(
        str(merge(options.base, options.adapter, options.output, revision=options.revision))
    )
    return 0
