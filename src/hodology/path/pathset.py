"""Paths through networks, kept in columns.

A path is an ordered run of steps; a step is a place (a layer, a relation, a grid, a time) and a unit there
(a neuron's index, a node's name, a cell). A `PathSet` holds many in arrays, so 50,000 paths of 12 steps take
a few megabytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from hodology.errors import InputError, UnknownNameError, near_names

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["Path", "PathSet", "Step"]

Value = str | int | float | bool | None
_PAIRS = 4 * 10**8  # entries of a pairwise matrix that are refused above


@dataclass(frozen=True)
class Step:
    """One step: a unit at a place."""

    place: str
    unit: int | str


@dataclass(frozen=True)
class Path:
    """An ordered run of steps with a score.

    Attributes
    ----------
    steps : tuple of Step
    score : float
    measure : str
        What the score means, for example ``"joint attribution score (product)"``.
    id : str
        What the path belongs to, for example an image's file name.
    attributes : mapping of str to str, int, float, bool or None
    """

    steps: tuple[Step, ...]
    score: float
    measure: str
    id: str = ""
    attributes: Mapping[str, Value] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.steps)

    def to_dict(self) -> dict[str, Any]:
        """The path as JSON writes it."""
        return {
            "id": self.id,
            "score": self.score,
            "steps": [[s.place, s.unit] for s in self.steps],
            "attributes": dict(self.attributes),
        }


class PathSet:
    """An immutable, ordered collection of paths of one measure.

    Build it with `from_paths` or, without making a Python object per step, `from_units`. Indexing with an
    integer gives a `Path`; with a slice, an index array or a boolean mask a `PathSet`.

    Examples
    --------
    >>> import numpy as np
    >>> units = np.array([[4, 7, 1], [4, 2, 1]])
    >>> paths = PathSet.from_units(units, ["fc1", "fc2", "fc3"], np.array([0.5, 0.25]), measure="score")
    >>> paths[0].steps[1]
    Step(place='fc2', unit=7)
    >>> print(f"{paths.overlap()[0, 1]:.2f}")  # two steps of three
    0.67
    """

    def __init__(
        self,
        *,
        places: Sequence[str],
        units: Sequence[int | str] | np.ndarray,
        step_place: np.ndarray,
        step_unit: np.ndarray,
        offsets: np.ndarray,
        scores: np.ndarray,
        measure: str,
        ids: Sequence[str],
        attributes: Mapping[str, Sequence[Value]] | None = None,
    ) -> None:
        self.places = tuple(places)
        self.vocabulary = None if isinstance(units, np.ndarray) and units.size == 0 else tuple(units)
        self.step_place = _frozen(step_place, np.int32)
        self.step_unit = _frozen(step_unit, np.int64)
        self.offsets = _frozen(offsets, np.int64)
        self.scores = _frozen(scores, np.float64)
        self.measure = measure
        self.ids = tuple(ids)
        self.attributes: Mapping[str, tuple[Value, ...]] = MappingProxyType(
            {name: tuple(values) for name, values in (attributes or {}).items()}
        )
        lengths = {len(self.scores), len(self.ids), len(self.offsets) - 1}
        lengths |= {len(values) for values in self.attributes.values()}
        if len(lengths) != 1:
            raise InputError(
                f"scores, ids and attributes must have one entry per path, got lengths {sorted(lengths)}."
            )

    @classmethod
    def from_units(
        cls,
        units: np.ndarray,
        places: Sequence[str],
        scores: np.ndarray,
        *,
        measure: str,
        ids: Sequence[str] | None = None,
        attributes: Mapping[str, Sequence[Value]] | None = None,
    ) -> PathSet:
        """Build from one rectangular array.

        Parameters
        ----------
        units : int ndarray, shape (paths, places) or (paths, places, k)
            With k > 1, k steps follow each other at each place, best first.
        places : sequence of str
        scores : float ndarray, shape (paths,)
        measure : str
        ids : sequence of str, optional
            Default ``"0"``, ``"1"``, ...
        attributes : mapping of str to a value per path, optional

        Raises
        ------
        InputError
            When shapes do not fit or units are negative.
        """
        units = np.asarray(units)
        units = units[:, :, None] if units.ndim == 2 else units
        if units.ndim != 3 or units.shape[1] != len(places) or not np.issubdtype(units.dtype, np.integer):
            raise InputError(
                f"units must be integers of shape (paths, {len(places)}) or (paths, {len(places)}, k), got "
                f"{units.dtype} of shape {units.shape}."
            )
        if units.size and units.min() < 0:
            raise InputError(f"units must be 0 or more, got {units.min()}.")
        n, _, k = units.shape
        return cls(
            places=places,
            units=np.empty(0),
            step_place=np.tile(np.repeat(np.arange(len(places)), k), n),
            step_unit=units.reshape(-1),
            offsets=np.arange(n + 1) * len(places) * k,
            scores=np.asarray(scores, dtype=np.float64),
            measure=measure,
            ids=[str(i) for i in range(n)] if ids is None else ids,
            attributes=attributes,
        )

    @classmethod
    def from_paths(cls, paths: Iterable[Path]) -> PathSet:
        """Build from paths; all must have the same measure. Attributes that a path lacks become None."""
        items = list(paths)
        measures = {p.measure for p in items} or {""}
        if len(measures) > 1:
            raise InputError(f"paths must have one measure, got {sorted(measures)[:2]}.")
        places: dict[str, int] = {}
        vocabulary: dict[int | str, int] = {}
        numeric = all(isinstance(s.unit, int) for p in items for s in p.steps)
        step_place, step_unit = [], []
        for step in (s for p in items for s in p.steps):
            step_place.append(places.setdefault(step.place, len(places)))
            step_unit.append(step.unit if numeric else vocabulary.setdefault(step.unit, len(vocabulary)))
        names = dict.fromkeys(name for p in items for name in p.attributes)
        return cls(
            places=list(places),
            units=np.empty(0) if numeric else list(vocabulary),
            step_place=np.array(step_place, dtype=np.int32),
            step_unit=np.array(step_unit, dtype=np.int64),
            offsets=np.cumsum([0, *(len(p) for p in items)]),
            scores=np.array([p.score for p in items], dtype=np.float64),
            measure=measures.pop(),
            ids=[p.id for p in items],
            attributes={name: [p.attributes.get(name) for p in items] for name in names},
        )

    def __len__(self) -> int:
        return len(self.scores)

    def __repr__(self) -> str:
        return f"PathSet({len(self)} paths through {len(self.places)} places, measure={self.measure!r})"

    def __iter__(self) -> Iterator[Path]:
        return (self._path(i) for i in range(len(self)))

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, (int, np.integer)):
            if not -len(self) <= index < len(self):
                raise IndexError(f"path {index} of {len(self)}")
            return self._path(int(index) % len(self))
        rows = np.arange(len(self))[index]
        spans = [np.arange(self.offsets[i], self.offsets[i + 1]) for i in rows]
        take = np.concatenate(spans) if spans else np.empty(0, dtype=np.int64)
        return PathSet(
            places=self.places,
            units=np.empty(0) if self.vocabulary is None else self.vocabulary,
            step_place=self.step_place[take],
            step_unit=self.step_unit[take],
            offsets=np.cumsum([0, *(len(s) for s in spans)]),
            scores=self.scores[rows],
            measure=self.measure,
            ids=[self.ids[i] for i in rows],
            attributes={name: [values[i] for i in rows] for name, values in self.attributes.items()},
        )

    def where(self, attribute: str, value: Value) -> PathSet:
        """The paths whose attribute has this value."""
        return self[np.array([v == value for v in self._column(attribute)], dtype=bool)]

    def concat(self, other: PathSet) -> PathSet:
        """Both sets' paths, these first."""
        return PathSet.from_paths([*self, *other])

    def equals(self, other: PathSet) -> bool:
        """Whether both hold the same paths in the same order (NaN scores count as equal)."""
        if len(self) != len(other) or self.measure != other.measure:
            return False
        same_scores = np.array_equal(self.scores, other.scores, equal_nan=True)
        return same_scores and all(
            a.steps == b.steps and a.id == b.id and dict(a.attributes) == dict(b.attributes)
            for a, b in zip(self, other, strict=True)
        )

    def units(self) -> np.ndarray:
        """Units as one int array ``(paths, places, k)``.

        Raises
        ------
        InputError
            When paths differ in their places, or units are names.
        """
        if self.vocabulary is not None:
            raise InputError("units of these paths are names, not indices; iterate over the paths.")
        n, count = len(self), len(self.step_place) // max(len(self), 1)
        first = self.step_place[:count]
        regular = n * count == len(self.step_place) and np.array_equal(self.offsets, np.arange(n + 1) * count)
        k = count // max(len(self.places), 1)
        if (
            not regular
            or not np.array_equal(self.step_place, np.tile(first, n))
            or k * len(self.places) != count
        ):
            raise InputError("the paths do not run through the same places; iterate over them.")
        return self.step_unit.reshape(n, len(self.places), k)

    def overlap(self, other: PathSet | None = None) -> np.ndarray:
        """Share of steps that two paths have in common: ``|A and B| / max(|A|, |B|)``, for all pairs.

        For layered paths it is the share of layers in which both take the same unit.

        Returns
        -------
        ndarray of float, shape (len(self), len(other or self))
        """
        return self.similarity(other, kind="overlap")

    def similarity(
        self, other: PathSet | None = None, *, kind: Literal["overlap", "jaccard", "dice"] = "jaccard"
    ) -> np.ndarray:
        """Similarity of all pairs of paths as sets of steps.

        Parameters
        ----------
        other : PathSet, optional
            Default: this set.
        kind : {"overlap", "jaccard", "dice"}
            Shared steps over the larger path, over the union, or over the mean length.

        Raises
        ------
        InputError
            When the matrix would have more than 4e8 entries.
        """
        other = self if other is None else other
        if len(self) * len(other) > _PAIRS:
            raise InputError(
                f"{len(self)} x {len(other)} similarities are more than {_PAIRS:.0e}; take a part of the paths."
            )
        columns: dict[Step, int] = {}
        a, b = self._incidence(columns), other._incidence(columns)
        a.resize(len(self), len(columns))
        b.resize(len(other), len(columns))
        shared = (a @ b.T).toarray().astype(np.float64)
        sizes = np.asarray(a.sum(axis=1)).reshape(-1, 1), np.asarray(b.sum(axis=1)).reshape(1, -1)
        whole = {
            "overlap": np.maximum(*sizes),
            "jaccard": sizes[0] + sizes[1] - shared,
            "dice": (sizes[0] + sizes[1]) / 2,
        }
        if kind not in whole:
            raise UnknownNameError(f"kind {kind!r} is not a similarity{near_names(kind, whole)}.")
        return np.divide(shared, whole[kind], out=np.zeros_like(shared), where=whole[kind] > 0)

    def unit_counts(self, by: str | None = None) -> list[dict[str, Any]]:
        """How often each unit is used, most used first: rows of place, unit, count (and the attribute `by`)."""
        groups = [None] * len(self) if by is None else list(self._column(by))
        counts: dict[tuple[Any, str, int | str], int] = {}
        for group, path in zip(groups, self, strict=True):
            for step in path.steps:
                key = (group, step.place, step.unit)
                counts[key] = counts.get(key, 0) + 1
        rows = sorted(counts.items(), key=lambda item: -item[1])
        head = {} if by is None else {by: None}
        return [
            {**({by: g} if by is not None else head), "place": p, "unit": u, "count": c}
            for (g, p, u), c in rows
        ]

    def to_networkx(self) -> nx.DiGraph:
        """Union graph: a node per (place, unit), an edge per consecutive pair with `weight` (how many paths) and
        `score` (their mean score)."""
        import networkx

        graph = networkx.DiGraph(measure=self.measure)
        for path in self:
            for step in path.steps:
                graph.add_node(f"{step.place}#{step.unit}", place=step.place, unit=step.unit)
            for tail, head in zip(path.steps, path.steps[1:]):
                a, b = f"{tail.place}#{tail.unit}", f"{head.place}#{head.unit}"
                data = graph.get_edge_data(a, b, default={"weight": 0, "score": 0.0})
                total = data["score"] * data["weight"] + path.score
                graph.add_edge(a, b, weight=data["weight"] + 1, score=total / (data["weight"] + 1))
        return graph

    def to_jsonl(self, file: str | FilePath) -> None:
        """Write JSON Lines: a header line, then a path a line. Read back with `from_jsonl`."""
        from hodology.path.files import JsonlWriter

        with JsonlWriter(file, measure=self.measure) as writer:
            writer.extend(self)

    @classmethod
    def from_jsonl(cls, file: str | FilePath) -> PathSet:
        """Read JSON Lines; raises `FileFormatError` with the line that is wrong."""
        from hodology.path.files import read_jsonl

        return cls.from_paths(read_jsonl(file))

    def to_parquet(self, file: str | FilePath) -> None:
        """Write a Parquet file, a row per path (extra ``hf``)."""
        from hodology.path.files import write_parquet

        write_parquet(self, file)

    @classmethod
    def from_parquet(cls, file: str | FilePath) -> PathSet:
        """Read what `to_parquet` wrote (extra ``hf``)."""
        from hodology.path.files import read_parquet

        return cls.from_paths(read_parquet(file))

    def to_graphml(self, file: str | FilePath) -> None:
        """Write the union graph (`to_networkx`) as GraphML; `read_path_graph` reads it."""
        from hodology.path.files import write_graphml

        write_graphml(self, file)

    def draw(self, *, max_paths: int = 200, width: int = 900) -> str:
        """A standalone SVG: places as columns, units as nodes, steps as lines."""
        from hodology.path.drawing import draw_paths

        return draw_paths(self, max_paths=max_paths, width=width)

    def _repr_svg_(self) -> str:
        return self.draw()

    def _column(self, attribute: str) -> tuple[Value, ...]:
        if attribute not in self.attributes:
            raise UnknownNameError(
                f"attribute {attribute!r} is not there{near_names(attribute, self.attributes)}."
            )
        return self.attributes[attribute]

    def _path(self, i: int) -> Path:
        span = slice(self.offsets[i], self.offsets[i + 1])
        words = self.vocabulary
        steps = tuple(
            Step(self.places[p], int(u) if words is None else words[u])
            for p, u in zip(self.step_place[span], self.step_unit[span], strict=True)
        )
        attributes = {name: values[i] for name, values in self.attributes.items()}
        return Path(steps, float(self.scores[i]), self.measure, self.ids[i], attributes)

    def _incidence(self, columns: dict[Step, int]) -> Any:
        """Sparse path x step matrix of zeros and ones; new steps are added to `columns`."""
        from scipy.sparse import csr_array

        words = self.vocabulary
        known: dict[tuple[int, int], int] = {}
        index = np.empty(len(self.step_place), dtype=np.int64)
        for i, key in enumerate(zip(self.step_place.tolist(), self.step_unit.tolist(), strict=True)):
            if key not in known:
                unit = key[1] if words is None else words[key[1]]
                known[key] = columns.setdefault(Step(self.places[key[0]], unit), len(columns))
            index[i] = known[key]
        ones = np.ones(len(index), dtype=np.int32)
        matrix = csr_array((ones, index, self.offsets.copy()), shape=(len(self), max(len(columns), 1)))
        matrix.sum_duplicates()
        matrix.data[:] = 1
        return matrix


def _frozen(values: np.ndarray, dtype: type) -> np.ndarray:
    array: np.ndarray = np.array(values, dtype=dtype)
    array.flags.writeable = False
    return array
