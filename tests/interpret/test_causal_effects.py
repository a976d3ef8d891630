"""The effect of every edge, cut alone, equals that of weights set to zero and the whole network run."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from causal_networks import (
    NETWORKS,
    OTHERS,
    every_edge,
    every_effect,
    evidence,
    network,
    prepared,
    worst_error,
)
from hodology.errors import InputError, UnknownNameError
from hodology.interpret.causal_effects import class_value, rounding
from hodology.interpret.causal_graph import causal_graph
from hodology.interpret.causal_runs import Runs
from hodology.interpret.edge_sets import cut
from hodology.nn.taps import evaluation_mode, record
from model_hooks import hook_count

pytestmark = pytest.mark.filterwarnings("ignore:the model gives class")  # most networks here are random
KINDS = ("logodds", "probability", "log-probability", "logit", "loss", "correct")


@pytest.mark.parametrize("name", [*NETWORKS, *OTHERS])
def test_every_single_edge_effect_equals_masking_its_weights(name):
    model, x = network(name)
    measured = every_effect(model, x)
    assert worst_error(model, x, measured) < 1e-5
    assert max(np.abs(values).max() for _, values, _, _ in measured.values()) > 1e-3
    assert hook_count(model) == 0


@pytest.mark.parametrize("name", ["cnn with norm and pooling", "mlp without bias", "norm behind flattening"])
def test_entries_of_a_flattened_map_can_be_units_of_their_own(name):
    model, x = network(name)
    measured = every_effect(model, x, unit="neuron")
    linear = next(n for n, m in model.named_modules() if isinstance(m, nn.Linear))
    assert measured[linear][2] == model.get_submodule(linear).in_features
    assert worst_error(model, x, measured) < 1e-5


@pytest.mark.parametrize("effect", KINDS)
@pytest.mark.parametrize("name", ["gelu", "ends in pooling"])
def test_every_kind_of_evidence_equals_masking(name, effect):
    model, x = network(name)
    target = int(scores_of(model, x).mean(dim=0).argmax())
    measured = every_effect(model, x, effect=effect, target=target)
    assert worst_error(model, x, measured, effect=effect, target=target) < 1e-5


def scores_of(model, x):
    with torch.no_grad():
        return model(x.clone())


@pytest.mark.parametrize("name", ["skips", "silu", "odd sums"])
@pytest.mark.parametrize("size", [1, 2, 4])
def test_batches_do_not_matter(name, size):
    model, x = network(name)
    whole, parts = every_effect(model, x), every_effect(model, x, size=size)
    for layer, (_, values, _, _) in whole.items():
        assert np.allclose(parts[layer][1], values, atol=1e-5)


def test_double_precision_and_other_memory_layouts_are_kept():
    model, x = network("cnn with norm and pooling")
    plain = every_effect(model, x)
    wide = every_effect(copy.deepcopy(model).double(), x.double())
    last = every_effect(
        copy.deepcopy(model).to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    )
    assert worst_error(copy.deepcopy(model).double(), x.double(), wide) < 1e-12
    for layer, (_, values, _, _) in plain.items():
        assert np.allclose(wide[layer][1], values, atol=1e-5)
        assert np.allclose(last[layer][1], values, atol=1e-5)


ACTIVATIONS = (nn.ReLU, nn.Tanh, nn.GELU, nn.SiLU, nn.LeakyReLU, nn.Sigmoid, nn.Identity)
POOLS = (nn.Identity, lambda: nn.MaxPool2d(2, 1), lambda: nn.AvgPool2d(2, 1), lambda: nn.MaxPool2d(3, 2, 1))


class Drawn(nn.Module):
    """A random architecture."""

    def __init__(self, draw) -> None:
        super().__init__()
        widths = [2, *draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))]
        self.stages = nn.ModuleList()
        self.skips = []
        for before, after in zip(widths, widths[1:]):
            kernel = draw(st.integers(1, 3))
            conv = nn.Conv2d(
                before, after, kernel, padding=draw(st.integers(0, 2)), stride=draw(st.integers(1, 2)),
                dilation=draw(st.integers(1, 2)) if kernel < 3 else 1, bias=draw(st.booleans()),
            )  # fmt: skip
            norm = nn.BatchNorm2d(after) if draw(st.booleans()) else nn.Identity()
            act, pool = draw(st.sampled_from(ACTIVATIONS))(), draw(st.sampled_from(POOLS))()
            branch = nn.Conv2d(after, after, 3, padding=1) if draw(st.booleans()) else None
            self.stages.append(nn.Sequential(conv, norm, act, nn.AdaptiveAvgPool2d(5), pool))
            self.skips.append(branch is not None)
            self.stages.append(branch or nn.Identity())
        self.pooled = draw(st.booleans())
        self.head = nn.LazyLinear(3)

    def forward(self, x):
        for stage, branch, skip in zip(self.stages[::2], self.stages[1::2], self.skips):
            x = stage(x)
            if skip:
                x = x + branch(x)
        return self.head(x.mean((2, 3)) if self.pooled else x.flatten(1))


@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_effects_of_random_architectures_equal_masking(data):
    torch.manual_seed(data.draw(st.integers(0, 10**6)))
    model, x = prepared(Drawn(data.draw), (2, 7, 7), rows=3)
    unit = data.draw(st.sampled_from(("channel", "neuron")))
    measured = every_effect(model, x, unit=unit, size=data.draw(st.integers(2, 3)))
    some = {layer: (e[:, ::3], v[::3], s, k) for layer, (e, v, s, k) in measured.items()}
    assert worst_error(model, x, some) < 1e-5


def test_permuting_filters_permutes_their_effects():
    model, x = network("gelu")
    other, order = copy.deepcopy(model), [2, 0, 3, 1]
    first, second = [n for n, m in model.named_modules() if isinstance(m, nn.Conv2d)]
    with torch.no_grad():
        other.get_submodule(first).weight.copy_(model.get_submodule(first).weight[order])
        other.get_submodule(first).bias.copy_(model.get_submodule(first).bias[order])
        other.get_submodule(second).weight.copy_(model.get_submodule(second).weight[:, order])
    a, b = every_effect(model, x), every_effect(other, x)
    assert np.allclose(b[first][1].reshape(4, 3, -1), a[first][1].reshape(4, 3, -1)[order], atol=1e-5)
    assert np.allclose(b[second][1].reshape(3, 4, -1), a[second][1].reshape(3, 4, -1)[:, order], atol=1e-5)


def test_the_estimate_is_gradient_times_weight():
    model, x = network("skips")
    class_value(model(x.clone()), 1).mean().backward()
    with evaluation_mode(model), torch.no_grad():
        runs = Runs(model, x, 2)
        for stage in runs.stages:
            if stage.kind in ("conv", "linear"):
                _, source, unit = columns = tuple(torch.from_numpy(c) for c in every_edge(runs, stage))
                weight = model.get_submodule(stage.name).weight
                expected = (weight * weight.grad).reshape(*weight.shape[:2], -1).sum(dim=2)[unit, source]
                found = runs.mean(stage, 1, "logodds", lambda run: run.estimates(*columns))  # noqa: B023
                assert np.allclose(found, expected.numpy(), atol=1e-6)
                assert np.abs(found).max() > 1e-4


# Closed form


def _integers():
    """x -> relu([[1, 2], [3, -1]] x + [0, 1]) -> [[2, 1], [1, -1]] h."""
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0, 2.0], [3.0, -1.0]]))
        model[0].bias.copy_(torch.tensor([0.0, 1.0]))
        model[2].weight.copy_(torch.tensor([[2.0, 1.0], [1.0, -1.0]]))
    return model, torch.tensor([[1.0, 1.0], [2.0, 0.0]])


def _table(found):
    return {(row["layer"], row["source"], row["target"]): row["effect"] for row in found.rows(kept=False)}


def test_effects_scores_and_paths_by_hand():
    model, x = _integers()
    found = causal_graph(model, x, 0, effect="logit", test="none")
    assert _table(found) == {
        ("2", 0, 0): 5.0,  # 2 * 3 and 2 * 2
        ("2", 1, 0): 5.0,  # 1 * 3 and 1 * 7
        ("0", 0, 0): 3.0,  # h0 3 -> 2 and 2 -> 0, times 2
        ("0", 1, 0): 2.0,  # h0 3 -> 1 and 2 -> 2
        ("0", 0, 1): 4.5,  # h1 3 -> 0 and 7 -> 1
        ("0", 1, 1): -0.5,  # h1 3 -> 4 and 7 -> 7
    }
    assert {(r["layer"], r["source"], r["target"]) for r in found.rows()} == set(_table(found)) - {
        ("0", 1, 1)
    }
    scores = found.nodes
    assert np.isnan(scores.pop("2#0"))
    assert scores == {"0#0": 5.0, "0#1": 5.0, "input#0": 7.5, "input#1": 2.0}
    best = found.paths(5)
    assert [[f"{s.place}#{s.unit}" for s in path.steps] for path in best] == [
        ["input#0", "0#1", "2#0"],
        ["input#0", "0#0", "2#0"],
        ["input#1", "0#0", "2#0"],
    ]
    assert np.allclose([path.score for path in best], [1.0, 3 / 4.5, 2 / 4.5])
    cost = found.layers[0].rejected_cost
    assert cost["effect"] == -0.5
    assert cost["accuracy"] == 1.0
    assert found.layers[1].rejected_cost is None
    assert repr(found) == "CausalGraph(class 0, 5 of 6 edges in 2 layers)"


def test_the_mean_reference_by_hand():
    model, x = _integers()
    found = causal_graph(
        model, x, 0, effect="logit", reference="mean", reference_images=torch.tensor([[1.0, 1.0]] * 3),
        test="none",
    )  # fmt: skip
    assert _table(found) == {
        ("2", 0, 0): -1.0,  # 2 * (3 - 3) and 2 * (2 - 3)
        ("2", 1, 0): 2.0,  # 3 - 3 and 7 - 3
        ("0", 0, 1): 1.5,  # h1 3 -> 3 and 7 -> 4
        ("0", 1, 1): 0.5,  # h1 3 -> 3 and 7 -> 6
    }
    zero = causal_graph(
        model, x, 0, effect="logit", reference="mean", reference_images=torch.zeros(9, 2), test="none"
    )
    hidden = causal_graph(model, x, 0, effect="logit", test="none")
    below = [n for n in range(6) if hidden.edges["layer"][n] == "0"]
    assert np.allclose(zero.edges["effect"][:4], hidden.edges["effect"][below])


@pytest.mark.parametrize(
    "name",
    ["cnn with norm and pooling", "reflected and replicated borders", "strides and dilation", "series"],
)
@pytest.mark.parametrize("unit", ["channel", "neuron"])
def test_the_mean_reference_equals_an_explicit_replacement(name, unit):
    model, x = network(name)
    others = torch.randn(7, *x.shape[1:])
    found = causal_graph(
        model, x, 1, reference="mean", reference_images=others, test="none", batch_size=3, unit=unit
    )
    clean = evidence(model, x)
    weighted = [n for n, m in model.named_modules() if hasattr(m, "weight") and m.weight.ndim > 1]
    with torch.no_grad(), record(model, [f"{n}:input" for n in weighted]) as activity:
        model(others)
    checked = 0
    for row in found.rows(kept=False):
        module = model.get_submodule(row["layer"])
        width = next(layer.source_units[0] for layer in found.layers if layer.name == row["layer"])
        block = module.weight.shape[1] // width
        mine = slice(row["source"] * block, (row["source"] + 1) * block)
        mean = activity[f"{row['layer']}:input"].mean(dim=0, keepdim=True)

        def replaced(_, args, mean=mean, mine=mine):
            inner = args[0].clone()
            inner[:, mine] = mean[:, mine]
            return (inner,)

        other = copy.deepcopy(model)
        other.get_submodule(row["layer"]).register_forward_pre_hook(replaced)
        with torch.no_grad(), record(other, [row["layer"]]) as changed:
            other(x)
        channel = changed[row["layer"]][:, row["target"]]

        def channel_alone(_, args, output, unit=row["target"], channel=channel):
            output = output.clone()
            output[:, unit] = channel
            return output

        handle = module.register_forward_hook(channel_alone)
        expected = (clean - evidence(model, x)).mean()
        handle.remove()
        assert row["effect"] == pytest.approx(expected, abs=1e-5)
        checked += 1
    assert checked > 5
    for layer in found.layers:  # cuts by hand put the same in place
        with cut(model, found.edge_set(layer.name, rejected=True)):
            joint = (clean - evidence(model, x)).mean()
        cost = layer.rejected_cost
        assert joint == pytest.approx(cost["effect"] if cost else 0.0, abs=1e-5)
        with cut(model, found.edge_set(layer.name)):
            assert np.isfinite(evidence(model, x)).all()


def test_means_of_branches_stand_on_cut_skips():
    model, x = network("skips")
    found = causal_graph(model, x, 1, reference="mean", test="none", min_effect=-0.0)
    with torch.no_grad(), record(model, ["one.bn2", "one:input"]) as activity:
        # in-place sums write over what was recorded, so the branch is read again
        model(x)
    skip = activity["one:input"]
    with torch.no_grad():
        inner = model.one.bn2(model.one.conv2(F.relu(model.one.bn1(model.one.conv1(skip)))))
    expected = [inner.mean(dim=0, keepdim=True), skip.mean(dim=0, keepdim=True)]
    for given_mean, mean in zip(found.reference["one+"], expected, strict=True):
        assert torch.allclose(given_mean, mean, atol=1e-5)


def test_what_counts_as_rounding_follows_the_scores():
    scores = torch.tensor([[100.0, -3.0], [2.0, 1.0]])
    step = 8 * torch.finfo(torch.float32).eps
    for kind in ("logodds", "logit", "loss", "log-probability"):
        assert rounding(scores, 0, kind) == pytest.approx(step * 100)
    assert rounding(scores, 1, "probability") == pytest.approx(
        step * 100 * scores.softmax(1)[1, 1].item(), rel=1e-5
    )
    assert rounding(scores, 0, "correct") == 0.0
    assert rounding(scores.double(), 0, "logit") < 1e-12


def test_evidence_is_of_a_class_that_there_is():
    for target in (3, -1):
        with pytest.raises(InputError, match=f"target must be 0 to 2, got {target}"):
            class_value(torch.zeros(2, 3), target)
    with pytest.raises(UnknownNameError, match="effect 'odds' does not exist; close names: 'logodds'"):
        class_value(torch.zeros(2, 3), 1, "odds")


@pytest.mark.parametrize("kind", KINDS)
def test_evidence_is_higher_for_the_class(kind):
    scores = torch.tensor([[2.0, 0.0, -1.0], [0.0, 2.0, 1.0]])
    p = scores.softmax(dim=1)[:, 0]
    expected = {
        "logodds": (p / (1 - p)).log(),
        "probability": p,
        "log-probability": p.log(),
        "logit": scores[:, 0],
        "loss": p.log(),
        "correct": torch.tensor([1.0, 0.0]),
    }[kind]
    assert torch.allclose(class_value(scores, 0, kind), expected, atol=1e-6)
    assert class_value(torch.tensor([[90.0, 0.0]]), 0, "logodds").item() == 90.0  # certain, yet not saturated
