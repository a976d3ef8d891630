"""Congestion-averse paths for each agent of a lifelong grid: A* whose costs shun central and crowded cells.

Entering cell n costs ``c(n) = static(n) + dyn(n)`` with ``static(n) = max_m avgdist(m) / avgdist(n)``, where avgdist is
the mean distance to the cells that n reaches, and dyn(n) = how often another agent was seen in n since the current goal
was received. Each agent's counts are its own; nothing is told to others.

Reference: Skrynnik et al., "Learn to Follow: decentralized lifelong multi-agent pathfinding via planning and learning",
AAAI 2024, arXiv 2310.01207.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.planning.planned_paths import PlannedPaths, static_costs

if TYPE_CHECKING:
    from hodology.graph.grid import Grid
    from hodology.planning.lifelong_grid import LifelongGrid

__all__ = ["CongestionPlanner", "Heuristic", "PlannedPaths", "static_costs"]

Heuristic = Literal["exact", "reference"]
_HEAP = 4  # heap entries per cell to begin with; grown when a search needs more


class CongestionPlanner:
    """Plan a path per agent, each step anew, from what the agent itself knows.

    An agent knows the walls of the map, its own cell and goal, and which cells within `obs_radius` held other agents at
    the steps since it received its goal.

    Parameters
    ----------
    static : bool
        Add to the cost where a cell lies (`static_costs`); without it a step costs 1.
    dynamic : bool
        Add the counts of seen agents.
    reset_on_goal : bool
        Forget the counts when the goal changes. Default as in the paper.
    heuristic : {"exact", "reference"}
        "exact": the static cost to the goal, so paths are optimal under the current costs. "reference": as the authors'
        planner, which counts the cell itself and not the goal (a little inconsistent: some paths are not optimal), in
        32-bit floats and with its order of equals, to replay it exactly.
    jobs : int
        Threads; agents are split over them, and paths do not depend on how many there are.

    Notes
    -----
    Ties with "exact": least ``f = g + h``, then the greatest g, then the lowest flat cell; a cell's parent is the first
    that reaches it at the least g, neighbours taken up, down, left, right. With "reference": f within 1e-5 counts as
    equal, then the least g; neighbours right, down, up, left.

    Memory is about 10 bytes per agent and cell of the padded map. The backward Dijkstra for the heuristic runs only when a
    goal changes.
    """

    def __init__(
        self,
        *,
        static: bool = True,
        dynamic: bool = True,
        reset_on_goal: bool = True,
        heuristic: Heuristic = "exact",
        jobs: int = 1,
    ) -> None:
        if heuristic not in get_args(Heuristic):
            raise UnknownNameError(
                f"heuristic {heuristic!r} does not exist{near_names(heuristic, get_args(Heuristic))}."
            )
        if isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 1:
            raise InputError(f"jobs must be an integer of at least 1, got {jobs!r}.")
        self.static, self.dynamic, self.reset_on_goal = static, dynamic, reset_on_goal
        self.heuristic: Heuristic = heuristic
        self.jobs = jobs
        self._grid: Grid | None = None
        self._works: list[Any] = []
        self._pool: ThreadPoolExecutor | None = None

    def __repr__(self) -> str:
        costs = [name for name, on in (("static", self.static), ("dynamic", self.dynamic)) if on]
        return f"CongestionPlanner(costs: {' + '.join(costs) or 'none'}, heuristic={self.heuristic!r})"

    def reset(self, env: LifelongGrid) -> None:
        """Begin an episode: forget counts, goals and paths."""
        from hodology.planning.congestion_kernels import make_workspace

        grid, n = env.grid, env.n_agents
        if self._grid is not grid:
            dtype = np.float32 if self.heuristic == "reference" else np.float64
            self._cost = static_costs(grid, dtype=dtype) if self.static else np.ones(grid.size, dtype)
            # Offsets of the neighbours, in the order in which they are taken.
            down = grid.stride
            sides = [1, down, -down, -1] if self.heuristic == "reference" else [-down, down, -1, 1]
            self._sides = np.array(sides, dtype=np.int64)
            self._heap = _HEAP * len(grid.cells) + 16
            self._works = [make_workspace(grid.size, self._heap, dtype) for _ in range(self.jobs)]
            self._grid = grid
        self._fields = np.empty((n, grid.size), dtype=self._cost.dtype)
        self._counts = np.zeros((n if self.dynamic else 0, grid.size), dtype=np.uint16)
        self._goals = np.full(n, -1, dtype=np.int32)
        self._fresh = np.ones(n, dtype=np.uint8)
        self._seen = np.zeros(grid.size, dtype=np.uint8)
        self._marked = np.empty(0, dtype=np.int32)
        self._cap = 64
        self._step = -1
        self._paths: PlannedPaths | None = None

    @property
    def counts(self) -> np.ndarray:
        """uint16 (n, size): how often each agent saw another in each cell since its goal; (0, size) without dynamic costs."""
        return self._counts

    def observe(self, env: LifelongGrid) -> None:
        """Add what the agents see now to their counts, without planning; a second call in a step does nothing."""
        from hodology.planning.congestion_kernels import add_counts

        self._check(env)
        if env.steps == self._step:
            return
        self._step, self._paths = env.steps, None
        self._seen[self._marked] = 0
        self._marked = np.array(env.positions, dtype=np.int32)
        self._seen[self._marked] = 1
        goals = np.array(env.goals, dtype=np.int32)
        changed = goals != self._goals
        self._fresh[changed] = 1
        self._goals = goals
        if self.dynamic:
            if self.reset_on_goal and changed.any():
                self._counts[changed] = 0
            self._spread(
                lambda first, last, work: add_counts(
                    first, last, env.grid.stride, env.obs_radius, self._marked, self._seen, self._counts
                )
            )

    def update(self, env: LifelongGrid) -> PlannedPaths:
        """Count what is seen, renew the heuristics of changed goals, and plan.

        Call it once per step; within a step later calls return the same paths.

        Raises
        ------
        InputError
            When `reset` was not called for this environment.
        """
        self.observe(env)
        if self._paths is None:
            self._renew_fields(env)
            self._paths = self._plan(env)
        return self._paths

    def inputs(self, env: LifelongGrid, radius: int) -> np.ndarray:
        """The two channels that the policy sees, one pair per agent.

        Parameters
        ----------
        env : LifelongGrid
            In the state of the last `update` (which is called when the step is new).
        radius : int
            1 to ``env.obs_radius``.

        Returns
        -------
        float32 ndarray, shape (n, 2, 2 * radius + 1, 2 * radius + 1)
            Cut out of what ``env.observe()`` shows. Channel 0: wall -1, free 0, cells of the path +1, from the own cell to the
            last one before the path first leaves the agent's view (``env.obs_radius``). Channel 1: 1 where an agent stands, the
            own cell included.
        """
        from hodology.planning.congestion_kernels import draw_inputs

        if not 1 <= radius <= env.obs_radius:
            raise InputError(f"radius must be 1 to the view's {env.obs_radius}, got {radius}.")
        paths, seen = self.update(env), env.observe()
        side = 2 * radius + 1
        out = np.empty((env.n_agents, 2, side, side), dtype=np.float32)
        self._spread(
            lambda first, last, work: draw_inputs(
                first,
                last,
                env.grid.stride,
                seen.obstacles,
                seen.agents,
                self._marked,
                paths.cells,
                paths.length,
                out,
            )
        )
        return out

    def _check(self, env: LifelongGrid) -> None:
        if self._grid is not env.grid or len(self._goals) != env.n_agents or env.steps < self._step:
            raise InputError("the planner does not know this episode: call reset(env) first.")

    def _renew_fields(self, env: LifelongGrid) -> None:
        """Cost to the goal of each agent whose goal is new."""
        from hodology.planning.congestion_kernels import goal_fields

        if not self._fresh.any():
            return
        reference = int(self.heuristic == "reference")
        given = (self._sides, env.grid.free, self._cost, self._goals, self._fresh, reference, self._fields)
        self._spread(lambda first, last, work: goal_fields(first, last, *given, work))
        self._fresh[:] = 0

    def _plan(self, env: LifelongGrid) -> PlannedPaths:
        """A* for all agents, again with more room when paths or heaps did not fit."""
        from hodology.planning.congestion_kernels import make_workspace

        n, reference = env.n_agents, int(self.heuristic == "reference")
        length, expanded = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
        given = (
            self._sides,
            env.grid.free,
            self._cost,
            self._counts,
            self._fields,
            self._marked,
            self._goals,
            reference,
        )
        while True:
            cells = np.empty((n, self._cap), dtype=np.int32)
            into = (cells, length, expanded)
            found = self._spread(partial(_plan_range, given, into))
            if min(found) < 0:
                self._heap *= 2
                self._works = [
                    make_workspace(env.grid.size, self._heap, self._cost.dtype.type) for _ in self._works
                ]
            elif max(found) > self._cap:
                self._cap = 2 * max(found)
            else:
                break
        cells = cells[:, : max(max(found), 1)]
        for array in (cells, length, expanded):
            array.flags.writeable = False
        return PlannedPaths(cells, length, expanded)

    def _spread(self, call: Callable[[int, int, Any], Any]) -> list[Any]:
        """Run ``call(first, last, workspace)`` over all agents, split over the threads."""
        n = len(self._goals)
        bounds = np.linspace(0, n, self.jobs + 1).astype(int).tolist()
        pieces = [
            (a, b, work) for a, b, work in zip(bounds[:-1], bounds[1:], self._works, strict=True) if b > a
        ]
        if len(pieces) == 1:
            return [call(*pieces[0])]
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.jobs)
        return list(self._pool.map(lambda piece: call(*piece), pieces))


def _plan_range(
    given: tuple[Any, ...], into: tuple[np.ndarray, ...], first: int, last: int, work: Any
) -> int:
    """A* for a range of agents."""
    from hodology.planning.congestion_kernels import plan_paths

    return plan_paths(first, last, *given, work, *into)
