"""Keys of units, the store of results, and its lock."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Barrier, Thread

import numpy as np
import pytest
from engine_functions import WORK
from hypothesis import given, settings
from hypothesis import strategies as st

from hodology import __version__
from hodology.errors import HodologyError, InputError
from hodology.files import hash_json, temporary_path
from hodology.work import UnitStore, make_unit
from hodology.work import unit as unit_module
from hodology.work.unit import Unit, call_unit, load_function, sendable_errors

KEY = "0123456789abcdef0123456789abcdef"


# units


def test_a_key_is_the_hash_of_function_version_and_payload() -> None:
    unit = make_unit("a.b:c", {"x": 1, "y": [2.5, None]})
    assert unit.key == hash_json(["a.b:c", __version__, {"x": 1, "y": [2.5, None]}])[:32]
    assert len(unit.key) == 32
    assert unit.payload == {"x": 1, "y": [2.5, None]}


payloads = st.dictionaries(
    st.text("abc", min_size=1, max_size=3), st.integers() | st.text("xy", max_size=3), max_size=5
)


@given(payloads, payloads, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_equal_payloads_have_equal_keys_and_others_not(one: dict, two: dict, random: object) -> None:
    shuffled = dict(random.sample(list(one.items()), len(one)))  # type: ignore[attr-defined]
    assert make_unit("m:f", shuffled) == make_unit("m:f", one)
    assert (make_unit("m:f", one).key == make_unit("m:f", two).key) == (one == two)


def test_function_and_version_count_in_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    key = make_unit("m:f", {"x": 1}).key
    assert make_unit("m:g", {"x": 1}).key != key
    monkeypatch.setattr(unit_module, "__version__", "9.9.9")
    assert make_unit("m:f", {"x": 1}).key != key


def test_payloads_become_what_json_reads_back_and_stay_apart_when_not_finite() -> None:
    unit = make_unit("m:f", {"t": (1, 2), "n": np.int64(3), "a": np.array([0.5]), "p": Path("x")})
    assert unit.payload == {"t": [1, 2], "n": 3, "a": [0.5], "p": "x"}
    keys = {make_unit("m:f", {"x": x}).key for x in (None, float("nan"), float("inf"), -float("inf"))}
    assert len(keys) == 4
    assert make_unit("m:f", {"x": float("inf")}).payload == {"x": float("inf")}
    with pytest.raises(InputError, match="a set cannot be written as JSON"):
        make_unit("m:f", {"x": {1}})


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("engine_functions", "must be 'package.module:function', got 'engine_functions'"),
        (":work", "must be 'package.module:function', got ':work'"),
        ("engine_functions:a.b", "must be 'package.module:function'"),
        ("no_such_module.x:work", "no module named|no module 'no_such_module'"),
        ("engine_functions:wark", "'engine_functions:wark' does not exist; close names: 'work'"),
    ],
)
def test_a_wrong_function_is_named(function: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_function(function)


def test_a_module_that_lacks_one_of_its_own_needs_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "needy_module.py").write_text("import not_installed_anywhere\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="not_installed_anywhere"):
        load_function("needy_module:work")


def test_errors_of_a_unit_carry_its_key() -> None:
    with pytest.raises(InputError, match="must return bytes, got str") as caught:
        call_unit("engine_functions:text", Unit(KEY, {}))
    assert caught.value.__notes__ == [f"in unit {KEY}"]
    with pytest.raises(KeyError) as other:
        call_unit(WORK, Unit(KEY, {}))
    assert other.value.__notes__ == [f"in unit {KEY}"]


def test_errors_that_cannot_be_sent_become_ones_that_can() -> None:
    from engine_functions import OddError

    with pytest.raises(HodologyError, match="^OddError: index 1 is odd") as caught, sendable_errors():
        raise OddError(1, "odd")
    assert isinstance(caught.value.__cause__, OddError)
    with pytest.raises(KeyError), sendable_errors():
        raise KeyError("x")


# store


@given(st.binary(max_size=200))
@settings(max_examples=30, deadline=None)
def test_results_round_trip(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    store = UnitStore(tmp_path_factory.mktemp("store") / "new" / "folder")
    assert not store.has(KEY)
    store.save(KEY, data)
    assert store.has(KEY)
    assert store.load(KEY) == data
    assert [file.name for file in store.folder.iterdir()] == [f"{KEY}.unit"]


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_any_changed_or_lost_byte_makes_a_result_missing(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    store = UnitStore(tmp_path_factory.mktemp("store"))
    store.save(KEY, b"some result" * 3)
    whole = store.path(KEY).read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    change = bytes([whole[place] ^ data.draw(st.integers(1, 255))])
    damaged = data.draw(
        st.sampled_from([whole[:place], whole[:place] + change + whole[place + 1 :], whole + b"x", b""])
    )
    store.path(KEY).write_bytes(damaged)
    assert not store.has(KEY)
    assert [u.key for u in store.missing([Unit(KEY, {})])] == [KEY]
    with pytest.raises(InputError, match=f"unit {KEY} has no whole result in"):
        store.load(KEY)


@pytest.mark.parametrize("key", ["", "../x", "a/b", ".", "a b"])
def test_keys_that_lead_elsewhere_are_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(InputError, match="a unit's key must be letters"):
        UnitStore(tmp_path).save(key, b"")


def test_a_file_in_the_folders_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("")
    with pytest.raises(InputError, match="cannot be a folder: a file is in its place"):
        UnitStore(tmp_path / "f")
    with pytest.raises(InputError, match="cannot be a folder: a file is in its place"):
        UnitStore(tmp_path / "f" / "g")


# lock


def results(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir() if file.name != ".lock")


def test_a_second_lock_is_refused_and_names_the_process(tmp_path: Path) -> None:
    store = UnitStore(tmp_path)
    refusal = rf"in use by process {os.getpid()} on {re.escape(socket.gethostname())}; .*another folder"
    with store.lock(), pytest.raises(InputError, match=refusal), UnitStore(tmp_path).lock():
        pass
    with store.lock():
        assert results(tmp_path) == [".holder"]
    assert results(tmp_path) == []


@pytest.fixture
def other_process(tmp_path: Path) -> Iterator[subprocess.Popen]:
    """A process that holds the lock of ``tmp_path / "s"``."""
    code = (
        "import sys; from hodology.work import UnitStore\n"
        "with UnitStore(sys.argv[1]).lock(): print('held', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "s")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.communicate()


def test_the_lock_of_another_process_holds_until_it_is_dead(
    tmp_path: Path, other_process: subprocess.Popen
) -> None:
    store = UnitStore(tmp_path / "s")
    left = temporary_path(store.path(KEY))
    left.write_bytes(b"half")
    with pytest.raises(InputError, match=f"in use by process {other_process.pid} on"), store.lock():
        pass
    assert left.exists()
    other_process.kill()
    other_process.wait()
    with store.lock():
        assert not left.exists()
    assert results(store.folder) == []


@pytest.mark.parametrize("text", ["", "garbage", "[1]", "{}"])
def test_a_lock_whose_holder_cannot_be_read_still_holds(tmp_path: Path, text: str) -> None:
    with UnitStore(tmp_path).lock():
        (tmp_path / ".holder").write_text(text)
        with pytest.raises(InputError, match="in use by another run"), UnitStore(tmp_path).lock():
            pass


def test_of_many_takers_one_succeeds(tmp_path: Path) -> None:
    barrier, took, refused = Barrier(8), [], []

    def take() -> None:
        barrier.wait()
        try:
            with UnitStore(tmp_path).lock():
                took.append(1)
                barrier.wait()
        except InputError:
            refused.append(1)
            barrier.wait()

    takers = [Thread(target=take) for _ in range(8)]
    for taker in takers:
        taker.start()
    for taker in takers:
        taker.join()
    assert (len(took), len(refused)) == (1, 7)


def test_the_lock_is_given_back_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), UnitStore(tmp_path).lock():
        raise KeyboardInterrupt
    assert results(tmp_path) == []


def test_files_of_the_store_are_json_free_and_self_checking(tmp_path: Path) -> None:
    store = UnitStore(tmp_path)
    store.save(KEY, json.dumps([1]).encode())
    assert store.path(KEY).read_bytes().startswith(b"hodology-unit-1\n")
