"""Ablation does what it says to the named units and nothing else, and always restores."""

from __future__ import annotations

import pytest
import torch

from hodology.errors import InputError
from hodology.interpret import (
    NeuronPath,
    ablate,
    evaluate_paths,
    keep_units,
    prune_effect,
    prune_mask,
    random_masks,
)
from hodology.interpret.path_evaluation import PathEffects
from hodology.nn.taps import record
from hodology.path import PathSet
from model_hooks import hook_count


def test_only_the_paths_units_at_the_class_token_are_scaled(vit, images):
    result = NeuronPath(vit).find(images, top_k=2)
    name = result.sites[0]
    with record(vit, [name]) as clean:
        vit(images)
    with ablate(vit, result, factor=3.0), record(vit, [name]) as edited:
        vit(images)
    factors = torch.ones_like(clean[name])
    factors[torch.arange(5)[:, None], 0, result.path[:, 0]] = 3.0
    assert torch.equal(edited[name], clean[name] * factors)


def test_factor_one_changes_nothing_and_nesting_multiplies(vit, images):
    result = NeuronPath(vit).find(images)
    clean = vit(images)
    with ablate(vit, result, factor=1.0):
        assert torch.equal(vit(images), clean)
    with ablate(vit, result, factor=0.5), ablate(vit, result, factor=4.0):
        twice = vit(images)
    with ablate(vit, result, factor=2.0):
        assert torch.allclose(vit(images), twice, atol=1e-6)


def test_a_path_set_of_one_path_serves_every_row(vit, images):
    result = NeuronPath(vit).find(images)
    one = result.to_path_set()[:1]
    with ablate(vit, one):
        shared = vit(images)
    with ablate(vit, NeuronPath(vit).find(images[:1])):
        assert torch.equal(vit(images), shared)


def test_restored_after_an_error(vit, images):
    result = NeuronPath(vit).find(images)
    with (
        pytest.raises(InputError, match="paths are for 5 rows|positions are for 5 rows"),
        ablate(vit, result),
    ):
        vit(images[:3])
    assert hook_count(vit) == 0
    with pytest.raises(InputError, match="must be a PathResult or a PathSet"), ablate(vit, [1, 2]):
        pass


def test_evaluation_equals_running_by_hand(vit, images):
    tracer = NeuronPath(vit)
    run = tracer.run(images)
    results = {"neuron-path": tracer.find(run), "random": tracer.baseline("random", run)}
    effects = evaluate_paths(vit, images, results)
    with ablate(vit, results["random"], factor=2.0):
        by_hand = vit(images).softmax(dim=1)[torch.arange(5), run.targets].detach()
    assert torch.allclose(torch.from_numpy(effects.edited[1, 1]).float(), by_hand, atol=1e-6)
    expected = by_hand.mean() / run.probability.mean() - 1
    assert effects.probability_deviation("random", 2.0) == pytest.approx(float(expected), abs=1e-6)
    assert set(effects.by_class("random", 0.0)) == set(run.targets.tolist())
    joined = PathEffects.concatenate([effects, effects])
    assert joined.probability_deviation("random", 2.0) == pytest.approx(float(expected), abs=1e-6)
    row = effects.table(n_resamples=50)[0]
    assert row["jas"].estimate == pytest.approx(float(results["neuron-path"].score.mean()), abs=1e-6)
    with pytest.raises(InputError, match="one path per row of inputs"):
        evaluate_paths(vit, images[:2], results)


def test_keeping_everything_changes_nothing_and_nothing_removes_the_layers(vit, images):
    tracer = NeuronPath(vit)
    sites = [s.name for s in tracer.sites]
    clean = vit(images)
    every = [torch.ones(1, 12, dtype=torch.bool)] * 3
    with keep_units(vit, sites, every):
        assert torch.equal(vit(images), clean)
    none = [torch.zeros(1, 12, dtype=torch.bool)] * 3
    with keep_units(vit, sites, none), record(vit, sites) as held:
        vit(images)
    assert all((held[s][:, 0] == 0).all() and (held[s][:, 1:] != 0).any() for s in sites)
    with keep_units(vit, sites, none, depth=1, share=0.5), record(vit, sites) as held:
        vit(images)
    assert int((held[sites[0]][:, 0] == 0).all(dim=0).sum()) == 6
    assert (held[sites[2]][:, 0] != 0).any()
    with pytest.raises(InputError, match="share must be 0 to 1"), keep_units(vit, sites, none, share=2.0):
        pass
    with pytest.raises(InputError, match="depth must be 0 to 3"), keep_units(vit, sites, none, depth=4):
        pass


def test_prune_effect_separates_right_wrong_and_label_free(vit, images):
    tracer = NeuronPath(vit)
    labels = torch.tensor([0, 1, 2, 3, 4])
    result = tracer.find(images, target=labels, top_k=2)
    masks = prune_mask(result, labels, 2, widths=[12] * 3, n_classes=5)
    effect = prune_effect(vit, images, labels, list(result.sites), masks)
    own = []
    for row in range(5):
        with keep_units(vit, result.sites, [m[row : row + 1] for m in masks]):
            own.append(float(vit(images[row : row + 1]).softmax(dim=1)[0, labels[row]].detach()))
    assert effect.right_class == pytest.approx(sum(own) / 5, abs=1e-6)
    assert effect.kept == 2
    full = [torch.ones(5, 12, dtype=torch.bool)] * 3
    same = prune_effect(vit, images, labels, list(result.sites), full)
    assert same.right_class == pytest.approx(same.base)
    assert same.wrong_class == pytest.approx(same.base)
    drawn = random_masks([12, 12, 12], 5, 4, torch.Generator().manual_seed(0))
    assert all((m.sum(dim=1) == 4).all() for m in drawn)


def test_a_path_set_keeps_the_positions_of_its_paths(images, tmp_path):
    from hodology.nn.models import VisionTransformer

    shape = {
        "image_size": 8,
        "patch_size": 4,
        "depth": 2,
        "width": 16,
        "heads": 2,
        "hidden": 12,
        "classes": 5,
    }
    model = VisionTransformer(**shape, pool="avg", rng=1).eval()
    result = NeuronPath(model).find(images)
    assert result.positions.shape[1] == 4
    result.to_path_set().to_jsonl(tmp_path / "paths.jsonl")
    with ablate(model, result):
        expected = model(images)
    with ablate(model, PathSet.from_jsonl(tmp_path / "paths.jsonl")):
        assert torch.equal(model(images), expected)


def test_evaluation_takes_one_result_and_names_what_it_lacks(vit, images):
    effects = evaluate_paths(vit, images, NeuronPath(vit).find(images), labels=[-1, 0, 1, 2, 3])
    assert effects.methods == ("neuron-path",)
    assert effects.correct[0]
    with pytest.raises(InputError, match="'random' was not evaluated"):
        effects.probability_deviation("random", 0.0)
    with pytest.raises(InputError, match="factor must be one of"):
        effects.accuracy_deviation("neuron-path", 0.5)
