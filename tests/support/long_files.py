"""The slowest test files, which start first, so that no run ends waiting for one of them."""

from __future__ import annotations

__all__ = ["LONG_FILES"]

LONG_FILES = (
    "tests/docs/test_code_blocks.py",
    "tests/promises/test_hostile.py",
    "tests/backends/test_every_engine.py",
    "tests/backends/local/test_backend.py",
    "tests/backends/transformers/test_backend.py",
    "tests/promises/test_orphans.py",
    "tests/batch/test_ray_runs.py",
    "tests/batch/test_local_runs.py",
    "tests/sources/isolation/test_document.py",
    "tests/promises/test_privacy.py",
    "tests/agents/test_agents_with_ollama.py",
    "tests/mcp/test_http_endpoint.py",
    "tests/service/page/test_asking.py",
    "tests/engine/kernels/test_kernel_ops.py",
    "tests/engine/kernels/test_vision_kernels.py",
    "tests/backends/transformers/test_generation.py",
    "tests/backends/official/test_backend.py",
    "tests/engine/test_decoder.py",
    "tests/engine/kernels/test_sampling.py",
    "integrations/langchain/tests/test_readme.py",
    "integrations/llama_index/tests/test_readme.py",
)
"""By their seconds of CPU, most first: 170 to 18."""
