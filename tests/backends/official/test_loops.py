"""Ends, cuts and warns about pages of the published code that repeat themselves.

The stand-in writes with transformers' own ``generate``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deepseek_ocr_rag.backends.base import Reply
from deepseek_ocr_rag.backends.official.backend import OfficialBackend

WRITES = """
from transformers import LlamaConfig, LlamaForCausalLM, LogitsProcessorList

sentence = [4, 5, 6, 7, 8, 9, 10, 11, 12, 13]
if page == 1:
    script = [4, 9, 6] + sentence * 2000
elif page == 2:
    script = sentence + [1]
else:
    script = list(range(4, 14)) * 2 + list(range(13, 3, -1)) + [1]

def scripted(ids, scores):
    new = ids.shape[1] - 3
    scores = torch.full_like(scores, -100.0)
    scores[:, script[min(new, len(script) - 1)]] = 0.0
    return scores

if not hasattr(type(self), "writer"):
    size = dict(hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1)
    type(self).writer = LlamaForCausalLM(
        LlamaConfig(vocab_size=14, max_position_embeddings=8192, **size)
    ).eval()
prompt = torch.full((1, 3), 2)
out = self.generate(
    prompt, max_new_tokens=4000, eos_token_id=1, pad_token_id=1, do_sample=False,
    attention_mask=torch.ones_like(prompt),
    logits_processor=LogitsProcessorList([scripted]),
)
return tokenizer.decode(out[0, 3:])
"""

CODE = """
    def generate(self, *args, stopping_criteria=None, **kwargs):
        return type(self).writer.generate(*args, stopping_criteria=stopping_criteria, **kwargs)
"""

WORDS = ["the", "total", "of", "all", "items", "in", "this", "list", "is", "unknown."]


@pytest.fixture(autouse=True)
def nothing_left_behind() -> None:
    """One backend serves this whole module."""


@pytest.fixture(scope="module")
def writing(
    published_folder: Callable[..., Path], published_code: str
) -> Iterator[OfficialBackend]:
    before, _, after = published_code.partition("    def generate(")
    code = before + CODE + "\n    def infer(" + after.partition("    def infer(")[2]
    folder = published_folder(WRITES, code=code, words=WORDS)
    backend = OfficialBackend(folder, allow_remote_code=True, device="cpu", timeout=300)
    yield backend
    backend.close()


def read(backend: OfficialBackend, request: Any) -> Reply:
    (reply,) = backend.read([request])
    return reply


def test_a_page_without_an_end_is_ended_cut_and_warned_about(
    writing: OfficialBackend, page_request: Any
) -> None:
    reply = read(writing, page_request(1))
    assert reply.finish_reason == "repetition"
    assert reply.tokens is not None
    assert reply.tokens < 1000
    assert len(reply.text) < 200
    assert reply.text.startswith("the in of the total of all items in this list is unknown.")
    assert len(reply.warnings) == 1
    assert "the model repeated itself" in reply.warnings[0]
    assert "part of the page may be missing" in reply.warnings[0]
    assert reply.attempts == 1


def test_a_page_that_ends_by_itself_stays_as_it_was_written(
    writing: OfficialBackend, page_request: Any
) -> None:
    reply = read(writing, page_request(2))
    assert (reply.finish_reason, reply.tokens, reply.warnings) == ("stop", 11, ())
    assert reply.text.removesuffix(" </s>") == " ".join(WORDS)


def test_the_page_after_one_that_looped_is_watched_from_its_own_beginning(
    writing: OfficialBackend, page_request: Any
) -> None:
    first, second = read(writing, page_request(1)), read(writing, page_request(3))
    assert first.finish_reason == "repetition"
    assert (second.finish_reason, second.tokens) == ("stop", 31)


@pytest.mark.long
def test_a_loop_in_the_text_of_code_that_cannot_be_watched_is_cut_as_well(
    light: Callable[..., OfficialBackend], page_request: Any
) -> None:
    reply = read(light("return 'Good text. ' + 'And so on it goes. ' * 2000"), page_request(1))
    assert reply.finish_reason == "repetition"
    assert len(reply.text) < 200
    assert "the model repeated itself" in reply.warnings[0]
