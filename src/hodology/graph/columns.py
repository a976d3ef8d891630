"""Checks of what a graph is made of: numbers of nodes, their count, named columns; all become read-only copies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from hodology.errors import InputError

__all__ = ["MOST", "count_nodes", "frozen", "named_columns", "node_numbers"]

MOST = 2**31 - 2  # nodes, and arcs, that 32-bit indices can name


def node_numbers(what: str, values: Any) -> np.ndarray:
    """One row of indices, or `InputError` with what they are called."""
    found = np.asarray(values)
    if found.size == 0:
        return np.zeros(0, dtype=np.int32)
    if found.ndim != 1 or not np.issubdtype(found.dtype, np.integer):
        raise InputError(f"{what} must be one row of integers, got {found.dtype} of shape {found.shape}.")
    if found.min() < 0 or found.max() > MOST:
        raise InputError(f"{what} must be from 0 to {MOST}, got {found.min()} to {found.max()}.")
    return found


def count_nodes(n_nodes: int | None, names: Sequence[str] | None, largest: int) -> int:
    """How many nodes there are: as said, one per name, or one more than the largest of an edge."""
    count = (
        len(names) if n_nodes is None and names is not None else largest + 1 if n_nodes is None else n_nodes
    )
    whole = isinstance(count, (int, np.integer)) and not isinstance(count, bool)
    if not whole or not 0 <= count <= MOST:
        raise InputError(f"n_nodes must be an integer from 0 to {MOST}, got {count!r}.")
    if names is not None and len(names) != count:
        raise InputError(f"names must be one per node ({count}), got {len(names)}.")
    if count <= largest:
        raise InputError(f"an edge has node {largest}, but the graph has nodes 0 to {count - 1}.")
    return int(count)


def named_columns(what: str, columns: Mapping[str, Any] | None, n: int) -> Mapping[str, np.ndarray]:
    """Columns of `n` entries, read-only."""
    found = {}
    for name, values in (columns or {}).items():
        array = np.array(values)
        if array.ndim < 1 or len(array) != n:
            raise InputError(f"{what} {name!r} must have {n} entries, got shape {array.shape}.")
        array.flags.writeable = False
        found[str(name)] = array
    return MappingProxyType(found)


def frozen(values: np.ndarray, dtype: Any) -> np.ndarray:
    """A read-only copy, so that neither the caller's array nor the graph can change the other."""
    array = np.array(values, dtype=dtype)
    array.flags.writeable = False
    return array
