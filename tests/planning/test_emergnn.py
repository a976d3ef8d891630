"""What arrives is the sum over paths, pairs do not touch each other, and what a path tells is learned."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

from hodology.errors import InputError, UnknownNameError
from hodology.planning.edge_classifier_fit import EdgeSettings, fit_edge_scores
from hodology.planning.emergnn import EmerGNN
from hodology.planning.rgcn_messages import relational_edges

TRIPLES = [(0, 0, 1), (1, 1, 2), (0, 1, 2), (2, 0, 3), (0, 0, 2), (0, 0, 1)]


def _edges(inverse=False):
    pairs = np.array([(h, t) for h, _, t in TRIPLES])
    kinds = np.array([r for _, r, _ in TRIPLES])
    return relational_edges(pairs, kinds, n_nodes=5, n_relations=2, inverse=inverse)


def _by_hand(network, start, end):
    """Edge by edge, for one pair."""
    known = network.embedding.weight
    both = torch.cat([known[start], known[end]])
    states = {node: known[start] if node == start else torch.zeros_like(known[0]) for node in range(5)}
    for step in range(network.length):
        carried = torch.sigmoid(torch.relu(both @ network.attend[step]) @ network.weigh[step])
        weight = carried[:, None] * network.relations[step]
        arrived = {node: states[node] * weight[-1] for node in states}
        for head, relation, tail in TRIPLES:
            arrived[tail] = arrived[tail] + states[head] * weight[relation]
        states = {node: torch.relu(arrived[node] @ network.maps[step]) for node in states}
    return states[end]


def test_arrivals_are_sums_over_edges_pair_by_pair():
    network = EmerGNN(5, 2, 3, hidden=4, length=3, rng=2)
    pairs = torch.tensor([[0, 2], [0, 3], [1, 3], [3, 0], [0, 4], [2, 2]])
    found = network.arrivals(_edges(), pairs)
    for row, (start, end) in zip(found, pairs.tolist()):
        torch.testing.assert_close(row, _by_hand(network, start, end), atol=1e-6, rtol=1e-5)
    assert found[:3].abs().max() > 0
    back = network.arrivals(_edges(), pairs.flip(1))
    expected = torch.cat([found, back], dim=1) @ network.score + network.bias
    torch.testing.assert_close(network.eval()(_edges(), pairs), expected)
    assert not torch.allclose(found, back)
    mean = EmerGNN(5, 2, 3, hidden=4, aggregate="mean", rng=2)
    assert not torch.allclose(mean.arrivals(_edges(), pairs[:3]), found[:3])


def test_a_pair_that_no_path_joins_has_the_scores_of_nothing():
    network = EmerGNN(5, 2, 3, hidden=4, length=1).eval()
    scores = network(
        _edges(), torch.tensor([[0, 3], [0, 4], [0, 1]])
    )  # two edges apart, not joined, one edge
    torch.testing.assert_close(scores[:2], network.bias.expand(2, 3))
    assert not torch.allclose(scores[2], network.bias)


def test_every_parameter_learns():
    features = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))
    for given in (None, features):
        network = EmerGNN(5, 4, 3, features=given, hidden=16, dropout=0.0)
        network(
            _edges(inverse=True), torch.tensor([[0, 3], [1, 2], [2, 0], [3, 1]])
        ).square().sum().backward()
        for name, parameter in network.named_parameters():
            assert parameter.grad.abs().max() > 0, name


def test_what_a_path_tells_is_learned_for_new_pairs():
    rng = np.random.default_rng(0)
    n_drugs, n_genes, n_diseases = 24, 5, 10
    of_drug, of_disease = rng.integers(0, n_genes, n_drugs), rng.integers(0, n_genes, n_diseases)
    pairs = [[d, n_drugs + of_drug[d]] for d in range(n_drugs)]
    pairs += [[n_drugs + n_genes + d, n_drugs + of_disease[d]] for d in range(n_diseases)]
    kinds = [0] * n_drugs + [1] * n_diseases
    n_nodes = n_drugs + n_genes + n_diseases
    edges = relational_edges(pairs, kinds, n_nodes=n_nodes, n_relations=2)
    asked = rng.permutation([[d, n_drugs + n_genes + e] for d in range(n_drugs) for e in range(n_diseases)])
    labels = (of_drug[asked[:, 0]] == of_disease[asked[:, 1] - n_drugs - n_genes]).astype(int)
    asked, labels = torch.from_numpy(asked), torch.from_numpy(labels)
    network = EmerGNN(n_nodes, 4, 2, hidden=16, length=2, dropout=0.0, rng=1)
    log = fit_edge_scores(
        network,
        lambda rows: network(edges, rows),
        (asked[:140], labels[:140]),
        (asked[140:180], labels[140:180]),
        n_classes=2,
        settings=EdgeSettings(learning_rate=1e-2, epochs=15, batch_size=32, plateau_patience=10),
        seed=0,
    )
    assert log.losses[-1] < log.losses[0]
    with torch.no_grad():
        found = network(edges, asked[180:]).argmax(dim=1)
    assert f1_score(labels[180:], found, average="macro") > 0.9


def test_bad_sizes_are_refused():
    with pytest.raises(InputError, match="length must be at least 1, got 0"):
        EmerGNN(5, 2, 3, length=0)
    with pytest.raises(
        UnknownNameError, match="aggregate 'average' does not exist; known names: 'sum', 'mean'"
    ):
        EmerGNN(5, 2, 3, aggregate="average")
    with pytest.raises(
        InputError, match=r"the edges have 4 relations \(inverse ones included\), the network 2"
    ):
        EmerGNN(5, 2, 3)(_edges(inverse=True), torch.tensor([[0, 1]]))
