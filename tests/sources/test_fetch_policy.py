"""FetchPolicy: what it takes, what it refuses, and where the borders of its networks are."""

from __future__ import annotations

import pytest

from deepseek_ocr_rag import FetchPolicy
from deepseek_ocr_rag.errors import ConfigurationError
from deepseek_ocr_rag.sources.fetch_policy import is_public


def test_by_default_nothing_private_and_nothing_unencrypted_is_allowed() -> None:
    policy = FetchPolicy()
    assert (policy.hosts, policy.allow_http, policy.allow_private) == (None, False, False)
    assert (policy.redirects, policy.connect_seconds, policy.total_seconds) == (5, 15.0, 300.0)
    assert policy.allows_host("any.example")


@pytest.mark.parametrize(
    "wrong",
    [
        *({"redirects": -1}, {"connect_seconds": 0}, {"connect_seconds": -1}),
        *({"total_seconds": 0}, {"total_seconds": float("nan")}),
    ],
)
def test_negative_numbers_and_no_time_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match="positive times and no negative number"):
        FetchPolicy(**wrong)  # type: ignore[arg-type]


def test_the_smallest_numbers_are_taken() -> None:
    policy = FetchPolicy(redirects=0, connect_seconds=0.1, total_seconds=0.1)
    assert policy.redirects == 0


def test_a_single_name_is_told_to_be_a_tuple() -> None:
    with pytest.raises(ConfigurationError, match=r"hosts='a\.org' is a string") as caught:
        FetchPolicy(hosts="a.org")  # type: ignore[arg-type]
    assert "hosts=('a.org',)" in str(caught.value)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("arXiv.org", "arxiv.org"),
        (" arxiv.org ", "arxiv.org"),
        ("arxiv.org.", "arxiv.org"),
        ("*.arxiv.org", "*.arxiv.org"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("[2606:2800::1]", "2606:2800::1"),
        ("93.184.216.34", "93.184.216.34"),
        ("a_b.example", "a_b.example"),
    ],
)
def test_a_host_is_kept_as_it_stands_in_a_url(written: str, kept: str) -> None:
    assert FetchPolicy(hosts=(written,)).hosts == (kept,)


@pytest.mark.parametrize("written", ["https://a.org", "a" * 64, "\u200d", "a..b", "[::1", "*", ""])
def test_what_is_no_host_is_refused_by_its_name(written: str) -> None:
    with pytest.raises(ConfigurationError, match="is not a host name") as caught:
        FetchPolicy(hosts=("a.org", written))
    assert repr(written) in str(caught.value)
    assert "'*.arxiv.org'" in str(caught.value)


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        *(("a.org", True), ("a.org.", True), ("x.a.org", False), ("xa.org", False)),
        *(("x.b.org", True), ("y.x.b.org.", True), ("b.org", False), ("xb.org", False)),
        *((".b.org", True), ("b.org.evil.com", False), ("", False), ("*.b.org", True)),
    ],
)
def test_a_name_is_allowed_alone_and_a_star_for_what_is_below(host: str, allowed: bool) -> None:
    assert FetchPolicy(hosts=("a.org", "*.b.org")).allows_host(host) is allowed


def test_an_empty_list_allows_nothing() -> None:
    assert not FetchPolicy(hosts=()).allows_host("a.org")


@pytest.mark.parametrize(
    ("address", "public"),
    [
        *(("191.255.255.255", True), ("192.0.0.0", False), ("192.0.0.255", False), ("192.0.1.1", True)),
        *(("192.88.98.255", True), ("192.88.99.0", False), ("192.88.100.0", True)),
        *(("168.63.129.15", True), ("168.63.129.16", False), ("168.63.129.17", True)),
        *(("2001:2::1", False), ("2001:200::1", True), ("2001:ffff::", True), ("2003::1", True)),
        *(("2002::", False), ("2002:ffff:ffff::1", False), ("3ffe:ffff::1", True), ("3fff:1000::1", True)),
        *(("1fff::1", False), ("4000::1", False), ("223.255.255.255", True), ("224.0.1.1", False)),
        *(("ff0e::1", False), ("2606:4700::1111%eth0", False), ("::ffff:8.8.8.8", True)),
        *(("::ffff:10.0.0.1", False), ("64:ff9b::808:808", True), ("64:ff9b::a9fe:a9fe", False)),
        *(("64:ff9b::1:808:808", False), ("64:ff9b::ffff:ffff", False)),
    ],
)  # fmt: skip
def test_the_borders_of_the_public_internet_are_known(address: str, public: bool) -> None:
    assert is_public(address) is public


def test_what_is_no_address_is_an_error() -> None:
    with pytest.raises(ValueError, match="a name"):
        is_public("a name")
