"""K shortest loopless paths beside networkx, SciPy and (where installed) igraph, on one random weighted digraph and a grid."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import islice
from typing import Any

import numpy as np

from benchmarks.measure import Row, once
from hodology.graph.k_shortest import k_shortest_paths_many
from hodology.graph.multigraph import MultiGraph

__all__ = ["run"]

K = 10


def run(*, quick: bool) -> Iterator[Row]:
    """Yield the rows."""
    n, m, queries = (2_000, 20_000, 20) if quick else (20_000, 200_000, 200)
    rng = np.random.default_rng(0)
    graph = MultiGraph(rng.integers(n, size=m), rng.integers(n, size=m), n_nodes=n, weights=rng.random(m))
    what = f"{K} shortest paths, {n} nodes, {m} weighted edges, {queries} queries"
    yield from _beside(graph, rng.integers(n, size=(queries, 2)).tolist(), what, quick=quick)


def _beside(graph: MultiGraph, pairs: list[list[int]], what: str, *, quick: bool) -> Iterator[Row]:
    def ours(jobs: int = 1) -> list[list[float]]:
        found = k_shortest_paths_many(graph, pairs, K, parallel="merged", jobs=jobs)
        return [[path.cost for path in paths] for paths in found]

    ours()
    mine, found = min((once(ours) for _ in range(3)), key=lambda result: result[0])
    both, again = once(lambda: ours(2))
    peers: list[tuple[str, Callable[[int, int], list[float]], int, float | None]] = [
        ("networkx", _networkx(graph), 4 if quick else 20, 40.0),
        ("scipy yen", _scipy(graph), 10 if quick else 60, 25.0),
    ]
    if find_spec("igraph") is not None:
        peers.append(("igraph", _igraph(graph), 4 if quick else 20, None))
    for name, call, count, bound in peers:
        seconds, expected = once(lambda call=call, count=count: [call(*pair) for pair in pairs[:count]])
        equal = all(np.allclose(a, b) for a, b in zip(found, expected, strict=False))
        per, theirs = mine / len(pairs), seconds / count
        ratio = theirs / per
        yield Row(
            what=f"{what}; beside {name}",
            ours=per * 1e3,
            theirs=theirs * 1e3,
            unit="ms a query",
            figure=f"{ratio:.0f}x",
            bound=f"at least {bound or 1.0:g}x, equal costs",
            passed=ratio >= (bound or 1.0) and equal,
            note=f"peer on {count} of the queries; costs {'equal' if equal else 'DIFFER'}",
        )
    yield Row(
        what=f"{what}; two threads beside one",
        ours=both / len(pairs) * 1e3,
        theirs=mine / len(pairs) * 1e3,
        unit="ms a query",
        figure=f"{mine / both:.2f}x",
        bound="equal results",
        passed=again == found,
    )


def _networkx(graph: MultiGraph) -> Callable[[int, int], list[float]]:
    import networkx

    simple = networkx.from_scipy_sparse_array(graph.to_scipy(), create_using=networkx.DiGraph)

    def call(source: int, target: int) -> list[float]:
        paths = networkx.shortest_simple_paths(simple, source, target, weight="weight")
        return [networkx.path_weight(simple, path, "weight") for path in islice(paths, K)]

    return call


def _scipy(graph: MultiGraph) -> Callable[[int, int], list[float]]:
    from scipy.sparse.csgraph import yen

    matrix = graph.to_scipy()
    return lambda source, target: list(yen(matrix, source, target, K))


def _igraph(graph: MultiGraph) -> Callable[[int, int], list[float]]:
    import igraph

    matrix: Any = graph.to_scipy().tocoo()
    peer = igraph.Graph(n=graph.n_nodes, edges=np.stack(matrix.coords, 1), directed=True)
    weights = np.asarray(matrix.data)

    def call(source: int, target: int) -> list[float]:
        paths = peer.get_k_shortest_paths(source, target, k=K, weights=weights, output="epath")
        return [float(weights[path].sum()) for path in paths]

    return call
