"""Which units features share: a core within a super-concept, and units of their own."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from hodology.errors import InputError
from hodology.interpret.semi_nmf_input import check_count, mean_square, to_host, to_matrix
from hodology.stats import label_permutation_test

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["SharedUnits", "label_codes", "shared_units"]


@dataclass(frozen=True, eq=False)
class SharedUnits:
    """Which units components share, within groups and across.

    Attributes
    ----------
    within, across : float
        Mean Jaccard overlap of the supports of two components of one group, and of two groups.
    p_value : float
        Of a permutation test of ``within - across`` under shuffled groups, one-sided.
    jaccard : float ndarray, shape (components, components)
    core : dict of group to int ndarray
        Units that all components of a group use (of groups with at least two).
    own : tuple of int ndarray
        For each component, units that no other of its group uses.
    """

    within: float
    across: float
    p_value: float
    jaccard: np.ndarray = field(repr=False)
    core: Mapping[Any, np.ndarray] = field(repr=False)
    own: tuple[np.ndarray, ...] = field(repr=False)


def shared_units(
    components: np.ndarray | Tensor,
    groups: Sequence[Hashable] | np.ndarray,
    *,
    units: int | None = None,
    n_permutations: int = 1000,
    rng: int = 0,
) -> SharedUnits:
    """Test whether components of one group share more of their units than components of two groups.

    Parameters
    ----------
    components : ndarray or Tensor, shape (components, features)
    groups : sequence, length (components)
        Such as the super-concept of each.
    units : int, optional
        Take the so many largest weights of each component as its support; None for all that are not zero.
    n_permutations : int
    rng : int

    Raises
    ------
    InputError
        When `units` is missing for dense components, or groups are not one per component with at least two groups
        and two components in one.
    """
    matrix = np.abs(to_host(to_matrix(components, dtype="float64")))
    mean_square(matrix)
    support = _supports(matrix, units)
    codes = label_codes(groups)
    if len(codes) != len(support) or len(np.unique(codes)) in (1, len(codes)):
        raise InputError(
            f"groups must be one per component ({len(support)}), at least two and one of them with two components, "
            f"got {len(codes)} in {len(np.unique(codes))} groups."
        )
    common = support.astype(np.float64) @ support.T
    size = np.diagonal(common)
    jaccard = common / np.maximum(size[:, None] + size[None, :] - common, 1.0)
    a, b = np.triu_indices(len(codes), 1)
    overlap = jaccard[a, b]

    def means(labels: np.ndarray) -> tuple[float, float]:
        same = labels[a] == labels[b]
        return float(overlap[same].mean()), float(overlap[~same].mean())

    def difference(labels: np.ndarray) -> float:
        within, across = means(labels)
        return within - across

    test = label_permutation_test(difference, codes, n_permutations=n_permutations, rng=rng)
    core, own = _core_and_own(support, codes)
    names = {groups[int(np.flatnonzero(codes == code)[0])]: units for code, units in core.items()}
    return SharedUnits(*means(codes), test.p_value, jaccard, names, own)


def label_codes(labels: Sequence[Hashable] | np.ndarray) -> np.ndarray:
    """Labels as integers from 0, in order of first appearance."""
    values = labels.tolist() if isinstance(labels, np.ndarray) else list(labels)
    seen: dict[Hashable, int] = {}
    return np.array([seen.setdefault(value, len(seen)) for value in values], dtype=np.int64)


def _core_and_own(
    support: np.ndarray, codes: np.ndarray
) -> tuple[dict[int, np.ndarray], tuple[np.ndarray, ...]]:
    """Units that all members of a group use, and those that a single one does."""
    users = np.stack([support[codes == code].sum(axis=0) for code in range(codes.max() + 1)])
    size = np.bincount(codes)
    core = {code: np.flatnonzero(users[code] == size[code]) for code in range(len(size)) if size[code] > 1}
    own = tuple(np.flatnonzero(row & (users[code] == 1)) for row, code in zip(support, codes, strict=True))
    return core, own


def _supports(size: np.ndarray, units: int | None) -> np.ndarray:
    if units is not None:
        if check_count(units, "units") > size.shape[1]:
            raise InputError(f"units must be 1 to {size.shape[1]} (features), got {units}.")
        best = np.argsort(-size, axis=1, kind="stable")[:, :units]
        support = np.zeros(size.shape, dtype=bool)
        np.put_along_axis(support, best, np.take_along_axis(size, best, 1) > 0.0, 1)
        return support
    support = size > 0.0
    if support.all():
        raise InputError("the components are dense; say how many units of each count: units=... .")
    return support
