"""A lock on a folder. The system gives it back when its process ends, however it ends."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from hodology.errors import InputError
from hodology.files import write_json

__all__ = ["folder_lock"]


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold ``folder/.lock`` for the time of the block.

    The file stays when the lock is given back: to remove it could take the lock from one who just got it.

    Raises
    ------
    InputError
        While another process holds it, or this one in another block; names that process.
    """
    holder = folder / ".holder"
    try:
        lock = FileLock(folder / ".lock", timeout=0, is_singleton=False).acquire()
    except Timeout as error:
        raise InputError(
            f"{folder} is in use by {_told(holder)}; wait for it or choose another folder."
        ) from error
    with lock:
        write_json(holder, {"process": os.getpid(), "host": socket.gethostname()})
        try:
            yield
        finally:
            holder.unlink(missing_ok=True)


def _told(holder: Path) -> str:
    """Who wrote `holder`, as far as it can be read: it is for the message alone."""
    import json

    try:
        who = json.loads(holder.read_text())
        return f"process {who['process']} on {who['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another run"
