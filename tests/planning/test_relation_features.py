"""Features by hand, train and test in the same columns, and folds that share nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hodology.errors import InputError, UnknownNameError
from hodology.planning.kg_folds import check_disjoint, entity_folds, stratified_folds
from hodology.planning.knowledge_graph import KnowledgeGraph
from hodology.planning.relation_features import degree_features, sequence_features
from hodology.planning.retrieval import retrieve

TRIPLES = [
    ("a", "binds", "g"),
    ("a", "binds", "h"),
    ("g", "causes", "d"),
    ("h", "causes", "d"),
    ("a", "heals", "d"),
]


@pytest.fixture
def kg():
    return KnowledgeGraph.from_triples([*TRIPLES, ("b", "heals", "e")], task_relations=["heals"])


def test_sequences_are_counted_in_named_columns(kg):
    table = sequence_features(retrieve(kg, [("a", "d"), ("b", "d")], diverse=False), kg)
    assert table.names == (("path", "binds", "causes"), ("u", "heals"))
    assert table.matrix.toarray().tolist() == [[2, 0], [0, 1]]
    binary = sequence_features(retrieve(kg, [("a", "d")], diverse=False), kg, value="binary")
    assert binary.matrix.toarray().tolist() == [[1]]


def test_test_pairs_have_the_columns_of_the_training_pairs(kg):
    names = sequence_features(retrieve(kg, [("a", "d")]), kg).names
    table = sequence_features(retrieve(kg, [("b", "e"), ("a", "d")], hide="none"), kg, names=names)
    assert table.names == names
    assert table.matrix.toarray().tolist() == [
        [0],
        [1],
    ]  # the edge b - e has a sequence that training did not have
    assert sequence_features([], kg, names=names).matrix.shape == (0, 1)
    with pytest.raises(InputError, match="names must differ"):
        sequence_features([], kg, names=[*names, *names])


def test_degrees_leave_out_the_pairs_own_edges(kg):
    inverse = kg.with_inverses()
    table = degree_features(inverse, [("a", "d"), ("a", "e")])
    by_name = dict(zip(table.names, table.matrix.toarray().T.tolist(), strict=True))
    assert by_name["u", "binds"] == [2, 2]
    assert by_name["u", "heals"] == [0, 1]
    assert by_name["v", "causes_inverse"] == [2, 0]
    assert by_name["v", "heals_inverse"] == [0, 1]
    assert degree_features(inverse, [("a", "d")], hide="none").matrix.sum() == table.matrix[[0]].sum() + 2
    log = degree_features(inverse, [("a", "d")], value="log").matrix.toarray()
    np.testing.assert_allclose(log, np.log1p(table.matrix.toarray()[:1]))


def test_degrees_without_inverses_count_both_directions_and_missing_entities_none(kg):
    table = degree_features(kg, [("a", "d"), ("z", "d")], missing="empty")
    rows = table.matrix.toarray()
    assert rows[0, table.names.index(("v", "causes", "in"))] == 2
    assert rows[0, table.names.index(("v", "heals", "in"))] == 0
    assert rows[1, table.names.index(("u", "binds"))] == 0
    assert rows[1, table.names.index(("v", "heals", "in"))] == 1
    with pytest.raises(UnknownNameError, match="entity 'z' is not in the graph"):
        degree_features(kg, [("z", "d")])
    with pytest.raises(UnknownNameError, match="value 'square' does not exist"):
        degree_features(kg, [("a", "d")], value="square")


LABELLED = st.lists(
    st.tuples(st.integers(0, 30), st.integers(31, 60), st.integers(0, 2)), min_size=8, max_size=80
)


@given(LABELLED, st.integers(2, 5), st.integers(0, 3))
def test_stratified_folds_test_every_pair_once_and_share_classes_evenly(rows, n_folds, seed):
    rows = list({(u, v): (u, v, label) for u, v, label in rows}.values())
    n_folds = min(n_folds, len(rows))
    if n_folds < 2:
        return
    pairs, labels = [row[:2] for row in rows], np.array([row[2] for row in rows])
    folds = stratified_folds(pairs, labels, n_folds=n_folds, seed=seed)
    assert sorted(np.concatenate([fold.test for fold in folds]).tolist()) == list(range(len(rows)))
    for fold in folds:
        assert not set(fold.train.tolist()) & set(fold.test.tolist())
        assert len(fold.train) + len(fold.test) == len(rows)
    for label in set(labels.tolist()):
        counts = [int((labels[fold.test] == label).sum()) for fold in folds]
        assert max(counts) - min(counts) <= 1
    sizes = [len(fold.test) for fold in folds]
    assert max(sizes) - min(sizes) <= 1


@given(LABELLED, st.integers(0, 1), st.integers(0, 3))
def test_entity_folds_share_no_entity_of_that_side(rows, side, seed):
    pairs, labels = [row[:2] for row in rows], [row[2] for row in rows]
    if len({pair[side] for pair in pairs}) < 3:
        return
    folds = entity_folds(pairs, labels, side=side, n_folds=3, seed=seed)
    assert sorted(np.concatenate([fold.test for fold in folds]).tolist()) == list(range(len(rows)))
    for fold in folds:
        assert not {pairs[i][side] for i in fold.train} & {pairs[i][side] for i in fold.test}


def test_seeds_choose_other_folds():
    pairs = [(i, i + 100) for i in range(30)]
    first = [stratified_folds(pairs, [0] * 30, seed=seed)[0].test.tolist() for seed in (0, 0, 1)]
    assert first[0] == first[1] != first[2]


def test_shared_pairs_are_refused():
    train = [("a", i) for i in range(20)]
    test = [(i, "a") for i in range(8, 30)]
    with pytest.raises(InputError, match="train and test share 12 pairs: they would leak"):
        check_disjoint(train, test)
    check_disjoint(train, test, ordered=True)
    with pytest.raises(InputError, match="1 pairs come twice"):
        stratified_folds([("a", "b"), ("b", "a"), ("c", "d")], [0, 1, 0], n_folds=2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: stratified_folds([(0, 1)], [0, 1]), r"labels must be one per pair \(1\), got 2"),
        (lambda: stratified_folds([(0, 1), (0, 2)], [0, 1], n_folds=3), r"n_folds must be 2 to 2"),
        (lambda: entity_folds([(0, 1), (0, 2)], [0, 1], n_folds=2), "1 entities are too few for 2 folds"),
        (lambda: entity_folds([(0, 1), (0, 2)], [0, 1], n_folds=2, side=2), "side must be 0 or 1, got 2"),
    ],
)
def test_bad_folds(call, message):
    with pytest.raises(InputError, match=message):
        call()
