"""Geodesic matrices against scipy and networkx, edges of length zero, pairs without a path, the four eights."""

from __future__ import annotations

import networkx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.csgraph import csgraph_from_dense, shortest_path
from scipy.spatial.distance import squareform
from scipy.stats import rankdata, spearmanr

from hodology.errors import InputError, UnknownNameError
from hodology.geometry.dissimilarity import dissimilarities
from hodology.geometry.geo_topological import geo_topological
from hodology.geometry.geodesic_rdm import geodesic
from hodology.geometry.ranks import rank_minmax
from hodology.geometry.toy_patterns import TOY_PATTERNS, toy_pattern


def _draw(rows=3, n=8, seed=0):
    points = np.random.default_rng(seed).standard_normal((rows, n, 3))
    return np.stack([np.linalg.norm(p[:, None] - p, axis=2)[np.triu_indices(n, 1)] for p in points])


def _paths(edges):
    """Shortest paths by networkx, from condensed lengths with infinity for missing edges; zeros are edges."""
    square = squareform(edges)
    graph = networkx.Graph()
    graph.add_nodes_from(range(len(square)))
    graph.add_weighted_edges_from(
        (i, j, square[i, j]) for i in range(len(square)) for j in range(i) if np.isfinite(square[i, j])
    )
    out = np.full(square.shape, np.inf)
    for i, found in networkx.all_pairs_dijkstra_path_length(graph):
        for j, length in found.items():
            out[i, j] = length
    return out[np.triu_indices(len(square), 1)]


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.3), (0.2, 0.5), (0.1, 1.0), (0.3, 0.3)])
def test_two_step_is_shortest_paths_over_what_is_not_beyond_the_upper_threshold(low, high):
    values = _draw()
    g = geo_topological(values, low=low, high=high)
    expected = np.stack([_paths(np.where(row < 1, row, np.inf)) for row in g])
    found = geodesic(values, low=low, high=high, unreachable="infinity")
    assert np.array_equal(np.isinf(found), np.isinf(expected))
    assert found[np.isfinite(found)] == pytest.approx(expected[np.isfinite(expected)], abs=1e-12)


def test_edges_of_length_zero_are_edges_and_dropping_them_is_what_a_sparse_graph_does():
    values = _draw(1, 8, seed=2)[0]
    g = geo_topological(values, low=0.2, high=0.5)
    naive = squareform(np.where(g < 1, g, 0.0))  # zero: no edge, so what is nearest is cut off
    expected = shortest_path(csgraph_from_dense(naive, null_value=0), directed=False)[np.triu_indices(8, 1)]
    dropped = geodesic(values, low=0.2, high=0.5, zero_edges="drop", unreachable="infinity")
    assert np.array_equal(np.isinf(dropped), np.isinf(expected))
    assert dropped[np.isfinite(dropped)] == pytest.approx(expected[np.isfinite(expected)])
    kept = geodesic(values, low=0.2, high=0.5, unreachable="infinity")
    assert (kept[g == 0] == 0).all()
    assert (dropped[g == 0] > 0).all()
    assert (kept != dropped).sum() >= 20  # of 28: no detail
    assert (kept <= dropped).all()


def test_the_nearest_pair_alone_is_enough_to_differ():
    values = _draw(1, 10)[0]
    kept, dropped = (
        geodesic(values, high=0.4, zero_edges=z, unreachable="infinity") for z in ("keep", "drop")
    )
    assert kept[values.argmin()] == 0
    assert dropped[values.argmin()] > 0


@pytest.mark.parametrize("p", [0.0, 0.1, 0.26, 0.5, 1.0])
def test_the_shortest_share_of_edges(p):
    values = _draw(2, 9)
    found = geodesic(values, kind="p-shortest", p=p, unreachable="infinity")
    for row, lengths in zip(rank_minmax(values), found):
        count = round(p * 36)
        edges = np.where(rankdata(row) <= count, row, np.inf)
        expected = _paths(edges)
        assert np.isfinite(edges).sum() == count
        assert np.array_equal(np.isinf(lengths), np.isinf(expected))
        assert lengths[np.isfinite(lengths)] == pytest.approx(expected[np.isfinite(expected)], abs=1e-12)


@pytest.mark.parametrize(
    ("kind", "size", "count"), [("k-nearest", {"k": 2}, 2), ("p-nearest", {"p": 0.35}, 3)]
)
def test_nearest_neighbours_from_either_end(kind, size, count):
    values = _draw(2, 9)
    found = geodesic(values, kind=kind, unreachable="infinity", **size)
    for row, lengths in zip(rank_minmax(values), found):
        square = squareform(row)
        np.fill_diagonal(square, np.inf)
        near = np.zeros((9, 9), dtype=bool)
        for i in range(9):
            near[i, np.argsort(square[i])[:count]] = True
        edges = np.where((near | near.T)[np.triu_indices(9, 1)], row, np.inf)
        expected = _paths(edges)
        assert np.array_equal(np.isinf(lengths), np.isinf(expected))
        assert lengths[np.isfinite(lengths)] == pytest.approx(expected[np.isfinite(expected)], abs=1e-12)


def test_pairs_without_a_path_share_the_highest_rank_or_the_largest_length():
    values = np.linalg.norm((p := toy_pattern("two rings", n=20))[:, None] - p, axis=2)
    lengths = geodesic(values, high=0.1, unreachable="infinity")
    apart = np.isinf(lengths)
    assert apart[:10, 10:].all()
    assert not apart[:10, :10].any()
    ranks = geodesic(values, high=0.1)
    assert (ranks[apart] == 1.0).all()
    assert (ranks[~apart] < 1.0).all()
    largest = geodesic(values, high=0.1, unreachable="largest")
    assert (largest[apart] == lengths[~apart].max()).all()
    assert np.array_equal(largest[~apart], lengths[~apart])


@given(st.integers(0, 2**31))
def test_stimuli_in_another_order_give_the_same_geodesics(seed):
    values = _draw(1, 8, seed)[0]
    order = np.random.default_rng(seed).permutation(8)
    square = squareform(values)
    found = geodesic(square[np.ix_(order, order)], low=0.1, high=0.6)
    assert np.array_equal(found, geodesic(square, low=0.1, high=0.6)[np.ix_(order, order)])


def test_geodesics_obey_the_triangle_inequality_and_do_not_depend_on_threads_or_company():
    values = _draw(40, 12)
    found = geodesic(values, low=0.1, high=0.5, unreachable="infinity")
    for row in found[:5]:
        d = squareform(row)
        assert (d[:, None] <= (d[:, :, None] + d[None]).transpose(0, 2, 1) + 1e-12).all()
    assert np.array_equal(geodesic(values, low=0.1, high=0.5, unreachable="infinity", jobs=3), found)
    assert np.array_equal(geodesic(values[17], low=0.1, high=0.5, unreachable="infinity"), found[17])


def test_matrices_separate_geometry_and_geodesics_topology_on_the_four_eights():
    parts = [dissimilarities(toy_pattern(name), measure="euclidean").values for name in TOY_PATTERNS[:4]]
    values = np.concatenate(parts)

    def agreement(rows):
        def rho(i, j):
            return spearmanr(rows[i], rows[j]).statistic

        return (rho(0, 2) + rho(1, 3)) / 2, (rho(0, 1) + rho(2, 3)) / 2  # same geometry, same topology

    assert agreement(rank_minmax(values)) == pytest.approx((0.965, 0.443), abs=0.01)
    assert agreement(geodesic(values, high=0.075)) == pytest.approx((0.629, 0.783), abs=0.01)


def test_bad_input_is_explained():
    values = _draw(1, 8)[0]
    with pytest.raises(UnknownNameError, match="kind 'two step' does not exist; close names: 'two-step'"):
        geodesic(values, kind="two step")
    with pytest.raises(UnknownNameError, match="zero_edges 'kept' does not exist; close names: 'keep'"):
        geodesic(values, zero_edges="kept")
    with pytest.raises(InputError, match="low must not be above high"):
        geodesic(values, low=0.9, high=0.1)
    with pytest.raises(InputError, match="kind 'p-nearest' needs p"):
        geodesic(values, kind="p-nearest")
    with pytest.raises(InputError, match="kind 'two-step' takes no k"):
        geodesic(values, k=3)
    with pytest.raises(InputError, match="low and high are for kind 'two-step', not 'k-nearest'"):
        geodesic(values, kind="k-nearest", k=3, high=0.5)
    with pytest.raises(InputError, match=r"k must be below the number of stimuli \(8\), got 8"):
        geodesic(values, kind="k-nearest", k=8)
    with pytest.raises(InputError, match="p must lie between 0 and 1, got 1.5"):
        geodesic(values, kind="p-shortest", p=1.5)
    with pytest.raises(InputError, match="geodesics of matrix 0 are all inf"):
        geodesic(values, kind="p-shortest", p=0.0)
    with pytest.raises(InputError, match="missing values are no edges of known length"):
        geodesic(values, missing="keep")
