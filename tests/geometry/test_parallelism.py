"""Parallelism: the best pairing, by hand and by brute force, from patterns and from kernels."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hodology.errors import InputError, UnknownNameError
from hodology.geometry.parallelism import parallelism_of_kernel, parallelism_score

CUBE = np.array([[i >> b & 1 for b in range(3)] for i in range(8)], dtype=float)


def brute(z, labels):
    """The definition, one pairing at a time."""
    up, down = z[labels == 1], z[labels == 0]
    best = -1.0
    for order in permutations(range(len(down))):
        v = up - down[list(order)]
        v = v / np.linalg.norm(v, axis=1, keepdims=True)
        cosines = (v @ v.T)[np.triu_indices(len(v), 1)]
        best = max(best, float(cosines.mean()))
    return best


@given(seed=st.integers(0, 200))
def test_the_exact_score_is_the_best_of_all_pairings(seed):
    z = np.random.default_rng(seed).normal(size=(8, 4))
    labels = np.random.default_rng(seed).permutation([0, 0, 0, 0, 1, 1, 1, 1])
    found = parallelism_score(z, None, labels)
    assert found.exact
    assert found.value == pytest.approx(brute(z, labels))
    v = z[found.pairs[:, 0]] - z[found.pairs[:, 1]]
    v /= np.linalg.norm(v, axis=1, keepdims=True)
    assert (v @ v.T)[np.triu_indices(4, 1)].mean() == pytest.approx(found.value)
    assert (labels[found.pairs[:, 0]] == 1).all()
    assert (labels[found.pairs[:, 1]] == 0).all()
    assert parallelism_score(z, None, labels, pairing="assignment").value <= found.value + 1e-12


def test_a_cube_is_parallel_in_its_bits_and_an_arbitrary_pairing_would_not_show_it():
    bent = CUBE @ np.random.default_rng(0).normal(size=(3, 6))
    order = np.random.default_rng(3).permutation(8)
    for bit in range(3):
        labels = CUBE[order, bit].astype(int)
        for pairing in ("exact", "assignment"):
            assert parallelism_score(bent[order], None, labels, pairing=pairing).value == pytest.approx(1)
    long = CUBE[order] * [1, 3, 3]
    labels = CUBE[order, 0].astype(int)
    assert parallelism_score(long, None, labels).value == pytest.approx(1)
    v = long[labels == 1] - long[labels == 0]
    v /= np.linalg.norm(v, axis=1, keepdims=True)
    assert (v @ v.T)[np.triu_indices(4, 1)].mean() < 0.5


def test_equidistant_conditions_score_zero():
    assert parallelism_score(np.eye(8), None, [0, 1] * 4).value == pytest.approx(0, abs=1e-12)


def test_assignment_finds_any_translation_of_many_conditions():
    rng = np.random.default_rng(2)
    points = rng.normal(size=(16, 5))
    z = np.concatenate([points, points[rng.permutation(16)] + 4 * rng.normal(size=5)])
    found = parallelism_score(z, None, np.arange(32) < 16)
    assert not found.exact
    assert found.value == pytest.approx(1)


@given(seed=st.integers(0, 50), scale=st.floats(0.01, 100))
def test_rotation_scale_shift_and_sign_do_not_matter_and_kernels_suffice(seed, scale):
    rng = np.random.default_rng(seed)
    z, labels = rng.normal(size=(6, 4)), np.array([0, 1, 1, 0, 1, 0])
    value = parallelism_score(z, None, labels).value
    turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    assert parallelism_score(scale * z @ turn + 2, None, 1 - labels).value == pytest.approx(value)
    assert parallelism_of_kernel(z @ z.T, labels).value == pytest.approx(value)


def test_samples_are_averaged_by_condition():
    rng = np.random.default_rng(0)
    z = np.concatenate([CUBE + d for d in (0.3, -0.3)])
    z[:8, 0] += rng.normal(size=8)
    z[8:, 0] -= z[:8, 0] - CUBE[:, 0] - 0.3
    found = parallelism_score(z, list(range(8)) * 2, CUBE[:, 1].astype(int))
    assert found.value == pytest.approx(1)


def test_a_smaller_class_is_used_again_evenly():
    found = parallelism_score(np.random.default_rng(0).normal(size=(7, 3)), None, [1, 1, 1, 0, 0, 0, 0])
    assert found.pairs[:, 0].max() == 2
    assert sorted(np.bincount(found.pairs[:, 0])) == [1, 1, 2]
    assert sorted(found.pairs[:, 1]) == [3, 4, 5, 6]
    near = np.array([[0.0, 0.0], [9.0, 0.0], [20.0, 0.0], [1.0, 1.0], [2.0, 2.0], [3.0, 1.0], [1.0, 3.0]])
    for pairing in ("exact", "assignment"):  # all large-side conditions are nearest to the first
        pairs = parallelism_score(near, None, [1, 1, 1, 0, 0, 0, 0], pairing=pairing).pairs
        assert sorted(np.bincount(pairs[:, 0])) == [1, 1, 2]
    line = np.array([[0.0, 1.0], [5.0, 1.0], [0.0, 0.0], [5.0, 0.0], [5.0, -1.0]])
    exact = parallelism_score(line, None, [1, 1, 0, 0, 0])
    assert exact.value == pytest.approx(1)
    assert parallelism_score(line, None, [1, 1, 0, 0, 0], pairing="assignment").value == pytest.approx(1)
    assert parallelism_score(line, None, [0, 0, 1, 1, 1]).pairs[:, 1].tolist() == exact.pairs[:, 0].tolist()
    one = parallelism_score(line, None, [1, 0, 0, 0, 0])
    assert set(one.pairs[:, 0]) == {0}


def test_equal_conditions_give_nan_with_a_warning():
    with pytest.warns(UserWarning, match="undefined"):
        assert np.isnan(parallelism_of_kernel(np.zeros((4, 4)), [0, 0, 1, 1]).value)


def test_bad_input_is_named():
    with pytest.raises(InputError, match="a dichotomy needs both classes"):
        parallelism_score(CUBE, None, np.zeros(8, dtype=int))
    with pytest.raises(UnknownNameError, match="pairing 'hungarian'"):
        parallelism_score(CUBE, None, CUBE[:, 0].astype(int), pairing="hungarian")
    with pytest.raises(InputError, match="at least 3 conditions"):
        parallelism_of_kernel(np.eye(2), [0, 1])
    with pytest.raises(InputError, match="finite square"):
        parallelism_of_kernel(np.ones((2, 3)), [0, 1])
    with pytest.raises(InputError, match="use pairing='assignment'"):
        parallelism_score(np.eye(18), None, [0, 1] * 9, pairing="exact")
