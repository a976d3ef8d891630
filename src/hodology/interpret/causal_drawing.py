"""A causal graph as a networkx graph, its best paths, and Graphviz text."""

from __future__ import annotations

import math
from heapq import nlargest
from typing import TYPE_CHECKING, Any, Literal, get_args

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.path import Path, PathSet, Step

if TYPE_CHECKING:
    import networkx as nx

    from hodology.interpret.causal_result import CausalGraph

__all__ = ["best_paths", "to_dot", "to_networkx"]

Measure = Literal["product", "minimum"]


def to_networkx(found: CausalGraph) -> nx.DiGraph:
    """Accepted edges as a graph.

    Nodes are ``LAYER#UNIT`` with ``layer``, ``unit`` and ``score`` (sum of the effects of accepted out-edges, NaN for
    the class); edges have ``layer``, ``kind`` (weight, skip, part or stream), ``effect``, ``ci_low``, ``ci_high``,
    ``p`` and ``p_adjusted``. An edge of kind "part" joins a channel to an entry of its flattened map and has no test.
    Where both branches of a sum come from one unit, one edge stands for both: the sum of effects, the larger p.
    """
    import networkx

    graph = networkx.DiGraph(target=found.target, effect=str(found.settings.get("effect", "")))
    kinds = {layer.name: layer for layer in found.layers}
    for row in found.rows():
        layer = kinds[row["layer"]]
        tail = _node(graph, row["source_layer"], row["source"])
        head = _node(graph, row["layer"], row["target"])
        kind = {"add": "skip", "stream": "stream"}.get(layer.kind, "weight")
        figures = {name: row[name] for name in ("effect", "ci_low", "ci_high", "p", "p_adjusted")}
        if graph.has_edge(tail, head):  # both branches of a sum come from one unit
            known = graph.edges[tail, head]
            figures = dict.fromkeys(figures, math.nan) | {"effect": row["effect"] + known["effect"]}
            figures |= {name: max(row[name], known[name]) for name in ("p", "p_adjusted")}
        graph.add_edge(tail, head, layer=row["layer"], kind=kind, **figures)
        if row["source_layer"].endswith(":flat"):
            _part(graph, row, layer.blocks[row["branch"]])
    _node(graph, found.layers[-1].name, found.target)
    for node in graph:
        effects = [d["effect"] for _, _, d in graph.out_edges(node, data=True) if d["kind"] != "part"]
        graph.nodes[node]["score"] = float(sum(effects)) if effects else math.nan
    for tail, head, data in graph.edges(data=True):
        if data["kind"] == "part":
            score = graph.nodes[head]["score"]
            known = graph.nodes[tail]["score"]
            graph.nodes[tail]["score"] = score if math.isnan(known) else known + score
    return graph


def best_paths(found: CausalGraph, k: int = 10, measure: Measure = "product") -> PathSet:
    """The k best paths from the input to the class, best first; see `CausalGraph.paths`."""
    import networkx

    if k < 1:
        raise InputError(f"k must be at least 1, got {k}.")
    if measure not in get_args(Measure):
        raise UnknownNameError(f"measure {measure!r} does not exist{near_names(measure, get_args(Measure))}.")
    graph = found.graph
    largest: dict[str, float] = {}
    for _, _, data in graph.edges(data=True):
        if data["kind"] != "part":
            largest[data["layer"]] = max(largest.get(data["layer"], 0.0), data["effect"])
    goal = f"{found.layers[-1].name}#{found.target}"
    # Best first within every node; both measures only fall along a path, so the k best of the children suffice.
    best: dict[str, list[tuple[float, tuple[str, ...]]]] = {goal: [(1.0, (goal,))]}
    for node in reversed(list(networkx.topological_sort(graph))):
        if node == goal:
            continue
        offers: list[tuple[float, tuple[str, ...]]] = []
        for _, head, data in graph.out_edges(node, data=True):
            share = 1.0 if data["kind"] == "part" else data["effect"] / largest[data["layer"]]
            for score, rest in best.get(head, ()):
                offers.append((share * score if measure == "product" else min(share, score), (node, *rest)))
        best[node] = nlargest(k, offers, key=lambda offer: offer[0])
    inner = {layer.name for layer in found.layers}  # paths begin at the input, or below the searched layers
    starts = [
        offer
        for node in graph
        if graph.nodes[node]["layer"].removesuffix(":flat") not in inner
        and not any(data["kind"] == "part" for _, _, data in graph.in_edges(node, data=True))
        for offer in best.get(node, ())
    ]
    chosen = nlargest(k, starts, key=lambda offer: offer[0])
    name = f"{measure} of effects along the path, each over the largest of its layer"
    return PathSet.from_paths(
        Path(tuple(_step(graph, node) for node in nodes), score, name, id=str(i))
        for i, (score, nodes) in enumerate(chosen)
    )


def to_dot(found: CausalGraph) -> str:
    """Graphviz text: layers as ranks from left to right, line width by effect."""
    graph = found.graph
    largest = max((d["effect"] for _, _, d in graph.edges(data=True) if d["kind"] != "part"), default=1.0)
    lines = ["digraph causal {", '  rankdir="LR"; node [shape=circle, fontsize=9];']
    by_layer: dict[str, list[str]] = {}
    for node, data in graph.nodes(data=True):
        by_layer.setdefault(data["layer"], []).append(node)
    for layer, nodes in by_layer.items():
        inner = " ".join(f'{_quoted(n)} [label="{graph.nodes[n]["unit"]}"];' for n in nodes)
        lines.append(f"  subgraph {{ rank=same; /* {layer.replace('*/', '')} */ {inner} }}")
    for tail, head, data in graph.edges(data=True):
        width = 0.5 if data["kind"] == "part" else 0.5 + 4.0 * data["effect"] / largest
        label = "" if data["kind"] == "part" else f', tooltip="{data["effect"]:.4g}"'
        lines.append(f"  {_quoted(tail)} -> {_quoted(head)} [penwidth={width:.2f}{label}];")
    return "\n".join([*lines, "}", ""])


def _node(graph: nx.DiGraph, layer: str, unit: int) -> str:
    name = f"{layer}#{unit}"
    if name not in graph:
        graph.add_node(name, layer=layer, unit=int(unit))
    return name


def _part(graph: nx.DiGraph, row: dict[str, Any], block: int) -> None:
    """Join a channel to the entry of its flattened map that an edge starts from."""
    owner = row["source_layer"].removesuffix(":flat")
    tail = _node(graph, owner, row["source"] // block)
    nothing = dict.fromkeys(("effect", "ci_low", "ci_high", "p", "p_adjusted"), math.nan)
    graph.add_edge(tail, f"{row['source_layer']}#{row['source']}", layer=owner, kind="part", **nothing)


def _step(graph: nx.DiGraph, node: str) -> Step:
    return Step(graph.nodes[node]["layer"], graph.nodes[node]["unit"])


def _quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
