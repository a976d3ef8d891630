"""The package's own graph file: everything of a graph in one ``.npz`` without pickle, read back exactly."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from hodology.errors import FileFormatError, InputError
from hodology.files import read_arrays, write_arrays
from hodology.graph.multigraph import MultiGraph
from hodology.graph.text_blocks import MAX_BYTES

__all__ = ["read_npz", "write_npz"]

_HEADER = {"format": "hodology-graph", "version": 1}


def write_npz(graph: MultiGraph, file: str | Path) -> None:
    """Write all of a graph, atomically; equal graphs give equal bytes.

    Raises
    ------
    InputError
        For columns of objects, and text that is no valid Unicode.
    """
    arrays: dict[str, np.ndarray] = {"tails": graph.tails, "heads": graph.heads}
    header: dict[str, Any] = {**_HEADER, "n_nodes": graph.n_nodes, "directed": graph.directed}
    header["named"] = graph.names is not None
    if graph.names is not None:
        _put_text(arrays, "names", graph.names)
    if graph.relations is not None:
        arrays["relations"] = graph.relations
        _put_text(arrays, "relation_names", graph.relation_names)
    if graph.weights is not None:
        arrays["weights"] = graph.weights
    for part, columns in (("node", graph.node_data), ("edge", graph.edge_data)):
        header[part] = [[name, values.dtype.str if values.dtype.kind == "U" else values.dtype.kind]
                        for name, values in columns.items()]  # fmt: skip
        for place, values in enumerate(columns.values()):
            _put(arrays, f"{part}_{place}", values)
    arrays["header"] = _bytes(json.dumps(header))
    write_arrays(file, arrays)


def read_npz(file: str | Path, *, max_bytes: int = MAX_BYTES) -> MultiGraph:
    """Read a graph that `write_npz` wrote.

    Raises
    ------
    FileFormatError
        For a file that is damaged, no such graph, of another version, or larger than `max_bytes` when unpacked.
    """
    _check_size(file, max_bytes)
    arrays = read_arrays(file, names=["header", "tails", "heads"])
    header = _header(file, arrays["header"])
    try:
        data = {
            part: {
                name: _take(arrays, f"{part}_{place}", kind)
                for place, (name, kind) in enumerate(header[part])
            }
            for part in ("node", "edge")
        }
        if int(header["n_nodes"]) > 2**31 - 2:
            raise ValueError(f"{header['n_nodes']} nodes are more than 32-bit indices can name")
        return MultiGraph(
            arrays["tails"],
            arrays["heads"],
            n_nodes=int(header["n_nodes"]),
            directed=bool(header["directed"]),
            names=_take_text(arrays, "names") if header["named"] else None,
            relations=arrays.get("relations"),
            relation_names=_take_text(arrays, "relation_names") if "relations" in arrays else None,
            weights=arrays.get("weights"),
            node_data=data["node"],
            edge_data=data["edge"],
        )
    except (InputError, KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        raise FileFormatError(f"{file} holds no valid graph: {_line(error)}.") from error


def _put(arrays: dict[str, np.ndarray], name: str, values: np.ndarray) -> None:
    """Text goes as UTF-8: padded text would be many times larger, and text of any length has no .npy form."""
    if values.dtype.kind in "UT" and values.ndim == 1:
        _put_text(arrays, name, values.tolist())
    else:
        arrays[name] = values


def _put_text(arrays: dict[str, np.ndarray], name: str, texts: Any) -> None:
    try:
        encoded = [text.encode() for text in texts]
    except UnicodeEncodeError as error:
        raise InputError(f"{name}: {error.object!r} is no valid Unicode text.") from error
    arrays[f"{name}.text"] = np.frombuffer(b"".join(encoded), dtype=np.uint8)
    arrays[f"{name}.ends"] = np.cumsum([len(text) for text in encoded], dtype=np.int64)


def _take(arrays: dict[str, np.ndarray], name: str, kind: str) -> np.ndarray:
    if name in arrays:
        return arrays[name]
    texts = _take_text(arrays, name)
    if kind == "T":
        return np.array(texts, dtype=np.dtypes.StringDType())
    longest = max(map(len, texts), default=0)
    width = int(kind.lstrip("<>=|U"))
    if width > max(longest, 1) and 4 * width * len(texts) > MAX_BYTES:
        raise ValueError(f"column {name} claims texts of {width} characters")
    return np.array(texts, dtype=f"<U{width}")


def _take_text(arrays: dict[str, np.ndarray], name: str) -> list[str]:
    data, ends = arrays[f"{name}.text"], arrays[f"{name}.ends"]
    if data.dtype != np.uint8 or data.ndim != 1 or ends.dtype != np.int64 or ends.ndim != 1:
        raise ValueError(f"the text {name} is damaged")
    starts = np.concatenate([np.zeros(1, dtype=np.int64), ends])
    if (np.diff(starts) < 0).any() or starts[-1] != len(data):
        raise ValueError(f"the text {name} is damaged")
    raw = data.tobytes()
    places = starts.tolist()
    return [raw[a:b].decode() for a, b in zip(places, places[1:])]


def _header(file: str | Path, data: np.ndarray) -> dict[str, Any]:
    try:
        header = json.loads(data.tobytes())
    except ValueError as error:
        raise FileFormatError(f"{file}: its header is damaged.") from error
    if not isinstance(header, dict) or header.get("format") != _HEADER["format"]:
        raise FileFormatError(f"{file} is no graph of this package (no format {_HEADER['format']!r}).")
    if header.get("version") != _HEADER["version"]:
        found = header.get("version")
        raise FileFormatError(f"{file} has version {found!r}; this package reads {_HEADER['version']}.")
    return header


def _check_size(file: str | Path, max_bytes: int) -> None:
    """What an archive says is the most that is unpacked of it."""
    try:
        with zipfile.ZipFile(file) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    except OSError as error:
        raise FileFormatError(f"{file} cannot be read: {error.strerror or error}.") from error
    except Exception as error:  # zipfile raises several types on damaged bytes
        raise FileFormatError(f"{file} cannot be read as .npz: {_line(error)}.") from error
    if size > max_bytes:
        raise FileFormatError(f"{file} unpacks to {size:,} bytes, more than max_bytes = {max_bytes:,}.")


def _bytes(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), dtype=np.uint8)


def _line(error: Exception) -> str:
    return str(error).split("\n")[0].rstrip(".")
