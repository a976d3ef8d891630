"""Paths for many pairs of a user's table: the work behind ``hodology kg retrieve``."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hodology import __version__
from hodology.errors import FileFormatError, InputError
from hodology.files import atomic_path, write_json
from hodology.path import JsonlWriter
from hodology.planning.kg_run import KgSettings, open_knowledge_graph
from hodology.planning.knowledge_graph import KnowledgeGraph
from hodology.planning.path_query import KgPath, PairPaths
from hodology.planning.path_subgraph import paths_subgraph
from hodology.planning.path_text import verbalise
from hodology.planning.retrieval import retrieve
from hodology.work import claim_folder

__all__ = ["RetrievalSummary", "read_pairs", "retrieve_pairs"]

_HEADERS = ({"u", "v"}, {"head", "tail"}, {"source", "target"})
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


def read_pairs(file: str | Path) -> list[tuple[str, str]]:
    """Pairs of a TSV or CSV file: its columns u and v (or head and tail, source and target), or its first two.

    Raises
    ------
    FileFormatError
        For a file that cannot be read, a line of one column, or no pair at all; names the line.
    """
    file = Path(file)
    try:
        with open(file, encoding="utf-8-sig", newline="") as handle:
            sample = handle.readline()
            handle.seek(0)
            rows = list(csv.reader(handle, delimiter="\t" if "\t" in sample else ","))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FileFormatError(f"{file} cannot be read as a table of pairs: {error}.") from error
    places, first = (0, 1), 0
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    for names in _HEADERS:
        if names <= set(header):
            left, right = sorted(names, key=lambda n: n not in ("u", "head", "source"))
            places, first = (header.index(left), header.index(right)), 1
    pairs = []
    for number, row in enumerate(rows[first:], start=first + 1):
        if not any(cell.strip() for cell in row):
            continue
        if len(row) <= max(places) or not row[places[0]].strip() or not row[places[1]].strip():
            raise FileFormatError(f"{file}, line {number}: a pair needs two entities, got {row!r}.")
        pairs.append((row[places[0]].strip(), row[places[1]].strip()))
        if len(pairs) > _MOST:
            raise FileFormatError(f"{file} holds more than {_MOST} pairs.")
    if not pairs:
        raise FileFormatError(f"{file} holds no pair.")
    return pairs


def retrieve_pairs(
    settings: KgSettings,
    pairs: list[tuple[str, str]],
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
    pairs : list of (u, v)
    folder : path
        Must be empty or hold a run of the same kind.
    jobs : int
        Threads; the result does not depend on them.
    missing : {"raise", "empty"}
        Whether an entity that is not in the graph is an error.
    resume : bool
        False refuses a folder that holds a run.
    on_pair : callable, optional
        Progress: pairs done, pairs in all.

    Raises
    ------
    InputError
        For what the graph or the search refuse.
    """
    from hodology.graph.files import write_graph
    from hodology.planning.kg_output import used_nodes

    query, folder = settings.query(), Path(folder)
    kg = open_knowledge_graph(settings)
    if query.hide == "task" and not kg.task_relations:
        raise InputError("--hide task needs --task-relations: which relations state the answer?")
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
