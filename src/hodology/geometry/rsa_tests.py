"""Tests of similarities: shuffled stimuli against no relation at all, flipped signs over subjects.

The stimuli of one matrix are relabelled as a whole (rows and columns together, as in quadratic assignment): its entries
are not independent of each other, so shuffling single entries would reject far too often.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.geometry.model_differences import Adjustment, adjust_p_values
from hodology.geometry.rdms import pair_indices
from hodology.geometry.rsa import Comparison, check_comparison, compare_rows, embed_rows, pair_rdms
from hodology.rng import stream
from hodology.stats import sign_flip_test

__all__ = ["Alternative", "RsaTest", "permutation_test", "subject_test"]

Alternative = Literal["greater", "less", "two-sided"]


@dataclass(frozen=True, repr=False, eq=False)
class RsaTest:
    """Outcome of tests of several statistics.

    Attributes
    ----------
    statistic, p_value, adjusted : float64 ndarray
        One shape: (matrices of a, matrices of b), (models,) or (models, models).
    null : float64 ndarray
        Mean over `a` of the statistic in each permutation, shape (permutations, matrices of b); empty for sign tests.
    mean_p_value : float64 ndarray, shape (matrices of b,)
        Of the mean over `a`; empty for sign tests.
    alternative, adjust : str
    """

    statistic: np.ndarray
    p_value: np.ndarray
    adjusted: np.ndarray
    alternative: Alternative
    adjust: Adjustment
    null: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    mean_p_value: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def __repr__(self) -> str:
        return f"RsaTest({'x'.join(map(str, self.statistic.shape))}, {self.alternative}, adjusted by {self.adjust})"


def permutation_test(
    a: Any,
    b: Any,
    *,
    measure: Comparison = "spearman",
    n_permutations: int = 1000,
    alternative: Alternative = "greater",
    adjust: Adjustment = "bh",
    rng: int = 0,
) -> RsaTest:
    """Test every similarity between `a` and `b` against relabelled stimuli.

    Parameters
    ----------
    a, b : RDMs or anything `as_rdms` reads
        Without missing pairs. The stimuli of `b` are shuffled; one sequence of permutations serves all matrices.
    measure : str
        As in `compare_rdms`.
    n_permutations : int
    alternative : {"greater", "less", "two-sided"}
    adjust : {"none", "holm", "bh"}
        Over all pairs of matrices.
    rng : int

    Returns
    -------
    RsaTest
        p-values follow the (b + 1) / (n + 1) rule, so they are never zero.

    Raises
    ------
    InputError
        For missing pairs, constant matrices, or no permutations.
    """
    check_comparison(measure)
    _check_alternative(alternative)
    pair = pair_rdms(a, b)
    if pair.kept is not None:
        raise InputError(
            "a permutation moves pairs onto others, so none may be missing; see as_rdms(missing=)."
        )
    if n_permutations < 1:
        raise InputError(f"n_permutations must be at least 1, got {n_permutations}.")
    statistic = compare_rows(pair.a_rows, pair.b_rows, measure=measure)
    if not np.isfinite(statistic).all():
        raise InputError("a matrix has no variation; its similarities cannot be tested.")
    hits = np.zeros(statistic.shape, dtype=np.int64)
    null = np.empty((n_permutations, len(pair.b_rows)))
    generator = stream(rng, "relabel")
    fixed, moving, plain = _ready(pair.a_rows, pair.b_rows, measure)
    n = pair.a.n_stimuli
    pairs, (first, second) = pair_indices(n), np.triu_indices(n, 1)
    for k in range(n_permutations):
        order = generator.permutation(n)
        moved = np.take(moving, pairs[order[first], order[second]], axis=1)
        found = fixed @ moved.T if plain else compare_rows(fixed, moved, measure=measure)
        hits += _beyond(found, statistic, alternative)
        null[k] = found.mean(axis=0)
    p_value = (hits + 1) / (n_permutations + 1)
    beyond = _beyond(null, statistic.mean(axis=0), alternative).sum(axis=0)
    mean_p = (beyond + 1) / (n_permutations + 1)
    return RsaTest(
        statistic, p_value, adjust_p_values(p_value, adjust), alternative, adjust, null, mean_p
    )  # fmt: skip


def subject_test(
    similarities: Sequence[Sequence[float]] | np.ndarray,
    *,
    against: Literal["zero", "models"] = "zero",
    alternative: Alternative = "greater",
    adjust: Adjustment = "bh",
    n_permutations: int = 10_000,
    rng: int = 0,
) -> RsaTest:
    """Test similarities over subjects by flipping signs.

    Parameters
    ----------
    similarities : array-like, shape (subjects, models)
        As from `compare_rdms` of one matrix per subject with the models.
    against : {"zero", "models"}
        The mean of each model, or the paired difference of each model (row) to each other (column).
    alternative : {"greater", "less", "two-sided"}
    adjust : {"none", "holm", "bh"}
        Over all tests; the diagonal of model pairs has p = 1 and is not counted. With a two-sided alternative both
        halves are one family.
    n_permutations : int
        Random sign patterns; all of them for up to 14 subjects.
    rng : int

    Returns
    -------
    RsaTest
        Shapes (models,) or (models, models).
    """
    _check_alternative(alternative)
    values = np.asarray(similarities, dtype=np.float64)
    if values.ndim != 2 or len(values) < 2 or values.shape[1] < 1 or not np.isfinite(values).all():
        raise InputError(
            f"similarities must be finite numbers of two subjects at least, shape (subjects, models), got {values.shape}."
        )

    def p_of(row: np.ndarray) -> float:
        return sign_flip_test(row, n_permutations=n_permutations, alternative=alternative, rng=rng).p_value

    if against == "zero":
        p_value = np.array([p_of(row) for row in values.T])
        return RsaTest(
            values.mean(axis=0), p_value, adjust_p_values(p_value, adjust), alternative, adjust
        )  # fmt: skip
    if against != "models":
        raise UnknownNameError(
            f"against={against!r} does not exist{near_names(against, ('zero', 'models'))}."
        )
    models = values.shape[1]
    p_value, adjusted = np.ones((models, models)), np.ones((models, models))
    for i in range(models):
        for j in range(models):
            if i != j:
                p_value[i, j] = p_of(values[:, i] - values[:, j])
    family = ~np.eye(models, dtype=bool)
    if alternative == "two-sided":
        family &= np.triu(np.ones((models, models), dtype=bool))  # p is the same on both sides
    if family.any():
        adjusted[family] = adjust_p_values(p_value[family], adjust)
    if alternative == "two-sided":
        adjusted = np.minimum(adjusted, adjusted.T)
    means = values.mean(axis=0)
    return RsaTest(means[:, None] - means, p_value, adjusted, alternative, adjust)


def _check_alternative(alternative: str) -> None:
    if alternative not in get_args(Alternative):
        known = get_args(Alternative)
        raise UnknownNameError(f"alternative {alternative!r} does not exist{near_names(alternative, known)}.")


def _ready(a: np.ndarray, b: np.ndarray, measure: Comparison) -> tuple[np.ndarray, np.ndarray, bool]:
    """Rows whose plain product is the measure, so that no permutation ranks or scales again."""
    if measure == "kendall-a" or measure.startswith("whitened"):
        return a, b, False
    one, two = embed_rows(a, measure), embed_rows(b, measure)
    if measure == "rho-a":
        n = float(a.shape[1])
        return one * (12.0 / (n**3 - n)), two, True
    return one / np.linalg.norm(one, axis=1)[:, None], two / np.linalg.norm(two, axis=1)[:, None], True


def _beyond(found: np.ndarray, value: np.ndarray, alternative: Alternative) -> np.ndarray:
    """Where a permutation is at least as extreme; sums in another order must not turn a tie into a win."""
    slack = 1e-12
    if alternative == "greater":
        return found >= value - slack
    if alternative == "less":
        return found <= value + slack
    return np.abs(found) >= np.abs(value) - slack
