"""Hierarchies: products stay what they say, trees follow the weights by hand, purity and shared units see structure."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hodology.errors import InputError, UnknownNameError
from hodology.interpret.semi_nmf import SemiNMF, match_components
from hodology.interpret.semi_nmf_tree import (
    RecursiveSemiNMF,
    concept_tree,
    shared_units,
    tree_purity,
)

SETTINGS = SemiNMF(1, backend="numpy", restarts=6, patience=50)


def hierarchy(seed, *, supers=3, each=3, core=6, own=3, n=400, d=120, noise=0.02):
    """Samples of features that share a core of units within their super-concept, the features, their labels."""
    generator = np.random.default_rng(seed)
    units = iter(generator.permutation(d))
    features = np.zeros((supers * each, d))
    for s in range(supers):
        shared = [next(units) for _ in range(core)]
        weights = generator.choice([-1, 1], core) * (1 + generator.random(core))
        for row in features[s * each : (s + 1) * each]:
            row[shared] = weights
            row[[next(units) for _ in range(own)]] = 1.5 * generator.choice([-1, 1], own)
    on = generator.random((n, supers * each)) * (generator.random((n, supers * each)) < 0.15)
    x = on @ features
    return x + noise * x.std() * generator.standard_normal(x.shape), features, np.repeat(range(supers), each)


@pytest.fixture(scope="module")
def fitted():
    x, features, labels = hierarchy(0)
    model = RecursiveSemiNMF((9, 3), estimator=SETTINGS, sparsities=(0.08, 0.2)).fit(x)
    return x, features, labels, model


@pytest.mark.parametrize("unit_norm", [True, False])
def test_weights_and_components_multiply_to_the_stated_errors(unit_norm):
    x, _, _ = hierarchy(1)
    estimator = SemiNMF(1, dtype="float64", max_iter=40, tol=0)
    model = RecursiveSemiNMF((8, 5, 2), estimator=estimator, unit_norm=unit_norm).fit(x)
    assert [layer.weights.shape for layer in model.layers_] == [(400, 8), (8, 5), (5, 2)]
    product = np.eye(400)
    for layer, stored in zip(model.layers_, model.maps_, strict=True):
        assert layer.weights.min() >= 0
        np.testing.assert_allclose(np.linalg.norm(layer.components, axis=1), 1.0, atol=1e-12)
        product = product @ layer.weights
        np.testing.assert_allclose(stored, product, atol=1e-10)
        error2 = np.square(x - stored @ layer.components).sum()
        assert layer.explained == pytest.approx(1 - error2 / np.square(x).sum(), abs=1e-10)
    assert model.reconstruction_err_ == pytest.approx(np.sqrt(error2))
    assert model.explained_ == model.layers_[-1].explained
    first, second = model.estimators_[:2]
    norms = np.linalg.norm(first.components_, axis=1, keepdims=True)
    np.testing.assert_allclose(
        model.maps_[0] @ model.layers_[0].components, first.coefficients_ @ first.components_, atol=1e-10
    )
    factored = second.coefficients_ @ second.components_ / (1.0 if unit_norm else norms)
    np.testing.assert_allclose(model.layers_[1].weights @ model.layers_[1].components, factored, atol=1e-10)


def test_one_layer_is_plain_semi_nmf_and_settings_reach_every_layer(fitted):
    x, _, _, model = fitted
    alone = RecursiveSemiNMF([4], estimator=SemiNMF(7, sparsity=0.1, max_iter=20, tol=0)).fit(x)
    plain = SemiNMF(4, sparsity=0.1, max_iter=20, tol=0).fit(x)
    assert np.array_equal(alone.estimators_[0].components_, plain.components_)
    assert alone.reconstruction_err_ == pytest.approx(plain.reconstruction_err_, rel=1e-5)
    kept = [np.count_nonzero(layer.components, axis=1).tolist() for layer in model.layers_]
    assert kept == [[10] * 9, [24] * 3]  # ceil of 0.08 and 0.2 of 120
    assert SETTINGS.get_params()["n_components"] == 1
    assert not hasattr(SETTINGS, "components_")
    assert [m.restarts for m in model.estimators_] == [6, 6]


def test_new_samples_get_the_maps_of_the_fitted_ones(fitted):
    x, _, _, model = fitted
    for layer, stored in enumerate(model.maps_, start=1):
        np.testing.assert_allclose(model.transform(x, layer=layer), stored, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(
        model.transform(torch.tensor(x[:5])), model.maps_[-1][:5], rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize("constraint", ["clamp", "softplus"])
def test_tuning_lowers_the_error_and_keeps_weights_non_negative(constraint):
    x, _, _ = hierarchy(2)
    kept = x.copy()
    options = {"estimator": SETTINGS, "sparsities": (0.08, 0.2)}
    before = RecursiveSemiNMF((9, 3), **options).fit(x)
    after = RecursiveSemiNMF(
        (9, 3), tune_steps=120, learning_rate=1e-2, constraint=constraint, **options
    ).fit(x)
    assert after.explained_ > before.explained_ + 0.005
    start = np.square(x - before.maps_[-1] @ before.layers_[-1].components).mean()
    assert len(after.tuning_losses_) == 120
    assert after.tuning_losses_[0] == pytest.approx(start, rel=1e-3 if constraint == "clamp" else 0.05)
    assert after.reconstruction_err_**2 / x.size <= after.tuning_losses_.min() * (1 + 1e-4)
    assert all(layer.weights.min() >= 0 for layer in after.layers_)
    assert np.array_equal(after.layers_[-1].components != 0, before.layers_[-1].components != 0)
    below = after.layers_[1].weights @ after.layers_[1].components
    np.testing.assert_allclose(below, after.layers_[0].components, atol=1e-6)
    assert np.array_equal(x, kept)


def test_tuning_never_ends_worse_than_it_began():
    x, _, _ = hierarchy(3)
    before = RecursiveSemiNMF((6, 2), estimator=SETTINGS).fit(x)
    wild = RecursiveSemiNMF((6, 2), estimator=SETTINGS, tune_steps=3, learning_rate=1.0).fit(x)
    assert wild.tuning_losses_.max() > 2 * wild.tuning_losses_[0]
    assert wild.explained_ == pytest.approx(before.explained_, abs=1e-5)


def test_the_tree_of_a_small_chain_by_hand():
    low = np.array([[1.0, 0.0], [0.6, 0.0], [0.5, 0.0], [0.9, 0.2], [0.0, 1.0], [0.0, 0.3]])
    high = np.array([[2.0], [1.5]])
    tree = concept_tree([low, high], fraction=0.5)
    assert sorted(tree.successors((3, 0))) == [(2, 0), (2, 1)]
    assert sorted(tree.successors((2, 0))) == [(1, 0), (1, 1), (1, 3)]  # the three strongest of four
    assert list(tree.successors((2, 1))) == []  # a single strong child: the branch stops
    assert tree.edges[(2, 0), (1, 3)] == {"weight": 0.9, "share": 0.9}
    assert tree.edges[(3, 0), (2, 1)]["share"] == 0.75
    assert tree.nodes[2, 1] == {"layer": 2, "concept": 1, "base": 4}
    assert tree.nodes[3, 0]["base"] == 3  # 2 * 0.9 + 1.5 * 0.2 is more than 2 * 1.0
    assert (1, 4) not in tree
    assert tree.graph["base_concepts"] == 6
    wide = concept_tree([low, high], fraction=0.1, max_children=9)
    assert len(list(wide.successors((2, 0)))) == 4
    assert sorted(wide.successors((2, 1))) == [(1, 3), (1, 4), (1, 5)]
    assert sorted(wide.predecessors((1, 3))) == [(2, 0), (2, 1)]  # strong in both
    assert list(concept_tree([np.zeros((3, 2))]).edges) == []


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 999), st.floats(0.05, 1.0), st.integers(2, 4))
def test_every_tree_keeps_its_rules(seed, fraction, most):
    generator = np.random.default_rng(seed)
    chain = [generator.random((9, 6)) ** 3, generator.random((6, 4)) ** 3, generator.random((4, 2)) ** 3]
    tree = concept_tree(chain, fraction=fraction, max_children=most)
    for node in tree:
        children = list(tree.successors(node))
        assert len(children) == 0 or 2 <= len(children) <= most
        for child in children:
            column = chain[node[0] - 2][:, node[1]]
            assert child[0] == node[0] - 1
            assert column[child[1]] >= fraction * column.max()
        assert (node[0] == 4) == (tree.in_degree(node) == 0)
    order = generator.permutation(9)
    renamed = concept_tree([chain[0][order], *chain[1:]], fraction=fraction, max_children=most)
    names = {(1, int(new)): (1, int(old)) for new, old in enumerate(order)}
    assert {(a, names.get(b, b)) for a, b in renamed.edges} == set(tree.edges)


def test_recursive_factors_of_a_planted_hierarchy_make_a_pure_tree(fitted):
    _, features, _, _ = fitted
    found = []
    for seed in range(3):
        x, features, labels = hierarchy(seed)
        model = RecursiveSemiNMF((9, 3), estimator=SETTINGS, sparsities=(0.08, 0.2)).fit(x)
        truth = labels[match_components(model.layers_[0].components, features).order]
        purity = tree_purity(concept_tree(model), truth, n_permutations=200)
        found.append(purity.purity)
        assert purity.baseline < 0.75
        shared = shared_units(model.layers_[0].components, truth, n_permutations=200)
        assert shared.p_value < 0.01
        assert shared.within > shared.across + 0.1
    assert np.mean(found) >= 0.8


def test_purity_by_hand_and_under_shuffled_labels():
    weights = np.kron(np.eye(4), np.ones((3, 1)))  # four parents of three
    tree = concept_tree([weights])
    labels = np.repeat(list("abcd"), 3)
    pure = tree_purity(tree, labels)
    assert pure.purity == 1.0
    assert pure.p_value == pytest.approx(1 / 1001)
    assert 0.4 < pure.baseline < 0.6
    mixed = tree_purity(tree, ["a", "a", "b", "b", "b", "b", "c", "d", "a", "d", "d", "c"])
    assert mixed.parents == pytest.approx({(2, 0): 2 / 3, (2, 1): 1.0, (2, 2): 1 / 3, (2, 3): 2 / 3})
    assert mixed.purity == pytest.approx(2 / 3)
    noise = np.random.default_rng(0).permutation(labels)
    assert tree_purity(tree, noise).p_value > 0.05
    above = concept_tree([weights, np.ones((4, 1))], max_children=4)
    assert tree_purity(above, labels).parents[3, 0] == 0.25
    stopped = concept_tree(
        [np.array([[1.0, 0.0], [0.0, 1.0]]), np.ones((2, 1))]
    )  # leaves in the second layer
    assert tree_purity(stopped, ["a", "b"]).parents == {(3, 0): 0.5}


def test_shared_units_by_hand():
    components = np.array(
        [[1, 2, 3, 0, 0, 0], [1, 2, 0, -4, 0, 0], [0, 0, 0, 0, 5, 6], [0, 0, 0, 1, 5, 0]], float
    )
    found = shared_units(components, ["day", "day", "month", "month"])
    np.testing.assert_allclose(found.jaccard[0], [1, 2 / 4, 0, 0])
    assert found.within == pytest.approx((2 / 4 + 1 / 3) / 2)
    assert found.across == pytest.approx((0 + 0 + 0 + 1 / 4) / 4)
    assert {name: units.tolist() for name, units in found.core.items()} == {"day": [0, 1], "month": [4]}
    assert [units.tolist() for units in found.own] == [[2], [3], [5], [3]]
    top = shared_units(torch.tensor(components), ["day", "day", "month", "month"], units=1)
    assert top.within == 0.0
    assert top.own[1].tolist() == [3]
    empty = shared_units(np.vstack([components, np.zeros(6)]), [0, 0, 1, 1, 1])
    assert empty.jaccard[4].tolist() == [0.0] * 5


def test_shared_units_are_found_only_where_there_are_some():
    generator = np.random.default_rng(0)
    noise = (generator.random((20, 50)) < 0.2) * 1.0
    groups = np.repeat([0, 1], 10)
    assert shared_units(noise, groups, n_permutations=200).p_value > 0.05
    noise[:10, :5] = noise[10:, 5:10] = 1.0
    assert shared_units(noise, groups, n_permutations=200).p_value == pytest.approx(1 / 201)


def test_it_clones_and_sets_parameters_like_scikit_learn():
    from sklearn.base import clone

    model = RecursiveSemiNMF((4, 2), estimator=SemiNMF(3, tol=0.5))
    copy = clone(model).set_params(estimator__tol=0.25, ranks=(5, 1))
    assert (copy.estimator.tol, copy.ranks, model.estimator.tol) == (0.25, (5, 1), 0.5)
    assert model.get_params()["estimator__solver"] == "hals"
    assert repr(model) == "RecursiveSemiNMF(ranks=(4, 2), estimator=SemiNMF(n_components=3, tol=0.5))"


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"ranks": ()}, InputError, r"ranks must fall strictly, at least one, got \(\)"),
        ({"ranks": (3, 3)}, InputError, r"ranks must fall strictly, at least one, got \(3, 3\)"),
        ({"ranks": (3, 0)}, InputError, "ranks must be an integer of at least 1, got 0"),
        ({"sparsities": (0.1,)}, InputError, r"sparsities must be one per layer \(2\), got 1"),
        ({"sparsities": (0.1, 2.0)}, InputError, r"sparsity must be in \(0, 1\], got 2.0"),
        ({"tune_steps": -1}, InputError, "tune_steps must be an integer of at least 1, got -1"),
        ({"learning_rate": 0.0}, InputError, r"learning_rate must be in \(0, 1\], got 0.0"),
        ({"constraint": "square"}, UnknownNameError, "constraint must be one of 'clamp', 'softplus'"),
        ({"estimator": "nmf"}, InputError, "estimator must be a SemiNMF, got str"),
        ({"estimator": SemiNMF(2, init=np.ones((8, 2)))}, InputError, "init must be a name"),
    ],
)
def test_bad_settings_are_explained(options, error, message):
    x = np.random.default_rng(0).standard_normal((8, 6))
    with pytest.raises(error, match=message):
        RecursiveSemiNMF(**({"ranks": (3, 2)} | options)).fit(x)


TREE = concept_tree([np.ones((3, 1))])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: concept_tree([]), "weights of at least two layers"),
        (lambda: concept_tree([np.ones(3)]), r"2-D, .* fit together, got \[\(3,\)\]"),
        (
            lambda: concept_tree([np.ones((4, 3)), np.ones((2, 1))]),
            r"fit together, got \[\(4, 3\), \(2, 1\)\]",
        ),
        (lambda: concept_tree([-np.ones((4, 3))]), "finite and not negative"),
        (lambda: concept_tree([np.ones((4, 3))], fraction=0.0), r"fraction must be in \(0, 1\], got 0.0"),
        (lambda: concept_tree([np.ones((4, 3))], max_children=1), "max_children must be at least 2"),
        (lambda: concept_tree(RecursiveSemiNMF((3, 2))), "this RecursiveSemiNMF is not fitted"),
        (
            lambda: tree_purity(TREE, [1, 2]),
            r"labels must be one per concept of the first layer \(3\), got 2",
        ),
        (lambda: tree_purity(concept_tree([np.eye(2)]), [1, 2]), "no node with children; lower its fraction"),
        (lambda: shared_units(np.ones((4, 3)), [0, 0, 1, 1]), "components are dense; .* units=..."),
        (lambda: shared_units(np.eye(4), [0, 0, 1]), r"groups must be one per component \(4\).* got 3 in 2"),
        (lambda: shared_units(np.eye(4), [0, 1, 2, 3]), "at least two and one of them with two"),
        (lambda: shared_units(np.eye(4), [0, 0, 1, 1], units=5), r"units must be 1 to 4 \(features\), got 5"),
        (lambda: shared_units(np.full((4, 3), np.nan), [0, 0, 1, 1]), "got NaN in row 0"),
    ],
)
def test_bad_calls_are_explained(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_bad_samples_for_a_fitted_hierarchy_are_explained(fitted):
    x, _, _, model = fitted
    with pytest.raises(InputError, match="X has 119 features, but RecursiveSemiNMF is expecting 120"):
        model.transform(x[:, 1:])
    with pytest.raises(InputError, match="layer must be 1 to 2, got 3"):
        model.transform(x, layer=3)
    with pytest.raises(InputError, match="RecursiveSemiNMF is not fitted"):
        RecursiveSemiNMF((3, 2)).transform(x)
