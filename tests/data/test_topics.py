"""The generated sentences obey their grammar, and the grammar's probabilities are the generator's."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from hodology.data.topics import TopicsDataset, load_topics_split, make_nested_topics, make_topics
from hodology.errors import InputError, UnknownNameError

FLAT = make_topics(400, seed=1)
NESTED = make_nested_topics(400, seed=1)
BOTH = pytest.mark.parametrize("corpus", [FLAT, NESTED], ids=["flat", "nested"])


def _beginnings(sentence):
    """Every beginning of a sentence with the word that follows it; None for the end."""
    words = sentence.split()
    return [(" ".join(words[:i]), word) for i, word in enumerate([*words, None])]


def _place(corpus, word):
    return len(corpus.vocabulary) if word is None else corpus.vocabulary.index(word)


@pytest.mark.parametrize("make", [make_topics, make_nested_topics])
def test_a_seed_gives_the_same_sentences_and_more_of_them_keep_the_first(make):
    few, many = make(53, seed=4), make(211, seed=4)
    assert few.sentences == many.sentences[:53]
    assert few.labels.tolist() == many.labels[:53].tolist()
    assert few.fingerprint == make(53, seed=4).fingerprint
    assert len({few.fingerprint, many.fingerprint, make(53, seed=5).fingerprint}) == 3
    assert make(53, seed=4, pairs=(2, 8)).fingerprint != few.fingerprint


@BOTH
def test_function_words_and_words_of_one_concept_alternate(corpus):
    for sentence, label in zip(corpus.sentences, corpus.labels, strict=True):
        words = sentence.split(" ")
        assert set(words[0::2]) <= set(corpus.grammar.function_words[label])
        assert set(words[1::2]) <= set(corpus.grammar.words[label])
        assert len(words) in range(8, 17, 2)


@BOTH
def test_every_block_of_sentences_holds_every_concept_once(corpus):
    count = len(corpus.concepts)
    blocks = corpus.labels[: len(corpus) // count * count].reshape(-1, count)
    assert (np.sort(blocks, axis=1) == np.arange(count)).all()
    assert len({tuple(block) for block in blocks.tolist()}) > 20


def test_words_and_lengths_are_drawn_uniformly():
    corpus = make_topics(8_000, seed=2)
    drawn = Counter(word for sentence in corpus.sentences for word in sentence.split())
    counts = np.array([drawn[word] for word in corpus.vocabulary])
    assert len(drawn) == len(corpus.vocabulary) == 70
    assert chisquare(counts[:6]).pvalue > 1e-4
    assert chisquare(counts[6:].reshape(8, 8), axis=1).pvalue.min() > 1e-4
    assert chisquare(list(Counter(s.count(" ") for s in corpus.sentences).values())).pvalue > 1e-4


@BOTH
def test_the_grammar_allows_every_word_that_was_drawn(corpus):
    grammar = corpus.grammar
    for sentence, label in zip(corpus.sentences[:60], corpus.labels[:60], strict=True):
        for beginning, word in _beginnings(sentence):
            place = _place(corpus, word)
            assert grammar.grammatical_next(beginning)[place]
            assert grammar.grammatical_next(beginning, concept=label)[place]
            assert grammar.next_probabilities(beginning)[place] > 0


def test_the_grammar_allows_nothing_else():
    grammar = make_topics(1, n_concepts=2, words_per_concept=2, n_function_words=2, pairs=(1, 2)).grammar
    assert grammar.vocabulary == ("the", "a", "lion", "horse", "red", "blue")

    def allowed(prefix, concept=None):
        names = [*grammar.vocabulary, "END"]
        return [names[i] for i in np.flatnonzero(grammar.grammatical_next(prefix, concept=concept))]

    assert allowed("") == ["the", "a"]
    assert allowed("a") == ["lion", "horse", "red", "blue"]
    assert allowed("a", concept=1) == ["red", "blue"]
    assert allowed("a red") == ["the", "a", "END"]
    assert allowed("a red the lion") == ["END"]  # a change of subject is no fault of grammar
    np.testing.assert_allclose(grammar.next_probabilities("a"), [0, 0, 0.25, 0.25, 0.25, 0.25, 0])
    np.testing.assert_allclose(grammar.next_probabilities("a red"), [0.25, 0.25, 0, 0, 0, 0, 0.5])
    np.testing.assert_allclose(grammar.next_probabilities("a red a"), [0, 0, 0, 0, 0.5, 0.5, 0])


@BOTH
@settings(max_examples=40, deadline=None)
@given(index=st.integers(0, 399))
def test_next_words_multiply_to_the_probability_of_the_sentence(corpus, index):
    sentence = corpus.sentences[index]
    logs = []
    for beginning, word in _beginnings(sentence):
        chances = corpus.grammar.next_probabilities(beginning)
        assert chances.sum() == pytest.approx(1.0, abs=1e-12)
        assert not (chances[~corpus.grammar.grammatical_next(beginning)]).any()
        logs.append(np.log(chances[_place(corpus, word)]))
    assert corpus.grammar.log_probability([sentence])[0] == pytest.approx(sum(logs), abs=1e-9)


@pytest.mark.parametrize("pairs", [(1, 1), (1, 2), (2, 2)])
@pytest.mark.parametrize("links", [0, 1])
def test_probability_and_entropy_agree_with_all_sentences_written_out(pairs, links):
    grammar = make_nested_topics(
        1,
        n_supers=2,
        concepts_per_super=2,
        own_words=1,
        shared_words=1,
        n_function_words=1,
        super_function_words=links,
        pairs=pairs,
    ).grammar
    function = sorted({word for part in grammar.function_words for word in part})
    words = sorted({word for part in grammar.words for word in part})
    every = [
        " ".join(itertools.chain(*drawn))
        for n in range(pairs[0], pairs[1] + 1)
        for drawn in itertools.product(itertools.product(function, words), repeat=n)
    ]
    logs = grammar.log_probability(every)
    logs = logs[np.isfinite(logs)]
    assert np.exp(logs).sum() == pytest.approx(1.0, abs=1e-12)
    assert grammar.entropy == pytest.approx(-(np.exp(logs) * logs).sum(), abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(
    counts=st.tuples(st.integers(1, 30), st.integers(1, 10), st.integers(1, 20)),
    low=st.integers(1, 5),
    more=st.integers(0, 4),
)
def test_the_entropy_of_separate_concepts_has_a_closed_form(counts, low, more):
    concepts, words, function = counts
    grammar = make_topics(
        1,
        n_concepts=concepts,
        words_per_concept=words,
        n_function_words=function,
        pairs=(low, low + more),
    ).grammar
    drawn = (low + more / 2) * np.log(function * words)
    assert grammar.entropy == pytest.approx(np.log(more + 1) + np.log(concepts) + drawn, rel=1e-12)
    assert grammar.entropy_rate == pytest.approx(grammar.entropy / (2 * low + more + 1), rel=1e-12)


def test_shared_words_leave_the_concept_open_as_often_as_computed_by_hand():
    grammar = (
        NESTED.grammar
    )  # 12 concepts, 7 function words and 8 words each, 2 of these shared by 3 concepts
    open_share = np.mean([(2 / 8) ** n for n in range(4, 9)])
    expected = np.log(5) + np.log(12) + 6 * np.log(7 * 8) - open_share * np.log(3)
    assert grammar.entropy == pytest.approx(expected, rel=1e-12)


@BOTH
def test_the_mean_surprise_of_the_sentences_is_the_entropy(corpus):
    surprise = -corpus.grammar.log_probability(corpus.sentences)
    error = surprise.std() / len(corpus) ** 0.5
    assert abs(surprise.mean() - corpus.grammar.entropy) < 4 * error
    tokens = np.mean([len(s.split()) + 1 for s in corpus.sentences])
    assert tokens == pytest.approx(corpus.grammar.mean_tokens, abs=0.6)


def test_nested_concepts_form_the_tree_that_their_words_show():
    grammar = NESTED.grammar
    assert grammar.tree["week"] == ("working days", "weekend", "feast days")
    assert sum(grammar.tree.values(), ()) == grammar.concepts
    assert NESTED.super_labels.tolist() == (NESTED.labels // 3).tolist()
    for a, b in itertools.combinations(range(len(grammar.concepts)), 2):
        together = grammar.super_of[a] == grammar.super_of[b]
        assert len(set(grammar.words[a]) & set(grammar.words[b])) == (2 if together else 0)
        assert len(set(grammar.function_words[a]) & set(grammar.function_words[b])) == (7 if together else 4)
    assert {"monday", "day"} <= set(grammar.words[0])
    assert {"saturday", "day"} <= set(grammar.words[1])


def test_separate_concepts_have_no_tree():
    assert FLAT.grammar.tree == {}
    assert FLAT.super_labels.tolist() == FLAT.labels.tolist()


@pytest.mark.parametrize(
    "grammar",
    [
        make_topics(1, n_concepts=30, words_per_concept=10, n_function_words=20).grammar,
        make_nested_topics(
            1, n_supers=8, concepts_per_super=4, own_words=8, shared_words=6, super_function_words=5
        ).grammar,
    ],
    ids=["flat", "nested"],
)
def test_larger_languages_go_on_with_numbered_words_and_no_word_means_two_things(grammar):
    function = {word for part in grammar.function_words for word in part}
    first = {
        word: grammar.super_of[i] for i, part in reversed(list(enumerate(grammar.words))) for word in part
    }
    for index, part in enumerate(grammar.words):
        assert len(part) == len(set(part)) == len(grammar.words[0])
        assert all(first[word] == grammar.super_of[index] for word in part)
        assert not function & set(part)
    assert not set(grammar.concepts) & set(grammar.vocabulary)
    assert len(set(grammar.concepts)) == len(grammar.concepts)
    assert all(word.split() == [word] for word in grammar.vocabulary)


def test_the_names_beyond_the_real_ones():
    grammar = make_topics(1, n_concepts=25, words_per_concept=9, n_function_words=17).grammar
    assert (grammar.concepts[23], grammar.concepts[24]) == ("feelings", "c24")
    assert (grammar.words[0][7:], grammar.words[24][0]) == (("otter", "c0w8"), "c24w0")
    assert grammar.function_words[0][15:] == ("no", "f16")
    nested = make_nested_topics(1, n_supers=7, concepts_per_super=4, shared_words=5).grammar
    assert (nested.supers[6], nested.concepts[3]) == ("s6", "s0c3")
    assert nested.words[3][0] == "s0c3w0"
    assert nested.words[3][-1] == "s0w4"


def test_a_split_keeps_order_and_grammar():
    train, test = FLAT.split(n_test=30)
    assert train.sentences + test.sentences == FLAT.sentences
    assert [*train.labels, *test.labels] == FLAT.labels.tolist()
    assert train.grammar is test.grammar is FLAT.grammar
    with pytest.raises(InputError, match="n_test must be 1 to 399, got 400"):
        FLAT.split(n_test=400)


def test_the_embedded_corpora_are_data_sets_of_texts():
    train, test = load_topics_split(seed=3)
    assert (len(train), len(test)) == (12_000, 1_000)
    assert not set(train.sentences) & set(test.sentences)
    data = TopicsDataset(seed=3)
    items = data.items(990, 1_005)
    assert [i.content for i in items] == test.sentences[990:]
    assert [i.label for i in items] == test.labels[990:].tolist()
    assert data.labels() == test.labels.tolist()
    assert items[0].id == "topics/test/00990"
    assert data.class_names == test.concepts
    assert data.fingerprint == test.fingerprint
    assert len(TopicsDataset(part="train", seed=3)) == 12_000
    nested = TopicsDataset(nested=True)
    assert (nested.name, nested.class_names[0]) == ("topics-nested (test)", "working days")
    with pytest.raises(InputError, match="part must be 'train' or 'test', got 'validation'"):
        TopicsDataset(part="validation")


@pytest.mark.parametrize(
    ("prefix", "error", "message"),
    [
        ("the lyon", UnknownNameError, "word 'lyon' is not in the vocabulary; close names: 'lion'"),
        ("lion", InputError, "word 1 of 'lion' must be a function word, got 'lion'"),
        ("the a", InputError, "word 2 of 'the a' must be a concept word, got 'a'"),
        ("the lion " * 9, InputError, "at most 16 words, got 18"),
        ("the lion the red", InputError, "belong to no single concept"),
    ],
)
def test_what_is_no_beginning_of_a_sentence_is_explained(prefix, error, message):
    with pytest.raises(error, match=message):
        FLAT.grammar.next_probabilities(prefix)


def test_concepts_of_unequal_size_are_refused():
    words = (FLAT.grammar.words[0][:7], *FLAT.grammar.words[1:])
    with pytest.raises(InputError, match=r"the same number .*, got \[\(6, 7\), \(6, 8\)\] for 8"):
        replace(FLAT.grammar, words=words)


def test_impossible_sentences_have_no_probability():
    whole = "the lion a lion the lion a lion"
    mixed = "the lion a red the lion a lion"
    logs = FLAT.grammar.log_probability([whole, mixed, "the lion", whole + " the"])
    assert np.isfinite(logs).tolist() == [True, False, False, False]
    with pytest.raises(InputError, match="concept must be 0 to 7, got 8"):
        FLAT.grammar.grammatical_next("", concept=8)


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (make_topics, {"n_concepts": 0}, "n_concepts must be an integer of at least 1, got 0"),
        (
            make_topics,
            {"words_per_concept": 2.5},
            "words_per_concept must be an integer of at least 1, got 2.5",
        ),
        (make_topics, {"pairs": (3, 2)}, r"pairs must be \(least, greatest\)"),
        (make_topics, {"pairs": 4}, r"pairs must be \(least, greatest\), .*, got 4"),
        (make_topics, {"seed": -1}, "seed must be an integer from 0"),
        (make_nested_topics, {"own_words": True}, "own_words must be an integer of at least 1, got True"),
        (make_nested_topics, {"shared_words": 0, "super_function_words": 0}, "not both 0 .*, got 0 and 0"),
    ],
)
def test_bad_sizes_are_explained(make, options, message):
    with pytest.raises(InputError, match=message):
        make(10, **options)
    with pytest.raises(InputError, match="n_sentences must be an integer of at least 1, got 0"):
        make(0)
