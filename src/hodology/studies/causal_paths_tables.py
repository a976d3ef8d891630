"""Tables and notes of the causal-paths study."""

from __future__ import annotations

from typing import Any

import numpy as np

from hodology.study import Study

__all__ = ["write_tables"]

_RULES = {
    "causal": "causal",
    "random": "random (10 draws)",
    "weight": "largest weights",
    "gradient": "largest |gradient x weight|",
    "signed-gradient": "largest gradient x weight",
    "activation": "largest |activity x weight|",
}


def write_tables(study: Study, found: list[dict[str, Any]]) -> None:
    """Means over seeds and classes of everything that was measured, and what is said beside the claims."""
    layers = list(dict.fromkeys(row["layer"] for row in found[0]["rows"]))
    figures = ("cut_own", "cut_others", "cut_called", "keep_own", "keep_others", "keep_called")
    study.table(
        "Edges of one layer cut, or only these kept: % of test images (the class; the others; others called it)",
        ["layer", "edges", "cut: class", "others", "called", "kept: class", "others", "called"],
        [
            [layer, label, *(f"{100 * _mean(found, layer, rule, figure):.1f}" for figure in figures)]
            for layer in layers
            for rule, label in _RULES.items()
        ],
    )
    rules = ("causal", "gradient", "signed-gradient", "chance")
    study.table(
        "Agreement (Jaccard) of edge sets of two halves of the images, and without and with noise",
        ["layer", "change", "causal", "|gradient x weight|", "gradient x weight", "chance"],
        [
            [layer, change, *(f"{_stable(found, layer, change, rule):.3f}" for rule in rules)]
            for layer in layers
            for change in ("halves", "noise")
        ],
    )
    study.table(
        "Accepted edges, and what cutting all rejected candidates of a layer costs (images the graph is built on)",
        ["layer", "accepted", "candidates", "lost evidence (log odds)", "class still recognised"],
        [_rejected(found, layer) for layer in layers],
    )
    names = list(found[0]["maps"]["deletion"]["zero"])
    stability = found[0]["maps"]["stability"]
    study.table(
        "Maps: area under the deletion curve (less is more faithful); rank correlation with the map of a noisy input",
        ["map", "to zero", "to the mean", "stability"],
        [
            [name]
            + [f"{np.mean([s['maps']['deletion'][b][name] for s in found]):.3f}" for b in ("zero", "mean")]
            + [f"{np.mean([s['maps']['stability'][name] for s in found]):.3f}" if name in stability else ""]
            for name in names
        ],
    )
    if all("repair" in seed for seed in found):
        _repair_table(study, found)
    _notes(study, found)


def _repair_table(study: Study, found: list[dict[str, Any]]) -> None:
    accuracy = found[0]["repair"]["accuracy"]
    columns = list(accuracy["nothing"])
    study.table(
        "Repair of a planted cue: % right when these edges are cut",
        ["edges cut", *columns],
        [
            [name, *(f"{np.mean([s['repair']['accuracy'][name][c] for s in found]):.1f}" for c in columns)]
            for name in accuracy
        ],
    )


def _notes(study: Study, found: list[dict[str, Any]]) -> None:
    study.note(
        "Accuracy of the networks by seed: " + ", ".join(f"{100 * s['accuracy']:.1f}" for s in found) + " %."
    )
    study.note(
        "Claims 1 to 3 are means over the classes and over the layers between the first convolution and the class scores. "
        "Graphs are built on 60 training images of a class at alpha 0.01 (Benjamini-Hochberg per layer), everything else "
        "is measured on test images; the three rules with gradients and activity see the same 60 images."
    )
    study.note(
        "The largest signed gradient x weight is the first-order estimate of a cut's effect; where it does as well as the "
        "exact cuts, the cuts add a test and an interval, not another choice of edges."
    )
    if all("repair" in seed for seed in found):
        study.note(
            "Repair: the edges cut are those that evidence for a three rests on in other digits with the cue, and not in "
            "clean threes; which two graphs to subtract was decided on seeds 10 to 12, which are not reported. A cue of one "
            "pixel is hardly learned here (it costs some 6 points), so the cue is a patch of 2 x 2. Edges of the cue by seed: "
            + "; ".join(", ".join(f"{k} {v}" for k, v in s["repair"]["edges"].items()) for s in found)
            + "."
        )


def _mean(found: list[dict[str, Any]], layer: str, rule: str, figure: str) -> float:
    rows = [r for seed in found for r in seed["rows"] if r["layer"] == layer and r["rule"] == rule]
    return float(np.mean([row[figure] for row in rows]))


def _stable(found: list[dict[str, Any]], layer: str, change: str, rule: str) -> float:
    rows = [r for seed in found for r in seed["stable"] if r["layer"] == layer and r["change"] == change]
    return float(np.nanmean([row[rule] for row in rows] or [np.nan]))


def _rejected(found: list[dict[str, Any]], layer: str) -> list[Any]:
    kept = [counts[layer] for seed in found for counts in seed["kept"].values() if layer in counts]
    rows = [r for seed in found for r in seed["rejected"] if r["layer"] == layer]
    accepted, candidates = np.mean(kept, axis=0)
    costs = [f"{np.mean([r['effect'] for r in rows]):.2f}", f"{np.mean([r['accuracy'] for r in rows]):.1%}"]
    return [layer, f"{accepted:.1f}", f"{candidates:.1f}", *(costs if rows else ["", ""])]
