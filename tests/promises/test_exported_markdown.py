"""A browser shows exported Markdown, and finds no script, link or attribute of the page in it.

What a viewer makes of the file (markdown-it, told to let HTML through) is loaded into Chromium,
which then calls every handler that it found.
"""

from __future__ import annotations

import html
import json
import random
import re
import subprocess
from pathlib import Path

import pytest
from chromium import CHROMIUM
from hostile_markdown import ATTACKS, CELL_PIECES
from markdown_it import MarkdownIt
from PIL import Image

from deepseek_ocr_rag import Block, Box, Page, markdown_to_html, parse_page
from deepseek_ocr_rag.export.folder import FolderWriter
from deepseek_ocr_rag.export.page_markdown import page_markdown

CONTROL = (
    '<table><tr><td colspan="1>" tabindex="1" onfocus="alert(\'control\')">x</td></tr></table>'
)
"""What the export once let through: it shows that the page below can see a script run."""

PAGE = """<!DOCTYPE html><meta charset="utf-8"><script class="ours">
const ran = [];
window.alert = (what) => ran.push(String(what));
</script>
<body><main>%s</main><section class="ours" id="control">%s</section>
<script class="ours">
window.onload = () => {
  const tags = {}, attributes = {};
  for (const element of document.querySelectorAll("*")) {
    for (const kind of ["focus", "click", "mouseover", "load", "error", "toggle", "animationstart"])
      element.dispatchEvent(new Event(kind));
    if (element.closest(".ours") || ["HTML", "HEAD", "META", "BODY", "MAIN"].includes(element.tagName))
      continue;
    tags[element.localName] = 1;
    for (const { name, value } of element.attributes) (attributes[name] ??= []).push(value);
  }
  const found = document.createElement("pre");
  found.id = "found";
  found.textContent = JSON.stringify({ ran, tags: Object.keys(tags), attributes });
  document.body.append(found);
};
</script>"""
SHOWN = {
    *(
        "p",
        "br",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "pre",
        "code",
        "table",
        "thead",
        "tbody",
        "tr",
    ),
    *("td", "th", "ul", "ol", "li", "blockquote", "hr", "div"),
    *("b", "i", "u", "s", "em", "strong", "sub", "sup", "img"),
}


def hostile_pages() -> list[str]:
    """All attacks, alone and as the text of a model, and mixtures of pieces of cells."""
    chance = random.Random(7)
    mixed = ["".join(chance.choices(CELL_PIECES, k=14)) for _ in range(300)]
    texts = [*ATTACKS, *mixed, *(f"<table><tr><td {text}</td></tr></table>" for text in mixed)]
    return texts + [parse_page(text).markdown for text in texts]


def exported(tmp_path: Path) -> list[str]:
    """The Markdown of each of these pages, and of a page with a figure under a hostile caption."""
    caption = 'Figure 1" onerror="alert(1)'
    figure = Block("image", "", (Box(0.1, 0.1, 0.9, 0.9),))
    blocks = (figure, Block("image_caption", caption, span=(0, len(caption))))
    with FolderWriter(tmp_path, source="x.pdf") as writer:
        writer.add_page(Page(1, caption, blocks), Image.new("RGB", (40, 40)))
    texts = [page_markdown(Page(n, text)) for n, text in enumerate(hostile_pages(), start=2)]
    return [(tmp_path / "x.md").read_text("utf-8"), *texts]


@pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")
def test_a_browser_runs_nothing_of_an_exported_page(tmp_path: Path) -> None:
    assert CHROMIUM is not None
    viewer = MarkdownIt("commonmark", {"html": True}).enable("table")
    shown = "".join(map(viewer.render, exported(tmp_path)))
    shown += "".join(map(markdown_to_html, ATTACKS))
    file = tmp_path / "page.html"
    file.write_text(PAGE % (shown, CONTROL), "utf-8")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=5000"]
    done = subprocess.run(
        [*command, "--dump-dom", file.as_uri()], capture_output=True, text=True, timeout=120
    )
    match = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    if match is None:
        pytest.skip(f"this chromium does not start here: {done.stderr[-300:]}")
    found = json.loads(html.unescape(match[1]))
    assert found["ran"] == ["control"]
    assert set(found["tags"]) <= SHOWN
    attributes = found["attributes"]
    assert set(attributes) <= {"colspan", "rowspan", "class", "style", "start", "src", "alt"}
    assert attributes["src"] == ["figures/page-0001-1.png"]
    for name in ("colspan", "rowspan", "start"):
        assert all(value.isdecimal() for value in attributes.get(name, []))
    assert {value.split("-")[0] for value in attributes.get("class", [])} <= {
        "language",
        "tex2jax_ignore mathjax_ignore",
    }
    assert {value.split(":")[0] for value in attributes.get("style", [])} <= {"text-align"}
