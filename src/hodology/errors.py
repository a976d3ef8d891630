"""The errors that hodology raises.

Every error is also the built-in type a caller would expect (`InputError` is a `ValueError`), so existing
``except`` clauses keep working. A message is one line: what was asked, what came, what is accepted.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "FileFormatError",
    "HodologyError",
    "InputError",
    "MissingExtraError",
    "NotConvergedError",
    "UnavailableError",
    "UnknownNameError",
    "near_names",
]


class HodologyError(Exception):
    """Base of all errors that hodology raises on purpose."""


class InputError(HodologyError, ValueError):
    """An argument has a wrong value, shape or dtype."""


class UnknownNameError(InputError):
    """A name (module, method, study, column) does not exist; the message lists near names."""


class FileFormatError(HodologyError, ValueError):
    """A file cannot be read as what it should be; the message names the file and the place in it."""


class MissingExtraError(HodologyError, ImportError):
    """An optional package is needed; the message names the extra that installs it."""


class UnavailableError(HodologyError, OSError):
    """Something outside the program (a hub, a cluster, a device) cannot be reached."""


class NotConvergedError(HodologyError, RuntimeError):
    """An iterative method ended without reaching what it was asked to reach."""


def near_names(name: str, known: Iterable[str], *, n: int = 3) -> str:
    """Return the end of an error message: ``; close names: 'a', 'b'`` or the known names when few.

    Parameters
    ----------
    name : str
        What the user asked for.
    known : iterable of str
        What exists.
    n : int
        How many names to list at most.

    Returns
    -------
    str
        Empty when nothing is known at all.

    Examples
    --------
    >>> near_names("blocks.12.mlp", ["blocks.11.mlp", "head"])
    "; close names: 'blocks.11.mlp'"
    """
    names = list(known)
    close = difflib.get_close_matches(name, names, n=n, cutoff=0.5)
    if close:
        return "; close names: " + ", ".join(repr(c) for c in close)
    if names:
        more = f" and {len(names) - n} more" if len(names) > n else ""
        return "; known names: " + ", ".join(repr(c) for c in names[:n]) + more
    return ""
