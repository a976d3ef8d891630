"""The pages of the studies: one per study, and the atlas of all papers. Each is a single file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hodology.errors import InputError
from hodology.files import write_text
from hodology.report.claim_drawing import claim_drawing
from hodology.report.render import asset, render

__all__ = ["write_atlas", "write_study_page"]

_SLUG = re.compile(r"[a-z0-9][a-z0-9_-]*")
_VERDICTS = ("holds", "does not hold", "undecided")
_KEYS = (
    *("number", "slug", "title", "reference", "question", "size", "seeds", "versions", "commit", "started"),
    *("seconds", "state", "claims", "tables", "notes"),
)
_STATES = ("holds", "partly", "does not hold", "not run", "not built")
_WINGS = {
    "interpret": "Paths inside trained networks",
    "geometry": "Shape of representations; brains and models",
    "connectome": "Nervous systems: volumes, wiring, activity",
    "spiking": "Spiking networks, plasticity, dendrites",
    "learning": "Brain-inspired modules and learning rules",
    "planning": "Routes through graphs, grids and scenes",
    "generative": "Probability paths and flows",
}


def write_study_page(record: Mapping[str, Any], folder: str | Path) -> Path:
    """Write ``SLUG.html``: every claim of a study, measured, with its verdict.

    Parameters
    ----------
    record : mapping
        What `hodology.study.runner.run_study` returns.
    folder : path
        Made when missing.

    Returns
    -------
    Path
        The page; equal records give equal bytes.

    Raises
    ------
    InputError
        When the record is of another format or incomplete, or its slug cannot be a file name.
    """
    return _study_page(record, Path(folder), atlas=False)


def write_atlas(
    catalogue: Sequence[Mapping[str, Any]], records: Mapping[str, Mapping[str, Any]], folder: str | Path
) -> Path:
    """Write ``index.html``, the papers of the catalogue by wing, and the page of every study that has a record.

    Parameters
    ----------
    catalogue : sequence of mapping
        ``number``, ``slug``, ``title``, ``reference``, ``wing``, ``state`` and optionally ``question``.
    records : mapping
        Record by slug, see `write_study_page`.
    folder : path
        Made when missing.

    Returns
    -------
    Path
        The atlas.
    """
    folder = Path(folder)
    for slug, record in records.items():
        if record.get("slug", slug) != slug:
            raise InputError(f"records[{slug!r}] is the record of {record['slug']!r}.")
        _study_page(record, folder, atlas=True)
    folder.mkdir(parents=True, exist_ok=True)
    wings: dict[str, list[dict[str, Any]]] = {}
    for paper in sorted(catalogue, key=lambda paper: paper["number"]):
        found = records.get(paper["slug"])
        entry = {"question": "", **paper, "claims": _verdicts(found) if found else None}
        wings.setdefault(paper["wing"], []).append(entry)
    known = [wing for wing in _WINGS if wing in wings]
    ordered = {wing: wings[wing] for wing in [*known, *sorted(set(wings) - set(known))]}
    states = Counter(paper["state"] for paper in catalogue)
    page = folder / "index.html"
    write_text(
        page,
        render(
            "atlas.html",
            style=asset("base.css", "studies.css"),
            script='"use strict";\n' + asset("theme.js", "atlas.js"),
            wings=ordered,
            wing_names={wing: _WINGS.get(wing, wing.capitalize()) for wing in ordered},
            states={
                state: states[state]
                for state in [*_STATES, *sorted(set(states) - set(_STATES))]
                if states[state]
            },
        ),
    )
    return page


def _study_page(record: Mapping[str, Any], folder: Path, *, atlas: bool) -> Path:
    if record.get("format") != 1:
        raise InputError(f"record must have format 1, got {record.get('format')!r}.")
    lacking = [key for key in _KEYS if key not in record]
    if lacking:
        raise InputError(f"record lacks {', '.join(map(repr, lacking))}.")
    if not _SLUG.fullmatch(str(record["slug"])) or record["slug"] == "index":
        raise InputError(
            f"slug must be lower-case letters, digits, '-' and '_', and not 'index', got {record['slug']!r}."
        )
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / f"{record['slug']}.html"
    write_text(
        page,
        render(
            "study.html",
            style=asset("base.css", "studies.css"),
            script='"use strict";\n' + asset("theme.js"),
            record=record,
            claims=[(claim, claim_drawing(claim)) for claim in record["claims"]],
            tables=[_table(table) for table in record["tables"]],
            counts=_verdicts(record),
            atlas=atlas,
        ),
    )
    return page


def _verdicts(record: Mapping[str, Any]) -> dict[str, int]:
    found = Counter(claim["verdict"] for claim in record["claims"])
    return {verdict: found[verdict] for verdict in _VERDICTS}


def _table(table: Mapping[str, Any]) -> dict[str, Any]:
    """A table with ``figures``: for every column whether it holds numbers, which are set to the right."""
    for index, row in enumerate(table["rows"]):
        if len(row) != len(table["columns"]):
            raise InputError(
                f"table {table['title']!r} has {len(table['columns'])} columns, its row {index} {len(row)} cells."
            )
    figures = [all(_is_figure(cell) for cell in cells) for cells in zip(*table["rows"], strict=True)]
    return {**table, "figures": figures or [False] * len(table["columns"])}


def _is_figure(cell: Any) -> bool:
    if cell is None or cell == "":
        return True
    try:
        float(str(cell).replace("%", "").replace("\u2212", "-").split("[")[0])
    except ValueError:
        return False
    return True
