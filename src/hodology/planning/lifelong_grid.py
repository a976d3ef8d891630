"""The lifelong multi-agent grid world: many agents on one grid, a new goal for each as soon as the last is reached.

In every step each agent stays or moves to one of four neighbours; a collision rule settles who may. Actions are
0 stay, 1 up (-1, 0), 2 down (+1, 0), 3 left (0, -1), 4 right (0, +1). Throughput is goals reached per step, over all
agents.

References: Skrynnik et al., "Learn to follow: decentralized lifelong multi-agent pathfinding via planning and
learning", AAAI 2024; the rules and the random draws are those of POGEMA 1.4.0 (Skrynnik et al., "POGEMA: partially
observable grid environment for multiple agents", 2022).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.graph.grid import Grid
from hodology.planning.grid_map import GridMap
from hodology.planning.grid_placement import GoalStreams, Starts, place_agents
from hodology.rng import check_seed

__all__ = ["Collision", "GridObservation", "LifelongGrid", "Outside", "StepResult"]

Collision = Literal["soft", "priority", "block"]
Outside = Literal["open", "wall"]
_RADIUS = 128


@dataclass(frozen=True, eq=False, repr=False)
class StepResult:
    """What one step did.

    Attributes
    ----------
    reached : bool ndarray, shape (n,)
        Agents that stood on their goal after the move; they have a new goal now.
    moved : bool ndarray, shape (n,)
        Agents that left their cell.
    done : bool
        Whether the horizon is reached.
    """

    reached: np.ndarray
    moved: np.ndarray
    done: bool

    def __repr__(self) -> str:
        return f"StepResult({int(self.reached.sum())} goals, {int(self.moved.sum())} moves, done={self.done})"


@dataclass(frozen=True, eq=False, repr=False)
class GridObservation:
    """What the agents see: squares of side S = 2 * radius + 1 around them, and no absolute position.

    Attributes
    ----------
    obstacles : uint8 ndarray, shape (n, S, S)
        1 on walls.
    agents : uint8 ndarray, shape (n, S, S)
        1 where an agent stands, the own cell included.
    goal_offset : int32 ndarray, shape (n, 2)
        Rows and columns from the agent to its goal.
    position : int32 ndarray, shape (n, 2)
        Rows and columns from the agent's start to the agent.
    """

    obstacles: np.ndarray
    agents: np.ndarray
    goal_offset: np.ndarray
    position: np.ndarray

    def __repr__(self) -> str:
        return f"GridObservation({len(self.agents)} agents, {self.agents.shape[1]} x {self.agents.shape[2]} cells)"


class LifelongGrid:
    """The world. All cells are flat ids of `grid`; ``grid.coordinates`` gives rows and columns.

    Parameters
    ----------
    map : GridMap
    n_agents : int
    seed : int
        Of starts and goals. The same map, seed and number of agents give those of POGEMA 1.4.0.
    obs_radius : int
        Radius R of the view, 1 to 128; 5 in the paper.
    collision : {"soft", "priority", "block"}
        ``"soft"``: two agents that swap stay; then, from the last agent to the first, an agent that moves into a
        wall or a cell that several claim stays, and whoever had claimed its cell stays too, recursively. Lower
        indices win, following in a chain and turning in a ring are allowed. ``"priority"``: agents move in the
        order of their index, refused by a wall or by whoever stands there at that instant. ``"block"``: no one
        enters a cell that is a wall, that an agent stands in, or that two want (``block_both`` of POGEMA).
    horizon : int
        Steps of an episode; 512 in the paper. It only sets `StepResult.done`: stepping on is allowed.
    starts, goals : int array_like, shape (n_agents, 2), optional
        Rows and columns of the starts and the first goals; drawn when not given. ``starts="map"`` takes both from
        the map's scenario, ``"random"`` draws. Later goals are always drawn.
    outside : {"open", "wall"}
        What views show beyond the map. A ring of walls runs around it; behind the ring ``"open"`` shows free
        cells, as POGEMA does and as released policies expect it, ``"wall"`` walls. No one gets there either way.

    Attributes
    ----------
    grid : Grid
        With ``margin = obs_radius``.
    positions, goals, starts : int32 ndarray, shape (n_agents,)
        Read-only. A step makes new arrays, so what was read before stays as it was.
    steps : int
        Steps done.
    reached_total : int64 ndarray, shape (n_agents,)
        Goals reached, by agent.

    Raises
    ------
    InputError
        For more agents than start cells ("97 agents but only 80 free start cells") or than the scenario has, a goal
        that its agent cannot reach, and other values out of range.

    Examples
    --------
    >>> from hodology.planning.grid_map import GridMap
    >>> world = LifelongGrid(GridMap.from_text("....\\n.##.\\n...."), 2, starts=[[0, 0], [2, 3]], goals=[[0, 1], [0, 0]])
    >>> result = world.step([4, 0])
    >>> result.reached.tolist(), world.grid.coordinates(world.positions).tolist()
    ([True, False], [[0, 1], [2, 3]])
    """

    def __init__(
        self,
        map: GridMap,
        n_agents: int,
        *,
        seed: int = 0,
        obs_radius: int = 5,
        collision: Collision = "soft",
        horizon: int = 512,
        starts: ArrayLike | Starts | None = None,
        goals: ArrayLike | None = None,
        outside: Outside = "open",
    ) -> None:
        for name, value, most in (
            ("n_agents", n_agents, None),
            ("obs_radius", obs_radius, _RADIUS),
            ("horizon", horizon, None),
        ):
            _check_range(name, value, most)
        _check_name("collision", collision, get_args(Collision))
        _check_name("outside", outside, get_args(Outside))
        self.map, self.n_agents, self.obs_radius = map, int(n_agents), int(obs_radius)
        self.collision, self.horizon, self.outside = collision, int(horizon), outside
        self.grid = Grid(map.free, margin=self.obs_radius)
        self._given = (starts, goals)
        self._rule = get_args(Collision).index(collision)
        self._walls = _seen_walls(self.grid, outside)
        self._heads = np.full(self.grid.size, -1, dtype=np.int32)
        self.seed = check_seed(seed)
        self.reset()

    def __repr__(self) -> str:
        return f"LifelongGrid({self.map!r}, {self.n_agents} agents, {self.collision}, step {self.steps})"

    @property
    def throughput(self) -> float:
        """Goals reached per step so far, over all agents; 0 before the first step."""
        return float(self.reached_total.sum()) / self.steps if self.steps else 0.0

    def reset(self, seed: int | None = None) -> None:
        """Begin again, with another seed when one is given."""
        self.seed = self.seed if seed is None else check_seed(seed)
        self._streams = GoalStreams(self.map, self.grid, n_agents=self.n_agents, seed=self.seed)
        starts, goals = place_agents(
            self.map,
            self.grid,
            self._streams,
            n_agents=self.n_agents,
            seed=self.seed,
            starts=self._given[0],
            goals=self._given[1],
        )
        self.starts = self.positions = _frozen(starts)
        self.goals = _frozen(goals)
        self.steps = 0
        self.reached_total = np.zeros(self.n_agents, dtype=np.int64)
        self._occupied = np.full(self.grid.size, -1, dtype=np.int32)
        self._occupied[starts] = np.arange(self.n_agents)

    def step(self, actions: ArrayLike) -> StepResult:
        """Move all agents by one step and give new goals to those that reached theirs.

        Parameters
        ----------
        actions : int array_like, shape (n_agents,)
            0 stay, 1 up, 2 down, 3 left, 4 right; not changed.

        Raises
        ------
        InputError
            For another shape or type, or a value that is no action; nothing has moved then.
        """
        from hodology.planning import lifelong_kernels as kernels

        wanted = np.asarray(actions)
        if wanted.shape != (self.n_agents,) or wanted.dtype.kind not in "iu":
            raise InputError(
                f"actions must be integers of shape ({self.n_agents},), got {wanted.dtype} of shape {wanted.shape}."
            )
        wanted = np.ascontiguousarray(wanted, dtype=np.int64)
        positions = self.positions.copy()
        moved, reached = np.empty(self.n_agents, dtype=np.bool_), np.empty(self.n_agents, dtype=np.bool_)
        count = kernels.move_agents(
            self.grid.free,
            self.grid.stride,
            self._rule,
            wanted,
            positions,
            self.goals,
            self._occupied,
            self._heads,
            moved,
            reached,
        )
        if count < 0:
            agent = -1 - count
            raise InputError(f"actions must be 0 to 4, got {wanted[agent]} for agent {agent}.")
        self.positions = _frozen(positions)
        self.steps += 1
        if count:
            self.reached_total += reached
            self._give_goals(np.flatnonzero(reached))
        return StepResult(reached, moved, self.steps >= self.horizon)

    def observe(self) -> GridObservation:
        """What every agent sees now."""
        from hodology.planning import lifelong_kernels as kernels

        n, side = self.n_agents, 2 * self.obs_radius + 1
        seen = GridObservation(
            np.empty((n, side, side), dtype=np.uint8),
            np.empty((n, side, side), dtype=np.uint8),
            np.empty((n, 2), dtype=np.int32),
            np.empty((n, 2), dtype=np.int32),
        )
        kernels.draw_views(
            self._walls,
            self.grid.stride,
            self.obs_radius,
            self.positions,
            self.goals,
            self.starts,
            self._occupied,
            seen.obstacles,
            seen.agents,
            seen.goal_offset,
            seen.position,
        )
        return seen

    def occupied(self) -> np.ndarray:
        """Agent in every padded cell or -1, int32 ``(size,)``; a read-only view that the next step changes."""
        return _frozen(self._occupied.view())

    def _give_goals(self, agents: np.ndarray) -> None:
        goals = self.goals.copy()
        for agent in agents.tolist():
            goals[agent] = self._streams.next(agent, int(self.positions[agent]))
        self.goals = _frozen(goals)


def _seen_walls(grid: Grid, outside: Outside) -> np.ndarray:
    """1 where views show a wall: the map's walls, a ring around the map, and what lies behind it."""
    walls = (grid.free == 0).reshape(-1, grid.stride)
    depth = grid.margin - 1
    if outside == "open" and depth:
        walls = np.pad(walls[depth:-depth, depth:-depth], depth)
    return _frozen(walls.astype(np.uint8).reshape(-1))


def _check_range(name: str, value: int, most: int | None) -> None:
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or value < 1 or (most is not None and value > most):
        limit = "at least 1" if most is None else f"1 to {most}"
        raise InputError(f"{name} must be a whole number, {limit}, got {value!r}.")


def _check_name(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UnknownNameError(f"{name} {value!r} does not exist{near_names(str(value), known)}.")


def _frozen(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array
