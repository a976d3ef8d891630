"""The object that a study's ``run`` gets: seeds and size in, claims and tables out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hodology.errors import InputError
from hodology.files import hash_json
from hodology.study.catalogue import Paper
from hodology.study.claims import Claim, judge
from hodology.study.source import source_hash
from hodology.work import Engine, SerialEngine, UnitStore, make_unit, run_units

__all__ = ["SEEDS", "Size", "Study"]

Size = Literal["quick", "standard"]
SEEDS: Mapping[str, int] = {"quick": 3, "standard": 5}


@dataclass
class Study:
    """One run of a paper's study.

    Attributes
    ----------
    paper : Paper
    size : {"quick", "standard"}
        Quick checks in seconds, standard is what the atlas shows.
    seeds : tuple of int
        Fixed in advance: 0, 1, 2, ...
    data : str or None
        Folder of the real data set, when the user has it.
    claims, tables, notes
        What the study reported so far.
    """

    paper: Paper
    size: Size
    seeds: tuple[int, ...]
    data: str | None = None
    engine: Engine = field(default_factory=SerialEngine)
    store: UnitStore | None = None
    on_seed: Callable[[], None] | None = None
    claims: list[Claim] = field(default_factory=list)
    tables: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def measure(self, function: str, **options: Any) -> list[dict[str, Any]]:
        """Run ``function(payload) -> JSON bytes`` once per seed and return the results in order.

        The payload holds ``seed``, ``size``, ``data`` and `options`. Seeds run as units of work: in parallel
        when the engine can, kept on disk, and never run twice for the same code and data.
        """
        common = {"size": self.size, "data": self.data, "source": source_hash(), **options}
        if self.data is not None:
            common["content"] = _content(Path(self.data))
        units = [make_unit(function, {"seed": seed, **common}) for seed in self.seeds]
        if self.store is None:
            raise InputError("a study needs a store for its units.")
        run_units(
            function,
            units,
            self.store,
            engine=self.engine,
            on_done=None if self.on_seed is None else lambda key: self.on_seed(),  # type: ignore[misc]
        )
        return [json.loads(self.store.load(unit.key)) for unit in units]

    def claim(
        self,
        claim: str,
        *,
        paper: str,
        measured: Sequence[float] | np.ndarray,
        unit: str = "",
        holds_above: float | None = None,
        holds_below: float | None = None,
        note: str = "",
    ) -> Claim:
        """Judge a claim by one value per seed (see `hodology.study.judge`) and keep it."""
        if len(measured) != len(self.seeds):
            raise InputError(
                f"claim {claim!r} needs one value per seed ({len(self.seeds)}), got {len(measured)}."
            )
        found = judge(
            claim,
            measured,
            paper=paper,
            unit=unit,
            holds_above=holds_above,
            holds_below=holds_below,
            note=note,
        )
        self.claims.append(found)
        return found

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Keep a table of figures for the report."""
        self.tables.append({"title": title, "columns": list(columns), "rows": [list(row) for row in rows]})

    def note(self, text: str) -> None:
        """Keep a sentence for the report."""
        self.notes.append(text)

    @property
    def key(self) -> str:
        """Names the run's units."""
        return hash_json([self.paper.slug, self.size, self.data])[:16]


def _content(folder: Path) -> str:
    """Hash of names, sizes and times of all files of a data set."""
    if not folder.exists():
        raise InputError(f"data folder {folder} does not exist.")
    files = sorted(f for f in folder.rglob("*") if f.is_file())
    states = [(f.relative_to(folder).as_posix(), f.stat().st_size, f.stat().st_mtime_ns) for f in files]
    return hash_json(states)
