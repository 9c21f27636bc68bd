"""Documents that are sent: streamed with limits, whole or not at all, gone when nobody needs them."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import textwrap

import pytest
from page_server import marked_pdf
from service_queue import ALICE, BOB, new_queue, submit

from deepseek_ocr_rag import errors


@pytest.fixture
def queue(tmp_path):
    queue = new_queue(tmp_path, upload_bytes=100_000, owner_bytes=150_000)
    yield queue
    queue.close()


def files(folder):
    return sorted(path for path in folder.glob("data/[iu]*/**/*") if path.is_file())


def send(queue, content, owner=ALICE):
    upload = queue.new_upload(owner, "a.pdf", "application/pdf")
    return queue.write_upload(owner, upload.id, content)


def test_a_document_is_named_by_its_content(queue, tmp_path):
    upload = send(queue, [b"one ", b"two"])
    assert upload.sha256 == hashlib.sha256(b"one two").hexdigest()
    assert upload.size == 7
    assert queue.upload_file(ALICE, upload.id).read_bytes() == b"one two"
    send(queue, [b"one two"], BOB)
    assert [path.name for path in files(tmp_path)] == [upload.sha256]


def test_nothing_is_left_of_a_document_that_is_too_large(queue, tmp_path):
    taken = []

    def endless():
        while True:
            taken.append(1)
            yield bytes(10_000)

    with pytest.raises(errors.UploadTooLargeError, match="100,000"):
        send(queue, endless())
    assert len(taken) == 11
    assert files(tmp_path) == []


def test_nothing_is_left_of_a_document_that_breaks_off(queue, tmp_path):
    def broken():
        yield b"half"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        send(queue, broken())
    assert files(tmp_path) == []
    with pytest.raises(errors.UploadError, match="empty"):
        send(queue, [])


def test_content_is_sent_once(queue):
    upload = send(queue, [b"one"])
    with pytest.raises(errors.UploadError, match="already"):
        queue.write_upload(ALICE, upload.id, [b"two"])
    with pytest.raises(errors.JobNotFoundError):
        queue.write_upload(BOB, upload.id, [b"two"])


def test_an_upload_without_content_makes_no_job(queue):
    upload = queue.new_upload(ALICE, "a.pdf", "application/pdf")
    with pytest.raises(errors.UploadError, match="no content"):
        queue.submit(ALICE, upload.id, body_digest="given")


def test_the_space_of_a_key_is_limited(queue):
    send(queue, [bytes(90_000)])
    with pytest.raises(errors.QuotaError):
        send(queue, [b"1" * 90_000])
    send(queue, [b"1" * 90_000], BOB)
    # The same content takes no more space.
    send(queue, [b"1" * 60_000])
    with pytest.raises(errors.QuotaError):
        queue.new_upload(ALICE, "b.pdf", "application/pdf")


def test_a_disk_with_too_little_space_takes_no_document(tmp_path):
    queue = new_queue(tmp_path, free_bytes=2**60)
    with pytest.raises(errors.StoreFullError) as full:
        send(queue, [b"one"])
    assert full.value.retry_after
    assert files(tmp_path) == []
    queue.close()


def test_a_file_goes_with_the_last_that_needs_it(queue, tmp_path):
    content = marked_pdf(1)
    first, second = submit(queue, content), submit(queue, content, owner=BOB)
    queue.delete(ALICE, first.id)
    assert len(files(tmp_path)) == 1
    queue.delete(BOB, second.id)
    assert files(tmp_path) == []


def test_an_upload_without_a_job_expires(tmp_path):
    queue = new_queue(tmp_path, upload_hours=1e-9)
    used = submit(queue, 1)
    lonely = send(queue, [b"one"])
    queue.remove_expired()
    with pytest.raises(errors.JobNotFoundError):
        queue.upload(ALICE, lonely.id)
    assert [path.name for path in files(tmp_path)] == [used.sha256]
    queue.close()


def test_what_an_earlier_process_left_is_removed(queue, tmp_path):
    upload = send(queue, [b"one"])
    kept = queue.upload_file(ALICE, upload.id)
    queue.close()
    lost = kept.parent.parent / "ff" / ("f" * 64)
    lost.parent.mkdir(exist_ok=True)
    lost.write_bytes(b"its row was never stored")
    (tmp_path / "data" / "incoming" / "half").write_bytes(b"half")
    again = new_queue(tmp_path)
    assert files(tmp_path) == [kept]
    again.close()


def test_a_second_service_on_the_same_folder_is_refused(queue, tmp_path):
    code = f"""
        from deepseek_ocr_rag.errors import StoreInUseError
        from deepseek_ocr_rag.service import JobQueue
        try:
            JobQueue({str(tmp_path / "data")!r})
        except StoreInUseError as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    assert "used by another service" in done.stdout
    with pytest.raises(errors.StoreInUseError):
        new_queue(tmp_path)
    queue.close()
    new_queue(tmp_path).close()


def test_a_folder_of_another_program_is_left_alone(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "jobs.sqlite3").write_bytes(b"something else, and long enough" * 100)
    with pytest.raises(errors.StoreError):
        new_queue(tmp_path)
    assert (tmp_path / "data" / "jobs.sqlite3").read_bytes().startswith(b"something")
