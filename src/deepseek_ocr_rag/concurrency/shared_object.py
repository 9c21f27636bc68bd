"""Base class of objects that are shared instead of copied, and made anew in another process."""

from __future__ import annotations

import pickle
from typing import Any, ClassVar, Self

from ..errors import ConfigurationError

__all__ = ["SharedObject"]


class SharedObject:
    """Pickles as its settings; a deep copy is the object itself.

    Threads may share it, and it holds what should exist once, like a loaded model. So a
    framework that copies its tools gets the same object, and one that sends them to another
    process gets a new one with the same settings.
    """

    _process_bound: ClassVar[tuple[str, ...]] = ()
    """Attributes that :meth:`_start` makes, and that are not pickled."""

    def _start(self) -> None:
        """Make what belongs to this process."""
        raise NotImplementedError

    def __getstate__(self) -> dict[str, Any]:
        state = {
            name: value for name, value in vars(self).items() if name not in self._process_bound
        }
        try:
            pickle.dumps(state)
        except ConfigurationError:
            raise
        except Exception as error:
            raise ConfigurationError(
                f"a {type(self).__name__} that was given objects cannot be pickled ({error})",
                remedy="Name the backend, as in Reader('lite'), instead of giving one.",
            ) from error
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._start()

    def __deepcopy__(self, memo: object) -> Self:
        return self
