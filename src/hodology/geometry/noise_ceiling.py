"""How well could any model do: bounds from the agreement between subjects, and reliability from split halves.

Upper bound: mean similarity of each subject to the best single matrix for all subjects, which saw that subject.
Lower bound: the same with the matrix of the others. For cosine and Pearson (plain or whitened) the best matrix is the
mean of the matrices scaled to unit length in the measure's space; for rank measures the mean of ranks is taken, which
is best for rho-a and close to best for the others.

Reliability: the correlation r between two halves of the repeats, and 2 r / (1 + r) for all repeats (Spearman-Brown).

Reference: Nili et al., "A toolbox for representational similarity analysis", PLoS Comput Biol 2014.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hodology.errors import InputError
from hodology.geometry.dissimilarity import Distance, dissimilarities
from hodology.geometry.ranks import rank_rows
from hodology.geometry.rdms import RDMs, as_rdms
from hodology.geometry.rsa import Comparison, check_comparison, compare_rows, embed_rows, pair_rdms
from hodology.rng import stream

__all__ = ["NoiseCeiling", "Reliability", "noise_ceiling", "spearman_brown", "split_half_reliability"]


@dataclass(frozen=True)
class NoiseCeiling:
    """Bounds of the mean similarity that a perfect model would reach.

    Attributes
    ----------
    lower, upper : float
    lower_by_subject, upper_by_subject : tuple of float
    subjects : tuple of str
    measure : str
    """

    lower: float
    upper: float
    lower_by_subject: tuple[float, ...]
    upper_by_subject: tuple[float, ...]
    subjects: tuple[str, ...]
    measure: Comparison


@dataclass(frozen=True)
class Reliability:
    """Agreement between halves of the repeats.

    Attributes
    ----------
    half : float
        Mean similarity between two halves.
    full : float
        Spearman-Brown: what two full sets would reach.
    by_split : tuple of float
        Similarity of each random split.
    """

    half: float
    full: float
    by_split: tuple[float, ...]


def noise_ceiling(
    rdms: Any,
    *,
    measure: Comparison = "spearman",
    subjects: Sequence[Any] | np.ndarray | None = None,
) -> NoiseCeiling:
    """Bounds of the similarity to each subject's matrices.

    Parameters
    ----------
    rdms : RDMs or anything `as_rdms` reads
        At least two matrices over the same stimuli.
    measure : str
        As in `compare_rdms`.
    subjects : sequence, optional
        Which matrices belong to one subject, who is left out as a whole; default each is a subject.

    Returns
    -------
    NoiseCeiling

    Raises
    ------
    InputError
        For fewer than two subjects ("cannot leave one out"), or whitened measures with missing pairs.
    """
    check_comparison(measure)
    pair = pair_rdms(rdms, rdms)
    if measure.startswith("whitened") and pair.kept is not None:
        raise InputError(f"measure {measure!r} needs all pairs of stimuli; pass missing='drop' to as_rdms.")
    rows = pair.a_rows
    labels = [str(s) for s in (pair.a.names if subjects is None else subjects)]
    if subjects is None and len(set(labels)) < len(labels):
        labels = [str(i) for i in range(len(rows))]
    if len(labels) != len(rows):
        raise InputError(f"subjects must be one per matrix ({len(rows)}), got {len(labels)}.")
    names = list(dict.fromkeys(labels))
    if len(names) < 2:
        raise InputError("a noise ceiling needs at least two subjects: with one, none can be left out.")
    poolable = _poolable(rows, measure)
    everyone = poolable.mean(axis=0, keepdims=True)
    lower, upper = [], []
    for name in names:
        own = np.array([label == name for label in labels])
        others = poolable[~own].mean(axis=0, keepdims=True)
        found = compare_rows(np.concatenate([others, everyone]), rows[own], measure=measure).mean(axis=1)
        lower.append(float(found[0]))
        upper.append(float(found[1]))
    return NoiseCeiling(
        float(np.mean(lower)), float(np.mean(upper)), tuple(lower), tuple(upper), tuple(names), measure
    )


def split_half_reliability(
    repeats: Any,
    *,
    measure: Comparison = "pearson",
    distance: Distance = "correlation",
    n_splits: int = 100,
    rng: int = 0,
) -> Reliability:
    """Similarity between the matrices of two random halves of the repeats.

    Trials that share noise (neurons recorded together) make the halves agree better than independent ones would.

    Parameters
    ----------
    repeats : RDMs, or array of shape (repeats, stimuli, units)
        Matrices of repeated measurements, averaged within each half; or trials, whose patterns are averaged
        within each half before dissimilarities are taken.
    measure : str
        As in `compare_rdms`; Spearman-Brown is exact for correlations.
    distance : str
        Dissimilarity for trials, as in `dissimilarities`; not "mahalanobis" or "crossnobis".
    n_splits : int
    rng : int

    Returns
    -------
    Reliability

    Raises
    ------
    InputError
        For fewer than two repeats or no splits.
    """
    check_comparison(measure)
    matrices = as_rdms(repeats) if isinstance(repeats, RDMs) else None
    trials = None if matrices is not None else _trials(repeats)
    count = len(matrices) if matrices is not None else len(_given(trials))
    if count < 2 or n_splits < 1:
        raise InputError(f"halves need two repeats and one split, got {count} and {n_splits}.")
    generator = stream(rng, "halves")
    found = []
    for _ in range(n_splits):
        order = generator.permutation(count)
        one, two = order[: count // 2], order[count // 2 :]
        if matrices is not None:
            rows = [matrices.values[part].mean(axis=0, dtype=np.float64)[None] for part in (one, two)]
        else:
            rows = [
                dissimilarities(_given(trials)[part].mean(axis=0), measure=distance).values
                for part in (one, two)
            ]
        found.append(float(compare_rows(*(row.astype(np.float64) for row in rows), measure=measure)[0, 0]))
    half = float(np.mean(found))
    return Reliability(half, spearman_brown(half), tuple(found))


def spearman_brown(reliability: float, *, factor: float = 2.0) -> float:
    """Reliability of `factor` times as many repeats: f r / (1 + (f - 1) r).

    Examples
    --------
    >>> spearman_brown(0.5)
    0.6666666666666666
    """
    below = 1.0 + (factor - 1.0) * reliability
    if below <= 0:
        warnings.warn(
            "halves that disagree have no Spearman-Brown reliability (NaN).", UserWarning, stacklevel=2
        )
        return float("nan")
    return factor * reliability / below


def _poolable(rows: np.ndarray, measure: Comparison) -> np.ndarray:
    """Rows whose mean is the matrix most similar to all of them."""
    if measure in ("spearman", "rho-a", "kendall-a"):
        return rank_rows(rows)
    embedded = embed_rows(rows, measure)
    norms = np.sqrt(np.einsum("ij,ij->i", embedded, embedded))
    if (norms == 0).any():
        raise InputError(
            f"matrix {int((norms == 0).argmax())} has no variation; a noise ceiling is undefined."
        )
    base = rows - rows.mean(axis=1, keepdims=True) if measure.endswith("pearson") else rows
    return base / norms[:, None]


def _trials(repeats: Any) -> np.ndarray:
    array = np.asarray(repeats.values if hasattr(repeats, "dims") else repeats)
    if array.ndim != 3:
        raise InputError(
            f"repeats must be RDMs or an array (repeats, stimuli, units), got shape {array.shape}."
        )
    return array


def _given(trials: np.ndarray | None) -> np.ndarray:
    if trials is None:
        raise InputError("repeats must be trials here.")
    return trials
