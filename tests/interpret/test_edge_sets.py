"""Cuts equal masked weights and explicit code, nest and leave nothing behind; edge sets obey the laws of sets."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from hodology.errors import InputError, UnknownNameError
from hodology.interpret.edge_sets import EdgeSet, cut, is_sum_layer, keep_only, sum_names, without_edges
from model_hooks import hook_count

SHAPES = {"a": (3, 4), "b": (2, 5), "c+": (2, 3)}


def _random_mask(shape, seed=0, share=0.5):
    return np.random.default_rng(seed).random(shape) < share


@st.composite
def edge_sets(draw):
    """Sets over some of the layers."""
    names = draw(st.lists(st.sampled_from(list(SHAPES)), unique=True))
    masks = {}
    for name in names:
        size = SHAPES[name][0] * SHAPES[name][1]
        bits = draw(st.lists(st.booleans(), min_size=size, max_size=size))
        masks[name] = np.array(bits, dtype=bool).reshape(SHAPES[name])
    return EdgeSet(masks)


def _edges(found):
    return set(found.edges())


# Algebra


@given(a=edge_sets(), b=edge_sets())
@settings(deadline=None)
def test_operators_are_those_of_sets(a, b):
    assert _edges(a | b) == _edges(a) | _edges(b)
    assert _edges(a & b) == _edges(a) & _edges(b)
    assert _edges(a - b) == _edges(a) - _edges(b)
    assert len(a | b) + len(a & b) == len(a) + len(b) == len(_edges(a)) + len(_edges(b))
    assert set((a | b).layers) == set(a.layers) | set(b.layers)


@given(a=edge_sets(), b=edge_sets())
@settings(deadline=None)
def test_complements_obey_de_morgan(a, b):
    assert _edges(~~a) == _edges(a)
    assert _edges(a & ~a) == set()
    assert len(a | ~a) == sum(SHAPES[name][0] * SHAPES[name][1] for name in a.layers)
    if set(a.layers) == set(b.layers):
        assert _edges(~(a | b)) == _edges(~a & ~b)


@given(a=edge_sets(), b=edge_sets())
@settings(deadline=None)
def test_jaccard_is_shared_over_all(a, b):
    union = _edges(a) | _edges(b)
    expected = len(_edges(a) & _edges(b)) / len(union) if union else 1.0
    assert a.jaccard(b) == b.jaccard(a) == pytest.approx(expected)
    assert a.jaccard(a) == 1.0


@given(a=edge_sets())
@settings(deadline=None)
def test_edges_rebuild_their_set(a):
    again = EdgeSet.from_edges(a.edges(), {name: SHAPES[name] for name in a.layers})
    assert again.layers == a.layers
    assert all(np.array_equal(again.masks[name], mask) for name, mask in a.masks.items())
    parts = [a.only(name) for name in a.layers]
    assert sum(len(part) for part in parts) == len(a)


def test_an_edge_is_layer_source_target_and_of_a_sum_layer_branch_unit():
    found = EdgeSet.from_edges([("a", 3, 0), ("c+", 1, 2)], SHAPES)
    assert found.masks["a"][0, 3]
    assert found.masks["c+"][1, 2]
    assert list(found.edges()) == [("a", 3, 0), ("c+", 1, 2)]
    assert repr(found) == "EdgeSet(2 edges of 3 layers)"
    assert [is_sum_layer(name) for name in found.layers] == [False, False, True]


def test_masks_may_be_tensors_and_the_given_mapping_stays():
    masks = {"a": torch.ones(2, 3, dtype=torch.bool)}
    found = EdgeSet(masks)
    assert len(found - EdgeSet({"a": np.eye(2, 3, dtype=bool)})) == 4
    assert isinstance(masks["a"], torch.Tensor)


def _with_reference(value, mask=True):
    reference = {"a": (torch.full((1, 4), value),)} if value is not None else {}
    return EdgeSet({"a": np.full((3, 4), mask)}, reference)


def test_references_follow_the_edges_that_carry_them():
    zero, one = _with_reference(None), _with_reference(1.0)
    assert (one - zero).reference == one.reference == (one & zero).reference
    assert (zero - one).reference == {} == (zero & one).reference
    assert (~one).reference == one.reference
    other = EdgeSet({"b": np.ones((2, 5), dtype=bool)}, {"b": (torch.ones(1, 5),)})
    joined = one | other
    assert set(joined.reference) == {"a", "b"}
    assert set(joined.only("b").reference) == {"b"}
    assert (one | _with_reference(1.0)).reference["a"][0].equal(one.reference["a"][0])
    empty = _with_reference(None, mask=False)
    assert set((empty | one).reference) == {"a"} == set((one | empty).reference)
    assert (zero | _with_reference(2.0, mask=False)).reference == {}
    assert one.jaccard(zero) == 1.0  # the edges are the same


@pytest.mark.parametrize("other", [2.0, None])
def test_edges_of_one_layer_cannot_carry_two_references(other):
    for a, b in ((1.0, other), (other, 1.0)):
        with pytest.raises(InputError, match="edges of 'a' carry another reference"):
            _with_reference(a) | _with_reference(b)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: EdgeSet({"a": np.zeros((2, 3))}), InputError, "boolean matrices, got float64"),
        (lambda: EdgeSet({"a": np.zeros(3, dtype=bool)}), InputError, r"got bool of shape \(3,\) for 'a'"),
        (lambda: EdgeSet.from_edges([("aa", 0, 0)], SHAPES), UnknownNameError, "'aa' has no shape.*'a'"),
        (lambda: EdgeSet.from_edges([("a", 4, 0)], SHAPES), InputError, "edge 4 -> 0 is not in layer 'a'"),
        (lambda: EdgeSet.from_edges([("a", 0, -1)], SHAPES), InputError, "edge 0 -> -1 is not in layer 'a'"),
        (lambda: EdgeSet.from_edges([("c+", 2, 0)], SHAPES), InputError, "is not in layer"),
        (lambda: EdgeSet({}).only("a"), UnknownNameError, "layer 'a' is not in this set"),
        (
            lambda: EdgeSet({"a": np.zeros((2, 3), bool)}) & EdgeSet({"a": np.zeros((3, 2), bool)}),
            InputError,
            r"layer 'a' has shape \(2, 3\) in one set, \(3, 2\) in the other",
        ),
    ],
)
def test_bad_sets_are_explained(call, error, message):
    with pytest.raises(error, match=message):
        call()


# Cuts of weights


def _masked(model, layer, mask):
    """The same model with weights written over by hand."""
    other = copy.deepcopy(model)
    weight = other.get_submodule(layer).weight
    with torch.no_grad():
        for unit, source in np.argwhere(mask):
            block = weight.shape[1] // mask.shape[1]
            weight[unit, source * block : (source + 1) * block] = 0.0
    return other


LAYERS = {
    "linear": (lambda: nn.Linear(6, 4), (6,), 6),
    "linear without bias": (lambda: nn.Linear(6, 4, bias=False), (6,), 6),
    "linear of flattened channels": (lambda: nn.Linear(6, 4), (6,), 3),
    "conv1d": (lambda: nn.Conv1d(3, 4, 3, stride=2, padding=1), (3, 9), 3),
    "conv2d": (lambda: nn.Conv2d(3, 4, (3, 2), stride=(1, 2), padding=(1, 0)), (3, 7, 7), 3),
    "dilated": (lambda: nn.Conv2d(3, 4, 3, dilation=2, padding=2, bias=False), (3, 7, 7), 3),
    "reflect": (lambda: nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), (3, 6, 6), 3),
    "circular": (lambda: nn.Conv2d(3, 4, 3, padding=1, padding_mode="circular"), (3, 6, 6), 3),
    "same": (lambda: nn.Conv2d(3, 4, 3, padding="same"), (3, 6, 6), 3),
    "conv3d": (lambda: nn.Conv3d(2, 3, 2, padding=1), (2, 4, 4, 4), 2),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_cut_equals_weights_that_are_zero(name):
    build, shape, sources = LAYERS[name]
    torch.manual_seed(0)
    model = nn.Sequential(build(), nn.ReLU())
    x = torch.randn(5, *shape)
    mask = _random_mask((model[0].weight.shape[0], sources))
    edges = EdgeSet({"0": mask})
    clean, before = model(x), copy.deepcopy(model.state_dict())
    with cut(model, edges):
        found = model(x)
    assert torch.allclose(found, _masked(model, "0", mask)(x), atol=1e-5)
    assert not torch.allclose(found, clean, atol=1e-3)
    with keep_only(model, edges):
        assert torch.allclose(model(x), _masked(model, "0", ~mask)(x), atol=1e-5)
    assert torch.allclose(without_edges(model, edges)(x), found, atol=1e-5)
    assert torch.equal(model(x), clean)
    assert hook_count(model) == 0
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("name", LAYERS)
def test_a_reference_stands_on_the_cut_edges_alone(name):
    build, shape, sources = LAYERS[name]
    torch.manual_seed(1)
    model = nn.Sequential(build())
    x, mean = torch.randn(5, *shape), torch.randn(1, *shape)
    mask = _random_mask((model[0].weight.shape[0], sources))
    with cut(model, EdgeSet({"0": mask}, {"0": (mean,)})):
        found = model(x)
    kept, gone = _masked(model, "0", mask), _masked(model, "0", ~mask)
    without_bias = gone(mean) - gone(torch.zeros_like(mean))
    assert torch.allclose(found, kept(x) + without_bias, atol=1e-5)


def test_all_edges_cut_leave_the_bias():
    model = nn.Sequential(nn.Linear(3, 2))
    with cut(model, EdgeSet({"0": np.ones((2, 3), bool)})):
        assert torch.allclose(model(torch.randn(4, 3)), model[0].bias.expand(4, 2), atol=1e-6)


def test_layers_that_are_not_named_run_free():
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    x, mask = torch.randn(5, 4), _random_mask((3, 4), 3)
    with keep_only(model, EdgeSet({"0": mask})):
        assert torch.allclose(model(x), _masked(model, "0", ~mask)(x), atol=1e-6)
    clean = model(x)
    with keep_only(model, EdgeSet({})):
        assert torch.equal(model(x), clean)
    nothing = EdgeSet({"0": np.zeros((3, 4), bool)})
    with cut(model, nothing):
        assert hook_count(model) == 0  # nothing to do


def test_modules_called_by_keyword_are_cut_too():
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(3, 2)

        def forward(self, x):
            return self.fc(input=x)

    model, x, mask = Named(), torch.randn(4, 3), _random_mask((2, 3))
    with cut(model, EdgeSet({"fc": mask})):
        assert torch.allclose(model(x), _masked(model, "fc", mask)(x), atol=1e-6)


def test_computed_weights_are_cut_as_they_are_when_the_pass_runs():
    model = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(4, 3)))
    plain = nn.Sequential(nn.Linear(4, 3))
    with torch.no_grad():
        plain[0].weight.copy_(model[0].weight)
        plain[0].bias.copy_(model[0].bias)
    x, mask = torch.randn(5, 4), _random_mask((3, 4))
    with cut(model, EdgeSet({"0": mask})):
        assert torch.allclose(model(x), _masked(plain, "0", mask)(x), atol=1e-6)
    with pytest.raises(InputError, match="weights of '0' are computed"):
        without_edges(model, EdgeSet({"0": mask}))


def _mlp():
    torch.manual_seed(2)
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 3))


@given(seed=st.integers(0, 1000), share=st.floats(0.1, 0.9))
@settings(max_examples=25, deadline=None)
def test_nested_cuts_are_the_cut_of_the_union(seed, share):
    model, x = _mlp(), torch.randn(5, 4, generator=torch.Generator().manual_seed(seed))
    a, b = (
        EdgeSet({"0": _random_mask((6, 4), seed + i, share), "2": _random_mask((6, 6), seed + 2 + i, share)})
        for i in (0, 1)
    )
    with cut(model, a):
        only_a = model(x)
        with cut(model, b):
            both = model(x)
        assert torch.equal(model(x), only_a)
    with cut(model, a | b):
        assert torch.allclose(model(x), both, atol=1e-6)
    assert hook_count(model) == 0


def test_a_channel_and_its_entries_are_cut_once():
    model, x = nn.Sequential(nn.Linear(6, 2)), torch.randn(3, 6)
    channels = EdgeSet({"0": np.array([[True, False], [False, False]])})
    entries = EdgeSet({"0": _random_mask((2, 6))})
    joint = entries.masks["0"].copy()
    joint[0, :3] = True
    for outer, inner in ((channels, entries), (entries, channels)):
        with cut(model, outer), cut(model, inner):
            assert torch.allclose(model(x), _masked(model, "0", joint)(x), atol=1e-6)


def test_keeping_some_of_what_is_kept_keeps_the_intersection():
    model, x = _mlp(), torch.randn(5, 4)
    a, b = EdgeSet({"2": _random_mask((6, 6), 1)}), EdgeSet({"2": _random_mask((6, 6), 2)})
    with keep_only(model, a), keep_only(model, b):
        found = model(x)
    with keep_only(model, a & b):
        assert torch.allclose(model(x), found, atol=1e-6)


def test_hooks_are_removed_after_exceptions_of_the_block_and_of_the_pass():
    model, x = Residual(), torch.randn(2, 3, 4, 4)
    clean = model(x)
    edges = EdgeSet({"conv1": np.ones((4, 3), bool), "+": np.ones((2, 4), bool)})
    with pytest.raises(KeyError, match="mine"), cut(model, edges):
        raise KeyError("mine")
    with pytest.raises(RuntimeError), cut(model, edges):
        model(torch.randn(2, 5, 4, 4))
    with pytest.raises(UnknownNameError), cut(model, edges | EdgeSet({"conv9": np.ones((4, 3), bool)})):
        pass
    assert hook_count(model) == 0
    assert torch.equal(model(x), clean)


def test_gradients_see_cuts_of_weights():
    model, x, mask = _mlp(), torch.randn(5, 4), _random_mask((6, 6), 4)
    with cut(model, EdgeSet({"2": mask})):
        model(x).sum().backward()
    other = _masked(model, "2", mask)
    other.zero_grad()
    other(x).sum().backward()
    assert (model[2].weight.grad[torch.from_numpy(mask)] == 0).all()
    free = ~torch.from_numpy(mask)
    assert torch.allclose(model[2].weight.grad[free], other[2].weight.grad[free], atol=1e-6)
    assert torch.allclose(model[0].weight.grad, other[0].weight.grad, atol=1e-6)


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.head = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2)
        self.two.weight = self.one.weight

    def forward(self, x):
        return self.head(torch.tanh(self.two(torch.tanh(self.one(x)))))


@pytest.mark.parametrize("name", ["one", "two"])
def test_of_tied_weights_only_the_named_module_is_cut(name):
    model, x, mask = Tied(), torch.randn(5, 4), _random_mask((4, 4))
    apart = copy.deepcopy(model)
    apart.two.weight = nn.Parameter(model.two.weight.detach().clone())
    expected = _masked(apart, name, mask)(x)
    assert not torch.allclose(expected, model(x), atol=1e-3)
    with cut(model, EdgeSet({name: mask})):
        assert torch.allclose(model(x), expected, atol=1e-6)
    pruned = without_edges(model, EdgeSet({name: mask}))
    assert torch.allclose(pruned(x), expected, atol=1e-6)
    assert model.one.weight is model.two.weight
    assert pruned.one.weight is not pruned.two.weight


def test_a_copy_without_edges_can_be_trained_and_the_original_stays():
    model = _mlp()
    model[2].weight.requires_grad = False
    mask = _random_mask((6, 6))
    pruned = without_edges(model, EdgeSet({"2": mask, "0": np.zeros((6, 4), bool)}))
    assert [p.requires_grad for p in pruned.parameters()] == [p.requires_grad for p in model.parameters()]
    assert all(p.is_leaf for p in pruned.parameters())
    assert (pruned[2].weight[torch.from_numpy(mask)] == 0).all()
    assert (model[2].weight != 0).all()
    with pytest.raises(InputError, match="'0' carry a reference other than zero"):
        without_edges(model, EdgeSet({"0": np.ones((6, 4), bool)}, {"0": (torch.ones(1, 4),)}))
    with pytest.raises(InputError, match=r"'\+' has no weights that could be zero"):
        without_edges(Residual(), EdgeSet({"+": np.ones((2, 4), bool)}))


class Own(nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x)


@pytest.mark.parametrize(
    ("layer", "shape", "error", "message"),
    [
        ("fd", (2, 3), UnknownNameError, "layer 'fd' is not in this model; close names: 'fc'"),
        ("act", (2, 3), InputError, "'act' is ReLU; edges are of linear maps"),
        ("norm", (2, 3), InputError, "'norm' is BatchNorm1d"),
        ("grouped", (4, 2), InputError, "'grouped' is Conv2d; edges are of linear maps and ungrouped"),
        ("up", (4, 4), InputError, "'up' is ConvTranspose2d"),
        ("own", (2, 3), InputError, "'own' is Own, whose forward is its own"),
        ("fc", (2, 4), InputError, r"the mask of layer 'fc' has shape \(2, 4\), its weights \(2, 6\)"),
        ("fc", (3, 6), InputError, r"has shape \(3, 6\)"),
        ("conv", (4, 2), InputError, r"has shape \(4, 2\), its weights \(4, 4, 3, 3\)"),
        ("block+", (3, 4), InputError, r"sum 'block\+' must have 2 rows"),
    ],
)
def test_layers_that_cannot_be_cut_are_explained(layer, shape, error, message):
    model = nn.ModuleDict(
        {
            "fc": nn.Linear(6, 2),
            "act": nn.ReLU(),
            "norm": nn.BatchNorm1d(3),
            "grouped": nn.Conv2d(4, 4, 3, groups=2),
            "up": nn.ConvTranspose2d(4, 4, 3),
            "conv": nn.Conv2d(4, 4, 3),
            "own": Own(3, 2),
        }
    )
    mask = np.ones(shape, dtype=bool)
    with pytest.raises(error, match=message), cut(model, EdgeSet({layer: mask})):
        pass
    assert hook_count(model) == 0


# Sums of branches


class Residual(nn.Module):
    """Two branches, then a third added in place, and a sum inside a named block with a factor."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.conv1, self.conv2 = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.block = Mixer()
        self.shift = nn.Parameter(torch.ones(4, 1, 1))

    def forward(self, x):
        first = torch.relu(self.conv1(x))
        h = self.conv2(first) + first
        h += torch.sigmoid(first)
        return self.block(h) + self.shift

    def explicit(self, x, change):
        """The same with `change(name, branch, value)` at every branch."""
        first = torch.relu(self.conv1(x))
        h = change("+", 0, self.conv2(first)) + change("+", 1, first)
        h = change("+2", 0, h) + change("+2", 1, torch.sigmoid(first))
        return self.block.explicit(h, change) + self.shift


class Mixer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 1)

    def forward(self, x):
        return torch.add(self.conv(x), x, alpha=0.5)

    def explicit(self, x, change):
        return change("block+", 0, self.conv(x)) + 0.5 * change("block+", 1, x)


def _change(mask, name, reference=None):
    def change(given_name, branch, value):
        if given_name != name:
            return value
        gone = torch.from_numpy(mask[branch]).view(1, -1, 1, 1)
        instead = torch.zeros_like(value) if reference is None else reference[branch].expand_as(value)
        return torch.where(gone, instead, value)

    return change


def test_sums_of_two_tensors_are_named_by_their_module():
    model, x = Residual(), torch.randn(2, 3, 5, 5)
    names = sum_names(model, lambda: model(x))
    assert names == ("+", "+2", "block+", "+3")  # the last adds a constant
    assert sum_names(model.block, lambda: model.block(torch.randn(2, 4, 5, 5))) == ("+",)
    assert hook_count(model) == 0


@pytest.mark.parametrize("name", ["+", "+2", "block+"])
@pytest.mark.parametrize("with_reference", [False, True])
def test_cut_branches_of_a_sum_equal_explicit_code(name, with_reference):
    model, x = Residual(), torch.randn(2, 3, 5, 5)
    mask = _random_mask((2, 4), 5)
    reference = tuple(torch.randn(1, 4, 5, 5) for _ in range(2)) if with_reference else None
    edges = EdgeSet({name: mask}, {name: reference} if reference else {})
    clean = model(x)
    with cut(model, edges):
        found = model(x)
    assert torch.allclose(found, model.explicit(x, _change(mask, name, reference)), atol=1e-5)
    assert not torch.allclose(found, clean, atol=1e-3)
    with keep_only(model, edges):
        kept = model(x)
    assert torch.allclose(kept, model.explicit(x, _change(~mask, name, reference)), atol=1e-5)
    assert torch.equal(model(x), clean)
    assert hook_count(model) == 0


def test_cuts_of_sums_and_weights_go_together_and_nest():
    model, x = Residual(), torch.randn(2, 3, 5, 5)
    sums = [EdgeSet({"+2": _random_mask((2, 4), seed)}) for seed in (1, 2)]
    weights = EdgeSet({"conv2": _random_mask((4, 4), 3)})
    joint = sums[0].masks["+2"] | sums[1].masks["+2"]
    expected = _masked(model, "conv2", weights.masks["conv2"]).explicit(x, _change(joint, "+2"))
    with cut(model, sums[0]), cut(model, weights), cut(model, sums[1]):
        for _ in range(2):  # names are counted anew in every pass
            assert torch.allclose(model(x), expected, atol=1e-5)
    with cut(model, sums[0] | weights | sums[1]):
        assert torch.allclose(model(x), expected, atol=1e-5)


def test_names_stay_after_a_pass_that_failed():
    model, x = Residual(), torch.randn(2, 3, 5, 5)
    mask = _random_mask((2, 4), 5)
    with cut(model, EdgeSet({"block+": mask})):
        with pytest.raises(RuntimeError):
            model(torch.randn(2, 7, 5, 5))
        assert torch.allclose(model(x), model.explicit(x, _change(mask, "block+")), atol=1e-5)


def test_sums_that_do_not_occur_or_do_not_fit_are_explained():
    model, x = Residual(), torch.randn(2, 3, 5, 5)
    unknown, wide = (EdgeSet({n: np.ones((2, k), bool)}) for n, k in (("blok+", 4), ("block+", 5)))
    with cut(model, unknown), pytest.raises(UnknownNameError, match=r"'blok\+' is no sum .*: 'block\+'"):
        model(x)
    with (
        cut(model, wide),
        pytest.raises(InputError, match=r"mask of 'block\+' is for 5 units, the sum has 4"),
    ):
        model(x)
    assert hook_count(model) == 0


def test_skips_of_a_hf_resnet_are_cut_as_its_code_would():
    transformers = pytest.importorskip("transformers", reason="needs the hf extra")
    config = transformers.ResNetConfig(
        embedding_size=4, hidden_sizes=[4], depths=[2], layer_type="basic", num_labels=3
    )
    torch.manual_seed(0)
    model = transformers.ResNetForImageClassification(config).eval()
    x = torch.randn(2, 3, 16, 16)
    layer = model.resnet.encoder.stages[0].layers[1]
    mask = np.array([[False, True, False, False], [True, False, False, False]])
    with torch.no_grad(), cut(model, EdgeSet({"resnet.encoder.stages.0.layers.1+": mask})):
        found = model(x).logits

    def by_hand(module, args, output):
        branches = layer.layer(args[0]), args[0]
        gone = [torch.from_numpy(m).view(1, -1, 1, 1) for m in mask]
        return F.relu(sum(b.masked_fill(g, 0.0) for b, g in zip(branches, gone)))

    handle = layer.register_forward_hook(by_hand)
    with torch.no_grad():
        expected = model(x).logits
    handle.remove()
    assert torch.allclose(found, expected, atol=1e-6)
