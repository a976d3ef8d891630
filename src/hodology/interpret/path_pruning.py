"""Cut paths out of the ensemble: a mask on the final sum alone, x~ = sum_p s_p O_p with s_p in {0, 1}.

A pruned component keeps feeding later paths; it is no longer read itself. Nothing is computed less and no
parameter is added: what is meant is that short paths can then serve the longer ones only.

Reference: Chang et al., "Revisiting vision transformer from the view of path ensemble", ICCV 2023.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.interpret.labelled_batches import Data
from hodology.interpret.path_decomposition import PathDecomposition, decompose_data, labels_of
from hodology.nn.residual import ResidualStream
from hodology.nn.taps import evaluation_mode

__all__ = ["PathPruning", "PruneCriterion", "PruneStep", "mask_before_depth", "prune_paths"]

PruneCriterion = Literal["loss", "accuracy"]
_CELLS = 2**25  # summed values that are held at a time


@dataclass(frozen=True)
class PruneStep:
    """One component that was cut.

    Attributes
    ----------
    path : str
    index : int
    loss, accuracy : float
        Of what is left, on the data of the selection.
    """

    path: str
    index: int
    loss: float
    accuracy: float


@dataclass(frozen=True, repr=False)
class PathPruning:
    """A mask and how it came about.

    Attributes
    ----------
    mask : tuple of bool, length P
        True for components that stay.
    names : tuple of str
    steps : tuple of PruneStep
        In the order of the cuts.
    loss, accuracy : float
        Of the full sum on the data of the selection.
    criterion : str
    max_drop : float
    """

    mask: tuple[bool, ...]
    names: tuple[str, ...]
    steps: tuple[PruneStep, ...]
    loss: float
    accuracy: float
    criterion: PruneCriterion
    max_drop: float

    def __repr__(self) -> str:
        return f"PathPruning({sum(self.mask)} of {len(self.mask)} paths stay, {self.criterion})"

    @property
    def pruned(self) -> tuple[str, ...]:
        """Names of the components that were cut, in that order."""
        return tuple(step.path for step in self.steps)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        fields = ("loss", "accuracy", "criterion", "max_drop")
        return {
            "mask": list(self.mask),
            "names": list(self.names),
            "steps": [asdict(step) for step in self.steps],
            **{name: getattr(self, name) for name in fields},
        }


def prune_paths(
    source: PathDecomposition | nn.Module | ResidualStream,
    data: Data | None = None,
    *,
    criterion: PruneCriterion = "loss",
    max_drop: float = 0.0,
    keep: Sequence[str] = (),
    batch_size: int = 128,
) -> PathPruning:
    """Cut components greedily, each time the one without which the rest does best.

    The data select the mask, so what is reported here flatters it: measure the pruned model on other data.

    Parameters
    ----------
    source : PathDecomposition, nn.Module or ResidualStream
        A labelled decomposition, or a model with `data`.
    data : pair or loader, optional
        Inputs and labels of the selection, when `source` is no decomposition.
    criterion : {"loss", "accuracy"}
        What is to become no worse; equal accuracies are told apart by the loss.
    max_drop : float
        How much worse than the full sum the criterion may become. With 0 a cut is made only while the criterion
        does not get worse by it.
    keep : sequence of str
        Names of components that must stay.
    batch_size : int
        Rows in one pass, for a pair.

    Returns
    -------
    PathPruning
        At least one component stays.

    Notes
    -----
    One pass over the data and O(P^2) calls of the head on the cached components.

    Raises
    ------
    UnknownNameError
        For a criterion or a name in `keep` that does not exist.
    InputError
        For a negative `max_drop`, or a decomposition without labels.
    """
    if criterion not in get_args(PruneCriterion):
        raise UnknownNameError(
            f"criterion {criterion!r} does not exist{near_names(criterion, get_args(PruneCriterion))}."
        )
    if not 0 <= max_drop < float("inf"):
        raise InputError(f"max_drop must be a number of at least 0, got {max_drop}.")
    paths = _source(source, data, batch_size)
    for name in keep:
        if name not in paths.names:
            raise UnknownNameError(f"path {name!r} is not in this model{near_names(name, paths.names)}.")
    values = paths.values
    total = values.sum(dim=0)
    left = list(range(len(values)))
    full = now = _measure(paths, total[None])[0]
    steps = []
    while len(left) > 1:
        tried = [index for index in left if paths.names[index] not in keep]
        if not tried:
            break
        measured = _without_each(paths, values, total, tried)
        best = min(range(len(tried)), key=lambda i: _rank(measured[i], criterion))
        if not _allowed(measured[best], now, full, criterion, max_drop):
            break
        now = measured[best]
        left.remove(tried[best])
        total = values[left].sum(dim=0)  # summed again: differences would pile up rounding
        steps.append(PruneStep(paths.names[tried[best]], tried[best], *now))
    mask = tuple(index in left for index in range(len(values)))
    return PathPruning(mask, paths.names, tuple(steps), *full, criterion, max_drop)


def mask_before_depth(paths: PathDecomposition | ResidualStream, depth: int) -> tuple[bool, ...]:
    """Mask that cuts the short paths: the embedding and every branch of the blocks before block `depth`.

    Parameters
    ----------
    paths : PathDecomposition or ResidualStream
    depth : int
        1 cuts the embedding alone; at most the number of blocks. 0 cuts nothing.
    """
    components = (paths.stream if isinstance(paths, PathDecomposition) else paths).components
    deepest = max(component.depth for component in components)
    if not 0 <= depth <= deepest:
        raise InputError(f"depth must be 0 to {deepest}, got {depth}.")
    return tuple(component.depth >= depth for component in components)


def _source(
    source: PathDecomposition | nn.Module | ResidualStream, data: Data | None, batch_size: int
) -> PathDecomposition:
    if isinstance(source, PathDecomposition):
        if data is not None:
            raise InputError("data must be None for a decomposition, which holds its own.")
        labels_of(source)
        return source
    if data is None:
        raise InputError("a model needs data to select paths by, got None.")
    return decompose_data(source, data, batch_size=batch_size)


def _without_each(
    paths: PathDecomposition, values: Tensor, total: Tensor, tried: list[int]
) -> list[tuple[float, float]]:
    """Loss and accuracy without each of `tried`, in pieces of bounded size."""
    step = max(1, _CELLS // total.numel())
    found: list[tuple[float, float]] = []
    for begin in range(0, len(tried), step):
        found += _measure(paths, total - values[tried[begin : begin + step]])
    return found


def _measure(paths: PathDecomposition, sums: Tensor) -> list[tuple[float, float]]:
    """Loss and accuracy of sums ``(k, n, width)``."""
    labels = labels_of(paths)
    measured = []
    with evaluation_mode(paths.stream.model), torch.no_grad():
        for read in sums:
            logits = paths.stream.head(read)
            loss = float(functional.cross_entropy(logits.double(), labels))
            measured.append((loss, float((logits.argmax(dim=1) == labels).double().mean())))
    return measured


def _rank(measured: tuple[float, float], criterion: PruneCriterion) -> tuple[float, float]:
    loss, accuracy = measured
    return (loss, -accuracy) if criterion == "loss" else (-accuracy, loss)


def _allowed(
    after: tuple[float, float],
    before: tuple[float, float],
    full: tuple[float, float],
    criterion: PruneCriterion,
    max_drop: float,
) -> bool:
    index, sign = (0, 1.0) if criterion == "loss" else (1, -1.0)
    worse_than_before = sign * (after[index] - before[index])
    worse_than_full = sign * (after[index] - full[index])
    return worse_than_before <= 0 or (max_drop > 0 and worse_than_full <= max_drop)
