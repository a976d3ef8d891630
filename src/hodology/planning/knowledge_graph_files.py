"""Read a knowledge graph from text: a folder of tables, or Hetionet's release (SIF edges and a table of nodes).

Edges are streamed, so that 2.25 million of them need no list of texts.

Reference: Himmelstein et al., "Systematic integration of biomedical knowledge prioritizes drugs for repurposing",
eLife 2017, doi:10.7554/eLife.26726 (Hetionet v1.0).
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from hodology.errors import FileFormatError, UnknownNameError, near_names
from hodology.planning.knowledge_graph import KnowledgeGraph
from hodology.planning.knowledge_graph_build import collect_triples
from hodology.planning.relation_templates import HETIONET_RELATIONS, TemplateSpec, verb_templates

__all__ = ["read_hetionet", "read_triple_rows"]

_ENDS = (("head", "source", "subject"), ("relation", "metaedge", "predicate"), ("tail", "target", "object"))


def read_hetionet(
    edges: str | Path,
    *,
    nodes: str | Path | None = None,
    relations: str | Path | None = None,
    leave_out: Sequence[str] = (),
    task_relations: Sequence[str] = (),
) -> KnowledgeGraph:
    """Read Hetionet, or a graph in its form: edges as rows of head, relation, tail; nodes as id, name, kind.

    Parameters
    ----------
    edges : path
        A tab-separated file with a header (``head relation tail`` or ``source metaedge target``, further columns are
        left aside), gzip or not, such as ``hetionet-v1.0-edges.sif.gz``; or a folder that holds ``edges.tsv(.gz)``,
        ``nodes.tsv(.gz)`` and perhaps ``relations.tsv(.gz)``.
    nodes : path, optional
        Table with the columns id, name and kind; all its nodes are in the graph. Default in a folder: its own.
    relations : path, optional
        Table with the columns relation, head_kind, verb, tail_kind. Default in a folder: its own; else Hetionet's 24
        relations are known and any other's sentence is made of its name.
    leave_out : sequence of str
        Relations whose edges are not read.
    task_relations : sequence of str
        Relations that are to be predicted.

    Returns
    -------
    KnowledgeGraph
        Forward edges only.

    Raises
    ------
    FileFormatError
        When a file is missing, damaged, lacks a column, or a line has too few; names file and line.
    UnknownNameError
        When a relation to leave out does not exist.
    """
    edges = Path(edges)
    if edges.is_dir():
        folder = edges
        edges = _named(folder, "edges") or folder / "edges.tsv.gz"
        nodes = nodes or _named(folder, "nodes")
        relations = relations or _named(folder, "relations")
    table = (
        {} if nodes is None else {row[0]: row[1:] for row in _rows(nodes, (("id",), ("name",), ("kind",)))}
    )
    left = dict.fromkeys(leave_out, 0)
    triples = collect_triples(_without(read_triple_rows(edges), left), nodes=table)
    for name, count in left.items():
        if not count:
            known = near_names(name, triples.relation_names)
            raise UnknownNameError(f"leave_out: no edge of {edges} has the relation {name!r}{known}.")
    order, templates = _sentences(triples.relation_names, relations, leave_out)
    return KnowledgeGraph.from_triples(
        triples,
        titles={node: name for node, (name, _) in table.items()},
        kinds={node: kind for node, (_, kind) in table.items()},
        templates=templates,
        relations=order,
        task_relations=task_relations,
    )


def read_triple_rows(file: str | Path) -> Iterator[tuple[str, str, str]]:
    """Stream (head, relation, tail) from a tab-separated file with a header, gzip or not.

    Raises
    ------
    FileFormatError
        See `read_hetionet`.
    """
    return ((head, relation, tail) for head, relation, tail in _rows(file, _ENDS))


def _without(rows: Iterable[tuple[str, str, str]], left: dict[str, int]) -> Iterator[tuple[str, str, str]]:
    """Rows whose relation is not in `left`, which counts the others."""
    for row in rows:
        if row[1] in left:
            left[row[1]] += 1
        else:
            yield row


def _sentences(
    names: Iterable[str], file: str | Path | None, leave_out: Sequence[str]
) -> tuple[list[str], Mapping[str, TemplateSpec]]:
    """Order of the relations (the table's, then further ones) and their templates."""
    table = dict(HETIONET_RELATIONS)
    order: list[str] = []
    if file is not None:
        wanted = (("relation",), ("head_kind",), ("verb",), ("tail_kind",))
        rows = {row[0]: (row[1], row[2], row[3]) for row in _rows(file, wanted)}
        order = [name for name in rows if name not in leave_out]
        table |= rows
    order += sorted(set(names) - set(order))
    known = verb_templates({name: table[name] for name in order if name in table})
    return order, {name: known.get(name, f"{{u}} {name} {{v}}") for name in order}


def _named(folder: Path, stem: str) -> Path | None:
    files = (folder / f"{stem}{ending}" for ending in (".tsv.gz", ".tsv", ".sif.gz", ".sif"))
    return next((file for file in files if file.is_file()), None)


def _rows(file: str | Path, columns: Sequence[Sequence[str]]) -> Iterator[tuple[str, ...]]:
    """The wanted columns of each line; each may go by several names."""
    lines = _lines(Path(file))
    header = next(lines, "").split("\t")
    places = [next((header.index(name) for name in names if name in header), -1) for names in columns]
    for names, place in zip(columns, places, strict=True):
        if place < 0:
            raise FileFormatError(f"{file} has no column {names[0]!r}{near_names(names[0], header)}.")
    most = max(places)
    for number, line in enumerate(lines, start=2):
        cells = line.split("\t")
        if len(cells) > most:
            yield tuple([cells[place] for place in places])
        elif line:
            raise FileFormatError(
                f"{file}, line {number}: expected at least {most + 1} columns, got {len(cells)}."
            )


def _lines(file: Path) -> Iterator[str]:
    """Lines without their ends; a file that is cut off, or no text, is named."""
    try:
        with open(file, "rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
        with gzip.open(file, "rt", encoding="utf-8") if packed else open(file, encoding="utf-8") as text:
            for line in text:
                yield line.rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{file} is not UTF-8 text.") from error
    except (OSError, EOFError, zlib.error) as error:
        raise FileFormatError(
            f"{file} cannot be read: {getattr(error, 'strerror', None) or error}."
        ) from error
