"""Quadrature rules integrate what they must, exactly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hodology.errors import InputError, UnknownNameError
from hodology.nn.quadrature import quadrature


@given(st.sampled_from(["left", "right", "midpoint", "trapezoid", "gauss-legendre"]), st.integers(2, 60))
def test_weights_are_positive_and_sum_to_one(rule, n):
    nodes, weights = quadrature(rule, n)
    assert len(nodes) == n
    assert (weights > 0).all()
    assert weights.sum() == pytest.approx(1.0)
    assert ((nodes >= 0) & (nodes <= 1)).all()


@given(st.integers(1, 12), st.data())
def test_gauss_legendre_is_exact_up_to_degree_2n_minus_1(n, data):
    degree = data.draw(st.integers(0, 2 * n - 1))
    nodes, weights = quadrature("gauss-legendre", n)
    assert (weights * nodes**degree).sum() == pytest.approx(1 / (degree + 1), abs=1e-12)


def test_left_rule_never_visits_the_end():
    nodes, _ = quadrature("left", 20)
    np.testing.assert_allclose(nodes, np.arange(20) / 20)


@pytest.mark.parametrize(("rule", "n"), [("left", 0), ("left", 2.5), ("trapezoid", 1), ("left", True)])
def test_too_few_steps_are_refused(rule, n):
    with pytest.raises(InputError, match="steps must be an integer of at least"):
        quadrature(rule, n)


def test_unknown_rule_lists_near_names():
    with pytest.raises(UnknownNameError, match="close names: 'gauss-legendre'"):
        quadrature("gauss", 3)
