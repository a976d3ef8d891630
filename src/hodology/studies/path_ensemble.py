"""18 Path ensembles: is a Vision Transformer a sum of paths, some of which pull it down, that weights can improve?

Chang et al., "Revisiting vision transformer from the view of path ensemble", ICCV 2023. Here: the compact ViT trained
on scikit-learn's digits, one per seed, and small ones trained from scratch; with ``--data DIR`` a Hugging Face image
classifier in DIR/model and images in class folders in DIR/images (then without the claims that need training).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hodology.studies.path_ensemble_tables import write_tables
from hodology.study import Study

__all__ = ["run"]

_EXACT = "the cascade of attention and feed-forward is three parallel paths (abstract): no approximation"
_DOWN = "some paths even pull down the performance (abstract; figures not confirmed)"
_SCALE = "EnsembleScale improves DeiT models (values not confirmed)"
_DEEPER = "the strategies help ViTs go deeper (abstract)"
_PASS = "the strategies act as high-pass filters (abstract)"
_DISTIL = "knowledge goes from the long paths to the short ones (abstract)"
_OURS = "not in the paper"
_POINTS = "points of accuracy"
OURS = "EnsembleScale, vector"


def run(study: Study) -> None:
    """Measure the six claims of the paper's sheet, with their controls."""
    found = study.measure("hodology.studies.path_ensemble_figures:measure")
    _exact(study, found)
    _pulled_down(study, found)
    _reweighted(study, found)
    _high_pass(study, found)
    if all(seed["training"] for seed in found):
        _trained(study, found)
    write_tables(study, found)


def _exact(study: Study, found: list[dict[str, Any]]) -> None:
    for words, key in (
        ("1. The components add up to the network's own logits", "sum"),
        ("1. ... and so do path logits under the frozen norm", "path logits"),
    ):
        errors = np.array([seed["trained"]["exact"][key] for seed in found])
        study.claim(words, paper=_EXACT, measured=errors, holds_below=1e-5, unit="logit, largest difference")


def _pulled_down(study: Study, found: list[dict[str, Any]]) -> None:
    for name in ("trained", "early"):
        if not all(seed[name] for seed in found):
            continue
        where = "" if name == "trained" else " (less trained network)"
        rows = [seed[name]["influence"] for seed in found]
        note = "; ".join(
            f"{r['worst']} {r['tested']:+.4f} [{r['interval'][0]:+.4f}, {r['interval'][1]:+.4f}]"
            for r in rows
        )
        words = f"2. The path whose removal from the sum helps most on one half lowers the loss on the other{where}"
        measured = [r["tested"] for r in rows]
        study.claim(
            words, paper=_DOWN, measured=measured, holds_below=0.0, unit="loss", note=f"by seed: {note}"
        )
        pruned = [seed[name]["pruning"] for seed in found]
        words = f"2. Greedy pruning on one half lowers the loss on the other{where}"
        note = "pruned: " + "; ".join(", ".join(p["pruned"]) or "nothing" for p in pruned)
        study.claim(
            words,
            paper=_OURS,
            measured=[p["d_loss"] for p in pruned],
            holds_below=0.0,
            unit="loss",
            note=note,
        )
    gap = [
        np.mean(
            [
                abs(r["knockout_d_loss"]) - abs(r["ensemble_d_loss"])
                for r in seed["trained"]["influence"]["rows"]
            ]
        )
        for seed in found
    ]
    words = "2. Control: knocking a path out of all later inputs as well changes the loss more than leaving it out of the sum"
    study.claim(words, paper=_OURS, measured=gap, holds_above=0.0, unit="loss")


def gain(found: list[dict[str, Any]], name: str, method: str, figure: str = "accuracy") -> np.ndarray:
    """What a method changes on the half that it was not fitted to, one value per seed."""
    scales = [seed[name]["scale"] for seed in found]
    return np.array([s[method][figure] - s["none"][figure] for s in scales])


def _reweighted(study: Study, found: list[dict[str, Any]]) -> None:
    for name in ("trained", "early"):
        if not all(seed[name] for seed in found):
            continue
        where = "" if name == "trained" else " (less trained network)"
        ours = gain(found, name, OURS)
        words = f"3. EnsembleScale, fitted to one half, raises accuracy on the other{where}"
        study.claim(words, paper=_SCALE, measured=ours, holds_above=0.0, unit=_POINTS)
        words = f"3. ... and lowers the loss{where}"
        study.claim(
            words, paper=_SCALE, measured=gain(found, name, OURS, "loss"), holds_below=0.0, unit="loss"
        )
        for control in ("final norm refitted", "head refitted", "LayerScale, vector"):
            measured = ours - gain(found, name, control)
            words = f"3. ... by more than {control} on the same half{where}"
            study.claim(words, paper=_OURS, measured=measured, holds_above=0.0, unit=_POINTS)


def _high_pass(study: Study, found: list[dict[str, Any]]) -> None:
    gaps = [seed["trained"]["frequencies"] for seed in found]
    note = "by seed, beside its standard error: " + ", ".join(
        f"{g['gap']:+.3f} ({g['error']:.3f})" for g in gaps
    )
    words = "5. Re-weighted patches hold more of the highest frequency (log amplitude less that at zero)"
    study.claim(
        words,
        paper=_PASS,
        measured=[g["gap"] for g in gaps],
        holds_above=0.0,
        unit="log amplitude",
        note=note,
    )


def _trained(study: Study, found: list[dict[str, Any]]) -> None:
    def score(kind: str) -> np.ndarray:
        return np.array([seed["training"]["accuracy"][kind] for seed in found])

    words = "3. Trained from scratch, EnsembleScale gives a more accurate network (equal epochs)"
    measured = score("EnsembleScale") - score("plain")
    study.claim(words, paper=_SCALE, measured=measured, holds_above=0.0, unit=_POINTS)
    depths = list(found[0]["training"]["depth"]["plain"])
    gaps = np.array(
        [
            [s["training"]["depth"]["both"][d] - s["training"]["depth"]["plain"][d] for d in depths]
            for s in found
        ]
    )
    slope = [float(np.polyfit([int(d) for d in depths], row, 1)[0]) for row in gaps]
    words = "4. The gain of EnsembleScale with self-distillation grows with depth (slope over depths)"
    note = "gain at depth " + ", ".join(
        f"{d}: {g:+.1f}" for d, g in zip(depths, gaps.mean(axis=0), strict=True)
    )
    study.claim(words, paper=_DEEPER, measured=slope, holds_above=0.0, unit=f"{_POINTS} per block", note=note)
    words = "4. ... and there is a gain at the greatest depth"
    study.claim(words, paper=_DEEPER, measured=gaps[:, -1], holds_above=0.0, unit=_POINTS)

    def early(kind: str) -> np.ndarray:
        return np.array([np.mean(seed["training"]["partial"][kind][1:-1]) for seed in found])

    words = "6. Self-distillation makes partial sums over 5 points more accurate"
    measured = early("self-distillation") - early("plain")
    study.claim(words, paper=_DISTIL, measured=measured, holds_above=5.0, unit=_POINTS)
    words = "6. ... and the whole network not less accurate by more than a point"
    measured = score("self-distillation") - score("plain")
    study.claim(words, paper=_DISTIL, measured=measured, holds_above=-1.0, unit=_POINTS)
