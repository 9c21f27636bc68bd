"""Failures of the kernels that the local engine compiles, as users of Triton have reported them."""

from __future__ import annotations

from typing import Final

from ..known_failure import KnownFailure

__all__ = ["KERNEL_FAILURES"]

_TRITON = "https://github.com/triton-lang/triton"

KERNEL_FAILURES: Final = (
    KnownFailure(
        "no C compiler",
        (
            r"Failed to find C compiler",
            r"Python\.h: No such file or directory",
            r"cuda_utils\.c'",
        ),
        "Triton builds a small program for the driver when it is first used, with a C compiler and "
        "Python's headers.",
        "Install both: on Debian and Ubuntu `apt install gcc python3-dev`, on Fedora "
        "`dnf install gcc python3-devel`. A Python that uv or conda installed has the headers.",
        ("local",),
        "https://github.com/kijai/ComfyUI-HunyuanVideoWrapper/issues/23",
    ),
    KnownFailure(
        "GPU unknown to Triton",
        (
            r"Value 'sm_\w+' is not defined for option 'gpu-name'",
            r"'sm_\w+' is not a recognized processor",
        ),
        "This Triton brings an assembler that is older than the GPU (GB10, Jetson Thor, RTX 50xx).",
        "Install the newest torch, whose Triton is newer (GB10: torch 2.11 for CUDA 13 or newer). Or name the "
        "assembler of an installed CUDA 13: export TRITON_PTXAS_PATH=/usr/local/cuda/bin/ptxas "
        "and TRITON_PTXAS_BLACKWELL_PATH likewise.",
        ("local",),
        f"{_TRITON}/issues/8539",
    ),
    KnownFailure(
        "Triton too old",
        (r"has no attribute 'AsyncCompileMode'", r"Triton [\w.+]{1,40} is older than 3\.5"),
        "The local engine compiles its kernels in parallel, which Triton supports since 3.5.",
        "Install torch 2.9 or newer, which brings it (https://pytorch.org/get-started/locally), or use "
        'the backend "transformers".',
        ("local",),
        f"{_TRITON}/releases",
    ),
    KnownFailure(
        "Triton missing",
        (r"Triton is not installed",),
        "Triton comes with the CUDA builds of torch for Linux; other builds of torch lack it.",
        "On Linux, install a CUDA build of torch (https://pytorch.org/get-started/locally; on a Jetson, "
        'NVIDIA\'s own). On Windows use WSL, or the backend "transformers".',
        ("local",),
        f"{_TRITON}/issues/1057",
    ),
)
