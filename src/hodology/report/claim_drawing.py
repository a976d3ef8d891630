"""A small drawing of one claim: seeds as dots, their interval as a line, the threshold and its right side."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from hodology.report.render import number

__all__ = ["claim_drawing"]

_WIDTH, _EDGE, _ROW = 360, 16, 24  # _ROW: the line on which everything lies
_RULE = re.compile(r"(above|below)\s+([-+\u2212]?\d+(?:\.\d+)?(?:e[-+]?\d+)?)", re.IGNORECASE)


def claim_drawing(claim: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the coordinates that the template draws, or None when nothing was measured.

    Parameters
    ----------
    claim : mapping
        ``measured``, ``interval``, ``per_seed``, ``rule`` (``"above 2"``) and optionally ``threshold``.

    Returns
    -------
    dict or None
        ``width``, ``row``; ``seeds`` (x, y), ``mean``, ``interval`` (x, x) or None, ``zone`` (x, width) on the side
        where the claim holds, ``threshold`` (x) or None, ``labels`` (x, anchor, text), ``summary`` in words.
    """
    side, threshold = _rule(claim)
    seeds = [float(v) for v in claim["per_seed"] if _finite(v)]
    interval = claim["interval"] if claim["interval"] and all(_finite(v) for v in claim["interval"]) else None
    measured = float(claim["measured"]) if _finite(claim["measured"]) else None
    values = [*seeds, *(interval or ()), *([] if measured is None else [measured])]
    if not values:
        return None
    ends = values if threshold is None else [*values, threshold]
    low, high = min(ends), max(ends)
    span = (high - low) or max(abs(high), 1.0)
    low, span = low - 0.04 * span, 1.08 * span

    def x(value: float) -> float:
        return round(_EDGE + (value - low) / span * (_WIDTH - 2 * _EDGE), 1)

    zone = None
    if threshold is not None:
        zone = (x(threshold), round(_WIDTH - x(threshold), 1)) if side == "above" else (0.0, x(threshold))
    return {
        "width": _WIDTH,
        "row": _ROW,
        "seeds": [(x(v), _ROW + (3 if i % 2 else -3)) for i, v in enumerate(seeds)],
        "mean": None if measured is None else x(measured),
        "interval": (x(interval[0]), x(interval[1])) if interval else None,
        "zone": zone,
        "side": side,
        "threshold": None if threshold is None else x(threshold),
        "labels": _labels(threshold, values, x),
        "summary": _summary(claim, measured, interval, seeds),
    }


def _labels(threshold: float | None, values: list[float], x: Any) -> list[tuple[float, str, str, str]]:
    """The threshold, and each end of the measured values where there is room for it."""
    placed: list[tuple[float, str, str, str]] = []
    marks = [] if threshold is None else [(threshold, "threshold")]
    marks += [(v, "end") for v in dict.fromkeys((min(values), max(values)))]
    for value, kind in marks:
        place = x(value)
        if any(abs(place - other[0]) < 56 for other in placed):
            continue
        anchor = "start" if place < 40 else "end" if place > _WIDTH - 40 else "middle"
        placed.append((place, anchor, number(value), kind))
    return placed


def _rule(claim: Mapping[str, Any]) -> tuple[str | None, float | None]:
    found = _RULE.search(claim["rule"])
    if found is None:
        return None, None
    written = float(found.group(2).replace("\u2212", "-"))
    exact: Any = claim.get("threshold")
    return found.group(1).lower(), float(exact) if _finite(exact) else written


def _summary(
    claim: Mapping[str, Any], measured: float | None, interval: list[float] | None, seeds: list[float]
) -> str:
    parts = [f"mean {number(measured)}"]
    if interval:
        parts.append(f"interval {number(interval[0])} to {number(interval[1])}")
    parts += [f"seeds {', '.join(number(v) for v in seeds)}", f"must be {claim['rule']}"]
    return "; ".join(parts)


def _finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
