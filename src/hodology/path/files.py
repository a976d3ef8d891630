"""Paths on disk: JSON Lines (streamed), Parquet (rows) and GraphML (the union graph)."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from hodology.errors import FileFormatError, InputError
from hodology.files import atomic_path
from hodology.optional import require
from hodology.path.pathset import Path, PathSet, Step

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["JsonlWriter", "read_jsonl", "read_parquet", "read_path_graph", "write_graphml", "write_parquet"]

_HEADER = {"format": "hodology-paths", "version": 1}
_LONGEST = 10_000_000  # characters of one line


class JsonlWriter:
    """Write paths one by one; the file appears under its name when the block ends well.

    Parameters
    ----------
    file : path
    measure : str
        What the scores mean; written in the header.
    """

    def __init__(self, file: str | FilePath, *, measure: str) -> None:
        self.file = FilePath(file)
        self.measure = measure
        self._stack = ExitStack()

    def __enter__(self) -> JsonlWriter:
        temporary = self._stack.enter_context(atomic_path(self.file))
        self._handle = self._stack.enter_context(open(temporary, "w", encoding="utf-8"))
        self._handle.write(json.dumps({**_HEADER, "measure": self.measure}) + "\n")
        return self

    def __exit__(self, *error: Any) -> bool | None:
        return self._stack.__exit__(*error)

    def extend(self, paths: Iterable[Path]) -> None:
        """Append paths; their measure must be the header's."""
        for path in paths:
            if path.measure != self.measure:
                raise InputError(f"paths must have measure {self.measure!r}, got {path.measure!r}.")
            record = path.to_dict()
            if not math.isfinite(path.score):
                record["score"] = None
            self._handle.write(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n")


def read_jsonl(file: str | FilePath) -> Iterator[Path]:
    """Yield the paths of a JSON Lines file.

    Raises
    ------
    FileFormatError
        For a missing file, another format or version, or a wrong line; names file and line.
    """
    try:
        handle = open(file, encoding="utf-8")  # noqa: SIM115
    except OSError as error:
        raise FileFormatError(f"{file} cannot be read: {error.strerror}.") from error
    with handle:
        header = _line(handle.readline(_LONGEST), file, 1)
        if header.get("format") != _HEADER["format"]:
            raise FileFormatError(f"{file}, line 1: not a file of paths (no format {_HEADER['format']!r}).")
        if header.get("version") != _HEADER["version"]:
            raise FileFormatError(
                f"{file} has version {header.get('version')!r}; this package reads version {_HEADER['version']}."
            )
        number = 1
        while text := handle.readline(_LONGEST):
            number += 1
            yield _path(_line(text, file, number), str(header.get("measure", "")), file, number)


def write_parquet(paths: PathSet, file: str | FilePath) -> None:
    """Write a row per path: id, score, places, units (as text), attributes (as JSON)."""
    arrow = require("pyarrow", extra="hf", purpose="writing Parquet files")
    parquet = require("pyarrow.parquet", extra="hf", purpose="writing Parquet files")
    items = list(paths)
    table = arrow.table(
        {
            "id": arrow.array([p.id for p in items], arrow.string()),
            "score": arrow.array([p.score for p in items], arrow.float64()),
            "places": arrow.array([[s.place for s in p.steps] for p in items], arrow.list_(arrow.string())),
            "units": arrow.array(
                [[json.dumps(s.unit) for s in p.steps] for p in items], arrow.list_(arrow.string())
            ),
            "attributes": arrow.array([json.dumps(dict(p.attributes)) for p in items], arrow.string()),
        }
    ).replace_schema_metadata({"hodology": json.dumps({**_HEADER, "measure": paths.measure})})
    with atomic_path(file) as temporary:
        parquet.write_table(table, temporary)


def read_parquet(file: str | FilePath) -> Iterator[Path]:
    """Yield the paths of a Parquet file written by `write_parquet`."""
    arrow = require("pyarrow", extra="hf", purpose="reading Parquet files")
    parquet = require("pyarrow.parquet", extra="hf", purpose="reading Parquet files")
    try:
        opened = parquet.ParquetFile(file)
    except (arrow.ArrowInvalid, OSError) as error:
        raise FileFormatError(f"{file} is not a readable Parquet file: {error}.") from error
    header = json.loads((opened.schema_arrow.metadata or {}).get(b"hodology", b"{}"))
    if header.get("format") != _HEADER["format"] or header.get("version") != _HEADER["version"]:
        raise FileFormatError(f"{file} holds no paths of version {_HEADER['version']}.")
    number = 0
    for batch in opened.iter_batches():
        for row in batch.to_pylist():
            number += 1
            record = {
                "id": row["id"],
                "score": row["score"],
                "steps": [[p, json.loads(u)] for p, u in zip(row["places"], row["units"], strict=True)],
                "attributes": json.loads(row["attributes"]),
            }
            yield _path(record, header.get("measure", ""), file, number)


def write_graphml(paths: PathSet, file: str | FilePath) -> None:
    """Write the union graph of the paths as GraphML."""
    import networkx

    with atomic_path(file) as temporary:
        networkx.write_graphml(paths.to_networkx(), temporary)


def read_path_graph(file: str | FilePath) -> nx.DiGraph:
    """Read a union graph written by ``PathSet.to_graphml``.

    Raises
    ------
    FileFormatError
        When the file is missing or no GraphML.
    """
    from xml.etree.ElementTree import ParseError

    import networkx

    try:
        graph = networkx.read_graphml(file)
    except (ParseError, networkx.NetworkXError, OSError, KeyError, ValueError) as error:
        raise FileFormatError(f"{file} is not a readable GraphML file: {error}.") from error
    if not graph.is_directed():
        raise FileFormatError(f"{file} holds an undirected graph; path graphs are directed.")
    return graph


def _line(text: str, file: str | FilePath, number: int) -> dict[str, Any]:
    if len(text) >= _LONGEST:
        raise FileFormatError(f"{file}, line {number}: longer than {_LONGEST} characters.")
    try:
        record = json.loads(text)
    except json.JSONDecodeError as error:
        raise FileFormatError(f"{file}, line {number}: not valid JSON ({error.msg}).") from error
    if not isinstance(record, dict):
        raise FileFormatError(f"{file}, line {number}: must be an object, got {type(record).__name__}.")
    return record


def _path(record: dict[str, Any], measure: str, file: str | FilePath, number: int) -> Path:
    where = f"{file}, line {number}"
    score = record.get("score")
    if score is not None and (isinstance(score, bool) or not isinstance(score, (int, float))):
        raise FileFormatError(f"{where}: score must be a number or null, got {score!r}.")
    steps = record.get("steps")
    if not isinstance(steps, list) or not isinstance(record.get("id", ""), str):
        raise FileFormatError(f"{where}: needs 'steps' (a list) and 'id' (text).")
    for step in steps:
        well = isinstance(step, list) and len(step) == 2 and isinstance(step[0], str)
        if not well or isinstance(step[1], bool) or not isinstance(step[1], (int, str)):
            raise FileFormatError(f"{where}: a step must be [place, unit], got {step!r}.")
    attributes = record.get("attributes", {})
    if not isinstance(attributes, dict):
        raise FileFormatError(f"{where}: attributes must be an object, got {attributes!r}.")
    return Path(
        tuple(Step(place, unit) for place, unit in steps),
        float("nan") if score is None else float(score),
        measure,
        record.get("id", ""),
        attributes,
    )
