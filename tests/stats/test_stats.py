"""Intervals and tests agree with scipy and with closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from hodology.errors import InputError, UnknownNameError
from hodology.stats import (
    benjamini_hochberg,
    bootstrap_interval,
    hierarchical_bootstrap,
    holm,
    label_permutation_test,
    paired_bootstrap,
    sign_flip_test,
    t_interval,
)

FLOATS = st.floats(-1e3, 1e3)


@given(st.lists(FLOATS, min_size=2, max_size=10).filter(lambda v: np.std(v) > 1e-3))
def test_t_interval_equals_scipy(values):
    found = t_interval(values)
    low, high = scipy.stats.t.interval(0.95, len(values) - 1, np.mean(values), scipy.stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-9, abs=1e-9)


def test_one_value_has_no_interval():
    found = t_interval([3.0])
    assert found.estimate == 3.0
    assert np.isnan(found.low)


@pytest.mark.parametrize("method", ["percentile", "bca"])
@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_bootstrap_agrees_with_scipy(method, statistic):
    values = np.random.default_rng(0).exponential(size=60)
    found = bootstrap_interval(values, statistic=statistic, method=method, n_resamples=20_000)
    peer = scipy.stats.bootstrap(
        (values,), getattr(np, statistic), n_resamples=20_000, method=method, rng=np.random.default_rng(1)
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((peer.low, peer.high), abs=0.03)


def test_bootstrap_covers_at_its_level():
    generator = np.random.default_rng(3)
    hits = 0
    for i in range(200):
        found = bootstrap_interval(generator.normal(size=40), n_resamples=400, rng=i)
        hits += found.low <= 0 <= found.high
    assert 0.88 <= hits / 200 <= 0.99


def test_rows_are_resampled_whole():
    pairs = np.stack([np.arange(20.0), 2 * np.arange(20.0)], axis=1)
    found = bootstrap_interval(
        pairs, statistic=lambda p: p.mean(axis=-2)[..., 1] - 2 * p.mean(axis=-2)[..., 0]
    )
    assert found.low == pytest.approx(0, abs=1e-12)
    assert found.high == pytest.approx(0, abs=1e-12)


@settings(max_examples=20, deadline=None)
@given(st.lists(FLOATS, min_size=2, max_size=20), st.floats(-50, 50), st.floats(0.1, 10))
def test_bootstrap_moves_with_shift_and_scale(values, shift, scale):
    values = np.array(values)
    base = bootstrap_interval(values, n_resamples=200)
    moved = bootstrap_interval(scale * values + shift, n_resamples=200)
    assert moved.low == pytest.approx(scale * base.low + shift, abs=1e-6)
    assert moved.high == pytest.approx(scale * base.high + shift, abs=1e-6)


def test_paired_and_hierarchical_intervals():
    generator = np.random.default_rng(0)
    a = generator.normal(size=50)
    assert paired_bootstrap(a + 1, a).low == pytest.approx(1.0)
    seeds = [generator.normal(loc, 0.1, 100) for loc in (0.0, 1.0, 2.0)]
    found = hierarchical_bootstrap(seeds, n_resamples=2000)
    assert found.estimate == pytest.approx(1.0, abs=0.05)
    assert found.high - found.low > 1.0  # the spread of seeds, not of their 300 items
    with pytest.raises(InputError, match="one shape"):
        paired_bootstrap(a, a[:3])
    with pytest.raises(InputError, match="at least one array"):
        hierarchical_bootstrap([])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bootstrap_interval([]), "at least one number"),
        (lambda: bootstrap_interval([1.0, np.nan]), "must be finite, got nan"),
        (lambda: t_interval([1.0], level=1.0), "level must lie between 0 and 1"),
        (lambda: bootstrap_interval([1.0], n_resamples=0), "n_resamples must be at least 1"),
        (lambda: bootstrap_interval(np.ones((3, 2))), "pass a callable"),
        (lambda: bootstrap_interval([1.0], method="basic"), "method 'basic' is not an interval"),
        (lambda: bootstrap_interval([1.0], statistic="mode"), "statistic 'mode' does not exist"),
    ],
)
def test_bad_input_is_explained(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_label_permutation_by_hand_and_under_the_null():
    values = np.array([0.0, 0, 0, 1, 1, 1])
    labels = np.array([0, 0, 0, 1, 1, 1])

    def gap(given):
        return values[given == 1].mean() - values[given == 0].mean()

    found = label_permutation_test(gap, labels, n_permutations=2000)
    assert found.statistic == 1.0
    assert found.p_value == pytest.approx(1 / 20, abs=0.02)  # one of 20 splits
    assert label_permutation_test(gap, labels, alternative="less", n_permutations=50).p_value == 1.0
    assert label_permutation_test(lambda given: 0.0, labels, n_permutations=9).p_value == 1.0
    with pytest.raises(UnknownNameError, match="alternative 'more' does not exist"):
        label_permutation_test(gap, labels, alternative="more")
    with pytest.raises(InputError, match="two labels and one permutation"):
        label_permutation_test(gap, labels[:1])


def test_sign_flips_are_exact_for_few_and_close_for_many():
    assert sign_flip_test([1.0, 2.0, 3.0]).p_value == pytest.approx(1 / 8)
    assert sign_flip_test([1.0, 2.0, 3.0], alternative="two-sided").p_value == pytest.approx(2 / 8)
    many = np.random.default_rng(0).normal(0.5, 1, 40)
    peer = scipy.stats.ttest_1samp(many, 0, alternative="greater").pvalue
    assert sign_flip_test(many).p_value == pytest.approx(peer, abs=0.01)
    with pytest.raises(InputError, match="must be finite numbers"):
        sign_flip_test([])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_benjamini_hochberg_equals_scipy(p):
    np.testing.assert_allclose(benjamini_hochberg(p), scipy.stats.false_discovery_control(p), atol=1e-12)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_lies_between_raw_and_bonferroni_and_keeps_order(p):
    found = holm(p)
    assert (found >= np.array(p) - 1e-15).all()
    assert (found <= np.minimum(np.array(p) * len(p), 1) + 1e-12).all()
    assert (np.diff(found[np.argsort(p, kind="stable")]) >= -1e-15).all()


def test_p_values_must_be_probabilities():
    with pytest.raises(InputError, match="from 0 to 1"):
        holm([0.5, 1.5])
    with pytest.raises(InputError, match="from 0 to 1"):
        benjamini_hochberg([float("nan")])
