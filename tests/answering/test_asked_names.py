"""Only a name that no page has makes a question unanswerable; other capitals claim nothing."""

from __future__ import annotations

import pytest

from deepseek_ocr_rag import DocumentQA, OcrDocument, Page
from deepseek_ocr_rag.answering.quoting.asked_names import asked_names
from deepseek_ocr_rag.answering.quoting.vocabulary import Vocabulary, names_of

TEXTS = {
    "en": "The boat sleeps six people, and its owner is Alice Dunmore. It is at the marina in Leeds.",
    "de": "Die Treppe wird jeden Freitag gereinigt, und im Hof darf nicht gegrillt werden.",
    "fr": "La bibliothèque est ouverte le mardi, et la directrice y reçoit le public dans la salle.",
    "es": "La piscina abre en junio y la entrada es de cuatro euros para los niños del barrio.",
    "nl": "De boot wordt na gebruik gewassen en in het huis van de vereniging gelegd.",
    "sv": "Bryggan läggs i under våren och tas upp när det är kallt, och alla är med på det.",
    "pl": "Do Krakowa i z Łodzi jedzie autobus, a w garażu nie wolno przechowywać tego paliwa.",
    "other spellings": "The Müller GmbH paid five euros to Soeren Woertz for the oil of the lamp.",
    "other letters": "Москва paid five euros on Monday for the oil of the lamp and for the wicks.",
    "zh": "健身房每天早上六点开门，晚上十点关门。",
}


def document(language: str) -> OcrDocument:
    return OcrDocument("d.pdf", (Page(1, TEXTS[language]),), 1)


@pytest.mark.parametrize(
    ("language", "question", "names"),
    [
        ("en", "Who is the CEO of Vodafone?", ("Vodafone",)),
        ("en", "Does Tim Cook own the boat?", ("Tim Cook",)),
        ("fr", "Quel est le chiffre d'affaires d'Orange ?", ("Orange",)),
        ("fr", "Quel est le chiffre d'affaires de Michelin ?", ("Michelin",)),
        ("es", "¿Cuántos socios tiene Telefónica en la piscina?", ("Telefónica",)),
        ("nl", "Hoeveel boten heeft Philips?", ("Philips",)),
        ("sv", "Vad kostar en brygga hos Ikea?", ("Ikea",)),
        ("pl", "Kto mieszka w Gdańsku?", ("Gdańsku",)),
    ],
)
def test_a_name_that_no_page_has_is_told(
    language: str, question: str, names: tuple[str, ...]
) -> None:
    assert Vocabulary([TEXTS[language]]).missing_names(question) == names


@pytest.mark.parametrize(
    ("language", "question"),
    [
        ("de", "Was kostet die Instandsetzung?"),  # nouns of German
        ("de", "Wie viele Prozent Rabatt gibt es für Rentner?"),
        ("de", "Kosten Instandsetzung Treppe"),  # no function word, so perhaps German
        ("en", "Cost of Repairs in Winter"),  # a title
        ("en", "What Is the Yearly Fee for a Berth?"),
        ("en", "WHAT IS THE YEARLY FEE?"),
        ("en", "What does the Licensee pay?"),  # as contracts write
        ("en", "Are Pets allowed on the boat, and what does the Licensee say of them?"),
        ("en", "Are Pets allowed on the Boat?"),  # the page has a boat
        ("en", "What does “Gross Tonnage” mean?"),
        ("en", "What is the AMOUNT?"),
        ("en", "Is it open on Sundays in July?"),
        ("en", "Who is President?"),
        ("fr", "Quand l'Amicale se réunit-elle ?"),
        ("es", "¿Quién vigila y cuánto cuesta el Abono?"),
        ("nl", "Wat doet het Bestuur?"),
        ("sv", "Vilken Kostnad har en plats?"),
        ("pl", "Jak dojechać do miasta Kraków albo Łódź?"),  # other cases of the same names
        ("zh", "健身房的VIP会员多少钱？"),
        ("en", "Wie hoch ist die Miete in Lissabon?"),  # a name of another language
        ("fr", "How high is the rent in Lisbon?"),
        ("other spellings", "Who is Mueller, and who is Søren Wörtz?"),
        ("other spellings", "What did Muller pay to Soren Woertz?"),
        ("other letters", "What did Moskva pay?"),
    ],
)
def test_a_capital_that_something_else_explains_claims_nothing(
    language: str, question: str
) -> None:
    assert Vocabulary([TEXTS[language]]).missing_names(question) == ()
    assert not DocumentQA(document(language)).ask(question).text.startswith("This is not in")


@pytest.mark.parametrize(
    ("language", "question"),
    [
        ("de", "Wer reinigt die Treppe bei Siemens?"),
        ("en", "Does the Licensee own the boat?"),
        ("en", "Wie viele Menschen schlafen in Leipzig?"),
    ],
)
def test_what_may_be_a_missing_name_makes_passages_the_nearest(
    language: str, question: str
) -> None:
    answer = DocumentQA(document(language)).ask(question)
    assert (answer.found, answer.text.startswith("No ")) == (False, True)


def test_a_german_noun_after_an_article_is_not_taken_for_a_name_that_is_missing() -> None:
    answer = DocumentQA(document("de")).ask("Wann wird die Treppe gereinigt, an welchem Werktag?")
    assert answer.found


@pytest.mark.parametrize(
    ("language", "question", "told"),
    [
        ("de", "Wie und wann hilft wer nach der Arbeit?", "“hilft” or “Arbeit”"),
        ("fr", "Quand et comment paie-t-on l'entrée ?", "“paie” or “entrée”"),
        ("es", "¿Cuánto vale y dónde está el bono?", "“vale” or “bono”"),
        ("de", "Was zahlt Siemens?", "“zahlt” or “Siemens”"),
        ("zh", "Wifi多少钱？", "“Wifi”"),
    ],
)
def test_only_content_words_are_said_to_be_missing(language: str, question: str, told: str) -> None:
    words = Vocabulary([TEXTS[language]]).missing_words(question)
    assert " or ".join(f"“{word}”" for word in words) == told


def test_a_noun_of_a_language_without_a_list_claims_nothing() -> None:
    text = "Consiliul a acordat 45.000 de lei pentru farul din port."
    assert Vocabulary([text]).missing_names("Câți lei a acordat Consiliul pentru Far?") == ()


def test_a_title_before_a_name_is_no_part_of_it() -> None:
    found = asked_names("What did President Lincoln and the Mayor of Leeds say?")
    assert [(name.words, name.size, name.certain) for name in found] == [
        (("Lincoln",), 1, True),
        (("Leeds",), 1, True),
    ]


def test_nouns_of_german_are_no_names_that_a_document_must_be_about() -> None:
    assert names_of("Wie hoch war der Umsatz von Siemens?") == ()
    assert names_of("How high were the sales of Siemens?") == ("Siemens",)


def test_words_that_only_ask_are_not_missing() -> None:
    words = Vocabulary(["The final was played before 7,315 spectators."])
    assert words.missing_words("How many spectators watched the final?") == ("watched",)
