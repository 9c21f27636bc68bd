"""Runs whose documents and results are on S3, against a server that speaks its protocol."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from urllib.request import Request, urlopen

import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("moto.server", reason="needs moto[s3], flask and flask-cors")

from batch_runs import SAME, start_run
from moto.server import ThreadedMotoServer
from page_server import PageServer, marked_pdf
from pyarrow import fs

from deepseek_ocr_rag.batch import BatchSettings, batch_documents, run_batch
from deepseek_ocr_rag.errors import OutputError

pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("default"),  # the server's own
    pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there"),
]

PAGES = 8
DOCUMENTS = 5


@pytest.fixture(scope="module")
def store():
    """S3 on this machine, with a bucket of documents and one for results."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", address)
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        for bucket in ("papers", "runs"):
            with urlopen(Request(f"{address}/{bucket}", method="PUT")) as answer:
                assert answer.status == 200
        files, _ = fs.FileSystem.from_uri("s3://papers")
        for number in range(DOCUMENTS):
            with files.open_output_stream(f"papers/{number}.pdf") as file:
                file.write(marked_pdf(PAGES, 1 + PAGES * number))
        with files.open_output_stream("papers/bad.pdf") as file:
            file.write(b"%PDF-1.4 damaged")
        yield files
    server.stop()


def settings(server):
    return BatchSettings(
        backend=f"server:{server.url}", resolution="tiny", unit_pages=2, part_documents=2
    )


def names(store, folder):
    found = store.get_file_info(fs.FileSelector(folder, recursive=True, allow_not_found=True))
    return {each.path.removeprefix(f"{folder}/") for each in found if each.is_file}


def shards(store, folder):
    return {
        name: bytes(store.open_input_stream(f"{folder}/{name}").read())
        for name in names(store, folder)
        if name.partition("/")[0] in SAME
    }


def marked(store, folder):
    """The pages whose units have a mark, as the server calls them."""
    # In this order: a unit goes only after its part is marked.
    found = sorted(names(store, folder))
    units = [name.rpartition("/")[2].partition(".")[0] for name in found if "staged/" in name]
    pages = {
        PAGES * entry + page
        for entry, first, last in (map(int, unit.split("-")[:3]) for unit in units)
        for page in range(first, last + 1)
    }
    for name in names(store, folder):
        if name.startswith("done/"):
            first = 2 * int(name.removeprefix("done/part-").removesuffix(".json"))
            pages |= set(range(PAGES * first + 1, PAGES * (first + 2) + 1))
    return pages


def test_a_run_on_s3_that_was_killed_twice_is_the_undisturbed_one(store):
    with PageServer() as server:
        whole = run_batch("s3://papers/*.pdf", "s3://runs/whole", settings(server))
        assert (whole.account.pages, whole.account.errors) == (PAGES * DOCUMENTS, 1)
        assert whole.account.complete
        server.asked.clear()
        server.seconds = 0.3
        for enough in (10, 24):
            process = start_run(
                "s3://papers/*.pdf",
                "s3://runs/killed",
                f"server:{server.url}",
                unit_pages=2,
                part_documents=2,
            )
            end = time.monotonic() + 240
            while len(marked(store, "runs/killed")) < enough:
                assert process.poll() is None, "the run ended before it could be killed"
                assert time.monotonic() < end
                time.sleep(0.05)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            time.sleep(1.0)  # its reading process ends by itself
        done, before = marked(store, "runs/killed"), len(server.asked)
        server.seconds = 0.0
        report = run_batch("s3://papers/*.pdf", "s3://runs/killed", settings(server))
        again = Counter(server.asked[before:])
    assert report.account.complete
    assert len(done) >= 24
    assert not done & set(again)
    assert shards(store, "runs/killed") == shards(store, "runs/whole")
    assert not [name for name in names(store, "runs/killed") if "staged/" in name]


def test_what_was_written_to_s3_is_read_back(store):
    with PageServer() as server:
        run_batch("s3://papers/[01].pdf", "s3://runs/back", settings(server))
    documents = list(batch_documents("s3://runs/back"))
    assert [each.doc_id for each in documents] == ["s3://papers/0.pdf", "s3://papers/1.pdf"]
    assert [len(each.document.pages) for each in documents] == [PAGES, PAGES]
    assert "This is number 9." in documents[1].document.pages[0].markdown


def test_a_bucket_that_does_not_exist_is_told_before_anything_is_read(store):
    with PageServer() as server:
        with pytest.raises(OutputError, match="s3://missing/out cannot be used"):
            run_batch("s3://papers/*.pdf", "s3://missing/out", settings(server))
        assert not server.asked
