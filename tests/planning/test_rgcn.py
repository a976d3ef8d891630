"""The layer is its sum over relations, whatever the layout; nodes may be renamed; gradients reach everything."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hodology.errors import InputError
from hodology.planning.rgcn import RGCN, EdgeMlp, RgcnLayer
from hodology.planning.rgcn_messages import relational_edges


def _graph(seed=0, n_nodes=7, n_relations=3, n_edges=20):
    rng = np.random.default_rng(seed)
    return rng.integers(0, n_nodes, (n_edges, 2)), rng.integers(0, n_relations, n_edges)


def _x(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _by_hand(layer, x, edges, relations, n_relations, inverse):
    """Node by node and relation by relation."""
    triples = [(h, r, t) for (h, t), r in zip(edges.tolist(), relations.tolist())]
    if inverse:
        triples += [(t, r + n_relations, h) for h, r, t in triples]
    matrices, rows = layer.matrices(), []
    for node in range(len(x)):
        row = layer.bias + x[node] @ layer.own
        for relation in range(len(matrices)):
            heads = [h for h, r, t in triples if r == relation and t == node]
            if heads:
                row = row + x[heads].mean(dim=0) @ matrices[relation]
        rows.append(row)
    return torch.stack(rows)


@pytest.mark.parametrize("n_bases", [None, 1, 2, 5])
@pytest.mark.parametrize("inverse", [False, True])
def test_layer_and_its_gradients_are_the_sum_over_relations(n_bases, inverse):
    edges, relations = _graph()
    laid_out = relational_edges(edges, relations, n_nodes=7, n_relations=3, inverse=inverse)
    layer = RgcnLayer(4, 5, laid_out.n_relations, n_bases=n_bases, rng=3).double()
    torch.nn.init.normal_(layer.bias)
    x = _x(7, 4).requires_grad_()
    found, expected = layer(x, laid_out), _by_hand(layer, x, edges, relations, 3, inverse)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)  # means are kept in float32
    targets = [x, *layer.parameters()]
    weight = _x(7, 5, seed=2)
    for a, b in zip(
        torch.autograd.grad((found * weight).sum(), targets),
        torch.autograd.grad((expected * weight).sum(), targets),
    ):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def test_layer_agrees_with_torch_geometric():
    geometric = pytest.importorskip("torch_geometric.nn")
    edges, relations = _graph(seed=4, n_edges=30)
    peer = geometric.RGCNConv(4, 5, 3, num_bases=2)
    layer = RgcnLayer(4, 5, 3, n_bases=2)
    with torch.no_grad():
        layer.bases.copy_(peer.weight)
        layer.mixture.copy_(peer.comp)
        layer.own.copy_(peer.root)
        layer.bias.copy_(peer.bias.normal_())
    x = _x(7, 4).float()
    expected = peer(x, torch.from_numpy(edges.T.copy()), torch.from_numpy(relations))
    laid_out = relational_edges(edges, relations, n_nodes=7, n_relations=3, inverse=False)
    torch.testing.assert_close(layer(x, laid_out), expected, rtol=1e-5, atol=1e-5)


@settings(max_examples=25)
@given(st.integers(0, 2**31))
def test_nodes_and_edges_may_come_in_any_order(seed):
    rng = np.random.default_rng(seed)
    edges, relations = _graph(seed)
    names, order = rng.permutation(7), rng.permutation(len(edges))
    layer = RgcnLayer(4, 3, 6)
    x = _x(7, 4).float()
    moved = torch.empty_like(x)
    moved[torch.from_numpy(names)] = x
    plain = layer(x, relational_edges(edges, relations, n_nodes=7, n_relations=3))
    renamed = layer(moved, relational_edges(names[edges][order], relations[order], n_nodes=7, n_relations=3))
    torch.testing.assert_close(renamed[torch.from_numpy(names)], plain, rtol=1e-4, atol=1e-5)


def test_a_relation_without_edges_and_nodes_without_edges_are_left_to_themselves():
    laid_out = relational_edges([[0, 1], [2, 1]], [0, 2], n_nodes=4, n_relations=3, inverse=False)
    layer = RgcnLayer(4, 4, 3, n_bases=None)
    x = _x(4, 4).float().requires_grad_()
    out = layer(x, laid_out)
    for node in (0, 2, 3):
        torch.testing.assert_close(out[node], x[node] @ layer.own + layer.bias)
    out.sum().backward()
    assert layer.bases.grad[1].abs().max() == 0
    assert layer.bases.grad[0].abs().min() > 0
    nothing = relational_edges(
        np.empty((0, 2), int), np.empty(0, int), n_nodes=4, n_relations=3, inverse=False
    )
    for n_bases in (None, 2):
        alone = RgcnLayer(4, 4, 3, n_bases=n_bases)
        torch.testing.assert_close(alone(x, nothing), x @ alone.own)


def test_an_edge_given_twice_weighs_twice_and_sums_are_counted_means():
    laid_out = relational_edges([[0, 2], [0, 2], [1, 2]], [0, 0, 0], n_nodes=3, n_relations=1, inverse=False)
    x = torch.tensor([[3.0], [9.0], [0.0]])
    assert laid_out.gather(x).tolist() == [[5.0]]
    assert laid_out.gather(x, mean=False).tolist() == [[15.0]]
    assert laid_out.counts.tolist() == [3.0]
    assert laid_out.scatter(torch.ones(1, 1)).flatten().tolist() == [0.0, 0.0, 1.0]


@pytest.mark.parametrize("given_features", [False, True])
def test_every_parameter_of_the_network_learns(given_features):
    edges, relations = _graph(n_edges=40)
    laid_out = relational_edges(edges, relations, n_nodes=7, n_relations=3)
    features = _x(7, 11).float() if given_features else None
    network = RGCN(7, 6, features=features, hidden=8, depth=3, rng=1)
    head = EdgeMlp(8, 4)
    scores = head(network(laid_out), torch.tensor([[0, 1], [2, 3], [4, 5], [6, 0]]))
    assert scores.shape == (4, 4)
    scores.square().sum().backward()
    for module in (network, head):
        for name, parameter in module.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.abs().max() > 0, name
    assert len(network.layers) == 3
    assert len(network.norms) == 2


def test_features_count_by_direction_only_and_pairs_by_order():
    edges, relations = _graph()
    laid_out = relational_edges(edges, relations, n_nodes=7, n_relations=3)
    features = _x(7, 5).float()
    scaled = features * torch.arange(1, 8)[:, None]
    one, other = (RGCN(7, 6, features=f, hidden=8, rng=1).eval() for f in (features, scaled))
    torch.testing.assert_close(one(laid_out), other(laid_out))
    head = EdgeMlp(8, 3).eval()
    states = one(laid_out)
    assert not torch.allclose(head(states, torch.tensor([[0, 1]])), head(states, torch.tensor([[1, 0]])))


def test_weights_come_from_the_seed_and_global_state_is_left_alone():
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    one, same, other = (RGCN(5, 2, hidden=4, rng=seed) for seed in (1, 1, 2))
    EdgeMlp(4, 2)
    assert torch.equal(torch.rand(1), expected)
    for name, value in one.state_dict().items():
        assert torch.equal(value, same.state_dict()[name])
    assert not torch.equal(one.layers[0].own, other.layers[0].own)
    assert not torch.equal(one.layers[0].own, one.layers[1].own)


def test_bad_graphs_and_sizes_are_refused():
    def lay(edges, relations, n_nodes=3, n_relations=2):
        return relational_edges(edges, relations, n_nodes=n_nodes, n_relations=n_relations)

    with pytest.raises(
        InputError, match=r"edges must be integers of shape \(E, 2\), got int64 of shape \(3,\)"
    ):
        lay(np.arange(3), np.arange(3))
    with pytest.raises(InputError, match="edges must be integers .* got float64"):
        lay(np.zeros((1, 2)), [0])
    with pytest.raises(
        InputError, match=r"relations must be integers of shape \(2,\), got int64 of shape \(1,\)"
    ):
        lay([[0, 1], [1, 2]], [0])
    with pytest.raises(InputError, match="edges must be 0 to 2, got 3"):
        lay([[0, 3]], [0])
    with pytest.raises(InputError, match="relations must be 0 to 1, got -1"):
        lay([[0, 1]], [-1])
    with pytest.raises(InputError, match="n_nodes must be at least 1, got 0"):
        lay([[0, 1]], [0], n_nodes=0)
    laid_out = lay([[0, 1]], [0])
    with pytest.raises(
        InputError, match=r"the edges have 4 relations \(inverse ones included\), the layer 2"
    ):
        RgcnLayer(3, 3, 2)(torch.zeros(3, 3), laid_out)
    with pytest.raises(InputError, match=r"x must have shape \(3, width\), got \(4, 3\)"):
        RgcnLayer(3, 3, 4)(torch.zeros(4, 3), laid_out)
    with pytest.raises(InputError, match="n_bases must be at least 1, got 0"):
        RgcnLayer(3, 3, 4, n_bases=0)
    with pytest.raises(
        InputError, match=r"features must be floating point of shape \(3, F\), got .*\(2, 5\)"
    ):
        RGCN(3, 4, features=torch.zeros(2, 5))
    with pytest.raises(InputError, match="features must be finite"):
        RGCN(3, 4, features=torch.full((3, 5), torch.nan))
    with pytest.raises(InputError, match="dropout must lie from 0 to below 1, got 1"):
        RGCN(3, 4, dropout=1.0)
    with pytest.raises(InputError, match="depth must be at least 1, got 0"):
        RGCN(3, 4, depth=0)
