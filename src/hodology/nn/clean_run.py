"""One undisturbed pass over a batch, and the output whose path is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import Tensor

from hodology.errors import InputError
from hodology.nn.forward import Inputs, select_rows
from hodology.nn.prefix import Prefix

__all__ = ["CleanRun", "OutputKind", "check_targets", "output_value"]

OutputKind = Literal["probability", "log-probability", "logit"]


@dataclass(frozen=True, eq=False)
class CleanRun:
    """What one undisturbed pass over a batch gave.

    Attributes
    ----------
    inputs : Tensor or mapping of Tensors
    activations : tuple of Tensor, each shape (batch, positions, units)
        Activity at the sites, at the chosen token positions.
    scores : Tensor, shape (batch, classes)
    targets : Tensor of int64, shape (batch,)
    positions : Tensor of int64, shape (batch, positions), or None for all tokens
    probability : Tensor, shape (batch,)
        Softmax probability of the target.
    """

    inputs: Inputs
    activations: tuple[Tensor, ...]
    scores: Tensor
    targets: Tensor
    positions: Tensor | None
    prefix: Prefix = field(repr=False)

    @property
    def probability(self) -> Tensor:
        """Softmax probability of the target class, shape ``(batch,)``."""
        return output_value(self.scores, self.targets, "probability")

    def __len__(self) -> int:
        return len(self.scores)

    def select(self, rows: Tensor) -> CleanRun:
        """The run of a batch made of rows `rows` (int64, may repeat) of this one."""
        return CleanRun(
            select_rows(self.inputs, rows),
            tuple(a[rows] for a in self.activations),
            self.scores[rows],
            self.targets[rows],
            None if self.positions is None else self.positions[rows],
            self.prefix.select(rows),
        )

    def with_targets(self, targets: Tensor) -> CleanRun:
        """The same pass with other target classes; checks their range."""
        return replace(self, targets=check_targets(targets, self.scores))


def output_value(scores: Tensor, targets: Tensor, output: OutputKind = "probability") -> Tensor:
    """The output F of each row for its target: scores ``(batch, classes)``, targets and result ``(batch,)``."""
    index = targets[:, None]
    if output == "logit":
        return scores.gather(1, index)[:, 0]
    logs = scores.log_softmax(dim=1).gather(1, index)[:, 0]
    return logs if output == "log-probability" else logs.exp()


def check_targets(targets: Tensor, scores: Tensor) -> Tensor:
    """Return `targets` as int64 on the scores' device, or raise `InputError` when one is not a class."""
    targets = torch.as_tensor(targets, device=scores.device)
    if targets.ndim == 0:  # one class for all rows
        targets = targets.expand(len(scores))
    if targets.shape != (len(scores),) or targets.is_floating_point():
        raise InputError(
            f"target must be a class id, or {len(scores)} of them, one per row, "
            f"got shape {tuple(targets.shape)} of {targets.dtype}."
        )
    wrong = (targets < 0) | (targets >= scores.shape[1])
    if wrong.any():
        row = int(wrong.nonzero()[0])
        raise InputError(
            f"target must be 0 to {scores.shape[1] - 1} (the model has {scores.shape[1]} classes), got "
            f"{int(targets[row])} in row {row}."
        )
    return targets.to(torch.int64)
