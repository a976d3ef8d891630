"""Attribution of whole layers against captum: all layers in one pass, and one layer in the middle."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from benchmarks.measure import Row, alternate
from benchmarks.search import vit_small
from hodology.nn.attribution import LineAttribution
from hodology.nn.sites import find_sites

__all__ = ["run"]

STEPS = 20


def run(*, quick: bool) -> Iterator[Row]:
    """Yield the rows."""
    side = 64 if quick else 96
    model = vit_small(side=side)
    for batch, bound in ((1, 8.0), (4 if quick else 16, 12.0)):
        yield _all_layers(model, _images(batch, side), side, bound)
    yield _middle_layer(model, _images(4, side), side)


def _images(batch: int, side: int) -> Tensor:
    return torch.randn(batch, 3, side, side, generator=torch.Generator().manual_seed(0))


def _probability(model: torch.nn.Module):  # noqa: ANN202
    return lambda x: model(x).softmax(dim=1)


def _all_layers(model: torch.nn.Module, x: Tensor, side: int, bound: float) -> Row:
    from captum.attr import InternalInfluence

    engine = LineAttribution(model, find_sites(model))
    targets = model(x).argmax(dim=1).detach()
    peers = [InternalInfluence(_probability(model), block.mlp.fc2) for block in model.blocks]  # type: ignore[union-attr]

    def ours() -> tuple[Tensor, ...]:
        return engine.along_input(engine.clean(x, targets=targets), rule="gauss-legendre", n_steps=STEPS)

    def theirs() -> list[Tensor]:
        options = {"n_steps": STEPS, "method": "gausslegendre", "attribute_to_layer_input": True}
        return [peer.attribute(x, target=targets, **options) for peer in peers]

    mine, other, found, expected = alternate(ours, theirs, repeats=2)
    error = max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(found, expected, strict=True))
    return Row(
        f"all units of 12 layers, {STEPS} nodes; ViT-S/16, {side} px, batch {len(x)}",
        mine,
        other,
        "s",
        f"{other / mine:.1f}x",
        f"{bound:g}x twelve captum calls, equal values",
        other / mine >= bound and error < 1e-3,
        f"largest difference {error:.0e} of the largest value",
    )


def _middle_layer(model: torch.nn.Module, x: Tensor, side: int) -> Row:
    from captum.attr import LayerIntegratedGradients

    layer = 6
    engine = LineAttribution(model, find_sites(model)[layer : layer + 1])
    targets = model(x).argmax(dim=1).detach()
    peer = LayerIntegratedGradients(_probability(model), model.blocks[layer].mlp.fc2)  # type: ignore[index,union-attr]
    zero = torch.zeros_like(x)

    def ours() -> Tensor:
        run, start = engine.clean(x, targets=targets), engine.clean(zero, targets=targets).activations[0]
        end = run.activations[0]
        gradient = engine.gradients(run, {0: (start, end)}, rule="gauss-legendre", n_steps=STEPS)[0]
        return (end - start) * gradient

    def theirs() -> Tensor:
        options = {"n_steps": STEPS, "method": "gausslegendre", "attribute_to_layer_input": True}
        return peer.attribute(x, zero, target=targets, **options)

    mine, other, found, expected = alternate(ours, theirs, repeats=2)
    error = float((found - expected).abs().max() / expected.abs().max())
    return Row(
        f"layer {layer + 1} of 12, all tokens, {STEPS} nodes; ViT-S/16, {side} px, batch {len(x)}",
        mine,
        other,
        "s",
        f"{other / mine:.1f}x",
        "1.5x captum, equal values",
        other / mine >= 1.5 and error < 1e-3,
        f"largest difference {error:.0e} of the largest value",
    )
