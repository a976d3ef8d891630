"""Timing and the table: a row per comparison, ours and the peer measured in the same run."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Row", "alternate", "once"]


@dataclass(frozen=True)
class Row:
    """One line of the table.

    `ours` and `theirs` are in `unit`; `figure` is what the bound speaks of and `passed` whether it is kept.
    """

    what: str
    ours: float
    theirs: float | None
    unit: str
    figure: str
    bound: str
    passed: bool
    note: str = ""


def once(call: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of one call and what it returned."""
    gc.collect()
    began = time.perf_counter()
    result = call()
    return time.perf_counter() - began, result


def alternate(
    ours: Callable[[], Any], theirs: Callable[[], Any], *, repeats: int
) -> tuple[float, float, Any, Any]:
    """The least seconds of each of two calls, taken in turns after a first call of both, and the last results."""
    found, expected = ours(), theirs()
    mine, others = [], []
    for _ in range(repeats):
        seconds, found = once(ours)
        mine.append(seconds)
        seconds, expected = once(theirs)
        others.append(seconds)
    return min(mine), min(others), found, expected
