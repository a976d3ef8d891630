"""Patterns are read from many containers; what is wrong with them is named."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hodology.errors import InputError, UnknownNameError
from hodology.geometry.patterns import Patterns, as_patterns


class _Coordinate:
    def __init__(self, values: list[str]) -> None:
        self.values = np.array(values)


class _Labelled:
    """What an xarray.DataArray offers."""

    dims = ("image", "unit")
    name = "V1"

    def __init__(self, values: np.ndarray, labels: list[str]) -> None:
        self.values = values
        self.coords = {"image": _Coordinate(labels)}


class _Annotated:
    """What an AnnData object offers."""

    def __init__(self, matrix: object, names: list[str]) -> None:
        self.X, self.obs_names = matrix, names


@pytest.mark.parametrize(
    ("given", "kept"),
    [(np.float32, np.float32), (np.float64, np.float64), (np.float16, np.float32), (np.int64, np.float64)],
)
def test_dtypes(given: type, kept: type) -> None:
    assert as_patterns(np.ones((3, 2), dtype=given)).values.dtype == kept


def test_tensors_of_half_precision_become_float32() -> None:
    tensor = torch.ones(3, 2, dtype=torch.bfloat16, requires_grad=True)
    assert as_patterns(tensor).values.dtype == np.float32


def test_labels_come_from_the_container() -> None:
    values = np.arange(6.0).reshape(3, 2)
    read = as_patterns(_Labelled(values, ["a", "b", "c"]))
    assert (read.stimuli, read.name) == (("a", "b", "c"), "V1")
    assert as_patterns(_Annotated(values, ["a", "b", "c"])).stimuli == ("a", "b", "c")


def test_sparse_annotated_matrices_are_opened() -> None:
    from scipy.sparse import csr_matrix

    assert as_patterns(_Annotated(csr_matrix(np.eye(3)), list("abc"))).values.tolist() == np.eye(3).tolist()


def test_real_xarray() -> None:
    xarray = pytest.importorskip("xarray")
    array = xarray.DataArray(np.ones((2, 3)), dims=("s", "u"), coords={"s": ["a", "b"]}, name="IT")
    assert (as_patterns(array).stimuli, as_patterns(array).name) == (("a", "b"), "IT")


def test_pandas_index_is_labels_but_a_counter_is_not() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(np.arange(6.0).reshape(3, 2), index=["a", "b", "c"])
    assert as_patterns(frame).stimuli == ("a", "b", "c")
    assert as_patterns(frame.reset_index(drop=True)).stimuli is None


def test_selection_by_label_position_and_mask_keeps_labels() -> None:
    patterns = as_patterns(np.arange(6.0).reshape(3, 2), stimuli=["a", "b", "c"])
    for wanted in (["c", "a"], [2, 0], [-1, 0]):
        chosen = patterns.select_stimuli(wanted)
        assert chosen.stimuli == ("c", "a")
        assert chosen.values.tolist() == [[4.0, 5.0], [0.0, 1.0]]
    assert patterns.select_stimuli(np.array([True, False, True])).stimuli == ("a", "c")


def test_constant_units_are_kept_dropped_or_refused() -> None:
    values = np.array([[1.0, 5.0, 2.0], [2.0, 5.0, 2.0]])
    assert as_patterns(values).n_units == 3
    with pytest.warns(UserWarning, match=r"2 constant units are left out \(1, 2\)"):
        assert as_patterns(values, constant_units="drop").n_units == 1
    with pytest.raises(InputError, match="units 1, 2 respond the same"):
        as_patterns(values, constant_units="error")


def test_places_that_are_not_finite_are_named() -> None:
    values = np.ones((3, 4))
    values[1, 2] = np.nan
    with pytest.raises(InputError, match="patterns of 'V1' must be finite, got nan at stimuli 'b', units 2"):
        as_patterns(values, name="V1", stimuli=["a", "b", "c"])


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.ones((2, 3, 4)), r"must have shape \(stimuli, units\), got \(2, 3, 4\); flatten"),
        (np.ones((0, 3)), "at least one stimulus"),
        ([["a", "b"]], "must be numbers"),
        ([[1.0], [1.0, 2.0]], "rows of one length"),
    ],
)
def test_bad_arrays(bad: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        as_patterns(bad)


def test_bad_labels() -> None:
    with pytest.raises(InputError, match=r"one per stimulus \(2\), got 1"):
        as_patterns(np.ones((2, 2)), stimuli=["a"])
    with pytest.raises(InputError, match="'a' stands for two stimuli"):
        as_patterns(np.ones((2, 2)), stimuli=["a", "a"])
    with pytest.raises(UnknownNameError, match="'house' is not here; close names: 'houses'"):
        as_patterns(np.ones((2, 2)), stimuli=["houses", "faces"]).select_stimuli(["house"])


def test_repr_shows_shapes() -> None:
    assert repr(Patterns(np.ones((2, 3)), None, "IT")) == "Patterns('IT', 2 stimuli, 3 units, float64)"
