"""Permutation tests, with the (b + 1) / (n + 1) rule so that p is never zero."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product
from typing import Literal

import numpy as np

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.rng import stream

__all__ = ["PermutationResult", "label_permutation_test", "sign_flip_test"]

Alternative = Literal["greater", "less", "two-sided"]
_EXACT = 14  # up to 2**14 sign patterns are all visited


@dataclass(frozen=True)
class PermutationResult:
    """Outcome of a permutation test.

    Attributes
    ----------
    statistic : float
        On the data as they are.
    p_value : float
    null : float ndarray, shape (n_permutations,)
    alternative : str
    """

    statistic: float
    p_value: float
    null: np.ndarray = field(repr=False)
    alternative: str = "greater"


def label_permutation_test(
    statistic: Callable[[np.ndarray], float],
    labels: np.ndarray,
    *,
    n_permutations: int = 200,
    alternative: Alternative = "greater",
    rng: int = 0,
) -> PermutationResult:
    """Test a statistic of labels against shuffled labels.

    Parameters
    ----------
    statistic : callable
        From labels, shape (n,), to a number; the data are in its closure.
    labels : ndarray, shape (n,)
    n_permutations : int
    alternative : {"greater", "less", "two-sided"}
    """
    labels = np.asarray(labels)
    if len(labels) < 2 or n_permutations < 1:
        raise InputError(
            f"a test needs two labels and one permutation, got {len(labels)} and {n_permutations}."
        )
    generator = stream(rng, "permutation")
    null = np.array([statistic(generator.permutation(labels)) for _ in range(n_permutations)], dtype=float)
    return _result(float(statistic(labels)), null, alternative, exact=False)


def sign_flip_test(
    differences: np.ndarray,
    *,
    n_permutations: int = 10_000,
    alternative: Alternative = "greater",
    rng: int = 0,
) -> PermutationResult:
    """Test the mean of paired differences by flipping signs; all patterns for up to 14 differences."""
    d = np.asarray(differences, dtype=float)
    if d.ndim != 1 or len(d) == 0 or not np.isfinite(d).all():
        raise InputError(f"differences must be finite numbers, at least one, got shape {d.shape}.")
    if len(d) <= _EXACT:
        signs = np.array(list(product((1.0, -1.0), repeat=len(d))))
        return _result(float(d.mean()), signs @ d / len(d), alternative, exact=True)
    generator = stream(rng, "sign-flip")
    signs = generator.choice((1.0, -1.0), size=(n_permutations, len(d)))
    return _result(float(d.mean()), signs @ d / len(d), alternative, exact=False)


def _result(value: float, null: np.ndarray, alternative: str, *, exact: bool) -> PermutationResult:
    slack = 1e-12 * max(1.0, abs(value))  # sums in another order must not turn a tie into a win
    if alternative == "greater":
        hits = (null >= value - slack).sum()
    elif alternative == "less":
        hits = (null <= value + slack).sum()
    elif alternative == "two-sided":
        hits = (np.abs(null) >= abs(value) - slack).sum()
    else:
        raise UnknownNameError(
            f"alternative {alternative!r} does not exist{near_names(alternative, ('greater', 'less', 'two-sided'))}."
        )
    p = hits / len(null) if exact else (hits + 1) / (len(null) + 1)
    return PermutationResult(value, float(p), null, alternative)
