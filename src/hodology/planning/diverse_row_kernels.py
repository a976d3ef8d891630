"""Paths as rows of integers, a hash table of relation sequences and a heap of the first rows; compiled.

A row is [key, code, inner nodes, edges, count, slot]. The code is the sequence of relations read as a number in base
R, so rows that are compared column by column from the left come out in the order (tie-break, sequence, nodes). The
table keeps one row per sequence: its first path, and how many there are; the column `slot` lists the slots in use. The
heap keeps the first k rows, the last of them on top; its row k is the path at hand.

Entries are copied one by one: assigning slices costs seconds of compilation.
"""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["ascending", "clear", "meet", "take_first"]

_K, _LONGEST, _TIE, _SEED = 0, 1, 2, 3  # entries of `state`, as in diverse_kernels
_USED, _HEAPED, _LENGTH, _U, _V = 6, 7, 8, 9, 10
_RARE, _SEEDED = 1, 2


@njit(cache=True, nogil=True)
def meet(table, heap, state, most):  # type: ignore[no-untyped-def]
    """Take note of the path at hand, in the heap when `most` is above 0, else in the table; returns the table."""
    at, compared, count = state[_K], state[_LONGEST] + 2, 2 * state[_LONGEST] + 2
    if state[_TIE] == _SEEDED:
        heap[at, 0] = _hash(heap, at, state)
    if most > 0:
        if state[_TIE] == _RARE:
            heap[at, 0] = table[_slot(table, heap[at, 1]), count]
        _offer(heap, at, heap, state, most)
        return table
    slot = _slot(table, heap[at, 1])
    if table[slot, 1] >= 0:
        table[slot, count] += 1
        if _before(heap, at, table, slot, compared):
            _copy(heap, at, table, slot, count)
        return table
    _copy(heap, at, table, slot, count)
    table[slot, count] = 1
    table[state[_USED], count + 1] = slot
    state[_USED] += 1
    return _grown(table, state[_USED]) if 2 * state[_USED] > len(table) else table


@njit(cache=True, nogil=True)
def take_first(table, heap, state, most):  # type: ignore[no-untyped-def]
    """The first `most` rows of the table, into the heap."""
    count = 2 * state[_LONGEST] + 2
    for i in range(state[_USED]):
        slot = table[i, count + 1]
        if state[_TIE] == _RARE:
            table[slot, 0] = table[slot, count]
        _offer(table, slot, heap, state, most)


@njit(cache=True, nogil=True)
def clear(table, state):  # type: ignore[no-untyped-def]
    """Empty the slots that were used."""
    for i in range(state[_USED]):
        table[table[i, 2 * state[_LONGEST] + 3], 1] = -1
    state[_USED] = 0


@njit(cache=True, nogil=True)
def ascending(heap, state):  # type: ignore[no-untyped-def]
    """Sort the heap's rows: the top, which comes last, goes to the end each time."""
    for end in range(state[_HEAPED] - 1, 0, -1):
        _swap(heap, 0, end)
        _sink(heap, end, state)


@njit(cache=True, nogil=True)
def _offer(rows, row, heap, state, most):  # type: ignore[no-untyped-def]
    """Put a row into the heap when it is among the first `most`."""
    size, columns = state[_HEAPED], 2 * state[_LONGEST] + 2
    if size < most:
        _copy(rows, row, heap, size, columns)
        state[_HEAPED] = size + 1
        while size > 0 and _before(heap, (size - 1) // 2, heap, size, state[_LONGEST] + 2):
            _swap(heap, size, (size - 1) // 2)
            size = (size - 1) // 2
    elif _before(rows, row, heap, 0, state[_LONGEST] + 2):
        _copy(rows, row, heap, 0, columns)
        _sink(heap, size, state)


@njit(cache=True, nogil=True)
def _sink(heap, size, state):  # type: ignore[no-untyped-def]
    """Let the top row sink to where it belongs."""
    at, compared = 0, state[_LONGEST] + 2
    while 2 * at + 1 < size:
        child = 2 * at + 1
        if child + 1 < size and _before(heap, child, heap, child + 1, compared):
            child += 1
        if not _before(heap, at, heap, child, compared):
            return
        _swap(heap, at, child)
        at = child


@njit(cache=True, nogil=True)
def _copy(source, i, target, j, columns):  # type: ignore[no-untyped-def]
    for column in range(columns):
        target[j, column] = source[i, column]


@njit(cache=True, nogil=True)
def _swap(rows, i, j):  # type: ignore[no-untyped-def]
    for column in range(rows.shape[1]):
        kept = rows[i, column]
        rows[i, column] = rows[j, column]
        rows[j, column] = kept


@njit(cache=True, nogil=True)
def _before(a, i, b, j, compared):  # type: ignore[no-untyped-def]
    for column in range(compared):
        if a[i, column] != b[j, column]:
            return a[i, column] < b[j, column]
    return False


@njit(cache=True, nogil=True)
def _slot(table, code):  # type: ignore[no-untyped-def]
    """Where a code is, or the free slot where it belongs."""
    last = len(table) - 1
    at = np.int64(_mixed(np.uint64(code)) >> np.uint64(1)) & last
    while table[at, 1] >= 0 and table[at, 1] != code:
        at = (at + 1) & last
    return at


@njit(cache=True, nogil=True)
def _grown(table, used):  # type: ignore[no-untyped-def]
    """A table of twice the size with the same rows."""
    wider = np.full((2 * len(table), table.shape[1]), -1, dtype=np.int64)
    last = table.shape[1] - 1
    for i in range(used):
        old = table[i, last]
        slot = _slot(wider, table[old, 1])
        _copy(table, old, wider, slot, last)
        wider[i, last] = slot
    return wider


@njit(cache=True, nogil=True)
def _hash(rows, row, state):  # type: ignore[no-untyped-def]
    """63 bits of seed, length, ends, sequence and inner nodes: the storage order plays no part."""
    value = _mixed(np.uint64(state[_SEED]))
    for entry in (state[_LENGTH], state[_U], state[_V]):
        value = _mixed(value ^ np.uint64(entry))
    for column in range(1, state[_LONGEST] + 2):
        value = _mixed(value ^ np.uint64(rows[row, column]))
    return np.int64(value >> np.uint64(1))


@njit(cache=True, nogil=True)
def _mixed(value):  # type: ignore[no-untyped-def]
    """Splitmix64: neighbouring numbers land far apart."""
    value += np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
