"""A checkpoint of the full size in eight bits, in the layout of compressed-tensors, on a GPU."""

from __future__ import annotations

import gc
import json
import re
import shutil
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from deepseek_ocr_rag.engine.runner import PageImage
from deepseek_ocr_rag.engine.sequence import PageTask
from deepseek_ocr_rag.engine.startup import EngineSettings, start_engine
from deepseek_ocr_rag.model.checkpoint import find_checkpoint
from deepseek_ocr_rag.model.families import FAMILIES
from deepseek_ocr_rag.model.ngrams import NoRepeat
from deepseek_ocr_rag.model.prompts import MODES
from deepseek_ocr_rag.model.tokenizer import IMAGE
from deepseek_ocr_rag.model.views import page_grid

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
FAMILY = FAMILIES["deepseek-ocr"]
TOKENS = 64
MEMORY = 24 * 2**30
LINEAR = re.compile(r"model\.layers\.\d+\.(?:self_attn|mlp)\..*_proj\.weight")
WEIGHTS = {"num_bits": 8, "type": "float", "strategy": "channel", "symmetric": True}


@pytest.fixture
def folders(checkpoint: Path, tmp_path: Path) -> tuple[Path, Path]:
    """The checkpoint with the decoder's linear layers in eight bits, and with what these say."""
    stored = load_file(checkpoint / "model.safetensors")
    plain = dict(stored)
    for name in filter(LINEAR.fullmatch, list(stored)):
        weight = stored[name].cuda().float()
        scales = weight.abs().amax(1, keepdim=True) / 448
        eight = (weight / scales).to(torch.float8_e4m3fn)
        stored[name], stored[f"{name}_scale"] = eight.cpu(), scales.cpu()
        plain[name] = (eight.float() * scales).bfloat16().cpu()
    config = json.loads((checkpoint / "config.json").read_text())
    config["quantization_config"] = {
        "quant_method": "compressed-tensors",
        "format": "float-quantized",
        "quantization_status": "compressed",
        "ignore": ["lm_head"],
        "config_groups": {"group_0": {"targets": ["Linear"], "weights": WEIGHTS}},
    }
    places = tmp_path / "eight", tmp_path / "plain"
    for place, tensors in zip(places, (stored, plain), strict=True):
        place.mkdir()
        for file in checkpoint.glob("*.json"):
            shutil.copyfile(file, place / file.name)
        save_file(tensors, place / "model.safetensors")
    (places[0] / "config.json").write_text(json.dumps(config))
    return places


def test_a_file_in_eight_bits_writes_what_its_numbers_do(folders: tuple[Path, Path]) -> None:
    mode = MODES["gundam"]
    count = FAMILY.image_tokens(FAMILY.view_sides(mode)[0], page_grid(900, 1200, mode, FAMILY))
    pixels = torch.randint(0, 256, (1200, 900, 3), dtype=torch.uint8).pin_memory()
    written = []
    for place in folders:
        begin = time.perf_counter()
        engine = start_engine(find_checkpoint(place), EngineSettings(memory_limit=MEMORY))
        took = time.perf_counter() - begin
        try:
            page = PageTask(
                [0, *[IMAGE] * count, *range(100, 108)],
                PageImage(pixels, mode, FAMILY),
                NoRepeat(30, 90),
                TOKENS,
                min_new_tokens=TOKENS,
            )
            written.append(engine.submit(page).result(120).tokens)
        finally:
            engine.close()
            # The next one finds its memory free.
            del engine
            gc.collect()
            torch.cuda.empty_cache()
            torch.cuda.set_per_process_memory_fraction(1.0)
        size = (place / "model.safetensors").stat().st_size
        print(f"{place.name}: {size / 1e9:.2f} GB, ready after {took:.1f} s")
    assert written[0] == written[1]
