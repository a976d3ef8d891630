"""Causal graphs: the edges of a trained network whose cut lowers the evidence for a class.

A feed-forward network is a causal model: unit j of a layer is Z_j = phi(sum_i w_ij Z_i + b_j). The path intervention
do(w_ij = 0) cuts one edge and leaves everything else alone; its effect on sample x is

    e_ij(x) = L_c(x) - L_c(x; do(cut ij)),   L_c = log(p_c / (1 - p_c))

Starting at the class output and going back layer by layer, all edges into accepted units are candidates. A candidate
is accepted when its effect is above zero by a one-sided paired test over samples, corrected for the number of
candidates of the layer; the sources of accepted edges are the accepted units of the layer below.

Reference: Ahmad, Bereux, Baret, Hashemi, Lecue, "Causal analysis for robust interpretability of neural networks",
WACV 2024. The log odds, the correction and the mean reference are ours: the paper's own rule is not confirmed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Literal

import numpy as np
import torch
from torch import nn

from hodology import __version__
from hodology.errors import InputError, UnknownNameError, near_names
from hodology.files import hash_arrays
from hodology.interpret.causal_effects import EffectKind, class_value
from hodology.interpret.causal_options import (
    Reference,
    check_class,
    check_options,
    check_sample_count,
    hashable,
    noisy_copies,
    tensors_of,
    warn_of_failures,
)
from hodology.interpret.causal_result import COLUMNS, CausalGraph
from hodology.interpret.causal_runs import Runs
from hodology.interpret.causal_search import Memory, Rule, go_back
from hodology.interpret.causal_stages import Stage
from hodology.interpret.causal_stream import causal_stream_graph
from hodology.interpret.effect_tests import Correction, TestKind
from hodology.nn.forward import Inputs, check_inputs, usable_model
from hodology.nn.forward import batch_size as size_of
from hodology.nn.load import model_fingerprint
from hodology.nn.taps import evaluation_mode
from hodology.work import UnitStore

__all__ = ["Reference", "causal_graph", "noisy_copies"]


def causal_graph(
    model: nn.Module,
    images: Inputs,
    target: int,
    *,
    layers: Sequence[str] | None = None,
    unit: Literal["channel", "neuron", "head", "block"] = "channel",
    effect: EffectKind = "logodds",
    reference: Reference = "zero",
    reference_images: Inputs | None = None,
    alpha: float = 0.01,
    correction: Correction = "bh",
    test: TestKind = "auto",
    min_effect: float = 0.0,
    max_parents: int | None = None,
    screen: float = 1.0,
    noise: float | None = None,
    n_noise: int = 32,
    batch_size: int = 64,
    rng: int = 0,
    store: UnitStore | None = None,
    on_layer: Callable[[int, int], None] | None = None,
) -> CausalGraph:
    """Build the causal graph of one class.

    Parameters
    ----------
    model : nn.Module
        A network of linear maps and convolutions, with or without skip connections (which become edges of their own);
        run in eval mode and never changed.
    images : Tensor or mapping of str to Tensor
        Samples, usually of the class `target`; at least 8 for a test.
    target : int
        The class c.
    layers : sequence of str, optional
        Only edges into these modules; they must reach down from the class scores without a gap. Default all; not for
        heads and blocks.
    unit : {"channel", "neuron", "head", "block"}
        Behind a flattening: all entries of a channel as one unit, or each on its own. ``"head"`` and ``"block"`` are for
        pre-norm transformers, whose edges run through the residual stream: see
        `hodology.interpret.causal_stream.causal_stream_graph`.
    effect : {"logodds", "probability", "log-probability", "logit", "loss", "correct"}
        L, see `hodology.interpret.causal_effects.class_value`.
    reference : {"zero", "mean"}
        What a cut edge carries: nothing, or the mean of its source over `reference_images` (default: `images`), at
        each place of a map. Zero can lie outside of what a unit ever does, for example before a batch norm's bias.
    reference_images : Tensor or mapping, optional
    alpha : float
        Level of the corrected tests.
    correction : {"bh", "holm", "none"}
    test : {"auto", "t", "permutation", "none"}
        ``"auto"``: sign flips below 30 samples, else t. ``"none"`` accepts every effect above `min_effect`.
    min_effect : float
        Smallest mean effect to accept, in units of L.
    max_parents : int, optional
        Accept at most so many edges into one unit, the largest effects first.
    screen : float
        Share of a layer's candidates, ranked by gradient x contribution, that are tested exactly; the correction still
        counts them all.
    noise : float, optional
        Local explanation: `n_noise` copies of the images with Gaussian noise of this standard deviation in place of
        them; a single image needs it. The p-values are then about the noise.
    n_noise : int
    batch_size : int
        Images in one pass; for heads and blocks edges times images.
    rng : int
        Seed of noise and sign flips.
    store : UnitStore, optional
        Keeps the effects of every finished layer, named by all that they depend on; a killed call goes on from it.
    on_layer : callable, optional
        Progress: layers done, layers in all.

    Returns
    -------
    CausalGraph

    Raises
    ------
    InputError
        For too few images, layers with a gap, operations that mix channels, and values out of range; what
        `causal_stream_graph` refuses.

    Examples
    --------
    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.Linear(2, 2, bias=False))
    >>> _ = torch.nn.init.eye_(net[0].weight)
    >>> x = torch.rand(40, 2, generator=torch.Generator().manual_seed(0)) + torch.tensor([1.0, 0.0])
    >>> found = causal_graph(net, x, target=0)
    >>> [(row["source"], row["target"]) for row in found.rows()]  # input 1 has weight 0 into class 0
    [(0, 0)]
    """
    model = usable_model(model)
    images = check_inputs(model, images)
    check_options(
        target, alpha, min_effect, max_parents, screen, batch_size, unit, reference,
        units=("channel", "neuron", "head", "block"),
    )  # fmt: skip
    samples = images if noise is None else noisy_copies(images, noise, n_noise, rng=rng)
    noised = {"noise": noise, "n_noise": n_noise if noise else None}
    if unit in ("head", "block"):
        if layers is not None:
            raise InputError(
                f"layers must be None for unit {unit!r}: a head or branch reads all that lie below it, so layers cannot be "
                "left out."
            )
        if noise is not None and not any(v.is_floating_point() for v in tensors_of(images)):
            raise InputError("noise must be None for token ids, which are no quantities.")
        found = causal_stream_graph(
            model, samples, target, unit=unit, effect=effect, reference=reference,
            reference_inputs=reference_images, alpha=alpha, correction=correction, test=test,
            min_effect=min_effect, max_parents=max_parents, screen=screen, batch_size=batch_size, rng=rng,
            store=store, on_layer=on_layer,
        )  # fmt: skip
        return replace(found, settings={**found.settings, **noised})
    count = size_of(samples)
    check_sample_count(count, test, alpha)
    class_value(torch.zeros(1, 2), 0, effect)  # refuses unknown names before the work
    with evaluation_mode(model), torch.no_grad():
        runs = Runs(model, samples, batch_size, by_column=unit == "neuron")
        check_class(target, runs.stages[-1].units, effect)
        if reference == "mean":
            runs.keep_means(samples if reference_images is None else check_inputs(model, reference_images))
        accuracy = float((runs.scores().argmax(dim=1) == target).double().mean())
        warn_of_failures(accuracy, target, stacklevel=2)
        chosen = _chosen(runs.stages, layers)
        rule = Rule(target, effect, alpha, correction, test, min_effect, max_parents, screen, rng)
        memory = None if store is None else _memory(store, model, samples, runs)
        tables, infos = go_back(runs, chosen, rule, on_layer, memory)
    settings = asdict(rule) | {"unit": unit, "reference": reference, **noised}
    names = [stage.name for stage in chosen]
    edges = {name: np.concatenate([tables[n][name] for n in names]) for name in COLUMNS}
    references = {name: runs.references[name] for name in names if name in runs.references}
    return CausalGraph(target, tuple(infos[n] for n in names), edges, count, accuracy, settings, references)


def _memory(store: UnitStore, model: nn.Module, samples: Inputs, runs: Runs) -> Memory:
    """Names what a layer's effects depend on; the references are hashed, whatever images they came from."""
    arrays = hashable(samples, "sample")
    for name, means in runs.means.items():
        arrays |= {f"mean {name} {i}": value.cpu().numpy() for i, value in enumerate(means)}
    return Memory(store, [__version__, model_fingerprint(model), hash_arrays(arrays)])


def _chosen(stages: Sequence[Stage], layers: Sequence[str] | None) -> list[Stage]:
    inner = [stage for stage in stages if stage.kind != "input"]
    if layers is None:
        return inner
    names = [stage.name for stage in inner]
    if isinstance(layers, str):
        raise InputError(f"layers must be a sequence of names, got the text {layers!r}.")
    for layer in layers:
        if layer not in names:
            raise UnknownNameError(f"layer {layer!r} has no edges in this model{near_names(layer, names)}.")
    if not layers:
        raise InputError("layers must name at least one layer, or be None for all.")
    readers: dict[str, set[str]] = {name: set() for name in ["input", *names]}
    for stage in inner:
        for source in stage.sources:
            readers[source.stage].add(stage.name)
    wanted = set(layers)
    needed, stack = set(), list(wanted)
    while stack:
        for reader in readers[stack.pop()]:
            if reader not in needed:
                needed.add(reader)
                stack.append(reader)
    missing = [s.name for s in inner if s.name in needed - wanted and s.kind != "add"]
    if missing or names[-1] not in wanted | needed:
        raise InputError(
            f"layers must reach down from the class scores without a gap; between them lie {', '.join(map(repr, missing))}."
        )
    return [stage for stage in inner if stage.name in wanted | needed]
