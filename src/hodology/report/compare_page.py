"""The page of a comparison of two sets of representations, with its style, script and data in one folder."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hodology.report.bars import bar_panels
from hodology.report.compare_view import best_matches, check_compare_view, pack_rdm
from hodology.report.page_files import write_page
from hodology.report.render import number, render

__all__ = ["write_compare_report"]

_STYLES = ("base.css", "trace.css", "causal.css", "compare.css")  # stage, card, tools and tables are the same
_SCRIPTS = (
    *("dom.js", "theme.js", "compare_words.js", "compare_colours.js", "compare_heat.js", "compare_card.js"),
    *("compare_profile.js", "compare_rows.js", "compare_places.js", "compare_rdms.js"),
    *("compare_scatter.js", "compare.js"),
)
_DETAILED = 400  # pairs: of more, the table has values without their intervals
_NAMED = 4  # columns within the interval of the best that are named


def write_compare_report(view: Mapping[str, Any], folder: str | Path) -> Path:
    """Write ``index.html`` and ``assets/`` (``compare.js``, ``style.css``, ``data.js``); it works without a network.

    Parameters
    ----------
    view : mapping
        See `hodology.report.compare_view`.
    folder : path
        Made when missing.

    Returns
    -------
    Path
        The page. Equal views give equal bytes.

    Raises
    ------
    InputError
        When the view is incomplete or its matrices do not fit; names the place.
    """
    check_compare_view(view)
    matrix, same = view["matrix"], len(view["sets"]) == 1
    found = best_matches(matrix, same=same)
    cells = [
        [_cell(matrix, row, column) for column in range(len(line))]
        for row, line in enumerate(matrix["values"])
    ]
    values = {
        "a": view["sets"][0],
        "b": view["sets"][-1],
        "same": same,
        "cells": cells,
        "matches": [_match(matrix, cells, row, one) for row, one in enumerate(found)],
        "top": _top(cells, same=same),
        "detailed": len(cells) * len(cells[0]) <= _DETAILED,
        "has_rdms": any(one["rdm"] is not None for part in view["sets"] for one in part["representations"]),
        "panels": bar_panels(view["table"]),
    }
    page = render("compare.html", view=view, **values)
    data = {**view, "sets": [_packed(part) for part in view["sets"]], "matches": found}
    return write_page(page, folder, name="compare", styles=_STYLES, scripts=_SCRIPTS, view=data)


def _packed(part: Mapping[str, Any]) -> dict[str, Any]:
    """A set with its matrices in the short form."""
    shown = [
        {**one, "rdm": None if one["rdm"] is None else pack_rdm(one["rdm"])}
        for one in part["representations"]
    ]
    return {**part, "representations": shown}


def _cell(matrix: Mapping[str, Any], row: int, column: int) -> dict[str, Any]:
    """A pair's figures as text."""
    low, high, p = (matrix[key] and matrix[key][row][column] for key in ("low", "high", "p"))
    known = all(end is not None and math.isfinite(end) for end in (low, high))
    value = matrix["values"][row][column]
    missing = value is None or not math.isfinite(value)
    return {
        "size": None if missing else float(value),
        "value": number(value),
        "interval": f"{number(low)} to {number(high)}" if known else "",
        "p": number(p) if p is not None and math.isfinite(p) else "",
        "names": (matrix["rows"][row], matrix["columns"][column]),
    }


def _match(
    matrix: Mapping[str, Any], cells: Sequence[Sequence[dict[str, Any]]], row: int, found: Mapping[str, Any]
) -> dict[str, Any]:
    """A row's best match in words."""
    names = [matrix["columns"][column] for column in found["within"]]
    more = len(names) - _NAMED
    within = ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
    best = found["column"]
    cell = {"value": "\u2013", "interval": "", "p": ""} if best is None else cells[row][best]
    return {
        "row": matrix["rows"][row],
        "best": None if best is None else matrix["columns"][best],
        "column": best,
        "within": within,
        "near": set(found["within"]),
        "cell": cell,
    }


def _top(cells: Sequence[Sequence[dict[str, Any]]], *, same: bool) -> dict[str, Any] | None:
    """The most similar pair of all; of a set with itself, of two."""
    known = [
        cell
        for row, line in enumerate(cells)
        for column, cell in enumerate(line)
        if cell["size"] is not None and not (same and row == column)
    ]
    return max(known, key=lambda cell: cell["size"], default=None)
