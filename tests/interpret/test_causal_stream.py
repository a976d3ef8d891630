"""Edges of the residual stream are cut exactly, one at a time; planted paths are found; bad input is explained."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import nn

from hodology.errors import FileFormatError, InputError, UnknownNameError
from hodology.interpret import stream_runs
from hodology.interpret.causal_graph import causal_graph
from hodology.interpret.causal_result import COLUMNS, CausalGraph
from hodology.interpret.causal_stream import causal_stream_graph, cut_stream
from hodology.interpret.stream_edges import StreamBatch
from hodology.interpret.stream_runs import stream_means
from hodology.nn.attention_heads import find_heads
from hodology.nn.forward import call_model
from hodology.nn.models import SmallCNN, VisionTransformer
from hodology.nn.models.vision_transformer import Block
from hodology.nn.residual import ResidualStream
from hodology.nn.taps import evaluation_mode
from hodology.work import UnitStore
from model_hooks import hook_count
from plain_stream_cuts import PlainStream, log_odds

pytestmark = pytest.mark.filterwarnings("ignore:the model gives class")  # most networks here are random

NAMES = ("attention 1", "ffn 1", "attention 2", "ffn 2", "class")


def _seeded(build, *, factor=2.5, double=True):
    """A random model away from its small initial values and from biases of zero."""
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(3)
        model = build().eval()
        for parameter in model.parameters():
            parameter.mul_(factor).add_(torch.randn_like(parameter), alpha=0.1)
    return model.double() if double else model


def _vit(**options):
    shape = {
        "image_size": 8,
        "patch_size": 4,
        "depth": 2,
        "width": 12,
        "heads": 3,
        "hidden": 10,
        "classes": 5,
    }
    return VisionTransformer(**{**shape, **options})


class Scale(nn.Module):
    """LayerScale."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.linspace(-0.5, 1.5, width))

    def forward(self, x):
        return x * self.gamma


def _scaled_vit():
    model = _vit()
    for block in model.blocks:
        block.attn = nn.Sequential(block.attn, Scale(12))
        block.mlp = nn.Sequential(block.mlp, Scale(12))
    return model


class InPlace(Block):
    """Adds to the stream in place."""

    def forward(self, x):
        x += self.attn(self.norm1(x))
        x += self.mlp(self.norm2(x))
        return x


def _in_place_vit():
    model = _vit()
    for block in model.blocks:
        block.__class__ = InPlace
    return model


@pytest.fixture(scope="module")
def vit():
    return _seeded(_vit)


@pytest.fixture(scope="module")
def images():
    return torch.rand(9, 1, 8, 8, generator=torch.Generator().manual_seed(7)).double()


@pytest.fixture(scope="module")
def said(vit, images):
    with torch.no_grad():
        return int(vit(images).argmax(dim=1).mode().values)


def _own_plain(model, x, *, whole=False):
    norms = [norm for block in model.blocks for norm in (block.norm1, block.norm2)]
    projections = [m for name, m in model.named_modules() if name.endswith("proj") and "attn" in name]
    outs = {} if whole else dict(zip(range(1, len(norms), 2), projections, strict=True))
    factors = [
        block.attn[1].gamma if isinstance(block.attn, nn.Sequential) else 1.0 for block in model.blocks
    ]
    # model.norm takes all tokens, also where it does nothing and the mean is normed behind it
    return PlainStream(lambda: model(x), [*norms, model.norm], outs, 3, dict(zip(outs, factors)))


def _families():
    t = pytest.importorskip("transformers", reason="needs the hf extra")
    small = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 12}
    image = {**small, "image_size": 8, "patch_size": 4, "num_channels": 1, "num_labels": 3}
    text = {"vocab_size": 11, "bos_token_id": 0, "eos_token_id": 0}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        vit = t.ViTForImageClassification(t.ViTConfig(**image))
        gpt = t.GPT2LMHeadModel(t.GPT2Config(n_embd=8, n_layer=2, n_head=2, n_inner=12, **text))
        llama = t.LlamaForCausalLM(t.LlamaConfig(num_key_value_heads=1, **small, **text))
    mask = torch.tensor([[1] * 5, [1, 1, 1, 0, 0], [1, 1, 1, 1, 0]]).repeat(3, 1)
    ids = torch.randint(2, 11, mask.shape, generator=torch.Generator().manual_seed(0))
    texts = {"input_ids": ids * mask, "attention_mask": mask}
    pictures = torch.rand(9, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    blocks, h, layers = (
        vit.vit.layers if hasattr(vit.vit, "layers") else vit.vit.encoder.layer,
        gpt.transformer.h,
        llama.model.layers,
    )
    return {
        "ViT": (vit, pictures, [(b.layernorm_before, b.layernorm_after) for b in blocks], vit.vit.layernorm),
        "GPT-2": (gpt, texts, [(b.ln_1, b.ln_2) for b in h], gpt.transformer.ln_f),
        "Llama": (
            llama,
            texts,
            [(b.input_layernorm, b.post_attention_layernorm) for b in layers],
            llama.model.norm,
        ),
    }


def _batch(model, x, *, unit="head", target=1, effect="logodds", size=40, means=None):
    """The machinery under the search, for every edge and not only those into accepted units."""
    stream = ResidualStream(model, x)
    heads = find_heads(stream) if unit == "head" else {}
    with evaluation_mode(model), torch.no_grad():
        found = None if means is None else stream_means(stream, heads, [means], np.ones(5, dtype=bool))
        return StreamBatch(stream, heads, x, means=found, size=size, target=target, effect=effect)


def _every(run, receiver):
    return [(s, u) for u in range(run.units(receiver) if receiver < 5 else 1) for s in run.senders(receiver)]


def _assert_equal_plain(run, plain, target, *, atol, mean=None):
    """Every edge of a model of two blocks."""
    clean = log_odds(plain.scores, target)
    moved = 0.0
    for receiver in range(1, 6):
        edges = _every(run, receiver)
        assert [sender for sender, unit in edges if unit == 0] == plain.senders(receiver)
        with evaluation_mode(run.stream.model), torch.no_grad():
            effects = run.effects(receiver, edges)
        for row, (sender, unit) in zip(effects, edges, strict=True):
            away = plain.written(sender) - (0 if mean is None else mean[sender])
            expected = clean - log_odds(plain.cut(receiver, unit, away), target)
            assert torch.allclose(row.double(), expected, atol=atol), (receiver, sender, unit)
            moved = max(moved, float(expected.abs().max()))
    assert moved > 0.1
    assert hook_count(run.stream.model) == 0


# effects


@pytest.mark.parametrize("unit", ["head", "block"])
@pytest.mark.parametrize(
    "build",
    [_vit, lambda: _vit(pool="avg"), _scaled_vit, _in_place_vit],
    ids=["token", "mean", "scaled", "in place"],
)
def test_effects_equal_plain_hooks(images, unit, build):
    model = _seeded(build)
    plain = _own_plain(model, images, whole=unit == "block")
    _assert_equal_plain(_batch(model, images, unit=unit), plain, 1, atol=1e-9)


@pytest.mark.parametrize("unit", ["head", "block"])
def test_effects_with_means_equal_plain_hooks(vit, images, unit):
    others = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(8)).double()
    plain = _own_plain(vit, images, whole=unit == "block")
    other = _own_plain(vit, others, whole=unit == "block")
    mean = {sender: other.written(sender).mean(dim=0) for sender in other.senders(5)}
    _assert_equal_plain(_batch(vit, images, unit=unit, means=others), plain, 1, atol=1e-9, mean=mean)


def test_effects_equal_plain_hooks_in_transformers_families():
    for name, (model, inputs, norms, final) in _families().items():
        model = _seeded(lambda m=model: m, double=False)
        outs = {1 + 2 * i: m for i, m in enumerate(_outs(model))}
        norms = [*(norm for pair in norms for norm in pair), final]
        plain = PlainStream(lambda m=model, x=inputs: call_model(m, x), norms, outs, 2)
        assert len(plain.points) == 5, name
        _assert_equal_plain(_batch(model, inputs), plain, 1, atol=1e-5)
        whole = PlainStream(lambda m=model, x=inputs: call_model(m, x), norms, {})
        _assert_equal_plain(_batch(model, inputs, unit="block"), whole, 1, atol=1e-5)


def _outs(model):
    ends = ("o_proj", "attn.c_proj", "attention.output.dense")
    return [module for name, module in model.named_modules() if name.endswith(ends)]


@pytest.mark.parametrize("effect", ["probability", "logit", "loss", "correct"])
def test_other_effects_are_of_the_same_cuts(vit, images, effect):
    run, odds = _batch(vit, images, effect=effect), _batch(vit, images)
    edges = _every(run, 3)
    with evaluation_mode(vit), torch.no_grad():
        away = torch.stack([run.contribution(sender) for sender, _ in edges])
        mixed = [run._mix(3, run.points[2] - a[None]) for a in away]
        for row, (_, unit), z in zip(run.effects(3, edges), edges, mixed, strict=True):
            changed = run.mixed[3].clone()
            changed[..., run.heads[3].units(unit)] = z[0][..., run.heads[3].units(unit)]
            scores = run._write(3, changed[None])[0]
            value = {
                "probability": lambda s: s.softmax(dim=1)[:, 1],
                "logit": lambda s: s[:, 1],
                "loss": lambda s: s.log_softmax(dim=1)[:, 1],
                "correct": lambda s: (s.argmax(dim=1) == 1).double(),
            }[effect]
            assert torch.allclose(row, value(run.scores) - value(scores), atol=1e-9)
    assert torch.equal(run.scores, odds.scores)


@settings(max_examples=8, deadline=None)
@given(size=st.integers(1, 60), rows=st.integers(1, 9))
def test_neither_chunks_nor_batches_change_effects(size, rows):
    model = _seeded(_vit)
    x = torch.rand(9, 1, 8, 8, generator=torch.Generator().manual_seed(7)).double()
    whole = _batch(model, x, size=1000)
    part = _batch(model, x[:rows], size=size)
    with evaluation_mode(model), torch.no_grad():
        for receiver in (2, 3, 5):
            edges = _every(whole, receiver)
            effects = whole.effects(receiver, edges)[:, :rows]
            assert torch.allclose(part.effects(receiver, edges), effects, atol=1e-9)


def test_blocks_below_a_receiver_are_not_run_again(vit, images):
    run, calls = _batch(vit, images, size=18), []
    hook = vit.blocks[0].register_forward_hook(lambda *_: calls.append(1))
    with evaluation_mode(vit), torch.no_grad():
        run.effects(3, _every(run, 3))
        run.estimates(4, _every(run, 4))
        run.effects(5, _every(run, 5))
        assert calls == []
        run.effects(2, _every(run, 2))
    hook.remove()
    assert len(calls) == 2  # 4 edges, two in a pass


def test_a_norm_that_serves_two_blocks_is_told_apart(images):
    model = _seeded(_vit)
    model.blocks[1].norm1 = model.blocks[0].norm1
    apart = copy.deepcopy(model)
    apart.blocks[1].norm1 = copy.deepcopy(apart.blocks[0].norm1)
    one, two = _batch(model, images), _batch(apart, images)
    for receiver in range(1, 6):
        with evaluation_mode(model), evaluation_mode(apart), torch.no_grad():
            found, expected = (run.effects(receiver, _every(run, receiver)) for run in (one, two))
        assert torch.allclose(found, expected, atol=1e-9)


def test_an_edge_that_carries_nothing_has_no_effect_not_even_rounding(images):
    model = _seeded(_vit, double=False)
    with torch.no_grad():
        model.blocks[0].attn.proj.weight[:, :4] = 0.0
    for size in (9, 40):
        run = _batch(model, images.float(), size=size)
        for receiver in range(2, 6):
            edges = [edge for edge in _every(run, receiver) if edge[0] == (1, 0)]
            with evaluation_mode(model), torch.no_grad():
                assert float(run.effects(receiver, edges).abs().max()) == 0.0


@pytest.mark.parametrize("unit", ["head", "block"])
@pytest.mark.parametrize("build", [_vit, _in_place_vit], ids=["new tensors", "in place"])
def test_estimates_are_derivatives_of_the_effects(images, unit, build):
    """The effect of taking a ten-thousandth of a contribution away, times ten thousand."""
    vit = _seeded(build)
    run = _batch(vit, images, unit=unit)
    plain = _own_plain(vit, images, whole=unit == "block")
    clean = log_odds(plain.scores, 1)
    for receiver in (2, 3, 5):
        edges = _every(run, receiver)
        with evaluation_mode(vit), torch.no_grad():
            estimates = run.estimates(receiver, edges)
        for estimate, (sender, unit_) in zip(estimates, edges, strict=True):
            small = (
                clean - log_odds(plain.cut(receiver, unit_, 1e-4 * plain.written(sender)), 1)
            ).mean() * 1e4
            assert float(estimate) == pytest.approx(float(small), abs=2e-3)


def test_heads_and_constant_add_up_to_the_branch(images):
    for build in (_vit, _scaled_vit):
        model = _seeded(build)
        run = _batch(model, images)
        for component, own in run.heads.items():
            total = sum(run.contribution((component, head)) for head in range(3)) + own.constant
            assert torch.allclose(total, run.restart.components[component], atol=1e-9)
            attention = model.blocks[(component - 1) // 2].attn
            bias = attention.proj.bias if build is _vit else attention[0].proj.bias * attention[1].gamma
            assert torch.allclose(own.constant, bias, atol=1e-12)


def test_a_reading_with_its_own_mean_in_place_is_unchanged(vit, images):
    same = images[:1].expand(8, -1, -1, -1)
    found = causal_stream_graph(vit, same, 1, reference="mean", test="none")
    assert np.abs(found.edges["effect"]).max() == 0.0
    assert not found.edges["kept"].any()


# search


def test_the_table_holds_means_and_tests_of_the_effects(vit, images, said):
    found = causal_stream_graph(vit, images, said, alpha=0.2)
    assert tuple(layer.name for layer in found.layers) == NAMES
    assert [layer.units for layer in found.layers] == [3, 1, 3, 1, 5]
    assert {layer.kind for layer in found.layers} == {"stream"}
    assert set(found.edges) == set(COLUMNS)
    assert found.edges["kept"].any()
    run = _batch(vit, images, target=said)
    accepted = {"class": {said}}
    for receiver in range(5, 0, -1):
        layer, name = found.layers[receiver - 1], NAMES[receiver - 1]
        assert layer.sources == ("input", *NAMES)[:receiver]
        assert layer.source_units == tuple(run.units(c) for c in range(receiver))
        here = found.edges["layer"] == name
        table = {key: values[here] for key, values in found.edges.items()}
        units = sorted(accepted.get(name, ()))
        edges = [((c, h), unit) for unit in units for c, h in run.senders(receiver)]
        assert list(zip(zip(table["branch"], table["source"]), table["target"])) == edges
        assert list(table["source_layer"]) == [layer.sources[c] for (c, _), _ in edges]
        if edges:
            with evaluation_mode(vit), torch.no_grad():
                values = run.effects(receiver, edges).numpy()
            assert np.allclose(table["effect"], values.mean(axis=1), atol=1e-9)
            assert np.allclose(table["p_adjusted"], stats.false_discovery_control(table["p"]), atol=1e-12)
            kept = (table["p_adjusted"] <= 0.2) & (table["effect"] > 0)
            assert np.array_equal(table["kept"], kept)
        for row in np.flatnonzero(table["kept"]):
            accepted.setdefault(table["source_layer"][row], set()).add(int(table["source"][row]))
        assert (layer.candidates, layer.tested, layer.kept) == (len(edges), len(edges), table["kept"].sum())
    assert found.settings["unit"] == "head"
    assert found.accuracy == float((run.scores.argmax(dim=1) == said).double().mean())


def test_a_silent_head_is_never_a_sender(images):
    model = _seeded(_vit)
    with torch.no_grad():
        model.blocks[0].attn.proj.weight[:, 4:8] = 0.0  # head 1 of 3
    found = causal_stream_graph(model.float(), images.float(), 1, test="none")
    silent = (found.edges["source_layer"] == "attention 1") & (found.edges["source"] == 1)
    assert silent.sum() >= 1
    assert (found.edges["effect"][silent] == 0.0).all()
    assert not found.edges["kept"][silent].any()
    assert not (found.edges["layer"][found.edges["target"] == 1] == "attention 1").any()
    assert found.edges["kept"].any()


def _planted():
    """One head of the second block alone carries the brightness of the patches to the class."""
    model = _vit(width=12, heads=3, classes=2, rng=5).double()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" not in name:
                parameter.zero_()
        model.pos_embed[0, 1:, 10] = 1.0  # so that dark patches have a direction too
        model.patch_embed.proj.weight[0] = 0.5
        model.patch_embed.proj.weight[1] = -0.5
        block = model.blocks[1].attn
        block.qkv.weight[24 + 8, 0] = 1.0  # values of head 2, uniform attention
        block.proj.weight[3, 8] = 2.0
        block.proj.weight[4, 8] = -2.0
        model.head.weight[1, 3] = 1.0
        model.head.weight[0, 4] = 1.0
    return model.eval()


@pytest.mark.parametrize("reference", ["zero", "mean"])
def test_the_only_head_that_carries_the_class_is_found(reference):
    model = _planted()
    x = torch.rand(40, 1, 8, 8, generator=torch.Generator().manual_seed(2)).double() * 0.5 + 0.5
    assert (model(x).argmax(dim=1) == 1).all()
    found = causal_stream_graph(model, x, 1, reference=reference, reference_inputs=x * 0.1)
    kept = {(r["source_layer"], r["source"], r["layer"], r["target"]) for r in found.rows()}
    assert kept == {("attention 2", 2, "class", 1), ("input", 0, "attention 2", 2)}
    (path,) = found.paths(5)
    assert [(step.place, step.unit) for step in path.steps] == [
        ("input", 0),
        ("attention 2", 2),
        ("class", 1),
    ]
    whole = causal_stream_graph(model, x, 1, unit="block", reference=reference, reference_inputs=x * 0.1)
    edges = {(r["source_layer"], r["layer"]) for r in whole.rows()}
    assert edges == {("attention 2", "class"), ("input", "attention 2")}


def test_one_head_without_bias_is_its_block(images):
    model = _seeded(lambda: _vit(heads=1))
    with torch.no_grad():
        for block in model.blocks:
            block.attn.proj.bias.zero_()
    head, block = (
        causal_stream_graph(model, images, 1, unit=unit, test="none") for unit in ("head", "block")
    )
    for name in ("layer", "source_layer", "source", "target", "kept"):
        assert np.array_equal(head.edges[name], block.edges[name])
    for name in ("effect", "estimate"):
        assert np.allclose(head.edges[name], block.edges[name], atol=1e-9)
    assert head.joint_cost is None
    assert head.settings["unit"] == "head"


def test_screening_and_parents_thin_the_graph(vit, images, said):
    found = causal_stream_graph(vit, images, said, test="none", screen=0.3, max_parents=1)
    for layer in found.layers:
        here = found.edges["layer"] == layer.name
        if not here.any():
            continue
        estimate, tested = found.edges["estimate"][here], found.edges["tested"][here]
        assert tested.sum() == max(1, round(0.3 * here.sum())) == layer.tested
        assert estimate[tested].min() >= estimate[~tested].max(initial=-np.inf)
        assert np.isnan(found.edges["effect"][here][~tested]).all()
        parents = np.bincount(found.edges["target"][here][found.edges["kept"][here]], minlength=1)
        assert parents.max() <= 1
    assert found.edges["kept"].any()


@pytest.mark.parametrize("unit", ["head", "block"])
def test_many_batches_give_the_graph_of_one(vit, images, said, unit, monkeypatch):
    whole = causal_stream_graph(vit, images, said, unit=unit, reference="mean", alpha=0.2)
    monkeypatch.setattr(stream_runs, "_BUDGET_BYTES", 1)  # every sample alone
    seen = []
    parts = causal_stream_graph(
        vit, images, said, unit=unit, reference="mean", alpha=0.2, on_layer=lambda *done: seen.append(done)
    )
    assert seen == [(i, 5) for i in range(1, 6)]
    for name in COLUMNS:
        same = whole.edges[name], parts.edges[name]
        assert np.array_equal(*same) if same[0].dtype.kind in "bUi" else np.allclose(*same, atol=1e-9)
    for a, b in zip(whole.layers, parts.layers, strict=True):
        assert (a.rejected_cost is None) == (b.rejected_cost is None)
        if a.rejected_cost is not None:
            assert a.rejected_cost == pytest.approx(b.rejected_cost, abs=1e-9)


def test_finished_layers_are_taken_from_the_store(vit, images, said, tmp_path, monkeypatch):
    store = UnitStore(tmp_path)

    def stop(done, _):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        causal_stream_graph(vit, images, said, test="none", store=store, on_layer=stop)
    assert hook_count(vit) == 0
    computed = []
    effects = StreamBatch.effects
    monkeypatch.setattr(
        StreamBatch, "effects", lambda run, r, edges: computed.append(r) or effects(run, r, edges)
    )
    found = causal_stream_graph(vit, images, said, test="none", store=store)
    assert set(computed) <= {1, 2}
    fresh = causal_stream_graph(vit, images, said, test="none")
    assert all(
        np.array_equal(
            found.edges[n], fresh.edges[n], equal_nan=n != "layer" and fresh.edges[n].dtype.kind == "f"
        )
        for n in COLUMNS
    )
    computed.clear()
    causal_stream_graph(vit, images, said, alpha=0.5, store=store)  # another level needs no other effects
    assert 5 not in computed
    for other in (images, images.flip(3)):  # other numbers
        computed.clear()
        causal_stream_graph(vit, images, said, reference="mean", reference_inputs=other, store=store)
        assert 5 in computed
    one = _seeded(lambda: _vit(heads=1))
    for unit in ("head", "block"):  # edges of the same numbers
        computed.clear()
        causal_stream_graph(one, images, 1, unit=unit, store=store)
        assert 5 in computed


def test_positions_without_a_batch_are_not_taken_for_rows():
    """As many rows as tokens: a table of positions looks like one vector per row."""

    class Positions(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = _vit()
            self.places = nn.Embedding(5, 12)

        def forward(self, x):
            m = self.inner
            x = torch.cat([m.cls_token.expand(len(x), -1, -1), m.patch_embed(x)], dim=1)
            return m.head(m.norm(m.blocks(x + self.places(torch.arange(5))))[:, 0])

    model = _seeded(Positions)
    x = torch.rand(10, 1, 8, 8, generator=torch.Generator().manual_seed(1)).double()
    few, many = _batch(model, x[:5], size=20), _batch(model, x, size=20)
    with evaluation_mode(model), torch.no_grad():
        for receiver in (1, 2, 3):
            edges = _every(few, receiver)
            assert torch.allclose(
                few.effects(receiver, edges), many.effects(receiver, edges)[:, :5], atol=1e-9
            )


# joint cuts


def _gone(graph, *, rejected):
    found: dict[int, set[int]] = {}
    chosen = ~graph.edges["kept"] if rejected else graph.edges["kept"]
    for layer, component in zip(graph.edges["layer"][chosen], graph.edges["branch"][chosen]):
        found.setdefault(NAMES.index(layer) + 1, set()).add(int(component))
    return found


@pytest.mark.parametrize("reference", ["zero", "mean"])
@pytest.mark.parametrize("build", [_vit, _in_place_vit], ids=["new tensors", "in place"])
def test_joint_cuts_of_blocks_equal_plain_hooks(images, reference, build):
    vit = _seeded(build)
    said = int(call_model(vit, images).argmax(dim=1).mode().values)
    others = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(8)).double()
    graph = causal_stream_graph(
        vit,
        images,
        said,
        unit="block",
        test="none",
        reference=reference,
        reference_inputs=others,
    )
    assert 0 < graph.edges["kept"].sum() < len(graph.edges["kept"])
    plain, other = (_own_plain(vit, x, whole=True) for x in (images, others))
    means = {c: other.component(c).mean(dim=0) for c in range(5)} if reference == "mean" else None
    stream = ResidualStream(vit, images)
    accepted = _gone(graph, rejected=False)
    with torch.no_grad():
        with cut_stream(stream, graph):
            first, again = vit(images), vit(images)
            assert torch.allclose(first[2:4], vit(images[2:4]), atol=1e-9)
        assert torch.equal(first, again)
        assert torch.allclose(first, plain.together(accepted, means), atol=1e-8)
        rest = {r: set(range(r)) - accepted.get(r, set()) for r in range(1, 6)}
        with cut_stream(vit, graph, keep=True, example=images):
            kept = vit(images)
        assert torch.allclose(kept, plain.together(rest, means), atol=1e-8)
        assert not torch.allclose(first, kept, atol=1e-2)
        lost = plain.together(_gone(graph, rejected=True), means)
    drop = log_odds(plain.scores, said) - log_odds(lost, said)
    assert graph.joint_cost["effect"] == pytest.approx(float(drop.mean()), abs=1e-8)
    assert graph.joint_cost["accuracy"] == float((lost.argmax(dim=1) == said).double().mean())
    assert torch.allclose(lost, kept, atol=1e-8)  # branches that are not in the graph are read by nobody
    assert hook_count(vit) == 0


def test_the_cost_of_a_layers_rejected_edges_equals_plain_hooks(vit, images, said):
    graph = causal_stream_graph(vit, images, said, test="none")
    plain = _own_plain(vit, images)
    checked = set()
    for receiver, layer in enumerate(graph.layers, 1):
        gone: dict[int, list] = {}
        edges = {
            k: v[(graph.edges["layer"] == layer.name) & ~graph.edges["kept"]] for k, v in graph.edges.items()
        }
        for component, head, unit in zip(edges["branch"], edges["source"], edges["target"]):
            gone.setdefault(int(unit), []).append(plain.written((int(component), int(head))))
        if not gone:
            assert layer.rejected_cost is None
            continue
        if receiver in plain.outs:
            patched = plain.mixed[receiver].clone()
            for unit, away in gone.items():
                seen = []
                norm, out = plain.norms[receiver - 1], plain.outs[receiver]
                plain.changed(
                    {norm: lambda x, a=away: x - sum(a), out: lambda z, s=seen: s.append(z.clone())}
                )
                patched[..., plain.own(receiver, unit)] = seen[0][..., plain.own(receiver, unit)]
            scores = plain.changed({plain.outs[receiver]: lambda z, p=patched: p})
            checked.add(len(gone) > 1)
        else:
            (away,) = gone.values()
            scores = plain.cut(receiver, 0, sum(away))
        drop = log_odds(plain.scores, said) - log_odds(scores, said)
        assert layer.rejected_cost["effect"] == pytest.approx(float(drop.mean()), abs=1e-8)
        assert layer.rejected_cost["accuracy"] == float((scores.argmax(dim=1) == said).double().mean())
    assert True in checked  # several heads of one branch, each with a reading of its own


def test_cutting_everything_leaves_no_rounding_behind_a_norm():
    """A norm with a tiny epsilon would blow up what is left of a sum that cancels."""
    model = _seeded(_vit, double=False)
    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = 1e-12
    x = torch.rand(8, 1, 8, 8)
    graph = causal_stream_graph(model, x, 1, unit="block", test="none", min_effect=1e6)
    assert not graph.edges["kept"].any()
    with torch.no_grad():
        nothing = model.head(model.norm(torch.zeros(8, 12)))
        with cut_stream(model, graph, keep=True, example=x):
            assert torch.allclose(model(x), nothing, atol=1e-6)
        drop = log_odds(model(x), 1) - log_odds(nothing, 1)
    assert graph.layers[-1].rejected_cost["effect"] == pytest.approx(float(drop.mean()), abs=1e-4)


# files, drawings and the other entry


def test_a_graph_survives_its_file_and_is_drawn(vit, images, said, tmp_path):
    others = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(8)).double()
    graph = causal_stream_graph(
        vit, images, said, unit="block", test="none", reference="mean", reference_inputs=others
    )
    graph.to_json(tmp_path / "graph.json")
    again = CausalGraph.from_json(tmp_path / "graph.json")
    assert again.layers == graph.layers
    assert again.joint_cost == graph.joint_cost is not None
    assert again.reference.keys() == {"input", *NAMES[:-1]}
    with torch.no_grad(), cut_stream(vit, again, example=images):
        loaded = vit(images)
    with torch.no_grad(), cut_stream(vit, graph, example=images):
        assert torch.equal(loaded, vit(images))
    assert {data["kind"] for *_, data in again.graph.edges(data=True)} == {"stream"}
    assert again.graph.nodes["input#0"] == {
        "layer": "input",
        "unit": 0,
        "score": pytest.approx(sum(r["effect"] for r in graph.rows() if r["source_layer"] == "input")),
    }
    for path in again.paths(5):
        assert path.steps[0].place == "input"
        assert path.steps[-1] == path.steps[-1].__class__("class", said)
    again.to_dot(tmp_path / "graph.dot")
    text = (tmp_path / "graph.dot").read_text()
    assert text.count(" -> ") == int(graph.edges["kept"].sum())
    for row in graph.rows():
        assert f'"{row["source_layer"]}#{row["source"]}" -> "{row["layer"]}#{row["target"]}"' in text
    again.to_graphml(tmp_path / "graph.graphml")
    again.to_csv(tmp_path / "edges.csv")
    assert again.mask() == {}
    assert len(again.edge_set()) == 0
    with pytest.raises(InputError, match="no filters with maps"):
        again.explain(vit, images)
    damaged = json.loads((tmp_path / "graph.json").read_text()) | {"joint_cost": 3}
    (tmp_path / "graph.json").write_text(json.dumps(damaged))
    with pytest.raises(FileFormatError, match="damaged causal graph"):
        CausalGraph.from_json(tmp_path / "graph.json")


@pytest.mark.parametrize("unit", ["head", "block"])
def test_causal_graph_leads_here(vit, images, said, unit):
    direct = causal_stream_graph(vit, images, said, unit=unit, alpha=0.2)
    found = causal_graph(vit, images, said, unit=unit, alpha=0.2)
    assert all(np.array_equal(found.edges[n], direct.edges[n]) for n in ("layer", "source", "target", "kept"))
    assert np.allclose(found.edges["effect"], direct.edges["effect"], atol=1e-9)
    assert found.settings == direct.settings
    local = causal_graph(vit, images[:1], said, unit=unit, noise=0.1, n_noise=16)
    assert local.samples == 16
    assert (local.settings["noise"], local.settings["n_noise"]) == (0.1, 16)
    with pytest.raises(InputError, match="layers must be None for unit"):
        causal_graph(vit, images, said, unit=unit, layers=["blocks.0"])
    with pytest.raises(
        InputError, match=r"keep channels apart.* The model has attention: unit='head' or 'block'"
    ):
        causal_graph(vit, images, said)


def test_noise_is_refused_for_words():
    model, inputs, *_ = _families()["GPT-2"]
    with pytest.raises(InputError, match="noise must be None for token ids"):
        causal_graph(model.eval(), inputs, 1, unit="block", noise=0.1)


# what is left behind


def test_flags_hooks_seeds_and_inputs_stay(vit, images, said):
    model = copy.deepcopy(vit).train()
    model.blocks[0].eval()
    model.head.weight.requires_grad_(False)
    flags = [m.training for m in model.modules()], [p.requires_grad for p in model.parameters()]
    state, kept = copy.deepcopy(model.state_dict()), images.clone()
    torch.manual_seed(5)
    before = torch.get_rng_state()
    found = causal_stream_graph(model, images, said, alpha=0.2)
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(
        found.edges["effect"], causal_stream_graph(vit, images, said, alpha=0.2).edges["effect"]
    )

    def fail(*_):
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        causal_stream_graph(model, images, said, on_layer=fail)
    model.blocks[1].mlp.register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="stopped"):
        causal_stream_graph(model, images, said)
    model.blocks[1].mlp._forward_pre_hooks.clear()
    assert flags == ([m.training for m in model.modules()], [p.requires_grad for p in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(state.values(), model.state_dict().values(), strict=True))
    assert torch.equal(images, kept)
    assert hook_count(model) == 0


def test_cuts_end_with_the_block_also_after_an_exception(vit, images, said):
    graph = causal_stream_graph(vit, images, said, unit="block", test="none")
    with torch.no_grad():
        clean = vit(images)
        with pytest.raises(RuntimeError, match="channels"), cut_stream(vit, graph, example=images):
            vit(torch.rand(2, 3, 8, 8).double())
        assert hook_count(vit) == 0
        assert torch.equal(vit(images), clean)
        stream = ResidualStream(vit, images)
        with cut_stream(stream, graph):
            expected = vit(images)
            with pytest.raises(RuntimeError):  # a pass that breaks off does not disturb the next
                vit(torch.rand(2, 3, 8, 8).double())
            assert torch.equal(vit(images), expected)
    with cut_stream(stream, graph, keep=True):
        vit.requires_grad_(True)
        vit(images).sum().backward()
    assert float(vit.patch_embed.proj.weight.grad.abs().max()) > 0
    vit.zero_grad(set_to_none=True)


# bad input


class PostNorm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = _vit()

    def forward(self, x):
        m = self.inner
        x = torch.cat([m.cls_token.expand(len(x), -1, -1), m.patch_embed(x)], dim=1) + m.pos_embed
        for block in m.blocks:
            x = block.norm1(x + block.attn(x))
            x = block.norm2(x + block.mlp(x))
        return m.head(x[:, 0])


class Fused(nn.Module):
    """PyTorch's attention, which does not show its heads."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(12, 3, 10, batch_first=True, norm_first=True)
        self.patches = nn.Conv2d(1, 12, 4, 4)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(12, 5)

    def forward(self, x):
        return self.head(self.encoder(self.patches(x).flatten(2).transpose(1, 2)).mean(dim=1))


def test_models_without_a_stream_are_refused(images):
    with pytest.raises(InputError, match="no residual stream was found"):
        causal_stream_graph(_seeded(PostNorm), images, 1)
    with pytest.raises(InputError, match="no residual stream was found"):
        causal_stream_graph(SmallCNN(), torch.rand(9, 1, 8, 8), 1, unit="block")


def test_fused_attention_is_taken_whole(images):
    model = _seeded(Fused)
    with pytest.raises(InputError, match=r"head outputs cannot be reached\. Pass unit='block'"):
        causal_stream_graph(model, images, 1)
    assert hook_count(model) == 0
    run = _batch(model, images, unit="block")
    norms = [norm for layer in model.encoder.layers for norm in (layer.norm1, layer.norm2)]
    end = nn.Identity()
    model.head = nn.Sequential(end, model.head)  # no final norm: the head itself reads the mean
    plain = PlainStream(lambda: model(images), [*norms, end], {})
    clean = log_odds(plain.scores, 1)
    with evaluation_mode(model), torch.no_grad():
        for receiver in range(1, 5):
            edges = _every(run, receiver)
            for row, (sender, unit) in zip(run.effects(receiver, edges), edges, strict=True):
                lost = log_odds(plain.cut(receiver, unit, plain.written(sender)), 1)
                assert torch.allclose(row, clean - lost, atol=1e-9)


def test_heads_that_are_not_what_they_seem_are_refused(images):
    unknown = _seeded(_vit)
    for block in unknown.blocks:
        block.attn.num_heads = 5  # does not divide the width: the site's count is wrong
        block.attn.forward = lambda x, inner=block.attn: inner.proj(inner.qkv(x)[..., :12].softmax(dim=1))
    with pytest.raises(InputError, match="number of heads of attention 1 .* does not divide its 12"):
        causal_stream_graph(unknown, images, 1)

    class Gate(nn.Module):
        def forward(self, x):
            return x * x.mean(dim=-1, keepdim=True)

    gated = _seeded(_vit)
    gated.blocks[1].attn = nn.Sequential(gated.blocks[1].attn, Gate())
    with pytest.raises(
        InputError, match="attention 2 is not the sum of its heads through 'blocks.1.attn.0.proj'"
    ):
        causal_stream_graph(gated, images, 1)
    shared = _seeded(_vit)
    shared.blocks[1].attn = shared.blocks[0].attn
    with pytest.raises(InputError, match="shares 'blocks.0.attn.proj' with another branch"):
        causal_stream_graph(shared, images, 1)
    unnamed = _seeded(_vit)
    for block in unnamed.blocks:
        block.mix = block.attn
        del block.attn
        block.forward = lambda x, b=block: (y := x + b.mix(b.norm1(x))) + b.mlp(b.norm2(y))
    with pytest.raises(InputError, match="no attention site was found"):
        causal_stream_graph(unnamed, images, 1)
    assert causal_stream_graph(unnamed, images, 1, unit="block").layers[0].name == "attention 1"


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"unit": "channel"}, UnknownNameError, "unit 'channel' does not exist"),
        ({"reference": "median"}, UnknownNameError, "reference 'median' does not exist"),
        ({"effect": "odds"}, UnknownNameError, "effect 'odds' does not exist"),
        ({"test": "f"}, UnknownNameError, "test 'f' does not exist"),
        ({"alpha": 0.0}, InputError, "alpha must lie between 0 and 1"),
        ({"screen": 0.0}, InputError, "screen must be a share"),
        ({"max_parents": 0}, InputError, "max_parents must be .*at least 1, got 0"),
        ({"batch_size": 0}, InputError, "batch_size must be .*at least 1, got 0"),
        ({"alpha": 0.001}, InputError, "no p-value of 9 inputs lies below"),
        ({"target": 5}, InputError, "target must be 0 to 4, got 5"),
        ({"target": True}, InputError, "target must be a class id"),
        ({"inputs": torch.rand(3, 1, 8, 8).double()}, InputError, "inputs must be at least 8 for a test, got 3"),
    ],
)  # fmt: skip
def test_bad_options_are_explained(vit, images, options, error, message):
    arguments = {"inputs": images, "target": 1, **options}
    with pytest.raises(error, match=message):
        causal_stream_graph(vit, **arguments)
    assert hook_count(vit) == 0


def test_means_need_the_tokens_of_the_inputs():
    model, inputs, *_ = _families()["GPT-2"]
    model = _seeded(lambda: model, double=False)
    short = {key: value[:, :3] for key, value in inputs.items()}
    with pytest.raises(InputError, match="as many tokens as inputs, 5, got 3"):
        causal_stream_graph(model, inputs, 1, reference="mean", reference_inputs=short)
    padded = {key: value[1::3] for key, value in inputs.items()}
    with pytest.raises(InputError, match="no row of reference_inputs has token 3"):
        causal_stream_graph(model, inputs, 1, reference="mean", reference_inputs=padded)
    graph = causal_stream_graph(model, inputs, 1, unit="block", test="none", reference="mean")
    with torch.no_grad(), cut_stream(model, graph, example=inputs):
        call_model(model, inputs)
        with pytest.raises(InputError, match="means of the graph are of 5 tokens, the pass has 3"):
            call_model(model, short)


def test_hidden_tokens_do_not_count_for_means():
    model, inputs, *_ = _families()["GPT-2"]
    model = _seeded(lambda: model, double=False)
    other = {**inputs, "input_ids": torch.where(inputs["attention_mask"] == 0, 7, inputs["input_ids"])}
    found = [
        causal_stream_graph(model, x, 1, unit="block", test="none", reference="mean").reference
        for x in (inputs, other)
    ]
    assert all(torch.allclose(found[0][name][0], found[1][name][0], atol=1e-5) for name in found[0])


def test_graphs_that_cannot_be_cut_are_refused(vit, images, said):
    block = causal_stream_graph(vit, images, said, unit="block")
    head = causal_stream_graph(vit, images, said)
    weights = causal_graph(nn.Sequential(nn.Linear(2, 2)), torch.rand(40, 2), 0)
    deeper = _seeded(lambda: _vit(depth=3))
    for model, graph, example, message in (
        (vit, block, None, "example must be inputs of the model"),
        (vit, head, images, "got 'head': every head of a branch would read another stream"),
        (vit, weights, images, "must be of unit 'block', got 'channel'"),
        (deeper, block, images, "the graph is of another model: it has 5 layers, the stream 7"),
    ):
        with pytest.raises(InputError, match=message), cut_stream(model, graph, example=example):
            pass
    half = copy.deepcopy(vit).half()
    images = images.float()
    with (
        pytest.raises(InputError, match="half precision; call .float()"),
        pytest.warns(UserWarning, match="half"),
        cut_stream(half, block, example=images),
    ):
        pass


def test_a_warning_tells_of_failures(vit, images):
    with torch.no_grad():
        wrong = int(vit(images).sum(dim=0).argmin())
    with pytest.warns(UserWarning, match=f"the model gives class {wrong} to 0% of the inputs"):
        causal_stream_graph(vit, images, wrong)
