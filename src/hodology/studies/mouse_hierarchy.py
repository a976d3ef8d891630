"""45 Mouse hierarchy: can a recorded area be placed on the depth axis of a network, from few images and noisy neurons?

Shi, Shea-Brown and Buice, "Comparison against task driven artificial neural networks reveals functional organization of
mouse visual cortex", NeurIPS 2019. Here: networks trained on scikit-learn's digits, one of which plays the brain, and a
simulated mouse made of its layers; with ``--data DIR`` the measured dissimilarities of 92 images in DIR/rdms92.npz.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hodology.studies.mouse_hierarchy_data import ALEXNET, REFERENCE
from hodology.studies.mouse_hierarchy_tables import sweep_row, write_tables
from hodology.study import Study

__all__ = ["run"]

_SSM = "around 100 images and hundreds to thousands of neurons are enough for SSM (abstract)"
_SETS = "the procedure is robust to the stimulus set (abstract)"
_SVCCA = "SVCCA needs more images than such surveys have (no figure confirmed)"
_AREAS = "VISp is lower than the other areas, which look parallel rather than serial (abstract; no figure confirmed)"
_DEPTH = "areas map to middle and deep layers (no figure confirmed)"
_OURS = "not in the paper"
_LAYERS = "layers"
_CHANCE = 16 / 7  # mean distance of two random layers of seven
_MIDDLE = 12 / 7  # the same when the middle layer is always named


def run(study: Study) -> None:
    """Measure the claims of the paper's sheet, with their controls."""
    found = study.measure("hodology.studies.mouse_hierarchy_figures:measure")
    _known_layer(study, found)
    _stimuli(study, found)
    _components(study, found)
    _mouse(study, found)
    if all("brains" in seed for seed in found):
        _brains(study, found)
    gain = np.array([seed["mouse"]["trained_gain"] for seed in found])
    words = (
        "5. A trained network is more similar to the areas than the same one at initialisation (best layers)"
    )
    study.claim(words, paper=_OURS, measured=gain, holds_above=0.05, unit="SSM")
    write_tables(study, found)


def _known_layer(study: Study, found: list[dict[str, Any]]) -> None:
    rows = [sweep_row(seed, "other seed", 118, 100) for seed in found]
    words = "1. SSM finds a known layer in another training seed from 118 images and 100 units (mean error)"
    errors = np.array([row["mean_error"] for row in rows])
    study.claim(words, paper=_SSM, measured=errors, holds_below=0.7, unit=_LAYERS)
    words = "1. Control: with shuffled images it errs as if a layer were named without looking"
    shuffled = np.array([row["shuffled_error"] for row in rows])
    note = f"two random layers of seven lie {_CHANCE:.2f} apart; the middle one, always named, {_MIDDLE:.2f} from the others"
    study.claim(words, paper=_OURS, measured=shuffled, holds_above=_MIDDLE, unit=_LAYERS, note=note)
    words = "1. Matching layers of two seeds are more similar than others, on average"
    matching = np.array([seed["matching"] for seed in found])
    study.claim(words, paper=_SSM, measured=matching, holds_above=0.05, unit="SSM")


def _stimuli(study: Study, found: list[dict[str, Any]]) -> None:
    for name, what in (("three digits", "images of three classes only"), ("noise", "images of noise")):
        errors = np.array([seed["stimuli"][name]["mean_error"] for seed in found])
        words = f"1. The layer is also found from {what}: error under half of chance"
        study.claim(words, paper=_SETS, measured=errors, holds_below=_CHANCE / 2, unit=_LAYERS)


def _components(study: Study, found: list[dict[str, Any]]) -> None:
    def error(kind: str, images: int | str) -> np.ndarray:
        return np.array([seed["components"][kind][str(images)] for seed in found])

    gap = error("whole", 60) - np.array(
        [sweep_row(seed, "other seed", 60, 100)["mean_error"] for seed in found]
    )
    words = "2. SVCCA (99 % of the variance) at 60 images errs by over one layer more than SSM"
    study.claim(words, paper=_SVCCA, measured=gap, holds_above=1.0, unit=_LAYERS)
    warned = np.array([seed["components"]["warned"]["30"] for seed in found])
    words = "2. At 30 images it warns of too many components for most layers"
    study.claim(words, paper=_OURS, measured=warned, holds_above=0.5, unit="share of layers")
    words = "2. SVCCA recovers when six components are kept (118 images, error)"
    study.claim(words, paper=_OURS, measured=error("capped", 118), holds_below=1.0, unit=_LAYERS)
    many = max(int(n) for n in found[0]["components"]["whole"])
    words = f"2. ... or when {many} images are shown, 99 % of the variance kept"
    study.claim(words, paper=_SVCCA, measured=error("whole", many), holds_below=1.0, unit=_LAYERS)
    values = [seed["unrelated"] for seed in found]
    words = (
        "2. Control: with 99 % of the variance an unrelated population scores about as high as a related one"
    )
    gap = np.array([v["related"]["svcca"] - v["unrelated"]["svcca"] for v in values])
    study.claim(words, paper=_OURS, measured=gap, holds_below=0.05, unit="SVCCA")
    words = "2. Control: ... and under SSM it does not"
    gap = np.array([v["related"]["ssm"] - v["unrelated"]["ssm"] for v in values])
    study.claim(words, paper=_OURS, measured=gap, holds_above=0.3, unit="SSM")


def _mouse(study: Study, found: list[dict[str, Any]]) -> None:
    def figure(name: str) -> np.ndarray:
        return np.array([seed["mouse"][name] for seed in found])

    share = "share of samples"
    words = "3. Simulated mouse: VISp lies below the mean of the others (best layer; images and units drawn again)"
    study.claim(words, paper=_AREAS, measured=figure("argmax_lower"), holds_above=0.95, unit=share)
    words = "3. ... and below every other area by the centroid"
    study.claim(words, paper=_AREAS, measured=figure("centroid_lower"), holds_above=0.95, unit=share)
    words = "3. The area of the deepest layer lies above the mean of the four equal ones (centroid)"
    study.claim(words, paper=_DEPTH, measured=figure("centroid_top"), holds_above=0.0, unit="relative depth")
    words = "3. No false order among the four equal areas: intervals of the best layer overlap"
    study.claim(
        words, paper=_AREAS, measured=figure("argmax_overlap"), holds_above=0.99, unit="share of pairs"
    )
    words = "3. ... and those of the centroid"
    study.claim(
        words, paper=_AREAS, measured=figure("centroid_overlap"), holds_above=0.99, unit="share of pairs"
    )
    words = "3. Control: areas are placed within a layer of where they are, on average"
    study.claim(words, paper=_OURS, measured=figure("argmax_error"), holds_below=1.0, unit=_LAYERS)


def _brains(study: Study, found: list[dict[str, Any]]) -> None:
    def shares(name: str, layers: tuple[str, ...]) -> np.ndarray:
        where = [ALEXNET.index(layer) for layer in layers]
        return np.array([sum(seed["brains"][name]["shares"][i] for i in where) for seed in found])

    gaps = [
        max(np.abs(np.array(seed["brains"][k]["profile"]) - values).max() for k, values in REFERENCE.items())
        for seed in found
    ]
    words = "4. Measured brains: profiles over AlexNet are the sheet's reference values (largest difference)"
    study.claim(words, paper=_OURS, measured=np.array(gaps), holds_below=0.002, unit="Spearman's rho")
    for words, name, layers in (
        ("4. The V1 model lies at or before conv3", "V1 model", ALEXNET[:3]),
        ("4. Behaviour lies at fc8", "mean behaviour", ALEXNET[-1:]),
    ):
        measured = shares(name, layers)
        study.claim(
            words, paper=_DEPTH, measured=measured, holds_above=0.95, unit="share of bootstraps over images"
        )
