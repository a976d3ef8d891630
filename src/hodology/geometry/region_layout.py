"""Nearest-centroid identification of regions with one subject left out, by matrix products.

With T_sk the sum of the matrices of subject s and region k, n_sk their number, m_s how often the subject is in the
sample, S_k = sum_s m_s T_sk and n_k = sum_s m_s n_sk, the centroid for a matrix of subject s is

    c = (S_k - m_s T_sk) / (n_k - m_s n_sk)

so all copies of the subject are left out, and |x - c|^2 needs x.S_k, x.T_sk, S_k.T_sk, |S_k|^2 and |T_sk|^2 only.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hodology.errors import InputError

__all__ = ["RegionLayout", "accuracies", "centroid_distances", "read_layout"]

_TIE = 1e-9  # distances that differ by less, as a share of the largest, are equal but for rounding


@dataclass(frozen=True, repr=False, eq=False)
class RegionLayout:
    """Which matrix is of which subject and region; rows sorted by subject, then region.

    Attributes
    ----------
    order : int64 ndarray, shape (matrices,)
        Positions of the sorted rows in what was given.
    subject, region : int64 ndarray, shape (matrices,)
        Positions in `subjects` and `regions`.
    subjects, regions : tuple
        In order of first appearance.
    counts : int64 ndarray, shape (subjects, regions)
    """

    order: np.ndarray
    subject: np.ndarray
    region: np.ndarray
    subjects: tuple[Any, ...]
    regions: tuple[Any, ...]
    counts: np.ndarray

    def __repr__(self) -> str:
        return f"RegionLayout({len(self.order)} matrices, {len(self.subjects)} subjects, {len(self.regions)} regions)"

    @property
    def single(self) -> bool:
        """Whether every subject has one matrix of every region."""
        return bool((self.counts == 1).all())


def read_layout(
    subject: Sequence[Any] | np.ndarray, region: Sequence[Any] | np.ndarray, *, count: int
) -> RegionLayout:
    """Sort out subjects and regions.

    Warns
    -----
    UserWarning
        When a subject lacks a region, with counts.

    Raises
    ------
    InputError
        For labels of another number than `count`, one subject, one region, and regions of one subject only.
    """
    for what, labels in (("subject", subject), ("region", region)):
        if len(labels) != count:
            raise InputError(f"{what} must have one label per matrix ({count}), got {len(labels)}.")
    subjects, where_subject = _numbered(subject)
    regions, where_region = _numbered(region)
    if len(subjects) < 2:
        raise InputError(f"one subject ({subjects[0]!r}) cannot be left out; at least two are needed.")
    if len(regions) < 2:
        raise InputError(f"one region ({regions[0]!r}) leaves nothing to identify; at least two are needed.")
    counts = np.zeros((len(subjects), len(regions)), dtype=np.int64)
    np.add.at(counts, (where_subject, where_region), 1)
    owners = (counts > 0).sum(axis=0)
    if (owners < 2).any():
        lonely = [regions[k] for k in np.flatnonzero(owners < 2)]
        raise InputError(
            f"regions of one subject have no centroid when it is left out: {', '.join(map(repr, lonely))}."
        )
    if (owners < len(subjects)).any():
        lacking = ", ".join(f"{regions[k]!r} in {owners[k]}" for k in np.flatnonzero(owners < len(subjects)))
        warnings.warn(
            f"not all of the {len(subjects)} subjects have all regions: {lacking}.", UserWarning, stacklevel=3
        )
    order = np.lexsort((where_region, where_subject))
    return RegionLayout(order, where_subject[order], where_region[order], subjects, regions, counts)


def centroid_distances(
    x: np.ndarray, layout: RegionLayout, *, weights: np.ndarray | None = None
) -> np.ndarray:
    """Squared Euclidean distance of every row to the centroid of every region over the other subjects.

    Parameters
    ----------
    x : float64 ndarray, shape (matrices, columns)
        Rows in the order of the layout.
    layout : RegionLayout
    weights : int ndarray, shape (subjects,), optional
        How often each subject is in the sample; default once.

    Returns
    -------
    float64 ndarray, shape (matrices, regions)
        Infinite where no other subject of the sample has the region.
    """
    n_subjects, n_regions = layout.counts.shape
    often = np.ones(n_subjects) if weights is None else np.asarray(weights, dtype=np.float64)
    if layout.single:
        own = x.reshape(n_subjects, n_regions, -1)
    else:
        own = np.zeros((n_subjects, n_regions, x.shape[1]))
        np.add.at(own, (layout.subject, layout.region), x)
    total = np.tensordot(often, own, axes=1)
    with_own = _own_products(x, own, layout)
    with_total = x @ total.T
    m = often[:, None]
    own_total = np.einsum("skp,kp->sk", own, total) if not layout.single else _diagonal(with_total, layout)
    own_square = np.einsum("skp,skp->sk", own, own) if not layout.single else _diagonal(with_own, layout)
    total_square = np.einsum("kp,kp->k", total, total)
    left = (m * layout.counts).sum(axis=0) - m * layout.counts
    size = np.where(left > 0, left, np.inf)  # of no use below, but no division by zero
    centroid_square = (total_square - 2 * m * own_total + m**2 * own_square) / size**2
    cross = (with_total - often[layout.subject, None] * with_own) / size[layout.subject]
    squares = np.einsum("ip,ip->i", x, x)[:, None]
    found = np.maximum(squares - 2 * cross + centroid_square[layout.subject], 0.0)
    return np.where(left[layout.subject] > 0, found, np.inf)


def accuracies(
    distances: np.ndarray, layout: RegionLayout, *, weights: np.ndarray | None = None
) -> tuple[np.ndarray, float]:
    """Predicted region of every row, and the share that is right.

    Equal distances give the region that comes first; rounding does not decide (binary matrices tie often).
    Rows whose own region no other subject of the sample has cannot be right and are not counted.
    """
    widest = np.where(np.isfinite(distances), distances, 0.0).max(axis=1, keepdims=True)
    nearest = distances.min(axis=1, keepdims=True)
    predicted = (distances <= nearest + _TIE * widest).argmax(axis=1)
    often = np.ones(len(layout.subjects)) if weights is None else np.asarray(weights, dtype=np.float64)
    possible = np.isfinite(distances[np.arange(len(distances)), layout.region])
    counted = often[layout.subject] * possible
    right = counted * (predicted == layout.region)
    return predicted, float(right.sum() / counted.sum())


def _numbered(labels: Sequence[Any] | np.ndarray) -> tuple[tuple[Any, ...], np.ndarray]:
    """Different labels in order of appearance, and the position of each."""
    plain = [label.item() if hasattr(label, "item") else label for label in labels]
    names = list(dict.fromkeys(plain))
    place = {name: i for i, name in enumerate(names)}
    return tuple(names), np.array([place[label] for label in plain], dtype=np.int64)


def _own_products(x: np.ndarray, own: np.ndarray, layout: RegionLayout) -> np.ndarray:
    """x_i . T_sk of the row's own subject."""
    if layout.single:
        return (own @ own.transpose(0, 2, 1)).reshape(len(x), -1)
    out = np.empty((len(x), own.shape[1]))
    for s in range(len(own)):
        rows = layout.subject == s
        out[rows] = x[rows] @ own[s].T
    return out


def _diagonal(products: np.ndarray, layout: RegionLayout) -> np.ndarray:
    """Entries of a row's own region, (subjects, regions); one row of each."""
    return products[np.arange(len(products)), layout.region].reshape(layout.counts.shape)
