"""The search agrees with the plain algorithm, the score with closed forms, and bad input is explained."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from benchmarks.plain_neuron_path import plain_joint_score, plain_neuron_path
from hodology.errors import InputError, UnknownNameError
from hodology.interpret import NeuronPath, PathResult, knowledge_neurons
from hodology.interpret.positions import token_positions
from hodology.nn.models import VisionTransformer
from model_hooks import hook_count


def _maps(model):
    return [block.mlp.fc2 for block in model.blocks]


@pytest.mark.parametrize("max_batch", [None, 7])
def test_paths_and_candidates_equal_the_plain_algorithm(vit, images, max_batch):
    result = NeuronPath(vit, max_batch=max_batch).find(images)
    path, candidates = plain_neuron_path(vit, _maps(vit), images, result.target)
    assert torch.equal(result.path[:, :, 0], path)
    for found, expected in zip(result.candidate_scores, candidates, strict=True):
        assert torch.allclose(found, expected, atol=1e-5)
    assert torch.allclose(
        result.score, plain_joint_score(vit, _maps(vit), images, result.target, path), atol=1e-5
    )


def test_the_diagonal_form_is_complete(vit, images):
    tracer = NeuronPath(vit, form="diagonal", rule="gauss-legendre", steps=16)
    run = tracer.run(images)
    for k in (1, 3):
        result = tracer.find(run, top_k=k)
        gone = {i: a.scatter(2, result.path[:, i][:, None], 0.0) for i, a in enumerate(run.activations)}
        change = run.probability - tracer.engine.value(run, gone)
        assert torch.allclose(result.score, change, atol=1e-5)


class LinearChain(nn.Module):
    """Two 'layers' read side by side by a linear output: gradients are constants, every rule is exact."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Identity(), nn.Identity()
        self.weights = nn.Parameter(torch.tensor([[[1.0, -1.0, 2.0], [0.5, 3.0, -2.0]], [[0.0] * 3] * 2]))

    def forward(self, x):
        hidden = torch.stack([self.first(x), self.second(2 * x)], dim=1)
        return torch.einsum("blm,clm->bc", hidden, self.weights)


def test_both_forms_equal_the_closed_form_on_a_linear_model():
    model = LinearChain().eval()
    x = torch.tensor([[1.0, 2.0, 3.0], [-1.0, 0.5, 2.0]])
    paths = torch.tensor([[0, 1], [2, 2]])
    w = model.weights[0].detach()
    rows = torch.arange(2)
    a = torch.stack([x[rows, paths[:, 0]], 2 * x[rows, paths[:, 1]]])
    g = torch.stack([w[0, paths[:, 0]], w[1, paths[:, 1]]])
    for form, expected in (("product", a.sum(0) * g.sum(0)), ("diagonal", (a * g).sum(0))):
        tracer = NeuronPath(model, ["first", "second"], form=form, output="logit", steps=3)
        assert torch.allclose(tracer.score(x, paths, target=[0, 0]), expected)
    tracer = NeuronPath(model, ["first", "second"], form="diagonal", output="logit", steps=2)
    found = tracer.find(x, target=[0, 0]).path[:, :, 0]
    assert torch.equal(found, torch.stack([(x * w[0]).argmax(1), (2 * x * w[1]).argmax(1)], dim=1))


def test_top_k_first_units_are_the_best_and_all_enter_the_score(vit, images):
    tracer = NeuronPath(vit)
    run = tracer.run(images)
    three, one = tracer.find(run, top_k=3), tracer.find(run)
    assert three.path.shape == (5, 3, 3)
    assert torch.equal(three.path[:, 0, 0], one.path[:, 0, 0])
    # the sweep of layer 2 with three units below differs from that with one
    assert not torch.allclose(three.candidate_scores[1], one.candidate_scores[1])
    assert not torch.allclose(three.score, one.score)


def test_exact_rescoring_picks_the_best_true_score(vit, images):
    tracer = NeuronPath(vit)
    run = tracer.run(images)
    result = tracer.find(run, exact=12)
    every = torch.stack([tracer.score(run, torch.full((5, 1), i)) for i in range(12)], dim=1)
    assert torch.equal(result.path[:, 0, 0], every.argmax(dim=1))
    assert result.changed is not None
    assert result.changed.shape == (5, 3)


def test_wide_beam_and_exhaustive_find_the_same_best_paths(images):
    model = VisionTransformer(
        image_size=8, patch_size=4, depth=2, width=8, heads=2, hidden=5, classes=4
    ).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
    tracer = NeuronPath(model)
    run = tracer.run(images)
    best = tracer.exhaustive(run)
    assert torch.allclose(tracer.beam(run, width=25).score, best.score, atol=1e-6)
    for narrower in (tracer.beam(run, width=2), tracer.find(run)):
        assert (best.score >= narrower.score - 1e-6).all()
    with pytest.raises(InputError, match="25 paths, more than the limit of 10"):
        tracer.exhaustive(run, limit=10)


def test_baselines_are_what_they_say(vit, images):
    tracer = NeuronPath(vit)
    run = tracer.run(images)
    active = tracer.baseline("activation", run)
    assert torch.equal(active.path[:, :, 0], torch.stack([a[:, 0].argmax(1) for a in run.activations], dim=1))
    single = tracer.baseline("kn-ig", run)
    zero = {1: (torch.zeros_like(run.activations[1]), run.activations[1])}
    expected = run.activations[1][:, 0] * tracer.engine.gradients(run, zero)[1][:, 0]
    assert torch.allclose(single.candidate_scores[1], expected)
    random = [tracer.baseline("random", run, rng=seed).path for seed in (0, 0, 1)]
    assert torch.equal(random[0], random[1])
    assert not torch.equal(random[0], random[2])
    rows = tracer.baseline("random", run, rng=range(5)).path
    few = run.select(torch.tensor([3, 1]))
    assert torch.equal(tracer.baseline("random", few, rng=[3, 1]).path, rows[[3, 1]])
    with pytest.raises(InputError, match=r"rng must be a seed or one per row \(5\), got 2"):
        tracer.baseline("random", run, rng=[0, 1])
    kept = knowledge_neurons(single.candidate_scores, threshold=1.0)
    assert sum(int(mask.sum()) for mask in kept) == 5  # exactly the best of each row


@settings(max_examples=10, deadline=None)
@given(st.permutations(range(5)))
def test_paths_do_not_depend_on_the_order_of_the_batch(order):
    model = VisionTransformer(
        image_size=8, patch_size=4, depth=2, width=8, heads=2, hidden=6, classes=4, rng=2
    ).eval()
    images = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    tracer = NeuronPath(model)
    assert torch.equal(tracer.find(images[list(order)]).path, tracer.find(images).path[list(order)])


def test_one_by_one_equals_the_batch_and_a_loader(vit, images):
    tracer = NeuronPath(vit)
    whole = tracer.find(images)
    alone = PathResult.concatenate([tracer.find(image[None]) for image in images])
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(images, whole.target), batch_size=2)
    loaded = tracer.find(loader)
    for other in (alone, loaded):
        assert torch.equal(whole.path, other.path)
        assert torch.allclose(whole.score, other.score, atol=1e-6)
    assert loaded.activations == ()


def test_permuting_hidden_units_permutes_the_path(vit, images):
    order = torch.randperm(12, generator=torch.Generator().manual_seed(0))
    other = copy.deepcopy(vit)
    mlp = other.blocks[1].mlp
    with torch.no_grad():
        mlp.fc1.weight.copy_(vit.blocks[1].mlp.fc1.weight[order])
        mlp.fc1.bias.copy_(vit.blocks[1].mlp.fc1.bias[order])
        mlp.fc2.weight.copy_(vit.blocks[1].mlp.fc2.weight[:, order])
    a, b = NeuronPath(vit).find(images), NeuronPath(other).find(images)
    assert torch.equal(a.path[:, 1], order[b.path[:, 1]])
    assert torch.equal(a.path[:, [0, 2]], b.path[:, [0, 2]])


def test_patches_count_where_the_model_pools_them(images):
    model = VisionTransformer(
        image_size=8, patch_size=4, depth=2, width=8, heads=2, hidden=6, pool="avg"
    ).eval()
    tracer = NeuronPath(model, form="diagonal", rule="gauss-legendre", steps=12)
    result = tracer.find(images)
    assert tracer.token == "patches"
    assert result.positions.tolist()[0] == [1, 2, 3, 4]
    run = tracer.run(images)
    gone = {
        i: a.scatter(2, result.path[:, i][:, None].expand(-1, 4, -1), 0.0)
        for i, a in enumerate(run.activations)
    }
    assert torch.allclose(result.score, run.probability - tracer.engine.value(run, gone), atol=1e-5)


def test_product_form_over_patches_multiplies_per_patch(images):
    model = VisionTransformer(
        image_size=8, patch_size=4, depth=2, width=8, heads=2, hidden=6, pool="avg"
    ).eval()
    tracer = NeuronPath(model, steps=4)
    run = tracer.run(images)
    paths = torch.tensor([[1, 3]] * 5)
    ends = {
        i: (a.scatter(2, paths[:, i, None, None].expand(-1, 4, 1), 0.0), a)
        for i, a in enumerate(run.activations)
    }
    g = tracer.engine.gradients(run, ends, n_steps=4)
    per_patch = (run.activations[0][:, :, 1] + run.activations[1][:, :, 3]) * (g[0][:, :, 1] + g[1][:, :, 3])
    assert torch.allclose(tracer.score(run, paths), per_patch.sum(dim=1), atol=1e-6)


def test_targets_by_rule_label_and_callable(vit, images):
    labels = torch.tensor([0, 1, 2, 3, 4])
    assert torch.equal(NeuronPath(vit, target="label").find(images, target=labels).target, labels)
    second = NeuronPath(vit, target=lambda scores: scores.argsort(dim=1)[:, -2]).find(images)
    assert (second.target != second.predicted).all()
    with pytest.raises(InputError, match="needs the labels"):
        NeuronPath(vit, target="label").find(images)


def test_half_precision_is_computed_in_float32(vit, images):
    expected = NeuronPath(vit.half().float()).find(images)
    with pytest.warns(UserWarning, match="half precision"):
        tracer = NeuronPath(vit.half())
    found = tracer.find(images.half())
    assert found.score.dtype == torch.float32
    assert torch.allclose(found.score, expected.score, atol=1e-3)
    assert next(vit.parameters()).dtype == torch.float16


def test_training_mode_is_warned_of_and_restored(vit, images):
    vit.train()
    with pytest.warns(UserWarning, match="training mode"):
        NeuronPath(vit).find(images)
    assert vit.training
    assert hook_count(vit) == 0


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"form": "sum"}, UnknownNameError, "form 'sum' is not a score"),
        ({"steps": 0}, InputError, "steps must be an integer of at least 1, got 0"),
        ({"token": "class"}, UnknownNameError, "close names: 'cls'"),
        ({"token": 1.5}, InputError, "token must be one of"),
        ({"target": "wrong"}, UnknownNameError, "target must be 'predicted', 'label' or a callable"),
        ({"layers": ["block.0.mlp"]}, UnknownNameError, "close names: 'blocks.0.mlp'"),
    ],
)
def test_bad_settings_are_explained(vit, options, error, message):
    with pytest.raises(error, match=message):
        NeuronPath(vit, **options)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t, x: t.find(x, top_k=0), "top_k must be 1 to 12"),
        (lambda t, x: t.find(x, top_k=3, exact=2), "exact must be 0 or at least top_k"),
        (lambda t, x: t.find(x, target=[9] * 5), "target must be 0 to 4 .* got 9 in row 0"),
        (
            lambda t, x: t.score(x, torch.zeros(5, 3, dtype=torch.int64) + 12),
            "units 0 to 11 in layer 0, got 12",
        ),
        (lambda t, x: t.score(x, torch.zeros(4, 3, dtype=torch.int64)), r"shape \(5, 3\)"),
        (lambda t, x: t.beam(x, width=0), "width must be at least 1"),
        (lambda t, x: NeuronPath(t.model, token=9).find(x), "token must be -5 to 4 for these rows, got 9"),
        (lambda t, x: t.find([x], target=[0] * 5), "target must come with each batch"),
    ],
)
def test_bad_calls_are_explained_and_leave_the_model_alone(vit, images, call, message):
    with pytest.raises(InputError, match=message):
        call(NeuronPath(vit), images)
    assert hook_count(vit) == 0


def test_unknown_baseline_lists_names(vit, images):
    with pytest.raises(UnknownNameError, match="close names: 'activation'"):
        NeuronPath(vit).baseline("activations", images)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # raised inside torch.compile
def test_models_that_hooks_cannot_follow_are_refused(vit):
    with pytest.raises(InputError, match="model is compiled"):
        NeuronPath(torch.compile(vit))
    vit.blocks.grad_checkpointing = True
    with pytest.raises(InputError, match="checkpoints its blocks"):
        NeuronPath(vit)
    with pytest.raises(InputError, match="must be a torch.nn.Module, got str"):
        NeuronPath("vit")


def test_results_survive_the_disk(vit, images, tmp_path):
    result = NeuronPath(vit).find(images, exact=4)
    result.save(tmp_path / "r.npz")
    again = PathResult.load(tmp_path / "r.npz")
    assert torch.equal(result.path, again.path)
    assert torch.equal(result.score, again.score)
    assert result.changed is not None
    assert torch.equal(result.changed, again.changed)
    assert again.sites == result.sites
    paths = result.to_path_set(["a", "b", "c", "d", "e"])
    assert paths.units()[:, :, 0].tolist() == result.path[:, :, 0].tolist()


def test_language_models_explain_their_next_token():
    transformers = pytest.importorskip("transformers", reason="needs the hf extra")
    config = transformers.LlamaConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        intermediate_size=20,
        vocab_size=13,
        bos_token_id=0,
        eos_token_id=0,
    )
    torch.manual_seed(0)
    model = transformers.LlamaForCausalLM(config).eval()
    ids = torch.randint(1, 13, (3, 6))
    mask = torch.tensor([[1] * 6, [1] * 4 + [0] * 2, [1] * 2 + [0] * 4])
    tracer = NeuronPath(model)
    found = tracer.find({"input_ids": ids, "attention_mask": mask})
    assert found.positions[:, 0].tolist() == [5, 3, 1]
    alone = NeuronPath(model).find({"input_ids": ids[1:2, :4], "attention_mask": mask[1:2, :4]})
    assert torch.equal(found.path[1], alone.path[0])
    assert found.score[1].item() == pytest.approx(alone.score[0].item(), abs=1e-6)
    assert len(tracer.baseline("influence", {"input_ids": ids, "attention_mask": mask})) == 3


def test_the_token_does_not_depend_on_the_layers_that_are_chosen(vit, images):
    for layers in ([0], [0, 1], [2], None):
        tracer = NeuronPath(vit, layers)
        tracer.run(images)
        assert tracer.token == "cls"


def test_a_token_from_the_end_counts_what_the_mask_keeps():
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    inputs = {"input_ids": torch.zeros(2, 4, dtype=torch.int64), "attention_mask": mask}

    def positions(token):
        return token_positions(inputs, token, tokens=4, class_token=False).tolist()

    assert positions(-1) == positions("last") == [[3], [1]]
    assert positions(1) == [[1], [1]]
    for token in (2, -3):
        with pytest.raises(InputError, match="token must be -2 to 1 for these rows"):
            positions(token)
    with pytest.raises(InputError, match="rows of one length"):
        positions("patches")
