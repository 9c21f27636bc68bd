"""Recognises messages that users have reported, and names their cures."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepseek_ocr_rag.backends.known_failures import (
    KNOWN_FAILURES,
    LONGEST_TEXT,
    failure_named,
    known_failures,
    remedy_for,
)

REPORTED = [
    (
        "RuntimeError: Failed to find C compiler. Please specify via CC environment variable.",
        "no C compiler",
        "apt install gcc",
    ),
    (
        "/tmp/tmpcq/cuda_utils.c:6:10: fatal error: Python.h: No such file or directory",
        "no C compiler",
        "python3-dev",
    ),
    (
        "subprocess.CalledProcessError: Command '['/usr/bin/gcc', '/tmp/tmpx1/cuda_utils.c', '-O3', "
        "'-shared', '-fPIC', '-Wno-psabi']' returned non-zero exit status 1.",
        "no C compiler",
        "python3-dev",
    ),
    (
        "ptxas fatal   : Value 'sm_121a' is not defined for option 'gpu-name'",
        "GPU unknown to Triton",
        "TRITON_PTXAS_PATH",
    ),
    (
        "'sm_120' is not a recognized processor for this target (ignoring processor)",
        "GPU unknown to Triton",
        "newest torch",
    ),
    ("Triton 3.2.0 is older than 3.5, which comes with torch 2.9", "Triton too old", "torch 2.9"),
    (
        "AttributeError: module 'triton' has no attribute 'AsyncCompileMode'",
        "Triton too old",
        "torch 2.9",
    ),
    ("the local engine cannot run here: Triton is not installed", "Triton missing", "CUDA build"),
    (
        "ImportError: cannot import name 'LlamaFlashAttention2' from 'transformers.models.llama."
        "modeling_llama' (/usr/local/lib/python3.12/dist-packages/transformers/models/llama/"
        "modeling_llama.py). Did you mean: 'LlamaAttention'?",
        "LlamaFlashAttention2",
        "transformers 4.46.3",
    ),
    (
        "AttributeError: 'DynamicCache' object has no attribute 'get_max_length'. Did you mean: "
        "'get_seq_length'?",
        "transformers too new",
        "transformers 4.46.3",
    ),
    (
        "ImportError: cannot import name 'is_torch_fx_available' from "
        "'transformers.utils.import_utils'",
        "transformers too new",
        "transformers 4.46.3",
    ),
    (
        "ImportError: cannot import name 'GenerationMixin' from 'transformers.generation' (/usr/"
        "local/lib/python3.11/dist-packages/transformers/generation/__init__.py)",
        "transformers too new",
        "transformers 4.46.3",
    ),
    (
        "AttributeError: 'DeepseekVLV2ForCausalLM' object has no attribute 'infer'",
        "no infer",
        '"transformers"',
    ),
    (
        "UnusableCodeError: infer returned NoneType instead of the text",
        "infer returns nothing",
        "hf download",
    ),
    (
        "TypeError: DeepseekOCRForCausalLM.infer() got an unexpected keyword argument 'eval_mode'",
        "infer returns nothing",
        "hf download",
    ),
    (
        "ImportError: This modeling file requires the following packages that were not found in "
        "your environment: addict, matplotlib. Run `pip install addict matplotlib`",
        "packages of the published code",
        "[official]",
    ),
    (
        "ValueError: Unrecognized configuration class <class 'transformers_modules.deepseek-ai."
        "DeepSeek-OCR.9f30c71f441d010e5429c532364a86705536c53a.modeling_deepseekocr."
        "DeepseekOCRConfig'> for this kind of AutoModel: AutoModelForVision2Seq.",
        "AutoModelForVision2Seq",
        "AutoModel",
    ),
    (
        "RuntimeError: FlashAttention only supports Ampere GPUs or newer.",
        "GPU too old for flash-attn",
        "eager",
    ),
    (
        "Model loading failed: /home/appuser/.local/lib/python3.10/site-packages/flash_attn_2_cuda."
        "cpython-310-x86_64-linux-gnu.so: undefined symbol: _ZN3c105ErrorC2ENS_14SourceLocation",
        "flash-attn mismatched",
        "--no-build-isolation",
    ),
    (
        "ImportError: libcudart.so.12: cannot open shared object file: No such file or directory",
        "flash-attn mismatched",
        "flash-attn==2.7.3",
    ),
    (
        "Building wheel for flash-attn (setup.py) ... ",
        "flash-attn cannot be built",
        "no backend needs flash-attn",
    ),
    (
        "OSError: CUDA_HOME environment variable is not set. Please set it to your CUDA install root.",
        "flash-attn cannot be built",
        "no backend needs flash-attn",
    ),
    (
        "FlashAttention2 has been toggled on, but it cannot be used due to the following error: "
        "the package flash_attn seems to be not installed. Please refer to the documentation",
        "flash-attn missing",
        'attention="eager"',
    ),
    (
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 352.00 MiB. GPU 0 has a "
        "total capacity of 11.75 GiB of which 278.19 MiB is free.",
        "out of memory",
        'quantization="8bit"',
    ),
    (
        "RuntimeError: MPS backend out of memory (MPS allocated: 17.10 GB, max allowed: 18.13 GB)",
        "out of memory",
        'quantization="8bit"',
    ),
    (
        "You are attempting to use Flash Attention 2.0 with a model not initialized on GPU.\n"
        "fish: Job 1, 'python start_ocr_webui.py' terminated by signal SIGKILL (Forced quit)",
        "out of memory",
        'quantization="8bit"',
    ),
    (
        "ValueError: No available memory for the cache blocks. Try increasing "
        "`gpu_memory_utilization` when initializing the engine.",
        "out of GPU memory at start of vLLM",
        "--gpu-memory-utilization",
    ),
    (
        "ValueError: Free memory on device (67.24/79.25 GiB) on startup is less than desired GPU "
        "memory utilization (0.9, 71.33 GiB). Decrease GPU memory utilization",
        "out of GPU memory at start of vLLM",
        "--gpu-memory-utilization",
    ),
    (
        "AssertionError: Torch not compiled with CUDA enabled",
        "torch without CUDA",
        "https://pytorch.org",
    ),
    (
        "Error during inference: Found no NVIDIA driver on your system. Please check that you have "
        "an NVIDIA GPU and installed a driver from http://www.nvidia.com/Download/index.aspx",
        "no NVIDIA driver",
        "--gpus all",
    ),
    (
        "UserWarning: CUDA initialization: The NVIDIA driver on your system is too old (found "
        "version 12060). Please update your GPU driver",
        "NVIDIA driver too old",
        "Update the driver",
    ),
    (
        "NVIDIA GeForce RTX 5090 with CUDA capability sm_120 is not compatible with the current "
        "PyTorch installation.",
        "GPU unknown to torch",
        "newest torch",
    ),
    (
        "RuntimeError: CUDA error: no kernel image is available for execution on the device",
        "GPU unknown to torch",
        "newest torch",
    ),
    (
        "Found GPU0 NVIDIA GB10 which is of cuda capability 12.1.\n    Minimum and Maximum cuda "
        "capability supported by this version of PyTorch is\n    (8.0) - (12.0)",
        "GPU unknown to torch",
        "GB10",
    ),
    (
        "RuntimeError: CUDA error: invalid device ordinal",
        "invalid device",
        "CUDA_VISIBLE_DEVICES",
    ),
    (
        "RuntimeError: Expected one of cpu, cuda, ipu, xpu, mkldnn, opengl device type at start "
        "of device string: gpu",
        "invalid device",
        'device="cuda:0"',
    ),
    (
        "ValueError: Bfloat16 is only supported on GPUs with compute capability of at least 8.0. "
        "Your Tesla V100-SXM2-32GB GPU has compute capability 7.0.",
        "bfloat16 unsupported",
        "float16",
    ),
    (
        "RuntimeError: Input type (c10::BFloat16) and bias type (c10::Half) should be the same",
        "bfloat16 unsupported",
        "float16",
    ),
    (
        "RuntimeError: masked_scatter_: expected self and source to have same dtypes but got Half"
        " and BFloat16",
        "bfloat16 unsupported",
        "float16",
    ),
    (
        "ValueError: NGramPerReqLogitsProcessor is not a subclass of "
        "vllm.v1.worker.gpu.sample.logits_processor.LogitsProcessor",
        "vLLM refuses the n-gram processor",
        "VLLM_USE_V2_MODEL_RUNNER=0",
    ),
    (
        "ValueError: Model Runner V2 does not yet support: custom logits processors",
        "vLLM refuses the n-gram processor",
        "VLLM_USE_V2_MODEL_RUNNER=0",
    ),
    (
        "pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig\n  Value "
        "error, Model architectures ['DeepseekOCRForCausalLM'] are not supported for now.",
        "vLLM too old",
        "vllm>=0.11.1",
    ),
    (
        "ModuleNotFoundError: No module named 'vllm.model_executor.models.deepseek_ocr'",
        "vLLM too old",
        "vllm>=0.11.1",
    ),
    (
        "Error code: 400 - {'error': {'message': \"[{'type': 'string_type', 'loc': ('body', "
        "'vllm_xargs', 'whitelist_token_ids', 'str'), 'msg': 'Input should be a valid string'",
        "vLLM settings of the request",
        "vllm>=0.11.1",
    ),
    (
        "ERROR: vllm-0.8.5+cu118-cp38-abi3-manylinux1_x86_64.whl is not a supported wheel on this "
        "platform.",
        "no wheel for this machine",
        "WSL",
    ),
    (
        "ERROR: No matching distribution found for flash-attn==2.7.3",
        "no wheel for this machine",
        "neither flash-attn nor vLLM",
    ),
    (
        "Error: pull model manifest: 412:\nThe model you are attempting to pull requires a newer "
        "version of Ollama that may be in pre-release.",
        "Ollama or llama.cpp too old",
        "https://ollama.com/download",
    ),
    (
        "Loading safetensors checkpoint shards: 100% Completed | 1/1 [00:27<00:00, 27.73s/it]",
        "very slow load",
        "SSD",
    ),
    (
        "torch/amp/autocast_mode.py:270: UserWarning: User provided device_type of 'cuda', but "
        "CUDA is not available. Disabling",
        "slow: on the CPU",
        '"lite"',
    ),
    (
        "<|ref|>image<|/ref|><|det|>[[746, 530, 968, 890]]<|/det|>",
        "tags left in the output",
        "dsocr parse",
    ),
    (
        "title[[20, 37, 459, 160]]\nWhat is Lorem Ipsum? \n\ntext[[20, 214, 978, 959]]",
        "tags left in the output",
        "skip_special_tokens",
    ),
    (
        # llama.cpp, build 11549, HTTP 500
        "image input is not supported - hint: if this is unexpected, you may need to provide the "
        "mmproj",
        "no picture encoder",
        "--mmproj",
    ),
    (
        # Ollama 0.33, HTTP 400
        '{"error":{"code":400,"message":"Multimodal data provided, but model does not support '
        'multimodal requests.","type":"invalid_request_error"}}',
        "no picture encoder",
        "deepseek-ocr",
    ),
    (
        # llama.cpp, build 11549, HTTP 400
        "request (2283 tokens) exceeds the available context size (1024 tokens), try increasing it",
        "context too short",
        "--ctx-size",
    ),
    (
        # Ollama 0.24, HTTP 500
        "model requires more system memory (666.3 MiB) than is available (558.9 MiB)",
        "more memory than there is",
        "ollama stop",
    ),
    (
        "<table>ItemCostLamps31,750Wiring work16,450</table>",
        "tags left in the output",
        "--special",
    ),
]


@pytest.mark.parametrize(
    ("message", "name", "cure"), REPORTED, ids=[f"{name}: {m[:30]}" for m, name, _ in REPORTED]
)
def test_a_reported_message_is_known_with_its_cure(message: str, name: str, cure: str) -> None:
    (first, *_) = known_failures(message)
    assert first.name == name
    assert cure in first.cure
    assert remedy_for(message) == first.cure


def test_every_known_failure_has_a_reported_message() -> None:
    assert {failure.name for failure in KNOWN_FAILURES} == {name for _, name, _ in REPORTED}


@pytest.mark.parametrize(
    "message",
    [
        "",
        "everything is fine",
        "KeyError: 'page'",
        # Printed whenever the published code is loaded, and harmless.
        "You are using a model of type deepseek_vl_v2 to instantiate a model of type DeepseekOCR.",
        "Some weights of DeepseekOCRForCausalLM were not initialized from the model checkpoint",
        "Loading safetensors checkpoint shards: 100% Completed | 1/1 [00:00<00:00,  2.01it/s]",
        "Loading safetensors checkpoint shards: 100% Completed | 1/1 [00:03<00:00,  3.01s/it]",
        "INFO: the memory of the page was freed, and bfloat16 was used",
    ],
)
def test_text_without_a_failure_is_not_explained(message: str) -> None:
    assert known_failures(message) == ()
    assert remedy_for(message) is None


def test_a_log_names_all_that_it_shows_the_most_telling_first() -> None:
    log = "\n".join(message for message, name, _ in REPORTED if name == "very slow load")
    log += "\nCUDA out of memory. Tried to allocate\n<|det|>[[1, 2, 3, 4]]<|/det|>"
    names = [failure.name for failure in known_failures(log)]
    assert names == ["out of memory", "very slow load", "tags left in the output"]


def test_the_end_of_a_long_log_counts() -> None:
    noise = "word " * (LONGEST_TEXT // 4)
    assert known_failures(f"CUDA out of memory {noise}") == ()
    assert known_failures(f"{noise} CUDA out of memory")[0].name == "out of memory"


@pytest.mark.parametrize(
    "piece",
    [
        "Unrecognized configuration class ",
        "Loading checkpoint shards: ",
        "flash_attn_a.",
        "'Deepseek",
        "detected CUDA version ",
        "infer has no argument ",
        "1",
        "text[[1, ",
        "Building wheel for flash-attn ",
    ],
)
def test_text_made_to_be_slow_is_searched_fast(piece: str) -> None:
    text = piece * (400_000 // len(piece))
    start = time.thread_time()
    known_failures(text)
    assert time.thread_time() - start < 5


@given(st.text())
def test_any_text_is_explained_or_not(text: str) -> None:
    assert isinstance(known_failures(text), tuple)


def test_names_are_unique_and_every_entry_is_whole() -> None:
    names = [failure.name for failure in KNOWN_FAILURES]
    assert len(set(names)) == len(names)
    for failure in KNOWN_FAILURES:
        assert failure_named(failure.name) is failure
        assert failure.meaning.endswith(".")
        assert failure.cure.endswith(".")
        assert failure.source.startswith("https://")
        assert set(failure.backends) <= {"local", "official", "transformers", "server", "ollama"}
        assert failure.backends
