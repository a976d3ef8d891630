"""Full knock-out: a component is taken out of the final sum and out of the input of every later path.

All reading of the stream goes through norms (`ResidualStream` has verified it), so taking O_p out is the same as
feeding every later norm with its input less O_p, whatever the model's family. The pass starts at the last block
whose input does not hold what is removed yet: earlier blocks are not run again, the stream that they left is cached.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from hodology.errors import InputError
from hodology.interpret.path_decomposition import as_stream
from hodology.interpret.stream_restart import StreamRestart
from hodology.nn.forward import Inputs, batch_size, check_inputs, select_rows
from hodology.nn.residual import ResidualStream
from hodology.nn.taps import evaluation_mode

__all__ = ["knock_out"]

_BUDGET_BYTES = 2**28  # of the cached stream


def knock_out(
    model: nn.Module | ResidualStream,
    inputs: Inputs,
    *,
    summary: Callable[[Tensor, Tensor], Tensor] | None = None,
    max_batch: int | None = None,
    reuse: bool = True,
) -> Tensor:
    """Logits with each component removed everywhere.

    Parameters
    ----------
    model : nn.Module or ResidualStream
    inputs : Tensor or mapping of Tensors
    summary : callable, optional
        From logits ``(rows, classes)`` and the numbers of these rows to what is kept of them, rows first; for large
        vocabularies. By default the logits are kept.
    max_batch : int, optional
        Most rows whose stream of all tokens is cached at a time; by default what fits 256 MiB.
    reuse : bool
        Start from the cached stream; False runs the whole model for each component (for comparison).

    Returns
    -------
    Tensor, shape (P, batch, classes)
        Or what `summary` keeps. Component 0 is the embedding: then every block reads the branches before it alone.

    Raises
    ------
    InputError
        For a `max_batch` below 1, and models without a residual stream.
    """
    if max_batch is not None and max_batch < 1:
        raise InputError(f"max_batch must be at least 1, got {max_batch}.")
    stream = as_stream(model, inputs)
    inputs = check_inputs(stream.model, inputs)
    rows = batch_size(inputs)
    end = stream.survey.end
    row_bytes = len(stream) * end.shape[1] * end.shape[2] * end.element_size()
    size = max_batch or max(1, _BUDGET_BYTES // row_bytes)
    device = inputs.device if isinstance(inputs, Tensor) else next(iter(inputs.values())).device
    with evaluation_mode(stream.model), torch.no_grad():
        parts = []
        for index in torch.arange(rows, device=device).split(size):
            each = _all(StreamRestart(stream, select_rows(inputs, index), reuse=reuse))
            parts.append(
                torch.stack([logits if summary is None else summary(logits, index) for logits in each])
            )
    return torch.cat(parts, dim=1)


def _all(restart: StreamRestart) -> Iterator[Tensor]:
    """Logits ``(rows, classes)`` without each component in turn."""
    stream = restart.stream
    last = len(stream) - 1
    for index in range(len(stream)):
        gone = restart.components[index]

        def without(point: int, value: Tensor, index: int = index, gone: Tensor = gone) -> Tensor:
            return value - gone if point >= index else value

        # nothing reads the last component but the head
        end = restart.points[last] - gone if index == last else restart.run(index, without)
        yield stream.head(stream.select(end, restart.inputs))
