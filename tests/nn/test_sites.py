"""Sites are found by structure in the common families, and wrong names are explained."""

from __future__ import annotations

import pytest
from torch import nn

from hodology.errors import InputError, UnknownNameError
from hodology.nn.sites import Site, find_sites, parse_site, resolve_sites, up_projections


def _families():
    transformers = pytest.importorskip("transformers", reason="needs the hf extra")
    small = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    image = {**small, "image_size": 8, "patch_size": 4, "num_labels": 3}
    text = {"vocab_size": 11, "bos_token_id": 0, "eos_token_id": 0}
    t = transformers
    return {
        "vit": t.ViTForImageClassification(t.ViTConfig(**image)),
        "deit": t.DeiTForImageClassification(t.DeiTConfig(**image)),
        "beit": t.BeitForImageClassification(t.BeitConfig(**image)),
        "gpt2": t.GPT2LMHeadModel(t.GPT2Config(n_embd=16, n_layer=2, n_head=2, n_inner=24, **text)),
        "llama": t.LlamaForCausalLM(t.LlamaConfig(num_key_value_heads=1, **small, **text)),
    }


def test_each_family_has_one_site_of_each_kind_per_block():
    for name, model in _families().items():
        assert [site.width for site in find_sites(model, "ffn")] == [24, 24], name
        attention = find_sites(model, "attention")
        assert [(site.width, site.heads) for site in attention] == [(16, 2)] * 2, name
        assert len(find_sites(model, "residual")) == 2, name
        assert len(find_sites(model, "embedding")) == 1, name


def test_a_gated_block_has_two_up_projections():
    model = _families()["llama"]
    ups = up_projections(model, find_sites(model, "ffn")[0])
    assert {name.rpartition(".")[2] for name in ups} == {"gate_proj", "up_proj"}


class _TorchvisionLike(nn.Module):
    """The nesting of torchvision's vit_b_16: MLP as a Sequential inside each encoder layer."""

    def __init__(self) -> None:
        super().__init__()

        class Layer(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.ln_1 = nn.LayerNorm(8)
                self.self_attention = nn.MultiheadAttention(8, 2)
                self.ln_2 = nn.LayerNorm(8)
                self.mlp = nn.Sequential(
                    nn.Linear(8, 20), nn.GELU(), nn.Dropout(), nn.Linear(20, 8), nn.Dropout()
                )

        self.encoder = nn.Module()
        self.encoder.layers = nn.Sequential()
        for i in range(2):
            self.encoder.layers.add_module(f"encoder_layer_{i}", Layer())
        self.heads = nn.Sequential(nn.Linear(8, 3))


def test_torchvision_names_resolve_to_the_second_linear_map():
    model = _TorchvisionLike()
    assert [s.name for s in find_sites(model)] == [
        f"encoder.layers.encoder_layer_{i}.mlp.3:input" for i in range(2)
    ]
    assert [s.name for s in find_sites(model, "residual")] == [
        f"encoder.layers.encoder_layer_{i}" for i in range(2)
    ]


def test_fused_attention_is_refused_with_the_reason():
    with pytest.raises(InputError, match="fused nn.MultiheadAttention"):
        find_sites(_TorchvisionLike(), "attention")


def test_integers_names_and_sites_can_be_mixed(vit):
    found = resolve_sites(vit, [0, "blocks.1.mlp.act", Site("blocks.2.mlp.fc2", "input")])
    assert [s.name for s in found] == ["blocks.0.mlp.fc2:input", "blocks.1.mlp.act", "blocks.2.mlp.fc2:input"]
    assert resolve_sites(vit, [-1])[0].name == "blocks.2.mlp.fc2:input"


@pytest.mark.parametrize(
    ("layers", "error", "message"),
    [
        (["blocks.7.mlp.fc2"], UnknownNameError, "close names: 'blocks"),
        (["blocks.0.mlp.fc2:outside"], UnknownNameError, "must end in ':input' or ':output'"),
        ([], InputError, "non-empty list"),
        ("blocks.0", InputError, "non-empty list"),
        ([3], InputError, "index 3, but the model has 3 ffn sites"),
        ([0, 0], InputError, "more than once"),
    ],
)
def test_wrong_layers_are_explained(vit, layers, error, message):
    with pytest.raises(error, match=message):
        resolve_sites(vit, layers)


def test_a_model_without_feed_forward_blocks_asks_for_names():
    with pytest.raises(InputError, match=r"pass the module names by hand, for example layers=\['0'\]"):
        find_sites(nn.Sequential(nn.Linear(3, 2)))
    with pytest.raises(UnknownNameError, match="kind 'fnn' is not a kind of site; close names: 'ffn'"):
        find_sites(nn.Sequential(nn.Linear(3, 2)), "fnn")


def test_width_is_read_from_linear_maps(vit):
    assert parse_site(vit, "blocks.0.mlp.fc1").width == 12
    assert parse_site(vit, "blocks.0.mlp.fc1:input").width == 16
    assert parse_site(vit, "blocks.0.mlp.act").width is None
