"""An immutable multigraph in compressed sparse rows: typed relations, weights, names, parallel edges, loops.

Every edge keeps the number it was given; arcs are the directions in which edges can be walked (one for an edge of a
directed graph, two for one of an undirected graph). Arcs are sorted by (from, to, relation, edge), so that every search
over them has one order, whatever the order of the threads.

An edge runs from its tail to its head, as arrows do. In a knowledge graph's triple the words are the other way round: the
edge (head, relation, tail) starts at the triple's head.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.graph.columns import MOST, count_nodes, frozen, named_columns, node_numbers

if TYPE_CHECKING:
    import networkx as nx
    import scipy.sparse

__all__ = ["Arcs", "MultiGraph"]


@dataclass(frozen=True, eq=False)
class Arcs:
    """Compressed sparse rows: the arcs that leave node i are ``indptr[i]`` to ``indptr[i + 1]``.

    Attributes
    ----------
    indptr : int64 ndarray, shape (nodes + 1,)
    nodes : int32 ndarray, shape (arcs,)
        The node at the other end, ascending within a row.
    edges : int32 ndarray, shape (arcs,)
        Number of the edge that the arc walks.
    """

    indptr: np.ndarray
    nodes: np.ndarray
    edges: np.ndarray


class MultiGraph:
    """Nodes 0 to n - 1 and numbered edges between them; nothing of it changes after it is made.

    Parameters
    ----------
    tails, heads : int array, shape (edges,)
        Edge i runs from ``tails[i]`` to ``heads[i]``. Parallel edges and loops are kept.
    n_nodes : int, optional
        Default: one more than the largest node of an edge, or the number of names.
    relations : int array, shape (edges,), optional
        Type of each edge, an index into `relation_names`.
    weights : float array, shape (edges,), optional
        What searches add up along a path: finite, 0 or more.
    names : sequence of str, optional
        One per node, no name twice.
    relation_names : sequence of str, optional
        One per relation; default their numbers.
    directed : bool
        In an undirected graph every edge is walked both ways; searches then return the same edge number for both.
    node_data, edge_data : mapping of str to array, optional
        Further columns, one entry per node or edge.

    Raises
    ------
    InputError
        When lengths differ, a node, relation or weight is out of range, or a name comes twice.

    Examples
    --------
    >>> graph = MultiGraph([0, 0, 1], [1, 2, 2], weights=[1.0, 5.0, 1.5], names=["a", "b", "c"])
    >>> graph
    MultiGraph(3 nodes, 3 edges, directed, weighted)
    >>> graph.node("c"), graph.successors(0).tolist()
    (2, [1, 2])
    """

    def __init__(
        self,
        tails: Any,
        heads: Any,
        *,
        n_nodes: int | None = None,
        relations: Any = None,
        weights: Any = None,
        names: Sequence[str] | None = None,
        relation_names: Sequence[str] | None = None,
        directed: bool = True,
        node_data: Mapping[str, Any] | None = None,
        edge_data: Mapping[str, Any] | None = None,
    ) -> None:
        tail, head = node_numbers("tails", tails), node_numbers("heads", heads)
        if len(tail) != len(head):
            raise InputError(f"tails and heads must be equally long, got {len(tail)} and {len(head)}.")
        if len(tail) > MOST // 2:
            raise InputError(f"at most {MOST // 2} edges are supported, got {len(tail)}.")
        largest = int(max(tail.max(initial=-1), head.max(initial=-1)))
        self.n_nodes = count_nodes(n_nodes, names, largest)
        self.n_edges = len(tail)
        self.directed = bool(directed)
        self.tails, self.heads = frozen(tail, np.int32), frozen(head, np.int32)
        self.names = None if names is None else tuple(str(name) for name in names)
        self.relation_names: tuple[str, ...] = ()
        self.relations: np.ndarray | None = None
        if relations is not None:
            self._set_relations(relations, relation_names)
        elif relation_names:
            raise InputError("relation_names needs relations, one per edge.")
        self.weights = None if weights is None else self._weights(weights)
        self.node_data = named_columns("node_data", node_data, self.n_nodes)
        self.edge_data = named_columns("edge_data", edge_data, self.n_edges)
        if self.names is not None and len(self._index) != len(self.names):
            twice = next(name for i, name in enumerate(self.names) if self._index[name] != i)
            raise InputError(f"names must differ, {twice!r} comes twice.")
        self._sealed = True

    def __setattr__(self, name: str, value: Any) -> None:
        if "_sealed" in self.__dict__:
            raise AttributeError(f"a MultiGraph does not change: {name} cannot be set.")
        super().__setattr__(name, value)

    # -- what it is ---------------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        parts = [f"{self.n_nodes} nodes", f"{self.n_edges} edges"]
        parts += [f"{len(self.relation_names)} relations"] if self.relations is not None else []
        parts += ["directed" if self.directed else "undirected"]
        parts += ["weighted"] if self.weights is not None else []
        return f"MultiGraph({', '.join(parts)})"

    def node(self, name: str | int) -> int:
        """Index of a node by name, or the index itself when it is one.

        Raises
        ------
        UnknownNameError
            With near names.
        InputError
            When an index is out of range.
        """
        if isinstance(name, (int, np.integer)) and not isinstance(name, bool):
            if not 0 <= name < self.n_nodes:
                raise InputError(f"node {name} is not in the graph, which has nodes 0 to {self.n_nodes - 1}.")
            return int(name)
        found = self._index.get(str(name))
        if found is None:
            raise UnknownNameError(f"node {name!r} is not in the graph{near_names(str(name), self._index)}.")
        return found

    def has_node(self, name: str) -> bool:
        """Whether a node has this name."""
        return name in self._index

    def name(self, node: int) -> str:
        """Name of a node; its number when nodes have no names."""
        return str(node) if self.names is None else self.names[node]

    def relation(self, name: str | int) -> int:
        """Index of a relation by name, or the index itself; raises `UnknownNameError` with near names."""
        whole = isinstance(name, (int, np.integer)) and not isinstance(name, bool)
        if whole and 0 <= int(name) < len(self.relation_names):
            return int(name)
        if name not in self._relation_index:
            known = self.relation_names
            raise UnknownNameError(f"relation {name!r} is not in the graph{near_names(str(name), known)}.")
        return self._relation_index[str(name)]

    def out_degree(self) -> np.ndarray:
        """Arcs that leave each node, int64 ``(nodes,)``."""
        return np.diff(self.forward.indptr)

    def in_degree(self) -> np.ndarray:
        """Arcs that reach each node, int64 ``(nodes,)``."""
        return np.diff(self.backward.indptr)

    def successors(self, node: int | str) -> np.ndarray:
        """Nodes that one arc leads to from `node`, ascending, each once."""
        return np.unique(self._row(self.forward, node)[0])

    def predecessors(self, node: int | str) -> np.ndarray:
        """Nodes from which one arc leads to `node`, ascending, each once."""
        return np.unique(self._row(self.backward, node)[0])

    def edges_from(self, node: int | str) -> np.ndarray:
        """Numbers of the edges that can be walked from `node`, sorted by (head, relation)."""
        return self._row(self.forward, node)[1]

    def edges_between(self, tail: int | str, head: int | str) -> np.ndarray:
        """Numbers of all edges that can be walked from `tail` to `head`."""
        nodes, edges = self._row(self.forward, tail)
        low, high = np.searchsorted(nodes, [self.node(head), self.node(head) + 1])
        return edges[low:high]

    # -- arcs ---------------------------------------------------------------------------------------------------------

    @cached_property
    def forward(self) -> Arcs:
        """Arcs by the node that they leave."""
        return self._arcs(self.tails, self.heads)

    @cached_property
    def backward(self) -> Arcs:
        """Arcs by the node that they reach: `nodes` are where they come from."""
        return self._arcs(self.heads, self.tails) if self.directed else self.forward

    def arc_weights(self, arcs: Arcs, weight: Any = "graph") -> np.ndarray:
        """Weight of each arc, float64.

        Parameters
        ----------
        arcs : Arcs
            `forward` or `backward`.
        weight : "graph", None or float array, shape (edges,)
            The graph's own weights (1 where it has none), 1 for every edge, or these.
        """
        if isinstance(weight, str) and weight != "graph":
            raise InputError(f"weight must be 'graph', None or one number per edge, got {weight!r}.")
        if weight is None or (isinstance(weight, str) and self.weights is None):
            return np.ones(len(arcs.nodes))
        if isinstance(weight, str):
            return self._own_backward if arcs is self.backward and self.directed else self._own_forward
        return self._weights(weight)[arcs.edges]

    # -- other forms --------------------------------------------------------------------------------------------------

    def select(self, edges: Any) -> MultiGraph:
        """The graph of the same nodes with only some edges.

        Parameters
        ----------
        edges : bool array, shape (edges,), or int array of edge numbers
            Edges are renumbered in the order given.
        """
        keep = np.asarray(edges)
        if keep.dtype == bool and len(keep) != self.n_edges:
            raise InputError(f"edges must have one entry per edge ({self.n_edges}), got {len(keep)}.")
        keep = np.flatnonzero(keep) if keep.dtype == bool else keep.astype(np.int64)
        if keep.size and not 0 <= keep.min() <= keep.max() < self.n_edges:
            raise InputError(f"edges must be numbers from 0 to {self.n_edges - 1}.")
        return MultiGraph(
            self.tails[keep],
            self.heads[keep],
            n_nodes=self.n_nodes,
            relations=None if self.relations is None else self.relations[keep],
            weights=None if self.weights is None else self.weights[keep],
            names=self.names,
            relation_names=self.relation_names or None,
            directed=self.directed,
            node_data=self.node_data,
            edge_data={name: column[keep] for name, column in self.edge_data.items()},
        )

    def to_scipy(self, *, weight: Any = "graph") -> scipy.sparse.csr_array:
        """Adjacency ``A[i, j]`` from i to j; of parallel edges the least weight counts."""
        import scipy.sparse

        arcs, weights = self.forward, self.arc_weights(self.forward, weight)
        rows = np.repeat(np.arange(self.n_nodes), np.diff(arcs.indptr))
        order = np.lexsort((weights, arcs.nodes, rows))
        rows, nodes, weights = rows[order], arcs.nodes[order], weights[order]
        first = np.ones(len(rows), dtype=bool)
        first[1:] = (rows[1:] != rows[:-1]) | (nodes[1:] != nodes[:-1])
        shape = (self.n_nodes, self.n_nodes)
        places = (rows[first].astype(np.int32), nodes[first])  # csgraph takes 32-bit indices only
        return scipy.sparse.csr_array((weights[first], places), shape=shape)

    def to_networkx(self) -> nx.MultiDiGraph | nx.MultiGraph:
        """A networkx multigraph: node names (or numbers), edge keys are edge numbers."""
        from hodology.graph.convert import to_networkx

        return to_networkx(self)

    # -- private ------------------------------------------------------------------------------------------------------

    @cached_property
    def _index(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.names or ())}

    @cached_property
    def _relation_index(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.relation_names)}

    @cached_property
    def _own_forward(self) -> np.ndarray:
        return np.asarray(self.weights)[self.forward.edges]

    @cached_property
    def _own_backward(self) -> np.ndarray:
        return np.asarray(self.weights)[self.backward.edges]

    def _row(self, arcs: Arcs, node: int | str) -> tuple[np.ndarray, np.ndarray]:
        i = self.node(node)
        span = slice(arcs.indptr[i], arcs.indptr[i + 1])
        return arcs.nodes[span], arcs.edges[span]

    def _arcs(self, source: np.ndarray, target: np.ndarray) -> Arcs:
        edges = np.arange(self.n_edges, dtype=np.int32)
        if not self.directed:
            other = source != target  # a loop is walked one way only
            source, target, edges = (
                np.concatenate([source, target[other]]),
                np.concatenate([target, source[other]]),
                np.concatenate([edges, edges[other]]),
            )
        relation = np.zeros(len(edges), dtype=np.int32) if self.relations is None else self.relations[edges]
        order = np.lexsort((edges, relation, target, source))
        indptr = np.zeros(self.n_nodes + 1, dtype=np.int64)
        np.cumsum(np.bincount(source, minlength=self.n_nodes), out=indptr[1:])
        return Arcs(frozen(indptr, np.int64), frozen(target[order], np.int32), frozen(edges[order], np.int32))

    def _weights(self, values: Any) -> np.ndarray:
        weights = np.asarray(values, dtype=np.float64)
        if weights.shape != (self.n_edges,):
            raise InputError(f"weights must be one per edge ({self.n_edges}), got shape {weights.shape}.")
        wrong = ~(np.isfinite(weights) & (weights >= 0))
        if wrong.any():
            i = int(np.flatnonzero(wrong)[0])
            raise InputError(f"weights must be finite and 0 or more, edge {i} has {weights[i]}.")
        return frozen(weights, np.float64)

    def _set_relations(self, relations: Any, names: Sequence[str] | None) -> None:
        values = node_numbers("relations", relations)
        if len(values) != self.n_edges:
            raise InputError(f"relations must be one per edge ({self.n_edges}), got {len(values)}.")
        largest = int(values.max(initial=-1))
        known = tuple(str(n) for n in names) if names is not None else tuple(map(str, range(largest + 1)))
        if largest >= len(known):
            raise InputError(f"relation {largest} has no name; {len(known)} relation_names were given.")
        if len(set(known)) != len(known):
            raise InputError("relation_names must differ.")
        self.relations, self.relation_names = frozen(values, np.int32), known
