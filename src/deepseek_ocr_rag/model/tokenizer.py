"""The tokenizer, loaded straight from ``tokenizer.json``.

``AutoTokenizer`` asks for remote code on these folders.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream

from ..errors import ConfigurationError

__all__ = ["BOS", "EOS", "IMAGE", "PAD", "ModelTokenizer", "TextStream", "prompt_ids"]

BOS: Final = 0
EOS: Final = 1
PAD: Final = 2
IMAGE: Final = 128815
"""``<image>``, which stands for one token of the page's picture."""

_SILENT: Final = frozenset({BOS, EOS, PAD, IMAGE})
"""Tokens that never belong to the text. All other special tokens do: the layout tags and
table cells, which ``skip_special_tokens`` would delete."""


class ModelTokenizer:
    """The tokenizer of a checkpoint."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Load ``tokenizer.json``.

        Raises:
            ConfigurationError: If it cannot be read, or is not of this family.
        """
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare Exception
            raise ConfigurationError(
                f"cannot read {Path(path).name} as a tokenizer: {error}",
                source=str(path),
                remedy="Download the model's folder again.",
            ) from error
        if tokenizer.token_to_id("<image>") != IMAGE:
            raise ConfigurationError(
                "the tokenizer is not one of the DeepSeek-OCR family",
                source=str(path),
                remedy="Use the tokenizer.json that is published with the model.",
            )
        return cls(tokenizer)

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a text, without start or end tokens."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of tokens; start, end, padding and picture tokens have none."""
        kept = [token for token in ids if token not in _SILENT]
        return str(self._tokenizer.decode(kept, skip_special_tokens=False))

    def decode_with_ends(
        self, ids: Sequence[int], stream: TextStream | None = None
    ) -> tuple[str, tuple[int, ...]]:
        """Return the text, and for every token the length of the text up to the token's end.

        A token that ends within a character counts as ending where that character begins. A
        ``stream`` that was given the first tokens continues from there.
        """
        stream = stream or self.stream()
        for token in ids[len(stream.ends) :]:
            stream.push(token)
        text = self.decode(ids)
        return text, (*stream.ends[:-1], len(text)) if ids else ()

    def stream(self) -> TextStream:
        """Return a stream for one text that arrives token by token."""
        return TextStream(self._tokenizer)


class TextStream:
    """Turns tokens into text as they arrive, whole characters only.

    ``ends`` has for every token the length of the text up to its end.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.ends: list[int] = []
        self._length = 0
        self._tokenizer = tokenizer
        self._stream = DecodeStream(skip_special_tokens=False)

    def push(self, token: int) -> str:
        """Return the text that the token adds; empty while a character is incomplete."""
        piece = ""
        if token not in _SILENT:
            piece = self._stream.step(self._tokenizer, token) or ""
        self._length += len(piece)
        self.ends.append(self._length)
        return piece


def prompt_ids(tokenizer: ModelTokenizer, prompt: str, image_tokens: int) -> list[int]:
    """Return the ids of a whole prompt: start token, picture tokens, text.

    Source: the published code, which has no roles.

    Raises:
        ConfigurationError: If the prompt contains ``<image>``.
    """
    text = tokenizer.encode(prompt)
    if IMAGE in text:
        raise ConfigurationError(
            "the prompt contains <image>",
            remedy="Leave <image> out: the page always comes before the prompt.",
        )
    return [BOS, *[IMAGE] * image_tokens, *text]
