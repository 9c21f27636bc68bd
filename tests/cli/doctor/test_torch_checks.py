"""Checks of torch and its GPUs, for machines of every kind."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from deepseek_ocr_rag.cli.doctor.check import Check
from deepseek_ocr_rag.cli.doctor.torch_checks import (
    GB,
    Gpu,
    TorchFacts,
    disk_check,
    facts_checks,
    probe_torch,
    torch_checks,
)
from deepseek_ocr_rag.installing import install_command

H200 = Gpu("NVIDIA H200", (9, 0), 149 * GB, 150 * GB)
T4 = Gpu("Tesla T4", (7, 5), 15 * GB, 16 * GB)


def checks(facts: TorchFacts, *, nvidia_driver: bool = True) -> dict[str, Check]:
    return {check.name: check for check in facts_checks(facts, nvidia_driver=nvidia_driver)}


def test_a_good_gpu_is_shown_with_its_memory_and_format() -> None:
    found = checks(TorchFacts("2.13.0", cuda="12.8", gpus=(H200,)))
    assert found["torch"].detail == "2.13.0, built for CUDA 12.8"
    assert found["gpu cuda:0"] == Check(
        "gpu cuda:0",
        True,
        "NVIDIA H200, 149.0 of 150.0 GB free, compute capability 9.0, bfloat16",
    )


def test_a_gpu_before_ampere_reads_in_float16() -> None:
    check = checks(TorchFacts("2.13.0", cuda="12.8", gpus=(T4,)))["gpu cuda:0"]
    assert check.ok
    assert check.detail.endswith("compute capability 7.5, float16")


def test_every_gpu_is_checked() -> None:
    found = checks(TorchFacts("2.13.0", cuda="12.8", gpus=(H200, T4)))
    assert {"gpu cuda:0", "gpu cuda:1"} <= set(found)


def test_rocm_and_cuda_are_distinguished() -> None:
    mi300 = Gpu("AMD Instinct MI300X", (9, 4), 190 * GB, 192 * GB)
    found = checks(TorchFacts("2.13.0", hip="6.4", gpus=(mi300,)), nvidia_driver=False)
    assert "ROCm 6.4" in found["torch"].detail
    assert found["gpu cuda:0"].ok
    assert "bfloat16" in found["gpu cuda:0"].detail


def test_a_full_or_small_gpu_has_a_remedy_that_needs_less_memory() -> None:
    small = Gpu("NVIDIA GeForce RTX 3050", (8, 6), 6 * GB, 8 * GB)
    check = checks(TorchFacts("2.13.0", cuda="12.8", gpus=(small,)))["gpu cuda:0"]
    assert not check.ok
    assert "9 GB are needed" in check.remedy
    assert "quantization" in check.remedy


def test_a_gpu_without_code_in_torch_has_a_remedy_that_names_one_with_it() -> None:
    error = "CUDA error: no kernel image is available for execution on the device\nCUDA kernel"
    gpu = Gpu("NVIDIA GeForce RTX 5090", (12, 0), 0, 0, error)
    check = checks(TorchFacts("2.6.0", cuda="11.8", gpus=(gpu,)))["gpu cuda:0"]
    assert not check.ok
    assert check.detail.endswith("no kernel image is available for execution on the device")
    assert "newest torch" in check.remedy


def test_kernels_that_do_not_compile_are_named_with_the_compilers_line_and_a_cure() -> None:
    told = (
        "CalledProcessError: Command '['/usr/bin/gcc', '/tmp/a/cuda_utils.c']' returned non-zero "
        "exit status 1.\n/tmp/a/cuda_utils.c:6:10: fatal error: Python.h: No such file or directory"
    )
    gpu = replace(H200, kernels=told)
    check = checks(TorchFacts("2.13.0", cuda="12.8", gpus=(gpu,)))["gpu cuda:0"]
    assert not check.ok
    assert "fatal error: Python.h" in check.detail
    assert "python3-dev" in check.remedy
    assert '"transformers"' in check.remedy


def test_an_assembler_older_than_the_card_has_a_cure() -> None:
    told = "PTXASError: ptxas fatal   : Value 'sm_121a' is not defined for option 'gpu-name'"
    gpu = Gpu("NVIDIA GB10", (12, 1), 110 * GB, 120 * GB, kernels=told)
    check = checks(TorchFacts("2.9.0", cuda="13.0", gpus=(gpu,)))["gpu cuda:0"]
    assert not check.ok
    assert "TRITON_PTXAS_PATH" in check.remedy


def test_kernels_that_run_are_not_mentioned() -> None:
    gpu = replace(H200, kernels="")
    assert checks(TorchFacts("2.13.0", cuda="12.8", gpus=(gpu,)))["gpu cuda:0"].ok


def test_an_unknown_error_has_a_remedy_too() -> None:
    gpu = Gpu("NVIDIA H200", (9, 0), 0, 0, "the bus is on fire")
    assert checks(TorchFacts("2.13.0", cuda="12.8", gpus=(gpu,)))["gpu cuda:0"].remedy


def test_a_cpu_build_of_torch_with_an_nvidia_driver_is_wrong() -> None:
    check = checks(TorchFacts("2.13.0+cpu"))["gpu"]
    assert not check.ok
    assert "built for the CPU only" in check.detail
    assert "https://pytorch.org" in check.remedy


def test_an_outdated_driver_is_reported() -> None:
    warnings = "CUDA initialization: The NVIDIA driver on your system is too old (found 12060)."
    check = checks(TorchFacts("2.13.0", cuda="13.0", warnings=warnings))["gpu"]
    assert "too old" in check.detail
    assert "Update the driver" in check.remedy


def test_without_a_gpu_reading_is_slow_and_the_remedy_is_fast() -> None:
    check = checks(TorchFacts("2.13.0+cpu"), nvidia_driver=False)["gpu"]
    assert "minutes a page" in check.detail
    assert '"lite"' in check.remedy


def test_an_apple_gpu_works() -> None:
    assert checks(TorchFacts("2.13.0", mps=True), nvidia_driver=False)["gpu"].ok


@pytest.mark.parametrize(
    ("error", "ok", "remedy"),
    [
        (None, True, ""),
        ("", True, ""),
        ("flash_attn_2_cuda.so: undefined symbol: _ZN3c10", False, "--no-build-isolation"),
        ("libcudart.so.11: cannot open shared object file", False, "--no-build-isolation"),
        ("anything else", False, "--no-build-isolation"),
    ],
)
def test_a_flash_attn_built_for_another_torch_is_found(
    error: str | None, ok: bool, remedy: str
) -> None:
    check = checks(TorchFacts("2.13.0", cuda="12.8", gpus=(H200,), flash_attn_error=error))
    assert check["flash-attn"].ok is ok
    assert remedy in check["flash-attn"].remedy


# --- the probe ------------------------------------------------------------------------------


def test_the_probe_reports_what_torch_reports() -> None:
    torch = pytest.importorskip("torch")
    facts = probe_torch()
    assert isinstance(facts, TorchFacts)
    assert facts.version == torch.__version__
    assert facts.cuda == torch.version.cuda
    assert len(facts.gpus) == torch.cuda.device_count()


def torch_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    (tmp_path / "torch.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


TWO_GPUS = """
import warnings
from types import SimpleNamespace as Namespace

__version__ = "2.6.0+cu118"
version = Namespace(cuda="11.8", hip=None)
backends = Namespace(mps=Namespace(is_available=lambda: False))
cuda = Namespace(
    device_count=lambda: 2,
    mem_get_info=lambda index: (20, 24),
    get_device_name=lambda index: ("RTX 4090", "RTX 5090")[index],
    get_device_capability=lambda index: ((8, 9), (12, 0))[index],
)
warnings.warn("sm_120 is not compatible with the current PyTorch installation")


def device(kind, index):
    return index


def ones(size, device):
    if device == 1:
        raise RuntimeError("CUDA error: no kernel image is available")
    return Namespace(add_=lambda more: Namespace(item=lambda: 2.0))
"""


def test_the_probe_tries_every_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch_that(tmp_path, monkeypatch, TWO_GPUS)
    facts = probe_torch()
    assert isinstance(facts, TorchFacts)
    first, second = facts.gpus
    assert replace(first, kernels=None) == Gpu("RTX 4090", (8, 9), 20, 24)
    assert (first.kernels or "").startswith("ImportError: cannot import name")  # of such a torch
    assert second == Gpu("RTX 5090", (12, 0), 0, 0, "CUDA error: no kernel image is available")
    assert "sm_120" in facts.warnings


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise ImportError('libcudart.so.12: cannot open shared object file')", "libcudart"),
        ("import os; os._exit(9)", "exit code 9"),
        ("print('{}'); raise SystemExit", "exit code 0"),
        ("import time; time.sleep(60)", "took longer than 0.5 s"),
    ],
)
def test_a_broken_torch_is_reported_and_does_not_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, said: str
) -> None:
    torch_that(tmp_path, monkeypatch, code)
    found = probe_torch(0.5 if "sleep" in code else 30)
    assert isinstance(found, str)
    assert said in found


def test_a_broken_torch_has_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    torch_that(tmp_path, monkeypatch, "raise ImportError('torch was broken')")
    torch, _ = torch_checks()
    assert not torch.ok
    assert "torch was broken" in torch.detail
    assert install_command("local") in torch.remedy


def test_without_torch_nothing_is_probed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "deepseek_ocr_rag.cli.doctor.torch_checks.installed_version", lambda name: None
    )
    monkeypatch.setattr(sys, "executable", "/no/interpreter")
    assert torch_checks() == ()


# --- the disk -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "below"),
    [("HF_HUB_CACHE", ""), ("HF_HOME", "hub"), ("XDG_CACHE_HOME", "huggingface/hub")],
)
def test_the_folder_of_the_weights_comes_from_the_environment(
    tmp_path: Path, name: str, below: str
) -> None:
    check = disk_check({name: str(tmp_path / "cache")})
    assert str(tmp_path / "cache" / below).rstrip("/") in check.detail


def test_existing_weights_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=GB))
    assert not disk_check({"HF_HUB_CACHE": str(tmp_path)}).ok
    snapshot = tmp_path / "models--deepseek-ai--DeepSeek-OCR" / "snapshots" / "9f30"
    snapshot.mkdir(parents=True)
    (snapshot / "model-00001-of-000001.safetensors").touch()
    check = disk_check({"HF_HUB_CACHE": str(tmp_path)})
    assert check.ok
    assert check.detail.endswith("which has deepseek-ai/DeepSeek-OCR")
