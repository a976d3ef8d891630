"""Patterns: the responses of many units to many stimuli, from whatever container holds them.

A pattern is a row: ``values[i, j]`` is the response of unit j to stimulus i. Arrays, tensors, xarray, pandas and
AnnData objects are told apart by what they offer, so none of these packages is imported here.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from hodology.errors import InputError, UnknownNameError, near_names

__all__ = ["ConstantUnits", "Patterns", "as_patterns", "check_labels", "label_positions", "listed"]

ConstantUnits = Literal["keep", "drop", "error"]


@dataclass(frozen=True, repr=False, eq=False)
class Patterns:
    """Responses of units to stimuli.

    Attributes
    ----------
    values : float ndarray, shape (stimuli, units)
    stimuli : tuple of str or None
        One label per stimulus.
    name : str
        What was recorded: an area, a layer.
    """

    values: np.ndarray
    stimuli: tuple[str, ...] | None = None
    name: str = ""

    def __repr__(self) -> str:
        called = f"{self.name!r}, " if self.name else ""
        return f"Patterns({called}{self.n_stimuli} stimuli, {self.n_units} units, {self.values.dtype})"

    def __len__(self) -> int:
        return len(self.values)

    @property
    def n_stimuli(self) -> int:
        """Number of rows."""
        return self.values.shape[0]

    @property
    def n_units(self) -> int:
        """Number of columns."""
        return self.values.shape[1]

    def select_stimuli(self, stimuli: Sequence[int] | Sequence[str] | np.ndarray) -> Patterns:
        """Return some stimuli, by position, mask or label, in the order asked for.

        Raises
        ------
        UnknownNameError
            When a label does not exist.
        """
        where = label_positions(stimuli, self.stimuli, self.n_stimuli)
        labels = None if self.stimuli is None else tuple(self.stimuli[i] for i in where)
        return Patterns(self.values[where], labels, self.name)


def as_patterns(
    x: Any,
    *,
    name: str = "",
    stimuli: Sequence[Any] | None = None,
    constant_units: ConstantUnits = "keep",
) -> Patterns:
    """Read patterns from an array or a labelled container.

    Parameters
    ----------
    x : array, Tensor, xarray.DataArray, pandas.DataFrame, AnnData or Patterns, shape (stimuli, units)
        Stimuli are the first dimension. float32 and float64 stay what they are, half precision becomes float32,
        integers and booleans become float64. The labels of the first dimension (coordinate, index, ``obs_names``)
        become the labels of the stimuli.
    name : str
        Default the name that the container carries.
    stimuli : sequence, optional
        Labels in place of the container's own, one per stimulus.
    constant_units : {"keep", "drop", "error"}
        Units with the same response to every stimulus (a silent neuron, a dead ReLU) take part in correlation
        distances and make covariances singular. "drop" leaves them out with a warning.

    Returns
    -------
    Patterns

    Raises
    ------
    InputError
        For another number of dimensions, no stimuli or units, values that are not finite (the places are named),
        labels of the wrong number or given twice, and constant units with ``"error"``.

    Examples
    --------
    >>> as_patterns([[0.0, 1.0], [2.0, 3.0], [1.0, 1.0]], name="V1")
    Patterns('V1', 3 stimuli, 2 units, float64)
    """
    if constant_units not in get_args(ConstantUnits):
        known = get_args(ConstantUnits)
        raise UnknownNameError(
            f"constant_units {constant_units!r} does not exist{near_names(constant_units, known)}."
        )
    values, found, called = _opened(x)
    values = _floats(values)
    name = name or called
    what = f"patterns of {name!r}" if name else "patterns"
    if values.ndim != 2:
        raise InputError(
            f"{what} must have shape (stimuli, units), got {values.shape}; flatten the units with "
            "x.reshape(len(x), -1)."
        )
    if 0 in values.shape:
        raise InputError(f"{what} must hold at least one stimulus and one unit, got shape {values.shape}.")
    labels = check_labels(found if stimuli is None else stimuli, len(values), what=what)
    _check_finite(values, labels, what)
    if constant_units != "keep":
        values = _varying(values, what, constant_units)
    return Patterns(values, labels, name)


def check_labels(labels: Any, count: int, *, what: str) -> tuple[str, ...] | None:
    """Return labels as a tuple of text, one per stimulus and each once, or raise `InputError`."""
    if labels is None:
        return None
    found = tuple(str(label) for label in labels)
    if len(found) != count:
        raise InputError(f"{what}: labels must be one per stimulus ({count}), got {len(found)}.")
    if len(set(found)) < count:
        double = next(label for i, label in enumerate(found) if label in found[:i])
        raise InputError(f"{what}: the label {double!r} stands for two stimuli.")
    return found


def label_positions(wanted: Any, labels: tuple[str, ...] | None, count: int) -> np.ndarray:
    """Positions of stimuli that are given by number, mask or label.

    Raises
    ------
    InputError
        For positions out of range, and for labels where there are none.
    UnknownNameError
        For a label that does not exist.
    """
    array = np.asarray(wanted)
    if array.ndim != 1 or array.size == 0:
        raise InputError(f"stimuli must be a list of positions or labels, got shape {array.shape}.")
    if array.dtype == bool:
        if len(array) != count:
            raise InputError(f"a mask must have one value per stimulus ({count}), got {len(array)}.")
        return np.flatnonzero(array)
    if np.issubdtype(array.dtype, np.integer):
        if array.min() < -count or array.max() >= count:
            raise InputError(f"stimuli must be from 0 to {count - 1}, got {array.min()} to {array.max()}.")
        return np.where(array < 0, array + count, array)
    if labels is None:
        raise InputError(f"stimuli have no labels here; select by position, not by {wanted[0]!r}.")
    place = {label: i for i, label in enumerate(labels)}
    for label in map(str, wanted):
        if label not in place:
            raise UnknownNameError(f"stimulus {label!r} is not here{near_names(label, labels)}.")
    return np.array([place[str(label)] for label in wanted])


def listed(places: np.ndarray, labels: tuple[str, ...] | None = None, *, most: int = 5) -> str:
    """The first few of some positions, by label where there are labels, for messages."""
    names = [repr(labels[i]) if labels is not None else str(int(i)) for i in places[:most]]
    return ", ".join(names) + (f" and {len(places) - most} more" if len(places) > most else "")


def _opened(x: Any) -> tuple[Any, Any, str]:
    """Values, labels and name of a container."""
    if isinstance(x, Patterns):
        return x.values, x.stimuli, x.name
    if hasattr(x, "obs_names") and hasattr(x, "X"):  # AnnData
        matrix = x.X
        return (matrix.toarray() if hasattr(matrix, "toarray") else matrix), list(x.obs_names), ""
    if hasattr(x, "dims") and hasattr(x, "coords"):  # xarray
        first = x.dims[0] if x.dims else None
        labels = x.coords[first].values if first in x.coords else None
        return x.values, labels, "" if x.name is None else str(x.name)
    if hasattr(x, "columns") and hasattr(x, "index"):  # pandas; a counted index is no label
        labels = None if type(x.index).__name__ == "RangeIndex" else list(x.index)
        return x.to_numpy(), labels, ""
    if hasattr(x, "detach"):  # torch; numpy has no bfloat16
        tensor = x.detach().cpu()
        return (tensor.float() if "bfloat16" in str(tensor.dtype) else tensor).numpy(), None, ""
    return x, None, ""


def _floats(values: Any) -> np.ndarray:
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise InputError(f"patterns must be a matrix with rows of one length: {error}") from error
    if array.dtype in (np.float32, np.float64):
        return array
    if array.dtype == np.float16:
        return array.astype(np.float32)
    if array.dtype.kind in "biuf" or (array.dtype == object and array.size):
        try:
            return array.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(f"patterns must be numbers: {error}.") from error
    raise InputError(f"patterns must be numbers, got dtype {array.dtype}.")


def _check_finite(values: np.ndarray, labels: tuple[str, ...] | None, what: str) -> None:
    finite = np.isfinite(values)
    if finite.all():
        return
    rows, columns = np.flatnonzero(~finite.all(axis=1)), np.flatnonzero(~finite.all(axis=0))
    raise InputError(
        f"{what} must be finite, got {values[~finite][0]} at stimuli {listed(rows, labels)}, units {listed(columns)}."
    )


def _varying(values: np.ndarray, what: str, constant_units: ConstantUnits) -> np.ndarray:
    """The units that tell stimuli apart."""
    constant = np.flatnonzero((values == values[0]).all(axis=0))
    if len(constant) == 0:
        return values
    if constant_units == "error" or len(constant) == values.shape[1]:
        raise InputError(f"{what}: units {listed(constant)} respond the same to every stimulus.")
    warnings.warn(
        f"{what}: {len(constant)} constant units are left out ({listed(constant)}).",
        UserWarning,
        stacklevel=3,
    )
    return np.delete(values, constant, axis=1)
