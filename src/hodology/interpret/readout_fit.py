"""Fit the final norm or the head again on cached components: what a re-weighted ensemble has to beat.

Weights per path have parameters and see data that the model did not. Fitting gamma and beta of the final norm, or the
whole head, to the same data is the plain way to spend them.
"""

from __future__ import annotations

import copy
from typing import Literal, get_args

from torch import Tensor, nn
from torch.nn import functional

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.interpret.path_decomposition import PathDecomposition, labels_of
from hodology.interpret.scale_fit import Optimizer, ScaleFit, minimise

__all__ = ["FittedReadout", "ReadoutPart", "fit_readout"]

ReadoutPart = Literal["norm", "head"]


class FittedReadout(nn.Module):
    """Copies of a model's final norm and head, read like the model's own."""

    def __init__(self, paths: PathDecomposition) -> None:
        super().__init__()
        readout = paths.stream.readout
        names = [name for name in (readout.norm, *readout.head) if name is not None]
        self.names = tuple(names)
        self.parts = nn.ModuleList([copy.deepcopy(paths.stream.model.get_submodule(name)) for name in names])

    def get_submodule(self, target: str) -> nn.Module:
        """A part by the name that it has in the model."""
        return self.parts[self.names.index(target)] if target in self.names else super().get_submodule(target)

    def forward(self, paths: PathDecomposition) -> Tensor:
        """Class scores ``(batch, classes)`` of the plain sum of the components."""
        readout, total = paths.stream.readout, paths.values.sum(dim=0)
        return readout.scores(self, readout.pool(readout.normed(self, total)))


def fit_readout(
    paths: PathDecomposition,
    *,
    part: ReadoutPart = "norm",
    optimizer: Optimizer = "adam",
    steps: int = 200,
    learning_rate: float | None = None,
    validation: PathDecomposition | None = None,
    patience: int | None = None,
) -> tuple[FittedReadout, ScaleFit]:
    """Fit a copy of the final norm or of the head on the full sum; the model itself stays as it is.

    Parameters
    ----------
    paths : PathDecomposition
        Labelled.
    part : {"norm", "head"}
        gamma and beta of the final norm, or the parameters of the head.
    optimizer, steps, learning_rate, validation, patience
        As in `hodology.interpret.scale_fit.fit_scale`.

    Returns
    -------
    readout : FittedReadout
    fit : ScaleFit

    Raises
    ------
    UnknownNameError
        For a part or an optimizer that does not exist.
    InputError
        For unlabelled components, a part without parameters, and `patience` without `validation`.
    """
    if part not in get_args(ReadoutPart):
        raise UnknownNameError(f"part {part!r} does not exist{near_names(part, get_args(ReadoutPart))}.")
    fitted = FittedReadout(paths).eval()
    norm = paths.stream.readout.norm
    chosen = [
        m for name, m in zip(fitted.names, fitted.parts, strict=True) if (name == norm) == (part == "norm")
    ]
    parameters = [parameter for module in chosen for parameter in module.parameters()]
    if not parameters:
        raise InputError(f"the model has no {part} with parameters behind its residual stream.")
    fitted.requires_grad_(False)

    def loss_of(some: PathDecomposition) -> Tensor:
        return functional.cross_entropy(fitted(some), labels_of(some))

    for some in (paths, validation):
        if some is not None:
            labels_of(some)
    result = minimise(
        parameters,
        lambda: loss_of(paths),
        check=None if validation is None else lambda: loss_of(validation),
        optimizer=optimizer,
        steps=steps,
        learning_rate=learning_rate,
        patience=patience,
    )
    return fitted, result
