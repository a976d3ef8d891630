"""01 Neuron paths: does the jointly scored chain of units carry the decision of a Vision Transformer?

Wang et al., "Discovering influential neuron path in vision transformers", ICLR 2025. Here: a compact ViT trained
on scikit-learn's digits, one per seed (split, weights and order differ); with ``--data DIR`` a Hugging Face
image classifier in DIR/model and images in class folders in DIR/images (the seeds then draw the images).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hodology.stats import hierarchical_bootstrap
from hodology.studies.neuron_path_tables import write_tables
from hodology.study import Study

__all__ = ["run"]

_BOXES = "box plots over 1000 classes: above both baselines on four models (no table)"
_BARS = "figure of zero-out and doubling: lowest and highest of all methods (no table)"
_KEPT = "ViT-B/16, all other class-token units zeroed: base 67.6 %, keep top-5 68.8 %"
_OURS = "not in the paper"


def run(study: Study) -> None:
    """Measure the five claims of the paper, with their controls."""
    found = study.measure("hodology.studies.neuron_path_figures:measure")
    _scores(study, found)
    _edits(study, found)
    _classes(study, found)
    _pruning(study, found)
    _joint(study, found)
    write_tables(study, found)


def _of(found: list[dict[str, Any]], method: str, figure: str) -> np.ndarray:
    return np.array([seed["methods"][method][figure] for seed in found])


def _scores(study: Study, found: list[dict[str, Any]]) -> None:
    ours = _of(found, "neuron-path", "jas")
    # Differences, not ratios: the others' mean can be near zero or negative, where a ratio means nothing.
    for words, other, ratio in (
        (
            "1. The path found has over twice the JAS of the most active units (ours - 2 x theirs)",
            "activation",
            2.0,
        ),
        ("1. ... and over 1.5 times that of influence patterns (same)", "influence", 1.5),
    ):
        measured = ours - ratio * _of(found, other, "jas")
        study.claim(words, paper=_BOXES, measured=measured, holds_above=0.0, unit="JAS")
    share = np.abs(_of(found, "random", "jas")) / ours
    words, unit = "1. Control: a random path scores next to nothing", "share of our JAS"
    study.claim(words, paper=_OURS, measured=share, holds_below=0.05, unit=unit)


def _edits(study: Study, found: list[dict[str, Any]]) -> None:
    removal, doubling = _of(found, "neuron-path", "removal"), _of(found, "neuron-path", "enhancement")
    active, influence = _of(found, "activation", "removal"), _of(found, "influence", "removal")
    percent, points = "% of probability", "points of accuracy"
    for words, measured, threshold, unit in (
        (
            "2. Removing the path costs over 3 times what removing the most active units does (ours - 3 x theirs)",
            removal - 3.0 * active,
            0.0,
            percent,
        ),
        ("2. ... and over 1.5 times influence patterns' (same)", removal - 1.5 * influence, 0.0, percent),
        (
            "2. Removing the path costs 4 points of accuracy or more",
            _of(found, "neuron-path", "accuracy"),
            -4.0,
            points,
        ),
    ):
        study.claim(words, paper=_BARS, measured=measured, holds_below=threshold, unit=unit)
    for words, measured in (
        ("2. Doubling the path raises the probability", doubling),
        (
            "2. ... more than doubling the most active units",
            doubling - _of(found, "activation", "enhancement"),
        ),
        ("2. ... more than doubling influence patterns", doubling - _of(found, "influence", "enhancement")),
    ):
        study.claim(words, paper=_BARS, measured=measured, holds_above=0.0, unit=percent)


def _classes(study: Study, found: list[dict[str, Any]]) -> None:
    classes = [seed["classes"] for seed in found]
    words, paper = (
        "3. Two images of a class share more of their paths than two of different classes",
        "histograms",
    )
    gap, p = [c["within"] - c["between"] for c in classes], [c["p"] for c in classes]
    study.claim(words, paper=paper, measured=gap, holds_above=0.0, unit="share of layers")
    words, unit = "3. ... more than under shuffled labels (permutation test, 200 shuffles)", "p-value"
    study.claim(words, paper=_OURS, measured=p, holds_below=0.01, unit=unit)
    words, unit = "3. Classes that share units are classes that the model confuses", "rank correlation"
    paper, measured = "semantically close classes are nearest", [c["confusion"] for c in classes]
    study.claim(words, paper=paper, measured=measured, holds_above=0.0, unit=unit)


def _pruning(study: Study, found: list[dict[str, Any]]) -> None:
    def kept(name: str, masks: str) -> np.ndarray:
        return np.array([100.0 * seed["pruning"]["5"][name][masks] for seed in found])

    ours, unit = kept("ours", "right_class"), "points of mean probability"
    for words, paper, measured, threshold in (
        (
            "4. Keeping 5 path units per layer preserves more than 5 random ones",
            _KEPT,
            ours - kept("random", "right_class"),
            0.0,
        ),
        ("4. ... more than the 5 most active ones", _OURS, ours - kept("active", "right_class"), 0.0),
        (
            "4. Control: the label does not speak through the mask (masks of wrong classes lose under 5 points)",
            _OURS,
            kept("ours", "wrong_class") - ours,
            -5.0,
        ),
        (
            "4. Label-free: masks of the predicted class still beat random ones of that class",
            _OURS,
            kept("ours", "predicted_class") - kept("random", "predicted_class"),
            0.0,
        ),
    ):
        study.claim(words, paper=paper, measured=measured, holds_above=threshold, unit=unit)


def _joint(study: Study, found: list[dict[str, Any]]) -> None:
    words, paper = (
        "5. Joint search finds a higher JAS than scoring each layer alone",
        "the reason for the joint score",
    )
    ours, alone = "neuron-path", "kn-ig"
    gain = _of(found, ours, "jas") - _of(found, alone, "jas")
    images = [
        np.subtract(seed["methods"][ours]["jas_per_image"], seed["methods"][alone]["jas_per_image"])
        for seed in found
    ]
    boot = hierarchical_bootstrap(images)
    note = f"bootstrap over seeds and images: {boot.low:+.4f} to {boot.high:+.4f}"
    study.claim(words, paper=paper, measured=gain, holds_above=0.0, unit="JAS", note=note)
    cost = _of(found, ours, "removal") - _of(found, alone, "removal")
    words, unit = "5. ... and its removal hurts more", "% of probability"
    study.claim(words, paper=paper, measured=cost, holds_below=0.0, unit=unit)
