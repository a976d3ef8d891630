"""Clean passes over all samples of a causal graph, batch after batch, and the references of cut edges."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hodology.errors import InputError
from hodology.interpret.causal_effects import EffectKind, StageRun
from hodology.interpret.causal_stages import Stage, find_stages
from hodology.interpret.edge_sets import sums_and_calls
from hodology.nn.forward import Inputs, batch_size, call_model, select_rows
from hodology.nn.program import Program, Values, copy_inputs, record_program
from hodology.nn.taps import edit

__all__ = ["Runs"]


class Runs:
    """A model, the samples in batches, and the stages that its passes have.

    Parameters
    ----------
    model : nn.Module
        In eval mode.
    samples : Tensor or mapping of str to Tensor
    size : int
        Samples in one pass.
    by_column : bool
        Count the entries of a flattened map as units of their own.
    """

    def __init__(self, model: nn.Module, samples: Inputs, size: int, *, by_column: bool = False) -> None:
        self.model = model
        self.by_column = by_column
        self.means: dict[str, tuple[Tensor, ...]] = {}
        self.references: dict[str, tuple[Tensor, ...]] = {}
        self._programs: dict[int, tuple[Program, tuple[Stage, ...]]] = {}
        self.batches = self._split(samples, size)
        self._size = size
        self._kept: tuple[int, Values] | None = None
        self._scores: Tensor | None = None
        self.stages = self._program(batch_size(self.batches[0]))[1]

    def scores(self) -> Tensor:
        """Class scores of all samples."""
        if self._scores is None:
            self._scores = torch.cat([call_model(self.model, copy_inputs(batch)) for batch in self.batches])
        return self._scores

    def sources(self, stage: Stage, branch: int = 0) -> int:
        """Units on an input of a stage, as they are counted here."""
        source = stage.sources[branch]
        split = self.by_column and stage.kind == "linear"
        return source.units * (source.block if split else 1)

    def block(self, stage: Stage, branch: int = 0) -> int:
        """Entries of a flattened map that come from one unit, where entries are counted; else 1."""
        return self.sources(stage, branch) // stage.sources[branch].units

    def place(self, stage: Stage, branch: int = 0) -> str:
        """Name of where an input's units are: the stage read, or ``STAGE:flat`` for entries of its flattened map."""
        source = stage.sources[branch]
        return source.stage + (":flat" if self.block(stage, branch) > 1 else "")

    def keep_means(self, samples: Inputs) -> None:
        """Take the mean of what every stage reads over `samples` as the reference of cut edges.

        `means` has what operations read, `references` what modules do: a convolution may pad its own input.
        """
        weighted = [stage.name for stage in self.stages if stage.kind in ("linear", "conv")]
        sums: dict[str, list[Tensor]] = {}
        inputs: dict[str, list[Tensor]] = {}
        count = 0

        def reader(name: str) -> Callable[[Tensor], Tensor]:
            def read(value: Tensor) -> Tensor:
                _add(inputs, name, [value])
                return value

            return read

        for batch in self._split(samples, self._size):
            program, stages = self._program(batch_size(batch), batch)
            values = program.run(batch)
            for stage in stages:
                _add(sums, stage.name, [values[source.node] for source in stage.sources])
            with edit(self.model, {f"{name}:input": reader(name) for name in weighted}):
                dtype = call_model(self.model, copy_inputs(batch)).dtype
            count += batch_size(batch)
        self.means, own = (
            {name: tuple((v / count).to(dtype) for v in values) for name, values in found.items() if values}
            for found in (sums, inputs)
        )
        self.references = self.means | own

    def all(
        self, stage: Stage, target: int, effect: EffectKind, what: Callable[[StageRun], Tensor]
    ) -> np.ndarray:
        """Results of `what` with samples on the last axis, joined over batches."""
        parts = [what(run) for run in self._runs(stage, target, effect)]
        return torch.cat(parts, dim=-1).double().cpu().numpy()

    def mean(
        self, stage: Stage, target: int, effect: EffectKind, what: Callable[[StageRun], Tensor]
    ) -> np.ndarray:
        """Means over samples of results of `what`, which gives the mean of one batch."""
        total: Any = 0.0
        for run in self._runs(stage, target, effect):
            total = total + what(run).double() * run.program.rows
        return (total / sum(batch_size(b) for b in self.batches)).cpu().numpy()

    def on_device(self, tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The same tensors where the model is."""
        first = self.batches[0]
        device = next(iter(first.values())).device if isinstance(first, Mapping) else first.device
        return tuple(t.to(device) for t in tensors)

    def _runs(self, stage: Stage, target: int, effect: EffectKind) -> Iterator[StageRun]:
        for index, batch in enumerate(self.batches):
            program, stages = self._program(batch_size(batch))
            if self._kept is None or self._kept[0] != index:  # one batch stays in memory, many are run again
                self._kept = (index, program.run(batch))
            own = next(other for other in stages if other.name == stage.name)
            yield StageRun(
                program, self._kept[1], own, self.means.get(stage.name), target, effect, self.by_column
            )

    def _program(self, rows: int, batch: Inputs | None = None) -> tuple[Program, tuple[Stage, ...]]:
        if rows not in self._programs:
            given = batch if batch is not None else next(b for b in self.batches if batch_size(b) == rows)
            program = record_program(self.model, given)
            names, called = sums_and_calls(self.model, lambda: call_model(self.model, copy_inputs(given)))
            stages = find_stages(self.model, program, names_of_sums=names)
            for stage in stages:
                if stage.kind in ("linear", "conv") and stage.name not in called:
                    raise InputError(
                        f"module {stage.name!r} is not called in a pass, other code uses its weights; its edges could "
                        "not be cut."
                    )
            self._programs[rows] = (program, stages)
        return self._programs[rows]

    def _split(self, samples: Inputs, size: int) -> list[Inputs]:
        count = batch_size(samples)
        if count == 0:
            raise InputError("images must hold at least one row, got none.")
        first = next(iter(samples.values())) if isinstance(samples, Mapping) else samples
        rows = torch.arange(count, device=first.device)
        return [select_rows(samples, part) for part in rows.split(size)]


def _add(sums: dict[str, list[Tensor]], name: str, values: list[Tensor]) -> None:
    """Add the sums over rows to those that are known."""
    found = [value.sum(dim=0, keepdim=True, dtype=torch.float64) for value in values]
    known = sums.get(name)
    sums[name] = found if known is None else [a + b for a, b in zip(known, found, strict=True)]
