"""Reports once, and with a cure, why the published code cannot be loaded here."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deepseek_ocr_rag.backends.base import Reply
from deepseek_ocr_rag.backends.official.backend import OfficialBackend
from deepseek_ocr_rag.errors import BackendUnavailableError, MissingExtraError
from deepseek_ocr_rag.installing import install_command

MakeBackend = Callable[..., OfficialBackend]

MISSING = (
    "This modeling file requires the following packages that were not found in your "
    "environment: addict, matplotlib. Run `pip install addict matplotlib`"
)


def read(backend: OfficialBackend, *requests: Any) -> list[Reply]:
    return list(backend.read(requests))


def test_a_missing_package_is_never_installed_beside_the_other_backends(
    light: MakeBackend, page_request: Any
) -> None:
    with pytest.raises(MissingExtraError) as caught:
        read(light(loading=f"raise ImportError({MISSING!r})"), page_request(1))
    assert "addict, matplotlib" in caught.value.problem
    remedy = caught.value.remedy or ""
    assert "python -m venv official-env" in remedy
    assert "transformers 4.46.3" in remedy
    assert "DSOCR_OFFICIAL_PYTHON=official-env/bin/python" in remedy
    assert f"{sys.executable} -m pip" not in remedy


def test_for_an_interpreter_of_its_own_the_error_names_that_pip(
    light: MakeBackend, page_request: Any, tmp_path: Path
) -> None:
    own = tmp_path / "own-python"
    own.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    own.chmod(0o755)
    with pytest.raises(MissingExtraError) as caught:
        read(light(loading=f"raise ImportError({MISSING!r})", python=own), page_request(1))
    assert caught.value.remedy == f"Run: {install_command('official', pip=f'{own} -m pip')}"
    assert str(own) in caught.value.problem


def test_for_an_interpreter_without_transformers_the_error_names_an_environment(
    light: MakeBackend, page_request: Any, tmp_path: Path
) -> None:
    backend = light()
    (tmp_path / "light" / "transformers" / "__init__.py").write_text("import no_such_package")
    with pytest.raises(MissingExtraError, match="official-env"):
        read(backend, page_request(1))


def test_an_unknown_error_of_another_transformers_names_the_version_that_fits(
    light: MakeBackend, page_request: Any
) -> None:
    fails = "sys.modules['transformers'].__version__ = '5.23.0'; raise TypeError('anything new')"
    with pytest.raises(BackendUnavailableError) as caught:
        read(light(loading=fails), page_request(1))
    assert "anything new" in caught.value.problem
    assert "It has transformers 5.23.0." in (caught.value.remedy or "")
    assert "transformers 4.46.3" in (caught.value.remedy or "")


def test_an_interpreter_that_cannot_be_started_names_the_variable(
    light: MakeBackend, page_request: Any, tmp_path: Path
) -> None:
    with pytest.raises(BackendUnavailableError) as caught:
        read(light(python=tmp_path / "missing" / "python"), page_request(1))
    assert "DSOCR_OFFICIAL_PYTHON" in (caught.value.remedy or "")


def test_a_missing_gpu_is_reported_once_and_before_the_model_is_loaded(
    light: MakeBackend, page_request: Any, tmp_path: Path
) -> None:
    loads = f"open({str(tmp_path / 'loaded')!r}, 'w').close()"
    backend = light(loading=loads, device=None)
    with pytest.raises(BackendUnavailableError) as caught:
        read(backend, page_request(1), page_request(2))
    assert caught.value.problem == (
        "the published code runs on CUDA only, and torch finds no GPU here"
    )
    assert "transformers" in (caught.value.remedy or "")
    assert not (tmp_path / "loaded").exists()


@pytest.mark.parametrize(
    "said",
    [
        # torch 2.13 for the CPU; torch 2.6 for CUDA without a driver, and with hidden GPUs
        "Torch not compiled with CUDA enabled",
        "Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU",
        "No CUDA GPUs are available",
    ],
)
def test_a_page_that_finds_no_gpu_ends_the_reading(
    light: MakeBackend, page_request: Any, said: str
) -> None:
    replies = light(f"raise RuntimeError({said!r})").read([page_request(1), page_request(2)])
    with pytest.raises(BackendUnavailableError, match="runs on CUDA only"):
        next(replies)


NOTICES = """
You are using a model of type DeepseekOCR to instantiate a model of type stand_in. This is not \
supported for all configurations of models and can yield errors.
The attention mask and the pad token id were not set. As a consequence, you may observe \
unexpected behavior. Please pass your input's `attention_mask` to obtain reliable results.
Setting `pad_token_id` to `eos_token_id`:1 for open-end generation.
The `seen_tokens` attribute is deprecated and will be removed in v4.41.
=====================
BASE:  torch.Size([1, 256, 1280])
PATCHES:  torch.Size([6, 100, 1280])
=====================
/env/transformers/generation/configuration_utils.py:590: UserWarning: `do_sample` is set to `False`.
  warnings.warn(
"""
"""Seen with transformers 4.46.3 while all was well."""


def test_harmless_notices_are_not_shown_as_the_last_output(
    light: MakeBackend, page_request: Any
) -> None:
    behaviour = f"sys.stderr.write({NOTICES!r}); sys.stderr.flush(); os._exit(3)"
    (failed,) = read(light(behaviour), page_request(1))
    assert "ended with exit code 3" in (failed.error or "")
    assert "last words" not in (failed.error or "")


def test_a_message_between_the_notices_is_shown(light: MakeBackend, page_request: Any) -> None:
    told = NOTICES + "terminate called: bad alloc\n" + NOTICES
    behaviour = f"sys.stderr.write({told!r}); sys.stderr.flush(); os._exit(3)"
    (failed,) = read(light(behaviour), page_request(1))
    assert "its last words: terminate called: bad alloc" in (failed.error or "")
