"""The folder that keeps units' results.

The only state of a run is which results are on disk, so a killed run goes on where it was.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hodology.errors import InputError
from hodology.files import atomic_path, clean_temporaries
from hodology.work.lock import folder_lock
from hodology.work.unit import Unit

__all__ = ["UnitStore"]

_MAGIC = b"hodology-unit-1\n"
_KEY = re.compile(r"[0-9A-Za-z_-]+")


class UnitStore:
    """Results of units in one folder, a file each, with a checksum in front.

    Parameters
    ----------
    folder : path
        Made when it does not exist.

    Raises
    ------
    InputError
        When `folder` is a file.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise InputError(f"{self.folder} cannot be a folder: a file is in its place.") from error

    def path(self, key: str) -> Path:
        """File of a unit's result.

        Raises
        ------
        InputError
            When `key` could lead out of the folder.
        """
        if not _KEY.fullmatch(key):
            raise InputError(f"a unit's key must be letters, digits, '-' and '_', got {key!r}.")
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
        """The units whose result is not there, in order."""
        return [unit for unit in units if not self.has(unit.key)]

    def clean(self) -> None:
        """Remove what killed writers left; only while no writer is at work."""
        clean_temporaries(self.folder, older_than_s=0.0)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Refuse a second run into the same folder (see `hodology.work.lock.folder_lock`), and clean up."""
        with folder_lock(self.folder):
            self.clean()
            yield

    def _read(self, key: str) -> bytes | None:
        try:
            data = self.path(key).read_bytes()
        except OSError:
            return None
        body = data[len(_MAGIC) + 32 :]
        whole = data.startswith(_MAGIC) and data[len(_MAGIC) :][:32] == hashlib.sha256(body).digest()
        return body if whole else None
