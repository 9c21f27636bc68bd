"""The files of the page: which there are, and how they are served."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from running_service import KEYS, serving

import deepseek_ocr_rag.service.page as room
from deepseek_ocr_rag.service.api.api_settings import ApiSettings
from deepseek_ocr_rag.service.page.static_files import PAGE_PATHS
from deepseek_ocr_rag.service.page.static_list import STATIC_FILES, VENDORED
from deepseek_ocr_rag.service.queue import JobQueue

FOLDER = Path(room.__path__[0]) / "static"
SCRIPTS = sorted((FOLDER / "modules").rglob("*.js"))
MOST_BYTES = 300_000
MOST_FILES = 17
MOST_LINES = 400


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A service with keys, of which the client has none. Its queue need not read."""
    queue = JobQueue(tmp_path_factory.mktemp("service") / "data")
    with serving(queue, ApiSettings(keys=KEYS)) as client:
        yield client


def test_the_list_has_every_file() -> None:
    there = {each.relative_to(FOLDER).as_posix() for each in FOLDER.rglob("*") if each.is_file()}
    assert set(STATIC_FILES) == there


@pytest.mark.parametrize("path", PAGE_PATHS)
def test_a_file_needs_no_key_and_may_load_only_from_here(http: httpx.Client, path: str) -> None:
    reply = http.get(path)
    assert reply.status_code == 200
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["referrer-policy"] == "no-referrer"
    policy = reply.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    again = http.get(path, headers={"If-None-Match": reply.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/page",
            "/page/",
            "/page/index.html",
            "/page/../v1/jobs",
            "/page/modules/",
            "/index.html",
        ),
        *("/page/%2e%2e/page_views.py", "/page/modules/main.js/", "/page/modules//main.js"),
    ],
)
def test_no_request_names_a_file(http: httpx.Client, path: str) -> None:
    assert http.get(path).status_code in (401, 404)


def test_what_is_shown_needs_the_key(http: httpx.Client) -> None:
    assert http.get("/v1/jobs").status_code == 401


def test_a_link_of_another_site_leads_to_the_page_and_to_nothing_else(http: httpx.Client) -> None:
    link = {
        "Sec-Fetch-Site": "cross-site",
        "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-Dest": "document",
    }
    assert http.get("/", headers=link).status_code == 200
    assert http.get("/v1/jobs", headers=link).status_code == 403
    for other in ({"Sec-Fetch-Dest": "iframe"}, {"Sec-Fetch-Mode": "cors"}):
        assert http.get("/", headers={**link, **other}).status_code == 403


def test_the_page_is_light() -> None:
    own = [name for name in STATIC_FILES if not name.startswith("vendor/")]
    assert sum((FOLDER / name).stat().st_size for name in own) < MOST_BYTES


def test_third_party_files_are_as_they_were_published_and_have_their_licence() -> None:
    for file in VENDORED:
        path = FOLDER / file.name
        assert hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256
        licence = path.with_name(f"{path.name.partition('.')[0]}.LICENSE.txt").read_text("utf-8")
        assert file.licence in licence
    scripts = {each.relative_to(FOLDER).as_posix() for each in FOLDER.glob("vendor/*.js")}
    assert {file.name for file in VENDORED} == scripts


def test_folders_and_files_stay_small() -> None:
    folders = [each for each in FOLDER.rglob("*") if each.is_dir()]
    assert [each.name for each in folders if len(list(each.iterdir())) > MOST_FILES] == []
    long = {each.name: len(each.read_text("utf-8").splitlines()) for each in SCRIPTS}
    assert {name: lines for name, lines in long.items() if lines > MOST_LINES} == {}


def test_no_script_makes_html_or_code_of_a_text() -> None:
    ways = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|DOMParser"
    found = [each.name for each in SCRIPTS if re.search(ways, each.read_text("utf-8"))]
    assert found == []


def test_nothing_is_loaded_from_elsewhere() -> None:
    # What others wrote loads nothing either, which the browser's policy and each of its tests see.
    files = [each for each in FOLDER.rglob("*") if each.suffix in (".js", ".css", ".html")]
    own = [each for each in files if each.parent.name != "vendor"]
    found = [each.name for each in own if re.search(r"(?<!/)//[a-z]|url\(", _code(each))]
    assert found == []


def _code(file: Path) -> str:
    """A file without what only names a standard, and without comments of a line."""
    text = file.read_text("utf-8")
    text = re.sub(r'"http://www\.w3\.org/(?:2000/svg|1998/Math/MathML)"', "", text)
    return re.sub(r"(?m)//\s.*$", "", text)


TEXT = re.compile(r'^\s+"?([\w.]+)"?: \[(".*"), (".*")\],$', re.MULTILINE)


def tables() -> dict[str, tuple[str, str]]:
    """All texts of the page: English and Chinese."""
    found: dict[str, tuple[str, str]] = {}
    for script in SCRIPTS:
        if script.name.endswith("_texts.js"):
            for key, english, chinese in TEXT.findall(script.read_text("utf-8")):
                assert key not in found, f"{key} is there twice"
                found[key] = english, chinese
    return found


def test_every_text_is_there_in_both_languages() -> None:
    texts = tables()
    assert len(texts) > 100
    assert [key for key, each in texts.items() if '""' in each] == []
    places = {
        key: [set(re.findall(r"\{\w+\}", text)) for text in each] for key, each in texts.items()
    }
    assert [key for key, (english, chinese) in places.items() if english != chinese] == []


def test_every_text_that_is_asked_for_exists_and_is_used() -> None:
    texts = set(tables())
    code = "\n".join(
        each.read_text("utf-8") for each in SCRIPTS if not each.name.endswith("_texts.js")
    )
    code += (FOLDER / "index.html").read_text("utf-8")
    literal = set(re.findall(r'\b(?:t|counted)\(\s*"([\w.]+)"', code))
    literal |= set(re.findall(r'data-(?:text|label)="([\w.]+)"', code))
    assert literal - texts == set()
    prefixes = set(re.findall(r"`([a-z_.]+)\$\{", code))
    words = set(re.findall(r'"([\w.]+)"', code))
    unused = {
        key
        for key in texts
        if key not in words
        and key.removesuffix(".one") not in words
        and not any(key.startswith(prefix) for prefix in prefixes)
    }
    assert unused == set()
