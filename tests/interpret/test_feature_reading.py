"""Contexts are the strongest tokens with their neighbours; vocabulary scores are the model's own maps on W_out z."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hodology.errors import InputError, UnknownNameError
from hodology.interpret.activation_table import ActivationTable
from hodology.interpret.feature_output import find_unembedding, output_site, unit_directions, write_out
from hodology.interpret.feature_reading import (
    activation_density,
    feature_units,
    top_contexts,
    vocab_projection,
)
from hodology.nn.load import LoadedModel
from hodology.nn.models import small_gpt, word_tokenizer
from hodology.nn.sites import resolve_sites
from hodology.report.features_view import check_features_view
from model_hooks import hook_count

WORDS = tuple(f"w{i}" for i in range(14))
SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "intermediate_size": 20,
    "vocab_size": 18,
    "pad_token_id": 0,
    "bos_token_id": 2,
    "eos_token_id": 3,
}


def _shaken(model):
    """Biases and gains that are not the initial zeros and ones."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


@pytest.fixture
def tokenizer():
    pytest.importorskip("transformers", reason="needs the hf extra")
    return word_tokenizer(WORDS)


@pytest.fixture
def gpt(tokenizer):
    return _shaken(small_gpt(len(tokenizer), depth=2, width=16, heads=2, hidden=24, rng=3))


def _of_config(name, **options):
    transformers = pytest.importorskip("transformers", reason="needs the hf extra")
    torch.manual_seed(0)
    return _shaken(
        getattr(transformers, f"{name}ForCausalLM")(
            getattr(transformers, f"{name}Config")(**SIZES, **options)
        )
    )


def _z(k, width):
    return torch.randn(k, width, generator=torch.Generator().manual_seed(1))


TOKENS = ["a", " b", " c", " d", "e", " f", " g"]
SAMPLES = [0, 0, 0, 0, 1, 1, 1]


def _table(**options):
    return ActivationTable.from_array(np.ones((7, 2)), tokens=TOKENS, samples=SAMPLES, **options)


def test_contexts_are_the_strongest_tokens_within_their_texts():
    values = np.array([[0.0, 1.0, 3.0, 0.0, 2.0, 0.0, -5.0], [0.0] * 7]).T
    first, second = top_contexts(_table(labels=list("xxxxyyy")), values, k=2, window=1)
    assert second == ()
    assert [c.to_dict() for c in first] == [
        {
            "id": "0:2",
            "value": 3.0,
            "focus": 1,
            "tokens": [[" b", 1.0], [" c", 3.0], [" d", 0.0]],
            "label": "x",
        },
        {"id": "1:0", "value": 2.0, "focus": 0, "tokens": [["e", 2.0], [" f", 0.0]], "label": "y"},
    ]
    assert first[0].text == " b c d"
    assert [c.position for c in top_contexts(_table(), values, window=0)[0]] == [2, 0, 1]
    assert all(len(c.tokens) == 1 for c in top_contexts(_table(), values, window=0)[0])


def test_one_context_a_text_on_request():
    values = np.array([[0.0, 1.0, 3.0, 2.0, 0.5, 0.1, 0.0]]).T
    assert [(c.sample, c.value) for c in top_contexts(_table(), values, per_sample=1)[0]] == [
        (0, 3.0),
        (1, 0.5),
    ]
    assert [c.value for c in top_contexts(_table(), values, k=3, per_sample=2)[0]] == [3.0, 2.0, 0.5]


def test_windows_follow_positions_in_a_shuffled_table_with_gaps():
    table = _table().select([6, 2, 0, 4, 3])
    (found,) = top_contexts(table, np.array([[0.0, 9.0, 1.0, 2.0, 3.0]]).T, k=1)
    assert [text for text, _ in found[0].tokens] == ["a", " c", " d"]
    assert found[0].focus == 1


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(-2, 5), min_size=7, max_size=7), st.integers(1, 8), st.sampled_from([None, 1, 2, 7])
)
def test_contexts_are_sorted_and_complete(column, k, per_sample):
    values = np.array(column, dtype=float)[:, None]
    if not values.any():
        return
    (found,) = top_contexts(_table(), values, k=k, per_sample=per_sample)
    positive = sorted((v for v in column if v > 0), reverse=True)
    if per_sample is None or per_sample == 7:
        assert [c.value for c in found] == positive[:k]
    else:
        counts = [sum(c.sample == s for c in found) for s in (0, 1)]
        assert max(counts) <= per_sample
    for context in found:
        assert context.tokens[context.focus][1] == context.value


@pytest.mark.parametrize("sign", [1, -1])
def test_gpt2s_scores_are_its_norm_and_head_on_w_out_z(gpt, tokenizer, sign):
    z = _z(3, 24) * sign
    found = vocab_projection(gpt, tokenizer, -1, z, k=5)
    weight = gpt.transformer.h[1].mlp.c_proj.weight.detach()  # kept transposed: (hidden, width)
    for row, tokens in zip(z, found, strict=True):
        f = (row / row.norm()) @ weight
        centred = f - f.mean()
        normed = gpt.transformer.ln_f.weight * centred / (centred.square().mean() + 1e-5).sqrt()
        logits = (gpt.lm_head.weight @ normed).detach()
        assert tokens.up_ids == tuple(logits.topk(5).indices.tolist())
        assert tokens.down_ids == tuple((-logits).topk(5).indices.tolist())
        np.testing.assert_allclose([v for _, v in tokens.up], logits.topk(5).values, atol=1e-5)
        assert [text for text, _ in tokens.up] == [tokenizer.decode([i]) for i in tokens.up_ids]
    mirrored = vocab_projection(gpt, tokenizer, -1, -z, k=5)
    assert [m.up_ids for m in mirrored] == [t.down_ids for t in found]
    assert hook_count(gpt) == 0


def test_scores_as_they_are_keep_the_biases(gpt, tokenizer):
    z = _z(1, 24)
    f = (z / z.norm()) @ gpt.transformer.h[1].mlp.c_proj.weight.detach()
    raw = gpt.lm_head(gpt.transformer.ln_f(f))[0].detach()
    (tokens,) = vocab_projection(gpt, tokenizer, 1, z, k=18, relative=False)
    assert tokens.up_ids == tuple(raw.argsort(descending=True).tolist())
    np.testing.assert_allclose([v for _, v in tokens.up], raw.sort(descending=True).values, atol=1e-5)
    (relative,) = vocab_projection(gpt, tokenizer, 1, z, k=18)
    assert relative.up_ids != tokens.up_ids


@pytest.mark.parametrize("name", ["Llama", "Gemma2"])
def test_other_families_go_through_their_own_maps(name):
    model = _of_config(name)
    z = _z(4, 20)
    with torch.no_grad():
        f = model.model.layers[0].mlp.down_proj(z / z.norm(dim=1, keepdim=True))
        if name == "Gemma2":
            f = model.model.layers[0].post_feedforward_layernorm(f)
        logits = model.lm_head(model.model.norm(f))
    found = vocab_projection(model, None, "model.layers.0.mlp.down_proj:input", z, k=3)
    assert [t.up_ids for t in found] == [tuple(r) for r in logits.topk(3, dim=1).indices.tolist()]
    assert found[0].up[0][0] == str(found[0].up_ids[0])


def test_a_direction_that_writes_a_words_own_vector_promotes_it(tokenizer):
    gpt = small_gpt(len(tokenizer), depth=2, width=16, heads=2, hidden=24, rng=3)
    down = gpt.transformer.h[1].mlp.c_proj.weight.detach()
    wanted = tokenizer.convert_tokens_to_ids("w5")
    vector = gpt.lm_head.weight[wanted].detach()
    z = torch.linalg.lstsq(down.T, (vector - vector.mean())[:, None]).solution[:, 0]
    assert vocab_projection(gpt, tokenizer, 1, z, k=1)[0].up[0][0] == "w5"


def test_directions_in_the_stream_are_taken_as_they_are(gpt, tokenizer):
    z = _z(2, 16)
    found = vocab_projection(gpt, tokenizer, "transformer.h.0", z, k=2)
    logits = gpt.lm_head(gpt.transformer.ln_f(z / z.norm(dim=1, keepdim=True)))
    logits = logits - gpt.lm_head(gpt.transformer.ln_f(torch.zeros(1, 16)))
    assert [t.up_ids for t in found] == [tuple(r) for r in logits.topk(2, dim=1).indices.tolist()]


def test_ids_beyond_the_tokenizer_and_directions_of_zeros_are_left_out(tokenizer):
    gpt = _shaken(small_gpt(len(tokenizer) + 40, depth=1, width=16, heads=2, hidden=24, rng=3))
    empty, full = vocab_projection(gpt, tokenizer, 0, torch.stack([torch.zeros(24), torch.ones(24)]), k=90)
    assert empty.up == empty.down == ()
    assert sorted(full.up_ids) == list(range(18))
    loaded = LoadedModel(gpt, "text", "x", lambda texts: {}, None, lambda i: f"<{i}>")
    for decoder in (loaded, lambda i: f"<{i}>"):
        (tokens,) = vocab_projection(gpt, decoder, 0, torch.ones(24), k=1)
        assert tokens.up[0][0] == f"<{tokens.up_ids[0]}>"


class Mlp(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(6, 9), nn.Linear(9, 6)

    def forward(self, x):
        return self.down(self.up(x).relu())


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.mlp = Mlp()

    def forward(self, x):
        return x + self.mlp(x)


class Plain(nn.Module):
    """A language model of one's own: ids to scores."""

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.embed = nn.Embedding(7, 6)
        self.blocks = nn.ModuleList([Block()])
        self.norm = nn.LayerNorm(6)
        self.head = nn.Linear(6, 7)
        self.factor = factor

    def forward(self, ids):
        return self.head(self.norm(self.blocks[0](self.embed(ids)) * self.factor))


def test_models_of_ones_own_need_no_config():
    torch.manual_seed(0)
    model = Plain()
    (found,) = vocab_projection(model, None, 0, torch.ones(9), k=7)
    f = model.blocks[0].mlp.down.weight.sum(dim=1) / 3.0
    logits = model.head(model.norm(f)) - model.head(model.norm(torch.zeros(6)))
    assert found.up_ids == tuple(logits.argsort(descending=True).tolist())
    with pytest.raises(InputError, match="the head 'head' of Plain does not read the last block 'blocks.0'"):
        vocab_projection(Plain(factor=2.0), None, 0, torch.ones(9))


def test_adapted_maps_are_asked_for_their_difference_to_zero():
    class Adapted(nn.Linear):
        def forward(self, x):
            return super().forward(x) + x @ torch.ones(9, 6)

    model = Plain()
    model.blocks[0].mlp.down = Adapted(9, 6)
    site = resolve_sites(model, [0])[0]
    z = unit_directions(_z(2, 9))
    expected = z @ model.blocks[0].mlp.down.weight.T + z @ torch.ones(9, 6)
    torch.testing.assert_close(write_out(model, site, z), expected.detach())


def test_a_model_without_unembedding_says_so(gpt):
    transformers = pytest.importorskip("transformers")
    with pytest.raises(
        InputError, match="GPT2Model has no unembedding; load the model with its language-model head"
    ):
        vocab_projection(gpt.transformer, None, 0, torch.ones(24))
    bert = transformers.BertForMaskedLM(
        transformers.BertConfig(
            hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=20, vocab_size=18
        )
    ).eval()
    with pytest.raises(InputError, match="does not read the last block"):  # a dense layer lies between
        vocab_projection(bert, None, 0, torch.ones(20))
    assert hook_count(bert) == 0


def test_the_output_of_a_layer_is_behind_its_norm():
    model = _of_config("Gemma2")
    site = resolve_sites(model, [0])[0]
    assert output_site(model, site).name == "model.layers.0.post_feedforward_layernorm"
    llama = _of_config("Llama")
    assert output_site(llama, resolve_sites(llama, [0])[0]).name == "model.layers.0.mlp.down_proj"
    with pytest.raises(InputError, match="is not the input of a linear map"):
        output_site(llama, resolve_sites(llama, ["model.layers.0"])[0])
    assert find_unembedding(llama).norm == "model.norm"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda m, t: vocab_projection(m, t, 1, torch.ones(2, 5)), InputError, "must have 24 units"),
        (
            lambda m, t: vocab_projection(m, t, 1, torch.full((24,), float("inf"))),
            InputError,
            "got inf in row 0",
        ),
        (
            lambda m, t: vocab_projection(m, t, 1, torch.ones(2, 2, 24)),
            InputError,
            r"\(k, units\) or \(units,\)",
        ),
        (
            lambda m, t: vocab_projection(m, t, 1, torch.ones(24), k=0),
            InputError,
            "k must be an integer of at least 1",
        ),
        (lambda m, t: vocab_projection(m, 3, 1, torch.ones(24)), InputError, "tokenizer must be .* got int"),
        (
            lambda m, t: vocab_projection(m, t, "transformer.x", torch.ones(24)),
            UnknownNameError,
            "close names",
        ),
        (lambda m, t: top_contexts(_table(), np.ones((6, 2))), InputError, r"one row per token \(7\)"),
        (
            lambda m, t: top_contexts(_table(), np.ones((7, 2)), window=-1),
            InputError,
            "window must be an integer",
        ),
        (lambda m, t: top_contexts(_table(), np.full((7, 2), np.nan)), InputError, "got NaN in row 0"),
        (lambda m, t: feature_units(np.ones(4)), InputError, "X must be a 2-D array"),
        (
            lambda m, t: activation_density(np.ones((4, 1)), threshold=1.0),
            InputError,
            "threshold must be from 0",
        ),
    ],
)
def test_bad_calls_are_explained(gpt, tokenizer, call, error, message):
    with pytest.raises(error, match=message):
        call(gpt, tokenizer)
    assert hook_count(gpt) == 0


def test_units_and_density_by_hand():
    first, second = feature_units(np.array([[0.0, -3.0, 4.0, 1.0], [0.0, 0.0, 0.0, 2.0]]), 2)
    assert first.units == ((2, 4.0), (1, -3.0))
    assert (first.n_units, first.norm) == (3, pytest.approx(26**0.5))
    assert second.to_dict() == {"units": [[3, 2.0]], "n_units": 1, "norm": 2.0}
    values = np.array([[0.0, 4.0, 1.0, 2.0], [-1.0, 0.0, 0.0, 0.0]]).T
    assert activation_density(values).tolist() == [0.75, 0.0]
    assert activation_density(values, threshold=0.25).tolist() == [0.5, 0.0]
    assert activation_density(torch.from_numpy(values)).tolist() == [0.75, 0.0]


def test_a_features_page_takes_what_is_read(gpt, tokenizer):
    values = np.abs(np.random.default_rng(0).normal(size=(7, 2)))
    contexts, words = top_contexts(_table(), values), vocab_projection(gpt, tokenizer, 1, _z(2, 24))
    units, active = feature_units(_z(2, 24)), activation_density(values)
    features = [
        {"id": i, "label": "x", "share": 0.5, "active": float(active[i]), "concept": None}
        | {"contexts": [c.to_dict() for c in contexts[i]], "parents": [], "children": []}
        | units[i].to_dict()
        | words[i].to_dict()
        for i in range(2)
    ]
    assert all(feature["contexts"] and feature["up"] and feature["units"] for feature in features)
    view = {
        "format": 1,
        "title": "t",
        "version": "0",
        "model": {"name": "gpt", "parameters": 1},
        "data": {"name": "d", "n": 2, "tokens": 7},
        "layer": "1",
        "settings": {},
        "summary": [],
        "features": features,
        "notes": [],
        "files": [],
    }
    check_features_view(view)
    features[1]["contexts"][0]["focus"] = 99  # the check does look at what was read
    with pytest.raises(InputError, match=r"view\.features\[1\]\.contexts\[0\]\.focus"):
        check_features_view(view)
