"""Units in spawned processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing import resource_tracker

from hodology.errors import HodologyError, InputError
from hodology.work.store import UnitStore
from hodology.work.threads import check_threads, set_threads, thread_variables
from hodology.work.unit import Unit, call_unit, load_function, sendable_errors

__all__ = ["ProcessEngine"]

_RETRIES = 2  # how often a unit is started again after a worker died on it


class ProcessEngine:
    """Run units in spawned worker processes, which save the results themselves.

    A worker that is killed takes the others down; the units that were running are started again in fresh
    processes, each twice at most. Workers end with the process that started them, even when that is killed.

    Parameters
    ----------
    jobs : int
        Worker processes.
    threads : int
        Threads within a unit.

    Notes
    -----
    As with every spawned process, a script that uses it needs ``if __name__ == "__main__":``.
    """

    def __init__(self, *, jobs: int, threads: int = 1) -> None:
        if jobs < 1:
            raise InputError(f"jobs must be at least 1, got {jobs}.")
        check_threads(threads)
        self.jobs = jobs
        self.threads = threads

    def run(self, function: str, units: Sequence[Unit], store: UnitStore) -> Iterator[str]:
        """Run `units` over the workers.

        Raises
        ------
        HodologyError
            When workers died on the same unit three times. A unit's own error is raised as it is, with a note
            that names the unit.
        """
        left = {unit.key: unit for unit in units}
        deaths: Counter[str] = Counter()
        while left:
            running: dict[Future[None], str] = {}
            try:
                for key in self._run_pool(function, left.values(), store, running):
                    del left[key]
                    yield key
            except BrokenProcessPool as error:
                died = error
            else:
                return
            for key in running.values():
                if store.has(key):
                    del left[key]
                    yield key
                else:
                    deaths[key] += 1
            _check_deaths(deaths, died, len(left))

    def _run_pool(
        self, function: str, units: Iterable[Unit], store: UnitStore, running: dict[Future[None], str]
    ) -> Iterator[str]:
        """One pool until all is done or it breaks; `running` then holds what was at work."""
        waiting, folder = iter(list(units)), str(store.folder.resolve())
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(self.jobs, context, _start_worker, (self.threads,))
        try:
            while True:
                # Submitting starts processes.
                with thread_variables(self.threads, numba=True), _deaf_to_interrupts():
                    for unit in islice(waiting, self.jobs - len(running)):
                        future = pool.submit(_work, function, unit, folder, self.threads)
                        running[future] = unit.key
                if not running:
                    break
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    future.result()
                    yield running.pop(future)
            pool.shutdown()
        except BaseException:
            for process in list((getattr(pool, "_processes", None) or {}).values()):
                process.kill()  # there is no public way to stop running work
            pool.shutdown(cancel_futures=True)
            store.clean()
            raise


def _check_deaths(deaths: Counter[str], error: BrokenProcessPool, left: int) -> None:
    most = deaths.most_common(1)
    if most and most[0][1] > _RETRIES:
        raise HodologyError(
            f"worker processes died {most[0][1]} times while unit {most[0][0]} ran (out of memory?); {left} "
            "units are left, use smaller batches or fewer jobs and resume."
        ) from error


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Hold Ctrl-C back while processes start: they inherit this, and would else be hit half way into their imports."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # starting it would end the block early
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_worker(threads: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # on Ctrl-C the parent stops its workers
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_end_with_parent, daemon=True).start()
    set_threads(threads)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(function: str, unit: Unit, folder: str, threads: int) -> None:
    with sendable_errors():
        load_function(function)  # loads the libraries whose threads are set next
        set_threads(threads)
        UnitStore(folder).save(unit.key, call_unit(function, unit))
