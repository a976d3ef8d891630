"""The readable files of a comparison, and the view that its report draws."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hodology import __version__
from hodology.errors import InputError
from hodology.files import write_json, write_text
from hodology.geometry.compare_measures import MEASURE_NOTES
from hodology.geometry.compare_run import CompareRun
from hodology.geometry.embedding import classical_mds
from hodology.geometry.rdm_files import write_rdms
from hodology.geometry.rdms import stack_rdms

__all__ = ["shrink_matrix", "write_compare_outputs"]

_PIXELS = 200  # along an edge of a matrix that is drawn
_PLACED = 200  # stimuli that are placed in a plane
_PAIRS = 60  # bars; of more pairs, the best of each representation are drawn
_FILES = ["table.csv", "summary.json", "rdms.npz"]


def write_compare_outputs(run: CompareRun, folder: str | Path) -> dict[str, Any]:
    """Write ``table.csv``, ``summary.json`` and ``rdms.npz``.

    Returns
    -------
    dict
        The view: ``format``, ``title``, ``version``, ``settings``, ``sets``, ``stimuli``, ``measure``, ``matrix``,
        ``embedding``, ``table``, ``notes``, ``files``.
    """
    folder = Path(folder)
    rows = _rows(run)
    write_text(folder / "table.csv", _csv(rows))
    write_rdms(folder / "rdms.npz", _all_rdms(run))
    head: dict[str, Any] = {
        "format": 1,
        "title": _title(run),
        "version": __version__,
        "settings": {k: v for k, v in vars(run.settings).items() if v is not None},
        "measure": {"name": run.measure, "note": MEASURE_NOTES[run.measure]},
    }
    notes = _notes(run)
    sources = [{"label": s.label, "representations": list(s.names), "stimuli": s.n_stimuli} for s in run.sets]
    write_json(folder / "summary.json", head | {"sources": sources, "pairs": rows, "notes": notes})
    return head | {
        "sets": _sets(run),
        "stimuli": list(run.stimuli),
        "matrix": _matrix(run),
        "embedding": {"points": _points(run)},
        "table": _bars(run),
        "notes": notes,
        "files": list(_FILES),
    }


def shrink_matrix(matrix: np.ndarray, *, size: int = _PIXELS) -> np.ndarray:
    """Average a square matrix over blocks of neighbouring rows and columns, so that an edge has at most `size`.

    Raises
    ------
    InputError
        For a matrix that is not square, or a size below 1.
    """
    values = np.asarray(matrix, dtype=np.float64)
    if values.ndim != 2 or values.shape[0] != values.shape[1] or size < 1:
        raise InputError(
            f"a square matrix and a size of at least 1 are needed, got {values.shape} and {size}."
        )
    n = len(values)
    if n <= size:
        return values
    starts = np.arange(size) * n // size
    counts = np.diff(np.append(starts, n))
    sums = np.add.reduceat(np.add.reduceat(values, starts, axis=0), starts, axis=1)
    return sums / np.outer(counts, counts)


def _title(run: CompareRun) -> str:
    names = [s.label for s in run.sets]
    return f"{names[0]} and {names[1]}" if len(names) == 2 else f"Representations of {names[0]}"


def _rows(run: CompareRun) -> list[dict[str, Any]]:
    """One row per pair; of a set with itself, each pair once."""
    t = run.table
    return [
        {
            "a": a,
            "b": b,
            "value": float(t.values[i, j]),
            "low": float(t.low[i, j]),
            "high": float(t.high[i, j]),
            "p": float(t.p_value[i, j]),
            "p_adjusted": float(t.adjusted[i, j]),
        }
        for i, a in enumerate(t.rows)
        for j, b in enumerate(t.columns)
        if len(run.sets) == 2 or i < j or (run.measure == "pwcca" and i != j)
    ]


def _csv(rows: list[dict[str, Any]]) -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(
        buffer, ["a", "b", "value", "low", "high", "p", "p_adjusted"], lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def _all_rdms(run: CompareRun) -> Any:
    """Matrices of all sets in one, with the side of each."""
    parts = []
    for side, (source, rdms) in zip("ab", zip(run.sets, run.rdms, strict=True), strict=False):
        described = {"side": (side,) * len(rdms), "source": (source.label,) * len(rdms)}
        labels = rdms.stimuli or run.stimuli
        parts.append(replace(rdms, descriptors=described, stimuli=tuple(labels)))
    return stack_rdms(parts)


def _sets(run: CompareRun) -> list[dict[str, Any]]:
    shown = np.unique(np.linspace(0, run.sets[0].n_stimuli - 1, _PLACED).round().astype(int))
    found = []
    for side, (source, rdms) in zip("ab", zip(run.sets, run.rdms, strict=True), strict=False):
        squares = rdms.square()
        representations = []
        for name, square in zip(rdms.names, squares, strict=True):
            known = bool(np.isfinite(square).all())
            places = classical_mds(np.maximum(square[np.ix_(shown, shown)], 0.0)) if known else None
            pattern = source.patterns.get(name)
            representations.append(
                {
                    "name": name,
                    "n_units": None if pattern is None else pattern.n_units,
                    "rdm": shrink_matrix(square).tolist() if known else None,
                    "points": None
                    if places is None
                    else [
                        {"stimulus": int(k), "x": float(x), "y": float(y)}
                        for k, (x, y) in zip(shown, places, strict=True)
                    ],
                }
            )
        found.append({"key": side, "label": source.label, "representations": representations})
    return found


def _matrix(run: CompareRun) -> dict[str, Any]:
    t = run.table
    return {
        "rows": list(t.rows),
        "columns": list(t.columns),
        **{
            key: [[_known(v) for v in row] for row in values]
            for key, values in (("values", t.values), ("low", t.low), ("high", t.high), ("p", t.adjusted))
        },
    }


def _points(run: CompareRun) -> list[dict[str, Any]]:
    names = [(side, name) for side, source in zip("ab", run.sets, strict=False) for name in source.names]
    return [
        {"name": name, "set": side, "x": float(x), "y": float(y)}
        for (side, name), (x, y) in zip(names, run.embedding, strict=True)
    ]


def _bars(run: CompareRun) -> dict[str, Any]:
    """Bars of the pairs, or of the best match of each representation where there are many."""
    rows = _rows(run)
    if len(rows) > _PAIRS:
        best: dict[str, dict[str, Any]] = {}
        for row in rows:
            if row["a"] not in best or row["value"] > best[row["a"]]["value"]:
                best[row["a"]] = row
        rows = list(best.values())[:_PAIRS]
    n, level = run.sets[0].n_stimuli, run.settings.level
    column = {"key": "similarity", "label": run.measure, "short": run.measure, "percent": False, "better": ""}
    return {
        "columns": [column],
        "rows": [
            {
                "method": f"{row['a']}|{row['b']}",
                "label": f"{row['a']} – {row['b']}",
                "similarity": {
                    "estimate": _known(row["value"]),
                    "low": _known(row["low"]),
                    "high": _known(row["high"]),
                    "level": level,
                    "n": n,
                    "kind": "percentile",
                },
                "p": row["p_adjusted"],
            }  # fmt: skip
            for row in rows
        ],
    }


def _notes(run: CompareRun) -> list[str]:
    """What a reader of the page has to know of its figures."""
    s, rsa = run.settings, run.measure.startswith("rsa") or run.measure == "ssm"
    adjusted = {
        "none": "not adjusted",
        "bh": "Benjamini-Hochberg over all pairs",
        "holm": "Holm over all pairs",
    }
    how = (
        f"{s.n_boot:,} bootstrap samples of the stimuli, pairs of two copies of one stimulus left out"
        if rsa
        else f"{s.n_boot:,} random halves of the stimuli, whose spread is put around the value on all of them"
    )
    notes = [
        f"Similarity: {MEASURE_NOTES[run.measure]}.",
        f"Intervals ({s.level:.0%}) are of {how}.",
        f"p-values are of {s.n_permutations:,} shuffles of the stimuli of one side, {adjusted[s.adjust]}.",
        "Representations and stimuli are placed by classical scaling; only distances between points mean something.",
    ]
    if rsa and run.measure != "ssm" and any(source.rdms is None for source in run.sets):
        notes.append(f"Dissimilarities of patterns are {s.distance} distances.")
    if len(run.sets) == 1:
        notes.append("One source was compared with itself: every representation with each other one.")
    elif any(source.stimuli is None for source in run.sets):
        notes.append("Stimuli of one side have no labels: both are taken to be in the same order.")
    if run.sets[0].n_stimuli > _PIXELS:
        notes.append(f"Matrices are drawn as averages over blocks of stimuli, {_PIXELS} along an edge.")
    return notes


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
