"""Small random multigraphs for the searches' tests, and every loopless path of one, found without any search."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from hodology.graph.multigraph import MultiGraph

__all__ = ["all_loopless_paths", "multigraphs", "random_digraph"]


@st.composite
def multigraphs(draw: st.DrawFn, *, weighted: bool = True, most_nodes: int = 7) -> MultiGraph:
    """Few nodes, many parallel edges and loops, weights with ties and zeros."""
    n = draw(st.integers(2, most_nodes))
    m = draw(st.integers(0, 3 * n))
    ends = st.lists(st.integers(0, n - 1), min_size=m, max_size=m)
    weights = st.lists(st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0, 7.25]), min_size=m, max_size=m)
    return MultiGraph(
        np.array(draw(ends), dtype=np.int64),
        np.array(draw(ends), dtype=np.int64),
        n_nodes=n,
        weights=np.array(draw(weights)) if weighted else None,
        directed=draw(st.booleans()),
    )


def random_digraph(n: int, m: int, seed: int) -> MultiGraph:
    rng = np.random.default_rng(seed)
    return MultiGraph(
        rng.integers(n, size=m), rng.integers(n, size=m), n_nodes=n, weights=np.round(rng.random(m), 3)
    )


def all_loopless_paths(
    graph: MultiGraph, source: int, target: int, banned: frozenset[int] = frozenset()
) -> list[tuple[float, tuple[int, ...], tuple[int, ...]]]:
    """Cost, nodes and edges of every loopless path, by trying everything."""
    arcs: list[list[tuple[int, int]]] = [[] for _ in range(graph.n_nodes)]
    for edge, (a, b) in enumerate(zip(graph.tails.tolist(), graph.heads.tolist(), strict=True)):
        if edge not in banned:
            arcs[a].append((b, edge))
            if not graph.directed:
                arcs[b].append((a, edge))
    weights = np.ones(graph.n_edges) if graph.weights is None else graph.weights
    found = []

    def walk(nodes: tuple[int, ...], edges: tuple[int, ...]) -> None:
        if nodes[-1] == target:
            found.append((float(sum(weights[e] for e in edges)), nodes, edges))
            return
        for node, edge in arcs[nodes[-1]]:
            if node not in nodes:
                walk((*nodes, node), (*edges, edge))

    walk((source,), ())
    return sorted(found)
