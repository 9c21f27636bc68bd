"""Without a language model, what an answer says about the documents is true."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deepseek_ocr_rag import Answer, DocumentQA, OcrDocument
from deepseek_ocr_rag.answering.fixed_texts import NO_WORD, NOT_FOUND, quoted_line
from deepseek_ocr_rag.answering.quoting.shown_rows import shown_rows
from deepseek_ocr_rag.answering.quoting.vocabulary import Vocabulary
from deepseek_ocr_rag.document.types import Block, Box, Page

QUOTED = quoted_line((), all_read=True)
HEAD = "| Light | First lit | Height (m) | Visitors 2024 |"
ROWS = (
    "| Corrie Head | 1841 | 38 | 9,412 |",
    "| Vannet Rock | 1856 | 44 | 1,087 |",
    "| Petrel Bank | 1907 | 12 | 814 |",
)
TABLE = "\n".join((HEAD, "| --- | --- | --- | --- |", *ROWS))
HTML = (
    "<table><tr><td>Light</td><td>First lit</td></tr><tr><td>Corrie Head</td><td>1841</td></tr>"
    "<tr><td>Petrel Bank</td><td>1907</td></tr></table>"
)
LETTER = (
    "Dear Ms Vasterling,",
    "The board grants the cooperative 18,450 crowns for a new emitter.",
    "Yours sincerely,",
    "Edda Rowntree\nHarbour Master",
)
TOURS = (
    "From 2025 on, tours will also be given in sign language, on the first Sunday of each month."
)
LIGHTS = "The cooperative keeps six lights with a crew of eleven. Visitors come by ferry."


def page(number: int, *texts: str) -> Page:
    markdown = "\n\n".join(texts)
    blocks, at = [], 0
    for index, text in enumerate(texts):
        box = Box(0.1, 0.1 * index, 0.9, 0.1 * index + 0.05)
        kind = "table" if text.startswith(("|", "<table")) else "text"
        blocks.append(Block(kind, text, (box,), (at, at + len(text))))
        at += len(text) + 2
    return Page(number, markdown, tuple(blocks))


REPORT = OcrDocument(
    "report.pdf", (page(1, LIGHTS, TOURS), page(2, *LETTER), page(3, "Figures.", TABLE)), 3
)


def ask(question: str, document: OcrDocument = REPORT) -> Answer:
    answer = DocumentQA(document).ask(question)
    for citation in answer.citations:
        assert document.page(citation.page).markdown[slice(*citation.span)] == citation.quote
    return answer


@pytest.mark.parametrize(
    "question",
    [
        "Who signed it?",
        "Who signed the letter?",
        "who has signed this",
        "Whose signature is on the letter?",
        "Who wrote the letter?",
        "Wer hat den Brief unterschrieben?",
    ],
)
def test_whoever_asks_for_the_signature_gets_the_signature(question: str) -> None:
    answer = ask(question)
    assert answer.text == f"{QUOTED}\n\n“Yours sincerely,\n\nEdda Rowntree\nHarbour Master” [1]"
    assert (answer.found, answer.citations[0].page) == (True, 2)
    assert len(answer.citations[0].boxes) == 2


def test_an_unsigned_document_has_no_signature() -> None:
    answer = ask("Who signed it?", OcrDocument("tours.pdf", (page(1, LIGHTS, TOURS),), 1))
    assert (answer.found, answer.nearest) == (False, True)
    assert answer.text.startswith("No sentence says this in these words")


@pytest.mark.parametrize("question", ["Which light is the oldest?", "Which light is highest?"])
def test_a_comparison_shows_the_table_with_its_head_and_claims_nothing(question: str) -> None:
    answer = ask(question)
    word = question.split()[-1].rstrip("?")
    assert (
        f"No sentence says this in these words (no page has “{word}”); the nearest" in answer.text
    )
    assert f"\n\n{TABLE}\n\n[" in answer.text
    assert (answer.found, answer.nearest, answer.quoted) == (False, True, True)
    assert NOT_FOUND not in answer.text


def test_one_row_is_shown_with_its_head_and_cited_alone() -> None:
    answer = ask("In which year was Petrel Bank first lit?")
    assert answer.text.startswith(
        f"{QUOTED}\n\n{HEAD}\n| --- | --- | --- | --- |\n{ROWS[2]}\n\n[1]"
    )
    assert answer.citations[0].quote == ROWS[2]
    assert answer.found


def test_a_row_of_html_is_shown_as_a_row_too() -> None:
    answer = ask("When was Petrel Bank first lit?", OcrDocument("t.pdf", (page(1, HTML),), 1))
    assert "| Light | First lit |\n| --- | --- |\n| Petrel Bank | 1907 |\n\n[1]" in answer.text
    assert answer.citations[0].quote == "<tr><td>Petrel Bank</td><td>1907</td></tr>"


def test_a_pipe_in_a_cell_stays_in_its_cell() -> None:
    assert shown_rows(["| a \\| b | c |"], ["| d | e |"], str.upper) == (
        "| A \\| B | C |\n| --- | --- |\n| D | E |"
    )


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("Who is the CEO of Apple?", "Apple"),
        ("What does Tim Cook say about the crew?", "Tim Cook"),
        ("What is the capital of France?", "France"),
        ("How many visitors did NASA's lights have?", "NASA"),
        ("Who designed the lighthouse of Alexandria?", "Alexandria"),
    ],
)
def test_a_name_that_no_page_has_makes_a_question_unanswerable(question: str, name: str) -> None:
    answer = ask(question)
    assert answer.text == f"This is not in these documents: no page has “{name}”."
    assert (answer.found, answer.citations) == (False, ())


def test_a_page_that_could_not_be_read_is_not_said_to_lack_a_name() -> None:
    failed = Page(2, finish_reason="error", error="no reply")
    answer = ask("Who is Apple's CEO?", OcrDocument("s.pdf", (page(1, LIGHTS), failed), 2))
    assert answer.text == (
        "This is not in what was read of these documents: nothing in it has “Apple”."
        " Not read: page 2."
    )


def test_a_name_may_stand_in_a_picture_or_behind_the_end_of_a_page() -> None:
    picture = Block("image", "", (Box(0.1, 0.1, 0.6, 0.4),))
    document = OcrDocument(
        "s.pdf",
        (
            page(1, LIGHTS),
            replace(page(2, LIGHTS), blocks=(picture,)),
            replace(page(3, LIGHTS), finish_reason="repetition"),
        ),
        3,
    )
    answer = ask("Who is Apple's CEO?", document)
    assert answer.text.endswith("Not read: pictures on page 2, the end of page 3.")
    others = OcrDocument("t.pdf", (replace(page(1, LIGHTS), finish_reason="length"),), 1)
    answer = DocumentQA([document, others]).ask("Who is Apple's CEO?")
    assert answer.text.endswith("the end of page 3 of s.pdf, the end of page 1 of t.pdf.")
    small = replace(picture, boxes=(Box(0.1, 0.1, 0.2, 0.2),))  # a logo
    whole = OcrDocument("s.pdf", (replace(page(1, LIGHTS), blocks=(small,)),), 1)
    answer = ask("Who is Apple's CEO?", whole)
    assert answer.text == "This is not in these documents: no page has “Apple”."


@pytest.mark.parametrize(
    "question",
    [
        "How many crowns does the Board grant?",  # another case
        "How many VISITORS did Corrie Head have?",
        "How far is Corie Head?",  # misread by one letter
        "Format the date as YYYY-MM-DD.",
        "WHO SIGNED THE APPLE?",
        "What does the CEO say about the lights?",  # a role that is said in other words
        "What was the height in Celsius?",
        "What did the Harbor Master grant?",
        "Wer gewann die Weltmeisterschaft?",  # a noun, in German
    ],
)
def test_what_may_stand_there_in_another_form_is_not_called_absent(question: str) -> None:
    assert NOT_FOUND.rstrip(".") not in ask(question).text


def test_an_abbreviation_is_there_where_its_words_are() -> None:
    known = Vocabulary(
        ["Earnings before interest, taxes and amortization rose at Johnson & Johnson."]
    )
    assert known.missing_names("What was the EBITA of JnJ?") == ()
    assert known.missing_names("What was the EBITDA of IBM?") == ("IBM",)


def test_words_without_a_page_are_named_and_nothing_more_is_claimed() -> None:
    assert ask("Xylophones?").text == NO_WORD
    answer = ask("Does the crew eat well?")
    assert "(no page has “eat” or “well”)" in answer.text
    assert not answer.found


def test_a_heading_alone_does_not_make_the_best_sentence() -> None:
    title = "## Who keeps the lights"
    document = OcrDocument("k.pdf", (page(1, title, "Today there are 318 members.", LIGHTS),), 1)
    assert ask("Who keeps the lights?", document).citations[0].quote == LIGHTS.split(". ")[0] + "."


def test_a_question_for_a_measure_is_answered_below_its_name_in_the_head_of_a_table() -> None:
    longer = "The longest gap of the year was sixteen days at Vannet Rock, in February."
    document = OcrDocument("report.pdf", (page(1, LIGHTS, longer), page(2, TABLE)), 2)
    answer = ask("How tall is the tower of Vannet Rock?", document)
    assert answer.citations[0].quote == ROWS[1]
    assert f"{HEAD}\n" in answer.text


def test_a_foot_that_was_read_as_text_is_not_quoted() -> None:
    pages = [
        page(n, f"Ferries sailed on {n + 20} days.", f"Report of the ferry company | {n + 3}")
        for n in range(1, 4)
    ]
    answer = ask(
        "What did the report of the ferry company say?", OcrDocument("r.pdf", (*pages,), 3)
    )
    assert answer.citations
    assert not [c.quote for c in answer.citations if "Report of" in c.quote]


def test_a_line_that_only_repeats_the_question_is_no_answer() -> None:
    source = "Harbour Survey of Vannet Rock, July 2024"
    told = "In that survey the lamp of the rock was found cracked."
    document = OcrDocument("s.pdf", (page(1, source, told),), 1)
    answer = ask("What did the Harbour Survey of Vannet Rock, July 2024, find cracked?", document)
    assert [citation.quote for citation in answer.citations] == [told]
    # Asked by yes or no, the same words may answer.
    notice = OcrDocument("n.pdf", (page(1, "Pool closed Mondays", "Towels are lent."),), 1)
    answer = ask("Is the pool closed Mondays?", notice)
    assert answer.citations[0].quote == "Pool closed Mondays"


def test_a_line_that_introduces_a_table_is_quoted_with_rows_of_it() -> None:
    line = "Repurchases of common shares during the three months to July 2023 were as follows:"
    names = [
        "Ferry",
        "Harbour",
        "Lamp",
        "Keeper",
        "Tower",
        "Signal",
        "Anchor",
        "Buoy",
        "Pier",
        "Mole",
        "Crane",
        "Dredger",
    ]
    long = " ".join(f"class{each} held{each}" for each in range(30))
    head = f"| Store | {long} |"
    body = (
        f"| {name} works, rope and sail store | {number}2,673 |"
        for number, name in enumerate(names)
    )
    rows = "\n".join((head, "| --- | --- |", *body))
    document = OcrDocument("r.pdf", (page(1, line, rows, LIGHTS, TOURS),), 1)
    answer = ask(
        "What repurchases of common shares were made in the three months to July?", document
    )
    quotes = [citation.quote for citation in answer.citations]
    assert quotes[0] == line
    assert "Ferry works" in quotes[1]


GRANT = "The board grants 18,450 crowns for a new emitter, on these conditions:"


def test_a_line_that_introduces_a_list_is_quoted_with_all_of_it() -> None:
    """One box more, and no item a second time, though two have words of the question."""
    items = (
        "1. The new emitter works by 30 June.",
        "2. It is tested at every new moon.",
        "3. The crowns are spent by then.",
    )
    listed = "\n".join(items)
    document = OcrDocument("r.pdf", (page(1, LIGHTS, GRANT, listed, TOURS),), 1)
    answer = ask("How many crowns does the board grant for a new emitter?", document)
    assert [citation.quote for citation in answer.citations] == [f"{GRANT}\n\n{listed}"]
    assert len(answer.citations[0].boxes) == 2
    assert answer.text == f"{QUOTED}\n\n“{GRANT}\n\n{listed}” [1]"


@pytest.mark.parametrize(
    "items",
    [
        "1. 身份证复印件\n2. 近期照片两张",
        "1、身份证复印件\n2、近期照片两张",
        "（一）身份证复印件\n（二）近期照片两张",
    ],
)
def test_a_chinese_list_is_quoted_with_its_line(items: str) -> None:
    line = "申请人须提交以下材料\N{FULLWIDTH COLON}"
    document = OcrDocument("r.pdf", (page(1, line, items, "费用为80元。"),), 1)
    answer = ask("申请人须提交哪些材料？", document)
    assert answer.citations[0].quote == f"{line}\n\n{items}"


def test_a_line_is_quoted_without_a_list_of_many_items() -> None:
    listed = "\n".join(f"{number}. Lamp {number} is lit." for number in range(1, 14))
    document = OcrDocument("r.pdf", (page(1, LIGHTS, GRANT, listed, TOURS),), 1)
    answer = ask("How many crowns does the board grant for a new emitter?", document)
    assert answer.citations[0].quote == GRANT


def test_sentences_that_differ_in_a_number_alone_are_quoted() -> None:
    years = ((2019, 51), (2020, 17), (2021, 44))
    pages = [page(n, f"In {y} the ferry sailed on {d} days.") for n, (y, d) in enumerate(years, 1)]
    answer = ask("On how many days did the ferry sail?", OcrDocument("r.pdf", (*pages,), 3))
    assert len(answer.citations) == 3


@pytest.mark.parametrize(
    ("question", "missing"),
    [
        ("Which light burned gas?", "burned|gas"),
        ("Which light was painted?", "painted"),
        ("In which year was Petrel Bank sold?", "sold"),
        ("Does the cooperative insure six lights with a crew of eleven?", "insure"),
        ("How many crowns does the board lend the cooperative for a new emitter?", "lend"),
        ("What does the board grant the cooperative for a new roof?", "roof"),
    ],
)
def test_the_line_above_quotes_names_the_words_that_no_page_has(
    question: str, missing: str
) -> None:
    answer = ask(question)
    named = " or ".join(f"“{word}”" for word in missing.split("|"))
    line = answer.text.splitlines()[0]
    assert f"no page has {named}" in line
    assert answer.nearest == line.startswith("No sentence says this in these words")


@pytest.mark.parametrize(
    "question",
    [
        "How many crowns does the board grant for a new emitter?",
        "How many crowns is the board granting the cooperative?",  # inflected
        "What amount does the board grant?",  # a figure that is not called so
        "What is the height of Vannet Rock?",  # the head of a table
        "How high is Vannet Rock?",
        "In which year was Corrie Head first lit?",
        "How many visitors did Petrel Bank get in 2024?",  # a row has no verb
        "According to the document, how many lights does the cooperative keep?",
    ],
)
def test_words_that_ask_and_words_in_another_form_are_not_missing(question: str) -> None:
    answer = ask(question)
    assert answer.found
    assert answer.text.startswith(QUOTED)


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("Wer bezahlt den Leuchtturm?", "Die Stadt bezahlt den Leuchtturmwärter."),
        ("Hoe lang duurt de reis?", "De reis duurt 40 minuten."),
        ("Combien coûte la location ?", "| Location | Prix |\n| --- | --- |\n| Barque | 12 € |"),
        ("Wie viel kostet das Boot?", "| Boot | Preis |\n| --- | --- |\n| Ruderboot | 12 € |"),
    ],
)
def test_other_languages_have_words_that_ask_too(question: str, text: str) -> None:
    assert ask(question, OcrDocument("r.pdf", (page(1, text),), 1)).found
