"""Pictures inside pages: small arrays as PNG ``data:`` addresses, without Pillow."""

from __future__ import annotations

import base64

import numpy as np

from hodology.data.images import encode_png
from hodology.errors import InputError

__all__ = ["encode_png", "png_data_uri"]

_LARGEST = 4096  # pixels along an edge; more is a mistake, not a picture in a page


def png_data_uri(array: np.ndarray, *, size: int | None = None) -> str:
    """Return an image as an address that a page can hold.

    Parameters
    ----------
    array : uint8 array, (h, w) or (h, w, 3)
        Grey or RGB, row 0 on top.
    size : int, optional
        Longer edge in pixels, 1 .. 4096. Pixels are repeated to enlarge (sharp edges) and averaged over their area
        to reduce; the shape is kept to the nearest pixel. Default: as it is.

    Returns
    -------
    str
        ``data:image/png;base64,...``

    Raises
    ------
    InputError
        For another dtype or shape, an empty array, or a size out of range.

    Examples
    --------
    >>> png_data_uri(np.zeros((2, 2), dtype=np.uint8))[:22]
    'data:image/png;base64,'
    """
    array = np.asarray(array)
    if array.size == 0:
        raise InputError(f"array must hold pixels, got shape {array.shape}.")
    if size is not None:
        if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or not 1 <= size <= _LARGEST:
            raise InputError(f"size must be an integer from 1 to {_LARGEST}, got {size!r}.")
        if array.ndim in (2, 3):  # anything else is refused below, with its shape
            array = _resized(array, int(size))
    return "data:image/png;base64," + base64.b64encode(encode_png(array)).decode("ascii")


def _resized(array: np.ndarray, size: int) -> np.ndarray:
    longest = max(array.shape[:2])
    targets = [max(1, round(edge * size / longest)) for edge in array.shape[:2]]
    if size >= longest:
        rows, columns = (np.arange(t) * edge // t for t, edge in zip(targets, array.shape[:2], strict=True))
        return array[rows][:, columns]
    values = array.astype(np.float64)
    for axis, target in enumerate(targets):
        values = _area_mean(values, axis, target)
    return np.clip(np.rint(values), 0, 255).astype(array.dtype)


def _area_mean(values: np.ndarray, axis: int, target: int) -> np.ndarray:
    """Mean over equal stretches of an axis; an edge pixel counts by the part of it that lies inside."""
    length = values.shape[axis]
    total = np.concatenate([np.zeros_like(values.take([0], axis)), values.cumsum(axis)], axis)
    borders = np.linspace(0.0, length, target + 1)
    left = np.minimum(borders.astype(int), length - 1)
    shape = [1] * values.ndim
    shape[axis] = -1
    at_borders = total.take(left, axis) + (borders - left).reshape(shape) * values.take(left, axis)
    return np.diff(at_borders, axis=axis) * (target / length)
