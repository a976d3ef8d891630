"""Units on a running Dask cluster.

A worker that sees the store's folder (one file system) saves the result itself, after a look whether it is
there already, so a unit that finished on a worker that then died is not run again. Else it sends the bytes
and the client saves them. Dask starts the tasks of a dead worker on others, as often as the scheduler's
``distributed.scheduler.allowed-failures`` says.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from hodology import __version__
from hodology.errors import HodologyError, InputError, UnavailableError
from hodology.files import temporary_path
from hodology.optional import require
from hodology.work.store import UnitStore
from hodology.work.threads import check_threads, set_threads
from hodology.work.unit import Unit, call_unit, load_function, sendable_errors

__all__ = ["DaskEngine"]

_SEEN_WITHIN_S = 60.0  # a network file system shows another machine's file at the latest after this time


class DaskEngine:
    """Send units to the workers of a Dask scheduler.

    Parameters
    ----------
    scheduler : str
        Its address, ``tcp://HOST:PORT``.
    threads : int, optional
        Threads within a unit, set on each worker for good; None leaves the worker's setting.
    timeout_s : float
        How long to wait for the scheduler, and for its first worker.
    """

    def __init__(self, scheduler: str, *, threads: int | None = None, timeout_s: float = 10.0) -> None:
        if not timeout_s > 0:
            raise InputError(f"timeout_s must be above 0, got {timeout_s}.")
        self.scheduler = scheduler
        self.threads = check_threads(threads)
        self.timeout_s = timeout_s

    def run(self, function: str, units: Sequence[Unit], store: UnitStore) -> Iterator[str]:
        """Run `units` on the cluster.

        Raises
        ------
        UnavailableError
            When no scheduler answers at the address, it has no workers, or it goes away.
        InputError
            When a worker has another version of hodology or none.
        HodologyError
            When workers died on a unit more often than the scheduler allows. A unit's own error is raised as
            it is, with a note that names the unit.
        """
        distributed = require("distributed", extra="dist", purpose="running on a Dask cluster")
        with self._connected(distributed) as client, _token(store) as token:
            job = {"function": function, "token": str(token), "version": __version__}
            # Dask takes equal keys for one task, also of another run that saves elsewhere: hence the token
            keys = {f"{unit.key}-{token.name}": unit.key for unit in units}
            futures = [
                client.submit(_work, unit, job, self.threads, pure=False, key=name)
                for name, unit in zip(keys, units, strict=True)
            ]
            done = distributed.as_completed(futures, loop=client.loop, with_results=True, raise_errors=False)
            del futures
            for future, result in done:
                key = keys[future.key]
                if future.status != "finished":
                    raise _reason(future.status, result, key, self.scheduler)
                if result is None:
                    _wait_until_seen(store, key)
                else:
                    store.save(key, result)
                future.release()
                yield key

    @contextmanager
    def _connected(self, distributed: ModuleType) -> Iterator[Any]:
        try:
            client = distributed.Client(self.scheduler, timeout=self.timeout_s, set_as_default=False)
        except (OSError, ValueError) as error:
            raise UnavailableError(
                f"no Dask scheduler answers at {self.scheduler}; start one with 'dask scheduler' and workers "
                "with 'dask worker ADDRESS', then pass its tcp:// address."
            ) from error
        with client:
            try:
                client.wait_for_workers(1, timeout=self.timeout_s)
            except TimeoutError as error:
                raise UnavailableError(
                    f"the Dask scheduler {self.scheduler} has no workers; start one: 'dask worker ADDRESS'."
                ) from error
            _check_versions(client.run(_version, on_error="return"))
            yield client


def _work(unit: Unit, job: Mapping[str, str], threads: int | None) -> bytes | None:
    """Runs on a worker: saves the result where it sees the store, else returns it."""
    with sendable_errors():
        _check_versions({"that joined later": __version__}, wanted=job["version"])
        store = UnitStore(Path(job["token"]).parent) if Path(job["token"]).exists() else None
        if store is not None and store.has(unit.key):
            return None
        load_function(job["function"])  # loads the libraries whose threads are set next
        set_threads(threads)
        data = call_unit(job["function"], unit)
        if store is None:
            return data
        store.save(unit.key, data)
        return None


def _version() -> str:
    return __version__


def _check_versions(versions: Mapping[str, Any], *, wanted: str = __version__) -> None:
    for worker, version in versions.items():
        if isinstance(version, OSError):
            continue  # the worker went away meanwhile
        if isinstance(version, Exception):
            raise InputError(
                f"Dask worker {worker} cannot import hodology: {version}; install {wanted} there."
            )
        if version != wanted:
            raise InputError(
                f"Dask worker {worker} has hodology {version}, this is {wanted}; install one version."
            )


@contextmanager
def _token(store: UnitStore) -> Iterator[Path]:
    """An empty file of a new name: who finds it in a folder of this name sees this very folder."""
    token = temporary_path(store.folder.resolve() / "token")
    token.touch()
    try:
        yield token
    finally:
        token.unlink(missing_ok=True)


def _wait_until_seen(store: UnitStore, key: str) -> None:
    """A worker saved the file; wait until this machine sees it too."""
    end = time.monotonic() + _SEEN_WITHIN_S
    while not store.has(key):
        if time.monotonic() > end:
            raise HodologyError(
                f"a worker saved unit {key}, but it does not appear in {store.folder}; resume."
            )
        time.sleep(0.1)
        with contextlib.suppress(OSError):
            os.listdir(store.folder)  # makes a network file system look again


def _reason(status: str, result: Any, key: str, scheduler: str) -> BaseException:
    """Why a task did not finish."""
    if status != "error":
        return UnavailableError(
            f"the connection to the Dask scheduler {scheduler} was lost; finished units are kept, resume "
            "when it is back."
        )
    error = result[1] if isinstance(result, tuple) else result
    if type(error).__name__ == "KilledWorker":
        return HodologyError(
            f"Dask workers died again and again while unit {key} ran (out of memory?): {error}"
        )
    return error
