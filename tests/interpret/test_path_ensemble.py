"""Path ensembles agree with explicit recomputation, closed forms and hook-based removal; bad input is explained."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from hodology.errors import FileFormatError, InputError, NotConvergedError, UnknownNameError
from hodology.interpret.frequency_profile import frequency_profile
from hodology.interpret.path_decomposition import decompose, decompose_data
from hodology.interpret.path_ensemble import PathEnsemble
from hodology.interpret.path_influence import PathInfluence, path_influence
from hodology.interpret.path_knockout import knock_out
from hodology.interpret.path_probes import linear_probes
from hodology.interpret.path_pruning import mask_before_depth, prune_paths
from hodology.interpret.readout_fit import fit_readout
from hodology.interpret.scale_fit import fit_scale
from hodology.interpret.scaled_branches import scale_branches
from hodology.interpret.short_paths import ShortPathLoss, ShortPaths, ShortPathScores, distill_short_paths
from hodology.nn.fit import fit
from hodology.nn.models import VisionTransformer
from hodology.nn.residual import ResidualStream
from hodology.nn.taps import edit
from hodology.stats import paired_bootstrap
from model_hooks import hook_count

NAMES = ("embedding", "attention 1", "ffn 1", "attention 2", "ffn 2", "attention 3", "ffn 3")
BRANCHES = [f"blocks.{i}.{part}" for i in range(3) for part in ("attn", "mlp")]


@pytest.fixture
def mean_vit():
    model = VisionTransformer(
        image_size=8, patch_size=4, depth=3, width=16, heads=2, hidden=12, classes=5, pool="avg", rng=4
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2.5)
    return model.eval()


@pytest.fixture
def paths(vit, images):
    return decompose(vit, images, labels=torch.tensor([0, 1, 2, 3, 4]))


def _labels(n=5):
    return torch.arange(n) % 5


# decomposition


def test_leave_one_out_and_alone_equal_explicit_recomputation(vit, images, paths):
    with torch.no_grad():
        streams = {}
        hook = vit.norm.register_forward_pre_hook(lambda m, args: streams.update(end=args[0]))
        logits = vit(images)
        hook.remove()
        end = streams["end"][:, 0]
        for index, component in enumerate(paths.components):
            assert torch.allclose(
                paths.leave_one_out()[index], vit.head(vit.norm(end - component)), atol=1e-5
            )
            assert torch.allclose(paths.alone()[index], vit.head(vit.norm(component)), atol=1e-5)
    assert torch.equal(paths.logits, logits)
    assert paths.names == NAMES
    assert paths.kinds == ("embedding", *("attention", "ffn") * 3)
    assert paths.depths == (0, 1, 1, 2, 2, 3, 3)


def test_path_logits_add_up_and_can_be_taken_of_a_class(vit, mean_vit, images):
    for model in (vit, mean_vit):
        paths = decompose(model, images)
        per_path = paths.path_logits()
        assert per_path.shape == (7, 5, 5)
        assert torch.allclose(per_path.sum(dim=0) + paths.constant, paths.logits, atol=1e-5)
        target = torch.tensor([4, 3, 2, 1, 0])
        expected = per_path.gather(2, target.expand(7, 5)[..., None])[..., 0]
        assert torch.equal(paths.path_logits(target), expected)
        assert torch.equal(paths.path_logits(2), per_path[:, :, 2])
    with pytest.raises(InputError, match="target must be 0 to 4"):
        paths.path_logits(5)


def test_path_logits_are_refused_for_a_head_that_is_not_linear(vit, images):
    vit.head = nn.Sequential(nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 5))
    paths = decompose(vit, images)
    assert torch.allclose(paths.weighted(torch.ones(7)), paths.logits, atol=1e-5)
    with pytest.raises(InputError, match=r"head \['fc_norm', 'head'\] is not linear.*use leave_one_out"):
        paths.path_logits()


def test_partial_sums_grow_from_the_embedding_to_the_stream(paths):
    sums = paths.partial_sums()
    assert sums.shape == (4, 5, 16)
    assert torch.equal(sums[0], paths.components[0])
    assert torch.allclose(sums[2], paths.components[:5].sum(dim=0), atol=1e-5)
    assert torch.allclose(paths.partial_logits()[-1], paths.logits, atol=1e-5)


def test_all_tokens_hold_what_is_read(vit, mean_vit, images):
    for model in (vit, mean_vit):
        read, every = decompose(model, images), decompose(model, images, tokens="all")
        assert every.components.shape == (7, 5, 5, 16)
        assert torch.allclose(every.values, read.components, atol=1e-5)
        assert torch.allclose(every.leave_one_out(), read.leave_one_out(), atol=1e-4)


def test_weights_of_the_sum(paths):
    generator = torch.Generator().manual_seed(0)
    wide = torch.rand(7, 16, generator=generator)
    model = paths.stream.model
    with torch.no_grad():
        expected = model.head(model.norm((paths.components * wide[:, None]).sum(dim=0)))
    assert torch.allclose(paths.weighted(wide), expected, atol=1e-5)
    gone = torch.tensor([index != 3 for index in range(7)])
    assert torch.allclose(paths.weighted(gone), paths.leave_one_out()[3], atol=1e-5)
    with pytest.raises(InputError, match=r"shape \(7,\) or \(7, 16\), got \(6,\)"):
        paths.weighted(torch.ones(6))


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_data_come_in_batches_pairs_and_mappings(vit, images, batch_size):
    whole = decompose(vit, images, labels=_labels())
    found = decompose_data(vit, (images, _labels()), batch_size=batch_size)
    assert torch.allclose(found.components, whole.components, atol=1e-5)
    assert torch.equal(found.labels, _labels())

    class Takes(nn.Module):
        def __init__(self, model) -> None:
            super().__init__()
            self.model = model

        def forward(self, pixels):
            return self.model(pixels)

    loader = [{"pixels": x, "labels": y} for x, y in zip(images.split(2), _labels().split(2), strict=True)]
    assert torch.allclose(decompose_data(Takes(vit), loader).components, whole.components, atol=1e-5)
    rows = torch.tensor([3, 1])
    assert torch.equal(whole.select(rows).components, whole.components[:, rows])
    assert torch.equal(whole.select(rows).labels, rows)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (lambda x: x, "data must be a pair"),
        (lambda x: [], "data must hold at least one batch, got none"),
        (lambda x: [x], "a batch must be .inputs, labels. or a mapping with 'labels', got Tensor"),
        (lambda x: [{"pixels": x}], "a mapping with 'labels', got dict"),
        (lambda x: (x, torch.zeros(3, dtype=torch.int64)), r"labels must be one per row, got shape \(3,\)"),
        (lambda x: (x, torch.full((5,), 7)), "target must be 0 to 4 .* got 7 in row 0"),
    ],
)
def test_bad_data_are_explained(vit, images, data, message):
    with pytest.raises(InputError, match=message):
        decompose_data(vit, data(images))
    assert hook_count(vit) == 0


def test_a_language_model_is_read_at_the_last_word():
    transformers = pytest.importorskip("transformers", reason="needs the hf extra")
    text = {"vocab_size": 11, "bos_token_id": 0, "eos_token_id": 0}
    model = transformers.GPT2LMHeadModel(
        transformers.GPT2Config(n_embd=16, n_layer=2, n_head=2, **text)
    ).eval()
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    ids = torch.tensor([[3, 4, 5, 6], [7, 8, 0, 0]])
    paths = decompose(model, {"input_ids": ids, "attention_mask": mask})
    with torch.no_grad():
        short = model(input_ids=ids[1:, :2]).logits[:, -1]
    assert torch.allclose(paths.logits[1:], short, atol=1e-5)
    assert torch.allclose(paths.path_logits().sum(dim=0) + paths.constant, paths.logits, atol=1e-5)
    removed = knock_out(paths.stream, {"input_ids": ids, "attention_mask": mask})
    zero = {"transformer.h.0.attn": torch.zeros_like}
    with torch.no_grad(), edit(model, zero):
        logits = model(input_ids=ids, attention_mask=mask).logits[torch.arange(2), torch.tensor([3, 1])]
    assert torch.allclose(removed[1], logits, atol=1e-5)


# knock-out


@pytest.mark.parametrize("pool", ["token", "avg"])
def test_knock_out_equals_removal_by_hooks(vit, mean_vit, images, pool):
    model, images = (vit if pool == "token" else mean_vit).double(), images.double()
    removed = knock_out(model, images)
    with torch.no_grad():
        for index, name in enumerate(["pos_drop", *BRANCHES]):
            with edit(model, {name: torch.zeros_like}):
                assert torch.allclose(removed[index], model(images), atol=1e-9), name
    assert torch.allclose(knock_out(model, images, reuse=False), removed, atol=1e-9)
    assert torch.allclose(knock_out(model, images, max_batch=2), removed, atol=1e-9)
    assert hook_count(model) == 0


def test_knock_out_runs_no_block_that_comes_before(vit, images):
    calls = [0, 0, 0]

    def count(index):
        def hook(*_):
            calls[index] += 1

        return hook

    hooks = [block.mlp.fc1.register_forward_hook(count(i)) for i, block in enumerate(vit.blocks)]
    stream = ResidualStream(vit, images)
    calls[:] = [0, 0, 0]
    knock_out(stream, images)
    for hook in hooks:
        hook.remove()
    # one clean pass, and one for each component that the block's second branch reads
    assert calls == [1 + 2, 1 + 4, 1 + 6]


class InPlace(nn.Module):
    """The block of the compact ViT with sums in place."""

    def __init__(self, block) -> None:
        super().__init__()
        self.norm1, self.attn, self.norm2, self.mlp = block.norm1, block.attn, block.norm2, block.mlp

    def forward(self, x):
        x += self.attn(self.norm1(x))
        x += self.mlp(self.norm2(x))
        return x


def test_sums_in_place_change_nothing(vit, images, paths):
    mask = (True, False, True, False, True, True, True)
    removed, masked = knock_out(vit, images), paths.weighted(torch.tensor(mask))
    values = torch.rand(7, 16, generator=torch.Generator().manual_seed(4))
    control = scale_branches(vit).eval()
    control.path_scale.data.copy_(values)
    with torch.no_grad():
        scaled = control(images)
        vit.blocks = nn.Sequential(*(InPlace(block) for block in vit.blocks))
        assert torch.allclose(decompose(vit, images).components, paths.components, atol=1e-5)
        assert torch.allclose(PathEnsemble(vit, mask=mask).eval()(images), masked, atol=1e-4)
        assert torch.allclose(knock_out(vit, images), removed, atol=1e-3)
        control = scale_branches(vit).eval()
        control.path_scale.copy_(values)
        assert torch.allclose(control(images), scaled, atol=1e-4)


def test_both_ways_of_leaving_out_differ_but_for_the_last_path(vit, images, paths):
    removed, left_out = knock_out(vit, images), paths.leave_one_out()
    differ = (removed - left_out).abs().amax(dim=(1, 2))
    assert (differ[:-1] > 1e-2).all()
    assert differ[-1] < 1e-5


def test_knock_out_keeps_a_summary_of_large_scores(vit, images):
    labels = _labels()
    kept = knock_out(vit, images, summary=lambda logits, rows: logits[:, :1] + rows[:, None], max_batch=2)
    assert torch.allclose(kept[..., 0], knock_out(vit, images)[..., 0] + labels, atol=1e-5)
    with pytest.raises(InputError, match="max_batch must be at least 1, got 0"):
        knock_out(vit, images, max_batch=0)


# influence


def test_the_table_holds_what_is_computed_by_hand(vit, images):
    x = torch.rand(30, 1, 8, 8, generator=torch.Generator().manual_seed(5))
    y = _labels(30)
    paths = decompose(vit, x, labels=y)
    for mode, logits in (("ensemble", paths.leave_one_out()), ("knockout", knock_out(vit, x))):
        table = path_influence(vit, (x, y), mode=mode, batch_size=7, n_resamples=200, rng=3)
        assert table.mode == mode
        assert [row["path"] for row in table.rows] == list(NAMES)
        for index, row in enumerate(table.rows):
            loss = functional.cross_entropy(logits[index].double(), y, reduction="none").numpy()
            base = functional.cross_entropy(paths.logits.double(), y, reduction="none").numpy()
            assert row["loss"] == pytest.approx(loss.mean(), abs=1e-5)
            interval = paired_bootstrap(loss, base, n_resamples=200, rng=3)
            found = (row["d_loss"], row["d_loss_low"], row["d_loss_high"])
            assert found == pytest.approx((interval.estimate, interval.low, interval.high), abs=1e-5)
            hit = (logits[index].argmax(dim=1) == y).double().mean()
            assert row["accuracy"] == pytest.approx(float(hit))
            assert row["d_accuracy"] == pytest.approx(row["accuracy"] - table.accuracy)
            alone = (paths.alone()[index].argmax(dim=1) == y).double().mean()
            assert row["alone_accuracy"] == pytest.approx(float(alone))
            assert row["probe_accuracy"] is None
        harmful = [row["path"] for row in table.rows if row["d_loss_high"] < 0]
        assert list(table.harmful()) == harmful
    assert hook_count(vit) == 0


def test_the_table_is_the_same_from_cached_components(vit, images, paths):
    table = path_influence(paths, batch_size=2, probe_data=paths)
    again = path_influence(vit, (images, _labels()), probe_data=(images, _labels()))
    for a, b in zip(table.rows, again.rows, strict=True):
        assert {k: v for k, v in a.items() if isinstance(v, float)} == pytest.approx(
            {k: v for k, v in b.items() if isinstance(v, float)}, abs=1e-5
        )
        assert 0.0 <= a["probe_accuracy"] <= 1.0


def test_probes_find_the_component_that_holds_the_class(paths):
    generator = torch.Generator().manual_seed(0)
    y = _labels(100)
    noise = torch.randn(7, 100, 16, generator=generator)
    noise[4] += 8.0 * functional.one_hot(y, 16)
    noise[0] = 1.0  # a class token's embedding does not vary
    planted = replace(paths, components=noise, logits=torch.zeros(100, 5), labels=y, positions=y)
    fitted, tested = planted.select(torch.arange(50)), planted.select(torch.arange(50, 100))
    for probe in ("logistic", "ridge"):
        accuracy = linear_probes(fitted, tested, probe=probe)
        assert accuracy[4] > 0.8
        assert accuracy[0] == pytest.approx(0.2)
        assert max(accuracy[1:4] + accuracy[5:]) < 0.5
    with pytest.raises(UnknownNameError, match="probe 'logistics' does not exist; close names: 'logistic'"):
        linear_probes(fitted, tested, probe="logistics")
    with pytest.raises(InputError, match="at least two classes, got 1"):
        linear_probes(fitted.select(fitted.labels == 0), tested)


def test_tables_survive_the_disk_and_become_data_frames(paths, tmp_path):
    table = path_influence(paths, n_resamples=50)
    table.save(tmp_path / "t.json")
    assert PathInfluence.load(tmp_path / "t.json") == table
    assert table["ffn 2"]["kind"] == "ffn"
    assert repr(table) == "PathInfluence(mode='ensemble', 7 paths, n=5)"
    with pytest.raises(UnknownNameError, match="close names: 'ffn 2'"):
        table["fnn 2"]
    (tmp_path / "t.json").write_text('{"mode": "ensemble", "rows": [], "other": 1}')
    with pytest.raises(FileFormatError, match="is not a table of path influence"):
        PathInfluence.load(tmp_path / "t.json")
    pytest.importorskip("pandas", reason="needs the hf extra")
    frame = table.to_pandas()
    assert list(frame["path"]) == list(NAMES)
    assert frame.attrs["mode"] == "ensemble"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda m, x, p: path_influence(m, (x, _labels()), mode="knock"),
            UnknownNameError,
            "mode 'knock' does not",
        ),
        (lambda m, x, p: path_influence(m), InputError, "a model needs data, got None"),
        (
            lambda m, x, p: path_influence(p, (x, _labels())),
            InputError,
            "data must be None for a decomposition",
        ),
        (
            lambda m, x, p: path_influence(p, mode="knockout"),
            InputError,
            "pass the model and data, not a decomp",
        ),
        (lambda m, x, p: path_influence(replace(p, labels=None)), InputError, "has no labels; pass labels="),
        (lambda m, x, p: path_influence(p, level=1.0), InputError, "level must lie between 0 and 1, got 1.0"),
        (
            lambda m, x, p: path_influence(p, n_resamples=0),
            InputError,
            "n_resamples must be at least 1, got 0",
        ),
        (lambda m, x, p: path_influence(p, probe="svm"), UnknownNameError, "probe 'svm' does not exist"),
        (
            lambda m, x, p: path_influence(m, (x, _labels()), batch_size=0),
            InputError,
            "batch_size must be at least",
        ),
        (
            lambda m, x, p: decompose(m, x, labels=[0, 1]),
            InputError,
            "target must be a class id, or 5 of them",
        ),
        (lambda m, x, p: decompose(m, x, labels=3), InputError, "labels must be one class id per row"),
        (lambda m, x, p: decompose("vit", x), InputError, "model must be a torch.nn.Module, got str"),
        (lambda m, x, p: decompose(m, x[:0]), InputError, "at least one row"),
    ],
)
def test_bad_calls_are_explained(vit, images, paths, call, error, message):
    with pytest.raises(error, match=message):
        call(vit, images, paths)
    assert hook_count(vit) == 0


# pruning


@pytest.fixture
def planted():
    """One block without a final norm whose head copies three channels: logits are sums one can do by hand."""
    model = VisionTransformer(
        image_size=8, patch_size=4, depth=1, width=8, heads=2, hidden=6, classes=3
    ).eval()
    model.norm = nn.Identity()
    with torch.no_grad():
        model.head.weight.copy_(torch.eye(3, 8))
        model.head.bias.zero_()
    x = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    y = torch.tensor([0, 1, 2, 0, 1, 2])
    signal = 2.0 * functional.one_hot(y, 8).float()
    wrong = 3.0 * functional.one_hot((y + 1) % 3, 8).float()
    return replace(decompose(model, x, labels=y), components=torch.stack([signal, torch.zeros(6, 8), wrong]))


def test_pure_noise_is_pruned_and_the_signal_stays(planted):
    found = prune_paths(planted)
    assert found.mask == (True, False, False)
    assert found.pruned == ("ffn 1", "attention 1")
    full = float(functional.cross_entropy(torch.tensor([[2.0, 3.0, 0.0]]), torch.tensor([0])))
    rest = float(functional.cross_entropy(torch.tensor([[2.0, 0.0, 0.0]]), torch.tensor([0])))
    assert (found.loss, found.accuracy) == pytest.approx((full, 0.0))
    assert (found.steps[0].loss, found.steps[0].accuracy) == pytest.approx((rest, 1.0))
    assert found.to_dict()["mask"] == [True, False, False]
    assert prune_paths(planted, criterion="accuracy").pruned == found.pruned


def test_nothing_is_pruned_when_every_path_helps(planted):
    y = planted.labels
    helps = replace(planted, components=functional.one_hot(y, 8).float().expand(3, -1, -1))
    assert prune_paths(helps).mask == (True, True, True)
    # 3 equal steps of one: two are left at log(1 + 2 / e^2), one at log(1 + 2 / e)
    drop = np.log(1 + 2 * np.exp(-2.0)) - np.log(1 + 2 * np.exp(-3.0))
    assert sum(prune_paths(helps, max_drop=drop + 1e-3).mask) == 2
    assert sum(prune_paths(helps, max_drop=drop - 1e-3).mask) == 3
    assert sum(prune_paths(helps, max_drop=100.0).mask) == 1  # at least one stays
    assert prune_paths(helps, max_drop=100.0, keep=["attention 1"]).mask == (False, True, False)
    # every single path is right by itself
    assert sum(prune_paths(helps, criterion="accuracy").mask) == 1


def test_greedy_steps_are_the_best_single_cuts(vit):
    x = torch.rand(40, 1, 8, 8, generator=torch.Generator().manual_seed(2))
    paths = decompose(vit, x, labels=_labels(40))
    found = prune_paths(vit, (x, _labels(40)))
    mask = torch.ones(7, dtype=torch.bool)
    before = float(functional.cross_entropy(paths.logits, paths.labels))
    for step in found.steps:
        losses = {}
        for index in mask.nonzero()[:, 0].tolist():
            tried = mask.clone()
            tried[index] = False
            losses[index] = float(functional.cross_entropy(paths.weighted(tried), paths.labels))
        assert step.index == min(losses, key=losses.get)
        assert step.loss == pytest.approx(losses[step.index], abs=1e-5)
        assert step.loss <= before + 1e-6
        before = step.loss
        mask[step.index] = False
    assert found.steps
    assert found.mask == tuple(mask.tolist())


def test_short_paths_are_cut_by_depth(paths):
    assert mask_before_depth(paths, 0) == (True,) * 7
    assert mask_before_depth(paths.stream, 2) == (False, False, False, True, True, True, True)
    with pytest.raises(InputError, match="depth must be 0 to 3, got 4"):
        mask_before_depth(paths, 4)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"criterion": "lost"}, UnknownNameError, "criterion 'lost' does not exist; close names: 'loss'"),
        ({"max_drop": -0.1}, InputError, "max_drop must be a number of at least 0, got -0.1"),
        ({"max_drop": float("nan")}, InputError, "max_drop must be a number of at least 0, got nan"),
        ({"keep": ["attention 4"]}, UnknownNameError, "path 'attention 4' is not in this model; close names"),
        ({"data": (1, 2)}, InputError, "data must be None for a decomposition"),
    ],
)
def test_bad_pruning_is_explained(paths, options, error, message):
    with pytest.raises(error, match=message):
        prune_paths(paths, **options)


def test_pruning_needs_data_and_labels(vit, paths):
    with pytest.raises(InputError, match="a model needs data to select paths by, got None"):
        prune_paths(vit)
    with pytest.raises(InputError, match="the decomposition has no labels"):
        prune_paths(replace(paths, labels=None))


# ensembles


@pytest.mark.parametrize("scale", ["none", "scalar", "vector"])
def test_at_one_the_model_is_unchanged(vit, mean_vit, images, scale):
    for model in (vit, mean_vit):
        state = copy.deepcopy(model.state_dict())
        ensemble = PathEnsemble(model, scale=scale).eval()
        with torch.no_grad():
            assert torch.allclose(ensemble(images), model(images), atol=1e-5)
        assert ensemble.model is model
        assert all(
            torch.equal(a, b) for a, b in zip(state.values(), model.state_dict().values(), strict=True)
        )
        assert hook_count(model) == 0


def test_masks_and_scales_act_on_the_sum_alone(vit, images, paths):
    mask = (False, True, True, False, True, True, True)
    generator = torch.Generator().manual_seed(1)
    for scale, shape in (("none", None), ("scalar", (7,)), ("vector", (7, 16))):
        ensemble = PathEnsemble(vit, mask=mask, scale=scale).eval()
        weights = torch.tensor(mask).float()
        if shape is not None:
            values = torch.rand(shape, generator=generator)
            with torch.no_grad():
                ensemble.path_scale.copy_(values)
            weights = values * weights.reshape(7, *[1] * (len(shape) - 1))
        with torch.no_grad():
            assert torch.allclose(ensemble(images), paths.weighted(weights), atol=1e-5)


def test_gradients_reach_scale_and_model(vit, images, paths):
    ensemble = PathEnsemble(vit, scale="vector")
    functional.cross_entropy(ensemble(images), _labels()).backward()
    scale = torch.ones(7, 16, requires_grad=True)
    total = (paths.components * scale[:, None]).sum(dim=0)
    functional.cross_entropy(vit.head(vit.norm(total)), _labels()).backward(inputs=[scale])
    assert torch.allclose(ensemble.path_scale.grad, scale.grad, atol=1e-5)
    found = {name: p.grad.clone() for name, p in vit.named_parameters()}
    vit.zero_grad()
    functional.cross_entropy(vit(images), _labels()).backward()
    for name, parameter in vit.named_parameters():
        assert torch.allclose(found[name], parameter.grad, atol=1e-4), name
    assert hook_count(vit) == 0


def test_it_trains_jointly_and_resumes_to_the_bit(images, tmp_path):
    def make():
        model = VisionTransformer(
            image_size=8, patch_size=4, depth=2, width=8, heads=2, hidden=8, classes=5, dropout=0.1
        )
        return PathEnsemble(model, scale="vector", state="all")

    options = {"epochs": 4, "batch_size": 2, "learning_rate": 0.01}
    whole, part = make(), make()
    result = fit(whole, images, _labels(), **options)
    assert result.losses[-1] < result.losses[0]
    assert float((whole.path_scale.detach() - 1).abs().min()) > 0

    def stop(epoch, *_):
        if epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(part, images, _labels(), checkpoint=tmp_path / "c.safetensors", on_epoch=stop, **options)
    again = make()
    fit(again, images, _labels(), checkpoint=tmp_path / "c.safetensors", **options)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_parameter_groups_spare_the_scale_from_decay(vit):
    ensemble = PathEnsemble(vit, scale="vector")
    model, scale = ensemble.parameter_groups(weight_decay=0.1)
    assert (model["weight_decay"], scale["weight_decay"]) == (0.1, 0.0)
    assert scale["params"][0] is ensemble.path_scale
    assert ensemble.parameters_to_scale()[0] is ensemble.path_scale
    assert len(model["params"]) == len(list(vit.parameters()))
    assert len(PathEnsemble(vit).parameter_groups(weight_decay=0.1)) == 1


def test_scaled_branches_scale_what_later_blocks_read(vit, images):
    control = scale_branches(vit).eval()
    assert control.path_scale.shape == PathEnsemble(vit, scale="vector").path_scale.shape
    values = torch.rand(7, 16, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        control.path_scale.copy_(values)
        edits = {
            name: (lambda x, v=value: x * v)
            for name, value in zip(["pos_drop", *BRANCHES], values, strict=True)
        }
        with edit(vit, edits):
            expected = vit(images)
        assert torch.allclose(control(images), expected, atol=1e-5)
        ensemble = PathEnsemble(vit, scale="vector").eval()
        ensemble.path_scale.copy_(values)
        assert not torch.allclose(ensemble(images), expected, atol=1e-2)
        # the last component is read by the head alone, so there both are one
        last = torch.ones(7, 16)
        last[-1] = values[-1]
        control.path_scale.copy_(last)
        ensemble.path_scale.copy_(last)
        assert torch.allclose(ensemble(images), control(images), atol=1e-5)


def test_merging_folds_what_nothing_else_reads(vit, images):
    values = torch.rand(7, 16, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        for block in vit.blocks:
            block.mlp.fc2.bias.copy_(values[1])
            block.attn.proj.bias.copy_(values[2])
    ensemble, control = PathEnsemble(vit, scale="vector").eval(), scale_branches(vit).eval()
    with pytest.raises(InputError, match="run a batch, or pass example="):
        ensemble.merge()
    with torch.no_grad():
        ensemble.path_scale[-1], control.path_scale[1:] = values[-1], values[1:]
        for scaled in (ensemble, control):
            expected = scaled(images)
            merged = scaled.merge()
            assert torch.allclose(merged(images), expected, atol=1e-5)
            assert not torch.allclose(vit(images), expected, atol=1e-3)
            assert type(merged) is VisionTransformer
        ensemble.path_scale[5] *= 2.0
        with pytest.raises(InputError, match="'attention 3' is read by later blocks without its scale"):
            ensemble.merge()
        control.path_scale[0] *= 2.0
        with pytest.raises(InputError, match="'embedding' is no branch"):
            control.merge()
    mask = (True,) * 6 + (False,)
    pruned = PathEnsemble(vit, mask=mask, example=images).eval()
    assert torch.allclose(pruned.merge()(images), pruned(images), atol=1e-5)


def test_merging_is_refused_where_a_norm_follows_the_last_map(vit, images):
    vit.blocks[2].mlp.drop2 = nn.LayerNorm(16)  # as in blocks with a norm at both ends
    ensemble = PathEnsemble(vit, scale="scalar", example=images)
    with torch.no_grad():
        ensemble.path_scale[-1] = 3.0
    with pytest.raises(InputError, match="does not commute with its scale"):
        ensemble.merge()


def test_the_state_is_its_own_unless_asked(vit, images):
    mask = (True, False, *[True] * 5)
    ensemble = PathEnsemble(vit, mask=mask, scale="vector").eval()
    with torch.no_grad():
        ensemble.path_scale.uniform_(generator=torch.Generator().manual_seed(0))
    state = ensemble.state_dict()
    assert set(state) == {"path_scale", "path_mask"}
    fresh = PathEnsemble(vit, scale="vector").eval()
    assert fresh.load_state_dict(state).missing_keys == []
    assert torch.equal(fresh(images), ensemble(images))
    holder = nn.ModuleDict({"part": fresh})
    assert set(holder.state_dict()) == {"part.path_scale", "part.path_mask"}
    holder.load_state_dict(holder.state_dict())
    with pytest.raises(RuntimeError, match="Missing key.*path_scale"):
        fresh.load_state_dict({"path_mask": state["path_mask"]})
    everything = PathEnsemble(copy.deepcopy(vit), scale="vector", state="all")
    assert {f"model.{name}" for name in vit.state_dict()} < set(everything.state_dict())
    with pytest.raises(RuntimeError, match="Missing key"):
        everything.load_state_dict(state)
    with pytest.warns(UserWarning, match="pass state='all' to keep the model too"):
        ensemble.train().state_dict()


def test_hooks_are_gone_when_the_model_fails(vit, images):
    ensemble = PathEnsemble(vit, scale="vector", example=images)
    control = scale_branches(vit, example=images)
    stream = ResidualStream(vit, images)
    wrong = torch.rand(2, 1, 12, 12)
    for call in (ensemble, control, ShortPaths(ensemble), lambda x: knock_out(stream, x)):
        with pytest.raises(RuntimeError):
            call(wrong)
        assert hook_count(vit) == 0


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda m: PathEnsemble(m, scale="vectors"),
            UnknownNameError,
            "scale 'vectors' does not exist; close",
        ),
        (lambda m: PathEnsemble(m, state="mine"), UnknownNameError, "state 'mine' does not exist"),
        (
            lambda m: PathEnsemble(m, mask=[True] * 6),
            InputError,
            r"mask must be 7 booleans.*got shape \(6,\)",
        ),
        (lambda m: PathEnsemble(m, mask=[1] * 7), InputError, "mask must be 7 booleans.*torch.int64"),
        (
            lambda m: PathEnsemble(m, mask=[False] * 7),
            InputError,
            "must keep at least one component, got none",
        ),
        (lambda m: PathEnsemble(m.half()), InputError, "half precision; call .float()"),
        (lambda m: PathEnsemble("vit"), InputError, "model must be a torch.nn.Module, got str"),
        (
            lambda m: PathEnsemble(nn.Linear(3, 3)),
            InputError,
            "cannot be counted by its structure; pass example=",
        ),
        (
            lambda m: scale_branches(m, scale="none"),
            UnknownNameError,
            "scale must be 'scalar' or 'vector' for bra",
        ),
        (lambda m: ShortPaths(m, depths=[3]), InputError, r"depths must be some of 0 to 2, got \[3\]"),
        (lambda m: ShortPaths(m, depths=[1, 1]), InputError, "depths must differ"),
        (lambda m: ShortPaths(m, depths=[]), InputError, "depths must be some of 0 to 2"),
        (lambda m: ShortPaths(m, heads=[nn.Linear(16, 5)]), InputError, r"one per depth \(2\), got 1"),
        (lambda m: ShortPathLoss(temperature=0.0), InputError, "temperature must be above 0, got 0.0"),
        (lambda m: ShortPathLoss(weight=-1.0), InputError, "weight and feature_weight must be at least 0"),
    ],
)
def test_bad_ensembles_are_explained(vit, make, error, message):
    with pytest.raises(error, match=message):
        make(vit)


def test_a_structure_that_promised_other_paths_is_noticed(vit, images):
    class Half(VisionTransformer):
        """Runs a part of its blocks."""

        def forward(self, x):
            blocks, self.blocks = self.blocks, self.blocks[:1]
            try:
                return super().forward(x)
            finally:
                self.blocks = blocks

    model = Half(image_size=8, patch_size=4, depth=2, width=16, heads=2, hidden=12).eval()
    with pytest.raises(InputError, match="has 2 blocks, but 1 feed-forward branches"):
        PathEnsemble(model)(images)


# fits


def _halves(vit):
    x = torch.rand(60, 1, 8, 8, generator=torch.Generator().manual_seed(6))
    paths = decompose_data(vit, (x, (x.mean(dim=(1, 2, 3)) * 1e3).long() % 5))
    return paths.select(torch.arange(30)), paths.select(torch.arange(30, 60))


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
@pytest.mark.parametrize("scale", ["scalar", "vector"])
def test_a_fitted_scale_lowers_the_loss_and_leaves_the_model_alone(vit, optimizer, scale):
    half, other = _halves(vit)
    state = copy.deepcopy(vit.state_dict())
    ensemble = PathEnsemble(vit, mask=(False, *[True] * 6), scale=scale)
    start = float(functional.cross_entropy(half.weighted(ensemble.path_mask), half.labels))
    result = fit_scale(ensemble, half, optimizer=optimizer, steps=30 if optimizer == "adam" else 6)
    assert result.losses[0] == pytest.approx(start, abs=1e-5)
    assert result.losses[-1] < 0.9 * result.losses[0]
    weights = ensemble.path_scale.detach() * ensemble.path_mask.reshape(
        7, *[1] * (ensemble.path_scale.ndim - 1)
    )
    end = float(functional.cross_entropy(half.weighted(weights), half.labels))
    assert end == pytest.approx(result.losses[-1], abs=1e-5)
    assert all(torch.equal(a, b) for a, b in zip(state.values(), vit.state_dict().values(), strict=True))
    assert ensemble.path_scale.requires_grad
    assert ensemble.path_scale.grad is None
    assert all(p.requires_grad and p.grad is None for p in vit.parameters())
    checked = fit_scale(PathEnsemble(vit, scale=scale), half, steps=40, validation=other, patience=5)
    assert checked.best == int(np.argmin(checked.validation))
    assert len(checked.validation) <= checked.best + 6


def test_the_kept_weights_are_those_of_the_best_validation_loss(vit):
    half, other = _halves(vit)
    ensemble = PathEnsemble(vit, scale="vector")
    result = fit_scale(ensemble, half, steps=60, learning_rate=0.1, validation=other)
    found = float(functional.cross_entropy(other.weighted(ensemble.path_scale.detach()), other.labels))
    assert found == pytest.approx(min(result.validation), abs=1e-5)


def test_readouts_are_fitted_on_copies(vit):
    half, other = _halves(vit)
    state = copy.deepcopy(vit.state_dict())
    for part, count in (("norm", 32), ("head", 85)):
        readout, result = fit_readout(half, part=part, steps=50, validation=other)
        plain, _ = fit_readout(half, part=part, steps=1, learning_rate=0.0)
        assert torch.allclose(plain(half), half.logits, atol=1e-5)
        assert result.losses[-1] < result.losses[0]
        found = float(functional.cross_entropy(readout(other), other.labels))
        assert found == pytest.approx(min(result.validation), abs=1e-5)
        changed = [
            a.numel()
            for a, b in zip(readout.parameters(), plain.parameters(), strict=True)
            if not torch.equal(a, b)
        ]
        assert sum(changed) == count
    assert all(torch.equal(a, b) for a, b in zip(state.values(), vit.state_dict().values(), strict=True))
    with pytest.raises(UnknownNameError, match="part 'heads' does not exist; close names: 'head'"):
        fit_readout(half, part="heads")
    vit.norm = nn.Identity()
    x = torch.rand(4, 1, 8, 8)
    with pytest.raises(InputError, match="no norm with parameters"):
        fit_readout(decompose(vit, x, labels=_labels(4)))


@pytest.mark.parametrize(
    ("make", "options", "error", "message"),
    [
        ("vector", {"optimizer": "sgd"}, UnknownNameError, "optimizer 'sgd' does not exist"),
        ("vector", {"steps": 0}, InputError, "steps must be at least 1, got 0"),
        ("vector", {"patience": 3}, InputError, "patience needs validation data, got None"),
        ("none", {}, InputError, "has no scale to fit"),
        ("cascade", {}, InputError, "changes the components, so it cannot be fitted to cached ones"),
        ("other", {}, InputError, "must come from the ensemble's own model"),
        ("vector", {"learning_rate": 1e30, "steps": 3}, NotConvergedError, "lower learning_rate"),
    ],
)
def test_bad_fits_are_explained_and_change_nothing(vit, paths, make, options, error, message):
    ensemble = {
        "vector": lambda: PathEnsemble(vit, scale="vector"),
        "none": lambda: PathEnsemble(vit),
        "cascade": lambda: scale_branches(vit),
        "other": lambda: PathEnsemble(copy.deepcopy(vit), scale="vector"),
    }[make]()
    with pytest.raises(error, match=message):
        fit_scale(ensemble, paths, **options)
    assert all(torch.equal(p, torch.ones_like(p)) for p in ensemble.parameters_to_scale())


def test_fits_need_labels(vit, paths):
    with pytest.raises(InputError, match="the decomposition has no labels"):
        fit_scale(PathEnsemble(vit, scale="vector"), replace(paths, labels=None))


# self-distillation


def _scores(logits, short, features=None, short_features=None):
    empty = torch.ones(len(logits), 2)
    return ShortPathScores(
        logits,
        short,
        empty if features is None else features,
        empty[None] if short_features is None else short_features,
    )


def test_the_loss_is_the_closed_form():
    logits = torch.tensor([[2.0, 0.0]], requires_grad=True)
    short = torch.tensor([[[0.0, 0.0]], [[2.0, 0.0]]], requires_grad=True)
    y = torch.tensor([0])
    p = 1 / (1 + np.exp(-2.0 / 4.0))
    divergence = p * np.log(2 * p) + (1 - p) * np.log(
        2 * (1 - p)
    )  # of the first short path; the second agrees
    expected = np.log(1 + np.exp(-2.0)) + 3.0 * 16.0 * divergence / 2
    loss = ShortPathLoss(weight=3.0, temperature=4.0)(_scores(logits, short), y)
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-5)
    loss.backward()
    plain = torch.tensor([[2.0, 0.0]], requires_grad=True)
    functional.cross_entropy(plain, y).backward()
    assert torch.allclose(logits.grad, plain.grad)  # the teacher is not taught
    assert float(short.grad[0].abs().sum()) > 0
    assert torch.allclose(short.grad[1], torch.zeros(1, 2), atol=1e-6)


def test_the_feature_term_is_a_cosine():
    logits = torch.zeros(1, 2)
    features, short = torch.tensor([[1.0, 0.0]]), torch.tensor([[[1.0, 1.0]], [[0.0, 3.0]]])
    scores = _scores(logits, logits.expand(2, 1, 2), features, short)
    loss = ShortPathLoss(feature_weight=2.0)(scores, torch.tensor([0]))
    expected = np.log(2) + 2.0 * np.mean([1 - np.sqrt(0.5), 1.0])
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    assert float(ShortPathLoss()(logits, torch.tensor([0]))) == pytest.approx(np.log(2))


def test_short_paths_are_the_partial_sums(vit, images, paths):
    students = ShortPaths(vit, depths=[0, 2])
    assert torch.allclose(students.eval()(images), paths.logits, atol=1e-5)
    scores = students.train()(images)
    assert isinstance(scores, ShortPathScores)
    assert torch.allclose(scores.logits, paths.logits, atol=1e-5)
    assert torch.allclose(scores.short, paths.partial_logits()[[0, 2]], atol=1e-5)
    sums = paths.partial_sums()
    assert torch.allclose(scores.short_features, vit.norm(sums[[0, 2]]), atol=1e-5)
    heads = [nn.Linear(16, 5), nn.Linear(16, 5)]
    own = ShortPaths(vit, depths=[0, 2], heads=heads).train()(images)
    assert torch.allclose(own.short[1], heads[1](sums[2]), atol=1e-4)
    scaled = PathEnsemble(vit, mask=(False, *[True] * 6))
    assert torch.allclose(
        ShortPaths(scaled, depths=[1])(images).short[0],
        paths.weighted(torch.tensor([0, 1, 1, 0, 0, 0, 0]).bool()),
        atol=1e-5,
    )


def test_distillation_trains_the_model_in_place(images, tmp_path):
    model = VisionTransformer(image_size=8, patch_size=4, depth=3, width=8, heads=2, hidden=8, classes=5)
    before = copy.deepcopy(model.state_dict())
    options = {"epochs": 6, "batch_size": 5, "learning_rate": 0.01}
    result = distill_short_paths(model, images, _labels(), feature_weight=0.1, **options)
    assert result.losses[-1] < result.losses[0]
    assert not model.training
    assert any(
        not torch.equal(a, b) for a, b in zip(before.values(), model.state_dict().values(), strict=True)
    )
    assert hook_count(model) == 0
    plain = VisionTransformer(image_size=8, patch_size=4, depth=3, width=8, heads=2, hidden=8, classes=5)
    fit(plain, images, _labels(), **options)

    def gap(some):
        partial = decompose(some, images).partial_logits().log_softmax(dim=-1)
        return float(
            functional.kl_div(
                partial[1:-1], partial[-1].expand(2, -1, -1), log_target=True, reduction="batchmean"
            )
        )

    assert gap(model) < gap(plain)
    with pytest.raises(InputError, match="make the ensemble with state='all'"):
        distill_short_paths(PathEnsemble(model), images, _labels(), checkpoint=tmp_path / "c.safetensors")


# frequencies


def test_a_constant_field_holds_frequency_zero_alone():
    profile = frequency_profile(torch.full((2, 12, 3), 0.5), (3, 4), floor=1e-9)
    assert profile.radius[0] == 0.0
    assert np.allclose(profile.log_amplitude[:, 0], np.log(12 * 0.5))
    assert np.allclose(profile.log_amplitude[:, 1:], np.log(1e-9), atol=1e-3)


def test_a_checkerboard_holds_the_highest_frequency_alone():
    board = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(2, 2).reshape(1, 16, 1)
    profile = frequency_profile(board, (4, 4), floor=1e-9)
    assert np.allclose(profile.radius, [0.0, 0.25, profile.radius[2], np.sqrt(0.5)], atol=0.1)
    assert profile.log_amplitude[0, -1] == pytest.approx(np.log(16))
    assert np.allclose(profile.log_amplitude[0, :-1], np.log(1e-9), atol=1e-3)


@pytest.mark.parametrize(("grid", "step"), [((6, 4), 1), ((4, 6), 2), ((1, 8), 3)])
def test_a_wave_on_an_oblong_grid_lies_at_its_radius(grid, step):
    rows, columns = grid
    wave = torch.cos(2 * torch.pi * step * torch.arange(columns).double() / columns).expand(rows, columns)
    profile = frequency_profile(wave.reshape(1, -1, 1), grid, floor=1e-12)
    top = int(profile.log_amplitude[0].argmax())
    assert abs(profile.radius[top] - step / columns) < 0.75 / max(grid)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.1, 100.0), st.integers(0, 3), st.integers(0, 5))
def test_profiles_do_not_depend_on_scale_shifts_or_leading_tokens(factor, prefix, shift):
    field = torch.randn(2, 4, 6, 3, generator=torch.Generator().manual_seed(0))
    plain = frequency_profile(field.reshape(2, 24, 3), (4, 6), floor=1e-12)
    moved = (factor * field).roll(shift, dims=2).reshape(2, 24, 3)
    other = frequency_profile(
        torch.cat([torch.rand(2, prefix, 3), moved], dim=1), (4, 6), prefix_tokens=prefix, floor=1e-12
    )
    assert np.allclose(plain.delta, other.delta, atol=1e-6)
    assert np.allclose(other.mean(), other.delta.mean(axis=0))


def test_standard_errors_are_those_of_the_inputs():
    tokens = torch.randn(5, 16, 2, generator=torch.Generator().manual_seed(0))
    profile = frequency_profile(tokens, (4, 4))
    assert np.allclose(profile.standard_error(), np.std(profile.delta, axis=0, ddof=1) / np.sqrt(5))
    assert np.isnan(frequency_profile(tokens[:1], (4, 4)).standard_error()).all()
    assert set(profile.to_dict()) == {"radius", "log_amplitude"}


@pytest.mark.parametrize(
    ("tokens", "grid", "options", "message"),
    [
        (torch.rand(2, 17, 3), (4, 4), {}, "4 x 4 = 16 beside prefix_tokens=0, got 17; class and register"),
        (torch.rand(2, 16), (4, 4), {}, r"shape \(batch, tokens, width\), got \(2, 16\)"),
        (torch.rand(2, 16, 3), (4, 0), {}, r"grid must be \(rows, columns\).*got \(4, 0\)"),
        (torch.rand(2, 16, 3), (16,), {}, "grid must be"),
        (torch.full((1, 4, 1), float("nan")), (2, 2), {}, "tokens must be finite"),
        (torch.rand(1, 4, 1), (2, 2), {"floor": 0.0}, "floor must be above 0, got 0.0"),
        (torch.rand(0, 4, 1), (2, 2), {}, "got .0, 4, 1."),
    ],
)
def test_bad_fields_are_explained(tokens, grid, options, message):
    with pytest.raises(InputError, match=message):
        frequency_profile(tokens, grid, **options)
