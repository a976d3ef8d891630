"""The view: what a trace report draws, as plain values, and the check that it is one.

Keys: ``format`` (1), ``title``, ``kind`` (image or text), ``version``, ``generated`` (optional), ``model`` (name,
parameters, accuracy), ``data`` (name, n, shown), ``settings``, ``layers`` (name, label, width), ``methods`` (key,
label, note; the main one first), ``classes`` (id, name, n, and per layer its ``[unit, share]``, most used first),
``similarity`` (class by class, or None), ``items`` (id, class, predicted, probability, score, path, image, text),
``table`` (columns and one row of intervals per method), ``notes``, and ``files`` (optional: names beside the page).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hodology.errors import InputError

__all__ = ["FILES", "check_view"]

FILES = ("paths.jsonl", "summary.json")
_KEYS = (
    *("title", "kind", "version", "model", "data", "settings", "layers", "methods", "classes", "items"),
    *("table", "similarity", "notes"),
)
_PARTS = {
    "model": ("name", "parameters", "accuracy"),
    "data": ("name", "n", "shown"),
    "table": ("columns", "rows"),
}
_LISTS = {"layers": ("name", "label", "width"), "methods": ("key", "label", "note")}
_ITEM_KEYS = ("id", "class", "predicted", "probability", "score", "path", "image", "text")


def check_view(view: Mapping[str, Any]) -> None:
    """Refuse what the page could not draw, or what would make it ask another host.

    Raises
    ------
    InputError
        Names the place in the view and what stands there.
    """
    if not isinstance(view, Mapping):
        raise InputError(f"view must be a mapping, got {type(view).__name__}.")
    if view.get("format") != 1:
        raise InputError(f"view must have format 1, got {view.get('format')!r}.")
    _need(view, _KEYS, "view")
    for key, inner in _PARTS.items():
        _need(view[key], inner, f"view.{key}")
    if view["kind"] not in ("image", "text"):
        raise InputError(f"view.kind must be 'image' or 'text', got {view['kind']!r}.")
    for key in ("layers", "methods", "classes"):
        if not view[key]:
            raise InputError(f"view.{key} must not be empty.")
    for key, inner in _LISTS.items():
        for index, part in enumerate(view[key]):
            _need(part, inner, f"view.{key}[{index}]")
    for key, inner in (("columns", ("key", "label", "percent")), ("rows", ("label",))):
        for index, part in enumerate(view["table"][key]):
            _need(part, inner, f"view.table.{key}[{index}]")
    depth, count = len(view["layers"]), len(view["classes"])
    ids: set[Any] = set()
    for index, group in enumerate(view["classes"]):
        _need(group, ("id", "name", "n", "layers"), f"view.classes[{index}]")
        _same_depth(group["layers"], depth, f"view.classes[{index}].layers")
        if group["id"] in ids:
            raise InputError(
                f"view.classes[{index}].id must be its own, {group['id']!r} stands there before."
            )
        ids.add(group["id"])
    for index, item in enumerate(view["items"]):
        _need(item, _ITEM_KEYS, f"view.items[{index}]")
        _same_depth(item["path"], depth, f"view.items[{index}].path")
        if item["class"] not in ids and not (item["class"] is None and count == 1):
            raise InputError(f"view.items[{index}].class must be the id of a class, got {item['class']!r}.")
        image = item["image"]
        if image is not None and not str(image).startswith("data:image/"):
            raise InputError(
                f"view.items[{index}].image must be a data:image/ address or None, got {image!r:.60}."
            )
    matrix = view["similarity"]
    if matrix is not None and (len(matrix) != count or any(len(line) != count for line in matrix)):
        raise InputError(f"view.similarity must be {count} x {count}, one row and column per class, or None.")
    files = view.get("files", FILES)
    for name in [files] if isinstance(files, str) else files:
        if isinstance(files, str) or name in ("", ".", "..") or not set(name).isdisjoint("/\\:?#"):
            raise InputError(f"view.files must be names of files beside the page, got {name!r}.")


def _need(part: Mapping[str, Any], keys: Sequence[str], place: str) -> None:
    if not isinstance(part, Mapping):
        raise InputError(f"{place} must be a mapping, got {type(part).__name__}.")
    for key in keys:
        if key not in part:
            raise InputError(f"{place} lacks {key!r}; it has {', '.join(map(repr, part))}.")


def _same_depth(steps: Sequence[Any], depth: int, place: str) -> None:
    if len(steps) != depth:
        raise InputError(f"{place} has {len(steps)} layers, view.layers has {depth}.")
