"""Tables and notes of the path-ensemble study."""

from __future__ import annotations

from typing import Any

import numpy as np

from hodology.study import Study

__all__ = ["write_tables"]


def write_tables(study: Study, found: list[dict[str, Any]]) -> None:
    """Means over seeds of everything that was measured, and what is said beside the claims."""
    names = [name for name in ("trained", "early") if all(seed[name] for seed in found)]
    for name in names:
        where = "" if name == "trained" else ", less trained network"
        study.table(
            f"Paths{where}: without one in the sum alone, and without it in every later input too",
            ["path", "sum: loss", "accuracy", "knock-out: loss", "accuracy", "read alone: accuracy"],
            _path_rows(found, name),
        )
    for name in names:
        where = "" if name == "trained" else ", less trained network"
        methods = list(found[0][name]["scale"])
        study.table(
            f"Fitted to one half of the test images, measured on the other{where}",
            ["method", "accuracy, %", "loss"],
            [
                [
                    m,
                    *(
                        f"{np.mean([s[name]['scale'][m][k] for s in found]):.{d}f}"
                        for k, d in (("accuracy", 2), ("loss", 4))
                    ),
                ]
                for m in methods
            ],
        )
    _frequencies(study, found)
    if all(seed["training"] for seed in found):
        _training(study, found)
    _notes(study, found, names)


def _path_rows(found: list[dict[str, Any]], name: str) -> list[list[Any]]:
    first = found[0][name]["influence"]["rows"]
    rows = []
    for index, row in enumerate(first):
        all_rows = [seed[name]["influence"]["rows"][index] for seed in found]

        def mean(key: str, rows: list[dict[str, Any]] = all_rows) -> float:
            return float(np.mean([r[key] for r in rows]))

        cells = [f"{mean('ensemble_d_loss'):+.4f}", f"{100 * mean('ensemble_d_accuracy'):+.2f}"]
        cells += [f"{mean('knockout_d_loss'):+.4f}", f"{100 * mean('knockout_d_accuracy'):+.2f}"]
        rows.append([row["path"], *cells, f"{100 * mean('alone'):.1f}"])
    return rows


def _frequencies(study: Study, found: list[dict[str, Any]]) -> None:
    profiles = [seed["trained"]["frequencies"] for seed in found]
    study.table(
        "Log amplitude of the final patches by radius (cycles per token), less that at zero",
        ["sum", *(f"{r:.2f}" for r in profiles[0]["radius"])],
        [
            [name, *(f"{v:.3f}" for v in np.mean([p[key] for p in profiles], axis=0))]
            for name, key in (("plain", "plain"), ("re-weighted", "weighted"))
        ],
    )


def _training(study: Study, found: list[dict[str, Any]]) -> None:
    first = found[0]["training"]
    kinds = list(first["accuracy"])
    study.table(
        f"Trained from scratch, {first['blocks']} blocks, {first['epochs']['blocks']} epochs: accuracy (%) of the sums up "
        "to block l",
        ["network", *(f"S{i}" for i in range(first["blocks"] + 1))],
        [
            [k, *(f"{v:.1f}" for v in np.mean([s["training"]["partial"][k] for s in found], axis=0))]
            for k in kinds
        ],
    )
    depths = list(first["depth"]["plain"])
    study.table(
        f"Trained from scratch at several depths, {first['epochs']['depths']} epochs: accuracy (%)",
        ["network", *(f"{d} blocks" for d in depths)],
        [
            [k, *(f"{np.mean([s['training']['depth'][k][d] for s in found]):.1f}" for d in depths)]
            for k in first["depth"]
        ],
    )


def _notes(study: Study, found: list[dict[str, Any]], names: list[str]) -> None:
    study.note(
        "Accuracy of the networks on the half that is tested, by seed: "
        + "; ".join(
            f"{name} " + ", ".join(f"{100 * s[name]['accuracy']:.1f}" for s in found) for name in names
        )
        + " %."
    )
    study.note(
        "Leaving a path out of the sum and knocking it out of all later inputs are two questions with two tables; the first "
        "needs one pass over the images, the second runs later blocks again."
    )
    study.note(
        "Every fit of claim 3 sees the same half of the test images in as many steps (Adam, all rows in each). EnsembleScale "
        "has as many weights as LayerScale, many more than the final norm, fewer than the head has connections per class."
    )
    harmful = [seed["trained"]["influence"]["harmful"] for seed in found]
    study.note(
        "Paths whose removal from the sum lowers the tested half's loss with the whole 95 % interval below zero (no "
        "correction for their number): " + "; ".join(", ".join(h) or "none" for h in harmful) + "."
    )
