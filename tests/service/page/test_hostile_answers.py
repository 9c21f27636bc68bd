"""Whatever an answer, a name, an error or a corrected text holds is shown as text, and runs nowhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hostile_markdown import ATTACKS
from playwright.sync_api import expect
from running_service import finished, send
from scripted_answers import answering_service
from watched_page import WatchedPage

Open = Callable[..., WatchedPage]

ACTIVE = "script, iframe, object, embed, video, style, link, base, meta, form form, [src='x'], [src^='//'], [href^='javascript'], [style*=url]"
"""Elements that only an attack makes in an answer or a correction."""

HANDLERS = """
root => [...root.querySelectorAll("*")].flatMap(each =>
  [...each.attributes].map(attribute => attribute.name).filter(name => name.startsWith("on")))
"""


@pytest.fixture(scope="module")
def answering(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, Path]]:
    with answering_service(tmp_path_factory.mktemp("hostile")) as found:
        yield found


@pytest.fixture(scope="module")
def job(answering: tuple[httpx.Client, Path]) -> str:
    http, document = answering
    name = "<img src=x onerror=alert(1)>.pdf"
    return str(finished(http, send(http, document, name=name)["id"])["id"])


@pytest.fixture
def watched(open_page: Open, answering: tuple[httpx.Client, Path], job: str) -> WatchedPage:
    watched = open_page(f"{str(answering[0].base_url).rstrip('/')}/#/job/{job}")
    expect(watched.page.locator('[data-page="1"] .block')).to_have_count(4)
    return watched


def harmless(watched: WatchedPage, root: str) -> None:
    page = watched.page
    assert page.locator(root).locator(ACTIVE).count() == 0
    assert page.locator(root).evaluate(HANDLERS) == []
    assert watched.violations() == []
    assert page.evaluate("window.owned") is None


def answer(job: str) -> dict[str, Any]:
    """An answer with an attack in every text of it."""
    states = ("supported", "partly", "unsupported", "absent")
    return {
        "answer": "\n".join(ATTACKS),
        "found": True,
        "quoted": False,
        "nearest": False,
        "absent": False,
        "query": ATTACKS[0],
        "llm": ATTACKS[1],
        "sentences": [
            {
                "text": attack,
                "status": states[number % 4],
                "citations": [number + 1],
                "problem": attack,
                "parts": [{"text": attack, "citations": [number + 1]}],
                "span": None,
            }
            for number, attack in enumerate(ATTACKS)
        ],
        "citations": [
            {
                "number": number,
                "job": job,
                "source": attack,
                "page": 1,
                "boxes": [[0.1, 0.1, 0.2, 0.2]],
                "blocks": [{"block": 0, "boxes": [[0.1, 0.1, 0.2, 0.2]], "corrected": True}],
                "quote": attack,
                "span": [0, 4],
                "picture": "",
                "words": f"/v1/jobs/{job}/pages/1/words?start=0&end=4",
            }
            for number, attack in enumerate(ATTACKS, start=1)
        ],
        "warnings": ATTACKS[:20],
    }


def stream(*events: tuple[str, dict[str, Any]]) -> str:
    return "".join(f"event: {kind}\ndata: {json.dumps(data)}\n\n" for kind, data in events)


def ask(watched: WatchedPage, body: str) -> Any:
    page = watched.page
    page.route(
        "**/v1/ask", lambda route: route.fulfill(body=body, content_type="text/event-stream")
    )
    page.locator("#toggle-asking").click()
    page.locator("#question").fill("<img src=x onerror=alert(1)> who?")
    page.keyboard.press("Enter")
    return page.locator(".turn")


def test_an_answer_runs_nothing(watched: WatchedPage, job: str) -> None:
    pieces = [("text", {"text": attack}) for attack in ATTACKS]
    turn = ask(watched, stream(*pieces, ("answer", answer(job))))
    expect(turn.locator(".sentence")).to_have_count(len(ATTACKS))
    shown = turn.locator(".sentence-text").all_inner_texts()
    assert any("<script>alert(1)</script>" in text for text in shown)
    for button in turn.locator("button.sentence-button").all()[:6]:
        button.click()
    expect(watched.page.locator(".mark.dark").first).to_be_attached()
    harmless(watched, "#asking")
    assert watched.page.locator("#asking").locator("img, a").count() == 0


def test_an_answer_that_is_still_being_written_runs_nothing(watched: WatchedPage) -> None:
    turn = ask(watched, stream(*(("text", {"text": attack}) for attack in ATTACKS)))
    expect(turn.locator(".note.bad")).to_be_visible()  # the stream broke off
    harmless(watched, "#asking")


@pytest.mark.parametrize("attack", ATTACKS[:12])
def test_an_error_runs_nothing(watched: WatchedPage, attack: str) -> None:
    problem = {"status": 500, "detail": attack, "remedy": attack, "error": attack}
    turn = ask(watched, stream(("problem", problem)))
    expect(turn.locator(".note.bad")).to_be_visible()
    harmless(watched, "#asking")


def test_names_of_models_run_nothing(watched: WatchedPage) -> None:
    page = watched.page
    listed = {"default": ATTACKS[0], "models": [*ATTACKS, "none"], "problem": ATTACKS[2]}
    page.route("**/v1/language-models", lambda route: route.fulfill(json=listed))
    page.locator("#toggle-asking").click()
    expect(page.locator("#model option")).to_have_count(len(ATTACKS) + 1)
    expect(page.locator(".scope")).to_contain_text("<img src=x onerror=alert(1)>")
    harmless(watched, "#asking")


def test_a_corrected_text_runs_nothing(
    open_page: Open, answering: tuple[httpx.Client, Path], job: str
) -> None:
    http, _ = answering
    text = "\n\n".join(ATTACKS)
    reply = http.put(f"/v1/jobs/{job}/pages/2/blocks/2", json={"text": text})
    assert reply.status_code == 200, reply.text
    watched = open_page(f"{str(http.base_url).rstrip('/')}/#/job/{job}/page/2/block/2")
    page = watched.page
    block = page.locator('[data-page="2"] .block[data-block="2"]')
    expect(block.locator(".badge.good")).to_be_visible()
    block.hover()
    block.locator("[data-action=correct]").click()
    expect(block.locator("textarea")).to_be_visible()
    harmless(watched, "#document")


def test_a_model_that_writes_attacks_runs_nothing(watched: WatchedPage) -> None:
    page = watched.page
    page.locator("#toggle-asking").click()
    expect(page.locator("#model")).to_be_enabled()
    page.locator("#model").select_option("ollama/writer:latest")
    for number in (0, 2, 7, 33, 40):
        turns = page.locator(".turn").count()
        page.locator("#question").fill(f"attack {number} on the lamp that Anna Berg keeps")
        page.keyboard.press("Enter")
        body = page.locator(".turn").nth(turns).locator(".answer-body")
        expect(body).not_to_have_attribute("aria-busy", "true")
    harmless(watched, "#asking")
