"""Cross-condition generalisation: whole conditions are left out, and abstract codes score one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from hodology.errors import InputError, UnknownNameError
from hodology.geometry.ccgp import ccgp
from hodology.geometry.linear_readouts import fit_predict

CUBE = np.array([[i >> b & 1 for b in range(3)] for i in range(8)], dtype=float)
FIRST = CUBE[:, 0].astype(int)
PARITY = CUBE.sum(axis=1).astype(int) % 2
KINDS = ("svm", "ridge", "mean-difference")


def noisy(means, per_condition, noise, seed=0):
    condition = np.repeat(np.arange(len(means)), per_condition)
    return means[condition] + noise * np.random.default_rng(seed).normal(
        size=(len(condition), means.shape[1])
    ), condition


@pytest.mark.parametrize("kind", KINDS)
def test_a_single_bit_of_a_cube_generalises_and_its_parity_does_the_opposite(kind):
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(20, 3)))[0].T
    z, condition = noisy(CUBE * [2, 1, 1] @ turn, 6, 0.01)
    found = ccgp(z, condition, FIRST, classifier=kind)
    assert found.value == 1.0
    assert len(found.accuracy) == 16
    assert found.exhaustive
    assert ccgp(z, condition, PARITY, classifier=kind).value < 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_conditions_without_shared_structure_are_at_chance(kind):
    z, condition = noisy(np.eye(8), 5, 0.0)
    found = ccgp(z, condition, FIRST, classifier=kind).value
    assert abs(found - 0.5) <= 0.3
    spread = np.random.default_rng(0).normal(size=(8, 400))
    values = [ccgp(spread, None, d, classifier="mean-difference").value for d in (FIRST, PARITY)]
    assert np.mean(values) == pytest.approx(0.5, abs=0.2)


def test_left_out_conditions_are_never_trained_on():
    seen = []

    class Watching(LogisticRegression):
        def fit(self, x, y):
            seen.append(np.unique(np.round(x @ x.T, 6), axis=0).shape[0])
            return super().fit(x, y)

    z, condition = noisy(CUBE, 4, 0.0)
    ccgp(z, condition, FIRST, classifier=Watching(), train_per_side=1)
    assert len(seen) == 16
    assert set(seen) == {2}


@pytest.mark.parametrize("kind", ["ridge", "mean-difference"])
def test_the_closed_form_over_splits_is_the_classifier_split_by_split(kind):
    rng = np.random.default_rng(3)
    means = rng.normal(size=(6, 9))
    dichotomy = np.array([0, 1, 1, 0, 0, 1])
    found = ccgp(means, None, dichotomy, classifier=kind, train_per_side=2)
    y = 2.0 * dichotomy - 1
    for accuracy, trained in zip(found.accuracy, found.trained, strict=True):
        assert trained.sum() == 4
        scores = fit_predict(
            means[trained], y[trained, None], means[~trained], classifier=kind, ridge=0.01, seed=0
        )[:, 0]
        assert accuracy == pytest.approx(np.mean(np.sign(scores) == y[~trained]))


@given(seed=st.integers(0, 50), scale=st.floats(0.1, 50), kind=st.sampled_from(["ridge", "mean-difference"]))
def test_scores_do_not_see_rotation_scale_shift_or_the_sign_of_the_dichotomy(seed, scale, kind):
    rng = np.random.default_rng(seed)
    z, condition = noisy(rng.normal(size=(6, 5)), 3, 0.3, seed)
    dichotomy = np.array([0, 1, 0, 1, 1, 0])
    turn = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    one = ccgp(z, condition, dichotomy, classifier=kind).accuracy
    assert ccgp(scale * z @ turn + 3.0, condition, dichotomy, classifier=kind).accuracy == pytest.approx(one)
    assert sorted(ccgp(z, condition, 1 - dichotomy, classifier=kind).accuracy) == pytest.approx(sorted(one))


def test_many_splits_are_drawn_without_repetition():
    z = np.random.default_rng(0).normal(size=(16, 4))
    dichotomy = np.arange(16) % 2
    found = ccgp(z, None, dichotomy, classifier="ridge", train_per_side=4, max_splits=50, seed=2)
    assert not found.exhaustive
    assert len(np.unique(found.trained, axis=0)) == 50
    assert (found.trained[:, dichotomy == 1].sum(axis=1) == 4).all()
    again = ccgp(z, None, dichotomy, classifier="ridge", train_per_side=4, max_splits=50, seed=2)
    assert (again.accuracy == found.accuracy).all()


def test_classes_of_other_sizes_weigh_the_same():
    line = np.array([[0.0], [0.1], [0.2], [0.3], [1.0], [1.1]])
    dichotomy = [0, 0, 0, 0, 1, 1]
    found = ccgp(line, None, dichotomy, classifier="mean-difference")
    assert (found.trained.sum(axis=1) == 2).all()
    assert len(found.accuracy) == 8
    assert found.value == 1.0


def test_other_samples_can_be_tested_and_noise_makes_it_harder():
    z, condition = noisy(CUBE, 10, 0.01)
    rough = noisy(CUBE, 200, 1.0, seed=1)
    for kind in KINDS:
        clean = ccgp(z, condition, FIRST, classifier=kind).value
        hard = ccgp(z, condition, FIRST, classifier=kind, test=rough).value
        assert 0.55 < hard < clean == 1.0


def test_names_of_conditions_are_sorted_and_free():
    z, condition = noisy(CUBE, 3, 0.05)
    names = np.array([f"c{i}" for i in range(8)])[condition]
    shuffled = np.random.default_rng(0).permutation(len(z))
    one = ccgp(z, condition, FIRST, classifier="ridge")
    two = ccgp(z[shuffled], names[shuffled], FIRST, classifier="ridge")
    assert one.accuracy == pytest.approx(two.accuracy)


def test_constant_units_are_left_out_with_a_warning():
    z = np.column_stack([CUBE, np.ones(8)])
    with pytest.warns(UserWarning, match="1 constant units are left out"):
        assert ccgp(z, None, FIRST, classifier="ridge").value == 1.0


def test_bad_input_is_named():
    with pytest.raises(InputError, match="at least 4 conditions, got 3"):
        ccgp(np.eye(3), None, [0, 1, 1])
    with pytest.raises(InputError, match="all 8 conditions are of class 1"):
        ccgp(CUBE, None, np.ones(8, dtype=int))
    with pytest.raises(InputError, match="each class needs at least 2 conditions"):
        ccgp(CUBE, None, [1, 0, 0, 0, 0, 0, 0, 0])
    with pytest.raises(InputError, match="train_per_side must be from 1 to 3, got 4"):
        ccgp(CUBE, None, FIRST, train_per_side=4)
    with pytest.raises(UnknownNameError, match="classifier 'svc' does not exist"):
        ccgp(CUBE, None, FIRST, classifier="svc")
    with pytest.raises(InputError, match="fit and predict"):
        ccgp(CUBE, None, FIRST, classifier=3)
    with pytest.raises(InputError, match="must be finite"):
        ccgp(np.where(CUBE > 0, np.nan, 0), None, FIRST)
    with pytest.raises(InputError, match=r"one label per sample \(8\)"):
        ccgp(CUBE, [0, 1], FIRST)
    with pytest.raises(InputError, match="of the same conditions"):
        ccgp(CUBE, None, FIRST, test=(CUBE[:4], np.arange(4)))
    with pytest.raises(InputError, match=r"as many units \(3\), got 2"):
        ccgp(CUBE, None, FIRST, test=(CUBE[:, :2], np.arange(8)))
    with pytest.raises(InputError, match="max_splits"):
        ccgp(CUBE, None, FIRST, max_splits=0)
    with pytest.raises(InputError, match="ridge must be positive"):
        ccgp(CUBE, None, FIRST, ridge=0)
