"""Dissimilarities, their comparison and its bootstrap, kernel alignment and canonical correlations against the peers.

The peers are scipy's pairwise distances and plain loops over samples with numpy and scipy; rsatoolbox, when it is
installed, with its own bootstrap of the same matrices.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from importlib.util import find_spec
from typing import Any

import numpy as np
from scipy.spatial.distance import pdist, squareform
from scipy.stats import kendalltau, rankdata

from benchmarks.measure import Row, alternate, once
from hodology.geometry.cca import svcca
from hodology.geometry.cka import linear_cka
from hodology.geometry.dissimilarity import dissimilarities
from hodology.geometry.ranks import rank_rows
from hodology.geometry.rsa import compare_rdms
from hodology.geometry.rsa_bootstrap import bootstrap_rsa
from hodology.geometry.rsa_resampling import draw_stimuli

__all__ = ["run"]

STIMULI = 92
PEERS = {
    "cosine": "cosine",
    "pearson": "corr",
    "spearman": "spearman",
    "rho-a": "rho-a",
    "kendall-a": "tau-a",
}


def run(*, quick: bool) -> Iterator[Row]:
    """Yield the rows."""
    stimuli, units = (300, 1500) if quick else (1000, 5000)
    yield _distances(stimuli, units, np.float64, 2.0 if quick else 8.0)
    yield _distances(stimuli, units, np.float32, 2.0 if quick else 10.0)
    yield _beside_product(stimuli, units)
    yield _ranks(20 if quick else 200)
    yield _kendall()
    samples = draw_stimuli(STIMULI, n_boot=200 if quick else 1000)
    for measure, bound in (("cosine", 5.0), ("pearson", 5.0), ("spearman", 10.0)):
        yield _bootstrap(measure, samples, bound)
    if find_spec("rsatoolbox") is not None:
        for measure, bound in (("cosine", 100.0), ("pearson", 100.0), ("spearman", 10.0)):
            yield _rsatoolbox(measure, samples, bound)
    yield _alignment(500 if quick else 2000)
    yield _canonical(5_000 if quick else 20_000)


def _draws(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def _distances(stimuli: int, units: int, dtype: Any, bound: float) -> Row:
    patterns = _draws(stimuli, units).astype(dtype)
    mine, theirs, found, expected = alternate(
        lambda: dissimilarities(patterns).values[0], lambda: pdist(patterns, "correlation"), repeats=2
    )
    error = float(np.abs(found - expected).max())
    name = np.dtype(dtype).name
    return _row(
        f"correlation distances, {stimuli} stimuli x {units} units, {name}, against scipy's pdist",
        mine, theirs, bound, error, 1e-12 if dtype is np.float64 else 1e-6,
    )  # fmt: skip


def _beside_product(stimuli: int, units: int) -> Row:
    """What the distances cost beside the bare product of two matrices of the patterns' size."""
    patterns = _draws(stimuli, units)
    other = patterns.copy()  # numpy halves the work for a matrix with itself
    mine, theirs, _, _ = alternate(lambda: dissimilarities(patterns), lambda: patterns @ other.T, repeats=5)
    ratio = mine / theirs
    return Row(
        what=f"correlation distances, {stimuli} stimuli x {units} units, against one matrix product",
        ours=mine * 1e3,
        theirs=theirs * 1e3,
        unit="ms",
        figure=f"{ratio:.2f} of the product",
        bound="at most 1.5",
        passed=ratio <= 1.5,
    )


def _ranks(rows: int) -> Row:
    values = np.round(_draws(rows, 4186), 2)
    mine, theirs, found, expected = alternate(
        lambda: rank_rows(values), lambda: rankdata(values, axis=1), repeats=5
    )
    return _row(
        f"average ranks of {rows} matrices of {STIMULI} stimuli, against scipy's rankdata",
        mine, theirs, 1.5, float(np.abs(found - expected).max()), 0.0,
    )  # fmt: skip


def _kendall() -> Row:
    a, b = _draws(4, 4186), _draws(4, 4186, seed=1)
    mine, theirs, found, expected = alternate(
        lambda: compare_rdms(a, b, measure="kendall-a"),
        lambda: np.array([[kendalltau(x, y).statistic for y in b] for x in a]),
        repeats=3,
    )
    error = float(np.abs(found - expected).max())
    return _row(
        f"Kendall's tau-a of 4 x 4 matrices of {STIMULI} stimuli, against scipy",
        mine,
        theirs,
        1.0,
        error,
        1e-12,
    )


def _matrices() -> tuple[np.ndarray, np.ndarray]:
    """Eight matrices of data and eight of models, related to each other."""
    models = np.stack([pdist(_draws(STIMULI, 30, seed=k)) for k in range(8)])
    return np.roll(models, 1, axis=0) + 0.5 * models + _draws(*models.shape, seed=99), models


def _bootstrap(measure: Any, samples: np.ndarray, bound: float) -> Row:
    """Against writing out every sample; a few are enough to know what one costs."""
    data, models = _matrices()
    some = samples[:20]
    squares = [np.stack([squareform(row, checks=False) for row in rows]) for rows in (data, models)]
    compare = _plain(measure)

    def naive() -> np.ndarray:
        out = []
        for sample in some:
            first, second = np.triu_indices(len(sample), 1)
            different = sample[first] != sample[second]
            where = sample[first[different]], sample[second[different]]
            out.append(compare(*(square[:, where[0], where[1]] for square in squares)))
        return np.array(out)

    mine, theirs, found, expected = alternate(
        lambda: bootstrap_rsa(data, models, measure=measure, samples=samples).values, naive, repeats=3
    )
    error = float(np.abs(found[: len(some)] - expected).max())
    theirs *= len(samples) / len(some)
    return _row(
        f"{len(samples)} bootstraps over {STIMULI} stimuli, 8 x 8 matrices, {measure}, against writing out samples",
        mine, theirs, bound, error, 1e-10,
    )  # fmt: skip


def _plain(measure: str) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    def compare(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        if measure == "spearman":
            a, b = rankdata(a, axis=1), rankdata(b, axis=1)
        if measure != "cosine":
            a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
        return (a @ b.T) / np.linalg.norm(a, axis=1)[:, None] / np.linalg.norm(b, axis=1)

    return compare


def _rsatoolbox(measure: Any, samples: np.ndarray, bound: float) -> Row:
    """Against its own bootstrap over patterns, without noise ceilings; and the values of the same samples."""
    from rsatoolbox.inference import eval_bootstrap_pattern  # type: ignore[import-not-found]
    from rsatoolbox.model import ModelFixed  # type: ignore[import-not-found]
    from rsatoolbox.rdm import RDMs, compare  # type: ignore[import-not-found]

    data, models = _matrices()
    theirs, theirs_models = RDMs(data), RDMs(models)
    fixed = [ModelFixed(str(k), rdm) for k, rdm in enumerate(theirs_models)]
    some = 20
    with warnings.catch_warnings(), open(os.devnull, "w") as quiet, redirect_stderr(quiet):
        warnings.simplefilter("ignore")
        seconds, _ = once(
            lambda: eval_bootstrap_pattern(
                fixed, theirs, method=PEERS[measure], N=some, boot_noise_ceil=False
            )
        )
        expected = [
            compare(
                theirs.subsample_pattern("index", sample),
                theirs_models.subsample_pattern("index", sample),
                PEERS[measure],
            )
            for sample in samples[:some]
        ]
    bootstrap_rsa(data, models, measure=measure, n_boot=10)
    mine, found = once(lambda: bootstrap_rsa(data, models, measure=measure, samples=samples).values)
    error = float(np.abs(found[:some] - np.array(expected)).max())
    return _row(
        f"{len(samples)} bootstraps over {STIMULI} stimuli, 8 x 8 matrices, {measure}, against rsatoolbox",
        mine, seconds * len(samples) / some, bound, error, 1e-10,
    )  # fmt: skip


def _alignment(stimuli: int) -> Row:
    """Linear CKA beside the three bare products it needs."""
    x, y = _draws(stimuli, 800), _draws(stimuli, 600, seed=1)
    one, two = x.copy(), y.copy()
    mine, theirs, _, _ = alternate(
        lambda: linear_cka(x, y), lambda: (x.T @ y, x.T @ one, y.T @ two), repeats=5
    )
    ratio = mine / theirs
    return Row(
        what=f"linear CKA, {stimuli} stimuli, 800 and 600 units, against its three matrix products",
        ours=mine * 1e3,
        theirs=theirs * 1e3,
        unit="ms",
        figure=f"{ratio:.2f} of the products",
        bound="at most 1.5",
        passed=ratio <= 1.5,
    )


def _canonical(units: int) -> Row:
    """Against the decomposition of stimuli by units that the method is usually written with."""
    x, y = _draws(118, units), _draws(118, units, seed=1)

    def plain() -> float:
        kept = []
        for values in (x, y):
            u, s, _ = np.linalg.svd(values - values.mean(axis=0), full_matrices=False)
            kept.append(u[:, : int(np.searchsorted(np.cumsum(s**2) / (s**2).sum(), 0.5) + 1)])
        return float(np.linalg.svd(kept[0].T @ kept[1])[1].mean())

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mine, theirs, found, expected = alternate(lambda: svcca(x, y, variance=0.5).mean, plain, repeats=3)
    return _row(
        f"SVCCA, 118 stimuli, {units} units on both sides, against decompositions of stimuli by units",
        mine, theirs, 3.0, abs(found - expected), 1e-8,
    )  # fmt: skip


def _row(what: str, mine: float, theirs: float, bound: float, error: float, slack: float) -> Row:
    ratio = theirs / mine
    return Row(
        what=what,
        ours=mine * 1e3,
        theirs=theirs * 1e3,
        unit="ms",
        figure=f"{ratio:.1f}x",
        bound=f"at least {bound:g}x, equal to {slack:g}",
        passed=ratio >= bound and error <= slack,
        note=f"largest difference {error:.1e}",
    )
