"""Compare dissimilarity matrices: every matrix of one set with every matrix of another.

Each measure but Kendall's is a cosine between embedded matrices: the values themselves (cosine), minus their mean
(pearson), their average ranks minus the mean rank (spearman). rho-a is the mean of Spearman's coefficient over all
ways to break ties; kendall-a is (concordant - discordant) / all pairs of entries.

The whitened measures take the covariance of the estimated dissimilarities into account, V = Xi * Xi (elementwise) for
contrasts Xi between stimuli with equal, independent noise. v' V^-1 w is then the inner product of the doubly centred
matrices -1/2 H D H, so the whitened cosine is a linear CKA. The mean is an eigenvector of V: subtracting it before
whitening is what whitened Pearson does.

References: Nili et al., "A toolbox for representational similarity analysis", PLoS Comput Biol 2014; Diedrichsen et
al., "Comparing representational geometries using whitened unbiased-distance-matrix similarity", 2021.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.geometry.ranks import rank_rows
from hodology.geometry.rdms import RDMs, as_rdms

__all__ = [
    "Comparison",
    "PairedRDMs",
    "check_comparison",
    "compare_rdms",
    "compare_rows",
    "dense_ranks",
    "embed_rows",
    "pair_rdms",
    "sorted_groups",
]

Comparison = Literal[
    "spearman", "pearson", "cosine", "kendall-a", "rho-a", "whitened-cosine", "whitened-pearson"
]


def compare_rdms(a: Any, b: Any = None, *, measure: Comparison = "spearman") -> np.ndarray:
    """Similarity of every matrix of `a` to every matrix of `b`.

    Parameters
    ----------
    a, b : RDMs or anything `as_rdms` reads
        Over the same stimuli; `b` is brought into the order of `a` by labels where both have them. Default `b` is `a`.
        A pair of stimuli that one matrix lacks (NaN) is left out for all.
    measure : {"spearman", "pearson", "cosine", "kendall-a", "rho-a", "whitened-cosine", "whitened-pearson"}
        Spearman favours tied predictions; rho-a does not.

    Returns
    -------
    float64 ndarray, shape (matrices of a, matrices of b)
        NaN, with a warning, where a matrix is constant and the measure has no value.

    Raises
    ------
    UnknownNameError
        When the measure does not exist.
    InputError
        For other numbers or labels of stimuli, no pair in common, and whitened measures with missing pairs.

    Examples
    --------
    >>> compare_rdms([[0.1, 0.2, 0.4]], [[1.0, 3.0, 2.0], [1.0, 2.0, 9.0]]).round(6).tolist()
    [[0.5, 1.0]]
    """
    check_comparison(measure)
    pair = pair_rdms(a, a if b is None else b)
    if measure.startswith("whitened") and pair.kept is not None:
        raise InputError(f"measure {measure!r} needs all pairs of stimuli; pass missing='drop' to as_rdms.")
    return compare_rows(pair.a_rows, pair.b_rows, measure=measure)


@dataclass(frozen=True)
class PairedRDMs:
    """Two sets of matrices over the same stimuli, ready for arithmetic.

    Attributes
    ----------
    a, b : RDMs
    a_rows, b_rows : float64 ndarray, shape (matrices, kept pairs)
    kept : int ndarray or None
        Positions of the pairs that all matrices have; None when that is every pair.
    """

    a: RDMs
    b: RDMs
    a_rows: np.ndarray
    b_rows: np.ndarray
    kept: np.ndarray | None


def pair_rdms(a: Any, b: Any) -> PairedRDMs:
    """Read two sets, bring the second into the order of the first, and leave out pairs that one lacks."""
    first, second = as_rdms(a, missing="keep"), as_rdms(b, missing="keep")
    if first.n_stimuli != second.n_stimuli:
        raise InputError(
            f"matrices must be over the same stimuli, got {first.n_stimuli} and {second.n_stimuli} of them."
        )
    if first.stimuli and second.stimuli and first.stimuli != second.stimuli:
        odd = sorted(set(first.stimuli) ^ set(second.stimuli))
        if odd:
            raise InputError(f"matrices must be over the same stimuli; {odd[0]!r} is in one set only.")
        second = second.select_stimuli(first.stimuli)
    known = ~(np.isnan(first.values).any(axis=0) | np.isnan(second.values).any(axis=0))
    if known.all():
        kept, one, two = None, first.values, second.values
    else:
        kept = np.flatnonzero(known)
        one, two = first.values[:, kept], second.values[:, kept]
    if one.shape[1] < 2:
        raise InputError(f"matrices must have at least two pairs of stimuli in common, got {one.shape[1]}.")
    return PairedRDMs(first, second, one.astype(np.float64), two.astype(np.float64), kept)


def check_comparison(measure: str, known: tuple[str, ...] = get_args(Comparison)) -> None:
    """Raise `UnknownNameError` when there is no such measure (among `known`)."""
    if measure not in known:
        if measure in get_args(Comparison):
            raise InputError(f"measure {measure!r} is not available here; take one of {', '.join(known)}.")
        raise UnknownNameError(f"measure {measure!r} does not exist{near_names(measure, known)}.")


def compare_rows(a: np.ndarray, b: np.ndarray, *, measure: Comparison) -> np.ndarray:
    """The same as `compare_rdms` on condensed values without gaps, shape (matrices, pairs) each."""
    if measure == "kendall-a":
        total = 0.5 * a.shape[1] * (a.shape[1] - 1)
        return np.clip(_sums_of_signs(a, b) / total, -1.0, 1.0)
    if measure == "rho-a":
        n = float(a.shape[1])
        return 12.0 * embed_rows(a, measure) @ embed_rows(b, measure).T / (n**3 - n)
    return np.clip(_unit(embed_rows(a, measure)) @ _unit(embed_rows(b, measure)).T, -1.0, 1.0)


def embed_rows(values: np.ndarray, measure: Comparison) -> np.ndarray:
    """Vectors whose inner products, or cosines, are the measure (see the module's text)."""
    if measure in ("spearman", "rho-a"):
        return rank_rows(values) - 0.5 * (values.shape[1] + 1)
    if measure == "cosine":
        return values
    centred = values
    if measure != "whitened-cosine":
        largest = np.abs(values).max(axis=1, keepdims=True)
        centred = values - values.mean(axis=1, keepdims=True)
        # what a constant row leaves is rounding, not a direction
        flat = np.abs(centred).max(axis=1, keepdims=True) <= 4 * np.finfo(np.float64).eps * largest
        centred = np.where(flat, 0.0, centred)
    return centred if measure == "pearson" else _doubly_centred(centred)


def sorted_groups(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The order that sorts each row, and where groups of equal values end in it."""
    from hodology.geometry.rank_kernels import tie_groups

    order = np.argsort(rows, axis=1).astype(np.int32)
    ends = np.empty(rows.shape, dtype=np.bool_)
    tie_groups(np.ascontiguousarray(rows), order, ends)
    return order, ends


def dense_ranks(order: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ranks 1, 2, ... without gaps of each row, and how many there are."""
    steps = np.ones(order.shape, dtype=np.int64)
    steps[:, 1:] += np.cumsum(ends[:, :-1], axis=1)
    places = np.empty_like(steps)
    np.put_along_axis(places, order.astype(np.int64), steps, axis=1)
    return places, steps[:, -1].copy()


def _sums_of_signs(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    from hodology.geometry.rank_kernels import kendall_sums

    order, ends = sorted_groups(a)
    places, sizes = dense_ranks(*sorted_groups(b))
    sums = np.empty((len(a), len(b)))
    kendall_sums(order, ends, places, sizes, np.ones(a.shape[1]), sums)
    return sums


def _unit(rows: np.ndarray) -> np.ndarray:
    """Rows of length one; NaN for those without a direction."""
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    flat = np.flatnonzero(norms == 0)
    if len(flat):
        warnings.warn(
            f"matrix {int(flat[0])} has no variation; its similarities are undefined (NaN).",
            UserWarning,
            stacklevel=4,
        )
    return rows / np.where(norms > 0, norms, np.nan)[:, None]


def _doubly_centred(values: np.ndarray) -> np.ndarray:
    """-1/2 H D H as vectors: off-diagonal entries times sqrt 2, then the diagonal."""
    n = (1 + int(np.sqrt(1 + 8 * values.shape[1]))) // 2
    first, second = np.triu_indices(n, 1)
    square = np.zeros((len(values), n, n))
    square[:, first, second] = square[:, second, first] = -0.5 * values
    means = square.mean(axis=2)
    square += means.mean(axis=1)[:, None, None] - means[:, :, None] - means[:, None, :]
    return np.concatenate(
        [np.sqrt(2.0) * square[:, first, second], np.diagonal(square, axis1=1, axis2=2)], axis=1
    )
