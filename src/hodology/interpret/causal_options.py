"""What the searches for causal graphs share: checks of their options and samples, and noisy copies of inputs."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.interpret.effect_tests import TestKind
from hodology.nn.forward import Inputs, batch_size, select_rows
from hodology.rng import torch_stream

__all__ = [
    "Reference",
    "check_class",
    "check_options",
    "check_sample_count",
    "device_of",
    "hashable",
    "noisy_copies",
    "tensors_of",
    "warn_of_failures",
]

Reference = Literal["zero", "mean"]
_FEWEST = 8  # samples that a test needs


def check_options(
    target: Any,
    alpha: float,
    min_effect: float,
    max_parents: Any,
    screen: float,
    size: int,
    unit: str,
    reference: str,
    *,
    units: Sequence[str],
) -> None:
    """Refuse values out of range and names that do not exist; `units` are those accepted."""
    if isinstance(target, bool) or not isinstance(target, (int, np.integer)):
        raise InputError(f"target must be a class id, got {target!r}.")
    if not 0.0 < alpha < 1.0:
        raise InputError(f"alpha must lie between 0 and 1, got {alpha}.")
    if not 0.0 < screen <= 1.0:
        raise InputError(f"screen must be a share above 0 and up to 1, got {screen}.")
    if not min_effect >= 0:
        raise InputError(f"min_effect must be 0 or more, got {min_effect}.")
    for name, number in (("batch_size", size), ("max_parents", 1 if max_parents is None else max_parents)):
        if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or number < 1:
            raise InputError(f"{name} must be an integer of at least 1, got {number!r}.")
    for name, given, known in (
        ("unit", unit, units),
        ("reference", reference, get_args(Reference)),
    ):
        if given not in known:
            raise UnknownNameError(f"{name} {given!r} does not exist{near_names(given, known)}.")


def check_sample_count(count: int, test: TestKind, alpha: float, *, word: str = "images") -> None:
    """Refuse too few samples for a test, or for a p-value below `alpha`; `word` is what the argument is called."""
    if count < _FEWEST and test != "none":
        local = "pass noise=0.1 for a local explanation" if word == "images" else "give more"
        raise InputError(
            f"{word} must be at least {_FEWEST} for a test, got {count}; {local}, or test='none'."
        )
    if test in ("auto", "permutation") and 0.5**count > alpha:
        raise InputError(
            f"no p-value of {count} {word} lies below {0.5**count:.2g}, alpha is {alpha:g}; give more {word}, or "
            "another test."
        )


def check_class(target: int, classes: int, effect: str) -> None:
    """Refuse a class that the model does not have, and effects that need two classes where there is one."""
    if not 0 <= target < classes:
        raise InputError(f"target must be 0 to {classes - 1}, got {target}.")
    if classes == 1 and effect != "logit":
        raise InputError(f"effect {effect!r} needs two classes and the model has one output; pass 'logit'.")


def warn_of_failures(accuracy: float, target: int, *, stacklevel: int, word: str = "images") -> None:
    """Warn when the model is wrong on most samples."""
    if accuracy < 0.5:
        warnings.warn(
            f"the model gives class {target} to {accuracy:.0%} of the {word}; effects describe its failures.",
            stacklevel=stacklevel + 1,
        )


def noisy_copies(images: Inputs, sigma: float, count: int, *, rng: int = 0) -> Inputs:
    """`count` copies of each image with Gaussian noise, image after image; integer tensors are repeated."""
    if not sigma > 0 or not isinstance(count, (int, np.integer)) or count < 1:
        raise InputError(
            f"noise must be above 0 and n_noise an integer of at least 1, got {sigma} and {count}."
        )
    rows = torch.arange(batch_size(images)).repeat_interleave(count)
    copies = select_rows(images, rows.to(device_of(images)))
    generator = torch_stream(rng, "input-noise")

    def noisy(value: Tensor) -> Tensor:
        if not value.is_floating_point():
            return value
        return value + sigma * torch.randn(value.shape, generator=generator).to(value)

    return {k: noisy(v) for k, v in copies.items()} if isinstance(copies, Mapping) else noisy(copies)


def tensors_of(inputs: Inputs) -> list[Tensor]:
    """The tensors of the inputs."""
    return list(inputs.values()) if isinstance(inputs, Mapping) else [inputs]


def device_of(inputs: Inputs) -> torch.device:
    """Where the inputs lie."""
    return tensors_of(inputs)[0].device


def hashable(inputs: Inputs, prefix: str) -> dict[str, np.ndarray]:
    """The inputs as named arrays, for `hodology.files.hash_arrays`."""
    tensors = dict(inputs) if isinstance(inputs, Mapping) else {"images": inputs}
    return {f"{prefix} {name}": value.cpu().numpy() for name, value in tensors.items()}
