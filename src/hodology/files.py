"""Files: atomic writes, arrays without pickle, content hashes, and where the package keeps things.

What is written appears whole under its name or not at all. What is read is taken as hostile: a damaged file
is a `FileFormatError`, never a wrong value.
"""

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
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hodology.errors import FileFormatError, InputError, near_names

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "arrays_from_bytes",
    "arrays_to_bytes",
    "atomic_path",
    "cache_dir",
    "canonical_json",
    "clean_temporaries",
    "hash_arrays",
    "hash_bytes",
    "hash_file",
    "hash_json",
    "read_arrays",
    "read_json",
    "results_dir",
    "temporary_path",
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

    Raises
    ------
    InputError
        When the folder of `path` does not exist.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise InputError(f"cannot write {path}: the folder {path.parent} does not exist.")
    temporary = temporary_path(path)
    try:
        yield temporary
        with open(temporary, "rb+") as handle:
            os.fsync(handle.fileno())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def temporary_path(path: str | Path) -> Path:
    """A new name beside `path`, with its suffix, that `clean_temporaries` knows as a leftover."""
    path = Path(path)
    return path.with_name(f"{_PREFIX}{uuid.uuid4().hex}{path.suffix}")


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write bytes atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    write_bytes(path, text.encode())


def write_json(path: str | Path, value: Any) -> None:
    """Write JSON atomically, keys in their order; NaN and infinities become null.

    Takes numpy values, tensors, paths and dataclasses too.
    """
    write_text(path, json.dumps(_plain(value), indent=1, ensure_ascii=False) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file.

    Raises
    ------
    FileFormatError
        When it is missing, no valid JSON (names file and line), or has a key twice in one object.
    """
    data = _read(path)
    try:
        return json.loads(data.decode(), object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        raise FileFormatError(f"{path}, line {error.lineno}: not valid JSON ({error.msg}).") from error
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{path} is not UTF-8 text.") from error
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{path}: not valid JSON ({str(error).rstrip('.')}).") from error


def arrays_to_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Pack named arrays as ``.npz``; equal arrays give equal bytes with one version of zlib.

    Names are sorted, values written in C order and little-endian, times fixed.

    Raises
    ------
    InputError
        For arrays of objects or of an unnamed type (bfloat16), and names that are not printable text.
    """
    import numpy as np

    for name in arrays:
        if not isinstance(name, str) or not name or not name.isprintable():
            raise InputError(f"array names must be printable text, got {name!r}.")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(arrays):
            array = _portable(name, arrays[name])
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type, entry.create_system = zipfile.ZIP_DEFLATED, 3
            with archive.open(entry, "w", force_zip64=True) as handle:
                np.lib.format.write_array(handle, array, allow_pickle=False)
    return buffer.getvalue()


def arrays_from_bytes(data: bytes, *, source: str = "data") -> dict[str, np.ndarray]:
    """Unpack what `arrays_to_bytes` packed (or `numpy.savez`); `source` names it in errors.

    Raises
    ------
    FileFormatError
        When damaged, no ``.npz``, or holding objects, anything but arrays, or a name twice.
    """
    arrays: dict[str, np.ndarray] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for entry in archive.infolist():
                name = entry.filename.removesuffix(".npy")
                if name == entry.filename or name in arrays:
                    raise FileFormatError(f"{source} holds {entry.filename!r}, no array or there twice.")
                arrays[name] = _read_entry(archive, entry)
    except FileFormatError:
        raise
    except Exception as error:  # zipfile and numpy raise a dozen types on damaged bytes
        raise FileFormatError(f"{source} cannot be read as .npz without pickle: {error}.") from error
    return arrays


def write_arrays(path: str | Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays to an ``.npz`` file atomically (see `arrays_to_bytes`)."""
    write_bytes(path, arrays_to_bytes(arrays))


def read_arrays(path: str | Path, *, names: Iterable[str] = ()) -> dict[str, np.ndarray]:
    """Read an ``.npz`` file of plain arrays (see `arrays_from_bytes`).

    Raises
    ------
    FileFormatError
        When the file is missing or damaged, or lacks one of `names`; it may hold others.
    """
    arrays = arrays_from_bytes(_read(path), source=str(path))
    for name in names:
        if name not in arrays:
            raise FileFormatError(f"{path} has no array {name!r}{near_names(name, arrays)}.")
    return arrays


def hash_bytes(data: bytes) -> str:
    """SHA-256 of bytes, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def hash_file(path: str | Path) -> str:
    """SHA-256 of a file's content, hexadecimal."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def canonical_json(value: Any) -> str:
    """One text per JSON-able value: sorted keys, no spaces, ASCII.

    Unlike in files, NaN and the infinities keep their own marks, so that values that differ stay different.
    """
    plain = _plain(value, non_finite=True)
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def hash_json(value: Any) -> str:
    """SHA-256 of a JSON-able value in canonical form (see `canonical_json`), hexadecimal."""
    return hash_bytes(canonical_json(value).encode())


def hash_arrays(arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 over names, dtypes, shapes and values of arrays; memory layout and byte order do not matter.

    Raises
    ------
    InputError
        For what `arrays_to_bytes` refuses.
    """
    import numpy as np

    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = _portable(name, arrays[name])
        digest.update(f"{name}|{np.lib.format.dtype_to_descr(array.dtype)}|{array.shape}|".encode())
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


def _read(path: str | Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise FileFormatError(f"{path} cannot be read: {error.strerror}.") from error


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _portable(name: str, value: np.ndarray) -> np.ndarray:
    """In C order and little-endian, or refused."""
    import numpy as np

    array = np.asarray(value)
    if array.dtype.hasobject:
        raise InputError(f"array {name!r} holds objects; only numbers, booleans and text can be written.")
    if array.dtype.kind == "V" and array.dtype.names is None:
        raise InputError(f"array {name!r} has dtype {array.dtype}, which .npz cannot keep; convert it first.")
    return np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")


def _read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> np.ndarray:
    """One array; memory is touched only as far as data come, whatever the header claims."""
    import numpy as np

    if entry.comment:  # numpy writes none; a damaged length makes the next entries one
        raise ValueError(f"{entry.filename!r} carries a comment")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{entry.filename!r} is compressed in a way that numpy does not write")
    with archive.open(entry) as handle:
        array = np.lib.format.read_array(handle, allow_pickle=False)
        if handle.read(1):
            raise ValueError(f"{entry.filename!r} is longer than its header says")
    return np.asarray(array, dtype=array.dtype.newbyteorder("="))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, refused when a key comes twice (the last would win silently)."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise InputError(f"key {key!r} comes twice in one JSON object.")
        found[key] = value
    return found


def _plain(value: Any, *, non_finite: bool = False) -> Any:
    """JSON's own types only; non-finite floats become None unless `non_finite`."""
    if isinstance(value, (str, bool, int)) or value is None:
        return value
    if isinstance(value, float):
        return value if non_finite or math.isfinite(value) else None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return _unique([(str(key), _plain(item, non_finite=non_finite)) for key, item in value.items()])
    if isinstance(value, (list, tuple)):
        return [_plain(item, non_finite=non_finite) for item in value]
    if isinstance(value, Path):
        return str(value)
    plain = value.tolist() if hasattr(value, "tolist") else value
    if type(plain) is type(value):  # also a long double, which is its own plain form
        raise InputError(f"a {type(value).__name__} cannot be written as JSON.")
    return _plain(plain, non_finite=non_finite)
