"""Which documents a manifest names."""

from __future__ import annotations

import json
import os
import re
import sys

import pytest

pytest.importorskip("pyarrow")

import pyarrow as pa
from pyarrow import parquet

from deepseek_ocr_rag.batch import ManifestEntry, manifest_entries
from deepseek_ocr_rag.batch.storage.locations import located
from deepseek_ocr_rag.errors import ConfigurationError, SourceNotFoundError

SHA = "ab" * 32


def written(path, *lines):
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), "utf-8")
    return str(path)


def test_each_line_names_a_document_and_what_is_wanted_of_it(tmp_path):
    line = {"uri": "/a.pdf", "id": "A", "sha256": SHA, "pages": "1-3", "password": "x"}
    manifest = written(tmp_path / "m.jsonl", line, {"uri": "s3://bucket/b.pdf"})
    assert list(manifest_entries(manifest)) == [
        ManifestEntry("/a.pdf", "A", SHA, "1-3", "x"),
        ManifestEntry("s3://bucket/b.pdf"),
    ]


def test_relative_paths_start_at_the_manifest(tmp_path, monkeypatch):
    manifest = written(tmp_path / "m.jsonl", {"uri": "papers/a.pdf"})
    monkeypatch.chdir("/")
    assert [each.uri for each in manifest_entries(manifest)] == [str(tmp_path / "papers/a.pdf")]


def test_a_table_is_read_like_lines(tmp_path):
    table = pa.table({"uri": ["/a.pdf", "/b.pdf"], "pages": [None, "2"], "more": [1, 2]})
    parquet.write_table(table, tmp_path / "m.parquet")
    assert list(manifest_entries(str(tmp_path / "m.parquet"))) == [
        ManifestEntry("/a.pdf"),
        ManifestEntry("/b.pdf", pages="2"),
    ]


def test_a_file_of_windows_is_read_like_any_other(tmp_path):
    path = tmp_path / "m.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"uri": "/a.pdf"}\r\n\r\n{"uri": "/b.pdf"}\r\n')
    assert [each.uri for each in manifest_entries(str(path))] == ["/a.pdf", "/b.pdf"]


def test_utf16_is_told(tmp_path):
    path = tmp_path / "m.jsonl"
    path.write_text('{"uri": "/a.pdf"}\n', "utf-16")
    with pytest.raises(ConfigurationError, match="is UTF-16") as caught:
        list(manifest_entries(str(path)))
    assert caught.value.remedy == "Save it as UTF-8."


def test_a_number_names_a_document_or_a_page_as_well(tmp_path):
    found = [ManifestEntry("/a.pdf", id="7", pages="2")]
    row = {"uri": "/a.pdf", "id": 7, "pages": 2}
    assert list(manifest_entries(written(tmp_path / "m.jsonl", row))) == found
    parquet.write_table(pa.Table.from_pylist([row]), tmp_path / "m.parquet")
    assert list(manifest_entries(str(tmp_path / "m.parquet"))) == found


@pytest.mark.parametrize("name", ["empty.jsonl", "blank.jsonl", "folder", "none.parquet"])
def test_a_manifest_without_a_document_is_told(tmp_path, name):
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "blank.jsonl").write_text("\n\n", "utf-8")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "notes.txt").touch()
    parquet.write_table(pa.table({"uri": pa.array([], pa.string())}), tmp_path / "none.parquet")
    with pytest.raises(ConfigurationError, match="names no document"):
        list(manifest_entries(str(tmp_path / name)))


def test_a_name_with_the_signs_of_a_pattern_is_that_name_if_it_is_there(tmp_path):
    folder = tmp_path / "papers [2024]*"
    folder.mkdir()
    (folder / "a?.pdf").write_bytes(b"%PDF")
    (tmp_path / "papers 2").mkdir()
    (tmp_path / "papers 2" / "b.pdf").write_bytes(b"%PDF")
    assert below(folder, manifest_entries(str(folder))) == ["a?.pdf"]
    manifest = written(folder / "m.jsonl", {"uri": "a?.pdf"})
    assert below(folder, manifest_entries(manifest)) == ["a?.pdf"]


@pytest.fixture
def papers(tmp_path):
    for name in ("b/2.pdf", "a.pdf", "b/1.PDF", "notes.txt", ".hidden.pdf", "b/c/3.pdf"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"%PDF")
    return tmp_path


def below(folder, found):
    return [each.uri.removeprefix(f"{folder}/") for each in found]


def test_a_folder_is_all_documents_below_it_in_the_order_of_their_names(papers):
    found = manifest_entries(str(papers))
    assert below(papers, found) == ["a.pdf", "b/1.PDF", "b/2.pdf", "b/c/3.pdf"]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*.pdf", ["a.pdf"]),
        ("b/*.pdf", ["b/1.PDF", "b/2.pdf"]),
        ("**/*.pdf", ["a.pdf", "b/1.PDF", "b/2.pdf", "b/c/3.pdf"]),
        ("b/**/[!1].pdf", ["b/2.pdf", "b/c/3.pdf"]),
        ("?.pdf", ["a.pdf"]),
    ],
)
def test_a_pattern_names_files(papers, pattern, names):
    assert below(papers, manifest_entries(f"{papers}/{pattern}")) == names


def test_an_object_store_is_listed_as_well(papers):
    """fsspec's own file systems stand for those of other machines."""
    import fsspec

    store = fsspec.filesystem("memory")
    store.pipe("/papers/x/1.pdf", b"%PDF")
    store.pipe("/papers/2.pdf", b"%PDF")
    try:
        found = [each.uri for each in manifest_entries("memory://papers/**/*.pdf")]
    finally:
        store.rm("/papers", recursive=True)
    assert found == ["memory://papers/2.pdf", "memory://papers/x/1.pdf"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"uri": "/a.pdf"}\n{"uri": 3}\n', "line 2: 'uri' is not a text"),
        ('{"id": "a"}\n', "line 1: it has no 'uri'"),
        ("[1]\n", "line 1: it is not a JSON object"),
        ("{\n", "line 1: it is not JSON"),
        ('{"uri": "/a", "pages": [1, 2]}\n', "line 1: 'pages' is not a text"),
        ('{"uri": "/a", "id": true}\n', "line 1: 'id' is not a text"),
        ('{"uri": "/a", "sha256": "12"}\n', "line 1: 'sha256' is not 64 hex digits"),
    ],
)
def test_a_line_that_names_no_document_is_told_with_its_number(tmp_path, text, says):
    path = tmp_path / "m.jsonl"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigurationError, match=says):
        list(manifest_entries(str(path)))


def test_a_line_without_end_is_refused_before_it_is_in_memory(tmp_path):
    path = tmp_path / "m.jsonl"
    path.write_bytes(b'{"uri": "' + b"x" * 3 * 2**20)
    with pytest.raises(ConfigurationError, match="longer than"):
        list(manifest_entries(str(path)))


@pytest.mark.parametrize("name", ["none.jsonl", "none", "*.pdf"])
def test_what_is_not_there_is_told(tmp_path, name):
    with pytest.raises(SourceNotFoundError):
        list(manifest_entries(str(tmp_path / name)))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every name is Unicode")
@pytest.mark.parametrize("manifest", ["", "/*.pdf"])
def test_a_name_that_is_not_utf8_is_told(tmp_path, manifest):
    (tmp_path / os.fsdecode(b"caf\xe9.pdf")).write_bytes(b"%PDF")
    with pytest.raises(ConfigurationError, match=re.escape(r"not UTF-8 (b'caf\xe9.pdf')")):
        list(manifest_entries(f"{tmp_path}{manifest}"))


def test_a_web_address_is_no_manifest():
    with pytest.raises(ConfigurationError, match="neither listed nor written"):
        list(manifest_entries("https://example.org/manifest.jsonl"))


def test_a_chain_of_file_systems_is_refused_before_anything_is_fetched():
    """It would reach web addresses that no FetchPolicy has seen."""
    with pytest.raises(ConfigurationError, match="chains several file systems"):
        located("zip://a.pdf::http://127.0.0.1:1/x.zip")


def test_a_password_is_not_shown():
    assert "secret" not in repr(ManifestEntry("/a.pdf", password="secret"))
