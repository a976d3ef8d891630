"""The figures of one seed of the causal-paths study; `hodology.studies.causal_paths` judges them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from hodology.interpret.causal_comparison import edge_stability
from hodology.interpret.causal_evaluation import evaluate_graph
from hodology.interpret.causal_graph import causal_graph
from hodology.nn.reference import digits_cnn
from hodology.studies.causal_paths_data import real_model
from hodology.studies.causal_paths_maps import map_figures
from hodology.studies.causal_paths_repair import repair

__all__ = ["measure"]

SIZES: dict[str, dict[str, Any]] = {
    "quick": {"classes": (0, 3, 8), "samples": 60, "epochs": 12, "maps": 100},
    "standard": {"classes": tuple(range(10)), "samples": 60, "epochs": 25, "maps": 300},
}


def measure(payload: Mapping[str, Any]) -> bytes:
    """All figures of one seed, as JSON."""
    seed, size = payload["seed"], SIZES[payload["size"]]
    if payload["data"] is None:
        trained = digits_cnn(seed=seed, epochs=size["epochs"])
        split = trained.split
        parts = (split.train_images, split.train_labels, split.test_images, split.test_labels)
        model, accuracy = trained.model, trained.accuracy
        x, y, xt, yt = (torch.from_numpy(part) for part in parts)
        classes = size["classes"]
    else:
        model, x, y, xt, yt, classes = real_model(payload["data"], seed, size)
        accuracy = float("nan")
    graphs, rows, stable, whole = {}, [], [], []
    for c in classes:
        choose = x[y == c][: size["samples"]]
        graphs[c] = found = causal_graph(model, choose, c, rng=seed)
        cuts = evaluate_graph(model, found, xt, yt, choose=choose, rng=seed)
        rows += [{"class": int(c), **row} for row in cuts.rows()]
        whole.append(cuts.clean.own)
        stable += [{"class": int(c), **row} for row in edge_stability(model, choose, c, rng=seed)]
    figures: dict[str, Any] = {
        "accuracy": accuracy,
        "whole": float(np.mean(whole)),
        "rows": rows,
        "stable": stable,
        "kept": {
            c: {layer.name: [layer.kept, layer.candidates] for layer in g.layers} for c, g in graphs.items()
        },
        "rejected": [
            {"class": int(c), "layer": layer.name, **layer.rejected_cost}
            for c, g in graphs.items()
            for layer in g.layers
            if layer.rejected_cost is not None
        ],
        "maps": map_figures(model, graphs, xt, yt, size["maps"], seed),
    }
    if payload["data"] is None:
        figures["repair"] = repair(seed, size["epochs"], size["samples"])
    return json.dumps(figures).encode()
