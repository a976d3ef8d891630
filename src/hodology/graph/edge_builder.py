"""Edges given by the names of their ends, gathered piece by piece into a multigraph.

Nodes are numbered in the order of a node table where there is one, else in the order in which they first come:
edge by edge, the source before the target. Relations likewise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hodology.errors import FileFormatError, HodologyError, InputError, near_names
from hodology.graph.multigraph import MultiGraph

__all__ = [
    "KINDS",
    "EdgeBuilder",
    "Fail",
    "NameNumbers",
    "NodeTable",
    "check_kinds",
    "check_unique",
    "parse_column",
    "row_failure",
    "text_column",
]

KINDS = ("text", "int", "float")
_MOST = 2**31 - 2
_PADDED = 256 * 2**20  # bytes; wider text columns are kept without padding
Fail = Callable[[int, str], HodologyError]


class NameNumbers(dict[str, int]):
    """Name to number: a new name gets the next number."""

    def __missing__(self, name: str) -> int:
        number = self[name] = len(self)
        return number

    def numbers(self, names: Sequence[str]) -> np.ndarray:
        """Numbers of names, int32."""
        found = np.fromiter(map(self.__getitem__, names), dtype=np.int32, count=len(names))
        if len(self) > _MOST:
            raise InputError(f"at most {_MOST} different names are supported.")
        return found


@dataclass(frozen=True)
class NodeTable:
    """The nodes of a graph in their order.

    Attributes
    ----------
    ids : list of str
        What edges name them by; no id twice.
    columns : mapping of str to array, shape (nodes,)
        What else is known of them.
    """

    ids: list[str]
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)


class EdgeBuilder:
    """Add edges in pieces, then take the graph.

    Parameters
    ----------
    nodes : NodeTable, optional
        All nodes there are; an edge with another is an error.
    relations : sequence of str, optional
        All relations there are, in their order.
    """

    def __init__(
        self,
        *,
        nodes: NodeTable | None = None,
        relations: Sequence[str] | None = None,
    ) -> None:
        self._nodes, self._relations = nodes, relations
        self._node_numbers = NameNumbers(zip(nodes.ids, range(len(nodes.ids)))) if nodes else NameNumbers()
        self._relation_numbers = NameNumbers(zip(relations or (), range(len(relations or ()))))
        self._ends: list[np.ndarray] = []
        self._kinds: list[np.ndarray] = []
        self._weights: list[np.ndarray] = []
        self._columns: dict[str, list[np.ndarray]] = {}
        self.count = 0

    def add(
        self,
        sources: Sequence[str],
        targets: Sequence[str],
        *,
        relations: Sequence[str] | None = None,
        weights: np.ndarray | None = None,
        columns: Mapping[str, np.ndarray] | None = None,
        fail: Fail | None = None,
    ) -> None:
        """Append edges; every piece must bring the same columns.

        `fail` makes the error of one edge from its place in this piece and a message; by default an `InputError`.

        Raises
        ------
        FileFormatError or InputError
            For a name that is empty or not in the table, or a weight that is not finite or negative.
        """
        fail = fail or self._edge_failure
        ends: list[str] = [""] * (2 * len(sources))
        ends[0::2], ends[1::2] = sources, targets
        self._ends.append(_number(ends, self._node_numbers, self._nodes, "node", fail, per_row=2))
        if relations is not None:
            known, table = self._relation_numbers, self._relations
            self._kinds.append(_number(relations, known, table, "relation", fail))
        if weights is not None:
            wrong = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
            if wrong.size:
                message = f"weight must be finite and 0 or more, got {weights[wrong[0]]}."
                raise fail(int(wrong[0]), message)
            self._weights.append(weights)
        for name, values in (columns or {}).items():
            self._columns.setdefault(name, []).append(values)
        self.count += len(sources)
        if self.count > _MOST // 2:
            raise InputError(f"at most {_MOST // 2} edges are supported.")

    def add_node(self, name: str, *, fail: Fail | None = None) -> None:
        """Append a node that need not have an edge."""
        _number([name], self._node_numbers, self._nodes, "node", fail or self._edge_failure)

    def graph(self, *, directed: bool = True) -> MultiGraph:
        """The graph of all edges added."""
        ends = _joined(self._ends, np.int32)
        has_relations = bool(self._kinds) or self._relations is not None
        return MultiGraph(
            ends[0::2],
            ends[1::2],
            names=list(self._node_numbers),
            relations=_joined(self._kinds, np.int32) if has_relations else None,
            relation_names=list(self._relation_numbers) if has_relations else None,
            weights=_joined(self._weights, np.float64) if self._weights else None,
            directed=directed,
            node_data=self._nodes.columns if self._nodes else None,
            edge_data={name: text_column(np.concatenate(parts)) for name, parts in self._columns.items()},
        )

    def _edge_failure(self, row: int, message: str) -> HodologyError:
        return InputError(f"edge {self.count + row}: {message}")


def parse_column(cells: Sequence[str], kind: str, *, fail: Callable[[int, str], HodologyError]) -> np.ndarray:
    """Cells of text as an array.

    Parameters
    ----------
    cells : sequence of str
    kind : {"text", "int", "float", "weight"}
        Of "float", an empty cell is NaN; a "weight" must be a number.
    fail : callable
        ``fail(row, message)`` makes the error; rows from 0.
    """
    if kind == "text":
        return np.array(cells, dtype=np.dtypes.StringDType())
    number: Callable[[str], float] = int if kind == "int" else float
    if kind == "float" and "" in cells:
        cells = [cell or "nan" for cell in cells]
    dtype = np.int64 if kind == "int" else np.float64
    try:
        if "_" in "".join(cells):  # Python reads 1_000, no other program does
            raise ValueError
        return np.fromiter(map(number, cells), dtype=dtype, count=len(cells))
    except (ValueError, OverflowError):
        row = next(i for i, cell in enumerate(cells) if not _is_number(cell, number))
        what = {"int": "a 64-bit integer", "float": "a number", "weight": "a number (weight)"}[kind]
        raise fail(row, f"{cells[row][:80]!r} is not {what}.") from None


def text_column(values: np.ndarray) -> np.ndarray:
    """Text padded to its longest entry, as numpy users know it; left as it is where that would take over 256 MiB."""
    if values.dtype.kind != "T":
        return values
    longest = max(1, int(np.strings.str_len(values).max(initial=0)))
    return values.astype(f"<U{longest}") if 4 * longest * len(values) <= _PADDED else values


def check_kinds(columns: Mapping[str, str]) -> None:
    """Raise `InputError` when a column is asked for as what no column can be."""
    for name, kind in columns.items():
        if kind not in KINDS:
            raise InputError(
                f"column {name!r} must be text, int or float, got {kind!r}{near_names(kind, KINDS)}."
            )


def check_unique(ids: Sequence[str], *, fail: Fail, what: str = "node") -> None:
    """Raise the error of the first id that is empty or comes twice."""
    seen: set[str] = set()
    for row, name in enumerate(ids):
        if not name:
            raise fail(row, f"a {what} has no name.")
        if name in seen:
            raise fail(row, f"{what} {name!r} comes twice.")
        seen.add(name)


def row_failure(file: object, lines: Sequence[int], *, word: str = "line") -> Fail:
    """Errors that name the file and the number of a row's line."""

    def fail(row: int, message: str) -> HodologyError:
        return FileFormatError(f"{file}, {word} {lines[row]}: {message}")

    return fail


def _number(
    names: Sequence[str], known: NameNumbers, table: object, what: str, fail: Fail, *, per_row: int = 1
) -> np.ndarray:
    """Numbers of names; whether one is new or empty shows in the size of the dictionary, so most pieces pay nothing."""
    before = len(known)
    found = known.numbers(names)
    if len(known) == before:
        return found
    if known.get("", -1) >= before:
        raise fail(names.index("") // per_row, f"a {what} has no name.")
    if table is not None:
        place = int(np.flatnonzero(found >= before)[0])
        near = near_names(names[place], list(known)[:before])
        raise fail(place // per_row, f"{what} {names[place]!r} is not in the table of {what}s{near}.")
    return found


def _is_number(cell: str, number: Callable[[str], Any]) -> bool:
    try:
        value = number(cell)
    except (ValueError, OverflowError):
        return False
    return "_" not in cell and (number is not int or -(2**63) <= value < 2**63)


def _joined(parts: list[np.ndarray], dtype: Any) -> np.ndarray:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=dtype)
