"""Paths for many pairs of a user's table: the work behind ``hodology kg retrieve``."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hodology import __version__
from hodology.errors import FileFormatError, InputError, UnknownNameError, near_names
from hodology.files import atomic_path, write_json
from hodology.path import JsonlWriter
from hodology.planning.diverse_paths import pair_nodes, search_pairs
from hodology.planning.kg_run import KgSettings, check_hiding, open_knowledge_graph
from hodology.planning.knowledge_graph import KnowledgeGraph
from hodology.planning.path_query import KgPath, PairPaths
from hodology.planning.path_subgraph import paths_subgraph
from hodology.planning.path_text import verbalise
from hodology.planning.retrieval import retrieve
from hodology.work import claim_folder

__all__ = ["PairTable", "RetrievalSummary", "read_pairs", "retrieve_pairs"]

_HEADERS = (("u", "v"), ("head", "tail"), ("source", "target"))
_MOST = 10_000_000


@dataclass(frozen=True)
class RetrievalSummary:
    """What was found for all pairs.

    Attributes
    ----------
    pairs, paths, without_path, unknown : int
        Pairs asked; paths found; pairs that no path joins; pairs with an entity that is not in the graph.
    subgraph_edges, graph_edges : int
        Forward triples on the paths, and in the whole graph.
    """

    pairs: int
    paths: int
    without_path: int
    unknown: int
    subgraph_edges: int
    graph_edges: int


@dataclass(frozen=True)
class PairTable:
    """Pairs of a file and where they stand.

    Attributes
    ----------
    file : Path
    pairs : list of (u, v)
    lines : list of int
        Line of each pair.
    header : list of str
        Cells of the first line when they were read as a pair, else empty.
    """

    file: Path
    pairs: list[tuple[str, str]]
    lines: list[int]
    header: list[str]

    def place(self, row: int) -> str:
        """File and line of a pair."""
        return f"{self.file}, line {self.lines[row]}"


def read_pairs(file: str | Path, *, source: str | None = None, target: str | None = None) -> PairTable:
    """Pairs of a TSV or CSV file: its columns u and v (or head and tail, source and target), or its first two.

    Parameters
    ----------
    file : path
    source, target : str, optional
        Columns of the two entities, both or none: names of the first line, or places from 0 of a table without header.

    Raises
    ------
    FileFormatError
        For a file that cannot be read, a line that lacks an entity, or no pair at all; names the line.
    UnknownNameError
        For a column that is not there, with near names.
    InputError
        For one of the two columns without the other, or the same twice.
    """
    file = Path(file)
    try:
        with open(file, encoding="utf-8-sig", newline="") as handle:
            sample = handle.readline()
            handle.seek(0)
            rows = list(csv.reader(handle, delimiter="\t" if "\t" in sample else ","))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FileFormatError(f"{file} cannot be read as a table of pairs: {error}.") from error
    header = [cell.strip() for cell in rows[0]] if rows else []
    places, first = _columns(file, header, source, target)
    pairs, lines = [], []
    for number, row in enumerate(rows[first:], start=first + 1):
        if not any(cell.strip() for cell in row):
            continue
        if len(row) <= max(places) or not row[places[0]].strip() or not row[places[1]].strip():
            raise FileFormatError(f"{file}, line {number}: a pair needs two entities, got {row!r}.")
        pairs.append((row[places[0]].strip(), row[places[1]].strip()))
        lines.append(number)
        if len(pairs) > _MOST:
            raise FileFormatError(f"{file} holds more than {_MOST} pairs.")
    if not pairs:
        raise FileFormatError(f"{file} holds no pair.")
    return PairTable(file, pairs, lines, [] if first else header)


def _columns(
    file: Path, header: list[str], source: str | None, target: str | None
) -> tuple[tuple[int, int], int]:
    """Places of the two columns, and the first row that holds a pair."""
    if (source is None) != (target is None):
        raise InputError("name both columns of the pairs or none: --source-column and --target-column.")
    if source is not None and target is not None:
        places = (_place(file, header, source), _place(file, header, target))
        if places[0] == places[1]:
            raise InputError(f"the two columns of the pairs must differ, got {source!r} and {target!r}.")
        return places, 0 if _is_place(source) and _is_place(target) else 1
    lower = [cell.lower() for cell in header]
    for left, right in _HEADERS:
        if left in lower and right in lower:
            return (lower.index(left), lower.index(right)), 1
    return (0, 1), 0


def _place(file: Path, header: list[str], column: str) -> int:
    if _is_place(column):
        if int(column) < len(header):
            return int(column)
        raise UnknownNameError(f"{file} has no column {column}; it has columns 0 to {len(header) - 1}.")
    if column in header:
        return header.index(column)
    raise UnknownNameError(f"{file} has no column {column!r}{near_names(column, header)}.")


def _is_place(column: str) -> bool:
    return column.isascii() and column.isdecimal()


def retrieve_pairs(
    settings: KgSettings,
    asked: PairTable,
    folder: str | Path,
    *,
    jobs: int = 1,
    missing: str = "raise",
    resume: bool = True,
    on_pair: Callable[[int, int], None] | None = None,
) -> RetrievalSummary:
    """Find paths for all pairs and write them as they come; what is found is kept, so that a killed run goes on.

    Writes ``paths.jsonl``, ``sentences.tsv`` (u, v, rank, sentence), ``subgraph.tsv`` with ``subgraph-nodes.tsv``, and
    ``summary.json``.

    Parameters
    ----------
    settings : KgSettings
    asked : PairTable
    folder : path
        Must be empty or hold a run of the same kind.
    jobs : int
        Threads; the result does not depend on them.
    missing : {"raise", "empty"}
        Whether an entity that is not in the graph is an error.
    resume : bool
        False refuses a folder that holds a run.
    on_pair : callable, optional
        Progress: pairs done, pairs in all; first with 0, when all that was asked is checked.

    Raises
    ------
    InputError
        For what the graph or the search refuse, and an entity that is not in the graph (with file and line); nothing is
        written then.
    """
    from hodology.graph.files import write_graph
    from hodology.planning.kg_output import used_nodes

    query, folder = settings.query(), Path(folder)
    kg = open_knowledge_graph(settings)
    check_hiding(kg, query)
    if jobs < 1:
        raise InputError(f"jobs must be at least 1, got {jobs}.")
    search_pairs(kg, np.zeros((0, 2), dtype=np.int64), query)  # refuses what no pair can be asked
    pairs = _known_pairs(kg, asked, missing)
    manifest = {
        "version": __version__,
        "settings": asdict(settings),
        "fingerprints": {"graph": kg.fingerprint},
    }
    store = claim_folder(folder, "kg-retrieve", what="retrieved paths", manifest=manifest, resume=resume)
    options = {key: value for key, value in query.to_dict().items() if key != "neighbours"}
    results = retrieve(kg, pairs, jobs=jobs, missing=missing, folder=store.folder, **options)  # type: ignore[arg-type]
    counts = {"paths": 0, "without_path": 0, "unknown": 0}
    used: set[int] = set()
    if on_pair is not None:
        on_pair(0, len(pairs))
    with _tables(folder) as (paths_file, sentences):
        for done, result in enumerate(results, start=1):
            paths_file.extend(result.to_paths(kg))
            _write_sentences(sentences, result, kg)
            used.update(edge for path in result for edge in path.edges)
            counts["paths"] += len(result)
            counts["unknown"] += min(result.u_node, result.v_node) < 0
            counts["without_path"] += not any(path.kind == "path" for path in result)
            if on_pair is not None:
                on_pair(done, len(pairs))
    part = used_nodes(paths_subgraph([KgPath((), tuple(sorted(used)), ())], kg))  # only edges count
    write_graph(part, folder / "subgraph.tsv", nodes=folder / "subgraph-nodes.tsv")
    whole = kg.graph.n_edges // (2 if kg.has_inverses else 1)
    summary = RetrievalSummary(len(pairs), **counts, subgraph_edges=part.n_edges, graph_edges=whole)
    write_json(folder / "summary.json", {"format": 1, **manifest, **asdict(summary)})
    return summary


def _known_pairs(kg: KnowledgeGraph, asked: PairTable, missing: str) -> list[tuple[str, str]]:
    """The pairs, when all can be asked; else the first that cannot is named with its line."""
    try:
        pair_nodes(kg, asked.pairs, missing)  # type: ignore[arg-type]
    except InputError:
        for row, pair in enumerate(asked.pairs):
            try:
                pair_nodes(kg, [pair], missing)  # type: ignore[arg-type]
            except InputError as error:
                told = str(error)
                if row == 0 and asked.header and len(asked.pairs) > 1:
                    told = (
                        told.rstrip(".")
                        + "; if this line is a header, name its columns: --source-column and "
                    )
                    told += "--target-column."
                raise type(error)(f"{asked.place(row)}: {told}") from error
        raise
    return asked.pairs


@contextmanager
def _tables(folder: Path) -> Iterator[tuple[JsonlWriter, Any]]:
    """Both files, which appear whole at the end or not at all."""
    with (
        JsonlWriter(folder / "paths.jsonl", measure="number of edges") as paths,
        atomic_path(folder / "sentences.tsv") as temporary,
        open(temporary, "w", encoding="utf-8", newline="") as handle,
    ):
        table = csv.writer(handle, delimiter="\t", lineterminator="\n")
        table.writerow(["u", "v", "rank", "sentence"])
        yield paths, table


def _write_sentences(table: Any, result: PairPaths, kg: KnowledgeGraph) -> None:
    lines = verbalise(result, kg).splitlines()
    for rank, line in enumerate(lines, start=1):
        table.writerow([result.u, result.v, rank, line])
