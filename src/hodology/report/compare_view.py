"""The view of a comparison of two sets of representations: what its page draws, as plain values, and the check of it.

Keys: ``format`` (1), ``title``, ``version``, ``generated`` (optional), ``settings``, ``sets``, first the one of the
rows and then the one of the columns, or one that is both: key, label and ``representations`` (name, n_units or None,
``rdm``: a square, symmetric matrix of dissimilarities or None, and optional ``points``: stimulus, x, y, the stimuli
in a plane); ``stimuli`` (labels), ``measure`` (name, note), ``matrix`` (rows, columns, and per row one entry per
column of ``values``, ``low``, ``high`` and ``p``, corrected; the last three may be None, and an entry None or NaN);
``embedding`` (``points``: name, set, x, y; or None), ``table`` (columns and rows of intervals, as in
`hodology.report.bars`), ``notes``, and ``files`` (optional: names beside the page).

A matrix of dissimilarities may be smaller than the list of stimuli. Entry i of m then stands for the stimuli from
``i * n // m`` to before ``(i + 1) * n // m``.
"""

from __future__ import annotations

import base64
import math
import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hodology.errors import InputError
from hodology.report.view_checks import need, need_count, need_head, need_list, need_number, need_text

__all__ = ["best_matches", "check_compare_view", "pack_rdm"]

_KEYS = (
    "title",
    "version",
    "sets",
    "stimuli",
    "measure",
    "matrix",
    "embedding",
    "table",
    "notes",
    "settings",
)
_PARTS = ("values", "low", "high", "p")


def check_compare_view(view: Mapping[str, Any]) -> None:
    """Refuse what the page could not draw.

    Raises
    ------
    InputError
        Names the place in the view and what stands there.
    """
    need_head({"files": [], **view} if isinstance(view, Mapping) else view, _KEYS)
    stimuli = need_list(view["stimuli"], "view.stimuli")
    for index, label in enumerate(stimuli):
        need_text(label, f"view.stimuli[{index}]")
    need(view["measure"], ("name", "note"), "view.measure")
    for key in ("name", "note"):
        need_text(view["measure"][key], f"view.measure.{key}")
    names = _check_sets(view["sets"], len(stimuli))
    _check_matrix(view["matrix"], list(names.values()))
    if view["embedding"] is not None:
        _check_points(view["embedding"], names)
    _check_table(view["table"])


def best_matches(matrix: Mapping[str, Any], *, same: bool = False) -> list[dict[str, Any]]:
    """The best column of each row, and the columns that its interval does not tell from it.

    Parameters
    ----------
    matrix : mapping
        ``values``, ``low``, ``high`` of a view's matrix.
    same : bool
        Rows and columns are one set: none is its own match.

    Returns
    -------
    list of dict
        One per row: ``column`` (the first of the highest values, or None where the row has none) and ``within``, the
        other columns whose value is not below the lower end of the best one's interval.
    """
    found = []
    for row, line in enumerate(matrix["values"]):
        known = {c: float(v) for c, v in enumerate(line) if _is_known(v) and not (same and c == row)}
        best = max(known, key=lambda column: known[column], default=None)
        low = math.nan
        if best is not None and matrix["low"] is not None and _is_known(matrix["low"][row][best]):
            low = float(matrix["low"][row][best])
        near = [c for c, v in known.items() if c != best and v >= low]  # none is at or above NaN
        found.append({"column": best, "within": near})
    return found


def pack_rdm(matrix: Any) -> dict[str, Any]:
    """A symmetric matrix as the page's data hold it: its size, and its upper triangle with the diagonal, row by row.

    Parameters
    ----------
    matrix : array-like, shape (n, n)

    Returns
    -------
    dict
        ``n`` and ``triangle``, base64 of float32, little-endian: a third of the space of decimal figures.
    """
    values = _array(matrix)
    upper = values[np.triu_indices(len(values))].astype("<f4")
    return {"n": len(values), "triangle": base64.b64encode(upper.tobytes()).decode("ascii")}


def _check_sets(sets: Any, n_stimuli: int) -> dict[str, list[str]]:
    """Names of the representations by the key of their set, that of the rows first."""
    if len(need_list(sets, "view.sets")) not in (1, 2):
        raise InputError(f"view.sets must be two, of the rows and of the columns, or one, got {len(sets)}.")
    names: dict[str, list[str]] = {}
    sizes: dict[int, str] = {}
    for index, part in enumerate(sets):
        place = f"view.sets[{index}]"
        need(part, ("key", "label", "representations"), place)
        for key in ("key", "label"):
            need_text(part[key], f"{place}.{key}")
        if part["key"] in names:
            raise InputError(f"{place}.key must be its own, {part['key']!r} stands there before.")
        shown = need_list(part["representations"], f"{place}.representations")
        if not shown:
            raise InputError(f"{place}.representations must hold at least one, got none.")
        for at, one in enumerate(shown):
            _check_representation(one, f"{place}.representations[{at}]", n_stimuli, sizes)
        names[part["key"]] = [one["name"] for one in shown]
    return names


def _check_representation(one: Any, place: str, n_stimuli: int, sizes: dict[int, str]) -> None:
    need(one, ("name", "n_units", "rdm"), place)
    need_text(one["name"], f"{place}.name")
    if one["n_units"] is not None:
        need_count(one["n_units"], f"{place}.n_units")
    for index, point in enumerate(need_list(one.get("points") or [], f"{place}.points")):
        need(point, ("stimulus", "x", "y"), f"{place}.points[{index}]")
        need_count(point["stimulus"], f"{place}.points[{index}].stimulus")
        if point["stimulus"] >= n_stimuli:
            raise InputError(
                f"{place}.points[{index}].stimulus must be below {n_stimuli}, got {point['stimulus']}."
            )
        for key in ("x", "y"):
            need_number(point[key], f"{place}.points[{index}].{key}")
    if one["rdm"] is None:
        return
    values = _array(one["rdm"], f"{place}.rdm")
    if values.ndim != 2 or len(values) != values.shape[1] or not values.size:
        raise InputError(f"{place}.rdm must be a square matrix, got shape {values.shape}.")
    if np.isinf(values).any():
        raise InputError(f"{place}.rdm must hold finite numbers or NaN, got an infinite one.")
    if not np.allclose(values, values.T, rtol=1e-4, atol=1e-6, equal_nan=True):
        raise InputError(f"{place}.rdm must be symmetric.")
    if len(values) > n_stimuli:
        raise InputError(
            f"{place}.rdm must have no more than {n_stimuli} rows, one per stimulus, got {len(values)}."
        )
    sizes.setdefault(len(values), place)
    if len(sizes) > 1:
        (size, first), (other, _) = sizes.items()
        raise InputError(f"{place}.rdm must have {size} rows as {first} has, got {other}.")


def _check_matrix(matrix: Any, names: Sequence[Sequence[str]]) -> None:
    need(matrix, ("rows", "columns", *_PARTS), "view.matrix")
    for key, index in (("rows", 0), ("columns", len(names) - 1)):
        if list(need_list(matrix[key], f"view.matrix.{key}")) != list(names[index]):
            raise InputError(
                f"view.matrix.{key} must be the names of view.sets[{index}], got {matrix[key]!r:.60}."
            )
    height, width = len(names[0]), len(names[-1])
    for key in _PARTS:
        if matrix[key] is None and key != "values":
            continue
        lines = need_list(matrix[key], f"view.matrix.{key}")
        if len(lines) != height or any(len(need_list(line, f"view.matrix.{key}")) != width for line in lines):
            raise InputError(f"view.matrix.{key} must be {height} x {width}, one entry per pair.")
        bounds = {"low": 0.0, "high": 1.0} if key == "p" else {}
        for row, line in enumerate(lines):
            for column, value in enumerate(line):
                if not _is_missing(value):
                    need_number(value, f"view.matrix.{key}[{row}][{column}]", **bounds)
    if matrix["low"] is None or matrix["high"] is None:
        return
    for row, (lows, highs) in enumerate(zip(matrix["low"], matrix["high"])):
        for column, (low, high) in enumerate(zip(lows, highs)):
            if _is_known(low) and _is_known(high) and low > high:
                raise InputError(
                    f"view.matrix must have low <= high, got {low} and {high} at [{row}][{column}]."
                )


def _check_points(embedding: Any, names: Mapping[str, Sequence[str]]) -> None:
    need(embedding, ("points",), "view.embedding")
    for index, point in enumerate(need_list(embedding["points"], "view.embedding.points")):
        place = f"view.embedding.points[{index}]"
        need(point, ("name", "set", "x", "y"), place)
        if point["set"] not in names:
            raise InputError(f"{place}.set must be the key of a set, got {point['set']!r:.60}.")
        if point["name"] not in names[point["set"]]:
            raise InputError(f"{place}.name must be a representation of its set, got {point['name']!r:.60}.")
        for key in ("x", "y"):
            if not _is_missing(point[key]):
                need_number(point[key], f"{place}.{key}")


def _check_table(table: Any) -> None:
    need(table, ("columns", "rows"), "view.table")
    columns = need_list(table["columns"], "view.table.columns")
    for index, column in enumerate(columns):
        need(column, ("key", "label", "percent"), f"view.table.columns[{index}]")
    for index, row in enumerate(need_list(table["rows"], "view.table.rows")):
        need(row, ("label",), f"view.table.rows[{index}]")
        for key in (column["key"] for column in columns):
            place, cell = f"view.table.rows[{index}].{key}", row.get(key)
            if cell is not None:
                need(cell, ("estimate", "low", "high"), place)
                for part in ("estimate", "low", "high"):
                    if not _is_missing(cell[part]):
                        need_number(cell[part], f"{place}.{part}")


def _array(matrix: Any, place: str = "matrix") -> np.ndarray:
    """Numbers of a matrix, NaN for None."""
    try:
        return np.asarray(matrix, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{place} must be a square matrix of numbers, got rows of other kinds.") from error


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, numbers.Real) and math.isnan(value))


def _is_known(value: Any) -> bool:
    return not _is_missing(value)
