from __future__ import annotations

import pytest

from deepseek_ocr_rag import Reader
from deepseek_ocr_rag.errors import ConfigurationError
from deepseek_ocr_rag.service import ServiceReader, reader_named
from deepseek_ocr_rag.service.client.service_address import ServiceAddress


def test_without_an_address_it_is_the_service_of_this_machine() -> None:
    assert ServiceAddress.of().url == "http://127.0.0.1:8765"


def test_the_environment_names_the_service_and_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSOCR_SERVICE_URL", "https://ocr.example.org/dsocr/")
    monkeypatch.setenv("DSOCR_SERVICE_KEY", "a-long-enough-key")
    address = ServiceAddress.of()
    assert (address.url, address.key) == ("https://ocr.example.org/dsocr", "a-long-enough-key")


def test_a_key_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSOCR_SERVICE_KEY", "a-long-enough-key")
    assert "long-enough" not in repr(ServiceAddress.of()) + repr(ServiceReader())


@pytest.mark.parametrize(
    "url",
    [
        "gpu.example:8765",
        "ftp://gpu.example",
        "http://",
        "http://gpu.example:99999",
        "http://[::1",
        "http://gpu.example/?a=b",
        "http://gpu.example/#a",
        "file:///etc/passwd",
    ],
)
def test_what_is_not_the_url_of_a_service_is_told_at_once(url: str) -> None:
    with pytest.raises(ConfigurationError, match="service"):
        ServiceReader(url)


def test_a_password_in_the_url_is_refused_and_not_shown() -> None:
    with pytest.raises(ConfigurationError) as refused:
        ServiceReader("http://me:hush@gpu.example:8765")
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "schlüssel-schlüssel"])
def test_a_key_that_no_header_takes_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        ServiceReader(key=key)
    assert key not in str(refused.value)


@pytest.mark.parametrize("wait", [-1.0, float("nan"), float("inf")])
def test_a_wait_is_a_number_of_seconds(wait: float) -> None:
    with pytest.raises(ConfigurationError, match="seconds"):
        ServiceReader(wait=wait)


# --- the name of a backend ---------------------------------------------------------------


def test_service_in_place_of_a_backend_means_a_service_reader() -> None:
    reader = reader_named("service:http://gpu.example:8765", resolution="base", task="ocr")
    assert isinstance(reader, ServiceReader)
    assert repr(reader) == (
        "ServiceReader('service:http://gpu.example:8765', resolution='base', task='ocr')"
    )
    assert isinstance(reader_named("service"), ServiceReader)


def test_every_other_name_means_a_reader() -> None:
    assert type(reader_named("lite")) is Reader


def test_a_reader_that_is_given_a_service_says_what_to_take_instead() -> None:
    with pytest.raises(ConfigurationError, match=r"ServiceReader\('http://host:8765'\)"):
        _ = Reader("service:http://gpu.example:8765").backend


def test_a_service_reader_has_no_backend() -> None:
    with pytest.raises(ConfigurationError, match=r"service at http://gpu\.example:8765"):
        _ = ServiceReader("http://gpu.example:8765").backend
