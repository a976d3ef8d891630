"""Dichotomies: each once, balanced, in XOR order."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import hadamard

from hodology.errors import InputError
from hodology.geometry.dichotomies import (
    as_dichotomy,
    balanced_dichotomies,
    count_dichotomies,
    hadamard_dichotomies,
    xor_order,
)


@pytest.mark.parametrize("bits", [2, 3, 5])
def test_hadamard_dichotomies_are_the_columns_of_the_hadamard_matrix_in_xor_order(bits):
    found = hadamard_dichotomies(bits)
    n = 2**bits
    assert (found.astype(int) @ found.T == n * np.eye(n - 1)).all()
    assert {row.tobytes() for row in found} == {row.astype(np.int8).tobytes() for row in hadamard(n)[1:]}
    order = xor_order(found)
    assert (np.diff(order) >= 0).all()
    assert order[:bits] == pytest.approx(1)
    assert order[-1] == pytest.approx(bits)


@pytest.mark.parametrize(("n", "count"), [(2, 1), (4, 3), (8, 35), (10, 126)])
def test_all_halves_come_once_up_to_sign(n, count):
    found = balanced_dichotomies(n)
    assert len(found) == count == count_dichotomies(n)
    assert (found.sum(axis=1) == 0).all()
    assert len({(row * row[0]).tobytes() for row in found}) == count


def test_drawn_dichotomies_are_distinct_and_seeded():
    found = balanced_dichotomies(32, most=300, seed=4)
    assert (found.sum(axis=1) == 0).all()
    assert len({(row * row[0]).tobytes() for row in found}) == 300
    assert (balanced_dichotomies(32, most=300, seed=4) == found).all()
    assert not (balanced_dichotomies(32, most=300, seed=5) == found).all()
    assert len(balanced_dichotomies(8, most=1000)) == 35


def test_odd_numbers_need_permission():
    with pytest.raises(InputError, match=r"7 conditions cannot be split in half; pass unbalanced=True\."):
        balanced_dichotomies(7)
    found = balanced_dichotomies(7, unbalanced=True)
    assert len(found) == 35 == count_dichotomies(7, unbalanced=True)
    assert (np.abs(found.sum(axis=1, dtype=int)) == 1).all()
    assert len({(row * row[0]).tobytes() for row in found}) == 35


def test_the_xor_order_of_a_mixture_lies_between():
    majority = np.array(
        [-1, -1, -1, 1, -1, 1, 1, 1]
    )  # of three bits: three single bits and their parity, equal shares
    assert xor_order(majority)[0] == pytest.approx((3 * 1 + 3) / 4)
    with pytest.raises(InputError, match="got 6"):
        xor_order(np.array([1, 1, 1, -1, -1, -1]))


def test_bad_dichotomies_are_named():
    assert as_dichotomy([True, False, True], 3).tolist() == [1, -1, 1]
    with pytest.raises(InputError, match=r"one label per condition \(4\)"):
        as_dichotomy([0, 1, 1], 4)
    with pytest.raises(InputError, match="0 and 1, or -1 and"):
        as_dichotomy([0, 2, 1, 1], 4)
    with pytest.raises(InputError, match="all 3 conditions are of class 1"):
        as_dichotomy([1, 1, 1], 3)
    with pytest.raises(InputError, match="pass most="):
        balanced_dichotomies(32)
    with pytest.raises(InputError, match="bits must be from 2 to 8, got 1"):
        hadamard_dichotomies(1)
    with pytest.raises(InputError, match="at least 2, got 1"):
        balanced_dichotomies(1)
