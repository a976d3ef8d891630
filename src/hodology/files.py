"""Files: atomic writes, arrays without pickle, content hashes, and where the package keeps things."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import json
import math
import os
import time
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hodology.errors import FileFormatError, InputError

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "arrays_from_bytes",
    "arrays_to_bytes",
    "atomic_path",
    "cache_dir",
    "clean_temporaries",
    "hash_arrays",
    "hash_bytes",
    "hash_file",
    "hash_json",
    "read_arrays",
    "read_json",
    "results_dir",
    "write_arrays",
    "write_bytes",
    "write_json",
    "write_text",
]

_PREFIX = ".part-"


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary name in the same folder; it becomes `path` when the block ends well.

    The data are synced to disk before the renaming. After an exception (Ctrl-C included) the temporary file
    is removed and what `path` held before is untouched.
    """
    path = Path(path)
    temporary = path.with_name(f"{_PREFIX}{uuid.uuid4().hex}{path.suffix}")
    try:
        yield temporary
        with open(temporary, "rb+") as handle:
            os.fsync(handle.fileno())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write bytes atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    write_bytes(path, text.encode())


def write_json(path: str | Path, value: Any) -> None:
    """Write JSON atomically; NaN and infinities become null, numpy values and dataclasses plain ones."""
    write_text(path, json.dumps(_plain(value), indent=1, ensure_ascii=False) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file.

    Raises
    ------
    FileFormatError
        When it is missing or no valid JSON; names file and line.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise FileFormatError(f"{path}, line {error.lineno}: not valid JSON ({error.msg}).") from error
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{path} is not UTF-8 text.") from error
    except OSError as error:
        raise FileFormatError(f"{path} cannot be read: {error.strerror}.") from error


def arrays_to_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Pack named arrays as ``.npz``; equal arrays give equal bytes.

    Raises
    ------
    InputError
        For arrays of objects, which would need pickle.
    """
    import numpy as np

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, value in arrays.items():
            array = np.asarray(value)
            if array.dtype.hasobject:
                raise InputError(f"array {name!r} holds objects; only numbers, booleans and text can be written.")
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w", force_zip64=True) as handle:
                np.lib.format.write_array(handle, array, allow_pickle=False)
    return buffer.getvalue()


def arrays_from_bytes(data: bytes, *, source: str = "data") -> dict[str, np.ndarray]:
    """Unpack what `arrays_to_bytes` packed; `source` names it in errors.

    Raises
    ------
    FileFormatError
        When damaged, no ``.npz``, or holding objects.
    """
    import numpy as np

    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise FileFormatError(f"{source} is a single array, not an .npz archive of named arrays.")
            return {name: archive[name] for name in archive.files}
    except (zipfile.BadZipFile, ValueError, EOFError, OSError, KeyError) as error:
        if isinstance(error, FileFormatError):
            raise
        raise FileFormatError(f"{source} cannot be read as .npz without pickle: {error}.") from error


def write_arrays(path: str | Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays to an ``.npz`` file atomically (see `arrays_to_bytes`)."""
    write_bytes(path, arrays_to_bytes(arrays))


def read_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """Read an ``.npz`` file of plain arrays (see `arrays_from_bytes`)."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise FileFormatError(f"{path} cannot be read: {error.strerror}.") from error
    return arrays_from_bytes(data, source=str(path))


def hash_bytes(data: bytes) -> str:
    """SHA-256 of bytes, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def hash_file(path: str | Path) -> str:
    """SHA-256 of a file's content, hexadecimal."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def hash_json(value: Any) -> str:
    """SHA-256 of a JSON-able value in canonical form (sorted keys, no spaces)."""
    text = json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hash_bytes(text.encode())


def hash_arrays(arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 over names, dtypes, shapes and values of arrays, in the order of their names."""
    import numpy as np

    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name}|{array.dtype.str}|{array.shape}|".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def cache_dir() -> Path:
    """Folder for what can be made again: ``$HODOLOGY_HOME/cache``, else the user's cache folder."""
    home = os.environ.get("HODOLOGY_HOME")
    if home:
        return Path(home) / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hodology"


def results_dir() -> Path:
    """Folder of the studies' results: ``$HODOLOGY_HOME/results``, else in the user's data folder."""
    home = os.environ.get("HODOLOGY_HOME")
    if home:
        return Path(home) / "results"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "hodology" / "results"


def clean_temporaries(folder: str | Path, *, older_than_s: float = 3600.0) -> int:
    """Remove what killed writers left in `folder`; returns how many files."""
    count = 0
    for file in Path(folder).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - file.stat().st_mtime >= older_than_s:
                file.unlink()
                count += 1
    return count


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _plain(value: Any) -> Any:
    """JSON's own types only."""
    if isinstance(value, (str, bool, int)) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    raise InputError(f"a {type(value).__name__} cannot be written as JSON.")
