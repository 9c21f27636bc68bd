from __future__ import annotations

from pathlib import Path

import pytest

from deepseek_ocr_rag.errors import ConfigurationError
from deepseek_ocr_rag.service.api.access.api_keys import ApiKeys

ANNA = "anna-0123456789abcdef"
BEN = "ben-0123456789abcdefg"


def test_a_key_belongs_to_its_name() -> None:
    keys = ApiKeys.parse([f"anna:{ANNA}", f"ben:{BEN}"], source="here")
    assert (keys.owner(ANNA), keys.owner(BEN)) == ("anna", "ben")


@pytest.mark.parametrize(
    "wrong", ["", " ", ANNA[:-1], ANNA + "x", "anna", f"anna:{ANNA}", "\udcff"]
)
def test_anything_else_belongs_to_nobody(wrong: str) -> None:
    assert ApiKeys.parse([f"anna:{ANNA}"], source="here").owner(wrong) is None


def test_every_key_is_compared_even_after_the_right_one(monkeypatch: pytest.MonkeyPatch) -> None:
    import hmac

    compared = []

    def counting(one: bytes, other: bytes) -> bool:
        compared.append(other)
        return one == other

    keys = ApiKeys.parse([f"anna:{ANNA}", f"ben:{BEN}"], source="here")
    monkeypatch.setattr(hmac, "compare_digest", counting)
    assert keys.owner(ANNA) == "anna"
    assert len(compared) == 2


def test_the_environment_has_several_keys() -> None:
    keys = ApiKeys.load(environment={"DSOCR_API_KEYS": f"anna:{ANNA},\n ben:{BEN}\n"})
    assert [key.name for key in keys.keys] == ["anna", "ben"]


def test_without_the_variable_there_are_no_keys() -> None:
    assert not ApiKeys.load(environment={})


def test_a_file_has_a_key_a_line(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"# ours\nanna:{ANNA}\n\nben:{BEN}\n", "utf-8")
    assert ApiKeys.load(file).owner(BEN) == "ben"


def test_the_file_counts_alone(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"anna:{ANNA}\n", "utf-8")
    assert ApiKeys.load(file, {"DSOCR_API_KEYS": f"ben:{BEN}"}).owner(BEN) is None


@pytest.mark.parametrize("content", ["", "# none\n", None])
def test_a_file_without_keys_is_refused(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "keys"
    if content is not None:
        file.write_text(content, "utf-8")
    with pytest.raises(ConfigurationError, match="name:key a line"):
        ApiKeys.load(file)


@pytest.mark.parametrize(
    "entry",
    [ANNA, f":{ANNA}", f"an na:{ANNA}", "anna:short", "anna:", f"-x:{ANNA}", f"anna:{ANNA} b"],
)
def test_a_malformed_entry_is_refused_without_showing_a_key(entry: str) -> None:
    with pytest.raises(ConfigurationError) as told:
        ApiKeys.parse([entry], source="here")
    assert ANNA not in str(told.value)


@pytest.mark.parametrize("second", [f"anna:{BEN}", f"ben:{ANNA}"])
def test_a_name_or_key_is_there_once(second: str) -> None:
    with pytest.raises(ConfigurationError, match="twice"):
        ApiKeys.parse([f"anna:{ANNA}", second], source="here")


def test_no_key_is_shown() -> None:
    keys = ApiKeys.parse([f"anna:{ANNA}"], source="here")
    assert ANNA not in repr(keys)
    assert "digest" not in repr(keys)
