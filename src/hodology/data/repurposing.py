"""A generated drug-repurposing graph: which drug treats which disease follows from mechanisms that the graph shows in part.

Genes belong to pathways. A disease is caused by some pathways and presents symptoms; a symptom has a pathway of its own. A
drug binds genes of its class's pathway and others by chance. It *treats* a disease whose causal pathway its class acts on,
and *palliates* one when its class acts on the pathway of a symptom. Pairs that are neither (*not*) were tried because the
drug binds a gene associated with the disease all the same. Edges are missing and false ones are there, and few genes, drugs
and diseases have most of the edges, as in real graphs: an answer can be guessed from degrees to some extent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hodology.errors import InputError
from hodology.rng import stream

__all__ = ["SENTENCES", "RepurposingGraph", "generate_repurposing"]

LABELS = ("treats", "palliates", "not")
_COUNTS = {
    "Compound": 320,
    "Disease": 110,
    "Gene": 1600,
    "Pathway": 160,
    "Symptom": 130,
    "Class": 70,
    "Anatomy": 40,
}
SENTENCES: dict[str, tuple[str, str]] = {
    "binds": ("{u} (Compound) binds {v} (Gene)", "{u} (Gene) is bound by {v} (Compound)"),
    "associates": ("{u} (Disease) associates {v} (Gene)", "{u} (Gene) is associated with {v} (Disease)"),
    "participates": (
        "{u} (Gene) participates in {v} (Pathway)",
        "{u} (Pathway) has the participant {v} (Gene)",
    ),
    "presents": ("{u} (Disease) presents {v} (Symptom)", "{u} (Symptom) is presented by {v} (Disease)"),
    "localizes": ("{u} (Disease) localizes to {v} (Anatomy)", "{u} (Anatomy) is a site of {v} (Disease)"),
    "resembles": ("{u} (Disease) resembles {v} (Disease)", "{u} (Disease) is resembled by {v} (Disease)"),
    "includes": ("{u} (Class) includes {v} (Compound)", "{u} (Compound) is included in {v} (Class)"),
    "treats": ("{u} (Compound) treats {v} (Disease)", "{u} (Disease) is treated by {v} (Compound)"),
    "palliates": ("{u} (Compound) palliates {v} (Disease)", "{u} (Disease) is palliated by {v} (Compound)"),
    "not": ("{u} (Compound) is not indicated for {v} (Disease)", "{u} (Disease) is no indication of {v} (Compound)"),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class RepurposingGraph:
    """Background triples, and the labelled pairs of drugs and diseases that are not among them.

    Attributes
    ----------
    triples : tuple of (head, relation, tail)
    pairs : tuple of (drug, disease)
    labels : tuple of str
        ``treats``, ``palliates`` or ``not``, one per pair.
    titles, kinds : dict of str to str
        Readable name and kind of every entity.
    causal_genes : dict of str to frozenset of str
        Members of the pathways that cause each disease, whether or not the graph shows it.
    """

    triples: tuple[tuple[str, str, str], ...]
    pairs: tuple[tuple[str, str], ...]
    labels: tuple[str, ...]
    titles: dict[str, str]
    kinds: dict[str, str]
    causal_genes: dict[str, frozenset[str]]


@dataclass(frozen=True, eq=False)
class _World:
    """The mechanisms behind the graph: who acts on what."""

    members: list[np.ndarray]  # genes of each pathway
    causes: list[np.ndarray]  # pathways of each disease
    symptoms: list[np.ndarray]  # symptoms of each disease
    relieved: np.ndarray  # pathway of each symptom
    drug_class: np.ndarray  # class of each drug
    acts_on: list[np.ndarray]  # pathways that each class acts on


def generate_repurposing(*, seed: int = 0, pairs: int = 700, missing: float = 0.3) -> RepurposingGraph:
    """Generate a graph and its labelled pairs.

    Parameters
    ----------
    seed : int
    pairs : int
        Labelled pairs, in the proportions of the physicians' list of PharmacotherapyDB: 54 % treats, 28 % palliates, 18 % not.
    missing : float
        Share of the true edges that the graph lacks.

    Returns
    -------
    RepurposingGraph
        About 2,400 entities and 10,700 triples.

    Raises
    ------
    InputError
        When `missing` is no share below 1, or so many pairs do not exist.
    """
    if not 0 <= missing < 1:
        raise InputError(f"missing must be from 0 to below 1, got {missing}.")
    world = _world(seed)
    triples, bound, associated = _background(world, seed, missing)
    chosen = _choose_pairs(world, bound, associated, pairs, seed)
    kinds = {f"{kind}::{i:04d}": kind for kind, count in _COUNTS.items() for i in range(count)}
    titles = {name: f"{kind.lower()} {int(name.split('::')[1])}" for name, kind in kinds.items()}
    return RepurposingGraph(
        triples=tuple(sorted(set(triples))),
        pairs=tuple((_id("Compound", d), _id("Disease", s)) for d, s, _ in chosen),
        labels=tuple(LABELS[label] for _, _, label in chosen),
        titles=titles,
        kinds=kinds,
        causal_genes={
            _id("Disease", i): frozenset(_id("Gene", int(g)) for p in causes for g in world.members[p])
            for i, causes in enumerate(world.causes)
        },
    )


def _world(seed: int) -> _World:
    """Draw the mechanisms."""
    rng = stream(seed, "mechanisms")
    genes, pathways, classes = _COUNTS["Gene"], _COUNTS["Pathway"], _COUNTS["Class"]
    fame = _popularity(genes, rng)
    members = [rng.choice(genes, size=rng.integers(8, 40), replace=False, p=fame) for _ in range(pathways)]
    known = _popularity(pathways, rng)
    causes = [
        rng.choice(pathways, size=rng.integers(1, 4), replace=False, p=known)
        for _ in range(_COUNTS["Disease"])
    ]
    common = _popularity(_COUNTS["Symptom"], rng)
    symptoms = [
        rng.choice(_COUNTS["Symptom"], size=rng.integers(3, 12), replace=False, p=common)
        for _ in range(_COUNTS["Disease"])
    ]
    return _World(
        members=members,
        causes=causes,
        symptoms=symptoms,
        relieved=rng.integers(pathways, size=_COUNTS["Symptom"]),
        drug_class=rng.choice(classes, size=_COUNTS["Compound"], p=_popularity(classes, rng)),
        acts_on=[
            rng.choice(pathways, size=rng.integers(1, 3), replace=False, p=known) for _ in range(classes)
        ],
    )


def _background(
    world: _World, seed: int, missing: float
) -> tuple[list[tuple[str, str, str]], list[set[int]], list[set[int]]]:
    """The triples, and which genes each drug binds and each disease is associated with."""
    rng = stream(seed, "edges")
    genes = _COUNTS["Gene"]
    fame = _popularity(genes, rng)
    triples: list[tuple[str, str, str]] = []

    def add(kind: str, i: int, relation: str, other: str, found: np.ndarray) -> None:
        triples.extend((_id(kind, i), relation, _id(other, int(j))) for j in found)

    def seen(true: np.ndarray, false: np.ndarray) -> np.ndarray:
        return np.unique(np.concatenate([true[rng.random(len(true)) >= missing], false]))

    bound, associated = [], []
    for i, cls in enumerate(world.drug_class):
        target = np.concatenate([world.members[p] for p in world.acts_on[cls]])
        true = rng.choice(target, size=min(len(target), int(rng.integers(2, 9))), replace=False)
        found = seen(true, rng.choice(genes, size=rng.poisson(2.0), p=fame))
        bound.append(set(found.tolist()))
        add("Compound", i, "binds", "Gene", found)
        add("Class", int(cls), "includes", "Compound", np.array([i])[rng.random(1) >= missing / 2])
    for i, causes in enumerate(world.causes):
        target = np.concatenate([world.members[p] for p in causes])
        true = target[rng.random(len(target)) < 0.5]
        found = seen(true, rng.choice(genes, size=rng.poisson(12.0), p=fame))
        associated.append(set(found.tolist()))
        add("Disease", i, "associates", "Gene", found)
        add(
            "Disease",
            i,
            "presents",
            "Symptom",
            seen(world.symptoms[i], rng.integers(_COUNTS["Symptom"], size=2)),
        )
        add(
            "Disease",
            i,
            "localizes",
            "Anatomy",
            rng.choice(_COUNTS["Anatomy"], size=rng.integers(1, 6), replace=False),
        )
        alike = [j for j in range(i) if set(world.causes[j]) & set(causes)]
        add(
            "Disease",
            i,
            "resembles",
            "Disease",
            seen(np.array(alike, dtype=np.int64), rng.integers(_COUNTS["Disease"], size=1)),
        )
    for p, members in enumerate(world.members):
        for gene in members[rng.random(len(members)) >= missing]:
            triples.append((_id("Gene", int(gene)), "participates", _id("Pathway", p)))
    for gene in range(genes):
        for p in rng.integers(_COUNTS["Pathway"], size=rng.poisson(1.0)):
            triples.append((_id("Gene", gene), "participates", _id("Pathway", int(p))))
    return [t for t in triples if t[0] != t[2]], bound, associated


def _choose_pairs(
    world: _World, bound: list[set[int]], associated: list[set[int]], count: int, seed: int
) -> list[tuple[int, int, int]]:
    """Pairs of each label, famous drugs and diseases more often, in random order."""
    rng = stream(seed, "pairs")
    pools: list[list[tuple[int, int]]] = [[], [], []]
    for d, cls in enumerate(world.drug_class):
        acts = set(world.acts_on[cls].tolist())
        for s, causes in enumerate(world.causes):
            if acts & set(causes.tolist()):
                pools[0].append((d, s))
            elif acts & {int(world.relieved[x]) for x in world.symptoms[s]}:
                pools[1].append((d, s))
            elif bound[d] & associated[s]:
                pools[2].append((d, s))
    drugs, diseases = (_popularity(_COUNTS[kind], rng) for kind in ("Compound", "Disease"))
    chosen: list[tuple[int, int, int]] = []
    for label, share in enumerate((0.54, 0.28, 0.18)):
        pool, size = pools[label], round(share * count)
        if size > len(pool):
            raise InputError(
                f"pairs must be fewer: only {len(pool)} pairs are {LABELS[label]!r}, {size} were asked for."
            )
        fame = np.array([drugs[d] * diseases[s] for d, s in pool])
        for i in rng.choice(len(pool), size=size, replace=False, p=fame / fame.sum()):
            chosen.append((*pool[int(i)], label))
    return [chosen[i] for i in rng.permutation(len(chosen))]


def _popularity(n: int, rng: np.random.Generator) -> np.ndarray:
    """Probabilities that fall with rank, in random order: few have much."""
    weights = 1.0 / (rng.permutation(n) + 5.0) ** 0.7
    return weights / weights.sum()


def _id(kind: str, i: int) -> str:
    return f"{kind}::{i:04d}"
