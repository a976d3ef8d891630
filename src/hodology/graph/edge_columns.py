"""Which column of a table of edges is what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from hodology.errors import FileFormatError, InputError, UnknownNameError, near_names
from hodology.graph.edge_builder import check_kinds

__all__ = ["ColumnName", "Columns", "EdgeColumns", "choose_columns", "known_header"]

ColumnName = str | int
Columns = Sequence[str] | Mapping[str, str] | Literal["all"]

# pairs of column names that other programs give to the ends of an edge, and their names of its relation
_KNOWN = {
    ("head", "tail"): ("relation",),
    ("source", "target"): ("relation", "metaedge", "interaction", "predicate"),
    ("subject", "object"): ("predicate", "relation"),
    ("from", "to"): ("relation",),
    ("h", "t"): ("r",),
    ("pre", "post"): ("type",),
    (":start_id", ":end_id"): (":type",),
}


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
    for (head, tail), relations in _KNOWN.items():
        if head in lower and tail in lower:
            relation = next((names[lower.index(r)] for r in relations if r in lower), None)
            return names[lower.index(head)], names[lower.index(tail)], relation
    return None


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

    The default names of relation and weight are taken where there are such columns; when there are no columns "head"
    and "tail", the pairs source/target, subject/object, from/to, h/t, pre/post and :START_ID/:END_ID are tried.

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
            head, tail, found = known
            relation = found if relation == "relation" else relation
    if relation == "relation" and relation not in names:
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
