"""Dissimilarity matrices: checks, order of pairs, labels, files."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.io import savemat
from scipy.spatial.distance import squareform

from hodology.errors import FileFormatError, InputError, UnknownNameError
from hodology.geometry.rdm_files import read_rdms, write_rdms
from hodology.geometry.rdms import RDMs, as_rdms, pair_indices, stack_rdms

RNG = np.random.default_rng(0)
VALUES = RNG.random((3, 10))


def _rdms(**options: object) -> RDMs:
    return as_rdms(
        VALUES, names="xyz", stimuli="abcde", measure="correlation", descriptors={"subject": [1, 1, 2]}, **options
    )  # type: ignore[arg-type]  # fmt: skip


def test_condensed_order_is_that_of_squareform() -> None:
    assert np.array_equal(as_rdms(VALUES).square()[1], squareform(VALUES[1]))
    pairs = pair_indices(5)
    assert pairs[1, 3] == pairs[3, 1]
    assert VALUES[0][pairs[1, 3]] == squareform(VALUES[0])[1, 3]


def test_square_and_condensed_are_the_same() -> None:
    square = np.stack([squareform(row) for row in VALUES])
    assert np.array_equal(as_rdms(square).values, VALUES)
    assert np.array_equal(as_rdms(square[0]).values, VALUES[:1])
    assert np.array_equal(as_rdms(VALUES[0]).values, VALUES[:1])


def test_equal_sides_mean_a_square_matrix_unless_told() -> None:
    rows = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])
    with pytest.raises(InputError, match="diagonal"):
        as_rdms(rows)
    assert len(as_rdms(rows, form="condensed")) == 3


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.ones(27), "length 27 is not triangular; nearest are 21 and 28"),
        (np.ones(2), "length 2 is not triangular; nearest are 1 and 3"),
        (np.array([[0.0, 1.0], [2.0, 0.0]]), "symmetric, got 1 and 2 for stimuli 0 and 1 of matrix 0"),
        (np.array([[0.0, 1.0], [1.0, 0.5]]), "diagonal of an RDM must be zero, got 0.5 at stimulus 1"),
        (np.array([0.1, np.nan, 0.3]), r"1 missing values \(NaN\), the first in matrix 0; pass missing="),
        (np.array([0.1, np.inf, 0.3]), "must be finite"),
        (np.ones((2, 3, 4)), r"shape \(n, n\)"),
        (np.array(["a"]), "must be numbers"),
    ],
)
def test_bad_matrices(bad: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        as_rdms(bad)


def test_missing_pairs_kept_imputed_or_dropped() -> None:
    values = VALUES.copy()
    values[0, pair_indices(5)[1, 4]] = np.nan
    assert np.isnan(as_rdms(values, missing="keep").values).sum() == 1
    filled = as_rdms(values, missing="impute")
    assert filled.values[0, pair_indices(5)[1, 4]] == pytest.approx(VALUES[1:, pair_indices(5)[1, 4]].mean())
    with pytest.warns(UserWarning, match="1 stimuli with missing pairs are left out"):
        left = as_rdms(values, missing="drop", stimuli="abcde")
    assert left.stimuli == ("a", "c", "d", "e")
    assert np.array_equal(left.values, _rdms().select_stimuli([0, 2, 3, 4]).values)


def test_a_pair_that_no_matrix_has_gets_the_own_mean() -> None:
    assert as_rdms([[1.0, np.nan, 3.0]], missing="impute").values.tolist() == [[1.0, 2.0, 3.0]]


def test_indexing_keeps_labels() -> None:
    rdms = _rdms()
    assert rdms["y"].descriptors == {"subject": (1,)}
    assert rdms[1:].names == ("y", "z")
    assert rdms[np.array([True, False, True])].names == ("x", "z")
    assert [r.names[0] for r in rdms] == ["x", "y", "z"]
    with pytest.raises(UnknownNameError, match="'w' is not here"):
        rdms["w"]
    with pytest.raises(InputError, match="numbered 0 to 2"):
        rdms[3]


def test_selection_of_stimuli_is_that_of_rows_and_columns() -> None:
    chosen = _rdms().select_stimuli(["d", "a", "c"])
    expected = _rdms().square()[:, [3, 0, 2]][:, :, [3, 0, 2]]
    assert np.array_equal(chosen.square(), expected)
    assert chosen.stimuli == ("d", "a", "c")
    with pytest.raises(InputError, match="at least two different"):
        _rdms().select_stimuli([0, 0])


def test_stacking_brings_stimuli_into_one_order() -> None:
    rdms = _rdms()
    both = stack_rdms([rdms, rdms.select_stimuli(list("edcba"))])
    assert np.array_equal(both.values[:3], both.values[3:])
    assert both.descriptors["subject"] == (1, 1, 2, 1, 1, 2)
    with pytest.raises(InputError, match="'f' is not in all|'a' is not in all"):
        stack_rdms([rdms, as_rdms(VALUES, stimuli="fbcde")])
    with pytest.raises(InputError, match="5 and 4"):
        stack_rdms([rdms, rdms.select_stimuli([0, 1, 2, 3])])


def test_mean_leaves_out_what_is_missing() -> None:
    rdms = as_rdms([[1.0, np.nan, 3.0], [3.0, 4.0, np.nan]], missing="keep")
    assert rdms.mean().values.tolist() == [[2.0, 4.0, 3.0]]


def test_labels_must_fit() -> None:
    with pytest.raises(InputError, match=r"names must be one per matrix \(3\), got 2"):
        as_rdms(VALUES, names="ab")
    with pytest.raises(InputError, match="subject must be one per matrix"):
        as_rdms(VALUES, descriptors={"subject": [1]})


def test_objects_of_rsatoolbox_are_read() -> None:
    theirs = SimpleNamespace(
        dissimilarities=VALUES,
        dissimilarity_measure="crossnobis",
        rdm_descriptors={"index": [0, 1, 2], "roi": ["V1", "V1", "IT"]},
        pattern_descriptors={"index": list(range(5)), "half": [0, 0, 0, 1, 1], "image": list("abcde")},
    )
    read = as_rdms(theirs)
    assert (read.stimuli, read.measure) == (tuple("abcde"), "crossnobis")
    assert read.descriptors == {"roi": ("V1", "V1", "IT")}


def test_rsatoolbox_round_trip() -> None:
    pytest.importorskip("rsatoolbox")
    rdms = _rdms()
    again = as_rdms(rdms.to_rsatoolbox())
    assert np.array_equal(again.values, rdms.values)
    assert (again.names, again.stimuli, again.measure) == (rdms.names, rdms.stimuli, rdms.measure)
    assert again.descriptors == rdms.descriptors


def test_npz_round_trip(tmp_path: Path) -> None:
    rdms = _rdms()
    write_rdms(tmp_path / "r.npz", rdms)
    again = read_rdms(tmp_path / "r.npz")
    assert np.array_equal(again.values, rdms.values)
    assert (again.names, again.stimuli, again.measure) == (rdms.names, rdms.stimuli, rdms.measure)
    assert again.descriptors == rdms.descriptors


def test_plain_npz_with_subject_and_region(tmp_path: Path) -> None:
    np.savez(tmp_path / "r.npz", rdm=VALUES, subj=np.array([1, 1, 2]), roi=np.array(["V1", "IT", "V1"]))
    assert read_rdms(tmp_path / "r.npz").descriptors == {"subj": (1, 1, 2), "roi": ("V1", "IT", "V1")}
    np.savez(tmp_path / "two.npz", a=VALUES, b=VALUES)
    with pytest.raises(FileFormatError, match=r"two.npz: several arrays can be matrices \(a, b\)"):
        read_rdms(tmp_path / "two.npz")
    assert len(read_rdms(tmp_path / "two.npz", key="b")) == 3
    with pytest.raises(FileFormatError, match="there is no array 'c'"):
        read_rdms(tmp_path / "two.npz", key="c")


def test_matlab_struct_array(tmp_path: Path) -> None:
    records = np.zeros(2, dtype=[("RDM", "O"), ("name", "O")])
    for i, name in enumerate(["V1 | subject 1", "IT"]):
        records[i] = (squareform(VALUES[i]), name)
    savemat(tmp_path / "r.mat", {"rdms": records})
    read = read_rdms(tmp_path / "r.mat")
    assert np.array_equal(read.values, VALUES[:2])
    assert read.names == ("V1 | subject 1", "IT")


def test_matlab_plain_variables(tmp_path: Path) -> None:
    savemat(tmp_path / "r.mat", {"rdm": VALUES, "subj": np.array([1, 1, 2])})
    assert read_rdms(tmp_path / "r.mat").descriptors == {"subj": (1, 1, 2)}
    savemat(tmp_path / "one.mat", {"d": VALUES[:1]})
    assert np.array_equal(read_rdms(tmp_path / "one.mat").values, VALUES[:1])


def test_files_that_hold_something_else(tmp_path: Path) -> None:
    np.savez(tmp_path / "r.npz", rdm=np.ones(27))
    with pytest.raises(FileFormatError, match="r.npz: length 27 is not triangular"):
        read_rdms(tmp_path / "r.npz")
    (tmp_path / "r.mat").write_bytes(b"no matrix" * 100)
    with pytest.raises(FileFormatError, match="cannot be read as a MATLAB file"):
        read_rdms(tmp_path / "r.mat")
    with pytest.raises(FileFormatError, match=r"must end in .npz, .mat"):
        read_rdms(tmp_path / "r.csv")
    with pytest.raises(InputError, match="descriptor cannot be written"):
        write_rdms(tmp_path / "s.npz", as_rdms(VALUES, descriptors={"x": [1, 2, {3}]}))


def test_hdf5_as_rsatoolbox_writes_it(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "r.h5", "w") as file:
        file["dissimilarities"] = VALUES
        file.attrs["dissimilarity_measure"] = "crossnobis"
        file.create_group("descriptors")
        file.create_group("rdm_descriptors")["roi"] = np.array([b"V1", b"IT", b"IT"])
        file["rdm_descriptors"]["index"] = np.arange(3)
        file.create_group("pattern_descriptors")["image"] = np.array([b"a", b"b", b"c", b"d", b"e"])
    read = read_rdms(tmp_path / "r.h5")
    assert np.array_equal(read.values, VALUES)
    assert (read.measure, read.stimuli) == ("crossnobis", tuple("abcde"))
    assert read.descriptors == {"roi": ("V1", "IT", "IT")}


def test_the_92_image_matrices(real_data: Path) -> None:
    path = real_data / "92-image-rdms" / "rdms92.npz"
    human = read_rdms(path, key="human_it")
    assert (len(human), human.n_stimuli) == (8, 92)
