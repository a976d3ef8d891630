"""Taps read and change activity, nest in order, and leave nothing behind."""

from __future__ import annotations

import pytest
import torch

from hodology.errors import InputError
from hodology.nn.sites import find_sites
from hodology.nn.taps import edit, evaluation_mode, record
from model_hooks import hook_count


def test_record_sees_what_the_module_computes(vit, images):
    site = find_sites(vit)[1]
    with record(vit, [site, "blocks.1.mlp.act"]) as activity:
        vit(images)
    assert torch.equal(activity[site.name], activity["blocks.1.mlp.act"])
    assert activity.calls[site.name] == 1
    assert hook_count(vit) == 0


def test_edits_nest_in_the_order_of_entry(vit, images):
    name = "blocks.0.mlp.act"
    with edit(vit, {name: lambda v: v + 1}), edit(vit, {name: lambda v: v * 2}), record(vit, [name]) as late:
        vit(images)
    with record(vit, [name]) as plain:
        vit(images)
    assert torch.allclose(late[name], (plain[name] + 1) * 2)


def test_hooks_are_gone_after_an_error(vit, images):
    def fail(_):
        raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"), edit(vit, {"blocks.1": fail}):
        vit(images)
    assert hook_count(vit) == 0


def test_an_edit_of_another_shape_is_refused(vit, images):
    with pytest.raises(InputError, match="must return shape"), edit(vit, {"blocks.1": lambda v: v[:1]}):
        vit(images)


def test_a_site_without_a_tensor_is_refused(images):
    class Words(torch.nn.Module):
        def forward(self, x):
            return "words"

    model = torch.nn.Sequential(Words())
    with pytest.raises(InputError, match="carries str"), record(model, ["0"]):
        model(images)


def test_evaluation_mode_restores_training_and_gradients(vit):
    vit.train()
    vit.blocks[0].eval()
    vit.head.bias.requires_grad_(requires_grad=False)
    with evaluation_mode(vit):
        assert not any(m.training for m in vit.modules())
        assert not any(p.requires_grad for p in vit.parameters())
    assert vit.training
    assert not vit.blocks[0].training
    assert [n for n, p in vit.named_parameters() if not p.requires_grad] == ["head.bias"]
