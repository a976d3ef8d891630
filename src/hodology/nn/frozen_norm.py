"""A norm with its statistics frozen, which is a linear map: how a sum that was normed splits into its terms.

LayerNorm and RMSNorm are y = gamma (x - c mean(x)) / sigma(x) + beta with c = 1 or 0. With mean and sigma of one
x kept, each term o of x = sum o contributes gamma (o - c mean(o)) / sigma(x). The form is found by probing the module,
so that subclasses, weights stored as 1 + w, and any name of epsilon are understood.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hodology.errors import InputError

__all__ = ["NormForm", "norm_form"]


@dataclass(frozen=True, eq=False)
class NormForm:
    """What a LayerNorm or RMSNorm computes.

    Attributes
    ----------
    gamma, beta : Tensor, shape (width,)
    epsilon : float
    centred : bool
        The mean is taken off (LayerNorm); False for RMSNorm.
    """

    gamma: Tensor
    beta: Tensor
    epsilon: float
    centred: bool

    def sigma(self, x: Tensor) -> Tensor:
        """What `x` ``(..., width)`` is divided by, ``(..., 1)``."""
        return (self._centre(x).square().mean(dim=-1, keepdim=True) + self.epsilon).sqrt()

    def frozen(self, term: Tensor, sigma: Tensor) -> Tensor:
        """Contribution of a term ``(..., width)`` of the sum whose `sigma` is given; without `beta`."""
        return self.gamma * self._centre(term) / sigma

    def _centre(self, x: Tensor) -> Tensor:
        return x - x.mean(dim=-1, keepdim=True) if self.centred else x


def norm_form(norm: nn.Module, x: Tensor, *, name: str) -> NormForm:
    """Find the form of `norm` and verify it on vectors `x` ``(rows, width)``.

    Raises
    ------
    InputError
        When the module, called `name`, is neither a LayerNorm nor an RMSNorm of the last axis.
    """
    width = x.shape[-1]
    signs = torch.ones(1, width, dtype=x.dtype, device=x.device)
    with torch.no_grad():
        beta = norm(torch.zeros_like(signs))[0]
        large = norm(1e3 * signs)[0] - beta
        signs[:, 1::2] = -1.0
        odd = norm(1e3 * signs)[0] - beta
        # LayerNorm takes equal entries to zero, RMSNorm takes them to gamma as it does with signs
        centred = bool(large.abs().max() < 0.5 * odd.abs().max())
        unit = signs[0] - signs.mean() if centred else signs[0]
        power = float(unit.square().mean())
        gamma = odd * power**0.5 / unit
        small = norm(1e-3 * signs)[0] - beta
        ratio = float((small * gamma * unit).sum() / (1e-3 * (gamma * unit).square().sum()).clamp(min=1e-30))
        epsilon = max(1.0 / ratio**2 - 1e-6 * power, 0.0) if ratio > 0 else 0.0
        form = NormForm(gamma, beta, epsilon, centred)
        expected = norm(x)
        found = form.frozen(x, form.sigma(x)) + beta
    error = float((found - expected).abs().max())
    if not error <= 1e-4 * float(expected.abs().max()) + 1e-6:
        raise InputError(
            f"the final norm {name!r} ({type(norm).__name__}) is neither a LayerNorm nor an RMSNorm, so its statistics "
            "cannot be frozen; use leave_one_out."
        )
    return form
