"""Fit the weights of a path ensemble to labelled data, the model being frozen: calls of the head alone.

The components do not depend on the weights, so one pass over the data is all that the model runs. Report what was
fitted on data that it has not seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from hodology.errors import InputError, NotConvergedError, UnknownNameError, near_names
from hodology.interpret.path_decomposition import PathDecomposition, labels_of
from hodology.interpret.path_ensemble import PathEnsemble
from hodology.nn.taps import evaluation_mode

__all__ = ["Optimizer", "ScaleFit", "fit_scale", "minimise"]

Optimizer = Literal["adam", "lbfgs"]


@dataclass(frozen=True)
class ScaleFit:
    """What `fit_scale` did.

    Attributes
    ----------
    losses : tuple of float
        Mean cross-entropy on the data before each step, and after the last one.
    validation : tuple of float
        The same on the validation data; empty without.
    best : int
        Steps behind the weights that were kept: the least validation loss, or all of them.
    """

    losses: tuple[float, ...]
    validation: tuple[float, ...]
    best: int


def fit_scale(
    ensemble: PathEnsemble,
    paths: PathDecomposition,
    *,
    optimizer: Optimizer = "adam",
    steps: int = 200,
    learning_rate: float | None = None,
    validation: PathDecomposition | None = None,
    patience: int | None = None,
) -> ScaleFit:
    """Fit the scale of an ensemble in place; neither the model nor its flags are changed.

    Parameters
    ----------
    ensemble : PathEnsemble
        With a scalar or vector scale; its mask stays. The fit begins at its present weights.
    paths : PathDecomposition
        Labelled, of the same model. All rows enter every step; there is no weight decay.
    optimizer : {"adam", "lbfgs"}
        L-BFGS searches along a line and needs fewer steps.
    steps : int
    learning_rate : float, optional
        0.01 for Adam, 1 for L-BFGS by default.
    validation : PathDecomposition, optional
        Other labelled data: the weights with the least loss on them are kept.
    patience : int, optional
        Stop after this many steps without a lesser validation loss.

    Raises
    ------
    UnknownNameError
        For an optimizer that does not exist.
    InputError
        For an ensemble without a scale or one that scales the cascade, unlabelled or foreign components, and
        `patience` without `validation`.
    NotConvergedError
        When the loss stops being a number; the weights are then those of before.
    """
    _check(ensemble, paths, validation)
    with evaluation_mode(paths.stream.model):
        return minimise(
            ensemble.parameters_to_scale(),
            _loss_of(ensemble, paths),
            check=None if validation is None else _loss_of(ensemble, validation),
            optimizer=optimizer,
            steps=steps,
            learning_rate=learning_rate,
            patience=patience,
        )


def minimise(
    parameters: Sequence[nn.Parameter],
    loss: Callable[[], Tensor],
    *,
    check: Callable[[], Tensor] | None = None,
    optimizer: Optimizer = "adam",
    steps: int = 200,
    learning_rate: float | None = None,
    patience: int | None = None,
) -> ScaleFit:
    """Minimise a loss of all data by `parameters`, in place; their flags are restored.

    Parameters
    ----------
    parameters : sequence of nn.Parameter
    loss, check : callable
        The loss, and that on validation data: the parameters with the least one are kept.
    optimizer, steps, learning_rate, patience
        As in `fit_scale`.
    """
    stepper = _optimizer(parameters, optimizer, learning_rate)
    if steps < 1:
        raise InputError(f"steps must be at least 1, got {steps}.")
    if patience is not None and check is None:
        raise InputError("patience needs validation data, got None.")
    kept = _values(parameters)
    start = kept
    losses: list[float] = []
    checks: list[float] = []
    best = 0
    with _learning(parameters):
        for step in range(steps + 1):
            with torch.no_grad():
                losses.append(float(loss()))
                checks += [] if check is None else [float(check())]
            if not losses[-1] < float("inf"):
                _set(parameters, start)
                raise NotConvergedError(f"the loss is {losses[-1]} after {step} steps; lower learning_rate.")
            if check is None or checks[-1] <= min(checks):
                best, kept = step, _values(parameters)
            if step == steps or (patience is not None and step - best >= patience):
                break
            stepper.step(_closure(stepper, loss))
        _set(parameters, kept)
    return ScaleFit(tuple(losses), tuple(checks), best)


@contextmanager
def _learning(parameters: Sequence[nn.Parameter]) -> Iterator[None]:
    """Let gradients reach the parameters; their flags are restored, and no gradient is left."""
    flags = [parameter.requires_grad for parameter in parameters]
    try:
        for parameter in parameters:
            parameter.requires_grad_(True)
        with torch.enable_grad():
            yield
    finally:
        for parameter, flag in zip(parameters, flags, strict=True):
            parameter.grad = None
            parameter.requires_grad_(flag)


def _values(parameters: Sequence[nn.Parameter]) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in parameters]


def _set(parameters: Sequence[nn.Parameter], values: Sequence[Tensor]) -> None:
    with torch.no_grad():
        for parameter, value in zip(parameters, values, strict=True):
            parameter.copy_(value)


def _optimizer(
    parameters: Sequence[nn.Parameter], name: Optimizer, learning_rate: float | None
) -> torch.optim.Optimizer:
    if name == "adam":
        return torch.optim.Adam(parameters, lr=0.01 if learning_rate is None else learning_rate)
    if name == "lbfgs":
        rate = 1.0 if learning_rate is None else learning_rate
        return torch.optim.LBFGS(parameters, lr=rate, max_iter=1, line_search_fn="strong_wolfe")
    raise UnknownNameError(f"optimizer {name!r} does not exist{near_names(name, get_args(Optimizer))}.")


def _loss_of(ensemble: PathEnsemble, paths: PathDecomposition) -> Callable[[], Tensor]:
    values, labels = paths.values, labels_of(paths)
    kept = ensemble.path_mask.to(values)[:, None]

    def loss() -> Tensor:
        scale = ensemble.parameters_to_scale()[0]
        weights = (scale.reshape(len(scale), -1) * kept).expand(-1, values.shape[-1])
        total = torch.einsum("p...d,pd->...d", values, weights)
        return functional.cross_entropy(paths.stream.head(total), labels)

    return loss


def _closure(stepper: torch.optim.Optimizer, loss: Callable[[], Tensor]) -> Callable[[], float]:
    def closure() -> float:
        stepper.zero_grad(set_to_none=True)
        value = loss()
        value.backward()
        return float(value.detach())

    return closure


def _check(ensemble: PathEnsemble, paths: PathDecomposition, validation: PathDecomposition | None) -> None:
    if not ensemble.parameters_to_scale():
        raise InputError("the ensemble has no scale to fit: make it with scale='scalar' or 'vector'.")
    if ensemble.cascade:
        raise InputError(
            "a scale in the cascade changes the components, so it cannot be fitted to cached ones; train it with fit."
        )
    for part in (paths, validation):
        if part is not None:
            labels_of(part)
            if part.stream.model is not ensemble.model:
                raise InputError("the components must come from the ensemble's own model.")
