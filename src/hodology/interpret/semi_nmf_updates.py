"""The steps of semi-NMF on torch tensors: closed-form features, winner-take-all, multiplicative and HALS coefficients.

Notation, as in the paper with tokens in columns: A (d x n) data, F (d x k) features, G (n x k) >= 0, A ~ F G^T. Held here
are ``x`` = A^T / s with s the root mean square of the data, ``h`` = F^T / s (k x d) and ``g`` = G^T (k x n), so that the
small constants below mean the same at every scale of the data. One iteration costs the two products A G and A^T F
and little else: P = A^T F, Q = F^T F and S = G^T G also give the loss,

    ||A - F G^T||^2 = ||A||^2 - 2 tr(G^T P) + tr(S Q),

whose sums run in float64. In float32 P and Q carry rounding of about 1e-7, so the loss is good to some 1e-7 ||A||^2.
"""

from __future__ import annotations

import warnings
from typing import Any, Protocol

import torch
from torch import Tensor

from hodology.errors import NotConvergedError

__all__ = ["EPSILON", "FLOOR", "LEAST_NORM", "LEAST_RIDGE", "RIDGE", "Steps", "TorchSteps"]

RIDGE = 1e-6  # r of the closed form, on G^T G
LEAST_RIDGE = 1e-10  # r is at least this share of the largest entry of G^T G, so that it outweighs rounding
EPSILON = 1e-6  # in the denominator of the multiplicative step, of the data's mean square
FLOOR = 1e-12  # least coefficient after a multiplicative step, so that none is locked at zero
LEAST_NORM = 1e-8  # least norm that the scale fix divides by
_BLOCK = 16  # columns of G that HALS updates before the rest of the residual is refreshed
_SPARSE_SHARE = 0.02  # up to this share of kept entries a sparse product beats the dense one (see `products`)


class Steps(Protocol):
    """What the loop needs of an array library; every array is one of the library's own."""

    norm2: float

    def array(self, value: Any) -> Any:
        """A host array of shape (k, n), in the working dtype, copied."""

    def host(self, value: Any) -> Any:
        """Back to NumPy."""

    def copy(self, value: Any) -> Any:
        """A copy; the steps below write to `g` and `h`."""

    def gram(self, g: Any) -> Any:
        """S = G^T G in float64."""

    def features(self, g: Any, gram: Any) -> Any:
        """Step 1, F = A G (S + r I)^-1, transposed."""

    def keep_largest(self, h: Any, count: int) -> Any:
        """Step 2, winner-take-all in every feature."""

    def rescale(self, g: Any, h: Any, gram: Any) -> None:
        """Step 3, coefficients of unit norm per feature, in place."""

    def products(self, h: Any) -> tuple[Any, Any]:
        """P^T and Q."""

    def multiplicative(self, g: Any, p: Any, q: Any) -> Any:
        """Step 4 of the paper."""

    def hals(self, g: Any, p: Any, q: Any, *, sweeps: int) -> Any:
        """Step 4 as exact minimisation over one column of G after the other."""

    def loss(self, g: Any, p: Any, q: Any, gram: Any) -> float:
        """Squared error, in units of s^2."""

    def revive(self, g: Any, p: Any, q: Any, gram: Any) -> bool:
        """Give each feature without coefficients to one of the worst explained samples; whether there was one."""


class TorchSteps:
    """The steps on torch tensors, CPU or CUDA.

    Parameters
    ----------
    x : Tensor, shape (n, d)
        Samples in rows, float32 or float64; never written to.
    scale : float
        Root mean square of the data.
    norm2 : float
        Their squared norm in units of ``scale**2``.
    share : float
        Share of entries that winner-take-all keeps. Up to 0.02 on a CPU, P = A^T F is a sparse product, which
        needs the samples in columns: a copy, unless `x` is the transpose of such an array.
    copy : bool
        Whether that copy may be made.
    """

    def __init__(
        self, x: Tensor, *, scale: float, norm2: float, share: float = 1.0, copy: bool = True
    ) -> None:
        self.x, self.scale, self.norm2 = x, scale, norm2
        able = x.device.type == "cpu" and torch.backends.mkl.is_available()
        self.sparse = able and share <= _SPARSE_SHARE and (copy or x.T.is_contiguous())
        if self.sparse:
            self.x = x.T.contiguous().T

    def array(self, value: Any) -> Tensor:
        return torch.tensor(value, dtype=self.x.dtype, device=self.x.device)

    def host(self, value: Tensor) -> Any:
        return value.cpu().numpy()

    def copy(self, value: Tensor) -> Tensor:
        return value.clone()

    def gram(self, g: Tensor) -> Tensor:
        wide = g.double()
        return wide @ wide.T

    def features(self, g: Tensor, gram: Tensor) -> Tensor:
        inverse = torch.cholesky_inverse(_factor(gram))
        weights = inverse.div_(self.scale).to(g.dtype) @ g
        return weights @ self.x

    def keep_largest(self, h: Tensor, count: int) -> Tensor:
        size = h.abs()
        least = size.topk(count, dim=1, sorted=False).values.amin(dim=1, keepdim=True)
        return h.masked_fill_(size < least, 0.0)

    def rescale(self, g: Tensor, h: Tensor, gram: Tensor) -> None:
        norm = gram.diagonal().sqrt().clamp_min(LEAST_NORM).to(g.dtype)[:, None]
        g.div_(norm)
        h.mul_(norm)

    def products(self, h: Tensor) -> tuple[Tensor, Tensor]:
        p = (_compressed(h) @ self.x.T) if self.sparse else h @ self.x.T
        return p.div_(self.scale), h @ h.T

    def multiplicative(self, g: Tensor, p: Tensor, q: Tensor) -> Tensor:
        p_plus, q_plus = p.clamp_min(0.0), q.clamp_min(0.0)
        numerator = torch.addmm(p_plus, q_plus - q, g)
        denominator = torch.addmm(p_plus.sub_(p), q_plus, g).add_(EPSILON)
        return g.mul_(numerator.div_(denominator).sqrt_()).clamp_min_(FLOOR)

    def hals(self, g: Tensor, p: Tensor, q: Tensor, *, sweeps: int) -> Tensor:
        size = q.diagonal()[:, None]
        inverse = torch.where(size > 0.0, 1.0 / size, 0.0)
        target, weight = p * inverse, (q * inverse).fill_diagonal_(0.0)
        blocks = list(zip(g.split(_BLOCK), target.split(_BLOCK), weight.split(_BLOCK), strict=True))
        for _ in range(sweeps):
            start = 0
            for own, wanted, weights in blocks:
                within = weights[:, start : start + len(own)]
                rest = torch.addmm(wanted, weights, g, alpha=-1.0).addmm_(within, own)
                for row, outside, others in zip(own.unbind(), rest.unbind(), within.unbind(), strict=True):
                    torch.clamp_min(torch.addmv(outside, own.T, others, alpha=-1.0), 0.0, out=row)
                start += len(own)
        return g

    def loss(self, g: Tensor, p: Tensor, q: Tensor, gram: Tensor) -> float:
        fit = torch.sum(g.double() * p.double())
        return float(self.norm2 - 2.0 * fit + torch.sum(q.double() * gram))

    def revive(self, g: Tensor, p: Tensor, q: Tensor, gram: Tensor) -> bool:
        dead = torch.nonzero(gram.diagonal() == 0.0).flatten()
        if len(dead) == 0:
            return False
        size = torch.linalg.vector_norm(self.x, dim=1).div_(self.scale).square_()
        error = size + (g * (q @ g - 2.0 * p)).sum(dim=0)
        g[dead, error.topk(len(dead)).indices] = 1.0
        return True


def _factor(gram: Tensor) -> Tensor:
    """Cholesky factor of S + r I, r raised until rounding in S no longer leaves that indefinite."""
    ridge = (LEAST_RIDGE * gram.diagonal().max()).clamp_min(RIDGE)
    eye = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    while True:
        factor, info = torch.linalg.cholesky_ex(gram + ridge * eye)
        if int(info) == 0:
            return factor
        if not bool(torch.isfinite(gram).all()):
            raise NotConvergedError("the coefficients of semi-NMF are no longer finite; try dtype='float64'.")
        ridge = 10.0 * ridge


def _compressed(h: Tensor) -> Tensor:
    with warnings.catch_warnings():  # torch calls the format a beta, once in a process
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support", category=UserWarning)
        return h.to_sparse_csr()
