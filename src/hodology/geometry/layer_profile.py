"""Layer profiles: the similarity of recorded areas to every layer of a network, with its uncertainty and its null.

Per area and layer the similarity (SSM by default) on all images; the same per contiguous block of images (folds), after
images were shuffled (null), and in bootstrap samples of images, of units, or of both. `hodology.geometry.pseudo_depth`
reads the depth of an area off the profile.

Reference: Shi, Shea-Brown and Buice, NeurIPS 2019.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args

import numpy as np

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.geometry.areas import as_areas
from hodology.geometry.patterns import Patterns, as_patterns
from hodology.geometry.profile_measures import ProfileMetric, check_metric, profile_similarities
from hodology.geometry.profile_resampling import (
    resample_generic,
    resample_images,
    resample_units,
    shuffle_generic,
    shuffle_images,
)
from hodology.geometry.similarity_matrix import check_image_counts, similarity_rows

__all__ = ["Profile", "Resample", "layer_profile"]

Resample = Literal["images", "units", "both"]
_FEWEST = 10  # images: with fewer there are not 45 pairs, and a profile is noise


@dataclass(frozen=True, repr=False, eq=False)
class Profile:
    """Similarities of areas to layers.

    Attributes
    ----------
    similarity : float64 ndarray, shape (areas, layers)
    low, high : float64 ndarray, shape (areas, layers)
        Bootstrap interval.
    boot : float64 ndarray, shape (samples, areas, layers)
        Images are the same in a sample for all areas and layers, so differences are paired.
    folds : float64 ndarray, shape (folds, areas, layers)
        On contiguous blocks of images.
    null : float64 ndarray, shape (permutations, areas, layers)
        With shuffled images.
    p_value : float64 ndarray, shape (areas, layers)
        Share of the null at least as large, by the (b + 1) / (n + 1) rule.
    areas, layers : tuple of str
    depths : float64 ndarray, shape (layers,)
        Relative depth of each layer, 0 (first) to 1 (last).
    n_images : int
    n_units : tuple of int
        Units of each area.
    metric : str
    resample : {"images", "units", "both"}
    level : float
    """

    similarity: np.ndarray
    low: np.ndarray
    high: np.ndarray
    boot: np.ndarray
    folds: np.ndarray
    null: np.ndarray
    p_value: np.ndarray
    areas: tuple[str, ...]
    layers: tuple[str, ...]
    depths: np.ndarray
    n_images: int
    n_units: tuple[int, ...]
    metric: ProfileMetric
    resample: Resample
    level: float

    def __repr__(self) -> str:
        size = f"{len(self.areas)} areas, {len(self.layers)} layers, {self.n_images} images"
        return f"Profile({size}, {self.metric}, {len(self.boot)} samples of {self.resample})"

    @property
    def argmax(self) -> tuple[str, ...]:
        """Best layer of each area; see `pseudo_depth` for how sure that is."""
        return tuple(self.layers[i] for i in self.similarity.argmax(axis=1))

    def rows(self) -> list[dict[str, Any]]:
        """One row per area and layer."""
        return [
            {
                "area": area,
                "layer": layer,
                "depth": float(self.depths[j]),
                "similarity": float(self.similarity[i, j]),
                "low": float(self.low[i, j]),
                "high": float(self.high[i, j]),
                "null": float(self.null[:, i, j].mean()),
                "p": float(self.p_value[i, j]),
            }
            for i, area in enumerate(self.areas)
            for j, layer in enumerate(self.layers)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, without the single samples."""
        return {
            "metric": self.metric,
            "resample": self.resample,
            "level": self.level,
            "n_images": self.n_images,
            "n_units": dict(zip(self.areas, self.n_units, strict=True)),
            "n_boot": len(self.boot),
            "n_permutations": len(self.null),
            "folds": self.folds.tolist(),
            "rows": self.rows(),
        }


def layer_profile(
    responses: Mapping[str, Any] | Any,
    features: Mapping[str, Any],
    *,
    metric: ProfileMetric = "ssm",
    n_boot: int = 1000,
    resample: Resample = "images",
    n_permutations: int = 100,
    n_folds: int = 4,
    depths: Sequence[float] | None = None,
    variance: float = 0.99,
    max_components: int | None = None,
    level: float = 0.95,
    rng: int = 0,
    jobs: int = 1,
) -> Profile:
    """Compare areas with the layers of a network on the same images.

    Parameters
    ----------
    responses : mapping of str to array or AreaResponses, or one array
        Per area (images, units), or (trials, images, units), whose mean over trials is taken; see
        `hodology.geometry.areas.as_areas`. Units that respond the
        same to every image are left out with a warning.
    features : mapping of str to array, shape (images, features)
        Per layer, input to output; see `hodology.geometry.activations_of.patterns_of`.
    metric : {"ssm", "cka", "unbiased-cka", "svcca", "pwcca", "ridge"}
    n_boot : int
        Bootstrap samples.
    resample : {"images", "units", "both"}
        What is drawn again. For measures other than SSM, images are halved at random instead of drawn with copies.
    n_permutations : int
        Shuffles of the images; the paper's analyses take 100. The smallest p-value is 1 / (n_permutations + 1).
    n_folds : int
        Contiguous blocks of images, as few as leave four images in each.
    depths : sequence of float, optional
        Relative depth of each layer; default equal steps from 0 to 1.
    variance, max_components
        Of "svcca" and "pwcca".
    level : float
    rng, jobs : int
        Results do not depend on the number of threads.

    Returns
    -------
    Profile

    Raises
    ------
    InputError
        For other numbers of images in brain and network ("drop the blank, frame -1"), fewer than ten, values that are
        not finite, images without variation over units (named), layers that are not flattened.
    UnknownNameError
        When the metric or what to resample does not exist.
    """
    check_metric(metric)
    if resample not in get_args(Resample):
        raise UnknownNameError(
            f"resample {resample!r} does not exist{near_names(resample, get_args(Resample))}."
        )
    recorded, shown = _areas(responses), _layers(features)
    n = _check_images([*recorded, *shown])
    areas, layers = ({p.name: p.values for p in side} for side in (recorded, shown))
    counts = {"n_boot": n_boot, "n_permutations": n_permutations, "n_folds": n_folds, "jobs": jobs}
    _check_numbers(n, counts, level)
    compare = partial(profile_similarities, metric=metric, variance=variance, max_components=max_components)
    found, quiet = compare(areas, layers), partial(compare, warn=False)
    blocks = np.array_split(np.arange(n), n_folds)
    folds = np.stack([quiet(_rows_of(areas, block), _rows_of(layers, block)) for block in blocks])
    if metric == "ssm":
        boot, null = _fast(areas, layers, n, counts, resample, rng)
    else:
        boot, null = _general(areas, layers, quiet, counts, resample, rng)
    low, high = _interval(boot, found, level, halved=metric != "ssm" and resample != "units")
    p_value = ((null >= found - 1e-12).sum(axis=0) + 1) / (n_permutations + 1)
    units = tuple(v.shape[1] for v in areas.values())
    return Profile(
        found, low, high, boot, folds, null, p_value, tuple(areas), tuple(layers), _relative(depths, len(layers)), n, units,
        metric, resample, level,
    )  # fmt: skip


def _fast(
    areas: dict[str, np.ndarray],
    layers: dict[str, np.ndarray],
    n: int,
    counts: Mapping[str, int],
    resample: Resample,
    rng: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Bootstrap and null of SSM from the similarity matrices."""
    one, two = similarity_rows(areas), similarity_rows(layers)
    n_boot, jobs = counts["n_boot"], counts["jobs"]
    if resample == "images":
        boot = resample_images(one, two, n, n_boot=n_boot, rng=rng, jobs=jobs)
    else:
        boot = resample_units(areas, two, n_boot=n_boot, rng=rng, images=resample == "both", jobs=jobs)
    return boot, shuffle_images(one, two, n, n_permutations=counts["n_permutations"], rng=rng)


def _general(
    areas: dict[str, np.ndarray],
    layers: dict[str, np.ndarray],
    similarity: Callable[..., np.ndarray],
    counts: Mapping[str, int],
    resample: Resample,
    rng: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Samples and null of any other measure, from the responses."""
    images, units = resample != "units", resample != "images"
    boot = resample_generic(
        areas, layers, similarity, n_boot=counts["n_boot"], rng=rng, images=images, units=units
    )
    null = shuffle_generic(areas, layers, similarity, n_permutations=counts["n_permutations"], rng=rng)
    return boot, null


def _interval(
    boot: np.ndarray, found: np.ndarray, level: float, *, halved: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Percentiles of the samples; samples of half the images have the right spread about another mean."""
    low, high = np.nanquantile(boot, [(1 - level) / 2, (1 + level) / 2], axis=0)
    shift = found - boot.mean(axis=0) if halved else 0.0
    return low + shift, high + shift


def _areas(responses: Mapping[str, Any] | Any) -> list[Patterns]:
    """Mean responses of every area, silent units left out."""
    named = responses if isinstance(responses, Mapping) else {"area": responses}
    return [
        as_patterns(area.patterns(), name=name, constant_units="drop")
        for name, area in as_areas(named).items()
    ]


def _layers(features: Mapping[str, Any]) -> list[Patterns]:
    if not isinstance(features, Mapping) or not features:
        raise InputError(
            "features must be a mapping of layers to arrays (images, features), at least one layer."
        )
    return [as_patterns(x, name=str(name)) for name, x in features.items()]


def _check_images(populations: Sequence[Patterns]) -> int:
    """The number of images, when all populations are over the same ones."""
    for other in populations[1:]:
        check_image_counts(populations[0], other)
    n = populations[0].n_stimuli
    if n < _FEWEST:
        raise InputError(f"a layer profile needs at least {_FEWEST} images, got {n}.")
    return n


def _check_numbers(n: int, counts: Mapping[str, int], level: float) -> None:
    for name, count in counts.items():
        if isinstance(count, bool) or count < 1:
            raise InputError(f"{name} must be at least 1, got {count}.")
    if counts["n_folds"] > n // 4:
        raise InputError(
            f"n_folds must leave four images in each ({n // 4} at most), got {counts['n_folds']}."
        )
    if not 0 < level < 1:
        raise InputError(f"level must lie between 0 and 1, got {level}.")


def _relative(depths: Sequence[float] | None, count: int) -> np.ndarray:
    if depths is None:
        return np.linspace(0.0, 1.0, count) if count > 1 else np.zeros(1)
    found = np.asarray(depths, dtype=np.float64)
    if found.shape != (count,) or not np.isfinite(found).all() or found.min() < 0 or found.max() > 1:
        raise InputError(f"depths must be one number from 0 to 1 per layer ({count}), got {depths!r}.")
    return found


def _rows_of(named: Mapping[str, np.ndarray], rows: np.ndarray) -> dict[str, np.ndarray]:
    return {name: values[rows] for name, values in named.items()}
