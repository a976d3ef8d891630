"""The samples of a transformer's causal graph in batches of its stream, and the means that stand on cut edges."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hodology.errors import InputError
from hodology.interpret.causal_options import device_of, tensors_of
from hodology.interpret.causal_search import Rule
from hodology.interpret.stream_edges import Heads, StreamBatch
from hodology.nn.forward import Inputs, select_rows
from hodology.nn.forward import batch_size as size_of
from hodology.nn.residual import ResidualStream
from hodology.nn.taps import hook_site

__all__ = ["StreamRuns", "stream_means"]

_BUDGET_BYTES = 2**28  # of the cached stream


class StreamRuns:
    """A stream, the samples in batches, and clean passes over them.

    Parameters
    ----------
    stream : ResidualStream
        Of a model in eval mode.
    heads : mapping of int to AttentionHeads
        Of each attention branch, by component; empty to take branches whole.
    samples : Tensor or mapping of Tensors
    size : int
        Most rows, edges times samples, in one pass.
    rule : Rule
    reference : Tensor or mapping of Tensors, optional
        Inputs whose means stand on cut edges; zero without.

    Attributes
    ----------
    scores : Tensor, shape (samples, classes)
        The model's own.
    drift : float
        How far the evidence differs between passes over the same rows: rounding.
    """

    def __init__(
        self,
        stream: ResidualStream,
        heads: Heads,
        samples: Inputs,
        size: int,
        rule: Rule,
        reference: Inputs | None,
    ) -> None:
        self.stream, self.heads, self.rule, self._size = stream, heads, rule, size
        self.means: dict[int, Tensor] | None = None
        self._kept: tuple[int, StreamBatch] | None = None
        self.batches = self._split(samples)
        if reference is not None:
            tokens = stream.survey.end.shape[1]
            needed = torch.cat([_kept_tokens(batch, tokens).any(dim=0)[None] for batch in self.batches])
            self.means = stream_means(stream, heads, self._split(reference), needed.any(dim=0).cpu().numpy())
        seen = [(run.scores, run.drift) for run in self.runs()]
        self.scores = torch.cat([scores for scores, _ in seen])
        self.drift = max(drift for _, drift in seen)

    def runs(self) -> Iterator[StreamBatch]:
        """The batches in order; one stays in memory, many are run again."""
        for index, batch in enumerate(self.batches):
            if self._kept is None or self._kept[0] != index:
                self._kept = None  # frees the last one before the next is made
                run = StreamBatch(
                    self.stream, self.heads, batch, means=self.means, size=self._size,
                    target=self.rule.target, effect=self.rule.effect,
                )  # fmt: skip
                self._kept = (index, run)
            yield self._kept[1]

    def all(self, what: Callable[[StreamBatch], Tensor]) -> np.ndarray:
        """Results of `what` with samples on the last axis, joined over batches."""
        return torch.cat([what(run) for run in self.runs()], dim=-1).double().cpu().numpy()

    def mean(self, what: Callable[[StreamBatch], Tensor]) -> np.ndarray:
        """Means over samples of results of `what`, which gives the mean of one batch."""
        total: Any = 0.0
        for run in self.runs():
            total = total + what(run).double() * run.rows
        return np.asarray((total / len(self.scores)).cpu().numpy())

    def units(self, component: int) -> int:
        """Heads of a component; 1 where it is one unit."""
        return self.heads[component].heads if component in self.heads else 1

    def name(self, receiver: int) -> str:
        """The layer of a receiver."""
        return "class" if receiver == len(self.stream) else self.stream.names[receiver]

    def _split(self, inputs: Inputs) -> list[Inputs]:
        end = self.stream.survey.end
        at_heads = sum(len(own.weight) for own in self.heads.values())
        row_bytes = end.shape[1] * (2 * len(self.stream) * end.shape[2] + at_heads) * end.element_size()
        size = max(1, min(self._size, _BUDGET_BYTES // row_bytes))
        rows = torch.arange(size_of(inputs), device=device_of(inputs))
        return [select_rows(inputs, part) for part in rows.split(size)]


def stream_means(
    stream: ResidualStream, heads: Heads, batches: Sequence[Inputs], needed: np.ndarray
) -> dict[int, Tensor]:
    """Mean of every component over the rows, at each token ``(tokens, width)``; of branches with heads at their site.

    Parameters
    ----------
    stream, heads
    batches : sequence of inputs
        Tokens that an attention mask hides do not count.
    needed : bool ndarray, shape (tokens,)
        Tokens of which a mean is needed.

    Raises
    ------
    InputError
        For another number of tokens, or a needed token that no row has.
    """
    sums: dict[int, Any] = {}
    count: Any = 0.0
    for inputs in batches:
        values: dict[int, Tensor] = {}
        with ExitStack() as stack:
            for component, own in heads.items():
                stack.enter_context(hook_site(stream.model, own.site, _holder(values, component)))
            read = stream.read(inputs, tokens="all").values
        if read.shape[2] != len(needed):
            raise InputError(
                f"reference_inputs must have as many tokens as inputs, {len(needed)}, got {read.shape[2]}."
            )
        kept = _kept_tokens(inputs, read.shape[2]).to(read)[..., None]
        count = count + kept.sum(dim=0, dtype=torch.float64)
        for component in range(len(stream)):
            value = values[component] if component in heads else read[component]
            sums[component] = sums.get(component, 0.0) + (value * kept).sum(dim=0, dtype=torch.float64)
    empty = needed & (count[:, 0].cpu().numpy() == 0)
    if empty.any():
        raise InputError(
            f"no row of reference_inputs has token {int(np.argmax(empty))}, which inputs have; give longer ones."
        )
    dtype = stream.survey.end.dtype
    return {component: (value / count.clamp(min=1.0)).to(dtype) for component, value in sums.items()}


def _kept_tokens(inputs: Inputs, tokens: int) -> Tensor:
    """Tokens that the attention mask keeps, bool ``(rows, tokens)``; all without a mask."""
    first = tensors_of(inputs)[0]
    mask = None if isinstance(inputs, Tensor) else inputs.get("attention_mask")
    if mask is None or mask.ndim != 2 or mask.shape[1] != tokens:
        return torch.ones(len(first), tokens, dtype=torch.bool, device=first.device)
    return mask != 0


def _holder(values: dict[int, Tensor], component: int) -> Callable[[Tensor], Tensor]:
    def hold(value: Tensor) -> Tensor:
        values[component] = value.clone()
        return value

    return hold
