"""Every row is the vector that entered the layer for one real token, whatever the batches, and says which token it was."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hodology.errors import FileFormatError, InputError, UnknownNameError
from hodology.interpret.activation_table import ActivationTable, code_labels
from hodology.interpret.activations import collect_activations
from hodology.interpret.text_inputs import surface_texts
from hodology.nn.load import LoadedModel, stack_arrays
from hodology.nn.models import SmallCNN, small_gpt, word_tokenizer
from hodology.nn.models.small_gpt import encode_texts
from hodology.nn.taps import record
from model_hooks import hook_count

WORDS = ("the", "lion", "near", "goat", "a", "hammer")
TEXTS = ["the lion near a goat", "a hammer", "near the goat the lion a hammer", "goat"]
SITE = "transformer.h.1.mlp.c_proj:input"


@pytest.fixture
def tokenizer():
    pytest.importorskip("transformers", reason="needs the hf extra")
    return word_tokenizer(WORDS)


@pytest.fixture
def gpt(tokenizer):
    return small_gpt(len(tokenizer), depth=2, width=16, heads=2, hidden=24, context=12, rng=3)


def _llama():
    transformers = pytest.importorskip("transformers", reason="needs the hf extra")
    config = transformers.LlamaConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        intermediate_size=20,
        vocab_size=10,
        bos_token_id=2,
        eos_token_id=3,
    )
    torch.manual_seed(0)
    return transformers.LlamaForCausalLM(config).eval()


class Words(nn.Module):
    """An embedding whose rows are the activity, with a norm-free head: everything is known by hand."""

    def __init__(self, rows: torch.Tensor, *, flat: bool = False, times: int = 1) -> None:
        super().__init__()
        self.table = nn.Embedding.from_pretrained(rows)
        self.layer = nn.Identity()
        self.head = nn.Linear(rows.shape[1], len(rows))
        self.flat, self.times = flat, times

    def forward(self, input_ids, attention_mask=None):
        value = self.table(input_ids)
        for _ in range(self.times):
            value = self.layer(value.flatten(0, 1) if self.flat else value).reshape(value.shape)
        return self.head(value)


def test_rows_are_what_enters_the_down_projection_of_each_text_alone(gpt, tokenizer):
    table = collect_activations(gpt, tokenizer, TEXTS, 1, batch_size=3)
    rows, ids, places = [], [], []
    for text in TEXTS:
        inputs = tokenizer([text], return_tensors="pt")
        with torch.no_grad(), record(gpt, [SITE]) as seen:
            gpt(**inputs)
        rows.append(seen[SITE][0, 1:])  # without the begin token
        ids += inputs["input_ids"][0, 1:].tolist()
        places += list(range(1, inputs["input_ids"].shape[1]))
    assert table.layer == SITE
    assert table.matrix.dtype == np.float32
    np.testing.assert_allclose(table.matrix, torch.cat(rows).numpy(), atol=1e-6)
    assert table.token_ids.tolist() == ids
    assert table.positions.tolist() == places
    assert table.samples.tolist() == [0] * 5 + [1] * 2 + [2] * 7 + [3]
    assert "".join(table.tokens) == "".join(TEXTS)


def test_a_gated_block_gives_the_gates_product():
    model = _llama()
    ids = torch.tensor([[4, 7, 5], [6, 8, 9]])
    table = collect_activations(model, None, {"input_ids": ids}, "model.layers.0.mlp.down_proj:input")
    with torch.no_grad(), record(model, ["model.layers.0.mlp:input"]) as seen:
        model(input_ids=ids)
    mlp, entered = model.model.layers[0].mlp, seen["model.layers.0.mlp:input"]
    expected = nn.functional.silu(mlp.gate_proj(entered)) * mlp.up_proj(entered)
    np.testing.assert_allclose(table.matrix, expected.detach().flatten(0, 1).numpy(), atol=1e-6)
    assert table.tokens[:2] == ("#4", "#7")
    assert len(collect_activations(model, None, ids, 0)) == 6  # a tensor of ids is a batch of texts too


@pytest.mark.parametrize("size", [1, 2, 4, 9])
def test_batches_do_not_matter(gpt, tokenizer, size):
    whole = collect_activations(gpt, tokenizer, TEXTS, 1)
    table = collect_activations(gpt, tokenizer, TEXTS, 1, batch_size=size)
    np.testing.assert_allclose(table.matrix, whole.matrix, atol=1e-6)
    for name in ("token_ids", "samples", "positions"):
        assert np.array_equal(getattr(table, name), getattr(whole, name))
    assert table.tokens == whole.tokens


def test_special_tokens_stay_on_request_and_padding_never(gpt, tokenizer):
    texts = ["lion stranger <eos> goat", "a"]
    kept = collect_activations(gpt, tokenizer, texts, 1, drop_special=False)
    assert kept.tokens == ("<bos>", "lion", "<unk>", "<eos>", " goat", "<bos>", "a")
    assert kept.positions.tolist() == [0, 1, 2, 3, 4, 0, 1]
    dropped = collect_activations(gpt, tokenizer, texts, 1)
    assert dropped.tokens == ("lion", "<unk>", " goat", "a")  # unknown words are words
    assert dropped.positions.tolist() == [1, 2, 4, 1]
    few = collect_activations(gpt, tokenizer, texts, 1, special_ids=[2, 1])
    assert few.tokens == ("lion", " <eos>", " goat", "a")


def test_a_tokenizer_without_pad_token_is_padded_with_the_end_and_left_alone(gpt, tokenizer):
    expected = collect_activations(gpt, tokenizer, TEXTS, 1)
    tokenizer.pad_token = None
    fed: list[torch.Tensor] = []
    handle = gpt.transformer.wte.register_forward_pre_hook(lambda _, args: fed.append(args[0]))
    with pytest.warns(UserWarning, match="no pad token; rows are padded with its end-of-text token"):
        table = collect_activations(gpt, tokenizer, TEXTS, 1)
    handle.remove()
    assert fed[-1][1].tolist()[3:] == [3] * 5
    assert tokenizer.pad_token is None
    assert np.array_equal(table.matrix, expected.matrix)
    collect_activations(gpt, tokenizer, ["a goat", "the lion"], 1)  # nothing to pad, nothing to warn of
    tokenizer.eos_token = None
    with pytest.raises(InputError, match="neither a pad nor an end-of-text token"):
        collect_activations(gpt, tokenizer, TEXTS, 1)


def test_loaded_models_functions_and_inputs_give_the_same(gpt, tokenizer):
    def prepare(texts):
        return encode_texts(tokenizer, texts)

    def decode(index):
        return tokenizer.decode([index])

    expected = collect_activations(gpt, tokenizer, TEXTS, 1)
    loaded = LoadedModel(gpt, "text", "tiny", prepare, None, decode)
    for found in (
        collect_activations(gpt, loaded, TEXTS, 1),
        collect_activations(gpt, prepare, TEXTS, 1, decode=decode),
    ):
        assert np.array_equal(found.matrix, expected.matrix)
        assert found.tokens == expected.tokens
    inputs = collect_activations(gpt, None, prepare(TEXTS), 1, batch_size=3, decode=decode)
    np.testing.assert_allclose(inputs.matrix, expected.matrix, atol=1e-6)
    assert inputs.tokens[:3] == ("the", "lion", "near")  # no text is known, so no spaces


def test_labels_reach_every_token(gpt, tokenizer):
    table = collect_activations(gpt, tokenizer, TEXTS, 1, labels=["animals", None, "tools", "animals"])
    assert table.label_names == ("animals", "tools")
    assert table.labels.tolist() == [0] * 5 + [-1] * 2 + [1] * 7 + [0]
    assert [table.label_name(i) for i in (-1, 1)] == [None, "tools"]
    grouped = collect_activations(gpt, tokenizer, {"tools": ["a hammer"], "animals": ["goat", "lion"]}, 1)
    assert grouped.tokens == ("a", " hammer", "goat", "lion")
    assert [grouped.label_name(i) for i in grouped.labels] == ["tools", "tools", "animals", "animals"]
    numbers = collect_activations(gpt, tokenizer, TEXTS, 1, labels=[4, 4, 0, -1])
    assert numbers.label_name(4) == "4"


def test_collecting_stops_when_enough_tokens_are_there(gpt, tokenizer):
    done: list[tuple[int, int]] = []
    table = collect_activations(
        gpt, tokenizer, TEXTS, 1, batch_size=1, max_tokens=6, on_batch=lambda *x: done.append(x)
    )
    assert np.array_equal(
        table.matrix, collect_activations(gpt, tokenizer, TEXTS, 1, batch_size=1).matrix[:6]
    )
    assert table.samples.tolist() == [0] * 5 + [1]
    assert done == [(1, 4), (2, 4)]


def test_what_lies_behind_the_layer_is_run_once_only(gpt, tokenizer):
    calls: list[int] = []
    handle = gpt.lm_head.register_forward_hook(lambda *_: calls.append(1))
    collect_activations(gpt, tokenizer, TEXTS, 0, batch_size=1)
    handle.remove()
    assert len(calls) == 1  # to see that blocks do not share the layer


def test_empty_texts_are_passed_over_and_long_ones_cut(gpt, tokenizer):
    table = collect_activations(gpt, tokenizer, ["goat", "", "lion"], 1)
    assert table.samples.tolist() == [0, 2]
    with pytest.warns(UserWarning, match="more than 12 tokens are cut"):
        long = collect_activations(gpt, tokenizer, ["goat " * 30, "lion"], 1, batch_size=1)
    assert len(long) == 12
    with pytest.warns(UserWarning, match="more than 4 tokens are cut"):
        assert len(collect_activations(gpt, tokenizer, TEXTS[:1], 1, max_length=4)) == 3


def test_images_give_patches(vit, images):
    table = collect_activations(vit, None, images, -1, batch_size=2)
    with torch.no_grad(), record(vit, ["blocks.2.mlp.fc2:input"]) as seen:
        vit(images)
    np.testing.assert_allclose(
        table.matrix, seen["blocks.2.mlp.fc2:input"][:, 1:].flatten(0, 1).numpy(), atol=1e-6
    )
    patches = len(table) // 5
    assert table.positions.tolist() == list(range(patches)) * 5
    assert table.tokens[:2] == ("patch 0", "patch 1")
    assert set(table.token_ids.tolist()) == {-1}
    prepared = collect_activations(vit, stack_arrays, list(images.numpy()), -1)
    np.testing.assert_allclose(prepared.matrix, table.matrix, atol=1e-6)
    whole = collect_activations(vit, None, images, -1, drop_special=False)
    assert whole.positions[: patches + 1].tolist() == list(range(-1, patches))
    assert whole.tokens[0] == "leading token 0"


def test_maps_of_channels_and_single_vectors_are_tokens_too():
    model = SmallCNN().eval()
    x = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    conv = next(name for name, m in model.named_modules() if isinstance(m, nn.Conv2d))
    with torch.no_grad(), record(model, [conv]) as seen:
        model(x)
    maps = seen[conv]
    table = collect_activations(model, None, x, conv)
    assert table.matrix.shape == (3 * maps.shape[2] * maps.shape[3], maps.shape[1])
    np.testing.assert_array_equal(table.matrix[5], maps[0, :, 5 // maps.shape[3], 5 % maps.shape[3]].numpy())
    last = [name for name, m in model.named_modules() if isinstance(m, nn.Linear)][-1]
    assert collect_activations(model, None, x, f"{last}:input").samples.tolist() == [0, 1, 2]


def test_channels_may_stand_last():
    model = nn.Sequential(nn.Linear(5, 7), nn.Flatten(), nn.Linear(84, 2))
    x = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    table = collect_activations(model, None, x, "0")
    np.testing.assert_allclose(table.matrix, model[0](x).reshape(24, 7).detach().numpy(), atol=1e-6)


def test_models_that_run_all_tokens_in_one_row_are_understood():
    rows = torch.arange(12.0).reshape(6, 2)
    ids = torch.tensor([[1, 2], [3, 4]])
    table = collect_activations(Words(rows, flat=True), None, ids, "layer")
    np.testing.assert_array_equal(table.matrix, rows[1:5].numpy())


def test_half_precision_models_run_as_they_are(gpt, tokenizer):
    expected = collect_activations(gpt, tokenizer, TEXTS, 1)
    table = collect_activations(gpt.to(torch.bfloat16), tokenizer, TEXTS, 1)
    assert table.matrix.dtype == np.float32
    np.testing.assert_allclose(table.matrix, expected.matrix, atol=0.02)
    assert next(gpt.parameters()).dtype == torch.bfloat16


def test_flags_are_restored_and_dropout_is_off(tokenizer):
    gpt = small_gpt(len(tokenizer), width=16, heads=2, hidden=24, dropout=0.5, rng=3).train()
    gpt.lm_head.weight.requires_grad = False
    first, second = (collect_activations(gpt, tokenizer, TEXTS, 1).matrix for _ in range(2))
    assert np.array_equal(first, second)
    assert gpt.training
    assert gpt.transformer.ln_f.weight.requires_grad
    assert not gpt.lm_head.weight.requires_grad
    assert hook_count(gpt) == 0


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"layer": "transformer.h.1.mlp.c_pro"},
            UnknownNameError,
            "close names: 'transformer.h.1.mlp.c_proj'",
        ),
        ({"layer": 2}, InputError, "layers has index 2, but the model has 2 ffn sites"),
        ({"texts": "the lion"}, InputError, "a list of texts, got a single str"),
        ({"texts": []}, InputError, "at least one text, got none"),
        ({"texts": ["goat", 3]}, InputError, "texts must be strings, got int"),
        ({"texts": ["", ""]}, InputError, "at least one token that is not special"),
        ({"texts": {"a": "goat"}}, InputError, r"texts\['a'\] must be a list of texts, got str"),
        ({"texts": {"a": ["goat"]}, "labels": [1]}, InputError, "labels must be None"),
        ({"labels": [0, 1]}, InputError, "one per text, got 2 labels for 4 texts"),
        ({"labels": ["a", 1, "b", "c"]}, InputError, "labels must be texts, or integers"),
        ({"batch_size": 0}, InputError, "batch_size must be an integer of at least 1, got 0"),
        ({"max_tokens": 0}, InputError, "max_tokens must be an integer of at least 1"),
        ({"tokenizer": 5}, InputError, "tokenizer must be a tokenizer of transformers, .* got int"),
        ({"tokenizer": None}, InputError, "without a tokenizer texts must be the model's inputs"),
        ({"layer": "lm_head", "device": "nowhere"}, InputError, "device 'nowhere' cannot be used"),
    ],
)
def test_bad_calls_are_explained_and_leave_no_hook(gpt, tokenizer, options, error, message):
    call = {"tokenizer": tokenizer, "texts": TEXTS, "layer": 1} | options
    with pytest.raises(error, match=message):
        collect_activations(gpt, call.pop("tokenizer"), call.pop("texts"), call.pop("layer"), **call)
    assert hook_count(gpt) == 0


def test_activity_that_is_no_matrix_of_tokens_is_refused(vit, images):
    rows = torch.ones(6, 2)
    ids = torch.tensor([[1, 2], [3, 4]])
    with pytest.raises(InputError, match="'layer' is reached 2 times in one pass"):
        collect_activations(Words(rows, times=2), None, ids, "layer")
    with pytest.raises(InputError, match="'layer' is not reached"):
        collect_activations(Words(rows, times=0), None, ids, "layer")
    rows[4, 1] = float("nan")
    with pytest.raises(InputError, match="'layer' is not finite in sample 1"):
        collect_activations(Words(rows), None, ids, "layer", batch_size=1)
    with pytest.raises(InputError, match="model must be a torch.nn.Module, got str"):
        collect_activations("gpt", None, ids, "layer")
    with pytest.raises(InputError, match=r"'pick' carries shape \(2, 2\) for token ids of shape \(2, 2\)"):
        pooled = Words(torch.ones(6, 2))
        pooled.pick = nn.Identity()
        pooled.layer.register_forward_hook(lambda _, __, value: pooled.pick(value[:, 0])[:, None] + value)
        collect_activations(pooled, None, ids, "pick")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # raised inside torch.compile
def test_compiled_models_are_refused(vit, images):
    with pytest.raises(InputError, match="model is compiled"):
        collect_activations(torch.compile(vit), None, images, 0)


@given(st.lists(st.text(alphabet="abÄ,.🙂", min_size=1, max_size=4), min_size=1, max_size=8), st.data())
def test_surface_texts_give_back_the_text_of_words(words, data):
    gaps = [data.draw(st.sampled_from([" ", "  ", "\n", "\t "])) for _ in words]
    text = "".join(gap + word for gap, word in zip(gaps, words, strict=True))
    assert "".join(surface_texts(text, words)) == text


def test_surface_texts_survive_bytes_cases_and_white_space():
    assert surface_texts("ab 🙂 cd", ["ab", " �", "�", "cd"]) == ["ab", " �", "�", " cd"]
    assert surface_texts("The Lion", ["the", "lion"]) == ["the", "lion"]
    assert surface_texts("a\n\nb", ["a", "\n\n", "b"]) == ["a", "\n\n", "b"]
    assert surface_texts(None, ["x", "y"]) == ["x", "y"]


def _table(n=6):
    matrix = np.random.default_rng(0).normal(size=(n, 3))
    return ActivationTable.from_array(matrix, labels=["b", "a", None] * (n // 3), samples=[0, 0, 1, 1, 1, 2])


def test_bare_arrays_become_tables(tmp_path):
    table = _table()
    assert table.positions.tolist() == [0, 1, 0, 1, 2, 0]
    assert table.label_names == ("b", "a")
    assert table.labels.tolist() == [0, 1, -1] * 2
    assert repr(table) == "ActivationTable(layer='', matrix=(6, 3), 3 samples, 2 labels)"
    tensor = ActivationTable.from_array(torch.from_numpy(table.matrix))
    assert np.array_equal(tensor.matrix, table.matrix)
    assert tensor.samples.tolist() == list(range(6))
    np.save(tmp_path / "a.npy", table.matrix)
    file = ActivationTable.from_array(tmp_path / "a.npy", tokens=list("abcdef"))
    assert file.tokens[2] == "c"
    assert isinstance(file.matrix.base, np.memmap)  # float32 is not copied


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda p: ActivationTable.from_array(np.ones((2, 3, 4))),
            InputError,
            "X must be a 2-D array .* got 3-D",
        ),
        (lambda p: ActivationTable.from_array([[1.0, np.nan]]), InputError, "got NaN in row 0, column 1"),
        (lambda p: ActivationTable.from_array(np.full((2, 2), 1e60)), InputError, "got infinity"),
        (lambda p: ActivationTable.from_array(np.zeros((2, 2))), InputError, "must not all be zero"),
        (
            lambda p: ActivationTable.from_array(np.ones((2, 2)), labels=[1]),
            InputError,
            "labels must be one per row",
        ),
        (
            lambda p: ActivationTable.from_array(np.ones((2, 2)), samples=[1]),
            InputError,
            "samples must be one per",
        ),
        (
            lambda p: ActivationTable.from_array(np.ones((2, 2)), tokens=["a"]),
            InputError,
            "tokens must be one per",
        ),
        (lambda p: ActivationTable.from_array("a.csv"), InputError, "must be in a .npy file"),
        (lambda p: ActivationTable.from_array(p / "no.npy"), FileFormatError, "cannot be read"),
        (lambda p: ActivationTable.from_array(p / "objects.npy"), FileFormatError, "without pickle"),
        (lambda p: ActivationTable.from_array(p / "short.npy"), FileFormatError, "cannot be read"),
    ],
)
def test_bad_arrays_are_explained(tmp_path, make, error, message):
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.save(tmp_path / "short.npy", np.ones((50, 50)))
    data = (tmp_path / "short.npy").read_bytes()
    (tmp_path / "short.npy").write_bytes(data[: len(data) // 2])
    with pytest.raises(error, match=message):
        make(tmp_path)


def test_rows_are_selected_with_all_that_belongs_to_them():
    table = _table()
    for rows in ([4, 0], np.array([False, True] * 3), slice(1, 4)):
        some = table.select(rows)
        index = np.arange(6)[rows]
        assert np.array_equal(some.matrix, table.matrix[index])
        assert some.samples.tolist() == table.samples[index].tolist()
        assert some.labels.tolist() == table.labels[index].tolist()
        assert len(some.tokens) == len(index)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(max_size=5), min_size=1, max_size=6))
def test_tables_survive_the_disk(tmp_path_factory, tokens):
    file = tmp_path_factory.mktemp("table") / "t.npz"
    matrix = np.arange(1.0, 1.0 + 2 * len(tokens)).reshape(-1, 2)
    table = ActivationTable.from_array(matrix, tokens=tokens, labels=["é"] * len(tokens), layer="x:input")
    table.save(file)
    again = ActivationTable.load(file)
    assert again.to_dict() == table.to_dict()
    assert again.tokens == tuple(tokens)
    assert np.array_equal(again.matrix, table.matrix)


def test_tables_without_labels_and_damaged_files(tmp_path):
    table = ActivationTable.from_array(np.ones((2, 2)))
    table.save(tmp_path / "t.npz")
    assert ActivationTable.load(tmp_path / "t.npz").labels is None
    data = dict(np.load(tmp_path / "t.npz"))
    for change, message in (
        ({"format": np.array(9)}, "has format 9; this version reads format 1"),
        ({"samples": np.zeros(3, dtype=np.int64)}, "samples must be one per row"),
        ({"token_index": np.array([0, 7])}, "is no table of activations"),
        ({"samples": np.array([0.5, 1.0])}, "is no table of activations"),
        ({"text": np.frombuffer(b"{", dtype=np.uint8)}, "is no table of activations"),
    ):
        np.savez(tmp_path / "bad.npz", **(data | change))
        with pytest.raises(FileFormatError, match=message):
            ActivationTable.load(tmp_path / "bad.npz")
    np.savez(tmp_path / "other.npz", matrix=np.ones((2, 2)))
    with pytest.raises(FileFormatError, match="has no array 'format'"):
        ActivationTable.load(tmp_path / "other.npz")


def test_labels_are_coded_by_first_appearance():
    assert code_labels(["b", "a", "b", None])[0].tolist() == [0, 1, 0, -1]
    assert code_labels(np.array([2, -1]))[1] == ()
    with pytest.raises(InputError, match="got -2"):
        code_labels([-2])
    with pytest.raises(InputError, match="label 3 has no name"):
        ActivationTable(
            np.ones((1, 1), dtype=np.float32),
            np.array([0]),
            ("a",),
            np.array([0]),
            np.array([0]),
            np.array([3]),
            ("x",),
        )
