"""Fold the scale of a component into the weights of the branch that makes it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hodology.errors import InputError
from hodology.nn.forward import Inputs, call_model
from hodology.nn.residual import ResidualStream
from hodology.nn.taps import evaluation_mode

__all__ = ["fold_scales"]


def fold_scales(
    stream: ResidualStream,
    model: nn.Module,
    weights: Sequence[Tensor | None],
    foldable: Sequence[int],
    expected: tuple[Inputs, Tensor],
) -> nn.Module:
    """Multiply the output channels of the branches' last linear maps in `model`, a copy that is changed.

    Parameters
    ----------
    stream : ResidualStream
    model : nn.Module
    weights : sequence of Tensor or None, length P
        Scale per component: a number, or one per channel.
    foldable : sequence of int
        Components that nothing reads unscaled.
    expected : inputs and scores
        What the result must give.

    Raises
    ------
    InputError
        When a component outside `foldable` is scaled, a branch has no last linear map, or the result gives other
        scores (something behind the map does not commute with a scale).
    """
    for index, weight in enumerate(weights):
        if weight is None or bool((weight == 1).all()):
            continue
        name = stream.names[index]
        if index not in foldable:
            why = "is no branch" if index == 0 else "is read by later blocks without its scale"
            raise InputError(f"component {name!r} {why}, so its scale cannot be folded into weights.")
        down = stream.survey.downs[index - 1]
        if down is None:
            raise InputError(f"component {name!r} does not end in a linear map to fold its scale into.")
        _scale_outputs(model.get_submodule(down), weight.detach())
    inputs, scores = expected
    with evaluation_mode(model), torch.no_grad():
        error = float((call_model(model, inputs) - scores).abs().max())
    if not error <= 1e-4 * float(scores.abs().max()) + 1e-5:
        raise InputError(
            f"with the scales in the weights the scores are off by {error:.2g}: something behind a branch's last linear "
            "map (a norm, a shared weight) does not commute with its scale, so they cannot be folded."
        )
    return model


def _scale_outputs(module: nn.Module, weight: Tensor) -> None:
    with torch.no_grad():
        matrix = module.get_parameter("weight")
        transposed = type(module).__name__ == "Conv1D"  # GPT-2 keeps its outputs in the second axis
        matrix.mul_(weight if transposed or weight.ndim == 0 else weight[:, None])
        bias = getattr(module, "bias", None)
        if isinstance(bias, Tensor):
            bias.mul_(weight)
