"""Optional packages: imported when used, with an error that names the extra to install."""

from __future__ import annotations

import importlib
from types import ModuleType

from hodology.errors import MissingExtraError

__all__ = ["require"]


def require(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import an optional module, or say which extra brings it.

    Parameters
    ----------
    module : str
        Dotted name to import, for example ``"pyarrow.parquet"``.
    extra : str
        The extra of this package that installs it.
    purpose : str
        What the user was doing, as it stands before "needs": ``"reading Parquet files"``.

    Returns
    -------
    module

    Raises
    ------
    MissingExtraError
        When the module is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        top = module.partition(".")[0]
        if error.name is not None and error.name.partition(".")[0] != top:
            raise  # the package is there but one of its own needs is not: its message is the better one
        raise MissingExtraError(f"{purpose} needs {top}: pip install 'hodology[{extra}]'") from error
