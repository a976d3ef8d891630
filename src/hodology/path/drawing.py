"""A picture of many paths: places as columns, used units as nodes, steps as lines."""

from __future__ import annotations

from collections import Counter
from html import escape

from hodology.path.pathset import PathSet

__all__ = ["draw_paths"]

_STYLE = (
    ".line{stroke:#3b6ea8;fill:none}.node{fill:#1f4e79}.text{font:11px system-ui,sans-serif;fill:#333}"
    "@media(prefers-color-scheme:dark){.line{stroke:#8ab4e8}.node{fill:#bcd6f5}.text{fill:#ddd}}"
)
_ROWS = 14  # units drawn per place; rarer ones are gathered in the last row


def draw_paths(paths: PathSet, *, max_paths: int = 200, width: int = 900) -> str:
    """Return an SVG of the first `max_paths` paths.

    Node area grows with the number of paths through a unit, a line's opacity with the number of paths that
    take this step. Units beyond the most used ones of a place share the row marked with dots.
    """
    items = [p for _, p in zip(range(max_paths), paths)]
    counts: dict[str, Counter[int | str]] = {place: Counter() for place in paths.places}
    for path in items:
        for step in path.steps:
            counts[step.place][step.unit] += 1
    rows = {
        place: {unit: i for i, (unit, _) in enumerate(_ranked(counter)[:_ROWS])}
        for place, counter in counts.items()
    }
    height = 60 + 26 * (max((min(len(c), _ROWS + 1) for c in counts.values()), default=1))
    gap = (width - 80) / max(len(paths.places) - 1, 1)

    def at(place: str, unit: int | str) -> tuple[float, float]:
        x = 40 + gap * paths.places.index(place) if len(paths.places) > 1 else width / 2
        return x, 48 + 26 * rows[place].get(unit, _ROWS)

    lines = Counter(
        (at(a.place, a.unit), at(b.place, b.unit)) for p in items for a, b in zip(p.steps, p.steps[1:])
    )
    most = max(lines.values(), default=1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
        f"<title>{escape(f'{len(items)} paths through {len(paths.places)} places')}</title>",
        f"<style>{_STYLE}</style>",
    ]
    for ((x0, y0), (x1, y1)), count in sorted(lines.items(), key=lambda item: item[1]):
        middle = (x0 + x1) / 2
        parts.append(
            f'<path class="line" d="M{x0:.1f} {y0:.1f}C{middle:.1f} {y0:.1f} {middle:.1f} {y1:.1f} {x1:.1f} {y1:.1f}" '
            f'stroke-opacity="{0.12 + 0.88 * count / most:.2f}" stroke-width="{1 + 3 * count / most:.1f}"/>'
        )
    for index, place in enumerate(paths.places):
        x = at(place, "")[0]
        parts.append(f'<text class="text" x="{x:.1f}" y="18" text-anchor="middle">{index + 1}</text>')
        for unit, count in _ranked(counts[place])[:_ROWS]:
            y = at(place, unit)[1]
            radius = 2.5 + 6 * (count / max(len(items), 1)) ** 0.5
            parts.append(
                f'<circle class="node" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}">'
                f"<title>{escape(f'{place}, unit {unit}: {count} paths')}</title></circle>"
                f'<text class="text" x="{x + radius + 3:.1f}" y="{y - 5:.1f}">{escape(str(unit))}</text>'
            )
        if len(counts[place]) > _ROWS:
            y = 48 + 26 * _ROWS
            parts.append(f'<text class="text" x="{x:.1f}" y="{y:.1f}" text-anchor="middle">…</text>')
    return "".join([*parts, "</svg>"])


def _ranked(counter: Counter[int | str]) -> list[tuple[int | str, int]]:
    return sorted(counter.items(), key=lambda item: (-item[1], str(item[0])))
