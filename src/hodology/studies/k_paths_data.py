"""The graph and the labelled pairs of the k-paths study: generated, or Hetionet's sample in a folder."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hodology.data.repurposing import SENTENCES, generate_repurposing
from hodology.errors import FileFormatError, InputError
from hodology.planning.knowledge_graph import KnowledgeGraph
from hodology.planning.knowledge_graph_files import read_hetionet

__all__ = ["Repurposing", "generated", "real"]

_COLUMNS = ("compound", "disease_node", "category")
_ANSWERS = ("CtD", "CpD")  # Hetionet's own edges of the same answers
_REAL = {
    "DM": (
        "{u} (Compound) modifies the disease {v} (Disease)",
        "{u} (Disease) is modified by {v} (Compound)",
    ),
    "SYM": (
        "{u} (Compound) relieves symptoms of {v} (Disease)",
        "{u} (Disease) is relieved by {v} (Compound)",
    ),
    "NOT": (
        "{u} (Compound) is not indicated for {v} (Disease)",
        "{u} (Disease) is no indication of {v} (Compound)",
    ),
}


@dataclass(frozen=True, eq=False)
class Repurposing:
    """A background graph without any answer, and pairs with their answers.

    Attributes
    ----------
    background : KnowledgeGraph
    pairs : list of (drug, disease)
    labels : int64 ndarray
        Index into `names`.
    names : tuple of str
        Task relations, one per label.
    templates : mapping
        Sentences of the task relations.
    causal_genes : mapping or None
        By disease; known in the generated graph only.
    """

    background: KnowledgeGraph
    pairs: list[tuple[str, str]]
    labels: np.ndarray
    names: tuple[str, ...]
    templates: Mapping[str, Any]
    causal_genes: Mapping[str, frozenset[str]] | None

    def fold_graph(self, rows: Sequence[int] | np.ndarray) -> KnowledgeGraph:
        """The background with the answers of these pairs, and inverse edges."""
        known = [(self.pairs[i][0], self.names[self.labels[i]], self.pairs[i][1]) for i in rows]
        return self.background.augment(known, relations=self.names, templates=self.templates).with_inverses()


def generated(seed: int, pairs: int) -> Repurposing:
    """A graph of its own for every seed."""
    world = generate_repurposing(seed=seed, pairs=pairs)
    names = ("treats", "palliates", "not")
    background = KnowledgeGraph.from_triples(
        world.triples,
        titles=world.titles,
        kinds=world.kinds,
        templates={key: value for key, value in SENTENCES.items() if key not in names},
    )
    labels = np.array([names.index(label) for label in world.labels])
    templates = {name: SENTENCES[name] for name in names}
    return Repurposing(background, list(world.pairs), labels, names, templates, world.causal_genes)


def real(folder: str) -> Repurposing:
    """Hetionet's sample without its own indications, and the physicians' list (``indications.tsv``).

    Raises
    ------
    FileFormatError
        When a file is missing or lacks a column.
    InputError
        When a pair names an entity that is not in the graph.
    """
    background = read_hetionet(folder, leave_out=_ANSWERS)
    file = Path(folder) / "indications.tsv"
    if not file.is_file():
        raise FileFormatError(f"{file} is missing: the physicians' list of indications.")
    with open(file, encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle, delimiter="\t"))
    lacking = [name for name in _COLUMNS if not rows or name not in rows[0]]
    if lacking:
        raise FileFormatError(f"{file} lacks the column {lacking[0]!r}.")
    names = tuple(_REAL)
    unknown = next((row for row in rows if row["category"] not in names), None)
    if unknown is not None:
        raise InputError(f"{file}: category must be {', '.join(names)}, got {unknown['category']!r}.")
    pairs = [(row["compound"], row["disease_node"]) for row in rows]
    labels = np.array([names.index(row["category"]) for row in rows])
    return Repurposing(background, pairs, labels, names, _REAL, None)
