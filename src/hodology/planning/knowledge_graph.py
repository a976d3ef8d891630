"""A knowledge graph: made of triples, augmented by a task, with inverse and composite edges and cheap masks.

Reference: Abdullahi et al., "K-Paths: reasoning over graph paths for drug repurposing and drug interaction
prediction", KDD 2025, arXiv 2502.13344 (augmented graph, composite relations, removal of the queried edge).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from hodology.errors import InputError
from hodology.graph.multigraph import MultiGraph
from hodology.planning.knowledge_graph_build import distinct_triples, join_tables, order_triples, read_triples
from hodology.planning.relation_graph import Hide, RelationGraph
from hodology.planning.relation_parts import (
    Edges,
    Parts,
    invert,
    merge,
    not_stated_twice,
    relation_labels,
    same_answers,
)
from hodology.planning.relation_templates import RelationTemplates, TemplateSpec

__all__ = ["Hide", "KnowledgeGraph"]

Columns = tuple[str, str, str]
Texts = Mapping[str, str] | None
_COLUMNS = ("head", "relation", "tail")


@dataclass(frozen=True, eq=False, repr=False)
class KnowledgeGraph(RelationGraph):
    """Triples with names, titles, kinds and sentences; made by `from_triples`, never changed.

    Attributes are those of `RelationGraph`.

    Examples
    --------
    >>> kg = KnowledgeGraph.from_triples([("aspirin", "binds", "PTGS2"), ("pain", "involves", "PTGS2")])
    >>> kg.with_inverses()
    KnowledgeGraph(3 nodes, 4 edges, 2 relations and their inverses)
    """

    @classmethod
    def from_triples(
        cls,
        triples: Any,
        *,
        titles: Texts = None,
        kinds: Texts = None,
        templates: Mapping[str, TemplateSpec] | None = None,
        relations: Sequence[str] | None = None,
        task_relations: Sequence[str] = (),
        same_pair: Mapping[str, str | Sequence[str]] | None = None,
        columns: Columns = _COLUMNS,
    ) -> KnowledgeGraph:
        """Build from triples in any of the usual forms; repeated triples are dropped.

        Parameters
        ----------
        triples : table, mapping of columns, array, iterable of 3-tuples, PyKEEN factory or graph
            See `hodology.planning.knowledge_graph_build.read_triples`.
        titles, kinds : mapping of str to str, optional
            By entity; an entity without an entry is called by its id, and has the kind ``""``.
        templates : mapping of str to sentence or (forward, inverse) sentences, optional
            Default: sentences made of the relations' names. A relation that a given mapping leaves out has none.
        relations : sequence of str, optional
            All relations in the order of their ids; default their sorted names.
        task_relations : sequence of str
            Which of them are to be predicted; they get the last forward ids, in this order.
        same_pair : mapping of task relation to background relation(s), optional
            See `augment`.
        columns : (str, str, str)
            Names of the columns of a table.

        Raises
        ------
        InputError, UnknownNameError
            For what is no triple, a relation that is not listed, or a template of no relation.
        """
        raw = read_triples(triples, columns=columns)
        table = order_triples(raw, relations=relations, last=task_relations)
        names = table.relation_names
        task = tuple(range(len(names) - len(task_relations), len(names)))
        same = same_answers(names, task, same_pair)
        made = _templates(templates, names)
        edges = (table.heads, table.relations, table.tails)
        return _assemble(
            table.nodes, edges, names, made, task=task, same=same, titles=titles, kinds=kinds, old=None
        )

    # -- other graphs -------------------------------------------------------------------------------------------------

    def with_inverses(self) -> KnowledgeGraph:
        """Each edge u -> v beside an edge v -> u of the inverse relation; edges that are there stay.

        The inverse of a composite relation is the composite of the inverses. Masked edges are left out.
        """
        if self.has_inverses:
            return self
        edges, parts = invert(self.edges(), self.parts, self.offset)
        return self._with_edges(edges, parts, has_inverses=True)

    def merge_parallel(self) -> KnowledgeGraph:
        """Parallel edges of one ordered pair become one edge of a composite relation.

        Its parts are the sorted ids, its name them joined by ``+``, its sentence theirs joined by "and". Masked
        edges are left out.
        """
        edges, parts = merge(self.atomic_edges(), self.offset * (2 if self.has_inverses else 1))
        return self._with_edges(edges, parts, has_inverses=self.has_inverses)

    def augment(
        self,
        triples: Any,
        *,
        same_pair: Mapping[str, str | Sequence[str]] | None = None,
        relations: Sequence[str] | None = None,
        templates: Mapping[str, TemplateSpec] | None = None,
        titles: Texts = None,
        kinds: Texts = None,
        columns: Columns = _COLUMNS,
    ) -> KnowledgeGraph:
        """Add a task's training interactions; their relations become task relations.

        Only training pairs may come here: build the graph of a fold after the split.

        Parameters
        ----------
        triples : as for `from_triples`
        same_pair : mapping of task relation to background relation(s), optional
            Background relations that state the same answer. Their edges are removed where an edge of that task
            relation joins the same pair (either way round), and hidden between the two entities of a query.
        relations : sequence of str, optional
            All task relations in the order of their ids, so that folds that lack one have the same ids.
        templates : mapping, optional
            Sentences of the task relations; default made of their names.
        titles, kinds : mapping, optional
            Of entities that are new.
        columns : (str, str, str)

        Raises
        ------
        InputError
            When parallel relations were merged before, or a task relation has the name of a background relation.
        """
        if self.n_composites:
            raise InputError("augment must come before merge_parallel, which has made composite relations.")
        added = order_triples(read_triples(triples, columns=columns), relations=relations)
        old = [self.forward_relations[i] for i in self.task_relations]
        fresh = [name for name in added.relation_names if name not in old]
        for name in fresh:
            if name in self.forward_relations:
                raise InputError(f"task relation {name!r} has the name of a background relation; rename it.")
        names = (*self.forward_relations, *fresh)
        task = (*self.task_relations, *range(self.offset, len(names)))
        same = MappingProxyType({**self.same_answer, **same_answers(names, task, same_pair)})
        nodes, heads, tails = join_tables(self.graph.names or (), added)
        place = np.array([names.index(name) for name in added.relation_names] or [0], dtype=np.int64)
        new = (heads, place[added.relations], tails)
        own = tuple(column[self.edges()[1] < self.offset] for column in self.edges())
        both = distinct_triples(*(np.concatenate(columns) for columns in zip(own, new, strict=True)))
        made = self.templates.extended(_templates(templates, fresh))
        found = _assemble(
            nodes, both, names, made, task=task, same=same, titles=titles, kinds=kinds, old=self
        )
        return found.with_inverses() if self.has_inverses else found

    def without_edge(
        self, u: str | int, v: str | int, *, relations: Literal["all"] | Iterable[str | int] | None = None
    ) -> KnowledgeGraph:
        """The graph with edges between two entities masked, in both directions; arrays are shared, not copied.

        Parameters
        ----------
        u, v : str or int
        relations : "all" or iterable of forward relations, optional
            Default: the task's relations and the background relations that state the same answers. Inverse
            relations go with their forward ones. A composite edge goes whole when one of its parts does.

        Raises
        ------
        InputError
            When `relations` is not given and the graph has no task relations.
        """
        if relations is None and not self.task_relations:
            raise InputError("the graph has no task relations: say which relations to hide, or 'all'.")
        if relations is None or relations == "all":
            flags = self.hidden_relations("task" if relations is None else "pair")
        else:
            forward = {self._forward(relation) for relation in relations}
            flags = self._flags(forward | {relation + self.offset for relation in forward})
        a, b = self.entity(u), self.entity(v)
        between = np.concatenate([self.graph.edges_between(a, b), self.graph.edges_between(b, a)])
        found = between[flags[self.edge_relations[between]]].astype(np.int64)
        return replace(self, hidden=np.union1d(self.hidden, found))

    def with_triples(self, tails: np.ndarray, relations: np.ndarray, heads: np.ndarray) -> KnowledgeGraph:
        """The same nodes and relations with these forward triples instead, each once.

        Parameters
        ----------
        tails, relations, heads : int64 ndarray, shape (triples,)
            An edge runs from `tails` to `heads`; forward relation ids.

        Raises
        ------
        InputError
            When a node or relation is out of range.
        """
        if len(relations) and not 0 <= relations.min() <= relations.max() < self.offset:
            raise InputError(f"relations must be forward ids, 0 to {self.offset - 1}, got {relations.max()}.")
        parts = tuple((i,) for i in range(self.offset))
        return self._with_edges(distinct_triples(tails, relations, heads), parts, has_inverses=False)

    def _forward(self, relation: str | int) -> int:
        """Id of a forward relation; an inverse one stands for its forward one."""
        found = self.graph.relation(relation)
        if found >= 2 * self.offset or (found >= self.offset and not self.has_inverses):
            raise InputError(f"relation {relation!r} is composite; name its parts.")
        return found % self.offset

    def _with_edges(self, edges: Edges, parts: Parts, *, has_inverses: bool) -> KnowledgeGraph:
        """The same nodes and relations with other edges."""
        graph = _graph(edges, self.graph.names or (), relation_labels(self.forward_relations, parts))
        none = np.zeros(0, dtype=np.int64)
        return replace(self, graph=graph, parts=parts, has_inverses=has_inverses, hidden=none, _shared={})


def _assemble(
    nodes: tuple[str, ...],
    edges: Edges,
    names: tuple[str, ...],
    templates: RelationTemplates,
    *,
    task: tuple[int, ...],
    same: Mapping[int, tuple[int, ...]],
    titles: Texts,
    kinds: Texts,
    old: KnowledgeGraph | None,
) -> KnowledgeGraph:
    """A graph of forward edges only; nodes of `old` come first and keep their titles and kinds."""
    keep = not_stated_twice(edges, same)
    graph = _graph((edges[0][keep], edges[1][keep], edges[2][keep]), nodes, names)
    known_titles, known_kinds = (old.titles, old.kinds) if old is not None else ((), ())
    new = nodes[len(known_titles) :]
    return KnowledgeGraph(
        graph,
        (*known_titles, *((titles or {}).get(node, node) for node in new)),
        (*known_kinds, *((kinds or {}).get(node, "") for node in new)),
        templates,
        names,
        tuple((i,) for i in range(len(names))),
        task,
        same,
    )


def _graph(edges: Edges, nodes: tuple[str, ...], names: tuple[str, ...]) -> MultiGraph:
    """Edges in the order (tail, relation, head), whatever order they came in."""
    tails, relations, heads = edges
    order = np.lexsort((heads, relations, tails))
    return MultiGraph(
        tails[order],
        heads[order],
        n_nodes=len(nodes),
        relations=relations[order],
        names=nodes,
        relation_names=names,
    )


def _templates(given: Mapping[str, TemplateSpec] | None, names: Sequence[str]) -> RelationTemplates:
    if given is None:
        return RelationTemplates.from_names(names)
    return RelationTemplates.from_mapping(given, names)
