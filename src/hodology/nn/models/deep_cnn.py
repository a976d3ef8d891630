"""A compact convolutional network with many layers, for comparing what its layers represent."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hodology.errors import InputError
from hodology.rng import derive_seed

__all__ = ["DeepCNN"]


class DeepCNN(nn.Sequential):
    """Several 3 x 3 convolutions between poolings, a hidden layer and class scores (after Simonyan and Zisserman, 2015).

    Parameters
    ----------
    image_size : int
        Side of the square image, pixels.
    channels, classes : int
    filters : sequence of int
        Filters of each 3 x 3 convolution.
    pool_after : sequence of int
        Convolutions, counted from 1, that a 2 x 2 pooling follows.
    hidden : int
        Units of the hidden layer.
    rng : int
        Seed of the initial weights; global random state is left alone.

    Attributes
    ----------
    layers : dict of str to str
        Name of each layer (``"conv1"`` ... ``"fc2"``) and the module whose output is its activity: the rectified
        values, before pooling; for ``"fc2"`` the class scores.

    Raises
    ------
    InputError
        For no convolutions, a pooling after one that does not exist, and an image that cannot be halved that often.
    """

    def __init__(
        self,
        *,
        image_size: int = 8,
        channels: int = 1,
        classes: int = 10,
        filters: Sequence[int] = (16, 16, 32, 32, 32, 32),
        pool_after: Sequence[int] = (2, 4),
        hidden: int = 64,
        rng: int = 0,
    ) -> None:
        side = _last_side(image_size, len(filters), pool_after)
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(rng, "init"))
            for index, (before, after) in enumerate(zip((channels, *filters), filters), 1):
                parts[f"conv{index}"] = nn.Conv2d(before, after, 3, padding=1)
                parts[f"relu{index}"] = nn.ReLU()
                if index in pool_after:
                    parts[f"pool{index}"] = nn.MaxPool2d(2)
            parts["flatten"] = nn.Flatten()
            parts["fc1"] = nn.Linear(filters[-1] * side**2, hidden)
            parts["relu"] = nn.ReLU()
            parts["fc2"] = nn.Linear(hidden, classes)
        super().__init__(parts)
        self.layers = {f"conv{i}": f"relu{i}" for i in range(1, len(filters) + 1)}
        self.layers |= {"fc1": "relu", "fc2": "fc2"}

    def forward(self, x: Tensor) -> Tensor:
        """Class scores ``(batch, classes)`` of images ``(batch, channels, height, width)``."""
        return super().forward(x)


def _last_side(image_size: int, count: int, pool_after: Sequence[int]) -> int:
    """Side of the last feature map."""
    if count < 1:
        raise InputError("filters must name at least one convolution, got none.")
    if not set(pool_after) <= set(range(1, count + 1)):
        raise InputError(f"pool_after must name convolutions 1 to {count}, got {list(pool_after)}.")
    halvings = len(set(pool_after))
    side = image_size // 2**halvings
    if side < 1 or side * 2**halvings != image_size:
        raise InputError(f"image_size must divide by {2**halvings}, got {image_size}.")
    return side
