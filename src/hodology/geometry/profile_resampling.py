"""Resampling behind a layer profile: images, units of the areas, or both; and images that are shuffled.

Images: S is indexed, never computed again, because its correlations run over units. A pair of two copies of one image
is no pair. Units: with counts w that sum to W, all rows centred once,

    S_ij = (sum_u w_u x_iu x_ju - m_i m_j / W) / (s_i s_j),   m_i = sum_u w_u x_iu,   s_i^2 = sum_u w_u x_iu^2 - m_i^2 / W,

so one row of S for all samples is a product of (images, units) with (units, samples).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from hodology.errors import InputError
from hodology.geometry.patterns import listed
from hodology.geometry.rdms import pair_indices, stimuli_of_pairs
from hodology.geometry.rsa import embed_rows, sorted_groups
from hodology.geometry.rsa_resampling import count_stimuli, draw_stimuli, resampled_similarity
from hodology.rng import stream

__all__ = [
    "resample_generic",
    "resample_images",
    "resample_units",
    "shuffle_generic",
    "shuffle_images",
    "unit_counts",
    "weighted_similarity_rows",
]

_CHUNK = 64  # samples whose similarity matrices are held at a time


def resample_images(
    areas: np.ndarray, layers: np.ndarray, n_images: int, *, n_boot: int, rng: int, jobs: int = 1
) -> np.ndarray:
    """SSM in bootstrap samples of images, from condensed similarity matrices.

    Parameters
    ----------
    areas, layers : float64 ndarray, shape (populations, pairs)
    n_images, n_boot, rng, jobs : int

    Returns
    -------
    float64 ndarray, shape (n_boot, areas, layers)
    """
    counts = count_stimuli(draw_stimuli(n_images, n_boot=n_boot, rng=rng), n_images)
    return resampled_similarity(areas, layers, counts, measure="spearman", jobs=jobs)


def resample_units(
    areas: Mapping[str, np.ndarray],
    layers: np.ndarray,
    *,
    n_boot: int,
    rng: int,
    images: bool = False,
    jobs: int = 1,
) -> np.ndarray:
    """SSM when the units of each area are drawn again (and the images too, with ``images=True``).

    Parameters
    ----------
    areas : mapping of str to float ndarray, shape (images, units)
    layers : float64 ndarray, shape (layers, pairs)
        Condensed similarity matrices; the layers' units are no sample of anything and stay.
    n_boot, rng, jobs : int
    images : bool

    Returns
    -------
    float64 ndarray, shape (n_boot, areas, layers)
    """
    first = next(iter(areas.values()))
    n = len(first)
    counts = count_stimuli(draw_stimuli(n, n_boot=n_boot, rng=rng), n) if images else None
    fixed = _unit_ranks(layers) if counts is None else np.zeros((0, 0))
    ordered = sorted_groups(layers)
    weights = [unit_counts(v.shape[1], n_boot=n_boot, rng=rng, area=a) for a, v in areas.items()]
    centred = [_centred(v) for v in areas.values()]
    out = np.empty((n_boot, len(areas), len(layers)))

    def some(part: slice) -> None:
        for i, (values, w) in enumerate(zip(centred, weights, strict=True)):
            rows = weighted_similarity_rows(values, w[part])
            if counts is None:
                out[part, i] = _unit_ranks(rows) @ fixed.T
            else:
                out[part, i] = _doubly_weighted(rows, ordered, counts[part])

    parts = [slice(k, min(k + _CHUNK, n_boot)) for k in range(0, n_boot, _CHUNK)]
    if jobs == 1:
        for part in parts:
            some(part)
    else:
        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(some, parts))
    return out


def shuffle_images(
    areas: np.ndarray, layers: np.ndarray, n_images: int, *, n_permutations: int, rng: int
) -> np.ndarray:
    """SSM after the images of all areas were given new identities, shape (permutations, areas, layers).

    Shuffling both matrices, as early analyses did, has the same distribution as shuffling one.
    """
    moving, fixed = _unit_ranks(areas), _unit_ranks(layers)
    pairs, (first, second) = pair_indices(n_images), stimuli_of_pairs(n_images)
    generator = stream(rng, "shuffled images")
    out = np.empty((n_permutations, len(areas), len(layers)))
    for k in range(n_permutations):
        order = generator.permutation(n_images)
        out[k] = moving[:, pairs[order[first], order[second]]] @ fixed.T
    return out


def unit_counts(n_units: int, *, n_boot: int, rng: int, area: str) -> np.ndarray:
    """How often each unit of an area is in each sample, float64, shape (n_boot, units)."""
    generator = stream(rng, "units", area)
    out = np.empty((n_boot, n_units))
    for k in range(n_boot):
        out[k] = np.bincount(generator.integers(0, n_units, n_units), minlength=n_units)
    return out


def weighted_similarity_rows(centred: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Condensed similarity matrices under counts of units, shape (samples, pairs).

    Parameters
    ----------
    centred : float64 ndarray, shape (images, units)
        Rows of mean zero, so that little is lost when the weighted means are taken out.
    counts : float64 ndarray, shape (samples, units)

    Raises
    ------
    InputError
        When an image has one response only over the units of a sample.
    """
    n = len(centred)
    total = counts.sum(axis=1)
    means = counts @ centred.T / np.sqrt(total)[:, None]
    squares = counts @ (centred**2).T - means**2
    flat = squares <= 1e-12 * (centred**2).sum(axis=1)
    if flat.any():
        raise InputError(
            f"images {listed(np.flatnonzero(flat.any(axis=0)))} have one response only in a sample of the units; "
            "more units are needed to resample them."
        )
    scale = 1.0 / np.sqrt(squares)
    out = np.empty((len(counts), n * (n - 1) // 2))
    begin = 0
    for i in range(n - 1):
        end = begin + n - 1 - i
        cross = counts @ (centred[i] * centred[i + 1 :]).T
        cross -= means[:, i : i + 1] * means[:, i + 1 :]
        np.multiply(cross, scale[:, i : i + 1] * scale[:, i + 1 :], out=out[:, begin:end])
        begin = end
    return out


def resample_generic(
    areas: Mapping[str, np.ndarray],
    layers: Mapping[str, np.ndarray],
    similarity: Callable[[Mapping[str, np.ndarray], Mapping[str, np.ndarray]], np.ndarray],
    *,
    n_boot: int,
    rng: int,
    images: bool,
    units: bool,
) -> np.ndarray:
    """Any measure under random halves of the images (no copies) and drawn units, shape (n_boot, areas, layers).

    Copies of an image would add dimensions of similarity one, so images are halved instead of drawn again: a half drawn
    without replacement has the spread of a bootstrap sample, around the measure's mean at half the images.
    """
    n = len(next(iter(areas.values())))
    generator = stream(rng, "halves of images")
    drawn = {a: stream(rng, "units", a) for a in areas}
    out = np.empty((n_boot, len(areas), len(layers)))
    for k in range(n_boot):
        rows = np.sort(generator.permutation(n)[: n // 2]) if images else np.arange(n)
        some = {}
        for a, values in areas.items():
            count = values.shape[1]
            columns = drawn[a].integers(0, count, count) if units else np.arange(count)
            some[a] = values[np.ix_(rows, columns)]
        out[k] = similarity(some, {name: values[rows] for name, values in layers.items()})
    return out


def shuffle_generic(
    areas: Mapping[str, np.ndarray],
    layers: Mapping[str, np.ndarray],
    similarity: Callable[[Mapping[str, np.ndarray], Mapping[str, np.ndarray]], np.ndarray],
    *,
    n_permutations: int,
    rng: int,
) -> np.ndarray:
    """Any measure after the images of all areas were shuffled, shape (permutations, areas, layers)."""
    n = len(next(iter(areas.values())))
    generator = stream(rng, "shuffled images")
    found = []
    for _ in range(n_permutations):
        order = generator.permutation(n)
        found.append(similarity({a: v[order] for a, v in areas.items()}, layers))
    return np.stack(found)


def _centred(values: np.ndarray) -> np.ndarray:
    wide = values.astype(np.float64)
    return wide - wide.mean(axis=1, keepdims=True)


def _unit_ranks(rows: np.ndarray) -> np.ndarray:
    """Centred ranks of length one, whose products are Spearman's coefficients."""
    ranks = embed_rows(rows, "spearman")
    return ranks / np.linalg.norm(ranks, axis=1)[:, None]


def _doubly_weighted(
    rows: np.ndarray, ordered: tuple[np.ndarray, np.ndarray], counts: np.ndarray
) -> np.ndarray:
    """Spearman of one similarity matrix per sample with all layers, pairs weighing c_i c_j, shape (samples, layers)."""
    from hodology.geometry.rank_kernels import weighted_ranks

    order, ends = ordered
    own_order, own_ends = sorted_groups(rows)
    first, second = stimuli_of_pairs(counts.shape[1])
    ranks, own = np.empty(order.shape), np.empty((1, order.shape[1]))
    out = np.empty((len(rows), len(order)))
    for k, c in enumerate(counts.astype(np.float64)):
        w = c[first] * c[second]
        middle = 0.5 * (w.sum() + 1.0)
        weighted_ranks(order, ends, w, ranks)
        weighted_ranks(own_order[k : k + 1], own_ends[k : k + 1], w, own)
        ranks -= middle
        centred = (own[0] - middle) * w
        scale = np.sqrt(((ranks**2) @ w) * (centred @ (own[0] - middle)))
        out[k] = ranks @ centred / scale
    return out
