"""Explanation maps: where an image speaks for a class, one number per pixel.

- gradient: max over channels of |dS/dx|, S the class logit (Simonyan, Vedaldi, Zisserman, ICLR workshop 2014);
- smooth gradient: the same of the mean gradient at noisy copies (Smilkov et al., "SmoothGrad", 2017);
- integrated gradients: (x - b) * integral_0^1 dS/dx (b + a (x - b)) da, summed over channels (Sundararajan, Taly,
  Yan, ICML 2017);
- Grad-CAM: ReLU(sum_k mean(dS/dA_k) A_k) over the maps A_k of a layer (Selvaraju et al., ICCV 2017).

All take images ``(batch, channels, height, width)``, or a mapping with such ``pixel_values``, and return maps
``(batch, height, width)`` in the size of the images. A map is that of its image alone, whatever the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from hodology.errors import InputError
from hodology.interpret.map_inputs import (
    Target,
    expand_baseline,
    input_noise,
    pixels_of,
    resized,
    row_chunks,
    row_streams,
    row_targets,
    usable_images,
    with_pixels,
)
from hodology.nn.clean_run import output_value
from hodology.nn.forward import Inputs, call_model, select_rows
from hodology.nn.quadrature import Rule, quadrature
from hodology.nn.sites import parse_site
from hodology.nn.taps import evaluation_mode, hook_site, record

if TYPE_CHECKING:
    pass

__all__ = ["grad_cam", "gradient_map", "integrated_gradients", "smooth_gradient"]


def gradient_map(model: nn.Module, images: Inputs, target: Target, *, batch_size: int = 64) -> Tensor:
    """Absolute gradient of the class logit, the largest over channels.

    The largest, as in the method's paper: a pixel counts as much as the channel that acts most on the class. A mean
    would divide the same cue by the number of channels that carry nothing.

    Parameters
    ----------
    model : nn.Module
        An image classifier; run in eval mode and never changed.
    images : Tensor, shape (batch, channels, height, width), or mapping with ``pixel_values``
    target : int or Tensor of int64, shape (batch,)
        The class to explain, one for all images or one per image.
    batch_size : int
        Images in one pass; memory and speed, not the result.

    Returns
    -------
    Tensor, shape (batch, height, width)
        Logits per unit of the images.

    Raises
    ------
    InputError
        For inputs that are no images, targets that are no class, and models that cut the gradient.

    Examples
    --------
    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2))
    >>> _ = torch.nn.init.constant_(net[1].weight, -3.0)
    >>> gradient_map(net, torch.rand(1, 1, 2, 2), target=0)
    tensor([[[3., 3.],
             [3., 3.]]])
    """
    model, inputs, pixels = usable_images(model, images)
    found = _gradients(model, inputs, target, torch.ones(1), lambda rows, _: pixels[rows], batch_size)
    return found.abs().amax(dim=1)


def smooth_gradient(
    model: nn.Module,
    images: Inputs,
    target: Target,
    *,
    n_samples: int = 50,
    sigma: float = 0.1,
    batch_size: int = 64,
    rng: int | Sequence[int] = 0,
) -> Tensor:
    """Absolute value of the mean gradient at noisy copies of each image, the largest over channels (SmoothGrad).

    Parameters
    ----------
    model, images, target, batch_size
        See `gradient_map`; `batch_size` counts copies.
    n_samples : int
        Copies of each image (paper: 50).
    sigma : float
        Standard deviation of the Gaussian noise as a share of the image's range (paper: 0.1 to 0.2).
    rng : int or sequence of int
        Seed of the noise; with one per image, a map does not depend on the image's place in the batch.

    Returns
    -------
    Tensor, shape (batch, height, width)
        Logits per unit of the images.

    Raises
    ------
    InputError
        As `gradient_map`; for no samples, a negative `sigma`, a wrong number of seeds.
    """
    model, inputs, pixels = usable_images(model, images)
    if isinstance(n_samples, bool) or not isinstance(n_samples, (int, np.integer)) or n_samples < 1:
        raise InputError(f"n_samples must be an integer of at least 1, got {n_samples!r}.")
    streams = row_streams(rng, "smooth-gradient", len(pixels))

    def noisy(rows: Tensor, _: Tensor) -> Tensor:
        return pixels[rows] + input_noise(pixels, rows, sigma, streams)

    shares = torch.full((int(n_samples),), 1.0 / n_samples, dtype=torch.float64)
    return _gradients(model, inputs, target, shares, noisy, batch_size).abs().amax(dim=1)


def integrated_gradients(
    model: nn.Module,
    images: Inputs,
    target: Target,
    *,
    steps: int = 50,
    rule: Rule = "gauss-legendre",
    baseline: float | Tensor = 0.0,
    batch_size: int = 64,
) -> Tensor:
    """Attribution of the class logit to pixels along the line from a baseline, summed over channels; signed.

    Parameters
    ----------
    model, images, target, batch_size
        See `gradient_map`; `batch_size` counts steps x images.
    steps : int
        Nodes of the integral.
    rule : {"left", "right", "midpoint", "trapezoid", "gauss-legendre"}
        See `hodology.nn.quadrature`.
    baseline : float or Tensor
        The image that says nothing; expands to the shape of the images.

    Returns
    -------
    Tensor, shape (batch, height, width)
        Logits. Completeness: a map sums to ``S(image) - S(baseline)``, up to the error of the rule.

    Raises
    ------
    InputError
        As `gradient_map`; for too few steps, or a baseline of another shape.
    """
    model, inputs, pixels = usable_images(model, images)
    nodes, weights = quadrature(rule, steps)
    alphas, shares = (torch.as_tensor(x, dtype=torch.float64, device=pixels.device) for x in (nodes, weights))
    start = expand_baseline(baseline, pixels)

    def between(rows: Tensor, step: Tensor) -> Tensor:
        return torch.lerp(start[rows], pixels[rows], alphas[step].to(pixels)[:, None, None, None])

    mean = _gradients(model, inputs, target, shares, between, batch_size)
    return ((pixels - start) * mean).sum(dim=1)


def grad_cam(
    model: nn.Module, images: Inputs, target: Target, *, layer: str | None = None, batch_size: int = 64
) -> Tensor:
    """Maps of a layer weighted by their mean gradient of the class logit, summed, rectified and resized.

    Parameters
    ----------
    model, images, target, batch_size
        See `gradient_map`.
    layer : str, optional
        A module that returns ``(batch, channels, height, width)``, as it returns it (what an in-place non-linearity
        makes of it later is left out; name the non-linearity or the block to stand behind it). Default the last
        convolution that ran with more than one place: those behind a global pooling hold no map.

    Returns
    -------
    Tensor, shape (batch, height, width)
        Not negative; resized bilinearly.

    Raises
    ------
    UnknownNameError
        When the layer is not in the model.
    InputError
        As `gradient_map`; when the layer holds no maps, does not run exactly once, or the score does not depend on it.
    """
    model, inputs, pixels = usable_images(model, images)
    name = _last_convolution(model, inputs) if layer is None else layer
    site = parse_site(model, name)
    held: list[Tensor] = []

    def keep(value: Tensor) -> Tensor:
        if value.ndim != 4:
            raise InputError(
                f"layer {name!r} holds no maps (batch, channels, height, width), got {tuple(value.shape)}."
            )
        held.append(value.detach().requires_grad_())
        return held[-1].clone()  # what is done to it in place must not reach the kept one

    found: list[Tensor] = []
    with evaluation_mode(model), torch.enable_grad():
        for rows, _ in row_chunks(len(pixels), 1, batch_size, pixels.device):
            held.clear()
            with hook_site(model, site, keep):
                scores = call_model(model, select_rows(inputs, rows))
            if len(held) != 1:
                raise InputError(
                    f"layer {name!r} ran {len(held)} times in one pass; it must run exactly once."
                )
            value = output_value(scores, row_targets(target, scores, len(pixels))[rows], "logit")
            weights = _gradient(value, held[0], f"layer {name!r}").mean(dim=(2, 3))
            found.append(torch.einsum("nkhw,nk->nhw", held[0].detach(), weights))
    return resized(torch.cat(found).relu(), pixels)


def _gradients(
    model: nn.Module,
    inputs: Inputs,
    target: Target,
    shares: Tensor,
    place: Callable[[Tensor, Tensor], Tensor],
    size: int,
) -> Tensor:
    """Weighted sum over steps of the gradient of the class logit at images ``place(rows, steps)``, in float64."""
    pixels = pixels_of(inputs)
    with evaluation_mode(model), torch.enable_grad():
        total = torch.zeros_like(pixels, dtype=torch.float64)
        shares = shares.to(total)
        for rows, step in row_chunks(len(pixels), len(shares), size, pixels.device):
            leaf = place(rows, step).detach().requires_grad_()
            scores = call_model(model, with_pixels(select_rows(inputs, rows), leaf.clone()))
            value = output_value(scores, row_targets(target, scores, len(pixels))[rows], "logit")
            found = _gradient(value, leaf, "the images").double()
            total.index_add_(0, rows, found * shares[step, None, None, None])
    return total.to(pixels.dtype)


def _gradient(value: Tensor, leaf: Tensor, what: str) -> Tensor:
    gradient = None
    if value.requires_grad:
        (gradient,) = torch.autograd.grad(value.sum(), leaf, allow_unused=True)
    if gradient is None:
        raise InputError(f"the class score does not depend on {what} by operations that have a gradient.")
    return gradient


def _last_convolution(model: nn.Module, inputs: Inputs) -> str:
    """The convolution that ran last among those with more than one place."""
    names = [name for name, module in model.named_modules() if name and isinstance(module, nn.Conv2d)]
    with evaluation_mode(model), torch.no_grad(), record(model, names) as activity:
        call_model(
            model, select_rows(inputs, torch.zeros(1, dtype=torch.int64, device=pixels_of(inputs).device))
        )
    found = [name for name, value in activity.items() if value.ndim == 4 and value[0, 0].numel() > 1]
    if not found:
        raise InputError(
            f"no convolution with more than one place ran in {type(model).__name__}; name a layer that returns maps."
        )
    return found[-1]
