"""A compact convolutional classifier, small enough to train in seconds on one core."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from hodology.errors import InputError
from hodology.rng import derive_seed

__all__ = ["SmallCNN"]


class SmallCNN(nn.Sequential):
    """Convolutions with ReLU and 2 x 2 pooling, one hidden layer, class scores (after LeCun et al., 1998).

    Parameters
    ----------
    image_size : int
        Side of the square image, pixels; halved once per convolution.
    channels, classes : int
    filters : sequence of int
        Filters of each 3 x 3 convolution.
    hidden : int
        Units of the hidden layer.
    rng : int
        Seed of the initial weights; global random state is left alone.

    Raises
    ------
    InputError
        When the image cannot be halved that often.
    """

    def __init__(
        self,
        *,
        image_size: int = 8,
        channels: int = 1,
        classes: int = 10,
        filters: tuple[int, ...] = (12, 16),
        hidden: int = 32,
        rng: int = 0,
    ) -> None:
        side = image_size // 2 ** len(filters)
        if side < 1 or side * 2 ** len(filters) != image_size:
            raise InputError(f"image_size must divide by {2 ** len(filters)}, got {image_size}.")
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(rng, "init"))
            for index, (before, after) in enumerate(zip((channels, *filters), filters), 1):
                parts[f"conv{index}"] = nn.Conv2d(before, after, 3, padding=1)
                parts[f"relu{index}"] = nn.ReLU()
                parts[f"pool{index}"] = nn.MaxPool2d(2)
            parts["flatten"] = nn.Flatten()
            parts["fc1"] = nn.Linear((filters[-1] if filters else channels) * side**2, hidden)
            parts["relu"] = nn.ReLU()
            parts["fc2"] = nn.Linear(hidden, classes)
        super().__init__(parts)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores ``(batch, classes)`` of images ``(batch, channels, height, width)``."""
        return super().forward(x)
