"""Models for the fake Ollamas: what they are, what they write, their files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf_files import LAYOUT_TOKENS

__all__ = [
    "FakeModel",
    "Written",
    "architecture_of",
    "deepseek_ocr",
    "hidden_tokens",
    "pieces",
    "write_small_file",
]

END = "<｜end▁of▁sentence｜>"
CONTROL = (*LAYOUT_TOKENS, "<|grounding|>", "<image>", "<｜begin▁of▁sentence｜>", END)
"""Tokens of type 3 in the published file."""

_PIECE = re.compile(
    r"<\|[^|>]+\|>|</?t[dr]>|<image>|<｜[^｜]+｜>|\[\[|\]\]| ?[A-Za-z]+|\d{1,3}|\n+|.", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Written:
    """What a model writes.

    Attributes:
        text: All of it, special tokens included, the end token not.
        loop: What it then repeats for ever.
        thinking: What it thinks first, where it may.
        dies_after: After this many parts its runner is killed; None lets it live.
        torn_after: After this many parts Ollama itself is killed; None lets it live.
        error_after: After this many parts the stream says an error; None for none.
        pause: Seconds before each part.
    """

    text: str
    loop: str = ""
    thinking: str = ""
    dies_after: int | None = None
    torn_after: int | None = None
    error_after: int | None = None
    pause: float = 0.0


Answers = Callable[[Mapping[str, Any]], Written]
"""What is written for the body of a request."""


@dataclass(frozen=True, slots=True)
class FakeModel:
    """A model that is installed.

    Attributes:
        name: With its tag.
        file: Its GGUF, whose token types say what is hidden; None for a model without control
            tokens in its texts.
        answers: What it writes.
        capabilities: As ``/api/show`` names them.
        architecture: ``general.architecture`` of its file.
        context: Tokens it was trained for.
        template: As in its Modelfile.
        parameters: As in its Modelfile.
        refusal: Why it cannot be loaded; "" where it can.
    """

    name: str
    file: Path | None
    answers: Answers
    capabilities: tuple[str, ...] = ("completion",)
    architecture: str = "llama"
    context: int = 8192
    template: str = "{{ .Prompt }}"
    parameters: Mapping[str, object] = field(default_factory=dict)
    refusal: str = ""

    @property
    def obeys_think(self) -> bool:
        """Whether ``think: false`` turns its thinking off; gpt-oss thinks all the same."""
        return ".Think" in self.template and self.architecture != "gptoss"


def deepseek_ocr(
    file: Path, texts: Mapping[str, Written], *, name: str = "deepseek-ocr:latest"
) -> FakeModel:
    """The model as its library has it.

    Args:
        file: See :func:`write_small_file`.
        texts: What it writes for each prompt, outer white space left out; it writes nothing for
            others.
        name: With its tag.
    """
    return FakeModel(
        name,
        file,
        lambda body: texts.get(str(body.get("prompt", "")).strip(), Written("")),
        capabilities=("completion", "vision"),
        architecture="deepseekocr",
        parameters={"temperature": 0},
    )


def pieces(written: Written) -> Iterator[str]:
    """The texts of its tokens, without an end where it loops.

    Cut as in the lines that were seen ("[[", "108", ",", " ", "62"); the real tokenizer cuts
    rare words further.
    """
    yield from _PIECE.findall(written.text)
    if written.loop:
        yield from cycle(_PIECE.findall(written.loop))


def architecture_of(file: Path) -> str:
    """``general.architecture`` of a GGUF."""
    return str(gguf.GGUFReader(file).fields["general.architecture"].contents())


def hidden_tokens(file: Path | None) -> frozenset[str]:
    """The tokens that the file marks as control tokens."""
    if file is None:
        return frozenset()
    reader = gguf.GGUFReader(file)
    tokens = reader.fields["tokenizer.ggml.tokens"].contents()
    types = reader.fields["tokenizer.ggml.token_type"].contents()
    return frozenset(
        token for token, kind in zip(tokens, types, strict=True) if kind == gguf.TokenType.CONTROL
    )


def write_small_file(file: Path, *, kilobytes: int = 64) -> Path:
    """A GGUF of Ollama's deepseek-ocr, with a vocabulary of few tokens and one small tensor."""
    writer = gguf.GGUFWriter(file, "deepseekocr")
    writer.add_name("deepseek-ocr")
    writer.add_context_length(8192)
    words = ("lamp", "tower", " the", "\n", "[[", "]]")
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([*words, *CONTROL])
    normal, control = int(gguf.TokenType.NORMAL), int(gguf.TokenType.CONTROL)
    writer.add_token_types([normal] * len(words) + [control] * len(CONTROL))
    numbers = np.random.default_rng(5).standard_normal(256 * kilobytes)
    writer.add_tensor("token_embd.weight", numbers.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file
