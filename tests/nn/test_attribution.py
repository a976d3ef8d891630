"""The engine agrees with closed forms and with captum, whatever the chunking, and leaves the model alone."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hodology.errors import InputError, UnknownNameError
from hodology.nn.attribution import LineAttribution
from hodology.nn.models import VisionTransformer
from hodology.nn.sites import find_sites, parse_site
from model_hooks import hook_count


class Quadratic(nn.Module):
    """Scores with a known gradient: logit_c = sum_i a_ci h_i^2 over the hidden vector h."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(3, 3, bias=False)
        self.weight = nn.Parameter(torch.tensor([[1.0, -2.0, 0.5], [0.0, 1.0, 3.0]]))
        with torch.no_grad():
            self.hidden.weight.copy_(torch.eye(3))

    def forward(self, x):
        return self.hidden(x) ** 2 @ self.weight.T


def _zero_line(run, index=0):
    clean = run.activations[index]
    return {index: (torch.zeros_like(clean), clean)}


def test_gradient_of_a_quadratic_is_the_closed_form():
    model = Quadratic()
    engine = LineAttribution(model, [parse_site(model, "hidden")], output="logit")
    x = torch.tensor([[1.0, 2.0, -1.0], [0.5, 0.0, 3.0]])
    run = engine.clean(x, targets=torch.tensor([0, 1]))
    found = engine.gradients(run, _zero_line(run), rule="gauss-legendre", n_steps=2)[0][:, 0]
    # integral of 2 a h alpha over alpha is a h
    assert torch.allclose(found, model.weight[[0, 1]] * x, atol=1e-6)
    left = engine.gradients(run, _zero_line(run), rule="left", n_steps=4)[0][:, 0]
    assert torch.allclose(left, 2 * model.weight[[0, 1]] * x * (0 + 0.25 + 0.5 + 0.75) / 4, atol=1e-6)


@pytest.mark.parametrize("output", ["probability", "log-probability", "logit"])
def test_completeness_along_a_joint_line(vit, images, output):
    engine = LineAttribution(vit, find_sites(vit), output=output)
    run = engine.clean(images, positions=torch.zeros(5, 1, dtype=torch.int64))
    lines = {i: (torch.zeros_like(a), a) for i, a in enumerate(run.activations)}
    found = engine.gradients(run, lines, rule="gauss-legendre", n_steps=20)
    total = sum((run.activations[i] * g).sum(dim=(1, 2)) for i, g in found.items())
    ends = [engine.value(run, {i: lines[i][k] for i in lines}) for k in (1, 0)]
    assert torch.allclose(total, ends[0] - ends[1], atol=2e-4)


def test_the_clamped_clean_value_is_the_clean_output(vit, images):
    engine = LineAttribution(vit, find_sites(vit))
    run = engine.clean(images, positions=torch.zeros(5, 1, dtype=torch.int64))
    assert torch.allclose(engine.value(run, dict(enumerate(run.activations))), run.probability, atol=1e-6)


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_one_layer_agrees_with_captum(vit, images, layer):
    attr = pytest.importorskip("captum.attr", reason="needs captum")
    engine = LineAttribution(vit, find_sites(vit))
    run = engine.clean(images)
    peer = attr.LayerIntegratedGradients(lambda x: vit(x).softmax(dim=1), vit.blocks[layer].mlp.fc2)
    # captum moves the layer from its value at the baseline input
    baseline = torch.zeros_like(images)
    start = _hidden(vit, baseline, layer)
    lines = {layer: (start, run.activations[layer])}
    ours = (run.activations[layer] - start) * engine.gradients(run, lines, rule="gauss-legendre", n_steps=8)[
        layer
    ]
    theirs = peer.attribute(
        images, baseline, target=run.targets, n_steps=8, method="gausslegendre", attribute_to_layer_input=True
    )
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_all_layers_along_the_input_agree_with_captum(vit, images):
    attr = pytest.importorskip("captum.attr", reason="needs captum")
    engine = LineAttribution(vit, find_sites(vit))
    run = engine.clean(images)
    found = engine.along_input(run, rule="gauss-legendre", n_steps=6)
    for layer, gradient in enumerate(found):
        peer = attr.InternalInfluence(lambda x: vit(x).softmax(dim=1), vit.blocks[layer].mlp.fc2)
        theirs = peer.attribute(
            images, target=run.targets, n_steps=6, method="gausslegendre", attribute_to_layer_input=True
        )
        assert torch.allclose(gradient, theirs, atol=1e-5)


def _hidden(model, x, layer):
    engine = LineAttribution(model, find_sites(model))
    return engine.clean(x).activations[layer]


@pytest.mark.parametrize("max_batch", [1, 3, 7, None])
def test_chunking_and_batching_do_not_change_the_result(vit, images, max_batch):
    positions = torch.zeros(5, 1, dtype=torch.int64)
    whole = LineAttribution(vit, find_sites(vit), max_batch=1000)
    run = whole.clean(images, positions=positions)
    lines = {
        0: (run.activations[0] * 0.5, run.activations[0]),
        2: (torch.zeros_like(run.activations[2]), run.activations[2]),
    }
    expected = whole.gradients(run, lines, n_steps=5)
    parts = LineAttribution(vit, find_sites(vit), max_batch=max_batch)
    found = parts.gradients(parts.clean(images, positions=positions), lines, n_steps=5)
    for i in lines:
        assert torch.allclose(found[i], expected[i], atol=1e-6)


def test_prefix_reuse_changes_nothing(vit, images):
    results = []
    for reuse in (True, False):
        engine = LineAttribution(vit, find_sites(vit), reuse_prefix=reuse)
        run = engine.clean(images, positions=torch.zeros(5, 1, dtype=torch.int64))
        results.append([engine.gradients(run, _zero_line(run, i), n_steps=4)[i] for i in range(3)])
    for with_prefix, without in zip(*results, strict=True):
        assert torch.allclose(with_prefix, without, atol=1e-6)


def test_float64_agrees_with_float32(vit, images):
    engine = LineAttribution(vit, find_sites(vit))
    run = engine.clean(images)
    single = engine.gradients(run, _zero_line(run), n_steps=5)[0]
    double_model = vit.double()
    engine = LineAttribution(double_model, find_sites(double_model))
    run = engine.clean(images.double())
    double = engine.gradients(run, _zero_line(run), n_steps=5)[0]
    assert double.dtype == torch.float64
    assert torch.allclose(single.double(), double, atol=1e-6)


def test_a_model_whose_prefix_does_not_belong_to_the_row_runs_in_full(images):
    class Counting(nn.Module):
        """Gives another result at every call, above the layer and outside of modules."""

        def __init__(self) -> None:
            super().__init__()
            self.calls = 0
            self.layer = nn.Linear(64, 8)
            self.head = nn.Linear(8, 3)

        def forward(self, x):
            self.calls += 1
            return self.head(torch.tanh(self.layer(x.flatten(1)) + self.calls))

    model = Counting()
    engine = LineAttribution(model, [parse_site(model, "layer")])
    run = engine.clean(images)
    with pytest.warns(UserWarning, match="gives other scores when the part before 'layer' is reused"):
        engine.gradients(run, _zero_line(run), n_steps=2)
    assert engine.reuse_prefix is False


def test_a_plain_layer_of_units_is_one_position(images):
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.Tanh(), nn.Linear(8, 3))
    engine = LineAttribution(model, [parse_site(model, "3:input")])
    run = engine.clean(images)
    found = engine.gradients(run, _zero_line(run), rule="gauss-legendre", n_steps=8)[0]
    change = engine.value(run, {0: run.activations[0]}) - engine.value(run, {0: 0 * run.activations[0]})
    assert found.shape == (5, 1, 8)
    assert torch.allclose((found * run.activations[0]).sum(dim=(1, 2)), change, atol=1e-5)


def test_hooks_and_flags_are_gone_after_a_failure(vit, images):
    engine = LineAttribution(vit, find_sites(vit))
    run = engine.clean(images)
    wrong = {0: (run.activations[0][..., :3], run.activations[0][..., :3])}
    with pytest.raises((RuntimeError, ValueError)):
        engine.gradients(run, wrong)
    assert hook_count(vit) == 0
    assert all(p.requires_grad for p in vit.parameters())


def test_user_hooks_apply_once(vit, images):
    """An edit of the user's below the first site is kept in the reused prefix and must not apply again."""
    handle = vit.blocks[0].register_forward_hook(lambda m, a, out: out * 1.5)
    try:
        values = []
        for reuse in (True, False):
            engine = LineAttribution(vit, find_sites(vit), reuse_prefix=reuse)
            run = engine.clean(images, positions=torch.zeros(5, 1, dtype=torch.int64))
            values.append(engine.gradients(run, _zero_line(run, 2), n_steps=4)[2])
        assert torch.allclose(*values, atol=1e-6)
    finally:
        handle.remove()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e, x: e.clean(x[:0]), "at least one row"),
        (lambda e, x: e.clean(x * float("nan")), "contain NaN"),
        (
            lambda e, x: e.clean(x, targets=torch.tensor([0, 1, 2, 3, 9])),
            "target must be 0 to 4 .* got 9 in row 4",
        ),
        (lambda e, x: e.clean(x, targets=torch.tensor([0])), "target must be a class id, or 5 of them"),
        (lambda e, x: e.clean(x, positions=torch.full((5, 1), 40)), "token must be 0 to 4"),
        (lambda e, x: e.clean("words"), "must be a tensor or a mapping"),
    ],
)
def test_bad_batches_are_explained(vit, images, change, message):
    with pytest.raises(InputError, match=message):
        change(LineAttribution(vit, find_sites(vit)), images)


def test_bad_settings_are_explained(vit):
    with pytest.raises(InputError, match="max_batch must be at least 1"):
        LineAttribution(vit, find_sites(vit), max_batch=0)
    with pytest.raises(UnknownNameError, match="close names: 'probability'"):
        LineAttribution(vit, find_sites(vit), output="probabilities")


def test_a_convolution_is_not_a_layer_of_units(images):
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 3))
    engine = LineAttribution(model, [parse_site(model, "0")])
    with pytest.raises(InputError, match=r"must hold a \(batch, tokens, units\) tensor"):
        engine.clean(images)


@pytest.mark.parametrize("pool", ["token", "avg"])
def test_the_last_block_is_narrowed_only_where_the_output_reads_one_token(images, pool):
    shape = {
        "image_size": 8,
        "patch_size": 4,
        "depth": 3,
        "width": 16,
        "heads": 2,
        "hidden": 12,
        "classes": 5,
    }
    model = VisionTransformer(**shape, pool=pool, rng=1).eval()
    sites = find_sites(model)
    for chosen in (sites[:1], sites[1:2], sites[2:], sites):
        found = []
        for reuse in (True, False):
            engine = LineAttribution(model, chosen, reuse_prefix=reuse)
            run = engine.clean(images)
            lines = {i: (torch.zeros_like(a), a) for i, a in enumerate(run.activations)}
            found.append(engine.gradients(run, lines, n_steps=3))
            if reuse and chosen in (sites[:1], sites[1:2]):
                assert engine._read_alone == {"first": pool == "token"}
        for i in found[0]:
            assert torch.allclose(found[0][i], found[1][i], atol=1e-7)
            assert found[0][i].abs().max() > 0


def test_another_token_than_the_one_that_is_read_is_never_narrowed_to(images):
    shape = {
        "image_size": 8,
        "patch_size": 4,
        "depth": 3,
        "width": 16,
        "heads": 2,
        "hidden": 12,
        "classes": 5,
    }
    model = VisionTransformer(**shape, rng=1).eval()
    engine, plain = (LineAttribution(model, find_sites(model)[:1], reuse_prefix=r) for r in (True, False))
    for token in (0, 3):  # the second meets an engine that has checked the first
        positions = torch.full((len(images), 1), token)
        found = []
        for each in (engine, plain):
            run = each.clean(images, positions=positions)
            found.append(
                each.gradients(run, {0: (torch.zeros_like(run.activations[0]), run.activations[0])})[0]
            )
        assert torch.allclose(*found, atol=1e-8)
        assert found[0].abs().max() > 0
