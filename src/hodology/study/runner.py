"""Run a study and keep its record."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from hodology.errors import InputError
from hodology.files import results_dir, write_json
from hodology.study.catalogue import Paper
from hodology.study.claims import overall_state
from hodology.study.source import commit, versions
from hodology.study.study import SEEDS, Size, Study
from hodology.work import Engine, SerialEngine, UnitStore

__all__ = ["check_built", "run_study"]


def check_built(paper: Paper) -> str:
    """Return the module of a study.

    Raises
    ------
    InputError
        When the study is not built.
    """
    if paper.module is None:
        raise InputError(f"study {paper.slug!r} is not built yet; 'hodology list' shows which are.")
    return paper.module


def run_study(
    paper: Paper,
    *,
    size: Size = "standard",
    seeds: int | None = None,
    data: str | None = None,
    folder: Path | None = None,
    engine: Engine | None = None,
    on_start: Callable[[int], None] | None = None,
    on_seed: Callable[[], None] | None = None,
) -> dict[str, Any]:
    """Run one study and write its record to the results store.

    Parameters
    ----------
    paper : Paper
    size : {"quick", "standard"}
    seeds : int, optional
        How many seeds, counted from 0; default 3 quick, 5 standard.
    data : str, optional
        Folder with the real data set.
    folder : Path, optional
        Results store; default `hodology.files.results_dir`.
    engine : Engine, optional
        Runs the seeds; default one after the other.
    on_start, on_seed : callable, optional
        Progress: number of seeds, and one call per finished seed.

    Returns
    -------
    dict
        The record: slug, size, seeds, versions, commit, seconds, claims, tables, notes, state.

    Raises
    ------
    InputError
        When the study is not built, the size is unknown, or there are no seeds.
    """
    module = check_built(paper)
    if size not in SEEDS:
        raise InputError(f"size must be {' or '.join(SEEDS)}, got {size!r}.")
    count = SEEDS[size] if seeds is None else seeds
    if count < 1:
        raise InputError(f"seeds must be at least 1, got {count}.")
    folder = folder or results_dir()
    study = Study(paper, size, tuple(range(count)), data, engine or SerialEngine(), on_seed=on_seed)
    study.store = UnitStore(folder / "units" / f"{paper.slug}-{study.key}")
    if on_start is not None:
        on_start(count)
    started, began = datetime.now(UTC), time.perf_counter()
    import_module(module).run(study)
    record = {
        "format": 1,
        **{key: value for key, value in asdict(paper).items() if key != "module"},
        "size": size,
        "seeds": list(study.seeds),
        "data": data,
        "versions": versions(),
        "commit": commit(),
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(time.perf_counter() - began, 2),
        "state": overall_state([claim.verdict for claim in study.claims]),
        "claims": [claim.to_dict() for claim in study.claims],
        "tables": study.tables,
        "notes": study.notes,
    }
    write_json(folder / f"{paper.slug}-{size}.json", record)
    return record
