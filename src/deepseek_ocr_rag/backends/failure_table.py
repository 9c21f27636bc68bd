"""Failures that users of DeepSeek-OCR have reported: how to recognise, explain and fix them.

Each entry names its source: a report, or the documentation or the code of the program
that prints the message.
"""

from __future__ import annotations

from typing import Final

from ..installing import install_command
from .known_failure import KnownFailure

__all__ = ["PUBLISHED_FAILURES"]


_OCR = "https://github.com/deepseek-ai/DeepSeek-OCR/issues"
_LLAMA_CPP = "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md"
_VLLM = "https://github.com/vllm-project/vllm"

_OWN_ENVIRONMENT = (
    "in a separate environment (python -m venv official-env; "
    f"{install_command('official', pip='official-env/bin/pip')}) and name its interpreter in "
    'DSOCR_OFFICIAL_PYTHON, or in OfficialBackend(python="official-env/bin/python"). The backend '
    '"transformers" does not need '
    "the published code; it needs transformers 5.20 or newer."
)

PUBLISHED_FAILURES: Final = (
    KnownFailure(
        "LlamaFlashAttention2",
        (r"cannot import name '?LlamaFlashAttention2",),
        "The published code imports a class that transformers 4.48 removed.",
        f"Install transformers 4.46.3 {_OWN_ENVIRONMENT}",
        ("official",),
        f"{_OCR}/302",
    ),
    KnownFailure(
        "transformers too new",
        (
            r"'DynamicCache' object has no attribute '(get_max_length|seen_tokens|get_usable_length)'",
            r"cannot import name '(is_torch_fx_available|is_torch_greater_or_equal_than_1_13)'",
            r"'Deepseek\w{0,40}' object has no attribute '(generate|_extract_past_from_model_output)'",
            r"cannot import name '?GenerationMixin",
        ),
        "The published code uses parts of transformers that newer releases have removed.",
        f"Install transformers 4.46.3 {_OWN_ENVIRONMENT}",
        ("official",),
        f"{_OCR}/237",
    ),
    KnownFailure(
        "no infer",
        (r"has no attribute '?infer\b",),
        "The weights were loaded without the published code, which defines infer: remote code "
        "was not allowed, the folder has no modeling_deepseekocr.py, or transformers used a class "
        "of its own.",
        'Use the backend "transformers", which needs no infer; or download the whole folder '
        "(hf download deepseek-ai/DeepSeek-OCR), install transformers 4.46.3 and allow remote "
        "code.",
        ("official",),
        "https://huggingface.co/docs/transformers/model_doc/deepseek_ocr2",
    ),
    KnownFailure(
        "infer returns nothing",
        (
            r"infer returned NoneType",
            r"infer has no argument [\w, ]{0,200}eval_mode",
            r"unexpected keyword argument 'eval_mode'",
        ),
        "infer returns its text only with eval_mode=True, which the first published code and some "
        "copies of it lack.",
        "Download the current code: hf download deepseek-ai/DeepSeek-OCR.",
        ("official",),
        f"{_OCR}/249",
    ),
    KnownFailure(
        "packages of the published code",
        (
            r"This modeling file requires the following packages",
            r"No module named '(addict|easydict|einops)'",
        ),
        "The published code imports packages that are not installed.",
        f"Install them, with transformers 4.46.3, {_OWN_ENVIRONMENT}",
        ("official",),
        f"{_OCR}/5",
    ),
    KnownFailure(
        "AutoModelForVision2Seq",
        (r"Unrecognized configuration class .{0,200}DeepseekOCRConfig",),
        "The published code registers itself for AutoModel only.",
        'Load it with AutoModel, or use the backend "transformers" or "official".',
        ("official",),
        f"{_OCR}/7",
    ),
    KnownFailure(
        "GPU too old for flash-attn",
        (r"FlashAttention only supports Ampere GPUs or newer",),
        "flash-attn does not run on this GPU (T4, V100, RTX 20xx and older).",
        'Set attention="eager", or uninstall flash-attn; the text is the same without it.',
        ("official",),
        "https://github.com/Dao-AILab/flash-attention/issues/762",
    ),
    KnownFailure(
        "flash-attn mismatched",
        (
            r"flash_attn\w{0,40}\.\w{0,60}[\w.-]{0,60}: undefined symbol",
            r"DLL load failed while importing flash_attn",
            r"libcudart\.so\.\d+: cannot open shared object file",
        ),
        "flash-attn was built for another torch or another CUDA than the ones installed.",
        "Build it again for this torch: pip install --no-build-isolation --no-cache-dir "
        '--force-reinstall --no-deps flash-attn==2.7.3. Or uninstall it and set attention="eager".',
        ("official", "server"),
        "https://github.com/newlxj/DeepSeek-OCR-Web-UI/issues/9",
    ),
    KnownFailure(
        "flash-attn cannot be built",
        (
            r"Failed (building wheel for|to build) flash.attn",
            r"Building wheel for flash.attn .{0,40}(error|\.\.\. *$)",
            r"CUDA_HOME environment variable is not set",
            r"detected CUDA version .{0,80}mismatches the version that was used to compile",
        ),
        "There is no prebuilt flash-attn for this combination of Python, torch and CUDA, so pip "
        "compiles it, which can take hours and needs the CUDA toolkit of torch's version.",
        "Do without it: no backend needs flash-attn, and the text is the same. Otherwise install "
        "the CUDA toolkit, run pip install ninja and then, with MAX_JOBS=4 set, "
        "pip install --no-build-isolation flash-attn==2.7.3.",
        ("official",),
        f"{_OCR}/187",
    ),
    KnownFailure(
        "flash-attn missing",
        (
            r"the package flash_attn seems to be not installed",
            r"No module named '?flash_attn",
        ),
        "flash_attention_2 was requested, but flash-attn is not installed.",
        'Set attention="eager" (in other programs _attn_implementation="eager"), or install it: '
        "pip install --no-build-isolation flash-attn==2.7.3.",
        ("official",),
        "https://github.com/newlxj/DeepSeek-OCR-Web-UI/issues/9",
    ),
    KnownFailure(
        "out of GPU memory at start of vLLM",
        (
            r"No available memory for the cache blocks",
            r"less than desired GPU memory utilization",
        ),
        "vLLM reserves a share of the whole card, which is too small or already in use.",
        "Stop other programs that use the card (nvidia-smi shows them), then give vLLM the "
        "share that is free: --gpu-memory-utilization 0.5 of 24 GB is enough.",
        ("server",),
        f"{_VLLM}/issues/2248",
    ),
    KnownFailure(
        "out of memory",
        (
            r"CUDA out of memory",
            r"MPS backend out of memory",
            r"CUDA error: out of memory",
            r"DefaultCPUAllocator: (can't allocate|not enough) memory",
            r"terminated by signal SIGKILL",
            r"Out of memory: Killed process",
        ),
        "The weights take 6.7 GB in 16 bits, and a page another 1 to 4 GB.",
        'With "local", which keeps within gpu_memory_limit (GiB) and reads fewer pages at a time: '
        'cache="fp8" (Ada, Hopper and newer) halves the memory of each page, weights="int8" '
        '(or "fp8", which is faster there) takes 2.4 GB less. With "transformers", which reads '
        'smaller batches if memory is short: quantization="8bit" or "4bit". Or resolution "base" or "small"; or Ollama.',
        ("local", "transformers", "official", "server"),
        f"{_OCR}/91",
    ),
    KnownFailure(
        "torch without CUDA",
        (r"Torch not compiled with CUDA enabled",),
        "This torch was built for the CPU, but the published code runs on CUDA only.",
        "With an NVIDIA card, install the build of torch that "
        "https://pytorch.org/get-started/locally names for it. Without one, use the backend "
        '"transformers" (also on Apple GPUs and, slowly, on a CPU), Ollama, or "lite".',
        ("official", "transformers"),
        "https://github.com/kotlef/deepseekocrGradio/issues/2",
    ),
    KnownFailure(
        "no NVIDIA driver",
        (r"Found no NVIDIA driver on your system",),
        "torch needs an NVIDIA driver, and this machine has none. A container sees the driver "
        "only if it was started with --gpus all.",
        'Install the driver, start the container with --gpus all, or use "transformers" with '
        'device="cpu", Ollama, or "lite".',
        ("official", "transformers"),
        f"{_OCR}/74",
    ),
    KnownFailure(
        "NVIDIA driver too old",
        (r"NVIDIA driver on your system is too old", r"CUDA driver version is insufficient"),
        "This torch needs a newer driver than the installed one.",
        "Update the driver, or install a torch for the CUDA version that nvidia-smi shows "
        "(https://pytorch.org/get-started/previous-versions).",
        ("official", "transformers", "server"),
        "https://github.com/rdumasia303/deepseek_ocr_app/issues/5",
    ),
    KnownFailure(
        "GPU unknown to torch",
        (
            r"no kernel image is available for execution on the device",
            r"is not compatible with the current PyTorch installation",
            r"Minimum and Maximum cuda capability supported by this version of PyTorch",
        ),
        "This torch does not support this GPU, which is newer (RTX 50xx, GB10) or much older.",
        "For a new card, install the newest torch (RTX 50xx needs at least 2.7, GB10 a build for "
        "CUDA 13: https://pytorch.org/get-started/locally) and use the backend "
        '"transformers", which runs with it.',
        ("official", "transformers", "server"),
        f"{_OCR}/159",
    ),
    KnownFailure(
        "invalid device",
        (r"invalid device ordinal", r"Invalid device string", r"Expected one of cpu, cuda"),
        "This machine does not have the device that was named.",
        'Name one that `dsocr doctor` shows, such as device="cuda:0", or leave device out. '
        "CUDA_VISIBLE_DEVICES renumbers: the first visible card is cuda:0.",
        ("transformers", "official", "server"),
        "https://github.com/sgl-project/sglang/issues/6072",
    ),
    KnownFailure(
        "bfloat16 unsupported",
        (
            r"Bfloat16 is only supported on GPUs with compute capability of at least 8\.0",
            r"(device|GPU) does not support bfloat16",
            r"BFloat16 is not supported on MPS",
            r"Input type \(c10::BFloat16\) and bias type",
            r"expected self and source to have same dtypes but got (Half|Float|BFloat16)",
        ),
        "The model is published in bfloat16, which GPUs before Ampere (T4, V100, RTX 20xx) do not "
        "support, and the published code mixes formats if another one is requested.",
        'Use the backend "transformers", which chooses float16 or float32 by itself; for vLLM add '
        "--dtype float16, though its DeepSeek-OCR may fail on some of these cards.",
        ("server", "official"),
        "https://github.com/Bogdanovich77/DeekSeek-OCR---Dockerized-API/issues/12",
    ),
    KnownFailure(
        "vLLM refuses the n-gram processor",
        (
            r"is not a subclass of vllm\.v1\.worker\.gpu\.sample\.logits_processor",
            r"Model Runner V2 does not yet support.{0,80}logits processors",
            r"V1-interface plugins are not supported by the V2 model runner",
        ),
        "vLLM's new model runner, the default since 0.31, accepts only a new kind of logits "
        "processor, and DeepSeek-OCR's is of the old kind.",
        "Start the server with VLLM_USE_V2_MODEL_RUNNER=0 (dsocr serve-command vllm prints the "
        "whole command). Without the processor, pages repeat themselves.",
        ("server",),
        f"{_VLLM}/pull/56497",
    ),
    KnownFailure(
        "vLLM too old",
        (
            r"Model architectures \['DeepseekOCRForCausalLM'\] are not supported",
            r"No module named 'vllm\.model_executor\.models\.deepseek_ocr'",
        ),
        "This vLLM does not support DeepSeek-OCR; 0.11.1 was the first that did.",
        'Install a newer one in a separate environment: pip install "vllm>=0.11.1".',
        ("server",),
        f"{_OCR}/244",
    ),
    KnownFailure(
        "vLLM settings of the request",
        (r"vllm_xargs'?, '?whitelist_token_ids",),
        "vLLM before 0.11.1 does not accept lists in the extra arguments of a request.",
        'Install a newer one: pip install "vllm>=0.11.1".',
        ("server",),
        f"{_VLLM}/pull/27560",
    ),
    KnownFailure(
        "no wheel for this machine",
        (
            r"is not a supported wheel on this platform",
            r"No matching distribution found for (flash.attn|vllm|torch)\b",
        ),
        "The package is built for Linux on x86-64 only; this system is ARM (aarch64: Jetson, DGX "
        "Spark, Graviton), macOS or Windows.",
        'Use the backend "transformers", which needs neither flash-attn nor vLLM; torch has CUDA '
        "builds for ARM (https://pytorch.org/get-started/locally; for Jetson, NVIDIA has its "
        'own). On a Mac use Ollama or "transformers"; on Windows these, or vLLM in WSL.',
        ("official", "server"),
        f"{_OCR}/156",
    ),
    KnownFailure(
        "no picture encoder",
        (
            r"image input is not supported.{0,80}mmproj",
            r"model does not support multimodal requests",
            r"takes no images, so it cannot read pages",
        ),
        "The server runs the model without its picture encoder, or a model that has none, so it "
        "cannot see pages.",
        "Start llama.cpp with --mmproj and the encoder's file (dsocr serve-command llama.cpp prints "
        "the command); in Ollama use deepseek-ocr.",
        ("server", "ollama"),
        _LLAMA_CPP,
    ),
    KnownFailure(
        "context too short",
        (
            r"exceeds the available context size",
            r"exceed_context_size_error",
            r"maximum context length is \d+ tokens",
        ),
        "Picture, prompt and reply need up to 8192 tokens, and the server gives each page fewer.",
        "Give each page 8192: llama.cpp with --ctx-size 8192 times the number of --parallel, vLLM "
        "with --max-model-len 8192, Ollama with OllamaBackend(num_ctx=8192).",
        ("server", "ollama"),
        _LLAMA_CPP,
    ),
    KnownFailure(
        "more memory than there is",
        (r"model requires more system memory",),
        "Ollama has less memory than the model and its context need.",
        'Close other programs, end other models (ollama stop), or use the backend "lite".',
        ("ollama",),
        "https://github.com/ollama/ollama/blob/main/llm/server.go",
    ),
    KnownFailure(
        "Ollama or llama.cpp too old",
        (
            r"requires a newer version of Ollama",
            r"unknown model architecture: '?deepseek",
            r"unknown projector type: '?deepseek",
        ),
        "This Ollama or llama.cpp does not support deepseek-ocr; Ollama 0.13.0 was the first that "
        "did, and build 9587 of llama.cpp the first that reads it correctly.",
        "Install the newest (https://ollama.com/download, or "
        "https://github.com/ggml-org/llama.cpp/releases), and restart its server.",
        ("ollama", "server"),
        "https://github.com/ollama/ollama/issues/14876",
    ),
    KnownFailure(
        "very slow load",
        (
            r"Loading (?:safetensors )?checkpoint shards:[^\n]{0,300}?[ ,]\d{2,4}(?:\.\d+)?s/it",
            r"Flash Attention 2\.0 with a model not initialized on GPU",
            r"Flash Attention 2\.0 without specifying a torch dtype",
        ),
        "The weights (6.7 GB) come from a slow disk or a network, or are first loaded into main "
        "memory as 13 GB of float32, as in the published example.",
        "Keep the folder on a local SSD (HF_HOME moves the cache), and 16 GB of memory free for "
        'the published code. The backend "transformers" loads in 16 bits straight to the card.',
        ("official", "server", "transformers"),
        "https://github.com/newlxj/DeepSeek-OCR-Web-UI/issues/15",
    ),
    KnownFailure(
        "slow: on the CPU",
        (
            r"User provided device_type of 'cuda', but CUDA is not available",
            r"CUDA is not available\. Disabling",
        ),
        "torch finds no GPU, so the model runs on the CPU: minutes a page instead of seconds.",
        "If the machine has a GPU, `dsocr doctor` says why torch does not find it. If not, use "
        'the backend "lite", which takes seconds a page, or a server on another machine.',
        ("official", "transformers"),
        "https://github.com/kotlef/deepseekocrGradio/issues/1",
    ),
    KnownFailure(
        "tags left in the output",
        (
            r"<\|/?(ref|det|grounding)\|>",
            r"\b(text|title|sub_title|table|image)\[\[\d+, ?\d+, ?\d+",
            r"<table>(?!\s*<t[drh]|\s*</?t(head|body))[^<]{4}",
        ),
        "This is the model's raw text: <|ref|> names the kind of a block, <|det|> its position.",
        "Read with dsocr or Reader, which turn the tags into boxes, or pass the text through `dsocr "
        "parse`. If only [[..]] is left, or a <table> without <td>, the server drops the tags, and "
        "the cells of tables are lost: start llama.cpp with --special, make a second model with "
        "`dsocr ollama-model` on Ollama 0.30 and newer, send skip_special_tokens=false to vLLM.",
        ("server", "ollama", "official"),
        f"{_OCR}/249",
    ),
)
"""The most specific first: if a log shows several, the first one explains it."""
