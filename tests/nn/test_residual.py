"""The stream is found in every family by what happens, its components add up, and what is no sum is refused."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hodology.errors import InputError, UnknownNameError
from hodology.nn.forward import call_model
from hodology.nn.frozen_norm import norm_form
from hodology.nn.models import VisionTransformer
from hodology.nn.residual import ResidualStream, stream_shape
from hodology.nn.taps import record
from model_hooks import hook_count

WIDTH = 8


def _seeded(build, *, factor=2.0):
    """A model with its own random state, away from its small initial values."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = build().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(factor)
    return model


def _patches(x):
    """Four patches of 4 x 4 pixels, cut to the width."""
    return x.unfold(2, 4, 4).unfold(3, 4, 4).flatten(1, 3).flatten(2)[:, :, :WIDTH]


class LayerScale(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.linspace(-0.5, 1.5, WIDTH))

    def forward(self, x):
        return x * self.gamma


class DropPath(nn.Module):
    """Leaves out the branch of whole rows while training."""

    def forward(self, x):
        if not self.training:
            return x
        return x * (torch.rand(len(x), 1, 1) > 0.5)


class Mlp(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.act, self.fc2 = nn.Linear(WIDTH, 12), nn.GELU(), nn.Linear(12, WIDTH)

    def forward(self, x):
        return self.fc2(self.act(self.fc1(x)))


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        return self.proj((q @ k.transpose(1, 2)).softmax(dim=-1) @ v)


class TimmBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.attn, self.ls1, self.drop_path1 = (
            nn.LayerNorm(WIDTH),
            Attention(),
            LayerScale(),
            DropPath(),
        )
        self.norm2, self.mlp, self.ls2, self.drop_path2 = nn.LayerNorm(WIDTH), Mlp(), LayerScale(), DropPath()

    def forward(self, x):
        x = x + self.drop_path1(self.ls1(self.attn(self.norm1(x))))
        return x + self.drop_path2(self.ls2(self.mlp(self.norm2(x))))


class TimmLike(nn.Module):
    """timm's names, with register tokens and a choice of what the head reads."""

    def __init__(self, pool="token", registers=0, block=TimmBlock, norm=None, depth=2) -> None:
        super().__init__()
        self.pool, self.registers = pool, registers
        self.patch_embed = nn.Linear(WIDTH, WIDTH)
        self.cls_token = nn.Parameter(torch.randn(1, 1 + registers, WIDTH))
        self.pos_embed = nn.Parameter(torch.randn(1, 5 + registers, WIDTH))
        self.norm_pre = nn.Identity()
        self.blocks = nn.Sequential(*(block() for _ in range(depth)))
        self.norm = norm if norm is not None else nn.Identity() if pool == "avg" else nn.LayerNorm(WIDTH)
        self.fc_norm = nn.LayerNorm(WIDTH) if pool == "avg" and norm is None else nn.Identity()
        self.head_drop = nn.Dropout(0.5)
        self.head = nn.Linear(WIDTH, 3)

    def forward(self, x):
        x = self.patch_embed(_patches(x))
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], dim=1) + self.pos_embed
        x = self.norm(self.blocks(self.norm_pre(x)))
        x = x[:, 0] if self.pool == "token" else x[:, 1 + self.registers :].mean(dim=1)
        return self.head(self.head_drop(self.fc_norm(x)))


class TorchvisionLike(nn.Module):
    """torchvision's names, with fused attention."""

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.ln_1, self.ln_2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
            self.self_attention = nn.MultiheadAttention(WIDTH, 2, batch_first=True)
            self.mlp = nn.Sequential(nn.Linear(WIDTH, 12), nn.GELU(), nn.Dropout(), nn.Linear(12, WIDTH))

        def forward(self, input):  # noqa: A002
            x = self.ln_1(input)
            x, _ = self.self_attention(x, x, x, need_weights=False)
            x = x + input
            return x + self.mlp(self.ln_2(x))

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pos_embedding = nn.Parameter(torch.randn(1, 5, WIDTH))
            self.dropout = nn.Dropout(0.1)
            self.layers = nn.Sequential()
            for i in range(2):
                self.layers.add_module(f"encoder_layer_{i}", TorchvisionLike.Block())
            self.ln = nn.LayerNorm(WIDTH)

        def forward(self, input):  # noqa: A002
            return self.ln(self.layers(self.dropout(input + self.pos_embedding)))

    def __init__(self) -> None:
        super().__init__()
        self.class_token = nn.Parameter(torch.randn(1, 1, WIDTH))
        self.encoder = TorchvisionLike.Encoder()
        self.heads = nn.Sequential(nn.Linear(WIDTH, 3))

    def forward(self, x):
        x = torch.cat([self.class_token.expand(len(x), -1, -1), _patches(x)], dim=1)
        return self.heads(self.encoder(x)[:, 0])


class NestedLists(nn.Module):
    """Residual sums outside the branches, norms inside them, and sums in place."""

    class PreNorm(nn.Module):
        def __init__(self, fn) -> None:
            super().__init__()
            self.norm, self.fn = nn.LayerNorm(WIDTH), fn

        def forward(self, x):
            return self.fn(self.norm(x))

    def __init__(self) -> None:
        super().__init__()
        pre = NestedLists.PreNorm
        self.layers = nn.ModuleList(nn.ModuleList([pre(Attention()), pre(Mlp())]) for _ in range(2))
        self.final, self.dropout = nn.RMSNorm(WIDTH), nn.Dropout(0.1)
        self.head = nn.Linear(WIDTH, 3)

    def forward(self, x):
        x = self.dropout(_patches(x).clone())
        for attention, forward in self.layers:
            x += attention(x)
            x += forward(x)
        return self.head(self.final(x).mean(dim=1))


class TorchEncoder(nn.Module):
    """PyTorch's own encoder, norm first, without a final norm."""

    def __init__(self, *, norm_first=True) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(WIDTH, 2, 12, batch_first=True, norm_first=norm_first)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(WIDTH, 3)

    def forward(self, x):
        return self.head(self.encoder(_patches(x)).mean(dim=1))


def _vit(**options):
    shape = {
        "image_size": 8,
        "patch_size": 4,
        "depth": 2,
        "width": WIDTH,
        "heads": 2,
        "hidden": 12,
        "classes": 3,
    }
    return VisionTransformer(**shape, **options)


OWN = {
    "vit, class token": (_vit, "token", 0),
    "vit, mean": (lambda: _vit(pool="avg"), "mean", 1),
    "timm": (TimmLike, "token", 0),
    "timm, mean, registers": (lambda: TimmLike("avg", registers=2), "mean", 3),
    "timm, mean of normed": (lambda: TimmLike("avg", norm=nn.LayerNorm(WIDTH)), None, 1),
    "torchvision": (TorchvisionLike, "token", 0),
    "nested lists, in place": (NestedLists, "mean of normed", 0),
    "torch encoder": (TorchEncoder, "mean", 0),
}


def _families():
    t = pytest.importorskip("transformers", reason="needs the hf extra")
    small = {"hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 12}
    image = {**small, "image_size": 8, "patch_size": 4, "num_channels": 1, "num_labels": 3}
    text = {"vocab_size": 11, "bos_token_id": 0, "eos_token_id": 0}
    gpt = {"n_embd": WIDTH, "n_layer": 2, "n_head": 2, "n_inner": 12, **text}
    return {
        "ViT": (lambda: t.ViTForImageClassification(t.ViTConfig(**image)), "token"),
        "DeiT": (lambda: t.DeiTForImageClassification(t.DeiTConfig(**image)), "token"),
        "DeiT, two heads": (
            lambda: t.DeiTForImageClassificationWithTeacher(t.DeiTConfig(**image)),
            "two tokens",
        ),
        "BEiT": (lambda: t.BeitForImageClassification(t.BeitConfig(**image)), "mean"),
        "DINOv2": (lambda: t.Dinov2ForImageClassification(t.Dinov2Config(**image)), "token and mean"),
        "GPT-2": (lambda: t.GPT2LMHeadModel(t.GPT2Config(**gpt)), "last token"),
        "Llama": (
            lambda: t.LlamaForCausalLM(t.LlamaConfig(num_key_value_heads=1, **small, **text)),
            "last token",
        ),
    }


def _text():
    mask = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 1, 0]])
    ids = torch.randint(2, 11, mask.shape, generator=torch.Generator().manual_seed(0))
    return {"input_ids": ids * mask, "attention_mask": mask}


def _assert_exact(model, inputs):
    """Components add up to the stream, and read by norm and head to the scores; nothing is left in the model."""
    with torch.no_grad():
        expected = call_model(model, inputs)
    stream = ResidualStream(model, inputs)
    assert stream.names == ("embedding", "attention 1", "ffn 1", "attention 2", "ffn 2")
    ends = []
    with torch.no_grad(), stream.visiting(lambda point, value: ends.append(value.clone()) or value):
        call_model(model, inputs)
    whole = stream.read(inputs, tokens="all")
    assert torch.allclose(whole.values.sum(dim=0), ends[-1], atol=1e-5)
    assert torch.equal(whole.logits, expected)
    values = stream.select(whole.values, inputs)
    with torch.no_grad():
        total = values.sum(dim=0)
        assert torch.allclose(stream.head(total), expected, atol=1e-5)
        assert torch.allclose(
            stream.frozen_head(values, total).sum(dim=0) + stream.constant(total), expected, atol=1e-5
        )
    if not stream.readout.all_tokens:
        assert torch.allclose(stream.read(inputs).values, values, atol=1e-5)
    assert hook_count(model) == 0
    return stream


@pytest.mark.parametrize("name", OWN)
def test_own_models_are_exact_sums(name):
    build, reading, first = OWN[name]
    model = _seeded(build)
    stream = _assert_exact(model, torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(1)))
    if reading is not None:
        assert (stream.readout.reading, stream.readout.first) == (reading, first)
    if name not in ("nested lists, in place",):
        assert [(block.start, block.stop) for block in stream.blocks] == [(0, 2), (2, 4)]
    assert stream_shape(model) == (5, WIDTH)


def test_transformers_families_are_exact_sums():
    images = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    for name, (build, reading) in _families().items():
        model = _seeded(build)
        stream = _assert_exact(model, _text() if reading == "last token" else images)
        assert stream.readout.reading == reading, name
        assert len(stream.blocks) == 2, name


@pytest.mark.parametrize(
    ("build", "branches"),
    [
        (
            TimmLike,
            ["blocks.0.drop_path1", "blocks.0.drop_path2", "blocks.1.drop_path1", "blocks.1.drop_path2"],
        ),
        (NestedLists, ["layers.0.0", "layers.0.1", "layers.1.0", "layers.1.1"]),
    ],
)
def test_components_are_the_branches_with_their_scale(build, branches):
    model = _seeded(build)
    x = torch.rand(2, 1, 8, 8)
    with torch.no_grad(), record(model, branches) as activity:
        model(x)
    values = ResidualStream(model, x).read(x, tokens="all").values
    for component, name in zip(values[1:], branches, strict=True):
        assert torch.allclose(component, activity[name], atol=1e-5)


def test_a_branch_that_adds_nothing_is_still_found():
    model = _seeded(TimmLike)
    with torch.no_grad():
        model.blocks[0].ls1.gamma.zero_()
    x = torch.rand(2, 1, 8, 8)
    stream = _assert_exact(model, x)
    assert float(stream.read(x).values[1].abs().max()) == 0.0


class Unnamed(nn.Module):
    """A block whose names say nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.norm_a, self.mix, self.norm_b, self.step = (
            nn.LayerNorm(WIDTH),
            Attention(),
            nn.LayerNorm(WIDTH),
            Mlp(),
        )

    def forward(self, x):
        x = x + self.step(self.norm_b(x))
        return x + self.mix(self.norm_a(x))


def test_kinds_follow_what_mixes_tokens_not_names_or_order():
    stream = ResidualStream(_seeded(lambda: TimmLike(block=Unnamed)), torch.rand(2, 1, 8, 8))
    assert stream.names == ("embedding", "ffn 1", "attention 1", "ffn 2", "attention 2")


def test_a_stream_of_one_token_goes_by_names():
    t = pytest.importorskip("transformers", reason="needs the hf extra")
    config = t.GPT2Config(
        n_embd=WIDTH, n_layer=1, n_head=2, n_inner=12, vocab_size=11, bos_token_id=0, eos_token_id=0
    )
    stream = ResidualStream(_seeded(lambda: t.GPT2LMHeadModel(config)), torch.tensor([[3]]))
    assert stream.names == ("embedding", "attention 1", "ffn 1")
    assert stream.readout.reading == "last token"
    longer = torch.tensor([[3, 4, 5]])
    assert stream.read(longer).values.shape == (3, 1, WIDTH)


def test_what_the_head_reads_is_all_that_is_kept():
    x = torch.rand(3, 1, 8, 8)
    stream = ResidualStream(_seeded(TimmLike), x)
    assert stream.read(x).values.shape == (5, 3, WIDTH)
    assert stream.read(x, tokens="all").values.shape == (5, 3, 5, WIDTH)
    with pytest.raises(UnknownNameError, match="tokens 'al' is not accepted; close names: 'all'"):
        stream.read(x, tokens="al")
    normed_first = ResidualStream(_seeded(OWN["timm, mean of normed"][0]), x)
    with pytest.raises(InputError, match="norms every token before it pools them.*pass tokens='all'"):
        normed_first.read(x)


def test_training_flags_and_the_example_stay_as_they_were():
    model = _seeded(TimmLike).train()
    model.blocks[0].eval()
    model.head.weight.requires_grad_(False)
    flags = [m.training for m in model.modules()], [p.requires_grad for p in model.parameters()]
    state = copy.deepcopy(model.state_dict())
    x = torch.rand(2, 1, 8, 8)
    kept = x.clone()
    first = ResidualStream(model, x).read(x).values
    assert torch.equal(first, ResidualStream(model, x).read(x).values)  # neither dropout nor DropPath draws
    assert flags == ([m.training for m in model.modules()], [p.requires_grad for p in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(state.values(), model.state_dict().values(), strict=True))
    assert torch.equal(x, kept)
    assert hook_count(model) == 0


def test_neither_seeds_nor_results_depend_on_global_random_state():
    model, x = _seeded(TimmLike), torch.rand(2, 1, 8, 8)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = ResidualStream(model, x)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    second = ResidualStream(model, x)
    assert (first.names, first.readout) == (second.names, second.readout)


@settings(max_examples=10, deadline=None)
@given(st.permutations(range(4)))
def test_components_follow_the_order_of_the_batch(order):
    model, x = _seeded(TimmLike), torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(2))
    stream = ResidualStream(model, x)
    values = stream.read(x).values
    assert torch.allclose(stream.read(x[list(order)]).values, values[:, list(order)], atol=1e-5)
    assert torch.allclose(stream.read(x[:1]).values, values[:, :1], atol=1e-5)


class PostNorm(TimmBlock):
    def forward(self, x):
        x = self.norm1(x + self.attn(x))
        return self.norm2(x + self.mlp(x))


class Parallel(TimmBlock):
    def forward(self, x):
        return x + self.attn(self.norm1(x)) + self.mlp(self.norm2(x))


class OneNorm(TimmBlock):
    def forward(self, x):
        h = self.norm1(x)
        return x + self.attn(h) + self.mlp(h)


class ScaledStream(TimmBlock):
    def forward(self, x):
        x = 0.9 * x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Gated(TimmBlock):
    """The feed-forward branch is gated by the stream itself, so it does not read it through its norm alone."""

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + torch.sigmoid(x) * self.mlp(self.norm2(x))


class AttentionPool(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Linear(WIDTH, 1)

    def forward(self, x):
        return (self.query(x).softmax(dim=1) * x).sum(dim=1)


class Pooled(TimmLike):
    def __init__(self) -> None:
        super().__init__()
        self.attn_pool = AttentionPool()

    def forward(self, x):
        x = self.patch_embed(_patches(x))
        return self.head(self.attn_pool(self.norm(self.blocks(x))))


class Capped(TimmLike):
    """Scores are squashed behind the last module."""

    def forward(self, x):
        return super().forward(x).tanh()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: TimmLike(block=PostNorm), "no residual stream.*Post-norm.*the rewrite is not exact"),
        (lambda: TorchEncoder(norm_first=False), "no residual stream.*Post-norm"),
        (lambda: TimmLike(block=Parallel), "norms 'blocks.0.norm1' and 'blocks.0.norm2' read the same point"),
        (lambda: TimmLike(block=OneNorm), "2 blocks, but 0 feed-forward branches.*run in parallel"),
        (lambda: TimmLike(block=ScaledStream), "The rewrite is not exact|the rewrite is not exact"),
        (lambda: TimmLike(block=Gated), "The rewrite is not exact|the rewrite is not exact"),
        (Pooled, r"through 'attn_pool' \(AttentionPool\).*attention pooling is not accepted"),
        (Capped, "scores that are changed behind the last module are not accepted"),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 3)), "no residual stream was found in Sequential"),
    ],
)
def test_what_is_no_such_sum_is_refused_and_left_alone(build, message):
    model = _seeded(build)
    with pytest.raises(InputError, match=message):
        ResidualStream(model, torch.rand(2, 1, 8, 8))
    assert hook_count(model) == 0


def test_post_norm_and_parallel_families_are_refused():
    t = pytest.importorskip("transformers", reason="needs the hf extra")
    small = {"hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 12}
    text = {"vocab_size": 11, "bos_token_id": 0, "eos_token_id": 0}
    bert = t.BertForSequenceClassification(t.BertConfig(**small, vocab_size=11, pad_token_id=0))
    with pytest.raises(InputError, match="BertForSequenceClassification.*Post-norm models"):
        ResidualStream(bert.eval(), _text())
    neox = t.GPTNeoXForCausalLM(t.GPTNeoXConfig(**small, **text))
    with pytest.raises(InputError, match="run in parallel in GPTNeoXForCausalLM"):
        ResidualStream(neox.eval(), _text())


class TwoWays(TimmLike):
    """Takes another way for bright images."""

    def forward(self, x):
        tokens = self.patch_embed(_patches(x)) + self.pos_embed[:, 1:]
        tokens = self.blocks(tokens) if x.mean() < 10 else self.blocks[0](tokens)
        return self.head(self.norm(tokens)[:, 0])


def test_inputs_that_take_another_way_are_noticed():
    model = _seeded(TwoWays)
    x = torch.rand(2, 1, 8, 8)
    stream = ResidualStream(model, x)
    with pytest.raises(InputError, match="reached 3 points of the stream, 5 were found before"):
        stream.read(x + 20)
    assert hook_count(model) == 0


def test_hooks_are_gone_when_the_model_fails():
    model, x = _seeded(TimmLike), torch.rand(2, 1, 8, 8)
    stream = ResidualStream(model, x)
    for call in (
        lambda: stream.read(torch.rand(2, 1, 7, 7)),
        lambda: ResidualStream(model, torch.rand(2, 1, 7, 7)),
    ):
        with pytest.raises(RuntimeError):
            call()
        assert hook_count(model) == 0


def test_values_of_another_width_are_explained():
    x = torch.rand(2, 1, 8, 8)
    with pytest.raises(InputError, match=r"values must be \(..., 8\), got \(2, 9\)"):
        ResidualStream(_seeded(TimmLike), x).head(torch.rand(2, 9))


class OnePlusRms(nn.Module):
    """An RMSNorm that keeps its weight as 1 + w, with another name for epsilon."""

    def __init__(self, width) -> None:
        super().__init__()
        self.w, self.small = nn.Parameter(torch.linspace(-0.5, 0.5, width)), 1e-3

    def forward(self, x):
        return x * (x.square().mean(dim=-1, keepdim=True) + self.small).rsqrt() * (1 + self.w)


@pytest.mark.parametrize("width", [7, 8])
@pytest.mark.parametrize(
    "make",
    [
        lambda d: nn.LayerNorm(d, eps=1e-2),
        lambda d: nn.LayerNorm(d, elementwise_affine=False),
        lambda d: nn.RMSNorm(d, eps=1e-4),
        OnePlusRms,
    ],
)
def test_the_form_of_a_norm_is_found_by_probing(make, width):
    norm = make(width)
    with torch.no_grad():
        for parameter in norm.parameters():
            parameter.copy_(torch.randn(width, generator=torch.Generator().manual_seed(0)))
        # small vectors, where epsilon counts
        x = 0.1 * torch.randn(4, width, generator=torch.Generator().manual_seed(1)) + 0.05
        form = norm_form(norm, x, name="norm")
        a, b = 0.3 * x, 0.7 * x
        sigma = form.sigma(x)
        assert torch.allclose(form.frozen(a, sigma) + form.frozen(b, sigma) + form.beta, norm(x), atol=1e-5)
    assert form.centred == isinstance(norm, nn.LayerNorm)
    known = {nn.LayerNorm: "eps", nn.RMSNorm: "eps", OnePlusRms: "small"}[type(norm)]
    assert form.epsilon == pytest.approx(getattr(norm, known), rel=1e-2, abs=1e-7)


def test_a_final_norm_of_another_form_is_refused_for_path_logits():
    class TanhNorm(nn.Module):
        def forward(self, x):
            return x.tanh()

    x = torch.rand(2, 1, 8, 8)
    stream = ResidualStream(_seeded(lambda: TimmLike(norm=TanhNorm())), x)
    values = stream.read(x).values
    with pytest.raises(InputError, match=r"'norm' \(TanhNorm\) is neither a LayerNorm nor an RMSNorm"):
        stream.frozen_head(values, values.sum(dim=0))
