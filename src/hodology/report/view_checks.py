"""Checks of a view: what a page would draw is there and of its kind; messages name the place."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from typing import Any

from hodology.errors import InputError

__all__ = ["need", "need_count", "need_files", "need_head", "need_list", "need_number", "need_text"]


def need_head(view: Mapping[str, Any], keys: Sequence[str]) -> None:
    """Refuse a view of another format, without one of its parts, or whose words or files are none."""
    if not isinstance(view, Mapping):
        raise InputError(f"view must be a mapping, got {type(view).__name__}.")
    if view.get("format") != 1:
        raise InputError(f"view must have format 1, got {view.get('format')!r}.")
    need(view, keys, "view")
    need_text(view["title"], "view.title")
    need(view["settings"], (), "view.settings")
    for index, note in enumerate(need_list(view["notes"], "view.notes")):
        need_text(note, f"view.notes[{index}]")
    need_files(view["files"])


def need(part: Any, keys: Sequence[str], place: str) -> None:
    """Refuse what is no mapping or lacks a key."""
    if not isinstance(part, Mapping):
        raise InputError(f"{place} must be a mapping, got {type(part).__name__}.")
    for key in keys:
        if key not in part:
            raise InputError(f"{place} lacks {key!r}; it has {', '.join(map(repr, part)) or 'nothing'}.")


def need_list(part: Any, place: str) -> Sequence[Any]:
    """Return a sequence that is no text; refuse all else."""
    if isinstance(part, (str, bytes)) or not isinstance(part, Sequence):
        raise InputError(f"{place} must be a list, got {part!r:.60}.")
    return part


def need_text(value: Any, place: str) -> None:
    """Refuse what is no text."""
    if not isinstance(value, str):
        raise InputError(f"{place} must be a text, got {value!r:.60}.")


def need_number(value: Any, place: str, *, low: float = -math.inf, high: float = math.inf) -> None:
    """Refuse what is no finite number from `low` to `high`."""
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if real and math.isfinite(value) and low <= value <= high:
        return
    bounds = f" from {low:g} to {high:g}" if math.isfinite(high) else f" from {low:g} on"
    raise InputError(
        f"{place} must be a finite number{bounds if math.isfinite(low) else ''}, got {value!r:.60}."
    )


def need_count(value: Any, place: str) -> None:
    """Refuse what is no whole number from 0 on."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 0:
        raise InputError(f"{place} must be a whole number from 0 on, got {value!r:.60}.")


def need_files(files: Any) -> None:
    """Refuse what is no name of a file beside the page."""
    for name in [files] if isinstance(files, str) else need_list(files, "view.files"):
        inside = isinstance(name, str) and name not in ("", ".", "..") and set(name).isdisjoint("/\\:?#")
        if isinstance(files, str) or not inside:
            raise InputError(f"view.files must be names of files beside the page, got {name!r}.")
