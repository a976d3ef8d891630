"""Searches on grids: against networkx and plain loops, by hand, and from the cache."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hodology.errors import InputError
from hodology.files import cache_dir
from hodology.graph.grid import Grid
from hodology.graph.search import bfs_tree, shortest_path_tree

MAPS = hnp.arrays(np.bool_, st.tuples(st.integers(1, 7), st.integers(1, 7)))


def _graph(grid: Grid, cost: np.ndarray | None = None) -> nx.DiGraph:
    """Every step as an edge that costs what the entered cell does."""
    graph = nx.DiGraph()
    graph.add_nodes_from(grid.cells.tolist())
    for cell in grid.cells.tolist():
        for other in (cell - grid.stride, cell + grid.stride, cell - 1, cell + 1):
            if grid.free[other]:
                graph.add_edge(cell, other, weight=1.0 if cost is None else cost[other])
    return graph


def _costs(grid: Grid, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 9, grid.size) / 4.0


@given(MAPS, st.integers(1, 3))
def test_padding_and_coordinates_go_there_and_back(free, margin):
    grid = Grid(free, margin=margin)
    rows, columns = np.nonzero(free)
    assert grid.flat(rows, columns).tolist() == grid.cells.tolist()
    assert grid.coordinates(grid.cells).tolist() == np.stack([rows, columns], axis=-1).tolist()
    padded = grid.free.reshape(-1, grid.stride)
    assert np.array_equal(padded, np.pad(free, margin).astype(np.uint8))
    assert grid.size == padded.size
    assert not grid.free.flags.writeable


@given(MAPS)
def test_components_are_those_of_networkx_numbered_by_first_cell(free):
    grid = Grid(free)
    found = grid.components()
    parts = sorted(nx.weakly_connected_components(_graph(grid)), key=min)
    for number, part in enumerate(parts):
        assert np.flatnonzero(found == number).tolist() == sorted(part)
    assert np.all(found[grid.free == 0] == -1)


@given(MAPS, st.integers(0, 10**6))
def test_distances_and_costs_to_go_are_those_of_networkx(free, seed):
    grid = Grid(free, margin=2)
    cost = _costs(grid, seed)
    graph = _graph(grid, cost).reverse()
    for goal in grid.cells[:: max(1, len(grid.cells) // 3)].tolist():
        steps = nx.single_source_shortest_path_length(graph, goal)
        assert {c: d for c, d in enumerate(grid.distances(goal).tolist()) if d >= 0} == dict(steps)
        costs = np.full(grid.size, np.inf)
        for cell, value in _backward(graph, goal).items():
            costs[cell] = value
        np.testing.assert_allclose(grid.cost_to_go(goal, cost), costs, rtol=1e-12)
        plain = grid.cost_to_go(goal)
        np.testing.assert_array_equal(plain, grid.cost_to_go(goal, np.ones(grid.size)))


def _backward(reversed_graph: nx.DiGraph, goal: int) -> dict[int, float]:
    return nx.single_source_dijkstra_path_length(reversed_graph, goal, weight="weight")


@given(MAPS, st.integers(0, 10**6), st.booleans())
def test_a_star_paths_are_steps_of_least_cost(free, seed, weighted):
    grid = Grid(free)
    cost = _costs(grid, seed) if weighted else None
    weights = np.ones(grid.size) if cost is None else cost
    for goal in grid.cells[:: max(1, len(grid.cells) // 3)].tolist():
        best = grid.cost_to_go(goal, cost)
        for start in grid.cells[np.isfinite(best[grid.cells])].tolist():
            path = grid.shortest_path(start, goal, cost)
            assert path.dtype == np.int32
            assert (path[0], path[-1]) == (start, goal)
            assert np.all(np.isin(np.abs(np.diff(path)), [1, grid.stride]))
            assert np.all(grid.free[path] == 1)
            assert weights[path[1:]].sum() == pytest.approx(best[start], rel=1e-12)


def test_a_star_takes_the_cheapest_of_many_near_ways():
    """Wide and nearly even: an estimate that is a little too high shows here."""
    generator = np.random.default_rng(5)
    grid = Grid(generator.random((25, 25)) > 0.25)
    cost = 1.0 + generator.integers(0, 3, grid.size) / 8.0
    parts = grid.components()
    inside = grid.cells[parts[grid.cells] == np.bincount(parts[grid.cells]).argmax()]
    for goal in generator.choice(inside, 6).tolist():
        best = grid.cost_to_go(goal, cost)
        for start in generator.choice(inside, 40).tolist():
            assert cost[grid.shortest_path(start, goal, cost)[1:]].sum() == best[start]  # eighths: exact


@given(MAPS)
def test_average_distances_are_the_means_over_all_others_reached(free):
    grid = Grid(free)
    found = grid.average_distances()
    for cell in range(grid.size):
        expected = 0.0
        if grid.free[cell]:
            steps = grid.distances(cell)
            expected = steps[steps > 0].mean() if (steps > 0).any() else 0.0
        assert found[cell] == pytest.approx(expected, rel=1e-14)


def test_average_distances_by_hand_on_a_corridor_with_an_isolated_cell():
    grid = Grid(np.array([[1, 1, 1, 0, 1]], dtype=bool))
    assert grid.average_distances()[grid.cells].tolist() == [1.5, 1.0, 1.5, 0.0]


@settings(max_examples=10)
@given(st.integers(0, 10**6), st.integers(2, 5))
def test_average_distances_do_not_depend_on_jobs_or_margin(seed, jobs):
    free = np.random.default_rng(seed).random((23, 17)) > 0.3
    grid, wide = Grid(free), Grid(free, margin=4)
    assert np.array_equal(grid.average_distances(), grid.average_distances(jobs=jobs))
    assert np.array_equal(grid.average_distances()[grid.cells], wide.average_distances()[wide.cells])


def test_large_grids_keep_their_distances_on_disk_and_survive_a_damaged_file(monkeypatch, tmp_path):
    monkeypatch.setenv("HODOLOGY_HOME", str(tmp_path))
    free = np.random.default_rng(3).random((50, 60)) > 0.2
    grid = Grid(free)
    first = grid.average_distances()
    (file,) = (cache_dir() / "grids").iterdir()
    with monkeypatch.context() as patch:
        patch.setattr(Grid, "_sums", None)  # a second count would fail
        assert np.array_equal(
            Grid(free, margin=3).average_distances().reshape(-1, 66)[3:-3, 3:-3],
            first.reshape(-1, 62)[1:-1, 1:-1],
        )
    file.write_bytes(b"no archive")
    assert np.array_equal(Grid(free).average_distances(), first)
    free[0, 0] = ~free[0, 0]
    Grid(free).average_distances()
    assert len(list((cache_dir() / "grids").iterdir())) == 2


def test_an_empty_map_has_nothing_to_find():
    grid = Grid(np.zeros((2, 3), dtype=bool))
    assert len(grid.cells) == 0
    assert not grid.average_distances().any()
    assert set(grid.components().tolist()) == {-1}


def test_bad_input_is_named():
    free = np.array([[1, 0, 1]], dtype=bool)
    grid = Grid(free)
    left, right = grid.cells.tolist()
    with pytest.raises(InputError, match=r"free must be a boolean array .*, got int64 of shape \(1, 3\)"):
        Grid(free.astype(np.int64))
    with pytest.raises(InputError, match="margin must be at least 1, got 0"):
        Grid(free, margin=0)
    with pytest.raises(InputError, match=r"10011003 cells with its margin is above the limit of 10000000"):
        Grid(np.ones((5001, 1999), dtype=bool))
    with pytest.raises(InputError, match=r"cell \(0, 3\) is outside the map of 1 x 3 cells"):
        grid.flat([0, 0], [0, 3])
    with pytest.raises(InputError, match=r"no way leads from \(0, 0\) to \(0, 2\)"):
        grid.shortest_path(left, right)
    with pytest.raises(InputError, match=r"goal \(0, 1\) is no free cell"):
        grid.distances(left + 1)
    with pytest.raises(InputError, match="start must be a flat cell id from 0 to 14, got 15"):
        grid.shortest_path(15, right)
    with pytest.raises(InputError, match=r"costs must be positive and finite, got 0.0 at \(0, 2\)"):
        grid.cost_to_go(left, np.where(np.arange(grid.size) == right, 0.0, 1.0))
    with pytest.raises(InputError, match=r"cost must have shape \(15,\), got \(3,\)"):
        grid.cost_to_go(left, np.ones(3))
    with pytest.raises(InputError, match="jobs must be at least 1, got 0"):
        grid.average_distances(jobs=0)


@given(free=MAPS, seed=st.integers(0, 100))
def test_a_grid_as_a_graph_has_the_same_distances_and_costs(free, seed):
    grid = Grid(free)
    if len(grid.cells) == 0:
        return
    goal = int(grid.cells[seed % len(grid.cells)])
    plain = grid.to_graph()
    steps = bfs_tree(plain, plain.node(f"{','.join(map(str, grid.coordinates(goal).tolist()))}")).distance
    assert steps.tolist() == grid.distances(goal)[grid.cells].tolist()
    cost = np.random.default_rng(seed).random(grid.size) + 0.1
    tree = shortest_path_tree(grid.to_graph(cost), int(np.searchsorted(grid.cells, goal)), reverse=True)
    np.testing.assert_allclose(tree.distance, grid.cost_to_go(goal, cost)[grid.cells])
