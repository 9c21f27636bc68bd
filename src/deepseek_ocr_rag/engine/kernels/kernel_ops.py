"""The decoder's operations as Triton kernels."""

from __future__ import annotations

from typing import Final

from .embedding import embed
from .experts.moe import moe
from .linear_layers import product
from .norms import add_rms_norm
from .paged_attention import attend
from .prompt_attention import attend_prompts
from .rotary import rotate_and_store
from .sampling import sample

__all__ = ["KernelOps"]


class KernelOps:
    """See :class:`.ops.Ops`."""

    embed: Final = staticmethod(embed)
    add_norm: Final = staticmethod(add_rms_norm)
    rotate_and_store: Final = staticmethod(rotate_and_store)
    attend: Final = staticmethod(attend)
    attend_prompts: Final = staticmethod(attend_prompts)
    product: Final = staticmethod(product)
    moe: Final = staticmethod(moe)
    sample: Final = staticmethod(sample)
