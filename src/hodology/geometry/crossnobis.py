"""Cross-validated Mahalanobis distances and the noise covariance they need.

With patterns x_i^f of stimulus i in run f, whitened by the noise covariance C, and F runs

    d_ij = 1 / (F (F - 1) P)  sum_{f != g} (x_i^f - x_j^f)' C^-1 (x_i^g - x_j^g)

over all ordered pairs of different runs and P units: noise that is independent between runs cancels, so the
estimate is unbiased and its value for equal stimuli scatters around zero.

Reference: Walther et al., "Reliability of dissimilarity measures for multi-voxel pattern analysis", NeuroImage 2016.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.geometry.patterns import as_patterns
from hodology.geometry.rdms import RDMs, stimuli_of_pairs

__all__ = ["Noise", "Shrinkage", "crossnobis", "noise_covariance", "split_runs", "whiten"]

Shrinkage = Literal["ledoit-wolf", "diagonal", "none"]
Noise = np.ndarray | Literal["ledoit-wolf", "diagonal"]


def crossnobis(
    x: Any,
    *,
    runs: Sequence[Any] | np.ndarray | None = None,
    conditions: Sequence[Any] | np.ndarray | None = None,
    noise: Noise | None = None,
) -> RDMs:
    """Unbiased squared Mahalanobis distances over independent runs, divided by the number of units.

    Parameters
    ----------
    x : array, shape (runs, stimuli, units), or patterns, shape (measurements, units)
        At least two runs, whose noise must be independent.
    runs, conditions : sequence, optional
        For two dimensions: the run and the stimulus of each row; rows of one stimulus in one run are averaged.
    noise : ndarray, shape (units, units) or (units,), or {"ledoit-wolf", "diagonal"}, optional
        Covariance or variances of the noise; a word estimates it from the residuals over runs. Without it the
        distances are cross-validated squared Euclidean ones.

    Returns
    -------
    RDMs
        One matrix, float64; values may be negative.

    Raises
    ------
    InputError
        For fewer than two runs or stimuli, a stimulus that a run lacks, values that are not finite.

    Examples
    --------
    >>> crossnobis([[[0.0], [1.0]], [[0.0], [3.0]]]).values.tolist()
    [[3.0]]
    """
    data, labels = split_runs(x, runs=runs, conditions=conditions)
    n_runs, n, units = data.shape
    if noise is not None:
        covariance = _estimated(data, noise) if isinstance(noise, str) else noise
        data = whiten(data.reshape(-1, units), covariance).reshape(data.shape)
    centred = data - data.mean(axis=1, keepdims=True)
    total = centred.sum(axis=0)
    kernel = total @ total.T
    for run in centred:
        kernel -= run @ run.T
    first, second = stimuli_of_pairs(n)
    diagonal = np.diagonal(kernel)
    values = diagonal[first] + diagonal[second] - 2 * kernel[first, second]
    return RDMs((values / (n_runs * (n_runs - 1) * units))[None], n, ("0",), "crossnobis", labels)


def split_runs(
    x: Any,
    *,
    runs: Sequence[Any] | np.ndarray | None = None,
    conditions: Sequence[Any] | np.ndarray | None = None,
) -> tuple[np.ndarray, tuple[str, ...] | None]:
    """Bring measurements into the shape (runs, stimuli, units), with the labels of the stimuli.

    Stimuli come in the order in which they appear first. See `crossnobis` for what is accepted.
    """
    if runs is None and conditions is None:
        array = np.asarray(x.values if hasattr(x, "dims") else x, dtype=np.float64)
        if array.ndim != 3 or array.shape[0] < 2 or array.shape[1] < 2:
            raise InputError(
                "patterns over runs must have shape (runs, stimuli, units) with at least two runs and two stimuli, or "
                f"come with runs= and conditions=, got shape {array.shape}."
            )
        if not np.isfinite(array).all():
            run, stimulus, unit = np.argwhere(~np.isfinite(array))[0]
            raise InputError(f"patterns must be finite; run {run}, stimulus {stimulus}, unit {unit} is not.")
        return array, None
    if runs is None or conditions is None:
        raise InputError("runs and conditions must be given together.")
    values = as_patterns(x).values.astype(np.float64, copy=False)
    run_of = np.asarray([str(r) for r in runs])
    condition_of = np.asarray([str(c) for c in conditions])
    if len(run_of) != len(values) or len(condition_of) != len(values):
        raise InputError(
            f"runs and conditions must be one per row ({len(values)}), got {len(run_of)} and {len(condition_of)}."
        )
    return _averaged(values, run_of, condition_of)


def noise_covariance(residuals: Any, *, shrinkage: Shrinkage = "ledoit-wolf") -> np.ndarray:
    """Covariance of the noise over units from residuals.

    Parameters
    ----------
    residuals : array-like, shape (samples, units)
        What is left after the model of the responses (a time-series GLM, trials minus their mean).
    shrinkage : {"ledoit-wolf", "diagonal", "none"}
        Towards a multiple of the identity by the amount of Ledoit and Wolf (2004); variances alone; or the plain
        sample covariance, which cannot be inverted for fewer samples than units.

    Returns
    -------
    float64 ndarray, shape (units, units)

    Raises
    ------
    InputError
        For fewer than two samples, values that are not finite, and units without variance.
    """
    if shrinkage not in get_args(Shrinkage):
        raise UnknownNameError(
            f"shrinkage {shrinkage!r} does not exist{near_names(shrinkage, get_args(Shrinkage))}."
        )
    values = as_patterns(residuals, name="residuals", constant_units="error").values.astype(np.float64)
    if len(values) < 2:
        raise InputError(f"residuals must have at least two samples, got {len(values)}.")
    values = values - values.mean(axis=0)
    if shrinkage == "ledoit-wolf":
        from sklearn.covariance import ledoit_wolf

        return np.asarray(ledoit_wolf(values, assume_centered=True)[0])
    if shrinkage == "diagonal":
        return np.diag(values.var(axis=0, ddof=1))
    return values.T @ values / (len(values) - 1)


def whiten(values: np.ndarray, noise: Any) -> np.ndarray:
    """Rows multiplied by the inverse Cholesky factor of the noise covariance, so that noise has unit variance.

    Parameters
    ----------
    values : ndarray, shape (rows, units)
    noise : ndarray, shape (units, units) or (units,)
        Covariance, or variances.

    Raises
    ------
    InputError
        For another shape, an asymmetric covariance, or one that is not positive definite.
    """
    from scipy.linalg import solve_triangular

    covariance = np.asarray(noise, dtype=np.float64)
    units = values.shape[1]
    if covariance.shape not in ((units,), (units, units)) or not np.isfinite(covariance).all():
        raise InputError(
            f"noise must be a finite covariance of shape ({units}, {units}) or variances ({units},), got shape "
            f"{covariance.shape}."
        )
    if covariance.ndim == 1:
        if (covariance <= 0).any():
            raise InputError(f"noise variances must be positive, got {covariance.min()}.")
        return (values / np.sqrt(covariance)).astype(values.dtype)
    if not np.allclose(covariance, covariance.T, rtol=1e-6, atol=1e-10 * np.abs(covariance).max()):
        raise InputError("the noise covariance must be symmetric.")
    try:
        factor = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError as error:
        raise InputError(
            "the noise covariance is not positive definite; shrink it: noise_covariance(residuals)."
        ) from error
    return np.asarray(solve_triangular(factor, values.T, lower=True)).T.astype(values.dtype)


def _averaged(
    values: np.ndarray, run_of: np.ndarray, condition_of: np.ndarray
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Mean pattern of every stimulus in every run."""
    run_names, condition_names = (list(dict.fromkeys(v.tolist())) for v in (run_of, condition_of))
    if len(run_names) < 2 or len(condition_names) < 2:
        raise InputError(
            f"crossnobis needs two runs and two stimuli, got {len(run_names)} and {len(condition_names)}."
        )
    out = np.empty((len(run_names), len(condition_names), values.shape[1]))
    for f, run in enumerate(run_names):
        for i, condition in enumerate(condition_names):
            rows = (run_of == run) & (condition_of == condition)
            if not rows.any():
                raise InputError(
                    f"run {run!r} has no measurement of stimulus {condition!r}; every run needs all."
                )
            out[f, i] = values[rows].mean(axis=0)
    return out, tuple(condition_names)


def _estimated(data: np.ndarray, noise: str) -> np.ndarray:
    """Noise covariance of one run's patterns; residuals over F runs have F - 1 degrees of freedom a stimulus."""
    if noise not in ("ledoit-wolf", "diagonal"):
        raise UnknownNameError(
            f"noise {noise!r} does not exist{near_names(noise, ('ledoit-wolf', 'diagonal'))}."
        )
    n_runs, n = data.shape[:2]
    residuals = (data - data.mean(axis=0)).reshape(-1, data.shape[2])
    covariance = noise_covariance(
        residuals, shrinkage="ledoit-wolf" if noise == "ledoit-wolf" else "diagonal"
    )
    divisor = len(residuals) if noise == "ledoit-wolf" else len(residuals) - 1
    return covariance * divisor / (n * (n_runs - 1))
