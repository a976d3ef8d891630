"""Atomic writes, JSON and arrays, hashes and folders."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import math
import os
import stat
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hodology import files
from hodology.errors import FileFormatError, InputError

ARRAYS = {
    "weights": np.linspace(0.0, 1.0, 12).reshape(3, 4),
    "label": np.array(3),
    "names": np.array(["a", "béta"]),
    "empty": np.zeros((0, 2), np.int16),
}

dtypes = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(endianness="?"),
    hnp.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
    hnp.complex_number_dtypes(endianness="?", sizes=(64, 128)),
)
any_array = hnp.arrays(dtypes, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
any_arrays = st.dictionaries(st.text("ab.y/np ", min_size=1, max_size=6), any_array, max_size=4)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("aé\n"),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


def leftovers(folder: Path) -> list[str]:
    return sorted(f.name for f in folder.iterdir())


# atomic writes


def test_a_finished_block_leaves_the_file_alone(tmp_path: Path) -> None:
    target = tmp_path / "out.bin"
    with files.atomic_path(target) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".bin"
        temporary.write_bytes(b"new")
        assert not target.exists()
    assert target.read_bytes() == b"new"
    assert leftovers(tmp_path) == ["out.bin"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_an_interrupted_block_keeps_the_old_file_and_no_temporary(
    tmp_path: Path, error: type[BaseException]
) -> None:
    target = tmp_path / "out.txt"
    files.write_text(target, "old")

    def interrupted() -> None:
        with files.atomic_path(target) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        interrupted()
    assert target.read_text() == "old"
    assert leftovers(tmp_path) == ["out.txt"]


def test_data_and_folder_are_synced_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    sync, replace = os.fsync, os.replace

    def logged_sync(handle: int) -> None:
        events.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        sync(handle)

    def logged_replace(source: str | Path, target: str | Path) -> None:
        events.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", logged_sync)
    monkeypatch.setattr(os, "replace", logged_replace)
    files.write_bytes(tmp_path / "x", b"1")
    assert events == ["file", "rename", "folder"]


def test_writing_into_a_missing_folder_names_the_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the folder .*absent does not exist"):
        files.write_text(tmp_path / "absent" / "x.txt", "")


def test_only_old_leftovers_are_removed(tmp_path: Path) -> None:
    old, fresh, other = (
        files.temporary_path(tmp_path / "a.npz"),
        files.temporary_path(tmp_path / "b"),
        tmp_path / "c",
    )
    for file in (old, fresh, other):
        file.write_text("x")
    past = time.time() - 100.0
    os.utime(old, (past, past))
    os.utime(other, (past, past))
    assert files.clean_temporaries(tmp_path, older_than_s=50.0) == 1
    assert leftovers(tmp_path) == sorted([fresh.name, "c"])
    assert files.clean_temporaries(tmp_path, older_than_s=0.0) == 1
    assert leftovers(tmp_path) == ["c"]


# JSON


@given(json_values)
@settings(max_examples=40, deadline=None)
def test_json_round_trip(tmp_path_factory: pytest.TempPathFactory, value: object) -> None:
    file = tmp_path_factory.mktemp("json") / "value.json"
    files.write_json(file, value)
    assert files.read_json(file) == value
    assert file.read_bytes().endswith(b"\n")


@dataclasses.dataclass(frozen=True)
class Point:
    x: float
    tags: tuple[str, ...]


def test_json_takes_numpy_values_paths_and_dataclasses_and_keeps_order(tmp_path: Path) -> None:
    file = tmp_path / "value.json"
    value = {
        "z": np.float32(0.5),
        "a": np.array([[1, 2]]),
        "flag": np.bool_(True),
        "point": Point(math.nan, ("u",)),
        "where": Path("x/y"),
        3: [math.inf, -math.inf, np.float64("nan"), np.array([np.nan, 1.0])],
    }
    files.write_json(file, value)
    found = files.read_json(file)
    assert list(found) == ["z", "a", "flag", "point", "where", "3"]
    assert found == {
        "z": 0.5,
        "a": [[1, 2]],
        "flag": True,
        "point": {"x": None, "tags": ["u"]},
        "where": "x/y",
        "3": [None, None, None, [None, 1.0]],
    }


@pytest.mark.parametrize("value", [{1, 2}, b"raw", 1j, np.array([1j]), np.longdouble(1), object(), Point])
def test_what_json_cannot_hold_is_refused_and_nothing_written(tmp_path: Path, value: object) -> None:
    with pytest.raises(InputError, match="cannot be written as JSON"):
        files.write_json(tmp_path / "value.json", {"value": value})
    assert leftovers(tmp_path) == []


def test_keys_that_become_one_in_json_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="key '1' comes twice"):
        files.write_json(tmp_path / "value.json", {1: "a", "1": "b"})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"a": 1,\n "b": }', r"bad\.json, line 2: not valid JSON"),
        (b"", r"bad\.json, line 1: not valid JSON"),
        (b'{"a": "\xff"}', r"bad\.json is not UTF-8"),
        (b'{"a": 1, "a": 2}', r"bad\.json: not valid JSON \(key 'a' comes twice"),
        (b"[" * 200_000, r"bad\.json: not valid JSON \(maximum recursion"),
        (b"1" * 5000, r"bad\.json: not valid JSON \(Exceeds the limit"),
    ],
)
def test_bad_json_names_the_file_and_the_line(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "bad.json").write_bytes(data)
    with pytest.raises(FileFormatError, match=message):
        files.read_json(tmp_path / "bad.json")


def test_a_missing_json_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"none\.json cannot be read: No such file"):
        files.read_json(tmp_path / "none.json")


# arrays


@given(any_arrays)
@settings(max_examples=60, deadline=None)
def test_arrays_round_trip_and_equal_arrays_give_equal_bytes(arrays: dict[str, np.ndarray]) -> None:
    data = files.arrays_to_bytes(arrays)
    found = files.arrays_from_bytes(data)
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].shape == array.shape
        assert found[name].dtype == array.dtype.newbyteorder("=")
    other = {name: np.asarray(arrays[name], order="F") for name in reversed(arrays)}
    assert files.arrays_to_bytes(other) == data
    assert files.hash_arrays(other) == files.hash_arrays(arrays) == files.hash_arrays(found)


def test_bytes_do_not_depend_on_the_time_of_writing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = files.arrays_to_bytes(ARRAYS)
    monkeypatch.setattr(time, "time", lambda: 2_000_000_000.0)
    monkeypatch.setattr(time, "localtime", lambda *_: time.gmtime(2_000_000_000))
    assert files.arrays_to_bytes(ARRAYS) == before


def test_numpy_reads_what_is_written_and_the_other_way_round(tmp_path: Path) -> None:
    files.write_arrays(tmp_path / "a.npz", ARRAYS)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as archive:
        for name, array in ARRAYS.items():
            np.testing.assert_array_equal(archive[name], array)
    np.savez(tmp_path / "b.npz", **ARRAYS)
    found = files.read_arrays(tmp_path / "b.npz", names=["weights", "label"])
    np.testing.assert_array_equal(found["names"], ARRAYS["names"])


def test_names_that_end_like_entries_stay_apart() -> None:
    found = files.arrays_from_bytes(files.arrays_to_bytes({"a": np.array(1), "a.npy": np.array(2)}))
    assert {name: int(value) for name, value in found.items()} == {"a": 1, "a.npy": 2}


def test_structured_arrays_round_trip_and_their_field_names_count_in_the_hash() -> None:
    one = {"x": np.zeros(2, [("u", "<f4"), ("v", ">i2")])}
    np.testing.assert_array_equal(files.arrays_from_bytes(files.arrays_to_bytes(one))["x"], one["x"])
    assert files.hash_arrays(one) != files.hash_arrays({"x": np.zeros(2, [("u", "<f4"), ("w", ">i2")])})


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"bad": np.array([{}, None])}, "'bad' holds objects"),
        ({"bad": np.zeros(2, [("u", "O")])}, "'bad' holds objects"),
        ({"bad": np.zeros(2, "V2")}, r"'bad' has dtype \|V2, which .npz cannot keep"),
        ({"a\0b": np.zeros(2)}, "names must be printable text"),
        ({"": np.zeros(2)}, "names must be printable text"),
        ({1: np.zeros(2)}, "names must be printable text, got 1"),
    ],
)
def test_arrays_that_cannot_be_kept_are_refused(arrays: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(InputError, match=message):
        files.arrays_to_bytes(arrays)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_damaged_archive_is_an_error_or_reads_right(data: st.DataObject) -> None:
    packed = bytearray(files.arrays_to_bytes(ARRAYS))
    packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = files.arrays_from_bytes(bytes(packed))
    except FileFormatError as error:
        assert "data" in str(error)
    else:
        assert files.hash_arrays(found) == files.hash_arrays(ARRAYS)


@pytest.mark.parametrize("keep", [0, 1, 30, 200, -30, -1])
def test_a_truncated_archive_is_named(tmp_path: Path, keep: int) -> None:
    (tmp_path / "cut.npz").write_bytes(files.arrays_to_bytes(ARRAYS)[:keep])
    with pytest.raises(FileFormatError, match=r"cut\.npz cannot be read as \.npz"):
        files.read_arrays(tmp_path / "cut.npz")


def archive_of(name: str, content: bytes, *, method: int = zipfile.ZIP_STORED, times: int = 1) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for _ in range(times):
            archive.writestr(name, content)
    return buffer.getvalue()


def header_of(shape: tuple[int, ...], *, descr: str = "<f8") -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": descr, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def test_hostile_archives_are_refused() -> None:
    pickled = io.BytesIO()
    np.savez(pickled, x=np.array([{}]))
    single = io.BytesIO()
    np.save(single, np.zeros(3))
    cases = {
        "allow_pickle": pickled.getvalue(),
        "not a zip file": single.getvalue(),
        "'readme.txt', no array": archive_of("readme.txt", b"hello"),
        "cannot be read": archive_of("x.npy", header_of((1 << 62,)) + b"12345678"),
        "as .npz": archive_of("x.npy", header_of((1 << 40,)) + b"12345678"),
        "longer than its header": archive_of("x.npy", header_of((1,)) + bytes(16)),
        "magic": archive_of("x.npy", b"nothing of the kind"),
        "numpy does not write": archive_of("x.npy", header_of((1,)) + bytes(8), method=zipfile.ZIP_LZMA),
        "npz without pickle": archive_of("x.npy", header_of((1,), descr="|O") + bytes(8)),
    }
    for message, data in cases.items():
        with pytest.raises(FileFormatError, match=message):
            files.arrays_from_bytes(data)


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_a_name_twice_in_an_archive_is_refused() -> None:
    with pytest.raises(FileFormatError, match=r"'x\.npy', no array or there twice"):
        files.arrays_from_bytes(archive_of("x.npy", header_of((1,)) + bytes(8), times=2))


def test_arrays_that_are_asked_for_must_be_there(tmp_path: Path) -> None:
    files.write_arrays(tmp_path / "a.npz", ARRAYS)
    with pytest.raises(FileFormatError, match=r"a\.npz has no array 'weight'; close names: 'weights'"):
        files.read_arrays(tmp_path / "a.npz", names=["weight"])
    with pytest.raises(FileFormatError, match=r"b\.npz cannot be read: No such file"):
        files.read_arrays(tmp_path / "b.npz")


# hashes


def test_hashes_are_sha256(tmp_path: Path) -> None:
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    (tmp_path / "f").write_bytes(b"abc" * 100_000)
    assert files.hash_bytes(b"") == files.hash_arrays({}) == empty
    assert files.hash_file(tmp_path / "f") == hashlib.sha256(b"abc" * 100_000).hexdigest()
    assert files.hash_json({"b": [1, None], "a": "é"}) == files.hash_bytes(b'{"a":"\\u00e9","b":[1,null]}')


@given(
    st.dictionaries(st.text("abc", max_size=3), json_values, max_size=4), st.randoms(use_true_random=False)
)
@settings(max_examples=40, deadline=None)
def test_hash_json_ignores_the_order_of_keys_only(value: dict[str, object], random: object) -> None:
    shuffled = dict(random.sample(list(value.items()), len(value)))  # type: ignore[attr-defined]
    assert files.hash_json(shuffled) == files.hash_json(value)
    assert files.hash_json({**value, "d": 1}) != files.hash_json(value)
    assert json.loads(files.canonical_json(value)) == value


def test_hash_json_tells_apart_what_differs() -> None:
    values = [None, math.nan, math.inf, -math.inf, 0, 0.0, False, "", [], {}, [1, 2], [2, 1], "nan"]
    assert len({files.hash_json([value]) for value in values}) == len(values)


def test_hash_arrays_tells_apart_name_dtype_shape_and_values() -> None:
    base = np.arange(4, dtype=np.int32)
    variants = [
        {"a": base},
        {"b": base},
        {"a": base.astype(np.int64)},
        {"a": base.view(np.float32)},
        {"a": base.reshape(2, 2)},
        {"a": base[::-1]},
        {"a": np.array(1, np.int32)},
        {"a": np.array([1], np.int32)},
        {"a": base, "b": base},
    ]
    assert len({files.hash_arrays(arrays) for arrays in variants}) == len(variants)
    with pytest.raises(InputError, match="'x' holds objects"):
        files.hash_arrays({"x": np.array([{}])})


# folders


def test_folders_follow_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HODOLOGY_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert files.cache_dir() == tmp_path / ".cache" / "hodology"
    assert files.results_dir() == tmp_path / ".local" / "share" / "hodology" / "results"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "c"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "d"))
    assert files.cache_dir() == tmp_path / "c" / "hodology"
    assert files.results_dir() == tmp_path / "d" / "hodology" / "results"
    monkeypatch.setenv("HODOLOGY_HOME", str(tmp_path / "h"))
    assert files.cache_dir() == tmp_path / "h" / "cache"
    assert files.results_dir() == tmp_path / "h" / "results"
