"""The readable files of a features run, and the view that its report draws."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from hodology import __version__
from hodology.errors import InputError
from hodology.files import write_arrays, write_json, write_text
from hodology.interpret.feature_reading import (
    activation_density,
    feature_units,
    top_contexts,
    vocab_projection,
)
from hodology.interpret.features_run import FeaturesRun, default_sparsity
from hodology.interpret.semi_nmf_tree import concept_tree

__all__ = ["feature_rows", "write_features_outputs"]

_CONTEXTS, _WINDOW, _WORDS, _UNITS = 25, 15, 50, 20


def feature_rows(run: FeaturesRun) -> list[dict[str, Any]]:
    """One row per feature, strongest first: share, activity, units, contexts, words up and down, concept."""
    contexts = top_contexts(run.table, run.coefficients, k=_CONTEXTS, window=_WINDOW)
    units = feature_units(run.components, k=_UNITS)
    density = activation_density(run.coefficients)
    sums = run.coefficients.sum(axis=0) * np.linalg.norm(run.components, axis=1)
    share = sums / max(float(sums.sum()), 1e-12)
    words = _words(run)
    rows = []
    for i in range(len(run.components)):
        found = {"id": i, "share": float(share[i]), "active": float(density[i]), **units[i].to_dict()}
        found["contexts"] = [
            {**c.to_dict(), "id": f"{run.ids[c.sample]}:{c.position}"} for c in contexts[i] if c.value > 0
        ]
        found |= {"up": None, "down": None} if words is None else words[i].to_dict()
        found["concept"] = _concept(run, i)
        found["label"] = _label(found)
        rows.append(found)
    return rows


def write_features_outputs(run: FeaturesRun, folder: str | Path) -> dict[str, Any]:
    """Write ``features.jsonl``, ``components.npz`` and ``summary.json``.

    Returns
    -------
    dict
        What `hodology.report.write_features_report` draws.
    """
    folder = Path(folder)
    rows = feature_rows(run)
    write_text(folder / "features.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    arrays = {"components": run.components, "coefficients": run.coefficients, "samples": run.table.samples}
    arrays |= {"token_ids": run.table.token_ids, "positions": run.table.positions}
    arrays |= {f"weights{i + 2}": weights for i, weights in enumerate(run.hierarchy)}
    write_arrays(folder / "components.npz", arrays)
    settings = {k: v for k, v in vars(run.settings).items() if v not in (None, ())}
    settings.setdefault("sparsity", round(default_sparsity(run.table.n_units), 4))
    head = {
        "model": {"name": run.loaded.name, "parameters": run.loaded.parameters},
        "data": {"name": run.dataset.name, "n": len(run.ids), "tokens": len(run.table)},
        "layer": run.table.layer,
        "settings": settings,
    }
    named = [] if run.names is None else [n for n in run.names.names if n is not None]
    figures = {
        "explained": run.explained,
        "iterations": run.iterations,
        "converged": run.converged,
        "named": None if run.names is None else len(named),
        "concepts": len(set(named)),
    }
    write_json(folder / "summary.json", {"format": 1, "version": __version__, **head, **figures})
    return _view(run, rows, head, named)


def _view(
    run: FeaturesRun, rows: list[dict[str, Any]], head: dict[str, Any], named: list[str]
) -> dict[str, Any]:
    summary = [
        {"label": "Variance explained", "value": f"{100 * run.explained:.1f} %"},
        {
            "label": "Units per feature",
            "value": f"{max(row['n_units'] for row in rows)} of {run.table.n_units}",
        },
        {"label": "Iterations", "value": f"{run.iterations}{'' if run.converged else ' (limit)'}"},
    ]
    notes = [
        "A feature is a sparse, signed combination of units; its coefficient on a token is never negative. Contexts are the "
        f"{_CONTEXTS} tokens with the largest coefficients.",
    ]
    if run.names is not None:
        summary.append({"label": "Features with a name", "value": f"{len(named)} of {len(rows)}"})
        notes.append(
            "Names are labels of the texts that a feature tells by an AUROC of at least 0.75, beyond chance (permutation test "
            "over texts, Holm's correction)."
        )
    if rows[0]["up"] is not None:
        notes.append(
            "Words written: the feature through the down projection, final norm and unembedding, less what the zero vector "
            "gives."
        )
    else:
        notes.append("The model has no unembedding that could tell which words a feature writes.")
    tree, kin = _tree(run, rows)
    features = [{**row, "parents": kin[0][row["id"]], "children": kin[1][row["id"]]} for row in rows]
    return {
        "format": 1,
        "title": f"Features of {run.loaded.name}",
        "version": __version__,
        **head,
        "summary": summary,
        "features": features,
        "tree": tree,
        "notes": notes,
        "files": ["features.jsonl", "components.npz", "summary.json", "manifest.json"],
    }


def _tree(
    run: FeaturesRun, rows: list[dict[str, Any]]
) -> tuple[dict[str, Any] | None, tuple[list[list[int]], list[list[int]]]]:
    """The nested concepts above the features; features have no kin among themselves."""
    none: tuple[list[list[int]], list[list[int]]] = ([[] for _ in rows], [[] for _ in rows])
    if not run.hierarchy:
        return None, none
    graph = concept_tree(run.hierarchy)

    def node(key: tuple[int, int]) -> dict[str, Any]:
        layer, concept = key
        children = [node(child) for child in graph.successors(key)]
        label = rows[concept]["label"] if layer == 1 else f"level {layer}, concept {concept}"
        return {"id": concept if layer == 1 else f"{layer}:{concept}", "label": label, "children": children}

    roots = [key for key in graph if graph.in_degree(key) == 0]
    return {"levels": [node(key) for key in sorted(roots, reverse=True)]}, none


def _words(run: FeaturesRun) -> Any:
    layer = run.table.layer
    try:
        return vocab_projection(run.loaded.model, run.loaded, layer, run.components, _WORDS)
    except InputError:  # no unembedding, or a layer that does not write to the stream
        return None


def _concept(run: FeaturesRun, index: int) -> dict[str, Any] | None:
    if run.names is None or run.names.names[index] is None:
        return None
    auroc = float(run.names.auroc[index])
    return {"name": str(run.names.names[index]), "score": auroc, "auroc": auroc}


def _label(row: dict[str, Any]) -> str:
    """The commonest focus tokens of the strongest contexts."""
    counts: dict[str, float] = {}
    for context in row["contexts"]:
        token = context["tokens"][context["focus"]][0].strip() or "␣"
        counts[token] = counts.get(token, 0.0) + context["value"]
    ranked = sorted(counts, key=lambda token: -counts[token])[:3]
    return ", ".join(ranked) or "silent"
