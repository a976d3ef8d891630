"""Graph files of every kind, by suffix or by name of the format.

========  =============================  ======================================================================
format    suffixes (text also with .gz)  keeps
========  =============================  ======================================================================
tsv, csv  .tsv .txt .tab, .csv           edges; nodes without edges and node data in a table beside
edgelist  .edgelist .edges               the same; without a header u v, and a weight or networkx's data in braces
sif       .sif                           names and relations
graphml   .graphml .xml                  all
ntriples  .nt                            names, relations, labels
parquet   .parquet .pq                   edges, directed or not; nodes as for tsv
arrow     .arrow .feather .ipc           the same
npz       .npz                           all, exactly; the fastest
========  =============================  ======================================================================

In a knowledge graph's triple an edge runs from the head to the tail. `MultiGraph` uses the words of arrows: there,
edges start at their `tails`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.graph.convert import from_networkx, from_ogb, from_pykeen, from_scipy
from hodology.graph.edge_columns import ColumnName, Columns
from hodology.graph.edge_lists import read_edge_list
from hodology.graph.graphml_files import read_graphml, write_graphml
from hodology.graph.multigraph import MultiGraph
from hodology.graph.node_tables import NodeSource, RelationSource
from hodology.graph.npz_files import read_npz, write_npz
from hodology.graph.ntriples_files import read_ntriples, write_ntriples
from hodology.graph.sif_files import read_sif, write_sif
from hodology.graph.table_files import read_table, write_table
from hodology.graph.text_blocks import MAX_BYTES
from hodology.graph.triple_files import default_comment, read_triples, write_triples

__all__ = ["FORMATS", "graph_format", "open_graph", "read_graph", "write_graph"]

FORMATS: dict[str, tuple[str, ...]] = {
    "tsv": (".tsv", ".txt", ".tab"),
    "csv": (".csv",),
    "edgelist": (".edgelist", ".edges"),
    "sif": (".sif",),
    "graphml": (".graphml", ".xml"),
    "ntriples": (".nt",),
    "parquet": (".parquet", ".pq"),
    "arrow": (".arrow", ".feather", ".ipc"),
    "npz": (".npz",),
}
_READERS: dict[str, Callable[..., MultiGraph]] = {
    "tsv": read_triples,
    "csv": read_triples,
    "edgelist": read_edge_list,
    "sif": read_sif,
    "graphml": read_graphml,
    "ntriples": read_ntriples,
    "parquet": read_table,
    "arrow": read_table,
    "npz": read_npz,
}
_COLUMNS = ("head", "relation", "tail", "weight", "columns", "directed", "nodes", "relations")
_TEXT = (*_COLUMNS, "header", "delimiter", "comment")
_ACCEPTED = {
    "tsv": _TEXT,
    "csv": _TEXT,
    "edgelist": _TEXT,
    "sif": ("directed", "nodes", "relations"),
    "graphml": ("relation", "weight", "columns", "directed"),
    "ntriples": ("directed", "nodes", "relations"),
    "parquet": _COLUMNS,
    "arrow": _COLUMNS,
    "npz": (),
}


def graph_format(file: str | Path, *, format: str | None = None) -> str:
    """Name of a file's format: given, or by its suffix (before .gz).

    Raises
    ------
    UnknownNameError
        When there is no such format, or none has the suffix.
    """
    if format is not None:
        if format not in FORMATS:
            raise UnknownNameError(f"format {format!r} does not exist{near_names(format, FORMATS, n=8)}.")
        return format
    path = Path(file)
    suffix = Path(path.stem).suffix if path.suffix.lower() == ".gz" else path.suffix
    for name, suffixes in FORMATS.items():
        if suffix.lower() in suffixes:
            return name
    raise UnknownNameError(
        f"{file}: no graph format has the suffix {suffix!r}; give the format (--format), one of {', '.join(FORMATS)}."
    )


def read_graph(
    file: str | Path,
    *,
    format: str | None = None,
    head: ColumnName = "head",
    relation: ColumnName | None = "relation",
    tail: ColumnName = "tail",
    weight: ColumnName | None = "weight",
    columns: Columns = (),
    header: bool | None = None,
    directed: bool | None = None,
    nodes: NodeSource | None = None,
    relations: RelationSource | None = None,
    delimiter: str | None = None,
    comment: str | Literal[False] | None = None,
    max_bytes: int = MAX_BYTES,
) -> MultiGraph:
    """Read a graph; see the reader of each format for its own options.

    Nodes are numbered in the order of the table `nodes` when it is given, else in the order in which they first come:
    edge by edge, the head before the tail (GraphML: in the order of its nodes). Relations likewise. Names are text,
    also those that look like numbers.

    Parameters
    ----------
    file : path
    format : {"tsv", "csv", "edgelist", "sif", "graphml", "ntriples", "parquet", "arrow", "npz"}, optional
        Default: by the suffix.
    head, relation, tail, weight : str, int or None
        Columns by name, or by place from 0; relation and weight are attributes of edges in GraphML. The default names
        of relation and weight are taken where there are such columns; None leaves them out.
    columns : sequence of str, mapping of str to "text", "int" or "float", or "all"
        Further columns for the edge data.
    header : bool, optional
        Of text: whether the first row holds names. Default: it does when it holds those of head and tail.
    directed : bool, optional
        Default: what the file says, and directed where it says nothing.
    nodes : path or mapping of columns, optional
        Table with a column "id", and further columns for the node data.
    relations : path or sequence of str, optional
        All relations in the order wanted.
    delimiter : str, optional
        Of text; default: found in the first row.
    comment : str or False, optional
        Of text: lines that start with it are left out. Default: "#" in files .edgelist, .edges and .txt, where other
        programs write such lines, and no comments in others; False reads every line.
    max_bytes : int
        Most bytes of the file when it is unpacked.

    Raises
    ------
    FileFormatError
        When the file is missing, damaged or too large; names the file and the line or row.
    UnknownNameError
        When a column or format does not exist, with near names.
    InputError
        When an option is given that the format does not have.
    """
    name = graph_format(file, format=format)
    given: dict[str, tuple[Any, Any]] = {
        "head": (head, "head"),
        "relation": (relation, "relation"),
        "tail": (tail, "tail"),
        "weight": (weight, "weight"),
        "columns": (columns, ()),
        "header": (header, None),
        "directed": (directed, None),
        "nodes": (nodes, None),
        "relations": (relations, None),
        "delimiter": (delimiter, None),
        "comment": (comment, None),
    }
    options = {}
    for option, (value, default) in given.items():
        if type(value) is type(default) and value == default:
            continue
        if option not in _ACCEPTED[name]:
            raise InputError(f"{option} does not apply to a file of format {name}.")
        options[option] = value
    if name in ("tsv", "csv", "edgelist"):
        options["comment"] = default_comment(file, format=name) if comment is None else comment or None
    return _READERS[name](file, max_bytes=max_bytes, **options)


def write_graph(
    graph: MultiGraph, file: str | Path, *, format: str | None = None, nodes: str | Path | bool | None = None
) -> None:
    """Write a graph; the file appears whole or not at all.

    Parameters
    ----------
    graph : MultiGraph
    file : path
    format : str, optional
        Default: by the suffix, see `read_graph`. Text is packed when the name ends in .gz.
    nodes : path or False, optional
        For formats of edges alone (tsv, csv, edgelist, sif, parquet, arrow): where the table of nodes goes. A graph that has node
        data or nodes without an edge needs it; False leaves these out.

    Raises
    ------
    InputError
        When the format cannot hold something of the graph.
    """
    name = graph_format(file, format=format)
    if name in ("graphml", "ntriples", "npz"):
        if nodes is not None:
            raise InputError(f"nodes does not apply to a file of format {name}.")
        {"graphml": write_graphml, "ntriples": write_ntriples, "npz": write_npz}[name](graph, file)
    elif name == "sif":
        write_sif(graph, file, nodes=nodes)
    elif name in ("parquet", "arrow"):
        write_table(graph, file, format=name, nodes=nodes)
    else:
        write_triples(graph, file, format="csv" if name == "csv" else "tsv", nodes=nodes)


def open_graph(source: Any, *, format: str | None = None) -> MultiGraph:
    """A multigraph of what there is: a file, a networkx graph, a matrix, a PyKEEN factory or a graph of OGB.

    Everything is read with the defaults of its reader; a `MultiGraph` is returned as it is.

    Parameters
    ----------
    source : path, MultiGraph, networkx graph, sparse or dense matrix, TriplesFactory, or mapping
    format : str, optional
        Of a file, see `read_graph`.

    Raises
    ------
    InputError
        When the source is none of these.
    """
    if isinstance(source, MultiGraph):
        return source
    if isinstance(source, (str, Path)):
        return read_graph(source, format=format)
    if format is not None:
        raise InputError("format applies to files only.")
    if hasattr(source, "mapped_triples"):
        return from_pykeen(source)
    if hasattr(source, "is_multigraph") and hasattr(source, "edges"):
        return from_networkx(source)
    if isinstance(source, Mapping):
        return from_ogb(source)
    if len(getattr(source, "shape", ())) == 2:
        return from_scipy(source)
    raise InputError(
        f"a graph must be a file, MultiGraph, networkx graph, matrix, PyKEEN factory or OGB mapping, "
        f"got {type(source).__name__}."
    )
