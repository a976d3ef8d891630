"""Similarities of all areas with all layers under the measures that a layer profile can take."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Literal, get_args

import numpy as np

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.geometry.cca import pwcca, svcca
from hodology.geometry.cka import cka_matrix
from hodology.geometry.neural_regression import ridge_predictivity
from hodology.geometry.patterns import Patterns, as_patterns
from hodology.geometry.similarity_matrix import ssm_matrix

__all__ = ["ProfileMetric", "check_metric", "profile_similarities"]

ProfileMetric = Literal["ssm", "cka", "unbiased-cka", "svcca", "pwcca", "ridge"]


def profile_similarities(
    areas: Mapping[str, Any],
    layers: Mapping[str, Any],
    *,
    metric: ProfileMetric = "ssm",
    variance: float = 0.99,
    max_components: int | None = None,
    warn: bool = True,
) -> np.ndarray:
    """Similarity of every area to every layer.

    Parameters
    ----------
    areas, layers : mapping of str to float ndarray, shape (images, units)
    metric : {"ssm", "cka", "unbiased-cka", "svcca", "pwcca", "ridge"}
        CCA does not change under invertible maps of the units, SSM and CKA do: their profiles answer other questions.
        "ridge" is the cross-validated correlation of the area's units as predicted from the layer's.
    variance, max_components
        Of "svcca" and "pwcca", as in `hodology.geometry.cca.svcca`.
    warn : bool
        False keeps still about too many components; for resampling, after the first warning.

    Returns
    -------
    float64 ndarray, shape (areas, layers)
    """
    check_metric(metric)
    if metric == "ssm":
        return ssm_matrix(areas, layers)
    if metric in ("cka", "unbiased-cka"):
        return cka_matrix(areas, layers, unbiased=metric == "unbiased-cka")
    out = np.empty((len(areas), len(layers)))
    if metric == "svcca":  # one decomposition per population, not one per pair
        layers = {name: _components(x, variance, max_components, name) for name, x in layers.items()}
        areas = {name: _components(x, variance, max_components, name) for name, x in areas.items()}
    with warnings.catch_warnings():
        if not warn:
            warnings.filterwarnings("ignore", message=".*components for.*", category=UserWarning)
        for i, area in enumerate(areas.values()):
            for j, layer in enumerate(layers.values()):
                if metric == "ridge":
                    out[i, j] = ridge_predictivity(layer, area)
                elif metric == "svcca":
                    out[i, j] = svcca(area, layer, variance=1.0, max_components=max_components).mean
                else:
                    out[i, j] = pwcca(area, layer, variance=variance, max_components=max_components)
    return out


def check_metric(metric: str) -> None:
    """Raise when a profile cannot take the measure."""
    known = get_args(ProfileMetric)
    if not isinstance(metric, str):
        raise InputError(f"metric must be one of {', '.join(known)}, got {metric!r}.")
    if metric not in known:
        raise UnknownNameError(f"metric {metric!r} does not exist{near_names(metric, known)}.")


def _components(x: Any, variance: float, max_components: int | None, name: str) -> Patterns:
    """The scores of the leading principal components, which span what svcca would keep."""
    patterns = as_patterns(x, name=name)
    values = patterns.values.astype(np.float64)
    values -= values.mean(axis=0)
    if values.shape[1] > len(values):
        powers, vectors = np.linalg.eigh(values @ values.T)
        powers, vectors = np.maximum(powers[::-1], 0.0), vectors[:, ::-1]
    else:
        vectors, roots, _ = np.linalg.svd(values, full_matrices=False)
        powers = roots**2
    if powers[0] == 0 or not 0 < variance <= 1:
        return patterns  # svcca says what is wrong
    shares = np.cumsum(powers) / powers.sum()
    count = int(np.searchsorted(shares, variance - 1e-12) + 1)
    count = min(count, len(values) - 1, int((powers > 1e-10 * powers[0]).sum()), max_components or count)
    return Patterns(vectors[:, :count] * np.sqrt(powers[:count]), patterns.stimuli, name)
