"""Pictures of episodes: one frame as SVG, all frames as an animated GIF."""

from __future__ import annotations

import colorsys
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from hodology.errors import InputError
from hodology.files import atomic_path
from hodology.optional import require
from hodology.planning.episode import EpisodeReport

__all__ = ["agent_colours", "episode_gif", "episode_svg"]

_STYLE = (
    ".wall{fill:#c9ced6}.floor{fill:#fff}.trail{fill:none;stroke-linecap:round;stroke-linejoin:round}"
    "@media(prefers-color-scheme:dark){.wall{fill:#3a4048}.floor{fill:#15181c}}"
)
_LARGEST = 2048  # pixels along an edge of a GIF
_FRAMES = 2000


def agent_colours(n: int) -> list[str]:
    """One colour per agent, ``#rrggbb``; neighbours in number lie far apart in hue."""
    golden = 0.61803398875
    return [_hex((agent * golden) % 1.0, 0.48 if agent % 2 else 0.38) for agent in range(n)]


def episode_svg(report: EpisodeReport, *, step: int = -1, trail: int = 12, cell: int = 12) -> str:
    """One frame: walls, agents as discs, their goals as rings, and the way of the last steps.

    Parameters
    ----------
    report : EpisodeReport
        Recorded.
    step : int
        0 is before the first step; negative ones count from the end.
    trail : int
        Steps of the way behind each agent; 0 draws none.
    cell : int
        Pixels along an edge of a cell.

    Raises
    ------
    InputError
        For an episode without trajectories, or a step that it does not have.
    """
    at = _step(report, step)
    if trail < 0 or cell < 1:
        raise InputError(f"trail must be at least 0 and cell at least 1, got {trail} and {cell}.")
    places = (report.coordinates()[max(0, at - trail) : at + 1] + 0.5) * cell
    goals = None if report.goals is None else (report.coordinates(report.goals[at]) + 0.5) * cell
    width, height = report.width * cell, report.height * cell
    title = f"{report.controller} on {report.map_name or 'a map'}, step {at} of {report.steps}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style>",
        f'<rect class="floor" width="{width}" height="{height}"/><path class="wall" d="{_wall_path(report, cell)}"/>',
    ]
    for agent, colour in enumerate(agent_colours(report.n_agents)):
        way = places[:, agent]
        y, x = way[-1]
        if len(way) > 1:
            points = " ".join(f"{b:g},{a:g}" for a, b in way)
            parts.append(
                f'<polyline class="trail" stroke="{colour}" stroke-opacity=".45" '
                f'stroke-width="{0.3 * cell:g}" points="{points}"/>'
            )
        if goals is not None:
            b, a = goals[agent]
            parts.append(
                f'<circle cx="{a:g}" cy="{b:g}" r="{0.22 * cell:g}" fill="none" stroke="{colour}" '
                f'stroke-width="{0.12 * cell:g}"/>'
            )
        parts.append(
            f'<circle cx="{x:g}" cy="{y:g}" r="{0.38 * cell:g}" fill="{colour}"><title>agent {agent}: '
            f"{int(np.sum((report.reached[:, 1] == agent) & (report.reached[:, 0] <= at)))} goals</title></circle>"
        )
    return "".join([*parts, "</svg>"])


def episode_gif(
    report: EpisodeReport,
    file: str | Path,
    *,
    cell: int = 8,
    frame_ms: int = 120,
    first: int = 0,
    last: int | None = None,
) -> None:
    """Write the episode as an animated GIF, a frame per step (extra ``hf``).

    Parameters
    ----------
    report : EpisodeReport
        Recorded.
    file : path
    cell : int
        Pixels along an edge of a cell.
    frame_ms : int
        How long a frame stands, in milliseconds.
    first, last : int
        Steps of the first and the last frame; default: all.

    Raises
    ------
    InputError
        For steps that the episode does not have, more than 2,000 frames, or a picture of more than 2,048 pixels an edge.
    """
    image: Any = require("PIL.Image", extra="hf", purpose="writing GIF files")
    begin, end = _step(report, first), _step(report, report.steps if last is None else last)
    if end < begin or end - begin + 1 > _FRAMES:
        raise InputError(f"first to last must be 1 to {_FRAMES} frames, got steps {begin} to {end}.")
    edge = max(report.width, report.height) * cell
    if cell < 1 or frame_ms < 1 or edge > _LARGEST:
        raise InputError(
            f"cell and frame_ms must be at least 1 and the picture at most {_LARGEST} pixels an edge, got cell {cell}, "
            f"frame_ms {frame_ms} and {edge} pixels."
        )
    palette = _palette(report.n_agents)
    frames = []
    for step in range(begin, end + 1):
        picture = image.fromarray(_pixels(report, step, cell))
        picture.putpalette(palette)
        frames.append(picture)
    with atomic_path(file) as temporary:
        frames[0].save(
            temporary,
            format="GIF",
            save_all=True,
            append_images=frames[1:],
            duration=frame_ms,
            loop=0,
            optimize=False,
        )


def _step(report: EpisodeReport, step: int) -> int:
    """The step as 0 .. steps, or an error; also where nothing was recorded."""
    report.coordinates()
    if not -report.steps - 1 <= step <= report.steps:
        raise InputError(f"step must be 0 to {report.steps}, got {step}.")
    return step % (report.steps + 1)


def _wall_path(report: EpisodeReport, cell: int) -> str:
    """Walls as runs along the rows."""
    parts = []
    for row, line in enumerate(report.map_text.splitlines()):
        edges = np.flatnonzero(np.diff([0, *(mark == "#" for mark in line), 0]))
        for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            width = (end - begin) * cell
            parts.append(f"M{begin * cell} {row * cell}h{width}v{cell}h-{width}z")
    return "".join(parts)


def _pixels(report: EpisodeReport, step: int, cell: int) -> np.ndarray:
    """Palette indices: 0 floor, 1 wall, then agents; a goal is a small square, an agent a large one."""
    lines = report.map_text.splitlines()
    board = np.array([[mark == "#" for mark in line] for line in lines], dtype=np.uint8)
    pixels = np.kron(board, np.ones((cell, cell), dtype=np.uint8))
    colours = 2 + np.arange(report.n_agents) % 254
    inset = cell // 3
    if report.goals is not None:
        for (row, column), colour in zip(report.coordinates(report.goals[step]) * cell, colours, strict=True):
            pixels[row + inset : row + cell - inset, column + inset : column + cell - inset] = colour
    edge = 1 if cell > 3 else 0
    for (row, column), colour in zip(report.coordinates()[step] * cell, colours, strict=True):
        pixels[row + edge : row + cell - edge, column + edge : column + cell - edge] = colour
    return pixels


def _palette(n: int) -> list[int]:
    colours = ["#ffffff", "#9aa3ae", *agent_colours(min(n, 254))]
    return [int(colour[k : k + 2], 16) for colour in colours for k in (1, 3, 5)]


def _hex(hue: float, light: float) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in colorsys.hls_to_rgb(hue, light, 0.65))
