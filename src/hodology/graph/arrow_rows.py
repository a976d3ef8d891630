"""Rows of Parquet and Arrow files as columns of text and numbers, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hodology.errors import FileFormatError
from hodology.graph.edge_builder import Fail
from hodology.graph.text_blocks import MAX_BYTES
from hodology.optional import require

__all__ = ["ArrowRows", "data_column", "name_cells"]

_ROWS = 65_536


class ArrowRows:
    """A Parquet file, or an Arrow IPC file or stream (also Feather version 2).

    Parameters
    ----------
    file : path
    max_bytes : int
        Most bytes that the file may say it unpacks to.

    Attributes
    ----------
    names : list of str
    metadata : dict of bytes to bytes
        Of the schema.

    Raises
    ------
    FileFormatError
        When the file cannot be read.
    MissingExtraError
        Without pyarrow.
    """

    def __init__(self, file: str | Path, *, max_bytes: int = MAX_BYTES) -> None:
        self.file = file
        self._arrow = require("pyarrow", extra="hf", purpose="reading Parquet and Arrow files")
        try:
            with open(file, "rb") as handle:
                start = handle.read(4)
            self._opened = self._parquet(max_bytes) if start == b"PAR1" else self._ipc(max_bytes)
        except self._errors as error:
            raise FileFormatError(f"{file} is no readable Parquet or Arrow file: {_line(error)}.") from error
        schema = self._opened.schema_arrow if hasattr(self._opened, "schema_arrow") else self._opened.schema
        self.names = list(schema.names)
        self.metadata = dict(schema.metadata or {})

    def batches(self, places: Sequence[int]) -> Iterator[list[Any]]:
        """Yield the columns at these places (Arrow arrays), a batch of rows at a time."""
        try:
            if hasattr(self._opened, "iter_batches"):
                names = [self.names[place] for place in places]
                batches = self._opened.iter_batches(_ROWS, columns=names, use_threads=False)
            else:
                batches = self._opened.to_batches(max_chunksize=_ROWS)
            for batch in batches:
                batch.validate(full=True)
                yield [batch.column(self.names[place]) for place in places]
        except self._errors as error:
            raise FileFormatError(f"{self.file} is damaged: {_line(error)}.") from error

    @property
    def _errors(self) -> tuple[type[Exception], ...]:
        return (self._arrow.ArrowException, OSError, KeyError, UnicodeDecodeError)

    def _parquet(self, max_bytes: int) -> Any:
        parquet = require("pyarrow.parquet", extra="hf", purpose="reading Parquet files")
        opened = parquet.ParquetFile(self.file)
        meta = opened.metadata
        self._bound(sum(meta.row_group(i).total_byte_size for i in range(meta.num_row_groups)), max_bytes)
        return opened

    def _ipc(self, max_bytes: int) -> Any:
        ipc = require("pyarrow.ipc", extra="hf", purpose="reading Arrow files")
        try:
            table = ipc.open_file(self._arrow.memory_map(str(self.file))).read_all()
        except self._arrow.ArrowInvalid:
            table = ipc.open_stream(self._arrow.memory_map(str(self.file))).read_all()
        self._bound(table.nbytes, max_bytes)
        return table

    def _bound(self, size: int, max_bytes: int) -> None:
        if size > max_bytes:
            raise FileFormatError(f"{self.file} holds {size:,} bytes, more than max_bytes = {max_bytes:,}.")


def name_cells(column: Any, name: str, *, fail: Fail) -> list[str]:
    """Names as text; whole numbers are written out.

    Raises
    ------
    FileFormatError
        For a null, or a column that is neither text nor whole numbers.
    """
    types = require("pyarrow.types", extra="hf", purpose="reading Arrow files")
    if column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0])
        raise fail(row, f"column {name!r} has no value.")
    if not types.is_dictionary(column.type):
        column = column.dictionary_encode()
    values = column.dictionary.to_pylist()
    kind = column.dictionary.type
    if types.is_integer(kind):
        values = [str(value) for value in values]
    elif values and not (types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)):
        raise fail(0, f"column {name!r} must hold text or whole numbers, got {kind}.")
    table = np.empty(len(values), dtype=object)
    table[:] = values
    cells: list[str] = table[column.indices.to_numpy(zero_copy_only=False).astype(np.int64)].tolist()
    return cells


def data_column(column: Any, name: str, *, fail: Fail) -> np.ndarray:
    """Numbers and truth values as they are (null becomes NaN), all else as text (null becomes empty).

    Raises
    ------
    FileFormatError
        For lists, structs and other values that are not one per row.
    """
    types = require("pyarrow.types", extra="hf", purpose="reading Arrow files")
    kind = column.type
    if types.is_dictionary(kind):
        column, kind = column.dictionary_decode(), kind.value_type
    if types.is_nested(kind) or types.is_binary(kind) or types.is_large_binary(kind):
        raise fail(0, f"column {name!r} holds {kind}, not one text or number per row.")
    if (
        types.is_floating(kind)
        or types.is_integer(kind)
        or (types.is_boolean(kind) and not column.null_count)
    ):
        values = np.asarray(column.to_numpy(zero_copy_only=False))
        if values.dtype != object:
            return values
    texts = ["" if value is None else str(value) for value in column.to_pylist()]
    return np.array(texts, dtype=np.dtypes.StringDType())


def _line(error: Exception) -> str:
    return str(error).split("\n")[0].rstrip(".")
