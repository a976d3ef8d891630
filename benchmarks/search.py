"""The neuron-path search against the plain schedule on a ViT-S/16 with random weights, and both quadratures."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from benchmarks.measure import Row, once
from benchmarks.plain_neuron_path import plain_neuron_path
from hodology.interpret import NeuronPath
from hodology.nn.models import VisionTransformer

__all__ = ["run"]

GAUSS = 4  # nodes; the row below says how exact they are


def vit_small(*, side: int) -> VisionTransformer:
    """ViT-S/16: 12 blocks, width 384, 6 heads, 1536 hidden units."""
    return VisionTransformer(image_size=side, channels=3, classes=1000, rng=0).eval()


def run(*, quick: bool) -> Iterator[Row]:
    """Yield the rows."""
    side, batch = (96, 1) if quick else (224, 8)
    model, x = (
        vit_small(side=side),
        torch.randn(batch, 3, side, side, generator=torch.Generator().manual_seed(0)),
    )
    shape = f"ViT-S/16, {side} px, batch {batch}, 12 layers"
    tracer, gauss = NeuronPath(model), NeuronPath(model, rule="gauss-legendre", steps=GAUSS)
    tracer.find(x[:1, :, :, :], None)  # the first call also checks that the prefix may be reused
    seconds, found = once(lambda: tracer.find(x))
    maps = [block.mlp.fc2 for block in model.blocks]  # type: ignore[union-attr]
    plain, (path, _) = once(lambda: plain_neuron_path(model, maps, x, found.target))
    equal = bool((found.path[:, :, 0] == path).all())
    yield Row(
        f"search, 20 left steps; {shape}",
        seconds,
        plain,
        "s",
        f"{plain / seconds:.1f}x",
        "3x, equal paths",
        plain / seconds >= 3.0 and equal,
        "equal paths" if equal else "paths differ",
    )
    gauss.find(x[:1])
    seconds, other = once(lambda: gauss.find(x))
    same = (other.path == found.path).double().mean()
    error = integral_error(model, x[: 1 if quick else 2], other.path[:2])
    yield Row(
        f"search, {GAUSS} Gauss-Legendre nodes; {shape}",
        seconds,
        plain,
        "s",
        f"{plain / seconds:.1f}x",
        "6x at 1e-3 of 300 steps",
        plain / seconds >= 6.0 and error["gauss"] <= 1e-3,
        f"relative error of the joint score {error['gauss']:.1e} (20 left steps: {error['left']:.1e}); "
        f"{same:.1%} of the units as with 20 left steps",
    )


def integral_error(model: VisionTransformer, x: Tensor, path: Tensor) -> dict[str, float]:
    """Largest relative error of the joint score against 300 midpoint steps."""

    def score(rule: str, steps: int) -> Tensor:
        tracer = NeuronPath(model, rule=rule, steps=steps)  # type: ignore[arg-type]
        return tracer.score(x, path[: len(x)]).double()

    exact = score("midpoint", 300)
    return {
        name: float(((score(rule, steps) - exact) / exact).abs().max())
        for name, rule, steps in (("gauss", "gauss-legendre", GAUSS), ("left", "left", 20))
    }
