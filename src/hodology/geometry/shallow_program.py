"""Forward, backward and update of many small networks as batched matrix products; autograd is not used.

For one network with logits a = h J + c, probabilities p and targets y over a batch of B samples:

    delta_L = ((p - y) J^T / B) phi'(pre_L),  delta_l = (delta_{l+1} W_{l+1}^T) phi'(pre_l),  dW_l = h_{l-1}^T delta_l.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from hodology.geometry.shallow_nets import ShallowNets

__all__ = ["Program"]

_BETAS, _EPSILON = (0.9, 0.999), 1e-8


class Program:
    """Trains copies of the parameters of `nets` in place.

    Parameters
    ----------
    nets : ShallowNets
    optimizer : str
        "sgd", "adam" or "rms".
    learning_rate : float
    train_readout : bool
    noise : sequence of torch.Generator
        One per network, for activations whose derivative is noisy.
    """

    def __init__(
        self,
        nets: ShallowNets,
        *,
        optimizer: str,
        learning_rate: float,
        train_readout: bool,
        noise: Sequence[torch.Generator],
    ) -> None:
        self._activations, self._blocks = nets.activations, nets.blocks
        self._depth = len(nets.weights)
        given = (*nets.weights, *nets.biases, nets.readout, nets.readout_bias)
        self._parameters = [p.clone() for p in given]
        self._learns = self._parameters if train_readout else self._parameters[:-2]
        self._optimizer, self._rate = optimizer, learning_rate
        self._noise = noise
        self._mask: Tensor | None = None
        self._steps = 0
        self._rooms: dict[int, list[Tensor]] = {}
        self._gradients = [torch.empty_like(p) for p in self._parameters[:-2]]
        self._first = [torch.zeros_like(p) for p in self._learns] if optimizer == "adam" else []
        self._second = [torch.zeros_like(p) for p in self._learns] if optimizer != "sgd" else []

    def __len__(self) -> int:
        return len(self._activations)

    def nets(self) -> ShallowNets:
        """The networks as they are now."""
        found = [p.clone() for p in self._parameters]
        d = self._depth
        return ShallowNets(
            self._activations, tuple(found[:d]), tuple(found[d : 2 * d]), found[-2], found[-1]
        )  # fmt: skip

    def freeze(self, active: np.ndarray) -> None:
        """Let only these networks learn on."""
        self._mask = torch.as_tensor(active, dtype=torch.float32)[:, None, None]

    def epoch(self, x: Tensor, y: Tensor, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
        """One pass over the samples in the order given; mean loss and largest change of each network."""
        before = [p.clone() for p in self._learns]
        logits = torch.empty(len(self._activations), *y.shape)
        for begin in range(0, len(x), batch_size):
            part = slice(begin, begin + batch_size)
            logits[:, part] = self._step(x[part], y[part])
        loss = functional.binary_cross_entropy_with_logits(logits, y.expand_as(logits), reduction="none")
        change = torch.stack(
            [(p - b).abs().amax(dim=(1, 2)) for p, b in zip(self._learns, before, strict=True)]
        )
        return (loss.sum(dim=(1, 2), dtype=torch.float64) / len(x)).numpy(), change.amax(dim=0).numpy()

    def _step(self, x: Tensor, y: Tensor) -> Tensor:
        """One update; the logits before it."""
        d = self._depth
        weights, biases = self._parameters[:d], self._parameters[d : 2 * d]
        readout, readout_bias = self._parameters[-2:]
        room = self._room(len(x))
        before, slopes, h = [], [], x.expand(len(self._activations), *x.shape)
        for layer in range(d):
            before.append(h)
            pre = torch.baddbmm(biases[layer], h, weights[layer], out=room[layer])
            h, slope = self._respond(pre)
            slopes.append(slope)
        logits = torch.baddbmm(readout_bias, h, readout)
        error = torch.sigmoid(logits).sub_(y).div_(len(x))
        gradients = [*self._gradients]
        # one target needs no matrix product; preactivations are used up, so their place holds the deltas
        back = readout.transpose(1, 2)
        delta = (
            torch.mul(error, back, out=room[-1]) if y.shape[1] == 1 else torch.bmm(error, back, out=room[-1])
        )
        for layer in range(d - 1, -1, -1):
            delta.mul_(slopes[layer])
            torch.bmm(before[layer].transpose(1, 2), delta, out=gradients[layer])
            torch.sum(delta, dim=1, keepdim=True, out=gradients[d + layer])
            if layer:
                delta = torch.bmm(delta, weights[layer].transpose(1, 2), out=room[layer - 1])
        if len(self._learns) > 2 * d:
            gradients += [torch.bmm(h.transpose(1, 2), error), error.sum(dim=1, keepdim=True)]
        self._update(gradients)
        return logits

    def _room(self, rows: int) -> list[Tensor]:
        """Memory for the preactivations of each layer, kept between steps: fresh pages cost more than the products."""
        if rows not in self._rooms:
            shape = (len(self._activations), rows, self._parameters[-2].shape[1])
            self._rooms[rows] = [torch.empty(shape) for _ in range(self._depth)]
        return self._rooms[rows]

    def _respond(self, pre: Tensor) -> tuple[Tensor, Tensor]:
        """Responses and slopes of all networks, block by block of one activation."""
        if len(self._blocks) == 1:
            activation, part = self._blocks[0]
            h = activation.value(pre)
            slope = activation.slope(pre, h)
            return h, self._roughened(slope, part) if activation.slope_noise else slope
        h, slope = torch.empty_like(pre), torch.empty_like(pre)
        for activation, part in self._blocks:
            h[part] = activation.value(pre[part])
            found = activation.slope(pre[part], h[part])
            slope[part] = self._roughened(found, part) if activation.slope_noise else found
        return h, slope

    def _roughened(self, slope: Tensor, part: slice) -> Tensor:
        """Slopes with noise from each network's own stream."""
        draws = [torch.randn(slope.shape[1:], generator=self._noise[i]) for i in range(part.start, part.stop)]
        return torch.add(slope, torch.stack(draws), alpha=self._activations[part.start].slope_noise)

    def _update(self, gradients: Sequence[Tensor]) -> None:
        self._steps += 1
        b1, b2 = _BETAS
        for i, (parameter, gradient) in enumerate(zip(self._learns, gradients, strict=True)):
            step = gradient
            if self._optimizer != "sgd":
                square = self._second[i].mul_(b2).addcmul_(gradient, gradient, value=1 - b2)
                scale = (square / (1 - b2**self._steps)).sqrt_().add_(_EPSILON)
                if self._optimizer == "adam":
                    mean = self._first[i].mul_(b1).add_(gradient, alpha=1 - b1)
                    step = mean / (1 - b1**self._steps) / scale
                else:
                    step = gradient / scale
            if self._mask is not None:
                step = step * self._mask
            parameter.sub_(step, alpha=self._rate)
