"""A unit of work: a function's name and a JSON-able payload, known by the hash of both."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from hodology import __version__
from hodology.errors import HodologyError, InputError, near_names
from hodology.files import canonical_json, hash_json

__all__ = ["Unit", "call_unit", "load_function", "make_unit", "sendable_errors"]


@dataclass(frozen=True)
class Unit:
    """One piece of work.

    Attributes
    ----------
    key : str
        32 hexadecimal digits; equal work has equal keys.
    payload : mapping
        JSON-able argument of the function.
    """

    key: str
    payload: Mapping[str, Any]


def make_unit(function: str, payload: Mapping[str, Any]) -> Unit:
    """Name a piece of work by the hash of function, package version and payload.

    Parameters
    ----------
    function : str
        ``"package.module:function"``; it takes the payload and returns bytes.
    payload : mapping
        Kept as JSON reads it back, in the order of its keys: tuples become lists, numpy values plain ones.

    Raises
    ------
    InputError
        When the payload holds what JSON cannot, or two keys that are one in JSON.
    """
    plain = json.loads(canonical_json(dict(payload)))
    return Unit(hash_json([function, __version__, plain])[:32], plain)


def load_function(function: str) -> Callable[[Mapping[str, Any]], Any]:
    """Import the function of a unit.

    Raises
    ------
    InputError
        When the name has another form, or no such module or function exists.
    """
    module, _, name = function.partition(":")
    if not module or not name.isidentifier():
        raise InputError(f"function must be 'package.module:function', got {function!r}.")
    try:
        found = import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # the module is there and needs another one: that message is the better one
        raise InputError(
            f"function {function!r}: there is no module {error.name!r} to import here."
        ) from error
    if not hasattr(found, name):
        raise InputError(f"function {function!r} does not exist{near_names(name, vars(found))}.")
    return getattr(found, name)


def call_unit(function: str, unit: Unit) -> bytes:
    """Import and call the function of a unit; its errors carry a note with the unit's key."""
    try:
        result = load_function(function)(unit.payload)
        if not isinstance(result, bytes):
            raise InputError(f"{function} must return bytes, got {type(result).__name__}.")
    except Exception as error:
        error.add_note(f"in unit {unit.key}")
        raise
    return result


@contextmanager
def sendable_errors() -> Iterator[None]:
    """Turn errors that another process may be unable to rebuild into a `HodologyError` of the same words."""
    try:
        yield
    except Exception as error:
        if type(error).__module__ in ("builtins", "hodology.errors"):
            raise
        other = HodologyError(f"{type(error).__name__}: {error}")
        for note in getattr(error, "__notes__", ()):
            other.add_note(note)
        raise other from error
