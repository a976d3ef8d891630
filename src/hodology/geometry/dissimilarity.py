"""Dissimilarities between all pairs of stimuli, by one matrix product.

Every measure is a scaled squared distance between transformed rows z: d_ij = s |z_i - z_j|^2 with

    correlation   z = (x - mean_units x) / |.|,  s = 1/2   (equals 1 - Pearson r)
    cosine        z = x / |x|,                   s = 1/2
    sqeuclidean   z = x,                         s = 1     (euclidean: its root)
    mahalanobis   z = C^(-1/2) x,                s = 1 / units

so the mean row can be subtracted first and |z_i|^2 + |z_j|^2 - 2 z_i z_j loses few digits. Pairs for which it still
would are computed from their differences; equal rows have distance zero exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.geometry.crossnobis import Noise, crossnobis, whiten
from hodology.geometry.patterns import Patterns, as_patterns, listed
from hodology.geometry.rdms import RDMs, stack_rdms

__all__ = ["Distance", "dissimilarities"]

Distance = Literal["correlation", "euclidean", "sqeuclidean", "cosine", "mahalanobis", "crossnobis"]
_BYTES = 2**29
_UNITS = 1024  # float32 products are summed over so many units, sums of these in float64
_ROWS = 2**18  # values that are centred at a time, so that they stay in the cache
_CLOSE = {np.dtype(np.float64): 1e-5, np.dtype(np.float32): 1e-3}  # shares of |z|^2 that rounding spoils


def dissimilarities(
    patterns: Any,
    *,
    measure: Distance = "correlation",
    noise: Noise | None = None,
    runs: Sequence[Any] | np.ndarray | None = None,
    conditions: Sequence[Any] | np.ndarray | None = None,
    max_bytes: int = _BYTES,
) -> RDMs:
    """Dissimilarities between the stimuli of one or several sets of patterns.

    Parameters
    ----------
    patterns : Patterns or anything `as_patterns` reads, shape (stimuli, units); or a mapping or list of these
        A mapping ``{layer: patterns}`` gives one matrix per entry, named by its key. For ``"crossnobis"`` shape
        (runs, stimuli, units), or (measurements, units) with `runs` and `conditions`.
    measure : {"correlation", "euclidean", "sqeuclidean", "cosine", "mahalanobis", "crossnobis"}
        "correlation" is 1 - Pearson's r over units. "euclidean" and "sqeuclidean" are sums over units, as in scipy.
        "mahalanobis" is the squared distance divided by the number of units, the quantity that "crossnobis"
        estimates without bias (and so may be negative).
    noise : float ndarray, shape (units, units) or (units,), or {"ledoit-wolf", "diagonal"}, optional
        Covariance or variances of the noise, for "mahalanobis" and "crossnobis"; the words estimate it from the
        residuals over runs (crossnobis alone, see `hodology.geometry.crossnobis.noise_covariance`).
    runs, conditions : sequence, optional
        For crossnobis on (measurements, units): the run and the stimulus of each row.
    max_bytes : int
        Memory for products that are held at a time; the result and a copy of the patterns come on top.

    Returns
    -------
    RDMs
        In the dtype of the patterns; sums over units are accumulated in float64.

    Raises
    ------
    UnknownNameError
        When the measure does not exist.
    InputError
        For fewer than two stimuli, stimuli for which a correlation or an angle is undefined (named), a covariance
        of another size or not positive definite, and arguments that the measure does not take.

    Examples
    --------
    >>> dissimilarities([[0.0, 1.0], [3.0, 5.0], [0.0, 1.0]], measure="euclidean").values.tolist()
    [[5.0, 0.0, 5.0]]
    """
    if measure not in get_args(Distance):
        raise UnknownNameError(
            f"measure {measure!r} does not exist{near_names(measure, get_args(Distance))}."
        )
    _check_arguments(measure, noise, runs, conditions)
    several = _several(patterns)
    if several is not None:
        parts = [
            dissimilarities(
                p, measure=measure, noise=noise, runs=runs, conditions=conditions, max_bytes=max_bytes
            )
            for p in several.values()
        ]
        stacked = stack_rdms(parts)
        return RDMs(stacked.values, stacked.n_stimuli, tuple(several), measure, stacked.stimuli)
    if measure == "crossnobis":
        return crossnobis(patterns, runs=runs, conditions=conditions, noise=noise)
    found = as_patterns(patterns)
    if found.n_stimuli < 2:
        raise InputError(f"dissimilarities need at least two stimuli, got {found.n_stimuli}.")
    rows, scale = _transformed(found, measure, noise)
    values = _squared_distances(rows, max_bytes)
    values *= scale
    if measure == "euclidean":
        np.sqrt(values, out=values)
    if measure in ("correlation", "cosine"):
        np.minimum(values, 2.0, out=values)
    name = found.name or "0"
    return RDMs(
        values[None].astype(found.values.dtype, copy=False), found.n_stimuli, (name,), measure, found.stimuli
    )


def _check_arguments(measure: str, noise: Any, runs: Any, conditions: Any) -> None:
    """An argument that would be ignored is an error."""
    if measure != "crossnobis" and (runs is not None or conditions is not None):
        raise InputError(f"runs and conditions are for measure 'crossnobis', not {measure!r}.")
    if measure not in ("crossnobis", "mahalanobis") and noise is not None:
        raise InputError(f"noise is for 'mahalanobis' and 'crossnobis', not {measure!r}.")
    if measure == "mahalanobis" and (noise is None or isinstance(noise, str)):
        raise InputError(
            "measure 'mahalanobis' needs noise=, a covariance (units, units) or variances (units,); "
            "noise_covariance(residuals) estimates one."
        )


def _several(patterns: Any) -> dict[str, Any] | None:
    """Named sets of patterns, None for a single one."""
    if isinstance(patterns, Mapping):
        found = {str(key): value for key, value in patterns.items()}
    elif isinstance(patterns, (list, tuple)) and any(isinstance(p, Patterns) for p in patterns):
        found = {getattr(p, "name", "") or str(i): p for i, p in enumerate(patterns)}
        if len(found) < len(patterns):
            raise InputError("patterns in a list must have different names.")
    else:
        return None
    if not found:
        raise InputError("patterns must hold at least one set, got none.")
    return found


def _transformed(patterns: Patterns, measure: str, noise: Any) -> tuple[np.ndarray, float]:
    """A fresh C-ordered copy of the rows z, and s."""
    if measure == "mahalanobis":
        return np.ascontiguousarray(whiten(patterns.values, noise)), 1.0 / patterns.n_units
    rows = np.array(patterns.values, order="C")
    if measure in ("euclidean", "sqeuclidean"):
        return rows, 1.0
    step = max(1, _ROWS // rows.shape[1])
    lengths = np.empty(len(rows))
    sizes = np.empty(len(rows))
    for begin in range(0, len(rows), step):
        block = rows[begin : begin + step]
        sizes[begin : begin + step] = np.abs(block).max(axis=1)
        if measure == "correlation":
            block -= block.mean(axis=1, keepdims=True, dtype=np.float64).astype(rows.dtype)
        norms = np.sqrt(_row_sums(block))
        lengths[begin : begin + step] = norms
        block /= np.where(norms > 0, norms, 1.0)[:, None].astype(rows.dtype)
    # what is left of a constant row is rounding of its mean
    undefined = np.flatnonzero(lengths <= 8 * np.finfo(rows.dtype).eps * sizes * np.sqrt(rows.shape[1]))
    if len(undefined):
        what = "respond the same in all units" if measure == "correlation" else "have no response at all"
        raise InputError(
            f"measure {measure!r} is undefined for stimuli that {what}: {listed(undefined, patterns.stimuli)}."
        )
    return rows, 0.5


def _row_sums(block: np.ndarray) -> np.ndarray:
    """Sums of squares of each row in float64, piece by piece so that no float64 copy of the block is made."""
    if block.dtype == np.float64:
        return np.einsum("ij,ij->i", block, block)
    total = np.zeros(len(block))
    for begin in range(0, block.shape[1], _UNITS):
        part = block[:, begin : begin + _UNITS]
        total += np.einsum("ij,ij->i", part, part)
    return total


def _squared_distances(rows: np.ndarray, max_bytes: int) -> np.ndarray:
    """Condensed |z_i - z_j|^2 in float64; `rows` is used up."""
    rows -= rows.mean(axis=0, dtype=np.float64).astype(rows.dtype)
    norms = _row_sums(rows)
    n = len(rows)
    values = _pair_products(rows, max_bytes)
    close: list[np.ndarray] = []
    share = _CLOSE[rows.dtype]
    for i, begin, end in _row_spans(n):
        segment = values[begin:end]
        both = norms[i] + norms[i + 1 :]
        segment *= -2.0
        segment += both
        both *= share
        close.append(np.flatnonzero(segment <= both) + begin)
    spoiled = np.concatenate(close)
    if rows.dtype == np.float32 and len(spoiled) > 8 * n:
        return _squared_distances(rows.astype(np.float64), max_bytes)
    _from_differences(rows, spoiled, values, max_bytes)
    return values


def _pair_products(rows: np.ndarray, max_bytes: int) -> np.ndarray:
    """Inner products of all pairs of rows, condensed."""
    n, units = rows.shape
    step = n if n * n * 12 <= max_bytes else max(1, max_bytes // (12 * n))
    pieces = (
        [slice(b, b + _UNITS) for b in range(0, units, _UNITS)] if rows.dtype == np.float32 else [slice(None)]
    )
    out = np.empty(n * (n - 1) // 2)
    for first in range(0, n, step):
        last = min(first + step, n)
        total: np.ndarray | None = None
        for piece in pieces:
            right = rows[first:, piece]
            product = (right if last == n else rows[first:last, piece]) @ right.T
            if total is None:
                total = product.astype(np.float64, copy=False)
            else:
                total += product
        if total is not None:
            for i, begin, end in _row_spans(n, first, last):
                out[begin:end] = total[i - first, i - first + 1 :]
    return out


def _row_spans(n: int, first: int = 0, last: int | None = None) -> list[tuple[int, int, int]]:
    """Row i of the upper triangle lies at [begin, end) of the condensed order."""
    starts = [i * n - i * (i + 1) // 2 for i in range(n + 1)]
    return [(i, starts[i], starts[i] + n - 1 - i) for i in range(first, n if last is None else last)]


def _from_differences(rows: np.ndarray, pairs: np.ndarray, values: np.ndarray, max_bytes: int) -> None:
    """Put squared lengths of differences in the place of those that rounding has spoiled."""
    if len(pairs) == 0:
        return
    n = len(rows)
    starts = np.array([begin for _, begin, _ in _row_spans(n)])
    first = np.searchsorted(starts, pairs, side="right") - 1
    first = np.minimum(first, n - 2)  # the last row has no pairs of its own and begins where the list ends
    second = pairs - starts[first] + first + 1
    step = max(1, min(_ROWS * 4, max_bytes // 16) // rows.shape[1])
    for begin in range(0, len(pairs), step):
        part = slice(begin, begin + step)
        difference = np.subtract(rows[first[part]], rows[second[part]], dtype=np.float64)
        values[pairs[part]] = np.einsum("ij,ij->i", difference, difference)
