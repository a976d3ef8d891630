"""Profiles count, agree with brute force, and the permutation test separates signal from none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hodology.errors import InputError
from hodology.interpret import class_agreement, class_profile, prune_mask
from hodology.path import PathSet


def _paths(units):
    units = np.asarray(units)
    return PathSet.from_units(
        units, [str(i) for i in range(units.shape[1])], np.zeros(len(units)), measure="m"
    )


def test_frequencies_preferred_paths_and_masks_by_hand():
    paths = _paths([[0, 1], [0, 2], [1, 2], [3, 3]])
    profile = class_profile(paths, [7, 7, 7, 9], widths=[4, 4])
    np.testing.assert_allclose(profile.frequency[0], [[2 / 3, 1 / 3, 0, 0], [0, 0, 0, 1]])
    assert profile.preferred().tolist() == [[0, 2], [3, 3]]
    masks = prune_mask(paths, [7, 7, 7, 9], 1, widths=[4, 4], n_classes=10)
    assert masks[0][7].tolist() == [True, False, False, False]
    assert not masks[0][0].any()
    assert prune_mask(paths, [7, 7, 7, 9], 3, widths=[4, 4])[1][9].tolist() == [False, False, False, True]


def test_identical_classes_are_similar_and_disjoint_ones_not():
    profile = class_profile(_paths([[0, 1], [0, 1], [2, 3]]), [0, 1, 2])
    np.testing.assert_allclose(profile.similarity(), [[1, 1, 0], [1, 1, 0], [0, 0, 1]], atol=1e-12)
    assert profile.nearest(1) == [(0, 1, pytest.approx(1.0))]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 2)), min_size=4, max_size=20))
def test_agreement_equals_brute_force(rows):
    units, labels = np.array([r[:2] for r in rows]), np.array([r[2] for r in rows])
    if len(np.unique(labels)) in (1, len(labels)):
        return
    pairs = [(i, j) for i in range(len(rows)) for j in range(len(rows)) if i != j]
    share = {p: (units[p[0]] == units[p[1]]).mean() for p in pairs}
    found = class_agreement(_paths(units), labels, n_permutations=5)
    assert found.within == pytest.approx(
        np.mean([share[p] for p in pairs if labels[p[0]] == labels[p[1]]]), abs=1e-6
    )
    assert found.between == pytest.approx(
        np.mean([share[p] for p in pairs if labels[p[0]] != labels[p[1]]]), abs=1e-6
    )


def test_the_permutation_test_finds_structure_and_only_structure():
    labels = np.repeat([0, 1], 20)
    assert class_agreement(_paths(np.stack([labels, labels], axis=1)), labels).p_value == pytest.approx(
        1 / 201
    )
    noise = np.random.default_rng(0).integers(0, 5, (40, 2))
    assert class_agreement(_paths(noise), labels).p_value > 0.05


def test_bad_labels_are_explained():
    paths = _paths([[0, 1], [0, 2]])
    with pytest.raises(InputError, match="got 3 labels for 2 paths"):
        class_profile(paths, [0, 1, 2])
    with pytest.raises(InputError, match="at least two classes"):
        class_agreement(paths, [0, 0])
    with pytest.raises(InputError, match="k must be at least 1"):
        prune_mask(paths, [0, 1], 0)
