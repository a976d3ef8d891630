"""Layer profiles and pseudo-depth: resampling against plain loops, nulls, and the traps of flat profiles."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from hodology.errors import InputError, UnknownNameError
from hodology.geometry.cca import svcca
from hodology.geometry.layer_profile import layer_profile
from hodology.geometry.profile_measures import profile_similarities
from hodology.geometry.profile_resampling import resample_images, resample_units, unit_counts
from hodology.geometry.pseudo_depth import depth_differences, pseudo_depth, sampled_depths
from hodology.geometry.rsa_resampling import draw_stimuli
from hodology.geometry.similarity_matrix import similarity_rows, ssm


def draws(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


@pytest.fixture
def layers():
    """Five layers, each a step away from the one before."""
    x, found = draws(40, 80), {}
    for k in range(5):
        found[f"layer{k}"] = x
        x = x + 0.8 * draws(40, 80, seed=k + 1)
    return found


@pytest.fixture
def areas(layers):
    return {
        "low": layers["layer1"][:, :60] + 0.2 * draws(40, 60, seed=20),
        "high": layers["layer4"][:, :50] + 0.2 * draws(40, 50, seed=21),
    }


def test_known_layers_are_found_with_their_uncertainty(areas, layers):
    found = layer_profile(areas, layers, n_boot=200)
    assert found.argmax == ("layer1", "layer4")
    assert found.similarity[0, 1] == pytest.approx(ssm(areas["low"], layers["layer1"]))
    assert (found.low <= found.similarity).all()
    assert (found.similarity <= found.high + 0.02).all()
    low, high = pseudo_depth(found)
    assert (low.layer, low.depth, high.depth) == ("layer1", 0.25, 1.0)
    assert low.low <= low.depth <= low.high
    assert sum(low.distribution) == pytest.approx(1.0)
    assert low.share == low.distribution[1]
    assert low.p_value == pytest.approx(1 / 101)
    (gap,) = depth_differences(found)
    assert gap.difference == 0.75
    assert gap.share_positive > 0.95
    assert gap.p_value < 0.05
    assert found.folds.shape == (4, 2, 5)
    assert len(found.rows()) == 10


def test_samples_of_images_have_no_pairs_of_copies(areas, layers):
    samples = draw_stimuli(40, n_boot=5, rng=3)
    one, two = similarity_rows(areas), similarity_rows(layers)
    found = resample_images(one, two, 40, n_boot=5, rng=3)
    s, t = np.corrcoef(areas["low"]).round(12), np.corrcoef(layers["layer2"]).round(12)
    first, second = np.triu_indices(40, 1)
    for sample, values in zip(samples, found, strict=True):
        i, j = sample[first], sample[second]
        kept = i != j
        assert values[0, 2] == pytest.approx(
            spearmanr(s[i[kept], j[kept]], t[i[kept], j[kept]]).statistic, abs=1e-6
        )
        copies = spearmanr(s[i, j], t[i, j]).statistic
        assert copies > values[0, 2]  # what copies of one image, alike in everything, would add


def test_samples_of_units_are_those_of_a_plain_loop(areas, layers):
    found = resample_units(areas, similarity_rows(layers), n_boot=70, rng=1)
    for k in (0, 69):
        counts = unit_counts(60, n_boot=70, rng=1, area="low")[k].astype(int)
        drawn = np.repeat(areas["low"], counts, axis=1)
        expected = [ssm(drawn, layer) for layer in layers.values()]
        np.testing.assert_allclose(found[k, 0], expected, atol=1e-10)


def test_samples_of_both_weigh_units_and_images(areas, layers):
    found = resample_units(areas, similarity_rows(layers), n_boot=3, rng=1, images=True)
    counts = unit_counts(50, n_boot=3, rng=1, area="high")[2].astype(int)
    s = np.corrcoef(np.repeat(areas["high"], counts, axis=1)).round(12)
    t = np.corrcoef(layers["layer3"]).round(12)
    sample = draw_stimuli(40, n_boot=3, rng=1)[2]
    first, second = (sample[k] for k in np.triu_indices(40, 1))
    kept = first != second
    expected = spearmanr(s[first[kept], second[kept]], t[first[kept], second[kept]]).statistic
    assert found[2, 1, 3] == pytest.approx(expected, abs=1e-6)


def test_threads_do_not_change_the_samples(areas, layers):
    one, two = (
        layer_profile(areas, layers, n_boot=130, resample="both", n_permutations=2, jobs=jobs)
        for jobs in (1, 3)
    )
    np.testing.assert_array_equal(one.boot, two.boot)


def test_resampling_both_is_wider_than_either(areas, layers):
    spread = {
        r: layer_profile(areas, layers, n_boot=200, resample=r).boot.std(axis=0).mean()
        for r in ("images", "units", "both")
    }
    assert spread["both"] > max(spread["images"], spread["units"])


def test_an_unrelated_area_is_warned_of_and_its_profile_is_flat(layers):
    found = layer_profile({"noise": draws(40, 60, seed=50)}, layers, n_boot=100)
    assert found.p_value.min() > 0.05
    assert abs(found.null.mean()) < 0.02
    with pytest.warns(UserWarning, match="no layer is more similar to 'noise'"):
        (depth,) = pseudo_depth(found)
    largest = found.null[:, 0].max(axis=1)  # the best of five layers is tested against the best of five
    assert depth.p_value == (1 + (largest >= found.similarity.max()).sum()) / 101
    assert depth.p_value > found.p_value.min()
    assert len(depth.as_good) > 1
    assert depth.high - depth.low > 0.5


def test_the_centroid_weighs_layers_by_what_is_above_the_null(areas, layers):
    found = layer_profile(areas, layers, n_boot=50)
    weights = np.maximum(found.similarity[0] - found.null.mean(axis=0)[0], 0.0)
    low, high = pseudo_depth(found, kind="centroid")
    assert low.depth == pytest.approx(weights @ np.linspace(0, 1, 5) / weights.sum())
    assert low.depth < high.depth
    assert sampled_depths(found, kind="centroid").shape == (50, 2)


def test_trials_are_averaged_and_silent_neurons_left_out_with_a_warning(areas, layers):
    trials = np.stack([areas["low"] + 0.1, areas["low"] - 0.1])
    plain = layer_profile({"low": areas["low"]}, layers, n_boot=2).similarity
    np.testing.assert_allclose(layer_profile({"low": trials}, layers, n_boot=2).similarity, plain, atol=1e-12)
    tensors = {name: torch.from_numpy(v) for name, v in layers.items()}
    given = layer_profile({"low": torch.from_numpy(trials)}, tensors, n_boot=2)
    np.testing.assert_allclose(given.similarity, plain, atol=1e-12)
    silent = np.concatenate([areas["low"], np.full((40, 2), 7.0)], axis=1)
    with pytest.warns(UserWarning, match="'low': 2 constant units are left out"):
        found = layer_profile({"low": silent}, layers, n_boot=2)
    assert found.n_units == (60,)
    np.testing.assert_allclose(found.similarity, plain, atol=1e-12)


@pytest.mark.parametrize("metric", ["cka", "unbiased-cka", "svcca", "pwcca", "ridge"])
def test_other_measures_find_the_layers_too(areas, layers, metric):
    some = {name: values[:, :8] for name, values in layers.items()} if metric == "ridge" else layers
    found = layer_profile(areas, some, metric=metric, n_boot=4, n_permutations=2, max_components=4)
    assert found.similarity.shape == (2, 5)
    assert found.boot.shape == (4, 2, 5)
    assert (found.low <= found.similarity).all()  # about the value on all images, not on half of them
    assert (found.similarity <= found.high).all()
    assert found.similarity[1].argmax() > found.similarity[0].argmax()
    assert found.similarity.max() > found.null.max()


def test_profiles_of_svcca_are_those_of_single_calls_and_warn(areas, layers):
    with pytest.warns(UserWarning, match="a third or more"):
        found = profile_similarities(areas, layers, metric="svcca")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert found[1, 2] == pytest.approx(svcca(areas["high"], layers["layer2"]).mean, abs=1e-9)
        unrelated = svcca(draws(40, 60, seed=60), layers["layer0"]).mean
    assert unrelated > 0.7  # the trap: what capping is for
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        profile_similarities(areas, layers, metric="svcca", max_components=4)


def test_what_is_wrong_is_said(areas, layers):
    with pytest.raises(InputError, match="drop the blank, frame -1"):
        layer_profile({"V1": draws(41, 9)}, layers)
    with pytest.raises(InputError, match="at least 10 images, got 9"):
        layer_profile({"V1": draws(9, 9)}, {"a": draws(9, 4), "b": draws(9, 4)})
    bad = areas["low"].copy()
    bad[3, 7] = np.nan
    with pytest.raises(InputError, match="must be finite, got nan at stimuli 3, units 7"):
        layer_profile({"V1": bad}, layers)
    with pytest.raises(InputError, match="flatten the units"):
        layer_profile(areas, {"conv": draws(40, 3, 4, 4)})
    with pytest.raises(UnknownNameError, match="metric 'ssn' does not exist; close names: 'ssm'"):
        layer_profile(areas, layers, metric="ssn")
    with pytest.raises(UnknownNameError, match="resample 'neurons'"):
        layer_profile(areas, layers, resample="neurons")
    with pytest.raises(InputError, match="n_folds must leave four images"):
        layer_profile(areas, layers, n_folds=11)
    with pytest.raises(InputError, match=r"depths must be one number from 0 to 1 per layer \(5\)"):
        layer_profile(areas, layers, depths=(0.0, 1.0))
    with pytest.raises(UnknownNameError, match="kind 'max'"):
        pseudo_depth(layer_profile(areas, layers, n_boot=2), kind="max")
    with pytest.raises(InputError, match="at least two areas"):
        depth_differences(layer_profile({"low": areas["low"]}, layers, n_boot=2))
