"""The readable files of paths in a knowledge graph, and the view that their page draws."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from hodology import __version__
from hodology.files import write_json, write_text
from hodology.graph.multigraph import MultiGraph
from hodology.path import PathSet
from hodology.planning.diverse_paths import k_diverse_paths
from hodology.planning.kg_reasons import no_path_reason
from hodology.planning.kg_run import KgRun
from hodology.planning.knowledge_graph import KnowledgeGraph
from hodology.planning.path_query import KgPath
from hodology.planning.path_subgraph import paths_subgraph
from hodology.planning.path_text import path_sentence
from hodology.work import mark_folder

__all__ = ["relation_names", "used_nodes", "write_kg_outputs"]

_ENDS = re.compile(r"\{[uv](?:_kind)?\}(?:\s*\([^()]*\))?")
_COUNTED = 20_000  # paths up to which those of each sequence are counted


def write_kg_outputs(run: KgRun, folder: str | Path) -> dict[str, Any]:
    """Write ``paths.tsv``, ``paths.jsonl``, ``sentences.txt``, ``subgraph.tsv``, ``subgraph.graphml`` and ``summary.json``.

    Parameters
    ----------
    run : KgRun
    folder : path
        Must be empty or hold a run of the same kind, which is replaced; ``manifest.json`` says what it is.

    Returns
    -------
    dict
        What `hodology.report.write_kg_report` draws.

    Raises
    ------
    InputError
        When the folder is a file or holds something else.
    """
    from hodology.graph.files import write_graph

    folder = Path(folder)
    sentences = [path_sentence(path, run.kg) for path in run.paths]
    manifest = {"version": __version__, "settings": asdict(run.settings)}
    mark_folder(folder, "kg-paths", what="paths of a knowledge graph", manifest=manifest, resume=True)
    write_text(folder / "sentences.txt", "".join(f"{line}\n" for line in sentences))
    write_text(folder / "paths.tsv", _table(run, sentences))
    name = f"{run.kg.graph.name(run.source)} -> {run.kg.graph.name(run.target)}"
    PathSet.from_paths([path.to_path(run.kg, id=name) for path in run.paths]).to_jsonl(folder / "paths.jsonl")
    part = used_nodes(paths_subgraph(run.paths, run.kg))
    write_graph(part, folder / "subgraph.tsv", nodes=folder / "subgraph-nodes.tsv")
    write_graph(part, folder / "subgraph.graphml")
    files = [
        "paths.tsv",
        "paths.jsonl",
        "sentences.txt",
        "subgraph.tsv",
        "subgraph-nodes.tsv",
        "subgraph.graphml",
    ]
    view = _view(run, sentences, [*files, "summary.json"])
    kept = {key: view[key] for key in ("graph", "query", "paths", "hidden", "notes")}
    settings = asdict(run.settings)
    write_json(folder / "summary.json", {"format": 1, "version": __version__, "settings": settings, **kept})
    return view


def relation_names(kg: KnowledgeGraph, path: KgPath) -> tuple[list[str], list[bool]]:
    """Forward names of a path's relations, and whether each edge is walked along its direction.

    A composite relation is named by its parts, joined by ``+``.
    """
    names, forward = [], []
    for relation in path.relations:
        parts = kg.parts[relation]
        names.append("+".join(kg.forward_relations[part % kg.offset] for part in parts))
        forward.append(parts[0] < kg.offset)
    return names, forward


def used_nodes(kg: KnowledgeGraph) -> MultiGraph:
    """The graph of the nodes that have an edge, with their titles and kinds."""
    small = kg.graph
    used = np.union1d(small.tails, small.heads)
    place = np.zeros(small.n_nodes, dtype=np.int64)
    place[used] = np.arange(len(used))
    return MultiGraph(
        place[small.tails],
        place[small.heads],
        n_nodes=len(used),
        relations=kg.edge_relations,
        names=[small.name(i) for i in used.tolist()],
        relation_names=small.relation_names,
        node_data={
            "name": np.array([kg.titles[i] for i in used.tolist()], dtype=np.str_),
            "kind": np.array([kg.kinds[i] for i in used.tolist()], dtype=np.str_),
        },
    )


def _table(run: KgRun, sentences: list[str]) -> str:
    """A row per path: rank, length, kind, relations, nodes, sentence."""
    lines = ["rank\tkind\tlength\trelations\tnodes\tsentence"]
    for rank, (path, sentence) in enumerate(zip(run.paths, sentences, strict=True), start=1):
        names, forward = relation_names(run.kg, path)
        walked = " ".join(n if f else f"{n}^-1" for n, f in zip(names, forward, strict=True))
        nodes = " ".join(run.kg.graph.name(node) for node in path.nodes)
        cells = (str(rank), path.kind, str(path.length), walked, nodes, sentence)
        lines.append("\t".join(cell.replace("\t", " ") for cell in cells))
    return "\n".join(lines) + "\n"


def _view(run: KgRun, sentences: list[str], files: list[str]) -> dict[str, Any]:
    kg, settings = run.kg, run.settings
    ends = {run.source, run.target}
    nodes = sorted({node for path in run.paths for node in path.nodes} | ends)
    degrees = kg.graph.out_degree() if kg.has_inverses else kg.graph.out_degree() + kg.graph.in_degree()
    counts = kg.relation_counts()
    shown = list(dict.fromkeys(name for path in run.paths for name in relation_names(kg, path)[0]))
    same, reason = _sequence_counts(run), no_path_reason(run)
    paths = []
    for rank, (path, sentence) in enumerate(zip(run.paths, sentences, strict=True), start=1):
        names, forward = relation_names(kg, path)
        entry: dict[str, Any] = {
            "rank": rank,
            "kind": path.kind,
            "length": path.length,
            "relations": names,
            "forward": forward,
        }
        entry |= {"nodes": [kg.graph.name(n) for n in path.nodes], "sentence": sentence}
        paths.append({**entry, "same": same.get(path.relations) if same else None})
    source, target = kg.graph.name(run.source), kg.graph.name(run.target)
    asked = {"k": settings.k, "max_length": settings.max_length, "diverse": settings.diverse}
    kinds = sorted(set(kg.kinds))
    return {
        "format": 1,
        "title": f"From {kg.titles[run.source]} to {kg.titles[run.target]}",
        "version": __version__,
        "graph": {
            "name": Path(settings.graph).name,
            "nodes": kg.graph.n_nodes,
            "edges": kg.graph.n_edges // (2 if kg.has_inverses else 1),
            "relations": kg.offset,
            "kinds": len(kinds),
        },
        "query": {
            "source": source,
            "target": target,
            **asked,
            "tie_break": settings.tie_break,
            "hide": settings.hide,
        },
        "nodes": [
            {"id": kg.graph.name(n), "title": kg.titles[n], "kind": kg.kinds[n], "degree": int(degrees[n])}
            for n in nodes
        ],
        "paths": paths,
        "relations": [
            {"name": name, "title": _said(kg, name), "count": counts.get(name, 0)} for name in shown
        ],
        "hidden": [
            {"head": kg.graph.name(a), "relation": name, "tail": kg.graph.name(b), "why": why}
            for a, name, b, why in run.hidden
        ],
        "kinds": kinds,
        "notes": _notes(run, reason),
        "files": files,
        **({} if reason is None else {"reason": reason}),
    }


def _said(kg: KnowledgeGraph, name: str) -> str:
    """What a relation says between its two ends: its sentence without them, ``binds`` of ``{u} (Drug) binds {v}``."""
    parts = []
    for single in name.split("+"):
        known = single in kg.forward_relations
        template = kg.templates.forward[kg.forward_relations.index(single)] if known else None
        words = _ENDS.sub(" ", template or "").split()
        parts.append(" ".join(words) or single.replace("_", " "))
    return " and ".join(parts)


def _sequence_counts(run: KgRun) -> dict[tuple[int, ...], int] | None:
    """How many paths have each sequence of relations; None where there are too many to count."""
    s = run.settings
    if not s.diverse or s.max_length > 3 or not run.paths or run.paths[0].kind != "path":
        return None
    every = k_diverse_paths(
        run.kg, run.source, run.target, k=_COUNTED, max_len=s.max_length, diverse=False, hide=s.hide  # type: ignore[arg-type]
    )  # fmt: skip
    return None if len(every) == _COUNTED else dict(Counter(path.relations for path in every))


def _notes(run: KgRun, reason: str | None) -> list[str]:
    """What a reader of the page has to know of its paths."""
    s, notes = run.settings, []
    if run.paths and run.paths[0].kind == "neighbour":
        notes.append(f"{reason} The edges around each of them are listed instead.")
    elif reason is not None:
        notes.append(reason)
    elif s.diverse:
        notes.append(
            "No two paths have the same sequence of relations; of those that share one, the first by node number stands."
        )
    ties = {"canonical": "the order of their relations", "rare-first": "how few paths share their relations"}
    notes.append(
        f"Paths come by their number of edges; equal ones by {ties.get(s.tie_break, 'a seeded draw')}."
    )
    if s.hide == "none":
        notes.append("Nothing was hidden: an edge that states the answer may be among the paths.")
    return notes
