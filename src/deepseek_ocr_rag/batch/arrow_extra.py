"""Checks that the extra [batch] is installed."""

from __future__ import annotations

import importlib

from ..errors import MissingExtraError
from ..installing import install_command

__all__ = ["check_arrow", "check_ray"]


def check_arrow() -> None:
    """Check that pages can be stored and shards written.

    Raises:
        MissingExtraError: If pyarrow or orjson is not installed.
    """
    _check("pyarrow", "pyarrow.parquet", "reading many documents")
    _check("orjson", "orjson", "reading many documents")


def check_ray() -> None:
    """Check that several machines can be used.

    Raises:
        MissingExtraError: If Ray Data is not installed.
    """
    _check("ray", "ray.data", 'the engine "ray"')


def _check(package: str, module: str, what: str) -> None:
    try:
        importlib.import_module(package)
        importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"{what} needs {package}, which is not installed or broken ({error})",
            remedy=install_command("batch"),
        ) from error
