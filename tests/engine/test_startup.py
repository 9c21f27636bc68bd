"""What the engine reads before it is ready."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

import tiny_engine

from deepseek_ocr_rag.engine import startup
from deepseek_ocr_rag.engine.reference_ops import ReferenceOps
from deepseek_ocr_rag.engine.runner import Runner
from deepseek_ocr_rag.engine.startup import EngineSettings, engine_device, start_engine
from deepseek_ocr_rag.engine.weights.config import PUBLISHED
from deepseek_ocr_rag.errors import ConfigurationError
from deepseek_ocr_rag.model.checkpoint import find_checkpoint
from deepseek_ocr_rag.model.families import FAMILIES
from deepseek_ocr_rag.model.prompts import MODES


class Watched(Runner):
    """Notes the lengths of the prompts that it computes."""

    def __init__(self, *args, **more) -> None:
        super().__init__(*args, **more)
        self.lengths: set[int] = set()

    def prefill(self, sequences):
        self.lengths |= {len(sequence.task.ids) for sequence in sequences}
        return super().prefill(sequences)


@pytest.mark.parametrize(
    ("positions", "length"),
    [(420, 275), (275, 75), (60, None)],
    ids=["whole page", "small page", "no page"],
)
def test_pages_that_are_read_before_the_start_fit_into_the_models_context(
    golden_config, golden_weights, monkeypatch, positions: int, length: int | None
) -> None:
    monkeypatch.setattr(startup, "PREFILL_TOKENS", 300)
    decoder = replace(golden_config.decoder, max_positions=positions)
    config = replace(golden_config, decoder=decoder)
    runner = Watched(config, golden_weights, ReferenceOps(), slots=1, blocks=10)
    startup.warm_up(runner, FAMILIES["deepseek-ocr"], positions)
    assert runner.lengths == ({length} if length else set())


def test_modes_that_a_family_lacks_are_not_tried_before_the_start(
    golden_config, golden_weights
) -> None:
    family = FAMILIES["deepseek-ocr-2"]
    assert not family.has_mode(MODES["tiny"])
    runner = Watched(golden_config, golden_weights, ReferenceOps(), slots=1, blocks=10)
    startup.warm_up(runner, family, 60)
    assert runner.lengths == set()


@pytest.mark.parametrize(
    ("config", "slots"), [(PUBLISHED, 512), (tiny_engine.SECOND, 512)], ids=["first", "second"]
)
def test_what_is_compiled_ahead_are_pages_that_the_family_can_read(config, slots: int) -> None:
    rehearsal = startup._rehearsal(config, EngineSettings(), 2**37)
    assert rehearsal.slots == slots
    for page in rehearsal.pages[:1]:
        views = page.views(torch.device("cpu"))
        assert {views.global_view.shape[-1], views.tiles.shape[-1]} == set(rehearsal.view_sides)
    assert rehearsal.vision == "model"
    assert startup._rehearsal(config, EngineSettings(vision="fp8"), 2**37).vision == "fp8"
    # Without room nothing is left out but sizes that cannot come.
    assert startup._rehearsal(config, EngineSettings(), -1).slots == 1


@pytest.fixture
def card(monkeypatch):
    """A card that is not there; returns its compute capability, which may be changed."""
    capability = [8, 6]
    for name, value in (
        ("is_available", lambda: True),
        ("device_count", lambda: 1),
        ("get_device_capability", lambda _: tuple(capability)),
    ):
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setattr(startup, "triton_problem", lambda: None)
    return capability


@pytest.mark.parametrize(
    ("setting", "remedy"),
    [
        ({"cache": "fp8"}, 'Use cache="model".'),
        ({"weights": "fp8-all"}, 'Use weights="int8".'),
        ({"vision": "fp8"}, 'Use vision="model".'),
    ],
)
def test_cards_that_cannot_multiply_in_fp8_refuse_to_before_the_model_loads(
    card, golden_checkpoint, shared, setting, remedy
) -> None:
    tokenizer = shared / "deepseek-ocr-files/tokenizer.json"
    checkpoint = find_checkpoint(golden_checkpoint, tokenizer=tokenizer)
    with pytest.raises(ConfigurationError, match=r"fp8 needs? compute capability 8\.9") as caught:
        start_engine(checkpoint, EngineSettings(**setting))
    assert caught.value.remedy == remedy
    card[:] = [8, 9]
    assert engine_device(EngineSettings(**setting)) == torch.device("cuda", 0)
