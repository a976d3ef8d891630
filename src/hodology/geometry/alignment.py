"""Input and target alignment: whose geometry does a representation have?

    input alignment = CKA(K_z, K_x),    target alignment = CKA(K_z, K_y),

centred kernel alignment with the clean inputs and with the targets, over condition means. Noisy samples would mostly
measure noise, so means are taken whenever conditions are given.

Reference: Alleman, Lindsey and Fusi, "Task structure and nonlinearity jointly determine learned representational
geometry", ICLR 2024.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from hodology.errors import InputError
from hodology.geometry.cka import centre_kernel
from hodology.geometry.conditions import group_samples
from hodology.geometry.patterns import as_patterns

__all__ = ["Alignment", "alignment_over_runs", "input_target_alignment"]


@dataclass(frozen=True, repr=False, eq=False)
class Alignment:
    """Alignment with inputs and with targets.

    Attributes
    ----------
    input, target : float
        Of the mean kernel over runs; of the kernel itself for one run.
    input_each, target_each : float64 ndarray, shape (runs,)
        Of each run; NaN, with a warning, for a representation without variation.
    """

    input: float
    target: float
    input_each: np.ndarray
    target_each: np.ndarray

    def __repr__(self) -> str:
        runs = len(self.input_each)
        return f"Alignment(input {self.input:.3f}, target {self.target:.3f}, {runs} run{'s' if runs > 1 else ''})"

    @property
    def mean_input(self) -> float:
        """Mean of the runs' input alignments."""
        return float(self.input_each.mean())

    @property
    def mean_target(self) -> float:
        """Mean of the runs' target alignments."""
        return float(self.target_each.mean())


def input_target_alignment(
    z: Any, x: Any, y: Any, *, condition: Any = None, debiased: bool = False
) -> Alignment:
    """Alignment of one representation with inputs and targets.

    Parameters
    ----------
    z, x : Patterns or anything `as_patterns` reads, shape (samples, units), (samples, inputs)
        Over the same samples.
    y : array-like, shape (conditions, targets) or (conditions,)
        Targets of the sorted conditions, 0 and 1 or -1 and +1 (the same after centring), or real.
    condition : array-like, shape (samples,), optional
        Condition of each sample; z and x are averaged over it. Default: rows are conditions.
    debiased : bool
        Use the unbiased estimator of HSIC.

    Returns
    -------
    Alignment

    Raises
    ------
    InputError
        For other numbers of rows, or targets that are the same for all conditions.

    Examples
    --------
    >>> x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> input_target_alignment(x[:, :1], x, [0, 0, 1, 1])
    Alignment(input 0.707, target 1.000, 1 run)
    """
    hidden = group_samples(z, condition).means
    inputs = group_samples(x, condition, constant_units="keep").means
    return alignment_over_runs(hidden[None], inputs, y, debiased=debiased)


def alignment_over_runs(z: Any, x: Any, y: Any, *, debiased: bool = False) -> Alignment:
    """Alignment of several runs' representations of the same conditions: of their mean kernel, and of each.

    Parameters
    ----------
    z : array-like, shape (runs, conditions, units)
    x : array-like, shape (conditions, inputs)
    y : array-like, shape (conditions, targets) or (conditions,)
    debiased : bool
    """
    hidden = np.asarray(z, dtype=np.float64)
    if hidden.ndim != 3 or 0 in hidden.shape or not np.isfinite(hidden).all():
        raise InputError(f"z must be finite, shape (runs, conditions, units), got {hidden.shape}.")
    targets = np.asarray(y, dtype=np.float64)
    targets = targets[:, None] if targets.ndim == 1 else targets
    inputs = as_patterns(x).values.astype(np.float64)
    n = hidden.shape[1]
    if len(inputs) != n or len(targets) != n:
        raise InputError(
            f"z, x and y must be over the same conditions, got {n}, {len(inputs)} and {len(targets)}."
        )
    if n < (4 if debiased else 3):
        raise InputError(f"alignment needs at least {4 if debiased else 3} conditions, got {n}.")
    hidden = hidden - hidden.mean(axis=1, keepdims=True)
    kernels = [_centred(v, debiased=debiased) for v in hidden]
    fixed = [_centred(v - v.mean(axis=0), debiased=debiased) for v in (inputs, targets)]
    for name, kernel in zip(("inputs", "targets"), fixed, strict=True):
        if not kernel.any():
            raise InputError(f"{name} are the same for all conditions.")
    each = np.array([[_cosine(k, f) for f in fixed] for k in kernels])
    mean = [_cosine(np.mean(kernels, axis=0), f) for f in fixed]
    if np.isnan(each).any():
        warnings.warn(
            "alignment of a representation without variation is undefined (NaN).", UserWarning, stacklevel=2
        )
    return Alignment(mean[0], mean[1], each[:, 0], each[:, 1])


def _centred(values: np.ndarray, *, debiased: bool) -> np.ndarray:
    return centre_kernel(values @ values.T, unbiased=debiased)


def _cosine(k: np.ndarray, f: np.ndarray) -> float:
    norm = float(np.linalg.norm(k) * np.linalg.norm(f))
    return float((k * f).sum() / norm) if norm > 0 else float("nan")
