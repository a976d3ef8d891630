"""Pseudo-depth: the place of an area on the depth axis of a network, and whether it can be trusted.

    argmax     the depth of the layer with the largest similarity
    centroid   sum_l w_l d_l / sum_l w_l,   w_l = max(0, similarity_l - mean null_l)

A flat profile has an argmax too. So a depth comes with its bootstrap distribution, with the layers that do as well as
the best within the bootstrap, and with a test of the largest similarity against the largest of shuffled images.

Reference: Shi, Shea-Brown and Buice, NeurIPS 2019.
"""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any, Literal, get_args

import numpy as np

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.geometry.layer_profile import Profile
from hodology.geometry.model_differences import Adjustment, adjust_p_values, percentile_test

__all__ = [
    "DepthDifference",
    "DepthKind",
    "PseudoDepth",
    "depth_differences",
    "pseudo_depth",
    "sampled_depths",
]

DepthKind = Literal["argmax", "centroid"]
_ALPHA = 0.05


@dataclass(frozen=True)
class PseudoDepth:
    """Where an area lies.

    Attributes
    ----------
    area : str
    kind : {"argmax", "centroid"}
    depth : float
        Relative depth, 0 (first layer) to 1 (last).
    low, high : float
        Percentile interval over bootstrap samples.
    layer : str
        Best layer.
    index : int
        Its position.
    share : float
        Share of samples in which that layer is best.
    distribution : tuple of float
        Share of samples in which each layer is best.
    as_good : tuple of str
        Layers whose similarity is not below the best one's, within the (one-sided, paired) bootstrap.
    p_value : float
        Largest similarity against the largest over layers with shuffled images.
    """

    area: str
    kind: DepthKind
    depth: float
    low: float
    high: float
    layer: str
    index: int
    share: float
    distribution: tuple[float, ...]
    as_good: tuple[str, ...]
    p_value: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.area}: {self.depth:.3g} [{self.low:.3g}, {self.high:.3g}] ({self.layer})"


@dataclass(frozen=True)
class DepthDifference:
    """Difference of the depths of two areas, b - a, paired over samples.

    Attributes
    ----------
    a, b : str
    difference, low, high : float
    share_positive : float
        Share of samples in which b lies deeper; ties count half.
    p_value, adjusted : float
        Two-sided, from the samples.
    """

    a: str
    b: str
    difference: float
    low: float
    high: float
    share_positive: float
    p_value: float
    adjusted: float


def pseudo_depth(profile: Profile, *, kind: DepthKind = "argmax") -> tuple[PseudoDepth, ...]:
    """Read the depth of every area off a profile.

    Parameters
    ----------
    profile : Profile
    kind : {"argmax", "centroid"}

    Returns
    -------
    tuple of PseudoDepth
        In the order of the areas.

    Warns
    -----
    UserWarning
        For areas that are no more similar to any layer than with shuffled images (p above 0.05).

    Raises
    ------
    UnknownNameError
        When the kind does not exist.
    InputError
        For a centroid where no layer is above its null.
    """
    drawn, own = sampled_depths(profile, kind=kind), _depths(profile.similarity[None], profile, kind)[0]
    if np.isnan(own).any():
        area = profile.areas[int(np.isnan(own).argmax())]
        raise InputError(f"no layer is above its null for {area!r}: its centroid is undefined.")
    best = profile.similarity.argmax(axis=1)
    tails = [(1 - profile.level) / 2, (1 + profile.level) / 2]
    found = []
    for i, area in enumerate(profile.areas):
        top = profile.boot[:, i].argmax(axis=1)
        shares = np.bincount(top, minlength=len(profile.layers)) / len(top)
        low, high = _bounds(drawn[:, i], tails, kind)
        largest = profile.null[:, i].max(axis=1)
        p = (1 + int((largest >= profile.similarity[i].max() - 1e-12).sum())) / (len(largest) + 1)
        found.append(
            PseudoDepth(
                area,
                kind,
                float(own[i]),
                low,
                high,
                profile.layers[best[i]],
                int(best[i]),
                float(shares[best[i]]),
                tuple(shares.tolist()),
                _as_good(profile, i, int(best[i])),
                p,
            )  # fmt: skip
        )
    lost = [f"{d.area!r} (p = {d.p_value:.2g})" for d in found if d.p_value > _ALPHA]
    if lost:
        warnings.warn(
            f"no layer is more similar to {', '.join(lost)} than with shuffled images: the depth means nothing there.",
            UserWarning,
            stacklevel=2,
        )
    return tuple(found)


def sampled_depths(profile: Profile, *, kind: DepthKind = "argmax") -> np.ndarray:
    """Depth of every area in every bootstrap sample, shape (samples, areas); NaN for a centroid without weights."""
    if kind not in get_args(DepthKind):
        raise UnknownNameError(f"kind {kind!r} does not exist{near_names(kind, get_args(DepthKind))}.")
    return _depths(profile.boot, profile, kind)


def depth_differences(
    profile: Profile, *, kind: DepthKind = "argmax", adjust: Adjustment = "holm"
) -> tuple[DepthDifference, ...]:
    """Compare the depths of all pairs of areas.

    Parameters
    ----------
    profile : Profile
        Of at least two areas.
    kind : {"argmax", "centroid"}
    adjust : {"none", "holm", "bh"}
        Over all pairs.

    Returns
    -------
    tuple of DepthDifference
        In the order of ``itertools.combinations``.
    """
    pairs = list(combinations(range(len(profile.areas)), 2))
    if not pairs:
        raise InputError("differences need at least two areas, got one.")
    drawn, own = sampled_depths(profile, kind=kind), _depths(profile.similarity[None], profile, kind)[0]
    gaps = [drawn[:, j] - drawn[:, i] for i, j in pairs]
    gaps = [gap[~np.isnan(gap)] for gap in gaps]
    p_values = np.array([percentile_test(gap) for gap in gaps], dtype=np.float64)
    adjusted = adjust_p_values(p_values, adjust)
    tails = [(1 - profile.level) / 2, (1 + profile.level) / 2]
    found = []
    for k, (i, j) in enumerate(pairs):
        low, high = _bounds(gaps[k], tails, kind)
        share = float(((gaps[k] > 0) + 0.5 * (gaps[k] == 0)).mean()) if len(gaps[k]) else float("nan")
        found.append(
            DepthDifference(
                profile.areas[i],
                profile.areas[j],
                float(own[j] - own[i]),
                low,
                high,
                share,
                float(p_values[k]),
                float(adjusted[k]),
            )  # fmt: skip
        )
    return tuple(found)


def _depths(values: np.ndarray, profile: Profile, kind: DepthKind) -> np.ndarray:
    """Depths from similarities (samples, areas, layers)."""
    if kind == "argmax":
        return profile.depths[values.argmax(axis=2)]
    weights = np.maximum(values - profile.null.mean(axis=0), 0.0)
    total = weights.sum(axis=2)
    return np.divide(
        weights @ profile.depths, total, out=np.full(total.shape, np.nan), where=total > 0
    )  # fmt: skip


def _bounds(values: np.ndarray, tails: list[float], kind: DepthKind) -> tuple[float, float]:
    """Percentiles; of depths that are layers, layers."""
    known = values[~np.isnan(values)]
    if len(known) == 0:
        return float("nan"), float("nan")
    if kind == "centroid":
        low, high = np.quantile(known, tails)
        return float(low), float(high)
    return (
        float(np.quantile(known, tails[0], method="lower")),
        float(np.quantile(known, tails[1], method="higher")),
    )


def _as_good(profile: Profile, area: int, best: int) -> tuple[str, ...]:
    gaps = profile.boot[:, area, best : best + 1] - profile.boot[:, area]
    lows = np.quantile(gaps, 1 - profile.level, axis=0)
    return tuple(layer for layer, low in zip(profile.layers, lows, strict=True) if low <= 0)
