"""How much of each spatial frequency a field of patch tokens holds.

The 2-D discrete Fourier transform over the token grid, channel by channel; log |F| averaged over channels and over
the frequencies of a ring, less that at frequency zero (Park and Kim, "How do vision transformers work?", ICLR
2022). A field that was high-pass filtered has larger values at large radii.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hodology.errors import InputError

__all__ = ["FrequencyProfile", "frequency_profile"]


@dataclass(frozen=True, eq=False, repr=False)
class FrequencyProfile:
    """A profile per input.

    Attributes
    ----------
    radius : float ndarray, shape (rings,)
        Mean frequency of each ring, in cycles per token; 0 first. 0.5 is the highest along one axis.
    log_amplitude : float ndarray, shape (batch, rings)
        Natural logarithm.
    """

    radius: np.ndarray
    log_amplitude: np.ndarray

    def __repr__(self) -> str:
        return f"FrequencyProfile({self.log_amplitude.shape[0]} inputs, {len(self.radius)} rings)"

    @property
    def delta(self) -> np.ndarray:
        """Log amplitude less that at radius 0, ``(batch, rings)``."""
        return self.log_amplitude - self.log_amplitude[:, :1]

    def mean(self) -> np.ndarray:
        """Mean of `delta` over the inputs, ``(rings,)``."""
        return self.delta.mean(axis=0)

    def standard_error(self) -> np.ndarray:
        """Standard error of that mean, ``(rings,)``; NaN for a single input."""
        n = len(self.delta)
        if n == 1:
            return np.full(len(self.radius), np.nan)
        return self.delta.std(axis=0, ddof=1) / np.sqrt(n)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {"radius": self.radius.tolist(), "log_amplitude": self.log_amplitude.tolist()}


def frequency_profile(
    tokens: Tensor | np.ndarray,
    grid: Sequence[int],
    *,
    prefix_tokens: int = 0,
    floor: float = 1e-6,
) -> FrequencyProfile:
    """Frequency profile of patch tokens.

    Parameters
    ----------
    tokens : Tensor or ndarray, shape (batch, tokens, width)
        Patches in row-major order of the grid.
    grid : (rows, columns)
        May be oblong.
    prefix_tokens : int
        Leading class, distillation or register tokens, which are dropped.
    floor : float
        Added to amplitudes before the logarithm, so that frequencies that are absent stay finite.

    Returns
    -------
    FrequencyProfile
        Rings are one frequency step of the longer side wide, so that the first holds frequency zero alone.

    Raises
    ------
    InputError
        When tokens and grid do not fit, or values are not finite.

    Examples
    --------
    >>> profile = frequency_profile(torch.rand(5, 17, 8), (4, 4), prefix_tokens=1)
    >>> profile.delta.shape
    (5, 4)
    """
    values = torch.as_tensor(tokens).detach().to(torch.float64)
    rows, columns = _checked(values, grid, prefix_tokens)
    if not floor > 0:
        raise InputError(f"floor must be above 0, got {floor}.")
    field = values[:, prefix_tokens:].reshape(len(values), rows, columns, -1)
    amplitude = torch.fft.fft2(field, dim=(1, 2)).abs()
    logs = (amplitude + floor).log().mean(dim=-1).cpu().numpy().reshape(len(values), -1)
    radius = np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.fftfreq(columns)[None]).ravel()
    ring = np.rint(radius * max(rows, columns)).astype(int)
    found = np.unique(ring)
    return FrequencyProfile(
        np.array([radius[ring == r].mean() for r in found]),
        np.stack([logs[:, ring == r].mean(axis=1) for r in found], axis=1),
    )


def _checked(values: Tensor, grid: Sequence[int], prefix_tokens: int) -> tuple[int, int]:
    if len(grid) != 2 or min(grid) < 1:
        raise InputError(f"grid must be (rows, columns) of at least 1 each, got {tuple(grid)}.")
    rows, columns = int(grid[0]), int(grid[1])
    if values.ndim != 3 or len(values) == 0:
        raise InputError(f"tokens must have shape (batch, tokens, width), got {tuple(values.shape)}.")
    if prefix_tokens < 0 or values.shape[1] - prefix_tokens != rows * columns:
        raise InputError(
            f"tokens must be {rows} x {columns} = {rows * columns} beside prefix_tokens={prefix_tokens}, got "
            f"{values.shape[1]}; class and register tokens do not belong to the grid."
        )
    if not bool(torch.isfinite(values).all()):
        raise InputError("tokens must be finite, got NaN or infinity.")
    return rows, columns
