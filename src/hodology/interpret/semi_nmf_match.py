"""Which component of one factorisation is which of another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hodology.errors import InputError
from hodology.interpret.semi_nmf_input import mean_square, to_host, to_matrix

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ComponentMatch", "match_components"]


@dataclass(frozen=True)
class ComponentMatch:
    """A one-to-one matching of components.

    Attributes
    ----------
    order : int ndarray, shape (len(a),)
        Row of `b` matched to each row of `a`, -1 where `b` has too few.
    cosines : float ndarray, shape (len(a),)
        Cosine of each pair, signed; NaN without a partner.
    """

    order: np.ndarray
    cosines: np.ndarray


def match_components(
    a: np.ndarray | Tensor, b: np.ndarray | Tensor, *, absolute: bool = False
) -> ComponentMatch:
    """Match two sets of components so that the sum of their cosines is largest (Hungarian method).

    Parameters
    ----------
    a, b : ndarray or Tensor, shape (components, features)
        Rows are components; their norms do not matter, and a zero row has cosine 0 with all.
    absolute : bool
        Match by ``|cos|``, for components without a sign of their own (PCA, ICA). Those of semi-NMF have one.

    Raises
    ------
    InputError
        When they are no finite matrices of one width.

    Examples
    --------
    >>> import numpy as np
    >>> match_components(np.eye(3), 2 * np.eye(3)[[2, 0, 1]]).order
    array([1, 2, 0])
    """
    from scipy.optimize import linear_sum_assignment

    first, second = (to_host(to_matrix(value, dtype="float64")) for value in (a, b))
    if first.shape[1] != second.shape[1]:
        raise InputError(
            f"components must have the same number of features (columns), got shapes {first.shape} and {second.shape}."
        )
    for value in (first, second):
        mean_square(value)
    cosine = _unit_rows(first) @ _unit_rows(second).T
    rows, columns = linear_sum_assignment(np.abs(cosine) if absolute else cosine, maximize=True)
    order, cosines = np.full(len(first), -1), np.full(len(first), np.nan)
    order[rows], cosines[rows] = columns, cosine[rows, columns]
    return ComponentMatch(order, cosines)


def _unit_rows(value: np.ndarray) -> np.ndarray:
    norm = np.linalg.norm(value, axis=1, keepdims=True)
    return value / np.where(norm > 0.0, norm, 1.0)
