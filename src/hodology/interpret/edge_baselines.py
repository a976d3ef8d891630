"""Edges that other rules would choose, layer by layer: what a causal graph is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.interpret.causal_effects import EffectKind, class_value
from hodology.interpret.edge_sets import EdgeSet, edge_module, is_sum_layer, spread_mask
from hodology.nn.forward import Inputs, call_model
from hodology.nn.taps import evaluation_mode, record
from hodology.rng import stream

__all__ = ["EdgeRule", "edge_scores", "top_edges"]

EdgeRule = Literal["random", "weight", "gradient", "signed-gradient", "activation"]


def top_edges(
    model: nn.Module,
    like: EdgeSet,
    rule: EdgeRule,
    *,
    images: Inputs | None = None,
    target: int = 0,
    effect: EffectKind = "logodds",
    rng: int = 0,
) -> EdgeSet:
    """As many edges of each layer as `like` has there, chosen by another rule among all edges of the layer.

    Parameters
    ----------
    model : nn.Module
    like : EdgeSet
        Gives the layers, the shapes of their masks and the numbers; sums of branches are left out.
    rule : {"random", "weight", "gradient", "signed-gradient", "activation"}
        A uniform draw; the largest weights (norm of a kernel slice); the largest absolute gradient x weight of the
        evidence for `target` over `images`; the same with its sign, the most supporting first; the largest mean
        absolute activity x weight.
    images : Tensor or mapping of str to Tensor, optional
        Needed by the last three rules.
    target : int
    effect : str
        Evidence, see `hodology.interpret.causal_effects.class_value`.
    rng : int
        Seed of the draw.

    Raises
    ------
    InputError, UnknownNameError
    """
    masks = {}
    layers = {name: mask for name, mask in like.masks.items() if not is_sum_layer(name)}
    if rule == "random":
        scores = {name: stream(rng, "edges", name).random(mask.shape) for name, mask in layers.items()}
    else:
        scores = edge_scores(model, layers, rule, images=images, target=target, effect=effect)
    for name, mask in layers.items():
        chosen = np.zeros(mask.size, dtype=bool)
        chosen[np.argsort(-scores[name].ravel(), kind="stable")[: int(mask.sum())]] = True
        masks[name] = chosen.reshape(mask.shape)
    return EdgeSet(masks)


def edge_scores(
    model: nn.Module,
    shapes: Mapping[str, np.ndarray],
    rule: EdgeRule,
    *,
    images: Inputs | None = None,
    target: int = 0,
    effect: EffectKind = "logodds",
) -> dict[str, np.ndarray]:
    """Score of every edge under a rule, in the shape of the masks of `shapes`; see `top_edges`."""
    if rule not in get_args(EdgeRule) or rule == "random":
        raise UnknownNameError(
            f"rule {rule!r} does not score edges{near_names(str(rule), get_args(EdgeRule))}."
        )
    for name, mask in shapes.items():
        spread_mask(mask, edge_module(model, name), name)  # refuses what does not fit
    weights = {name: model.get_submodule(name).get_parameter("weight") for name in shapes}
    if rule == "weight":
        found = {name: _by_edge(w.detach() ** 2, shapes[name]).sqrt() for name, w in weights.items()}
    elif images is None:
        raise InputError(f"rule {rule!r} needs images.")
    elif rule == "activation":
        found = _activation(model, weights, shapes, images)
    else:
        found = {
            name: _by_edge(g, shapes[name]) for name, g in _gradients(model, weights, images, target, effect)
        }
        if rule == "gradient":
            found = {name: value.abs() for name, value in found.items()}
    return {name: value.double().cpu().numpy() for name, value in found.items()}


def _gradients(
    model: nn.Module, weights: Mapping[str, nn.Parameter], images: Inputs, target: int, effect: EffectKind
) -> Any:
    """Gradient x weight, summed over images; the parameters' own flags and gradients are left alone."""
    with evaluation_mode(model), torch.enable_grad():
        held = {name: weight.detach().clone().requires_grad_() for name, weight in weights.items()}
        swapped = {f"{name}.weight": value for name, value in held.items()}
        scores = torch.func.functional_call(
            _Scores(model), {f"model.{k}": v for k, v in swapped.items()}, (images,)
        )
        gradients = torch.autograd.grad(class_value(scores, target, effect).sum(), list(held.values()))
    return [(name, (g * held[name]).detach()) for name, g in zip(held, gradients, strict=True)]


def _activation(
    model: nn.Module, weights: Mapping[str, Tensor], shapes: Mapping[str, np.ndarray], images: Inputs
) -> dict[str, Tensor]:
    with evaluation_mode(model), torch.no_grad(), record(model, [f"{n}:input" for n in weights]) as activity:
        call_model(model, images)
    found = {}
    for name, weight in weights.items():
        read = activity[f"{name}:input"].abs()
        mean = read.flatten(2).mean(dim=(0, 2)) if read.ndim > 2 else read.mean(dim=0)
        scaled = weight.detach().abs() * mean.view(1, -1, *(1,) * (weight.ndim - 2))
        found[name] = _by_edge(scaled, shapes[name])
    return found


def _by_edge(values: Tensor, mask: np.ndarray) -> Tensor:
    """Sums over what belongs to one edge: a kernel's slice, or all columns of a flattened channel."""
    return values.reshape(mask.shape[0], mask.shape[1], -1).sum(dim=2)


class _Scores(nn.Module):
    """Class scores by a plain forward, for functional calls."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Inputs) -> Tensor:
        return call_model(self.model, inputs)
