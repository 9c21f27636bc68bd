"""The decoder's operations as Triton kernels."""

from __future__ import annotations

from typing import Final

from .moe import moe
from .paged_attention import attend
from .prompt_attention import attend_prompts
from .rms_norm import add_norm
from .rotary import rotate_and_store
from .sampling import sample

__all__ = ["KernelOps"]


class KernelOps:
    """See :class:`.ops.Ops`."""

    add_norm: Final = staticmethod(add_norm)
    rotate_and_store: Final = staticmethod(rotate_and_store)
    attend: Final = staticmethod(attend)
    attend_prompts: Final = staticmethod(attend_prompts)
    moe: Final = staticmethod(moe)
    sample: Final = staticmethod(sample)
