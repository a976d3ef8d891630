"""Where agents of a grid world start, and the stream of goals that each of them gets.

The draws are those of POGEMA 1.4.0, so the same map, seed and number of agents give the same starts and goals:

- A map without marks: the free cells in random order are dealt out to the components; in each component a cell is a
  start, the next one the goal of that agent, and so on. Each further goal is uniform in the agent's component, drawn
  again while it is the cell that the agent stands in.
- A map with marks: the allowed starts and the allowed goals are shuffled and the first ones taken. Each further goal
  is uniform among the allowed goals of the component.

- A map with a scenario of its own (letters, a `.scen` file), where it is asked for: agent i takes its entry i. Later
  goals are drawn as above.

Every agent draws from a generator of its own (main = default_rng(seed), one integer below 2^31 - 1 per agent), so
what an agent is asked to do depends on no other agent and on no policy.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.graph.grid import Grid
from hodology.planning.grid_map import GridMap

__all__ = ["GoalStreams", "Starts", "place_agents"]

Starts = Literal["map", "random"]


class GoalStreams:
    """The goals of every agent, one after another.

    Parameters
    ----------
    map : GridMap
    grid : Grid
        Of that map.
    n_agents : int
    seed : int

    Notes
    -----
    On maps with marks POGEMA 1.4.0 means to draw again a goal that is the agent's own cell, but compares the drawn
    cell without its margin to the agent's with it. So do we, for the same streams: there a goal may be the cell
    that the agent stands in. Goals of another component than the agent's are never drawn; POGEMA draws them.
    """

    def __init__(self, map: GridMap, grid: Grid, *, n_agents: int, seed: int) -> None:
        seeds = np.random.default_rng(seed).integers(np.iinfo(np.int32).max, size=n_agents)
        self._generators = [np.random.default_rng(own) for own in seeds]
        self._pools = _goal_pools(_shuffled_marks(map, grid, seed)[1] if map.restricted else grid.cells, grid)
        self._components = grid.components()
        self._shift = grid.margin * (grid.stride + 1) if map.restricted else 0

    def next(self, agent: int, cell: int) -> int:
        """The next goal of `agent`, which stands in the flat cell `cell`; at least two goals must lie in reach."""
        pool = self._pools[self._components[cell]]
        generator = self._generators[agent]
        while True:
            goal = int(pool[generator.integers(len(pool))])
            if goal != cell + self._shift:
                return goal


def place_agents(
    map: GridMap,
    grid: Grid,
    streams: GoalStreams,
    *,
    n_agents: int,
    seed: int,
    starts: ArrayLike | Starts | None = None,
    goals: ArrayLike | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Starts and first goals as flat cells, int32 ``(n_agents,)`` each.

    Parameters
    ----------
    map : GridMap
    grid : Grid
        Of that map.
    streams : GoalStreams
        Gives a first goal when starts are given without goals, and on maps with marks to the agents for which the
        draw left no goal in their component.
    n_agents : int
    seed : int
    starts : int array_like, shape (n_agents, 2), or {"map", "random"}, optional
        Rows and columns, on any free cells. ``"map"``: those of the map's scenario, with its goals when `goals` are not
        given. ``"random"``, as when not given: drawn.
    goals : int array_like, shape (n_agents, 2), optional
        Rows and columns, on any free cells; drawn when not given.

    Raises
    ------
    InputError
        For more agents than start cells, a cell that is a wall, two agents in one cell, a goal in another component
        than its start, a component with fewer than two goal cells, or a scenario of fewer agents.
    """
    if not isinstance(starts, str):
        return _place(map, grid, streams, n_agents, seed, starts, goals)
    if starts not in get_args(Starts):
        raise UnknownNameError(f"starts {starts!r} does not exist{near_names(starts, get_args(Starts))}.")
    if starts == "random":
        return _place(map, grid, streams, n_agents, seed, None, goals)
    cells = _scenario(map, n_agents)
    try:
        return _place(
            map, grid, streams, n_agents, seed, cells[:, 0], cells[:, 1] if goals is None else goals
        )
    except InputError as error:
        named = str(error).removesuffix(".")
        raise InputError(f"{named} in the map's own scenario; starts 'random' draws them.") from error


def _scenario(map: GridMap, n_agents: int) -> np.ndarray:
    """Starts and goals of the map's first agents, (n_agents, 2, 2)."""
    if map.scenario is None:
        raise InputError(
            "starts 'map' need a map that names starts and goals: letters, or a .scen beside a .map."
        )
    if len(map.scenario) < n_agents:
        raise InputError(
            f"the map names starts and goals of {len(map.scenario)} agents, got {n_agents} agents; take at most "
            f"{len(map.scenario)}, or starts 'random'."
        )
    return map.scenario[:n_agents]


def _place(
    map: GridMap,
    grid: Grid,
    streams: GoalStreams,
    n_agents: int,
    seed: int,
    starts: ArrayLike | None,
    goals: ArrayLike | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Starts and first goals: those given, checked, and the others drawn."""
    at = None if starts is None else _given_cells(starts, grid, n_agents, "start")
    to = None if goals is None else _given_cells(goals, grid, n_agents, "goal")
    if at is None:
        at, drawn = (_draw_marked if map.restricted else _draw_pairs)(map, grid, n_agents, seed)
        to = drawn if to is None else to
    _check_starts(at, map, grid)
    if to is None:
        to = np.full(n_agents, -1, dtype=np.int32)
    for agent in np.flatnonzero(to < 0).tolist():
        to[agent] = streams.next(agent, int(at[agent]))
    apart = np.flatnonzero(grid.components()[at] != grid.components()[to])
    if len(apart):
        where = _text(grid, to[apart[0]])
        raise InputError(f"goal {where} of agent {apart[0]} lies in another component than its start.")
    return at, to


def _goal_pools(goals: np.ndarray, grid: Grid) -> list[np.ndarray]:
    """Goal cells of every component, in the order given."""
    parts = grid.components()[goals]
    order = np.argsort(parts, kind="stable")
    counts = np.bincount(parts, minlength=int(grid.components().max()) + 1)
    return np.split(goals[order], np.cumsum(counts)[:-1])


def _goal_counts(map: GridMap, grid: Grid) -> np.ndarray:
    """Allowed goals in each component."""
    parts = grid.components()
    return np.bincount(parts[grid.flat(*np.nonzero(map.goals))], minlength=int(parts.max()) + 1)


def _shuffled_marks(map: GridMap, grid: Grid, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Start cells from which two goals are in reach, and goal cells, in random order."""
    starts, goals = grid.flat(*np.nonzero(map.starts)), grid.flat(*np.nonzero(map.goals))
    starts = starts[_goal_counts(map, grid)[grid.components()[starts]] > 1]
    generator = np.random.default_rng(seed)
    generator.shuffle(starts)
    generator.shuffle(goals)
    return starts, goals


def _draw_pairs(map: GridMap, grid: Grid, n_agents: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Maps without marks: of the shuffled cells of a component, every other one is a start, the next its goal."""
    order = grid.cells.copy()
    np.random.default_rng(seed).shuffle(order)
    parts = grid.components()[order]
    sizes = np.bincount(parts) if len(parts) else np.zeros(0, dtype=np.int64)
    _check_count(n_agents, int((sizes // 2).sum()), "; each agent takes a start and a goal cell of its own")
    grouped = np.argsort(parts, kind="stable")
    rank = np.empty(len(order), dtype=np.int64)
    rank[grouped] = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    after = np.empty(len(order), dtype=np.int64)
    after[grouped] = np.append(grouped[1:], -1)
    chosen = np.flatnonzero((rank % 2 == 0) & (rank + 1 < sizes[parts]))[:n_agents]
    return order[chosen], order[after[chosen]]


def _draw_marked(map: GridMap, grid: Grid, n_agents: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Maps with marks: the first ones of the shuffled starts and goals; -1 for a goal in another component."""
    starts, goals = _shuffled_marks(map, grid, seed)
    _check_count(n_agents, len(starts), "")
    parts = grid.components()
    found = np.full(n_agents, -1, dtype=np.int32)
    found[: len(goals)] = goals[:n_agents]
    starts = starts[:n_agents]
    return starts, np.where(parts[found] == parts[starts], found, -1).astype(np.int32)


def _check_count(n_agents: int, cells: int, why: str) -> None:
    if n_agents > cells:
        raise InputError(f"{n_agents} agents but only {cells} free start cells{why}.")


def _given_cells(cells: ArrayLike, grid: Grid, n_agents: int, what: str) -> np.ndarray:
    """Flat cells of a user's rows and columns, all free."""
    array = np.asarray(cells)
    if array.shape != (n_agents, 2) or array.dtype.kind not in "iu":
        raise InputError(
            f"{what}s must be integers of shape ({n_agents}, 2), got {array.dtype} of shape {array.shape}."
        )
    flat = grid.flat(array[:, 0], array[:, 1])
    walls = np.flatnonzero(grid.free[flat] == 0)
    if len(walls):
        raise InputError(f"{what} {_text(grid, flat[walls[0]])} of agent {walls[0]} is a wall.")
    return flat


def _check_starts(starts: np.ndarray, map: GridMap, grid: Grid) -> None:
    first: dict[int, int] = {}
    for agent, cell in enumerate(starts.tolist()):
        if cell in first:
            raise InputError(f"agents {first[cell]} and {agent} both start at {_text(grid, cell)}.")
        first[cell] = agent
    reach = _goal_counts(map, grid)[grid.components()[starts]]
    few = np.flatnonzero(reach < 2)
    if len(few):
        agent = few[0]
        raise InputError(
            f"start {_text(grid, starts[agent])} of agent {agent} reaches {reach[agent]} goal cells, at least 2 are "
            "needed."
        )


def _text(grid: Grid, cell: int) -> str:
    row, column = grid.coordinates(cell).tolist()
    return f"({row},{column})"
