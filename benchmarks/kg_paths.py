"""Diverse paths between entities against networkx, and the memory and time that full Hetionet's size takes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import networkx
import numpy as np

from benchmarks.measure import Row, alternate
from hodology.planning.diverse_paths import PathQuery, search_pairs
from hodology.planning.knowledge_graph import KnowledgeGraph
from hodology.planning.knowledge_graph_files import read_hetionet

__all__ = ["run"]

K, LONGEST = 10, 3
_LOAD = """
import resource, sys, time
from pathlib import Path
from hodology.planning.knowledge_graph_files import read_hetionet
from hodology.planning.diverse_paths import k_diverse_paths

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

import numpy, numba
from hodology.planning import diverse_kernels
before, began = resident(), time.process_time()
kg = read_hetionet(sys.argv[1]).with_inverses()
kg.search_arrays()
seconds = time.process_time() - began
grown = resident() - before
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
drugs = [n for n, k in enumerate(kg.kinds) if k == "Kind0"]
ends = [n for n, k in enumerate(kg.kinds) if k == "Kind1"]
k_diverse_paths(kg, drugs[0], ends[0])
began = time.process_time()
for u, v in zip(drugs[:50], ends[:50]):
    k_diverse_paths(kg, u, v)
print(seconds, grown, peak, kg.graph.n_edges, (time.process_time() - began) / 50)
"""


def run(*, quick: bool) -> Iterator[Row]:
    """Yield the rows."""
    made = KnowledgeGraph.from_triples(
        _triples(4_000 if quick else 14_262, 10_000 if quick else 32_660, 11, seed=0)
    )
    yield _row(made.with_inverses(), _pairs(made, 200), "generated graph")
    folder = Path(os.environ.get("HODOLOGY_DATA", "")) / "hetionet-repurposing"
    if folder.is_dir():
        rows = [line.split("\t") for line in (folder / "indications.tsv").read_text().splitlines()[1:]]
        kg = read_hetionet(folder, leave_out=["CtD", "CpD"]).augment(
            [(row[0], row[4], row[2]) for row in rows]
        )
        kg = kg.with_inverses()
        pairs = np.array([(kg.entity(row[0]), kg.entity(row[2])) for row in rows])
        yield _row(kg, pairs[::40] if quick else pairs, "Hetionet sample")
    if sys.platform == "linux":
        yield from _load(quick=quick)


def _row(kg: KnowledgeGraph, pairs: np.ndarray, name: str) -> Row:
    """Equal work: the same simple digraph for both, no fall-back, the same edge hidden; lengths must agree."""
    simple = _simple(kg)
    graph = networkx.DiGraph()
    graph.add_nodes_from(range(simple.graph.n_nodes))
    columns = (simple.graph.tails.tolist(), simple.graph.heads.tolist(), simple.edge_relations.tolist())
    graph.add_edges_from(
        (tail, head, {"relation": relation}) for tail, head, relation in zip(*columns, strict=True)
    )
    query = PathQuery(K, LONGEST, hide="pair", fallback=False)
    sampled = pairs[:: max(1, len(pairs) // 40)]  # networkx takes long

    def ours() -> dict[str, np.ndarray]:
        return search_pairs(simple, pairs, query)

    def theirs() -> list[list[int]]:
        return [_reference(graph, u, v) for u, v in sampled.tolist()]

    mine, others, found, expected = alternate(ours, theirs, repeats=3)
    lengths = (found["edges"] >= 0).sum(axis=2)
    place = {tuple(pair): row for row, pair in enumerate(pairs.tolist())}
    equal = all(
        lengths[place[tuple(pair)], : len(expect)].tolist() == expect
        and found["counts"][place[tuple(pair)]] == len(expect)
        for pair, expect in zip(sampled.tolist(), expected, strict=True)
    )
    per_query, per_reference = mine / len(pairs), others / len(sampled)
    return Row(
        what=f"{K} diverse paths of at most {LONGEST} edges, {simple.graph.n_edges} arcs, {name}",
        ours=per_query * 1e3,
        theirs=per_reference * 1e3,
        unit="ms",
        figure=f"{per_reference / per_query:.0f}x",
        bound="at least 20x, equal lengths",
        passed=per_reference >= 20 * per_query and equal,
        note=f"all {len(pairs)} queries in {mine:.2f} s on one thread",
    )


def _reference(graph: networkx.DiGraph, u: int, v: int) -> list[int]:
    """Yen's algorithm until k distinct sequences or a path that is too long, as the paper's code does it."""
    hidden = [(a, b, graph.edges[a, b]) for a, b in ((u, v), (v, u)) if graph.has_edge(a, b)]
    graph.remove_edges_from((a, b) for a, b, _ in hidden)
    kept: set[tuple[int, ...]] = set()
    lengths = []
    try:
        for path in networkx.shortest_simple_paths(graph, u, v):
            if len(path) - 1 > LONGEST or len(kept) == K:
                break
            sequence = tuple(graph.edges[a, b]["relation"] for a, b in zip(path, path[1:]))
            if sequence not in kept:
                kept.add(sequence)
                lengths.append(len(sequence))
    except networkx.NetworkXNoPath:
        pass
    graph.add_edges_from(hidden)
    return lengths


def _simple(kg: KnowledgeGraph) -> KnowledgeGraph:
    """One edge per ordered pair, since `shortest_simple_paths` refuses multigraphs: the first relation stays."""
    pairs = kg.graph.tails.astype(np.int64) * kg.graph.n_nodes + kg.graph.heads
    hidden = np.setdiff1d(np.arange(kg.graph.n_edges), np.unique(pairs, return_index=True)[1])
    left = kg.graph.select(np.setdiff1d(np.arange(kg.graph.n_edges), hidden))
    return KnowledgeGraph.from_triples(left, relations=kg.graph.relation_names)


def _triples(nodes: int, edges: int, relations: int, *, seed: int) -> Iterator[tuple[str, str, str]]:
    """Triples of typed relations between nodes of uneven degree, as biomedical graphs have them."""
    rng = np.random.default_rng(seed)
    bounds = np.linspace(0, nodes, relations + 1).astype(int)
    left = edges
    for relation in range(relations):
        count = left // (relations - relation)
        left -= count
        head, tail = relation % 3, (relation * 7 + 1) % relations
        made: set[tuple[int, int]] = set()
        while len(made) < count:
            draws = rng.random((count, 2)) ** 2  # the first nodes of a kind are its hubs
            ends = [
                bounds[k] + (draws[:, i] * (bounds[k + 1] - bounds[k])).astype(int)
                for i, k in enumerate((head, tail))
            ]
            made.update(islice(zip(ends[0].tolist(), ends[1].tolist(), strict=True), count - len(made)))
        yield from ((f"Kind{head}::{a:05d}", f"r{relation:02d}", f"Kind{tail}::{b:05d}") for a, b in made)


def _pairs(kg: KnowledgeGraph, count: int) -> np.ndarray:
    names: Any = kg.graph.names
    kinds = np.array([name.partition("::")[0] for name in names])
    rng = np.random.default_rng(1)
    return np.stack([rng.choice(np.flatnonzero(kinds == kind), count) for kind in ("Kind0", "Kind1")], axis=1)


def _load(*, quick: bool) -> Iterator[Row]:
    nodes, edges = (4_703, 225_000) if quick else (47_031, 2_250_000)
    with tempfile.TemporaryDirectory() as folder:
        rows = _triples(nodes, edges, 24, seed=2)
        names: set[str] = set()
        with open(Path(folder) / "edges.tsv", "w", encoding="utf-8") as text:
            text.write("head\trelation\ttail\n")
            for head, relation, tail in rows:
                text.write(f"{head}\t{relation}\t{tail}\n")
                names.update((head, tail))
        table = "".join(f"{name}\t{name}\t{name.partition('::')[0]}\n" for name in sorted(names))
        (Path(folder) / "nodes.tsv").write_text("id\tname\tkind\n" + table, encoding="utf-8")
        command = [sys.executable, "-c", _LOAD, folder]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    seconds, grown, peak, arcs, query = (float(word) for word in told)
    yield Row(
        what=f"read {edges} triples from text, with inverses ({arcs:.0f} arcs) and search arrays",
        ours=seconds,
        theirs=None,
        unit="s of one core",
        figure=f"{seconds:.1f} s",
        bound="under 20 s",
        passed=seconds < 20,
        note=f"then {query * 1e3:.1f} ms a query",
    )
    yield Row(
        what=f"memory that {edges} triples add, in a process of their own",
        ours=grown / 2**20,
        theirs=None,
        unit="MiB",
        figure=f"{grown / 2**20:.0f} MiB",
        bound="under 1024 MiB",
        passed=grown < 2**30,
        note=f"{peak / 2**20:.0f} MiB at its highest",
    )
