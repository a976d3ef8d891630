"""Semi-NMF against its two matrix products alone, and against the plain multiplicative update of the paper."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from benchmarks.measure import Row, alternate, once
from benchmarks.plain_semi_nmf import plain_semi_nmf
from hodology.interpret.semi_nmf import SemiNMF

__all__ = ["run"]

SPARSITY = 0.01  # the paper's
CONCEPTS = 120


def run(*, quick: bool) -> Iterator[Row]:
    """Yield the rows."""
    d, n, k = (4096, 1500, 50) if quick else (4096, 3000, 100)
    x = _activations(n, d)
    for solver, sparsity in (("mu", SPARSITY), ("hals", SPARSITY), ("mu", 1.0), ("hals", 1.0)):
        yield _over_products(x, k, solver, sparsity)
    yield _per_iteration(x, k)
    for sparsity in (SPARSITY, 1.0):
        yield _to_equal_error(x, k, sparsity, most=100 if quick else 200)


def _activations(n: int, d: int) -> Tensor:
    """Like an MLP's: GELU of a few active concepts out of many, read by random units, with a negative bias."""
    generator = torch.Generator().manual_seed(0)
    active = torch.rand(n, CONCEPTS, generator=generator) < 0.05
    strength = torch.rand(n, CONCEPTS, generator=generator) * active
    noise = 0.02 * torch.randn(n, CONCEPTS, generator=generator)
    read = torch.randn(CONCEPTS, d, generator=generator)
    return torch.nn.functional.gelu((strength + noise) @ read - 0.5)


def _fit(x: Tensor, k: int, sparsity: float, iterations: int, start: Tensor) -> SemiNMF:
    """Our default solver for so many iterations, final coefficients and error included."""
    return SemiNMF(k, sparsity=sparsity, init=start.numpy(), max_iter=iterations, tol=0.0).fit(x)


def _iterations(x: Tensor, k: int, solver: str, sparsity: float, count: int) -> Callable[[], None]:
    """`count` iterations of our loop from a random start, the loss looked at as often as by default."""
    from hodology.interpret.semi_nmf_loop import Rules, factorise
    from hodology.interpret.semi_nmf_updates import TorchSteps

    n, d = x.shape
    kept = None if sparsity == 1.0 else math.ceil(sparsity * d)
    scale = float(x.double().square().mean().sqrt())
    steps = TorchSteps(x, scale=scale, norm2=float(n) * d, share=sparsity)
    start = np.random.default_rng(0).random((k, n))
    rules = Rules(kept, solver, count, 0.0, count, 10)
    return lambda: factorise(steps, start, rules)


def _over_products(x: Tensor, k: int, solver: str, sparsity: float) -> Row:
    n, d = x.shape
    count = 10
    g, f = torch.rand(k, n), torch.randn(k, d)  # transposed: the faster way round

    def products() -> None:
        for _ in range(count):
            g @ x  # noqa: B018
            f @ x.T  # noqa: B018

    mine, other, _, _ = alternate(_iterations(x, k, solver, sparsity, count), products, repeats=3)
    return Row(
        f"{solver} iteration, share kept {sparsity:g}; d {d}, n {n}, k {k}",
        mine / count,
        other / count,
        "s",
        f"{mine / other:.2f}x",
        "1.3x the products A G and A^T F alone",
        mine / other <= 1.3,
        "A^T F is a sparse product" if sparsity <= 0.02 else "",
    )


def _per_iteration(x: Tensor, k: int) -> Row:
    n, d = x.shape
    count = 10
    a = x.T.contiguous()
    start = torch.rand(n, k, generator=torch.Generator().manual_seed(0))
    mine, other, _, _ = alternate(
        _iterations(x, k, "mu", SPARSITY, count),
        lambda: plain_semi_nmf(a, start, sparsity=SPARSITY, max_iter=count),
        repeats=3,
    )
    return Row(
        f"multiplicative iteration, share kept {SPARSITY:g}; d {d}, n {n}, k {k}",
        mine / count,
        other / count,
        "s",
        f"{other / mine:.1f}x",
        "2x the plain one",
        other / mine >= 2.0,
    )


def _to_equal_error(x: Tensor, k: int, sparsity: float, *, most: int) -> Row:
    """Seconds until our default solver has the error that the plain one has after `most` iterations."""
    n, d = x.shape
    scale = float(x.double().square().mean().sqrt())
    a = (x / scale).T.contiguous()
    start = torch.rand(n, k, generator=torch.Generator().manual_seed(0)).clamp_min(1e-6)
    theirs, plain = once(lambda: plain_semi_nmf(a, start, sparsity=sparsity, max_iter=most))
    goal = min(plain.losses) * scale**2
    enough = np.flatnonzero(_fit(x, k, sparsity, most, start).loss_history_ <= goal)
    needed = 10 * (int(enough[0]) + 1) if len(enough) else most
    mine, model = once(lambda: _fit(x, k, sparsity, needed, start))
    reached = model.reconstruction_err_**2
    total = float(x.double().square().sum())
    return Row(
        f"to the error of {most} plain iterations, share kept {sparsity:g}; d {d}, n {n}, k {k}",
        mine,
        theirs,
        "s",
        f"{theirs / mine:.1f}x",
        "3x the plain update, no more error",
        theirs / mine >= 3.0 and reached <= goal,
        f"{needed} iterations; explained {model.explained_:.4f} against {1.0 - goal / total:.4f}",
    )
