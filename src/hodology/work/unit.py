"""A unit of work and the folder that keeps its result.

A unit is a function's name and a JSON-able payload; its key is the hash of both and of the package version.
The only state of a run is which results are on disk, so a killed run goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from hodology import __version__
from hodology.errors import InputError
from hodology.files import atomic_path, clean_temporaries, hash_json

__all__ = ["Unit", "UnitStore", "call_unit", "make_unit"]

_MAGIC = b"hodology-unit-1\n"


@dataclass(frozen=True)
class Unit:
    """One piece of work.

    Attributes
    ----------
    key : str
        32 hexadecimal digits; equal work has equal keys.
    payload : mapping
        JSON-able argument of the function.
    """

    key: str
    payload: Mapping[str, Any]


def make_unit(function: str, payload: Mapping[str, Any]) -> Unit:
    """Name a piece of work.

    Parameters
    ----------
    function : str
        ``"package.module:function"``; it takes the payload and returns bytes.
    payload : mapping
    """
    return Unit(hash_json([function, __version__, dict(payload)])[:32], json.loads(json.dumps(dict(payload))))


def call_unit(function: str, payload: Mapping[str, Any]) -> bytes:
    """Import and call the function of a unit."""
    module, _, name = function.partition(":")
    result = getattr(import_module(module), name)(payload)
    if not isinstance(result, bytes):
        raise InputError(f"{function} must return bytes, got {type(result).__name__}.")
    return result


class UnitStore:
    """Results of units in one folder, a file each, with a checksum in front.

    Parameters
    ----------
    folder : path
        Made when it does not exist.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)

    def path(self, key: str) -> Path:
        """File of a unit's result."""
        return self.folder / f"{key}.unit"

    def save(self, key: str, data: bytes) -> None:
        """Write a result atomically."""
        with atomic_path(self.path(key)) as temporary:
            temporary.write_bytes(_MAGIC + hashlib.sha256(data).digest() + data)

    def load(self, key: str) -> bytes:
        """Read a result.

        Raises
        ------
        InputError
            When it is missing or damaged.
        """
        data = self._read(key)
        if data is None:
            raise InputError(f"unit {key} has no whole result in {self.folder}.")
        return data

    def has(self, key: str) -> bool:
        """Whether a whole result is there; a damaged one counts as missing."""
        return self._read(key) is not None

    def missing(self, units: Iterable[Unit]) -> list[Unit]:
        """The units whose result is not there."""
        return [unit for unit in units if not self.has(unit.key)]

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Refuse a second run into the same folder; the lock of a dead process is taken over.

        Raises
        ------
        InputError
            While another process holds it; names that process.
        """
        file = self.folder / "lock"
        mine = f"{socket.gethostname()} {os.getpid()}"
        while True:
            try:
                handle = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
                break
            except FileExistsError:
                host, _, pid = _text(file).partition(" ")
                if host != socket.gethostname() or not pid.isdigit() or _alive(int(pid)):
                    raise InputError(
                        f"{self.folder} is in use by process {pid or 'unknown'} on {host or 'this host'}; wait for it, "
                        f"choose another --out, or remove {file} if that process is gone."
                    ) from None
                file.unlink(missing_ok=True)
        try:
            os.write(handle, mine.encode())
            os.close(handle)
            clean_temporaries(self.folder, older_than_s=0.0)
            yield
        finally:
            file.unlink(missing_ok=True)

    def _read(self, key: str) -> bytes | None:
        try:
            data = self.path(key).read_bytes()
        except OSError:
            return None
        body = data[len(_MAGIC) + 32 :]
        whole = data.startswith(_MAGIC) and data[len(_MAGIC) :][:32] == hashlib.sha256(body).digest()
        return body if whole else None


def _text(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
