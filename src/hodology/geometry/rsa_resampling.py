"""Similarities of dissimilarity matrices under resampling of stimuli, without writing out the samples.

A sample of stimuli is a row of counts c. A pair of different stimuli then occurs c_i c_j times, and pairs of two copies
of one stimulus are no pairs at all: their distance of zero would be evidence made by the resampling. So every measure
is a weighted one with weights w_ij = c_i c_j over the pairs i < j:

- cosine and Pearson need weighted sums of a, b, a^2, b^2 and a b: one matrix product of the weights of all samples with
  these columns serves all samples;
- Spearman and rho-a need weighted average ranks: one pass over rows that are sorted once, O(pairs) per sample;
- Kendall's needs weighted sums of signs, O(pairs log pairs) per sample.

The values are those of ordinary measures on the resampled matrices with the pairs of copies left out.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from hodology.errors import InputError
from hodology.geometry.rdms import stimuli_of_pairs
from hodology.geometry.rsa import Comparison, dense_ranks, sorted_groups
from hodology.rng import stream

__all__ = ["RESAMPLED", "count_stimuli", "draw_stimuli", "resampled_similarity"]

RESAMPLED = ("spearman", "pearson", "cosine", "kendall-a", "rho-a")
_LEAST = 3  # different stimuli in a sample: fewer leave one pair, and no measure
_WEIGHTS = 2**20  # weights that are held at a time: few enough for the cache, enough for a product
_PRODUCTS = 2**25  # values of products of matrices that are held at a time
_SAMPLES = 16  # a thread takes so many at a time, and a product at least


def draw_stimuli(n_stimuli: int, *, n_boot: int, rng: int = 0) -> np.ndarray:
    """Draw samples of stimuli with replacement.

    Samples with fewer than three different stimuli are drawn again. The first samples do not change when more are
    asked for.

    Parameters
    ----------
    n_stimuli : int
        At least 4.
    n_boot : int
    rng : int

    Returns
    -------
    int64 ndarray, shape (n_boot, n_stimuli)

    Raises
    ------
    InputError
        For fewer than four stimuli or no samples.
    """
    if n_stimuli < 4:
        raise InputError(f"resampling needs at least four stimuli, got {n_stimuli}.")
    if n_boot < 1:
        raise InputError(f"n_boot must be at least 1, got {n_boot}.")
    generator = stream(rng, "stimuli")
    drawn = generator.integers(0, n_stimuli, (n_boot, n_stimuli))
    again = stream(rng, "stimuli", "again")
    for row in np.flatnonzero((count_stimuli(drawn, n_stimuli) > 0).sum(axis=1) < _LEAST):
        while len(set(drawn[row].tolist())) < _LEAST:
            drawn[row] = again.integers(0, n_stimuli, n_stimuli)
    return drawn


def count_stimuli(samples: np.ndarray, n_stimuli: int) -> np.ndarray:
    """How often each stimulus is in each sample, shape (samples, stimuli).

    Raises
    ------
    InputError
        For another shape or dtype, or a stimulus that does not exist.
    """
    found = np.asarray(samples)
    if found.ndim != 2 or found.size == 0 or not np.issubdtype(found.dtype, np.integer):
        raise InputError(
            f"samples must be integers of shape (samples, size), got {found.dtype} of shape {found.shape}."
        )
    if found.min() < 0 or found.max() >= n_stimuli:
        raise InputError(
            f"samples must name stimuli 0 to {n_stimuli - 1}, got {found.min()} to {found.max()}."
        )
    flat = found + n_stimuli * np.arange(len(found))[:, None]
    return np.bincount(flat.ravel(), minlength=n_stimuli * len(found)).reshape(len(found), n_stimuli)


def resampled_similarity(
    a: np.ndarray,
    b: np.ndarray,
    counts: np.ndarray,
    *,
    measure: Comparison,
    kept: np.ndarray | None = None,
    jobs: int = 1,
) -> np.ndarray:
    """Similarity of all rows of a to all rows of b in every sample.

    Parameters
    ----------
    a, b : float64 ndarray, shape (matrices, pairs)
    counts : int ndarray, shape (samples, stimuli)
    measure : {"spearman", "pearson", "cosine", "kendall-a", "rho-a"}
    kept : int ndarray, optional
        Which pairs of all the columns are; default every pair.
    jobs : int
        Threads for the rank measures; the result does not depend on it.

    Returns
    -------
    float64 ndarray, shape (samples, matrices of a, matrices of b)
        NaN where a matrix is constant within a sample.
    """
    out = np.empty((len(counts), len(a), len(b)))
    by_products = measure in ("cosine", "pearson")
    # products round by their shape, so theirs must not depend on the threads
    step = max(_SAMPLES * (1 if by_products else jobs), _WEIGHTS // a.shape[1])
    similarity = _moments(a, b, measure) if by_products else _ranked(a, b, measure, jobs)
    for begin in range(0, len(counts), step):
        part = slice(begin, begin + step)
        similarity(_pair_weights(counts[part], kept), out[part])
    return out


def _pair_weights(counts: np.ndarray, kept: np.ndarray | None) -> np.ndarray:
    """c_i c_j for all pairs, shape (samples, pairs)."""
    n = counts.shape[1]
    wide = counts.astype(np.float64)
    if kept is not None:
        first, second = stimuli_of_pairs(n)
        return wide[:, first[kept]] * wide[:, second[kept]]
    weights = np.empty((len(counts), n * (n - 1) // 2))
    begin = 0
    for i in range(n - 1):
        np.multiply(wide[:, i : i + 1], wide[:, i + 1 :], out=weights[:, begin : begin + n - 1 - i])
        begin += n - 1 - i
    return weights


def _moments(a: np.ndarray, b: np.ndarray, measure: str) -> Callable[[np.ndarray, np.ndarray], None]:
    """Weighted cosine or Pearson of all samples by matrix products."""
    one, two = _scaled(a, measure), _scaled(b, measure)
    centred = measure == "pearson"
    columns = np.concatenate([one**2, two**2, *([one, two] if centred else [])])
    both = len(one) + len(two)
    step = max(1, _PRODUCTS // two.size)
    products = (
        columns  # the block of products that is in use; one block serves all samples when it is the only one
    )
    begun = -1

    def similarity(weights: np.ndarray, out: np.ndarray) -> None:
        nonlocal products, begun
        for begin in range(0, len(one), step):
            part = slice(begin, begin + step)
            if begun != begin:
                crossed = (one[part, None] * two).reshape(-1, one.shape[1])
                products, begun = np.concatenate([columns, crossed]), begin
            found = weights @ products.T
            squares, firsts = found[:, :both], found[:, both : len(columns)]
            cross = found[:, len(columns) :].reshape(len(weights), -1, len(two))
            if centred:
                total = weights.sum(axis=1)
                squares -= firsts**2 / total[:, None]
                squares[squares <= 1e-13 * total[:, None]] = 0.0  # rows have variance one: this is rounding
                sums = firsts / np.sqrt(total)[:, None]
                cross -= sums[:, : len(one)][:, part, None] * sums[:, None, len(one) :]
            roots = np.sqrt(np.where(squares > 0, squares, np.nan))
            cross /= roots[:, : len(one)][:, part, None]
            cross /= roots[:, None, len(one) :]
            np.clip(cross, -1.0, 1.0, out=out[:, part])

    return similarity


def _scaled(rows: np.ndarray, measure: str) -> np.ndarray:
    """Rows of unit scale (and zero mean for Pearson), which the measure does not see but rounding does."""
    if measure == "pearson":
        rows = rows - rows.mean(axis=1, keepdims=True)
    scale = np.sqrt((rows**2).mean(axis=1, keepdims=True))
    return rows / np.where(scale > 0, scale, 1.0)


def _ranked(
    a: np.ndarray, b: np.ndarray, measure: str, jobs: int
) -> Callable[[np.ndarray, np.ndarray], None]:
    """Weighted rank measures, sample by sample in threads."""
    order, ends = sorted_groups(np.concatenate([a, b]))
    first = len(a)
    places, sizes = dense_ranks(order[first:], ends[first:])

    def some(weights: np.ndarray, out: np.ndarray) -> None:
        ranks = np.zeros(order.shape)
        for w, cell in zip(weights, out, strict=True):
            if measure == "kendall-a":
                _kendall(order[:first], ends[:first], places, sizes, w, cell)
            else:
                _spearman(order, ends, w, ranks, first, measure, cell)

    def similarity(weights: np.ndarray, out: np.ndarray) -> None:
        parts = [slice(k, k + _SAMPLES) for k in range(0, len(weights), _SAMPLES)]
        if jobs == 1:
            some(weights, out)
            return
        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(lambda part: some(weights[part], out[part]), parts))

    return similarity


def _spearman(
    order: np.ndarray,
    ends: np.ndarray,
    weights: np.ndarray,
    ranks: np.ndarray,
    first: int,
    measure: str,
    out: np.ndarray,
) -> None:
    from hodology.geometry.rank_kernels import weighted_ranks

    total = weights.sum()
    weighted_ranks(order, ends, weights, ranks)
    ranks -= 0.5 * (total + 1.0)
    weighted = ranks[:first] * weights
    cross = weighted @ ranks[first:].T
    if measure == "rho-a":
        out[:] = 12.0 * cross / (total**3 - total)
        return
    one = np.einsum("ij,ij->i", weighted, ranks[:first])
    two = np.einsum("ij,ij,j->i", ranks[first:], ranks[first:], weights)
    scale = np.sqrt(np.where(one > 0, one, np.nan))[:, None] * np.sqrt(np.where(two > 0, two, np.nan))
    np.clip(cross / scale, -1.0, 1.0, out=out)


def _kendall(
    order: np.ndarray,
    ends: np.ndarray,
    places: np.ndarray,
    sizes: np.ndarray,
    weights: np.ndarray,
    out: np.ndarray,
) -> None:
    from hodology.geometry.rank_kernels import kendall_sums

    kendall_sums(order, ends, places, sizes, weights, out)
    total = weights.sum()
    out /= 0.5 * total * (total - 1.0)
