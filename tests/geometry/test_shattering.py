"""Decodability of all dichotomies, the trained ones apart."""

from __future__ import annotations

import numpy as np
import pytest

from hodology.errors import InputError
from hodology.geometry.linear_readouts import fit_predict
from hodology.geometry.shattering import shattering_dimension

SQUARE = np.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
BITS = [[0, 0, 1, 1], [0, 1, 0, 1]]


def noisy(means, per_condition, noise, seed=0):
    condition = np.repeat(np.arange(len(means)), per_condition)
    return means[condition] + noise * np.random.default_rng(seed).normal(
        size=(len(condition), means.shape[1])
    ), condition


@pytest.mark.parametrize("kind", ["svm", "ridge", "mean-difference"])
def test_a_square_lets_its_bits_be_read_but_not_their_parity(kind):
    z, condition = noisy(SQUARE, 30, 0.1)
    found = shattering_dimension(z, condition, trained=BITS, classifier=kind)
    assert found.trained == 1.0
    assert 0.2 < found.untrained < 0.8
    assert found.is_trained.tolist() == [True, True, False]
    assert (np.abs(found.dichotomies[2]) == 1).all()
    assert found.value == pytest.approx(found.accuracy.mean())
    lifted = np.column_stack([z, z[:, 0] * z[:, 1]])
    assert shattering_dimension(lifted, condition, trained=BITS, classifier=kind).untrained == 1.0


@pytest.mark.parametrize("kind", ["svm", "ridge"])
def test_equidistant_conditions_shatter_all_35_ways(kind):
    z, condition = noisy(np.eye(8), 6, 0.02)
    found = shattering_dimension(z, condition, classifier=kind, folds=2)
    assert len(found.accuracy) == 35
    assert found.untrained == 1.0
    assert np.isnan(found.trained)


def test_accuracy_is_held_out():
    z, condition = noisy(np.zeros((4, 60)), 8, 1.0)
    assert shattering_dimension(z, condition, classifier="ridge").value == pytest.approx(0.5, abs=0.2)
    z[::8] += 50  # one sample of each condition cannot teach what it is tested on
    fresh = shattering_dimension(z, condition, classifier="svm", test=(z, condition))
    assert fresh.value > 0.9


def test_a_trained_dichotomy_and_its_negative_are_one():
    z, condition = noisy(SQUARE, 10, 0.1)
    found = shattering_dimension(z, condition, trained=1 - np.array(BITS), classifier="ridge")
    assert len(found.accuracy) == 3
    odd = noisy(np.eye(5), 10, 0.1)
    assert len(shattering_dimension(*odd, unbalanced=True, classifier="ridge").accuracy) == 10
    kept = shattering_dimension(
        *odd, trained=[[1, 1, 0, 0, 0], [0, 0, 0, 1, 1]], unbalanced=True, classifier="ridge"
    )
    assert len(kept.accuracy) == 10


def test_many_dichotomies_are_drawn():
    z, condition = noisy(np.random.default_rng(0).normal(size=(12, 5)), 4, 0.1)
    assert len(shattering_dimension(z, condition, classifier="ridge", folds=2, most=40).accuracy) == 40


@pytest.mark.parametrize("shape", [(10, 30), (40, 6)])
def test_ridge_over_samples_and_over_units_is_the_same_formula(shape):
    rng = np.random.default_rng(0)
    x, y, new = (
        rng.normal(size=shape),
        rng.choice([-1.0, 1.0], size=(shape[0], 2)),
        rng.normal(size=(7, shape[1])),
    )
    found = fit_predict(x, y, new, classifier="ridge", ridge=0.1, seed=0)
    centred = x - x.mean(axis=0)
    penalty = 0.1 * (centred**2).sum() / len(x)
    weights = np.linalg.solve(
        centred.T @ centred + penalty * np.eye(shape[1]), centred.T @ (y - y.mean(axis=0))
    )
    assert found == pytest.approx((new - x.mean(axis=0)) @ weights + y.mean(axis=0))


def test_bad_input_is_named():
    z, condition = noisy(np.eye(7), 5, 0.1)
    with pytest.raises(InputError, match="7 conditions cannot be split in half; pass unbalanced=True"):
        shattering_dimension(z, condition)
    z, condition = noisy(SQUARE, 3, 0.1)
    with pytest.raises(InputError, match=r"\(3 of 0\), got 5; or pass test samples"):
        shattering_dimension(z, condition)
    with pytest.raises(InputError, match="a dichotomy needs both classes"):
        shattering_dimension(z, condition, trained=[[1, 1, 1, 1]], folds=2)
    with pytest.raises(InputError, match="missing values"):
        shattering_dimension(z, np.where(condition == 0, np.nan, condition))
    with pytest.raises(InputError, match="ridge must be positive"):
        shattering_dimension(z, condition, ridge=-1)
