"""Deletion curves, average drop and stability of maps: by hand, by law, and whatever the batch."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hodology.errors import InputError, UnknownNameError
from hodology.interpret.causal_effects import class_value
from hodology.interpret.deletion import average_drop, deletion_curve
from hodology.interpret.map_stability import map_similarity, map_stability
from hodology.interpret.saliency import gradient_map
from model_hooks import hook_count


class LinearScores(nn.Module):
    """Class 0 scores the weighted sum of the pixels, class 1 zero."""

    def __init__(self, weight) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.as_tensor(weight))

    def forward(self, x):
        own = torch.einsum("nchw,chw->n", x, self.weight)
        return torch.stack([own, torch.zeros_like(own)], dim=1)


class Cnn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(2)
            self.conv, self.bn, self.fc = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4 * 36, 3)

    def forward(self, x):
        return 2 * self.fc(torch.relu(self.bn(self.conv(x))).flatten(1))


def _draw(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def pictures():
    return _draw(5, 3, 8, 8, seed=11)


@pytest.fixture
def maps():
    return _draw(5, 8, 8, seed=12)


TARGETS = torch.tensor([0, 2, 1, 1, 2])


# --------------------------------------------------------------------------------------------------- deletion curves


def test_the_curve_of_a_linear_logit_by_hand():
    x = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]], [[[2.0, 0.0], [1.0, 1.0]]]])
    model = LinearScores([[[1.0, -1.0], [2.0, 0.5]]])
    maps = torch.tensor([[[3.0, 0.0], [4.0, 2.0]], [[0.1, 0.2], [0.4, 0.3]]])
    # first image: pixels worth 1, -2, 6, 2 in the order 6, 1, 2, -2; second: 2, 0, 2, 0.5 in the order 2, 0.5, 0, 2
    found = deletion_curve(model, x, maps, 0, value="logit")
    assert found.fractions.tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert found.values.tolist() == [[7.0, 1.0, 0.0, -2.0, 0.0], [4.5, 2.5, 2.0, 2.0, 0.0]]
    assert found.auc == pytest.approx([(3.5 + 1.0 + 0.0 - 2.0) / 4, (2.25 + 2.5 + 2.0 + 2.0) / 4])
    back = deletion_curve(model, x, maps, 0, value="logit", mode="insertion", steps=2)
    assert back.fractions.tolist() == [0.0, 0.5, 1.0]
    assert back.values.tolist() == [[0.0, 7.0, 7.0], [0.0, 2.5, 4.5]]
    assert back.auc == pytest.approx([(3.5 + 7.0) / 2, (1.25 + 3.5) / 2])
    assert repr(back) == "DeletionCurve(insertion, logit, images=2, points=3)"


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 16))
def test_no_order_deletes_a_linear_logit_faster_or_inserts_it_faster_than_the_true_one(seed, steps):
    x, weight = _draw(1, 2, 4, 4, seed=seed) - 0.5, _draw(2, 4, 4, seed=seed + 1) - 0.5
    model, perfect = LinearScores(weight), (x * weight).sum(dim=1)
    images = x.expand(20, -1, -1, -1)
    random = torch.stack([_draw(4, 4, seed=seed + 2 + i) for i in range(20)])
    for mode, sign in (("deletion", 1), ("insertion", -1)):
        best = deletion_curve(model, x, perfect, 0, value="logit", mode=mode, steps=steps)
        others = deletion_curve(model, images, random, 0, value="logit", mode=mode, steps=steps)
        assert (sign * (others.values - best.values) >= -1e-5).all()  # at every point, hence the area too
        assert (sign * (others.auc - best.auc) >= -1e-5).all()


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**31))
def test_deleting_in_an_order_is_inserting_in_the_reverse_one_run_backwards(seed):
    x, maps = _draw(3, 3, 8, 8, seed=seed), _draw(3, 64, seed=seed + 1).argsort(dim=1).view(3, 8, 8)
    model = Cnn().eval()
    deleted = deletion_curve(model, x, maps, TARGETS[:3], baseline="mean")
    inserted = deletion_curve(model, x, -maps, TARGETS[:3], baseline="mean", mode="insertion")
    assert deleted.fractions == pytest.approx(1.0 - inserted.fractions[::-1])
    assert np.allclose(deleted.values, inserted.values[:, ::-1], atol=1e-6)
    assert np.allclose(deleted.auc, inserted.auc, atol=1e-6)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**31), st.floats(1e-3, 1e3), st.floats(-10, 10))
def test_only_the_order_within_a_map_counts(seed, scale, shift):
    x = _draw(2, 3, 8, 8, seed=seed)
    maps = torch.randint(
        -6, 7, (2, 8, 8), generator=torch.Generator().manual_seed(seed)
    ).double()  # with ties
    model = Cnn().eval()
    expected = deletion_curve(model, x, maps, 1, steps=9).values
    for other in (scale * maps, maps + shift, maps.exp(), maps.numpy(), maps.int()):
        assert np.array_equal(deletion_curve(model, x, other, 1, steps=9).values, expected)
    assert not np.array_equal(deletion_curve(model, x, -maps, 1, steps=9).values, expected)


def test_curves_do_not_depend_on_the_batch(pictures, maps):
    model = Cnn().eval()
    whole = deletion_curve(model, pictures, maps, TARGETS, steps=7)
    assert whole.values.shape == (5, 8)
    for size in (1, 3, 8, 1000):
        again = deletion_curve(model, pictures, maps, TARGETS, steps=7, batch_size=size)
        assert np.allclose(again.values, whole.values, atol=1e-6)
    pick = [3, 1]
    few = deletion_curve(model, pictures[pick], maps[pick], TARGETS[pick], steps=7)
    assert np.allclose(few.auc, whole.auc[pick], atol=1e-6)
    flat = torch.ones(5, 8, 8)
    whole = deletion_curve(model, pictures, flat, TARGETS, rng=range(5))
    few = deletion_curve(model, pictures[pick], flat[pick], TARGETS[pick], rng=pick)
    assert np.allclose(few.values, whole.values[pick], atol=1e-6)


def test_ties_are_broken_at_random_by_the_seed_and_in_another_order_in_every_image():
    weight = torch.zeros(1, 8, 8)
    weight[:, :4] = 1 / 32  # the logit of an image of ones is the share of its upper half that is still there
    model, x = LinearScores(weight), torch.ones(50, 1, 8, 8)
    flat = torch.zeros(50, 8, 8)

    def curve(maps, rng=0):
        return deletion_curve(model, x, maps, 0, value="logit", steps=64, rng=rng).values

    found = curve(flat)
    half = found[:, 32]
    assert half.mean() == pytest.approx(0.5, abs=0.03)  # rows in order would give 0
    assert half.std() > 0.03
    assert np.array_equal(curve(flat), found)
    assert not np.array_equal(curve(flat, rng=1), found)
    # ties do not reach over what is marked: the lower half goes first, in any order
    lower = flat.clone()
    lower[:, 4:] = 1.0
    assert (curve(lower)[:, :33] == 1.0).all()


def test_all_channels_of_a_pixel_go_together_and_the_last_point_is_the_baseline(pictures, maps):
    from scipy.ndimage import gaussian_filter

    model = Cnn().eval()
    own = _draw(3, 1, 8, seed=5)
    mean = pictures.mean(dim=(2, 3), keepdim=True)
    blurred = [[gaussian_filter(c, 1.0, mode="nearest") for c in image] for image in pictures.numpy()]
    cases = {"zero": torch.zeros(()), "mean": mean, "blur": torch.tensor(np.array(blurred))}
    for baseline, expected in [*cases.items(), (own, own), (0.25, torch.tensor(0.25))]:
        found = deletion_curve(model, pictures, maps, TARGETS, baseline=baseline, steps=64, value="logit")
        place = maps.flatten(1).argmax(dim=1)
        once = pictures.flatten(2).clone()
        full = expected.expand_as(pictures).flatten(2)
        for row, pixel in enumerate(place):
            once[row, :, pixel] = full[row, :, pixel]
        with torch.no_grad():
            for point, shown in ((0, pictures), (1, once.view_as(pictures)), (-1, full.view_as(pictures))):
                logits = model(shown).gather(1, TARGETS[:, None])[:, 0].numpy()
                assert found.values[:, point] == pytest.approx(logits, abs=1e-5)


@pytest.mark.parametrize("value", ["probability", "logodds", "log-probability", "logit", "loss", "correct"])
def test_the_value_is_that_of_each_images_own_class(pictures, maps, value):
    model = Cnn().eval()
    found = deletion_curve(model, pictures, maps, TARGETS, value=value, steps=1)
    with torch.no_grad():
        for point, shown in ((0, pictures), (1, torch.zeros_like(pictures))):
            scores = model(shown)
            rows = [class_value(scores[i], int(c), value).item() for i, c in enumerate(TARGETS)]
            assert found.values[:, point] == pytest.approx(rows, abs=1e-5)
    same = deletion_curve(model, pictures, maps, 1, value=value, steps=1)
    assert np.array_equal(
        same.values, deletion_curve(model, pictures, maps, [1] * 5, value=value, steps=1).values
    )


# ------------------------------------------------------------------------------------------------------ average drop


def _sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def test_average_drop_by_hand():
    x = torch.tensor([[1.0, 2.0], [1.0, -3.0], [1.0, 1.0], [1.0, 1.0]]).view(4, 1, 1, 2)
    maps = torch.tensor([[4.0, 2.0], [5.0, -1.0], [0.0, -2.0], [7.0, 7.0]]).view(4, 1, 2)
    model = LinearScores(torch.ones(1, 1, 2))
    found = average_drop(model, x, maps, 0)
    # shown: 1 + 2/2; the first pixel alone, which is more than both; nothing; all
    shares = [1 - _sigmoid(2.0) / _sigmoid(3.0), 0.0, 1 - _sigmoid(0.0) / _sigmoid(2.0), 0.0]
    assert found.drop == pytest.approx(shares, abs=1e-6)
    assert found.increased.tolist() == [False, True, False, False]
    assert found.average == pytest.approx(np.mean(shares), abs=1e-6)
    assert found.increase_rate == 0.25
    assert repr(found) == "AverageDrop(drop=0.1269, increase=0.25, images=4)"
    above = average_drop(model, x, maps, 0, baseline=10.0)
    expected = [0.0, 0.0, 0.0, 0.0]  # ten for what is not marked raises the class
    assert above.drop == pytest.approx(expected, abs=1e-6)
    assert above.increased.tolist() == [True, True, True, False]


def test_the_drop_of_a_tiny_probability_is_exact():
    model, x = LinearScores(torch.ones(1, 1, 2)), torch.tensor([-700.0, -0.5]).view(1, 1, 1, 2)
    found = average_drop(model, x, torch.tensor([[[1.0, 0.0]]]), 0)
    assert found.increased.all()
    other = average_drop(model, x + torch.tensor([0.0, 1.0]), torch.tensor([[[1.0, 0.0]]]), 0)
    assert other.drop == pytest.approx([1 - np.exp(-0.5)], rel=1e-3)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**31), st.floats(1e-3, 1e3))
def test_average_drop_does_not_depend_on_the_scale_of_maps_nor_on_the_batch(seed, scale):
    x, maps = _draw(4, 3, 8, 8, seed=seed), _draw(4, 8, 8, seed=seed + 1) - 0.3
    model = Cnn().eval()
    found = average_drop(model, x, maps, 1)
    again = average_drop(model, x, scale * maps.clamp(min=0), 1, batch_size=3)
    assert np.allclose(found.drop, again.drop, atol=1e-5)
    alone = [average_drop(model, x[i : i + 1], maps[i : i + 1], 1).drop[0] for i in range(4)]
    assert np.allclose(found.drop, alone, atol=1e-5)
    assert (found.drop >= 0).all()
    assert (found.drop < 1).all()


# --------------------------------------------------------------------------------------------- similarity of maps


def test_spearman_agrees_with_scipy_and_says_what_constant_maps_are():
    from scipy.stats import spearmanr

    a = torch.randint(0, 9, (4, 6, 7), generator=torch.Generator().manual_seed(0)).double()  # with ties
    b = a + 3 * _draw(4, 6, 7, seed=1)
    expected = [spearmanr(x.flatten(), y.flatten()).statistic for x, y in zip(a, b)]
    assert map_similarity(a, b) == pytest.approx(expected, abs=1e-12)
    flat = torch.zeros(4, 6, 7)
    assert map_similarity(flat, flat + 1).tolist() == [1.0] * 4
    assert map_similarity(flat, a).tolist() == [0.0] * 4


def _plain_ssim(a, b, window):
    """The definition, window by window."""
    a, b = a / np.abs(a).max(), b / np.abs(b).max()
    wide = 2.0 if min(a.min(), b.min()) < 0 else 1.0
    c1, c2 = (0.01 * wide) ** 2, (0.03 * wide) ** 2
    found = []
    for i in range(a.shape[0] - window + 1):
        for j in range(a.shape[1] - window + 1):
            p, q = (m[i : i + window, j : j + window].ravel() for m in (a, b))
            (va, c), (_, vb) = np.cov(p, q)
            luminance = (2 * p.mean() * q.mean() + c1) / (p.mean() ** 2 + q.mean() ** 2 + c1)
            found.append(luminance * (2 * c + c2) / (va + vb + c2))
    return np.mean(found)


@pytest.mark.parametrize("shift", [0.0, 0.4])
@pytest.mark.parametrize("window", [3, 7])
def test_ssim_is_its_definition(shift, window):
    a, b = _draw(3, 9, 12, seed=3).double().numpy() - shift, _draw(3, 9, 12, seed=4).double().numpy() - shift
    expected = [_plain_ssim(x, y, window) for x, y in zip(a, b)]
    assert map_similarity(a, b, measure="ssim", window=window) == pytest.approx(expected, abs=1e-10)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.floats(1e-3, 1e3), st.sampled_from(["spearman", "ssim"]))
def test_similarity_is_symmetric_free_of_scale_and_one_for_the_same(seed, scale, measure):
    a, b = _draw(3, 8, 8, seed=seed) - 0.2, _draw(3, 8, 8, seed=seed + 1) - 0.2
    found = map_similarity(a, b, measure=measure)
    assert np.allclose(found, map_similarity(b, a, measure=measure), atol=1e-12)
    assert np.allclose(found, map_similarity(scale * a.double(), b, measure=measure), atol=1e-9)
    assert np.allclose(map_similarity(a, scale * a.double(), measure=measure), 1.0, atol=1e-9)
    assert (found < 0.9).all()


@pytest.mark.parametrize("measure", ["spearman", "ssim"])
def test_more_noise_makes_maps_less_stable(pictures, measure):
    found = [
        map_stability(lambda x: x.mean(dim=1), pictures, sigma=sigma, n_samples=4, measure=measure)
        for sigma in (0.0, 0.05, 0.5)
    ]
    assert np.allclose(found[0].similarity, 1.0)
    assert found[0].similarity.shape == (5, 4)
    assert (found[1].by_image < 1.0).all()
    assert (found[2].by_image < found[1].by_image - 0.1).all()
    assert repr(found[1]) == f"MapStability({measure}, sigma=0.05, images=5, samples=4)"


def test_stability_keeps_images_with_their_targets_and_noise_with_their_seeds(pictures):
    model = Cnn().eval()
    whole = map_stability(lambda x: gradient_map(model, x, TARGETS), pictures, sigma=0.3, rng=range(5))
    few = map_stability(lambda x: gradient_map(model, x, TARGETS[[3]]), pictures[[3]], sigma=0.3, rng=[3])
    assert np.allclose(few.similarity[0], whole.similarity[3], atol=1e-4)
    keyed = map_stability(
        lambda x: gradient_map(model, x["pixel_values"], TARGETS), {"pixel_values": pictures}, sigma=0.3
    )
    plain = map_stability(lambda x: gradient_map(model, x, TARGETS), pictures, sigma=0.3)
    assert np.array_equal(keyed.similarity, plain.similarity)
    assert len(np.unique(plain.similarity)) == plain.similarity.size  # every copy has noise of its own


# -------------------------------------------------------------------------------------- side effects and bad input


class Keyed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = Cnn()

    def forward(self, pixel_values=None):
        return SimpleNamespace(logits=self.net(pixel_values))


def test_a_mapping_gives_the_curve_of_the_tensor(pictures, maps):
    keyed = Keyed().eval()
    for measure in (deletion_curve, average_drop):
        found = measure(keyed, {"pixel_values": pictures}, maps, TARGETS)
        expected = measure(keyed.net, pictures, maps, TARGETS)
        name = "values" if measure is deletion_curve else "drop"
        assert np.array_equal(getattr(found, name), getattr(expected, name))


def test_model_images_and_maps_stay_as_they_were(pictures, maps):
    model = Cnn().train()
    state, images, given = copy.deepcopy(model.state_dict()), pictures.clone(), maps.clone()
    expected = deletion_curve(copy.deepcopy(model).eval(), pictures, maps, TARGETS).values
    for kind in ("zero", "mean", "blur"):
        deletion_curve(model, pictures, maps, TARGETS, baseline=kind)
        average_drop(model, pictures, maps, TARGETS, baseline=kind)
    assert np.array_equal(deletion_curve(model, pictures, maps.requires_grad_(), TARGETS).values, expected)
    assert torch.equal(pictures, images)
    assert torch.equal(maps.detach(), given)
    assert all(torch.equal(model.state_dict()[name], value) for name, value in state.items())
    assert all(m.training for m in model.modules())
    assert all(p.requires_grad and p.grad is None for p in model.parameters())
    assert hook_count(model) == 0
    with pytest.raises(RuntimeError):
        deletion_curve(model, pictures[:, :2], maps, TARGETS)  # two channels for a model of three
    assert all(m.training for m in model.modules())
    assert all(p.requires_grad for p in model.parameters())


@pytest.mark.parametrize("measure", [deletion_curve, average_drop])
def test_maps_and_targets_that_do_not_fit_are_refused(pictures, maps, measure):
    model = Cnn().eval()
    with pytest.raises(
        InputError, match=r"maps must have shape \(5, 8, 8\) .* as the images, got \(5, 4, 4\)"
    ):
        measure(model, pictures, maps[:, :4, :4], TARGETS)
    with pytest.raises(InputError, match=r"got \(3, 8, 8\)"):
        measure(model, pictures, maps[:3].numpy(), TARGETS)
    maps[2, 1, 1] = torch.nan
    with pytest.raises(InputError, match="maps must be finite, got NaN"):
        measure(model, pictures, maps, TARGETS)
    maps[2, 1, 1] = 0.0
    with pytest.raises(InputError, match="target must be 0 to 2 .* got 3 in row 0"):
        measure(model, pictures, maps, 3)
    with pytest.raises(UnknownNameError, match="baseline 'blurred' does not exist; close names: 'blur'"):
        measure(model, pictures, maps, 0, baseline="blurred")
    with pytest.raises(InputError, match=r"baseline must expand to the shape of the images .*, got \(4, 4\)"):
        measure(model, pictures, maps, 0, baseline=torch.zeros(4, 4))
    with pytest.raises(InputError, match="batch_size must be an integer of at least 1, got 0"):
        measure(model, pictures, maps, 0, batch_size=0)
    with pytest.raises(InputError, match="images must be floating point"):
        measure(model, pictures[0], maps, 0)


def test_what_a_curve_cannot_be_is_said(pictures, maps):
    model = Cnn().eval()
    for steps in (0, 2.5, True):
        with pytest.raises(InputError, match=f"steps must be an integer of at least 1, got {steps}"):
            deletion_curve(model, pictures, maps, 0, steps=steps)
    with pytest.raises(UnknownNameError, match="mode 'delete' does not exist; close names: 'deletion'"):
        deletion_curve(model, pictures, maps, 0, mode="delete")
    with pytest.raises(UnknownNameError, match="effect 'logits' does not exist; close names: 'logit'"):
        deletion_curve(model, pictures, maps, 0, value="logits")
    with pytest.raises(InputError, match=r"rng must be a seed or one per image \(5\), got 2"):
        deletion_curve(model, pictures, maps, 0, rng=[0, 1])


def test_what_similarity_cannot_be_is_said(pictures, maps):
    with pytest.raises(UnknownNameError, match="measure 'pearson' does not exist; .*'spearman'"):
        map_similarity(maps, maps, measure="pearson")
    with pytest.raises(InputError, match=r"maps must have the same shape, got \(5, 8, 8\) and \(4, 8, 8\)"):
        map_similarity(maps, maps[1:])
    with pytest.raises(
        InputError, match=r"second must hold maps \(batch, height, width\), got shape \(8, 8\)"
    ):
        map_similarity(maps, maps[0])
    with pytest.raises(InputError, match="first must be finite"):
        map_similarity(maps * torch.inf, maps)
    for window in (2, 4, 9, 1):
        with pytest.raises(InputError, match=rf"shorter side of the maps \(8\), got {window}"):
            map_similarity(maps, maps, measure="ssim", window=window)
    with pytest.raises(InputError, match=r"window must be an integer, got 3\.0"):
        map_similarity(maps, maps, measure="ssim", window=3.0)
    with pytest.raises(InputError, match="n_samples must be an integer of at least 1, got 0"):
        map_stability(lambda x: x[:, 0], pictures, n_samples=0)
    with pytest.raises(InputError, match="sigma must be 0 or more, got -1"):
        map_stability(lambda x: x[:, 0], pictures, sigma=-1)
    with pytest.raises(InputError, match="images must be a tensor, got ndarray"):
        map_stability(lambda x: x[:, 0], pictures.numpy())
