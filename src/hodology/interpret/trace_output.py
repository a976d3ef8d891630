"""The readable files of a trace: paths, summary, and the view that the report draws."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from hodology.data import Dataset
from hodology.data.images import thumbnail_uri
from hodology.files import write_json
from hodology.interpret.class_profile import class_agreement, class_profile
from hodology.interpret.path_evaluation import PathEffects
from hodology.interpret.trace import TraceRun
from hodology.interpret.trace_settings import TraceSettings, dataset_of, model_of
from hodology.nn.load import LoadedModel
from hodology.path import JsonlWriter, PathSet

__all__ = ["METHOD_LABELS", "write_outputs"]

METHOD_LABELS = {
    "neuron-path": ("Neuron path", "joint attribution, grown layer by layer"),
    "activation": ("Activation", "most active unit of each layer"),
    "influence": ("Influence pattern", "largest mean gradient along the input line"),
    "kn-ig": ("Knowledge neurons", "integrated gradients of each layer alone"),
    "random": ("Random", "a uniform draw"),
}
_SHOWN = 240  # inputs with a picture in the report
_TOP = 12  # units drawn per layer and class


def write_outputs(run: TraceRun, *, parquet: bool = False) -> dict[str, Any]:
    """Write ``paths.jsonl`` (and ``paths-METHOD.jsonl`` for the others), ``summary.json``; return the view.

    Parameters
    ----------
    run : TraceRun
    parquet : bool
        Also ``paths.parquet`` (extra ``hf``).

    Returns
    -------
    dict
        What `hodology.report.write_trace_report` draws.
    """
    loaded = model_of(run.settings)
    columns = _write_paths(run, parquet=parquet)
    effects = PathEffects.concatenate(columns["effects"])
    table = effects.table(rng=run.settings.seed)
    labels = columns["labels"]
    known = labels >= 0
    accuracy = float((columns["predicted"] == labels)[known].mean()) if known.any() else None
    groups = np.where(known, labels, columns["predicted"]) if known.any() else columns["predicted"]
    paths = PathSet.from_units(
        columns["paths"], _names(run), effects.scores[0], measure=_measure(run.settings)
    )
    widths = [
        site["width"] or int(columns["paths"][:, i].max()) + 1 for i, site in enumerate(run.manifest["sites"])
    ]
    profile = class_profile(paths, groups, widths=widths)
    agreement = None
    if len(profile.classes) > 1 and (profile.counts > 1).any() and len(groups) <= 20_000:
        agreement = class_agreement(paths, groups, rng=run.settings.seed)
    summary = {
        "format": 1,
        "model": run.manifest["model"] | {"accuracy": accuracy},
        "data": run.manifest["data"],
        "inputs": len(labels),
        "settings": run.manifest["settings"],
        "versions": {"hodology": run.manifest["version"], "torch": run.manifest["torch"]},
        "measure": _measure(run.settings),
        "table": [{k: v.to_dict() if hasattr(v, "to_dict") else v for k, v in row.items()} for row in table],
        "agreement": agreement,
        "preferred_paths": [
            {"class": int(c), "name": loaded.class_name(int(c)), "units": p}
            for c, p in zip(profile.classes, profile.preferred().tolist(), strict=True)
        ],
    }
    write_json(run.folder / "summary.json", summary)
    view = _view(run, loaded, columns, groups, effects, table, profile, accuracy)
    if accuracy is None:
        view["notes"].append(
            "No label is known; the last figure is the change of the share of inputs decided for the target."
        )
    elif not known.all():
        view["notes"].append(
            f"{int((~known).sum())} of {len(known)} inputs have no label that is a class of the model; there the target "
            "stands for it."
        )
    if agreement is not None:
        view["notes"].append(
            f"Two inputs of one class share {agreement.within:.1%} of their units, two of different classes "
            f"{agreement.between:.1%} (permutation test, p = {agreement.p_value:.3g})."
        )
    return view


def _write_paths(run: TraceRun, *, parquet: bool) -> dict[str, Any]:
    """Stream the shards to JSON Lines; keep only columns of numbers."""
    kept: dict[str, list[Any]] = {
        key: [] for key in ("ids", "labels", "predicted", "probability", "paths", "effects")
    }
    names, measure = _names(run), _measure(run.settings)
    with ExitStack() as stack:
        writers = []
        for i, method in enumerate(run.settings.methods):
            file = run.folder / ("paths.jsonl" if i == 0 else f"paths-{method}.jsonl")
            writers.append(stack.enter_context(JsonlWriter(file, measure=measure)))
        for shard in run.shards():
            for i, writer in enumerate(writers):
                writer.extend(
                    PathSet.from_units(
                        shard.paths[i],
                        names,
                        shard.effects.scores[i],
                        measure=measure,
                        ids=shard.ids,
                        attributes={
                            "method": [run.settings.methods[i]] * len(shard.ids),
                            "target": shard.effects.targets.tolist(),
                            "predicted": shard.predicted.tolist(),
                            "label": [None if v < 0 else v for v in shard.labels.tolist()],
                            "probability": shard.probability.tolist(),
                            "positions": [f"{start}:{stop}" for start, stop in shard.positions.tolist()],
                        },
                    )
                )
            for key in kept:
                kept[key].append(shard.paths[0] if key == "paths" else getattr(shard, key))
    if parquet:
        PathSet.from_jsonl(run.folder / "paths.jsonl").to_parquet(run.folder / "paths.parquet")
    joined = {key: np.concatenate(kept[key]) for key in ("labels", "predicted", "probability", "paths")}
    return joined | {"ids": [i for part in kept["ids"] for i in part], "effects": kept["effects"]}


def _view(
    run: TraceRun,
    loaded: LoadedModel,
    columns: dict[str, Any],
    groups: np.ndarray,
    effects: PathEffects,
    table: list[dict[str, Any]],
    profile: Any,
    accuracy: float | None,
) -> dict[str, Any]:
    settings = run.settings
    shown = _spread(groups, _SHOWN)
    dataset = dataset_of(settings)
    paths = columns["paths"]
    counts = np.unique(groups, return_counts=True)
    return {
        "format": 1,
        "title": f"Paths through {loaded.name}",
        "kind": "text" if run.manifest["data"]["kind"] == "text" else "image",
        "version": run.manifest["version"],
        "model": run.manifest["model"] | {"accuracy": accuracy},
        "data": {"name": run.manifest["data"]["name"], "n": len(groups), "shown": len(shown)},
        "settings": {k: v for k, v in run.manifest["settings"].items() if v is not None},
        "layers": [
            {"name": site["name"], "label": str(i + 1), "width": site["width"]}
            for i, site in enumerate(run.manifest["sites"])
        ],
        "methods": [
            {"key": m, "label": METHOD_LABELS[m][0], "note": METHOD_LABELS[m][1]} for m in settings.methods
        ],
        "classes": [
            {
                "id": int(c),
                "name": loaded.class_name(int(c)),
                "n": int(n),
                "layers": _top_units(paths[groups == c]),
            }
            for c, n in zip(*counts)
        ],
        "similarity": np.round(profile.similarity(), 4).tolist() if len(counts[0]) <= 1000 else None,
        "items": _items(dataset, loaded, columns, effects, groups, shown),
        "table": {
            "columns": _columns(effects, labelled=accuracy is not None),
            "rows": [_row(row) for row in table],
        },
        "files": ["paths.jsonl", "summary.json", "manifest.json"],
        "notes": [
            "JAS is the joint attribution score. Removal sets a path's units to zero in an otherwise free pass, "
            "enhancement doubles them; both are changes of the mean probability of the target class. Intervals are "
            f"95 % bootstrap intervals over {len(groups)} inputs.",
        ],
    }


def _items(
    dataset: Dataset,
    loaded: LoadedModel,
    columns: dict[str, Any],
    effects: PathEffects,
    groups: np.ndarray,
    shown: Sequence[int],
) -> list[dict[str, Any]]:
    items = []
    for i in shown:
        item = dataset.items(i, i + 1)[0]
        items.append(
            {
                "id": item.id,
                "class": int(groups[i]),
                "predicted": int(columns["predicted"][i]),
                "predictedName": loaded.class_name(int(columns["predicted"][i])),
                "probability": round(float(columns["probability"][i]), 4),
                "score": round(float(effects.scores[0][i]), 5),
                "path": columns["paths"][i].tolist(),
                "image": thumbnail_uri(item.content),
                "text": item.content[:300] if isinstance(item.content, str) else None,
            }
        )
    return items


def _spread(groups: np.ndarray, count: int) -> list[int]:
    """Up to `count` inputs, the same number of each class as far as there are."""
    classes = np.unique(groups)
    each = max(1, count // len(classes))
    return sorted(int(i) for c in classes for i in np.flatnonzero(groups == c)[:each])


def _top_units(paths: np.ndarray) -> list[list[list[float]]]:
    """Per layer the units used most, with the share of inputs that use them."""
    layers = []
    for layer in range(paths.shape[1]):
        counter = Counter(paths[:, layer].reshape(-1).tolist())
        ranked = sorted(counter.items(), key=lambda item: (-item[1], item[0]))[:_TOP]
        layers.append([[unit, round(count / len(paths), 4)] for unit, count in ranked])
    return layers


def _columns(effects: PathEffects, *, labelled: bool) -> list[dict[str, Any]]:
    score = {"key": "jas", "label": "Joint attribution score", "short": "JAS", "percent": False}
    found = [{**score, "better": "higher"}]
    for factor in effects.factors:
        word, better = ("Removal", "lower") if factor < 1 else ("Enhancement", "higher")
        for figure in ("probability", "accuracy"):
            shown = figure if labelled or figure != "accuracy" else "decisions"
            names = {"key": f"{figure}_x{factor:g}", "label": f"{word}: {shown}"}
            short = f"{shown}\nx {factor:g}, %"
            found.append({**names, "short": short, "percent": True, "better": better})
    return found


def _row(row: dict[str, Any]) -> dict[str, Any]:
    cells = {key: value.to_dict() for key, value in row.items() if key != "method"}
    return {"method": row["method"], "label": METHOD_LABELS[row["method"]][0], **cells}


def _names(run: TraceRun) -> list[str]:
    return [site["name"] for site in run.manifest["sites"]]


def _measure(settings: TraceSettings) -> str:
    return f"joint attribution score ({settings.form})"
