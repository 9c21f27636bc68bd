from __future__ import annotations

import pytest

from deepseek_ocr_rag.document.letter_statistics import are_exchanged, are_shifted

ENGLISH = (
    "The tenant pays the rent on the first day of each month. Either party may end this agreement "
    "with a notice period of three months, in writing, to the address that the other party gave. "
    "The deposit of 2,500 euros is held in a separate account until the end of the term, and the "
    "landlord returns it within thirty days after the keys were handed over."
)
GERMAN = (
    "Der Mieter zahlt die Miete am ersten Tag eines jeden Monats. Jede Seite kann den Vertrag mit "
    "einer Frist von drei Monaten schriftlich kündigen. Die Kaution von 2.500 Euro wird getrennt "
    "verwahrt und spätestens dreißig Tage nach der Übergabe der Schlüssel zurückgezahlt."
)
PARTS = "BQ24650RVAR SN74HC595N LM358DR NE555P TL431AIDBZR 0402 10uF X7R 25V C0G 0603 " * 6


def caesar(text: str, shift: int) -> str:
    return "".join(
        chr((ord(c) - base + shift) % 26 + base)
        if c.isascii() and c.isalpha() and (base := 97 if c.islower() else 65)
        else c
        for c in text
    )


@pytest.mark.parametrize("text", [ENGLISH, GERMAN, PARTS, "........ 12 " * 60, ""])
def test_ordinary_text_is_not_suspected(text: str) -> None:
    assert not are_shifted(text)


@pytest.mark.parametrize("text", [ENGLISH, GERMAN])
@pytest.mark.parametrize("shift", [1, 3, 13, 25])
def test_letters_shifted_within_the_alphabet_are_noticed(text: str, shift: int) -> None:
    assert are_shifted(caesar(text, shift))


@pytest.mark.parametrize("shift", [-29, -1, 2])
def test_shifted_code_points_are_noticed(shift: int) -> None:
    moved = "".join(c if c == " " else chr(max(33, ord(c) + shift)) for c in ENGLISH)
    assert are_shifted(moved)


def test_exchanged_letters_are_noticed() -> None:
    exchanged = str.maketrans("abcdefghijklmnopqrstuvwxyz", "qwertyuiopasdfghjklzxcvbnm"[::-1])
    assert are_exchanged(ENGLISH.lower().translate(exchanged) * 2)
    assert not are_exchanged(ENGLISH * 2)


def test_other_scripts_are_not_judged() -> None:
    assert not are_exchanged("Настоящий договор заключён между арендодателем и арендатором " * 12)


EXCHANGED = str.maketrans("abcdefghijklmnopqrstuvwxyz", "vlzsnbgufkixroqywatcepmdjh")
SHORT = [
    "The harbour board met on the second Tuesday of March and agreed to repair the north quay"
    " before the autumn storms. The work will cost about 184,000 pounds, of which the county pays"
    " half. Ships of more than forty metres must wait outside until August.",
    "Der Hafenrat von Ellismere tagte am zweiten Dienstag im Monat und beschloss, den Nordkai vor"
    " den Stürmen zu erneuern. Die Arbeiten kosten etwa 184.000 Euro, die Hälfte zahlt der Kreis."
    " Schiffe von mehr als vierzig Metern warten draußen bis August. Das Protokoll unterschrieb"
    " die Vorsitzende, Edith Norwell.",
]
FINNISH = (
    "Satamalautakunta kokoontui maaliskuun toisena tiistaina ja päätti korjata pohjoisen laiturin"
    " ennen syksyn myrskyjä. Työ maksaa noin satakahdeksankymmentäneljätuhatta euroa, josta lääni"
    " maksaa puolet. Yli neljänkymmenen metrin laivojen on odotettava ulkona elokuuhun asti."
)


@pytest.mark.parametrize("text", SHORT)
def test_exchanged_letters_of_a_short_text_are_noticed(text: str) -> None:
    assert not are_exchanged(text)
    assert are_exchanged(text.lower().translate(EXCHANGED))


def test_a_language_whose_function_words_are_not_known_is_not_suspected() -> None:
    assert not are_exchanged(FINNISH)
