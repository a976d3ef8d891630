"""Canonical correlations: scikit-learn's values, invariances, and the warning about too few stimuli."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from hodology.errors import InputError
from hodology.geometry.cca import cca, pwcca, svcca
from hodology.rng import stream


def _pair(n: int = 200, p: int = 5, q: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = stream(0, "cca", n, p, q)
    x = rng.normal(size=(n, p))
    y = rng.normal(size=(n, q))
    y[:, :2] += 2 * x[:, :2]
    return x, y


def test_correlations_by_the_textbook() -> None:
    x, y = _pair()
    a, b = x - x.mean(axis=0), y - y.mean(axis=0)
    product = np.linalg.solve(a.T @ a, a.T @ b) @ np.linalg.solve(b.T @ b, b.T @ a)
    expected = np.sqrt(np.sort(np.linalg.eigvals(product).real)[::-1][:4])
    found = cca(x, y)
    assert found.correlations == pytest.approx(expected)
    assert found.mean == pytest.approx(expected.mean())
    assert (found.x_components, found.y_components, found.n_stimuli) == (5, 4, 200)


def test_first_correlation_is_that_of_scikit_learn() -> None:
    from sklearn.cross_decomposition import CCA

    x, y = _pair()
    left, right = CCA(n_components=1, max_iter=5000, tol=1e-12).fit_transform(x, y)
    assert cca(x, y).correlations[0] == pytest.approx(np.corrcoef(left[:, 0], right[:, 0])[0, 1], abs=1e-6)


def test_blind_to_invertible_maps_of_the_units() -> None:
    x, y = _pair()
    mixed = x @ stream(0, "mix").normal(size=(5, 5)) + 3.0
    assert cca(mixed, y).correlations == pytest.approx(cca(x, y).correlations)
    assert cca(y, x).correlations == pytest.approx(cca(x, y).correlations)


def test_more_units_than_stimuli_go_through_the_gram_matrix() -> None:
    """The same few components spread over many units."""
    x, y = _pair(60, 4, 3)
    spread = [np.linalg.qr(stream(0, "spread", k).normal(size=(300, k)))[0].T for k in (4, 3)]
    wide, also = x @ spread[0], y @ spread[1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cca(wide, also).correlations == pytest.approx(cca(x, y).correlations, abs=1e-6)
        assert pwcca(wide, y) == pytest.approx(pwcca(x @ spread[0][:, :50], y), rel=0.2)


def test_svcca_is_cca_of_the_leading_components() -> None:
    rng = stream(1, "sv")
    x = rng.normal(size=(100, 8)) * np.array([10.0, 8, 6, 1, 0.1, 0.1, 0.1, 0.1])
    y = x @ rng.normal(size=(8, 8)) + rng.normal(size=(100, 8))
    found = svcca(x, y, variance=0.9, max_components=3)
    left, right = (np.linalg.svd(v - v.mean(axis=0), full_matrices=False)[0] for v in (x, y))
    kept = found.x_components, found.y_components
    expected = np.linalg.svd(left[:, : kept[0]].T @ right[:, : kept[1]])[1]
    assert found.correlations == pytest.approx(expected)
    powers = np.linalg.svd(x - x.mean(axis=0))[1] ** 2
    assert found.x_variance == pytest.approx(powers[: kept[0]].sum() / powers.sum())
    assert found.x_variance >= 0.9


def test_pwcca_by_hand() -> None:
    x, y = _pair()
    a = x - x.mean(axis=0)
    q, r = np.linalg.qr(a)
    b = np.linalg.qr(y - y.mean(axis=0))[0]
    left, values, _ = np.linalg.svd(q.T @ b, full_matrices=False)
    weights = np.abs((q @ left).T @ a).sum(axis=1)
    assert pwcca(x, y) == pytest.approx(weights @ values / weights.sum())
    assert pwcca(x, y) != pytest.approx(pwcca(y, x), abs=1e-3)


def test_unrelated_sets_look_alike_when_components_approach_the_stimuli() -> None:
    rng = stream(2, "trap")
    x, y = rng.normal(size=(2, 60, 400))
    with pytest.warns(UserWarning, match=r"keeps \d+ components for 60 stimuli, a third or more") as caught:
        high = svcca(x, y)
    assert len(caught) == 2
    assert high.mean > 0.9
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert svcca(x, y, max_components=5).mean < 0.4


@pytest.mark.parametrize("function", [cca, pwcca])
def test_as_many_dimensions_as_stimuli_are_refused(function: Any) -> None:
    x, y = stream(3, "refused").normal(size=(2, 20, 30))
    with pytest.raises(
        InputError, match="spans 19 dimensions over 20 stimuli, so every .* would be 1; use svcca"
    ):
        function(x, y)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variance": 0.0}, r"variance must lie in \(0, 1\]"),
        ({"max_components": 0}, "max_components must be at least 1"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        svcca(*_pair(), **options)


def test_bad_patterns() -> None:
    x, y = _pair()
    with pytest.raises(InputError, match="same stimuli, got 200 and 100"):
        cca(x, y[:100])
    with pytest.raises(InputError, match="responds the same to every stimulus"):
        cca(np.ones((10, 2)), x[:10])
    with pytest.raises(InputError, match="at least three stimuli"):
        cca(x[:2], y[:2])
