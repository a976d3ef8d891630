"""Cross-condition generalisation: does a classifier that never saw some conditions get them right?

A linear classifier of a dichotomy is trained on as many conditions of either class and tested on all the others; the
mean over ways to choose the training conditions is the score. High scores mean that the dichotomy is coded in one
direction whatever else varies. Ordinary cross-validation over samples would test on conditions it was trained on.

References: Bernardi et al., "The geometry of abstraction in the hippocampus and prefrontal cortex", Cell 2020; Alleman,
Lindsey and Fusi, "Task structure and nonlinearity jointly determine learned representational geometry", ICLR 2024.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, product
from math import comb
from typing import Any

import numpy as np

from hodology.errors import InputError
from hodology.geometry.conditions import GroupedSamples
from hodology.geometry.dichotomies import as_dichotomy
from hodology.geometry.linear_readouts import (
    Classifier,
    check_classifier,
    fit_predict,
    matched_samples,
    share_right,
)
from hodology.rng import derive_seed, stream

__all__ = ["CrossConditionScore", "ccgp"]


@dataclass(frozen=True, repr=False, eq=False)
class CrossConditionScore:
    """How well a dichotomy generalises to conditions that were left out.

    Attributes
    ----------
    value : float
        Mean over splits; 0.5 is chance. A split's accuracy is the mean over classes, then conditions, then samples.
    accuracy : float64 ndarray, shape (splits,)
    trained : bool ndarray, shape (splits, conditions)
        Conditions that each split was trained on.
    exhaustive : bool
        Whether these are all splits.
    """

    value: float
    accuracy: np.ndarray
    trained: np.ndarray
    exhaustive: bool

    def __repr__(self) -> str:
        how = "all" if self.exhaustive else "sampled"
        return f"CrossConditionScore({self.value:.3f}, {len(self.accuracy)} splits ({how}))"

    def __float__(self) -> float:
        return self.value


def ccgp(
    z: Any,
    condition: Any,
    dichotomy: Any,
    *,
    classifier: Classifier | Any = "svm",
    train_per_side: int | None = None,
    max_splits: int = 200,
    test: tuple[Any, Any] | None = None,
    ridge: float = 0.01,
    seed: int = 0,
) -> CrossConditionScore:
    """Cross-condition generalisation of one dichotomy.

    Parameters
    ----------
    z : Patterns or anything `as_patterns` reads, shape (samples, units)
    condition : array-like, shape (samples,), or None
        Condition of each sample; None when each row is a condition.
    dichotomy : array-like, shape (conditions,)
        0 and 1, or -1 and +1, in the order of the sorted conditions.
    classifier : {"svm", "ridge", "mean-difference"} or estimator
        The last two are solved in closed form on the kernel of the condition means, all splits at once: for sweeps.
        The support vector machine, and any estimator with ``fit`` and ``predict`` for labels -1 and +1, learns from
        the samples.
    train_per_side : int, optional
        Training conditions of each class; default one fewer than the smaller class has.
    max_splits : int
        All splits when there are no more, else this many drawn without repetition.
    test : (samples, conditions), optional
        Other samples of the same conditions to test on, such as noisier ones; only those of left-out conditions count.
    ridge : float
        Penalty of "ridge" as a share of the mean variance.
    seed : int
        Of the drawn splits.

    Returns
    -------
    CrossConditionScore

    Raises
    ------
    InputError
        For fewer than 4 conditions, or fewer than 2 of a class.

    Examples
    --------
    >>> rectangle = np.array([[0.0, 0.0], [0.0, 1.0], [3.0, 0.0], [3.0, 1.0]])
    >>> ccgp(rectangle, None, [0, 0, 1, 1], classifier="mean-difference").value
    1.0
    """
    check_classifier(classifier)
    if not ridge > 0:
        raise InputError(f"ridge must be positive, got {ridge}.")
    train, tested = matched_samples(z, condition, test)
    n = train.n_conditions
    if n < 4:
        raise InputError(f"cross-condition generalisation needs at least 4 conditions, got {n}.")
    labels = as_dichotomy(dichotomy, n)
    trained, exhaustive = _splits(labels, train_per_side, max_splits, seed)
    closed = isinstance(classifier, str) and classifier != "svm"
    if closed:
        scores = _kernel_scores(train, tested, labels, trained, ridge if classifier == "ridge" else None)
    else:
        scores = _fitted_scores(train, tested, labels, trained, classifier, seed)
    accuracy = _accuracy(scores, tested, labels, trained)
    return CrossConditionScore(float(accuracy.mean()), accuracy, trained, exhaustive)


def _splits(labels: np.ndarray, per_side: int | None, most: int, seed: int) -> tuple[np.ndarray, bool]:
    """Training conditions of each split."""
    sides = [np.flatnonzero(labels == side) for side in (1, -1)]
    smaller = min(map(len, sides))
    if smaller < 2:
        raise InputError("each class needs at least 2 conditions, one to train on and one to test; got 1.")
    count = smaller - 1 if per_side is None else per_side
    if not 1 <= count < smaller:
        raise InputError(f"train_per_side must be from 1 to {smaller - 1}, got {count}.")
    if most < 1:
        raise InputError(f"max_splits must be at least 1, got {most}.")
    total = comb(len(sides[0]), count) * comb(len(sides[1]), count)
    if total <= most:
        chosen = [(*a, *b) for a, b in product(*(combinations(side.tolist(), count) for side in sides))]
    else:
        rng, seen = stream(seed, "splits"), dict[tuple[int, ...], None]()
        while len(seen) < most:
            seen[tuple(int(i) for s in sides for i in np.sort(rng.choice(s, count, replace=False)))] = None
        chosen = list(seen)
    trained = np.zeros((len(chosen), len(labels)), dtype=bool)
    trained[np.arange(len(chosen))[:, None], np.array(chosen)] = True
    return trained, total <= most


def _kernel_scores(
    train: GroupedSamples,
    tested: GroupedSamples,
    labels: np.ndarray,
    trained: np.ndarray,
    ridge: float | None,
) -> np.ndarray:
    """Scores of all test samples in all splits, shape (samples, splits), from inner products with condition means.

    A split's weights are a sum of its training means with coefficients alpha that sum to zero; the mean difference
    (alpha = y) is ridge with an endless penalty.
    """
    centre = train.means.mean(axis=0)
    means = train.means - centre
    kernel, cross = means @ means.T, (tested.values - centre) @ means.T
    splits, size = len(trained), int(trained[0].sum())
    rows = np.nonzero(trained)[1].reshape(splits, size)
    y = labels[rows].astype(np.float64)
    alpha = y
    if ridge is not None:
        block = kernel[rows[:, :, None], rows[:, None, :]]
        block = block - block.mean(axis=1, keepdims=True)
        block = block - block.mean(axis=2, keepdims=True)
        penalty = ridge * np.trace(block, axis1=1, axis2=2) / size
        penalty = np.where(penalty > 0, penalty, 1.0)
        alpha = np.linalg.solve(block + penalty[:, None, None] * np.eye(size), y[:, :, None])[:, :, 0]
    weights = np.zeros((len(labels), splits))
    weights[rows.T, np.arange(splits)] = alpha.T
    at_means = kernel @ weights
    threshold = at_means[rows.T, np.arange(splits)].mean(axis=0)
    return cross @ weights - threshold


def _fitted_scores(
    train: GroupedSamples,
    tested: GroupedSamples,
    labels: np.ndarray,
    trained: np.ndarray,
    classifier: Any,
    seed: int,
) -> np.ndarray:
    found = np.empty((len(tested.values), len(trained)))
    for split, chosen in enumerate(trained):
        rows = chosen[train.condition]
        y = labels[train.condition[rows]].astype(np.float64)[:, None]
        found[:, split] = fit_predict(
            train.values[rows],
            y,
            tested.values,
            classifier=classifier,
            ridge=1.0,
            seed=derive_seed(seed, "svm"),
        )[:, 0]
    return found


def _accuracy(
    scores: np.ndarray, tested: GroupedSamples, labels: np.ndarray, trained: np.ndarray
) -> np.ndarray:
    """Mean over samples, then left-out conditions, then classes."""
    right = share_right(scores, labels[tested.condition][:, None].astype(np.float64))
    sums = np.zeros((len(labels), len(trained)))
    np.add.at(sums, tested.condition, right)
    per_condition = sums / np.bincount(tested.condition, minlength=len(labels))[:, None]
    left = ~trained.T
    classes = []
    for side in (1, -1):
        mine = left & (labels == side)[:, None]
        classes.append((per_condition * mine).sum(axis=0) / mine.sum(axis=0))
    return 0.5 * (classes[0] + classes[1])
