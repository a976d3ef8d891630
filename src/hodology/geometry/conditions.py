"""Samples with the condition each was recorded under, ready for measures over conditions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hodology.errors import InputError
from hodology.geometry.patterns import ConstantUnits, as_patterns

__all__ = ["GroupedSamples", "group_samples"]


@dataclass(frozen=True, repr=False, eq=False)
class GroupedSamples:
    """Samples by condition.

    Attributes
    ----------
    values : float ndarray, shape (samples, units)
    condition : int64 ndarray, shape (samples,)
        Position of each sample's condition in `names`.
    names : tuple
        The conditions, sorted.
    means : float64 ndarray, shape (conditions, units)
    """

    values: np.ndarray
    condition: np.ndarray
    names: tuple[Any, ...]
    means: np.ndarray

    def __repr__(self) -> str:
        return f"GroupedSamples({self.values.shape[0]} samples, {len(self.names)} conditions, {self.values.shape[1]} units)"

    @property
    def n_conditions(self) -> int:
        """Number of conditions."""
        return len(self.names)


def group_samples(
    z: Any, condition: Any = None, *, constant_units: ConstantUnits = "drop", least: int = 2
) -> GroupedSamples:
    """Sort out which sample belongs to which condition.

    Parameters
    ----------
    z : Patterns or anything `as_patterns` reads, shape (samples, units)
    condition : array-like, shape (samples,), optional
        Any values that can be sorted. Default: each row is a condition of its own.
    constant_units : {"drop", "keep", "error"}
        Units with one value for all samples are left out with a warning.
    least : int
        Conditions that are needed.

    Raises
    ------
    InputError
        For labels of another number, missing labels, or too few conditions.
    """
    patterns = as_patterns(z, constant_units=constant_units)
    values = patterns.values
    if condition is None:
        index, names = np.arange(len(values)), tuple(range(len(values)))
    else:
        given = np.asarray(condition)
        if given.shape != (len(values),):
            raise InputError(
                f"condition must have one label per sample ({len(values)}), got shape {given.shape}."
            )
        if given.dtype.kind == "f" and not np.isfinite(given).all():
            raise InputError("condition must not hold missing values.")
        try:
            unique, index = np.unique(given, return_inverse=True)
        except TypeError as error:
            raise InputError(f"conditions must be values of one kind that can be sorted: {error}.") from error
        names = tuple(unique.tolist())
    if len(names) < least:
        raise InputError(f"at least {least} conditions are needed, got {len(names)}.")
    counts = np.bincount(index, minlength=len(names))
    sums = np.zeros((len(names), values.shape[1]))
    np.add.at(sums, index, values.astype(np.float64))
    return GroupedSamples(values, index.astype(np.int64), names, sums / counts[:, None])
