"""The view of an episode of many agents on a grid: what its page plays, as plain values, and the check that it is one.

Keys: ``format`` (1), ``title``, ``version``, ``generated`` (optional), ``map`` (name, height, width, and rows of
``.`` free and ``#`` wall), ``settings`` (agents, steps, and what else was set; a whole ``obs_radius`` is drawn around
the chosen agent), ``episodes``, one per policy, the main one first: key, label, note, throughput (goals per step of
all agents), goals_total, wait_share, decision_ms (per agent and step, or None), ``starts`` (the cell of each agent,
row * width + column), ``moves`` (one text of digits per agent: 0 stay, 1 up, 2 down, 3 left, 4 right, what the agent
did and not what it wanted) and ``goals`` (per agent its ``[step, cell]``: the step at which the goal was given, 0 for
the first; the next is given in the step that reached it); ``table`` (columns and one row of intervals per policy, as
in `hodology.report.bars`), ``notes``, and ``files`` (optional: names beside the page).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hodology.errors import InputError
from hodology.report.view_checks import need, need_count, need_head, need_list, need_number, need_text

__all__ = ["check_swarm_view", "walk"]

_KEYS = ("title", "version", "map", "settings", "episodes", "table", "notes")
_EPISODE_KEYS = (
    *("key", "label", "note", "throughput", "goals_total", "wait_share", "decision_ms"),
    *("starts", "moves", "goals"),
)
_LARGEST = 4096  # cells along one side: a canvas of more is not sure to be there
_DOWN = np.array([0, -1, 1, 0, 0], dtype=np.int32)
_RIGHT = np.array([0, 0, 0, -1, 1], dtype=np.int32)


def check_swarm_view(view: Mapping[str, Any]) -> None:
    """Refuse what the page could not play: walks through walls, goals that were not reached, other numbers of steps.

    Raises
    ------
    InputError
        Names the place in the view and what stands there.
    """
    need_head({"files": [], **view} if isinstance(view, Mapping) else view, _KEYS)
    free = _check_map(view["map"])
    settings = view["settings"]
    need(settings, ("agents", "steps"), "view.settings")
    for key in ("agents", "steps"):
        need_count(settings[key], f"view.settings.{key}")
        if not settings[key]:
            raise InputError(f"view.settings.{key} must be at least 1, got 0.")
    episodes = need_list(view["episodes"], "view.episodes")
    if not episodes:
        raise InputError("view.episodes must hold at least one episode, got none.")
    keys: set[str] = set()
    for index, episode in enumerate(episodes):
        place = f"view.episodes[{index}]"
        _check_figures(episode, place)
        if episode["key"] in keys:
            raise InputError(f"{place}.key must be its own, {episode['key']!r} stands there before.")
        keys.add(episode["key"])
        _check_episode(episode, free, (int(settings["agents"]), int(settings["steps"])), place)
    _check_table(view["table"])


def walk(starts: Sequence[int], moves: Sequence[str], *, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns, int32 ``(agents, steps + 1)``, of agents that start in cells and make moves of digits 0 to 4.

    Parameters
    ----------
    starts : sequence of int
        Cell of each agent, row * width + column.
    moves : sequence of str
        One text per agent, all of one length.
    width : int
        Columns of the map.
    """
    cells = np.asarray(starts, dtype=np.int64)
    digits = np.frombuffer("".join(moves).encode("ascii"), dtype=np.uint8).reshape(len(cells), -1) - ord("0")
    first = np.stack([cells // width, cells % width]).astype(np.int32)
    steps = np.concatenate([first[:, :, None], np.stack([_DOWN[digits], _RIGHT[digits]])], axis=2)
    rows, columns = np.cumsum(steps, axis=2, dtype=np.int32)
    return rows, columns


def _check_map(part: Any) -> np.ndarray:
    """The free cells, bool ``(height, width)``."""
    need(part, ("name", "height", "width", "rows"), "view.map")
    need_text(part["name"], "view.map.name")
    for key in ("height", "width"):
        need_count(part[key], f"view.map.{key}")
        if not 1 <= part[key] <= _LARGEST:
            raise InputError(f"view.map.{key} must be from 1 to {_LARGEST}, got {part[key]}.")
    rows = need_list(part["rows"], "view.map.rows")
    if len(rows) != part["height"]:
        raise InputError(f"view.map.rows must hold {part['height']} rows, got {len(rows)}.")
    for index, row in enumerate(rows):
        need_text(row, f"view.map.rows[{index}]")
        if len(row) != part["width"] or not set(row) <= {".", "#"}:
            raise InputError(
                f"view.map.rows[{index}] must be {part['width']} of '.' and '#', got {row!r:.60}."
            )
    return np.array([[cell == "." for cell in row] for row in rows], dtype=bool)


def _check_figures(episode: Any, place: str) -> None:
    need(episode, _EPISODE_KEYS, place)
    for key in ("key", "label", "note"):
        need_text(episode[key], f"{place}.{key}")
    need_number(episode["throughput"], f"{place}.throughput", low=0.0)
    need_count(episode["goals_total"], f"{place}.goals_total")
    need_number(episode["wait_share"], f"{place}.wait_share", low=0.0, high=1.0)
    if episode["decision_ms"] is not None:
        need_number(episode["decision_ms"], f"{place}.decision_ms", low=0.0)


def _check_episode(episode: Mapping[str, Any], free: np.ndarray, size: tuple[int, int], place: str) -> None:
    agents, steps = size
    for key in ("starts", "moves", "goals"):
        count = len(need_list(episode[key], f"{place}.{key}"))
        if count != agents:
            raise InputError(f"{place}.{key} must hold one entry per agent, {agents}, got {count}.")
    for agent, (start, text) in enumerate(zip(episode["starts"], episode["moves"])):
        _need_cell(start, free, f"{place}.starts[{agent}]")
        need_text(text, f"{place}.moves[{agent}]")
        if len(text) != steps or not set(text) <= set("01234"):
            raise InputError(f"{place}.moves[{agent}] must be {steps} digits from 0 to 4, got {text!r:.40}.")
    rows, columns = walk(episode["starts"], episode["moves"], width=free.shape[1])
    _check_walks(rows, columns, free, place)
    cells = rows * free.shape[1] + columns
    for agent, goals in enumerate(episode["goals"]):
        _check_goals(goals, cells[agent], free, f"{place}.goals[{agent}]")
    reached = sum(len(goals) - 1 for goals in episode["goals"])
    if episode["goals_total"] != reached:
        raise InputError(
            f"{place}.goals_total must be the {reached} goals that {place}.goals tells of, got {episode['goals_total']}."
        )


def _check_walks(rows: np.ndarray, columns: np.ndarray, free: np.ndarray, place: str) -> None:
    inside = (rows >= 0) & (rows < free.shape[0]) & (columns >= 0) & (columns < free.shape[1])
    good = inside & free[rows.clip(0, free.shape[0] - 1), columns.clip(0, free.shape[1] - 1)]
    if good.all():
        return
    agent, step = (int(part) for part in np.argwhere(~good)[0])
    what = "a wall" if inside[agent, step] else "outside the map"
    raise InputError(
        f"{place}.moves[{agent}] leads in step {step} to row {rows[agent, step]}, column {columns[agent, step]}, "
        f"which is {what}."
    )


def _check_goals(goals: Any, cells: np.ndarray, free: np.ndarray, place: str) -> None:
    """The first goal is given in step 0, every other in the step in which the agent stood on the one before."""
    if not need_list(goals, place):
        raise InputError(f"{place} must hold the first goal at least, got none.")
    last, before = -1, -1
    for index, goal in enumerate(goals):
        here = f"{place}[{index}]"
        if len(need_list(goal, here)) != 2:
            raise InputError(f"{here} must be a step and a cell, got {goal!r:.60}.")
        need_count(goal[0], f"{here}[0]")
        _need_cell(goal[1], free, f"{here}[1]")
        step = int(goal[0])
        if not index and step:
            raise InputError(f"{here}[0] must be 0, the first goal is there from the start, got {step}.")
        if not last < step < len(cells):
            raise InputError(f"{here}[0] must be a step from {last + 1} to {len(cells) - 1}, got {step}.")
        if index and cells[step] != before:
            raise InputError(
                f"{here} is given in step {step}, but the agent stands in cell {cells[step]} then and not on its "
                f"goal {before}."
            )
        last, before = step, int(goal[1])


def _need_cell(cell: Any, free: np.ndarray, place: str) -> None:
    """Refuse what is no free cell."""
    need_count(cell, place)
    if cell >= free.size:
        raise InputError(f"{place} must be a cell below {free.size}, got {cell}.")
    if not free.flat[int(cell)]:
        raise InputError(f"{place} must be a free cell, got {cell}, a wall.")


def _check_table(table: Any) -> None:
    need(table, ("columns", "rows"), "view.table")
    columns = need_list(table["columns"], "view.table.columns")
    for index, column in enumerate(columns):
        need(column, ("key", "label", "percent"), f"view.table.columns[{index}]")
    for index, row in enumerate(need_list(table["rows"], "view.table.rows")):
        need(row, ("label",), f"view.table.rows[{index}]")
        for key in (column["key"] for column in columns):
            place, cell = f"view.table.rows[{index}].{key}", row.get(key)
            if cell is None:
                continue
            need(cell, ("estimate", "low", "high"), place)
            for part in ("estimate", "low", "high"):
                if cell[part] is not None:
                    need_number(cell[part], f"{place}.{part}")
