"""Robustness sweeps and ridge predictions on networks whose layers are known."""

from __future__ import annotations

import numpy as np
import pytest

from hodology.errors import InputError
from hodology.geometry.neural_regression import ridge_predictivity
from hodology.geometry.robustness import robustness
from hodology.geometry.simulated_mouse import noisy_means
from hodology.rng import stream


def draws(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


@pytest.fixture
def network():
    x, found = draws(60, 100), {}
    for k in range(4):
        found[f"layer{k}"] = x
        x = x + draws(60, 100, seed=k + 1)
    return found


def test_layers_are_found_from_many_units_and_lost_when_images_are_shuffled(network):
    found = robustness(network, n_images=(15, 60), n_units=(5, 100), n_draws=4)
    assert [(r.n_images, r.n_units) for r in found.rows] == [(15, 5), (15, 100), (60, 5), (60, 100)]
    best = found.rows[-1]
    assert best.mean_error == 0.0
    assert best.exact == 1.0
    assert best.within_one == 1.0
    assert best.profile_correlation > 0.99
    assert best.shuffled_error > 0.75
    assert found.rows[0].mean_error > best.mean_error
    assert np.mean(best.errors) == best.mean_error
    assert set(found.to_dict()) == set(found.columns)


def test_noise_of_few_trials_costs(network):
    loud, quiet = (
        robustness(network, n_images=(40,), n_units=(30,), noise=(8.0,), n_trials=t, n_draws=6).rows[0]
        for t in (1, 10_000)
    )
    assert loud.mean_error > quiet.mean_error
    assert loud.profile_correlation < quiet.profile_correlation


def test_other_networks_are_matched_by_relative_depth(network):
    names = list(network)
    longer = {f"{n}{half}": network[n] + 0.01 * draws(60, 100, seed=9) for n in names for half in "ab"}
    found = robustness(
        network, {"longer": longer}, n_images=(60,), n_units=(100,), noise=(0.0,), n_draws=2
    ).rows[0]
    assert found.candidate == "longer"
    assert 0.0 < found.mean_error < 1.0  # eight layers for four: none lies exactly at a third


def test_other_measures_take_the_general_way(network):
    found = robustness(network, n_images=(40,), n_units=(100,), metric="cka", n_draws=2).rows[0]
    assert found.metric == "cka"
    assert found.mean_error <= 0.5


def test_the_same_seed_gives_the_same_sweep_and_other_settings_do_not_shift_it(network):
    one = robustness(network, n_images=(20,), n_units=(10,), n_draws=3)
    two = robustness(network, n_images=(20, 30), n_units=(10,), n_draws=3)
    assert one.rows[0] == two.rows[0]


def test_noise_of_means_falls_with_the_root_of_the_trials():
    values = np.zeros((200, 50))
    found = noisy_means(values, noise=2.0, n_trials=16, rng=np.random.default_rng(0), signal=3.0)
    assert found.std() == pytest.approx(2.0 * 3.0 / 4.0, rel=0.03)


def test_sweeps_refuse_what_cannot_be(network):
    with pytest.raises(InputError, match=r"n_images must be from 10 to the images given \(60\), got \[5\]"):
        robustness(network, n_images=(5,))
    with pytest.raises(InputError, match="n_units must be at least 2"):
        robustness(network, n_images=(20,), n_units=(1,))
    with pytest.raises(InputError, match="noise must be 0 or more"):
        robustness(network, n_images=(20,), noise=(-1.0,))
    with pytest.raises(InputError, match="at least two layers"):
        robustness({"a": draws(20, 3)})
    with pytest.raises(InputError, match="drop the blank"):
        robustness(network, {"b": {k: v[:59] for k, v in network.items()}}, n_images=(20,))


def test_ridge_predicts_what_is_linear_and_nothing_else():
    x = draws(80, 10)
    y = x @ draws(10, 6, seed=1)
    assert ridge_predictivity(x, y) > 0.99
    null = [ridge_predictivity(x, draws(80, 6, seed=k)) for k in range(2, 12)]
    assert abs(np.mean(null)) < 0.1  # the mean of the training images, added, would pull this below zero
    silent = np.concatenate([y, np.ones((80, 6))], axis=1)
    assert ridge_predictivity(x, silent) == pytest.approx(ridge_predictivity(x, y) / 2)


def plain_ridge(x, y, held, penalties):
    """Ridge in the space of the units; every training image left out in turn to choose the penalty."""
    kept = np.setdiff1d(np.arange(len(x)), held)
    a, b = x[kept] - x[kept].mean(axis=0), y[kept] - y[kept].mean(axis=0)
    scale = np.trace(a @ a.T) / len(a)

    def weights(rows, targets, penalty):
        return np.linalg.solve(rows.T @ rows + penalty * scale * np.eye(x.shape[1]), rows.T @ targets)

    errors = []
    for penalty in penalties:
        out = [np.delete(np.arange(len(a)), k) for k in range(len(a))]
        errors.append(
            sum(((b[k] - a[k] @ weights(a[o], b[o], penalty)) ** 2).sum() for k, o in enumerate(out))
        )
    best = penalties[int(np.argmin(errors))]
    return (x[held] - x[kept].mean(axis=0)) @ weights(a, b, best)


def test_ridge_is_a_plain_one_with_the_least_leave_one_out_error():
    x = draws(24, 40)
    y = x @ draws(40, 3, seed=1) + 12.0 * draws(24, 3, seed=2)
    penalties = (1e-3, 0.3, 3.0, 30.0)
    predicted = np.empty_like(y)
    for held in np.array_split(stream(0, "ridge folds").permutation(24), 3):
        predicted[held] = plain_ridge(x, y, held, penalties)
    expected = np.mean([np.corrcoef(predicted[:, u], y[:, u])[0, 1] for u in range(3)])
    found = ridge_predictivity(x, y, n_folds=3, penalties=penalties)
    assert found == pytest.approx(expected, abs=1e-9)
    single = [ridge_predictivity(x, y, n_folds=3, penalties=(p,)) for p in penalties]
    assert len(set(np.round(single, 6))) == 4
    with pytest.raises(InputError, match=r"n_folds must be from 2 to half the images \(12\), got 13"):
        ridge_predictivity(x, y, n_folds=13)
    with pytest.raises(InputError, match="penalties must be positive"):
        ridge_predictivity(x, y, penalties=(0.0,))
