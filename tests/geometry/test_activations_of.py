"""Patterns of layers: the model's own activity, whatever the batches, with in-place layers and padding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hodology.errors import InputError, UnknownNameError
from hodology.geometry.activations_of import patterns_of
from hodology.geometry.dissimilarity import dissimilarities
from hodology.nn.models import SmallCNN


class _Twice(nn.Module):
    """A layer that two steps share."""

    def __init__(self) -> None:
        super().__init__()
        self.step = nn.Linear(4, 4)
        self.unused = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.step(self.step(x))


class _Tokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(10, 3)
        self.head = nn.Linear(3, 2)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        return self.head(self.embedding(input_ids).mean(dim=1))


def test_patterns_are_the_activity(images: Tensor) -> None:
    model = SmallCNN(rng=0)
    layers = [name for name, module in model.named_modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    found = patterns_of(model, images, layers, stimuli="abcde")
    assert list(found) == layers
    assert found[layers[0]].stimuli == tuple("abcde")
    first = model.get_submodule(layers[0])
    with torch.no_grad():
        assert found[layers[0]].values == pytest.approx(first(images).flatten(1).numpy(), abs=1e-6)
    assert model.training


def test_batches_do_not_matter(images: Tensor) -> None:
    model = SmallCNN(rng=0)
    layers = [name for name, module in model.named_modules() if isinstance(module, nn.Conv2d)]
    whole, parts = (patterns_of(model, images, layers, batch_size=size) for size in (64, 2))
    for name in layers:
        assert parts[name].values == pytest.approx(whole[name].values, abs=1e-6)


def test_layers_that_edit_in_place_do_not_spoil_what_came_before() -> None:
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(inplace=True))
    x = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
    found = patterns_of(model, x, ["0", "1"])
    assert found["0"].values.min() < 0
    assert np.array_equal(found["1"].values, np.maximum(found["0"].values, 0))


def test_mean_over_places_and_tokens(images: Tensor, vit: nn.Module) -> None:
    conv = nn.Sequential(nn.Conv2d(1, 3, 3))
    full, mean = (patterns_of(conv, images, ["0"], pool=pool)["0"].values for pool in (None, "mean"))  # type: ignore[arg-type]
    assert mean == pytest.approx(full.reshape(5, 3, -1).mean(axis=2), abs=1e-6)
    flat, mean, cls = (patterns_of(vit, images, [1], pool=pool) for pool in (None, "mean", "cls"))  # type: ignore[arg-type]
    (name,) = flat
    tokens = flat[name].values.reshape(5, -1, 16)
    assert mean[name].values == pytest.approx(tokens.mean(axis=1), abs=1e-5)
    assert np.array_equal(cls[name].values, tokens[:, 0])


def test_default_layers_are_the_blocks(images: Tensor, vit: nn.Module) -> None:
    found = patterns_of(vit, images, pool="cls")
    assert len(found) == 3
    assert dissimilarities(found).names == tuple(found)


def test_default_layers_of_a_plain_network_are_its_maps(images: Tensor) -> None:
    found = patterns_of(SmallCNN(), torch.rand(3, 1, 8, 8))
    assert list(found) == ["conv1", "conv2", "fc1", "fc2"]
    with pytest.raises(InputError, match="by hand"):
        patterns_of(nn.Sequential(nn.ReLU(), nn.Flatten()), images)


def test_padding_is_no_response() -> None:
    model = _Tokens()
    inputs = {
        "input_ids": torch.tensor([[1, 2, 3], [4, 5, 0]]),
        "attention_mask": torch.tensor([[1, 1, 1], [1, 1, 0]]),
    }
    with pytest.raises(InputError, match="carries padding tokens"):
        patterns_of(model, inputs, ["embedding"])
    found = patterns_of(model, inputs, ["embedding"], pool="mean")["embedding"].values
    weight = model.embedding.weight.detach().numpy()
    assert found[1] == pytest.approx(weight[[4, 5]].mean(axis=0), abs=1e-6)


def test_numpy_inputs_and_double_precision() -> None:
    model = nn.Sequential(nn.Linear(4, 2)).double()
    assert patterns_of(model, np.ones((3, 4)), ["0"])["0"].values.dtype == np.float64


@pytest.mark.parametrize(
    ("layers", "options", "error", "message"),
    [
        (["step"], {}, InputError, "'step' is reached 2 times in one pass"),
        (["unused"], {}, InputError, "'unused' is reached 0 times in one pass"),
        (["stepp"], {}, UnknownNameError, "'stepp' is not in this model; close names: 'step'"),
        (["unused"], {"pool": "max"}, UnknownNameError, "pool 'max' does not exist"),
        (["unused"], {"batch_size": 0}, InputError, "batch_size must be at least 1"),
    ],
)
def test_bad_arguments(layers: list[str], options: dict[str, Any], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        patterns_of(_Twice(), torch.ones(3, 4), layers, **options)


def test_layers_without_tokens_cannot_be_pooled() -> None:
    model = nn.Sequential(nn.Linear(4, 2))
    for pool, message in (("mean", "no tokens or places to average"), ("cls", "no first token")):
        with pytest.raises(InputError, match=message):
            patterns_of(model, torch.ones(3, 4), ["0"], pool=pool)  # type: ignore[arg-type]


def test_activity_that_is_not_finite() -> None:
    model = nn.Sequential(nn.Linear(4, 2))
    with pytest.raises(InputError, match="activity of layer '0' is not finite"):
        patterns_of(model, torch.full((3, 4), float("inf")), ["0"])


def test_hooks_are_removed_after_a_failure() -> None:
    model = _Twice()
    with pytest.raises(InputError):
        patterns_of(model, torch.ones(3, 4), ["step"])
    assert not model.step._forward_hooks
    assert model.training
    assert model.step.weight.requires_grad
