"""Questions and answers: quoted without a model, written and cited with one."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import pytest
from waiting import LONG

from deepseek_ocr_rag.answering.fixed_texts import NO_WORD, NOT_FOUND
from deepseek_ocr_rag.answering.language_model import Message
from deepseek_ocr_rag.answering.qa import Answer, DocumentQA
from deepseek_ocr_rag.document.types import Block, Box, OcrDocument, Page
from deepseek_ocr_rag.errors import (
    ConfigurationError,
    LanguageModelReplyError,
    RemoteModelRefusedError,
)


def page(number: int, *paragraphs: str) -> Page:
    """A page of paragraphs, each with a box of its own."""
    blocks: list[Block] = []
    markdown = ""
    for position, text in enumerate(paragraphs):
        markdown += "\n\n" if markdown else ""
        span = (len(markdown), len(markdown) + len(text))
        markdown += text
        box = Box(0.1, position / 10, 0.9, (position + 1) / 10)
        kind = "sub_title" if text.startswith("#") else "text"
        blocks.append(Block(kind, text, (box,), span))
    return Page(number, markdown, tuple(blocks))


LIGHTHOUSE = OcrDocument(
    "lighthouse.pdf",
    (
        page(1, "# The northern light", "The tower was built in 1871. It is 40 metres high."),
        page(
            2, "# The keeper", "Ann Lee has kept the lamp since 1902.", "The lamp burns rape oil."
        ),
        page(3, "| ship | year |\n| --- | --- |\n| Aurora | 1899 |\n| Boreas | 1911 |"),
    ),
    3,
)


class Parrot:
    """A language model that says what it was told to, a few letters at a time."""

    name = "parrot"
    context_length = 4096
    warnings: tuple[str, ...] = ()

    def __init__(self, text: str, size: int = 7) -> None:
        self.text = text
        self.size = size
        self.asked: list[Sequence[Message]] = []
        self.said = 0
        self.closed = threading.Event()

    def stream(self, messages: Sequence[Message], *, max_tokens: int) -> Iterator[str]:
        self.asked.append(messages)
        try:
            for start in range(0, len(self.text), self.size):
                self.said = start + self.size
                yield self.text[start : start + self.size]
        finally:
            self.closed.set()


def check_quotes(answer: Answer, document: OcrDocument) -> None:
    for citation in answer.citations:
        markdown = document.page(citation.page).markdown
        assert markdown[slice(*citation.span)] == citation.quote
        assert citation.quote in answer.passages[citation.passage].text


# --- without a language model ---------------------------------------------------------------


@pytest.mark.parametrize("llm", [None, "none"])
def test_without_a_model_the_best_sentence_is_quoted_with_its_box(llm: str | None) -> None:
    answer = DocumentQA(LIGHTHOUSE, llm).ask("Who has kept the lamp?")
    best = answer.citations[0]
    assert best.quote == "Ann Lee has kept the lamp since 1902."
    assert (best.source, best.page, best.boxes) == ("lighthouse.pdf", 2, (Box(0.1, 0.1, 0.9, 0.2),))
    assert f"“{best.quote}” [1]" in answer.text
    assert "no language model" in answer.text
    assert answer.llm is None
    check_quotes(answer, LIGHTHOUSE)


def test_a_table_row_can_be_quoted() -> None:
    answer = DocumentQA(LIGHTHOUSE).ask("In which year did the Boreas come?")
    assert answer.citations[0].quote == "| Boreas | 1911 |"
    assert answer.citations[0].page == 3


def test_where_nothing_fits_the_answer_says_so_and_no_model_is_asked() -> None:
    parrot = Parrot("I know everything.")
    answer = DocumentQA(LIGHTHOUSE, parrot).ask("Xylophones?")
    assert answer.text == NO_WORD
    assert not answer.found
    assert (answer.citations, answer.passages, parrot.asked) == ((), (), [])


def test_a_page_that_the_question_names_is_quoted_whatever_else_it_asks() -> None:
    answer = DocumentQA(LIGHTHOUSE).ask("Which topics, chapters and matters are on page 2?")
    assert answer.found
    assert answer.citations[0].page == 2


def test_nothing_is_found_in_no_documents() -> None:
    assert DocumentQA([]).ask("Who keeps the lamp?").text == NO_WORD


def test_several_documents_are_searched_together() -> None:
    other = OcrDocument("watch.pdf", (page(1, "Press the crown to wake the watch."),), 1)
    answer = DocumentQA([LIGHTHOUSE, other]).ask("How to wake the watch?")
    assert answer.citations[0].source == "watch.pdf"


def test_pages_that_could_not_be_read_are_named() -> None:
    failed = Page(2, finish_reason="error", error="no reply")
    document = OcrDocument("scan.pdf", (page(1, "A lamp."), failed), 2)
    (warning,) = DocumentQA(document).ask("lamp").warnings
    assert "Page 2 of scan.pdf" in warning


def test_the_json_form_has_exactly_what_the_command_line_promises() -> None:
    data = DocumentQA(LIGHTHOUSE).ask("Who has kept the lamp?").to_dict()
    assert set(data) == {"answer", "sentences", "citations", "passages"}
    assert set(data["citations"][0]) == {"source", "page", "boxes", "quote"}
    assert set(data["passages"][0]) == {"source", "page", "boxes", "text", "score"}
    assert data["citations"][0]["boxes"] == [[0.1, 0.1, 0.9, 0.2]]


# --- with a language model ------------------------------------------------------------------


def test_the_models_citations_become_quotes_with_boxes() -> None:
    parrot = Parrot("Ann Lee keeps the lamp. [1] It burns rape oil [1].")
    answer = DocumentQA(LIGHTHOUSE, parrot).ask("Who keeps the lamp, and what does it burn?")
    assert answer.text == "Ann Lee keeps the lamp. [1] It burns rape oil [2]."
    assert [citation.quote for citation in answer.citations] == [
        "Ann Lee has kept the lamp since 1902.",
        "The lamp burns rape oil.",
    ]
    assert [citation.boxes[0].y0 for citation in answer.citations] == [0.1, 0.2]
    assert answer.llm == "parrot"
    check_quotes(answer, LIGHTHOUSE)


def test_a_source_that_does_not_exist_is_not_cited_and_the_sentence_is_looked_up() -> None:
    answer = DocumentQA(LIGHTHOUSE, Parrot("Ann Lee [7].")).ask("Who keeps the lamp?")
    assert answer.text == "Ann Lee. [1]"
    assert answer.sentences[0].cited == ()
    assert answer.citations[0].quote == "Ann Lee has kept the lamp since 1902."


def test_an_uncited_sentence_that_no_source_says_is_marked() -> None:
    answer = DocumentQA(LIGHTHOUSE, Parrot("Bob Ray.")).ask(
        "Which lamp did the purser buy in Liverpool for his captain?"
    )
    assert (answer.text, answer.citations) == ("Bob Ray. [unsupported]", ())
    assert not answer.found
    (sentence,) = answer.unsupported
    assert sentence.problem == "it cites no source, and no source says it"
    assert answer.passages[0].page == 2


def test_a_sentence_with_a_wrong_number_is_marked_and_the_others_are_not() -> None:
    parrot = Parrot("Ann Lee has kept the lamp since 1905 [1]. The lamp burns rape oil [1].")
    answer = DocumentQA(LIGHTHOUSE, parrot).ask("Who keeps the lamp, and what does it burn?")
    assert answer.text == (
        "Ann Lee has kept the lamp since 1905 [unsupported]. The lamp burns rape oil [1]."
    )
    assert [sentence.status for sentence in answer.sentences] == ["unsupported", "supported"]
    assert answer.unsupported[0].problem == "the source does not have 1905"
    assert [citation.quote for citation in answer.citations] == ["The lamp burns rape oil."]


def test_every_sentence_knows_where_it_stands_in_the_text() -> None:
    parrot = Parrot("Ann Lee keeps the lamp [1].\n\nShe was born in Hull [1].")
    answer = DocumentQA(LIGHTHOUSE, parrot).ask("Who keeps the lamp?")
    spans = [sentence.span for sentence in answer.sentences if sentence.span]
    assert [answer.text[slice(*span)] for span in spans] == [
        "Ann Lee keeps the lamp [1].",
        "She was born in Hull [unsupported].",
    ]


def test_a_model_that_finds_nothing_may_say_so() -> None:
    answer = DocumentQA(LIGHTHOUSE, Parrot(NOT_FOUND)).ask("What does the lamp cost?")
    assert (answer.text, answer.found) == (NOT_FOUND, False)
    assert [sentence.status for sentence in answer.sentences] == ["absent"]


def test_strict_mode_leaves_out_what_no_source_says() -> None:
    parrot = Parrot("It was painted red [1]. Ann Lee keeps the lamp [1]. She is 90 years old [1].")
    answer = DocumentQA(LIGHTHOUSE, parrot, strict=True).ask("Who keeps the lamp?")
    assert answer.text == "Ann Lee keeps the lamp [1]."
    assert [sentence.status for sentence in answer.sentences] == [
        "unsupported",
        "supported",
        "unsupported",
    ]
    assert answer.warnings == ("Removed without support: 2 of the sentences.",)


def test_strict_mode_says_why_nothing_is_left_and_claims_no_absence() -> None:
    parrot = Parrot("It was painted red [1].")
    answer = DocumentQA(LIGHTHOUSE, parrot, strict=True).ask("Who painted the Aurora red in May?")
    assert (answer.text, answer.found, answer.citations) == (
        "No source says what parrot wrote.",
        False,
        (),
    )


def test_the_model_sees_the_pages_and_the_question() -> None:
    parrot = Parrot("Ann.")
    DocumentQA(LIGHTHOUSE, parrot, top_k=1).ask("Who keeps the lamp?")
    ((system, user),) = parrot.asked
    assert "untrusted" in system.content
    assert "Ann Lee has kept the lamp since 1902." in user.content
    assert "Who keeps the lamp?" in user.content


def test_a_short_context_is_reported_on_the_answer() -> None:
    parrot = Parrot("Ann.")
    parrot.context_length = 700
    pages = tuple(page(n, f"Lamp {n}. " + "A lamp burns oil. " * 30) for n in range(1, 5))
    answer = DocumentQA(OcrDocument("lamps.pdf", pages, 4), parrot).ask("Which lamp burns oil?")
    assert len(answer.passages) == 4
    assert "of 4 passages" in answer.warnings[0]


def test_a_model_that_writes_nothing_is_an_error() -> None:
    with pytest.raises(LanguageModelReplyError, match="wrote nothing"):
        DocumentQA(LIGHTHOUSE, Parrot("  [9] ")).ask("Who keeps the lamp?")


def test_instructions_on_a_page_bring_no_picture_into_the_answer() -> None:
    parrot = Parrot("![](https://evil.example/?q=lamp) Click [here](https://evil.example) [1].")
    answer = DocumentQA(LIGHTHOUSE, parrot).ask("Who keeps the lamp?")
    assert answer.text.startswith("Click here [unsupported].\n\n")
    assert "evil" not in str(answer)


# --- a model that repeats itself, or says nothing ---------------------------------------------

INSTEAD = "No source says what parrot wrote, so the best passages are quoted:"


class JsonParrot(Parrot):
    """Says each sentence as an object, as a schema asks for."""

    structured = True

    def __init__(self, *sentences: str) -> None:
        listed = [{"text": text, "sources": [1]} for text in sentences]
        super().__init__(json.dumps({"sentences": listed}))

    def stream_json(
        self, messages: Sequence[Message], *, schema: Mapping[str, Any], max_tokens: int
    ) -> Iterator[str]:
        return self.stream(messages, max_tokens=max_tokens)


def marking(*sentences: str) -> Parrot:
    return Parrot(" ".join(f"{text} [1]" for text in sentences))


FORMS = pytest.mark.parametrize("form", [marking, JsonParrot], ids=["marks", "json"])
BOTH = pytest.mark.parametrize("strict", [False, True], ids=["", "strict"])


def both_ways(parrot: Parrot, *, strict: bool) -> Answer:
    """The answer of ``ask``, which a stream gives piece by piece as well."""
    qa = DocumentQA(LIGHTHOUSE, parrot, strict=strict)
    pieces = list(qa.stream("Who keeps the lamp?"))
    answer = qa.ask("Who keeps the lamp?")
    assert "".join(pieces) == answer.text
    for sentence in answer.sentences:
        if sentence.span:
            assert answer.text[slice(*sentence.span)].strip("“")[:4] == sentence.text[:4]
    return answer


@FORMS
@BOTH
def test_equal_sentences_are_shown_once_and_the_third_ends_the_request(
    form: Callable[..., Parrot], strict: bool
) -> None:
    parrot = form("Ann Lee keeps the lamp.", *["She is 90 years old."] * 31)
    answer = both_ways(parrot, strict=strict)
    old = "" if strict else " She is 90 years old. [unsupported]"
    assert answer.text == f"Ann Lee keeps the lamp. [1]{old}"
    assert [sentence.status for sentence in answer.sentences] == ["supported", "unsupported"]
    assert answer.sources.count("unsupported") == (0 if strict else 1)
    assert "The model repeated itself, and its reply was ended." in answer.warnings
    # Not a piece was asked for that the third one did not need.
    written = parrot.text[: parrot.said]
    assert written.count("She is 90") <= 4
    assert parrot.closed.is_set()


@FORMS
@BOTH
@pytest.mark.parametrize("said", ["...", "…", "- - -"])
def test_a_reply_without_a_word_is_no_answer(
    form: Callable[..., Parrot], said: str, strict: bool
) -> None:
    answer = both_ways(form(said), strict=strict)
    assert answer.text.startswith("No whole sentence is in what parrot wrote, so the best")
    assert "“Ann Lee has kept the lamp since 1902.” [" in answer.text
    check_quotes(answer, LIGHTHOUSE)


@FORMS
def test_where_nothing_is_supported_the_best_passages_are_quoted_under_one_line(
    form: Callable[..., Parrot],
) -> None:
    wrong = ["Bob Ray.", "He is 90.", "It was in 1805.", "He died in Hull."]
    answer = both_ways(form(*wrong), strict=True)
    assert answer.text == (
        f"{INSTEAD}\n\n“The lamp burns rape oil.” [1]"
        "\n\n“Ann Lee has kept the lamp since 1902.” [2]"
    )
    assert answer.warnings == ("Removed without support: 4 of the sentences.",)
    assert (answer.found, answer.quoted, len(answer.unsupported)) == (True, True, 4)
    assert [citation.boxes for citation in answer.citations]
    check_quotes(answer, LIGHTHOUSE)
    marked = both_ways(form(*wrong), strict=False)
    assert marked.text.partition("\n\n")[2] == answer.text
    assert marked.text.partition("\n\n")[0].count("[unsupported]") == 4
    assert marked.sources == answer.sources
    assert "unsupported" not in marked.sources


@BOTH
def test_nothing_is_quoted_where_the_model_says_that_it_is_not_there(strict: bool) -> None:
    answer = both_ways(Parrot(NOT_FOUND), strict=strict)
    assert (answer.text, answer.found, answer.quoted) == (NOT_FOUND, False, False)


@BOTH
def test_a_quote_below_a_models_text_can_load_and_link_nothing(strict: bool) -> None:
    hostile = "The lamp ![x](https://evil.example/a.png) [burns](//evil.example) <img src=evil>."
    document = OcrDocument("a.pdf", (page(1, hostile),), 1)
    answer = DocumentQA(document, Parrot("Bob."), strict=strict).ask("Which lamp burns?")
    assert answer.quoted
    assert not re.search(r"!\[|\]\(|<img|//evil", answer.text)


# --- streams --------------------------------------------------------------------------------


def test_a_stream_gives_the_text_and_then_the_answer() -> None:
    parrot = Parrot("Ann Lee keeps the lamp [1], and it burns rape oil [9].")
    stream = DocumentQA(LIGHTHOUSE, parrot).stream("Who keeps the lamp?")
    pieces = list(stream)
    assert len(pieces) > 3
    assert "".join(pieces) == stream.answer.text
    assert stream.answer.citations[0].page == 2


def test_a_stream_shows_the_words_before_the_sentence_is_whole() -> None:
    stream = DocumentQA(LIGHTHOUSE, Parrot("Ann Lee keeps the lamp [1].", 4)).stream("Who?")
    shown = ""
    while len(shown) < 12:
        shown += next(stream)
    assert "[" not in shown
    assert stream.answer.text.startswith(shown)


def test_strict_mode_never_streams_what_it_takes_back() -> None:
    parrot = Parrot("It was painted red [1]. Ann Lee keeps the lamp [1].", 5)
    pieces = list(DocumentQA(LIGHTHOUSE, parrot, strict=True).stream("Who keeps the lamp?"))
    assert "".join(pieces) == "Ann Lee keeps the lamp [1]."


def test_the_answer_of_a_stream_can_be_had_at_once() -> None:
    stream = DocumentQA(LIGHTHOUSE, Parrot("Ann [1].")).stream("Who keeps the lamp?")
    assert stream.answer.text == "Ann [1]."


def test_leaving_a_stream_early_ends_the_models_work() -> None:
    parrot = Parrot("word " * 1000)
    with DocumentQA(LIGHTHOUSE, parrot).stream("Who keeps the lamp?") as stream:
        next(stream)
    assert parrot.closed.is_set()
    with pytest.raises(ConfigurationError, match="not read to its end"):
        _ = stream.answer


async def test_the_async_forms_give_the_same_answer() -> None:
    qa = DocumentQA(LIGHTHOUSE, Parrot("Ann Lee keeps the lamp [1]."))
    answer = await qa.aask("Who keeps the lamp?")
    async with qa.stream("Who keeps the lamp?") as stream:
        text = "".join([piece async for piece in stream])
    assert text == answer.text == qa.ask("Who keeps the lamp?").text
    assert stream.answer.citations == answer.citations


async def test_other_tasks_run_while_the_model_writes() -> None:
    go_on = threading.Event()

    class Waiting(Parrot):
        def stream(self, messages: Sequence[Message], *, max_tokens: int) -> Iterator[str]:
            assert go_on.wait(LONG)
            yield "Ann."

    task = asyncio.create_task(DocumentQA(LIGHTHOUSE, Waiting("")).aask("Who keeps the lamp?"))
    await asyncio.sleep(0.05)
    assert not task.done()
    go_on.set()
    assert (await task).text == "Ann. [1]"


async def test_a_cancelled_question_ends_the_models_work() -> None:
    started, go_on = threading.Event(), threading.Event()

    class Slow(Parrot):
        def stream(self, messages: Sequence[Message], *, max_tokens: int) -> Iterator[str]:
            try:
                started.set()
                assert go_on.wait(LONG)
                yield "Ann keeps the lamp."
                yield "And so on."
            finally:
                self.closed.set()

    slow = Slow("")
    task = asyncio.create_task(DocumentQA(LIGHTHOUSE, slow).aask("Who keeps the lamp?"))
    assert await asyncio.to_thread(started.wait, LONG)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go_on.set()
    assert await asyncio.to_thread(slow.closed.wait, LONG)


# --- what is refused ------------------------------------------------------------------------


def test_an_empty_question_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="empty"):
        DocumentQA(LIGHTHOUSE).ask("  ")


def test_an_answer_from_no_passage_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="top_k"):
        DocumentQA(LIGHTHOUSE, top_k=0)


def test_a_remote_model_is_refused_before_anything_is_asked() -> None:
    with pytest.raises(RemoteModelRefusedError):
        DocumentQA(LIGHTHOUSE, "ollama/big:cloud")
    assert DocumentQA(LIGHTHOUSE, "ollama/big:cloud", allow_remote=True).llm is not None


@pytest.mark.parametrize(
    "reply",
    [
        f"Ann Lee has kept the lamp since 1902 {'[1]' * 20_000}.",
        "".join(f"Ann {number} [1]. " for number in range(5_000)),
        "".join(f"word{number} [1] " for number in range(20_000)),
        "[" * 20_000,
        "x " * 20_000,
        "(p. 1, " * 20_000,
        "x [1][2]. " * 20_000,
        "a.b." * 20_000,
    ],
    ids=[
        "marks",
        "sentences",
        "marks between words",
        "brackets",
        "no end",
        "full stops that end nothing",
        "letters with full stops",
        "full stops without spaces",
    ],
)
def test_a_hostile_reply_takes_bounded_time(reply: str) -> None:
    begin = time.thread_time()
    with suppress(LanguageModelReplyError):
        DocumentQA(LIGHTHOUSE, Parrot(reply, 1000)).ask("Who keeps the lamp?")
    assert time.thread_time() - begin < 20


def test_a_reply_longer_than_was_asked_for_is_cut_and_says_so() -> None:
    parrot = Parrot("Ann Lee has kept the lamp since 1902 [1]. " + "So x " * 8_000, 400)
    answer = DocumentQA(LIGHTHOUSE, parrot).ask("Who keeps the lamp?")
    assert answer.sentences[0].status == "supported"
    assert any("was cut" in warning for warning in answer.warnings)
    assert parrot.said < 50_000
