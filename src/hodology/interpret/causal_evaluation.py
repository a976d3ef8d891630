"""Is a causal graph necessary and sufficient? Cuts on other images, beside edges that other rules choose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hodology.errors import InputError
from hodology.interpret.causal_result import CausalGraph
from hodology.interpret.edge_baselines import EdgeRule, top_edges
from hodology.interpret.edge_sets import EdgeSet, cut, keep_only
from hodology.nn.forward import Inputs, batch_size, call_model, check_inputs, select_rows, usable_model
from hodology.nn.taps import evaluation_mode
from hodology.stats import Interval, bootstrap_interval

__all__ = ["RULES", "CutFigures", "GraphEvaluation", "cut_figures", "evaluate_graph"]

RULES: tuple[EdgeRule, ...] = ("random", "weight", "gradient", "signed-gradient", "activation")
_FIGURES = ("own", "others", "called")


@dataclass(frozen=True, eq=False)
class CutFigures:
    """What a model says of images while edges are cut.

    Attributes
    ----------
    said : int64 ndarray, shape (images,)
        Predicted classes.
    labels : int64 ndarray, shape (images,)
    target : int
    """

    said: np.ndarray
    labels: np.ndarray
    target: int

    @property
    def own(self) -> float:
        """Accuracy on images of the class."""
        return _mean(self.per_image("own"))

    @property
    def others(self) -> float:
        """Accuracy on images of all other classes: a cut that hurts these as well is not about the class."""
        return _mean(self.per_image("others"))

    @property
    def called(self) -> float:
        """Share of the other classes' images that are called the class."""
        return _mean(self.per_image("called"))

    def per_image(self, figure: str) -> np.ndarray:
        """Zeros and ones of the images that a figure is the mean of."""
        own = self.labels == self.target
        if figure == "called":
            return (self.said[~own] == self.target).astype(float)
        return (self.said == self.labels)[own if figure == "own" else ~own].astype(float)


@dataclass(frozen=True, eq=False)
class GraphEvaluation:
    """Cuts of accepted edges and of as many others.

    Attributes
    ----------
    clean : CutFigures
        Nothing cut.
    figures : mapping of (layer, rule, "cut" or "keep") to tuple of CutFigures
        Several for the draws of the random rule.
    sizes : mapping of str to (int, int)
        Accepted edges and all edges of each layer.
    """

    clean: CutFigures
    figures: dict[tuple[str, str, str], tuple[CutFigures, ...]]
    sizes: dict[str, tuple[int, int]]

    @property
    def rules(self) -> tuple[str, ...]:
        """``"causal"`` and the rules it is compared with."""
        return tuple(dict.fromkeys(rule for _, rule, _ in self.figures))

    def rows(self) -> list[dict[str, Any]]:
        """A row per layer and rule: ``layer``, ``rule``, ``edges``, ``all_edges`` and ``cut_own``, ``cut_others``,
        ``cut_called``, ``keep_own``, ``keep_others``, ``keep_called``."""
        found = []
        for layer, (edges, all_edges) in self.sizes.items():
            for rule in self.rules:
                row: dict[str, Any] = {"layer": layer, "rule": rule, "edges": edges, "all_edges": all_edges}
                for how in ("cut", "keep"):
                    draws = self.figures[layer, rule, how]
                    row |= {f"{how}_{f}": float(np.mean([getattr(d, f) for d in draws])) for f in _FIGURES}
                found.append(row)
        return found

    def table(self, *, rng: int = 0) -> list[dict[str, Any]]:
        """A row per rule: the same figures, mean over layers, as 95 % bootstrap intervals over images."""
        found = []
        for rule in self.rules:
            row: dict[str, Any] = {"rule": rule}
            for how in ("cut", "keep"):
                for figure in _FIGURES:
                    row[f"{how}_{figure}"] = self._over_layers(rule, how, figure, rng)
            found.append(row)
        return found

    def _over_layers(self, rule: str, how: str, figure: str, rng: int) -> Interval | None:
        layers = [
            np.mean([d.per_image(figure) for d in self.figures[layer, rule, how]], axis=0)
            for layer in self.sizes
        ]
        values = np.mean(layers, axis=0)
        return bootstrap_interval(values, n_resamples=2000, rng=rng) if values.size else None


def cut_figures(
    model: nn.Module,
    images: Inputs,
    labels: Tensor,
    target: int,
    edges: EdgeSet | None,
    *,
    keep: bool = False,
) -> CutFigures:
    """What the model says while `edges` are cut (or, with ``keep=True``, while all others of their layers are).

    Parameters
    ----------
    model : nn.Module
    images : Tensor or mapping of str to Tensor
        Of all classes; not those that the edges were chosen on.
    labels : int64 Tensor, shape (batch,)
    target : int
    edges : EdgeSet or None
        None for the model as it is.

    Raises
    ------
    InputError
        When labels and images differ in number.
    """
    model = usable_model(model)
    images = check_inputs(model, images)
    if len(labels) != batch_size(images):
        raise InputError(f"labels must be one per image ({batch_size(images)}), got {len(labels)}.")
    how: Any = nullcontext() if edges is None else (keep_only if keep else cut)(model, edges)
    with evaluation_mode(model), torch.no_grad(), how:
        device = next(iter(images.values())).device if isinstance(images, Mapping) else images.device
        rows = torch.arange(len(labels), device=device)
        parts = [call_model(model, select_rows(images, part)).argmax(dim=1) for part in rows.split(512)]
    return CutFigures(torch.cat(parts).cpu().numpy(), labels.cpu().numpy(), target)


def evaluate_graph(
    model: nn.Module,
    found: CausalGraph,
    images: Inputs,
    labels: Tensor,
    *,
    choose: Inputs,
    rules: Sequence[EdgeRule] = RULES,
    n_random: int = 10,
    rng: int = 0,
) -> GraphEvaluation:
    """Cut and keep the accepted edges of each layer, and as many edges of that layer that other rules choose.

    Parameters
    ----------
    model : nn.Module
    found : CausalGraph
    images, labels
        Test images of all classes.
    choose : Tensor or mapping of str to Tensor
        The images that the graph was built on; rules that look at data look at these.
    rules : sequence of str
        See `hodology.interpret.edge_baselines.top_edges`.
    n_random : int
        Draws of the random rule.
    rng : int
    """
    model = usable_model(model)
    choose = check_inputs(model, choose)
    figures: dict[tuple[str, str, str], tuple[CutFigures, ...]] = {}
    sizes = {}
    effect: Any = found.settings.get("effect", "logodds")
    for layer in found.layers:
        if layer.kind not in ("linear", "conv"):
            continue
        own = found.edge_set(layer.name)
        sizes[layer.name] = (len(own), int(own.masks[layer.name].size))
        sets: dict[str, list[EdgeSet]] = {"causal": [own]}
        for rule in rules:
            sets[rule] = [
                top_edges(model, own, rule, images=choose, target=found.target, effect=effect, rng=rng + draw)
                for draw in range(n_random if rule == "random" else 1)
            ]
        for name, chosen in sets.items():
            for how in ("cut", "keep"):
                figures[layer.name, name, how] = tuple(
                    cut_figures(model, images, labels, found.target, edges, keep=how == "keep")
                    for edges in chosen
                )
    return GraphEvaluation(cut_figures(model, images, labels, found.target, None), figures, sizes)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else float("nan")
