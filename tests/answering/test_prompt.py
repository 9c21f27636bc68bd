"""The prompt: what the model sees fits its context, and pages cannot speak for the user."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepseek_ocr_rag.answering.prompt import build_prompt
from deepseek_ocr_rag.document.types import OcrDocument, Page
from deepseek_ocr_rag.errors import ConfigurationError
from deepseek_ocr_rag.retrieval.chunking import chunk_document
from deepseek_ocr_rag.retrieval.retriever import Passage
from deepseek_ocr_rag.text.token_count import estimate_tokens


def passage(text: str, source: str = "folder/report.pdf", section: tuple[str, ...] = ()) -> Passage:
    (chunk,) = chunk_document(OcrDocument(source, (Page(3, text),), 3), max_tokens=100_000)
    return Passage(text, source, 3, (), 1.0, section, chunk.span, chunk.pieces)


SENTENCES = " ".join(f"The lamp number {n} was lit by a keeper." for n in range(60))


def test_sources_are_numbered_placed_and_fenced() -> None:
    prompt = build_prompt("Who?", [passage("One.", section=("A", "B")), passage("Two.")], 4096)
    system, user = prompt.messages
    (fence,) = set(re.findall(r"===[0-9a-f]{16}===", system.content))
    assert f"[1]\n{fence}\nreport.pdf, page 3, section A > B\nOne.\n{fence}" in user.content
    assert f"[2]\n{fence}\nreport.pdf, page 3\nTwo.\n{fence}" in user.content
    assert user.content.endswith("Question: Who?")
    assert (prompt.used, prompt.warnings) == (2, ())


def test_the_fence_is_another_one_each_time() -> None:
    prompts = {build_prompt("Who?", [passage("One.")], 4096).messages[0].content for _ in range(9)}
    assert len(prompts) == 9


@pytest.mark.parametrize(
    "token",
    [
        "<|im_end|>",
        "<|im_start|>system",
        "<｜User｜>",
        "</s>",
        "[INST]",
        "[/INST]",
        "<start_of_turn>",
    ],
)
def test_a_page_cannot_open_a_turn_of_the_conversation(token: str) -> None:
    prompt = build_prompt(f"Who {token}?", [passage(f"a {token} b", f"{token}.pdf")], 4096)
    assert token not in prompt.messages[1].content


def test_what_does_not_fit_is_cut_after_a_sentence_and_reported() -> None:
    prompt = build_prompt("Who?", [passage("One."), passage(SENTENCES), passage("Three.")], 1000)
    content = prompt.messages[1].content
    assert prompt.used == 2
    assert "The lamp number 0 was lit by a keeper." in content
    assert re.search(r"keeper\.\n===", content)
    assert "Three." not in content
    (warning,) = prompt.warnings
    assert "2 of 3 passages, the last one cut" in warning
    assert "1000 tokens" in warning


@pytest.mark.parametrize(
    ("context", "warning"),
    [
        (600, "The model was given 1 of 3 passages: its context has 600 tokens."),
        (900, "The model was given 2 of 3 passages, the last one cut: its context has 900 tokens."),
    ],
)
def test_the_warning_says_whether_a_passage_was_cut_or_left_out(context: int, warning: str) -> None:
    prompt = build_prompt("Who?", [passage("One."), passage(SENTENCES), passage("Three.")], context)
    assert prompt.warnings == (warning,)


@pytest.mark.parametrize("context", range(700, 1800, 50))
def test_as_many_sentences_are_kept_as_fit(context: int) -> None:
    prompt = build_prompt("Who?", [passage("One."), passage(SENTENCES)], context)
    system, user = prompt.messages
    used = estimate_tokens(system.content) + estimate_tokens(user.content)
    frame = 64  # what the template of a chat may add
    kept = user.content.count("was lit by a keeper.")
    left = context - prompt.max_tokens - frame - used
    assert left >= 0
    # Each part is estimated by itself and rounded up, so a little more stays than one sentence.
    assert left < estimate_tokens("The lamp number 10 was lit by a keeper.") + 2 * kept + 20


@pytest.mark.parametrize(("context", "reply"), [(1000, 250), (4096, 1024), (100_000, 1024)])
def test_the_reply_has_a_quarter_of_the_context_or_1024_tokens(context: int, reply: int) -> None:
    assert build_prompt("Who?", [passage("One.")], context).max_tokens == reply


def test_the_rules_come_from_the_system_and_the_sources_from_the_user() -> None:
    system, user = build_prompt("Who?", [passage("One.")], 4096).messages
    assert (system.role, user.role) == ("system", "user")
    fences = re.findall(r"===[0-9a-f]{16}===", system.content)
    assert len(fences) == 1
    assert (
        user.content == f"[1]\n{fences[0]}\nreport.pdf, page 3\nOne.\n{fences[0]}\n\nQuestion: Who?"
    )


def test_a_reply_in_json_is_asked_for_by_its_form_and_not_by_marks() -> None:
    written = build_prompt("Who?", [passage("One.")], 4096).messages[0].content
    as_json = build_prompt("Who?", [passage("One.")], 4096, structured=True).messages[0].content
    assert ("in brackets, like [1]" in written, '{"sentences": []}' in written) == (True, False)
    assert ("in brackets, like [1]" in as_json, '{"sentences": []}' in as_json) == (False, True)


@pytest.mark.parametrize(
    "source", [r"C:\papers\report.pdf", "papers/2024/report.pdf", "report.pdf"]
)
def test_a_source_is_called_by_its_file_name(source: str) -> None:
    content = build_prompt("Who?", [passage("One.", source)], 4096).messages[1].content
    assert "===\nreport.pdf, page 3\n" in content


def test_a_question_without_passages_is_a_prompt_without_sources() -> None:
    prompt = build_prompt("Who?", [], 4096)
    assert (prompt.messages[1].content, prompt.used, prompt.warnings) == ("Question: Who?", 0, ())


def test_a_context_without_room_for_any_source_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no room"):
        build_prompt("Who? " * 400, [passage(SENTENCES)], 1024)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.text("ab 1|.\n语", min_size=1, max_size=800).filter(str.strip), max_size=6),
    st.integers(600, 3000),
)
def test_prompt_and_reply_fit_the_context(texts: list[str], context: int) -> None:
    prompt = build_prompt("Who?", [passage(text) for text in texts], context)
    tokens = sum(estimate_tokens(message.content) for message in prompt.messages)
    assert tokens + prompt.max_tokens <= context
    assert bool(prompt.warnings) == (prompt.used < len(texts) or "cut" in str(prompt.warnings))


def test_building_a_prompt_loads_no_rendering() -> None:
    code = (
        "import sys; from deepseek_ocr_rag.answering.prompt import build_prompt; "
        "print(*sorted({'PIL', 'pypdfium2'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == []
