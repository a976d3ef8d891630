"""Explanation maps of the causal-paths study: how faithful and how stable they are, beside other maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hodology.interpret.causal_result import CausalGraph
from hodology.interpret.deletion import deletion_curve
from hodology.interpret.map_inputs import pixels_of
from hodology.interpret.map_stability import map_stability
from hodology.interpret.saliency import grad_cam, gradient_map, integrated_gradients
from hodology.stats import paired_bootstrap

__all__ = ["map_figures"]

_OTHERS = ("gradient", "grad-cam", "integrated gradients", "random", "the image")
_STABLE = ("causal", "gradient", "grad-cam", "integrated gradients")


def map_figures(
    model: nn.Module, graphs: Mapping[int, CausalGraph], x: Tensor, y: Tensor, count: int, seed: int
) -> dict[str, Any]:
    """Areas under deletion curves and stability under noise, on test images of the graphs' classes.

    Pixels are deleted to zero, which is the digits' background, and to their mean; the image as its own map is a
    control of the first. Grad-CAM looks at the same convolution as the causal maps, behind its ReLU where one has
    a name.
    """
    known = torch.isin(y, torch.tensor(list(graphs)))
    x, y = x[known][:count], y[known][:count]
    some = next(iter(graphs.values())).layers
    layer = [info.name for info in some if info.kind in ("conv", "add")][-1]
    convolution = [info.name for info in some if info.kind == "conv"][-1]
    behind = convolution.replace("conv", "relu")
    seen = behind if behind in dict(model.named_modules()) else convolution
    kinds: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "causal": lambda a, b: _causal(model, graphs, a, b, layer),
        "gradient": lambda a, b: gradient_map(model, a, b),
        "grad-cam": lambda a, b: grad_cam(model, a, b, layer=seen),
        "integrated gradients": lambda a, b: integrated_gradients(model, a, b, steps=16),
        "random": lambda a, b: torch.rand(
            len(a), *a.shape[2:], generator=torch.Generator().manual_seed(seed)
        ),
        "the image": lambda a, b: a.mean(dim=1),
    }
    maps = {name: make(x, y) for name, make in kinds.items()}
    deletion: dict[str, Any] = {}
    gaps: dict[str, Any] = {}
    for baseline in ("zero", "mean"):
        areas = {
            name: np.asarray(deletion_curve(model, x, value, y, baseline=baseline, rng=seed).auc, dtype=float)
            for name, value in maps.items()
        }
        deletion[baseline] = {name: float(area.mean()) for name, area in areas.items()}
        gaps[baseline] = {other: _gap(areas["causal"], areas[other], seed) for other in _OTHERS}
    few = slice(0, min(len(x), 60))
    few = slice(0, min(len(x), 60))

    def stable(name: str) -> float:
        found = map_stability(lambda a: kinds[name](pixels_of(a), y[few]), x[few], n_samples=4, rng=seed)
        return float(np.nanmean(found.similarity))

    stability = {name: stable(name) for name in _STABLE}
    return {"images": len(x), "deletion": deletion, "gaps": gaps, "stability": stability}


def _causal(model: nn.Module, graphs: Mapping[int, CausalGraph], x: Tensor, y: Tensor, layer: str) -> Tensor:
    """Maps of each image by the graph of its class; zero where a graph accepts no filter of the layer."""
    found = torch.zeros(len(x), *x.shape[2:])
    for c, graph in graphs.items():
        if (y == c).any() and any(name.startswith(f"{layer}#") for name in graph.nodes):
            found[y == c] = graph.explain(model, x[y == c], layer=layer).to(found)
    return found


def _gap(ours: np.ndarray, theirs: np.ndarray, seed: int) -> list[float]:
    interval = paired_bootstrap(ours, theirs, n_resamples=2000, rng=seed)
    return [interval.estimate, interval.low, interval.high]
