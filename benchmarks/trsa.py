"""Region identification over a grid of thresholds and bootstraps, and geodesic matrices, against plain schedules.

The plain schedule writes every resampled matrix out stimulus by stimulus for every pair of thresholds, ranks it and
averages centroids subject by subject. The careful one gathers with numpy and ranks once per sample. Both take a few
samples and cells and are scaled to all of them. Geodesics: a networkx graph per matrix, and scipy's shortest paths.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import networkx
import numpy as np
from scipy.sparse.csgraph import shortest_path
from scipy.spatial.distance import squareform
from scipy.stats import rankdata

from benchmarks.measure import Row, alternate
from hodology.geometry.geodesic_rdm import geodesic
from hodology.geometry.identification_bootstrap import bootstrap_identification
from hodology.geometry.regimes import threshold_grid
from hodology.geometry.rsa_resampling import draw_stimuli
from hodology.geometry.topological_rdm import TopologicalRDM

__all__ = ["run"]

SUBJECTS, REGIONS, STIMULI = 10, 8, 60
HIGH = 0.4
Cells = Sequence[tuple[float, float]]


def run(*, quick: bool) -> Iterator[Row]:
    """Yield the rows."""
    values = _matrices()
    cells = threshold_grid()
    some = cells[:: len(cells) // 3][:3]
    yield _identification(values, cells, some, careful=False, samples=4 if quick else 20)
    yield _identification(values, cells, some, careful=True, samples=4 if quick else 20)
    yield _geodesics(values, "networkx", 20.0, repeats=1 if quick else 3)
    yield _geodesics(values, "scipy", 3.0, repeats=1 if quick else 3)


def _matrices() -> np.ndarray:
    """Regions that subjects share but for noise, subject by subject."""
    rng = np.random.default_rng(0)
    shared = rng.standard_normal((REGIONS, STIMULI, 12))
    points = shared + 1.5 * rng.standard_normal((SUBJECTS, REGIONS, STIMULI, 12))
    first, second = np.triu_indices(STIMULI, 1)
    return ((points[:, :, first] - points[:, :, second]) ** 2).sum(axis=3).reshape(SUBJECTS * REGIONS, -1)


def _identification(values: np.ndarray, cells: Cells, some: Cells, *, careful: bool, samples: int) -> Row:
    subject, region = np.repeat(np.arange(SUBJECTS), REGIONS), np.tile(np.arange(REGIONS), SUBJECTS)
    transforms = {str(cell): TopologicalRDM(low=cell[0], high=cell[1]) for cell in cells}
    drawn = draw_stimuli(STIMULI, n_boot=samples)[: 2 if careful else 1]

    def ours() -> np.ndarray:
        found = bootstrap_identification(
            values, subject, region, transforms=transforms, n_boot=samples, over="stimuli"
        )
        return found.values

    def theirs() -> np.ndarray:
        return np.array([_sample(values, stimuli, some, careful=careful) for stimuli in drawn])

    mine, plain, found, expected = alternate(ours, theirs, repeats=1)
    mine /= samples * len(cells)
    plain /= len(drawn) * len(some)
    columns = [list(cells).index(cell) for cell in some]
    same = np.allclose(found[: len(drawn), columns], expected)
    ratio, bound = plain / mine, 5.0 if careful else 50.0
    name = "ranking once per sample, numpy" if careful else "plain loops"
    return Row(
        what=f"{len(cells)} pairs of thresholds x bootstraps, {len(values)} matrices, {STIMULI} stimuli; {name}",
        ours=mine * 1e3,
        theirs=plain * 1e3,
        unit="ms per pair and sample",
        figure=f"{ratio:.0f}x",
        bound=f"at least {bound:g}x, equal accuracies",
        passed=ratio >= bound and same,
        note="" if same else "accuracies differ",
    )


def _sample(values: np.ndarray, stimuli: np.ndarray, cells: Cells, *, careful: bool) -> list[float]:
    first, second = np.triu_indices(len(stimuli), 1)
    if careful:
        kept = stimuli[first] != stimuli[second]
        rows = [squareform(v)[stimuli[first[kept]], stimuli[second[kept]]] for v in values]
        ranks = [_ranks(row) for row in rows]
        return [_accuracy(np.stack([_threshold(r, *cell) for r in ranks])) for cell in cells]
    return [
        _accuracy(np.stack([_threshold(_ranks(row), *cell) for row in _written_out(values, stimuli)]))
        for cell in cells
    ]


def _written_out(values: np.ndarray, stimuli: np.ndarray) -> list[np.ndarray]:
    """Resampled matrices, pair by pair; pairs of two copies are missing."""
    out = []
    for v in values:
        square = squareform(v)
        row = []
        for i in range(len(stimuli)):
            for j in range(i + 1, len(stimuli)):
                row.append(np.nan if stimuli[i] == stimuli[j] else square[stimuli[i], stimuli[j]])
        full = np.array(row)
        out.append(full[~np.isnan(full)])
    return out


def _ranks(row: np.ndarray) -> np.ndarray:
    ranks = rankdata(row)
    return (ranks - ranks.min()) / (ranks.max() - ranks.min())


def _threshold(ranks: np.ndarray, low: float, high: float) -> np.ndarray:
    lo, hi = np.quantile(ranks, low), np.quantile(ranks, high)
    return np.clip((ranks - lo) / (hi - lo), 0.0, 1.0)


def _accuracy(x: np.ndarray) -> float:
    by = x.reshape(SUBJECTS, REGIONS, -1)
    right = 0
    for s in range(SUBJECTS):
        centroids = np.delete(by, s, axis=0).mean(axis=0)
        for k in range(REGIONS):
            right += int(np.argmin([np.linalg.norm(by[s, k] - c) for c in centroids]) == k)
    return right / len(x)


def _geodesics(values: np.ndarray, peer: str, bound: float, *, repeats: int) -> Row:
    def ours() -> np.ndarray:
        return geodesic(values, high=HIGH, zero_edges="drop", unreachable="infinity")

    def theirs() -> np.ndarray:
        return np.stack([_peer(row, peer) for row in values])

    mine, plain, found, expected = alternate(ours, theirs, repeats=repeats)
    finite = np.isfinite(expected)
    same = np.array_equal(np.isfinite(found), finite) and np.allclose(found[finite], expected[finite])
    ratio = plain / mine
    return Row(
        what=f"geodesic matrices, {len(values)} of {STIMULI} stimuli; {peer} per matrix",
        ours=mine * 1e3,
        theirs=plain * 1e3,
        unit="ms",
        figure=f"{ratio:.1f}x",
        bound=f"at least {bound:g}x, equal lengths",
        passed=ratio >= bound and same,
        note="edges of length zero dropped, as the peer does" if same else "lengths differ",
    )


def _peer(row: np.ndarray, peer: str) -> np.ndarray:
    weights = _threshold(_ranks(row), 0.0, HIGH)
    square = squareform(np.where(weights < 1.0, weights, 0.0))
    if peer == "networkx":
        lengths = networkx.floyd_warshall_numpy(networkx.from_numpy_array(square))
    else:
        lengths = shortest_path(square, method="FW", directed=False)
    return np.asarray(lengths)[np.triu_indices(len(square), 1)]
