"""Tables and notes of the task-geometry study."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hodology.study import Study

__all__ = ["write_tables"]

_PAIR = ("tanh", "relu")


def write_tables(study: Study, found: list[dict[str, Any]]) -> None:
    """Means over seeds of everything that was measured, and what is said beside the claims."""
    if "cells" in found[0]:
        _cells(study, found)
        _controls(study, found)
        _abstraction(study, found)
        _sweeps(study, found)
        if found[0]["variants"]:
            _variants(study, found)
        _flow(study, found)
    _images(study, found)
    _notes(study, found)


def _mean(rows: Sequence[dict[str, Any]], figure: str) -> float:
    values = [r[figure] for r in rows if r[figure] is not None]
    return float(np.mean(values)) if values else float("nan")


def _text(rows: Sequence[dict[str, Any]], figure: str, digits: int = 2) -> str:
    value = _mean(rows, figure)
    return "" if np.isnan(value) else f"{value:.{digits}f}"


def _of(found: list[dict[str, Any]], table: str, **marks: Any) -> list[dict[str, Any]]:
    return [r for seed in found for r in seed[table] if all(r[key] == value for key, value in marks.items())]


def _cells(study: Study, found: list[dict[str, Any]]) -> None:
    keys = ("setting", "bits", "targets", "separability")
    cells = list(dict.fromkeys(tuple(r[k] for k in keys) for r in found[0]["cells"]))
    rows = []
    for cell in sorted(cells, key=lambda c: (str(c[0]), c[1:])):
        both = [_of(found, "cells", activation=name, **dict(zip(keys, cell, strict=True))) for name in _PAIR]
        row: list[Any] = [cell[0], 2 ** cell[1], cell[2], f"{cell[3]:g}"]
        for figure, digits in (("target", 2), ("input", 2), ("loss", 4), ("test", 3), ("dimensions", 1)):
            row.append(" / ".join(_text(part, figure, digits) for part in both))
        rows.append(row)
    study.table(
        "Trained networks, tanh / ReLU: alignment, training loss, least test accuracy, participation ratio",
        ["setting", "conditions", "targets", "s", "target", "input", "loss", "test", "dimensions"],
        rows,
    )


def _controls(study: Study, found: list[dict[str, Any]]) -> None:
    names = list(dict.fromkeys(r["activation"] for r in found[0]["controls"]))
    figures = (("input", 2), ("target", 2), ("loss", 4), ("test", 3), ("active", 2), ("dimensions", 1))
    study.table(
        "Control activations (fixed read-out, SGD, 8 conditions, one target, s = 1)",
        ["activation", "input", "target", "loss", "test", "active units", "dimensions"],
        [[n, *(_text(_of(found, "controls", activation=n), f, d) for f, d in figures)] for n in names],
    )


def _abstraction(study: Study, found: list[dict[str, Any]]) -> None:
    keys = ("setting", "separability", "noise")
    cells = list(dict.fromkeys(tuple(r[k] for k in keys) for r in found[0]["abstraction"]))
    figures = ("parallelism", "ccgp", "ccgp_mean_difference", "trained", "untrained", "untrained_svm")
    rows = []
    for cell in sorted(cells):
        marks = dict(zip(keys, cell, strict=True))
        both = [_of(found, "abstraction", activation=name, **marks) for name in _PAIR]
        rows.append([cell[0], f"{cell[1]:g}", f"{cell[2]:g}", *(_pair(both, figure) for figure in figures)])
    study.table(
        "Two bits as targets, tanh / ReLU: parallelism, cross-condition generalisation, decodability",
        [
            "setting",
            "s",
            "noise",
            "parallelism",
            "CCGP",
            "CCGP (means)",
            "trained",
            "untrained",
            "untrained (SVM)",
        ],
        rows,
    )


def _pair(both: Sequence[Sequence[dict[str, Any]]], figure: str) -> str:
    parts = [_text(part, figure, 3) for part in both]
    return " / ".join(parts) if all(parts) else ""


def _sweeps(study: Study, found: list[dict[str, Any]]) -> None:
    families: dict[str, list[float]] = {}
    for r in found[0]["sweeps"]:
        points = families.setdefault(r["family"], [])
        if r["alignment"] not in points:
            points.append(r["alignment"])
    rows = []
    for family, points in families.items():
        for c in points:
            both = [_of(found, "sweeps", family=family, alignment=c, activation=name) for name in _PAIR]
            rows.append(
                [family, f"{c:.3f}", *(_pair(both, figure) for figure in ("target", "input", "test"))]
            )
    study.table(
        "Sweep of alignment c (or epsilon), all weights by Adam, tanh / ReLU",
        ["task", "c", "target", "input", "test"],
        rows,
    )


def _variants(study: Study, found: list[dict[str, Any]]) -> None:
    names = list(dict.fromkeys(r["variant"] for r in found[0]["variants"]))
    rows = []
    for name in names:
        both = [_of(found, "variants", variant=name, activation=a) for a in _PAIR]
        rows.append([name, *(_pair(both, figure) for figure in ("target", "input", "loss", "test"))])
    study.table(
        "Read-outs, optimizers, depths (8 conditions, one target, s = 1), tanh / ReLU",
        ["variant", "target", "input", "loss", "test"],
        rows,
    )


def _flow(study: Study, found: list[dict[str, Any]]) -> None:
    names = [r["activation"] for r in found[0]["flow"]]
    study.table(
        "Flow of single units' weights at the base rate (8 conditions, s = 0.5): |cosine| with the axis between classes",
        ["activation", "start", "end", "speed far out / near the origin"],
        [[n, *(_text(_of(found, "flow", activation=n), f) for f in ("start", "end", "far"))] for n in names],
    )


def _images(study: Study, found: list[dict[str, Any]]) -> None:
    keys = ("label", "network", "layer")
    cells = list(dict.fromkeys(tuple(r[k] for k in keys) for r in found[0]["images"]))
    rows = []
    for cell in cells:
        both = [_of(found, "images", activation=a, **dict(zip(keys, cell, strict=True))) for a in _PAIR]
        rows.append([*cell, *(_pair(both, figure) for figure in ("target", "input", "test"))])
    study.table(
        "Images with coarse labels: alignment of class means by layer, tanh / ReLU",
        ["label", "network", "layer", "target", "input", "test"],
        rows,
    )


def _notes(study: Study, found: list[dict[str, Any]]) -> None:
    study.note(
        "Image networks are measured on test images that were not trained on; conditions are the classes, and the "
        "pixels' kernel is that of the class means. Pixels are centred and scaled to variance 1, the scale of the tasks' "
        "inputs; on raw pixels tanh units stay in their linear range and the order turns round (seen on seed 100, which "
        "is not reported)."
    )
    if "cells" not in found[0]:
        return
    study.note(
        "Alignments are centred kernel alignments over clean conditions, means over networks of their scores; the "
        "alignment of the mean kernel is judged beside it. Every activation starts from the same weights and sees the "
        "samples in the same order."
    )
    study.note(
        "Both settings are kept apart: the theory is about a fixed read-out with plain gradient descent (0.1, batches of "
        "50), the other trains all weights with Adam (0.01, batches of 200). Both learn 1,000 samples here, the paper "
        "5,000 for up to 1,000 epochs."
    )
    study.note(
        "A ReLU shifted by +1 is nearly linear over these inputs and aligns with the targets too: it is no evidence "
        "against saturation, and nothing is asked of it."
    )
    study.note(
        "The noise of 2 in claim 4 was chosen on seed 100, which is not reported: at lower noise both networks "
        "decode and generalise without errors, so that nothing can be told apart."
    )
