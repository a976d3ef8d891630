"""Groups of edges cut together, and causal graphs beside each other: redundancy and stability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.interpret.causal_effects import EffectKind, class_value
from hodology.interpret.causal_graph import causal_graph, noisy_copies
from hodology.interpret.causal_result import CausalGraph
from hodology.interpret.edge_baselines import top_edges
from hodology.interpret.edge_sets import EdgeSet, cut
from hodology.interpret.effect_tests import effect_tests
from hodology.nn.forward import Inputs, batch_size, call_model, check_inputs, select_rows, usable_model
from hodology.nn.taps import evaluation_mode
from hodology.rng import stream
from hodology.stats import Interval, benjamini_hochberg, t_interval

__all__ = [
    "GraphComparison",
    "GroupEffect",
    "compare",
    "edge_stability",
    "group_effect",
    "pair_effects",
]


@dataclass(frozen=True, eq=False)
class GroupEffect:
    """Effect of cutting a group of edges at once.

    Attributes
    ----------
    interval : Interval
        Mean loss of evidence, 95 % t interval.
    p : float
        One-sided, of a mean above zero.
    per_sample : float64 ndarray, shape (samples,)
    """

    interval: Interval
    p: float
    per_sample: np.ndarray


@dataclass(frozen=True, eq=False)
class GraphComparison:
    """Two causal graphs of one model, or of two models of one shape.

    Attributes
    ----------
    jaccard : mapping of str to float
        Shared accepted edges over all accepted edges, by layer.
    rank_correlation : mapping of str to float
        Spearman's, of the effects of edges that both tested (NaN with fewer than 3).
    only_first, only_second : EdgeSet
        Accepted edges of one of both alone; of weights and sums (edges of a stream have no masks).
    """

    jaccard: Mapping[str, float]
    rank_correlation: Mapping[str, float]
    only_first: EdgeSet
    only_second: EdgeSet


def group_effect(
    model: nn.Module,
    images: Inputs,
    target: int,
    edges: EdgeSet,
    *,
    effect: EffectKind = "logodds",
    rng: int = 0,
) -> GroupEffect:
    """Effect of cutting all of `edges` at once, for edges of any layers: a path, a unit's out-edges, a pair."""
    model = usable_model(model)
    images = check_inputs(model, images)
    with evaluation_mode(model), torch.no_grad():
        before = class_value(_scores(model, images), target, effect)
        with cut(model, edges):
            after = class_value(_scores(model, images), target, effect)
    values = (before - after).double().cpu().numpy()
    result = effect_tests(values[None], correction="none", rng=rng)
    return GroupEffect(t_interval(values), float(result.p[0]), values)


def pair_effects(
    model: nn.Module, images: Inputs, found: CausalGraph, layer: str, *, n_pairs: int = 20
) -> list[dict[str, Any]]:
    """Pairs of rejected edges into one unit, cut together: what single cuts cannot see when two stand in for another.

    Parameters
    ----------
    model, images, found
    layer : str
    n_pairs : int
        Pairs that are tried, those with the largest gradient x contribution first.

    Returns
    -------
    list of dict
        ``target``, ``sources``, ``together`` (mean joint effect), ``alone`` (sum of the single effects), ``p`` and
        ``p_adjusted`` (Benjamini and Hochberg, for the pairs tried); the largest joint effect first.

    Raises
    ------
    InputError, UnknownNameError
        For sums of branches and layers that the graph does not have.
    """
    names = [info.name for info in found.layers]
    if layer not in names:
        raise UnknownNameError(f"layer {layer!r} is not in this graph{near_names(layer, names)}.")
    edges = found.edges
    here = np.flatnonzero((edges["layer"] == layer) & ~edges["kept"] & edges["tested"])
    info = found.layers[names.index(layer)]
    if info.kind not in ("linear", "conv"):
        what = "a sum" if info.kind == "add" else "of a residual stream"
        raise InputError(f"layer {layer!r} is {what}; pairs of edges are of linear maps and convolutions.")
    rank = here[np.argsort(-edges["estimate"][here], kind="stable")]
    pairs = ((a, b) for i, b in enumerate(rank) for a in rank[:i] if edges["target"][a] == edges["target"][b])
    shape = {layer: (info.units, info.source_units[0])}
    effect: Any = found.settings.get("effect", "logodds")
    rows: list[dict[str, Any]] = []
    for a, b in islice(pairs, n_pairs):
        unit, sources = int(edges["target"][a]), (int(edges["source"][a]), int(edges["source"][b]))
        chosen = EdgeSet.from_edges([(layer, source, unit) for source in sources], shape)
        chosen = EdgeSet(chosen.masks, {k: v for k, v in found.reference.items() if k == layer})
        joint = group_effect(model, images, found.target, chosen, effect=effect)
        alone = float(edges["effect"][a] + edges["effect"][b])
        rows.append(
            {
                "target": unit,
                "sources": sources,
                "together": joint.interval.estimate,
                "alone": alone,
                "p": joint.p,
            }
        )
    if rows:
        for row, p in zip(rows, benjamini_hochberg([row["p"] for row in rows]).tolist(), strict=True):
            row["p_adjusted"] = p
    return sorted(rows, key=lambda row: -row["together"])


def compare(first: CausalGraph, second: CausalGraph) -> GraphComparison:
    """Compare two graphs, for example of clean and of biased images, edge by edge."""
    from scipy.stats import spearmanr

    names = [layer.name for layer in first.layers if layer.name in {other.name for other in second.layers}]
    if not names:
        raise InputError("the two graphs share no layer.")
    correlation, jaccard = {}, {}
    for name in names:
        x, y = _tested(first, name), _tested(second, name)
        kept, others = _tested(first, name, "kept").keys(), _tested(second, name, "kept").keys()
        jaccard[name] = len(kept & others) / len(kept | others) if kept | others else 1.0
        both = sorted(x.keys() & y.keys())
        pairs = np.array([(x[k], y[k]) for k in both])
        enough = len(both) > 2 and bool((np.ptp(pairs, axis=0) > 0).all())
        correlation[name] = float(spearmanr(pairs[:, 0], pairs[:, 1]).statistic) if enough else float("nan")
    a, b = first.edge_set(), second.edge_set()
    masked = [name for name in names if name in a.masks and name in b.masks]
    a, b = a.only(*masked), b.only(*masked)
    return GraphComparison(jaccard, correlation, a - b, b - a)


def edge_stability(
    model: nn.Module,
    images: Inputs,
    target: int,
    *,
    noise: float = 0.1,
    effect: EffectKind = "logodds",
    rng: int = 0,
    **options: Any,
) -> list[dict[str, Any]]:
    """Jaccard of edge sets from two disjoint halves of the images, and with and without input noise.

    Parameters
    ----------
    model, images, target
    noise : float
        Standard deviation of the noise on the second set of images.
    effect : str
    rng : int
        Seed of the halves and the noise.
    **options
        Passed to `causal_graph`.

    Returns
    -------
    list of dict
        Rows of ``layer``, ``change`` (``"halves"`` or ``"noise"``), ``causal``, and the same for the top sets of the
        other rules, each with as many edges as the causal graph of the same images: ``gradient``,
        ``signed-gradient``, ``chance`` (expected of two random sets of these sizes). NaN where no set has an edge.

    Raises
    ------
    InputError
        For units of a residual stream, whose edges have no masks; `compare` two graphs of those.
    """
    if options.get("unit") in ("head", "block"):
        raise InputError(
            "edge_stability is for edges of weights; compare two graphs of heads or blocks instead."
        )
    images = check_inputs(model, images)
    order = torch.from_numpy(stream(rng, "halves").permutation(batch_size(images)))
    half = len(order) // 2
    device = next(iter(images.values())).device if isinstance(images, Mapping) else images.device
    parts = [select_rows(images, rows.to(device)) for rows in (order[:half], order[half : 2 * half])]
    noisy = noisy_copies(images, noise, 1, rng=rng)
    rows = []
    for change, (one, other) in (("halves", parts), ("noise", (images, noisy))):
        graphs = [causal_graph(model, part, target, effect=effect, **options) for part in (one, other)]
        sets = [graph.edge_set() for graph in graphs]
        tops = {
            rule: [
                top_edges(model, s, rule, images=part, target=target, effect=effect)
                for s, part in zip(sets, (one, other))
            ]
            for rule in ("gradient", "signed-gradient")
        }
        for layer in graphs[0].layers:
            if layer.kind not in ("linear", "conv"):
                continue
            row = {"layer": layer.name, "change": change, "causal": _jaccard(sets, layer.name)}
            row |= {rule: _jaccard(pair, layer.name) for rule, pair in tops.items()}
            rows.append(row | {"chance": _chance(sets, layer.name)})
    return rows


def _tested(found: CausalGraph, layer: str, column: str = "tested") -> dict[tuple[int, int, int], float]:
    """Effects of a layer's edges that were tested (or kept), by branch, source and target."""
    e = found.edges
    here = np.flatnonzero((e["layer"] == layer) & e[column])
    return {
        (int(e["branch"][i]), int(e["source"][i]), int(e["target"][i])): float(e["effect"][i]) for i in here
    }


def _jaccard(sets: Sequence[EdgeSet], layer: str) -> float:
    one, other = (s.only(layer) for s in sets)
    return one.jaccard(other) if len(one) + len(other) else float("nan")


def _chance(sets: Sequence[EdgeSet], layer: str) -> float:
    """Jaccard of two random sets of these sizes, by their expected overlap."""
    total = sets[0].masks[layer].size
    a, b = (len(s.only(layer)) for s in sets)
    shared = a * b / total
    return shared / (a + b - shared) if a + b else float("nan")


def _scores(model: nn.Module, images: Inputs) -> Tensor:
    """Class scores in passes of some hundred images; each gets a copy, which it may change in place."""
    device = next(iter(images.values())).device if isinstance(images, Mapping) else images.device
    rows = torch.arange(batch_size(images), device=device)
    return torch.cat([call_model(model, select_rows(images, part)) for part in rows.split(512)])
