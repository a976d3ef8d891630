"""Dissimilarities: scipy's values, exact zeros, invariances, and unbiased distances over runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist

from hodology.errors import InputError, UnknownNameError
from hodology.geometry.crossnobis import crossnobis, noise_covariance, whiten
from hodology.geometry.dissimilarity import dissimilarities
from hodology.geometry.patterns import as_patterns
from hodology.rng import stream

MEASURES = ("correlation", "cosine", "euclidean", "sqeuclidean")


def _patterns(n: int = 40, units: int = 300, dtype: type = np.float64) -> np.ndarray:
    return stream(0, "patterns").normal(1.0, 1.0, (n, units)).astype(dtype)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("max_bytes", [2**29, 5_000])
def test_values_are_those_of_scipy(measure: Any, max_bytes: int) -> None:
    x = _patterns()
    found = dissimilarities(x, measure=measure, max_bytes=max_bytes).values[0]
    assert found == pytest.approx(pdist(x, measure), rel=1e-10)


@pytest.mark.parametrize("measure", MEASURES)
def test_float32_stays_float32_and_keeps_its_digits(measure: Any) -> None:
    x = _patterns(dtype=np.float32, units=3000)
    found = dissimilarities(x, measure=measure)
    assert found.values.dtype == np.float32
    assert found.values[0] == pytest.approx(pdist(x.astype(np.float64), measure), rel=2e-5)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equal_rows_have_distance_zero_exactly(measure: Any, dtype: type) -> None:
    x = _patterns(dtype=dtype)
    x[7], x[20] = x[3], x[3]
    square = dissimilarities(x, measure=measure).square()[0]
    assert square[3, 7] == square[7, 20] == 0.0
    assert (square[~np.eye(len(x), dtype=bool)] == 0).sum() == 6


@pytest.mark.parametrize("measure", ["euclidean", "correlation"])
def test_near_rows_far_from_the_origin_keep_their_distance(measure: Any) -> None:
    x = _patterns() + 1e4
    step = 1e-6 * stream(0, "step").normal(size=x.shape[1])
    x[1] = x[0] + step
    step = x[1] - x[0]  # as far as float64 kept it
    found = dissimilarities(x, measure=measure).values[0, 0]
    if measure == "euclidean":
        expected = np.linalg.norm(step)
        assert found == pytest.approx(expected, rel=1e-9)
    else:  # 1 - r for a small step: the part of it across the pattern, over its length, squared and halved
        a, b = x[0] - x[0].mean(), step - step.mean()
        across = b - a * (a @ b) / (a @ a)
        assert found == pytest.approx(0.5 * (across @ across) / (a @ a), rel=1e-4)


def test_many_near_rows_in_float32_keep_their_distances() -> None:
    base = _patterns(1, 400, np.float32)
    x = base + 1e-4 * _patterns(60, 400, np.float32)
    found = dissimilarities(x).values[0]
    assert found == pytest.approx(pdist(x.astype(np.float64), "correlation"), rel=3e-3)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(2, 12),
    units=st.integers(2, 9),
    scale=st.sampled_from([1e-6, 1.0, 1e6]),
)
def test_invariances(seed: int, n: int, units: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, units))
    rotation = np.linalg.qr(rng.normal(size=(units, units)))[0]
    order = rng.permutation(n)
    euclidean = dissimilarities(x, measure="euclidean")
    moved = dissimilarities(x @ rotation + rng.normal(size=units), measure="euclidean")
    assert moved.values == pytest.approx(euclidean.values, rel=1e-7)
    scaled = dissimilarities(scale * x + 3 * scale, measure="correlation")
    assert scaled.values == pytest.approx(
        dissimilarities(x, measure="correlation").values, rel=1e-6, abs=1e-12
    )
    shuffled = dissimilarities(x[order], measure="euclidean").square()[0]
    assert shuffled == pytest.approx(euclidean.square()[0][np.ix_(order, order)], rel=1e-10)
    assert (scaled.values >= 0).all()
    assert (scaled.values <= 2).all()


def test_input_is_not_changed() -> None:
    x = _patterns()
    before = x.copy()
    for measure in MEASURES:
        dissimilarities(x, measure=measure)  # type: ignore[arg-type]
    assert np.array_equal(x, before)


def test_a_mapping_gives_named_matrices_with_labels() -> None:
    layers = {"conv1": as_patterns(_patterns(5, 6), stimuli="abcde"), "conv2": _patterns(5, 9)}
    found = dissimilarities(layers, measure="euclidean")
    assert (found.names, found.stimuli, found.measure) == (("conv1", "conv2"), tuple("abcde"), "euclidean")
    listed = [as_patterns(x, name=name) for name, x in layers.items()]
    assert np.array_equal(dissimilarities(listed, measure="euclidean").values, found.values)


@pytest.mark.parametrize(("measure", "row"), [("correlation", [2.1, 2.1, 2.1]), ("cosine", [0.0, 0.0, 0.0])])
def test_undefined_stimuli_are_named(measure: Any, row: list[float]) -> None:
    x = as_patterns([[1.0, 2.0, 4.0], row, [0.0, 1.0, 1.0]], stimuli=["cat", "grey", "dog"])
    with pytest.raises(InputError, match="undefined for stimuli that .*: 'grey'"):
        dissimilarities(x, measure=measure)


def test_mahalanobis_is_scipys_squared_over_units() -> None:
    x = _patterns(8, 5)
    covariance = np.cov(_patterns(100, 5).T)
    expected = pdist(x, "mahalanobis", VI=np.linalg.inv(covariance)) ** 2 / 5
    found = dissimilarities(x, measure="mahalanobis", noise=covariance).values[0]
    assert found == pytest.approx(expected, rel=1e-9)
    diagonal = dissimilarities(x, measure="mahalanobis", noise=np.diag(covariance)).values
    full = dissimilarities(x, measure="mahalanobis", noise=np.diag(np.diag(covariance))).values
    assert diagonal == pytest.approx(full)


def test_whitened_noise_has_unit_covariance() -> None:
    noise = stream(0, "noise").normal(size=(5000, 4)) @ np.diag([1.0, 2.0, 3.0, 4.0])
    covariance = noise_covariance(noise, shrinkage="none")
    assert np.cov(whiten(noise, covariance).T) == pytest.approx(np.eye(4), abs=1e-9)


def test_shrunk_covariance_is_that_of_scikit_learn() -> None:
    from sklearn.covariance import LedoitWolf

    residuals = _patterns(10, 30)
    assert noise_covariance(residuals) == pytest.approx(LedoitWolf().fit(residuals).covariance_)
    assert np.linalg.eigvalsh(noise_covariance(residuals)).min() > 0


def _plain_crossnobis(x: np.ndarray) -> np.ndarray:
    """The definition, pair by pair and fold by fold."""
    runs, n, units = x.shape
    out = []
    for i in range(n):
        for j in range(i + 1, n):
            deltas = x[:, i] - x[:, j]
            products = [deltas[f] @ deltas[g] for f in range(runs) for g in range(runs) if f != g]
            out.append(np.mean(products) / units)
    return np.array(out)


def test_crossnobis_is_the_mean_over_all_pairs_of_runs() -> None:
    x = stream(1, "runs").normal(size=(4, 6, 7))
    assert crossnobis(x).values[0] == pytest.approx(_plain_crossnobis(x), rel=1e-10)


def test_crossnobis_is_unbiased_where_mahalanobis_is_not() -> None:
    rng = stream(2, "bias")
    truth = np.zeros((3, 20))
    truth[2] = 1.0
    crossed, plain = [], []
    for _ in range(300):
        x = truth + rng.normal(size=(4, 3, 20))
        crossed.append(crossnobis(x).values[0])
        plain.append(dissimilarities(x.mean(axis=0), measure="mahalanobis", noise=np.ones(20)).values[0])
    error = np.std(crossed, axis=0) / np.sqrt(300)
    assert (np.abs(np.mean(crossed, axis=0) - [0.0, 1.0, 1.0]) < 4 * error).all()
    assert np.min(crossed) < 0
    assert np.mean(plain, axis=0)[0] > 0.4  # 2 / runs


def test_rows_with_labels_are_the_same_as_the_array() -> None:
    x = stream(3, "rows").normal(size=(3, 4, 5))
    runs, conditions = np.repeat([1, 2, 3], 4), np.tile(list("abcd"), 3)
    order = stream(3, "order").permutation(12)
    found = dissimilarities(
        x.reshape(12, 5)[order], measure="crossnobis", runs=runs[order], conditions=conditions[order]
    )
    labels = list("abcd")
    assert found.select_stimuli(labels).values == pytest.approx(crossnobis(x).values)


def test_estimated_noise_is_the_unbiased_variance_over_runs() -> None:
    x = stream(4, "scales").normal(size=(5, 12, 3)) * np.array([1.0, 10.0, 100.0])
    variances = x.var(axis=0, ddof=1).mean(axis=0)
    expected = crossnobis(x, noise=variances).values
    assert crossnobis(x, noise="diagonal").values == pytest.approx(expected)


def test_shrunk_noise_of_many_runs_is_the_noise() -> None:
    factor = np.array([[1.0, 0.0], [0.8, 0.6]])
    x = stream(5, "many runs").normal(size=(400, 6, 2)) @ factor.T
    x[:, 0] += 3.0
    found = crossnobis(x, noise="ledoit-wolf").values[0]
    assert found == pytest.approx(crossnobis(x, noise=factor @ factor.T).values[0], rel=0.1, abs=0.01)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"measure": "manhattan"}, "measure 'manhattan' does not exist"),
        ({"measure": "mahalanobis"}, "needs noise="),
        ({"measure": "mahalanobis", "noise": np.ones((2, 3))}, r"covariance of shape \(3, 3\)"),
        ({"measure": "mahalanobis", "noise": np.ones((3, 3))}, "not positive definite; shrink it"),
        ({"measure": "mahalanobis", "noise": np.array([1.0, 0.0, 1.0])}, "variances must be positive"),
        ({"measure": "mahalanobis", "noise": np.array([[1, 2, 0], [0, 1, 0], [0, 0, 1.0]])}, "symmetric"),
        ({"measure": "euclidean", "noise": np.ones(3)}, "noise is for 'mahalanobis' and 'crossnobis'"),
        ({"measure": "euclidean", "runs": [1, 2]}, "runs and conditions are for measure 'crossnobis'"),
        ({"measure": "crossnobis", "runs": [1, 1, 2, 2]}, "must be given together"),
        (
            {"measure": "crossnobis", "runs": [1, 1, 2, 2], "conditions": list("abac")},
            "run '1' has no .* 'c'",
        ),
        ({"measure": "crossnobis"}, r"shape \(runs, stimuli, units\)"),
    ],
)
def test_bad_arguments(options: dict[str, Any], message: str) -> None:
    with pytest.raises((InputError, UnknownNameError), match=message):
        dissimilarities(_patterns(4, 3), **options)


def test_one_stimulus_has_no_dissimilarity() -> None:
    with pytest.raises(InputError, match="at least two stimuli, got 1"):
        dissimilarities(np.ones((1, 4)))


@pytest.mark.filterwarnings("ignore")  # its own casts warn
def test_agreement_with_rsatoolbox() -> None:
    rsatoolbox = pytest.importorskip("rsatoolbox")
    x = stream(5, "peer").normal(size=(3, 6, 9))
    data = rsatoolbox.data.Dataset(
        x.reshape(18, 9), obs_descriptors={"c": np.tile(np.arange(6), 3), "r": np.repeat(np.arange(3), 6)}
    )
    precision = np.linalg.inv(noise_covariance(_patterns(50, 9)))
    covariance = np.linalg.inv(precision)
    theirs = rsatoolbox.rdm.calc_rdm(
        data, method="crossnobis", descriptor="c", cv_descriptor="r", noise=precision
    )
    assert crossnobis(x, noise=covariance).values == pytest.approx(
        theirs.dissimilarities, rel=1e-9, abs=1e-10
    )
    single = rsatoolbox.data.Dataset(x[0])
    correlation = rsatoolbox.rdm.calc_rdm(single, method="correlation").dissimilarities
    assert dissimilarities(x[0]).values == pytest.approx(correlation, abs=1e-10)
    mahalanobis = rsatoolbox.rdm.calc_rdm(single, method="mahalanobis", noise=precision).dissimilarities
    mine = dissimilarities(x[0], measure="mahalanobis", noise=covariance).values
    assert mine == pytest.approx(mahalanobis, rel=1e-9)
