"""Views of agents on a grid: one to know by heart, one in a maze as a run would hand over, and one as large as any."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["big_view", "maze_view", "tiny_view"]

_STEPS = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))  # stay, up, down, left, right


def tiny_view() -> dict[str, Any]:
    """Three agents for six steps on three rows of five cells, by two policies.

    Goals are reached in the steps 3 (agents 1 and 2), 4 and 6 (agent 0); with "Idle" none is.
    """
    moves = ["444422", "044000", "224000"]
    goals = [[[0, 4], [4, 14], [6, 0]], [[0, 12], [3, 2]], [[0, 13], [3, 14]]]
    idle = _episode("idle", "Idle", [0, 10, 2], ["400000", "000000", "000000"], [[g[0]] for g in goals])
    main = _episode("greedy", "Greedy", [0, 10, 2], moves, goals)
    return _view(
        [".....", ".#.#.", "....."],
        [main | {"note": "goes where it must"}, idle | {"decision_ms": None}],
        title="Three agents on a small map",
        name="ring",
    )


def maze_view() -> dict[str, Any]:
    """Forty agents for 64 steps in a maze of 21 by 33 cells, by three policies."""
    draws = np.random.default_rng(24)
    free = np.ones((21, 33), dtype=bool)
    for row, column in np.argwhere(free[1::4, 1::4]) * 4 + 1:
        free[row, column : column + int(draws.integers(1, 4))] = False
        free[row : row + int(draws.integers(1, 4)), column] = False
    names = (("follower", "Follower", 0.95), ("walker", "Walker", 0.8), ("idler", "Idler", 0.3))
    episodes = [wander(free, key, label, agents=40, steps=64, haste=haste) for key, label, haste in names]
    view = _view(_rows(free), episodes, title="Follower among forty", name="maze-21-33")
    view["table"] = _table()
    return view


def big_view(*, side: int = 65, agents: int = 256, steps: int = 512) -> dict[str, Any]:
    """`agents` for `steps` on a map of `side` by `side` cells with a tenth of walls, by two policies."""
    free = np.random.default_rng(5).random((side, side)) > 0.1
    episodes = [
        wander(free, key, key.capitalize(), agents=agents, steps=steps, haste=haste)
        for key, haste in (("busy", 0.95), ("lazy", 0.5))
    ]
    return _view(_rows(free), episodes, title="Many agents", name=f"random-{side}")


def wander(
    free: np.ndarray, key: str, label: str, *, agents: int, steps: int, haste: float
) -> dict[str, Any]:
    """Agents that walk on as they walked, turn at hazard and never meet; goals are cells that they will come to."""
    draws = np.random.default_rng(len(label))
    height, width = free.shape
    starts = draws.choice(np.flatnonzero(free), agents, replace=False)
    at, heading = [divmod(int(cell), width) for cell in starts], draws.integers(1, 5, agents)
    taken, moves, cells = set(at), [[] for _ in at], [[int(cell)] for cell in starts]
    chances = draws.random((steps, agents, 2))
    turns = draws.integers(1, 5, (steps, agents))
    for step in range(steps):
        for agent, (row, column) in enumerate(at):
            if chances[step, agent, 0] < 0.15:
                heading[agent] = turns[step, agent]
            move = int(heading[agent]) if chances[step, agent, 1] < haste else 0
            there = (row + _STEPS[move][0], column + _STEPS[move][1])
            open_ = 0 <= there[0] < height and 0 <= there[1] < width and free[there]
            if move and (not open_ or there in taken):
                move, there = 0, (row, column)
                heading[agent] = turns[step, agent]
            taken.remove((row, column))
            taken.add(there)
            at[agent] = there
            moves[agent].append(str(move))
            cells[agent].append(there[0] * width + there[1])
    goals = [_goals(path, draws) for path in cells]
    return _episode(key, label, starts.tolist(), ["".join(text) for text in moves], goals)


def _goals(path: list[int], draws: np.random.Generator) -> list[list[int]]:
    """Every so often a cell of the path is the goal that was just reached."""
    times = np.cumsum(draws.integers(6, 30, len(path)))
    times = times[times < len(path)].tolist()
    given = [0, *times]
    ends = [path[step] for step in times] + [path[0]]
    return [[step, cell] for step, cell in zip(given, ends, strict=True)]


def _rows(free: np.ndarray) -> list[str]:
    return ["".join("." if cell else "#" for cell in row) for row in free]


def _episode(key: str, label: str, starts: list[int], moves: list[str], goals: Any) -> dict[str, Any]:
    total = sum(len(part) - 1 for part in goals)
    text = "".join(moves)
    return {
        "key": key,
        "label": label,
        "note": "",
        "throughput": total / len(moves[0]),
        "goals_total": total,
        "wait_share": text.count("0") / len(text),
        "decision_ms": 0.125,
        "starts": starts,
        "moves": moves,
        "goals": goals,
    }


def _view(rows: list[str], episodes: list[dict[str, Any]], *, title: str, name: str) -> dict[str, Any]:
    agents, steps = len(episodes[0]["starts"]), len(episodes[0]["moves"][0])
    return {
        "format": 1,
        "title": title,
        "version": "0.1.0",
        "map": {"name": name, "height": len(rows), "width": len(rows[0]), "rows": rows},
        "settings": {"agents": agents, "steps": steps, "seed": 0, "collision": "soft", "obs_radius": 1},
        "episodes": episodes,
        "table": {
            "columns": [{"key": "throughput", "label": "Throughput", "percent": False, "better": "higher"}],
            "rows": [
                {
                    "label": part["label"],
                    "throughput": {"estimate": part["throughput"], "low": None, "high": None},
                }
                for part in episodes
            ],
        },
        "notes": ["One seed; the episode is the first of them."],
        "files": ["episode.npz", "summary.json"],
    }


def _table() -> dict[str, Any]:
    columns = [
        {"key": "throughput", "label": "Throughput", "unit": "goals per step", "percent": False, "better": "higher"},
        {"key": "waits", "label": "Waits", "percent": True, "share": True, "better": "lower"},
        {"key": "ms", "label": "Decision time", "unit": "ms per agent and step", "percent": False, "better": "lower"},
    ]  # fmt: skip
    rows = [
        ("Follower", (1.32, 1.27, 1.36), (0.11, 0.09, 0.12), (0.41, 0.4, 0.43)),
        ("Walker", (1.04, 1.01, 1.08), (0.24, 0.22, 0.26), (0.012, 0.011, 0.014)),
        ("Idler", (0.4, None, None), (0.71, None, None), None),
    ]
    keys = ("estimate", "low", "high")
    return {
        "columns": columns,
        "rows": [
            {
                "label": label,
                **{
                    column["key"]: None if cell is None else dict(zip(keys, cell, strict=True))
                    for column, cell in zip(columns, cells, strict=True)
                },
            }
            for label, *cells in rows
        ],
    }
