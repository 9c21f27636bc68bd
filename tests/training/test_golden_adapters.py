"""Adapters on the golden checkpoint, which is in the published layout: merging and gradients.

The adapters are random and change every group that PEFT can change, the routed experts among them:
PEFT's own forward pass is what the merged weights are compared with.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel

from deepseek_ocr_rag.backends.transformers.adapter import merge_adapter
from deepseek_ocr_rag.backends.transformers.generation import generate, image_features
from deepseek_ocr_rag.backends.transformers.model_loading import load_model
from deepseek_ocr_rag.engine.engine import Engine
from deepseek_ocr_rag.engine.reference_ops import ReferenceOps
from deepseek_ocr_rag.engine.runner import Runner
from deepseek_ocr_rag.engine.scheduler import Scheduler
from deepseek_ocr_rag.engine.sequence import PageTask
from deepseek_ocr_rag.engine.weights.config import engine_config
from deepseek_ocr_rag.engine.weights.loading import load_weights
from deepseek_ocr_rag.errors import BackendUnavailableError, ConfigurationError
from deepseek_ocr_rag.model.checkpoint import find_checkpoint
from deepseek_ocr_rag.model.families import FAMILIES
from deepseek_ocr_rag.model.ngrams import NoRepeat
from deepseek_ocr_rag.model.page_prompt import PagePrompt
from deepseek_ocr_rag.model.views import page_views
from deepseek_ocr_rag.training import AdapterSettings, merge
from deepseek_ocr_rag.training.adapters import add_adapter, recompute_activations
from deepseek_ocr_rag.training.batches import batch_loss
from deepseek_ocr_rag.training.loss import with_pictures
from deepseek_ocr_rag.training.samples import TrainingSample
from deepseek_ocr_rag.training.targets import EncodedPage

TARGETS = ("attention", "mlp", "shared", "experts", "projector", "vision")
TIE = 1e-3
"""Where the best two logits are closer, either token is right."""
STEPS = 16


def golden(folder: Path, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    return load_model(find_checkpoint(folder), dtype=dtype, device_map={"": "cpu"})


def adapted(folder: Path, settings: AdapterSettings) -> Any:
    """The golden model with an adapter whose changes are as large as the weights are."""
    torch.manual_seed(5)
    made = add_adapter(golden(folder), settings)
    for name, weight in made.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.02)
    return made.eval()


@pytest.fixture(scope="module")
def random_adapter(golden_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapter")
    made = adapted(golden_checkpoint, AdapterSettings(targets=TARGETS, rank=4, alpha=8))
    made.save_pretrained(str(folder), save_embedding_layers=False)
    return folder


@pytest.fixture(scope="module")
def case(golden_cases: list[Any]) -> Any:
    """The smallest page."""
    return min(golden_cases, key=lambda each: each.facts["image_tokens"])


@pytest.fixture(scope="module")
def prompt(case: Any) -> PagePrompt:
    views = page_views(case.image, case.mode, FAMILIES["deepseek-ocr"])
    return PagePrompt(case.arrays("expected")["input_ids"].tolist(), views, NoRepeat(35), STEPS)


@pytest.fixture(scope="module")
def page(case: Any, prompt: PagePrompt) -> EncodedPage:
    """The golden page with the published model's first tokens as its answer."""
    answer = case.arrays("expected")["greedy"][:24].tolist()
    sample = TrainingSample("golden", Path(), case.prompt, "")
    return EncodedPage(sample, (*prompt.ids, *answer, 1), len(prompt.ids), prompt.views)


@torch.no_grad()
def logits(model: Any, page: EncodedPage) -> torch.Tensor:
    """What the model thinks of every token of the answer."""
    words = with_pictures(
        model, torch.tensor([page.ids]), torch.cat(image_features(model, [page.views]))
    )
    return model(inputs_embeds=words).logits[0, page.prompt - 1 :].float()


def difference(one: torch.Tensor, other: torch.Tensor) -> float:
    """The largest difference, as a share of the largest value."""
    return float((one - other).abs().max() / other.abs().max())


def written(model: Any, prompt: PagePrompt) -> tuple[int, ...]:
    (found,) = generate(model, [prompt])
    return found.tokens


def margins(model: Any, page: EncodedPage, tokens: Sequence[int]) -> list[float]:
    """How far each written token is ahead of the next one."""
    written_page = replace(page, ids=(*page.ids[: page.prompt], *tokens))
    best = logits(model, written_page)[: len(tokens)].topk(2).values
    return (best[:, 0] - best[:, 1]).tolist()


@pytest.fixture(scope="module")
def with_peft(golden_checkpoint: Path, page: EncodedPage, prompt: PagePrompt) -> Any:
    """Logits and text of PEFT's own forward pass, and those without an adapter."""
    made = adapted(golden_checkpoint, AdapterSettings(targets=TARGETS, rank=4, alpha=8))
    inner = made.get_base_model()
    tokens = written(inner, prompt)
    found = logits(inner, page), (tokens, margins(inner, page, tokens))
    with made.disable_adapter():
        return *found, logits(inner, page)


def test_the_adapter_changes_what_the_model_thinks(with_peft: Any) -> None:
    """Otherwise the comparisons below would show nothing."""
    assert difference(with_peft[0], with_peft[2]) > 0.1


def test_a_loaded_adapter_equals_pefts_forward_pass(
    golden_checkpoint: Path, random_adapter: Path, with_peft: Any, page: EncodedPage, prompt: Any
) -> None:
    merged = merge_adapter(golden(golden_checkpoint), random_adapter)
    assert difference(logits(merged, page), with_peft[0]) < 1e-5
    assert same_up_to_ties(written(merged, prompt), *with_peft[1])


def same_up_to_ties(found: Sequence[int], right: Sequence[int], margins: Sequence[float]) -> bool:
    """Whether two texts are the same up to the first token that another is as likely as."""
    steps = next((n for n, margin in enumerate(margins) if margin < TIE), len(margins))
    assert steps > 4
    return list(found[:steps]) == list(right[:steps])


@pytest.mark.parametrize("group", ["experts", "attention"])
def test_each_expert_gets_its_own_change(
    golden_checkpoint: Path, tmp_path: Path, page: EncodedPage, group: str
) -> None:
    settings = AdapterSettings(targets=(group,), rank=3, alpha=3)
    made = adapted(golden_checkpoint, settings)
    made.save_pretrained(str(tmp_path), save_embedding_layers=False)
    right = logits(made.get_base_model(), page)
    merged = merge_adapter(golden(golden_checkpoint), tmp_path)
    assert difference(logits(merged, page), right) < 1e-5


def test_a_merged_checkpoint_has_the_published_layout_and_writes_the_same(
    golden_checkpoint: Path, random_adapter: Path, with_peft: Any, page: EncodedPage, tmp_path: Path
) -> None:
    """Its weights are those of the float32 sums, rounded once to the 16 bits of the original."""
    folder = merge(golden_checkpoint, random_adapter, tmp_path / "merged")
    with ExitStack() as files:
        changed, original = (
            files.enter_context(safe_open(each / "model.safetensors", "pt"))
            for each in (folder, golden_checkpoint)
        )
        assert set(changed.keys()) == set(original.keys())
        for name in original.keys():  # noqa: SIM118 - no mapping
            one, other = changed.get_tensor(name), original.get_tensor(name)
            assert (one.dtype, one.shape) == (other.dtype, other.shape)
    stored, exact = golden(folder), merge_adapter(golden(golden_checkpoint), random_adapter)
    for name, weight in exact.named_parameters():
        assert torch.equal(stored.get_parameter(name), weight.half().float()), name
    # 1.7e-3 was measured, all of it from that rounding.
    assert difference(logits(stored, page), with_peft[0]) < 3e-3


def test_the_engine_writes_what_the_adapter_does(
    golden_checkpoint: Path,
    random_adapter: Path,
    with_peft: Any,
    prompt: PagePrompt,
    tmp_path: Path,
) -> None:
    """``local`` reads a merged copy; here with the engine's operations on the CPU."""
    folder = merge(golden_checkpoint, random_adapter, tmp_path / "merged")
    config = engine_config(json.loads((folder / "config.json").read_text()))
    weights = load_weights(config, [folder / "model.safetensors"], dtype=torch.float32)
    runner = Runner(config, weights, ReferenceOps(), slots=1, blocks=20)
    engine = Engine(runner, Scheduler(slots=1, blocks=20), 1024)
    try:
        task = PageTask(prompt.ids, prompt.views, prompt.rule, prompt.max_new_tokens)
        found = engine.submit(task).result(120)
    finally:
        engine.close()
    assert same_up_to_ties(found.tokens, *with_peft[1])


def test_the_gradients_are_those_of_the_whole_weights(
    golden_checkpoint: Path, page: EncodedPage
) -> None:
    """With W + s B A in the place of W, dB = s dW A' and dA = s B' dW. The right side comes from the
    merged model, by transformers' own forward pass and loss, without recomputed activations."""
    settings = AdapterSettings(targets=("attention", "shared", "experts"), rank=3, alpha=6)
    made = adapted(golden_checkpoint, settings)
    recompute_activations(made.get_base_model())
    made.train()
    batch_loss(made.get_base_model(), [page]).backward()
    found = dict(made.named_parameters())

    whole: Any = golden(golden_checkpoint)
    merge_into(whole, found)
    plain_loss(whole, page).backward()
    start = "model.language_model.layers.1"
    for module in ("self_attn.q_proj", "self_attn.o_proj", "mlp.shared_experts.up_proj"):
        name = f"base_model.model.{start}.{module}"
        down, up = (found[f"{name}.lora_{each}.default.weight"] for each in "AB")
        weight = whole.get_submodule(f"{start}.{module}").weight.grad
        assert difference(up.grad, 2 * weight @ down.detach().T) < 1e-4
        assert difference(down.grad, 2 * up.detach().T @ weight) < 1e-4
    experts = whole.get_submodule(f"{start}.mlp.experts")
    for inner, name in ((".base_layer", "gate_up_proj"), ("", "down_proj")):
        found_in = f"base_model.model.{start}.mlp.experts{inner}"
        down, up = (found[f"{found_in}.lora_{each}.default.weight"] for each in "AB")
        weight = getattr(experts, name).grad
        downs = down.detach().view(len(weight), 3, -1)
        ups = up.detach().view(len(up), 3, -1)
        expected = torch.stack([2 * w @ d.T for w, d in zip(weight, downs, strict=True)], dim=-1)
        assert difference(up.grad.view_as(expected), expected) < 1e-4
        for number, each in enumerate(weight):
            expected = 2 * ups[:, :, number].T @ each
            assert torch.allclose(down.grad.view_as(downs)[number], expected, rtol=1e-3, atol=1e-6)


def merge_into(model: Any, weights: dict[str, torch.Tensor]) -> None:
    """Add the adapter's changes by the formula, not by the code under test."""
    for name, up in weights.items():
        if "lora_B" not in name:
            continue
        down = weights[name.replace("lora_B", "lora_A")].detach()
        short = name.removeprefix("base_model.model.").split(".lora_B")[0]
        if short.endswith("_proj"):
            model.get_submodule(short).weight.data += 2 * up.detach() @ down
            continue
        inner = short.endswith(".base_layer")
        experts = model.get_submodule(short.removesuffix(".base_layer"))
        weight = experts.gate_up_proj if inner else experts.down_proj
        rank = down.shape[0] // len(weight)
        for number in range(len(weight)):
            mine = down[number * rank : (number + 1) * rank]
            weight.data[number] += 2 * up.detach()[:, number :: len(weight)] @ mine


def plain_loss(model: Any, page: EncodedPage) -> torch.Tensor:
    words = with_pictures(
        model, torch.tensor([page.ids]), torch.cat(image_features(model, [page.views]))
    )
    scores = model(inputs_embeds=words).logits[0, page.prompt - 1 : -1]
    return torch.nn.functional.cross_entropy(scores, torch.tensor(page.ids[page.prompt :]))


def test_mixed_precision_has_nearly_the_gradients_of_float32(
    golden_checkpoint: Path, page: EncodedPage
) -> None:
    """As on a GPU: frozen weights and sums in bfloat16, the adapter's own weights in float32."""
    gradients = {}
    for kind in (torch.float32, torch.bfloat16):
        torch.manual_seed(5)
        settings = AdapterSettings(targets=("attention", "mlp", "shared", "experts"), rank=4)
        made = add_adapter(golden(golden_checkpoint, kind), settings)
        recompute_activations(made.get_base_model())
        random = torch.Generator().manual_seed(6)
        for name, weight in made.named_parameters():
            if "lora_" in name:
                assert weight.dtype == torch.float32
                weight.data = torch.randn(weight.shape, generator=random) * 0.02
        made.train()
        with torch.autocast("cpu", torch.bfloat16, enabled=kind == torch.bfloat16):
            batch_loss(made.get_base_model(), [page]).backward()
        gradients[kind] = torch.cat(
            [w.grad.flatten() for n, w in sorted(made.named_parameters()) if w.requires_grad]
        )
    one, other = gradients.values()
    assert float(torch.cosine_similarity(one, other, dim=0)) > 0.99
    assert float(other.norm() / one.norm()) == pytest.approx(1, abs=0.05)


def test_recomputed_activations_change_no_gradient(
    golden_checkpoint: Path, page: EncodedPage
) -> None:
    gradients = []
    for again in (False, True):
        made = adapted(golden_checkpoint, AdapterSettings(targets=("attention", "experts"), rank=2))
        if again:
            recompute_activations(made.get_base_model())
        made.train()
        passes: list[str] = []
        layer = made.get_base_model().model.language_model.layers[1].self_attn
        layer.register_forward_pre_hook(lambda *_, passes=passes: passes.append("forward"))
        batch_loss(made.get_base_model(), [page]).backward()
        assert len(passes) == 1 + again
        gradients.append({n: w.grad for n, w in made.named_parameters() if w.requires_grad})
    assert all(bool(each.any()) for each in gradients[0].values())
    for name, each in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], each, rtol=1e-4, atol=1e-7)


def test_experts_are_not_trained_with_dropout() -> None:
    with pytest.raises(ConfigurationError, match="dropout"):
        AdapterSettings(targets=("experts",), dropout=0.1)


def test_an_adapter_of_other_experts_is_refused(
    golden_checkpoint: Path, random_adapter: Path, tmp_path: Path
) -> None:
    weights = load_file(random_adapter / "adapter_model.safetensors")
    other = {
        name: each[:, :-8].contiguous() if "experts.lora_A" in name else each
        for name, each in weights.items()
    }
    save_file(other, tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text(
        (random_adapter / "adapter_config.json").read_text()
    )
    with pytest.raises(BackendUnavailableError, match="fits 0 tensors"):
        merge_adapter(golden(golden_checkpoint), tmp_path)
