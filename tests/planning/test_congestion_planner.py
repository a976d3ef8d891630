"""Congestion planner: optimal paths, the reference planner replayed, private counts, network inputs."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import networkx
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hodology.errors import InputError, UnknownNameError
from hodology.graph.grid import Grid
from hodology.planning.congestion_planner import CongestionPlanner, static_costs
from hodology.planning.grid_generators import random_map
from hodology.planning.grid_map import GridMap
from hodology.planning.lifelong_grid import LifelongGrid

GOLDEN = json.loads(Path(__file__).with_name("follower_planner.json").read_text())
MOVES = {"u": (-1, 0), "d": (1, 0), "l": (0, -1), "r": (0, 1)}


def _world(
    seed: int, *, agents: int = 8, side: int = 12, density: float = 0.25, radius: int = 3
) -> LifelongGrid:
    return LifelongGrid(
        random_map(side, side, density=density, seed=seed),
        agents,
        seed=seed,
        obs_radius=radius,
        collision="priority",
    )


def _graph(grid: Grid, cost: np.ndarray) -> networkx.DiGraph:
    graph = networkx.DiGraph()
    for cell in grid.cells.tolist():
        graph.add_node(cell)
        for near in (cell - grid.stride, cell + grid.stride, cell - 1, cell + 1):
            if grid.free[near]:
                graph.add_edge(cell, near, weight=float(cost[near]))
    return graph


def _walk(world: LifelongGrid, planner: CongestionPlanner, steps: int, seed: int) -> None:
    """Random moves, the planner looking at each step."""
    moves = np.random.default_rng(seed)
    for _ in range(steps):
        planner.update(world)
        world.step(moves.integers(5, size=world.n_agents))


# ------------------------------------------------------------------------------------------------------------ paths


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.booleans(), st.booleans(), st.integers(0, 12))
def test_exact_paths_cost_what_dijkstra_finds(seed, static, dynamic, steps):
    world = _world(seed)
    planner = CongestionPlanner(static=static, dynamic=dynamic)
    planner.reset(world)
    _walk(world, planner, steps, seed)
    paths = planner.update(world)
    base = static_costs(world.grid) if static else np.ones(world.grid.size)
    for agent in range(world.n_agents):
        cost = base + (planner.counts[agent] if dynamic else 0)
        path = paths.cells[agent, : paths.length[agent]].tolist()
        start, goal = int(world.positions[agent]), int(world.goals[agent])
        assert (path[0], path[-1]) == (start, goal)
        assert (paths.cells[agent, paths.length[agent] :] == -1).all()
        graph = _graph(world.grid, cost)
        assert all(graph.has_edge(a, b) for a, b in zip(path, path[1:]))
        least = networkx.shortest_path_length(graph, start, goal, weight="weight")
        assert sum(cost[c] for c in path[1:]) == pytest.approx(least, rel=1e-12)


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.integers(0, 8))
def test_reference_paths_are_never_far_from_the_least_cost(seed, steps):
    world = _world(seed)
    exact, reference = CongestionPlanner(), CongestionPlanner(heuristic="reference")
    for planner in (exact, reference):
        planner.reset(world)
        _walk(world, planner, 0, seed)
    moves = np.random.default_rng(seed)
    for _ in range(steps):
        exact.observe(world)
        reference.observe(world)
        world.step(moves.integers(5, size=world.n_agents))
    mine, theirs = exact.update(world), reference.update(world)
    assert np.array_equal(exact.counts, reference.counts)
    cost = static_costs(world.grid) + exact.counts
    for agent in range(world.n_agents):
        sums = [cost[agent, p.cells[agent, 1 : p.length[agent]]].sum() for p in (mine, theirs)]
        assert sums[0] * (1 - 1e-6) <= sums[1] <= sums[0] * 1.05 + 1e-6


@pytest.mark.parametrize("static", [False, True])
def test_paths_of_the_reference_planner_are_replayed(static):
    grid = Grid(np.array([[mark == "." for mark in row] for row in GOLDEN["map"]]), margin=2)
    planner = CongestionPlanner(static=static, heuristic="reference")
    expected = GOLDEN["with_static" if static else "without_static"]
    env = None
    for step, (positions, goals) in enumerate(zip(GOLDEN["positions"], GOLDEN["goals"], strict=True)):
        flat = [grid.flat(*np.array(cells).T).astype(np.int32) for cells in (positions, goals)]
        env = SimpleNamespace(
            grid=grid, n_agents=len(positions), steps=step, positions=flat[0], goals=flat[1], obs_radius=2
        )
        if step == 0:
            planner.reset(env)
        paths = planner.update(env)
        for agent, moves in enumerate(expected[step]):
            way = np.cumsum([positions[agent], *(MOVES[m] for m in moves)], axis=0)
            found = grid.coordinates(paths.cells[agent, : paths.length[agent]])
            assert found.tolist() == way.tolist()


def test_equals_are_settled_by_the_documented_order():
    world = LifelongGrid(
        GridMap.from_array(np.zeros((4, 4))), 1, starts=[[0, 0]], goals=[[2, 2]], obs_radius=1
    )
    planner = CongestionPlanner(static=False)
    planner.reset(world)
    cells = world.grid.coordinates(planner.update(world).cells[0])
    # All ways have f = 4: the greatest g goes on, and of two with one g the lower cell, so right before down.
    assert cells.tolist() == [[0, 0], [0, 1], [0, 2], [1, 2], [2, 2]]


def test_an_agent_on_its_goal_has_a_path_of_one_cell_and_a_closed_goal_none():
    world = LifelongGrid(GridMap.from_text("..#.\n..#."), 2, starts=[[0, 0], [0, 3]], goals=[[0, 0], [1, 3]])
    planner = CongestionPlanner()
    planner.reset(world)
    paths = planner.update(world)
    assert paths.length.tolist() == [1, 2]
    assert paths.next_cell.tolist() == [-1, world.goals[1]]
    closed = SimpleNamespace(
        grid=world.grid,
        n_agents=1,
        steps=0,
        positions=world.positions[:1],
        goals=world.goals[1:],
        obs_radius=5,
    )
    planner.reset(closed)
    assert planner.update(closed).length.tolist() == [0]
    assert planner.update(closed).next_cell.tolist() == [-1]


def test_paths_longer_than_the_first_room_and_heaps_that_overflow_are_planned_again():
    rows = ["." * 25 if r % 2 == 0 else ("." + "#" * 24 if r % 4 == 3 else "#" * 24 + ".") for r in range(25)]
    world = LifelongGrid(GridMap.from_text("\n".join(rows)), 1, starts=[[0, 0]], goals=[[24, 24]])
    planner = CongestionPlanner()
    planner.reset(world)
    planner._heap, planner._works = 5, [_small(world.grid.size)]
    paths = planner.update(world)
    assert paths.length[0] == 1 + world.grid.distances(int(world.goals[0]))[world.positions[0]]
    assert paths.length[0] > 64


def _small(size: int):
    from hodology.planning.congestion_kernels import make_workspace

    return make_workspace(size, 5, np.float64)


@settings(max_examples=8)
@given(st.integers(0, 10_000), st.sampled_from(["exact", "reference"]), st.integers(2, 9))
def test_threads_do_not_change_paths(seed, heuristic, jobs):
    world = _world(seed, agents=7)
    planners = [CongestionPlanner(heuristic=heuristic, jobs=n) for n in (1, jobs)]
    for planner in planners:
        planner.reset(world)
    moves = np.random.default_rng(seed)
    for _ in range(4):
        one, many = (planner.update(world) for planner in planners)
        assert np.array_equal(one.cells, many.cells)
        world.step(moves.integers(5, size=7))
    assert np.array_equal(planners[0].inputs(world, 2), planners[1].inputs(world, 2))


# ----------------------------------------------------------------------------------------------------- static costs


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.floats(0.0, 0.6))
def test_static_costs_are_the_greatest_mean_distance_over_the_own(seed, density):
    grid = Grid(np.random.default_rng(seed).random((7, 8)) >= density)
    assume(len(grid.cells))
    graph = _graph(grid, np.ones(grid.size))
    mean = {}
    for cell, lengths in networkx.all_pairs_shortest_path_length(graph):
        mean[cell] = sum(lengths.values()) / max(len(lengths) - 1, 1)
    top = max(mean.values())
    found = static_costs(grid)
    for cell, value in mean.items():
        assert found[cell] == pytest.approx(top / value if value else 1.0)
    assert (found >= 1 - 1e-12).all()
    assert np.isfinite(found).all()


# ----------------------------------------------------------------------------------------------------------- counts


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.booleans(), st.integers(1, 25))
def test_counts_are_what_each_agent_saw_since_its_goal(seed, reset_on_goal, steps):
    world = _world(seed, agents=6, side=8, density=0.1, radius=2)
    planner = CongestionPlanner(reset_on_goal=reset_on_goal)
    planner.reset(world)
    expected = np.zeros((6, world.grid.size), dtype=int)
    moves, goals = np.random.default_rng(seed), world.goals
    for _ in range(steps):
        planner.update(world)
        planner.update(world)  # a second call in one step counts nothing
        cells = world.grid.coordinates(world.positions)
        for agent in range(6):
            if reset_on_goal and world.goals[agent] != goals[agent]:
                expected[agent] = 0
            for other in range(6):
                if other != agent and np.abs(cells[other] - cells[agent]).max() <= 2:
                    expected[agent, world.positions[other]] += 1
        assert np.array_equal(planner.counts, expected)
        goals = world.goals
        world.step(moves.integers(5, size=6))
    planner.reset(world)
    assert not planner.counts.any()


def test_counts_stay_at_their_greatest_value():
    world = LifelongGrid(GridMap.from_text("...."), 2, starts=[[0, 0], [0, 1]], goals=[[0, 3], [0, 2]])
    planner = CongestionPlanner()
    planner.reset(world)
    planner.update(world)
    planner.counts[0, world.positions[1]] = 65_534
    for _ in range(3):
        world.step([0, 0])
        planner.observe(world)
    assert planner.counts[0, world.positions[1]] == 65_535


# ----------------------------------------------------------------------------------------------------------- inputs


def test_inputs_show_walls_the_path_within_the_view_and_agents():
    text = ".......\n.#####.\n.#...#.\n......."
    world = LifelongGrid(
        GridMap.from_text(text),
        2,
        starts=[[2, 2], [3, 3]],
        goals=[[0, 3], [3, 2]],
        obs_radius=2,
        outside="wall",
    )
    planner = CongestionPlanner(static=False, dynamic=False)
    planner.reset(world)
    found = planner.inputs(world, 2)
    assert found.dtype == np.float32
    # From (2, 2) to (0, 3): down, left twice (the view's edge), up three, right; all but the last cell is in view.
    path = np.array(
        [[1, 1, 1, 1, 0], [1, -1, -1, -1, -1], [1, -1, 1, 0, 0], [1, 1, 1, 0, 0], [-1, -1, -1, -1, -1]]
    )
    assert found[0, 0].tolist() == path.tolist()
    agents = np.zeros((5, 5))
    agents[2, 2] = agents[3, 3] = 1
    assert found[0, 1].tolist() == agents.tolist()
    assert np.array_equal(planner.inputs(world, 1), found[:, :, 1:-1, 1:-1])


def test_drawing_stops_where_the_path_first_leaves_the_view():
    text = "...\n.#.\n###"
    world = LifelongGrid(
        GridMap.from_text(text), 1, starts=[[1, 0]], goals=[[1, 2]], obs_radius=1, outside="wall"
    )
    planner = CongestionPlanner()
    planner.reset(world)
    assert planner.inputs(world, 1)[0, 0].tolist() == [[-1, 1, 1], [-1, 1, -1], [-1, -1, -1]]
    spiral = GridMap.from_text("......\n.####.\n.#....\n.#.###\n......")
    world = LifelongGrid(spiral, 1, starts=[[2, 2]], goals=[[2, 0]], obs_radius=2, outside="wall")
    planner.reset(world)
    drawn = planner.inputs(world, 2)[0, 0]
    assert drawn[:, 2].tolist() == [0, -1, 1, 1, 1]
    assert drawn[4].tolist() == [1, 1, 1, 0, 0]


# -------------------------------------------------------------------------------------------------------- bad input


def test_what_a_planner_cannot_be_is_said():
    with pytest.raises(UnknownNameError, match="heuristic 'exat' does not exist; close names: 'exact'"):
        CongestionPlanner(heuristic="exat")
    with pytest.raises(InputError, match="jobs must be an integer of at least 1, got 0"):
        CongestionPlanner(jobs=0)
    world, other = _world(0), _world(0, agents=3)
    planner = CongestionPlanner()
    with pytest.raises(InputError, match="does not know this episode: call reset"):
        planner.update(world)
    planner.reset(world)
    with pytest.raises(InputError, match="does not know this episode"):
        planner.update(other)
    with pytest.raises(InputError, match="radius must be 1 to the view's 3, got 4"):
        planner.inputs(world, 4)
    assert repr(CongestionPlanner(dynamic=False)) == "CongestionPlanner(costs: static, heuristic='exact')"
