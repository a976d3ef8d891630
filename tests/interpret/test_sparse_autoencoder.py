"""A planted dictionary is found, silent latents come back, and the attributes are what the formulas say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hodology.errors import InputError, UnknownNameError
from hodology.interpret.semi_nmf_match import match_components
from hodology.interpret.sparse_autoencoder import SparseAutoencoder, _activate, _Coder


def _planted(seed=0, n=3000, d=20, atoms=32, active=3):
    """Sparse non-negative mixtures of more atoms than dimensions, away from the origin, with a little noise."""
    draws = np.random.default_rng(seed)
    dictionary = draws.normal(size=(atoms, d))
    dictionary /= np.linalg.norm(dictionary, axis=1, keepdims=True)
    codes = np.zeros((n, atoms))
    chosen = draws.random((n, atoms)).argsort(axis=1)[:, :active]
    np.put_along_axis(codes, chosen, draws.uniform(0.5, 1.5, size=(n, active)), axis=1)
    return dictionary, codes @ dictionary + 0.01 * draws.normal(size=(n, d)) + 0.3


def _small(n=60, d=5, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)) + 1.0


@pytest.mark.parametrize(
    "options", [{"k": 3}, {"kind": "l1", "l1": 0.2}, {"k": 3, "tied": True}], ids=["topk", "l1", "tied"]
)
def test_a_planted_dictionary_is_found(options):
    dictionary, x = _planted()
    model = SparseAutoencoder(48, epochs=60, batch_size=128, **options).fit(x)
    cosines = match_components(dictionary, model.components_).cosines
    assert np.median(cosines) > 0.96
    assert (cosines > 0.95).mean() > 0.9
    assert model.explained_ > 0.9


@pytest.mark.parametrize("seed", [0, 1])
def test_silent_latents_come_back_and_serve(seed):
    # far clusters, one latent per sample: from random directions some latents win several clusters and some none
    draws = np.random.default_rng(seed)
    centres = draws.normal(size=(24, 60))
    x = centres[np.arange(1200) % 24] + 0.02 * draws.normal(size=(1200, 60))
    options = {"k": 1, "epochs": 40, "batch_size": 100, "random_state": seed}
    without = SparseAutoencoder(24, revive=False, **options).fit(x)
    revived = SparseAutoencoder(24, **options).fit(x)
    assert without.n_dead_ >= 2
    assert without.n_revived_ == 0
    assert revived.n_revived_ >= 2
    assert revived.n_dead_ <= without.n_dead_ / 2
    assert revived.explained_ > max(0.95, without.explained_ + 0.02)


@pytest.mark.parametrize("kind", ["topk", "l1"])
def test_a_latent_starts_again_at_the_residual_of_a_badly_explained_sample(kind):
    coder = _Coder(
        torch.zeros(4),
        3,
        k=1 if kind == "topk" else None,
        l1=0.0,
        tied=False,
        patience=5,
        moments=[0.0],
        seed=0,
    )
    with torch.no_grad():
        coder.decoder.copy_(torch.eye(4)[:3])
        coder.encoder.copy_(2.0 * torch.eye(4)[:3])
        coder.encoder_bias.fill_(-0.5)
    coder.idle[1] = 9
    batch = torch.tensor([[0.75, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 3.0]])  # explained, and not at all
    coder.train()(batch)
    assert coder.revived == 1
    torch.testing.assert_close(coder.decoder[1].detach(), torch.tensor([0.0, 0.0, 0.0, 1.0]))
    norm = 2.0 if kind == "topk" else 0.4  # the others' mean norm, or a fifth of it
    torch.testing.assert_close(coder.encoder[1].detach(), torch.tensor([0.0, 0.0, 0.0, norm]))
    assert coder.encoder_bias.tolist() == [-0.5, 0.0, -0.5]
    assert coder.idle.tolist() == [0, 0, 2]  # it fires on the sample that it came from
    assert coder.moments == []


def test_the_attributes_are_what_they_say():
    x = _small()
    model = SparseAutoencoder(8, k=2, epochs=5, batch_size=16).fit(x)
    latents = model.transform(x)
    assert latents.shape == (60, 8)
    assert ((latents > 0).sum(axis=1) <= 2).all()
    assert (latents >= 0).all()
    np.testing.assert_allclose(np.linalg.norm(model.components_, axis=1), 1.0, rtol=1e-5)
    before = (x - model.pre_bias_) @ model.encoder_.T + model.scale_ * model.encoder_bias_
    for row, values in zip(before, latents, strict=True):
        kept = np.argsort(-row)[:2]
        expected = np.zeros(8)
        expected[kept] = np.maximum(row[kept], 0.0)
        np.testing.assert_allclose(values, expected, atol=1e-5)
    back = model.inverse_transform(latents)
    np.testing.assert_allclose(back, latents @ model.components_ + model.pre_bias_, atol=1e-5)
    assert model.explained_ == pytest.approx(1.0 - ((x - back) ** 2).sum() / (x**2).sum(), abs=1e-5)
    np.testing.assert_allclose(model.density_, (latents > 0).mean(axis=0))
    assert model.n_dead_ == int((model.density_ == 0).sum())
    assert model.scale_ == pytest.approx(np.linalg.norm(x, axis=1).mean(), rel=1e-5)
    assert len(model.losses_) == 5


def test_the_start_is_the_mean_and_the_transposed_decoder():
    x = _small()
    model = SparseAutoencoder(8, k=2, epochs=1, batch_size=60, learning_rate=1e-12).fit(x)
    np.testing.assert_allclose(model.pre_bias_, x.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(model.encoder_, model.components_, atol=1e-5)
    np.testing.assert_allclose(model.encoder_bias_, 0.0, atol=1e-6)
    # and the loss that is minimised: squared error of inputs of unit mean norm
    error = ((x - model.inverse_transform(model.transform(x))) ** 2).sum(axis=1).mean() / model.scale_**2
    assert model.losses_[0] == pytest.approx(error, rel=1e-4)


def test_the_penalty_is_the_sum_of_latents_of_inputs_of_unit_mean_norm():
    x = _small()
    model = SparseAutoencoder(8, kind="l1", l1=0.7, epochs=1, batch_size=60, learning_rate=1e-12).fit(x)
    latents = model.transform(x) / model.scale_
    error = ((x - model.inverse_transform(model.transform(x))) ** 2).sum(axis=1).mean() / model.scale_**2
    assert model.losses_[0] == pytest.approx(error + 0.7 * latents.sum(axis=1).mean(), rel=1e-4)
    more = SparseAutoencoder(8, kind="l1", l1=2.0, epochs=40, batch_size=16).fit(x)
    less = SparseAutoencoder(8, kind="l1", l1=0.01, epochs=40, batch_size=16).fit(x)
    assert more.density_.sum() < less.density_.sum()
    assert more.explained_ < less.explained_


def test_a_tied_encoder_is_the_decoder():
    model = SparseAutoencoder(6, k=2, tied=True, epochs=3).fit(_small())
    np.testing.assert_array_equal(model.encoder_, model.components_)


@settings(max_examples=8, deadline=None)
@given(st.floats(0.01, 1000.0))
def test_the_scale_of_the_data_does_not_matter(factor):
    x = _small().astype(np.float32)
    plain, scaled = (SparseAutoencoder(6, k=2, epochs=3).fit(data) for data in (x, x * np.float32(factor)))
    np.testing.assert_allclose(scaled.components_, plain.components_, atol=2e-3)
    np.testing.assert_allclose(scaled.pre_bias_, plain.pre_bias_ * factor, rtol=2e-2, atol=2e-3 * factor)
    assert scaled.explained_ == pytest.approx(plain.explained_, abs=1e-3)


def test_seeds_decide_and_nothing_else_is_touched():
    x = _small()
    kept = x.copy()
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first, second, other = (
        SparseAutoencoder(6, k=2, epochs=4, random_state=seed).fit(x).components_ for seed in (1, 1, 2)
    )
    assert np.array_equal(first, second)
    assert not np.allclose(first, other)
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(x, kept)


def test_tensors_come_back_as_tensors():
    x = torch.from_numpy(_small()).float()
    model = SparseAutoencoder(6, k=2, epochs=2)
    latents = model.fit_transform(x)
    assert isinstance(latents, torch.Tensor)
    assert isinstance(model.inverse_transform(latents), torch.Tensor)
    np.testing.assert_array_equal(latents.numpy(), model.transform(x.numpy()))
    assert model.get_feature_names_out()[:2].tolist() == ["sparseautoencoder0", "sparseautoencoder1"]


def test_progress_is_told():
    done = []
    SparseAutoencoder(6, k=2, epochs=3).fit(_small(), on_epoch=lambda *x: done.append(x[:2]))
    assert done == [(1, 3), (2, 3), (3, 3)]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-3, 3, width=32), min_size=4, max_size=4), st.integers(1, 5))
def test_only_the_largest_positive_values_stay(values, k):
    found = _activate(torch.tensor([values]), k)[0]
    assert sorted(v for v in found.tolist() if v > 0) == sorted(sorted(v for v in values if v > 0)[-k:])


def test_scikit_learn_takes_it():
    from sklearn.base import clone
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = SparseAutoencoder(6, k=2, epochs=2, random_state=3)
    assert (
        repr(clone(model)) == repr(model) == "SparseAutoencoder(n_latents=6, k=2, epochs=2, random_state=3)"
    )
    latents = make_pipeline(StandardScaler(), clone(model)).fit(_small()).transform(_small())
    assert latents.shape == (60, 6)


@pytest.mark.filterwarnings("ignore:.*does not inherit from `sklearn.base.BaseEstimator`")
def test_scikit_learns_own_checks_pass():
    from sklearn.utils.estimator_checks import check_estimator

    results = check_estimator(SparseAutoencoder(4, k=2, epochs=1), on_fail=None, on_skip=None)
    assert [r["check_name"] for r in results if r["status"] not in ("passed", "skipped")] == []
    assert sum(r["status"] == "passed" for r in results) >= 40


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n_latents": 0}, InputError, "n_latents must be an integer of at least 1, got 0"),
        ({"kind": "relu"}, UnknownNameError, "kind must be one of 'topk', 'l1', got 'relu'"),
        ({"k": 7}, InputError, r"k must be at most n_latents \(6\), got 7"),
        ({"k": 0}, InputError, "k must be an integer of at least 1"),
        ({"l1": 0.1}, InputError, "l1 must be None with kind='topk', got 0.1"),
        ({"kind": "l1", "k": 2}, InputError, "k must be None with kind='l1', got 2"),
        ({"kind": "l1", "l1": -1.0}, InputError, "l1 must be a number of at least 0"),
        ({"learning_rate": 0.0}, InputError, "learning_rate must be positive"),
        ({"epochs": 0}, InputError, "epochs must be an integer of at least 1"),
        ({"random_state": -1}, InputError, "seed must be an integer"),
        ({"device": "nowhere"}, InputError, "device 'nowhere' cannot be used"),
    ],
)
def test_bad_settings_are_explained(options, error, message):
    with pytest.raises(error, match=message):
        SparseAutoencoder(**({"n_latents": 6} | options)).fit(_small())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, x: SparseAutoencoder(3).fit(np.zeros((4, 2))), "must have an entry that is not zero"),
        (lambda m, x: SparseAutoencoder(3).fit(np.full((4, 2), np.nan)), "got NaN in row 0"),
        (lambda m, x: SparseAutoencoder(3).fit(np.ones(4)), "X must be a 2-D array"),
        (lambda m, x: SparseAutoencoder(3).transform(x), "is not fitted"),
        (lambda m, x: m.transform(x[:, :3]), "X has 3 features, but SparseAutoencoder is expecting 5"),
        (lambda m, x: m.inverse_transform(x), "latents must have 6 columns"),
    ],
)
def test_bad_data_are_explained(call, message):
    model = SparseAutoencoder(6, k=2, epochs=1).fit(_small())
    with pytest.raises(InputError, match=message):
        call(model, _small())
