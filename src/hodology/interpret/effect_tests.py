"""Which of many paired effects are above zero: one-sided tests, corrected for their number."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Literal, get_args

import numpy as np

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.rng import stream
from hodology.stats import benjamini_hochberg, holm

__all__ = ["Correction", "EffectTest", "TestKind", "effect_tests"]

TestKind = Literal["auto", "t", "permutation", "none"]
Correction = Literal["bh", "holm", "none"]
_EXACT, _DRAWS, _CELLS = 12, 10_000, 20_000_000


@dataclass(frozen=True, eq=False)
class EffectTest:
    """Tests of many effects.

    Attributes
    ----------
    effect, low, high : float64 ndarray, shape (effects,)
        Mean and its 95 % t interval; NaN bounds for one sample.
    p, adjusted : float64 ndarray, shape (effects,)
        One-sided p-value of mean > 0, before and after correction; NaN without a test.
    kind : str
        ``"t"``, ``"permutation"`` or ``"none"``.
    """

    effect: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray
    adjusted: np.ndarray
    kind: str


def effect_tests(
    effects: np.ndarray,
    *,
    test: TestKind = "auto",
    correction: Correction = "bh",
    candidates: int | None = None,
    rng: int = 0,
) -> EffectTest:
    """Test for each row whether its mean is above zero.

    Parameters
    ----------
    effects : float ndarray, shape (effects, samples)
        Paired differences.
    test : {"auto", "t", "permutation", "none"}
        Student's t; sign flips (all patterns up to 12 samples, else 10,000 draws); ``"auto"`` flips signs below 30
        samples.
    correction : {"bh", "holm", "none"}
        Benjamini and Hochberg's false discovery rate, or Holm's family-wise error.
    candidates : int, optional
        How many effects the correction counts; those beyond the rows have a p-value of 1.
    rng : int
        Seed of the draws.

    Raises
    ------
    InputError, UnknownNameError
        For effects that are not finite, and names that do not exist.
    """
    values = np.asarray(effects, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] == 0:
        raise InputError(f"effects must have shape (effects, samples), got {values.shape}.")
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        raise InputError(f"effects must be finite, got {values[row, column]} for sample {column}.")
    for name, given, known in (("test", test, TestKind), ("correction", correction, Correction)):
        if given not in get_args(known):
            raise UnknownNameError(
                f"{name} {given!r} does not exist{near_names(str(given), get_args(known))}."
            )
    count = values.shape[1]
    kind = ("permutation" if count < 30 else "t") if test == "auto" else test
    mean = values.mean(axis=1)
    error = values.std(axis=1, ddof=1) / np.sqrt(count) if count > 1 else np.full(len(mean), np.nan)
    p = np.full(len(mean), np.nan)
    if kind == "t" and count > 1:
        p = _t_test(mean, error, count)
    elif kind == "permutation":
        p = _sign_flips(values, rng)
    half = _t_half(error, count)
    return EffectTest(mean, mean - half, mean + half, p, _adjust(p, correction, candidates), kind)


def _t_test(mean: np.ndarray, error: np.ndarray, count: int) -> np.ndarray:
    from scipy.stats import t

    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.where(
            error > 0, mean / error, np.where(mean > 0, np.inf, np.where(mean < 0, -np.inf, 0.0))
        )
    return np.asarray(t.sf(statistic, count - 1))


def _t_half(error: np.ndarray, count: int) -> np.ndarray:
    from scipy.stats import t

    return error * t.ppf(0.975, count - 1) if count > 1 else error


def _sign_flips(values: np.ndarray, rng: int) -> np.ndarray:
    """The same flips for all rows, so that one matrix product serves a chunk of them."""
    count = values.shape[1]
    if count <= _EXACT:
        signs = np.array(list(product((1.0, -1.0), repeat=count)))
    else:
        signs = stream(rng, "sign-flips").choice((1.0, -1.0), size=(_DRAWS, count))
    hits = np.empty(len(values))
    size = max(1, _CELLS // len(signs))
    for start in range(0, len(values), size):
        part = values[start : start + size]
        sums = part.sum(axis=1)
        slack = 1e-12 * np.abs(part).sum(axis=1)  # sums in another order must not turn a tie into a win
        hits[start : start + size] = (signs @ part.T >= sums - slack).sum(axis=0)
    return hits / len(signs) if count <= _EXACT else (hits + 1) / (len(signs) + 1)


def _adjust(p: np.ndarray, correction: Correction, candidates: int | None) -> np.ndarray:
    if correction == "none" or not len(p) or np.isnan(p).all():
        return p.copy()
    missing = max(0, (candidates or 0) - len(p))
    adjust = benjamini_hochberg if correction == "bh" else holm
    return adjust(np.concatenate([p, np.ones(missing)]))[: len(p)]
