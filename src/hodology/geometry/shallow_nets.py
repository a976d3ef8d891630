"""Many small networks held in one set of tensors, one slice per network.

A network is x -> phi(x W_1 + b_1) -> ... -> logits h J + c, with weights drawn as N(0, 1 / fan-in). Networks may
differ in activation and initial weights; they share width, depth and inputs.

Reference: Alleman, Lindsey and Fusi, "Task structure and nonlinearity jointly determine learned representational
geometry", ICLR 2024.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.geometry.shallow_activations import Activation
from hodology.rng import torch_stream

__all__ = ["Readout", "ShallowNets", "initial_nets", "join_nets"]

Readout = Literal["gaussian", "uniform", "unit-norm", "balanced"]


@dataclass(frozen=True, repr=False, eq=False)
class ShallowNets:
    """Networks in slices.

    Attributes
    ----------
    activations : tuple of Activation, length nets
    weights : tuple of Tensor, shape (nets, fan-in, width)
        One per hidden layer.
    biases : tuple of Tensor, shape (nets, 1, width)
    readout : Tensor, shape (nets, width, targets)
    readout_bias : Tensor, shape (nets, 1, targets)
    """

    activations: tuple[Activation, ...]
    weights: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]
    readout: Tensor
    readout_bias: Tensor

    def __repr__(self) -> str:
        names = ", ".join(dict.fromkeys(a.name for a in self.activations))
        width = self.readout.shape[1]
        return f"ShallowNets({len(self)} nets of {names}, depth {len(self.weights)}, width {width})"

    def __len__(self) -> int:
        return len(self.activations)

    @property
    def blocks(self) -> list[tuple[Activation, slice]]:
        """Runs of networks with one activation."""
        found, begin = [], 0
        for activation, run in groupby(self.activations):
            end = begin + len(list(run))
            found.append((activation, slice(begin, end)))
            begin = end
        return found

    def select(self, nets: Sequence[int] | np.ndarray) -> ShallowNets:
        """Some of the networks, as copies."""
        rows = torch.as_tensor(np.asarray(nets, dtype=np.int64))
        return ShallowNets(
            tuple(self.activations[i] for i in rows.tolist()),
            tuple(w[rows] for w in self.weights),
            tuple(b[rows] for b in self.biases),
            self.readout[rows],
            self.readout_bias[rows],
        )

    def hidden(self, x: Any, *, layer: int = -1) -> np.ndarray:
        """Responses of a hidden layer.

        Parameters
        ----------
        x : array-like, shape (samples, inputs)
        layer : int
            Default the last hidden layer.

        Returns
        -------
        float32 ndarray, shape (nets, samples, width)
        """
        if not -len(self.weights) <= layer < len(self.weights):
            raise InputError(f"layer must be from 0 to {len(self.weights) - 1}, got {layer}.")
        return self._responses(x)[layer].numpy()

    def logits(self, x: Any) -> np.ndarray:
        """Log odds of each target, float32, shape (nets, samples, targets)."""
        return torch.baddbmm(self.readout_bias, self._responses(x)[-1], self.readout).numpy()

    def module(self, net: int) -> nn.Sequential:
        """One network as a torch module with layers ``hidden1``, ``activation1``, ..., ``readout``.

        Its autograd uses the true derivative, whatever derivative trained it.
        """
        if not 0 <= net < len(self):
            raise InputError(f"net must be from 0 to {len(self) - 1}, got {net}.")
        found = nn.Sequential()
        for depth, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True), 1):
            found.add_module(f"hidden{depth}", _linear(weight[net], bias[net]))
            found.add_module(f"activation{depth}", _Pointwise(self.activations[net]))
        found.add_module("readout", _linear(self.readout[net], self.readout_bias[net]))
        return found.eval()

    def _responses(self, x: Any) -> list[Tensor]:
        given = torch.as_tensor(np.asarray(x), dtype=self.readout.dtype)
        if given.ndim != 2 or given.shape[1] != self.weights[0].shape[1]:
            raise InputError(
                f"x must have shape (samples, {self.weights[0].shape[1]}), got {tuple(given.shape)}."
            )
        found, h = [], given.expand(len(self), *given.shape)
        for weight, bias in zip(self.weights, self.biases, strict=True):
            pre = torch.baddbmm(bias, h, weight)
            h = torch.cat([activation.value(pre[part]) for activation, part in self.blocks])
            found.append(h)
        return found


def initial_nets(
    activations: Sequence[Activation],
    *,
    inputs: int,
    targets: int,
    n_nets: int,
    width: int = 128,
    depth: int = 1,
    readout: Readout = "gaussian",
    seed: int = 0,
) -> ShallowNets:
    """Draw networks; the i-th of every activation starts from the same weights, so that they can be paired.

    Parameters
    ----------
    activations : sequence of Activation
        Each gets `n_nets` networks.
    inputs, targets, n_nets, width, depth : int
    readout : {"gaussian", "uniform", "unit-norm", "balanced"}
        Output weights: of standard deviation 1 / sqrt(width), Gaussian or uniform; Gaussian with each target's vector
        scaled to norm 1; or plus and minus 1 / sqrt(width), equally often.
    seed : int

    Returns
    -------
    ShallowNets
    """
    for name, value in (("inputs", inputs), ("targets", targets), ("n_nets", n_nets), ("width", width)):
        if value < 1:
            raise InputError(f"{name} must be at least 1, got {value}.")
    if depth < 1:
        raise InputError(f"depth must be at least 1, got {depth}.")
    if readout not in get_args(Readout):
        raise UnknownNameError(f"readout {readout!r} does not exist{near_names(readout, get_args(Readout))}.")
    if readout == "balanced" and width % 2:
        raise InputError(f"balanced read-outs need an even width, got {width}.")
    fans = [inputs, *[width] * (depth - 1)]
    drawn = [_drawn_net(fans, width, targets, readout, seed, i) for i in range(n_nets)]
    copies = len(activations)
    weights = tuple(torch.stack([net[0][d] for net in drawn] * copies) for d in range(depth))
    biases = tuple(torch.stack([net[1][d] for net in drawn] * copies) for d in range(depth))
    return ShallowNets(
        tuple(activation for activation in activations for _ in range(n_nets)),
        weights,
        biases,
        torch.stack([net[2] for net in drawn] * copies),
        torch.stack([net[3] for net in drawn] * copies),
    )


def join_nets(parts: Sequence[ShallowNets]) -> ShallowNets:
    """Put networks of one width and depth together, in order."""
    if not parts:
        raise InputError("at least one group of networks is needed, got none.")
    depth = len(parts[0].weights)
    return ShallowNets(
        tuple(a for part in parts for a in part.activations),
        tuple(torch.cat([part.weights[d] for part in parts]) for d in range(depth)),
        tuple(torch.cat([part.biases[d] for part in parts]) for d in range(depth)),
        torch.cat([part.readout for part in parts]),
        torch.cat([part.readout_bias for part in parts]),
    )


class _Pointwise(nn.Module):
    """An activation as a module."""

    def __init__(self, activation: Activation) -> None:
        super().__init__()
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        return self.activation.value(x)


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    layer = nn.utils.skip_init(nn.Linear, *weight.shape)
    layer.weight.data.copy_(weight.T)
    layer.bias.data.copy_(bias[0])
    return layer


def _drawn_net(
    fans: Sequence[int], width: int, targets: int, readout: Readout, seed: int, net: int
) -> tuple[list[Tensor], list[Tensor], Tensor, Tensor]:
    """Weights of one network from its own stream, so that it doesn't matter how many are drawn."""
    stream = torch_stream(seed, "init", net)
    weights, biases = [], []
    for fan in fans:
        weights.append(torch.randn(fan, width, generator=stream) / fan**0.5)
        biases.append(torch.randn(1, width, generator=stream) / fan**0.5)
    sd = width**-0.5
    if readout == "uniform":
        out = (torch.rand(width, targets, generator=stream) * 2 - 1) * (3**0.5 * sd)
    elif readout == "balanced":
        signs = torch.tensor([sd, -sd]).repeat(width // 2)
        out = torch.stack([signs[torch.randperm(width, generator=stream)] for _ in range(targets)], dim=1)
    else:
        out = torch.randn(width, targets, generator=stream) * sd
        out = out / out.norm(dim=0) if readout == "unit-norm" else out
    return weights, biases, out, torch.randn(1, targets, generator=stream) * sd
