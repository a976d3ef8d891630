"""Stepping and observing the lifelong grid world against POGEMA 1.4.0, which runs in an environment of its own.

Same map, agents, seed and random actions, one thread each; the ways of all agents must be the same to the cell.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.measure import Row, once
from hodology.graph.grid import Grid
from hodology.planning.grid_generators import maze_map
from hodology.planning.grid_map import GridMap
from hodology.planning.lifelong_grid import LifelongGrid

__all__ = ["run"]

ROOT = Path(__file__).parent.parent
BOUNDS = {64: 5.0, 256: 8.0}


def run(*, quick: bool) -> Iterator[Row]:
    """Yield the rows; without POGEMA print a line that says so in place of its rows."""
    yield _distances()
    python = Path(os.environ.get("HODOLOGY_POGEMA_PYTHON") or ROOT / ".venv-pogema" / "bin" / "python")
    if not python.is_file():
        print(f"grid_stepper: no POGEMA to compare with ({python} does not exist).")
        return
    map = maze_map(65, 65, seed=0)
    for n_agents, bound in BOUNDS.items():
        for collision in ("soft", "priority"):
            yield _row(map, python, n_agents, collision, bound, quick=quick)


def _row(map: GridMap, python: Path, n_agents: int, collision: str, bound: float, *, quick: bool) -> Row:
    task = {
        "map": map.to_text(),
        "n_agents": n_agents,
        "seed": 3,
        "obs_radius": 5,
        "collision": collision,
        "steps": 64 if quick else 256,
        "repeats": 2 if quick else 5,
        "action_seed": 8,
    }
    seconds, digest, goals = _ours(map, task)
    peer = _peer(python, task)
    ratio = peer["seconds"] / seconds
    per_step = 1e6 / (task["steps"] * n_agents)
    equal = digest == peer["digest"] and goals == peer["goals"]
    return Row(
        what=f"step and views of {n_agents} agents, {collision}, 65 x 65 maze, per agent",
        ours=seconds * per_step,
        theirs=peer["seconds"] * per_step,
        unit="us",
        figure=f"{ratio:.1f}x",
        bound=f"at least {bound:g}x, same ways",
        passed=ratio >= bound and equal,
        note=f"POGEMA 1.4.0; {'the same' if equal else 'OTHER'} ways over {task['steps']} steps",
    )


def _ours(map: GridMap, task: dict) -> tuple[float, str, int]:
    """Least seconds of an episode, the digest of the positions, goals reached."""
    world = LifelongGrid(
        map, task["n_agents"], seed=task["seed"], obs_radius=task["obs_radius"], collision=task["collision"]
    )
    rows = np.random.default_rng(task["action_seed"]).integers(5, size=(task["steps"], task["n_agents"]))

    def episode() -> list[np.ndarray]:
        positions = [world.positions]
        for row in rows:
            world.step(row)
            world.observe()
            positions.append(world.positions)
        return positions

    seconds, positions = [], []
    for _ in range(task["repeats"] + 1):  # the first one compiles
        world.reset()
        taken, positions = once(episode)
        seconds.append(taken)
    cells = world.grid.coordinates(np.array(positions)).astype("<i4")
    return min(seconds), hashlib.sha256(cells.tobytes()).hexdigest(), int(world.reached_total.sum())


def _peer(python: Path, task: dict) -> dict:
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    done = subprocess.run(
        [str(python), str(Path(__file__).with_name("pogema_peer.py"))],
        input=json.dumps(task),
        env={**os.environ, **single},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def _distances() -> Row:
    """Mean distances of all cells of a 65 x 65 maze; beside it scipy's breadth-first search from every cell."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import shortest_path

    grid = Grid(maze_map(65, 65, seed=0).free)
    index = np.full(grid.size, -1)
    index[grid.cells] = np.arange(len(grid.cells))
    steps = [(grid.cells, grid.cells + step) for step in (1, -1, grid.stride, -grid.stride)]
    edges = np.concatenate([np.stack([index[a], index[b]])[:, index[b] >= 0] for a, b in steps], axis=1)
    graph = coo_array((np.ones(edges.shape[1]), edges), shape=(len(grid.cells),) * 2).tocsr()
    grid._sums(1)
    seconds, sums = min((once(lambda: grid._sums(1)) for _ in range(3)), key=lambda taken: taken[0])
    theirs, table = once(lambda: shortest_path(graph, method="D", unweighted=True))
    equal = np.array_equal(table.sum(axis=1), sums)
    return Row(
        what=f"mean distance of {len(grid.cells)} cells to all others, 65 x 65 maze",
        ours=seconds * 1e3,
        theirs=theirs * 1e3,
        unit="ms",
        figure=f"{seconds * 1e3:.0f} ms",
        bound="below 500 ms, equal to scipy",
        passed=seconds < 0.5 and equal,
        note="scipy.sparse.csgraph, a search per cell",
    )
