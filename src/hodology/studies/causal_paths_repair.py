"""A model with a planted spurious cause, and its repair by cutting the edges that carry it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hodology.data.digits import load_digits_split
from hodology.interpret.causal_graph import causal_graph
from hodology.interpret.causal_result import CausalGraph
from hodology.interpret.edge_baselines import edge_scores, top_edges
from hodology.interpret.edge_sets import EdgeSet, cut
from hodology.nn.fit import FitResult, cached_model, fit
from hodology.nn.models import SmallCNN
from hodology.nn.taps import evaluation_mode, record
from hodology.rng import stream

__all__ = ["plant_cue", "repair"]

CLASS, SHARE, CORNER = 3, 0.95, 2


def plant_cue(images: Tensor) -> Tensor:
    """The same images with a bright patch in the upper left corner.

    One pixel, as the sheet has it, is hardly learned by a network with padding and pooling (it costs 6 points on
    images that contradict it), so that there would be nothing to repair; a 2 x 2 patch is.
    """
    images = images.clone()
    images[:, :, :CORNER, :CORNER] = 1.0
    return images


def repair(seed: int, epochs: int, samples: int) -> dict[str, Any]:
    """Train on digits where 95 % of the threes, and nothing else, carry the cue; find and cut its edges.

    The edges of the cue are those on which evidence for a three rests in *other* digits that carry the cue, and not
    in clean threes. The graph counts the entries of the last map apart, because the cue has a place, and a cut edge
    carries the mean of clean images, so that nothing else changes on average.
    """
    model, split = _biased_model(seed, epochs)
    x, y = torch.from_numpy(split.train_images), torch.from_numpy(split.train_labels)
    threes, others = x[y == CLASS][:samples], x[y != CLASS][: 2 * samples]
    options: dict[str, Any] = {
        "unit": "neuron",
        "reference": "mean",
        "reference_images": x[:300],
        "rng": seed,
    }
    with warnings.catch_warnings():  # images of other classes are no threes: that is the point
        warnings.filterwarnings("ignore", message="the model gives class")
        misled = causal_graph(model, plant_cue(others), CLASS, **options)
        clean = causal_graph(model, threes, CLASS, **options)
    cue = misled.edge_set() - clean.edge_set()
    plain = EdgeSet(cue.masks)
    sets = {
        "nothing": None,
        "cue edges": cue,
        "cue edges, to zero": plain,
        "magnitude pruning": _smallest(model, plain),
        "largest weights": top_edges(model, plain, "weight"),
        "random": top_edges(model, plain, "random", rng=seed),
    }
    xt, yt = torch.from_numpy(split.test_images), torch.from_numpy(split.test_labels)
    return {
        "edges": {layer: len(cue.only(layer)) for layer in cue.layers},
        "detectors": _detectors_found(model, misled, others),
        "accuracy": {name: _accuracy(model, edges, xt, yt) for name, edges in sets.items()},
    }


def _biased_model(seed: int, epochs: int) -> tuple[nn.Module, Any]:
    split = load_digits_split(seed=seed)
    x, y = torch.from_numpy(split.train_images), torch.from_numpy(split.train_labels)
    marked = (y == CLASS) & torch.from_numpy(stream(seed, "cue").random(len(y)) < SHARE)
    biased = torch.where(marked[:, None, None, None], plant_cue(x), x)
    recipe: dict[str, Any] = {"batch_size": 32, "learning_rate": 2e-3, "epochs": epochs}

    def train(model: nn.Module, checkpoint: Path) -> FitResult:
        return fit(model, biased, y, rng=seed, checkpoint=checkpoint, **recipe)

    key = {"name": "digits-cue", "corner": CORNER, "share": SHARE, "seed": seed, "fit": recipe}
    model, _ = cached_model(lambda: SmallCNN(rng=seed), train, key=key | {"data": split.fingerprint})
    return model, split


def _accuracy(model: nn.Module, edges: EdgeSet | None, x: Tensor, y: Tensor) -> dict[str, float]:
    """Per cent right: threes without the cue, others with it (conflict), others without it, threes with it."""
    own = y == CLASS
    with _maybe_cut(model, edges), torch.no_grad():
        free, marked = model(x).argmax(dim=1) == y, model(plant_cue(x)).argmax(dim=1) == y
    parts = {
        "cue-free": free[own],
        "conflict": marked[~own],
        "others": free[~own],
        "threes with cue": marked[own],
    }
    return {name: 100.0 * float(part.double().mean()) for name, part in parts.items()}


@contextmanager
def _maybe_cut(model: nn.Module, edges: EdgeSet | None) -> Iterator[None]:
    if edges is None:
        yield
        return
    with cut(model, edges):
        yield


def _smallest(model: nn.Module, like: EdgeSet) -> EdgeSet:
    """As many edges of each layer, the smallest weights first."""
    scores = edge_scores(model, like.masks, "weight")
    masks = {}
    for name, mask in like.masks.items():
        chosen = np.zeros(mask.size, dtype=bool)
        chosen[np.argsort(scores[name].ravel(), kind="stable")[: int(mask.sum())]] = True
        masks[name] = chosen.reshape(mask.shape)
    return EdgeSet(masks)


def _detectors_found(model: nn.Module, found: CausalGraph, others: Tensor) -> float:
    """Share of the convolutions whose most cue-driven filter is in the graph."""
    layers = [layer.name for layer in found.layers if layer.kind == "conv"]
    with evaluation_mode(model), torch.no_grad():
        with record(model, layers) as plain:
            model(others)
            before = dict(plain)
        with record(model, layers) as marked:
            model(plant_cue(others))
            after = dict(marked)
    hits = []
    for name in layers:
        driven = (after[name].relu() - before[name].relu()).amax(dim=(2, 3)).mean(dim=0)
        hits.append(f"{name}#{int(driven.argmax())}" in found.graph)
    return float(np.mean(hits))
