"""Semi-NMF recovers planted factors, keeps its laws, agrees with the plain update, scipy and scikit-learn."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls

from benchmarks.plain_semi_nmf import plain_iteration, plain_semi_nmf
from hodology.errors import InputError, NotConvergedError, UnknownNameError
from hodology.interpret import semi_nmf_fit, semi_nmf_nnls
from hodology.interpret.semi_nmf import SemiNMF, match_components
from hodology.interpret.semi_nmf_init import start_coefficients
from hodology.interpret.semi_nmf_loop import Rules, factorise
from hodology.interpret.semi_nmf_nnls import nonnegative_coefficients
from hodology.interpret.semi_nmf_numpy import NumpySteps
from hodology.interpret.semi_nmf_updates import TorchSteps

SOLVERS = ("hals", "mu")
BACKENDS = ("torch", "numpy")


def planted(seed, *, n=200, d=60, k=4, units=6, noise=0.05):
    """Samples of `k` sparse signed factors, each of `units` units, and the factors."""
    generator = np.random.default_rng(seed)
    factors = np.zeros((k, d))
    for row in factors:
        row[generator.choice(d, units, replace=False)] = generator.choice([-1, 1], units) * (
            1 + generator.random(units)
        )
    x = generator.random((n, k)) * (generator.random((n, k)) < 0.5) @ factors
    return x + noise * x.std() * generator.standard_normal(x.shape), factors


def steps_of(kind, x, **options):
    scale = float(np.sqrt(np.mean(np.square(x, dtype=np.float64))))
    if kind == "numpy":
        return NumpySteps(x, scale=scale, norm2=float(x.size))
    return TorchSteps(torch.tensor(x), scale=scale, norm2=float(x.size), **options)


def share(x, model):
    return model.reconstruction_err_**2 / float(np.square(x, dtype=np.float64).sum())


@pytest.mark.parametrize("solver", SOLVERS)
def test_planted_factors_are_recovered_with_their_exact_support(solver):
    for seed, backend in enumerate((*BACKENDS, "numpy")):
        x, factors = planted(seed)
        options = {"solver": solver, "backend": backend, "max_iter": 300, "tol": 0, "restarts": 4}
        model = SemiNMF(4, sparsity=0.1, **options).fit(x)
        match = match_components(factors, model.components_)
        assert match.cosines.min() > 0.999
        found = model.components_[match.order]
        assert np.array_equal(found != 0, factors != 0)
        assert (model.coefficients_ >= 0).all()
        assert model.explained_ > 0.99


@settings(max_examples=40, deadline=None)
@given(
    st.integers(2, 20), st.integers(2, 20), st.integers(1, 5), st.integers(0, 999), st.sampled_from(SOLVERS)
)
def test_without_winner_take_all_the_loss_never_rises(n, d, k, seed, solver):
    assume(k <= min(n, d))
    x = np.random.default_rng(seed).standard_normal((n, d))
    backend = BACKENDS[seed % 2]
    options = {"max_iter": 40, "tol": 0, "check_every": 1, "random_state": seed}
    model = SemiNMF(k, solver=solver, backend=backend, dtype="float64", **options).fit(x)
    history = model.loss_history_ / np.square(x).sum()
    assert len(history) == 40
    assert np.diff(history).max() < 2e-6  # the ridge of 1e-6 is all that may raise it
    assert share(x, model) <= history.min() + 1e-9
    assert 0.0 <= model.explained_ <= 1.0


@pytest.mark.parametrize("kind", BACKENDS)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 3e-7), ("float64", 1e-14)])
def test_the_loss_from_inner_products_equals_the_residual(kind, dtype, tolerance):
    generator = np.random.default_rng(0)
    g, h = generator.random((5, 300)), generator.standard_normal((5, 40))
    for noise in (0.0, 1e-3, 1.0):
        x = 7.0 * (g.T @ h + noise * generator.standard_normal((300, 40))).astype(dtype)
        steps = steps_of(kind, x)
        mine, rows = steps.array(g), steps.array(h * 7.0 / float(steps.scale))
        p, q = steps.products(rows)
        found = steps.loss(mine, p, q, steps.gram(mine)) / steps.norm2
        direct = np.square(x - g.T @ h * 7.0, dtype=np.float64).sum() / np.square(x, dtype=np.float64).sum()
        assert found == pytest.approx(direct, abs=tolerance)


@pytest.mark.parametrize("kind", BACKENDS)
@pytest.mark.parametrize("sparsity", [0.1, 1.0])
def test_multiplicative_steps_equal_the_plain_ones(kind, sparsity):
    x, _ = planted(1, n=50, d=30)
    x /= np.sqrt(np.mean(x**2))
    steps = steps_of(kind, x)
    start = np.random.default_rng(2).random((4, 50))
    plain_g, a = torch.tensor(start.T), torch.tensor(x.T)
    for _ in range(12):
        g = steps.array(plain_g.T.numpy())
        gram = steps.gram(g)
        h = steps.features(g, gram)
        if sparsity < 1.0:
            h = steps.keep_largest(h, math.ceil(sparsity * 30))
        steps.rescale(g, h, gram)
        g = steps.multiplicative(g, *steps.products(h))
        plain_f, plain_g = plain_iteration(a, plain_g, sparsity)
        np.testing.assert_allclose(steps.host(h), plain_f.T.numpy(), atol=1e-9)
        np.testing.assert_allclose(steps.host(g), plain_g.T.numpy(), atol=1e-9)


@pytest.mark.parametrize("kind", BACKENDS)
def test_a_coordinate_step_is_the_exact_minimiser_of_its_column(kind):
    generator = np.random.default_rng(3)
    k, n = 37, 20  # more than two blocks
    h = generator.standard_normal((k, 50))
    start, p, q = generator.random((k, n)), generator.standard_normal((k, n)) * 9, h @ h.T
    expected = start.copy()
    for j in range(k):
        others = q[j] @ expected - q[j, j] * expected[j]
        expected[j] = np.maximum((p[j] - others) / q[j, j], 0.0)
    steps = steps_of(kind, generator.standard_normal((n, 50)))
    found = steps.hals(steps.array(start), steps.array(p), steps.array(q), sweeps=1)
    np.testing.assert_allclose(steps.host(found), expected, atol=1e-10)


def test_both_solvers_and_backends_reach_the_same_objective():
    x, _ = planted(0, noise=0.2)
    options = {"dtype": "float64", "tol": 0}
    slow = SemiNMF(4, solver="mu", backend="numpy", max_iter=2500, **options).fit(x)
    fast = [SemiNMF(4, solver="hals", backend=b, max_iter=400, **options).fit(x) for b in BACKENDS]
    assert share(x, fast[0]) == pytest.approx(share(x, fast[1]), rel=1e-6)
    assert share(x, fast[0]) == pytest.approx(share(x, slow), rel=1e-3)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("sparsity", [None, 0.2])
def test_backends_agree_and_the_sparse_product_is_exact(solver, sparsity):
    x, _ = planted(5)
    options = {"solver": solver, "max_iter": 30, "tol": 0, "dtype": "float64", "sparsity": sparsity}
    a, b = (SemiNMF(4, backend=backend, **options).fit(x) for backend in BACKENDS)
    np.testing.assert_allclose(a.components_, b.components_, atol=1e-8)
    np.testing.assert_allclose(a.coefficients_, b.coefficients_, atol=1e-8)
    few = steps_of("torch", x, share=0.02)
    h = few.keep_largest(few.array(np.random.default_rng(0).standard_normal((4, 60))), 1)
    assert few.sparse
    np.testing.assert_allclose(few.products(h)[0], steps_of("torch", x).products(h)[0], atol=1e-12)


def test_the_error_lies_between_svd_and_what_it_started_from():
    from sklearn.cluster import KMeans
    from sklearn.decomposition import NMF

    x = np.random.default_rng(6).random((40, 15))
    values = np.linalg.svd(x, compute_uv=False)
    nmf = NMF(4, init="nndsvda", max_iter=2000, tol=1e-8).fit(x)
    start = nmf.transform(x)
    model = SemiNMF(4, init=start, dtype="float64").fit(x)
    assert np.sqrt((values[4:] ** 2).sum()) <= model.reconstruction_err_ <= nmf.reconstruction_err_
    means = KMeans(4, n_init=1, random_state=0).fit(x)
    member = np.eye(4)[means.labels_]
    assert SemiNMF(4, init=member, dtype="float64").fit(x).reconstruction_err_ <= np.sqrt(means.inertia_)


@pytest.mark.parametrize("solver", SOLVERS)
def test_one_component_of_non_negative_data_is_the_first_singular_pair(solver):
    x = np.random.default_rng(7).random((30, 12))
    model = SemiNMF(1, solver=solver, max_iter=200, tol=0, dtype="float64").fit(x)
    left, values, right = np.linalg.svd(x)
    np.testing.assert_allclose(model.coefficients_[:, 0], np.abs(left[:, 0]), atol=1e-6)
    np.testing.assert_allclose(model.components_[0], values[0] * np.abs(right[0]), atol=1e-5)
    assert model.reconstruction_err_ == pytest.approx(np.sqrt((values[1:] ** 2).sum()), rel=1e-9)


@settings(max_examples=20, deadline=None)
@given(
    st.permutations(range(24)),
    st.permutations(range(14)),
    st.sampled_from(SOLVERS),
    st.sampled_from(BACKENDS),
)
def test_permuting_samples_and_features_permutes_the_factors(rows, columns, solver, backend):
    x, _ = planted(8, n=24, d=14, k=3)
    rows, columns = list(rows), list(columns)
    start = np.random.default_rng(0).random((24, 3))
    options = {"solver": solver, "backend": backend, "dtype": "float64", "max_iter": 12, "tol": 0}
    a = SemiNMF(3, sparsity=0.4, init=start, **options).fit(x)
    b = SemiNMF(3, sparsity=0.4, init=start[rows], **options).fit(x[rows][:, columns])
    np.testing.assert_allclose(b.components_, a.components_[:, columns], atol=1e-7)
    np.testing.assert_allclose(b.coefficients_, a.coefficients_[rows], atol=1e-7)


@settings(max_examples=20, deadline=None)
@given(st.floats(-8, 8), st.sampled_from(SOLVERS), st.integers(0, 2**14 - 1))
def test_scaling_scales_and_flipping_units_flips(power, solver, flips):
    x, _ = planted(9, n=24, d=14, k=3)
    sign = np.array([1.0 if flips >> i & 1 else -1.0 for i in range(14)])
    options = {"solver": solver, "sparsity": 0.4, "dtype": "float64", "max_iter": 12, "tol": 0}
    a, b = SemiNMF(3, **options).fit(x), SemiNMF(3, **options).fit(10**power * x * sign)
    np.testing.assert_allclose(b.components_, 10**power * a.components_ * sign, atol=1e-7 * 10**power)
    np.testing.assert_allclose(b.coefficients_, a.coefficients_, atol=1e-7)
    assert b.explained_ == pytest.approx(a.explained_, abs=1e-9)


def test_dense_components_rotate_with_the_features():
    x, _ = planted(10, n=24, d=14, k=3)
    turn, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((14, 14)))
    a, b = (SemiNMF(3, dtype="float64", max_iter=20, tol=0).fit(data) for data in (x, x @ turn))
    np.testing.assert_allclose(b.components_, a.components_ @ turn, atol=1e-8)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("init", ["random", "svd", "kmeans"])
def test_wide_dense_data_are_reduced_without_a_change(monkeypatch, backend, init):
    x, _ = planted(11, n=20, d=70, k=3)
    options = {"backend": backend, "init": init, "dtype": "float64", "max_iter": 40, "tol": 0}
    called = []
    true = semi_nmf_fit._reduced
    monkeypatch.setattr(semi_nmf_fit, "_reduced", lambda data: called.append(1) or true(data))
    a = SemiNMF(3, **options).fit(x)
    monkeypatch.setattr(semi_nmf_fit, "_worth_reducing", lambda *_: False)
    b = SemiNMF(3, **options).fit(x)
    assert called == [1]
    assert a.components_.shape == (3, 70)
    # the reduced fit computes its components once more at the end, so it is one half step ahead
    assert a.reconstruction_err_ == pytest.approx(b.reconstruction_err_, rel=1e-6)
    assert match_components(a.components_, b.components_).cosines.min() > 1 - 1e-6


@settings(max_examples=25, deadline=None)
@given(st.floats(0.001, 1.0), st.integers(5, 40), st.sampled_from(SOLVERS), st.sampled_from(BACKENDS))
def test_every_component_has_exactly_its_share_of_weights(sparsity, d, solver, backend):
    x = np.random.default_rng(d).standard_normal((30, d))
    model = SemiNMF(3, sparsity=sparsity, solver=solver, backend=backend, max_iter=10, tol=0).fit(x)
    expected = math.ceil(sparsity * d - 1e-9)
    assert np.count_nonzero(model.components_, axis=1).tolist() == [expected] * 3


def test_shares_that_are_not_binary_fractions_are_not_rounded_up():
    x = np.random.default_rng(0).standard_normal((20, 100))
    model = SemiNMF(2, sparsity=0.07, max_iter=5, tol=0).fit(x)  # 0.07 * 100 is 7.000000000000001
    assert np.count_nonzero(model.components_[0]) == 7


@pytest.mark.parametrize("kind", BACKENDS)
def test_weights_that_tie_with_the_smallest_one_kept_all_stay(kind):
    steps = steps_of(kind, np.eye(5))
    h = steps.keep_largest(steps.array([[3.0, -1.0, 1.0, 0.5, 0.0], [0.0, 0.0, 2.0, 0.0, 0.0]]), 2)
    assert steps.host(h).tolist() == [[3.0, -1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 2.0, 0.0, 0.0]]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 999), st.floats(-2, 4))
def test_transform_equals_scipys_nnls(k, d, seed, shift):
    assume(k <= d)
    generator = np.random.default_rng(seed)
    h = generator.standard_normal((k, d)) + shift  # a shift makes components nearly dependent
    x = generator.standard_normal((20, d)) + shift
    expected = [nnls(h.T, row) for row in x]
    found = nonnegative_coefficients(h @ h.T, x @ h.T)
    assert (found >= 0).all()
    np.testing.assert_allclose(
        np.linalg.norm(x - found @ h, axis=1), [error for _, error in expected], atol=1e-8
    )
    if np.linalg.cond(h) < 1e3:
        np.testing.assert_allclose(found, [y for y, _ in expected], atol=1e-7)


def test_dependent_and_empty_components_still_give_an_optimum(monkeypatch):
    generator = np.random.default_rng(0)
    h = generator.standard_normal((10, 30))
    h[5], h[6], h[7], h[9] = h[4], h[1] + h[2], -(h[0] + h[3]), 0.0
    x = generator.standard_normal((100, 30))
    expected = [nnls(h.T, row)[1] for row in x]
    for rounds in (60, 1):  # with one round the rows are left to scipy
        monkeypatch.setattr(semi_nmf_nnls, "_ROUNDS", rounds)
        monkeypatch.setattr(semi_nmf_nnls, "_SWEEPS", 20 if rounds > 1 else 0)
        found = nonnegative_coefficients(h @ h.T, x @ h.T)
        np.testing.assert_allclose(np.linalg.norm(x - found @ h, axis=1), expected, atol=1e-8)
        assert (found[:, 9] == 0).all()


@pytest.mark.parametrize("sweeps", [0, 20])
def test_pivoting_settles_ordinary_rows_by_itself(monkeypatch, sweeps):
    monkeypatch.setattr(semi_nmf_nnls, "_SWEEPS", sweeps)
    monkeypatch.setattr(semi_nmf_nnls, "_one_by_one", lambda *_: pytest.fail("rows were left open"))
    generator = np.random.default_rng(2)
    h, x = generator.standard_normal((20, 30)) + 0.3, generator.standard_normal((300, 30)) + 0.5
    found = nonnegative_coefficients(h @ h.T, x @ h.T)
    np.testing.assert_allclose(found[:60], [nnls(h.T, row)[0] for row in x[:60]], atol=1e-8)


def test_single_exchanges_end_where_full_ones_cycle(monkeypatch):
    monkeypatch.setattr(semi_nmf_nnls, "_SPARE", 0)
    monkeypatch.setattr(semi_nmf_nnls, "_SWEEPS", 0)
    generator = np.random.default_rng(1)
    h, x = generator.standard_normal((12, 14)), generator.standard_normal((40, 14))
    found = nonnegative_coefficients(h @ h.T, x @ h.T)
    np.testing.assert_allclose(found, [nnls(h.T, row)[0] for row in x], atol=1e-8)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_transform_of_the_fitted_samples_gives_their_coefficients(dtype):
    x, _ = planted(12)
    model = SemiNMF(4, sparsity=0.1, dtype=dtype, max_iter=40, tol=0).fit(x)
    tolerance = 1e-6 if dtype == "float32" else 1e-12
    assert model.components_.dtype == model.coefficients_.dtype == dtype
    np.testing.assert_allclose(model.transform(x), model.coefficients_, atol=tolerance)
    np.testing.assert_allclose(np.linalg.norm(model.coefficients_, axis=0), 1.0, atol=1e-6)
    back = model.inverse_transform(model.coefficients_)
    assert back.dtype == dtype
    assert np.linalg.norm(x - back) == pytest.approx(model.reconstruction_err_, rel=1e-6)
    total = np.square(x).sum()
    assert model.explained_ == pytest.approx(1 - model.reconstruction_err_**2 / total, rel=1e-6)
    assert np.array_equal(SemiNMF(**model.get_params()).fit_transform(x), model.coefficients_)


@pytest.mark.parametrize("init", ["random", "kmeans"])
def test_restarts_are_independent_deterministic_and_the_best_is_kept(init):
    x, _ = planted(13, k=8)
    options = {"init": init, "sparsity": 0.1, "max_iter": 30, "tol": 0}
    one, four = (SemiNMF(8, restarts=r, **options).fit(x) for r in (1, 4))
    again = SemiNMF(8, restarts=4, **options).fit(x)
    assert np.array_equal(four.components_, again.components_)
    assert four.restart_losses_[0] == one.restart_losses_[0]
    assert len(set(four.restart_losses_)) == 4
    assert four.loss_history_.min() == four.restart_losses_.min()
    assert four.reconstruction_err_**2 <= four.restart_losses_.min() * (1 + 1e-5)
    other = SemiNMF(8, random_state=1, **options).fit(x)
    assert not np.array_equal(one.components_, other.components_)


def test_global_random_state_is_neither_read_nor_set():
    x, _ = planted(14)
    fits = []
    for seed in (0, 1):
        np.random.seed(seed)
        torch.manual_seed(seed)
        before = np.random.get_state()[1].copy(), torch.get_rng_state()
        models = [SemiNMF(4, init=i, max_iter=5, tol=0).fit(x) for i in ("random", "svd", "kmeans")]
        fits.append([m.components_ for m in models])
        assert np.array_equal(np.random.get_state()[1], before[0])
        assert torch.equal(torch.get_rng_state(), before[1])
    assert all(np.array_equal(a, b) for a, b in zip(*fits, strict=True))


def test_the_best_iterate_is_kept_when_winner_take_all_lets_the_loss_rise():
    x = np.random.default_rng(17).standard_normal((60, 80))
    model = SemiNMF(10, sparsity=0.05, max_iter=60, tol=0, check_every=1).fit(x)
    assert np.diff(model.loss_history_).max() > 1e-4 * model.loss_history_[0]  # it did rise
    assert model.loss_history_.argmin() < 59
    assert model.reconstruction_err_**2 <= model.loss_history_.min() * (1 + 1e-6)


@pytest.mark.parametrize("kind", BACKENDS)
def test_coefficients_at_zero_are_not_locked(kind):
    x, _ = planted(16)
    member = np.eye(4)[np.arange(200) % 4].T  # three of four coefficients start at zero, wrongly
    steps = steps_of(kind, x)
    run = factorise(
        steps, start_coefficients(member.T, x, 4, seed=0, restart=0), Rules(None, "mu", 100, 0, 9, 10)
    )
    assert steps.host(run.g)[member == 0].max() > 0.01
    g = steps.multiplicative(steps.array(np.zeros((4, 200))), *steps.products(steps.array(np.ones((4, 60)))))
    assert float(g.min()) > 0.0


@pytest.mark.parametrize("kind", BACKENDS)
def test_a_component_without_coefficients_gets_the_worst_explained_sample(kind):
    x = np.array([[1.0, 0.0, 0.0], [2.0, 0.0, 0.0], [0.0, 9.0, 0.0], [0.0, 0.0, 4.0]])
    steps = steps_of(kind, x)
    g = steps.array([[1.0, 2.0, 0.0, 0.0], [0.0] * 4, [0.0] * 4])
    h = steps.array(np.array([[1.0, 0.0, 0.0], [0.0] * 3, [0.0] * 3]) / float(steps.scale))
    p, q = steps.products(h)
    assert steps.revive(g, p, q, steps.gram(g))
    assert steps.host(g)[1:].tolist() == [[0, 0, 1, 0], [0, 0, 0, 1]]
    assert not steps.revive(g, p, q, steps.gram(g))
    rules = Rules(None, "hals", 20, 0.0, 10, 1)
    assert factorise(steps, np.array([[1.0, 2.0, 0.0, 0.0], [0.0] * 4, [0.0] * 4]), rules).loss < 1e-10


@pytest.mark.parametrize("kind", BACKENDS)
def test_features_are_finite_where_rounding_spoils_the_gram_matrix(kind):
    x, _ = planted(17)
    steps = steps_of(kind, x)
    g = steps.array(np.repeat(np.random.default_rng(0).random((1, 200)), 4, axis=0) * 1e9)
    h = steps.host(steps.features(g, steps.gram(g)))
    fit = steps.host(g).T @ h * float(steps.scale)
    alone = np.outer(g[0], np.asarray(g[0]) @ x) / float((g[0] ** 2).sum())
    np.testing.assert_allclose(fit, alone, atol=1e-5)
    with pytest.raises(NotConvergedError, match="no longer finite"):
        steps.features(g * np.inf, steps.gram(g * np.inf))


def test_it_stops_when_nothing_changes_and_says_when_it_did_not():
    from sklearn.exceptions import ConvergenceWarning

    x, _ = planted(18)
    model = SemiNMF(4, sparsity=0.1).fit(x)
    assert model.converged_
    assert model.n_iter_ < 500
    assert len(model.loss_history_) == model.n_iter_ // 10
    patient = SemiNMF(4, sparsity=0.1, patience=20, check_every=5).fit(x)
    assert patient.n_iter_ < model.n_iter_
    assert patient.n_iter_ % 5 == 0
    with pytest.warns(ConvergenceWarning, match="ran all max_iter=12 .* set tol=0"):
        short = SemiNMF(4, max_iter=12).fit(x)
    assert (short.n_iter_, short.converged_, len(short.loss_history_)) == (12, False, 2)
    assert not SemiNMF(4, max_iter=12, tol=0).fit(x).converged_  # silent: warnings are errors here
    still = SemiNMF(2, max_iter=120, patience=20, tol=0).fit(np.eye(4)[[0, 0, 1, 1]])
    assert (still.n_iter_, still.converged_) == (120, False)


def test_silent_units_and_samples_get_exact_zeros():
    x, _ = planted(19)
    x[:, 7] = 0.0
    x[3] = 0.0
    for sparsity in (None, 0.1, 0.99):
        model = SemiNMF(4, sparsity=sparsity, max_iter=30, tol=0).fit(x)
        assert (model.components_[:, 7] == 0).all()
        assert (model.coefficients_[3] == 0).all()


def test_every_kind_of_matrix_is_read_and_none_is_changed(tmp_path):
    x = planted(20)[0].astype(np.float32)
    options = {"sparsity": 0.02, "max_iter": 12, "tol": 0}
    expected = SemiNMF(4, **options).fit(x)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    wide = np.zeros((200, 120), dtype=np.float32)
    wide[:, ::2] = x
    kinds = [
        x.tolist(),
        x.astype(np.float64),
        x.astype(">f4"),
        np.asfortranarray(x),
        x[::-1][::-1],
        wide[:, ::2],
        mapped,
        torch.tensor(x),
        torch.tensor(x).T.contiguous().T,
        torch.tensor(x, requires_grad=True),
    ]
    for kind in kinds:
        kept = kind.detach().clone() if isinstance(kind, torch.Tensor) else np.array(kind)
        model = SemiNMF(4, **options).fit(kind)
        np.testing.assert_allclose(model.components_, expected.components_, rtol=2e-3, atol=1e-3)
        found = model.transform(kind)
        assert isinstance(found, torch.Tensor) == isinstance(kind, torch.Tensor)
        now = kind.detach().numpy() if isinstance(kind, torch.Tensor) else np.asarray(kind)
        assert np.array_equal(now, kept)
    tensor = SemiNMF(4, **options).fit_transform(torch.tensor(x).half())
    assert tensor.dtype == torch.float32
    assert isinstance(expected.inverse_transform(tensor), torch.Tensor)
    assert np.array_equal(
        SemiNMF(2, max_iter=5, tol=0).fit(np.eye(4, dtype=int)).components_,
        SemiNMF(2, max_iter=5, tol=0).fit(np.eye(4, dtype=bool)).components_,
    )


def test_memory_mapped_data_of_the_right_type_are_not_copied(tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", planted(21)[0].astype(np.float32))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    seen = []
    true = TorchSteps.__init__

    def spy(self, x, **options):
        true(self, x, **options)
        seen.append(self.x.data_ptr())

    monkeypatch.setattr(TorchSteps, "__init__", spy)
    SemiNMF(4, sparsity=0.02, max_iter=3, tol=0).fit(mapped)
    assert seen == [mapped.ctypes.data]


@pytest.mark.parametrize("init", ["random", "svd", "kmeans"])
@pytest.mark.parametrize("solver", SOLVERS)
def test_all_starts_end_well(init, solver):
    x, _ = planted(22)
    model = SemiNMF(4, init=init, solver=solver, max_iter=300, tol=0).fit(x)
    values = np.linalg.svd(x, compute_uv=False)
    assert share(x, model) < 1.5 * (values[4:] ** 2).sum() / (values**2).sum()


def test_the_svd_start_is_the_positive_part_of_the_leading_vectors():
    x = np.random.default_rng(23).random((25, 9)) @ np.random.default_rng(24).standard_normal((9, 30))
    left, values, _ = np.linalg.svd(x)
    for data in (x, torch.tensor(x)):
        found = start_coefficients("svd", data, 3, seed=0, restart=0)
        for row, vector, value in zip(found, left.T, values, strict=False):
            flip = 1 if (np.maximum(vector, 0) ** 2).sum() > 0.5 else -1
            np.testing.assert_allclose(row, np.maximum(flip * np.sqrt(value) * vector, 1e-6), atol=1e-8)


def test_the_multiplicative_solver_starts_like_the_plain_algorithm_and_ends_no_worse():
    x, _ = planted(25)
    x /= np.sqrt(np.mean(x**2))
    start = np.random.default_rng(0).random((200, 4))
    plain = plain_semi_nmf(torch.tensor(x.T), torch.tensor(start), sparsity=0.1, max_iter=100)
    options = {
        "sparsity": 0.1,
        "init": start,
        "max_iter": 100,
        "tol": 0,
        "dtype": "float64",
        "check_every": 1,
    }
    mine = SemiNMF(4, solver="mu", **options).fit(x)
    np.testing.assert_allclose(mine.loss_history_[:4], plain.losses[:4], rtol=1e-8)
    assert mine.loss_history_.min() <= min(plain.losses)  # its coefficients at zero stay there, ours do not
    error = (torch.tensor(x.T) - plain.features @ plain.coefficients.T).square().sum()
    assert float(error) == pytest.approx(min(plain.losses))


@pytest.mark.filterwarnings("ignore:Estimator SemiNMF does not inherit")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learns_own_checks_pass():
    from sklearn.utils.estimator_checks import check_estimator

    results = check_estimator(SemiNMF(2, max_iter=50, tol=0))
    assert len(results) > 40
    assert {r["check_name"] for r in results if r["status"] != "passed"} <= {"check_array_api_input"}


def test_it_works_in_pipelines_clones_and_searches():
    from sklearn.base import clone
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline

    x, factors = planted(26)
    y = (x @ factors[0] > np.median(x @ factors[0])).astype(int)
    model = SemiNMF(4, sparsity=0.1, max_iter=60, tol=0)
    copy = clone(model)
    assert copy is not model
    assert copy.get_params() == model.get_params()
    pipeline = make_pipeline(model, LogisticRegression(C=1e3))
    assert pipeline.fit(x, y).score(x, y) > 0.9
    assert pipeline[:-1].get_feature_names_out().tolist() == [f"seminmf{i}" for i in range(4)]
    search = GridSearchCV(pipeline, {"seminmf__n_components": [1, 4]}, cv=3).fit(x, y)
    assert search.best_params_ == {"seminmf__n_components": 4}
    assert repr(model) == "SemiNMF(n_components=4, sparsity=0.1, max_iter=60, tol=0)"


def test_parameters_are_set_by_name():
    model = SemiNMF(3).set_params(solver="mu", tol=0.5)
    assert (model.solver, model.tol) == ("mu", 0.5)
    with pytest.raises(UnknownNameError, match="'sparsty' for SemiNMF; close names: 'sparsity'"):
        model.set_params(sparsty=0.1)


GOOD = np.random.default_rng(0).standard_normal((8, 6))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n_components": 0}, InputError, "n_components must be an integer of at least 1, got 0"),
        (
            {"n_components": 7},
            InputError,
            r"at most the number of features \(rows are samples .* got 7 for 6",
        ),
        ({"n_components": 9}, InputError, r"at least n_components=9 samples \(rows are .* is X transposed"),
        ({"sparsity": 0.0}, InputError, r"sparsity must be in \(0, 1\], got 0.0"),
        ({"sparsity": 1.5}, InputError, r"sparsity must be in \(0, 1\], got 1.5"),
        ({"tol": -1.0}, InputError, r"tol must be in \[0, 1\], got -1.0"),
        ({"max_iter": 2.5}, InputError, "max_iter must be an integer of at least 1, got 2.5"),
        ({"restarts": True}, InputError, "restarts must be an integer of at least 1, got True"),
        ({"init": "pca"}, UnknownNameError, "init 'pca' is not a start; known names: 'random'"),
        ({"init": np.ones((2, 8))}, InputError, r"coefficients of shape \(8, 2\) \(rows are samples"),
        ({"init": -np.ones((8, 2))}, InputError, r"not negative \(rows are samples\), got -1.0 in row 0"),
        ({"init": np.full((8, 2), np.nan)}, InputError, "init must be finite .* got nan in row 0, column 0"),
        ({"init": "svd", "restarts": 2}, InputError, "restarts must be 1 with init='svd'.* got 2"),
        ({"init": np.ones((8, 2)), "restarts": 3}, InputError, "restarts must be 1 with init=an array"),
        ({"solver": "cd"}, UnknownNameError, "solver must be one of 'hals', 'mu', got 'cd'"),
        ({"backend": "jax"}, UnknownNameError, "backend must be one of 'torch', 'numpy', got 'jax'"),
        ({"dtype": "float16"}, UnknownNameError, "dtype must be one of .*; close names: 'float64'"),
        ({"random_state": -1}, InputError, "seed must be an integer"),
        ({"device": "gpu"}, InputError, "device must be 'cpu' or a CUDA device such as 'cuda:0', got 'gpu'"),
        ({"device": "mps"}, InputError, "device must be 'cpu' or a CUDA device"),
        ({"device": "cuda", "backend": "numpy"}, InputError, "device must be 'cpu' with backend='numpy'"),
    ],
)
def test_bad_settings_are_explained(options, error, message):
    with pytest.raises(error, match=message):
        SemiNMF(**({"n_components": 2} | options)).fit(GOOD)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_missing_device_is_named():
    with pytest.raises(InputError, match="device 'cuda' asks for CUDA, which is not available"):
        SemiNMF(2, device="cuda").fit(GOOD)


def _with(value, row=1, column=2):
    x = GOOD.copy()
    x[row, column] = value
    return x


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (_with(np.nan), r"finite as \S+ \(rows are samples.*got NaN in row 1, column 2"),
        (_with(-np.inf), "got infinity in row 1, column 2"),
        (torch.tensor(_with(np.inf)), "got infinity in row 1, column 2"),
        (_with(1e300), "got infinity in row 1, column 2"),  # overflows float32
        (np.zeros((5, 4)), r"an entry that is not zero \(rows are samples"),
        (np.ones(5), r"2-D array \(rows are samples .* got 1-D of shape \(5,\); Reshape your data"),
        (np.ones((5, 4, 3)), r"rows are samples .* got 3-D of shape \(5, 4, 3\)"),
        (torch.ones(5, 4, 3), r"rows are samples .* got 3-D of shape \(5, 4, 3\)"),
        (np.ones((0, 4)), r"0 sample\(s\) \(shape=\(0, 4\)\).*rows are samples"),
        (np.ones((4, 0)), r"0 feature\(s\) \(shape=\(4, 0\)\).*rows are samples"),
        (np.ones((4, 4)) * 1j, "Complex data not supported.*rows are samples"),
        (torch.ones(4, 4) * 1j, "Complex data not supported.*rows are samples"),
        (torch.eye(4).to_sparse(), "must be dense .*rows are samples.*to_dense"),
        ([["a", "b"], ["c", "d"]], r"must hold numbers \(rows are samples"),
    ],
)
def test_bad_matrices_are_explained(x, message):
    with pytest.raises(ValueError, match=message):
        SemiNMF(2).fit(x)


def test_sparse_matrices_and_huge_numbers_are_refused():
    from scipy.sparse import eye_array

    with pytest.raises(InputError, match="must be dense .*rows are samples.*toarray"):
        SemiNMF(2).fit(eye_array(4).tocsr())
    with pytest.raises(InputError, match="too large to square"):
        SemiNMF(2, dtype="float64").fit(_with(1e200))


def test_use_before_fit_and_wrong_widths_are_explained():
    from sklearn.exceptions import NotFittedError

    model = SemiNMF(2)
    for call in (model.transform, model.inverse_transform, model.get_feature_names_out):
        with pytest.raises(
            NotFittedError, match=r"this SemiNMF is not fitted; call fit\(X\) first"
        ) as caught:
            call(GOOD)
        assert isinstance(caught.value, InputError)
    model.set_params(max_iter=5, tol=0).fit(GOOD)
    with pytest.raises(InputError, match="X has 5 features, but SemiNMF is expecting 6 .*rows are samples"):
        model.transform(GOOD[:, :5])
    with pytest.raises(InputError, match=r"got NaN in row 1"):
        model.transform(_with(np.nan))
    with pytest.raises(
        InputError, match=r"2 columns, one per component \(rows are samples\), got shape \(8, 6\)"
    ):
        model.inverse_transform(GOOD)


def test_matching_by_hand_and_against_permutations():
    a = np.eye(4)[:3]
    b = np.array([[0.0, -2.0, 0.0, 0.0], [0.0, 0.0, 0.0, 5.0], [3.0, 0.0, 0.0, 4.0]])
    signed, absolute = match_components(a, b), match_components(a, b, absolute=True)
    assert absolute.order.tolist() == [2, 0, 1]
    np.testing.assert_allclose(absolute.cosines, [0.6, -1.0, 0.0])
    assert signed.order[0] == 2
    assert signed.cosines.sum() == pytest.approx(0.6)
    few = match_components(np.eye(3), torch.eye(3)[1:2] * 7)
    assert few.order.tolist() == [-1, 0, -1]
    assert np.isnan(few.cosines[[0, 2]]).all()
    assert match_components(np.eye(2), np.array([[0.0, 0.0], [0.0, 1.0]])).cosines.tolist() == [0.0, 1.0]
    with pytest.raises(InputError, match=r"same number of features .* \(2, 2\) and \(3, 3\)"):
        match_components(np.eye(2), np.eye(3))
    with pytest.raises(InputError, match="NaN"):
        match_components(np.eye(2), np.full((2, 2), np.nan))


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(6)), st.integers(0, 99))
def test_matching_finds_any_permutation_scale_and_sign(order, seed):
    generator = np.random.default_rng(seed)
    a = generator.standard_normal((6, 20))
    sign = generator.choice([-1.0, 1.0], 6)
    scale = 10 ** generator.uniform(-2, 2, 6)
    b = (a * (sign * scale)[:, None])[list(order)]
    found = match_components(a, b, absolute=True)
    assert found.order.tolist() == np.argsort(order).tolist()
    np.testing.assert_allclose(found.cosines, sign, atol=1e-12)


def test_duplicate_samples_are_fine_for_k_means():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = SemiNMF(3, init="kmeans", max_iter=10, tol=0).fit(np.repeat(GOOD[:2], 4, axis=0))
    assert model.explained_ > 1 - 1e-6
