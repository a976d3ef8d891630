"""Scores on sentences by hand, AUROC against scikit-learn, and names that noise does not get."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hodology.errors import InputError, UnknownNameError
from hodology.interpret.activation_table import ActivationTable
from hodology.interpret.concept_detection import (
    concept_auroc,
    concept_scores,
    describe_features,
    judge_texts,
    match_concepts,
    name_features,
)
from hodology.interpret.concept_match import average_ranks
from hodology.interpret.feature_reading import Context
from hodology.nn.models import small_gpt, word_tokenizer
from hodology.nn.taps import record

ROWS = torch.tensor([[0.0, 0.0], [3.0, 4.0], [1.0, 0.0], [0.0, 2.0], [-5.0, 0.0], [0.0, -1.0]])
NAMES = ["<bos>", "mixed", "east", "north", "west", "south"]


class Compass(nn.Module):
    """Words whose activity is known: two-dimensional vectors."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding.from_pretrained(ROWS)
        self.head = nn.Linear(2, 6)
        self.config = SimpleNamespace(bos_token_id=0)

    def forward(self, input_ids, attention_mask):
        return self.head(self.table(input_ids))


def _prepare(texts):
    rows = [[0, *(NAMES.index(word) for word in text.split())] for text in texts]
    length = max(len(row) for row in rows)
    mask = [[1] * len(row) + [0] * (length - len(row)) for row in rows]
    padded = [row + [2] * (length - len(row)) for row in rows]  # padding is "east": it must not count
    return {"input_ids": torch.tensor(padded), "attention_mask": torch.tensor(mask)}


def _scores(directions, activating, neutral, **options):
    return concept_scores(Compass(), _prepare, "table", directions, activating, neutral, **options)


def test_scores_are_the_log_ratio_of_mean_largest_cosines():
    found = _scores(
        [[2.0, 0.0]], ["mixed north", "east", "north mixed mixed"], ["mixed", "north", "south west mixed"]
    )
    assert [v.tolist() for v in found.activating] == [pytest.approx([0.6, 1.0, 0.6])]
    assert [v.tolist() for v in found.neutral] == [pytest.approx([0.6, 0.0, 0.6])]
    assert found.score[0] == pytest.approx(math.log((2.2 / 3) / (1.2 / 3)))
    assert found.difference[0] == pytest.approx(1.0 / 3)
    assert found.low[0] <= found.score[0] <= found.high[0]
    assert (found.median, found.share_positive) == (pytest.approx(found.score[0]), 1.0)


def test_begin_and_padding_tokens_do_not_count():
    # the short sentence is padded with "east", which would give it a cosine of 1
    found = _scores([[1.0, 0.0]], ["mixed", "north north north"], ["mixed mixed"])
    assert found.activating[0].tolist() == pytest.approx([0.6, 0.0])


def test_every_feature_may_have_sentences_of_its_own():
    directions = [[1.0, 0.0], [0.0, 1.0]]
    found = _scores(directions, [["east"], ["north", "mixed"]], [["mixed"], ["mixed", "mixed", "north"]])
    assert found.score.tolist() == pytest.approx(
        [math.log(1.0 / 0.6), math.log(0.9 / ((0.8 + 0.8 + 1.0) / 3))]
    )
    shared = _scores(directions, ["east", "north"], ["mixed"])
    assert [len(v) for v in shared.activating] == [2, 2]
    assert shared.score.tolist() == pytest.approx([math.log(0.5 / 0.6), math.log(0.5 / 0.8)])


def test_means_that_are_not_positive_have_scores_of_their_own():
    directions = [[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 0.0]]
    activating = [["east"], ["west"], ["west"], ["east"]]
    neutral = [["west"], ["east"], ["south west"], ["east"]]
    found = _scores(directions, activating, neutral)
    assert found.score.tolist()[:2] == [math.inf, -math.inf]
    assert np.isnan(found.score[2:]).all()  # neither mean is positive: nothing is said
    assert np.isnan(found.low[2:]).all()
    assert found.difference.tolist() == [2.0, -2.0, -1.0, 0.0]
    assert found.share_positive == 0.25
    assert found.median == -math.inf
    assert "25% above 0" in repr(found)


def test_intervals_shrink_to_the_score_without_variation_and_repeat():
    found = _scores([[1.0, 0.0]], ["east", "east east"], ["mixed", "mixed mixed"])
    assert found.low[0] == pytest.approx(found.score[0])
    assert found.high[0] == pytest.approx(found.score[0])
    wide = [
        _scores([[1.0, 0.0]], ["east", "mixed", "north"], ["mixed", "north"], rng=seed, n_resamples=300)
        for seed in (0, 0, 1)
    ]
    assert wide[0].to_dict() == wide[1].to_dict()
    assert wide[0].low[0] < wide[0].score[0] < wide[0].high[0]
    # a mean of neutral sentences without a cosine above 0 is drawn a quarter of the time
    assert wide[2].high[0] == math.inf


def test_scores_of_a_language_model_equal_a_plain_computation():
    pytest.importorskip("transformers", reason="needs the hf extra")
    tokenizer = word_tokenizer(["a", "b", "c", "d"])
    model = small_gpt(len(tokenizer), depth=2, width=16, heads=2, hidden=24, rng=3)
    z = torch.randn(3, 24, generator=torch.Generator().manual_seed(0))
    texts = (["a b c", "d d"], ["c", "b a d c"])
    found = concept_scores(model, tokenizer, 1, z, *texts, batch_size=1)
    for row in range(3):
        means = []
        for group in texts:
            largest = []
            for text in group:
                inputs = tokenizer([text], return_tensors="pt")
                with torch.no_grad(), record(model, ["transformer.h.1.mlp.c_proj:input"]) as seen:
                    model(**inputs)
                activity = seen["transformer.h.1.mlp.c_proj:input"][0, 1:]
                largest.append(float(torch.cosine_similarity(activity, z[row], dim=1).max()))
            means.append(np.mean(largest))
        if min(means) > 0:
            assert found.score[row] == pytest.approx(math.log(means[0] / means[1]), abs=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: _scores([[1.0, 0.0]], [], ["east"]), "activating must hold sentences"),
        (lambda: _scores([[1.0, 0.0]], "east", ["east"]), "activating must hold sentences, got 'east'"),
        (
            lambda: _scores([[1.0, 0.0]] * 2, ["east"], [["east"]]),
            r"neutral must hold one list per direction \(2\), got 1",
        ),
        (
            lambda: _scores([[1.0, 0.0]] * 2, ["east"], [["east"], []]),
            r"neutral\[1\] must be a list of sentences",
        ),
        (lambda: _scores([[1.0, 0.0, 0.0]], ["east"], ["east"]), "directions must have 2 units"),
        (lambda: _scores([[1.0, 0.0]], ["east"], ["east", ""]), "sentence '' has no token"),
        (lambda: _scores([[1.0, 0.0]], ["east"], ["east"], level=1.0), "level must lie between 0 and 1"),
        (lambda: _scores([[1.0, 0.0]], ["east"], ["east"], n_resamples=0), "n_resamples must be"),
    ],
)
def test_bad_sentences_are_explained(call, message):
    with pytest.raises(InputError, match=message):
        call()


MATRICES = st.integers(2, 12).flatmap(
    lambda n: st.lists(st.lists(st.integers(-2, 2), min_size=n, max_size=n), min_size=1, max_size=3)
)


@settings(max_examples=80, deadline=None)
@given(MATRICES)
def test_ranks_agree_with_scipy(columns):
    from scipy.stats import rankdata

    values = np.array(columns, dtype=float).T
    np.testing.assert_array_equal(average_ranks(values), rankdata(values, axis=0))


@settings(max_examples=60, deadline=None)
@given(MATRICES, st.randoms(use_true_random=False))
def test_auroc_agrees_with_sklearn_ties_included(columns, random):
    from sklearn.metrics import roc_auc_score

    values = np.array(columns, dtype=float).T
    labels = np.array([random.randrange(3) for _ in values])
    labels[:2] = [0, 1]
    _, index = np.unique(labels, return_inverse=True)
    table = concept_auroc(values, index, index.max() + 1)
    for feature in range(values.shape[1]):
        for concept in range(index.max() + 1):
            expected = roc_auc_score(index == concept, values[:, feature])
            assert table[feature, concept] == pytest.approx(expected)


def test_matches_by_hand():
    labels = ["cat", "cat", "dog", "dog", None]
    values = np.array([[3, 2, 1, 0, 9], [9, 0, 8, 1, 5], [0, 0, 1, 1, 0]], dtype=float).T
    found = match_concepts(values, labels)
    assert found.names == ("cat", "dog")
    assert found.features.tolist() == [0, 2]
    assert found.auroc.tolist() == [1.0, 1.0]
    assert found.table.tolist() == [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]
    assert found.mean == 1.0
    numbered = match_concepts(values[:4], np.array([7, 7, 2, 2]))
    assert numbered.names == ("2", "7")
    assert match_concepts(values[:4], [1, 1, 0, 0], label_names=["x", "y"]).names == ("x", "y")
    assert match_concepts(torch.from_numpy(values), labels).to_dict() == found.to_dict()
    table = ActivationTable.from_array(np.ones((5, 1)), labels=labels)
    assert match_concepts(values, table).to_dict() == found.to_dict()


def test_one_to_one_gives_each_feature_once():
    labels = [0, 0, 1, 1, 2, 2]
    values = np.array([[5, 4, 3, 3, 0, 0], [0, 0, 2, 2, 1, 1]], dtype=float).T
    free = match_concepts(values, labels)
    assert free.features.tolist() == [0, 1, 1]
    once = match_concepts(values, labels, one_to_one=True)
    assert once.features.tolist() == [0, 1, -1]
    assert np.isnan(once.auroc[2])
    assert once.mean == 1.0
    assert once.signs.tolist() == [1, 1, 1]


def test_directions_without_a_sign_may_tell_by_small_values():
    labels = [0, 0, 1, 1, 2, 2]
    values = np.array([[-5, -4, 1, 2, 1, 2]], dtype=float).T
    assert match_concepts(values, labels).auroc[0] == 0.0
    both = match_concepts(values, labels, either_sign=True)
    assert both.auroc[0] == 1.0
    assert both.signs.tolist() == [-1, 1, 1]
    flipped = match_concepts(-values, labels, either_sign=True)
    np.testing.assert_allclose(flipped.auroc, both.auroc)


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(12)), st.floats(0.1, 5.0))
def test_matches_do_not_depend_on_order_or_monotone_scale(order, power):
    draws = np.random.default_rng(0)
    values, labels = draws.random((12, 4)), np.repeat([0, 1, 2], 4)
    expected = match_concepts(values, labels)
    found = match_concepts(values[list(order)] ** power, labels[list(order)])
    np.testing.assert_allclose(found.table, expected.table)


def _corpus(seed, *, n_samples=24, per_sample=5, n_features=6, effect=0.0):
    """Texts of three concepts; coefficients differ from text to text, and by `effect` between concepts."""
    draws = np.random.default_rng(seed)
    labels = np.repeat(np.arange(n_samples) % 3, per_sample)
    samples = np.repeat(np.arange(n_samples), per_sample)
    values = draws.normal(size=(n_samples, n_features))[samples] + 0.2 * draws.normal(
        size=(len(samples), n_features)
    )
    for feature in range(min(3, n_features)):
        values[labels == feature, feature] += effect
    table = ActivationTable.from_array(
        np.ones((len(samples), 2)), samples=samples, labels=[["red", "green", "blue"][i] for i in labels]
    )
    return table, values


def test_planted_concepts_get_their_names():
    table, values = _corpus(0, effect=6.0)
    found = name_features(table, values)
    assert found.names == ("red", "green", "blue", None, None, None)
    assert (found.auroc[:3] > 0.95).all()
    assert (found.adjusted >= found.p_values).all()
    assert (found.adjusted[:3] <= 0.05).all()
    assert found.n_permutations == 2000
    strict = name_features(table, values, min_auroc=1.0)
    assert all(name is None or auroc == 1.0 for name, auroc in zip(strict.names, strict.auroc, strict=True))
    assert name_features(table, values, correction="benjamini-hochberg").names[:3] == ("red", "green", "blue")
    numbers = name_features(table, torch.from_numpy(values), table.labels, label_names=["r", "g", "b"])
    assert numbers.names[:3] == ("r", "g", "b")
    assert numbers.to_dict() | {"names": 0} == found.to_dict() | {"names": 0}


def test_noise_gets_no_more_names_than_the_level_allows():
    # coefficients are alike within a text, so that tokens shuffled one by one would name nearly everything
    level, corpora = 0.2, 100
    wrong = 0
    for seed in range(corpora):
        table, values = _corpus(seed)
        names = name_features(table, values, min_auroc=0.0, level=level, n_permutations=59, rng=seed).names
        wrong += any(name is not None for name in names)
    assert wrong / corpora <= level + 3 * math.sqrt(level * (1 - level) / corpora)
    tokens = 0
    for seed in range(10):
        table, values = _corpus(seed)
        alone = ActivationTable.from_array(table.matrix, labels=table.labels)
        names = name_features(alone, values, min_auroc=0.0, level=level, n_permutations=59, rng=seed).names
        tokens += any(name is not None for name in names)
    assert tokens >= 8


def test_p_values_follow_the_permutation_rule_exactly():
    # three texts, one a concept of its own: of the six orders of labels one in three puts it in the best place
    table = ActivationTable.from_array(np.ones((3, 1)), labels=[0, 1, 1])
    found = name_features(table, np.array([[2.0], [1.0], [0.0]]), min_auroc=0.0, n_permutations=4000)
    # labels at text 0 or, just as good, concept 1 against it at text 2
    assert found.p_values[0] == pytest.approx(2 / 3, abs=0.03)
    dead = name_features(table, np.array([[1.0], [1.0], [1.0]]))
    assert dead.p_values.tolist() == [1.0]
    assert dead.auroc.tolist() == [0.5]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda t, v: name_features(t, v[:5]), InputError, "one row per token"),
        (lambda t, v: name_features(t, v, [0] * len(v)), InputError, "at least two concepts, got 1"),
        (lambda t, v: name_features(t, v, [0, 1]), InputError, "labels must be one per token"),
        (
            lambda t, v: name_features(t, v, [0, 1] * (len(v) // 2)),
            InputError,
            "the same for all tokens of a sample",
        ),
        (
            lambda t, v: name_features(t, v, n_permutations=50),
            InputError,
            "n_permutations must be at least 119",
        ),
        (
            lambda t, v: name_features(t, v, correction="bonferroni"),
            UnknownNameError,
            "correction must be one of",
        ),
        (lambda t, v: name_features(t, v, level=0.0), InputError, "level must lie in"),
        (
            lambda t, v: name_features(ActivationTable.from_array(np.ones((4, 1))), v[:4]),
            InputError,
            "needs labels",
        ),
        (lambda t, v: name_features(t, v, t.labels, label_names=["a"]), InputError, "label 2 has no name"),
        (
            lambda t, v: name_features(ActivationTable.from_array(np.ones((2, 1)), labels=[0, 1]), v[:2]),
            InputError,
            "at least three labelled samples",
        ),
        (lambda t, v: match_concepts(v, [None] * len(v)), InputError, "at least two concepts, got 0"),
        (
            lambda t, v: match_concepts(v[:4], ActivationTable.from_array(np.ones((4, 1)))),
            InputError,
            "the table has none",
        ),
        (lambda t, v: match_concepts(v, [0, 1]), InputError, "values must have one row per token"),
    ],
)
def test_bad_labels_are_explained(call, error, message):
    table, values = _corpus(0)
    with pytest.raises(error, match=message):
        call(table, values)


def _context(text):
    return Context(1.0, 0, ((text, 1.0),), None, 0, 0)


def test_describers_see_the_contexts_and_must_answer():
    seen = []

    def describer(contexts):
        seen.append([c.text for c in contexts])
        return " names of days "

    found = describe_features([[_context("monday"), _context("friday")], []], describer)
    assert found == ("names of days", None)
    assert seen == [["monday", "friday"]]
    for answer in ("  ", None, 3):
        with pytest.raises(InputError, match="description of feature 0 must be a text"):
            describe_features([[_context("a")]], lambda contexts, answer=answer: answer)


def test_judges_give_two_scores_and_their_harmonic_mean_counts():
    given = {"a": (2, 1), "b": (0, 2), "c": [2.0, 2.0]}
    found = judge_texts(["a", "b", "c"], "days", lambda text, description: given[text])
    np.testing.assert_allclose(found.final, [4 / 3, 0.0, 2.0])
    assert found.mean == pytest.approx(10 / 9)
    assert found.fluency.tolist() == [1.0, 2.0, 2.0]
    for answer in ((1,), (3, 1), (1, -1), "2 1", None, (float("nan"), 1)):
        with pytest.raises(InputError, match="a judge must give a concept and a fluency score from 0 to 2"):
            judge_texts(["a"], "days", lambda text, description, answer=answer: answer)
    with pytest.raises(InputError, match="texts must be a list of texts"):
        judge_texts([], "days", lambda text, description: (1, 1))
