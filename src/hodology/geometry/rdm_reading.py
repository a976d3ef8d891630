"""Checks of what is given as a dissimilarity matrix: shape, symmetry, diagonal, and values that are missing."""

from __future__ import annotations

import warnings
from math import isqrt
from typing import Any, Literal, get_args

import numpy as np

from hodology.errors import InputError, UnknownNameError, near_names

__all__ = ["Form", "Missing", "read_matrices", "settle_missing", "triangular_side"]

Form = Literal["auto", "condensed", "square"]
Missing = Literal["error", "keep", "drop", "impute"]


def read_matrices(x: Any, form: Form) -> tuple[np.ndarray, int]:
    """Condensed values (matrices, pairs) and the number of stimuli.

    Raises
    ------
    InputError
        For a wrong shape, an asymmetric matrix, a diagonal other than zero, infinite values.
    """
    if form not in get_args(Form):
        raise UnknownNameError(f"form {form!r} does not exist{near_names(form, get_args(Form))}.")
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise InputError(f"RDMs must be of one size: {error}.") from error
    if array.dtype.kind not in "biuf" or array.ndim not in (1, 2, 3) or array.size == 0:
        raise InputError(
            "RDMs must be numbers of shape (pairs,), (matrices, pairs), (n, n) or (matrices, n, n), got "
            f"{array.dtype} of shape {array.shape}."
        )
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float64)
    if np.isinf(array).any():
        raise InputError("RDMs must be finite (NaN for missing pairs), got an infinite value.")
    sides_equal = array.ndim == 2 and array.shape[0] == array.shape[1]
    if array.ndim == 3 or form == "square" or (form == "auto" and sides_equal and array.shape[0] > 1):
        return _condensed(array if array.ndim == 3 else array[None])
    values = np.atleast_2d(array) if array.ndim < 3 else array
    return values, triangular_side(values.shape[1])


def settle_missing(values: np.ndarray, n: int, missing: Missing) -> tuple[np.ndarray, np.ndarray | None]:
    """Values without NaN unless they are to be kept, and which stimuli are left where some were dropped."""
    if missing not in get_args(Missing):
        raise UnknownNameError(f"missing {missing!r} does not exist{near_names(missing, get_args(Missing))}.")
    gaps = np.isnan(values)
    if missing == "keep" or not gaps.any():
        return values, None
    if missing == "error":
        raise InputError(
            f"RDMs have {int(gaps.sum())} missing values (NaN), the first in matrix {int(gaps.any(axis=1).argmax())}; "
            "pass missing='keep', 'drop' or 'impute'."
        )
    if missing == "impute":
        return _imputed(values, gaps), None
    return _dropped(values, gaps.any(axis=0), n)


def triangular_side(length: int) -> int:
    """Number of stimuli whose pairs number `length`.

    Raises
    ------
    InputError
        With the nearest lengths that are possible.

    Examples
    --------
    >>> triangular_side(28)
    8
    """
    n = (1 + isqrt(1 + 8 * length)) // 2
    if length > 0 and n * (n - 1) // 2 == length:
        return n
    below, above = n * (n - 1) // 2, n * (n + 1) // 2
    near = f"{below} and {above}" if below > 0 else f"{max(above, 1)}"
    raise InputError(f"length {length} is not triangular; nearest are {near}.")


def _condensed(array: np.ndarray) -> tuple[np.ndarray, int]:
    """Upper triangles of square matrices that are symmetric with a zero diagonal."""
    n = array.shape[-1]
    if array.ndim != 3 or array.shape[1] != n or n < 2:
        raise InputError(f"square RDMs must have shape (n, n) with n at least 2, got {array.shape[1:]}.")
    scale = np.nanmax(np.abs(array), initial=0.0)
    slack = 1e-5 * scale if array.dtype == np.float32 else 1e-10 * scale
    diagonal = np.abs(np.diagonal(array, axis1=1, axis2=2))
    if (diagonal > slack).any():  # NaN on the diagonal means nothing and passes
        m, i = np.argwhere(diagonal > slack)[0]
        raise InputError(
            f"the diagonal of an RDM must be zero, got {diagonal[m, i]:.4g} at stimulus {i} of matrix {m}."
        )
    first, second = np.triu_indices(n, 1)
    upper, lower = array[:, first, second], array[:, second, first]
    with np.errstate(invalid="ignore"):
        wrong = (np.abs(upper - lower) > slack) | (np.isnan(upper) != np.isnan(lower))
    if wrong.any():
        m, k = np.argwhere(wrong)[0]
        raise InputError(
            f"a square RDM must be symmetric, got {upper[m, k]:.4g} and {lower[m, k]:.4g} for stimuli {first[k]} and "
            f"{second[k]} of matrix {m}; pass form='condensed' if rows are matrices."
        )
    return upper, n


def _imputed(values: np.ndarray, gaps: np.ndarray) -> np.ndarray:
    if gaps.all(axis=1).any():
        raise InputError(f"matrix {int(gaps.all(axis=1).argmax())} has no values at all.")
    known = (~gaps).sum(axis=0)
    pair_means = np.divide(
        np.where(gaps, 0, values).sum(axis=0), known, out=np.full(len(known), np.nan), where=known > 0
    )
    own_means = np.nanmean(values, axis=1, keepdims=True)
    filled = np.where(np.isnan(pair_means), own_means, pair_means)
    return np.where(gaps, filled, values).astype(values.dtype)


def _dropped(values: np.ndarray, gaps: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Leave out the stimulus with most missing pairs until none is missing."""
    first, second = np.triu_indices(n, 1)
    lacking = np.zeros((n, n), dtype=bool)
    lacking[first, second] = lacking[second, first] = gaps
    kept = np.ones(n, dtype=bool)
    while lacking[np.ix_(kept, kept)].any():
        counts = np.where(kept, (lacking & kept).sum(axis=1), -1)
        kept[int(counts.argmax())] = False
    if kept.sum() < 2:
        raise InputError("no two stimuli have all their values; pass missing='keep' or 'impute'.")
    warnings.warn(
        f"{n - int(kept.sum())} stimuli with missing pairs are left out.", UserWarning, stacklevel=4
    )
    return values[:, kept[first] & kept[second]], np.flatnonzero(kept)
