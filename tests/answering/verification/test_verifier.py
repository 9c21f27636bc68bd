"""Which sentences are supported by what they cite, and what is said of the others."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepseek_ocr_rag.answering.verification.term_frequencies import TermFrequencies
from deepseek_ocr_rag.answering.verification.verifier import Verdict, Verifier
from deepseek_ocr_rag.document.types import Block, Box, OcrDocument, Page
from deepseek_ocr_rag.retrieval.chunking import chunk_document
from deepseek_ocr_rag.retrieval.retriever import Passage

TEXTS = (
    "Ann Lee has kept the lamp since 14 March 1902. The lamp burns rape oil. It needs 1.5 L a day.",
    "Bob Ray built the tower in 1871. It is 40 metres high. The keeper must not open the lantern.",
    "The bell is rung in fog. It weighs 300 kg and was cast in Hull.",
    "| ship | tons | year |\n| --- | --- | --- |\n| Aurora | 1,250 | 1899 |\n| Boreas | 980 | 1911 |",
    "Open the door of the oil store. Fill the can. Carry it up the stairs.",
)

LETTER = (
    "I write to confirm what the harbour board decided on 29 January 2025. Your fog signal at "
    "Vannet Rock failed on 11 November 2024 at 02:15, while the ferry Marigold was coming in with "
    "132 passengers on board. That she berthed safely is owed to your head keeper, Mr Tomas "
    "Arkwell, who sounded the hand horn for 47 minutes."
)
"""Of the sample document."""


def passage(text: str, number: int, section: tuple[str, ...] = ()) -> Passage:
    block = Block("text", text, (Box(0.1, 0.1, 0.9, 0.2),), (0, len(text)))
    document = OcrDocument("light.pdf", (Page(number, text, (block,)),), 5)
    (chunk,) = chunk_document(document, max_tokens=1000)
    return Passage(
        chunk.text, "light.pdf", number, chunk.boxes, 1.0, section, chunk.span, chunk.pieces
    )


PASSAGES = [passage(text, number) for number, text in enumerate(TEXTS, start=1)]
FREQUENCIES = TermFrequencies(("light.pdf", text) for text in TEXTS)


def verify(claim: str, *cited: int, question: str = "") -> Verdict:
    """``cited`` are page numbers."""
    verifier = Verifier(PASSAGES, question, FREQUENCIES)
    return verifier.verify(claim, [number - 1 for number in cited])


@pytest.mark.parametrize(
    ("claim", "page", "quote"),
    [
        ("Ann Lee has kept the lamp since 1902.", 1, "Ann Lee has kept the lamp since 14 March 1902."),
        ("Since March 1902 the lamp has been kept by Ann Lee.", 1, "Ann Lee has kept the lamp since 14 March 1902."),
        ("The tower is 40 metres high.", 2, "It is 40 metres high."),
        ("The Boreas has 980 tons.", 4, "| Boreas | 980 | 1911 |"),
        ("The Aurora of 1899 has 1250 tons.", 4, "| Aurora | 1,250 | 1899 |"),
        ("The bell weighs three hundred kilograms, 300 kg.", 3, None),
        ("The lantern must not be opened by the keeper.", 2, "The keeper must not open the lantern."),
    ],
)  # fmt: skip
def test_what_the_source_says_is_supported_and_found(claim: str, page: int, quote: str) -> None:
    verdict = verify(claim, page)
    if quote is None:
        # A number in words that the source has in digits only counts as another number.
        assert verdict.problem.startswith("the source does not have three")
        return
    assert verdict.supported, verdict.problem
    assert any(quote in citation.quote for citation in verdict.citations)
    assert all(citation.page == page for citation in verdict.citations)
    assert verdict.citations[0].boxes == (Box(0.1, 0.1, 0.9, 0.2),)


@pytest.mark.parametrize(
    ("claim", "page", "problem"),
    [
        ("Ann Lee has kept the lamp since 1903.", 1, "1903"),
        ("Ann Lee has kept the lamp since 14 April 1902.", 1, "14 April 1902"),
        ("Ann Smith has kept the lamp since 1902.", 1, "Smith"),
        ("The tower is 41 metres high.", 2, "41"),
        ("The Boreas has 1,250 tons.", 4, "1,250"),
        ("The bell was cast in Cork.", 3, "Cork"),
        ("The keeper must open the lantern.", 2, "not"),
        ("The tower is painted in stripes of red and white.", 2, "does not say this"),
    ],
)
def test_a_changed_number_date_name_or_not_is_found_out(
    claim: str, page: int, problem: str
) -> None:
    verdict = verify(claim, page)
    assert not verdict.supported
    assert problem in verdict.problem
    assert verdict.citations == ()


def test_another_name_of_the_same_page_does_not_fit_in_its_position() -> None:
    both = passage("Ann Lee has kept the lamp since 1902. Bob Ray built the tower in 1871.", 1)
    verifier = Verifier([both], "", FREQUENCIES)
    assert verifier.verify("Ann Lee has kept the lamp since 1902.", [0]).supported
    assert not verifier.verify("Bob Ray has kept the lamp since 1902.", [0]).supported


def test_a_sentence_that_stands_on_another_page_is_not_supported_where_it_is_cited() -> None:
    assert not verify("Ann Lee has kept the lamp since 1902.", 3).supported
    near = [passage("The lamp is kept well.", 1), passage("Ann Lee has kept the lamp well.", 2)]
    verdict = Verifier(near, "Who has kept the lamp?", FREQUENCIES).verify(
        "Ann keeps it well.", [0]
    )
    assert not verdict.supported


def test_a_better_passage_makes_a_citation_wrong() -> None:
    question = "What must be carried up the stairs?"
    rivals = [
        passage("The jug is red.", 1),
        passage("The jug must be carried up the stairs.", 2),
    ]
    verifier = Verifier(rivals, question, FREQUENCIES)
    assert verifier.verify("The jug.", [1]).supported
    verdict = verifier.verify("The jug.", [0])
    assert not verdict.supported


def test_a_sentence_may_rest_on_several_sources_together() -> None:
    claim = "Ann Lee keeps the lamp, and the bell weighs 300 kg."
    assert not verify(claim, 1).supported
    verdict = verify(claim, 1, 3)
    assert verdict.supported
    assert {citation.page for citation in verdict.citations} == {1, 3}


def test_a_short_answer_is_tied_to_the_page_by_its_question() -> None:
    question = "How much rape oil does the lamp need a day?"
    assert verify("1.5 L", 1, question=question).supported
    assert not verify("Yes.", 3, question="Does the lamp burn rape oil?").supported
    assert verify("Yes.", 1, question="Does the lamp burn rape oil?").supported


def test_a_year_of_the_question_may_stand_in_a_heading() -> None:
    headed = passage("Sales grew by 5 percent.", 1, ("Results of 2023",))
    verifier = Verifier([headed], "How did sales grow in 2023?", FREQUENCIES)
    assert verifier.verify("In 2023 sales grew by 5 percent.", [0]).supported
    assert not verifier.verify("In 2022 sales grew by 5 percent.", [0]).supported


def test_a_misread_word_is_the_same_word() -> None:
    scanned = passage("The keeper fills the lantem with petroieum.", 1)
    assert Verifier([scanned]).verify("The keeper fills the lantern with petroleum.", [0]).supported


def judged(claim: str, text: str, question: str = "") -> Verdict:
    """Of one source, which is not among the pages above."""
    return Verifier([passage(text, 1)], question, FREQUENCIES).verify(claim, [0])


def test_a_rise_or_a_fall_may_be_said_in_another_word() -> None:
    text = "Sales of the tower rose in summer. There was a decrease of oil by 44% in winter."
    assert judged("Oil declined by 44%.", text).supported
    assert not judged("Oil declined by 45%.", text).supported


def test_a_row_of_figures_says_a_fall_by_a_negative_percentage() -> None:
    question = "How did sales of rope compare to sales of oil?"
    text = "Sales\n\nRope 48,580 47,156 3.0%\n\nOil 46,363 46,619 (0.6)%"
    assert judged("Rope increased 3.0% vs oil decline of 0.6%.", text, question).supported
    assert not judged("Rope increased 3.0% vs oil decline of 0.7%.", text, question).supported


def test_a_table_with_one_cell_a_line_is_read_by_rows() -> None:
    text = "Sales\nU.S. \n$48,580 \n$47,156 \n3.0% \nInternational \n46,363 \n46,619 \n0.6%"
    question = "How did U.S. sales grow?"
    verdict = judged("U.S. sales grew by 3.0%.", text, question)
    assert verdict.supported, verdict.problem
    assert verdict.citations[0].quote.startswith("U.S.")
    assert "3.0%" in verdict.citations[0].quote
    assert not judged("U.S. sales grew by 0.6%.", text, question).supported


def test_a_number_that_follows_is_supported_and_cited_with_all_it_follows_from() -> None:
    text = "Oil of the tower: 320 barrels.\n\nThe lamp is kept.\n\nOil of the store: 54 barrels."
    question = "What is the total of the oil of the tower and the store?"
    verdict = judged("In total 374 barrels.", text, question)
    assert verdict.supported, verdict.problem
    quotes = " ".join(citation.quote for citation in verdict.citations)
    assert "320" in quotes
    assert "54" in quotes
    assert not judged("In total 375 barrels.", text, question).supported


def test_a_column_named_by_its_year_adds_up() -> None:
    table = (
        "| Ship | Passengers 2024 | Passengers 2025 |\n| --- | --- | --- |\n| Marisol | 48,210 | 51,904 |\n"
        "| Estrela | 30,115 | 29,870 |\n| Gaivota | 12,040 | 12,140 |"
    )
    assert judged("In total 93,914 passengers were carried in 2025.", table).supported
    assert judged("In total 90,365 passengers were carried in 2024.", table).supported
    assert not judged("In total 90,365 passengers were carried in 2025.", table).supported
    assert not judged("In total 93,915 passengers were carried in 2025.", table).supported


def test_a_number_does_not_follow_if_the_source_has_another_one_in_its_position() -> None:
    text = "Sales of $8.4 million in this year and $4.7 million in the last, an increase of 77%."
    assert judged("Sales had an increase of 77%.", text).supported
    # 79 % is what the rounded amounts give.
    assert not judged("Sales had an increase of 79%.", text).supported


def test_an_amount_follows_from_a_rate() -> None:
    text = "Burn 32 grams of rape oil for every hour of the night. Wear gloves."
    question = "How much rape oil does a night of 12 hours need?"
    assert judged("384 grams", text, question).supported
    assert not judged("394 grams", text, question).supported


def test_a_small_number_follows_from_the_part_of_a_sentence_that_is_on_the_matter() -> None:
    text = "We expect sales of oil to grow 8 percent (previously 6 percent) and sales of rope to grow 9 percent (previously 8 percent)."
    question = "By how many percentage points was the growth of rope sales raised?"
    assert judged("It was raised by 1 percentage point.", text, question).supported
    assert not judged("It was raised by 2 percentage points.", text, question).supported
    # It is 9 percent, and no 9 percentage points more.
    assert not judged("It was raised by 9 percentage points.", text, question).supported


def test_a_year_never_follows() -> None:
    text = "| oil | 1,000 | 902 |\n| --- | --- | --- |\n| rope | 1,000 | 902 |"
    assert not judged("The total of rope is 1902.", text).supported


def test_an_amount_that_is_given_again_and_differently_is_refused() -> None:
    text = "Net revenue was $14.2 billion. Of 24,158 million the cost of sales took 8,140 million."
    verdict = judged("Net revenue was $14.2 billion ($24,158 million).", text)
    assert not verdict.supported
    text = "| In millions | 2023 |\n| --- | --- |\n| Net revenue | 14,158 |\n| Costs | 24,158 |"
    assert judged("Net revenue was $14.2 billion ($14,158 million).", text).supported


def test_the_number_of_a_quarter_is_not_calculated() -> None:
    text = (
        "| Segment | Mix 2023 | Mix 2024 | Growth |\n| --- | --- | --- | --- |\n"
        "| Games | 6 | 6 | 9.0 % |\n| Books | 6 | 4 | 2.0 % |"
    )
    assert not judged("Games had a growth of 9 % during Q0.", text).supported


def test_what_something_fell_from_is_not_a_difference() -> None:
    text = "| Stores | Opened | Closed | Total |\n| --- | --- | --- | --- |\n| All | 5 | 2 | 977 |"
    assert judged("The total of all stores fell from 977.", text).supported
    assert not judged("The total of all stores fell from 972.", text).supported


def test_the_same_year_twice_is_not_what_a_source_with_two_years_says() -> None:
    text = "They signed (a) notes due 2026 (the 2026 notes) and (b) 4.500% notes due 2028 (the 2028 notes)."
    assert judged("They signed notes due 2026 and 2028.", text).supported
    verdict = judged("They signed notes due 2026 and 2026.", text)
    assert verdict.problem == "the sentence has 2026 twice, but the source does not"


def test_the_numbers_of_steps_in_a_row_need_no_source() -> None:
    text = "- Open the door of the store.\n- Fill the can.\n- Carry the can up the stairs."
    steps = "1. Open the door of the store. 2. Fill the can. 3. Carry the can up the stairs."
    assert judged(steps, text).supported
    assert not judged(steps.replace("2.", "7."), text).supported


def test_a_date_may_be_written_otherwise() -> None:
    text = "Date of the storm: 24th of March 2015"
    question = "When was the storm?"
    assert judged("2015-03-24", text, question).supported
    assert judged("March 24,2015", text, question).supported
    assert not judged("2015-03-25", text, question).supported


def test_words_that_say_nothing_do_not_count_against_a_sentence() -> None:
    text = "The bell is not supported by the frame. " + "It is heavy. " * 3
    question = (
        "Is it possible to hang the bell upon the frame using a rope, and might one need two?"
    )
    assert judged("No", text, question).supported


def test_an_uncited_sentence_is_looked_up() -> None:
    verifier = Verifier(PASSAGES, "", FREQUENCIES)
    found = verifier.find("The tower is 40 metres high.")
    assert (found.supported, found.citations[0].page) == (True, 2)
    assert not verifier.find("The tower is 41 metres high.").supported


@pytest.mark.parametrize("cited", [[], [0]])
@pytest.mark.parametrize("question", ["", "Who has kept the lamp since 1902?"])
@pytest.mark.parametrize("claim", ["So it is.", "The", "According to the source:"])
def test_a_sentence_that_says_nothing_is_not_supported(
    claim: str, question: str, cited: list[int]
) -> None:
    assert not Verifier(PASSAGES, question).verify(claim, cited).supported


def test_without_passages_nothing_is_supported() -> None:
    assert not Verifier([]).find("The tower is 40 metres high.").supported


@settings(max_examples=80, deadline=None)
@given(st.text("AnLee 1.9,02-not\n|keptlamp", max_size=80), st.text("lamp 12?", max_size=30))
def test_no_sentence_breaks_it(claim: str, question: str) -> None:
    verdict = Verifier(PASSAGES, question, FREQUENCIES).verify(claim, [0, 3])
    assert verdict.supported == bool(verdict.citations)
    assert verdict.supported == (not verdict.problem)


@pytest.mark.parametrize(
    ("claim", "question"),
    [
        ("The ferry sank.", "What happened at Vannet Rock?"),
        ("The ferry sank.", "What happened on 11 November?"),
        ("The ferry Marigold sank.", "What happened at Vannet Rock?"),
        ("The ferry sank in 2024.", "What happened at Vannet Rock?"),
        ("The ferry exploded.", "What happened at Vannet Rock?"),
        ("The board resigned.", "What did the harbour board do on 29 January 2025?"),
        ("The ferry did sink.", "Did the ferry Marigold sink at Vannet Rock?"),
    ],
)
def test_a_short_sentence_whose_verb_no_source_has_is_not_supported(
    claim: str, question: str
) -> None:
    verdict = judged(claim, LETTER, question)
    assert not verdict.supported
    assert verdict.problem.startswith("the source does not")


@pytest.mark.parametrize(
    ("claim", "question", "text"),
    [
        ("The ferry was coming in.", "What happened at Vannet Rock?", LETTER),
        ("The signal failed.", "What happened at Vannet Rock?", LETTER),
        ("The ferry berthed.", "What happened at Vannet Rock?", LETTER),
        ("The head keeper sounded the horn.", "What happened at Vannet Rock?", LETTER),
        ("Its colour is red.", "What colour is the bell of Hull?", "The red bell hangs in Hull."),
        ("Boreas carries 980.", "", TEXTS[3]),
        ("Glocke ist alt.", "", "Eine alte Glocke hängt in Hull."),
        ("여객선침몰", "", "십일월에 여객선이침몰했다."),
        ("渡轮沉没。", "十一月发生了什么?", "十一月,渡轮已沉没。"),
    ],
)
def test_a_short_sentence_in_the_words_of_its_source_is_supported(
    claim: str, question: str, text: str
) -> None:
    verdict = judged(claim, text, question)
    assert verdict.supported, verdict.problem


TANK = (
    "Chilled water comes from a tank behind the drawer. It holds approximately 1.5 L. Ice falls "
    "from a bin above the door. It holds approximately 2.8 L. Use the dispenser every week."
)


def test_a_sentence_that_begins_with_a_pronoun_is_about_what_the_one_before_it_names() -> None:
    verifier = Verifier([passage(TANK, 1)], "What is the capacity of the tank of chilled water?")
    assert verifier.verify("1.5 L", [0]).supported
    assert not verifier.verify("2.8 L", [0]).supported
