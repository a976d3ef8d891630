"""A small drawing of one claim: seeds as dots, their interval as a bar, the threshold as a line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["claim_drawing"]

_WIDTH, _HEIGHT, _EDGE = 320, 56, 14


def claim_drawing(claim: Mapping[str, Any]) -> str:
    """Return an SVG; all numbers in it also stand in the page's text."""
    values = [*claim["per_seed"], claim["threshold"], *(claim["interval"] or ())]
    low, high = min(values), max(values)
    span = (high - low) or max(abs(high), 1.0)

    def x(value: float) -> float:
        return _EDGE + (value - low) / span * (_WIDTH - 2 * _EDGE)

    right = claim["rule"].startswith("above")
    edge = x(claim["threshold"])
    zone = (edge, _WIDTH - edge) if right else (0.0, edge)
    parts = [
        f'<svg class="dots" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{_label(claim)}">',
        f'<rect class="zone" x="{zone[0]:.1f}" y="0" width="{max(zone[1], 0):.1f}" height="36"/>',
        f'<line class="threshold" x1="{edge:.1f}" x2="{edge:.1f}" y1="0" y2="36"/>',
    ]
    if claim["interval"]:
        a, b = (x(v) for v in claim["interval"])
        parts.append(f'<line class="interval" x1="{a:.1f}" x2="{b:.1f}" y1="18" y2="18"/>')
    parts += [f'<circle class="seed" cx="{x(v):.1f}" cy="18" r="3.5"/>' for v in claim["per_seed"]]
    mean = x(claim["measured"])
    parts.append(f'<line class="mean" x1="{mean:.1f}" x2="{mean:.1f}" y1="8" y2="28"/>')
    anchor = "start" if edge < 60 else "end" if edge > _WIDTH - 60 else "middle"
    parts.append(f'<text x="{edge:.1f}" y="51" text-anchor="{anchor}">{claim["threshold"]:g}</text></svg>')
    return "".join(parts)


def _label(claim: Mapping[str, Any]) -> str:
    return f"Mean {claim['measured']:.3g} over {len(claim['per_seed'])} seeds, must be {claim['rule']}"
