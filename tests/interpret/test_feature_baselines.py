"""Baseline directions by hand, of unit norm, in the space of the activations."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hodology.errors import InputError, UnknownNameError
from hodology.interpret.activation_table import ActivationTable
from hodology.interpret.concept_detection import match_concepts
from hodology.interpret.feature_baselines import (
    best_units,
    difference_of_means,
    independent_components,
    principal_components,
    project,
    random_directions,
    single_units,
)

X = np.array([[4.0, 0.0, 1.0], [2.0, 0.0, 1.0], [0.0, 3.0, 1.0], [0.0, 1.0, 1.0], [9.0, 9.0, 9.0]])
LABELS = ["a", "a", "b", "b", None]


def _table():
    return ActivationTable.from_array(X, labels=LABELS)


def test_differences_of_means_by_hand():
    expected = np.array([[3.0, -2.0, 0.0], [-3.0, 2.0, 0.0]]) / np.sqrt(13.0)
    np.testing.assert_allclose(difference_of_means(_table()), expected, atol=1e-6)
    np.testing.assert_allclose(difference_of_means(X, LABELS), expected, atol=1e-6)
    np.testing.assert_allclose(
        difference_of_means(torch.from_numpy(X[:4]), [0, 0, 1, 1]), expected, atol=1e-6
    )


def test_the_rest_of_several_labels_is_weighted_by_tokens():
    x = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 3.0], [2.0, 5.0]])
    found = difference_of_means(x, [0, 1, 1, 2])
    expected = np.array([1.0, 0.0]) - x[1:].mean(axis=0)
    np.testing.assert_allclose(found[0], expected / np.linalg.norm(expected), atol=1e-6)


def test_a_neutral_label_is_what_the_others_are_compared_with():
    x = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.0], [0.0, 0.0]])
    labels = ["red", "green", "plain", "plain"]
    found = difference_of_means(x, labels, neutral="plain")
    expected = np.array([[0.75, 0.0], [-0.25, 1.0]])
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-6)
    with pytest.raises(UnknownNameError, match="neutral 'plan' is no label; close names: 'plain'"):
        difference_of_means(x, labels, neutral="plan")
    codes = difference_of_means(x, [4, 2, 9, 9], neutral=9)
    np.testing.assert_allclose(codes, found[::-1])


def test_units_by_variance_and_by_label():
    assert single_units(X[:4], 2).tolist() == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    assert best_units(_table()).tolist() == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    scores = match_concepts(project(X[:4], best_units(_table())), LABELS[:4])
    assert scores.auroc.tolist() == [1.0, 1.0]


def test_random_directions_are_uniform_and_keep_the_first():
    many = random_directions(X, 4000, rng=1)
    assert np.array_equal(random_directions(X, 3, rng=1), many[:3])
    assert not np.array_equal(random_directions(X, 3, rng=2), many[:3])
    np.testing.assert_allclose(many.mean(axis=0), 0.0, atol=0.05)
    np.testing.assert_allclose(many.T @ many / 4000, np.eye(3) / 3, atol=0.03)


def test_principal_components_are_the_leading_singular_vectors():
    x = np.random.default_rng(0).normal(size=(200, 4)) * [1.0, 5.0, 2.0, 0.1] + 7.0
    found = principal_components(x, 3)
    axes = np.linalg.svd(x - x.mean(axis=0))[2][:3]
    np.testing.assert_allclose(np.abs(np.sum(found * axes, axis=1)), 1.0, atol=1e-5)


def test_independent_components_are_the_columns_of_the_mixing():
    draws = np.random.default_rng(0)
    mixing = draws.normal(size=(3, 5))
    x = draws.laplace(size=(4000, 3)) @ mixing + 2.0
    found = independent_components(x, 3)
    unit = mixing / np.linalg.norm(mixing, axis=1, keepdims=True)
    assert (np.abs(found @ unit.T).max(axis=0) > 0.98).all()


@pytest.mark.parametrize(
    "make",
    [
        difference_of_means,
        best_units,
        lambda t: random_directions(t, 2),
        lambda t: single_units(t, 2),
        lambda t: principal_components(t, 2),
        lambda t: independent_components(t, 2),
    ],
)
def test_all_have_one_form(make):
    draws = np.random.default_rng(0)
    table = ActivationTable.from_array(draws.laplace(size=(300, 4)), labels=list(draws.integers(0, 2, 300)))
    found = make(table)
    assert found.dtype == np.float32
    assert found.shape == (2, 4)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(project(table, 3 * found), table.matrix @ found.T, atol=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: difference_of_means(X), "need labels"),
        (lambda: difference_of_means(X, ["a"] * 5), "at least two concepts, got 1"),
        (lambda: difference_of_means(X, [0, 1]), r"labels must be one per token \(5\), got 2"),
        (lambda: difference_of_means(np.ones((4, 2)), [0, 0, 1, 1]), "are equal; they have no difference"),
        (lambda: single_units(X, 4), r"k must be at most the number of units \(3\), got 4"),
        (lambda: principal_components(X, 4), r"tokens and units \(3\), got 4"),
        (lambda: independent_components(X, 0), "k must be an integer of at least 1"),
        (lambda: random_directions(X, 0), "k must be an integer of at least 1"),
        (lambda: project(X, np.ones((2, 5))), "directions must have 3 units"),
        (lambda: single_units(np.full((2, 2), np.inf), 1), "got infinity in row 0"),
    ],
)
def test_bad_calls_are_explained(call, message):
    with pytest.raises(InputError, match=message):
        call()
