"""The classifier learns what the graph tells, keeps its best state, repeats by seed, and refuses leaks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

from hodology.errors import FileFormatError, InputError, UnknownNameError
from hodology.planning.edge_classifier import EdgeClassifier, train_edge_classifier
from hodology.planning.edge_classifier_fit import EdgeSettings, fit_edge_scores, macro_f1
from hodology.planning.labelled_pairs import check_disjoint_pairs

SMALL = EdgeSettings(hidden=16, depth=2, dropout=0.2, learning_rate=1e-2, epochs=60, patience=40)
N_DRUGS, N_GENES, N_DISEASES = 30, 6, 12
N_NODES = N_DRUGS + N_GENES + N_DISEASES


def _world(seed=0):
    """Drugs bind a gene, diseases associate with one; the label says whether the gene is the same."""
    rng = np.random.default_rng(seed)
    drug_gene, disease_gene = rng.integers(0, N_GENES, N_DRUGS), rng.integers(0, N_GENES, N_DISEASES)
    binds = np.stack([np.arange(N_DRUGS), N_DRUGS + drug_gene], axis=1)
    associates = np.stack([N_DRUGS + N_GENES + np.arange(N_DISEASES), N_DRUGS + disease_gene], axis=1)
    edges = np.concatenate([binds, associates])
    relations = np.repeat([0, 1], [N_DRUGS, N_DISEASES])
    drugs, diseases = (a.ravel() for a in np.mgrid[:N_DRUGS, :N_DISEASES])
    order = rng.permutation(len(drugs))
    pairs = np.stack([drugs, N_DRUGS + N_GENES + diseases], axis=1)[order]
    labels = (drug_gene[drugs] == disease_gene[diseases]).astype(int)[order]
    return edges, relations, pairs, labels


def _train(settings=SMALL, seed=0, n=240, **options):
    edges, relations, pairs, labels = _world()
    return train_edge_classifier(
        edges,
        relations,
        N_NODES,
        2,
        pairs[:n],
        labels[:n],
        pairs[n : n + 60],
        labels[n : n + 60],
        settings=settings,
        seed=seed,
        **options,
    )


@pytest.fixture(scope="module")
def trained():
    return _train()


def test_a_label_that_the_graph_tells_is_learned_for_new_pairs(trained):
    _, _, pairs, labels = _world()
    found = trained.predict(pairs[300:])
    assert f1_score(labels[300:], found, average="macro") > 0.9
    probabilities = trained.predict_proba(pairs[300:])
    assert probabilities.shape == (60, 2)
    assert np.allclose(probabilities.sum(axis=1), 1)
    assert (probabilities.argmax(axis=1) == found).all()


def test_the_best_validation_state_is_the_one_kept(trained):
    _, _, pairs, labels = _world()
    log = trained.training
    assert log.validation_f1[log.best_epoch - 1] == max(log.validation_f1)
    found = trained.predict(pairs[240:300])
    assert f1_score(labels[240:300], found, average="macro") == pytest.approx(max(log.validation_f1))
    n = len(log.losses)
    assert len(log.seconds) == len(log.learning_rates) == len(log.validation_losses) == n
    assert n == min(60, log.best_epoch + 40)
    assert log.stopped_early == (n < 60)
    assert log.seconds_per_epoch > 0


def test_training_stops_without_progress_and_halves_the_rate_at_a_plateau():
    edges, relations, pairs, labels = _world()
    noise = np.random.default_rng(1).permutation(labels)  # nothing to learn: validation gets worse
    halves = replace(SMALL, patience=9, plateau_patience=1, monitor="loss")
    args = (edges, relations, N_NODES, 2, pairs[:240], noise[:240], pairs[240:], noise[240:])
    log = train_edge_classifier(*args, settings=halves).training
    assert log.stopped_early
    assert len(log.losses) == log.best_epoch + 9 < 60
    halvings = np.log2(1e-2 / np.array(log.learning_rates))
    assert np.allclose(halvings, halvings.round())
    assert halvings[log.best_epoch - 1] < halvings[-1]
    assert halvings.max() >= 3
    by_loss = _train(replace(SMALL, epochs=8, monitor="loss")).training
    assert by_loss.validation_losses[by_loss.best_epoch - 1] == min(by_loss.validation_losses)


def test_the_same_seed_gives_the_same_bits_and_global_state_is_left_alone():
    short = replace(SMALL, epochs=4)
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    one = _train(short)
    assert torch.equal(torch.rand(1), expected)
    torch.manual_seed(9)
    assert torch.equal(one.states, _train(short).states)
    assert not torch.equal(one.states, _train(short, seed=1).states)


def test_batches_hold_every_pair_once_in_a_new_order_each_epoch():
    network, seen = torch.nn.Linear(2, 2), []

    def scores(rows):
        if network.training:
            seen.append(rows[:, 0].tolist())
        return network(rows.float())

    data = torch.stack([torch.arange(10), torch.zeros(10, dtype=torch.int64)], dim=1), torch.arange(10) % 2
    fit_edge_scores(network, scores, data, data, n_classes=2, settings=EdgeSettings(epochs=2, batch_size=4))
    assert [len(batch) for batch in seen] == [4, 4, 2] * 2
    first, second = sum(seen[:3], []), sum(seen[3:], [])
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second


def test_the_defaults_are_those_of_the_paper():
    found = EdgeSettings()
    assert (found.hidden, found.depth, found.n_bases, found.dropout) == (128, 3, 2, 0.5)
    assert (found.learning_rate, found.weight_decay) == (1e-3, 5e-4)
    assert (found.epochs, found.patience, found.plateau_factor) == (1000, 400, 0.5)


@pytest.mark.parametrize("wide", [None, 9])
@pytest.mark.parametrize("inverse", [True, False])
def test_a_saved_classifier_is_the_same_after_loading(tmp_path, wide, inverse):
    features = None if wide is None else np.random.default_rng(0).normal(size=(N_NODES, wide))
    one = _train(replace(SMALL, epochs=3, inverse=inverse), features=features)
    one.save(tmp_path / "a.safetensors")
    again = EdgeClassifier.load(tmp_path / "a.safetensors")
    edges, relations, pairs, _ = _world()
    assert np.array_equal(again.predict_proba(pairs), one.predict_proba(pairs))
    other = {"edges": edges[::2], "relations": relations[::2]}
    assert np.array_equal(again.predict_proba(pairs, **other), one.predict_proba(pairs, **other))
    assert again.settings == one.settings
    assert again.training == one.training
    assert repr(again) == repr(one)


def test_another_graph_is_read_when_asked(trained):
    edges, relations, pairs, _ = _world()
    same = trained.predict_proba(pairs, edges=edges, relations=relations)
    assert np.allclose(same, trained.predict_proba(pairs), atol=1e-6)
    less = trained.predict_proba(pairs, edges=edges[:20], relations=relations[:20])
    assert not np.allclose(less, same, atol=1e-3)
    assert all(p.requires_grad for p in trained.network.parameters())
    with pytest.raises(InputError, match="edges and relations must be given together"):
        trained.predict_proba(pairs, edges=edges)


def test_epochs_are_told():
    told = []
    _train(replace(SMALL, epochs=3), on_epoch=lambda *args: told.append(args))
    assert [t[:2] for t in told] == [(1, 3), (2, 3), (3, 3)]
    assert all(np.isfinite(t[2]) for t in told)


def test_balanced_classes_weigh_alike():
    edges, relations, pairs, labels = _world()
    rare = np.r_[np.flatnonzero(labels == 0)[:200], np.flatnonzero(labels == 1)[:5]]
    flat = replace(SMALL, epochs=1, balanced=True, dropout=0.0)
    args = (edges, relations, N_NODES, 2, pairs[rare], labels[rare])
    rest = np.setdiff1d(np.arange(len(pairs)), rare)[:40]
    found = train_edge_classifier(*args, pairs[rest], labels[rest], settings=flat, n_classes=3)
    plain = train_edge_classifier(
        *args, pairs[rest], labels[rest], settings=replace(flat, balanced=False), n_classes=3
    )
    assert found.training.losses[0] != plain.training.losses[0]
    assert found.predict_proba(pairs[:2]).shape == (2, 3)


def test_macro_f1_is_that_of_sklearn():
    rng = np.random.default_rng(0)
    for _ in range(20):
        labels, found = rng.integers(0, 4, 12), rng.integers(0, 4, 12)
        assert macro_f1(labels, found, 6) == pytest.approx(f1_score(labels, found, average="macro"))


def test_what_would_leak_is_refused():
    edges, relations, pairs, labels = _world()
    both = np.concatenate([pairs[:40], pairs[300:312, ::-1]])
    with pytest.raises(InputError, match="train and validation share 12 pairs: they would leak"):
        train_edge_classifier(
            edges, relations, N_NODES, 2, both, np.arange(52) % 2, pairs[300:340], labels[300:340]
        )
    with pytest.raises(InputError, match="train and test share 1 pair: they would leak"):
        check_disjoint_pairs([[1, 2], [3, 4]], torch.tensor([[2, 1], [5, 6]]))
    check_disjoint_pairs([[1, 2]], [[1, 3]])
    answers = np.concatenate([edges, pairs[:1, ::-1], pairs[240:242]])
    kinds = np.r_[relations, 1, 0, 0]
    args = (N_NODES, 2, pairs[:240], labels[:240], pairs[240:], labels[240:])
    with pytest.raises(InputError, match="joins 1 training pair by an answer relation"):
        train_edge_classifier(answers, kinds, *args, answer_relations=[1])
    with pytest.raises(InputError, match="joins 2 validation pairs by an answer relation"):
        train_edge_classifier(answers, kinds, *args, answer_relations=[0])


def test_bad_input_is_refused(tmp_path, trained):
    edges, relations, pairs, labels = _world()

    def train(train_pairs, train_labels, **options):
        return train_edge_classifier(
            edges, relations, N_NODES, 2, train_pairs, train_labels, pairs[300:], labels[300:], **options
        )

    with pytest.raises(InputError, match=r"train_pairs must be integers of shape \(n, 2\), got .*\(5,\)"):
        train(np.arange(5), labels[:5])
    with pytest.raises(InputError, match="train_pairs must hold at least one pair, got none"):
        train(np.empty((0, 2), int), np.empty(0, int))
    with pytest.raises(InputError, match="train_pairs must be nodes from 0 to 47, got 48"):
        train(np.array([[0, 48]]), np.array([0]))
    with pytest.raises(InputError, match=r"train_labels must be integers of shape \(5,\), got .*\(4,\)"):
        train(pairs[:5], labels[:4])
    with pytest.raises(InputError, match="val_labels must be 0 to 0, got 1"):
        train(pairs[:5], np.zeros(5, int))
    with pytest.raises(InputError, match="train_labels must be 0 to 1, got -1"):
        train(pairs[:5], np.array([0, 1, 1, -1, 0]))
    with pytest.raises(InputError, match="the loss is nan in epoch"):
        train(pairs[:9], labels[:9], settings=replace(SMALL, learning_rate=1e30), n_classes=2)
    with pytest.raises(InputError, match="pairs must be nodes from 0 to 47, got -1"):
        trained.predict([[0, -1]])
    with pytest.raises(InputError, match="patience must be at least 1, got 0"):
        EdgeSettings(patience=0)
    with pytest.raises(InputError, match="batch_size must be at least 1, got 0"):
        EdgeSettings(batch_size=0)
    with pytest.raises(InputError, match=r"plateau_factor must lie between 0 and 1, got 1\.0"):
        EdgeSettings(plateau_factor=1.0)
    with pytest.raises(InputError, match="learning_rate must be a positive number, got 0"):
        EdgeSettings(learning_rate=0)
    with pytest.raises(UnknownNameError, match="monitor 'macro' does not exist; close names: 'macro_f1'"):
        EdgeSettings(monitor="macro")


def test_damaged_files_are_refused(tmp_path, trained):
    with pytest.raises(FileFormatError, match="cannot be read as an edge classifier"):
        EdgeClassifier.load(tmp_path / "none.safetensors")
    file = tmp_path / "a.safetensors"
    trained.save(file)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FileFormatError, match="cannot be read as an edge classifier"):
        EdgeClassifier.load(file)
    from safetensors.torch import save_file

    save_file({"states": torch.zeros(2, 2)}, file)
    with pytest.raises(FileFormatError, match="is no edge classifier of this package"):
        EdgeClassifier.load(file)
