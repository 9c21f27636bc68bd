"""What docling's clients may ask for."""

from __future__ import annotations

import sys

import pytest
from docling_client import DOCLING_WARNS, ConvertDocumentsOptions

from deepseek_ocr_rag.errors import ConfigurationError
from deepseek_ocr_rag.service.doors.docling_options import DoclingOptions
from deepseek_ocr_rag.service.doors.task_ids import job_of, reply_of, task_id


def test_the_form_of_open_webui_is_understood() -> None:
    # The fields that DoclingLoader of Open WebUI 0.12.4 sends.
    form = {
        "image_export_mode": ["placeholder"],
        "md_page_break_placeholder": ["\f"],
        "to_formats": ["md", "json"],
    }
    assert DoclingOptions.parse(form) == DoclingOptions(("md", "json"), "\f")


@DOCLING_WARNS
def test_the_options_that_the_client_of_docling_sends_by_itself_are_understood() -> None:
    options = ConvertDocumentsOptions(page_range=(1, sys.maxsize), to_formats=["md", "json"])
    sent = options.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    assert DoclingOptions.parse(sent) == DoclingOptions(("md", "json"))


@DOCLING_WARNS
def test_every_option_of_docling_at_its_default_is_understood() -> None:
    sent = ConvertDocumentsOptions().model_dump(mode="json")
    assert DoclingOptions.parse(sent) == DoclingOptions(("md",))


@pytest.mark.parametrize(
    ("page_range", "pages"),
    [
        ([2, 5], "2-~5"),
        (["2", "5"], "2-~5"),
        ([1, sys.maxsize], None),
        ([3, sys.maxsize], "3-"),
        (None, None),
    ],
)
def test_a_range_of_pages_may_end_behind_the_document(
    page_range: object, pages: str | None
) -> None:
    assert DoclingOptions.parse({"page_range": page_range}).pages == pages


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"to_formats": ["md", "vtt"]}, "to_formats cannot be vtt"),
        ({"to_formats": []}, "to_formats cannot be empty"),
        ({"image_export_mode": ["embedded"]}, "pictures are not part of the reply"),
        ({"md_page_break_placeholder": "x" * 201}, "longer than 200 characters"),
        ({"page_range": [5, 2]}, "cannot be from 5 to 2"),
        ({"page_range": [0, 2]}, "cannot be from 0 to 2"),
        ({"page_range": [1]}, "two page numbers"),
        ({"page_range": ["a", "b"]}, "two page numbers"),
        ({"callbacks": ["https://example.org"]}, "callbacks are not sent"),
        ({"target_type": ["zip"]}, "the target cannot be 'zip'"),
        ({"target": {"kind": "s3"}}, "the target cannot be 's3'"),
        ({"target": {"kind": "put", "url": "http://x"}}, "the target cannot be 'put'"),
    ],
)
def test_what_cannot_be_done_is_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        DoclingOptions.parse(given)


def test_a_presigned_target_is_refused_in_the_words_that_docling_falls_back_on() -> None:
    with pytest.raises(ConfigurationError) as refused:
        DoclingOptions.parse({"target_type": ["presigned_url"]})
    # docling.service_client.client, _should_fallback_from_presigned_target
    assert "artifact storage to be configured" in refused.value.problem


def test_the_id_of_a_task_holds_what_its_reply_shall_hold() -> None:
    options = DoclingOptions(("md", "html"), "\f~\N{SNOWMAN}")
    given = task_id("a-b_c", options)
    assert job_of(given) == "a-b_c"
    assert reply_of(given, None) == options


@pytest.mark.parametrize("given", ["a", "a~", "a~!", "a~bnVsbA", "a~W1tdLDFd", "a~" + "W" * 5000])
def test_an_id_that_nobody_gave_asks_for_markdown_and_json_or_is_refused(given: str) -> None:
    try:
        options = reply_of(given, None)
    except ConfigurationError:
        return
    assert options.to_formats == ("md", "json")
