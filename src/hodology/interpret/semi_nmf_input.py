"""What semi-NMF accepts: a matrix of samples in rows, and settings in their ranges."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from hodology.errors import InputError, UnknownNameError, near_names

__all__ = [
    "check_choice",
    "check_count",
    "check_share",
    "check_width",
    "mean_square",
    "row_blocks",
    "to_host",
    "to_matrix",
]

_CELLS = 4_000_000  # numbers of a block of rows
_ROWS = "rows are samples and columns are features"


def to_matrix(x: Any, *, dtype: str) -> Any:
    """Return `x` as a 2-D ndarray or, if it is one, tensor of that floating type; copied only to convert.

    Raises
    ------
    InputError
        For anything but a dense 2-D matrix of real numbers with at least one row and column.
    """
    import torch

    if isinstance(x, torch.Tensor):
        matrix: Any = x.detach()
        if matrix.is_complex():
            raise InputError(f"Complex data not supported: X must be real ({_ROWS}), got {matrix.dtype}.")
        if matrix.layout is not torch.strided:
            raise InputError(f"X must be dense ({_ROWS}), got a sparse tensor; use X.to_dense().")
        _check_shape(tuple(matrix.shape))
        return matrix.to(getattr(torch, dtype))
    if hasattr(x, "toarray") and hasattr(x, "nnz"):
        raise InputError(f"X must be dense ({_ROWS}), got a sparse {type(x).__name__}; use X.toarray().")
    matrix = np.asarray(x)
    if matrix.dtype.kind == "c":
        raise InputError(f"Complex data not supported: X must be real ({_ROWS}), got {matrix.dtype}.")
    _check_shape(matrix.shape)
    if matrix.dtype.kind not in "fiub":
        matrix = _from_objects(matrix)
    with np.errstate(over="ignore"):  # infinities are found with the others
        return matrix.astype(dtype, copy=False)


def to_host(x: Any) -> np.ndarray:
    """A tensor or array as an ndarray."""
    return x if isinstance(x, np.ndarray) else x.cpu().numpy()


def row_blocks(x: Any) -> Iterator[slice]:
    """Slices of rows that hold a few million numbers each."""
    step = max(1, _CELLS // x.shape[1])
    for start in range(0, len(x), step):
        yield slice(start, min(start + step, len(x)))


def mean_square(x: Any) -> float:
    """Mean of the squared entries, summed in float64.

    Raises
    ------
    InputError
        When an entry is NaN or infinite, or all are zero.
    """
    total = 0.0
    for rows in row_blocks(x):
        block = x[rows].double() if hasattr(x, "double") else x[rows].astype(np.float64)
        with np.errstate(over="ignore"):
            part = float((block * block).sum())
        if not np.isfinite(part):
            raise InputError(_not_finite(to_host(block), rows.start, x.dtype))
        total += part
    return total / (float(x.shape[0]) * x.shape[1])


def check_width(x: Any, width: int, name: str) -> None:
    """Raise unless `x` has `width` columns."""
    if x.shape[1] != width:
        raise InputError(
            f"X has {x.shape[1]} features, but {name} is expecting {width} features as input ({_ROWS})."
        )


def check_count(value: Any, name: str) -> int:
    """Return `value` as an int of at least 1, or raise `InputError`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise InputError(f"{name} must be an integer of at least 1, got {value!r}.")
    return int(value)


def check_share(value: Any, name: str, *, zero: bool = False) -> float:
    """Return `value` as a float in (0, 1], or [0, 1] with `zero`, or raise `InputError`."""
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not number or not (0 <= value <= 1 if zero else 0 < value <= 1):
        raise InputError(f"{name} must be in {'[' if zero else '('}0, 1], got {value!r}.")
    return float(value)


def check_choice(value: Any, choices: tuple[str, ...], name: str) -> None:
    """Raise unless `value` is one of `choices`."""
    if value not in choices:
        raise UnknownNameError(
            f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}{near_names(str(value), choices)}."
        )


def _check_shape(shape: tuple[int, ...]) -> None:
    if len(shape) != 2:
        hint = "; Reshape your data with X.reshape(-1, X.shape[-1])" if len(shape) else ""
        raise InputError(f"X must be a 2-D array ({_ROWS}), got {len(shape)}-D of shape {shape}{hint}.")
    for count, what in zip(shape, ("sample", "feature")):
        if count == 0:
            raise InputError(f"X has 0 {what}(s) (shape={shape}) while a minimum of 1 is required ({_ROWS}).")


def _from_objects(matrix: np.ndarray) -> np.ndarray:
    try:
        return matrix.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise type(error)(f"X must hold numbers ({_ROWS}): {error}.") from error


def _not_finite(block: np.ndarray, first: int, dtype: Any) -> str:
    found = np.argwhere(~np.isfinite(block))
    if len(found) == 0:
        return f"X holds numbers too large to square in float64 ({_ROWS}); divide X by a constant."
    row, column = found[0]
    value = "NaN" if np.isnan(block[row, column]) else "infinity"
    return f"X must be finite as {dtype} ({_ROWS}), got {value} in row {first + row}, column {column}."
