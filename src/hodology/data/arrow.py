"""Parquet and Arrow files in the layout of the hub: images as struct{bytes, path}, labels as integers."""

from __future__ import annotations

import json
from bisect import bisect_right
from functools import cached_property
from pathlib import Path
from typing import Any

from hodology.data.dataset import Dataset, Item
from hodology.data.images import decode_image
from hodology.errors import FileFormatError, InputError, UnknownNameError, near_names
from hodology.files import hash_file, hash_json
from hodology.optional import require

__all__ = ["ArrowFile"]

_HASHED = 256 * 2**20


class ArrowFile(Dataset):
    """Rows of a Parquet file or an Arrow IPC file, read by row group.

    Parameters
    ----------
    file : path
        ``.parquet``, or ``.arrow`` / ``.feather`` (file or stream format).
    image_column, text_column, label_column : str, optional
        Default: the first column of images (struct with ``bytes``, or binary), else the first of text; the
        first column of integers or names called label, labels, fine_label or target.

    Raises
    ------
    FileFormatError
        When the file cannot be read or an image in it is broken.
    UnknownNameError
        When a named column is not there.
    """

    def __init__(
        self,
        file: str | Path,
        *,
        image_column: str | None = None,
        text_column: str | None = None,
        label_column: str | None = None,
    ) -> None:
        self.file = Path(file)
        self.name = self.file.name
        self._open()
        names = list(self.schema.names)
        for column in (image_column, text_column, label_column):
            if column is not None and column not in names:
                raise UnknownNameError(f"{self.file} has no column {column!r}{near_names(column, names)}.")
        self.image_column = image_column or (None if text_column else self._first(_is_image))
        self.text_column = text_column or (None if self.image_column else self._first(_is_text))
        if self.image_column is None and self.text_column is None:
            raise InputError(f"{self.file} has no column of images or text; its columns are {names}.")
        self.kind = "image" if self.image_column else "text"
        known = ("label", "labels", "fine_label", "target")
        self.label_column = label_column or next((n for n in known if n in names), None)
        self.class_names = self._class_names()
        self._cached: tuple[int, list[dict[str, Any]]] | None = None

    def __len__(self) -> int:
        return self.starts[-1]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the file; above 256 MB of its name, size and modification time."""
        stat = self.file.stat()
        if stat.st_size <= _HASHED:
            return hash_file(self.file)
        return hash_json([self.file.name, stat.st_size, stat.st_mtime_ns])

    def items(self, start: int, stop: int) -> list[Item]:
        """Items start .. stop - 1."""
        return [self._item(index) for index in range(start, min(stop, len(self)))]

    def labels(self) -> list[int | None]:
        """Label of every row, from its column alone."""
        if self.label_column is None:
            return [None] * len(self)
        table = self.source.read(columns=[self.label_column]) if hasattr(self.source, "read") else self.source
        values = table.column(self.label_column).to_pylist()
        return [self._label(index, value) for index, value in enumerate(values)]

    def _item(self, index: int) -> Item:
        group = bisect_right(self.starts, index) - 1
        if self._cached is None or self._cached[0] != group:
            self._cached = (group, self._group(group))
        row = self._cached[1][index - self.starts[group]]
        label = self._label(index, row.get(self.label_column)) if self.label_column else None
        name = f"{self.name}:{index}"
        if self.image_column is None:
            return Item(name, row[self.text_column], label)
        cell = row[self.image_column]
        data = cell.get("bytes") if isinstance(cell, dict) else cell
        path = cell.get("path") if isinstance(cell, dict) else None
        if data is None:
            raise FileFormatError(f"{self.file}, row {index}: the image's bytes are not in the file.")
        return Item(path or name, decode_image(data, source=f"{self.file}, row {index}"), label)

    def _label(self, index: int, value: Any) -> int | None:
        if value is None:
            return None
        if isinstance(value, str):
            return (self.class_names or ()).index(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise FileFormatError(
                f"{self.file}, row {index}: label must be an integer or a name, got {value!r}."
            )
        return value

    def _open(self) -> None:
        arrow = require("pyarrow", extra="hf", purpose="reading Parquet and Arrow files")
        try:
            if self.file.suffix.lower() == ".parquet":
                parquet = require("pyarrow.parquet", extra="hf", purpose="reading Parquet files")
                self.source = parquet.ParquetFile(self.file)
                self.schema = self.source.schema_arrow
                meta = self.source.metadata
                sizes = [meta.row_group(i).num_rows for i in range(meta.num_row_groups)]
            else:
                ipc = require("pyarrow.ipc", extra="hf", purpose="reading Arrow files")
                mapped = arrow.memory_map(str(self.file))
                try:
                    self.source = ipc.open_file(mapped).read_all()
                except arrow.ArrowInvalid:
                    self.source = ipc.open_stream(arrow.memory_map(str(self.file))).read_all()
                self.schema = self.source.schema
                sizes = [min(1024, self.source.num_rows - s) for s in range(0, self.source.num_rows, 1024)]
        except (arrow.ArrowInvalid, OSError) as error:
            raise FileFormatError(f"{self.file} is not a readable Parquet or Arrow file: {error}.") from error
        if sum(sizes) == 0:
            raise InputError(f"{self.file} holds no rows.")
        self.starts = [sum(sizes[:i]) for i in range(len(sizes) + 1)]

    def _group(self, group: int) -> list[dict[str, Any]]:
        columns = [c for c in (self.image_column, self.text_column, self.label_column) if c]
        if hasattr(self.source, "read_row_group"):
            return self.source.read_row_group(group, columns=columns).to_pylist()
        start = self.starts[group]
        return self.source.select(columns).slice(start, self.starts[group + 1] - start).to_pylist()

    def _distinct(self, column: str) -> set[str]:
        found: set[str] = set()
        for group in range(len(self.starts) - 1):
            table = self.source
            if hasattr(table, "read_row_group"):
                table = table.read_row_group(group, columns=[column])
            else:
                table = table.select([column]).slice(
                    self.starts[group], self.starts[group + 1] - self.starts[group]
                )
            found |= set(table.column(0).unique().to_pylist()) - {None}
        return found

    def _first(self, test: Any) -> str | None:
        return next((field.name for field in self.schema if test(field.type)), None)

    def _class_names(self) -> tuple[str, ...] | None:
        """Names that `datasets` keeps in the schema's metadata, or those that a column of names holds."""
        if self.label_column is not None and _is_text(self.schema.field(self.label_column).type):
            return tuple(sorted(self._distinct(self.label_column)))
        raw = (self.schema.metadata or {}).get(b"huggingface")
        if raw is None or self.label_column is None:
            return None
        try:
            feature = json.loads(raw)["info"]["features"][self.label_column]
            return tuple(feature["names"])
        except (KeyError, TypeError, json.JSONDecodeError):
            return None  # the metadata are optional and their layout is not ours


def _is_image(kind: Any) -> bool:
    types = require("pyarrow.types", extra="hf", purpose="reading Arrow files")
    if types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0
    return types.is_binary(kind) or types.is_large_binary(kind)


def _is_text(kind: Any) -> bool:
    types = require("pyarrow.types", extra="hf", purpose="reading Arrow files")
    return types.is_string(kind) or types.is_large_string(kind)
