"""Decodability of dichotomies: which of all ways to split the conditions can a linear read-out tell apart?

The mean over all balanced dichotomies is the shattering dimensionality (as an accuracy). Dichotomies that a network was
trained on are reported apart from those it never heard of.

References: Rigotti et al., "The importance of mixed selectivity in complex cognitive tasks", Nature 2013; Bernardi et
al., "The geometry of abstraction in the hippocampus and prefrontal cortex", Cell 2020.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hodology.errors import InputError
from hodology.geometry.conditions import GroupedSamples
from hodology.geometry.dichotomies import as_dichotomy, balanced_dichotomies
from hodology.geometry.linear_readouts import (
    Classifier,
    check_classifier,
    fit_predict,
    matched_samples,
    share_right,
)
from hodology.rng import derive_seed, stream

__all__ = ["Shattering", "shattering_dimension"]


@dataclass(frozen=True, repr=False, eq=False)
class Shattering:
    """Held-out accuracy of linear read-outs.

    Attributes
    ----------
    trained, untrained : float
        Mean over the dichotomies that were named as trained and over the others; NaN where there are none.
    accuracy : float64 ndarray, shape (dichotomies,)
        Mean over conditions; 0.5 is chance.
    dichotomies : int8 ndarray of -1 and +1, shape (dichotomies, conditions)
        The trained ones first.
    is_trained : bool ndarray, shape (dichotomies,)
    """

    trained: float
    untrained: float
    accuracy: np.ndarray
    dichotomies: np.ndarray
    is_trained: np.ndarray

    def __repr__(self) -> str:
        count = len(self.accuracy)
        return f"Shattering(trained {self.trained:.3f}, untrained {self.untrained:.3f}, {count} dichotomies)"

    @property
    def value(self) -> float:
        """Mean over all dichotomies: the shattering dimensionality."""
        return float(self.accuracy.mean())


def shattering_dimension(
    z: Any,
    condition: Any,
    *,
    trained: Any = None,
    classifier: Classifier | Any = "svm",
    folds: int = 5,
    test: tuple[Any, Any] | None = None,
    unbalanced: bool = False,
    most: int = 500,
    ridge: float = 0.01,
    seed: int = 0,
) -> Shattering:
    """Linear decodability of all balanced dichotomies.

    Parameters
    ----------
    z : Patterns or anything `as_patterns` reads, shape (samples, units)
    condition : array-like, shape (samples,)
        Several samples of each condition.
    trained : array-like, shape (dichotomies, conditions), optional
        0 and 1, or -1 and +1, in the order of the sorted conditions: what the system was trained to tell.
    classifier : {"svm", "ridge", "mean-difference"} or estimator
        "ridge" solves all dichotomies at once.
    folds : int
        Every sample is tested once, by classifiers of the other folds; folds hold all conditions.
    test : (samples, conditions), optional
        Test on these in place of folds.
    unbalanced : bool
        Allow an odd number of conditions.
    most : int
        Untrained dichotomies are drawn when there are more.
    ridge, seed
        As in `ccgp`.

    Returns
    -------
    Shattering

    Raises
    ------
    InputError
        For an odd number of conditions without `unbalanced`, or fewer samples of a condition than folds.
    """
    check_classifier(classifier)
    if not ridge > 0:
        raise InputError(f"ridge must be positive, got {ridge}.")
    train, tested = matched_samples(z, condition, test)
    n = train.n_conditions
    listed = balanced_dichotomies(n, unbalanced=unbalanced, most=most, seed=seed)
    known = np.zeros((0, n), dtype=np.int8)
    if trained is not None:
        known = np.stack([as_dichotomy(row, n) for row in np.atleast_2d(np.asarray(trained))])
    same = {(row * row[0]).tobytes() for row in known}
    fresh = np.array([row for row in listed if (row * row[0]).tobytes() not in same], dtype=np.int8)
    dichotomies = np.concatenate([known, fresh.reshape(-1, n)])
    labels = dichotomies.T.astype(np.float64)
    options: dict[str, Any] = {"classifier": classifier, "ridge": ridge, "seed": derive_seed(seed, "svm")}
    if test is not None:
        y = labels[train.condition]
        scores = fit_predict(train.values, y, tested.values, **options)
    else:
        scores = _folded(train, labels, folds, seed, options)
    right = share_right(scores, labels[tested.condition])
    sums = np.zeros((n, len(dichotomies)))
    np.add.at(sums, tested.condition, right)
    accuracy = (sums / np.bincount(tested.condition, minlength=n)[:, None]).mean(axis=0)
    is_trained = np.arange(len(dichotomies)) < len(known)
    means = [float(accuracy[m].mean()) if m.any() else float("nan") for m in (is_trained, ~is_trained)]
    return Shattering(means[0], means[1], accuracy, dichotomies, is_trained)


def _folded(
    train: GroupedSamples, labels: np.ndarray, folds: int, seed: int, options: dict[str, Any]
) -> np.ndarray:
    """Scores of each sample by classifiers that did not see it."""
    counts = np.bincount(train.condition)
    if folds < 2 or counts.min() < folds:
        name = train.names[int(counts.argmin())]
        raise InputError(
            f"folds must be from 2 to the samples of a condition ({counts.min()} of {name!r}), got {folds}; or pass "
            "test samples."
        )
    order = stream(seed, "folds").permutation(len(train.condition))
    fold = np.empty(len(order), dtype=np.int64)
    for c in range(len(counts)):
        own = order[train.condition[order] == c]
        fold[own] = np.arange(len(own)) % folds
    scores = np.empty((len(order), labels.shape[1]))
    for k in range(folds):
        rest = fold != k
        y = labels[train.condition[rest]]
        scores[~rest] = fit_predict(train.values[rest], y, train.values[~rest], **options)
    return scores
