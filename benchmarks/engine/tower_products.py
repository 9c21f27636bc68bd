"""What fp8 would save in the vision towers: their matrix products in bf16 and in fp8, by themselves.

    python benchmarks/engine/tower_products.py

Needs a GPU of compute capability 8.9 or newer, and no files. In fp8 each row of activations and each
output of a weight has a scale of its own; rounding the activations is a kernel for each product, as
it would be if nothing were fused. Times are for one page, gundam with six tiles.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import triton
import triton.language as tl
from gpu_time import milliseconds
from torch import Tensor
from torch.nn import functional

LARGEST = 448.0
REPEATS = 20
TILES = 24
"""Views of 640 that go through the towers at once: the tiles of four pages."""

PAGE_ROWS = {"sam": 4096 + 6 * 1600, "clip": 257 + 6 * 101}
BATCH_ROWS = {"sam": TILES * 1600, "clip": TILES * 101}
PRODUCTS = (
    ("sam", "qkv", 12, 768, 2304),
    ("sam", "projection", 12, 768, 768),
    ("sam", "up", 12, 768, 3072),
    ("sam", "down", 12, 3072, 768),
    ("clip", "qkv", 24, 1024, 3072),
    ("clip", "projection", 24, 1024, 1024),
    ("clip", "up", 24, 1024, 4096),
    ("clip", "down", 24, 4096, 1024),
)


@triton.jit
def _rounded(values, stored, scales, width, BLOCK: tl.constexpr, LARGEST: tl.constexpr):  # noqa: N803
    row = tl.program_id(0).to(tl.int64)
    channel = tl.arange(0, BLOCK)
    value = tl.load(values + row * width + channel, mask=channel < width, other=0.0).to(tl.float32)
    scale = tl.maximum(tl.max(tl.abs(value), 0), 1e-12) / LARGEST
    eight = (value / scale).to(stored.dtype.element_ty)
    tl.store(stored + row * width + channel, eight, mask=channel < width)
    tl.store(scales + row, scale)


def rounded(values: Tensor) -> tuple[Tensor, Tensor]:
    rows, width = values.shape
    stored = torch.empty_like(values, dtype=torch.float8_e4m3fn)
    scales = torch.empty(rows, 1, dtype=torch.float32, device=values.device)
    block = triton.next_power_of_2(width)
    _rounded[(rows,)](values, stored, scales, width, BLOCK=block, LARGEST=LARGEST, num_warps=4)
    return stored, scales


def in_a_graph(run: Callable[[], object]) -> float:
    """Milliseconds of one run of many in a graph, in which launching takes no time."""
    run()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(REPEATS):
            run()
    return milliseconds(graph.replay) / REPEATS


def measured(tower: str, layers: int, inputs: int, outputs: int) -> tuple[list[float], float]:
    """Milliseconds a page in bf16, fp8, fp8 with one scale, and of rounding; the error of fp8."""
    values = torch.randn(BATCH_ROWS[tower], inputs, device="cuda", dtype=torch.bfloat16)
    weight = torch.randn(outputs, inputs, device="cuda", dtype=torch.bfloat16) * inputs**-0.5
    bias = torch.randn(outputs, device="cuda", dtype=torch.bfloat16)
    stored, scales = rounded(values)
    eight, weight_scales = rounded(weight)
    one = torch.ones((), device="cuda")

    def fp8(first: Tensor, second: Tensor) -> Tensor:
        return torch._scaled_mm(
            stored, eight.T, first, second, bias, out_dtype=torch.bfloat16, use_fast_accum=True
        )

    exact = functional.linear(values.float(), weight.float(), bias.float())
    error = float((fp8(scales, weight_scales.T).float() - exact).norm() / exact.norm())
    runs = (
        lambda: functional.linear(values, weight, bias),
        lambda: fp8(scales, weight_scales.T),
        lambda: fp8(one, one),
        lambda: rounded(values),
    )
    pages = BATCH_ROWS[tower] / PAGE_ROWS[tower]
    return [in_a_graph(run) * layers / pages for run in runs], error


def main() -> None:
    print(torch.cuda.get_device_name())
    torch.manual_seed(0)
    sums = [0.0] * 4
    print("| product | bf16, ms a page | fp8 | fp8, one scale | rounding | error of fp8 |")
    print("|---|---|---|---|---|---|")
    for tower, name, layers, inputs, outputs in PRODUCTS:
        times, error = measured(tower, layers, inputs, outputs)
        sums = [total + time for total, time in zip(sums, times, strict=True)]
        cells = " | ".join(f"{time:.3f}" for time in times)
        print(f"| {tower}, {name} | {cells} | {error:.4f} |")
    print(f"| all | {' | '.join(f'{total:.2f}' for total in sums)} | |")


if __name__ == "__main__":
    with torch.inference_mode():
        main()
