"""The search finds planted paths and nothing else, its table is that of the tests, and bad input is explained."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn
from torch.nn import functional as F

from causal_networks import every_effect, evidence, network, strong_cnn
from hodology.errors import InputError, UnknownNameError
from hodology.interpret.causal_effects import StageRun
from hodology.interpret.causal_graph import causal_graph, noisy_copies
from hodology.interpret.causal_result import COLUMNS
from hodology.interpret.edge_sets import cut, keep_only
from hodology.work import UnitStore
from model_hooks import hook_count

pytestmark = pytest.mark.filterwarnings("ignore:the model gives class")  # most networks here are random


@pytest.fixture(scope="module")
def small():
    return strong_cnn()


def test_the_table_holds_means_and_tests_of_the_effects(small):
    model, x, target = small
    found = causal_graph(model, x, target)
    measured = every_effect(model, x, target=target)
    edges = found.edges
    assert set(edges) == set(COLUMNS)
    for layer in found.layers:
        here = edges["layer"] == layer.name
        index = {tuple(e): v for e, v in zip(measured[layer.name][0].T, measured[layer.name][1])}
        values = np.array(
            [index[e] for e in zip(edges["branch"][here], edges["source"][here], edges["target"][here])]
        )
        assert np.allclose(edges["effect"][here], values.mean(axis=1), atol=1e-5)
        p = edges["p"][here]
        moved = np.abs(values).max(axis=1) > 1e-3
        expected = stats.ttest_1samp(values, 0.0, axis=1, alternative="greater").pvalue
        assert np.allclose(p[moved], expected[moved], rtol=1e-2, atol=1e-8)
        assert np.allclose(edges["p_adjusted"][here], stats.false_discovery_control(p), atol=1e-12)
        kept = (edges["p_adjusted"][here] <= 0.01) & (edges["effect"][here] > 0)
        assert np.array_equal(edges["kept"][here], kept)
        assert (layer.candidates, layer.tested, layer.kept) == (here.sum(), here.sum(), kept.sum())
    assert found.samples == 40
    assert found.accuracy == 1.0
    assert found.settings["alpha"] == 0.01
    assert found.edges["kept"].any()


def test_candidates_are_all_edges_into_accepted_units(small):
    model, x, target = small
    found = causal_graph(model, x, target)
    edges, frontier = found.edges, {target}
    for layer in reversed(found.layers):
        here = edges["layer"] == layer.name
        assert set(edges["target"][here]) == frontier
        assert here.sum() == len(frontier) * layer.source_units[0]
        frontier = set(edges["source"][here & edges["kept"]])
    assert [layer.name for layer in found.layers] == ["conv1", "conv2", "fc1", "fc2"]
    assert [layer.sources for layer in found.layers] == [("input",), ("conv1",), ("conv2",), ("fc1",)]
    assert [layer.kind for layer in found.layers] == ["conv", "conv", "linear", "linear"]


@pytest.mark.parametrize("options", [{}, {"test": "permutation"}, {"unit": "neuron"}])
def test_order_of_samples_does_not_matter(small, options):
    model, x, target = small
    x = x[:12]
    a = causal_graph(model, x, target, **options)
    b = causal_graph(model, x[torch.randperm(12)], target, batch_size=5, **options)
    assert np.array_equal(a.edges["kept"], b.edges["kept"])
    assert np.allclose(a.edges["effect"], b.edges["effect"], atol=1e-5)


@pytest.mark.parametrize("screen", [0.1, 0.5, 1.0])
def test_screening_tests_the_best_estimates_and_counts_all(small, screen):
    model, x, target = small
    full, found = causal_graph(model, x, target), causal_graph(model, x, target, screen=screen)
    for layer in found.layers:
        e, f = ({k: v[g.edges["layer"] == layer.name] for k, v in g.edges.items()} for g in (found, full))
        count = len(e["tested"])
        assert e["tested"].sum() == layer.tested == max(1, round(screen * count))
        assert e["estimate"][e["tested"]].min() >= e["estimate"][~e["tested"]].max(initial=-np.inf)
        assert not e["kept"][~e["tested"]].any()
        assert np.isnan(e["effect"][~e["tested"]]).all()
        padded = np.concatenate([e["p"][e["tested"]], np.ones(count - layer.tested)])
        expected = stats.false_discovery_control(padded)[: layer.tested]
        assert np.allclose(e["p_adjusted"][e["tested"]], expected)
        if layer.name == "fc2":  # the same candidates in both
            assert np.array_equal(e["effect"][e["tested"]], f["effect"][e["tested"]])
    if screen == 1.0:
        assert all(
            np.array_equal(found.edges[c], full.edges[c]) for c in COLUMNS if full.edges[c].dtype != float
        )


def test_max_parents_keeps_the_largest_effects(small):
    model, x, target = small
    full, found = causal_graph(model, x, target), causal_graph(model, x, target, max_parents=2)
    for layer in found.layers:
        here = (found.edges["layer"] == layer.name) & found.edges["kept"]
        _, counts = np.unique(found.edges["target"][here], return_counts=True)
        assert (counts <= 2).all()
    last = full.edges["layer"] == "fc2"
    effects = np.where(full.edges["kept"][last], full.edges["effect"][last], -np.inf)
    best = set(np.argsort(-effects)[:2])
    assert set(np.flatnonzero(found.edges["kept"][found.edges["layer"] == "fc2"])) == best


def test_min_effect_and_alpha_and_correction_narrow_the_graph(small):
    model, x, target = small
    full = causal_graph(model, x, target, layers=["fc2"])
    effects = np.sort(full.edges["effect"][full.edges["kept"]])
    assert len(effects) > 1
    narrow = causal_graph(model, x, target, layers=["fc2"], min_effect=float(effects[0]))
    assert narrow.edges["kept"].sum() == len(effects) - 1
    counts = [
        causal_graph(model, x[:9], target, layers=["fc2"], **options).edges["kept"].sum()
        for options in (
            {"test": "none"},
            {"correction": "none", "alpha": 0.5},
            {"correction": "bh", "alpha": 0.5},
            {"correction": "holm", "alpha": 0.004},
        )
    ]
    assert counts == sorted(counts, reverse=True)


def test_rejected_edges_are_cut_together(small):
    model, x, target = small
    for unit in ("channel", "neuron"):
        found = causal_graph(model, x, target, unit=unit)
        clean = evidence(model, x, target=target)
        for layer in found.layers:
            rejected = found.edge_set(layer.name, rejected=True)
            assert len(rejected) == layer.candidates - layer.kept
            if layer.rejected_cost is None:
                assert not len(rejected)
                continue
            other = copy.deepcopy(model)
            weight = other.get_submodule(layer.name).weight
            block = weight.shape[1] // layer.source_units[0]
            with torch.no_grad():
                for _, source, unit_id in rejected.edges():
                    weight[unit_id, source * block : (source + 1) * block] = 0.0
                right = (other(x).argmax(dim=1) == target).double().mean().item()
            drop = clean - evidence(other, x, target=target)
            assert layer.rejected_cost["effect"] == pytest.approx(drop.mean(), abs=1e-5)
            assert layer.rejected_cost["accuracy"] == right
            assert layer.rejected_cost["low"] <= drop.mean() <= layer.rejected_cost["high"]


def test_rejected_branches_of_sums_are_cut_together():
    model, x = network("skips")
    found = causal_graph(model, x, 1, test="none")
    clean, seen = evidence(model, x), 0
    for layer in found.layers:
        if layer.kind == "add" and layer.rejected_cost is not None:
            with cut(model, found.edge_set(layer.name, rejected=True)):
                drop = clean - evidence(model, x)
            assert layer.rejected_cost["effect"] == pytest.approx(drop.mean(), abs=1e-5)
            seen += 1
    assert seen


@pytest.mark.parametrize("layers", [["fc2"], ["fc1", "fc2"], ["conv2", "fc1", "fc2"]])
def test_a_part_of_the_chain_is_the_upper_part_of_the_whole(small, layers):
    model, x, target = small
    full, part = causal_graph(model, x, target), causal_graph(model, x, target, layers=layers)
    assert [layer.name for layer in part.layers] == layers
    here = np.isin(full.edges["layer"], layers)
    for name in COLUMNS:
        assert np.array_equal(
            part.edges[name], full.edges[name][here], equal_nan=name not in ("layer", "source_layer")
        )
    lowest = part.layers[0].sources[0]
    paths = part.paths(3)
    assert len(paths) == min(3, len(paths))
    assert {path.steps[0].place for path in paths} == {lowest}
    assert all(path.steps[-1].place == "fc2" for path in paths)


def test_parts_of_a_residual_network_take_their_sums_along():
    model, x = network("skips")
    found = causal_graph(model, x, 1, layers=["two.conv2", "fc"], test="none")
    assert [layer.name for layer in found.layers] == ["two.conv2", "two+", "fc"]


@pytest.mark.parametrize(
    ("layers", "error", "message"),
    [
        (["conv1", "fc2"], InputError, "without a gap; between them lie 'conv2', 'fc1'"),
        (["conv2"], InputError, "between them lie 'fc1', 'fc2'"),
        (["fc3", "fc2"], UnknownNameError, "layer 'fc3' has no edges in this model; close names: 'fc"),
        (["relu1"], UnknownNameError, "layer 'relu1' has no edges"),
        ([], InputError, "at least one layer, or be None"),
    ],
)
def test_layers_that_are_no_chain_are_explained(small, layers, error, message):
    model, x, target = small
    with pytest.raises(error, match=message):
        causal_graph(model, x, target, layers=layers)


# What is found


class Planted(nn.Module):
    """Class 1 speaks for what image channel 1 holds, over filter 2 and unit 0; all else works against it or nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 3, 3, padding=1)
        self.fc = nn.Linear(3 * 9, 2)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.zero_()
            self.conv1.weight[2, 1, 1, 1] = 1.0
            self.conv1.weight[0, 0] = self.conv1.weight[1, 2] = self.conv1.weight[3, 0] = 0.2
            self.conv2.weight[0, 2, 1, 1] = 1.0
            self.conv2.weight[0, 0] = -0.01  # against it
            self.conv2.weight[1, 1] = self.conv2.weight[2, 3] = 0.3
            self.fc.weight[1, :9] = 0.5
            self.fc.weight[0, 9:] = 0.05  # evidence for the other class
            self.fc.weight[1, 9:18] = -0.02

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        return self.fc(F.relu(self.conv2(x)).flatten(1))


@pytest.mark.parametrize("reference", ["zero", "mean"])
@pytest.mark.parametrize("test", ["t", "permutation", "none"])
def test_a_planted_path_is_found_and_nothing_else(reference, test):
    model = Planted()
    x = torch.rand(32, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    x[:, 1] += 1
    found = causal_graph(
        model, x, 1, test=test, reference=reference, reference_images=torch.zeros(1, 3, 6, 6)
    )
    assert list(found.edge_set().edges()) == [("conv1", 1, 2), ("conv2", 2, 0), ("fc", 0, 1)]
    (path,) = found.paths(4)
    assert [f"{s.place}#{s.unit}" for s in path.steps] == ["input#1", "conv1#2", "conv2#0", "fc#1"]
    assert path.score == pytest.approx(1.0)
    with cut(model, found.edge_set("conv2")):
        assert (model(x).argmax(dim=1) == 1).double().mean() < 0.5
    with keep_only(model, found.edge_set()):
        assert (model(x).argmax(dim=1) == 1).all()


@pytest.mark.parametrize("seed", range(4))
def test_units_that_carry_nothing_are_never_accepted(seed):
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 8, 3, stride=2), nn.ReLU(),
        nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 25, 32), nn.ReLU(), nn.Linear(32, 6),
    )  # fmt: skip
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2.5)
        model[3].weight[:, 4] = 0  # edges without weight
        model[5].weight[:, 2] = 0  # whatever goes into unit 2 ends there
    x = torch.rand(600, 3, 16, 16)
    x[:, 1] = 0  # a source that is silent
    with torch.no_grad():
        said = model.eval()(x).argmax(dim=1)
    target = int(said.bincount().argmax())
    found = causal_graph(model, x[said == target][:30], target, test="t", alpha=0.3, batch_size=7)
    e = found.edges
    nothing = (e["layer"] == "0") & (e["source"] == 1) | (e["layer"] == "3") & (e["source"] == 4)
    nothing |= (e["layer"] == "5") & (e["source"] == 2)
    assert nothing.any()
    assert (e["effect"][nothing] == 0).all()
    assert (e["p"][nothing] == 0.5).all()
    assert not e["kept"][nothing].any()


# Local explanations


def test_one_image_is_explained_by_its_noisy_copies(small):
    model, x, target = small
    found = causal_graph(model, x[:1], target, noise=0.05, n_noise=40, layers=["fc2"], rng=3)
    again = causal_graph(model, noisy_copies(x[:1], 0.05, 40, rng=3), target, layers=["fc2"])
    assert found.samples == 40
    assert found.settings["noise"] == 0.05
    assert found.settings["n_noise"] == 40
    assert np.array_equal(found.edges["effect"], again.edges["effect"])
    other = causal_graph(model, x[:1], target, noise=0.05, n_noise=40, layers=["fc2"], rng=4)
    assert not np.array_equal(found.edges["effect"], other.edges["effect"])


def test_noise_has_its_size_and_leaves_the_rest_alone():
    before = torch.get_rng_state()
    x = torch.zeros(3, 1, 20, 20)
    copies = noisy_copies({"pixels": x, "ids": torch.arange(3)}, 0.5, 8)
    assert copies["pixels"].shape == (24, 1, 20, 20)
    assert copies["pixels"].std().item() == pytest.approx(0.5, rel=0.02)
    assert copies["ids"].tolist() == [0] * 8 + [1] * 8 + [2] * 8
    assert (x == 0).all()
    assert torch.equal(torch.get_rng_state(), before)
    for sigma, count in ((0.0, 3), (-1.0, 3), (0.1, 0)):
        with pytest.raises(InputError, match="noise must be above 0 and n_noise an integer of at least 1"):
            noisy_copies(x, sigma, count)


# Modes, warnings, side effects


def test_a_model_in_training_mode_is_run_in_eval_and_left_in_training():
    model, x = network("skips")
    expected = causal_graph(model, x, 1, test="none")
    model.train()
    model.one.bn1.eval()
    next(model.parameters()).requires_grad = False
    before = {name: value.clone() for name, value in model.state_dict().items()}
    flags = [m.training for m in model.modules()], [p.requires_grad for p in model.parameters()]
    found = causal_graph(model, x, 1, test="none")
    assert np.allclose(found.edges["effect"], expected.edges["effect"])
    assert flags == ([m.training for m in model.modules()], [p.requires_grad for p in model.parameters()])
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert hook_count(model) == 0


def test_images_and_random_state_are_left_alone():
    model, x = network("odd sums")  # changes its input in place
    given, before = x.clone(), torch.get_rng_state()
    causal_graph(model, x, 1, test="none", reference="mean")
    assert torch.equal(x, given)
    assert torch.equal(torch.get_rng_state(), before)


def test_half_precision_is_computed_in_float32(small):
    model, x, target = small
    expected = causal_graph(copy.deepcopy(model).half().float(), x.half().float(), target, layers=["fc2"])
    half = copy.deepcopy(model).half()
    with pytest.warns(UserWarning, match="half precision"):
        found = causal_graph(half, x.half(), target, layers=["fc2"])
    assert np.allclose(found.edges["effect"], expected.edges["effect"], atol=1e-6)
    assert next(half.parameters()).dtype == torch.float16


def test_a_class_that_the_model_does_not_say_is_warned_of(small):
    model, x, target = small
    with pytest.warns(
        UserWarning, match=r"gives class \d to 0% of the images; effects describe its failures"
    ):
        found = causal_graph(model, x, (target + 1) % 4, layers=["fc2"])
    assert found.accuracy == 0.0


def test_named_inputs_and_outputs_with_logits_are_taken():
    model, x = network("hf basic")
    plain = causal_graph(model, x, 1, test="none")
    named = causal_graph(model.inner, {"pixel_values": x}, 1, test="none")
    assert np.allclose(plain.edges["effect"], named.edges["effect"])
    assert [layer.name.removeprefix("inner.") for layer in plain.layers] == [
        layer.name for layer in named.layers
    ]


def test_progress_is_told_per_layer(small):
    model, x, target = small
    told = []
    causal_graph(model, x, target, on_layer=lambda done, of: told.append((done, of)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_killed_search_goes_on_from_the_layers_that_are_done(small, tmp_path, monkeypatch):
    model, x, target = small
    expected = causal_graph(model, x, target)
    computed = []
    effects = StageRun.effects
    monkeypatch.setattr(
        StageRun, "effects", lambda run, *edges: computed.append(run.stage.name) or effects(run, *edges)
    )
    store = UnitStore(tmp_path / "units")

    def stop(done, of):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        causal_graph(model, x, target, store=store, on_layer=stop)
    assert computed == ["fc2", "fc1"]
    found = causal_graph(model, x, target, store=store)
    assert computed == ["fc2", "fc1", "conv2", "conv1"]
    assert all(np.array_equal(found.edges[c], expected.edges[c]) for c in ("kept", "effect", "p"))
    causal_graph(model, x, target, store=store, alpha=0.02, layers=["fc2"])  # other tests of the same effects
    assert len(computed) == 4
    for change in ({"effect": "logit"}, {"reference": "mean"}, {"noise": 0.1, "n_noise": 1}):
        causal_graph(model, x, target, store=store, layers=["fc2"], **change)
    causal_graph(model, x[1:], target, store=store, layers=["fc2"])
    assert computed[4:] == ["fc2"] * 4


# Bad input


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"target": 4}, InputError, "target must be 0 to 3, got 4"),
        ({"target": -1}, InputError, "target must be 0 to 3, got -1"),
        ({"target": True}, InputError, "target must be a class id, got True"),
        ({"target": 1.0}, InputError, "target must be a class id, got 1.0"),
        ({"alpha": 0.0}, InputError, "alpha must lie between 0 and 1, got 0.0"),
        ({"alpha": 1.0}, InputError, "alpha must lie between 0 and 1"),
        ({"screen": 0.0}, InputError, "screen must be a share above 0 and up to 1, got 0.0"),
        ({"screen": 1.5}, InputError, "screen must be a share"),
        ({"min_effect": -0.1}, InputError, "min_effect must be 0 or more"),
        ({"min_effect": float("nan")}, InputError, "min_effect must be 0 or more"),
        ({"batch_size": 0}, InputError, "batch_size must be an integer of at least 1, got 0"),
        ({"batch_size": 2.5}, InputError, "batch_size must be an integer of at least 1, got 2.5"),
        ({"max_parents": 1.5}, InputError, "max_parents must be an integer of at least 1, got 1.5"),
        ({"noise": 0.1, "n_noise": 2.5}, InputError, "n_noise an integer of at least 1, got 0.1 and 2.5"),
        ({"layers": "fc2"}, InputError, "layers must be a sequence of names, got the text 'fc2'"),
        ({"max_parents": 0}, InputError, "max_parents must be an integer of at least 1, got 0"),
        ({"unit": "channels"}, UnknownNameError, "unit 'channels' does not exist; close names: 'channel'"),
        ({"reference": "median"}, UnknownNameError, "reference 'median' does not exist"),
        ({"effect": "logits"}, UnknownNameError, "effect 'logits' does not exist; close names: 'logit'"),
        ({"test": "tt"}, UnknownNameError, "test 'tt' does not exist"),
        ({"correction": "fdr"}, UnknownNameError, "correction 'fdr' does not exist"),
        ({"noise": 0.0}, InputError, "noise must be above 0"),
    ],
)
def test_bad_options_are_explained(small, options, error, message):
    model, x, target = small
    with pytest.raises(error, match=message):
        causal_graph(model, x, **{"target": target, **options})
    assert hook_count(model) == 0


def test_few_images_are_refused_where_they_are_tested(small):
    model, x, target = small
    with pytest.raises(InputError, match="at least 8 for a test, got 7; pass noise=0.1 .*, or test='none'"):
        causal_graph(model, x[:7], target)
    with pytest.raises(InputError, match="no p-value of 8 images lies below 0.0039, alpha is 0.001"):
        causal_graph(model, x[:8], target, alpha=0.001)
    assert causal_graph(model, x[:8], target, alpha=0.001, test="t").samples == 8
    single = causal_graph(model, x[:1], target, test="none")
    assert np.isnan(single.edges["p"]).all()
    assert np.isnan(single.edges["ci_low"]).all()
    assert single.edges["kept"].any()


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((9, 1, 8, 8)), "inputs must be a tensor"),
        (torch.zeros(0, 1, 8, 8), "at least one row"),
        (torch.full((9, 1, 8, 8), float("nan")), "effects must be finite, got nan"),
        (torch.zeros(9, 2, 8, 8), "cannot be recorded as operations"),
    ],
)
def test_images_that_do_not_fit_are_explained(small, images, message):
    with pytest.raises(InputError, match=message):
        causal_graph(small[0], images, 0)


def test_references_of_another_size_are_explained(small):
    model, x, target = small
    with pytest.raises(InputError, match="cannot be recorded|recorded for inputs of shape"):
        causal_graph(model, x, target, reference="mean", reference_images=torch.zeros(40, 1, 12, 12))


def test_models_that_are_no_modules_are_refused():
    with pytest.raises(InputError, match="must be a torch.nn.Module, got function"):
        causal_graph(lambda x: x, torch.zeros(9, 3), 0)


def test_one_output_has_no_odds():
    model = nn.Sequential(nn.Linear(3, 1))
    x = torch.rand(9, 3)
    with pytest.raises(InputError, match="effect 'logodds' needs two classes .* pass 'logit'"):
        causal_graph(model, x, 0)
    assert causal_graph(model, x, 0, effect="logit", test="none").edges["effect"].shape == (3,)
