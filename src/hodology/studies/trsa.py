"""44 Topological RSA: does a summary between geometry and topology tell best where a representation comes from?

Lin, Kriegeskorte, "The topology and geometry of neural representations", PNAS 2024. Here: layers of small CNNs on
scikit-learn's digits, identified across networks; every seed has ten networks, a split and held-out images of its own.
With ``--data DIR`` either the 92-image set (``rdms92.npz``), which adds the fourth claim, or a user's matrices with
``rdm``, ``subj`` and ``roi`` in place of the networks.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hodology.studies.trsa_tables import REGIMES, by_setting, write_tables
from hodology.study import Study

__all__ = ["run"]

_HIGH = "RDM and RGTM identify layers with high accuracy (figures; no numbers confirmed)"
_NOISE = "RGTM families hold up better as noise grows (figures; no numbers confirmed)"
_OURS = "not in the paper"
_EIGHTS = "RDM separates geometry, RGDM separates topology"
_RELIABLE = (0.277, 0.095, 0.382, 0.120, 0.175)  # known reliabilities of the 92-image set


def run(study: Study) -> None:
    """Measure the claims of the paper's sheet, with their baselines and controls."""
    found = study.measure("hodology.studies.trsa_figures:measure")
    _eights(study, found)
    _layers(study, found)
    _noise(study, found)
    _plateau(study, found)
    if all("subjects" in seed for seed in found):
        _subjects(study, found)
    write_tables(study, found)


def _eights(study: Study, found: list[dict[str, Any]]) -> None:
    def gap(summary: str) -> np.ndarray:
        return np.array([seed["eights"][summary][0] - seed["eights"][summary][1] for seed in found])

    note = "nothing is random here, so all seeds agree"
    words = "1. Ranked RDMs of shapes agree more when geometry is shared than when topology is"
    study.claim(words, paper=_EIGHTS, measured=gap("rank"), holds_above=0.0, unit="Spearman", note=note)
    words = "1. ... and geodesic RDMs (RGDM 0, 0.075) the other way round"
    study.claim(words, paper=_EIGHTS, measured=gap("geodesic"), holds_below=0.0, unit="Spearman", note=note)
    known = {"rank": (0.965, 0.443), "geodesic": (0.629, 0.783)}
    off = [
        max(abs(a - b) for name, figures in known.items() for a, b in zip(seed["eights"][name], figures))
        for seed in found
    ]
    words = "1. Control: the four agreements are 0.965, 0.443 and 0.629, 0.783 to 0.01"
    study.claim(words, paper=_OURS, measured=off, holds_below=0.01, unit="Spearman", note=note)


def _layers(study: Study, found: list[dict[str, Any]]) -> None:
    for level in (0.0, 0.2):
        raw = by_setting(found, "RDM", level, "raw")
        means = np.array([by_setting(found, "RDM", level, name) for name in REGIMES])
        at = "without noise" if level == 0 else "with RDM noise of 0.2 sd"
        words = f"2. No regime of thresholds falls 0.02 below the raw RDM {at} (worst of five)"
        study.claim(words, paper=_HIGH, measured=means.min(axis=0) - raw, holds_above=-0.02, unit="accuracy")
        words = f"2. ... and the best of five is at least 0.05 above it {at}"
        study.claim(words, paper=_NOISE, measured=means.max(axis=0) - raw, holds_above=0.05, unit="accuracy")
        words = (
            f"2. The binary adjacency (0.5, 0.5) finds regions at least four times as often as chance {at}"
        )
        over = by_setting(found, "RDM", level, "adjacency") / np.array([seed["chance"] for seed in found])
        study.claim(words, paper=_HIGH, measured=over, holds_above=4.0, unit="x chance")
        words = f"2. Control: labels shuffled within networks are at chance {at} (0.05 above at most)"
        gap = by_setting(found, "RDM", level, "shuffled labels") - np.array([s["chance"] for s in found])
        study.claim(words, paper=_OURS, measured=gap, holds_below=0.05, unit="accuracy")


def _noise(study: Study, found: list[dict[str, Any]]) -> None:
    for kind, words in (
        (
            "activations",
            "2. Noise in activations up to 0.9 sd costs the topology regime less than the raw RDM",
        ),
        (
            "RDM",
            "2. Independent noise on RDM entries of 1 sd costs the topology regime less than the raw RDM",
        ),
    ):
        levels = [row["level"] for row in found[0]["settings"] if row["kind"] == kind]
        if not levels:
            continue
        lost = [
            by_setting(found, "RDM", 0.0, name) - by_setting(found, kind, max(levels), name)
            for name in ("topology", "raw")
        ]
        study.claim(words, paper=_NOISE, measured=lost[0] - lost[1], holds_below=0.0, unit="accuracy lost")


def _plateau(study: Study, found: list[dict[str, Any]]) -> None:
    best = [max(row["interior"] - row["edge"] for row in seed["maps"]) for seed in found]
    words = "3. At one level of RDM noise at least, the best thresholds lie inside the map, not on its edges"
    note = "largest of the levels; a map's largest cell is chosen on the data it is measured on"
    study.claim(
        words, paper=_NOISE, measured=best, holds_above=0.0, unit="accuracy, inside minus edge", note=note
    )
    corners = [np.mean([row["interior mean"] - row["corners"] for row in seed["maps"]]) for seed in found]
    words = "3. The inside of the map is above its corners (0, 0.05), (0.95, 1) and (0, 1), mean over noise levels"
    study.claim(words, paper=_NOISE, measured=corners, holds_above=0.0, unit="accuracy")
    if all(row["nested"] is not None for seed in found for row in seed["maps"]):
        nested = [np.mean([row["nested"] - row["rank"] for row in seed["maps"]]) for seed in found]
        words = "3. Thresholds chosen without the network that is identified beat the ranked RDM"
        study.claim(words, paper=_NOISE, measured=nested, holds_above=0.0, unit="accuracy, nested")


def _subjects(study: Study, found: list[dict[str, Any]]) -> None:
    paper = "no figure for these data; reliabilities checked with other software"
    off = [
        max(abs(a - b) for a, b in zip(seed["subjects"]["reliability"], _RELIABLE, strict=True))
        for seed in found
    ]
    words = "4. Control: reliabilities of the 92-image human IT matrices are the known ones to 0.002"
    study.claim(words, paper=paper, measured=off, holds_below=0.002, unit="Spearman")
