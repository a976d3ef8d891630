"""Differences between models in their similarity to data, and the adjustment of many p-values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from hodology.errors import UnknownNameError, near_names
from hodology.stats import benjamini_hochberg, holm

__all__ = ["Adjustment", "ModelDifference", "adjust_p_values", "percentile_test"]

Adjustment = Literal["none", "holm", "bh"]


@dataclass(frozen=True)
class ModelDifference:
    """The difference between two matrices of `b` in their mean similarity to those of `a`.

    Attributes
    ----------
    first, second : str
    difference, standard_error : float
        First minus second.
    low, high : float
        Percentile interval.
    p_value, adjusted : float
        Two-sided, alone and adjusted for all differences.
    """

    first: str
    second: str
    difference: float
    standard_error: float
    low: float
    high: float
    p_value: float
    adjusted: float


def adjust_p_values(p_values: np.ndarray, adjust: Adjustment) -> np.ndarray:
    """Holm's or Benjamini and Hochberg's adjustment over all values of an array, in its shape."""
    if adjust not in get_args(Adjustment):
        raise UnknownNameError(f"adjust={adjust!r} does not exist{near_names(adjust, get_args(Adjustment))}.")
    if adjust == "none":
        return p_values.copy()
    adjusted = holm(p_values.ravel()) if adjust == "holm" else benjamini_hochberg(p_values.ravel())
    return adjusted.reshape(p_values.shape)


def percentile_test(drawn: np.ndarray) -> np.ndarray:
    """Two-sided p of each column of samples: twice the smaller share at or beyond zero, by the (b + 1) / (n + 1) rule."""
    share = np.minimum((drawn <= 0).sum(axis=0), (drawn >= 0).sum(axis=0))
    return np.minimum(1.0, 2.0 * (share + 1) / (len(drawn) + 1))
