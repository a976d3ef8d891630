"""Similarity of similarity matrices: over units, without the diagonal, by ranks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from hodology.errors import InputError
from hodology.geometry.layer_clusters import cluster_layers
from hodology.geometry.similarity_matrix import similarity_matrix, ssm, ssm_matrix


def draws(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def test_the_correlation_runs_over_units_not_over_images():
    x = draws(12, 30) + 5.0 * draws(1, 30, seed=1)  # units with means of their own: the two ways differ
    found = similarity_matrix(x)
    np.testing.assert_allclose(found, np.corrcoef(x), atol=1e-12)
    over_images = x - x.mean(axis=0)
    assert np.abs(found - np.corrcoef(over_images / over_images.std(axis=0))).max() > 0.1


def test_ssm_is_spearman_over_pairs_of_different_images():
    x, y = draws(15, 40), draws(15, 25, seed=1)
    upper = np.triu_indices(15, 1)
    expected = spearmanr(np.corrcoef(x)[upper], np.corrcoef(y)[upper]).statistic
    assert ssm(x, y) == pytest.approx(expected, abs=1e-12)
    assert ssm(x, y) != pytest.approx(
        np.corrcoef(np.corrcoef(x)[upper], np.corrcoef(y)[upper])[0, 1], abs=1e-6
    )


def test_the_diagonal_inflates_and_is_there_for_reproduction():
    x, y = draws(20, 40), draws(20, 40, seed=1)
    expected = spearmanr(np.corrcoef(x).ravel().round(12), np.corrcoef(y).ravel().round(12)).statistic
    assert ssm(x, y, include_diagonal=True) == pytest.approx(expected, abs=1e-6)
    null = [ssm(draws(20, 40, seed=k), y, include_diagonal=True) for k in range(2, 22)]
    plain = [ssm(draws(20, 40, seed=k), y) for k in range(2, 22)]
    assert np.mean(null) > 0.04
    assert np.mean(null) - np.mean(plain) > 0.04


@given(st.integers(0, 2**20), st.floats(0.1, 10.0), st.floats(-5.0, 5.0))
def test_gain_and_offset_of_a_population_and_the_order_of_images_do_not_matter(seed, gain, offset):
    x, y = draws(9, 12, seed=seed), draws(9, 7, seed=seed + 1)
    order = np.random.default_rng(seed).permutation(9)
    assert ssm(gain * x + offset, y) == pytest.approx(ssm(x, y), abs=1e-9)
    assert ssm(x[order], y[order]) == pytest.approx(ssm(x, y), abs=1e-9)


def test_all_pairs_are_those_of_single_calls():
    xs = {f"x{k}": draws(10, 20, seed=k) for k in range(3)}
    ys = {f"y{k}": draws(10, 15, seed=9 + k) for k in range(2)}
    found = ssm_matrix(xs, ys)
    assert found.shape == (3, 2)
    assert found[2, 1] == pytest.approx(ssm(xs["x2"], ys["y1"]))
    np.testing.assert_allclose(np.diag(ssm_matrix(xs)), 1.0)


def test_one_image_too_many_is_called_the_blank():
    with pytest.raises(
        InputError, match="118 responses of 'x' but 119 images of 'y': drop the blank, frame -1"
    ):
        ssm(draws(118, 5), draws(119, 5))
    with pytest.raises(InputError, match="show both the same ones"):
        ssm(draws(20, 5), draws(30, 5))


def test_images_without_variation_over_units_are_named():
    x = draws(12, 6)
    x[4] = 3.0
    with pytest.raises(InputError, match="4"):
        ssm(x, draws(12, 6, seed=1))


def test_layers_that_see_images_alike_are_one_cluster():
    one, two = draws(30, 50), draws(30, 50, seed=1)
    features = {
        "a1": one,
        "a2": one + 0.1 * draws(30, 50, seed=2),
        "b1": two,
        "b2": two + 0.1 * draws(30, 50, seed=3),
    }
    found = cluster_layers(features, n_clusters=2)
    assert found.groups() == (("a1", "a2"), ("b1", "b2"))
    assert found.labels == (0, 0, 1, 1)
    assert found.linkage.shape == (3, 4)
    with pytest.raises(InputError, match=r"from 1 to the number of layers \(4\), got 5"):
        cluster_layers(features)
