"""Views of paths through knowledge graphs: one to know by heart, one as a query gives it, one without a path, one large."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["big_view", "drug_view", "neighbour_view", "parallel_view", "tiny_view"]

KINDS = ["Compound", "Disease", "Gene"]
HETIONET = [
    *("Anatomy", "Biological Process", "Cellular Component", "Compound", "Disease", "Gene"),
    *("Molecular Function", "Pathway", "Pharmacologic Class", "Side Effect", "Symptom"),
]


def tiny_view() -> dict[str, Any]:
    """Three paths from drug to pain: by one gene, by two genes, and by another drug and a gene.

    The path by g1 takes the edge of the gene and the disease against its direction. g2 is first on the second
    path and last on the third. The edge drug - treats -> pain was taken out.
    """
    nodes = [
        ("drug", "Dolorin", "Compound", 40),
        ("pain", "back pain", "Disease", 90),
        ("g1", "COX1", "Gene", 12),
        ("g2", "COX2", "Gene", 150),
        ("g3", "TRPV1", "Gene", 3),
        ("other", "Placebon", "Compound", 1),
    ]
    paths = [
        _path(1, ["drug", "g1", "pain"], ["binds", "linked"], [True, False], same=4),
        _path(2, ["drug", "g2", "g3", "pain"], ["binds", "acts on", "linked"], [True, True, False], same=1),
        _path(3, ["drug", "other", "g2", "pain"], ["like", "binds", "linked"], [False, True, False]),
    ]
    return _view(
        nodes,
        paths,
        title="From Dolorin to back pain",
        graph={"name": "tiny-kg", "nodes": 1234, "edges": 56789, "relations": 5, "kinds": 3},
        query={
            "source": "drug",
            "target": "pain",
            "k": 10,
            "max_length": 3,
            "diverse": True,
            "tie_break": "canonical",
            "hide": "task",
        },
        relations=[
            ("binds", "binds", 210),
            ("acts on", "acts on", 33),
            ("linked", "is linked to", 1400),
            ("like", "is like", 8),
        ],
        hidden=[("drug", "treats", "pain", "its relation is asked for")],
        kinds=list(KINDS),
        notes=["Ties of equal length stand in the order of the relations."],
        files=["paths.jsonl", "subgraph.tsv"],
    )


def parallel_view() -> dict[str, Any]:
    """One step from the source to the target by three relations, one of them twice: there and back."""
    view = tiny_view()
    names = [("binds", True), ("acts on", True), ("acts on", False), ("like", True)]
    view["paths"] = [
        _path(rank, ["drug", "pain"], [name], [forward])
        for rank, (name, forward) in enumerate(names, start=1)
    ]
    view["paths"] += tiny_view()["paths"][:1]
    view["paths"][-1]["rank"] = 5
    return view


def neighbour_view() -> dict[str, Any]:
    """No path: two edges of the source and two of the target, one of them against its direction."""
    view = tiny_view()
    view["paths"] = [
        _path(1, ["drug", "g1"], ["binds"], [True], kind="neighbour"),
        _path(2, ["drug", "other"], ["like"], [False], kind="neighbour"),
        _path(3, ["pain", "g2"], ["linked"], [True], kind="neighbour"),
        _path(4, ["pain", "g3"], ["acts on"], [True], kind="neighbour"),
    ]
    return view


def drug_view() -> dict[str, Any]:
    """Ten paths of two and three edges between a drug and a disease, four kinds, as a query would give them."""
    names = {
        "DB00843": ("Donepezil", "Compound", 132),
        "DOID:10652": ("Alzheimer's disease", "Disease", 401),
        "43": ("ACHE", "Gene", 88),
        "590": ("BCHE", "Gene", 61),
        "3356": ("HTR2A", "Gene", 240),
        "1565": ("CYP2D6", "Gene", 310),
        "DB00674": ("Galantamine", "Compound", 77),
        "DB00989": ("Rivastigmine", "Compound", 64),
        "DOID:1596": ("mental depression", "Disease", 120),
        "DOID:14330": ("Parkinson's disease", "Disease", 233),
        "D008569": ("Memory Disorders", "Symptom", 51),
        "N0000000177": ("Cholinesterase Inhibitors", "Pharmacologic Class", 18),
        "11261": ("APOE", "Gene", 205),
    }
    steps = [
        ("43", [("binds", True), ("associates", False)], 2),
        ("43 DB00674", [("binds", True), ("binds", False), ("treats", True)], 2),
        ("590 DB00989", [("binds", True), ("binds", False), ("palliates", True)], 1),
        ("N0000000177 DB00674", [("includes", False), ("includes", True), ("treats", True)], 2),
        ("N0000000177 DB00989", [("includes", False), ("includes", True), ("palliates", True)], 1),
        ("3356 DOID:1596", [("binds", True), ("associates", False), ("resembles", True)], 6),
        ("1565 DOID:14330", [("binds", True), ("associates", False), ("resembles", False)], 3),
        ("DOID:1596 D008569", [("palliates", True), ("presents", True), ("presents", False)], 4),
        ("DOID:14330 11261", [("treats", True), ("associates", True), ("associates", False)], 9),
        ("DB00674 43", [("resembles", True), ("binds", True), ("associates", False)], 5),
    ]
    paths = []
    for rank, (through, relations, same) in enumerate(steps, start=1):
        ids = ["DB00843", *through.split(" "), "DOID:10652"]
        paths.append(
            _path(rank, ids, [name for name, _ in relations], [way for _, way in relations], same=same)
        )
        words = [
            f"{names[a][0]} ({names[a][1]}) {name if way else 'is the end of ' + name + ' from'} {names[b][0]} ({names[b][1]})"
            for a, b, (name, way) in zip(ids, ids[1:], relations)
        ]
        paths[-1]["sentence"] = " and ".join(words)
    counts = {"binds": 2605, "associates": 10379, "treats": 755, "palliates": 390, "includes": 1029}
    counts |= {"resembles": 543, "presents": 3357}
    return _view(
        [(name, *rest) for name, rest in names.items()],
        paths,
        title="Paths from Donepezil to Alzheimer's disease",
        graph={"name": "hetionet-repurposing", "nodes": 14262, "edges": 32660, "relations": 10, "kinds": 8},
        query={
            "source": "DB00843",
            "target": "DOID:10652",
            "k": 10,
            "max_length": 3,
            "diverse": True,
            "tie_break": "canonical",
            "hide": "task",
        },
        relations=[(name, name, count) for name, count in counts.items()],
        hidden=[
            ("DB00843", "treats", "DOID:10652", "its relation is asked for"),
            ("DB00843", "palliates", "DOID:10652", "it states the same answer"),
        ],
        kinds=list(HETIONET),
        notes=["Both edges between the two entities were hidden before the search."],
    )


def big_view(n_paths: int = 250, *, seed: int = 27, pool: int = 400) -> dict[str, Any]:
    """`n_paths` paths of two and three edges, through `pool` nodes of eleven kinds, twelve relations."""
    draws = np.random.default_rng(seed)
    nodes = [("start", "a drug with a long name, hydrochloride", "Compound", 3000)]
    nodes += [("end", "a disease of the peripheral nervous system", "Disease", 8000)]
    nodes += [
        (f"n{i}", f"{HETIONET[i % 11].lower()} number {i}", HETIONET[i % 11], int(10 ** draws.uniform(0, 4)))
        for i in range(pool)
    ]
    verbs = ["binds", "upregulates", "downregulates", "associates", "participates in", "is localised to"]
    verbs += ["treats", "causes", "resembles", "presents", "covaries with", "expresses"]
    paths: list[dict[str, Any]] = []
    for rank in range(1, n_paths + 1):
        inner = draws.choice(pool, size=1 if rank % 5 == 0 else 2, replace=False)
        ids = ["start", *(f"n{i}" for i in inner), "end"]
        length = len(ids) - 1
        paths.append(
            _path(
                rank,
                ids,
                [verbs[i] for i in draws.integers(len(verbs), size=length)],
                [bool(way) for way in draws.integers(2, size=length)],
            )
        )
    used = {node for path in paths for node in path["nodes"]}
    return _view(
        [node for node in nodes if node[0] in used],
        paths,
        title="From a drug to a disease",
        graph={"name": "hetionet", "nodes": 47031, "edges": 2250197, "relations": 24, "kinds": 11},
        query={
            "source": "start",
            "target": "end",
            "k": n_paths,
            "max_length": 3,
            "diverse": False,
            "tie_break": "seeded",
            "hide": "pair",
        },
        relations=[(verb, verb, 1000 * i) for i, verb in enumerate(verbs)],
        hidden=[],
        kinds=list(HETIONET),
        notes=[],
    )


def _view(
    nodes: list[Any], paths: list[Any], *, relations: list[Any], hidden: list[Any], **parts: Any
) -> dict[str, Any]:
    return {
        "format": 1,
        "version": "0.1.0",
        "nodes": [dict(zip(("id", "title", "kind", "degree"), node, strict=True)) for node in nodes],
        "paths": paths,
        "relations": [dict(zip(("name", "title", "count"), row, strict=True)) for row in relations],
        "hidden": [dict(zip(("head", "relation", "tail", "why"), row, strict=True)) for row in hidden],
        **parts,
    }


def _path(
    rank: int,
    nodes: list[str],
    relations: list[str],
    forward: list[bool],
    *,
    kind: str = "path",
    same: int | None = None,
) -> dict[str, Any]:
    steps = [f"{a} {name} {b}" for a, name, b in zip(nodes, relations, nodes[1:])]
    return {
        "rank": rank,
        "kind": kind,
        "length": len(relations),
        "nodes": nodes,
        "relations": relations,
        "forward": forward,
        "sentence": " and ".join(steps),
        "same": same,
    }
