"""Linear classifiers for measures over conditions: support vector machines and two that are solved in closed form."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.geometry.conditions import GroupedSamples, group_samples
from hodology.geometry.patterns import as_patterns

__all__ = ["Classifier", "check_classifier", "fit_predict", "matched_samples", "share_right"]

Classifier = Literal["svm", "ridge", "mean-difference"]


def check_classifier(classifier: Any) -> None:
    """Raise unless `classifier` is a known name or an estimator of scikit-learn's kind."""
    if isinstance(classifier, str):
        if classifier not in get_args(Classifier):
            known = get_args(Classifier)
            raise UnknownNameError(
                f"classifier {classifier!r} does not exist{near_names(classifier, known)}."
            )
    elif not (hasattr(classifier, "fit") and hasattr(classifier, "predict")):
        raise InputError("classifier must be a name or have fit and predict.")


def matched_samples(
    z: Any, condition: Any, test: tuple[Any, Any] | None
) -> tuple[GroupedSamples, GroupedSamples]:
    """Training and test samples over the same units and conditions.

    Units that are constant over both are left out of both, with a warning.
    """
    if test is None:
        grouped = group_samples(z, condition, least=1)
        return grouped, grouped
    first, second = as_patterns(z).values, as_patterns(test[0]).values
    if first.shape[1] != second.shape[1]:
        raise InputError(f"test samples must have as many units ({first.shape[1]}), got {second.shape[1]}.")
    labels = np.arange(len(first)) if condition is None else np.asarray(condition)
    both = group_samples(
        np.concatenate([first, second]), np.concatenate([labels, np.asarray(test[1])]), least=1
    )
    cut = len(first)
    one = group_samples(both.values[:cut], both.condition[:cut], constant_units="keep", least=1)
    two = group_samples(both.values[cut:], both.condition[cut:], constant_units="keep", least=1)
    if one.n_conditions < len(both.names) or two.n_conditions < len(both.names):
        raise InputError("training and test samples must be of the same conditions.")
    return one, two


def fit_predict(
    train: np.ndarray, y: np.ndarray, test: np.ndarray, *, classifier: Any, ridge: float, seed: int
) -> np.ndarray:
    """Fit one classifier per column of labels and score test samples.

    Parameters
    ----------
    train, test : ndarray, shape (samples, units)
    y : ndarray of -1 and +1, shape (training samples, dichotomies)
    classifier : str or estimator
    ridge : float
        Penalty as a share of the mean variance along the training samples.
    seed : int
        Of the support vector machine's solver.

    Returns
    -------
    float64 ndarray, shape (test samples, dichotomies)
        Signed scores; an estimator's are -1 and +1.
    """
    centre = train.mean(axis=0, dtype=np.float64)
    one, two = train - centre, test - centre
    scale = float(np.sqrt((one**2).sum() / max(1, len(one))))
    scale = scale if scale > 0 else 1.0
    one, two = one / scale, two / scale
    if classifier == "mean-difference":
        return _mean_difference(one, y, two)
    if classifier == "ridge":
        return _ridge(one, y, two, ridge)
    found = np.empty((len(two), y.shape[1]))
    for column in range(y.shape[1]):
        found[:, column] = _fitted(one, y[:, column], two, classifier, seed)
    return found


def share_right(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """1 where the sign is right, 0 where it is wrong, a half where there is no sign."""
    return 0.5 * (1.0 + np.sign(scores) * labels)


def _mean_difference(one: np.ndarray, y: np.ndarray, two: np.ndarray) -> np.ndarray:
    up, down = (y > 0).astype(np.float64), (y <= 0).astype(np.float64)
    high, low = (one.T @ up) / up.sum(axis=0), (one.T @ down) / down.sum(axis=0)
    return two @ (high - low) - 0.5 * ((high**2).sum(axis=0) - (low**2).sum(axis=0))


def _ridge(one: np.ndarray, y: np.ndarray, two: np.ndarray, ridge: float) -> np.ndarray:
    """Least squares with a penalty, solved over samples or over units, whichever are fewer."""
    offset = y.mean(axis=0)
    goal = y - offset
    if len(one) <= one.shape[1]:
        kernel = one @ one.T
        penalty = ridge * np.trace(kernel) / len(one)
        weights = one.T @ np.linalg.solve(kernel + penalty * np.eye(len(one)), goal)
    else:
        kernel = one.T @ one
        penalty = ridge * np.trace(kernel) / len(one)
        weights = np.linalg.solve(kernel + penalty * np.eye(len(kernel)), one.T @ goal)
    return two @ weights + offset


def _fitted(one: np.ndarray, y: np.ndarray, two: np.ndarray, classifier: Any, seed: int) -> np.ndarray:
    if classifier == "svm":
        from sklearn.svm import LinearSVC

        # samples have mean square 1 in all, so this C allows margins of a few percent of their spread
        machine = LinearSVC(C=100.0, dual="auto", max_iter=20_000, random_state=seed % 2**32)
        return machine.fit(one, y).decision_function(two)
    from sklearn.base import clone

    return np.asarray(clone(classifier).fit(one, y).predict(two), dtype=np.float64)
