"""Runs the published code, as a program in its own process and usually its own interpreter.

:mod:`.published_code_process` starts it. It imports nothing of this package, which the other
interpreter may not have.

Protocol: JSON objects in ASCII, one a line, over standard input and output. The first line in says
what to load, each further one is a page; every line in is answered by one line out with the same
``id``. While a page is written, its text goes out in pieces, and every piece is answered, too. At
its start the program duplicates both channels and redirects the originals, so that whatever the
published code prints goes to standard error. When the input ends, because the other side closed it
or died, the program removes its folder and ends, even in the middle of a page.

=========  ====================================================================
in         ``model``, ``revision``, ``device``, ``dtype``, ``attention``,
           ``allow_remote_code``
out        ``transformers`` (its version), ``config`` (what distinguishes the
           families)
in         ``prompt``, ``image``, ``base_size``, ``image_size``, ``crop_mode``
out, in    ``piece`` (what was written since the last one); ``stop`` (whether the
           page repeats itself and is to end here)
out        ``text``, ``tokens``, ``ended``; the last two null if unknown
out        in their place: ``error``, ``kind`` (the exception's class),
           ``broken`` (true if no further page can be read), and ``transformers``
           (its version, or null)
=========  ====================================================================
"""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import shutil
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import SimpleQueue
from typing import Any, BinaryIO, Protocol

__all__ = ["main"]

INFER_ARGUMENTS = (
    "prompt",
    "image_file",
    "output_path",
    "base_size",
    "image_size",
    "crop_mode",
    "test_compress",
    "save_results",
    "eval_mode",
)
"""Arguments of the published ``infer`` after the tokenizer. The first one had no ``eval_mode``."""

LONGEST_TEXT = 8 * 2**20
"""Most characters; a page has at most 8,192 tokens of at most 128 characters."""

LONGEST_ERROR = 4000

PIECE_TOKENS = 32
"""Tokens between two searches for loops, as in the backend "transformers"."""


class UnusableCodeError(Exception):
    """The published code cannot be called the way this program does."""


class NoGpuError(Exception):
    """The published code needs a GPU, and there is none."""


def main(folder: str) -> None:
    """Load a model, then read pages until the input ends, and remove the private folder."""
    requests, replies = _own_channels()
    inbox: SimpleQueue[dict[str, Any]] = SimpleQueue()
    threading.Thread(target=_receive, args=(requests, inbox, folder), daemon=True).start()

    def send(answer: Mapping[str, Any], request: Mapping[str, Any]) -> None:
        line = json.dumps({**answer, "id": request["id"]})
        replies.write(line.encode("ascii") + b"\n")
        replies.flush()

    load = inbox.get()
    _mark(load)
    try:
        model = PublishedModel(load)
    except Exception as error:  # noqa: BLE001 - foreign code may raise anything
        send(_report(error), load)
        return
    send(model.facts, load)
    while True:
        request = inbox.get()
        _mark(request)

        def ask_whether_to_stop(piece: str, page: Mapping[str, Any] = request) -> bool:
            send({"piece": piece}, page)
            return inbox.get().get("stop") is True

        try:
            answer = model.read(request, str(Path(folder, "output")), ask_whether_to_stop)
        except Exception as error:  # noqa: BLE001 - as above
            answer = _report(error)
        if "error" in answer:
            model.free_memory()
        send(answer, request)
        if answer.get("broken"):
            return


def _own_channels() -> tuple[BinaryIO, BinaryIO]:
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    return requests, replies


def _mark(request: Mapping[str, Any]) -> None:
    """Mark on standard error where the output for a request begins."""
    sys.stderr.flush()
    os.write(2, f"\x1e{request['id']}\n".encode("ascii"))


def _receive(requests: BinaryIO, inbox: SimpleQueue[dict[str, Any]], folder: str) -> None:
    for line in requests:
        inbox.put(json.loads(line))
    shutil.rmtree(folder, ignore_errors=True)
    if os.name == "posix" and os.getpgrp() == os.getpid():
        # Also ends the processes that the published code has started.
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


def _report(error: Exception) -> dict[str, Any]:
    with contextlib.suppress(Exception):
        traceback.print_exc()
    text = str(error)[:LONGEST_ERROR]
    # After an error of the device itself, every further call fails too.
    broken = "CUDA error" in text and "out of memory" not in text
    version = getattr(sys.modules.get("transformers"), "__version__", None)
    kind = type(error).__name__
    return {"error": text, "kind": kind, "broken": broken, "transformers": version}


class PublishedModel:
    """A model that is loaded with its own code, as the first row of the table above says.

    ``facts`` is the answer in the second row.

    Raises:
        UnusableCodeError: If the code is in another repository, or its ``infer`` is too old.
        NoGpuError: If it needs a GPU and there is none.
        Exception: Whatever transformers and the code raise.
    """

    def __init__(self, load: Mapping[str, Any]) -> None:
        import torch
        import transformers

        if load["device"] is None and not torch.cuda.is_available():
            raise NoGpuError("the published code runs on CUDA only, and torch finds no GPU here")
        source = {"revision": load["revision"] or "main"}
        config = _json_file(load["model"], "config.json", **source)
        _refuse_code_from_elsewhere(config)
        _refuse_code_from_elsewhere(_json_file(load["model"], "tokenizer_config.json", **source))
        device = torch.device(load["device"] or "cuda")
        if device.type == "cuda" and device.index is not None:
            # The published code calls .cuda(), which uses the current device.
            torch.cuda.set_device(device)
        self._tokenizer = transformers.AutoTokenizer.from_pretrained(
            load["model"], trust_remote_code=load["allow_remote_code"], **source
        )
        # As in the model card: load in the checkpoint's number format, then cast.
        self._model: Any = transformers.AutoModel.from_pretrained(
            load["model"],
            trust_remote_code=load["allow_remote_code"],
            use_safetensors=True,
            _attn_implementation=load["attention"] or _attention(device.type),
            **source,
        )
        _check_infer(self._model)
        dtype = load["dtype"] or ("bfloat16" if device.type == "cuda" else "float32")
        self._model = self._model.eval().to(device).to(getattr(torch, dtype))
        self._generation = (
            Generation(self._model, self._tokenizer)
            if callable(getattr(self._model, "generate", None))
            else None
        )
        self._on_cuda = device.type == "cuda"
        self.facts = {
            "transformers": transformers.__version__,
            "config": {
                "model_type": str(config.get("model_type", "")),
                "vision_config": {
                    "model_name": str((config.get("vision_config") or {}).get("model_name", ""))
                },
            },
        }

    def read(
        self, request: Mapping[str, Any], output: str, at_end: Callable[[str], bool]
    ) -> dict[str, Any]:
        """Read one page; return the answer of the table above.

        The code may write to the folder ``output``. ``at_end`` is called with the pieces of the
        text; True ends the page.
        """
        generation = self._generation
        if generation is not None:
            generation.prepare(at_end)
        text = self._model.infer(
            self._tokenizer,
            prompt=request["prompt"],
            image_file=request["image"],
            output_path=output,
            base_size=request["base_size"],
            image_size=request["image_size"],
            crop_mode=request["crop_mode"],
            test_compress=False,
            save_results=False,
            eval_mode=True,
        )
        if not isinstance(text, str):
            raise UnusableCodeError(f"infer returned {type(text).__name__} instead of the text")
        if len(text) > LONGEST_TEXT:
            raise UnusableCodeError(f"infer returned {len(text):,} characters for one page")
        return {
            "text": text,
            "tokens": generation.tokens if generation else None,
            "ended": generation.ended if generation else None,
        }

    def free_memory(self) -> None:
        """Free the memory that a failed page left allocated."""
        import torch

        if self._on_cuda:
            with contextlib.suppress(RuntimeError):
                torch.cuda.empty_cache()


class SupportsGenerate(Protocol):
    """An object with a ``generate`` method."""

    generate: Callable[..., object]


class Generation:
    """Watches ``generate``, because ``infer`` neither ends loops nor says how a text ended.

    This object replaces the model's ``generate``. ``tokens`` is the number of new tokens of the
    last text, and ``ended`` whether its last token is the end token; None if unknown.
    """

    def __init__(self, model: SupportsGenerate, tokenizer: object) -> None:
        self._generate = model.generate
        self._tokenizer = tokenizer
        self._takes_criteria = "stopping_criteria" in inspect.signature(model.generate).parameters
        self._at_end: Callable[[str], bool] = lambda piece: False
        self.tokens: int | None = None
        self.ended: bool | None = None
        model.generate = self

    def prepare(self, at_end: Callable[[str], bool]) -> None:
        """Prepare for a new page."""
        self.tokens = self.ended = None
        self._at_end = at_end

    def __call__(self, *args: object, **kwargs: Any) -> object:  # noqa: ANN401 - as in transformers
        """Call ``generate``, end it where it loops, and note how its text ended."""
        prompt: Any = args[0] if args else kwargs.get("input_ids")
        if self._takes_criteria and prompt is not None:
            watch = EndOfLoop(self._tokenizer, int(prompt.shape[1]), self._at_end)
            kwargs["stopping_criteria"] = [*(kwargs.get("stopping_criteria") or ()), watch]
        written: Any = self._generate(*args, **kwargs)
        with contextlib.suppress(AttributeError, IndexError, TypeError, ValueError):
            end_token = kwargs.get("eos_token_id", getattr(self._tokenizer, "eos_token_id", None))
            self.tokens = int(written.shape[1]) - int(prompt.shape[1])
            self.ended = int(written[0, -1]) == end_token
        return written


class EndOfLoop:
    """A stopping criterion of transformers: shows the text as it grows, and ends it if told to.

    The tokenizer decodes as ``infer`` does. ``prompt`` is the number of prompt tokens; ``at_end``
    is called with each piece of the text, and True ends it.
    """

    def __init__(self, tokenizer: Any, prompt: int, at_end: Callable[[str], bool]) -> None:  # noqa: ANN401
        self._tokenizer = tokenizer
        self._prompt = prompt
        self._at_end = at_end
        self._shown = 0
        self._stops = False

    def __call__(self, input_ids: Any, scores: object, **_: object) -> Any:  # noqa: ANN401
        """Return which rows of ``input_ids`` end: a tensor of booleans."""
        import torch

        count = int(input_ids.shape[1]) - self._prompt
        if count > 0 and count % PIECE_TOKENS == 0 and not self._stops:
            # A character whose bytes are not complete yet is shown with the next piece.
            text = self._tokenizer.decode(input_ids[0, self._prompt :]).rstrip("\ufffd")
            self._stops = self._at_end(text[self._shown :])
            self._shown = max(self._shown, len(text))
        rows = (input_ids.shape[0],)
        return torch.full(rows, self._stops, device=input_ids.device, dtype=torch.bool)


def _json_file(model: str, name: str, revision: str) -> dict[str, Any]:
    from transformers.utils.hub import cached_file

    path = cached_file(model, name, revision=revision, _raise_exceptions_for_missing_entries=False)
    data = json.loads(Path(path).read_text("utf-8")) if path else {}
    if not isinstance(data, dict):
        raise UnusableCodeError(f"{name} is not a JSON object")
    return data


def _refuse_code_from_elsewhere(config: Mapping[str, Any]) -> None:
    """Refuse a folder whose code is in another repository: the user did not allow that one."""
    for names in dict(config.get("auto_map") or {}).values():
        for name in names if isinstance(names, list) else [names]:
            if "--" in str(name):
                raise UnusableCodeError(
                    f"its code is in another repository, which is not allowed: {name}"
                )


def _attention(device_type: str) -> str:
    from importlib.util import find_spec

    return "flash_attention_2" if device_type == "cuda" and find_spec("flash_attn") else "eager"


def _check_infer(model: object) -> None:
    infer = getattr(model, "infer", None)
    if infer is None:
        raise AttributeError(f"{type(model).__name__!r} object has no attribute 'infer'")
    parameters = inspect.signature(infer).parameters
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters.values()):
        return
    missing = [name for name in INFER_ARGUMENTS if name not in parameters]
    if missing:
        raise UnusableCodeError(f"its infer has no argument {', '.join(missing)}")


if __name__ == "__main__":
    main(sys.argv[1])
