"""Kernel alignment: definitions, invariances, unbiasedness, streams and bootstraps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hodology.errors import InputError, UnknownNameError
from hodology.geometry.cka import (
    MinibatchCKA,
    centre_kernel,
    cka_from_kernels,
    cka_matrix,
    kernel_cka,
    kernel_of,
    linear_cka,
)
from hodology.geometry.cka_bootstrap import bootstrap_cka
from hodology.geometry.rsa_resampling import draw_stimuli
from hodology.rng import stream


def _pair(n: int = 20, p: int = 7, q: int = 5) -> tuple[np.ndarray, np.ndarray]:
    rng = stream(0, "pair", n, p, q)
    x = rng.normal(1.0, 1.0, (n, p))
    return x, x[:, :1] + rng.normal(size=(n, q))


def _hsic(k: np.ndarray, other: np.ndarray) -> float:
    n = len(k)
    h = np.eye(n) - 1 / n
    return float(np.trace(h @ k @ h @ h @ other @ h))


def _hsic_1(k: np.ndarray, other: np.ndarray) -> float:
    """Song's estimator, written as in the paper."""
    n = len(k)
    k, other = k - np.diag(np.diag(k)), other - np.diag(np.diag(other))
    one = np.ones(n)
    total = np.trace(k @ other) + (one @ k @ one) * (one @ other @ one) / ((n - 1) * (n - 2))
    return float((total - 2 / (n - 2) * (one @ k @ other @ one)) / (n * (n - 3)))


@pytest.mark.parametrize(("n", "p", "q"), [(20, 7, 5), (6, 50, 40), (6, 50, 2)])
@pytest.mark.parametrize("unbiased", [False, True])
def test_definition_over_units_and_over_stimuli(n: int, p: int, q: int, unbiased: bool) -> None:
    x, y = _pair(n, p, q)
    measure = _hsic_1 if unbiased else _hsic
    k, other = x @ x.T, y @ y.T
    expected = measure(k, other) / np.sqrt(measure(k, k) * measure(other, other))
    assert linear_cka(x, y, unbiased=unbiased) == pytest.approx(expected, rel=1e-10)
    assert cka_from_kernels(k, other, unbiased=unbiased) == pytest.approx(expected, rel=1e-10)
    assert kernel_cka(x, y, kernel="linear", unbiased=unbiased) == pytest.approx(expected, rel=1e-10)
    assert cka_matrix({"x": x}, {"y": y}, unbiased=unbiased)[0, 0] == pytest.approx(expected, rel=1e-10)


def test_u_centred_kernels_give_hsic_1() -> None:
    x, y = _pair()
    k, other = (centre_kernel(v @ v.T, unbiased=True) for v in (x, y))
    assert (k * other).sum() / (20 * 17) == pytest.approx(_hsic_1(x @ x.T, y @ y.T))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 9999), n=st.integers(5, 15), p=st.integers(1, 20), unbiased=st.booleans())
def test_invariances(seed: int, n: int, p: int, unbiased: bool) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, p)), rng.normal(size=(n, 4))
    rotation = np.linalg.qr(rng.normal(size=(p, p)))[0]
    order = rng.permutation(n)
    found = linear_cka(x, y, unbiased=unbiased)
    assert linear_cka(5 * x @ rotation + rng.normal(size=p), y, unbiased=unbiased) == pytest.approx(
        found, abs=1e-8
    )
    assert linear_cka(x[order], y[order], unbiased=unbiased) == pytest.approx(found, abs=1e-9)
    assert linear_cka(y, x, unbiased=unbiased) == pytest.approx(found, abs=1e-9)
    assert linear_cka(x, x, unbiased=unbiased) == pytest.approx(1.0)
    if not unbiased:
        assert -1e-12 <= found <= 1 + 1e-12


def test_an_invertible_map_changes_it() -> None:
    x, _ = _pair()
    assert linear_cka(x, x * np.array([100.0, 1, 1, 1, 1, 1, 1])) < 0.9


def test_unrelated_patterns_of_many_units_are_at_zero_when_unbiased() -> None:
    rng = stream(1, "unrelated")
    found = [
        [linear_cka(*rng.normal(size=(2, 15, 200)), unbiased=u) for u in (False, True)] for _ in range(100)
    ]
    biased, unbiased = np.mean(found, axis=0)
    assert biased > 0.9
    assert abs(unbiased) < 4 * np.std(found, axis=0)[1] / 10


def test_float32_is_close_to_float64() -> None:
    x, y = _pair(200, 50, 40)
    found = linear_cka(x.astype(np.float32), y.astype(np.float32))
    assert found == pytest.approx(linear_cka(x, y), rel=1e-5)


def test_gaussian_kernel_has_the_median_distance() -> None:
    x, y = _pair()
    squares = ((x[:, None] - x) ** 2).sum(axis=2)
    median = np.median(squares[np.triu_indices(20, 1)])
    assert kernel_of(x, kernel="rbf", bandwidth=0.5) == pytest.approx(np.exp(-squares / (2 * 0.25 * median)))
    assert kernel_cka(x, x) == pytest.approx(1.0)
    assert kernel_cka(3 * x, y) == pytest.approx(kernel_cka(x, y))
    wide = kernel_cka(x, y, bandwidth=1000.0)
    assert wide == pytest.approx(linear_cka(x, y), rel=1e-3)  # a wide Gaussian is linear


def test_matrix_of_layers() -> None:
    x, y = _pair()
    found = cka_matrix({"x": x, "y": y})
    assert np.diag(found) == pytest.approx(np.ones(2))
    assert found == pytest.approx(found.T)
    assert found[0, 1] == pytest.approx(linear_cka(x, y))


def test_batches_average_the_unbiased_estimator() -> None:
    rng = stream(2, "stream")
    x = rng.normal(size=(4000, 6))
    y = x @ rng.normal(size=(6, 8)) + rng.normal(size=(4000, 8))
    batches = MinibatchCKA()
    for part in np.split(np.arange(4000), 100):
        batches.update(x[part], y[part])
    assert batches.value() == pytest.approx(linear_cka(x, y, unbiased=True), abs=0.01)
    whole = MinibatchCKA()
    whole.update(x, y)
    assert whole.value() == pytest.approx(linear_cka(x, y, unbiased=True))
    with pytest.raises(InputError, match="no batch has been added"):
        MinibatchCKA().value()


def test_bootstrap_is_cka_of_the_samples() -> None:
    x, y = _pair()
    z = stream(0, "z").normal(size=(20, 30))
    samples = draw_stimuli(20, n_boot=25)
    found = bootstrap_cka({"x": x, "z": z}, {"y": y, "x": x}, samples=samples)
    for k, sample in enumerate(samples):
        assert found.values[k, 1, 0] == pytest.approx(linear_cka(z[sample], y[sample]), rel=1e-9)
        assert found.values[k, 0, 0] == pytest.approx(linear_cka(x[sample], y[sample]), rel=1e-9)
    assert found.values[:, 0, 1] == pytest.approx(np.ones(25))
    assert found.estimate[0, 0] == pytest.approx(linear_cka(x, y))
    assert found.standard_errors().shape == (2, 2)
    assert np.array_equal(bootstrap_cka(x, y, n_boot=30).values, bootstrap_cka(x, y, n_boot=30).values)


def test_patterns_without_variation() -> None:
    x, _ = _pair()
    with pytest.warns(UserWarning, match="without variation"):
        assert np.isnan(linear_cka(x, np.ones((20, 2))))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: linear_cka(np.ones((5, 2)), np.ones((6, 2))), "same stimuli, got 5 and 6"),
        (lambda: linear_cka(np.eye(3), np.eye(3), unbiased=True), "at least 4 stimuli, got 3"),
        (lambda: cka_from_kernels(np.ones((3, 2)), np.eye(3)), "finite square matrix"),
        (lambda: cka_from_kernels(np.triu(np.ones((4, 4))), np.eye(4)), "must be symmetric"),
        (lambda: kernel_cka(np.ones((5, 2)), np.eye(5)), "median distance is zero"),
        (lambda: kernel_cka(np.eye(5), np.eye(5), bandwidth=0.0), "bandwidth must be positive"),
        (lambda: kernel_cka(np.eye(5), np.eye(5), kernel="poly"), "kernel 'poly' does not exist"),  # type: ignore[arg-type]
        (lambda: cka_matrix({}), "at least one set"),
        (lambda: bootstrap_cka(np.eye(5), np.eye(6)), "same stimuli, got 5 and 6"),
        (lambda: bootstrap_cka(np.ones((5, 2)), np.eye(5)), "patterns of 'x' have no variation"),
    ],
)
def test_bad_arguments(call: Any, message: str) -> None:
    with pytest.raises((InputError, UnknownNameError), match=message):
        call()
