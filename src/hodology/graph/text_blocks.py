"""Text files of any size in blocks of whole lines, plain or gzip, checked as they are read; and their writer.

What is read is taken as hostile: the bytes after unpacking, the length of a line and the encoding are checked before
anything is made of them. Gzip is known by its first bytes, whatever the name of the file.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from hodology.errors import FileFormatError, InputError
from hodology.files import atomic_path

__all__ = ["LONGEST_LINE", "MAX_BYTES", "TextBlock", "byte_chunks", "text_blocks", "text_writer"]

MAX_BYTES = 16 * 2**30  # of unpacked text
LONGEST_LINE = 2**20  # bytes
_CHUNK = 2**19
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class TextBlock:
    """Whole lines of a file.

    Attributes
    ----------
    data : bytes
        UTF-8 without byte-order mark; every line ends with a line feed, also the last of the file.
    text : str
        The same, decoded.
    first : int
        Number of the first line, from 1.
    lines : int
        How many.
    """

    data: bytes
    text: str
    first: int
    lines: int


def byte_chunks(file: str | Path, *, max_bytes: int = MAX_BYTES) -> Iterator[bytes]:
    """Yield the content of a file, unpacked when it is gzip.

    Raises
    ------
    InputError
        When `max_bytes` is below 1.
    FileFormatError
        When the file cannot be read, its gzip is damaged, or it unpacks to more than `max_bytes`.
    """
    if isinstance(max_bytes, bool) or not isinstance(max_bytes, int) or max_bytes < 1:
        raise InputError(f"max_bytes must be an integer of at least 1, got {max_bytes!r}.")
    total = 0
    try:
        with open(file, "rb") as raw:
            packed = raw.peek(2)[:2] == _GZIP
            handle = gzip.GzipFile(fileobj=raw) if packed else raw
            while chunk := handle.read(_CHUNK):
                total += len(chunk)
                if total > max_bytes:
                    raise FileFormatError(f"{file} holds more than max_bytes = {max_bytes:,} bytes of text.")
                yield chunk
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FileFormatError(f"{file} is damaged gzip: {str(error).rstrip('.')}.") from error
    except OSError as error:
        raise FileFormatError(f"{file} cannot be read: {error.strerror or error}.") from error


def text_blocks(file: str | Path, *, max_bytes: int = MAX_BYTES) -> Iterator[TextBlock]:
    """Yield the lines of a UTF-8 file in blocks of a few megabytes.

    Line ends are LF or CR LF; the second become the first. A byte-order mark is left out.

    Raises
    ------
    FileFormatError
        For what `byte_chunks` refuses, text that is not UTF-8, a NUL, a carriage return inside a line, or a line of
        more than `LONGEST_LINE` bytes; names file and line.
    """
    rest, line, started = b"", 1, False
    for chunk in byte_chunks(file, max_bytes=max_bytes):
        data = rest + chunk
        if not started and len(data) >= 3:
            data, started = _without_mark(data, file), True
        cut = data.rfind(b"\n") + 1
        rest = data[cut:]
        if len(rest) > LONGEST_LINE:
            number = line + data.count(b"\n")
            raise FileFormatError(f"{file}, line {number}: longer than {LONGEST_LINE:,} bytes.")
        if cut:
            block = _block(data[:cut], line, file)
            yield block
            line += block.lines
    if rest:
        yield _block(rest + b"\n", line, file)


@contextmanager
def text_writer(file: str | Path) -> Iterator[TextIO]:
    """Yield a handle for UTF-8 text; the file appears when the block ends well, as gzip when its name ends in .gz.

    Equal text gives equal bytes: the gzip holds neither time nor name.
    """
    with atomic_path(file) as temporary, open(temporary, "wb") as raw:
        if Path(file).suffix.lower() == ".gz":
            packed = gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=6)
            with packed, io.TextIOWrapper(packed, encoding="utf-8", newline="") as handle:
                yield handle
        else:
            with io.TextIOWrapper(raw, encoding="utf-8", newline="") as handle:
                yield handle


def _without_mark(data: bytes, file: str | Path) -> bytes:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise FileFormatError(f"{file} is UTF-16 text; save it as UTF-8.")
    return data[3:] if data[:3] == b"\xef\xbb\xbf" else data


def _block(data: bytes, first: int, file: str | Path) -> TextBlock:
    """Checks that only need the bytes; the first thing wrong is named with its line."""
    nul = data.find(b"\0")
    if nul >= 0:
        raise FileFormatError(
            f"{file}, line {first + data.count(10, 0, nul)}: a NUL byte; this is no text file."
        )
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
        lone = data.find(b"\r")
        if lone >= 0:
            raise FileFormatError(
                f"{file}, line {first + data.count(10, 0, lone)}: a carriage return inside a line."
            )
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = first + data.count(10, 0, error.start)
        raise FileFormatError(f"{file}, line {line}: not UTF-8 text.") from error
    ends = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == 10)
    lengths = np.diff(ends, prepend=-1)
    if lengths.max() > LONGEST_LINE:
        line = first + int(np.argmax(lengths > LONGEST_LINE))
        raise FileFormatError(f"{file}, line {line}: longer than {LONGEST_LINE:,} bytes.")
    return TextBlock(data, text, first, len(ends))
