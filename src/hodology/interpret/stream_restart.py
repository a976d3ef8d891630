"""Passes that begin inside the residual stream: what lies before is cached, what lies behind the end is left out.

All reading of the stream goes through norms (`ResidualStream` has verified it), so giving one norm something else to
read changes one branch and what follows from it, whatever the model's family. A pass begins at the last block that
takes the stream at or before the changed reading: earlier blocks are not run again, the stream that they left is cached.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from hodology.errors import InputError
from hodology.nn.forward import Inputs, batch_size, call_model, select_rows
from hodology.nn.prefix import Prefix
from hodology.nn.residual import ResidualStream
from hodology.nn.sites import Site
from hodology.nn.taps import hook_site

__all__ = ["StreamRestart"]

Visit = Callable[[int, Tensor], Tensor]


class _ReachedError(Exception):
    """Ends a pass where its result is known."""


class StreamRestart:
    """The cached stream of one batch.

    Parameters
    ----------
    stream : ResidualStream
        Of a model in eval mode.
    inputs : Tensor or mapping of Tensors
    reuse : bool
        False runs the whole model in every pass (for comparison, and where rows of a batch cannot be told from tokens).

    Attributes
    ----------
    rows : int
    components, points : Tensor, shape (P, rows, tokens, width)
        The terms of the stream and their running sums.
    logits : Tensor, shape (rows, classes)
        The model's own.
    """

    def __init__(self, stream: ResidualStream, inputs: Inputs, *, reuse: bool = True) -> None:
        self.stream, self.inputs, self.rows = stream, inputs, batch_size(inputs)
        once = all(len(set(order)) == 1 for order in stream.survey.order.values())
        self.blocks = (
            stream.blocks if reuse and once else ()
        )  # calls of a shared norm are counted from the first
        self.others: dict[str, tuple[Any, ...]] = {}  # what blocks return beside the stream
        first = (Site(self.blocks[0].module, "input"),) if self.blocks else stream.survey.points[:1]
        with self._keeping_others():
            self.prefix, reading = Prefix.capture(
                stream.model, first, self.rows, lambda: stream.read(inputs, tokens="all"), whole=True
            )
        self.components, self.logits = reading.values, reading.logits
        self.points = reading.values.cumsum(dim=0)

    def run(
        self, index: int, visit: Visit, rows: Tensor | None = None, *, stop: Site | None = None
    ) -> Tensor:
        """Run from point `index` of the stream to its end, and return it as `visit` gave it to its reader.

        Parameters
        ----------
        index : int
            The first point that `visit` may change; see `ResidualStream.visiting`.
        visit : callable
        rows : Tensor of int64, optional
            Rows of the batch that the pass is over; may repeat. Default each once.
        stop : Site, optional
            Return the value there instead, and stop at it.
        """
        last = len(self.stream) - 1
        reached: list[Tensor] = []

        def reach(value: Tensor) -> Tensor:
            reached.append(value)
            raise _ReachedError

        def visitor(point: int, value: Tensor) -> Tensor:
            # Where the model adds in place, what a norm keeps for its gradient must not be the stream itself.
            given = visit(point, value.clone() if torch.is_grad_enabled() else value)
            return reach(given) if point == last and stop is None else given

        model = self.stream.model
        inputs = self.inputs if rows is None else select_rows(self.inputs, rows)
        with self.started(index, rows), self.stream.visiting(visitor), ExitStack() as stack:
            if stop is not None:
                stack.enter_context(hook_site(model, stop, reach))
            try:
                call_model(model, inputs)
            except _ReachedError:
                return reached[0]
        where = "the end of its stream" if stop is None else repr(stop.name)
        raise InputError(f"a pass of {type(model).__name__} did not reach {where}.")

    @contextmanager
    def started(self, index: int, rows: Tensor | None = None) -> Iterator[None]:
        """Let passes in the block skip what lies before the last block that takes the stream at or before `index`."""
        if not self.blocks:
            yield
            return
        before = [block for block in self.blocks if block.stop <= index]
        value = self.points[before[-1].stop] if before else None
        outputs = {**self.prefix.outputs}
        for block in before:
            others = self.others.get(block.module)
            outputs[block.module] = value if others is None else (value, *others)
        chosen = torch.arange(self.rows, device=self.components.device) if rows is None else rows
        with replace(self.prefix, outputs=outputs).reuse(chosen):
            yield

    @contextmanager
    def _keeping_others(self) -> Iterator[None]:
        handles = []
        try:
            for block in self.blocks:
                module = self.stream.model.get_submodule(block.module)
                handles.append(module.register_forward_hook(self._keep(block.module)))
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _keep(self, name: str) -> Any:
        def hook(_: nn.Module, __: Any, output: Any) -> None:
            if isinstance(output, (tuple, list)):
                self.others[name] = tuple(output[1:])

        return hook
