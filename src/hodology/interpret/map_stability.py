"""How stable explanation maps are: the similarity of two batches of maps, and of maps under input noise.

Spearman's correlation asks for the same order of pixels, SSIM for the same picture. For windows of maps a and b with
means m, variances v and covariance c, and L the width of the range of values,

    SSIM = mean over windows of (2 m_a m_b + C1) (2 c + C2) / ((m_a^2 + m_b^2 + C1) (v_a + v_b + C2))
    C1 = (0.01 L)^2,  C2 = (0.03 L)^2

Reference: Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment", IEEE Transactions on Image Processing 2004; as
sanity checks of maps: Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.interpret.map_inputs import input_noise, pixels_of, row_streams, with_pixels
from hodology.nn.forward import Inputs

__all__ = ["MapStability", "Similarity", "map_similarity", "map_stability"]

Similarity = Literal["spearman", "ssim"]


@dataclass(frozen=True, eq=False, repr=False)
class MapStability:
    """Similarity of maps of noisy images to those of the clean ones.

    Attributes
    ----------
    similarity : float64 ndarray, shape (batch, n_samples)
        1 where a map stays as it is.
    measure : str
    sigma : float
    """

    similarity: np.ndarray
    measure: Similarity
    sigma: float

    def __repr__(self) -> str:
        shape = self.similarity.shape
        return f"MapStability({self.measure}, sigma={self.sigma:g}, images={shape[0]}, samples={shape[1]})"

    @property
    def by_image(self) -> np.ndarray:
        """Mean similarity of each image, shape (batch,); one independent observation each."""
        return np.asarray(self.similarity.mean(axis=1))


def map_similarity(
    first: Tensor | np.ndarray,
    second: Tensor | np.ndarray,
    *,
    measure: Similarity = "spearman",
    window: int = 7,
) -> np.ndarray:
    """Similarity of two maps of each image, such as those of one method from two halves of the data.

    Parameters
    ----------
    first, second : Tensor or ndarray, shape (batch, height, width)
    measure : {"spearman", "ssim"}
        Neither changes when a map is multiplied by a positive number: SSIM divides each by its largest absolute
        value, and takes L = 1, or 2 where a map has negative values.
    window : int
        Side of the windows of SSIM, odd; only windows that lie inside count. Variances are those of a sample (n - 1).

    Returns
    -------
    float64 ndarray, shape (batch,)
        At most 1. A constant map has no order: Spearman is then 1 when both are constant, else 0.

    Raises
    ------
    UnknownNameError, InputError
        For another measure, maps of different shape, NaN, or a window that does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> maps = np.arange(64.0).reshape(1, 8, 8)
    >>> map_similarity(maps, maps**2), map_similarity(maps, -maps)
    (array([1.]), array([-1.]))
    """
    if measure not in get_args(Similarity):
        raise UnknownNameError(
            f"measure {measure!r} does not exist{near_names(measure, get_args(Similarity))}."
        )
    a, b = _plain(first, "first"), _plain(second, "second")
    if a.shape != b.shape:
        raise InputError(f"maps must have the same shape, got {a.shape} and {b.shape}.")
    return _spearman(a, b) if measure == "spearman" else _ssim(a, b, window)


def map_stability(
    explain: Callable[[Inputs], Tensor],
    images: Inputs,
    *,
    sigma: float = 0.1,
    n_samples: int = 8,
    measure: Similarity = "spearman",
    window: int = 7,
    rng: int | Sequence[int] = 0,
) -> MapStability:
    """Compare the maps of noisy copies with those of the images themselves.

    Parameters
    ----------
    explain : callable
        Maps ``(batch, height, width)`` of images, for example ``lambda x: grad_cam(model, x, target)``. The copies come
        in the order of the images.
    images : Tensor, shape (batch, channels, height, width), or mapping with ``pixel_values``
    sigma : float
        Standard deviation of the Gaussian noise as a share of the image's range.
    n_samples : int
        Noisy copies of each image.
    measure, window
        See `map_similarity`.
    rng : int or sequence of int
        Seed of the noise, or one per image.

    Returns
    -------
    MapStability

    Raises
    ------
    UnknownNameError, InputError
        As `map_similarity`; for no samples, or a negative `sigma`.
    """
    pixels = pixels_of(images)
    if isinstance(n_samples, bool) or not isinstance(n_samples, (int, np.integer)) or n_samples < 1:
        raise InputError(f"n_samples must be an integer of at least 1, got {n_samples!r}.")
    streams = row_streams(rng, "map-stability", len(pixels))
    rows = torch.arange(len(pixels), device=pixels.device)
    clean = explain(images)
    found = []
    for _ in range(n_samples):
        noisy = with_pixels(images, pixels + input_noise(pixels, rows, sigma, streams))
        found.append(map_similarity(clean, explain(noisy), measure=measure, window=window))
    return MapStability(np.stack(found, axis=1), measure, float(sigma))


def _plain(maps: Tensor | np.ndarray, name: str) -> np.ndarray:
    array = maps.detach().cpu().numpy() if isinstance(maps, Tensor) else np.asarray(maps)
    if array.ndim != 3 or array.size == 0:
        raise InputError(f"{name} must hold maps (batch, height, width), got shape {array.shape}.")
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise InputError(f"{name} must be finite, got NaN or infinity.")
    return array


def _spearman(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Pearson's correlation of ranks, ties at their mean rank."""
    from scipy.stats import rankdata

    ranks = [rankdata(maps.reshape(len(maps), -1), axis=1) for maps in (a, b)]
    x, y = (r - r.mean(axis=1, keepdims=True) for r in ranks)
    scale = np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    both = (np.ptp(a, axis=(1, 2)) == 0) & (np.ptp(b, axis=(1, 2)) == 0)
    found = np.divide((x * y).sum(axis=1), scale, out=both.astype(np.float64), where=scale > 0)
    return np.clip(found, -1.0, 1.0)


def _ssim(a: np.ndarray, b: np.ndarray, window: int) -> np.ndarray:
    from scipy.ndimage import uniform_filter

    side = min(a.shape[1:])
    if isinstance(window, bool) or not isinstance(window, (int, np.integer)):
        raise InputError(f"window must be an integer, got {window!r}.")
    if not 3 <= window <= side or window % 2 == 0:
        raise InputError(
            f"window must be odd, from 3 to the shorter side of the maps ({side}), got {window}."
        )

    def local(values: np.ndarray) -> np.ndarray:
        edge = window // 2
        return uniform_filter(values, size=(1, window, window))[:, edge:-edge, edge:-edge]

    a, b = (maps / np.maximum(np.abs(maps).max(axis=(1, 2), keepdims=True), 1e-300) for maps in (a, b))
    wide = np.where((np.minimum(a, b) < 0).any(axis=(1, 2), keepdims=True), 2.0, 1.0)
    c1, c2 = (0.01 * wide) ** 2, (0.03 * wide) ** 2
    sample = window**2 / (window**2 - 1)
    mean_a, mean_b = local(a), local(b)
    var_a, var_b = (sample * (local(m * m) - mean**2) for m, mean in ((a, mean_a), (b, mean_b)))
    covariance = sample * (local(a * b) - mean_a * mean_b)
    above = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    below = (mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)
    return np.asarray((above / below).mean(axis=(1, 2)))
