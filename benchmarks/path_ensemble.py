"""Path influence against running the model again for every path: from cached components, and from the cached stream."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from benchmarks.measure import Row, alternate
from benchmarks.search import vit_small
from hodology.interpret.path_decomposition import decompose
from hodology.interpret.path_knockout import knock_out
from hodology.nn.residual import ResidualStream
from hodology.nn.sites import Site
from hodology.nn.taps import edit, record

__all__ = ["run"]


def run(*, quick: bool) -> Iterator[Row]:
    """Yield the rows."""
    side, batch = (64, 4) if quick else (96, 16)
    model = vit_small(side=side)
    x = torch.randn(batch, 3, side, side, generator=torch.Generator().manual_seed(0))
    stream = ResidualStream(model, x)
    what = f"ViT-S/16, {side} px, batch {batch}, {len(stream)} paths"
    yield _leave_one_out(model, stream, x, f"every path left out of the sum; {what}")
    yield _knock_out(model, stream, x, f"every path knocked out; {what}")


def _leave_one_out(model: torch.nn.Module, stream: ResidualStream, x: Tensor, what: str) -> Row:
    def ours() -> Tensor:
        return decompose(stream, x).leave_one_out()

    def theirs() -> Tensor:
        """A pass per path, which takes what the path adds off the input of the final norm."""
        with torch.no_grad():
            return torch.stack([_without(model, site, x) for site in _branches(model)])

    mine, other, found, expected = alternate(ours, theirs, repeats=3)
    error = float((found - expected).abs().max())
    return Row(
        what,
        mine,
        other,
        "s",
        f"{other / mine:.1f}x",
        "10x a pass for every path, equal scores",
        other / mine >= 10.0 and error < 1e-3,
        f"largest difference {error:.0e}",
    )


def _knock_out(model: torch.nn.Module, stream: ResidualStream, x: Tensor, what: str) -> Row:
    def ours() -> Tensor:
        return knock_out(stream, x)

    def theirs() -> Tensor:
        """A pass per path in which its module returns zeros."""
        scores = []
        with torch.no_grad():
            for site in _branches(model):
                with edit(model, {site: torch.zeros_like}):
                    scores.append(model(x))
        return torch.stack(scores)

    mine, other, found, expected = alternate(ours, theirs, repeats=3)
    error = float((found - expected).abs().max())
    return Row(
        what,
        mine,
        other,
        "s",
        f"{other / mine:.2f}x",
        "1.5x a whole pass for every path, equal scores",
        other / mine >= 1.5 and error < 1e-3,
        f"largest difference {error:.0e}",
    )


def _branches(model: torch.nn.Module) -> list[Site]:
    """What adds to the stream, in order: the embedding, then attention and MLP of each block."""
    parts = [f"blocks.{i}.{part}" for i in range(len(model.blocks)) for part in ("attn", "mlp")]  # type: ignore[arg-type]
    return [Site(name) for name in ("pos_drop", *parts)]


def _without(model: torch.nn.Module, site: Site, x: Tensor) -> Tensor:
    with (
        record(model, [site]) as activity,
        edit(model, {"norm:input": lambda end: end - activity[site.name]}),
    ):
        return model(x)
