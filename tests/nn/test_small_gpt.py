"""The small GPT is Hugging Face's own model, its tokenizer loses nothing, and it learns what can be learned."""

from __future__ import annotations

import math
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hodology.data.topics import make_nested_topics, make_topics
from hodology.errors import InputError, MissingExtraError, UnknownNameError
from hodology.nn.load import load_model, model_fingerprint
from hodology.nn.models.small_gpt import (
    SPECIAL_TOKENS,
    encode_texts,
    fit_texts,
    next_token_rows,
    small_gpt,
    text_losses,
    word_tokenizer,
)
from hodology.nn.sites import find_sites
from hodology.nn.topics_gpt import topics_gpt, topics_gpt_loaded

pytest.importorskip("transformers", reason="needs the hf extra")

WORDS = ("the", "lion", "near", "o'clock", "Zoë", "c1w2")
TINY = {"depth": 1, "width": 16, "heads": 2, "hidden": 24}


@pytest.fixture
def tokenizer():
    return word_tokenizer(WORDS)


@pytest.fixture
def model(tokenizer):
    return small_gpt(len(tokenizer), **TINY, rng=2)


def _split(seed=0, n=1_500, **options):
    sizes = {"n_concepts": 3, "words_per_concept": 4, "n_function_words": 3, "pairs": (2, 4)} | options
    return make_topics(n + 200, seed=seed, **sizes).split(n_test=200)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HODOLOGY_HOME", str(tmp_path))
    return tmp_path


def test_the_seed_decides_the_weights_and_global_state_is_left_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    prints = [model_fingerprint(small_gpt(12, **TINY, rng=seed)) for seed in (1, 1, 2)]
    assert prints[0] == prints[1] != prints[2]
    assert torch.equal(torch.get_rng_state(), before)


def test_it_is_a_gpt2_of_the_shape_asked_for_without_dropout():
    transformers = pytest.importorskip("transformers")
    model = small_gpt(20, depth=3, width=24, heads=4, hidden=40, context=16)
    assert type(model) is transformers.GPT2LMHeadModel
    assert not model.training
    assert [(s.width, s.module) for s in find_sites(model, "ffn")] == [
        (40, f"transformer.h.{i}.mlp.c_proj") for i in range(3)
    ]
    assert [s.heads for s in find_sites(model, "attention")] == [4] * 3
    assert model.config.n_positions == 16
    assert model.lm_head.weight is model.transformer.wte.weight
    assert {m.p for m in model.modules() if isinstance(m, torch.nn.Dropout)} == {0.0}
    dropped = small_gpt(20, **TINY, dropout=0.25)
    assert {m.p for m in dropped.modules() if isinstance(m, torch.nn.Dropout)} == {0.25}
    ids = torch.arange(5, 13)[None]
    weights = model(input_ids=ids, output_attentions=True).attentions
    assert torch.allclose(weights[2].sum(dim=3), torch.ones(1, 4, 8))


def test_words_after_and_padding_do_not_change_the_scores_before(model, tokenizer):
    batch = encode_texts(tokenizer, ["the lion", "the lion near c1w2 the"])
    alone = encode_texts(tokenizer, ["the lion"])
    scores, single = model(**batch).logits, model(**alone).logits[0]
    assert torch.allclose(scores[0, :3], single, atol=1e-6)
    assert torch.allclose(scores[1, :3], single, atol=1e-6)
    assert not torch.allclose(scores[1, 2], scores[1, 3], atol=1e-2)


def test_texts_are_padded_on_the_right_whatever_the_tokenizer_is_set_to(tokenizer):
    assert tokenizer.padding_side == "right"
    tokenizer.padding_side = "left"  # as generation in batches wants it
    batch = encode_texts(tokenizer, ["near", "the lion", ""])
    assert batch["input_ids"].tolist() == [[2, 6, 0], [2, 4, 5], [2, 0, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1, 0], [1, 1, 1], [1, 0, 0]]
    assert [tokenizer.convert_tokens_to_ids(t) for t in SPECIAL_TOKENS] == [0, 1, 2, 3]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_texts_come_back_to_the_letter(data):
    word = st.text(min_size=1, max_size=8).filter(lambda w: w.split() == [w])
    words = data.draw(st.lists(word, min_size=1, max_size=8, unique=True))
    tokenizer = word_tokenizer(words)
    text = " ".join(data.draw(st.lists(st.sampled_from(words), max_size=12)))
    ids = tokenizer(text)["input_ids"]
    assert ids == [2, *(4 + words.index(w) for w in text.split())]
    assert tokenizer.decode(ids, skip_special_tokens=True) == text


def test_rows_predict_every_next_word_and_the_end(tokenizer):
    inputs, targets = next_token_rows(tokenizer, ["the lion near", "near"])
    assert inputs.tolist() == [[2, 4, 5, 6], [2, 6, 0, 0]]
    assert targets.tolist() == [[4, 5, 6, 3], [6, 3, -100, -100]]


def test_a_model_that_knows_nothing_loses_the_log_of_its_vocabulary(model, tokenizer):
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    nats, tokens = text_losses(model, tokenizer, ["the lion near", "", "near the"])
    assert tokens.tolist() == [4, 1, 3]
    assert nats.tolist() == pytest.approx([k * math.log(10) for k in (4, 1, 3)], rel=1e-6)


def test_losses_do_not_depend_on_batches_and_leave_the_model_as_it_was(model, tokenizer):
    texts = ["the lion", "near o'clock near lion", "Zoë", "c1w2 the the"]
    model.train()
    model.transformer.h[0].requires_grad_(False)
    flags = [(p.requires_grad, m.training) for m in model.modules() for p in m.parameters(recurse=False)]
    whole, _ = text_losses(model, tokenizer, texts)
    parts, _ = text_losses(model, tokenizer, texts, batch_size=1)
    assert torch.allclose(whole, parts, atol=1e-5)
    assert flags == [
        (p.requires_grad, m.training) for m in model.modules() for p in m.parameters(recurse=False)
    ]
    scores = model(**encode_texts(tokenizer, texts[:1])).logits.log_softmax(dim=2)[0]
    by_hand = -(scores[0, 4] + scores[1, 5] + scores[2, 3])
    assert float(whole[0]) == pytest.approx(float(by_hand.detach()), abs=1e-5)


def test_a_saved_model_loads_as_any_other_with_the_same_scores(model, tokenizer, tmp_path):
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    loaded = load_model(str(tmp_path))
    texts = ["the lion near", "Zoë"]
    inputs, ours = loaded.prepare(texts), encode_texts(tokenizer, texts)
    assert all(torch.equal(inputs[key], ours[key]) for key in ours)
    assert torch.allclose(loaded.model(**inputs).logits, model(**ours).logits, atol=1e-5)
    assert loaded.class_name(5) == "lion"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 10, "heads": 4}, "heads must divide width, got 4 and 10"),
        ({"vocabulary_size": 4}, "vocabulary_size must be above 4"),
        ({"depth": 0}, "depth must be an integer of at least 1, got 0"),
        ({"hidden": 2.5}, "hidden must be an integer of at least 1, got 2.5"),
        ({"dropout": 1.0}, "dropout must lie from 0 to below 1, got 1.0"),
    ],
)
def test_wrong_shapes_are_explained(options, message):
    with pytest.raises(InputError, match=message):
        small_gpt(**{"vocabulary_size": 12, **options})


@pytest.mark.parametrize(
    ("vocabulary", "message"),
    [
        ([], "must be a non-empty list of words"),
        ("lion", "must be a non-empty list of words, got 'lion'"),
        (["a", "b", "a"], "vocabulary has 'a' twice"),
        (["a b"], "without white space .*, got 'a b'"),
        ([""], "without white space .*, got ''"),
        (["x<eos>"], "without <pad>, <unk>, <bos>, <eos>, got 'x<eos>'"),
    ],
)
def test_wrong_vocabularies_are_explained(vocabulary, message):
    with pytest.raises(InputError, match=message):
        word_tokenizer(vocabulary)


def test_wrong_texts_are_explained(model, tokenizer):
    with pytest.raises(UnknownNameError, match="word 'lyon' is not in the vocabulary; close names: 'lion'"):
        fit_texts(model, tokenizer, ["the lion", "near  the lyon"])
    with pytest.raises(InputError, match="a text has 40 words, the model reads at most 31"):
        text_losses(model, tokenizer, ["the " * 40])
    with pytest.raises(InputError, match="at least one text, got none"):
        text_losses(model, tokenizer, [])
    with pytest.raises(InputError, match="texts must be strings, got int"):
        encode_texts(tokenizer, ["the", 3])


def test_without_transformers_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    for make in (lambda: small_gpt(9), lambda: word_tokenizer(WORDS), lambda: topics_gpt(_split(n=20))):
        with pytest.raises(MissingExtraError, match=r"needs transformers: pip install 'hodology\[hf\]'"):
            make()


def test_training_comes_near_the_best_possible_loss_and_not_below(home):
    split = _split()
    untrained = topics_gpt(split, **TINY, epochs=1)
    trained = topics_gpt(split, **TINY, epochs=12)
    grammar = trained.test.grammar
    assert trained.best_loss == pytest.approx(grammar.entropy_rate, abs=0.02)
    assert 0.0 < trained.excess < 0.03 < untrained.excess
    assert trained.perplexity == pytest.approx(math.exp(trained.best_loss + trained.excess))
    assert trained.fit.losses[-1] < trained.fit.losses[0]


def test_a_trained_model_predicts_what_the_grammar_does(home):
    trained = topics_gpt(_split(), **TINY, epochs=12)
    for prompt, concept in (("", None), ("the", None), ("a red near", 1), ("the lion a horse", 0)):
        ids = encode_texts(trained.tokenizer, [prompt])
        found = trained.model(**ids).logits[0, -1].softmax(dim=0).detach().double()
        assert float(found[trained.grammatical_tokens(prompt)].sum()) > 0.97
        assert float((found - trained.next_probabilities(prompt)).abs().sum()) / 2 < 0.1
        if prompt.endswith("near"):
            assert float(found[trained.concept_tokens(concept)].sum()) > 0.9


def test_words_of_the_grammar_are_found_among_the_token_ids(home):
    trained = topics_gpt(_split(n=100), **TINY, epochs=1)
    words = trained.tokenizer.convert_ids_to_tokens(trained.concept_tokens(1).tolist())
    assert words == ["red", "blue", "green", "yellow"]
    allowed = trained.grammatical_tokens("the red the blue", concept=1)
    names = trained.tokenizer.convert_ids_to_tokens(allowed.nonzero()[:, 0].tolist())
    assert names == ["<eos>", "the", "a", "near"]
    expected = trained.next_probabilities("the red the blue")
    assert float(expected.sum()) == pytest.approx(1.0)
    assert float(expected[3]) == pytest.approx(1 / 3)  # of 2, 3 or 4 pairs
    with pytest.raises(InputError, match="concept must be 0 to 2, got 3"):
        trained.concept_tokens(3)


def test_a_second_call_takes_the_model_from_the_cache(home):
    epochs = []

    def note(done, of, loss):
        epochs.append(done)

    first = topics_gpt(_split(n=200), **TINY, epochs=2, on_epoch=note)
    second = topics_gpt(_split(n=200), **TINY, epochs=2, on_epoch=note)
    assert epochs == [1, 2]
    assert model_fingerprint(first.model) == model_fingerprint(second.model)
    assert (first.loss, first.fit) == (second.loss, second.fit)
    assert not second.model.training
    others = [
        topics_gpt(_split(n=200), **TINY, epochs=2, seed=1),
        topics_gpt(_split(n=200), **(TINY | {"hidden": 25}), epochs=2),
        topics_gpt(_split(n=200, seed=1), **TINY, epochs=2),
    ]
    assert len({model_fingerprint(t.model) for t in (first, *others)}) == 4
    assert len(list((home / "cache" / "models").glob("topics-gpt-*.safetensors"))) == 4


def test_the_context_grows_with_the_sentences(home):
    corpus = make_nested_topics(160, n_supers=2, concepts_per_super=2, pairs=(3, 20))
    trained = topics_gpt(corpus.split(n_test=40), **TINY, epochs=1)
    assert trained.model.config.n_positions == 42
    with pytest.raises(InputError, match="two corpora of one grammar, got vocabularies of 38 and 15 words"):
        topics_gpt((corpus, _split(n=20)[1]))


def test_the_loaded_model_reads_texts_and_names_tokens(home, monkeypatch):
    asked = []

    def small(*, seed, nested):
        asked.append((seed, nested))
        return _split(seed, n=120)

    monkeypatch.setattr("hodology.nn.topics_gpt.load_topics_split", small)
    loaded = topics_gpt_loaded(3)
    assert (loaded.kind, loaded.name, loaded.class_names) == ("text", "topics-gpt:3", None)
    inputs = loaded.prepare(["the lion", "a"])
    assert {key: value.tolist() for key, value in inputs.items()} == {
        "input_ids": [[2, 4, 7], [2, 5, 0]],
        "attention_mask": [[1, 1, 1], [1, 1, 0]],
    }
    assert loaded.model(**inputs).logits.shape == (2, 3, 19)
    assert (loaded.encode("lion"), loaded.encode("lyon"), loaded.encode("the lion")) == (7, None, None)
    assert (loaded.class_name(7), loaded.class_name(3)) == ("lion", "<eos>")
    with pytest.raises(UnknownNameError, match="word 'lyon' is not in the vocabulary"):
        loaded.prepare(["the lyon"])
    with pytest.raises(InputError, match="takes texts, the data are images or arrays"):
        loaded.prepare([torch.zeros(3)])
    assert topics_gpt_loaded(0, nested=True).name == "topics-nested-gpt:0"
    assert asked == [(3, False), (0, True)]
