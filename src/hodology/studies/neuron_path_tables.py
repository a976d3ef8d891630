"""Tables and notes of the neuron-path study."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hodology.study import Study

__all__ = ["write_tables"]

_MASKS = ("ours", "active", "random")


def write_tables(study: Study, found: list[dict[str, Any]]) -> None:
    """Means over seeds of everything that was measured, and what is said beside the claims."""
    title = (
        "JAS, change of probability (%) and accuracy (points) under removal, of probability under doubling"
    )
    _compare(study, f"Paths: {title}", found)
    early = [seed["early"] for seed in found if seed["early"]]
    if early:
        scores = ", ".join(f"{seed['accuracy']:.3f}" for seed in early)
        _compare(
            study, f"The same in less certain models ({early[0]['epochs']} epochs, accuracy {scores})", early
        )
    columns = ("base", "right_class", "wrong_class", "predicted_class", "union")
    study.table(
        "Pruning: mean probability of the true class when all other class-token units are zeroed",
        ["k", "units kept", "base", "own class", "wrong class", "predicted class", "union"],
        [
            [k, name, *(_mean([seed["pruning"][k][name][c] for seed in found], "{:.3f}") for c in columns)]
            for k in found[0]["pruning"]
            for name in _MASKS
        ],
    )
    sweep = found[0]["sweep"]
    if sweep["rows"]:
        study.table(
            "Pruning by share and depth: the same with 5 units kept, masks of the own class",
            ["share of the others zeroed", "first layers", *_MASKS],
            [
                [row["share"], row["depth"]]
                + [_mean([s["sweep"]["rows"][i][name] for s in found], "{:.3f}") for name in _MASKS]
                for i, row in enumerate(sweep["rows"])
            ],
        )
    _notes(study, found)


def _compare(study: Study, title: str, found: list[dict[str, Any]]) -> None:
    """A row per method, means over seeds."""
    figures = ("jas", "removal", "accuracy", "enhancement")
    rows = [
        [name, *(_mean([seed["methods"][name][f] for seed in found], "{:.3g}") for f in figures)]
        for name in found[0]["methods"]
    ]
    study.table(title, ["method", "JAS", "removal", "accuracy under removal", "doubling"], rows)


def _notes(study: Study, found: list[dict[str, Any]]) -> None:
    exact = [seed["exact"] for seed in found]
    study.note("Accuracy of the models: " + ", ".join(f"{seed['accuracy']:.3f}" for seed in found) + ".")
    study.note(
        "The search scores a whole layer in one sweep. Re-scoring the best 16 units of a layer one by one "
        f"changes {np.mean([e['changed'] for e in exact]):.1%} of the choices and the JAS from "
        f"{np.mean([e['search'] for e in exact]):.4f} to {np.mean([e['exact'] for e in exact]):.4f}; a beam of 4 "
        f"reaches {np.mean([e['beam'] for e in exact]):.4f} ({exact[0]['images']} images a seed)."
    )
    study.note(
        "Nearest classes, seed by seed: " + "; ".join(seed["classes"]["nearest"] for seed in found) + "."
    )
    study.note(f"Integral: {found[0]['rule']}, {found[0]['steps']} nodes (paper: left, 20).")


def _mean(values: Sequence[float | None], form: str) -> str:
    known = [v for v in values if v is not None]
    return form.format(np.mean(known)) if known else ""
