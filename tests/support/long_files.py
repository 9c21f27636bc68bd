"""The test files that take the longest, which begin first: none of them is what is waited for at the end."""

from __future__ import annotations

__all__ = ["LONG_FILES"]

LONG_FILES = (
    "tests/docs/test_code_blocks.py",
    "tests/backends/test_every_engine.py",
    "tests/service/page/test_long_document.py",
    "tests/service/page/test_hostile_documents.py",
    "tests/service/page/test_hostile_answers.py",
    "tests/service/page/test_accessibility.py",
    "tests/service/page/test_asking.py",
    "tests/service/callbacks/test_callback_sender.py",
    "tests/promises/test_hostile.py",
    "tests/promises/test_privacy.py",
    "tests/promises/test_orphans.py",
    "tests/backends/transformers/test_backend.py",
    "tests/backends/local/test_backend.py",
    "tests/training/test_finetuning.py",
    "tests/training/test_small_reader.py",
    "tests/batch/test_ray_runs.py",
    "tests/batch/test_local_runs.py",
    "tests/service/page/test_reading.py",
    "tests/service/page/test_correcting.py",
    "tests/service/page/test_bad_documents.py",
    "tests/engine/test_peers.py",
    "tests/engine/kernels/test_kernel_ops.py",
    "tests/sources/isolation/test_document.py",
    "tests/backends/transformers/test_generation.py",
    "tests/backends/lite/test_backend.py",
    "tests/training/test_reader_tool.py",
    "tests/mcp/test_http_endpoint.py",
    "tests/llm/test_answers.py",
    "tests/promises/test_signals.py",
    "integrations/langchain/tests/test_readme.py",
    "integrations/llama_index/tests/test_readme.py",
)
"""Those that wait for browsers and processes first, while lint, notebooks and the site take the processor."""
