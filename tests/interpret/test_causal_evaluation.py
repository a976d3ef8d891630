"""Cuts of causal edges beside those of other rules, redundancy, stability and comparison of graphs."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from hodology.errors import InputError, UnknownNameError
from hodology.interpret import causal_comparison as comparison
from hodology.interpret.causal_comparison import compare, edge_stability, group_effect, pair_effects
from hodology.interpret.causal_effects import class_value
from hodology.interpret.causal_evaluation import RULES, CutFigures, cut_figures, evaluate_graph
from hodology.interpret.causal_graph import causal_graph
from hodology.interpret.edge_baselines import edge_scores, top_edges
from hodology.interpret.edge_sets import EdgeSet, cut
from hodology.nn.models import SmallCNN
from hodology.nn.reference import digits_cnn
from hodology.nn.taps import record
from model_hooks import hook_count


@pytest.fixture(scope="module")
def digits():
    """A compact CNN after a few epochs, the graph of class 3, and test images."""
    trained = digits_cnn(epochs=6)
    split = trained.split
    train, test = (torch.from_numpy(images) for images in (split.train_images, split.test_images))
    labels, test_labels = torch.from_numpy(split.train_labels), torch.from_numpy(split.test_labels)
    choose = train[labels == 3][:40]
    return trained.model, causal_graph(trained.model, choose, 3), choose, test, test_labels


def test_the_reference_cnn_is_trained_once_and_is_the_same_again(digits):
    again = digits_cnn(epochs=6)
    assert again.accuracy > 0.85
    assert [type(m).__name__ for m in again.model if not isinstance(m, nn.ReLU)] == [
        "Conv2d", "MaxPool2d", "Conv2d", "MaxPool2d", "Flatten", "Linear", "Linear",
    ]  # fmt: skip
    assert again.model.conv1.out_channels == 12
    assert again.model.conv2.out_channels == 16
    assert again.model.fc1.out_features == 32
    assert all(torch.equal(a, b) for a, b in zip(again.model.parameters(), digits[0].parameters()))


def test_a_small_cnn_has_its_shape_and_its_seed():
    before = torch.get_rng_state()
    model = SmallCNN(image_size=12, channels=3, classes=5, filters=(2, 3), hidden=4, rng=1)
    assert torch.equal(torch.get_rng_state(), before)
    assert model(torch.rand(2, 3, 12, 12)).shape == (2, 5)
    same, other = SmallCNN(rng=1), SmallCNN(rng=2)
    assert torch.equal(same.conv1.weight, SmallCNN(rng=1).conv1.weight)
    assert not torch.equal(same.conv1.weight, other.conv1.weight)
    assert SmallCNN(filters=(), image_size=5)(torch.rand(1, 1, 5, 5)).shape == (1, 10)
    for size in (6, 2):
        with pytest.raises(InputError, match=f"image_size must divide by 4, got {size}"):
            SmallCNN(image_size=size)


# Figures of cuts


def test_figures_are_shares_of_images():
    found = CutFigures(np.array([1, 0, 1, 2, 1]), np.array([1, 1, 0, 2, 2]), 1)
    assert found.own == 0.5
    assert found.others == pytest.approx(1 / 3)
    assert found.called == pytest.approx(2 / 3)
    assert found.per_image("own").tolist() == [1.0, 0.0]
    assert found.per_image("others").tolist() == [0.0, 1.0, 0.0]
    assert found.per_image("called").tolist() == [1.0, 0.0, 1.0]
    alone = CutFigures(np.array([1, 0]), np.array([1, 1]), 1)
    assert alone.own == 0.5
    assert np.isnan(alone.others)
    assert np.isnan(alone.called)


def test_figures_of_a_cut_are_those_of_masked_weights(digits):
    model, found, _, test, labels = digits
    edges = found.edge_set("fc1")
    for keep in (False, True):
        other = copy.deepcopy(model)
        gone = torch.from_numpy(edges.masks["fc1"] ^ keep).repeat_interleave(4, dim=1)
        with torch.no_grad():
            other.fc1.weight.masked_fill_(gone, 0.0)
            said = other(test).argmax(dim=1)
        figures = cut_figures(model, test, labels, 3, edges, keep=keep)
        assert figures.said.tolist() == said.tolist()
        assert figures.labels.tolist() == labels.tolist()
    with torch.no_grad():
        clean = model(test).argmax(dim=1)
    assert cut_figures(model, test, labels, 3, None).said.tolist() == clean.tolist()
    with pytest.raises(InputError, match=r"labels must be one per image \(\d+\), got 3"):
        cut_figures(model, test, labels[:3], 3, edges)
    assert hook_count(model) == 0


def test_a_model_in_training_mode_is_judged_in_eval(digits):
    model, _, _, test, labels = digits
    net = nn.Sequential(nn.Dropout(0.9), *copy.deepcopy(model)).train()
    expected = cut_figures(model, test, labels, 3, None)
    assert cut_figures(net, test, labels, 3, None).said.tolist() == expected.said.tolist()
    assert net.training


def test_causal_edges_are_needed_and_nearly_enough(digits):
    model, found, choose, test, labels = digits
    evaluation = evaluate_graph(model, found, test, labels, choose=choose, n_random=3)
    assert evaluation.rules == ("causal", *RULES)
    rows = {(row["layer"], row["rule"]): row for row in evaluation.rows()}
    assert set(rows) == {(layer.name, rule) for layer in found.layers for rule in evaluation.rules}
    for layer in ("conv2", "fc1"):
        causal, random = rows[layer, "causal"], rows[layer, "random"]
        assert causal["edges"] == random["edges"] == len(found.edge_set(layer))
        assert causal["all_edges"] == found.edge_set(layer).masks[layer].size
        assert causal["cut_own"] < 0.3 < random["cut_own"]
        assert causal["keep_own"] > 0.9 > random["keep_own"]
    draws = evaluation.figures["fc1", "random", "cut"]
    assert len(draws) == 3
    assert len(evaluation.figures["fc1", "causal", "cut"]) == 1
    assert rows["fc1", "random"]["cut_own"] == pytest.approx(np.mean([d.own for d in draws]))
    assert evaluation.clean.own == cut_figures(model, test, labels, 3, None).own
    again = evaluate_graph(model, found, test, labels, choose=choose, rules=("random",), n_random=3)
    assert again.rules == ("causal", "random")
    assert [d.own for d in again.figures["fc1", "random", "cut"]] == [d.own for d in draws]


def test_the_table_over_layers_has_intervals_over_images(digits):
    model, found, choose, test, labels = digits
    evaluation = evaluate_graph(model, found, test, labels, choose=choose, rules=("weight",))
    rows = evaluation.rows()
    for row in evaluation.table():
        mine = [r for r in rows if r["rule"] == row["rule"]]
        for figure in ("cut_own", "cut_others", "cut_called", "keep_own", "keep_others", "keep_called"):
            interval = row[figure]
            assert interval.estimate == pytest.approx(np.mean([r[figure] for r in mine]))
            assert interval.low <= interval.estimate <= interval.high
        assert row["cut_own"].n == int((labels == 3).sum())
        assert row["cut_others"].n == int((labels != 3).sum())
    of_class = labels == 3
    alone = evaluate_graph(model, found, test[of_class], labels[of_class], choose=choose, rules=()).table()
    assert alone[0]["cut_others"] is None
    assert alone[0]["cut_own"].n == int(of_class.sum())


# Other rules


def _net():
    torch.manual_seed(1)
    model = nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12, 4), nn.Tanh(),
        nn.Linear(4, 3),
    )  # fmt: skip
    return model, torch.randn(6, 2, 4, 4)


SHAPES = {"0": (3, 2), "4": (4, 3), "6": (3, 4)}


def _like(share=0.5):
    generator = np.random.default_rng(0)
    return EdgeSet({name: generator.random(shape) < share for name, shape in SHAPES.items()})


def test_scores_by_weight_are_norms_of_what_belongs_to_an_edge():
    model, _ = _net()
    found = edge_scores(model, _like().masks, "weight")
    assert found["0"][1, 0] == pytest.approx(model[0].weight[1, 0].norm().item(), rel=1e-6)
    assert found["4"][2, 1] == pytest.approx(model[4].weight[2, 4:8].norm().item(), rel=1e-6)
    assert np.allclose(found["6"], model[6].weight.abs().detach().numpy(), rtol=1e-6)
    entries = edge_scores(model, {"4": np.zeros((4, 12), bool)}, "weight")["4"]
    assert np.allclose(entries, model[4].weight.abs().detach().numpy(), rtol=1e-6)


@pytest.mark.parametrize("effect", ["logodds", "logit"])
def test_scores_by_gradient_are_those_of_autograd(effect):
    model, x = _net()
    signed = edge_scores(model, _like().masks, "signed-gradient", images=x, target=2, effect=effect)
    size = edge_scores(model, _like().masks, "gradient", images=x, target=2, effect=effect)
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    class_value(model(x), 2, effect).sum().backward()
    for name, (units, sources) in SHAPES.items():
        weight = model.get_submodule(name).weight
        expected = (weight * weight.grad).detach().reshape(units, sources, -1).sum(dim=2).numpy()
        assert np.allclose(signed[name], expected, atol=1e-5)
        assert np.allclose(size[name], np.abs(expected), atol=1e-5)
    assert hook_count(model) == 0


def test_scores_by_activity_are_mean_activity_times_weight():
    model, x = _net()
    found = edge_scores(model, _like().masks, "activation", images=x)
    with torch.no_grad(), record(model, ["4:input"]) as activity:
        model(x)
    mean = activity["4:input"].abs().mean(dim=0)
    expected = (model[4].weight.abs() * mean).detach().reshape(4, 3, 4).sum(dim=2)
    assert np.allclose(found["4"], expected.numpy(), rtol=1e-5)
    mean = x.abs().mean(dim=(0, 2, 3))
    expected = model[0].weight.abs().sum(dim=(2, 3)) * mean
    assert np.allclose(found["0"], expected.detach().numpy(), rtol=1e-5)


@pytest.mark.parametrize("rule", RULES)
def test_as_many_edges_of_each_layer_are_chosen(rule):
    model, x = _net()
    like = _like() | EdgeSet({"sum+": np.ones((2, 3), bool)})
    found = top_edges(model, like, rule, images=x, target=1)
    assert found.layers == ("0", "4", "6")  # sums have no weights
    assert found.reference == {}
    for name in found.layers:
        assert len(found.only(name)) == len(like.only(name))
    if rule != "random":
        scores = edge_scores(model, found.masks, rule, images=x, target=1)
        for name, mask in found.masks.items():
            assert scores[name][mask].min() >= scores[name][~mask].max()
    nothing = top_edges(model, EdgeSet({"4": np.zeros((4, 3), bool)}), rule, images=x)
    assert len(nothing) == 0


def test_random_edges_depend_on_the_seed_and_are_uniform():
    model, _ = _net()
    like = EdgeSet({"4": np.arange(12).reshape(4, 3) < 6})
    draws = [top_edges(model, like, "random", rng=seed).masks["4"] for seed in range(300)]
    assert np.array_equal(draws[0], top_edges(model, like, "random", rng=0).masks["4"])
    counts = np.sum(draws, axis=0).ravel()
    assert counts.sum() == 300 * 6
    assert stats.chisquare(counts).pvalue > 1e-4


@pytest.mark.parametrize(
    ("rule", "images", "error", "message"),
    [
        (
            "gradients",
            True,
            UnknownNameError,
            "rule 'gradients' does not score edges; close names: 'gradient'",
        ),
        ("gradient", False, InputError, "rule 'gradient' needs images"),
        ("activation", False, InputError, "rule 'activation' needs images"),
    ],
)
def test_bad_rules_are_explained(rule, images, error, message):
    model, x = _net()
    with pytest.raises(error, match=message):
        top_edges(model, _like(), rule, images=x if images else None)


def test_edges_of_another_model_are_explained():
    model, x = _net()
    with pytest.raises(UnknownNameError, match="layer '9' is not in this model"):
        top_edges(model, EdgeSet({"9": np.ones((4, 3), bool)}), "weight")
    with pytest.raises(InputError, match=r"mask of layer '4' has shape \(4, 5\), its weights \(4, 12\)"):
        top_edges(model, EdgeSet({"4": np.ones((4, 5), bool)}), "gradient", images=x)


# Groups and pairs


def _redundant():
    """Class 1 holds while input 0 or 1 is on: either alone fills a unit that saturates; input 2 is its own way."""
    model = nn.Sequential(nn.Linear(4, 3), nn.Hardtanh(0.0, 1.0), nn.Linear(3, 2))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model[0].weight[0, 0] = model[0].weight[0, 1] = 2.0
        model[0].weight[1, 2] = 0.2
        model[0].weight[0, 3] = 0.01
        model[2].weight[1] = torch.tensor([6.0, 1.0, 0.0])
    return model, 1 + torch.rand(40, 4, generator=torch.Generator().manual_seed(0))


def test_a_planted_redundant_pair_is_found():
    model, x = _redundant()
    found = causal_graph(model, x, 1, effect="logit")
    assert list(found.edge_set().edges()) == [("0", 2, 1), ("2", 0, 1), ("2", 1, 1)]  # single cuts miss both
    cost = found.layers[0].rejected_cost
    assert cost["effect"] == pytest.approx(6.0, abs=1e-4)  # and the rejected together say so
    rows = pair_effects(model, x, found, "0")
    assert (rows[0]["target"], set(rows[0]["sources"])) == (0, {0, 1})
    assert rows[0]["alone"] == 0.0
    assert rows[0]["together"] == pytest.approx(6 * (1 - 0.01 * x[:, 3].mean().item()), abs=1e-4)
    assert rows[0]["p_adjusted"] < 1e-6
    assert all(row["together"] == pytest.approx(0.0, abs=1e-5) for row in rows[1:])
    assert [row["together"] for row in rows] == sorted((row["together"] for row in rows), reverse=True)
    p = np.array([row["p"] for row in rows])
    assert np.allclose(
        [row["p_adjusted"] for row in rows], stats.false_discovery_control(p), rtol=1e-12, atol=0
    )
    assert rows[0]["p_adjusted"] > rows[0]["p"] > 0
    assert len(pair_effects(model, x, found, "0", n_pairs=2)) == 2


def test_pairs_share_a_unit_and_carry_the_reference():
    model, x = _redundant()
    found = causal_graph(model, x, 1, reference="mean", reference_images=torch.full((3, 4), 0.1))
    for row in pair_effects(model, x, found, "0", n_pairs=50):
        edges = EdgeSet.from_edges([("0", s, row["target"]) for s in row["sources"]], {"0": (3, 4)})
        with torch.no_grad(), cut(model, EdgeSet(edges.masks, found.reference)):
            changed = class_value(model(x), 1)
        with torch.no_grad():
            clean = class_value(model(x), 1)
        assert row["together"] == pytest.approx((clean - changed).double().mean().item(), abs=1e-5)


def test_pairs_of_layers_without_rejects_or_of_sums_are_told():
    model, x = _redundant()
    found = causal_graph(model, x, 1, effect="logit", layers=["2"])
    assert pair_effects(model, x, found, "2") == []  # a single reject is no pair
    with pytest.raises(UnknownNameError, match="layer '0' is not in this graph"):
        pair_effects(model, x, found, "0")

    class Skip(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 2)
            nn.init.constant_(self.b.bias, 0.0)
            self.b.bias.data[0] = 9.0  # always class 0

        def forward(self, x):
            return self.b(self.a(x) + x)

    skip = Skip()
    with pytest.raises(InputError, match=r"layer '\+' is a sum; pairs of edges are of linear maps"):
        pair_effects(skip, x, causal_graph(skip, x, 0, test="none"), "+")


def test_pairs_are_as_many_as_asked_also_in_wide_layers():
    model = nn.Sequential(nn.Linear(1500, 1), nn.Linear(1, 2, bias=False))
    with torch.no_grad():
        model[0].weight.fill_(-1e-3)
        model[0].bias.fill_(9.0)
        model[1].weight.copy_(torch.tensor([[1.0], [0.0]]))
    found = causal_graph(model, torch.rand(30, 1500), 0, effect="logit")
    assert [(layer.candidates, layer.kept) for layer in found.layers] == [(1500, 0), (1, 1)]
    rows = pair_effects(model, torch.rand(30, 1500), found, "0", n_pairs=3)
    assert len(rows) == 3
    assert all(row["together"] < 0 for row in rows)


def test_the_effect_of_a_whole_path_is_that_of_masked_weights(digits):
    model, found, choose, _, _ = digits
    (path,) = found.paths(1)
    steps = [(step.place, step.unit) for step in path.steps]
    shapes = {layer.name: (layer.units, layer.source_units[0]) for layer in found.layers}
    edges = [(head[0], tail[1], head[1]) for tail, head in zip(steps, steps[1:])]
    other = copy.deepcopy(model)
    with torch.no_grad():
        for layer, source, unit in edges:
            weight = other.get_submodule(layer).weight
            block = weight.shape[1] // shapes[layer][1]
            weight[unit, source * block : (source + 1) * block] = 0.0
        expected = (class_value(model(choose), 3) - class_value(other(choose), 3)).double().numpy()
    group = group_effect(model, choose, 3, EdgeSet.from_edges(edges, shapes))
    assert len(edges) == 4
    assert np.allclose(group.per_sample, expected, atol=1e-4)
    assert group.interval.estimate == pytest.approx(expected.mean(), abs=1e-5)
    assert group.p == pytest.approx(stats.ttest_1samp(expected, 0, alternative="greater").pvalue, rel=1e-2)
    assert group.interval.low <= group.interval.estimate <= group.interval.high
    few = group_effect(model, choose[:8], 3, EdgeSet.from_edges(edges, shapes))
    assert few.p == 0.5**8  # all eight images lose evidence: sign flips
    assert hook_count(model) == 0


def test_groups_of_half_precision_and_of_no_class():
    model, x = _net()
    edges = EdgeSet({"4": np.ones((4, 3), bool)})
    expected = group_effect(copy.deepcopy(model).half().float(), x.half().float(), 1, edges)
    with pytest.warns(UserWarning, match="half precision"):
        found = group_effect(model.half(), x.half(), 1, edges)
    assert np.allclose(found.per_sample, expected.per_sample, atol=1e-6)
    with pytest.raises(InputError, match="target must be 0 to 2, got -1"):
        group_effect(model.float(), x, -1, edges)


def test_a_group_of_single_edges_is_the_edge(digits):
    model, found, choose, _, _ = digits
    for row in list(found.rows())[::25]:
        layer = next(info for info in found.layers if info.name == row["layer"])
        edge = EdgeSet.from_edges(
            [(row["layer"], row["source"], row["target"])],
            {row["layer"]: (layer.units, layer.source_units[0])},
        )
        group = group_effect(model, choose, 3, edge)
        assert group.interval.estimate == pytest.approx(row["effect"], abs=1e-5)
        assert group.interval.low == pytest.approx(row["ci_low"], abs=1e-4)


def test_groups_do_not_depend_on_passes_that_change_their_input():
    class Changer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(3, 2)

        def forward(self, x):
            return self.fc(x.mul_(2))

    model, x = Changer(), torch.rand(9, 3)
    before = x.clone()
    edges = EdgeSet({"fc": np.array([[True, False, False], [False, False, False]])})
    found = group_effect(model, x, 0, edges, effect="logit")
    assert torch.equal(x, before)
    assert np.allclose(found.per_sample, (2 * x[:, 0] * model.fc.weight[0, 0]).detach().numpy(), atol=1e-6)


# Comparison and stability


def test_a_graph_equals_itself_and_differs_from_others(digits):
    model, found, choose, _, _ = digits
    same = compare(found, found)
    assert set(same.jaccard) == {layer.name for layer in found.layers}
    assert set(same.jaccard.values()) == {1.0}
    assert all(value == pytest.approx(1.0) for value in same.rank_correlation.values() if not np.isnan(value))
    assert len(same.only_first) == len(same.only_second) == 0
    strict = causal_graph(model, choose, 3, max_parents=2)
    other = compare(found, strict)
    a, b = found.edge_set(), strict.edge_set()
    assert set(other.only_first.edges()) == set(a.edges()) - set(b.edges())
    assert set(other.only_second.edges()) == set(b.edges()) - set(a.edges())
    assert len(other.only_first) > 0
    for name, value in other.jaccard.items():
        one, two = (set(s.only(name).edges()) for s in (a, b))
        assert value == pytest.approx(len(one & two) / len(one | two))
    assert other.rank_correlation["fc2"] == pytest.approx(1.0)


def test_rank_correlation_is_over_edges_that_both_tested(digits):
    model, found, choose, _, _ = digits
    half = causal_graph(model, choose[:20], 3)
    value = compare(found, half).rank_correlation["fc1"]
    tables = []
    for graph in (found, half):
        e = graph.edges
        here = (e["layer"] == "fc1") & e["tested"]
        tables.append({(s, t): v for s, t, v in zip(e["source"][here], e["target"][here], e["effect"][here])})
    both = sorted(tables[0].keys() & tables[1].keys())
    expected = stats.spearmanr([tables[0][k] for k in both], [tables[1][k] for k in both]).statistic
    assert value == pytest.approx(expected)
    assert 0 < value < 1


def test_graphs_with_references_of_their_own_can_be_compared(digits):
    model, found, choose, _, _ = digits
    means = [
        causal_graph(model, choose, 3, reference="mean", reference_images=images, layers=["fc2"])
        for images in (choose[:20], choose[20:])
    ]
    result = compare(*means)
    assert set(result.jaccard) == {"fc2"}
    assert result.only_first.reference.keys() == {"fc2"}
    assert set(compare(found, means[0]).jaccard) == {"fc2"}


def test_graphs_without_a_common_layer_or_shape_are_refused(digits):
    _, found, *_ = digits
    net, x = _redundant()
    other = causal_graph(net, x, 1)
    with pytest.raises(InputError, match="share no layer"):
        compare(found, other)
    wider = nn.Sequential(nn.Linear(4, 5), nn.Hardtanh(0.0, 1.0), nn.Linear(5, 2))
    with torch.no_grad():
        wider[2].bias.copy_(torch.tensor([0.0, 9.0]))
    with pytest.raises(InputError, match=r"layer '0' has shape \(3, 4\) in one set, \(5, 4\) in the other"):
        compare(other, causal_graph(wider, x, 1))


def test_stability_is_of_halves_and_of_noise_beside_other_rules(digits):
    model, found, choose, _, _ = digits
    rows = edge_stability(model, choose, 3, noise=0.05, rng=1)
    assert [(row["layer"], row["change"]) for row in rows] == [
        (layer.name, change) for change in ("halves", "noise") for layer in found.layers
    ]
    for row in rows:
        assert set(row) == {"layer", "change", "causal", "gradient", "signed-gradient", "chance"}
        for name in ("causal", "gradient", "signed-gradient", "chance"):
            assert 0 <= row[name] <= 1
    dense = [row for row in rows if row["layer"] == "fc1"]
    assert all(row["causal"] > 0.5 > row["chance"] for row in dense)
    again = edge_stability(model, choose, 3, noise=0.05, rng=1)
    assert again == rows
    options = edge_stability(model, choose, 3, noise=0.05, rng=1, layers=["fc2"], max_parents=1)
    assert {row["layer"] for row in options} == {"fc2"}
    assert {row["causal"] for row in options} <= {0.0, 1.0}  # of one edge each


def test_halves_share_no_image_and_noise_is_on_all(digits, monkeypatch):
    model, _, choose, _, _ = digits
    seen = []
    monkeypatch.setattr(
        comparison, "causal_graph", lambda m, x, *a, **k: seen.append(x) or causal_graph(m, x, *a, **k)
    )
    edge_stability(model, choose[:33], 3, noise=0.2, layers=["fc2"])
    keys = [{tuple(image.flatten().tolist()) for image in x} for x in seen]
    assert [len(x) for x in seen] == [16, 16, 33, 33]
    assert len(keys[0] | keys[1]) == 32
    assert keys[0] | keys[1] < keys[2]
    assert (seen[3] - seen[2]).std().item() == pytest.approx(0.2, rel=0.1)


def test_nothing_accepted_is_not_called_stable(digits):
    model, _, choose, _, _ = digits
    for row in edge_stability(model, choose, 3, min_effect=1e6, layers=["fc2"]):
        assert all(np.isnan(row[name]) for name in ("causal", "gradient", "signed-gradient", "chance"))


def test_halves_that_are_too_small_are_refused(digits):
    model, _, choose, _, _ = digits
    with pytest.raises(InputError, match="at least 8 for a test, got 7"):
        edge_stability(model, choose[:15], 3)
