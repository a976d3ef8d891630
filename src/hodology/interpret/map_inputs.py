"""Images of a batch, their noise and baselines: what all explanation maps ask of their inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hodology.errors import InputError
from hodology.nn.clean_run import check_targets
from hodology.nn.forward import Inputs, check_inputs, usable_model
from hodology.rng import torch_stream

__all__ = [
    "Target",
    "expand_baseline",
    "input_noise",
    "pixels_of",
    "row_chunks",
    "row_streams",
    "resized",
    "row_targets",
    "usable_images",
    "with_pixels",
]

Target = int | Tensor | Sequence[int]


def pixels_of(inputs: Inputs) -> Tensor:
    """The images of a batch, ``(batch, channels, height, width)``; refuses what holds none."""
    if isinstance(inputs, Mapping) and "pixel_values" not in inputs:
        raise InputError(f"a mapping of images must have the key 'pixel_values', got {sorted(inputs)}.")
    pixels = inputs["pixel_values"] if isinstance(inputs, Mapping) else inputs
    if not isinstance(pixels, Tensor):
        raise InputError(f"images must be a tensor, got {type(pixels).__name__}.")
    if pixels.ndim != 4 or not pixels.is_floating_point():
        raise InputError(
            "images must be floating point of shape (batch, channels, height, width), got "
            f"{tuple(pixels.shape)} of {pixels.dtype}."
        )
    if not bool(pixels.isfinite().all()):
        raise InputError("images must be finite, got NaN or infinity.")
    return pixels


def with_pixels(inputs: Inputs, pixels: Tensor) -> Inputs:
    """The same inputs with other images."""
    return {**inputs, "pixel_values": pixels} if isinstance(inputs, Mapping) else pixels


def row_targets(target: Target, scores: Tensor, count: int) -> Tensor:
    """Class of each of `count` images, int64, checked against scores ``(any, classes)``."""
    try:
        goal = torch.as_tensor(target)
    except (TypeError, ValueError, RuntimeError):
        goal = torch.tensor(True)
    if goal.dtype == torch.bool:
        raise InputError(f"target must be a class id, or one per image, got {target!r:.60}.")
    return check_targets(goal, scores[:1].expand(count, -1))


def row_streams(rng: int | Sequence[int], name: str, count: int) -> list[torch.Generator]:
    """A stream of random numbers for each of `count` images: of one seed, or of one seed each."""
    if isinstance(rng, (int, np.integer)):
        return [torch_stream(int(rng), name, row) for row in range(count)]
    if len(rng) != count:
        raise InputError(f"rng must be a seed or one per image ({count}), got {len(rng)}.")
    return [torch_stream(seed, name) for seed in rng]


def input_noise(pixels: Tensor, rows: Tensor, sigma: float, streams: Sequence[torch.Generator]) -> Tensor:
    """The next Gaussian noise for images `rows` (which may repeat), `sigma` times the range of each."""
    if not 0.0 <= sigma < np.inf:
        raise InputError(f"sigma must be 0 or more, got {sigma}.")
    drawn = torch.stack([torch.randn(pixels.shape[1:], generator=streams[row]) for row in rows.tolist()])
    images = pixels[rows]
    span = images.amax(dim=(1, 2, 3), keepdim=True) - images.amin(dim=(1, 2, 3), keepdim=True)
    return sigma * span * drawn.to(pixels)


def expand_baseline(baseline: float | Tensor, pixels: Tensor) -> Tensor:
    """A baseline in the shape of the images."""
    start = torch.as_tensor(baseline, dtype=pixels.dtype, device=pixels.device)
    try:
        start = start.expand_as(pixels)
    except RuntimeError:
        raise InputError(
            f"baseline must expand to the shape of the images {tuple(pixels.shape)}, got {tuple(start.shape)}."
        ) from None
    if not bool(start.isfinite().all()):
        raise InputError("baseline must be finite, got NaN or infinity.")
    return start


def row_chunks(count: int, steps: int, size: Any, device: torch.device) -> list[tuple[Tensor, Tensor]]:
    """Rows and steps of steps x images, image by image, in pieces of one pass."""
    if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 1:
        raise InputError(f"batch_size must be an integer of at least 1, got {size!r}.")
    rows = torch.arange(count, device=device).repeat_interleave(steps)
    step = torch.arange(steps, device=device).repeat(count)
    return list(zip(rows.split(int(size)), step.split(int(size)), strict=True))


def usable_images(model: nn.Module, images: Inputs) -> tuple[nn.Module, Inputs, Tensor]:
    """The model to run, the inputs that it can take, and the images in them; raises `InputError` as those checks do."""
    model = usable_model(model)
    inputs = check_inputs(model, images)
    return model, inputs, pixels_of(inputs)


def resized(maps: Tensor, pixels: Tensor) -> Tensor:
    """Maps ``(batch, h, w)`` bilinearly in the size of the images, ``(batch, height, width)``."""
    size = tuple(pixels.shape[2:])
    return nn.functional.interpolate(maps[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]
