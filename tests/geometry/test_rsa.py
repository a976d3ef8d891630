"""Ranks and comparisons of matrices: scipy's values, ties, missing pairs, whitening."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from scipy.spatial.distance import squareform

from hodology.errors import InputError, UnknownNameError
from hodology.geometry.dissimilarity import dissimilarities
from hodology.geometry.ranks import rank_minmax, rank_rows
from hodology.geometry.rdm_files import read_rdms
from hodology.geometry.rdms import as_rdms
from hodology.geometry.rsa import compare_rdms
from hodology.rng import stream

MEASURES = ("spearman", "pearson", "cosine", "kendall-a", "rho-a", "whitened-cosine", "whitened-pearson")


def _tied(rows: int, name: str, *, n: int = 9) -> np.ndarray:
    """Matrices with many equal values."""
    return stream(0, name).integers(1, 8, (rows, n * (n - 1) // 2)).astype(float)


@settings(max_examples=40, deadline=None)
@given(arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 30)), elements=st.integers(-3, 3)))
def test_ranks_are_those_of_scipy(values: np.ndarray) -> None:
    assert np.array_equal(rank_rows(values), stats.rankdata(values, axis=1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.int64, np.uint8, np.bool_])
def test_ranks_of_every_dtype(dtype: type) -> None:
    values = np.array([[3, 1, 2, 3], [0, 0, 0, 1]]).astype(dtype)
    assert np.array_equal(rank_rows(values), stats.rankdata(values, axis=1))


def test_rank_minmax_goes_from_zero_to_one() -> None:
    found = rank_minmax(np.array([[5.0, 1.0, 1.0, 9.0]]))
    assert found.tolist() == [[0.6, 0.0, 0.0, 1.0]]
    with pytest.raises(InputError, match="row 1 has equal values only"):
        rank_minmax(np.array([[1.0, 2.0], [3.0, 3.0]]))
    with pytest.raises(InputError, match="row 0 has NaN"):
        rank_rows(np.array([[1.0, np.nan]]))


def test_measures_are_those_of_scipy() -> None:
    a, b = _tied(3, "a"), _tied(2, "b")
    expected: dict[str, Any] = {
        "spearman": lambda x, y: stats.spearmanr(x, y)[0],
        "pearson": lambda x, y: stats.pearsonr(x, y)[0],
        "cosine": lambda x, y: x @ y / np.sqrt(x @ x * (y @ y)),
        "kendall-a": _plain_kendall,
    }
    for measure, function in expected.items():
        wanted = [[function(x, y) for y in b] for x in a]
        assert compare_rdms(a, b, measure=measure) == pytest.approx(np.array(wanted), abs=1e-12), measure  # type: ignore[arg-type]


def _plain_kendall(x: np.ndarray, y: np.ndarray) -> float:
    signs = np.sign(x[:, None] - x) * np.sign(y[:, None] - y)
    return float(signs.sum() / (len(x) * (len(x) - 1)))


def test_rho_a_is_the_mean_of_spearman_over_broken_ties() -> None:
    a, b = np.array([1.0, 1.0, 2.0, 3.0, 3.0, 5.0]), np.array([1.0, 2.0, 2.0, 3.0, 1.0, 9.0])
    rng = stream(0, "ties")
    broken = [
        stats.spearmanr(a + 1e-3 * rng.permutation(6), b + 1e-3 * rng.permutation(6))[0] for _ in range(4000)
    ]
    found = compare_rdms(a, b, measure="rho-a")[0, 0]
    assert found == pytest.approx(np.mean(broken), abs=4 * np.std(broken) / np.sqrt(4000))


def test_kendall_and_rho_a_without_ties_are_the_usual_ones() -> None:
    a, b = stream(0, "c").random((2, 15)), stream(0, "d").random((2, 15))
    assert compare_rdms(a, b, measure="kendall-a")[1, 0] == pytest.approx(stats.kendalltau(a[1], b[0])[0])
    assert compare_rdms(a, b, measure="rho-a") == pytest.approx(compare_rdms(a, b))


def test_whitening_is_by_the_covariance_of_dissimilarities() -> None:
    n = 6
    contrasts = np.array([np.eye(n)[i] - np.eye(n)[j] for i in range(n) for j in range(i + 1, n)])
    inverse = np.linalg.inv((contrasts @ contrasts.T) ** 2)
    a, b = stream(0, "e").random((2, 15)), stream(0, "f").random((3, 15))
    for measure in ("whitened-cosine", "whitened-pearson"):
        x, y = (r - r.mean(axis=1, keepdims=True) if measure.endswith("pearson") else r for r in (a, b))
        own = [np.sqrt(np.einsum("ij,jk,ik->i", r, inverse, r)) for r in (x, y)]
        expected = x @ inverse @ y.T / own[0][:, None] / own[1]
        assert compare_rdms(a, b, measure=measure) == pytest.approx(expected)  # type: ignore[arg-type]


@pytest.mark.parametrize("measure", MEASURES)
def test_invariances(measure: Any) -> None:
    rng = stream(1, "invariance")
    a = as_rdms(rng.random((2, 28)), stimuli="abcdefgh")
    b = as_rdms(rng.random((3, 28)), stimuli="abcdefgh")
    found = compare_rdms(a, b, measure=measure)
    assert np.diag(compare_rdms(a, measure=measure)) == pytest.approx(np.ones(2))
    assert compare_rdms(b, a, measure=measure) == pytest.approx(found.T)
    order = rng.permutation(8)
    shuffled = compare_rdms(a.select_stimuli(order), b.select_stimuli(order), measure=measure)
    assert shuffled == pytest.approx(found)
    assert compare_rdms(a, b.select_stimuli(order), measure=measure) == pytest.approx(found)  # labels align
    assert compare_rdms(3.0 * a.values, b.values, measure=measure) == pytest.approx(found)
    if measure in ("spearman", "kendall-a", "rho-a"):
        assert compare_rdms(np.exp(a.values), b.values, measure=measure) == pytest.approx(found)
    if measure == "pearson":
        assert compare_rdms(a.values + 5, b.values, measure=measure) == pytest.approx(found)


def test_missing_pairs_are_left_out_for_all() -> None:
    a, b = stream(0, "g").random((2, 15)), stream(0, "h").random((1, 15))
    gap = a.copy()
    gap[0, 4] = np.nan
    kept = np.arange(15) != 4
    for measure in ("spearman", "pearson", "cosine", "kendall-a"):
        expected = _rowwise(a[:, kept], b[:, kept], measure)
        assert compare_rdms(as_rdms(gap, missing="keep"), b, measure=measure) == pytest.approx(expected)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="'whitened-cosine' needs all pairs"):
        compare_rdms(as_rdms(gap, missing="keep"), b, measure="whitened-cosine")


def _rowwise(a: np.ndarray, b: np.ndarray, measure: str) -> np.ndarray:
    from hodology.geometry.rsa import compare_rows

    return compare_rows(a, b, measure=measure)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [0.5, 0.1])
def test_constant_matrices_have_no_similarity(value: float) -> None:
    constant, other = np.full((1, 15), value), stream(0, "i").random((1, 15))
    for measure in ("spearman", "pearson", "whitened-pearson"):
        with pytest.warns(UserWarning, match="no variation"):
            assert np.isnan(compare_rdms(constant, other, measure=measure)).all()  # type: ignore[arg-type]
    assert compare_rdms(constant, other, measure="kendall-a") == 0.0


def test_bad_arguments() -> None:
    with pytest.raises(UnknownNameError, match="measure 'spearmann' does not exist; close names: 'spearman'"):
        compare_rdms(_tied(1, "a"), measure="spearmann")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="same stimuli, got 9 and 8"):
        compare_rdms(_tied(1, "a"), _tied(1, "b", n=8))
    one, other = (as_rdms(_tied(1, "a", n=3), stimuli=labels) for labels in ("abc", "abd"))
    with pytest.raises(InputError, match="'c' is in one set only"):
        compare_rdms(one, other)


@pytest.mark.parametrize("measure", MEASURES)
def test_agreement_with_rsatoolbox(measure: Any) -> None:
    rsatoolbox = pytest.importorskip("rsatoolbox")
    theirs = dict(
        zip(MEASURES, ("spearman", "corr", "cosine", "tau-a", "rho-a", "cosine_cov", "corr_cov"), strict=True)
    )
    for a, b in (
        (_tied(3, "a"), _tied(2, "b")),
        (stream(0, "j").random((3, 36)), stream(0, "k").random((2, 36))),
    ):
        expected = rsatoolbox.rdm.compare(rsatoolbox.rdm.RDMs(a), rsatoolbox.rdm.RDMs(b), theirs[measure])
        assert compare_rdms(a, b, measure=measure) == pytest.approx(expected, abs=1e-10)


def test_similarity_of_similarities_is_spearman_of_correlation_distances() -> None:
    x, y = stream(0, "l").normal(size=(12, 40)), stream(0, "m").normal(size=(12, 30))
    upper = np.triu_indices(12, 1)
    expected = stats.spearmanr(np.corrcoef(x)[upper], np.corrcoef(y)[upper])[0]
    assert compare_rdms(dissimilarities(x), dissimilarities(y))[0, 0] == pytest.approx(expected)


def test_reference_values_of_the_92_images(real_data: Path) -> None:
    path = real_data / "92-image-rdms" / "rdms92.npz"
    human, alexnet, models = (read_rdms(path, key=key) for key in ("human_it", "alexnet", "models"))
    between = compare_rdms(human)
    assert [between[k, k + 1] for k in (0, 2, 4, 6)] == pytest.approx([0.277, 0.095, 0.382, 0.120], abs=5e-4)
    held = np.load(path)
    complete = [
        int(np.flatnonzero((held["alexnet_layer"] == layer) & (held["alexnet_measurement"] == "complete"))[0])
        for layer in ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8")
    ]
    v1 = models[int(np.flatnonzero(held["model_names"] == "V1")[0])]
    expected = [0.505, 0.438, 0.529, 0.382, 0.246, 0.141, 0.146, 0.140]
    assert compare_rdms(v1, alexnet[complete])[0] == pytest.approx(expected, abs=6e-4)


def test_square_input() -> None:
    a = stream(0, "n").random(15)
    assert compare_rdms(squareform(a), a[None])[0, 0] == pytest.approx(1.0)
