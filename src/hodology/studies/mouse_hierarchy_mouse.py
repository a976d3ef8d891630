"""The simulated mouse of the mouse-hierarchy study: six areas of known layers, looked for in another network."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from hodology.geometry.layer_profile import Profile, layer_profile
from hodology.geometry.pseudo_depth import DepthKind, PseudoDepth, pseudo_depth, sampled_depths
from hodology.geometry.similarity_matrix import ssm_matrix
from hodology.geometry.simulated_mouse import simulated_mouse
from hodology.nn.digit_layers import layer_patterns
from hodology.studies.mouse_hierarchy_data import Networks

__all__ = ["EQUAL", "NEURONS", "mouse_figures"]

EQUAL = ("VISl", "VISal", "VISpm", "VISrl")  # areas of one layer: any order among them is false
NEURONS = {"VISp": 1500, "VISl": 600, "VISal": 300, "VISpm": 300, "VISrl": 100, "VISam": 200}
_KINDS: tuple[DepthKind, ...] = ("argmax", "centroid")
_TRUE = {"VISp": 2, **dict.fromkeys(EQUAL, 4), "VISam": 5}  # positions of the areas' layers


def mouse_figures(
    nets: Networks, images: np.ndarray, *, n_boot: int, n_trials: int, seed: int
) -> dict[str, Any]:
    """Profiles and depths of the areas, in the other network trained and at initialisation."""
    brain, other = layer_patterns(nets.brain, images), layer_patterns(nets.other, images)
    names = list(brain)
    plan = {area: names[place] for area, place in _TRUE.items()}
    areas = simulated_mouse(brain, plan, n_neurons=NEURONS, n_trials=n_trials, rng=seed)
    means = {name: area.values for name, area in areas.items()}
    profile = layer_profile(means, other, n_boot=n_boot, resample="both", rng=seed)
    plain = layer_profile(means, layer_patterns(nets.untrained, images), n_boot=1, n_permutations=1, rng=seed)
    depths = {kind: pseudo_depth(profile, kind=kind) for kind in _KINDS}
    return {
        "true": plan,
        "profile": profile.similarity.tolist(),
        "null": float(profile.null.mean()),
        "folds": profile.folds.tolist(),
        "untrained": plain.similarity.tolist(),
        "trained_gain": float((profile.similarity.max(axis=1) - plain.similarity.max(axis=1)).mean()),
        "depths": {kind: [d.to_dict() for d in found] for kind, found in depths.items()},
        "ceiling": {name: area.reliability(rng=seed).full ** 0.5 for name, area in areas.items()},
        "between_areas": ssm_matrix(means).tolist(),
        **_order(profile, depths["argmax"], depths["centroid"]),
    }


def _order(
    profile: Profile, argmax: tuple[PseudoDepth, ...], centroid: tuple[PseudoDepth, ...]
) -> dict[str, float]:
    """How the areas are ordered, in the estimates and in the samples."""
    place = {area: i for i, area in enumerate(profile.areas)}
    equal = [place[area] for area in EQUAL]
    found = {}
    for kind, depths in zip(_KINDS, (argmax, centroid), strict=True):
        drawn = sampled_depths(profile, kind=kind)
        own = np.array([d.depth for d in depths])
        others = np.delete(drawn, place["VISp"], axis=1)
        lower = drawn[:, place["VISp"]] < (others.mean(axis=1) if kind == "argmax" else others.min(axis=1))
        found[f"{kind}_lower"] = float(lower.mean())
        found[f"{kind}_top"] = float(own[place["VISam"]] - own[equal].mean())
        overlaps = [
            depths[i].low <= depths[j].high and depths[j].low <= depths[i].high
            for i, j in combinations(equal, 2)
        ]
        found[f"{kind}_overlap"] = float(np.mean(overlaps))
    errors = [abs(d.index - _TRUE[d.area]) for d in argmax]
    found["argmax_error"] = float(np.mean(errors))
    return found
