"""Documents, names and errors that try to do something in the page: nothing of them runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from drawn_report import drawn_report, plain_pages, recorded_report
from hostile_markdown import ATTACKS
from playwright.sync_api import expect
from running_service import ANNA, KEYS, finished, send, serving
from watched_page import WatchedPage

from deepseek_ocr_rag.service.api.api_settings import ApiSettings
from deepseek_ocr_rag.service.queue import JobQueue
from deepseek_ocr_rag.service.service_limits import ReaderSettings, ServiceLimits

Open = Callable[..., WatchedPage]

KINDS = (
    "text",
    "title",
    "table",
    "image",
    "equation",
    "image_caption",
    "<img src=x onerror=alert(1)>",
)

NAMES = [
    "<img src=x onerror=alert(1)>.pdf",
    '"><svg onload=alert(1)>.pdf',
    "javascript:alert(1).pdf",
    "\u202efdp.exe\u2066.pdf",
    "{name} ${alert(1)} {{7*7}}.pdf",
    "a" * 180 + ".pdf",
    "'-alert(1)-'.pdf",
    "</title><script>alert(1)</script>.pdf",
]

FORMULAS = [
    r"\href{javascript:alert(1)}{x}",
    r"\url{javascript:alert(1)}",
    r"\includegraphics[alt=x]{https://example.com/x.png}",
    r"\htmlStyle{background: url(https://example.com)}{x}",
    r"\htmlData{onclick=alert(1)}{x} \htmlId{messages}{x} \htmlClass{block}{x}",
    r"\fcolorbox{red}{blue}{x} \colorbox{red}{x} \color{red} x",
    r"\def\a{\a\a} \a",
    r"\rule{99999em}{99999em}",
    r"\text{<img src=x onerror=alert(1)></annotation><script>alert(1)</script>}",
    "{" * 3000,
    r"\frac{" * 400 + "1" + "}{2}" * 400,
]

MATHML = (
    "math,semantics,mrow,mi,mo,mn,ms,mtext,mspace,msqrt,mroot,mfrac,msub,msup,msubsup,munder,mover,"
    "munderover,mtable,mtr,mtd,mstyle,mpadded,mphantom,menclose"
)
ALLOWED = f"{MATHML},h1,h2,h3,h4,p,ul,ol,li,strong,sub,sup,code,pre,table,tbody,tr,td,th,div,span,img,button,svg,path,article"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A service that reads the whole corpus, six attacks a page, each as another kind of block."""
    folder = tmp_path_factory.mktemp("hostile")
    pages: list[Any] = []
    for first in range(0, len(ATTACKS), 6):
        found = ATTACKS[first : first + 6]
        pages.append([(KINDS[(first + n) % len(KINDS)], each) for n, each in enumerate(found)])
    pages.append([("equation", rf"\[ {each} \]") for each in FORMULAS])
    pages.append([("text", rf"So \( {each} \) it is.") for each in FORMULAS])
    pages.append({"text": "", "finish_reason": "error", "error": "<img src=x onerror=alert(1)>"})
    pages.append({"text": "fine", "warnings": ["<script>alert(1)</script>"]})
    backend = recorded_report(folder / "recording.jsonl", pages)
    count = len(pages)
    for number in range(len(NAMES)):
        (folder / str(number)).mkdir()
        size = count if number == 0 else 1
        (folder / str(number) / "x.pdf").write_bytes(drawn_report(plain_pages(size)))
    with (
        JobQueue(folder / "data", ReaderSettings(backend=backend), ServiceLimits()) as queue,
        serving(queue) as http,
    ):
        jobs = [
            send(http, folder / str(number) / "x.pdf", name=name)["id"]
            for number, name in enumerate(NAMES)
        ]
        for job in jobs:
            finished(http, job)
        yield http, jobs, count


def test_nothing_of_the_corpus_runs(open_page: Open, hostile: Any) -> None:
    http, jobs, count = hostile
    watched = open_page(f"{http.base_url}#/job/{jobs[0]}")
    page = watched.page
    page.get_by_role("button", name="Text", exact=True).click()
    strange = f".text :not({ALLOWED}), .text a, .text [onclick], .text [style]"
    seen = 0
    for number in range(1, count + 1):
        page.evaluate("hash => { location.hash = hash }", f"#/job/{jobs[0]}/page/{number}")
        row = page.locator(f'[data-page="{number}"]')
        expect(row.locator(".block, .note").first).to_be_attached()
        if row.locator(".formula").count():
            page.wait_for_timeout(300)  # they are set after they were shown
        assert page.locator(strange).count() == 0
        seen += row.locator(".block").count()
    assert seen > 100
    assert watched.violations() == []


def test_no_name_of_a_file_runs(open_page: Open, hostile: Any) -> None:
    http, jobs, _ = hostile
    watched = open_page(str(http.base_url))
    page = watched.page
    expect(page.locator("#jobs .item")).to_have_count(len(NAMES))
    assert page.locator("#jobs img, #jobs script, #jobs svg:not(.icon)").count() == 0
    expect(page.locator(f'[data-job="{jobs[0]}"] .item-name')).to_have_text(NAMES[0])
    page.evaluate("hash => { location.hash = hash }", f"#/job/{jobs[7]}")
    expect(page).to_have_title(NAMES[7])
    assert watched.violations() == []


@pytest.mark.parametrize("hash_of", ["<img src=x onerror=alert(1)>", "javascript:alert(1)", "../../evil", "a/page/1e9", "%00"])  # fmt: skip
def test_no_address_runs(open_page: Open, hostile: Any, hash_of: str) -> None:
    watched = open_page(f"{hostile[0].base_url}#/job/{hash_of}")
    expect(watched.page.get_by_role("button", name="Choose files")).to_be_visible()
    assert watched.violations() == []


def test_no_error_of_a_service_runs(open_page: Open, hostile: Any) -> None:
    watched = open_page("about:blank")
    page = watched.page
    attack = "<img src=x onerror=alert(1)>"
    watched.origin = str(hostile[0].base_url).rstrip("/")
    page.route(
        "**/v1/jobs/**",
        lambda route: route.fulfill(status=404, json={"detail": attack, "remedy": attack}),
    )
    page.goto(f"{watched.origin}/#/job/any")
    expect(page.get_by_role("alert")).to_contain_text(attack)
    assert page.locator("#document .note img").count() == 0
    assert watched.violations() == []


def test_a_service_with_keys_asks_once_and_keeps_the_key_in_the_tab(
    open_page: Open, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("keys")
    backend = recorded_report(folder / "recording.jsonl", plain_pages(1))
    (folder / "mine.pdf").write_bytes(drawn_report(plain_pages(1)))
    with (
        JobQueue(folder / "data", ReaderSettings(backend=backend), ServiceLimits()) as queue,
        serving(queue, ApiSettings(keys=KEYS), headers={"X-Api-Key": ANNA}) as http,
    ):
        job = finished(http, send(http, folder / "mine.pdf")["id"])["id"]
        page = open_page(f"{http.base_url}#/job/{job}").page
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Key").fill("wrong")
        dialog.get_by_role("button").click()
        expect(dialog).to_contain_text("This key is wrong.")
        dialog.get_by_label("Key").fill(ANNA)
        page.keyboard.press("Enter")
        expect(page.get_by_role("img", name="Picture of page 1")).to_be_visible()
        expect(dialog).to_have_count(0)
        page.reload()
        expect(page.locator('[data-page="1"] .block').first).to_be_visible()
        kept = page.evaluate("[Object.values(localStorage), document.cookie, location.href]")
        assert ANNA not in str(kept)
        # Pictures are fetched with the key, and shown as what the page itself holds.
        sources = page.locator("img").evaluate_all("each => each.map(one => one.src)")
        assert all("blob:" in each or each.endswith("/page/icon.svg") for each in sources if each)
