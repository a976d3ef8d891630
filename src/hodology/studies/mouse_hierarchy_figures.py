"""The figures of one seed of the mouse-hierarchy study; `hodology.studies.mouse_hierarchy` judges them."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from hodology.geometry.cca import svcca
from hodology.geometry.layer_clusters import cluster_layers
from hodology.geometry.robustness import robustness
from hodology.geometry.similarity_matrix import ssm, ssm_matrix
from hodology.geometry.simulated_mouse import noisy_means
from hodology.nn.digit_layers import held_out_images, layer_patterns
from hodology.rng import stream
from hodology.studies.mouse_hierarchy_data import Networks, measured_brains, stimulus_sets, study_networks
from hodology.studies.mouse_hierarchy_mouse import mouse_figures

__all__ = ["measure"]

SIZES: dict[str, dict[str, Any]] = {
    "quick": {
        "epochs": 5, "draws": 4, "n_images": (30, 60, 118), "n_units": (20, 100), "slow_draws": 1,
        "many": 200, "n_boot": 200, "n_trials": 10, "metrics": ("cka",),
    },
    "standard": {
        "epochs": 12, "draws": 10, "n_images": (20, 30, 60, 118, 300), "n_units": (10, 20, 100, 500), "slow_draws": 3,
        "many": 600, "n_boot": 1000, "n_trials": 50, "metrics": ("cka", "unbiased-cka", "pwcca", "ridge"),
    },
}  # fmt: skip
IMAGES, UNITS, CAP = 118, 100, 6


def measure(payload: Mapping[str, Any]) -> bytes:
    """All figures of one seed, as JSON."""
    seed, size = payload["seed"], SIZES[payload["size"]]
    nets = study_networks(seed, epochs=size["epochs"])
    images = held_out_images(max(*size["n_images"], size["many"]), split=nets.split, rng=seed)
    images = images[stream(seed, "order of images").permutation(len(images))]
    brain, other = layer_patterns(nets.brain, images), layer_patterns(nets.other, images)
    deeper = layer_patterns(nets.deeper, images)
    candidates = {"same network": brain, "other seed": other, "other architecture": deeper}
    sweep = robustness(
        brain, candidates, n_images=size["n_images"], n_units=size["n_units"], n_draws=size["draws"], rng=seed
    )
    survey = {
        k: {name: v[:IMAGES] for name, v in net.items()} for k, net in (("brain", brain), ("other", other))
    }
    between = ssm_matrix(survey["brain"], survey["other"])
    matching = np.eye(len(between), dtype=bool)
    figures: dict[str, Any] = {
        "accuracy": [nets.brain.accuracy, nets.other.accuracy, nets.deeper.accuracy],
        "layers": list(brain),
        "sweep": [asdict(row) for row in sweep.rows],
        "between_seeds": between.tolist(),
        "matching": float(between[matching].mean() - between[~matching].mean()),
        "stimuli": _stimuli(nets, size, seed),
        "components": _components(brain, other, size, seed),
        "unrelated": _unrelated(survey["brain"], survey["other"], seed),
        "metrics": _metrics(survey, size, seed),
        "clusters": [list(group) for group in cluster_layers(survey["other"]).groups()],
        "mouse": mouse_figures(
            nets, images[:IMAGES], n_boot=size["n_boot"], n_trials=size["n_trials"], seed=seed
        ),
    }
    if payload["data"] is not None:
        figures["brains"] = measured_brains(payload["data"], seed=seed, n_boot=size["n_boot"])
    return json.dumps(figures).encode()


def _stimuli(nets: Networks, size: Mapping[str, Any], seed: int) -> dict[str, dict[str, Any]]:
    """The same search on other image sets."""
    found = {}
    for name, images in stimulus_sets(nets.split, IMAGES, seed=seed).items():
        rows = robustness(
            layer_patterns(nets.brain, images), {"other seed": layer_patterns(nets.other, images)},
            n_images=(IMAGES,), n_units=(UNITS,), n_draws=size["draws"], rng=seed,
        ).rows  # fmt: skip
        found[name] = asdict(rows[0])
    return found


def _components(
    brain: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray], size: Mapping[str, Any], seed: int
) -> dict[str, Any]:
    """SVCCA with 99 % of the variance and with few components, by number of images."""

    def errors(n_images: tuple[int, ...], cap: int | None) -> dict[str, float]:
        rows = robustness(
            brain, {"other seed": other}, n_images=n_images, n_units=(UNITS,), n_draws=size["slow_draws"],
            metric="svcca", max_components=cap, rng=seed,
        ).rows  # fmt: skip
        return {str(row.n_images): row.mean_error for row in rows}

    counts = (30, 60, IMAGES, size["many"])
    return {
        "whole": errors(counts, None),
        "capped": errors(counts[:3], CAP),
        "warned": {str(n): _warned(brain, other, n, seed) for n in counts},
    }


def _warned(brain: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray], n: int, seed: int) -> float:
    """Share of layers for which SVCCA with 99 % of the variance warns of too many components."""
    warned = []
    for layer, values in brain.items():
        recorded = _recorded(values[:n], seed, layer)
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            svcca(recorded, other[layer][:n])
        warned.append(any("third or more" in str(w.message) for w in seen))
    return float(np.mean(warned))


def _recorded(values: np.ndarray, seed: int, name: str, *, units: int = UNITS) -> np.ndarray:
    """Some units of a layer, mean over 50 trials at a noise of one."""
    generator = stream(seed, "recorded", name)
    chosen = generator.permutation(values.shape[1])[:units]
    return noisy_means(values[:, chosen].astype(np.float64), noise=1.0, n_trials=50, rng=generator)


def _unrelated(
    brain: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray], seed: int
) -> dict[str, dict[str, float]]:
    """A related and an unrelated population under SVCCA and SSM; the middle layer of both networks."""
    layer = list(brain)[len(brain) // 2]
    related = _recorded(brain[layer], seed, "related", units=300)
    unrelated = stream(seed, "unrelated").normal(size=related.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there are too many components is what is measured
        return {
            name: {
                "svcca": svcca(x, other[layer]).mean,
                "svcca, 6 components": svcca(x, other[layer], max_components=CAP).mean,
                "ssm": ssm(x, other[layer]),
                "ssm with the diagonal": ssm(x, other[layer], include_diagonal=True),
            }
            for name, x in (("related", related), ("unrelated", unrelated))
        }


def _metrics(
    survey: Mapping[str, Mapping[str, np.ndarray]], size: Mapping[str, Any], seed: int
) -> dict[str, dict[str, float]]:
    """Other measures on the same question."""
    found = {}
    for metric in size["metrics"]:
        row = robustness(
            survey["brain"], {"other seed": survey["other"]}, n_images=(IMAGES,), n_units=(UNITS,),
            n_draws=1 if metric == "ridge" else size["slow_draws"], metric=metric,
            max_components=CAP if metric == "pwcca" else None, rng=seed,
        ).rows[0]  # fmt: skip
        found[metric] = {
            "error": row.mean_error,
            "within_one": row.within_one,
            "shuffled": row.shuffled_error,
        }
    return found
