"""The figures of one seed of the topological RSA study; `hodology.studies.trsa` judges them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from hodology.geometry.dissimilarity import dissimilarities
from hodology.geometry.geo_topological import threshold_ranks
from hodology.geometry.geodesic_rdm import geodesic
from hodology.geometry.grid_map import GridMap, grid_map
from hodology.geometry.identification_bootstrap import bootstrap_identification
from hodology.geometry.ranks import rank_minmax
from hodology.geometry.rdms import RDMs
from hodology.geometry.regime_tests import compare_regimes, regime_transforms
from hodology.geometry.regimes import threshold_grid
from hodology.geometry.region_identification import Transform, identify_regions
from hodology.geometry.rsa import compare_rows
from hodology.geometry.topological_rdm import TopologicalRDM
from hodology.geometry.toy_patterns import TOY_PATTERNS, toy_pattern
from hodology.rng import stream
from hodology.studies.trsa_data import Labelled, known_subjects, labelled_rdms

__all__ = ["measure"]

SIZES: dict[str, dict[str, Any]] = {
    "quick": {
        "networks": 4, "epochs": 4, "images": 40, "draws": 3, "boots": 20, "step": 0.25, "shuffles": 3,
        "noise": {"RDM": (0.0, 0.2, 1.0), "activations": (0.9,)},
    },
    "standard": {
        "networks": 10, "epochs": 12, "images": 60, "draws": 10, "boots": 400, "step": 0.05, "shuffles": 10,
        "noise": {
            "RDM": (0.0, 0.1, 0.2, 0.3, 0.4, 0.7, 1.0), "each RDM": (0.2, 1.0),
            "activations": (0.1, 0.3, 0.5, 0.7, 0.9),
        },
    },
}  # fmt: skip
_MAPPED = (0.0, 0.2, 0.4, 1.0)  # levels of RDM noise that a map is made of
_NAMED: dict[str, Transform] = {
    "raw": "raw",
    "rank": "rank",
    "(0.1, 0.9)": TopologicalRDM(low=0.1, high=0.9),
    "(0.45, 0.55)": TopologicalRDM(low=0.45, high=0.55),
    "(0, 0.3)": TopologicalRDM(low=0.0, high=0.3),
    "(0.7, 1)": TopologicalRDM(low=0.7, high=1.0),
    "adjacency": TopologicalRDM(low=0.5, high=0.5),
    "sigmoid": TopologicalRDM(method="sigmoid"),
}


def measure(payload: Mapping[str, Any]) -> bytes:
    """All figures of one seed, as JSON."""
    seed, size = payload["seed"], SIZES[payload["size"]]
    given = labelled_rdms(
        payload["data"], seed, networks=size["networks"], epochs=size["epochs"], images=size["images"]
    )
    draws = regime_transforms(n_draws=size["draws"], rng=seed)
    settings, maps, tests = [], [], []
    for kind, levels in size["noise"].items():
        if kind == "activations" and given.patterns is None:
            continue
        for level in levels:
            rdms = given.noisy(kind, level, rng=seed)
            found = {
                "accuracy": _accuracies(rdms, draws, seed, size["shuffles"]),
                "kind": kind,
                "level": level,
            }
            settings.append(found)
            if kind == "RDM" and level in _MAPPED:
                maps.append({"level": level, **_map(grid_map(rdms, step=size["step"]))})
            if kind == "RDM" and level in (0.0, 0.2):
                tests.append({"level": level, **_tests(rdms, draws, size["boots"], seed)})
    figures: dict[str, Any] = {
        "chance": 1.0 / len(set(given.rdms.descriptors["region"])),
        "networks": given.accuracies,
        "eights": _eights(),
        "settings": settings,
        "maps": maps,
        "tests": tests,
        "spreads": _spreads(given),
    }
    known = known_subjects(payload["data"])
    if known is not None:
        figures["subjects"] = _subjects(known)
    return json.dumps(figures).encode()


def _accuracies(
    rdms: RDMs, draws: Mapping[str, tuple[TopologicalRDM, ...]], seed: int, shuffles: int
) -> dict[str, float]:
    """Accuracy of every transform; that of a regime is the mean over its draws."""
    found = {name: identify_regions(rdms, transform=transform).accuracy for name, transform in _NAMED.items()}
    for name, transforms in draws.items():
        found[name] = float(np.mean([identify_regions(rdms, transform=t).accuracy for t in transforms]))
    subject, region = (np.array(rdms.descriptors[key]) for key in ("subject", "region"))
    ranked = replace(rdms, values=rank_minmax(rdms.values))
    chance = []
    for shuffle in range(shuffles):
        generator, shuffled = stream(seed, "shuffled labels", shuffle), region.copy()
        for s in np.unique(subject):
            shuffled[subject == s] = generator.permutation(region[subject == s])
        chance.append(identify_regions(ranked, subject, shuffled.tolist(), transform="raw").accuracy)
    found["shuffled labels"] = float(np.mean(chance))
    return found


def _map(found: GridMap) -> dict[str, Any]:
    """A map and what is said of it."""
    inside = found.interior
    corners = (found.thresholds == found.thresholds[0]).all(axis=1)
    corners |= (found.thresholds == found.thresholds[-1]).all(axis=1)
    corners |= (found.thresholds == [0.0, 1.0]).all(axis=1)
    return {
        "thresholds": found.thresholds.tolist(),
        "accuracy": found.accuracy.tolist(),
        "best": found.best,
        "interior": float(found.accuracy[inside].max()),
        "edge": float(found.accuracy[~inside].max()),
        "interior mean": float(found.accuracy[inside].mean()),
        "corners": float(found.accuracy[corners].mean()),
        "nested": found.nested,
        "raw": found.raw,
        "rank": found.rank,
    }


def _tests(
    rdms: RDMs, draws: Mapping[str, tuple[TopologicalRDM, ...]], boots: int, seed: int
) -> dict[str, Any]:
    """Regimes with bootstrap errors and paired tests."""
    transforms: dict[str, Transform] = {"raw": "raw", "rank": "rank"}
    groups: dict[str, list[str]] = {"raw": ["raw"], "rank": ["rank"]}
    for name, members in draws.items():
        groups[name] = [f"{name} {i}" for i in range(len(members))]
        transforms |= dict(zip(groups[name], members, strict=True))
    found = compare_regimes(
        bootstrap_identification(rdms, transforms=transforms, n_boot=boots, rng=seed), groups
    )
    return {
        "regimes": [asdict(r) for r in found.regimes],
        "differences": [asdict(d) for d in found.differences],
    }


def _spreads(given: Labelled) -> dict[str, float]:
    """Within over across regions, mean over subjects."""
    return {
        name: float(identify_regions(given.rdms, transform=transform).ratio.mean())
        for name, transform in _NAMED.items()
    }


def _eights() -> dict[str, tuple[float, float]]:
    """Mean Spearman correlation of pairs of the same geometry, and of the same topology."""
    parts = [dissimilarities(toy_pattern(name), measure="euclidean").values for name in TOY_PATTERNS[:4]]
    values = np.concatenate(parts)
    summaries = {
        "rank": rank_minmax(values),
        "geo-topological": threshold_ranks(rank_minmax(values), low=0.0, high=0.075),
        "geodesic": geodesic(values, high=0.075),
        "geodesic, zero edges dropped": geodesic(values, high=0.075, zero_edges="drop"),
    }
    out = {}
    for name, rows in summaries.items():
        rho = compare_rows(rows, rows, measure="spearman")
        out[name] = (float(rho[0, 2] + rho[1, 3]) / 2, float(rho[0, 1] + rho[2, 3]) / 2)
    return out


def _subjects(known: np.ndarray) -> dict[str, Any]:
    """Reliabilities, and the subject of session 2 by the nearest matrix of session 1, for all thresholds."""
    first, second = known[:, 0], known[:, 1]
    flat = known.reshape(-1, known.shape[2])
    rho = compare_rows(flat, flat, measure="spearman")
    owner = np.repeat(np.arange(len(known)), 2)
    between = rho[owner[:, None] != owner].mean()
    ranks = [rank_minmax(part) for part in (first, second)]

    def accuracy(a: np.ndarray, b: np.ndarray) -> float:
        distances = ((b[:, None] - a) ** 2).sum(axis=2)
        return float((distances.argmin(axis=1) == np.arange(len(a))).mean())

    cells = threshold_grid()
    return {
        "reliability": [float(rho[2 * s, 2 * s + 1]) for s in range(len(known))] + [float(between)],
        "thresholds": cells,
        "accuracy": [
            accuracy(*(threshold_ranks(r, low=low, high=high) for r in ranks)) for low, high in cells
        ],
        "raw": accuracy(first, second),
        "rank": accuracy(*ranks),
    }
