"""A graph whose edges state relations: what each entity is called, what each relation says, which edges are hidden.

Relation ids: the background's forward relations come first, task relations follow, inverse ids are the forward id
plus the number of forward relations (the offset), composite relations come last. Forward and inverse edges stay
side by side as parallel edges; a simple digraph would let one overwrite the other.

Reference: Abdullahi et al., "K-Paths: reasoning over graph paths for drug repurposing and drug interaction
prediction", KDD 2025, arXiv 2502.13344 (augmented graph, composite relations, removal of the queried edge).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from hodology.errors import UnknownNameError, near_names
from hodology.files import hash_arrays, hash_json
from hodology.graph.multigraph import Arcs, MultiGraph
from hodology.planning.entity_names import EntityNames
from hodology.planning.relation_parts import Edges, Parts, split
from hodology.planning.relation_templates import RelationTemplates

__all__ = ["Hide", "RelationGraph"]

Hide = Literal["task", "pair", "none"]
_HIDE = ("task", "pair", "none")


@dataclass(frozen=True, eq=False, repr=False)
class RelationGraph:
    """What `KnowledgeGraph` holds and what can be asked of it.

    Attributes
    ----------
    graph : MultiGraph
        Directed, edges numbered in the order (head, relation, tail) of their triples; node names are the
        entities' ids.
    titles, kinds : tuple of str, one per node
        Readable name, and kind or ``""``.
    templates : RelationTemplates
    forward_relations : tuple of str
        The background's relations, then the task's.
    parts : tuple of tuple of int, one per relation of `graph`
        Which forward (id) and inverse (id + offset) relations it states; several for a composite relation.
    task_relations : tuple of int
        Forward ids of the relations that are to be predicted.
    same_answer : mapping of int to tuple of int
        Task relation to the background relations that state the same (``treats`` for ``disease-modifying``).
    has_inverses : bool
    hidden : int64 ndarray
        Numbers of masked edges, ascending.
    """

    graph: MultiGraph
    titles: tuple[str, ...]
    kinds: tuple[str, ...]
    templates: RelationTemplates
    forward_relations: tuple[str, ...]
    parts: Parts
    task_relations: tuple[int, ...] = ()
    same_answer: Mapping[int, tuple[int, ...]] = field(default_factory=lambda: MappingProxyType({}))
    has_inverses: bool = False
    hidden: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    _shared: dict[str, Any] = field(default_factory=dict)  # what is made once for all masks of one graph

    def __repr__(self) -> str:
        words = [f"{self.graph.n_nodes} nodes", f"{self.graph.n_edges} edges"]
        words += [f"{self.offset} relations{' and their inverses' if self.has_inverses else ''}"]
        words += [f"{len(self.task_relations)} of the task"] if self.task_relations else []
        words += [f"{self.n_composites} composite"] if self.n_composites else []
        words += [f"{len(self.hidden)} edges hidden"] if len(self.hidden) else []
        return f"{type(self).__name__}({', '.join(words)})"

    @property
    def offset(self) -> int:
        """Number of forward relations; an inverse id is its forward id plus this."""
        return len(self.forward_relations)

    @property
    def n_composites(self) -> int:
        """Number of composite relations."""
        return sum(len(group) > 1 for group in self.parts)

    @property
    def edge_relations(self) -> np.ndarray:
        """Relation of each edge, int32 ``(edges,)``."""
        return np.asarray(self.graph.relations)

    def entity(self, name: str | int) -> int:
        """Node of an entity, by number, id, the id after its last ``::``, or title when only one has it.

        Raises
        ------
        UnknownNameError
            ``entity 'DB99999' is not in the graph (did you mean DB09999?)``
        InputError
            When a number is out of range, or several entities go by the name.
        """
        return self._entities.find(name)

    def knows(self, name: str) -> bool:
        """Whether `entity` finds one entity of this name."""
        return self._entities.has(name)

    def relation_counts(self) -> dict[str, int]:
        """Visible edges by relation name, in the order of the ids."""
        counts = np.bincount(self.edges()[1], minlength=len(self.parts)).tolist()
        return dict(zip(self.graph.relation_names, counts, strict=True))

    def summary(self) -> dict[str, Any]:
        """Counts in plain values: nodes, nodes in use, edges, hidden edges, kinds, relations."""
        tails, _, heads = self.edges()
        kinds = sorted(set(self.kinds))
        return {
            "nodes": self.graph.n_nodes,
            "nodes_in_use": len(np.unique(np.concatenate([tails, heads]))),
            "edges": len(tails),
            "hidden": len(self.hidden),
            "kinds": {kind: self.kinds.count(kind) for kind in kinds},
            "relations": self.relation_counts(),
            "task_relations": [self.forward_relations[i] for i in self.task_relations],
            "composites": self.n_composites,
            "inverses": self.has_inverses,
        }

    @property
    def fingerprint(self) -> str:
        """SHA-256 of nodes, edges, relations, task and mask; the order of the table it came from does not matter."""
        if "fingerprint" not in self._shared:
            arrays = {"tails": self.graph.tails, "heads": self.graph.heads, "relations": self.edge_relations}
            names = [self.graph.names, self.titles, self.kinds, self.forward_relations, self.parts]
            same = [[task, stated] for task, stated in sorted(self.same_answer.items())]
            self._shared["fingerprint"] = hash_json([hash_arrays(arrays), names, self.task_relations, same])
        return hash_json([self._shared["fingerprint"], hash_arrays({"hidden": self.hidden})])

    def hidden_relations(self, hide: Hide) -> np.ndarray:
        """Which relations of `graph` a query hides between its two entities, bool ``(relations,)``.

        Parameters
        ----------
        hide : {"task", "pair", "none"}
            The task's relations, their inverses and what states the same answer; every relation; none.
        """
        if hide not in ("task", "pair", "none"):
            raise UnknownNameError(
                f"hide {hide!r} does not exist{near_names(hide, ('task', 'pair', 'none'))}."
            )
        if hide == "task":
            return self._flags(self.answer_parts())
        return np.full(len(self.parts), hide == "pair")

    def answer_parts(self) -> frozenset[int]:
        """Single relations that state the task's answer: the task's, the background's of the same, and inverses."""
        stated = [relation for group in self.same_answer.values() for relation in group]
        forward = {*self.task_relations, *stated}
        return frozenset(forward | {relation + self.offset for relation in forward})

    def edges(self) -> Edges:
        """Visible edges as columns (tails, relations, heads), int64."""
        keep = np.ones(self.graph.n_edges, dtype=bool)
        keep[self.hidden] = False
        columns = (self.graph.tails, self.edge_relations, self.graph.heads)
        tails, relations, heads = (column[keep].astype(np.int64) for column in columns)
        return tails, relations, heads

    def atomic_edges(self) -> Edges:
        """Visible edges with composite relations split into their parts."""
        return split(self.edges(), self.parts)

    def search_arrays(self) -> tuple[np.ndarray, ...]:
        """For compiled searches: (indptr, arcs) forward and backward, and the mask of edges.

        `arcs` is int32 ``(3, arcs)``: node, relation, edge. The mask is empty when nothing is hidden.
        """
        if "arrays" not in self._shared:
            columns = (
                (arcs.indptr, self._arc_rows(arcs)) for arcs in (self.graph.forward, self.graph.backward)
            )
            self._shared["arrays"] = tuple(array for pair in columns for array in pair)
        mask = np.zeros(self.graph.n_edges if len(self.hidden) else 0, dtype=bool)
        mask[self.hidden] = True
        return (*self._shared["arrays"], mask)

    def _arc_rows(self, arcs: Arcs) -> np.ndarray:
        return np.stack([arcs.nodes, self.edge_relations[arcs.edges], arcs.edges])

    @property
    def _entities(self) -> EntityNames:
        if "names" not in self._shared:
            self._shared["names"] = EntityNames(self.graph, self.titles)
        return self._shared["names"]

    def _flags(self, wanted: Collection[int]) -> np.ndarray:
        """Relations of the graph that state one of `wanted`."""
        wanted = set(wanted)
        return np.array([not wanted.isdisjoint(group) for group in self.parts], dtype=bool)
