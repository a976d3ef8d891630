"""Graphs of other packages into a multigraph and back: networkx, SciPy, and edges by name.

Those of networkx are in `hodology.graph.convert_networkx`, those of PyKEEN and OGB in
`hodology.graph.convert_benchmarks`; all can be imported from here too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hodology.errors import InputError
from hodology.graph.convert_benchmarks import from_ogb, from_pykeen
from hodology.graph.convert_networkx import from_networkx, to_networkx
from hodology.graph.edge_builder import EdgeBuilder
from hodology.graph.multigraph import MultiGraph
from hodology.graph.node_tables import NodeSource, read_nodes, read_relations

__all__ = ["from_named_edges", "from_networkx", "from_ogb", "from_pykeen", "from_scipy", "to_networkx"]


def from_named_edges(
    sources: Sequence[Any],
    targets: Sequence[Any],
    relations: Sequence[Any] | None = None,
    *,
    weights: Any = None,
    nodes: NodeSource | None = None,
    relation_names: Sequence[str] | None = None,
    directed: bool = True,
    edge_data: Mapping[str, Any] | None = None,
) -> MultiGraph:
    """A graph of edges given by the names of their ends.

    The heads and tails of a knowledge graph's triples are sources and targets, in this order. Names are turned into
    text. Nodes are numbered in the order of `nodes` when it is given, else in the order in which they first come, the
    source of an edge before its target; relations likewise.

    Parameters
    ----------
    sources, targets, relations : sequence, length edges
        Lists, arrays or columns of a table.
    weights : float array, shape (edges,), optional
    nodes : path, mapping of columns, optional
        All nodes, see `hodology.graph.node_tables.read_nodes`.
    relation_names : sequence of str, optional
        All relations in the order wanted.
    directed : bool
    edge_data : mapping of str to array, optional

    Raises
    ------
    InputError
        When lengths differ, a name is missing or not in its table, or a weight is not finite or negative.

    Examples
    --------
    >>> graph = from_named_edges(["aspirin", "PTGS2"], ["PTGS2", "pain"], ["binds", "associates"])
    >>> graph.names, graph.relation_names
    (('aspirin', 'PTGS2', 'pain'), ('binds', 'associates'))
    """
    given = {"sources": _names("sources", sources), "targets": _names("targets", targets)}
    if relations is not None:
        given["relations"] = _names("relations", relations)
    numbers = None
    if weights is not None:
        numbers = _numbers(weights)
    lengths = {name: len(values) for name, values in given.items()}
    if numbers is not None:
        lengths["weights"] = len(numbers)
    if len(set(lengths.values())) > 1:
        raise InputError(
            f"all must be equally long, got {', '.join(f'{n} {i}' for n, i in lengths.items())}."
        )
    builder = EdgeBuilder(
        nodes=None if nodes is None else read_nodes(nodes),
        relations=None if relation_names is None else read_relations(relation_names),
    )
    columns = {name: np.asarray(values) for name, values in (edge_data or {}).items()}
    for name, values in columns.items():
        if values.ndim < 1 or len(values) != len(given["sources"]):
            raise InputError(
                f"edge_data {name!r} must have {len(given['sources'])} entries, got {values.shape}."
            )
    builder.add(
        given["sources"],
        given["targets"],
        relations=given.get("relations"),
        weights=numbers,
        columns=columns,
    )
    return builder.graph(directed=directed)


def from_scipy(
    matrix: Any, *, directed: bool = True, weighted: bool = True, names: Sequence[str] | None = None
) -> MultiGraph:
    """A graph of an adjacency ``A[i, j]`` from i to j; every stored entry is an edge, row by row.

    Parameters
    ----------
    matrix : sparse matrix or array, or dense 2D array, shape (nodes, nodes)
        Of a dense array, entries other than 0 are edges. Truth values give no weights.
    directed : bool
        When False, the matrix must be symmetric, and entry (i, j) with i <= j is the edge.
    weighted : bool
        Whether entries are weights (finite, 0 or more).
    names : sequence of str, optional

    Raises
    ------
    InputError
        When the matrix is not square, not symmetric (undirected), or an entry is no weight.
    """
    import scipy.sparse

    if getattr(matrix, "shape", None) is None or len(matrix.shape) != 2 or matrix.shape[0] != matrix.shape[1]:
        raise InputError(f"matrix must be square, got shape {getattr(matrix, 'shape', None)}.")
    entries = scipy.sparse.coo_array(matrix)
    rows, nodes, values = entries.row, entries.col, entries.data
    if not directed:
        entries = scipy.sparse.csr_array(matrix)
        pattern = entries.astype(bool).astype(np.int8)
        if (pattern != pattern.T).nnz or (weighted and (entries != entries.T).nnz):
            raise InputError("matrix must be symmetric for an undirected graph.")
        upper = rows <= nodes
        rows, nodes, values = rows[upper], nodes[upper], values[upper]
    order = np.lexsort((nodes, rows))
    return MultiGraph(
        rows[order],
        nodes[order],
        n_nodes=matrix.shape[0],
        names=names,
        weights=values[order] if weighted and values.dtype != bool else None,
        directed=directed,
    )


def _names(what: str, values: Sequence[Any]) -> list[str]:
    cells = values.tolist() if hasattr(values, "tolist") else list(values)
    for place, cell in enumerate(cells):
        if cell is None or cell != cell:  # NaN, a missing name in a column of a table
            raise InputError(f"{what}: entry {place} has no name.")
    return [cell if type(cell) is str else str(cell) for cell in cells]


def _numbers(values: Any) -> np.ndarray:
    try:
        found = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"weights must be numbers: {error}.") from error
    if found.ndim != 1:
        raise InputError(f"weights must be one per edge, got shape {found.shape}.")
    return found
