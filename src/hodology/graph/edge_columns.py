"""Which column of a table of edges is what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from hodology.errors import FileFormatError, InputError, UnknownNameError, near_names
from hodology.graph.edge_builder import check_kinds

__all__ = ["RELATION_NAMES", "ColumnName", "Columns", "EdgeColumns", "choose_columns", "known_header"]

ColumnName = str | int
Columns = Sequence[str] | Mapping[str, str] | Literal["all"]

# pairs of column names that other programs give to the ends of an edge
_KNOWN = (
    ("head", "tail"),
    ("source", "target"),
    ("subject", "object"),
    ("from", "to"),
    ("h", "t"),
    ("pre", "post"),
    (":start_id", ":end_id"),
)
# and their names of its relation, the first that is there counts
RELATION_NAMES = (
    "relation",
    "predicate",
    "metaedge",
    "interaction",
    "rel",
    "edge_type",
    "type",
    ":type",
)


@dataclass(frozen=True)
class EdgeColumns:
    """Places of columns in a row, from 0.

    Attributes
    ----------
    head, tail : int
    relation, weight : int or None
    others : dict of str to int
        Columns for the edge data.
    kinds : dict of str to str
        What they are read as: "text", "int" or "float".
    """

    head: int
    tail: int
    relation: int | None
    weight: int | None
    others: dict[str, int]
    kinds: dict[str, str]


def known_header(names: Sequence[str]) -> tuple[str, str, str | None] | None:
    """Names of the head, tail and relation column when a row holds a pair of names that is in use, else None."""
    lower = [name.strip().lower() for name in names]
    for head, tail in _KNOWN:
        if head in lower and tail in lower:
            return names[lower.index(head)], names[lower.index(tail)], _relation_name(names)
    return None


def _relation_name(names: Sequence[str]) -> str | None:
    """The column that holds relations, by its name.

    Beside an "id" a "type" is not meant: Gephi writes there whether an edge is directed. Nor is it in the files of this
    package, which say head, tail, and then what else is known of an edge.
    """
    lower = [name.strip().lower() for name in names]
    left = {"type"} if "id" in lower else set()
    known = ("relation",) if lower[:2] == ["head", "tail"] else RELATION_NAMES
    known = (*known, "r") if {"h", "t"} <= set(lower) else known
    return next((names[lower.index(name)] for name in known if name in lower and name not in left), None)


def choose_columns(
    names: Sequence[str],
    *,
    source: object,
    head: ColumnName = "head",
    relation: ColumnName | None = "relation",
    tail: ColumnName = "tail",
    weight: ColumnName | None = "weight",
    columns: Columns = (),
) -> EdgeColumns:
    """Find the columns of a table by name, or by place from 0.

    The default names of relation and weight are taken where there are such columns, for the relation also those of
    `RELATION_NAMES` that `columns` does not ask for; when there are no columns "head" and "tail", the pairs
    source/target, subject/object, from/to, h/t, pre/post and :START_ID/:END_ID are tried.

    Raises
    ------
    UnknownNameError
        When there is no such column, with near names.
    FileFormatError
        When a name that is asked for comes twice.
    """
    if (head, tail) == ("head", "tail") and not {"head", "tail"} <= set(names):
        known = known_header(names)
        if known is not None:
            head, tail, _ = known
    if relation == "relation" and relation not in names:
        relation = _relation_name(names)
        if relation in (head, tail, weight) or (columns != "all" and relation in columns):
            relation = None
    if weight == "weight" and weight not in names:
        weight = next((name for name in names if name.strip().lower() == "weight"), None)
    places = {
        what: None if name is None else _place(name, names, source)
        for what, name in (("head", head), ("tail", tail), ("relation", relation), ("weight", weight))
    }
    used = [place for place in places.values() if place is not None]
    if len(set(used)) != len(used):
        raise InputError(f"head, relation, tail and weight must be different columns, got {places}.")
    kinds = _kinds(columns, names, used)
    others = {name: _place(name, names, source) for name in kinds}
    first, last = used[0], used[1]
    return EdgeColumns(first, last, places["relation"], places["weight"], others, kinds)


def _kinds(columns: Columns, names: Sequence[str], used: Sequence[int]) -> dict[str, str]:
    if isinstance(columns, str):
        if columns != "all":
            raise InputError(f"columns must be 'all', names, or a mapping of name to kind, got {columns!r}.")
        return {name: "text" for place, name in enumerate(names) if place not in used}
    kinds = dict(columns) if isinstance(columns, Mapping) else dict.fromkeys(columns, "text")
    check_kinds(kinds)
    return kinds


def _place(name: ColumnName, names: Sequence[str], source: object) -> int:
    if isinstance(name, int) and not isinstance(name, bool):
        if not 0 <= name < len(names):
            raise UnknownNameError(f"{source} has no column {name}; it has columns 0 to {len(names) - 1}.")
        return name
    found = [place for place, other in enumerate(names) if other == name]
    if not found:
        raise UnknownNameError(f"{source} has no column {name!r}{near_names(str(name), names)}.")
    if len(found) > 1:
        raise FileFormatError(f"{source} has two columns {name!r}.")
    return found[0]
