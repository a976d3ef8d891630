"""42 Task geometry: do tanh layers take the geometry of the targets and ReLU layers keep that of the inputs, and why?

Alleman, Lindsey, Fusi, "Task structure and nonlinearity jointly determine learned representational geometry", ICLR 2024.
Here: small networks on tasks of 8 and 16 conditions, and on scikit-learn's digits; with ``--data DIR`` images with coarse
labels from DIR/train.parquet and DIR/test.parquet, such as CIFAR-10.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hodology.studies.task_geometry_tables import write_tables
from hodology.study import Study

__all__ = ["run"]

_FIGURES = "over the whole task family (figures; no number confirmed)"
_CAUSE = "saturation on both sides, by control activations (figures; no number confirmed)"
_ABSTRACT = "tanh representations of low-dimensional outputs are more disentangled (figures)"
_IMAGES = "the same in a convolutional network on CIFAR-10 with coarse labels (figures)"
_OURS = "not in the paper"
SETTINGS = ("all weights, Adam", "fixed read-out, SGD")
_UNIT = "alignment"


def run(study: Study) -> None:
    """Measure the claims of the paper's sheet, with their controls."""
    found = study.measure("hodology.studies.task_geometry_figures:measure")
    if "cells" in found[0]:
        for setting in SETTINGS:
            _alignment(study, found, setting)
        for setting in SETTINGS:
            _parity(study, found, setting)
        _saturation(study, found)
        for setting in SETTINGS:
            _disentangled(study, found, setting)
    _images(study, found)
    write_tables(study, found)


def gaps(seed: dict[str, Any], setting: str, figure: str, separability: tuple[float, ...]) -> np.ndarray:
    """tanh minus ReLU in each cell of the task family."""
    rows = [r for r in seed["cells"] if r["setting"] == setting and r["separability"] in separability]
    values = {
        name: [r[figure] for r in rows if r["activation"] == name] for name in ("tanh", "relu")
    }  # fmt: skip
    return np.array(values["tanh"]) - np.array(values["relu"])


def _alignment(study: Study, found: list[dict[str, Any]], setting: str) -> None:
    cells = (0.5, 1.0)
    words = f"1. tanh layers align with the targets over 0.05 more than ReLU layers, in the least such cell ({setting})"
    least = np.array([gaps(seed, setting, "target", cells).min() for seed in found])
    study.claim(words, paper=_FIGURES, measured=least, holds_above=0.05, unit=_UNIT)
    words = f"1. ... and over 0.1 less with the inputs ({setting})"
    most = np.array([gaps(seed, setting, "input", cells).max() for seed in found])
    study.claim(words, paper=_FIGURES, measured=most, holds_below=-0.1, unit=_UNIT)
    words = f"1. Control: every network is right on over 95 % of new samples ({setting})"
    tests = [
        min(r["test"] for r in seed["cells"] if r["setting"] == setting and r["separability"] in cells)
        for seed in found
    ]
    study.claim(words, paper=_OURS, measured=tests, holds_above=0.95, unit="share right")
    words = f"1. Control: before training the target alignments differ by under 0.05 ({setting})"
    before = [np.abs(gaps(seed, setting, "target_before", cells)).max() for seed in found]
    study.claim(words, paper=_OURS, measured=before, holds_below=0.05, unit=_UNIT)
    words = f"1. Control: alignment of the mean kernel shows the same, over 0.05 ({setting})"
    kernel = [gaps(seed, setting, "target_kernel", cells).min() for seed in found]
    study.claim(words, paper=_OURS, measured=kernel, holds_above=0.05, unit=_UNIT)


def _parity(study: Study, found: list[dict[str, Any]], setting: str) -> None:
    """8 conditions, one target: not linearly separable at s = 0."""
    rows = [
        {**seed, "cells": [r for r in seed["cells"] if r["bits"] == 3 and r["targets"] == 1]}
        for seed in found
    ]
    for figure, sign in (("target", 1.0), ("input", -1.0)):
        at_zero = np.array([gaps(seed, setting, figure, (0.0,))[0] for seed in rows])
        at_half = np.array([gaps(seed, setting, figure, (0.5,))[0] for seed in rows])
        words = f"2. Where targets are not linearly separable the gap on {figure} alignment is under 0.1 ({setting})"
        study.claim(words, paper=_FIGURES, measured=np.abs(at_zero), holds_below=0.1, unit=_UNIT)
        words = f"2. ... and the gap on {figure} alignment grows from s = 0 to s = 0.5 ({setting})"
        study.claim(words, paper=_FIGURES, measured=sign * (at_half - at_zero), holds_above=0.0, unit=_UNIT)


def _saturation(study: Study, found: list[dict[str, Any]]) -> None:
    def of(name: str) -> np.ndarray:
        rows = [next(r for r in seed["controls"] if r["activation"] == name) for seed in found]
        return np.array([[r["input"], r["target"]] for r in rows])

    tanh, relu, one, two = (of(name) for name in ("tanh", "relu", "relu clipped at 1", "relu clipped at 2"))
    words = "3. A ReLU that is clipped at 1 is within 0.03 of tanh in target alignment"
    study.claim(
        words, paper=_CAUSE, measured=np.abs(one - tanh)[:, 1], holds_below=0.03, unit=_UNIT
    )  # fmt: skip
    words = "3. ... and nearer to tanh than ReLU is in input alignment"
    nearer = np.abs(relu - tanh)[:, 0] - np.abs(one - tanh)[:, 0]
    study.claim(words, paper=_CAUSE, measured=nearer, holds_above=0.0, unit=_UNIT)
    for column, name in ((1, "target"), (0, "input")):
        sides = np.minimum((two - relu)[:, column], (tanh - two)[:, column])
        if name == "input":
            sides = np.minimum((relu - two)[:, column], (two - tanh)[:, column])
        words = f"3. Clipped at 2 it lies between ReLU and tanh in {name} alignment (distance to the nearer)"
        study.claim(words, paper=_CAUSE, measured=sides, holds_above=0.0, unit=_UNIT)
    shifted = of("relu(x-1)")
    further = np.abs(shifted - tanh).sum(axis=1) - np.abs(relu - tanh).sum(axis=1)
    words = "3. Control: a ReLU with its kink at 1 is further from tanh than ReLU (input and target)"
    study.claim(words, paper=_CAUSE, measured=further, holds_above=0.0, unit=_UNIT)


def _disentangled(study: Study, found: list[dict[str, Any]], setting: str) -> None:
    def gap(figure: str, noise: float, separability: float = 0.5) -> np.ndarray:
        values = []
        for seed in found:
            rows = {
                r["activation"]: r[figure]
                for r in seed["abstraction"]
                if (r["setting"], r["noise"], r["separability"]) == (setting, noise, separability)
            }
            values.append(rows["tanh"] - rows["relu"])
        return np.array(values)

    words = f"4. Two bits as targets: parallelism of the trained dichotomies is over 0.05 higher for tanh ({setting})"
    study.claim(words, paper=_ABSTRACT, measured=gap("parallelism", 2.0), holds_above=0.05, unit="cosine")
    note = "8 conditions, s = 0.5; at noise 0.5 and s of at least 0.5 both networks are near the ceiling of 1"
    for noise, where in ((0.5, "at the paper's noise of 0.5"), (2.0, "at noise 2, below the ceiling")):
        words = f"4. ... and cross-condition generalisation over 0.05, {where} ({setting})"
        study.claim(
            words, paper=_ABSTRACT, measured=gap("ccgp", noise), holds_above=0.05, unit="accuracy", note=note
        )
    words = (
        f"4. ... while untrained dichotomies are easier to decode from ReLU layers, at noise 2 ({setting})"
    )
    study.claim(words, paper=_ABSTRACT, measured=gap("untrained", 2.0), holds_below=0.0, unit="accuracy")


def _images(study: Study, found: list[dict[str, Any]]) -> None:
    last = {f"one hidden layer ({setting})": "hidden" for setting in SETTINGS} | {"two convolutions": "act3"}
    for network, layer in last.items():
        for figure, above in (("target", True), ("input", False)):
            values = []
            for seed in found:
                rows = [r for r in seed["images"] if r["network"] == network and r["layer"] == layer]
                mean = {
                    name: np.mean([r[figure] for r in rows if r["activation"] == name])
                    for name in ("tanh", "relu")
                }
                values.append(mean["tanh"] - mean["relu"])
            words = f"5. Images, {network}: tanh aligns {'more with coarse labels' if above else 'less with pixels'}"
            study.claim(
                words,
                paper=_IMAGES,
                measured=values,
                unit=_UNIT,
                holds_above=0.0 if above else None,
                holds_below=None if above else 0.0,
            )
