"""Explanation maps agree with captum, closed forms and each other, whatever the batch, and leave the model alone."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import interpolate

from hodology.errors import InputError, UnknownNameError
from hodology.interpret.causal_graph import causal_graph
from hodology.interpret.causal_maps import causal_maps
from hodology.interpret.causal_result import COLUMNS, CausalGraph, CausalLayer
from hodology.interpret.saliency import (
    grad_cam,
    gradient_map,
    integrated_gradients,
    smooth_gradient,
)
from model_hooks import hook_count


class Cnn(nn.Module):
    """Two convolutions, the first with a batch norm that moves and scales, and two linear maps."""

    def __init__(self, act: type[nn.Module] = nn.ReLU, *, inplace: bool = False) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(5)
            self.conv1 = nn.Conv2d(3, 5, 3, padding=1)
            self.bn1 = nn.BatchNorm2d(5)
            self.conv2 = nn.Conv2d(5, 6, 3, padding=1)
            self.fc1 = nn.Linear(6 * 9, 8)
            self.fc2 = nn.Linear(8, 4)
            for values in (self.bn1.weight, self.bn1.bias, self.bn1.running_mean, self.bn1.running_var):
                nn.init.uniform_(values, 0.2, 1.2)
        self.relu1, self.relu2 = (act(inplace=True), act(inplace=True)) if inplace else (act(), act())
        self.pool = nn.MaxPool2d(2)
        self.eval()

    def forward(self, x):
        x = self.pool(self.relu1(self.bn1(self.conv1(x))))
        x = self.pool(self.relu2(self.conv2(x)))
        return self.fc2(torch.tanh(self.fc1(x.flatten(1))))


class Keyed(nn.Module):
    """The same network in the manner of transformers: keywords in, logits out."""

    def __init__(self) -> None:
        super().__init__()
        self.net = Cnn()

    def forward(self, pixel_values=None, pixel_mask=None):
        shown = pixel_values if pixel_mask is None else pixel_values * pixel_mask[:, None]
        return SimpleNamespace(logits=self.net(shown))


def _draw(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def pictures():
    return _draw(5, 3, 12, 12, seed=11)


TARGETS = torch.tensor([0, 3, 1, 1, 2])


# ---------------------------------------------------------------------------------------------- agreement with captum


@pytest.mark.parametrize("target", [2, TARGETS])
def test_the_gradient_map_agrees_with_captum(pictures, target):
    attr = pytest.importorskip("captum.attr", reason="needs captum")
    model = Cnn()
    theirs = attr.Saliency(model).attribute(pictures.clone().requires_grad_(), target=target).amax(dim=1)
    assert torch.allclose(gradient_map(model, pictures, target), theirs, atol=1e-7)


@pytest.mark.parametrize("baseline", [0.0, 0.25, _draw(3, 12, 12, seed=2)])
def test_integrated_gradients_agree_with_captum(pictures, baseline):
    attr = pytest.importorskip("captum.attr", reason="needs captum")
    model = Cnn()
    start = torch.as_tensor(baseline).expand_as(pictures).clone()
    ways = {"gauss-legendre": "gausslegendre", "midpoint": "riemann_middle", "left": "riemann_left"}
    for rule, method in ways.items():
        peer = attr.IntegratedGradients(model)
        theirs = peer.attribute(pictures, start, target=TARGETS, n_steps=7, method=method).sum(dim=1)
        ours = integrated_gradients(model, pictures, TARGETS, steps=7, rule=rule, baseline=baseline)
        assert torch.allclose(ours, theirs, atol=1e-6), rule


@pytest.mark.parametrize("layer", ["conv1", "bn1", "conv2", "relu2"])
def test_grad_cam_agrees_with_captum(pictures, layer):
    attr = pytest.importorskip("captum.attr", reason="needs captum")
    model = Cnn()
    peer = attr.LayerGradCam(model, model.get_submodule(layer))
    maps = peer.attribute(pictures, target=TARGETS, relu_attributions=True)
    theirs = interpolate(maps, size=(12, 12), mode="bilinear", align_corners=False)[:, 0]
    ours = grad_cam(model, pictures, TARGETS, layer=layer)
    assert torch.allclose(ours, theirs, atol=1e-7)
    assert ours.max() > 0


# -------------------------------------------------------------------------------------------------------- closed forms


class LinearScores(nn.Module):
    def __init__(self, weight) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, x):
        return torch.einsum("nchw,kchw->nk", x, self.weight)


def test_a_linear_model_has_its_weights_as_maps(pictures):
    weight = _draw(4, 3, 12, 12, seed=3) - 0.5
    model = LinearScores(weight)
    expected = weight[TARGETS].abs().amax(dim=1)
    assert torch.equal(gradient_map(model, pictures, TARGETS), expected)
    assert torch.allclose(smooth_gradient(model, pictures, TARGETS, n_samples=3), expected, atol=1e-6)
    attribution = ((pictures - 0.5) * weight[TARGETS]).sum(dim=1)
    for rule in ("left", "right", "midpoint", "gauss-legendre"):
        found = integrated_gradients(model, pictures, TARGETS, steps=1, rule=rule, baseline=0.5)
        assert torch.allclose(found, attribution, atol=1e-6)


def test_the_gradient_of_the_most_active_channel_counts():
    weight = torch.zeros(2, 3, 1, 2)
    weight[0, :, 0, 0] = torch.tensor([1.0, -4.0, 2.0])
    found = gradient_map(LinearScores(weight), torch.ones(1, 3, 1, 2), 0)
    assert found.tolist() == [[[4.0, 0.0]]]


class HalfSquares(nn.Module):
    """Class 0 scores |x|^2 / 2, whose gradient is the image itself."""

    def forward(self, x):
        return torch.stack([(x**2).flatten(1).sum(dim=1) / 2, x.flatten(1).sum(dim=1)], dim=1)


def test_the_noise_of_the_smooth_gradient_is_a_share_of_each_images_range():
    x = 100.0 + _draw(2, 1, 40, 40, seed=4) * torch.tensor([1.0, 3.0]).view(2, 1, 1, 1)
    span = (x.amax(dim=(1, 2, 3)) - x.amin(dim=(1, 2, 3)))[:, None, None]
    for n_samples in (1, 16):
        found = smooth_gradient(HalfSquares(), x, 0, n_samples=n_samples, sigma=0.2)
        mean_noise = ((found - x[:, 0]) / span).flatten(1)  # x + the mean of the noise, all of it positive
        assert mean_noise.std(dim=1).numpy() == pytest.approx(0.2 / n_samples**0.5, rel=0.08)
        assert mean_noise.mean(dim=1).numpy() == pytest.approx(0.0, abs=0.02)


def test_smoothing_takes_the_absolute_value_of_the_mean_not_the_mean_of_absolute_values():
    x = torch.zeros(1, 1, 8, 8)
    x[0, 0, 0, 0] = 1.0  # elsewhere the gradient is noise around zero, which must average out
    found = smooth_gradient(HalfSquares(), x, 0, n_samples=400, sigma=0.5)
    assert found[0, 1:].mean() < 0.1 * 0.5
    assert found[0, 0, 0] == pytest.approx(1.0, abs=0.15)


def test_without_noise_the_smooth_gradient_is_the_gradient(pictures):
    model = Cnn()
    found = smooth_gradient(model, pictures, TARGETS, n_samples=2, sigma=0.0)
    assert torch.allclose(found, gradient_map(model, pictures, TARGETS), atol=1e-7)


@settings(max_examples=8, deadline=None)
@given(st.floats(-1.0, 1.0), st.integers(0, 3), st.integers(0, 2**31))
def test_integrated_gradients_are_complete(baseline, target, seed):
    model = Cnn(nn.Softplus)
    x = _draw(2, 3, 12, 12, seed=seed)
    with torch.no_grad():
        change = model(x)[:, target] - model(torch.full_like(x, baseline))[:, target]
    # max pooling leaves kinks on the line, hence many steps
    total = integrated_gradients(model, x, target, baseline=baseline, steps=200).sum(dim=(1, 2))
    assert torch.allclose(total, change, atol=2e-4)


def test_grad_cam_of_global_pooling_is_the_class_activation_map():
    torch_net = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    )
    x = _draw(3, 2, 6, 6) - 0.5
    with torch.no_grad():
        activity, weight = torch_net[:2](x), torch_net[4].weight[1]
        expected = torch.einsum("nkhw,k->nhw", activity, weight).relu() / 36
    assert torch.allclose(grad_cam(torch_net, x, 1, layer="1"), expected, atol=1e-7)


def test_grad_cam_reads_a_layer_before_what_is_done_to_it_in_place(pictures):
    plain, inplace = Cnn(), Cnn(inplace=True)
    for layer in ("bn1", "conv2"):
        expected = grad_cam(plain, pictures, TARGETS, layer=layer)
        assert torch.equal(grad_cam(inplace, pictures, TARGETS, layer=layer), expected)


def test_grad_cam_takes_the_last_convolution_that_has_a_map(pictures):
    model = Cnn()
    expected = grad_cam(model, pictures, 1, layer="conv2")
    assert torch.equal(grad_cam(model, pictures, 1), expected)
    head = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 6, 1), nn.Flatten(), nn.Linear(6, 2)
    )
    assert torch.equal(grad_cam(head, pictures, 1), grad_cam(head, pictures, 1, layer="0"))


# -------------------------------------------------------------------------------------------------------- causal maps


class TwoFilters(nn.Module):
    """Filter 0 shows channel 0 and speaks for class 0, filter 1 shows channel 1 and speaks for class 1."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.pool, self.fc = nn.Conv2d(2, 2, 1), nn.MaxPool2d(2), nn.Linear(2 * 4, 2, bias=False)
        with torch.no_grad():
            self.conv.weight.copy_(torch.eye(2).view(2, 2, 1, 1))
            self.conv.bias.zero_()
            self.fc.weight.copy_(torch.eye(2).repeat_interleave(4, dim=1))

    def forward(self, x):
        return self.fc(self.pool(torch.relu(self.conv(x))).flatten(1))


@pytest.mark.parametrize("unit", ["channel", "neuron"])
@pytest.mark.parametrize("target", [0, 1])
def test_the_map_shows_what_the_accepted_filter_sees_before_pooling(unit, target):
    model = TwoFilters().eval()
    x = _draw(40, 2, 4, 4) - 0.3
    x[:, target] += 0.5
    found = causal_graph(model, x, target, unit=unit)
    scores = {name: score for name, score in found.nodes.items() if name.startswith("conv#")}
    assert list(scores) == [f"conv#{target}"]
    expected = scores[f"conv#{target}"] * x[:, target].relu()
    assert torch.allclose(found.explain(model, x), expected, atol=1e-6)


def test_a_graph_of_the_last_layer_alone_has_maps_of_the_convolution_that_it_reads():
    model = TwoFilters().eval()
    x = _draw(40, 2, 4, 4) + torch.tensor([0.5, 0.0]).view(2, 1, 1)
    found = causal_graph(model, x, 0, layers=["fc"])
    assert [layer.name for layer in found.layers] == ["fc"]
    assert torch.allclose(found.explain(model, x), found.nodes["conv#0"] * x[:, 0], atol=1e-6)


def _graph(*edges, layers=(), target=0):
    """A graph with these accepted edges: (layer, source layer, source, target, effect)."""
    rows = [dict.fromkeys(COLUMNS, 0.0) for _ in edges]
    for row, (layer, source_layer, source, unit, effect) in zip(rows, edges, strict=True):
        row |= {"layer": layer, "source_layer": source_layer, "source": source, "target": unit}
        row |= {"branch": 0, "effect": effect, "tested": True, "kept": True}
    columns = {name: np.array([row[name] for row in rows]) for name in COLUMNS}
    names = dict.fromkeys([*(edge[0] for edge in edges), *layers])
    infos = tuple(CausalLayer(name, "conv", 4, ("input",), (3,), (1,)) for name in names)
    return CausalGraph(target, infos, columns, 8, 1.0, {})


def test_positive_scores_weigh_the_filters_behind_batch_norm_and_non_linearity(pictures):
    model = Cnn()
    with torch.no_grad():
        first = model.relu1(model.bn1(model.conv1(pictures)))
        second = model.relu2(model.conv2(model.pool(first)))
    found = _graph(
        ("conv2", "conv1", 1, 0, 0.5),
        ("conv2", "conv1", 1, 2, 0.25),  # the score of a filter is the sum over its edges
        ("conv2", "conv1", 4, 2, 2.0),
        ("conv2", "conv1", 3, 2, -9.0),  # speaks against the class
        ("fc1", "conv2", 2, 7, 3.0),
        ("fc1", "conv2", 0, 7, 1.5),
        ("fc2", "fc1", 7, 0, 1.0),
    )
    upper = (3.0 * second[:, 2] + 1.5 * second[:, 0])[:, None]
    upper = interpolate(upper, size=(12, 12), mode="bilinear", align_corners=False)[:, 0]
    for layer in (None, "conv2"):
        assert torch.allclose(causal_maps(found, model, pictures, layer=layer), upper, atol=1e-6)
    lower = 0.75 * first[:, 1] + 2.0 * first[:, 4]
    assert torch.allclose(causal_maps(found, model, pictures, layer="conv1"), lower, atol=1e-6)
    without = _graph(("conv2", "conv1", 1, 0, 1.0), ("fc1", "conv2", 0, 7, -1.0), ("fc2", "fc1", 7, 0, 1.0))
    assert torch.allclose(causal_maps(without, model, pictures), first[:, 1], atol=1e-6)


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(4)
            self.stem = nn.Conv2d(3, 4, 3, padding=1)
            self.conv1, self.conv2 = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
            self.bn2 = nn.BatchNorm2d(4)
            self.fc = nn.Linear(4, 3)
        self.eval()

    def parts(self, x):
        stem = nn.functional.gelu(self.stem(x))
        branch = self.bn2(self.conv2(torch.relu(self.conv1(stem))))
        return stem, branch, torch.relu(stem + branch)

    def forward(self, x):
        return self.fc(self.parts(x)[-1].mean(dim=(2, 3)))


def test_in_a_residual_network_a_filter_ends_at_the_sum_and_the_sum_has_maps_of_its_own(pictures):
    model = Residual()
    with torch.no_grad():
        stem, branch, whole = model.parts(pictures)
    found = _graph(
        ("fc", "+", 3, 0, 2.0),
        ("+", "stem", 3, 3, 1.0),
        ("conv1", "stem", 1, 3, 1.0),
        ("+", "conv2", 3, 3, 4.0),
    )
    assert torch.allclose(
        causal_maps(found, model, pictures, layer="conv2"), 4 * branch[:, 3].relu(), atol=1e-6
    )
    assert torch.allclose(causal_maps(found, model, pictures), 2 * whole[:, 3], atol=1e-6)
    expected = (stem[:, 1] + stem[:, 3]).relu()
    assert torch.allclose(causal_maps(found, model, pictures, layer="stem"), expected, atol=1e-6)


class PreActivation(Residual):
    """The stem is read as it is by the skip connection, and rectified by the convolution."""

    def parts(self, x):
        stem = self.stem(x)
        branch = self.conv1(torch.relu(stem))
        return stem, branch, stem + branch


def test_a_filter_that_is_read_in_two_ways_is_shown_before_they_part(pictures):
    model = PreActivation()
    with torch.no_grad():
        stem = model.parts(pictures)[0]
    weights = (1.0, 0.5, 2.0, 0.25)
    found = _graph(*(("conv1", "stem", i, 3, weight) for i, weight in enumerate(weights)))
    expected = torch.einsum("nkhw,k->nhw", stem, torch.tensor(weights))
    assert expected.min() < 0 < expected.max()
    assert torch.allclose(causal_maps(found, model, pictures), expected.relu(), atol=1e-6)


def test_causal_maps_say_which_layers_have_maps(pictures):
    model = Cnn()
    found = _graph(("fc1", "conv2", 0, 7, 1.0), ("fc2", "fc1", 7, 0, 1.0), ("conv1", "input", 0, 2, 1.0))
    for layer, words in (
        ("fc1", r"'fc1' is a linear map, whose units have no maps; .* accepted filters: \['conv2'\]"),
        ("input", "'input' is no layer but the model's input"),
        ("conv1", r"no filter of layer 'conv1' is accepted .* accepted filters: \['conv2'\]"),
    ):
        with pytest.raises(InputError, match=words):
            causal_maps(found, model, pictures, layer=layer)
    with pytest.raises(UnknownNameError, match="'conv3' is not in the model's pass; close names: 'conv2'"):
        causal_maps(found, model, pictures, layer="conv3")
    with pytest.raises(InputError, match="the graph of class 0 accepts no filter of a convolution"):
        causal_maps(_graph(("fc2", "fc1", 7, 0, 1.0)), model, pictures)
    with pytest.raises(InputError, match="the graph of class 0 accepts no filter of a convolution"):
        causal_maps(_graph(("fc1", "conv2", 0, 7, -1.0)), model, pictures)
    with pytest.raises(InputError, match="'conv2' has 6 filters, the graph names 6; it is of another model"):
        causal_maps(_graph(("fc1", "conv2", 6, 7, 1.0)), model, pictures)


# -------------------------------------------------------------------------------------------- all methods alike

GRAPH = _graph(("fc1", "conv2", 2, 7, 3.0), ("fc1", "conv2", 0, 7, 1.5), ("fc2", "fc1", 7, 0, 1.0))
METHODS = {
    "gradient": gradient_map,
    "smooth": lambda m, x, t, **k: smooth_gradient(m, x, t, n_samples=3, **k),
    "integrated": lambda m, x, t, **k: integrated_gradients(m, x, t, steps=3, **k),
    "grad-cam": grad_cam,
    "causal": lambda m, x, t, **k: causal_maps(GRAPH, m, x, **k),
}
every_method = pytest.mark.parametrize("explain", METHODS.values(), ids=list(METHODS))


@every_method
def test_maps_do_not_depend_on_the_batch(pictures, explain):
    model = Cnn()
    whole = explain(model, pictures, TARGETS)
    assert whole.shape == (5, 12, 12)
    assert whole.dtype == torch.float32
    for size in (1, 2, 4, 1000):
        assert torch.allclose(explain(model, pictures, TARGETS, batch_size=size), whole, atol=1e-6)
    assert torch.allclose(explain(model, pictures[:1], TARGETS[:1]), whole[:1], atol=1e-6)


def test_with_a_seed_per_image_its_smooth_gradient_has_no_neighbours(pictures):
    model = Cnn()
    whole = smooth_gradient(model, pictures, TARGETS, n_samples=3, rng=range(5))
    few = smooth_gradient(model, pictures[[3, 1]], TARGETS[[3, 1]], n_samples=3, rng=[3, 1])
    assert torch.allclose(few, whole[[3, 1]], atol=1e-6)
    other = smooth_gradient(model, pictures, TARGETS, n_samples=3, rng=1)
    assert not torch.allclose(other, smooth_gradient(model, pictures, TARGETS, n_samples=3), atol=1e-4)
    alike = smooth_gradient(model, pictures[[0, 0]], 0, n_samples=3)
    assert not torch.allclose(alike[0], alike[1], atol=1e-5)  # each image has noise of its own


@pytest.mark.parametrize("name", METHODS)
def test_a_mapping_gives_the_maps_of_the_tensor_and_its_other_parts_are_heard(pictures, name):
    keyed, explain = Keyed().eval(), METHODS[name]
    plain = explain(keyed.net, pictures, TARGETS)
    if name == "causal":
        found = _graph(("net.fc1", "net.conv2", 2, 7, 3.0), ("net.fc1", "net.conv2", 0, 7, 1.5))
        assert torch.allclose(causal_maps(found, keyed, {"pixel_values": pictures}), plain, atol=1e-6)
        return
    assert torch.allclose(explain(keyed, {"pixel_values": pictures}, TARGETS), plain, atol=1e-6)
    mask = torch.ones(5, 12, 12)
    mask[:, :, 6:] = 0.0
    given = {"pixel_values": pictures, "pixel_mask": mask}
    masked = explain(keyed, given, TARGETS)
    assert not torch.allclose(masked, plain, atol=1e-4)
    assert torch.allclose(explain(keyed, given, TARGETS, batch_size=2), masked, atol=1e-6)
    if name == "gradient":
        assert (masked[:, :, 6:] == 0).all()


@every_method
def test_the_model_and_the_images_stay_as_they_were(pictures, explain):
    model = Cnn(inplace=True)
    model.bn1.train()  # would move its statistics
    model.conv1.weight.requires_grad_(False)
    state, images = copy.deepcopy(model.state_dict()), pictures.clone()
    flags = [m.training for m in model.modules()], [p.requires_grad for p in model.parameters()]
    with torch.no_grad():
        found = explain(model, pictures, TARGETS)
    with torch.inference_mode():
        again = explain(model, pictures.clone(), TARGETS)
    assert torch.allclose(found, again, atol=1e-7)
    assert not found.requires_grad
    assert torch.allclose(found, explain(Cnn(), pictures, TARGETS), atol=1e-6)  # eval mode
    assert torch.equal(pictures, images)
    assert all(torch.equal(model.state_dict()[name], value) for name, value in state.items())
    assert ([m.training for m in model.modules()], [p.requires_grad for p in model.parameters()]) == flags
    assert all(p.grad is None for p in model.parameters())
    assert hook_count(model) == 0


class Editing(Cnn):
    """Works on its input in place."""

    def forward(self, x):
        return super().forward(x.mul_(2.0))


@every_method
def test_a_model_that_edits_its_input_in_place_is_explained_and_the_images_stay(pictures, explain):
    images = pictures.clone()
    found = explain(Editing(), pictures, TARGETS)
    assert torch.equal(pictures, images)
    assert torch.allclose(explain(Editing(), pictures, TARGETS, batch_size=2), found, atol=1e-6)
    plain = explain(Cnn(), 2 * pictures, TARGETS)
    factor = 2.0 if explain in (gradient_map, METHODS["smooth"]) else 1.0
    assert torch.allclose(found, factor * plain, atol=1e-5)


@every_method
def test_hooks_and_flags_are_restored_after_a_failure(pictures, explain):
    model = Cnn().train()

    def fail(*_):
        raise RuntimeError("broken on purpose")

    handle = model.fc2.register_forward_pre_hook(fail)
    with pytest.raises((RuntimeError, InputError), match="broken on purpose"):
        explain(model, pictures, TARGETS)
    handle.remove()
    assert hook_count(model) == 0
    assert all(m.training for m in model.modules())
    assert all(p.requires_grad for p in model.parameters())


@every_method
def test_the_global_random_state_is_neither_read_nor_set(pictures, explain):
    model = Cnn()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        before = torch.get_rng_state()
        first = explain(model, pictures, TARGETS)
        assert torch.equal(torch.get_rng_state(), before)
        torch.manual_seed(2)
        assert torch.equal(explain(model, pictures, TARGETS), first)


# ------------------------------------------------------------------------------------------------------------ bad input


@every_method
@pytest.mark.parametrize(
    ("images", "words"),
    [
        (
            torch.rand(2, 12, 12),
            r"images must be floating point of shape .*, got \(2, 12, 12\) of torch.float32",
        ),
        (torch.ones(2, 3, 12, 12, dtype=torch.uint8), "images must be floating point .* of torch.uint8"),
        ({"x": torch.rand(2, 3, 12, 12)}, r"must have the key 'pixel_values', got \['x'\]"),
        (torch.full((2, 3, 12, 12), torch.nan), "images must be finite, got NaN"),
        (torch.rand(0, 3, 12, 12), "at least one row"),
        (None, "must be a tensor or a mapping of tensors, got NoneType"),
    ],
)
def test_inputs_that_are_no_images_are_refused(explain, images, words):
    with pytest.raises(InputError, match=words):
        explain(Cnn(), images, 0)


@pytest.mark.parametrize("explain", [METHODS[k] for k in list(METHODS)[:4]], ids=list(METHODS)[:4])
@pytest.mark.parametrize(
    ("target", "words"),
    [
        (4, "target must be 0 to 3 .* got 4 in row 0"),
        (torch.tensor([0, 1, 2, 3, -1]), "got -1 in row 4"),
        (torch.tensor([0, 1]), r"5 of them, one per row, got shape \(2,\)"),
        (1.5, "of torch.float32"),
        (True, "target must be a class id, or one per image, got True"),
        ("cat", "target must be a class id, or one per image, got 'cat'"),
        (None, "target must be a class id, or one per image, got None"),
    ],
)
def test_targets_that_are_no_class_are_refused(pictures, explain, target, words):
    with pytest.raises(InputError, match=words):
        explain(Cnn(), pictures, target, batch_size=2)


@every_method
@pytest.mark.parametrize("size", [0, -1, 1.5, True])
def test_a_batch_has_at_least_one_image(pictures, explain, size):
    with pytest.raises(InputError, match=f"batch_size must be an integer of at least 1, got {size}"):
        explain(Cnn(), pictures, TARGETS, batch_size=size)


def test_what_each_method_cannot_do_is_said(pictures):
    model = Cnn()
    for n_samples in (0, 2.0, True):
        with pytest.raises(InputError, match=f"n_samples must be an integer of at least 1, got {n_samples}"):
            smooth_gradient(model, pictures, 0, n_samples=n_samples)
    for sigma in (-0.1, float("nan"), float("inf")):
        with pytest.raises(InputError, match=f"sigma must be 0 or more, got {sigma}"):
            smooth_gradient(model, pictures, 0, sigma=sigma)
    with pytest.raises(InputError, match=r"rng must be a seed or one per image \(5\), got 2"):
        smooth_gradient(model, pictures, 0, rng=[1, 2])
    with pytest.raises(InputError, match="steps must be an integer of at least 1, got 0"):
        integrated_gradients(model, pictures, 0, steps=0)
    with pytest.raises(UnknownNameError, match="'simpson' is not a quadrature rule"):
        integrated_gradients(model, pictures, 0, rule="simpson")
    with pytest.raises(InputError, match=r"shape of the images \(5, 3, 12, 12\), got \(2, 12, 12\)"):
        integrated_gradients(model, pictures, 0, baseline=torch.zeros(2, 12, 12))
    with pytest.raises(InputError, match="baseline must be finite"):
        integrated_gradients(model, pictures, 0, baseline=float("nan"))
    with pytest.raises(UnknownNameError, match="'conv3' is not in this model; close names: 'conv2'"):
        grad_cam(model, pictures, 0, layer="conv3")
    with pytest.raises(InputError, match=r"'fc1' holds no maps .*, got \(5, 8\)"):
        grad_cam(model, pictures, 0, layer="fc1")
    with pytest.raises(InputError, match="'pool' ran 2 times in one pass; it must run exactly once"):
        grad_cam(model, pictures, 0, layer="pool")
    with pytest.raises(InputError, match="no convolution with more than one place ran in HalfSquares"):
        grad_cam(HalfSquares(), pictures, 0)


class Cut(Cnn):
    def forward(self, x):
        return super().forward(x).detach()


def test_a_model_that_cuts_the_gradient_is_not_given_a_map_of_zeros(pictures):
    for explain, what in ((gradient_map, "the images"), (grad_cam, "layer 'conv2'")):
        with pytest.raises(InputError, match=f"does not depend on {what} by operations that have a gradient"):
            explain(Cut(), pictures, 0)


def test_a_model_in_half_precision_is_explained_by_its_copy_in_single(pictures):
    half = Cnn().half()
    with pytest.warns(UserWarning, match="half precision"):
        found = gradient_map(half, pictures.half(), TARGETS)
    assert torch.allclose(found, gradient_map(half.float(), pictures.half().float(), TARGETS), atol=1e-6)
