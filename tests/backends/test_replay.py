"""Records and replays replies, and reports broken recordings."""

from __future__ import annotations

import json
import math
import stat
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deepseek_ocr_rag.backends.base import PageRequest, Reply, TokenLogprob, has_resolutions
from deepseek_ocr_rag.backends.replay import RecordingBackend, ReplayBackend
from deepseek_ocr_rag.backends.replay_format import RecordedReply, read_recording
from deepseek_ocr_rag.errors import (
    BackendReplyError,
    BackendUnavailableError,
    ConfigurationError,
    DeepSeekOCRError,
)
from deepseek_ocr_rag.model.prompts import task_named

HERE = "ab" * 32
OTHER = "cd" * 32


def texts(backend: Any, *requests: PageRequest) -> list[str]:
    return [reply.text for reply in backend.read(requests)]


def written(path: Path, *lines: Any) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return path


class Scripted:
    """A backend with something to say in every field."""

    name = "scripted"
    model = "model-1"
    needs_image = True
    reads_text_layer = True
    closed = 0

    def read(self, requests: Iterable[PageRequest]) -> Iterator[Reply]:
        for request in requests:
            if request.page == 2:
                yield Reply(request.key, "", "error", attempts=3, error="it failed")
            else:
                yield Reply(
                    request.key,
                    f"ß{request.page}",
                    "length",
                    tokens=7,
                    warnings=("long",),
                    logprobs=(TokenLogprob(1, -0.5), TokenLogprob(2, -0.0001)),
                )

    def close(self) -> None:
        self.closed += 1


# --- looking up --------------------------------------------------------------------------


def test_texts_are_those_of_pages_1_2_3(page_request: Any) -> None:
    assert texts(ReplayBackend(["a", "b"]), page_request(2), page_request(1)) == ["b", "a"]


def test_texts_may_be_given_by_page_number(page_request: Any) -> None:
    assert texts(ReplayBackend({7: "seven"}), page_request(7)) == ["seven"]


def test_one_text_alone_is_a_mistake() -> None:
    with pytest.raises(ConfigurationError):
        ReplayBackend("recording.jsonl")


def test_a_page_that_was_not_recorded_is_a_failed_page_that_says_so(page_request: Any) -> None:
    (reply,) = ReplayBackend(["a"]).read([page_request(2, key=9)])
    assert (reply.key, reply.text, reply.finish_reason) == (9, "", "error")
    assert "report.pdf, page 2" in (reply.error or "")
    assert "RecordingBackend" in (reply.error or "")


def test_the_recording_of_this_document_goes_before_one_of_any_document(
    page_request: Any,
) -> None:
    backend = ReplayBackend(
        [RecordedReply(1, "any"), RecordedReply(1, "this", sha256=HERE), RecordedReply(2, "any")]
    )
    assert texts(backend, page_request(1), page_request(2)) == ["this", "any"]


def test_the_recording_of_another_document_is_not_used(page_request: Any) -> None:
    (reply,) = ReplayBackend([RecordedReply(1, "x", sha256=OTHER)]).read([page_request(1)])
    assert reply.finish_reason == "error"


def test_the_recording_of_another_task_is_not_used(page_request: Any) -> None:
    backend = ReplayBackend([RecordedReply(1, "x", sha256=HERE, task="free")])
    failed, found = backend.read([page_request(1), page_request(1, task=task_named("free"))])
    assert (failed.finish_reason, found.text) == ("error", "x")


def test_the_latest_recording_of_a_page_counts(page_request: Any) -> None:
    backend = ReplayBackend([RecordedReply(1, "old"), RecordedReply(1, "new")])
    assert texts(backend, page_request(1)) == ["new"]


def test_everything_recorded_comes_back(page_request: Any) -> None:
    logprobs = (TokenLogprob(4, -0.25),)
    recorded = RecordedReply(
        1,
        "half",
        finish_reason="length",
        tokens=6881,
        warnings=("w",),
        model="m",
        logprobs=logprobs,
    )
    backend = ReplayBackend([recorded])
    (reply,) = backend.read([page_request(1)])
    assert reply == Reply(1, "half", "length", tokens=6881, warnings=("w",), logprobs=logprobs)
    assert backend.model == "m"


def test_it_needs_no_image(page_request: Any) -> None:
    assert not ReplayBackend(["a"]).needs_image
    assert texts(ReplayBackend(["a"]), page_request(1, image=None)) == ["a"]


# --- files -------------------------------------------------------------------------------


def test_a_line_needs_only_a_page_and_a_text(tmp_path: Path, page_request: Any) -> None:
    path = written(tmp_path / "r.jsonl", {"page": 1, "text": "a"}, {"page": 2, "text": ""})
    assert texts(ReplayBackend.from_file(path), page_request(1), page_request(2)) == ["a", ""]


def test_unknown_fields_and_empty_lines_are_passed_over(tmp_path: Path, page_request: Any) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text('\n{"page": 1, "text": "a", "seconds": 3, "tokens": null}\n\n', "utf-8")
    assert texts(ReplayBackend.from_file(path), page_request(1)) == ["a"]


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        "[" * 200_000,
        "3",
        '{"page": 1}',
        '{"text": "a"}',
        '{"page": 0, "text": "a"}',
        '{"page": true, "text": "a"}',
        '{"page": "1", "text": "a"}',
        '{"page": 1, "text": 3}',
        '{"page": 1, "text": "a", "finish_reason": "tired"}',
        '{"page": 1, "text": "a", "finish_reason": ["stop"]}',
        '{"page": 1, "text": "a", "tokens": "7"}',
        '{"page": 1, "text": "a", "sha256": 7}',
        '{"page": 1, "text": "a", "error": {}}',
        '{"page": 1, "text": "a", "warnings": "w"}',
        '{"page": 1, "text": "a", "warnings": [1]}',
        '{"page": 1, "text": "a", "logprobs": {}}',
        '{"page": 1, "text": "a", "logprobs": [-0.1]}',
        '{"page": 1, "text": "a", "logprobs": [[1]]}',
        '{"page": 1, "text": "a", "logprobs": [[1, "-0.1"]]}',
        '{"page": 1, "text": "a", "logprobs": [[true, -0.1]]}',
        '{"page": 1, "text": "a", "logprobs": [[1, 0.1]]}',
        '{"page": 1, "text": "a", "logprobs": [[1, NaN]]}',
        '{"page": 1, "text": "a", "logprobs": [[2, -0.1]]}',
        '{"page": 1, "text": "ab", "logprobs": [[2, -0.1], [1, -0.1]]}',
    ],
)
def test_a_line_that_is_not_a_recorded_reply_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text('{"page": 1, "text": "a"}\n' + line + "\n", "utf-8")
    with pytest.raises(BackendReplyError, match="line 2 of the recording") as caught:
        ReplayBackend.from_file(path)
    assert str(path) in str(caught.value)


def test_a_line_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_bytes(b'{"page": 1, "text": "\xff"}\n')
    with pytest.raises(BackendReplyError, match="line 1"):
        ReplayBackend.from_file(path)


def test_a_line_without_an_end_is_not_read_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deepseek_ocr_rag.backends.replay_format.MAX_LINE_BYTES", 1000)
    path = tmp_path / "r.jsonl"
    path.write_text(json.dumps({"page": 1, "text": "x" * 1000}), "utf-8")
    with pytest.raises(BackendReplyError, match="too long"):
        ReplayBackend.from_file(path)


def test_a_file_that_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deepseek_ocr_rag.backends.replay_format.MAX_FILE_BYTES", 10)
    path = written(tmp_path / "r.jsonl", {"page": 1, "text": "a"})
    with pytest.raises(BackendUnavailableError, match="larger"):
        ReplayBackend.from_file(path)


@pytest.mark.parametrize("name", ["missing.jsonl", "."])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(BackendUnavailableError, match="cannot be read"):
        ReplayBackend.from_file(tmp_path / name)


@settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    data=st.binary(max_size=200)
    | st.text(alphabet='{}[]":,01 pagetxnul\n', max_size=80).map(str.encode)
)
def test_any_bytes_are_a_recording_or_a_typed_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "fuzz.jsonl"
    path.write_bytes(data)
    with suppress(DeepSeekOCRError):
        assert ReplayBackend.from_file(path).name == "replay"


@settings(
    deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.builds(
        RecordedReply,
        page=st.integers(1, 10_000),
        text=st.text(st.characters()),
        sha256=st.sampled_from(["", HERE]),
        task=st.sampled_from(["", "document", "locate: the „total“"]),
        finish_reason=st.sampled_from(["stop", "length", "repetition", "blank"]),
        tokens=st.none() | st.integers(0, 8192),
        warnings=st.lists(st.text(), max_size=2).map(tuple),
        model=st.text(max_size=5),
    ),
    st.lists(st.tuples(st.integers(0, 9), st.integers(-9999, 0)), max_size=5),
)
def test_what_is_written_is_what_is_read(
    tmp_path: Path, recorded: RecordedReply, pairs: list[tuple[int, int]]
) -> None:
    tokens = [TokenLogprob(end, logprob / 10_000) for end, logprob in sorted(pairs)]
    fitting = tuple(token for token in tokens if token.end <= len(recorded.text))
    recorded = replace(recorded, logprobs=fitting)
    path = tmp_path / "one.jsonl"
    path.write_bytes(recorded.to_json().encode("utf-8", "backslashreplace") + b"\n")
    assert list(read_recording(path)) == [recorded]


# --- recording ---------------------------------------------------------------------------


def test_what_a_backend_replies_can_be_replayed(tmp_path: Path, page_request: Any) -> None:
    path = tmp_path / "r.jsonl"
    requests = [page_request(n) for n in (1, 2, 3)]
    recorder = RecordingBackend(Scripted(), path)
    live = list(recorder.read(requests))
    recorder.close()
    replayed = ReplayBackend.from_file(path)
    assert list(replayed.read(requests)) == [replace(reply, attempts=1) for reply in live]
    assert replayed.model == "model-1"


def test_a_recording_names_the_document_and_the_backend(tmp_path: Path, page_request: Any) -> None:
    path = tmp_path / "r.jsonl"
    recorder = RecordingBackend(Scripted(), path)
    list(recorder.read([page_request(1)]))
    recorder.close()
    line = json.loads(path.read_text("utf-8"))
    assert line["sha256"] == HERE
    assert (line["page"], line["task"], line["resolution"]) == (1, "document", "gundam")
    assert (line["finish_reason"], line["tokens"]) == ("length", 7)
    assert (line["backend"], line["model"]) == ("scripted", "model-1")


def test_log_probabilities_are_recorded_only_where_they_are_known() -> None:
    assert "logprobs" not in json.loads(RecordedReply(1, "a").to_json())
    impossible = RecordedReply(1, "a", logprobs=(TokenLogprob(1, -math.inf),))
    assert json.loads(impossible.to_json())["logprobs"] == [[1, -100.0]]


def test_every_reply_is_in_the_file_as_soon_as_it_is_given(
    tmp_path: Path, page_request: Any
) -> None:
    path = tmp_path / "r.jsonl"
    recorder = RecordingBackend(Scripted(), path)
    for number, _ in enumerate(recorder.read(page_request(n) for n in (1, 2, 3)), start=1):
        assert len(path.read_text("utf-8").splitlines()) == number
    recorder.close()


def test_two_recordings_into_one_file_are_appended(tmp_path: Path, page_request: Any) -> None:
    path = tmp_path / "r.jsonl"
    for page in (1, 3):
        recorder = RecordingBackend(Scripted(), path)
        list(recorder.read([page_request(page)]))
        recorder.close()
    assert [recorded.page for recorded in read_recording(path)] == [1, 3]


def test_only_the_owner_can_read_a_recording(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    RecordingBackend(Scripted(), path).close()
    assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


def test_a_recorder_looks_like_the_backend_that_it_records(tmp_path: Path) -> None:
    inner = Scripted()
    recorder = RecordingBackend(inner, tmp_path / "r.jsonl")
    assert (recorder.name, recorder.model) == ("scripted", "model-1")
    assert recorder.needs_image
    assert recorder.reads_text_layer
    recorder.close()
    recorder.close()
    assert inner.closed == 1


def test_a_recorder_says_whether_its_backend_has_resolutions(tmp_path: Path) -> None:
    inner = Scripted()
    recorder = RecordingBackend(inner, tmp_path / "r.jsonl")
    assert has_resolutions(recorder)
    inner.has_resolutions = False  # type: ignore[attr-defined] - as the built-in reader's
    assert not has_resolutions(recorder)
    recorder.close()


def test_lone_surrogates_are_recorded_as_they_are(tmp_path: Path, page_request: Any) -> None:
    path = tmp_path / "r.jsonl"
    recorder = RecordingBackend(ReplayBackend(["a\ud800b"]), path)
    list(recorder.read([page_request(1)]))
    recorder.close()
    assert texts(ReplayBackend.from_file(path), page_request(1)) == ["a\ud800b"]


def test_a_recording_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(BackendUnavailableError, match="cannot be written"):
        RecordingBackend(Scripted(), tmp_path / "no" / "folder.jsonl")


def test_a_whole_line_without_a_line_end_is_kept(tmp_path: Path, page_request: Any) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text('{"page": 1, "text": "whole"}')
    recorder = RecordingBackend(Scripted(), path)
    list(recorder.read([page_request(3)]))
    recorder.close()
    assert [each.page for each in read_recording(path)] == [1, 3]


RECORD = """
import sys
from deepseek_ocr_rag import RecordingBackend, ReplayBackend
from deepseek_ocr_rag.backends.base import PageRequest
from deepseek_ocr_rag.model.prompts import mode_named, task_named
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
recorder = RecordingBackend(ReplayBackend(["x" * 500] * 4), sys.argv[1])
task, mode = task_named("document"), mode_named("tiny")
for reply in recorder.read(PageRequest(n, n, "a", "", None, None, task, mode) for n in (1, 2, 3, 4)):
    print(len(reply.text), "not recorded" in "".join(reply.warnings))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no file size limit there")
@pytest.mark.parametrize(("size", "recorded"), [(0, 0), (700, 1), (1500, 2), (9000, 4)])
def test_a_full_disk_costs_the_recording_and_not_the_text(
    tmp_path: Path, size: int, recorded: int
) -> None:
    path = tmp_path / "r.jsonl"
    done = subprocess.run(
        [sys.executable, "-c", RECORD, str(path), str(size)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.splitlines() == [f"500 {n > recorded}" for n in (1, 2, 3, 4)], done.stderr
    assert len(list(read_recording(path))) == recorded


@pytest.mark.parametrize("torn", [b"{", b'{"page": 2, "text": "' + b"x" * 70_000])
def test_a_line_that_a_killed_recorder_left_is_removed(
    tmp_path: Path, page_request: Any, torn: bytes
) -> None:
    path = tmp_path / "r.jsonl"
    path.write_bytes(b'{"page": 1, "text": "whole"}\n' + torn)
    recorder = RecordingBackend(Scripted(), path)
    list(recorder.read([page_request(3)]))
    recorder.close()
    assert [each.page for each in read_recording(path)] == [1, 3]


def test_a_closed_recorder_does_not_read_unrecorded(tmp_path: Path, page_request: Any) -> None:
    recorder = RecordingBackend(Scripted(), tmp_path / "r.jsonl")
    recorder.close()
    with pytest.raises(BackendUnavailableError, match="closed"):
        list(recorder.read([page_request(1)]))
