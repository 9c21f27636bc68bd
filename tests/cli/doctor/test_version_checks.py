"""The version matrix: what each backend needs, compared with what is installed."""

from __future__ import annotations

import pytest

from deepseek_ocr_rag.cli.doctor.check import Check
from deepseek_ocr_rag.cli.doctor.version_checks import (
    Requirement,
    installed_version,
    version_checks,
)
from deepseek_ocr_rag.installing import install_command

MODERN = {"torch": "2.13.0+cpu", "transformers": "5.23.0", "tokenizers": "0.23", "safetensors": "1"}
PUBLISHED = {
    "torch": "2.6.0+cu118",
    "torchvision": "0.21.0",
    "transformers": "4.46.3",
    "tokenizers": "0.20.3",
    "safetensors": "0.5",
    "einops": "0.8",
    "addict": "2.4.0",
    "easydict": "1.13",
    "matplotlib": "3.9",
}


def checks(installed: dict[str, str], **environment: str) -> dict[str, Check]:
    return {check.name: check for check in version_checks(installed.get, environment)}


def test_a_modern_environment_runs_transformers_and_not_the_published_code() -> None:
    found = checks(MODERN)
    assert found["versions for transformers"].ok
    assert "transformers 5.23.0" in found["versions for transformers"].detail
    official = found["versions for official"]
    assert not official.ok
    assert "transformers 5.23.0 is not 4.46.3" in official.detail
    assert "easydict is not installed" in official.detail
    assert "environment of its own" in official.remedy


def test_the_publishers_environment_runs_the_published_code_and_not_transformers() -> None:
    found = checks(PUBLISHED)
    assert found["versions for official"].ok
    transformers = found["versions for transformers"]
    assert "transformers 4.46.3 is not 5.20 or newer" in transformers.detail
    assert install_command("local") in transformers.remedy


def test_an_empty_environment_gets_both_pip_lines() -> None:
    found = checks({})
    assert "torch is not installed" in found["versions for transformers"].detail
    assert install_command("local") in found["versions for transformers"].remedy
    assert (
        install_command("official", pip="official-env/bin/pip")
        in found["versions for official"].remedy
    )
    assert "vllm" not in found


@pytest.mark.parametrize(
    ("version", "environment", "ok", "remedy"),
    [
        ("0.10.2", {}, False, "vllm>=0.11.1"),
        ("0.11.0", {}, False, "vllm>=0.11.1"),
        ("0.11.1", {}, True, ""),
        ("0.30.2.dev3+g1", {}, True, ""),
        ("0.33.0", {}, False, "VLLM_USE_V2_MODEL_RUNNER=0"),
        ("0.33.0", {"VLLM_USE_V2_MODEL_RUNNER": "1"}, False, "VLLM_USE_V2_MODEL_RUNNER=0"),
        ("0.33.0", {"VLLM_USE_V2_MODEL_RUNNER": "0"}, True, ""),
    ],
)
def test_vllm_is_judged_by_its_version_and_its_runner(
    version: str, environment: dict[str, str], ok: bool, remedy: str
) -> None:
    check = checks({"vllm": version}, **environment)["vllm"]
    assert check.ok is ok
    assert remedy in check.remedy
    assert version in check.detail


@pytest.mark.parametrize(
    ("version", "fits"),
    [
        ("5.20.0", True),
        ("5.20", True),
        ("5.20.0.dev0", True),
        ("6.0", True),
        ("5.19.9", False),
        ("4.57.1", False),
        ("not a version", False),
        ("", False),
    ],
)
def test_releases_are_compared_by_their_numbers(version: str, fits: bool) -> None:
    requirement = Requirement("transformers", "transformers", (5, 20))
    assert (requirement.problem(version) == "") is fits


@pytest.mark.parametrize(("machine", "said"), [("aarch64", True), ("x86_64", False)])
def test_missing_wheels_are_explained_on_arm(
    monkeypatch: pytest.MonkeyPatch, machine: str, said: bool
) -> None:
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert ("machine" in checks(MODERN)) is said


def test_an_installed_package_is_found() -> None:
    assert installed_version("pillow")
    assert installed_version("no-such-package-anywhere") is None
