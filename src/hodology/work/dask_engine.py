"""Units on a running Dask cluster.

A worker that sees the store's folder (one file system) saves the result itself, after a look whether it is
there already, so a unit that finished on a worker that then died is not run again. Else it sends the bytes
and the client saves them. Tasks of a dead worker are started on others by Dask.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hodology import __version__
from hodology.errors import HodologyError, InputError, UnavailableError
from hodology.optional import require
from hodology.work.unit import Unit, UnitStore, call_unit

__all__ = ["DaskEngine"]


class DaskEngine:
    """Send units to the workers of a Dask scheduler.

    Parameters
    ----------
    scheduler : str
        Its address, ``tcp://HOST:PORT``.
    threads : int, optional
        Threads within a unit on each worker; None leaves the worker's setting.
    timeout_s : float
        How long to wait for the scheduler.
    """

    def __init__(self, scheduler: str, *, threads: int | None = None, timeout_s: float = 10.0) -> None:
        self.scheduler = scheduler
        self.threads = threads
        self.timeout_s = timeout_s

    def run(self, function: str, units: Sequence[Unit], store: UnitStore) -> Iterator[str]:
        """Run `units` on the cluster.

        Raises
        ------
        UnavailableError
            When no scheduler answers at the address.
        InputError
            When a worker has another version of hodology.
        """
        distributed = require("distributed", extra="dist", purpose="running on a Dask cluster")
        try:
            client = distributed.Client(self.scheduler, timeout=self.timeout_s, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise UnavailableError(
                f"no Dask scheduler answers at {self.scheduler}; start one with 'dask scheduler' and workers with "
                "'dask worker ADDRESS', then pass its tcp:// address."
            ) from error
        with client:
            _check_versions(client.run(_version))
            token = store.folder / f"token-{uuid.uuid4().hex}"
            token.write_text("")
            try:
                arguments = {"function": function, "folder": str(store.folder.resolve()), "token": token.name}
                futures = [
                    client.submit(
                        _work, unit.key, dict(unit.payload), arguments, self.threads, pure=False, key=unit.key, retries=3
                    )
                    for unit in units
                ]
                for future, result in distributed.as_completed(futures, with_results=True, raise_errors=False):
                    if future.status == "error":
                        raise _readable(result, future.key)
                    if result is not None:
                        store.save(future.key, result)
                    yield future.key
            finally:
                token.unlink(missing_ok=True)


def _work(
    key: str, payload: Mapping[str, Any], arguments: Mapping[str, str], threads: int | None
) -> bytes | None:
    """Runs on a worker: saves the result where it sees the store, else returns it."""
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    folder = Path(arguments["folder"])
    if not (folder / arguments["token"]).exists():
        return call_unit(arguments["function"], payload)
    store = UnitStore(folder)
    if not store.has(key):
        store.save(key, call_unit(arguments["function"], payload))
    return None


def _version() -> str:
    return __version__


def _check_versions(versions: Mapping[str, str]) -> None:
    if not versions:
        raise UnavailableError("the Dask scheduler has no workers; start some with 'dask worker ADDRESS'.")
    for worker, version in versions.items():
        if version != __version__:
            raise InputError(f"worker {worker} has hodology {version}, this is {__version__}; install one version.")


def _readable(result: Any, key: str) -> BaseException:
    error = result[1] if isinstance(result, tuple) else result
    if isinstance(error, HodologyError):
        error.add_note(f"in unit {key}")
        return error
    return HodologyError(f"unit {key} failed on the cluster: {type(error).__name__}: {error}")
