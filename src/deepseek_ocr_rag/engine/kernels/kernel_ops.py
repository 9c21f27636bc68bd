"""The kernels as one set of operations."""

from __future__ import annotations

from typing import Final

from .moe import mix
from .paged_attention import attend
from .rms_norm import add_norm
from .rotary import rotate_and_store
from .sampling import choose

__all__ = ["KernelOps"]


class KernelOps:
    """See :class:`...operations.Ops`."""

    add_norm: Final = staticmethod(add_norm)
    rotate_and_store: Final = staticmethod(rotate_and_store)
    attend: Final = staticmethod(attend)
    mix: Final = staticmethod(mix)
    choose: Final = staticmethod(choose)
