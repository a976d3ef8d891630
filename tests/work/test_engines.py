"""The serial and the process engine: equal results, resuming after being killed, clear failures."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from engine_functions import WORK, logged, logged_processes, make_units, runs, wait_until

from hodology.errors import HodologyError, InputError
from hodology.work import (
    DaskEngine,
    Engine,
    ProcessEngine,
    SerialEngine,
    Unit,
    UnitStore,
    make_engine,
    make_unit,
    run_units,
)

SCRIPT = """
import sys
from pathlib import Path
from engine_functions import WORK, make_units
from hodology.work import UnitStore, make_engine, run_units
folder, held = Path(sys.argv[1]), [int(i) for i in sys.argv[3:]]
special = {i: {"gate": str(folder / "gate")} for i in held}
if __name__ == "__main__":
    units = make_units(folder, special=special)
    ran = run_units(WORK, units, UnitStore(folder / "store"), engine=make_engine(sys.argv[2], jobs=2, threads=1))
    print(ran)
"""


def results(store: UnitStore, units: Sequence[Unit]) -> list[bytes]:
    return [store.load(unit.key) for unit in units]


def start(folder: Path, engine: str, held: Sequence[int]) -> subprocess.Popen:
    """Run the script in a process group of its own; units `held` wait for the file ``gate``."""
    (folder / "script.py").write_text(SCRIPT)
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.Popen(
        [sys.executable, str(folder / "script.py"), str(folder), engine, *map(str, held)],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def test_processes_give_the_bytes_of_a_serial_run(tmp_path: Path) -> None:
    units = make_units(tmp_path)
    serial, processes = UnitStore(tmp_path / "serial"), UnitStore(tmp_path / "processes")
    done: list[str] = []
    assert run_units(WORK, units, serial, engine=SerialEngine(), on_done=done.append) == 6
    assert done == [unit.key for unit in units]
    done.clear()
    assert run_units(WORK, units, processes, engine=ProcessEngine(jobs=2), on_done=done.append) == 6
    assert sorted(done) == sorted(unit.key for unit in units)
    assert results(serial, units) == results(processes, units)
    assert os.getpid() in logged_processes(tmp_path)
    assert len(logged_processes(tmp_path)) >= 2


def test_finished_units_are_told_but_not_run_and_damaged_ones_are_run_again(tmp_path: Path) -> None:
    units = make_units(tmp_path)
    store = UnitStore(tmp_path / "store")
    assert run_units(WORK, units[:4], store, engine=SerialEngine()) == 4
    whole = results(store, units[:4])
    damaged = store.path(units[1].key)
    damaged.write_bytes(damaged.read_bytes()[:-3])
    done: list[str] = []
    assert run_units(WORK, units, store, engine=SerialEngine(), on_done=done.append) == 3
    assert done == [units[i].key for i in (0, 2, 3, 1, 4, 5)]
    assert results(store, units[:4]) == whole
    assert logged(tmp_path, "done") == {0: 1, 1: 2, 2: 1, 3: 1, 4: 1, 5: 1}
    assert run_units(WORK, units, store, engine=SerialEngine()) == 0


@pytest.mark.parametrize(("engine", "stored"), [("serial", (0, 1, 2)), ("process", (0, 1, 2, 3))])
def test_a_killed_run_resumes_without_doing_anything_twice(
    tmp_path: Path, engine: str, stored: tuple[int, ...]
) -> None:
    held = [i for i in range(6) if i not in stored]
    units = make_units(tmp_path, special={i: {"gate": str(tmp_path / "gate")} for i in held})
    store = UnitStore(tmp_path / "store")
    process = start(tmp_path, engine, held)
    wait_until(lambda: all(store.has(units[i].key) for i in stored) and held[0] in logged(tmp_path, "start"))
    process.kill()
    process.communicate()
    wait_until(lambda: not any(runs(pid) for pid in logged_processes(tmp_path)))
    assert [unit.key for unit in store.missing(units)] == [units[i].key for i in held]
    (tmp_path / "gate").touch()
    second = start(tmp_path, engine, held)
    output, errors = second.communicate(timeout=60)
    assert (second.returncode, output.strip(), errors) == (0, str(len(held)).encode(), b"")
    assert logged(tmp_path, "done") == dict.fromkeys(range(6), 1)
    other = UnitStore(tmp_path / "other")
    run_units(WORK, units, other, engine=SerialEngine())
    assert results(store, units) == results(other, units)
    files = sorted(f.name for f in store.folder.iterdir() if f.name != ".lock")
    assert files == sorted(f"{unit.key}.unit" for unit in units)


@pytest.mark.parametrize("engine", ["serial", "process"])
def test_ctrl_c_leaves_no_process_no_temporary_and_no_lock(tmp_path: Path, engine: str) -> None:
    process = start(tmp_path, engine, range(1, 6))
    wait_until(lambda: 1 in logged(tmp_path, "start") and 0 in logged(tmp_path, "done"))
    wait_until(lambda: len(list((tmp_path / "store").glob("*.unit"))) == 1)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert errors.rstrip().endswith(b"KeyboardInterrupt")
    assert errors.count(b"Traceback") == 1, errors.decode()
    wait_until(
        lambda: not any(runs(pid) for pid in logged_processes(tmp_path))
    )  # killed, perhaps not yet gone
    assert [f.suffix for f in (tmp_path / "store").iterdir() if f.name != ".lock"] == [".unit"]


def test_what_an_interrupted_worker_was_writing_is_removed(tmp_path: Path) -> None:
    store = UnitStore(tmp_path / "store")
    half = store.folder / ".part-half.unit"
    special = {1: {"gate": str(tmp_path / "never"), "leftover": str(half)}}

    def interrupt(key: str) -> None:
        wait_until(half.exists)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_units(
            WORK, make_units(tmp_path, 3, special), store, engine=ProcessEngine(jobs=2), on_done=interrupt
        )
    assert not half.exists()
    assert not (store.folder / ".holder").exists()
    assert not any(runs(pid) for pid in logged_processes(tmp_path))


def test_a_unit_whose_worker_is_killed_is_run_again(tmp_path: Path) -> None:
    units = make_units(tmp_path, special={2: {"marker": str(tmp_path / "marker")}})
    store = UnitStore(tmp_path / "store")
    done: list[str] = []
    assert run_units(WORK, units, store, engine=ProcessEngine(jobs=2), on_done=done.append) == 6
    assert sorted(done) == sorted(unit.key for unit in units)
    assert logged(tmp_path, "start")[2] >= 2
    assert logged(tmp_path, "done")[2] == 1
    other = UnitStore(tmp_path / "other")
    run_units(WORK, units, other, engine=SerialEngine())
    assert results(store, units) == results(other, units)


def test_a_unit_that_always_kills_its_worker_ends_in_a_clear_error(tmp_path: Path) -> None:
    unit = make_unit("engine_functions:die", {"index": 0, "log": str(tmp_path / "log")})
    with pytest.raises(HodologyError, match=f"worker processes died 3 times while unit {unit.key} ran"):
        run_units("engine_functions:die", [unit], UnitStore(tmp_path / "s"), engine=ProcessEngine(jobs=1))
    assert logged(tmp_path, "start") == {0: 3}
    assert not (tmp_path / "s" / ".holder").exists()


@pytest.mark.parametrize("engine", [SerialEngine(), ProcessEngine(jobs=2)])
def test_a_failing_unit_keeps_its_message_and_tells_its_key(tmp_path: Path, engine: Engine) -> None:
    units = [make_unit("engine_functions:fail", {"index": i, "odd": False}) for i in range(3)]
    store = UnitStore(tmp_path)
    with pytest.raises(ValueError, match="^index 2 is bad") as caught:
        run_units("engine_functions:fail", units, store, engine=engine)
    assert caught.value.__notes__ == [f"in unit {units[2].key}"]
    assert not store.has(units[2].key)


def test_an_error_that_pickle_cannot_rebuild_is_not_taken_for_a_dead_worker(tmp_path: Path) -> None:
    units = [make_unit("engine_functions:fail", {"index": i, "odd": True}) for i in (2,)]
    with pytest.raises(HodologyError, match="^OddError: index 2 is odd") as caught:
        run_units("engine_functions:fail", units, UnitStore(tmp_path), engine=ProcessEngine(jobs=1))
    assert caught.value.__notes__ == [f"in unit {units[0].key}"]


@pytest.mark.parametrize("engine", [SerialEngine(threads=1), ProcessEngine(jobs=1, threads=1)])
def test_units_use_the_threads_they_are_given(tmp_path: Path, engine: Engine) -> None:
    import sklearn  # noqa: F401  sets a variable of its own when it is first loaded
    import torch

    before, variables = torch.get_num_threads(), dict(os.environ)
    torch.set_num_threads(2)
    try:
        unit = make_unit("engine_functions:threads", {})
        run_units("engine_functions:threads", [unit], UnitStore(tmp_path), engine=engine)
        assert json.loads(UnitStore(tmp_path).load(unit.key)) == {"torch": 1, "pools": [1]}
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert dict(os.environ) == variables


def test_a_process_may_use_two_threads(tmp_path: Path) -> None:
    unit = make_unit("engine_functions:threads", {})
    run_units(
        "engine_functions:threads", [unit], UnitStore(tmp_path), engine=ProcessEngine(jobs=1, threads=2)
    )
    assert json.loads(UnitStore(tmp_path).load(unit.key)) == {"torch": 2, "pools": [2]}


class RecordingEngine:
    """An engine that notes whether it was closed."""

    def __init__(self) -> None:
        self.closed = False

    def run(self, function: str, units: Sequence[Unit], store: UnitStore) -> Iterator[str]:
        try:
            for unit in units:
                yield unit.key
        finally:
            self.closed = (store.folder / ".holder").exists()


def test_an_engine_is_closed_while_the_lock_is_held(tmp_path: Path) -> None:
    engine = RecordingEngine()

    def stop(key: str) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        run_units(WORK, make_units(tmp_path), UnitStore(tmp_path / "s"), engine=engine, on_done=stop)
    assert engine.closed


def test_equal_keys_are_refused(tmp_path: Path) -> None:
    units = make_units(tmp_path, 2)
    with pytest.raises(InputError, match=f"two units have the key {units[0].key}"):
        run_units(WORK, [*units, units[0]], UnitStore(tmp_path / "s"), engine=SerialEngine())


def test_a_second_run_into_the_same_folder_is_refused(tmp_path: Path) -> None:
    store = UnitStore(tmp_path / "s")
    with store.lock(), pytest.raises(InputError, match=f"in use by process {os.getpid()}"):
        run_units(WORK, make_units(tmp_path), store, engine=SerialEngine())
    assert logged(tmp_path, "start") == {}


def test_no_units_are_no_work(tmp_path: Path) -> None:
    assert run_units(WORK, [], UnitStore(tmp_path), engine=ProcessEngine(jobs=2)) == 0


def test_make_engine_chooses() -> None:
    assert isinstance(make_engine(), SerialEngine)
    assert isinstance(make_engine("serial", jobs=4, threads=3), SerialEngine)
    process = make_engine(jobs=3, threads=2)
    assert isinstance(process, ProcessEngine)
    assert (process.jobs, process.threads) == (3, 2)
    shared = make_engine("process", jobs=10_000)
    assert isinstance(shared, ProcessEngine)
    assert shared.threads == 1
    dask = make_engine(scheduler="tcp://127.0.0.1:1", threads=2)
    assert isinstance(dask, DaskEngine)
    assert (dask.scheduler, dask.threads) == ("tcp://127.0.0.1:1", 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"name": "proces"},
            "engine must be auto, serial, process or dask, got 'proces'; close names: 'process'",
        ),
        ({"jobs": 0}, "jobs must be at least 1, got 0"),
        ({"threads": 0}, "threads must be at least 1, got 0"),
        ({"name": "dask"}, "engine 'dask' needs the scheduler's address"),
    ],
)
def test_make_engine_refuses(arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_engine(**arguments)


def test_engines_refuse_numbers_below_one() -> None:
    with pytest.raises(InputError, match="jobs must be at least 1, got 0"):
        ProcessEngine(jobs=0)
    with pytest.raises(InputError, match="threads must be at least 1, got -1"):
        ProcessEngine(jobs=1, threads=-1)
    with pytest.raises(InputError, match="threads must be at least 1, got 0"):
        SerialEngine(threads=0)
