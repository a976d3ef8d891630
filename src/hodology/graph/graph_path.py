"""A path through a graph: its nodes, its edges, what it costs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hodology.graph.multigraph import MultiGraph
from hodology.path import Path, PathSet, Step

__all__ = ["GraphPath", "graph_path_set"]


@dataclass(frozen=True)
class GraphPath:
    """A walk from ``nodes[0]`` to ``nodes[-1]``.

    Attributes
    ----------
    nodes : tuple of int
        One more than `edges`.
    edges : tuple of int
        Numbers of the graph's edges, in the order walked.
    cost : float
        Sum of the edges' weights (their count where every edge counts 1).
    """

    nodes: tuple[int, ...]
    edges: tuple[int, ...]
    cost: float

    def __len__(self) -> int:
        return len(self.edges)

    def to_path(self, graph: MultiGraph, *, id: str = "") -> Path:
        """As a `hodology.path.Path`: the unit of a step is a node's name, its place the relation that led there."""
        relations = [""]
        for edge in self.edges:
            kind = None if graph.relations is None else int(graph.relations[edge])
            relations.append("" if kind is None else graph.relation_names[kind])
        names = [graph.name(node) for node in self.nodes]
        steps = tuple(Step(place, name) for place, name in zip(relations, names, strict=True))
        return Path(steps, self.cost, "path cost", id or f"{names[0]} - {names[-1]}")


def graph_path_set(paths: Iterable[GraphPath], graph: MultiGraph) -> PathSet:
    """Paths of one graph as a `hodology.path.PathSet`."""
    return PathSet.from_paths([path.to_path(graph) for path in paths])
