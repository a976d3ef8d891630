"""How faithful explanation maps are: what the model still sees when the marked pixels go, or come alone.

Deletion replaces pixels by a baseline, those that the map marks most first; a faithful map makes the evidence for the
class fall at once (small area under the curve). Insertion starts from the baseline and brings them back (large area):

    v_k = value of the class with the first n_k pixels replaced,   AUC = sum_k (f_k+1 - f_k) (v_k + v_k+1) / 2

with f_k the share of pixels replaced. Average drop shows only what the map lights up, b + m * (x - b) with the map m
scaled to a maximum of 1, and counts the share of the class's probability that is lost.

References: Petsiuk, Das, Saenko, "RISE", BMVC 2018 (deletion and insertion); Chattopadhay et al., "Grad-CAM++", WACV
2018 (average drop and increase in confidence).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.interpret.causal_effects import EffectKind, class_value
from hodology.interpret.map_inputs import (
    Target,
    expand_baseline,
    pixels_of,
    row_chunks,
    row_streams,
    row_targets,
    with_pixels,
)
from hodology.nn.clean_run import output_value
from hodology.nn.forward import Inputs, call_model, check_inputs, select_rows, usable_model
from hodology.nn.taps import evaluation_mode

__all__ = ["AverageDrop", "Baseline", "DeletionCurve", "Mode", "average_drop", "check_maps", "deletion_curve"]

Mode = Literal["deletion", "insertion"]
Baseline = Literal["zero", "mean", "blur"] | float | Tensor
_BASELINES = ("zero", "mean", "blur")


@dataclass(frozen=True, eq=False, repr=False)
class DeletionCurve:
    """The evidence for a class while pixels are replaced, or brought back.

    Attributes
    ----------
    fractions : float64 ndarray, shape (points,)
        Share of pixels replaced (deletion) or brought back (insertion), from 0 to 1.
    values : float64 ndarray, shape (batch, points)
        Evidence for the target.
    auc : float64 ndarray, shape (batch,)
        Area under each curve, trapezoid rule, in the unit of the value.
    mode, value : str
    """

    fractions: np.ndarray
    values: np.ndarray
    auc: np.ndarray
    mode: Mode
    value: EffectKind

    def __repr__(self) -> str:
        return (
            f"DeletionCurve({self.mode}, {self.value}, images={len(self.auc)}, points={len(self.fractions)})"
        )


@dataclass(frozen=True, eq=False, repr=False)
class AverageDrop:
    """What is left of the class's probability when only the marked part of each image is shown.

    Attributes
    ----------
    drop : float64 ndarray, shape (batch,)
        Share of the probability that is lost, 0 where it rises; lower is better.
    increased : bool ndarray, shape (batch,)
        Where the probability rises.
    """

    drop: np.ndarray
    increased: np.ndarray

    def __repr__(self) -> str:
        return f"AverageDrop(drop={self.average:.4g}, increase={self.increase_rate:.4g}, images={len(self.drop)})"

    @property
    def average(self) -> float:
        """Mean drop, 0 to 1; the paper's average drop in percent is 100 times it."""
        return float(self.drop.mean())

    @property
    def increase_rate(self) -> float:
        """Share of the images whose probability rises."""
        return float(self.increased.mean())


def deletion_curve(
    model: nn.Module,
    images: Inputs,
    maps: Tensor | np.ndarray,
    target: Target,
    *,
    mode: Mode = "deletion",
    steps: int = 50,
    baseline: Baseline = "zero",
    value: EffectKind = "probability",
    batch_size: int = 64,
    rng: int | Sequence[int] = 0,
) -> DeletionCurve:
    """Replace pixels in the order of each map, or bring them back, and follow the evidence for the class.

    Parameters
    ----------
    model : nn.Module
        An image classifier; run in eval mode and never changed.
    images : Tensor, shape (batch, channels, height, width), or mapping with ``pixel_values``
    maps : Tensor or ndarray, shape (batch, height, width)
        Larger is more important; only the order within a map counts. Ties are broken at random by `rng`, another order
        in every image: in the order of the rows a constant map, or the zeros of a rectified one, would be a map of the
        image's upper part.
    target : int or Tensor of int64, shape (batch,)
    mode : {"deletion", "insertion"}
    steps : int
        The curve has ``steps + 1`` points, the first with no pixel changed, the last with all; fewer where there are
        fewer pixels.
    baseline : {"zero", "mean", "blur"}, float or Tensor
        What stands for a pixel that is not there: zero, the mean of the image's channel, the image blurred by a
        Gaussian of 1/8 of its shorter side, or what expands to the shape of the images.
    value : {"probability", "logodds", "log-probability", "logit", "loss", "correct"}
        See `hodology.interpret.causal_effects.class_value`.
    batch_size : int
        Images in one pass (steps x images are run); memory and speed, not the result.
    rng : int or sequence of int
        Seed of the order of ties; with one per image, it does not depend on the image's place in the batch.

    Returns
    -------
    DeletionCurve

    Raises
    ------
    UnknownNameError, InputError
        For another mode, baseline or value; maps of another size than the images, or not finite; no steps.
    """
    model = usable_model(model)
    inputs = check_inputs(model, images)
    pixels = pixels_of(inputs)
    if mode not in get_args(Mode):
        raise UnknownNameError(f"mode {mode!r} does not exist{near_names(str(mode), get_args(Mode))}.")
    class_value(torch.zeros(1, 2), 0, value)  # refuses unknown names before the work
    rank = _ranks(check_maps(maps, pixels), rng)
    count = rank[0].numel()
    changed = torch.from_numpy(_counts(count, steps)).to(pixels.device)
    gone = _baseline(baseline, pixels)
    first, last = (pixels, gone) if mode == "deletion" else (gone, pixels)
    found = []
    with evaluation_mode(model), torch.no_grad():
        for rows, step in row_chunks(len(pixels), len(changed), batch_size, pixels.device):
            done = rank[rows] < changed[step, None, None]
            shown = torch.where(done[:, None], last[rows], first[rows])
            scores = call_model(model, with_pixels(select_rows(inputs, rows), shown))
            found.append(_values(scores, row_targets(target, scores, len(pixels))[rows], value))
    values = torch.cat(found).view(len(pixels), -1).double().cpu().numpy()
    fractions = changed.cpu().numpy() / count
    return DeletionCurve(fractions, values, np.trapezoid(values, fractions, axis=1), mode, value)


def average_drop(
    model: nn.Module,
    images: Inputs,
    maps: Tensor | np.ndarray,
    target: Target,
    *,
    baseline: Baseline = "zero",
    batch_size: int = 64,
) -> AverageDrop:
    """Share of the class's probability that is lost when only the map-weighted image is shown.

    Parameters
    ----------
    model, images, target, batch_size
        See `deletion_curve`.
    maps : Tensor or ndarray, shape (batch, height, width)
        Negative parts count as zero, then each map is divided by its largest value; a map of zeros shows nothing.
    baseline : {"zero", "mean", "blur"}, float or Tensor
        What is shown where the map is zero (paper: zero).

    Returns
    -------
    AverageDrop

    Raises
    ------
    UnknownNameError, InputError
        As `deletion_curve`.
    """
    model = usable_model(model)
    inputs = check_inputs(model, images)
    pixels = pixels_of(inputs)
    weights = check_maps(maps, pixels).clamp(min=0.0)
    largest = weights.amax(dim=(1, 2), keepdim=True)
    weights = torch.where(largest > 0.0, weights / largest, 0.0).to(pixels.dtype)[:, None]
    shown = torch.lerp(_baseline(baseline, pixels), pixels, weights)
    found = []
    with evaluation_mode(model), torch.no_grad():
        for rows, _ in row_chunks(len(pixels), 1, batch_size, pixels.device):
            given = select_rows(inputs, rows)
            pair = [call_model(model, i).double() for i in (given, with_pixels(given, shown[rows]))]
            goal = row_targets(target, pair[0], len(pixels))[rows]
            clean, left = (output_value(scores, goal, "log-probability") for scores in pair)
            found.append(left - clean)
    change = torch.cat(found).cpu().numpy()  # of logs: the ratio of two tiny probabilities is exact
    return AverageDrop(-np.expm1(np.minimum(change, 0.0)), change > 0.0)


def check_maps(maps: Tensor | np.ndarray, pixels: Tensor) -> Tensor:
    """Return maps in float64 where the images are; refuses those of another shape, and NaN."""
    found = maps if isinstance(maps, Tensor) else torch.from_numpy(np.array(maps, dtype=np.float64))
    shape = (len(pixels), *pixels.shape[2:])
    if tuple(found.shape) != shape:
        raise InputError(
            f"maps must have shape {shape} (batch, height, width) as the images, got {tuple(found.shape)}."
        )
    found = found.detach().to(pixels.device).double()
    if not bool(found.isfinite().all()):
        raise InputError("maps must be finite, got NaN or infinity.")
    return found


def _ranks(maps: Tensor, rng: int | Sequence[int]) -> Tensor:
    """Place of each pixel in the order of its map, 0 for the largest; ties at random."""
    flat = maps.flatten(1).cpu().numpy()
    ranks = np.empty(flat.shape, dtype=np.int64)
    for row, stream in enumerate(row_streams(rng, "order-of-ties", len(flat))):
        ties = torch.randperm(flat.shape[1], generator=stream).numpy()
        order = np.lexsort((ties, -flat[row]))
        ranks[row, order] = np.arange(flat.shape[1])
    return torch.from_numpy(ranks).view(maps.shape).to(maps.device)


def _counts(pixels: int, steps: int) -> np.ndarray:
    """Pixels changed at each point of a curve."""
    if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or steps < 1:
        raise InputError(f"steps must be an integer of at least 1, got {steps!r}.")
    return np.linspace(0, pixels, min(int(steps), pixels) + 1).round().astype(np.int64)


def _baseline(baseline: Baseline, pixels: Tensor) -> Tensor:
    if isinstance(baseline, (int, float, Tensor)):
        return expand_baseline(baseline, pixels)
    if baseline == "zero":
        return torch.zeros_like(pixels)
    if baseline == "mean":
        return pixels.mean(dim=(2, 3), keepdim=True).expand_as(pixels)
    if baseline == "blur":
        from scipy.ndimage import gaussian_filter

        width = min(pixels.shape[2:]) / 8.0
        blurred = gaussian_filter(pixels.detach().cpu().numpy(), (0.0, 0.0, width, width), mode="nearest")
        return torch.from_numpy(blurred).to(pixels)
    raise UnknownNameError(f"baseline {baseline!r} does not exist{near_names(str(baseline), _BASELINES)}.")


def _values(scores: Tensor, goal: Tensor, value: EffectKind) -> Tensor:
    """Evidence of each row for its own class."""
    found = scores.new_empty(len(scores))
    for target in goal.unique().tolist():
        own = goal == target
        found[own] = class_value(scores[own], target, value)
    return found
