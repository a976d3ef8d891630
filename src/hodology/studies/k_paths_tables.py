"""Tables and notes of the k-paths study."""

from __future__ import annotations

from typing import Any

import numpy as np

from hodology.study import Study

__all__ = ["write_tables"]


def write_tables(study: Study, found: list[dict[str, Any]]) -> None:
    """Means over seeds and folds of everything that was measured, and what is said beside the claims."""
    rows = []
    for name in found[0]["scores"]:
        known = _mean(found, "by_drug", name) if name in found[0]["by_drug"] else ""
        rows.append([name, _mean(found, "scores", name), known])
    study.table(
        "Macro-F1 of a logistic regression on features of the pairs",
        ["features", "split by pair", "by drug"],
        rows,
    )
    networks = [fold for seed in found for fold in seed["networks"]]
    study.table(
        "R-GCN (2 layers, 32 wide) on the whole background graph and on parts of it",
        ["graph", "macro-F1", "ms an epoch"],
        [
            [name, _network(networks, name, "f1", ".3f"), _network(networks, name, "seconds", ".1f", 1e3)]
            for name in ("whole", "k-paths", "random")
        ],
    )  # fmt: skip
    explained = found[0]["explained"]
    if "donepezil" not in explained:
        study.table(
            "Pairs with a path through a gene of the disease's cause, %",
            ["label", "share"],
            [
                [name, f"{100 * np.mean([seed['explained'][name] for seed in found]):.1f}"]
                for name in explained
            ],
        )
    _notes(study, found)


def _notes(study: Study, found: list[dict[str, Any]]) -> None:
    study.note(
        f"{found[0]['pairs']} pairs of three labels, {np.mean([seed['edges'] for seed in found]):.0f} background edges. "
        "The graph of a fold holds the answers of its training pairs only; a pair's own answer edges are hidden in both "
        "directions, for training and test pairs. Features are counts of relation sequences among K = 10 paths of at most "
        "L = 3 edges; the classifier is a balanced logistic regression with C = 0.3, its columns scaled to at most 1."
    )
    study.note(
        "R-GCNs see no answer edge at all. On the part they read the paths of the test pairs beside those of the training "
        "pairs; the random part has as many edges in both. Trained with learning rate 0.01 and balanced classes, since the "
        "paper's 1,000 epochs at 0.001 take longer than a study may."
    )
    if study.data is None:
        study.note(
            "The graph is generated: drugs treat by their class's pathway, palliate by a symptom's, and 30 % of the true edges "
            "are missing. Its settings were fixed before the study was first run and not changed after."
        )


def _mean(found: list[dict[str, Any]], part: str, name: str) -> str:
    return f"{np.mean([np.mean(seed[part][name]) for seed in found]):.3f}"


def _network(networks: list[dict[str, Any]], name: str, figure: str, form: str, scale: float = 1.0) -> str:
    return format(scale * np.mean([fold[name][figure] for fold in networks]), form)
