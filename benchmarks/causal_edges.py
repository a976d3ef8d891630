"""Effects of all single edges against naive masking: one weight (slice) to zero, the whole network again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.measure import Row, alternate
from hodology.interpret.causal_effects import StageRun, class_value
from hodology.interpret.causal_stages import Stage, find_stages
from hodology.nn.models import SmallCNN
from hodology.nn.program import record_program

__all__ = ["run"]

TARGET = 3


def run(*, quick: bool) -> Iterator[Row]:
    """Yield the rows."""
    digits = SmallCNN(rng=0).eval()
    yield _row(
        digits, torch.rand(60, 1, 8, 8, generator=torch.Generator().manual_seed(0)), "digits CNN", None, 20.0
    )
    yield _residual(quick=quick)


def _residual(*, quick: bool) -> Row:
    from transformers import ResNetConfig, ResNetForImageClassification

    side = 32 if quick else 64
    config = ResNetConfig(
        embedding_size=16, hidden_sizes=[16, 32, 64], depths=[1, 1, 1], layer_type="basic", num_labels=10
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = ResNetForImageClassification(config).eval()
    images = torch.rand(8, 3, side, side, generator=torch.Generator().manual_seed(0))
    some = 40 if quick else 200
    return _row(model, images, f"residual network, {side} px, {some} edges a layer", some, 5.0)


def _row(model: nn.Module, images: Tensor, name: str, some: int | None, bound: float) -> Row:
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    with torch.no_grad():
        program = record_program(model, images)
        stages = [stage for stage in find_stages(model, program) if stage.kind in ("linear", "conv")]
        edges = {stage.name: _edges(stage, some) for stage in stages}

        def ours() -> list[Tensor]:
            values = program.run(images)
            return [
                StageRun(program, values, stage, None, TARGET, "logodds").effects(*edges[stage.name])
                for stage in stages
            ]

        def naive() -> list[Tensor]:
            return [_masked(model, images, stage, edges[stage.name]) for stage in stages]

        mine, theirs, found, expected = alternate(ours, naive, repeats=5)
    error = max(float((a - b).abs().max()) for a, b in zip(found, expected, strict=True))
    ratio = theirs / mine
    count = sum(len(e[0]) for e in edges.values())
    return Row(
        what=f"effects of {count} single edges, {len(images)} images, {name}",
        ours=mine * 1e3,
        theirs=theirs * 1e3,
        unit="ms",
        figure=f"{ratio:.1f}x",
        bound=f"at least {bound:g}x, equal to 1e-5",
        passed=ratio >= bound and error < 1e-5,
        note=f"largest difference {error:.1e} log odds",
    )


def _edges(stage: Stage, some: int | None) -> tuple[Tensor, Tensor, Tensor]:
    """All edges of a stage, or an even choice of them, those of one unit side by side."""
    sources = stage.sources[0].units
    index = torch.arange(stage.units * sources)
    if some is not None and len(index) > some:
        index = index[torch.linspace(0, len(index) - 1, some).long()]
    return torch.zeros_like(index), index % sources, index // sources


def _masked(model: nn.Module, images: Tensor, stage: Stage, edges: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    weight: Any = model.get_submodule(stage.name).weight
    block = weight.shape[1] // stage.sources[0].units
    clean = class_value(_scores(model, images), TARGET)
    found = []
    for source, unit in zip(edges[1].tolist(), edges[2].tolist(), strict=True):
        columns = slice(source * block, (source + 1) * block)
        kept = weight[unit, columns].clone()
        weight[unit, columns] = 0.0
        found.append(clean - class_value(_scores(model, images), TARGET))
        weight[unit, columns] = kept
    return torch.stack(found)


def _scores(model: nn.Module, images: Tensor) -> Tensor:
    output = model(images)
    return getattr(output, "logits", output)
