"""Words that explain a capital in a question: words before it, or words that are not names.

To add a language, add its words here, and its function words in :mod:`...text.stop_words`.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "CALENDAR",
    "DETERMINERS",
    "GERMAN_ARTICLES",
    "INFLECTS_NAMES",
    "PREPOSITIONS",
    "ROLES",
]


def _words(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


DETERMINERS: Final = _words(
    "the a an this that these those its their our your my his her each every any all no some which",
    "what whose le la l les un une des du au aux ce cet cette ces son sa ses leur leurs notre nos",
    "votre vos quel quelle quels quelles el los las una del al este esta estos estas su sus qué cuál",
    "cuánto cuánta cuántos cuántas il lo i gli uno dello della dell dei degli delle allo alla all",
    "alle nel nello nella nell dal dalla dall sul sulla sull quale quali o os as um uma do da dos das",
    "na nos nas ao à pelo pela seu sua qual quais de het een welk welke uw ons onze en ett den det",
    "vilken vilket vilka et ei din ditt din hvilken hvilket hvilke jaki jaka jakie какой какая какое",
)
"""Articles and words in their place, in languages that capitalise only names. After one, a capital
is often the style of a contract ("the Owner"), and in some languages a name."""

GERMAN_ARTICLES: Final = _words(
    "der die das des dem den ein eine einen einem einer eines kein keine keinen keinem keiner",
    "mein meine meinen meinem meiner dein deine deinen deinem deiner sein seine seinen seinem seiner",
    "ihr ihre ihren ihrem ihrer unser unsere unseren unserem unserer euer eure euren eurem eurer",
    "dieser diese dieses diesem diesen jeder jede jedes jedem jeden jener jene jenes jenem jenen",
    "welcher welche welches welchem welchen alle allen aller viel viele vielen vieler wieviel",
    "wieviele wenige wenigen mehrere einige einigen beide beiden zwei drei vier fünf sechs sieben",
    "acht neun zehn elf zwölf im am zum zur vom beim ins ans",
)
"""German articles, prepositions that contain one, and words in their place. German nouns that follow
none of these are names, plurals or substances."""

# "de" is an article in Dutch and a preposition before names in French and Spanish.
PREPOSITIONS: Final = {"fr": _words("de"), "es": _words("de"), "pt": _words("de")}
"""Words that come before names in these languages, but are articles in others."""

INFLECTS_NAMES: Final = frozenset(("pl", "ru"))
"""Languages that inflect names by case: Warszawa, w Warszawie."""

CALENDAR: Final = _words(
    "monday tuesday wednesday thursday friday saturday sunday january february march april may june",
    "july august september october november december easter christmas internet",
    "spring summer autumn fall winter",
)
"""Words that English capitalises and that documents may write differently: a date, "weekdays"."""

ROLES: Final = _words(
    "ceo cfo coo cto cio vp hr pr vat gdp roi usd eur gbp chf us usa uk uae eu un fy ytd yoy",
    "qoq am pm id url pdf csv faq tv pc it celsius fahrenheit kelvin euro euros dollar dollars",
    "pound pounds rupee rupees yen yuan franc francs mr mrs ms dr prof sir",
    "president vice chairman chairwoman chairperson chair chief executive officer director manager",
    "minister secretary treasurer mayor governor senator chancellor judge professor doctor founder",
    "board committee council assembly department office agency ministry government parliament",
    "company corporation agreement contract section article chapter appendix annex exhibit schedule",
    "table figure page item note clause policy act law plan report",
    "président directeur directrice conseil assemblée société presidente director consejo junta",
    "sociedad direttore presidente consiglio assemblea società voorzitter bestuur directeur ordförande",
    "styrelse styrelsen direktör prezes zarząd rada dyrektor президент директор совет",
)
"""Capitalised words for which documents often use others: roles, bodies, parts of documents,
currencies, countries, units, terms of reports."""
