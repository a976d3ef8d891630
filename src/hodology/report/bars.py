"""Where the bars and whiskers of the methods lie, in percent of the chart's width."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from hodology.report.render import number, percent, signed

__all__ = ["bar_panels"]


def bar_panels(table: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one panel per column of a view's table.

    Parameters
    ----------
    table : mapping
        ``columns`` (key, label, percent, better) and ``rows`` (method, label, one interval per key or None).

    Returns
    -------
    list of dict
        ``label``, ``better``, ``zero`` (percent of the width) and ``bars``, one per row: ``label``, ``value`` and
        ``interval`` as text, ``left`` and ``width`` of the bar, ``low`` and ``high`` of the whisker or None.
    """
    return [_panel(column, table["rows"]) for column in table["columns"]]


def _panel(column: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    cells = [row.get(column["key"]) or {} for row in rows]
    ends = [
        v
        for cell in cells
        for v in (_known(cell, key) for key in ("estimate", "low", "high"))
        if v is not None
    ]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    span = (high - low) or 1.0

    def place(value: float) -> float:
        return round(1.0 + 98.0 * (value - low) / span, 2)

    bars = [_bar(row["label"], cell, column, place) for row, cell in zip(rows, cells, strict=True)]
    unit = column.get("unit") or ""
    better = {"higher": "higher is better", "lower": "lower is better"}.get(str(column.get("better")), "")
    return {"label": column["label"], "unit": unit, "better": better, "zero": place(0.0), "bars": bars}


def _bar(label: str, cell: Mapping[str, Any], column: Mapping[str, Any], place: Any) -> dict[str, Any]:
    estimate, low, high = (_known(cell, key) for key in ("estimate", "low", "high"))
    bar = {"label": label, "value": _text(estimate, column), "interval": None, "n": cell.get("n")}
    bar |= {"left": None, "width": None, "low": None, "high": None}
    if estimate is not None:
        ends = sorted((place(0.0), place(estimate)))
        bar |= {"left": ends[0], "width": round(ends[1] - ends[0], 2)}
        if low is not None and high is not None:
            bar |= {"low": place(low), "high": place(high)}
            bar["interval"] = f"{_text(low, column)} to {_text(high, column)}"
    return bar


def _known(cell: Mapping[str, Any], key: str) -> float | None:
    value = cell.get(key)
    return None if value is None or not math.isfinite(value) else float(value)


def _text(value: float | None, column: Mapping[str, Any]) -> str:
    """Changes carry their sign; shares and scores do not."""
    if not column.get("percent"):
        return number(value)
    return percent(value) if column.get("share") else signed(value)
