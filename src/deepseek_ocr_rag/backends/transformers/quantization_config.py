"""Quantizes weights to 8 or 4 bits, for cards that are too small for 16.

Only the decoder's experts (72 % of all weights) and, in 8 bits, its projections
are quantized. The vision towers, the router and the two vocabulary layers are not:
they are small, and the text depends on them.
"""

from __future__ import annotations

import torch
from transformers import PreTrainedModel

from ...errors import ConfigurationError, MissingExtraError
from ...installing import install_command

__all__ = ["quantize"]

EXPERT_WEIGHTS = ("gate_up_proj", "down_proj")
PROJECTIONS = r"re:.*language_model\.layers\..*(q|k|v|o|gate|up|down)_proj\.weight"
EXPERTS = r"re:.*language_model\.layers\..*experts\.(gate_up|down)_proj"


def quantize(model: PreTrainedModel, form: str, device: torch.device) -> None:
    """Quantize the weights of a model in place, and move it to its device.

    Args:
        model: A model on the CPU.
        form: "8bit" (torchao, one scale per row) or "4bit" (bitsandbytes, NF4).
        device: Where the model will run.

    Raises:
        ConfigurationError: If there is no such form.
        MissingExtraError: If the package for it is not installed.
    """
    if form == "8bit":
        _eight_bits(model, device)
    elif form == "4bit":
        _four_bits(model, device)
    else:
        raise ConfigurationError(
            f"quantization={form!r} is not supported", remedy='Use "8bit" or "4bit".'
        )
    torch.nn.Module.to(model, device)


def _eight_bits(model: PreTrainedModel, device: torch.device) -> None:
    try:
        from torchao.quantization import FqnToConfig, Int8WeightOnlyConfig, quantize_
    except ImportError as error:
        raise _missing("torchao") from error
    # torchao's weights work only with the plain implementation, which loops over the experts.
    model.set_experts_implementation("eager")
    rows = Int8WeightOnlyConfig(version=2)
    quantize_(model, FqnToConfig({EXPERTS: rows, PROJECTIONS: rows}), filter_fn=None, device=device)


def _four_bits(model: PreTrainedModel, device: torch.device) -> None:
    try:
        from bitsandbytes.nn.parametrize import replace_parameter_4bit
    except ImportError as error:
        raise _missing("bitsandbytes") from error
    for name, module in model.named_modules():
        if name.endswith(".mlp.experts"):
            module.to(device)
            for weight in EXPERT_WEIGHTS:
                replace_parameter_4bit(module, weight, quant_type="nf4")


def _missing(package: str) -> MissingExtraError:
    return MissingExtraError(
        f"{package} is not installed",
        remedy=f"Install it: {install_command('quantization')}",
    )
