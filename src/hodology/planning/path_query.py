"""What a search for paths in a knowledge graph is asked, and what it returns.

Reference: Abdullahi et al., "K-Paths", KDD 2025 (K = 10 paths of at most L = 3 edges).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.path.pathset import Path, Step
from hodology.planning.relation_graph import Hide, RelationGraph
from hodology.rng import check_seed

__all__ = ["Fallback", "KgPath", "Missing", "PairPaths", "PathQuery", "TieBreak"]

TieBreak = Literal["canonical", "rare-first", "seeded"]
Missing = Literal["raise", "empty"]
Fallback = bool | Literal["far"]


@dataclass(frozen=True)
class KgPath:
    """One path, or one edge of a one-hop list.

    Attributes
    ----------
    nodes, edges, relations : tuple of int
        Numbers in the graph that was searched; one node more than edges.
    kind : {"path", "neighbour"}
        A neighbour is an edge that leaves u or v, listed because there is no path (or by `neighbours_only`).
    """

    nodes: tuple[int, ...]
    edges: tuple[int, ...]
    relations: tuple[int, ...]
    kind: Literal["path", "neighbour"] = "path"

    @property
    def length(self) -> int:
        """Number of edges."""
        return len(self.edges)

    def to_path(self, kg: RelationGraph, *, id: str = "") -> Path:
        """As a `hodology.path.Path`: steps of (relation that led there, entity id); the score is the length."""
        names = ("", *(kg.graph.relation_names[relation] for relation in self.relations))
        steps = tuple(Step(place, kg.graph.name(n)) for place, n in zip(names, self.nodes, strict=True))
        return Path(steps, float(self.length), "number of edges", id, {"kind": self.kind})


@dataclass(frozen=True)
class PairPaths:
    """What was found for one pair.

    Attributes
    ----------
    u, v : str
        Ids of the entities; as they were asked for when they are not in the graph.
    u_node, v_node : int
        Their nodes, -1 when they are not in the graph.
    paths : tuple of KgPath
    complete : bool
        False when the budget ended the search.
    """

    u: str
    v: str
    u_node: int
    v_node: int
    paths: tuple[KgPath, ...]
    complete: bool = True

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[KgPath]:
        return iter(self.paths)

    def to_paths(self, kg: RelationGraph) -> list[Path]:
        """As `hodology.path.Path`, with the id ``"u -> v"``; collect many by `PathSet.from_paths`."""
        return [path.to_path(kg, id=f"{self.u} -> {self.v}") for path in self.paths]


@dataclass(frozen=True)
class PathQuery:
    """How to search; the parameters are those of `k_diverse_paths`, checked.

    Attributes
    ----------
    neighbours : bool
        One-hop edges only, (k + 1) // 2 of u and k // 2 of v.
    """

    k: int = 10
    max_len: int = 3
    diverse: bool = True
    tie_break: TieBreak = "canonical"
    seed: int = 0
    hide: Hide = "task"
    fallback: Fallback = True
    budget: int | None = None
    neighbours: bool = False

    def __post_init__(self) -> None:
        for name, value in (("k", self.k), ("max_len (--max-length)", self.max_len)):
            if value < 1:
                raise InputError(f"{name} must be at least 1, got {value}.")
        if self.tie_break not in get_args(TieBreak):
            known = near_names(str(self.tie_break), get_args(TieBreak))
            raise UnknownNameError(f"tie_break {self.tie_break!r} does not exist{known}.")
        if self.fallback not in (True, False, "far"):
            raise InputError(f"fallback must be True, False or 'far', got {self.fallback!r}.")
        if self.budget is not None and self.budget < 1:
            raise InputError(f"budget must be at least 1, got {self.budget}.")
        check_seed(self.seed)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)
