"""Running units: what an engine is, the serial one, and the run that skips what is done.

All engines give the same results to the bit when they use the same number of threads per unit on like
machines: a unit's result depends on its payload alone, and random numbers come from streams named in it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, Protocol

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.work.dask_engine import DaskEngine
from hodology.work.process_engine import ProcessEngine
from hodology.work.store import UnitStore
from hodology.work.threads import check_threads, limited_threads
from hodology.work.unit import Unit, call_unit, load_function

__all__ = ["Engine", "SerialEngine", "make_engine", "run_units"]


class Engine(Protocol):
    """Runs units and yields their keys as they finish; results are in the store by then."""

    def run(self, function: str, units: Sequence[Unit], store: UnitStore) -> Iterator[str]:
        """Run `units`, in any order."""
        ...


class SerialEngine:
    """One unit after the other, in this process.

    Parameters
    ----------
    threads : int, optional
        Threads within a unit, restored between units; None leaves the libraries' settings.
    """

    def __init__(self, *, threads: int | None = None) -> None:
        self.threads = check_threads(threads)

    def run(self, function: str, units: Sequence[Unit], store: UnitStore) -> Iterator[str]:
        """Run `units` in order."""
        load_function(function)  # loads the libraries whose threads are limited next
        for unit in units:
            with limited_threads(self.threads):
                data = call_unit(function, unit)
            store.save(unit.key, data)
            yield unit.key


def run_units(
    function: str,
    units: Sequence[Unit],
    store: UnitStore,
    *,
    engine: Engine,
    on_done: Callable[[str], None] | None = None,
) -> int:
    """Run the units whose result is missing.

    Parameters
    ----------
    function : str
        ``"package.module:function"``; it takes a unit's payload and returns bytes.
    units : sequence of Unit
    store : UnitStore
        Locked for the time of the run.
    engine : Engine
    on_done : callable, optional
        Called with each unit's key; first for those that were there already.

    Returns
    -------
    int
        How many units were run.

    Raises
    ------
    InputError
        When two units have the same key, or another run uses the store.
    """
    keys: set[str] = set()
    for unit in units:
        if unit.key in keys:
            raise InputError(f"two units have the key {unit.key}; their payloads must differ.")
        keys.add(unit.key)
    tell = on_done or (lambda key: None)
    with store.lock():
        missing = store.missing(units)
        for key in (unit.key for unit in units if unit.key not in {m.key for m in missing}):
            tell(key)
        running = engine.run(function, missing, store) if missing else iter(())
        try:
            for key in running:
                tell(key)
        finally:
            close = getattr(
                running, "close", None
            )  # ends the engine's processes before the lock is given back
            if close is not None:
                close()
    return len(missing)


def make_engine(
    name: Literal["auto", "serial", "process", "dask"] = "auto",
    *,
    jobs: int = 1,
    scheduler: str | None = None,
    threads: int | None = None,
) -> Engine:
    """Choose an engine; ``"auto"`` is dask with a scheduler, processes with several jobs, else serial.

    Parameters
    ----------
    name : str
    jobs : int
        Worker processes of ``"process"``.
    scheduler : str, optional
        Address of a Dask scheduler, ``tcp://HOST:PORT``.
    threads : int, optional
        Threads within a unit. None shares the processors among `jobs` with ``"process"``, else leaves the
        libraries' settings.

    Raises
    ------
    InputError
        For another name, `jobs` or `threads` below 1, or dask without a scheduler's address.
    """
    if jobs < 1:
        raise InputError(f"jobs must be at least 1, got {jobs}.")
    check_threads(threads)
    if name == "auto":
        name = "dask" if scheduler else "process" if jobs > 1 else "serial"
    if name == "serial":
        return SerialEngine(threads=threads)
    if name == "process":
        return ProcessEngine(jobs=jobs, threads=threads or max(1, _processors() // jobs))
    if name == "dask":
        if not scheduler:
            raise InputError("engine 'dask' needs the scheduler's address: --scheduler tcp://HOST:PORT.")
        return DaskEngine(scheduler, threads=threads)
    known = ("auto", "serial", "process", "dask")
    raise UnknownNameError(
        f"engine must be auto, serial, process or dask, got {name!r}{near_names(name, known)}."
    )


def _processors() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
