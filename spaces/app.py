"""A demo for Hugging Face Spaces: reads a few pages, shows their boxes, answers with evidence.

It runs on the Space's processor with the backend ``lite`` and quotes passages; no model is loaded,
and nothing is sent anywhere else. Start it here with ``python app.py``.
"""

from __future__ import annotations

import html
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Before Gradio is imported: it would tell its makers of every start.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import gradio as gr

from deepseek_ocr_rag import (
    Answer,
    DeepSeekOCRError,
    DocumentQA,
    Limits,
    OcrDocument,
    Reader,
    draw_page,
    markdown_to_html,
    render_page,
    sample_path,
)

MOST_PAGES = 10
LONGEST_QUESTION = 500

NOTICE = (
    "**This Space is somebody else's machine.** What you upload here is read there. For documents"
    " that must not leave your house, run `dsocr serve` at home: it is the same, with the model"
    " and without a limit."
)


@dataclass(frozen=True)
class Read:
    """A document that was read in this session, and what answers questions over it."""

    file: str
    document: OcrDocument
    qa: DocumentQA


def read(file: str | None) -> tuple[Read, list[tuple[Any, str]], str]:
    """Read a document, the sample if none was chosen.

    Returns:
        What to ask later, its pages as pictures with their boxes, and its text as HTML.
    """
    path = file or str(sample_path())
    try:
        with Reader("lite", cache=False, limits=Limits(pages=MOST_PAGES)) as reader:
            document = reader.read(path, name=Path(path).name)
        pictures = [
            (draw_page(render_page(path, page.number), page), f"page {page.number}")
            for page in document
        ]
        found = Read(path, document, DocumentQA(document))
    except DeepSeekOCRError as error:
        raise gr.Error(str(error)) from error
    return found, pictures, markdown_to_html(document.to_markdown())


def ask(found: Read | None, question: str) -> tuple[str, list[tuple[Any, str]]]:
    """Answer a question: HTML, and the cited places as pictures."""
    if found is None:
        raise gr.Error("Read a document first.")
    if not question.strip():
        raise gr.Error("Write a question.")
    try:
        answer = found.qa.ask(question[:LONGEST_QUESTION])
        shown = answer.show({found.document.source: found.file})
    except DeepSeekOCRError as error:
        raise gr.Error(str(error)) from error
    return answer_html(answer), [(page.image, page.caption) for page in shown]


def answer_html(answer: Answer) -> str:
    """An answer with the page of each citation; no text of a document is taken for HTML."""
    parts = []
    if not answer.found:
        parts.append("<h3>Not in this document</h3>")
    for sentence in answer.sentences:
        pages = ", ".join(f"page {answer.citations[each].page}" for each in sentence.citations)
        mark = {"supported": "✓", "unsupported": "✗"}.get(sentence.status, "–")
        problem = f" <em>({html.escape(sentence.problem)})</em>" if sentence.problem else ""
        text = html.escape(sentence.text)
        parts.append(f"<p>{mark} {text} <small>{html.escape(pages)}</small>{problem}</p>")
    if not answer.sentences:
        parts.append(f"<p>{html.escape(answer.text)}</p>")
    return "".join(parts)


def build() -> gr.Blocks:
    """The interface."""
    with gr.Blocks(title="deepseek-ocr-rag") as demo:
        gr.Markdown(
            "# deepseek-ocr-rag\nReads a document, and shows where every answer comes from."
        )
        gr.Markdown(NOTICE)
        found = gr.State(None, time_to_live=1800)
        with gr.Row():
            file = gr.File(
                label=f"PDF or picture, {MOST_PAGES} pages at most; without one, the sample",
                file_types=[".pdf", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp"],
                type="filepath",
            )
            start = gr.Button("Read", variant="primary")
        with gr.Row():
            pages = gr.Gallery(label="Pages with the boxes of their blocks", columns=2)
            text = gr.HTML(label="Text")
        question = gr.Textbox(label="Question", max_length=LONGEST_QUESTION)
        answer = gr.HTML(label="Answer")
        evidence = gr.Gallery(label="Where it stands", columns=1)
        start.click(read, file, [found, pages, text], api_name="read")
        question.submit(ask, [found, question], [answer, evidence], api_name="ask")
    return demo


if __name__ == "__main__":
    build().queue(max_size=16, default_concurrency_limit=1).launch(max_file_size="20mb")
