"""A lock on a folder: a file made exclusively, with the host and the process that made it.

It needs nothing of the file system but exclusive creation, which network file systems have too.
"""

from __future__ import annotations

import contextlib
import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hodology.errors import InputError
from hodology.files import temporary_path

__all__ = ["folder_lock"]


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold ``folder/lock`` for the time of the block.

    The lock of a process of this host that is gone is taken over. The process that made a lock is known
    by its number and, on Linux, its time of start, as numbers are given again.

    Raises
    ------
    InputError
        While another process holds it, or this one in another block; names that process.
    """
    file = folder / "lock"
    pid = os.getpid()
    mine = f"{socket.gethostname()} {pid} {_started(pid)} {uuid.uuid4().hex}"
    while not _created(file, mine):
        _remove_stale(file)
    try:
        yield
    finally:
        if _text(file) == mine:
            file.unlink(missing_ok=True)


def _created(file: Path, text: str) -> bool:
    try:
        handle = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except FileExistsError:
        return False
    try:
        os.write(handle, text.encode())
    finally:
        os.close(handle)
    return True


def _remove_stale(file: Path) -> None:
    """Refuse a living process's lock; put a dead one's aside, so that of two takers only one succeeds."""
    text = _text(file)
    if text is None:
        return
    host, pid, started = [*text.split(), "", "", ""][:3]
    if host != socket.gethostname() or not pid.isdigit() or _runs(int(pid), started):
        raise InputError(
            f"{file.parent} is in use by process {pid or 'unknown'} on {host or 'an unknown host'}; wait for "
            f"it, choose another folder, or remove {file} if that process is gone."
        )
    aside = temporary_path(file)
    try:
        os.rename(file, aside)
    except FileNotFoundError:
        return
    if _text(aside) != text:  # another run took over in between and this is its lock
        with contextlib.suppress(FileExistsError):
            os.link(aside, file)
    aside.unlink(missing_ok=True)


def _text(file: Path) -> str | None:
    try:
        return file.read_text(errors="replace").strip()
    except FileNotFoundError:
        return None


def _runs(pid: int, started: str) -> bool:
    """Whether process `pid`, started then, is still there; True where it cannot be told."""
    if os.name != "posix":
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return _started(pid) == started or "-" in (started, _started(pid))


def _started(pid: int) -> str:
    """Time of start in clock ticks since boot, ``-`` where the system does not tell."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return "-"
