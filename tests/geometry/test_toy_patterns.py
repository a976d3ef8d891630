"""Shapes of known topology."""

from __future__ import annotations

import numpy as np
import pytest

from hodology.errors import InputError, UnknownNameError
from hodology.geometry.toy_patterns import TOY_PATTERNS, toy_pattern


@pytest.mark.parametrize("name", TOY_PATTERNS)
def test_shapes_are_reproducible_and_noise_is_added_to_them(name):
    points = toy_pattern(name, n=51, rng=3)
    assert points.shape == (51, 3)
    assert np.isfinite(points).all()
    assert len(np.unique(points.round(9), axis=0)) >= 50
    assert np.array_equal(points, toy_pattern(name, n=51, rng=3))
    noisy = toy_pattern(name, n=51, rng=3, noise=0.1)
    assert (noisy - points).std() == pytest.approx(0.1, rel=0.3)


def test_eights_cross_themselves_and_untangled_ones_do_not():
    def gap(name):
        points = toy_pattern(name, n=40)
        return np.linalg.norm(points[10] - points[30])  # t = pi/2 and 3 pi/2, where the plane curve crosses

    assert gap("flat 8") == pytest.approx(0, abs=1e-12)
    assert gap("twisted 8") == pytest.approx(0, abs=1e-12)
    assert gap("untangled flat 8") == pytest.approx(2 / 3)
    assert gap("untangled twisted 8") == pytest.approx(2 / 3)


def test_surfaces_and_rings_lie_where_they_should():
    x, y, z = toy_pattern("torus", n=500).T
    assert (np.hypot(x, y) - 2) ** 2 + z**2 == pytest.approx(np.ones(500))
    assert np.linalg.norm(toy_pattern("sphere", n=30), axis=1) == pytest.approx(np.ones(30))
    assert np.linalg.norm(toy_pattern("ring"), axis=1) == pytest.approx(np.ones(50))
    points = toy_pattern("locked rings", n=400)
    through = points[200:][np.abs(points[200:, 1]) + np.abs(points[200:, 2]) < 0.02]
    assert (np.hypot(through[:, 0], through[:, 1]) < 1).any()  # the second passes through the first
    ends = toy_pattern("broken ring")[[0, -1]]
    assert np.linalg.norm(ends[0] - ends[1]) > 0.9


def test_bad_input_is_explained():
    with pytest.raises(UnknownNameError, match="shape 'flat eight' does not exist; close names: 'flat 8'"):
        toy_pattern("flat eight")
    with pytest.raises(InputError, match="n must be at least 4, got 3"):
        toy_pattern("ring", n=3)
    with pytest.raises(InputError, match="noise must be 0 or more, got -1"):
        toy_pattern("ring", noise=-1)
