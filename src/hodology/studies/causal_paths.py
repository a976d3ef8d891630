"""36 Causal paths: do edges whose cut provably hurts a class explain the network, robustly?

Ahmad, Bereux, Baret, Hashemi, Lecue, "Causal analysis for robust interpretability of neural networks", WACV 2024.
Here: a small CNN trained on scikit-learn's digits, one per seed; with ``--data DIR`` a Hugging Face image classifier
of convolutions in DIR/model and images in class folders in DIR/images.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hodology.studies.causal_paths_tables import write_tables
from hodology.study import Study

__all__ = ["run"]

_NEED = "relevant and necessary information is isolated (abstract; no figure confirmed)"
_STABLE = "more stable and faithful explanations than attribution methods (abstract; no figure confirmed)"
_AUDIT = "the graph is offered for audit and repair (no figure confirmed)"
_OURS = "not in the paper"
_POINTS = "points of accuracy"


def run(study: Study) -> None:
    """Measure the claims of the paper's sheet, with their baselines and controls."""
    found = study.measure("hodology.studies.causal_paths_figures:measure")
    _necessary(study, found)
    _sufficient(study, found)
    _stable(study, found)
    _maps(study, found)
    if all("repair" in seed for seed in found):
        _repaired(study, found)
    write_tables(study, found)


def inner(seed: dict[str, Any]) -> list[str]:
    """Layers between input and class scores: the last convolution and the hidden layer of the small CNN."""
    return list(dict.fromkeys(row["layer"] for row in seed["rows"]))[1:-1]


def points(found: list[dict[str, Any]], rule: str, figure: str) -> np.ndarray:
    """A figure of cuts in points, one value per seed, mean over classes and inner layers."""
    return np.array(
        [
            100.0
            * np.mean([r[figure] for r in seed["rows"] if r["rule"] == rule and r["layer"] in inner(seed)])
            for seed in found
        ]
    )


def _necessary(study: Study, found: list[dict[str, Any]]) -> None:
    own = points(found, "causal", "cut_own")
    for words, other, threshold in (
        (
            "1. Cutting the causal edges of a layer costs the class over 30 points more than random ones",
            "random",
            30.0,
        ),
        ("1. ... more than the largest weights", "weight", 0.0),
        ("1. ... more than the largest |gradient x weight|", "gradient", 0.0),
        (
            "1. ... more than the largest gradient x weight, which the exact cuts refine",
            "signed-gradient",
            0.0,
        ),
    ):
        paper = _OURS if other == "signed-gradient" else _NEED
        study.claim(
            words,
            paper=paper,
            measured=points(found, other, "cut_own") - own,
            holds_above=threshold,
            unit=_POINTS,
        )
    gap = points(found, "causal", "cut_others") - own
    words = "1. Control: the cut is about the class: other classes keep over 20 points more"
    study.claim(words, paper=_OURS, measured=gap, holds_above=20.0, unit=_POINTS)


def _sufficient(study: Study, found: list[dict[str, Any]]) -> None:
    own = points(found, "causal", "keep_own")
    words = "2. Keeping only the causal edges of a layer preserves the class over 10 points better than random ones"
    paper = "the graph is a small, class-specific explanation (no figure confirmed)"
    study.claim(
        words, paper=paper, measured=own - points(found, "random", "keep_own"), holds_above=10.0, unit=_POINTS
    )
    words = "2. ... and loses under 5 points of the whole network's accuracy on the class"
    whole = np.array([100.0 * seed["whole"] for seed in found])
    study.claim(words, paper=paper, measured=own - whole, holds_above=-5.0, unit=_POINTS)
    called = points(found, "causal", "keep_called")
    words = "2. Control: what is kept does not call everything the class (under 20 % of other images)"
    study.claim(words, paper=_OURS, measured=called, holds_below=20.0, unit="% of other images")


def stability(found: list[dict[str, Any]], change: str, rule: str) -> np.ndarray:
    """Jaccard of two edge sets, one value per seed, mean over classes and inner layers that have edges."""
    return np.array(
        [
            np.nanmean(
                [r[rule] for r in seed["stable"] if r["change"] == change and r["layer"] in inner(seed)]
                or [0.0]
            )
            for seed in found
        ]
    )


def _stable(study: Study, found: list[dict[str, Any]]) -> None:
    for words, change, other in (
        (
            "3. Causal edges of two halves of the images agree more than the top |gradient x weight|",
            "halves",
            "gradient",
        ),
        ("3. ... and more than the top gradient x weight", "halves", "signed-gradient"),
        ("3. The same under input noise of 0.1, against |gradient x weight|", "noise", "gradient"),
        ("3. ... and against gradient x weight", "noise", "signed-gradient"),
    ):
        gap = stability(found, change, "causal") - stability(found, change, other)
        study.claim(words, paper=_STABLE, measured=gap, holds_above=0.0, unit="Jaccard")


def _maps(study: Study, found: list[dict[str, Any]]) -> None:
    def gap(other: str, baseline: str) -> np.ndarray:
        auc = [seed["maps"]["deletion"][baseline] for seed in found]
        return np.array([a["causal"] - a[other] for a in auc])

    def note(other: str, baseline: str) -> str:
        return "bootstrap over images, by seed: " + ", ".join(
            "[{1:+.3f}, {2:+.3f}]".format(*seed["maps"]["gaps"][baseline][other]) for seed in found
        )

    for words, other, baseline, threshold in (
        (
            "4. Causal maps are more faithful than gradient maps (deletion to zero: less area)",
            "gradient",
            "zero",
            0.0,
        ),
        ("4. ... also when pixels are deleted to their mean", "gradient", "mean", 0.0),
        (
            "4. ... and not worse than Grad-CAM of the same layer (by 0.02 at most; to zero)",
            "grad-cam",
            "zero",
            0.02,
        ),
        ("4. ... also to their mean", "grad-cam", "mean", 0.02),
        ("4. Control: ... and better than a random ranking of the pixels (to zero)", "random", "zero", 0.0),
        ("4. Control: ... and better than the image as its own map (to zero)", "the image", "zero", 0.0),
    ):
        paper = _OURS if other in ("random", "the image") else _STABLE
        measured, words_on = gap(other, baseline), note(other, baseline)
        study.claim(words, paper=paper, measured=measured, holds_below=threshold, unit="area", note=words_on)
    for other in ("gradient", "grad-cam"):
        stable = np.array([s["maps"]["stability"]["causal"] - s["maps"]["stability"][other] for s in found])
        words = f"4. Causal maps change less under input noise of 0.1 than {other} maps"
        study.claim(words, paper=_STABLE, measured=stable, holds_above=0.0, unit="rank correlation")


def _repaired(study: Study, found: list[dict[str, Any]]) -> None:
    def gain(figure: str, edges: str = "cue edges") -> np.ndarray:
        return np.array(
            [
                s["repair"]["accuracy"][edges][figure] - s["repair"]["accuracy"]["nothing"][figure]
                for s in found
            ]
        )

    detectors = np.array([seed["repair"]["detectors"] for seed in found])
    words = "5. The graph contains the filters that a planted cue drives most"
    study.claim(words, paper=_AUDIT, measured=detectors, holds_above=0.9, unit="share of convolutions")
    for words, figure in (
        (
            "5. Cutting the cue's edges raises accuracy where the cue contradicts the class by over 10 points",
            "conflict",
        ),
        ("5. ... and on the class without the cue by over 10 points", "cue-free"),
    ):
        study.claim(words, paper=_AUDIT, measured=gain(figure), holds_above=10.0, unit=_POINTS)
    words = "5. ... while the other classes lose 2 points at most"
    study.claim(words, paper=_AUDIT, measured=gain("others"), holds_above=-2.0, unit=_POINTS)
    for words, other in (
        ("5. Magnitude pruning of equal size repairs less", "magnitude pruning"),
        ("5. ... and so do random edges", "random"),
    ):
        gap = gain("conflict") - gain("conflict", other)
        study.claim(words, paper=_AUDIT, measured=gap, holds_above=0.0, unit=_POINTS)
