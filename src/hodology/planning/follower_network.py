"""The network that follows a path: a small residual encoder with a policy and a value, whose sizes are told by a `NetworkShape`.

Encoder: convolution 3x3 (2 -> F), B residual blocks [ReLU, conv 3x3, ReLU, conv 3x3, plus skip], ReLU, flatten; then, where
asked for, linear to `hidden` + ReLU and a GRU; five logits and one value. The authors' blocks apply their first ReLU in
place, so what the skip carries is ReLU(x) and not x: block(x) = y + conv(ReLU(conv(y))) with y = ReLU(x). Their weights
need that.

Reference: Skrynnik et al., "Learn to Follow", AAAI 2024, and the configurations of its released models.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.rng import torch_stream

__all__ = ["FollowerNetwork", "NetworkShape", "Preset", "network_shape"]

Preset = Literal["follower", "follower-lite"]
_ACTIONS = 5


@dataclass(frozen=True)
class NetworkShape:
    """Sizes of a network.

    Attributes
    ----------
    radius : int
        Of the input: a square of side 2 * radius + 1.
    filters : int
        Channels of all convolutions.
    blocks : int
        Residual blocks.
    hidden : int or None
        Width of the linear layer after the encoder; None leaves it out.
    recurrent : int or None
        Width of the GRU; None leaves it out.
    """

    radius: int
    filters: int
    blocks: int
    hidden: int | None = None
    recurrent: int | None = None

    def __post_init__(self) -> None:
        for name in ("radius", "filters", "blocks"):
            least = 0 if name == "blocks" else 1
            if getattr(self, name) < least:
                raise InputError(f"{name} must be at least {least}, got {getattr(self, name)}.")
        for name in ("hidden", "recurrent"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} must be at least 1 or None, got {value}.")

    @property
    def side(self) -> int:
        """Side of the input in cells."""
        return 2 * self.radius + 1


_PRESETS: dict[str, NetworkShape] = {
    "follower": NetworkShape(radius=5, filters=64, blocks=8, hidden=512, recurrent=256),
    "follower-lite": NetworkShape(radius=3, filters=8, blocks=1),
}


def network_shape(preset: Preset) -> NetworkShape:
    """Sizes of the paper's two networks.

    Raises
    ------
    UnknownNameError
        For a name that is neither "follower" nor "follower-lite".
    """
    if preset not in get_args(Preset):
        raise UnknownNameError(f"preset {preset!r} does not exist{near_names(preset, get_args(Preset))}.")
    return _PRESETS[preset]


class FollowerNetwork(nn.Module):
    """Policy and value from the two channels of an agent.

    Parameters
    ----------
    shape : NetworkShape
    rng : int
        Seed of the orthogonal initial weights (gain 1; biases 0).
    """

    def __init__(self, shape: NetworkShape, *, rng: int = 0) -> None:
        super().__init__()
        self.shape = shape
        self.stem = nn.Conv2d(2, shape.filters, 3, padding=1)
        self.blocks = nn.ModuleList(_Block(shape.filters) for _ in range(shape.blocks))
        width = shape.filters * shape.side**2
        self.linear = nn.Linear(width, shape.hidden) if shape.hidden is not None else None
        width = width if shape.hidden is None else shape.hidden
        self.gru = nn.GRU(width, shape.recurrent) if shape.recurrent is not None else None
        width = width if shape.recurrent is None else shape.recurrent
        self.policy = nn.Linear(width, _ACTIONS)
        self.value = nn.Linear(width, 1)
        _initialise(self, rng)

    def forward(self, inputs: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor | None]:
        """One step of a batch.

        Parameters
        ----------
        inputs : float Tensor, shape (n, 2, side, side)
        state : float Tensor, shape (n, recurrent), optional
            Of the GRU after the step before; zeros by default. None without a GRU.

        Returns
        -------
        logits : Tensor, shape (n, 5)
            Stay, up, down, left, right.
        value : Tensor, shape (n,)
        state : Tensor, shape (n, recurrent), or None
        """
        features = self.encode(inputs)
        if self.gru is not None:
            start = self.initial_state(len(inputs)) if state is None else state
            features, last = self.gru(features[None], start[None])
            features, state = features[0], last[0]
        logits, value = self.heads(features)
        return logits, value, state

    def encode(self, inputs: Tensor) -> Tensor:
        """Features ``(n, width)`` before the GRU."""
        if inputs.ndim != 4 or tuple(inputs.shape[1:]) != (2, self.shape.side, self.shape.side):
            raise InputError(_misfit(self.shape, tuple(inputs.shape[2:])))
        x = self.stem(inputs)
        for block in self.blocks:
            x = block(x)
        x = nn.functional.relu(x).flatten(1)
        return x if self.linear is None else nn.functional.relu(self.linear(x))

    def heads(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Logits ``(..., 5)`` and values ``(...)`` of features."""
        return self.policy(features), self.value(features)[..., 0]

    def unroll(self, inputs: Tensor, state: Tensor | None, ends: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and values along sequences, the GRU run through them.

        Parameters
        ----------
        inputs : float Tensor, shape (time, n, 2, side, side)
        state : float Tensor, shape (n, recurrent), or None
            Before the first step.
        ends : bool Tensor, shape (time, n)
            True where an episode ended after this step: the state is zero at the next one.

        Returns
        -------
        logits : Tensor, shape (time, n, 5)
        value : Tensor, shape (time, n)
        """
        features = self.encode(inputs.flatten(0, 1)).unflatten(0, inputs.shape[:2])
        if self.gru is not None:
            state = self.initial_state(inputs.shape[1]) if state is None else state
            steps = []
            for now, end in zip(features, ends, strict=True):
                step, state = self.gru(now[None], state[None])
                state = state[0] * ~end[:, None]
                steps.append(step[0])
            features = torch.stack(steps)
        return self.heads(features)

    def initial_state(self, n: int) -> Tensor:
        """Zeros ``(n, recurrent)``, with the dtype and device of the weights."""
        return self.policy.weight.new_zeros(n, self.shape.recurrent or 0)


class _Block(nn.Module):
    """Residual block whose skip carries ReLU(x)."""

    def __init__(self, filters: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(filters, filters, 3, padding=1)
        self.second = nn.Conv2d(filters, filters, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.relu(x)
        return x + self.second(nn.functional.relu(self.first(x)))


def _misfit(shape: NetworkShape, given: tuple[int, ...]) -> str:
    return f"weights expect a {shape.side}x{shape.side}x2 input, planner gives {'x'.join(map(str, given))}."


def _initialise(network: FollowerNetwork, rng: int) -> None:
    """Orthogonal weights of gain 1 and zero biases, from a stream of their own."""
    generator = torch_stream(rng, "follower network")
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim < 2:
                parameter.zero_()
            else:
                nn.init.orthogonal_(parameter, 1.0, generator=generator)
