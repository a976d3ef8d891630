"""The tests agree with scipy, do not depend on order or scale, and accept no more noise than they promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hodology.errors import InputError, UnknownNameError
from hodology.interpret import effect_tests as module
from hodology.interpret.effect_tests import effect_tests
from hodology.rng import stream
from hodology.stats import t_interval


def _effects(rows=6, samples=10, seed=0, shift=0.3):
    return stream(seed, "effects").normal(shift, 1.0, (rows, samples))


@pytest.mark.parametrize("samples", [2, 8, 45])
def test_t_equals_scipy_one_sided(samples):
    effects = _effects(samples=samples)
    found = effect_tests(effects, test="t", correction="none")
    expected = stats.ttest_1samp(effects, 0.0, axis=1, alternative="greater").pvalue
    assert found.kind == "t"
    assert np.allclose(found.p, expected, rtol=1e-10)
    assert np.array_equal(found.adjusted, found.p)
    assert np.allclose(found.effect, effects.mean(axis=1))


@pytest.mark.parametrize("samples", [5, 8])
def test_all_sign_flips_equal_scipy_exactly(samples):
    effects = _effects(samples=samples, shift=0.5)
    effects[1] = np.abs(effects[1])  # nothing flips to more
    effects[2] = -np.abs(effects[2])
    effects[3] = [1.0, -1.0] * (samples // 2) + [2.0] * (samples % 2)  # many ties
    found = effect_tests(effects, test="permutation", correction="none")
    expected = stats.permutation_test(
        (effects.T,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="greater", axis=0
    ).pvalue
    assert np.allclose(found.p, expected, rtol=1e-12)
    assert found.p[1] == 0.5**samples
    assert found.p[2] == 1.0


def test_drawn_sign_flips_come_near_all_of_them_and_are_never_zero():
    effects = _effects(rows=20, samples=14, shift=0.4)
    effects[0] = np.abs(effects[0]) + 5
    found = effect_tests(effects, test="permutation", correction="none", rng=3)
    exact = stats.permutation_test(
        (effects.T,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="greater", axis=0
    ).pvalue
    assert np.abs(found.p - exact).max() < 4 * 0.5 / np.sqrt(10_000)
    assert found.p[0] >= 1 / 10_001
    assert found.p[0] < 5e-4


def test_draws_depend_on_the_seed_alone():
    effects = _effects(samples=20)
    before = np.random.get_state()[1].copy()
    first, again, other = (effect_tests(effects, test="permutation", rng=s).p for s in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.array_equal(np.random.get_state()[1], before)


def test_auto_flips_signs_below_thirty_samples():
    assert effect_tests(_effects(samples=29)).kind == "permutation"
    assert effect_tests(_effects(samples=30)).kind == "t"


@given(seed=st.integers(0, 10**6), test=st.sampled_from(["t", "permutation"]))
@settings(max_examples=30, deadline=None)
def test_order_of_samples_and_of_edges_does_not_matter(seed, test):
    effects = _effects(samples=9, seed=seed)
    generator = stream(seed, "order")
    samples, rows = generator.permutation(9), generator.permutation(6)
    found = effect_tests(effects, test=test)
    moved = effect_tests(effects[rows][:, samples], test=test)
    for name in ("effect", "low", "high", "p", "adjusted"):
        assert np.allclose(getattr(moved, name), getattr(found, name)[rows], rtol=1e-9, atol=1e-12)


@given(
    power=st.integers(-20, 20), test=st.sampled_from(["t", "permutation"]), samples=st.sampled_from([9, 15])
)
@settings(max_examples=40, deadline=None)
def test_p_values_do_not_depend_on_the_unit_of_effects(power, test, samples):
    effects = _effects(samples=samples)
    effects[1] = np.round(effects[1])  # ties
    scaled = effect_tests(effects * 2.0**power * 1e-6, test=test)
    assert np.allclose(scaled.p, effect_tests(effects, test=test).p, rtol=1e-9)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_a_larger_shift_never_raises_the_p_value(seed):
    effects = _effects(samples=8, seed=seed)
    for test in ("t", "permutation"):
        low, high = (effect_tests(effects + shift, test=test, correction="none").p for shift in (0.0, 0.25))
        assert (high <= low + 1e-12).all()


def test_intervals_are_those_of_student():
    effects = _effects(samples=12)
    for kind in ("t", "permutation", "none"):
        found = effect_tests(effects, test=kind)
        expected = [t_interval(row) for row in effects]
        assert np.allclose(found.low, [i.low for i in expected])
        assert np.allclose(found.high, [i.high for i in expected])


def test_constant_rows_have_the_limits_of_their_p_values():
    rows = np.array([[0.0] * 9, [1.0] * 9, [-1.0] * 9])
    assert effect_tests(rows, test="t", correction="none").p.tolist() == [0.5, 0.0, 1.0]
    exact = effect_tests(rows, test="permutation", correction="none").p
    assert exact.tolist() == [1.0, 0.5**9, 1.0]


def test_without_a_test_there_are_no_p_values():
    found = effect_tests(_effects(), test="none")
    assert np.isnan(found.p).all()
    assert np.isnan(found.adjusted).all()
    assert np.isfinite(found.low).all()
    single = effect_tests(_effects(samples=1), test="t")
    assert np.isnan(np.concatenate([single.p, single.low, single.high])).all()
    assert np.isfinite(single.effect).all()


def test_no_rows_give_no_results():
    for test in ("t", "permutation", "none"):
        assert effect_tests(np.zeros((0, 9)), test=test).p.shape == (0,)


@pytest.mark.parametrize("candidates", [None, 6, 40])
def test_corrections_count_all_candidates(candidates):
    effects = _effects(samples=40, shift=0.35)
    raw = effect_tests(effects, correction="none", candidates=candidates).p
    padded = np.concatenate([raw, np.ones((candidates or 6) - 6)])
    bh = effect_tests(effects, correction="bh", candidates=candidates).adjusted
    assert np.allclose(bh, stats.false_discovery_control(padded, method="bh")[:6])
    order = np.argsort(padded, kind="stable")
    steps = np.minimum(np.maximum.accumulate(padded[order] * np.arange(len(padded), 0, -1)), 1.0)
    expected = np.empty(len(padded))
    expected[order] = steps
    assert np.allclose(effect_tests(effects, correction="holm", candidates=candidates).adjusted, expected[:6])
    assert np.array_equal(effect_tests(effects, correction="none", candidates=candidates).adjusted, raw)


def test_chunks_of_rows_do_not_matter(monkeypatch):
    effects = _effects(rows=50, samples=10)
    whole = effect_tests(effects, test="permutation").p
    monkeypatch.setattr(module, "_CELLS", 3 * 2**10)
    assert np.array_equal(effect_tests(effects, test="permutation").p, whole)


NOISE = {
    "normal": lambda generator, shape: generator.normal(size=shape),
    "heavy tails": lambda generator, shape: generator.standard_cauchy(size=shape),
    "one outlier": lambda generator, shape: (
        generator.choice((-1.0, 1.0), shape) * generator.random(shape) ** -2
    ),
}


@pytest.mark.parametrize(
    ("noise", "test", "samples"),
    [
        ("normal", "t", 30),
        ("normal", "permutation", 12),
        ("heavy tails", "permutation", 12),
        ("heavy tails", "permutation", 20),
        ("heavy tails", "t", 30),
        ("one outlier", "permutation", 8),
    ],
)
def test_pure_noise_is_accepted_no_more_often_than_alpha(noise, test, samples):
    alpha, draws = 0.05, 120
    accepted, below = 0, []
    for draw in range(draws):
        effects = NOISE[noise](stream(draw, "noise"), (100, samples))
        found = effect_tests(effects, test=test, rng=draw)
        accepted += bool((found.adjusted <= alpha).any())
        below.append((found.p <= alpha).mean())
    assert accepted <= stats.binom.ppf(0.999, draws, alpha)  # any acceptance is a false one
    assert np.mean(below) <= alpha + 0.01


def test_among_true_effects_the_share_of_false_ones_is_kept():
    shares, found_true = [], []
    for draw in range(60):
        effects = stream(draw, "mixed").standard_normal((200, 25))
        effects[:60] += 1.0
        kept = effect_tests(effects, rng=draw).adjusted <= 0.1
        shares.append(kept[60:].sum() / max(1, kept.sum()))
        found_true.append(kept[:60].mean())
    assert np.mean(shares) <= 0.1
    assert np.mean(found_true) > 0.9


@pytest.mark.parametrize(
    ("effects", "options", "error", "message"),
    [
        (np.zeros(4), {}, InputError, r"effects must have shape \(effects, samples\), got \(4,\)"),
        (np.zeros((4, 0)), {}, InputError, r"got \(4, 0\)"),
        (np.array([[0.0, 1.0], [np.nan, 1.0]]), {}, InputError, "must be finite, got nan for sample 0"),
        (np.array([[0.0, np.inf]]), {}, InputError, "must be finite, got inf for sample 1"),
        (np.zeros((2, 9)), {"test": "permutations"}, UnknownNameError, "close names: 'permutation'"),
        (np.zeros((2, 9)), {"correction": "hb"}, UnknownNameError, "correction 'hb' does not exist"),
    ],
)
def test_bad_input_is_explained(effects, options, error, message):
    with pytest.raises(error, match=message):
        effect_tests(effects, **options)
