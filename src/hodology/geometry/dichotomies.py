"""Ways to split conditions in two: uncorrelated ones, all balanced ones, and how much exclusive-or each needs.

Over n = 2^b conditions every function of the b bits is a sum of the parities chi_S (its Walsh expansion); the degree
|S| counts the bits that are combined by exclusive-or.
"""

from __future__ import annotations

from itertools import combinations
from math import comb
from typing import Any

import numpy as np

from hodology.errors import InputError
from hodology.rng import stream

__all__ = ["as_dichotomy", "balanced_dichotomies", "count_dichotomies", "hadamard_dichotomies", "xor_order"]

_MOST = 100_000


def hadamard_dichotomies(bits: int) -> np.ndarray:
    """The n - 1 uncorrelated balanced dichotomies of n = 2^bits conditions, in XOR order.

    Parameters
    ----------
    bits : int
        2 to 8.

    Returns
    -------
    int8 ndarray of -1 and +1, shape (n - 1, n)
        Single bits first, then exclusive-ors of two bits, at last the parity of all.

    Examples
    --------
    >>> hadamard_dichotomies(2)
    array([[ 1, -1,  1, -1],
           [ 1,  1, -1, -1],
           [ 1, -1, -1,  1]], dtype=int8)
    """
    if isinstance(bits, bool) or not 2 <= bits <= 8:
        raise InputError(f"bits must be from 2 to 8, got {bits}.")
    order = sorted(range(1, 2**bits), key=lambda j: (j.bit_count(), j))
    return _parities(bits)[order]


def count_dichotomies(conditions: int, *, unbalanced: bool = False) -> int:
    """How many dichotomies `balanced_dichotomies` lists when none are left out."""
    _check_split(conditions, unbalanced=unbalanced)
    half = conditions // 2
    return comb(conditions, half) // (1 if conditions % 2 else 2)


def balanced_dichotomies(
    conditions: int, *, unbalanced: bool = False, most: int | None = None, seed: int = 0
) -> np.ndarray:
    """All ways to split conditions into two halves, each once (a dichotomy and its negative are one).

    Parameters
    ----------
    conditions : int
        At least 2, even.
    unbalanced : bool
        Allow an odd number, split as evenly as it goes.
    most : int, optional
        Draw this many at random, without repetition, when there are more. Default all, up to 100,000.
    seed : int
        Of the draw.

    Returns
    -------
    int8 ndarray of -1 and +1, shape (dichotomies, conditions)
        Condition 0 is on the side +1 for even numbers.

    Raises
    ------
    InputError
        For an odd number without `unbalanced`, or too many to list without `most`.
    """
    total = count_dichotomies(conditions, unbalanced=unbalanced)
    if most is not None and most < 1:
        raise InputError(f"most must be at least 1, got {most}.")
    if total > _MOST and (most is None or most > _MOST):
        raise InputError(
            f"{conditions} conditions have {total} balanced dichotomies; pass most={_MOST} or less to draw some."
        )
    if most is not None and most < total:
        return _drawn(conditions, most, seed)
    half = conditions // 2
    if conditions % 2:
        sides = list(combinations(range(conditions), half))
    else:
        sides = [(0, *rest) for rest in combinations(range(1, conditions), half - 1)]
    found = np.full((len(sides), conditions), -1, dtype=np.int8)
    found[np.arange(len(sides))[:, None], np.array(sides)] = 1
    return found


def xor_order(dichotomies: Any) -> np.ndarray:
    """Mean number of bits that a dichotomy of 2^b conditions combines by exclusive-or.

    Parameters
    ----------
    dichotomies : array-like of two values, shape (dichotomies, conditions)
        Conditions in binary order.

    Returns
    -------
    float64 ndarray, shape (dichotomies,)
        The degree of the parities of its Walsh expansion, weighed by their squared coefficients, without the constant:
        1 for a single bit, b for the parity of all.
    """
    rows = np.atleast_2d(np.asarray(dichotomies))
    n = rows.shape[1]
    bits = n.bit_length() - 1
    if n < 4 or n != 2**bits or bits > 8:
        raise InputError(f"XOR order is defined for 4, 8, ... 256 conditions, got {n}.")
    signs = np.stack([as_dichotomy(row, n) for row in rows]).astype(np.float64)
    weights = (signs @ _parities(bits).T / n) ** 2
    degrees = np.array([j.bit_count() for j in range(n)], dtype=np.float64)
    return weights @ degrees / weights[:, 1:].sum(axis=1)


def as_dichotomy(dichotomy: Any, conditions: int) -> np.ndarray:
    """Read a dichotomy as int8 of -1 and +1, shape (conditions,).

    Raises
    ------
    InputError
        When it is not two values (0 and 1, -1 and +1, or boolean), or a class has no condition.
    """
    found = np.asarray(dichotomy)
    if found.shape != (conditions,):
        raise InputError(
            f"a dichotomy must have one label per condition ({conditions}), got shape {found.shape}."
        )
    values = np.unique(found)
    if not (np.isin(values, (0, 1)).all() or np.isin(values, (-1, 1)).all()):
        raise InputError(f"a dichotomy must be 0 and 1, or -1 and +1, got {values[:4].tolist()}.")
    if len(values) < 2:
        raise InputError(
            f"all {conditions} conditions are of class {values[0]}; a dichotomy needs both classes."
        )
    return np.where(found > 0, 1, -1).astype(np.int8)


def _parities(bits: int) -> np.ndarray:
    """All 2^bits parities over 2^bits conditions: (-1)^popcount(i & j)."""
    n = 2**bits
    both = np.arange(n)[:, None] & np.arange(n)
    counts = sum((both >> bit) & 1 for bit in range(bits))
    return np.where(np.asarray(counts) % 2 == 0, 1, -1).astype(np.int8)


def _check_split(conditions: int, *, unbalanced: bool) -> None:
    if conditions < 2:
        raise InputError(f"conditions must be at least 2, got {conditions}.")
    if conditions % 2 and not unbalanced:
        raise InputError(f"{conditions} conditions cannot be split in half; pass unbalanced=True.")


def _drawn(conditions: int, count: int, seed: int) -> np.ndarray:
    """Distinct random halves; drawn one by one until there are enough."""
    rng, half = stream(seed, "dichotomies"), conditions // 2
    seen: dict[bytes, np.ndarray] = {}
    while len(seen) < count:
        row = np.full(conditions, -1, dtype=np.int8)
        row[rng.permutation(conditions)[:half]] = 1
        if conditions % 2 == 0:
            row *= row[0]
        seen.setdefault(row.tobytes(), row)
    return np.stack(list(seen.values()))
