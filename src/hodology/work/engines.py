"""Engines that run units: in this process, in spawned processes, or on a cluster.

All give the same results to the bit when they use the same number of threads per unit: a unit's result depends
on its payload alone, and random numbers come from streams named in it.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Literal, Protocol

from hodology.errors import HodologyError, InputError
from hodology.work.dask_engine import DaskEngine
from hodology.work.unit import Unit, UnitStore, call_unit

__all__ = ["Engine", "ProcessEngine", "SerialEngine", "limit_threads", "make_engine", "run_units"]

_RETRIES = 2  # how often units are started again after a worker died


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
        Threads within a unit; None leaves torch's setting.
    """

    def __init__(self, *, threads: int | None = None) -> None:
        self.threads = threads

    def run(self, function: str, units: Sequence[Unit], store: UnitStore) -> Iterator[str]:
        """Run `units` in order."""
        before = limit_threads(self.threads)
        try:
            for unit in units:
                store.save(unit.key, call_unit(function, unit.payload))
                yield unit.key
        finally:
            limit_threads(before)


class ProcessEngine:
    """Units in spawned worker processes on this machine.

    A worker that is killed takes the pool down; its units are started again in a new pool, twice at most.

    Parameters
    ----------
    jobs : int
        Worker processes.
    threads : int
        Threads within a unit.
    """

    def __init__(self, *, jobs: int, threads: int = 1) -> None:
        if jobs < 1:
            raise InputError(f"jobs must be at least 1, got {jobs}.")
        self.jobs = jobs
        self.threads = threads

    def run(self, function: str, units: Sequence[Unit], store: UnitStore) -> Iterator[str]:
        """Run `units` over the workers."""
        left = {unit.key: unit for unit in units}
        for attempt in range(_RETRIES + 1):
            try:
                for key in self._once(function, list(left.values()), store):
                    del left[key]
                    yield key
                return
            except BrokenProcessPool as error:
                left = {unit.key: unit for unit in store.missing(left.values())}
                if attempt == _RETRIES:
                    raise HodologyError(
                        f"worker processes died {attempt + 1} times (out of memory?); {len(left)} units are left, "
                        "lower --batch or --jobs and resume."
                    ) from error

    def _once(self, function: str, units: list[Unit], store: UnitStore) -> Iterator[str]:
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(self.jobs, context, _start_worker, (self.threads,))
        try:
            pending: dict[Future[None], str] = {
                pool.submit(_work, function, unit, str(store.folder)): unit.key for unit in units
            }
            while pending:
                done, _ = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    key = pending.pop(future)
                    future.result()
                    yield key
            pool.shutdown()
        except BaseException:
            for process in list((pool._processes or {}).values()):  # no public way to stop running work
                process.terminate()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


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
        ``"package.module:function"``.
    units : sequence of Unit
    store : UnitStore
        Locked for the time of the run.
    engine : Engine
    on_done : callable, optional
        Called with each unit's key, also for those that were there already.

    Returns
    -------
    int
        How many units were run.
    """
    if len({unit.key for unit in units}) < len(units):
        raise InputError("two units have the same key; their payloads must differ.")
    with store.lock():
        missing = store.missing(units)
        waiting = {unit.key for unit in missing}
        for unit in units:
            if unit.key not in waiting and on_done is not None:
                on_done(unit.key)
        for key in engine.run(function, missing, store) if missing else ():
            if on_done is not None:
                on_done(key)
    return len(missing)


def make_engine(
    name: Literal["auto", "serial", "process", "dask"] = "auto",
    *,
    jobs: int = 1,
    scheduler: str | None = None,
    threads: int | None = None,
) -> Engine:
    """Choose an engine; ``"auto"`` is dask with a scheduler, processes with several jobs, else serial.

    Raises
    ------
    InputError
        For another name, `jobs` below 1, or dask without a scheduler's address.
    """
    if jobs < 1:
        raise InputError(f"jobs must be at least 1, got {jobs}.")
    if name == "auto":
        name = "dask" if scheduler else "process" if jobs > 1 else "serial"
    if name == "serial":
        return SerialEngine(threads=threads)
    if name == "process":
        return ProcessEngine(jobs=jobs, threads=threads or max(1, (os.cpu_count() or 1) // jobs))
    if name == "dask":
        if not scheduler:
            raise InputError("engine 'dask' needs the scheduler's address: --scheduler tcp://HOST:PORT.")
        return DaskEngine(scheduler, threads=threads)
    raise InputError(f"engine must be auto, serial, process or dask, got {name!r}.")


def limit_threads(threads: int | None) -> int | None:
    """Set torch's threads in this process; returns the former number, None when nothing changed."""
    if threads is None:
        return None
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    return before


def _start_worker(threads: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent stops its workers
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = str(threads)
    if "torch" in sys.modules:
        limit_threads(threads)


def _work(function: str, unit: Unit, folder: str) -> None:
    try:
        UnitStore(folder).save(unit.key, call_unit(function, unit.payload))
    except HodologyError as error:
        error.add_note(f"in unit {unit.key}")
        raise
