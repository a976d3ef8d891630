"""Accuracy of regimes, the mean over their draws of thresholds, and paired tests between regimes.

The standard error of a regime is the standard deviation over bootstrap samples of the mean over its draws. Differences
are referred to Student's t, with one degree of freedom less than the smaller resampled factor has members, two-sided,
with the false discovery rate controlled over all pairs. Resampling both factors overstates the variance, so the tests
are on the careful side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import get_args

import numpy as np

from hodology.errors import InputError
from hodology.geometry.identification_bootstrap import IdentificationBootstrap
from hodology.geometry.model_differences import Adjustment, adjust_p_values
from hodology.geometry.regimes import Regime, draw_thresholds
from hodology.geometry.topological_rdm import TopologicalRDM

__all__ = ["RegimeAccuracy", "RegimeDifference", "RegimeTests", "compare_regimes", "regime_transforms"]


@dataclass(frozen=True)
class RegimeAccuracy:
    """Accuracy of a regime.

    Attributes
    ----------
    name : str
    accuracy, standard_error : float
    low, high : float
        95 % percentile interval over samples.
    n_draws : int
    """

    name: str
    accuracy: float
    standard_error: float
    low: float
    high: float
    n_draws: int


@dataclass(frozen=True)
class RegimeDifference:
    """First minus second regime.

    Attributes
    ----------
    first, second : str
    difference, standard_error, t : float
    df : int
    p_value, adjusted : float
        Two-sided, alone and adjusted over all pairs.
    """

    first: str
    second: str
    difference: float
    standard_error: float
    t: float
    df: int
    p_value: float
    adjusted: float


@dataclass(frozen=True)
class RegimeTests:
    """Accuracies of regimes and all paired differences.

    Attributes
    ----------
    regimes : tuple of RegimeAccuracy
    differences : tuple of RegimeDifference
        In the order of ``itertools.combinations``.
    """

    regimes: tuple[RegimeAccuracy, ...]
    differences: tuple[RegimeDifference, ...]


def regime_transforms(*, n_draws: int = 10, rng: int = 0) -> dict[str, tuple[TopologicalRDM, ...]]:
    """Draws of thresholds of every regime, as transforms (see `hodology.geometry.regimes.draw_thresholds`)."""
    return {
        name: tuple(
            TopologicalRDM(low=low, high=high)
            for low, high in draw_thresholds(name, n_draws=n_draws, rng=rng)
        )
        for name in get_args(Regime)
    }


def compare_regimes(
    bootstrap: IdentificationBootstrap,
    groups: Mapping[str, Sequence[str]],
    *,
    adjust: Adjustment = "bh",
) -> RegimeTests:
    """Compare groups of transforms of a bootstrap.

    Parameters
    ----------
    bootstrap : IdentificationBootstrap
    groups : mapping of str to sequence of str
        Names of the transforms of each regime; a baseline is a group of one.
    adjust : {"bh", "holm", "none"}

    Returns
    -------
    RegimeTests

    Raises
    ------
    UnknownNameError
        For a transform that is not in the bootstrap.
    InputError
        For no groups or an empty one.
    """
    if not groups or any(len(members) == 0 for members in groups.values()):
        raise InputError("groups must be at least one, each with at least one transform.")
    columns = [[bootstrap.column(name) for name in members] for members in groups.values()]
    samples = np.stack([bootstrap.values[:, c].mean(axis=1) for c in columns], axis=1)
    means = np.array([bootstrap.estimate[c].mean() for c in columns])
    lows, highs = np.quantile(samples, (0.025, 0.975), axis=0)
    spread = samples.std(axis=0, ddof=1)
    names = list(groups)
    regimes = tuple(
        RegimeAccuracy(
            name, float(means[i]), float(spread[i]), float(lows[i]), float(highs[i]), len(columns[i])
        )
        for i, name in enumerate(names)
    )
    return RegimeTests(regimes, _differences(bootstrap.factor_size - 1, names, means, samples, adjust))


def _differences(
    df: int, names: Sequence[str], means: np.ndarray, samples: np.ndarray, adjust: Adjustment
) -> tuple[RegimeDifference, ...]:
    from scipy.stats import t as student

    pairs = list(combinations(range(len(names)), 2))
    if not pairs:
        return ()
    gaps = np.array([means[i] - means[j] for i, j in pairs])
    errors = np.array([(samples[:, i] - samples[:, j]).std(ddof=1) for i, j in pairs])
    same = (errors == 0) & (gaps == 0)
    with np.errstate(divide="ignore"):
        t = np.where(same, 0.0, gaps / np.where(same, 1.0, errors))
    p_values = 2.0 * student.sf(np.abs(t), df)
    adjusted = adjust_p_values(p_values, adjust)
    return tuple(
        RegimeDifference(
            names[i],
            names[j],
            float(gaps[k]),
            float(errors[k]),
            float(t[k]),
            df,
            float(p_values[k]),
            float(adjusted[k]),
        )
        for k, (i, j) in enumerate(pairs)
    )
