"""Activation functions with the derivative that training uses, which need not be the true one.

The controls isolate why tanh and ReLU learn different geometries: clipping a ReLU above makes it saturate on both
sides, shifting it moves its kink, and a false derivative changes learning while the response stays the same.

Reference: Alleman, Lindsey and Fusi, "Task structure and nonlinearity jointly determine learned representational
geometry", ICLR 2024.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from hodology.errors import InputError, UnknownNameError, near_names

__all__ = ["ACTIVATIONS", "Activation", "clipped_relu", "find_activation", "shifted_relu"]


@dataclass(frozen=True)
class Activation:
    """A pointwise nonlinearity.

    Attributes
    ----------
    name : str
    value : callable
        From preactivations to responses, a new tensor.
    slope : callable
        From preactivations and responses to the derivative that back-propagation uses.
    slope_noise : float
        Standard deviation of Gaussian noise that training adds to the derivative.
    """

    name: str
    value: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor, Tensor], Tensor]
    slope_noise: float = 0.0


def clipped_relu(ceiling: float) -> Activation:
    """ReLU that saturates above as well: min(max(x, 0), ceiling)."""
    if not ceiling > 0:
        raise InputError(f"ceiling must be positive, got {ceiling}.")
    return Activation(
        f"relu clipped at {ceiling:g}",
        lambda x: x.clamp(0.0, ceiling),
        lambda x, h: ((x > 0) & (x < ceiling)).to(x.dtype),
    )


def shifted_relu(shift: float) -> Activation:
    """ReLU with its kink elsewhere: max(x + shift, 0)."""
    if not abs(shift) < float("inf"):
        raise InputError(f"shift must be finite, got {shift}.")
    return Activation(
        f"relu(x{shift:+g})", lambda x: (x + shift).clamp_(min=0.0), lambda x, h: (h > 0).to(x.dtype)
    )


def find_activation(activation: str | Activation) -> Activation:
    """Look an activation up by name; an `Activation` is returned as it is.

    Raises
    ------
    UnknownNameError
        When no activation has this name.
    """
    if isinstance(activation, Activation):
        return activation
    if activation not in ACTIVATIONS:
        raise UnknownNameError(
            f"activation {activation!r} does not exist{near_names(activation, ACTIVATIONS)}."
        )
    return ACTIVATIONS[activation]


def _tanh_slope(x: Tensor, h: Tensor) -> Tensor:
    return torch.addcmul(torch.ones((), dtype=h.dtype, device=h.device), h, h, value=-1.0)


def _step(x: Tensor, h: Tensor) -> Tensor:
    return (h > 0).to(x.dtype)


def _one(x: Tensor, h: Tensor) -> Tensor:
    return torch.ones_like(h)


def _relu(x: Tensor) -> Tensor:
    return x.clamp(min=0.0)


_LIST = (
    Activation("tanh", torch.tanh, _tanh_slope),
    Activation("relu", _relu, _step),
    Activation("linear", torch.clone, _one),
    Activation("hard tanh", lambda x: x.clamp(-1.0, 1.0), lambda x, h: (h.abs() < 1).to(x.dtype)),
    *(clipped_relu(ceiling) for ceiling in (1.0, 1.5, 2.0)),
    *(shifted_relu(shift) for shift in (-1.0, -0.5, 0.5, 1.0)),
    Activation("relu, soft derivative", _relu, lambda x, h: torch.sigmoid(4.0 * x)),
    Activation("relu, noisy derivative", _relu, _step, 0.5),
    Activation("tanh, noisy derivative", torch.tanh, _tanh_slope, 0.5),
    Activation("relu, linear derivative", _relu, _one),
    Activation("tanh, linear derivative", torch.tanh, _one),
    Activation("hard tanh, linear derivative", lambda x: x.clamp(-1.0, 1.0), _one),
)
ACTIVATIONS: dict[str, Activation] = {activation.name: activation for activation in _LIST}
"""All activations by name."""
