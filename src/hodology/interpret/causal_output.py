"""The readable files of a causal graph, and the view that its report draws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from hodology import __version__
from hodology.data.images import thumbnail_uri
from hodology.errors import InputError
from hodology.files import write_json
from hodology.interpret.causal_result import CausalGraph
from hodology.interpret.causal_run import CausalRun
from hodology.interpret.edge_sets import is_sum_layer

__all__ = ["EFFECT_UNITS", "RULE_LABELS", "write_causal_outputs"]

RULE_LABELS = {
    "causal": "Causal edges",
    "random": "Random edges",
    "weight": "Largest weights",
    "gradient": "Largest |gradient × weight|",
    "signed-gradient": "Largest gradient × weight",
    "activation": "Largest |activity × weight|",
}
EFFECT_UNITS = {
    "logodds": "log odds",
    "probability": "probability",
    "log-probability": "log probability",
    "logit": "logit",
    "loss": "loss",
    "correct": "accuracy",
}
_COLUMNS = (
    ("cut_own", "Cut: class recognised", "cut\nclass", "lower"),
    ("cut_others", "Cut: other classes recognised", "cut\nothers", "higher"),
    ("keep_own", "Only these kept: class recognised", "keep\nclass", "higher"),
    ("keep_called", "Only these kept: others called the class", "keep\ncalled", "lower"),
)
_EDGES, _MAPS, _PATHS = 20_000, 12, 20


def write_causal_outputs(run: CausalRun, folder: str | Path) -> dict[str, Any]:
    """Write ``graph.json``, ``graph.graphml``, ``graph.dot``, ``edges.csv``, ``paths.jsonl`` and ``summary.json``.

    Returns
    -------
    dict
        What `hodology.report.write_causal_report` draws.
    """
    folder = Path(folder)
    graph = run.graph
    graph.to_json(folder / "graph.json")
    graph.to_graphml(folder / "graph.graphml")
    graph.to_dot(folder / "graph.dot")
    graph.to_csv(folder / "edges.csv")
    paths = graph.paths(_PATHS)
    paths.to_jsonl(folder / "paths.jsonl")
    table = run.evaluation.table(rng=run.settings.seed)
    clean = run.evaluation.clean
    head = {
        "model": {"name": run.loaded.name, "parameters": run.loaded.parameters},
        "data": {"name": run.dataset.name, "n": len(run.dataset), "shown": min(_MAPS, len(run.sample.shown))},
        "target": {"id": graph.target, "name": run.loaded.class_name(graph.target)},
        "settings": {k: v for k, v in vars(run.settings).items() if v is not None},
    }
    layers = [vars(layer) | {"rejected_cost": layer.rejected_cost} for layer in graph.layers]
    summary = {
        "format": 1,
        "version": __version__,
        **head,
        "samples": graph.samples,
        "sample_ids": run.sample.ids,
        "labelled": run.sample.labelled,
        "clean": {"own": clean.own, "others": clean.others, "called": clean.called},
        "layers": layers,
        "joint_cost": graph.joint_cost,
        "evaluation": run.evaluation.rows(),
        "over_layers": [
            {k: v.to_dict() if hasattr(v, "to_dict") else v for k, v in row.items()} for row in table
        ],
    }
    write_json(folder / "summary.json", summary)
    return _view(run, head, table, paths)


def _view(run: CausalRun, head: dict[str, Any], table: list[dict[str, Any]], paths: Any) -> dict[str, Any]:
    graph, clean = run.graph, run.evaluation.clean
    places = _places(graph)
    order = {place: i for i, place in enumerate(places)}
    infos = {layer.name: layer for layer in graph.layers}
    rows = list(graph.rows())
    cut_off = rows[_EDGES]["effect"] if len(rows) > _EDGES else -np.inf
    drawn = graph.graph
    edges = [
        {
            "source": tail,
            "target": to,
            "effect": _known(data["effect"]) or 0.0,
            "low": _known(data["ci_low"]),
            "high": _known(data["ci_high"]),
            "p": _known(data["p_adjusted"]),
            "kind": data["kind"],
        }
        for tail, to, data in drawn.edges(data=True)
        if data["kind"] == "part" or data["effect"] > cut_off
    ]
    layers = []
    for place in places:
        info = infos.get(place)
        counts = (info.candidates, info.tested, info.kept) if info else (0, 0, 0)
        layers.append(
            {
                "name": place,
                "label": _label(place),
                "units": _units(graph, place),
                "candidates": counts[0],
                "tested": counts[1],
                "kept": counts[2],
                "rejected_cost": _cost(info, graph.samples) if info else None,
            }
        )
    maps, lost = _maps(run)
    accuracy = float((clean.said == clean.labels).mean())
    notes = _notes(run)
    if not run.sample.labelled:
        notes.append("The data have no labels: the classes are what the model says of each image.")
    if len(rows) > _EDGES:
        notes.append(
            f"Only the {_EDGES:,} largest of {len(rows):,} effects are drawn; edges.csv has them all."
        )
    if lost:
        notes.append(lost)
    return {
        "format": 1,
        "title": f"What {run.loaded.name} needs to say {head['target']['name']}",
        "version": __version__,
        **head,
        "model": head["model"] | {"accuracy": accuracy},
        "layers": layers,
        "nodes": [
            {"id": n, "layer": order[d["layer"]], "unit": str(d["unit"]), "score": _known(d["score"])}
            for n, d in drawn.nodes(data=True)
        ],
        "edges": edges,
        "paths": [
            {"nodes": [f"{step.place}#{step.unit}" for step in path.steps], "score": path.score}
            for path in paths
        ],
        "effect_unit": EFFECT_UNITS[str(graph.settings["effect"])],
        "table": {
            "columns": [
                {"key": key, "label": label, "short": short, "percent": True, "share": True, "better": better}
                for key, label, short, better in (_COLUMNS if table else ())
            ],
            "rows": [
                {"method": row["rule"], "label": RULE_LABELS[row["rule"]]}
                | {key: row[key].to_dict() for key, *_ in _COLUMNS if row[key] is not None}
                for row in table
            ],
        },
        "maps": maps,
        "notes": notes,
        "files": ["graph.json", "graph.graphml", "graph.dot", "edges.csv", "paths.jsonl", "summary.json"],
    }


def _notes(run: CausalRun) -> list[str]:
    """What a reader of the page has to know of its figures."""
    graph, clean = run.graph, run.evaluation.clean
    notes = [
        f"An edge is kept when cutting it alone lowers the evidence for the class over {graph.samples} images "
        f"({graph.settings['correction']}-corrected p at most {graph.settings['alpha']:g}); p-values shown are corrected."
    ]
    without = f"without a cut the model recognises {clean.own:.1%} of the class and {clean.others:.1%} of the others."
    if not run.evaluation.sizes:
        what = "heads and feed-forward branches" if graph.settings["unit"] == "head" else "branches"
        notes.append(
            f"Nodes are {what} of a transformer, input is the embedding. An edge is what one of them writes into the "
            "residual stream as another reads it, which is no weight: there is no table of cuts beside other rules' "
            f"choices. On test images, {without}"
        )
        joint = graph.joint_cost
        if joint is not None and joint["effect"] is not None and joint["accuracy"] is not None:
            notes.append(
                f"All rejected edges cut at once cost {joint['effect']:.3g} {EFFECT_UNITS[str(graph.settings['effect'])]} "
                f"on the images that the graph was built on; {joint['accuracy']:.1%} of them are still recognised."
            )
        return notes
    return [
        *notes,
        "Figures of cuts are of test images that the graph was not built on, mean over layers, each layer cut alone; "
        f"{without}",
        "A mask made for one class helps that class: see how often other images are called it when only its edges are "
        "kept.",
    ]


def _maps(run: CausalRun) -> tuple[list[dict[str, Any]], str]:
    """Explanation maps of test images of the class; why there are none."""
    shown = run.sample.shown[:_MAPS]
    some = _first_rows(run.sample.test, len(shown))
    try:
        heat = run.graph.explain(run.loaded.model, some).cpu().numpy()
    except InputError as error:
        return [], f"No explanation maps: {error}"
    found = []
    for item, values, said in zip(shown, heat, run.evaluation.clean.said, strict=False):
        span = float(values.max())
        picture = thumbnail_uri((values / span if span > 0 else values)[None].astype(np.float32), size=128)
        image = thumbnail_uri(item.content, size=128)
        if image is None or picture is None:
            continue
        note = f"called {run.loaded.class_name(int(said))}"
        found.append({"id": item.id, "image": image, "heat": picture, "score": None, "note": note})
    return found, ""


def _first_rows(inputs: Any, count: int) -> Any:
    return {k: v[:count] for k, v in inputs.items()} if isinstance(inputs, dict) else inputs[:count]


def _places(graph: CausalGraph) -> list[str]:
    """Columns of the drawing: the input, and every layer, with its flattened map behind it where that is read."""
    places = ["input"]
    sources = {source for layer in graph.layers for source in layer.sources}
    known = {layer.name for layer in graph.layers}
    for source in sorted(sources):  # read from below the searched layers
        owner = source.removesuffix(":flat")
        if owner not in known and owner not in places:
            places.append(owner)
    places = [p for p in places if p in sources or f"{p}:flat" in sources]
    for layer in graph.layers:
        places.append(layer.name)
    with_flat = []
    for place in places:
        with_flat.append(place)
        if f"{place}:flat" in sources:
            with_flat.append(f"{place}:flat")
    return with_flat


def _units(graph: CausalGraph, place: str) -> int:
    for layer in graph.layers:
        if layer.name == place:
            return layer.units
        for source, units, block in zip(layer.sources, layer.source_units, layer.blocks, strict=True):
            if source == place:
                return units
            if source == f"{place}:flat":
                return units // block
    return 0


def _label(place: str) -> str:
    """The end of a module's dotted name that tells it."""
    name, _, flat = place.partition(":")
    parts = name.rstrip("+").split(".")
    words = parts[-1] if not parts[-1].isdigit() and len(parts) == 1 else ".".join(parts[-2:])
    return words + ("+" if is_sum_layer(name) else "") + (" flat" if flat else "")


def _cost(info: Any, samples: int) -> dict[str, Any] | None:
    cost = info.rejected_cost
    if cost is None:
        return None
    return {"estimate": cost["effect"], "low": cost["low"], "high": cost["high"], "n": samples}


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
