"""Tables and notes of the topological RSA study."""

from __future__ import annotations

from typing import Any

import numpy as np

from hodology.study import Study

__all__ = ["REGIMES", "by_setting", "write_tables"]

REGIMES = ("topology", "geometry", "local", "global", "intermediate")


def by_setting(found: list[dict[str, Any]], kind: str, level: float, name: str) -> np.ndarray:
    """Accuracy of a transform under one noise, one value per seed."""
    return np.array(
        [
            next(
                row["accuracy"][name]
                for row in seed["settings"]
                if row["kind"] == kind and row["level"] == level
            )
            for seed in found
        ]
    )


def write_tables(study: Study, found: list[dict[str, Any]]) -> None:
    """Means over seeds of everything that was measured, and what is said beside the claims."""
    _accuracy_table(study, found)
    _regime_table(study, found)
    study.table(
        "Four eights: mean Spearman of pairs of the same geometry and of the same topology (50 points)",
        ["summary", "same geometry", "same topology"],
        [[name, f"{a:.3f}", f"{b:.3f}"] for name, (a, b) in found[0]["eights"].items()],
    )
    for place, row in enumerate(found[0]["maps"]):
        accuracy = np.mean([seed["maps"][place]["accuracy"] for seed in found], axis=0)
        title = f"Accuracy by low (rows) and high (columns), RDM noise of {row['level']:g} sd"
        _map_table(study, title, row["thresholds"], accuracy)
    study.table(
        "Maps: largest cell (optimistic), thresholds chosen without the network that is identified (nested), baselines",
        ["RDM noise (sd)", "largest", "inside", "on the edges", "nested", "rank", "raw"],
        [_map_row(found, place) for place in range(len(found[0]["maps"]))],
    )
    spreads = found[0]["spreads"]
    study.table(
        "Mean distance within a region over that across regions, other networks or subjects (no noise)",
        ["transform", "within / across"],
        [[name, f"{np.mean([s['spreads'][name] for s in found]):.3f}"] for name in spreads],
    )
    if all("subjects" in seed for seed in found):
        _subject_tables(study, found[0]["subjects"])
    _notes(study, found)


def _accuracy_table(study: Study, found: list[dict[str, Any]]) -> None:
    settings = [(row["kind"], row["level"]) for row in found[0]["settings"]]
    names = list(found[0]["settings"][0]["accuracy"])
    study.table(
        "Identification accuracy by noise (sd); the five regimes are means over draws of thresholds",
        ["noise on", "sd", *names, "chance"],
        [
            [kind, f"{level:g}"]
            + [f"{by_setting(found, kind, level, name).mean():.3f}" for name in names]
            + [f"{np.mean([seed['chance'] for seed in found]):.3f}"]
            for kind, level in settings
        ],
    )


def _regime_table(study: Study, found: list[dict[str, Any]]) -> None:
    for place, row in enumerate(found[0]["tests"]):
        rows = []
        for i, regime in enumerate(row["regimes"]):
            own = [seed["tests"][place] for seed in found]
            differences = [
                next(
                    (d for d in t["differences"] if {d["first"], d["second"]} == {regime["name"], "raw"}),
                    None,
                )
                for t in own
            ]
            beaten = sum(d is not None and d["adjusted"] < 0.05 for d in differences)
            rows.append(
                [
                    regime["name"],
                    f"{np.mean([t['regimes'][i]['accuracy'] for t in own]):.3f}",
                    f"{np.mean([t['regimes'][i]['standard_error'] for t in own]):.3f}",
                    "" if regime["name"] == "raw" else f"{beaten} of {len(found)}",
                ]
            )
        study.table(
            f"Regimes under joint bootstraps of networks and stimuli, RDM noise of {row['level']:g} sd",
            ["regime", "accuracy", "standard error", "seeds that differ from raw (FDR 0.05)"],
            rows,
        )


def _map_table(study: Study, title: str, thresholds: list[list[float]], accuracy: np.ndarray) -> None:
    """Every second level of the lattice, so that the table can be read."""
    levels = sorted({level for cell in thresholds for level in cell})
    shown = levels[:: 2 if len(levels) > 12 else 1]
    held = {tuple(cell): value for cell, value in zip(thresholds, accuracy, strict=True)}
    study.table(
        title,
        ["low", *(f"{high:g}" for high in shown[1:])],
        [
            [f"{low:g}", *(f"{held[low, high]:.2f}" if (low, high) in held else "" for high in shown[1:])]
            for low in shown[:-1]
        ],
    )


def _map_row(found: list[dict[str, Any]], place: int) -> list[str]:
    rows = [seed["maps"][place] for seed in found]
    figures = [np.mean([max(row["interior"], row["edge"]) for row in rows])]
    figures += [np.mean([row[key] for row in rows]) for key in ("interior", "edge")]
    nested = [row["nested"] for row in rows if row["nested"] is not None]
    return [
        f"{rows[0]['level']:g}",
        *(f"{figure:.3f}" for figure in figures),
        f"{np.mean(nested):.3f}" if nested else "",
        *(f"{np.mean([row[key] for row in rows]):.3f}" for key in ("rank", "raw")),
    ]


def _subject_tables(study: Study, known: dict[str, Any]) -> None:
    *within, between = known["reliability"]
    study.table(
        "Human IT, 92 images: Spearman of two sessions of a subject, and between subjects",
        ["subject", "Spearman"],
        [[str(i + 1), f"{rho:.3f}"] for i, rho in enumerate(within)]
        + [["between subjects", f"{between:.3f}"]],
    )
    title = (
        "Human IT: share of four subjects found in session 2 from session 1, by low (rows) and high (columns)"
    )
    _map_table(study, title, known["thresholds"], np.array(known["accuracy"]))
    study.note(
        f"Human IT: {known['rank']:.2f} of the subjects are found by ranked and {known['raw']:.2f} by raw matrices (chance "
        f"0.25), over thresholds {min(known['accuracy']):.2f} to {max(known['accuracy']):.2f}; four subjects allow no more."
    )


def _notes(study: Study, found: list[dict[str, Any]]) -> None:
    networks = [np.mean(seed["networks"]) for seed in found if seed["networks"]]
    if networks:
        study.note(
            "Networks: 6 convolutions and 2 dense layers; every seed trains networks of its own on a split of its own and "
            "shows its own held-out digits, so the intervals cover all three. Mean accuracy on digits by seed: "
            + ", ".join(f"{100 * value:.1f}" for value in networks)
            + " %."
        )
    study.note(
        "RDMs are squared Euclidean distances; a network is left out and each of its layers gets the nearest mean matrix "
        "of the others. Noise on RDM entries has the sd of all entries of all layers, negatives set to 0, so layers of "
        "small distances suffer most; 'each RDM' scales it by the sd of each matrix. Noise on activations has the sd of "
        "each layer's activations."
    )
    study.note(
        "Independent noise on RDM entries above some 0.5 sd is expected to favour the raw and ranked matrix, which average "
        "over all pairs; noise in activations moves all pairs of a stimulus together and is the more realistic of the two."
    )
    if not all("subjects" in seed for seed in found):
        study.note("Claim 4 (human IT, 92 images) needs --data with rdms92.npz.")
