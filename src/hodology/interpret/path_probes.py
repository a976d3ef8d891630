"""Linear probes: what a linear classifier can read from each path alone."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.interpret.path_decomposition import PathDecomposition, labels_of

__all__ = ["Probe", "check_probe", "component_features", "linear_probes", "probe_accuracies"]

Probe = Literal["logistic", "ridge"]


def linear_probes(
    fitted: PathDecomposition, tested: PathDecomposition, *, probe: Probe = "logistic"
) -> list[float]:
    """Accuracy on `tested` of a linear classifier fitted to each component on `fitted`.

    Parameters
    ----------
    fitted, tested : PathDecomposition
        Labelled, and of other inputs each, else memory is measured.
    probe : {"logistic", "ridge"}
        Logistic regression with C = 1, or a ridge classifier with alpha = 1, on components that are standardised by
        `fitted`.

    Raises
    ------
    UnknownNameError
        For a probe that does not exist.
    InputError
        Without labels, or with a single class to fit.
    """
    check_probe(probe)
    x, y = component_features(fitted), labels_of(fitted).cpu().numpy()
    return probe_accuracies(x, y, component_features(tested), labels_of(tested).cpu().numpy(), probe)


def probe_accuracies(
    x: np.ndarray, y: np.ndarray, test_x: np.ndarray, test_y: np.ndarray, probe: Probe
) -> list[float]:
    """The same on features ``(P, n, features)`` and labels ``(n,)``."""
    if len(np.unique(y)) < 2:
        raise InputError(f"a probe needs data of at least two classes, got {len(np.unique(y))}.")
    accuracies = []
    for train, tested in zip(x, test_x, strict=True):
        mean, spread = train.mean(axis=0), train.std(axis=0)
        # An entry that does not vary (all of them in a class token's embedding) says nothing.
        spread = np.where(spread > 1e-6 * np.abs(mean) + 1e-12, spread, np.inf)
        classifier = _classifier(probe).fit((train - mean) / spread, y)
        accuracies.append(float((classifier.predict((tested - mean) / spread) == test_y).mean()))
    return accuracies


def component_features(paths: PathDecomposition) -> np.ndarray:
    """What is read of each component, float64 ``(P, n, features)``; tokens that are pooled behind a norm, pooled."""
    pooled = paths.stream.readout.pool(paths.values)
    return pooled.flatten(start_dim=2).double().cpu().numpy()


def check_probe(probe: str) -> None:
    """Refuse a probe that does not exist."""
    if probe not in get_args(Probe):
        raise UnknownNameError(f"probe {probe!r} does not exist{near_names(probe, get_args(Probe))}.")


def _classifier(probe: Probe) -> Any:
    from sklearn.linear_model import LogisticRegression, RidgeClassifier

    return LogisticRegression(max_iter=5000) if probe == "logistic" else RidgeClassifier(alpha=1.0)
