"""Causal graphs of pre-norm transformers: which heads and branches a class rests on, edge by edge.

The residual stream of a pre-norm transformer is a sum, x = x_0 + sum_l (A_l + F_l), and everything reads it through a
norm. Nodes are the embedding, every attention head (or every attention branch whole), every feed-forward branch and
the class; an edge joins what one of them writes to the reading of a later one. Cutting it gives this reader alone the
stream less the sender's contribution, all other readers and the stream itself stay as they were, and what follows from
the reader's new output runs on normally: path patching of one direct edge, exact and without linearisation. The search
goes back from the class as in `hodology.interpret.causal_graph`, with the same tests.

Reference: Ahmad, Bereux, Baret, Hashemi, Lecue, "Causal analysis for robust interpretability of neural networks",
WACV 2024. The extension to heads and the residual stream is ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from hodology import __version__
from hodology.errors import InputError
from hodology.files import hash_arrays
from hodology.interpret.causal_effects import EffectKind, class_value, rounding
from hodology.interpret.causal_options import (
    Reference,
    check_class,
    check_options,
    check_sample_count,
    hashable,
    warn_of_failures,
)
from hodology.interpret.causal_result import COLUMNS, CausalGraph, CausalLayer
from hodology.interpret.causal_search import (
    Memory,
    Rule,
    Table,
    accept,
    cost_figures,
    empty_table,
    screened,
)
from hodology.interpret.effect_tests import Correction, TestKind
from hodology.interpret.path_decomposition import as_stream
from hodology.interpret.stream_cuts import cut_stream, cutting, place_of
from hodology.interpret.stream_edges import Heads, Sender, StreamBatch
from hodology.interpret.stream_runs import StreamRuns
from hodology.nn.attention_heads import find_heads
from hodology.nn.forward import Inputs, call_model, check_inputs
from hodology.nn.forward import batch_size as size_of
from hodology.nn.load import model_fingerprint
from hodology.nn.residual import ResidualStream
from hodology.nn.taps import evaluation_mode
from hodology.work import UnitStore

__all__ = ["StreamUnit", "causal_stream_graph", "cut_stream"]

StreamUnit = Literal["head", "block"]


def causal_stream_graph(
    model: nn.Module | ResidualStream,
    inputs: Inputs,
    target: int,
    *,
    unit: StreamUnit = "head",
    effect: EffectKind = "logodds",
    reference: Reference = "zero",
    reference_inputs: Inputs | None = None,
    alpha: float = 0.01,
    correction: Correction = "bh",
    test: TestKind = "auto",
    min_effect: float = 0.0,
    max_parents: int | None = None,
    screen: float = 1.0,
    batch_size: int = 256,
    rng: int = 0,
    store: UnitStore | None = None,
    on_layer: Callable[[int, int], None] | None = None,
) -> CausalGraph:
    """Build the causal graph of one class, or of one next token, in a transformer.

    Parameters
    ----------
    model : nn.Module or ResidualStream
        A pre-norm transformer (ViT, DeiT, timm's, GPT-2, Llama, one's own); run in eval mode and never changed.
    inputs : Tensor or mapping of Tensors
        Samples, usually of the class `target`, or texts that the token `target` follows; at least 8 for a test.
    target : int
        The class c, or the token.
    unit : {"head", "block"}
        Each attention head on its own, or attention branches whole.
    effect : {"logodds", "probability", "log-probability", "logit", "loss", "correct"}
        L, see `hodology.interpret.causal_effects.class_value`.
    reference : {"zero", "mean"}
        What a cut edge carries: nothing, or the mean of its sender over `reference_inputs` (default: `inputs`), at each
        token.
    reference_inputs : Tensor or mapping of Tensors, optional
        With as many tokens as `inputs`.
    alpha : float
        Level of the corrected tests; the correction counts all edges into accepted heads of one attention branch, or
        into one feed-forward branch or the class.
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
    batch_size : int
        Rows, edges times samples, in one pass.
    rng : int
        Seed of the sign flips.
    store : UnitStore, optional
        Keeps the effects of every finished layer, named by all that they depend on; a killed call goes on from it.
    on_layer : callable, optional
        Progress: layers done, layers in all.

    Returns
    -------
    CausalGraph
        Layers ``"attention 1"``, ``"ffn 1"``, ..., ``"class"``, all of kind ``"stream"``, that read ``"input"`` (the
        embedding) and every layer below.

    Raises
    ------
    InputError
        For post-norm models and others without a residual stream (see `ResidualStream`), for heads that cannot be
        reached, for too few inputs, and values out of range.

    Notes
    -----
    A head's contribution is its slice of the out-projection, with the factor of its branch (LayerScale) where there is
    one; the projection's bias is no head's and always stays with the stream. A branch's contribution is its whole
    component of the stream, bias included. `CausalLayer.rejected_cost` cuts all rejected edges into one layer at once.
    The graph's `joint_cost`, all rejected edges of all layers at once, is of blocks only: there the contributions of the
    current pass are known when they are cut, while every head of a branch would read another stream, and no single pass
    holds them all.

    A norm does not see the length of what it reads. Where one contribution is most of a reading, as the embedding in the
    first blocks, its first-order estimate is near zero whatever its effect: `screen` can miss such edges.

    Examples
    --------
    >>> import torch
    >>> from hodology.nn.models import VisionTransformer
    >>> model = VisionTransformer(image_size=8, patch_size=4, depth=2, width=16, heads=2, hidden=8, classes=3).eval()
    >>> x = torch.rand(12, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    >>> said = int(model(x).argmax(dim=1).mode().values)
    >>> found = causal_stream_graph(model, x, target=said)
    >>> [(layer.name, layer.units) for layer in found.layers]
    [('attention 1', 2), ('ffn 1', 1), ('attention 2', 2), ('ffn 2', 1), ('class', 3)]
    """
    check_options(
        target, alpha, min_effect, max_parents, screen, batch_size, unit, reference, units=("head", "block")
    )
    class_value(torch.zeros(1, 2), 0, effect)  # refuses unknown names before the work
    bare = model.model if isinstance(model, ResidualStream) else model
    inputs = check_inputs(bare, inputs)
    count = size_of(inputs)
    check_sample_count(count, test, alpha, word="inputs")
    stream = as_stream(model, inputs)
    check_class(target, int(stream.survey.scores.shape[1]), effect)
    heads = _heads(stream) if unit == "head" else {}
    of_mean = inputs if reference_inputs is None else check_inputs(stream.model, reference_inputs)
    rule = Rule(target, effect, alpha, correction, test, min_effect, max_parents, screen, rng)
    with evaluation_mode(stream.model), torch.no_grad():
        runs = StreamRuns(stream, heads, inputs, batch_size, rule, of_mean if reference == "mean" else None)
        accuracy = float((runs.scores.argmax(dim=1) == target).double().mean())
        warn_of_failures(accuracy, target, stacklevel=2, word="inputs")
        memory = None
        if store is not None:
            arrays = hashable(inputs, "sample")
            arrays |= hashable(of_mean, "reference") if reference == "mean" else {}
            memory = Memory(store, [__version__, model_fingerprint(stream.model), hash_arrays(arrays)])
        tables, layers = _go_back(runs, rule, on_layer, memory)
        edges = {name: np.concatenate([table[name] for table in tables]) for name in COLUMNS}
        joint = None if heads else _joint_cost(runs, rule, edges)
    settings = asdict(rule) | {"unit": unit, "reference": reference, "noise": None, "n_noise": None}
    means = {} if heads or runs.means is None else runs.means
    kept = {place_of(stream, component): (value[None],) for component, value in means.items()}
    return CausalGraph(target, tuple(layers), edges, count, accuracy, settings, kept, joint)


def _heads(stream: ResidualStream) -> Heads:
    try:
        return find_heads(stream)
    except InputError as error:
        raise InputError(f"{error} Pass unit='block' to take attention branches whole.") from error


def _go_back(
    runs: StreamRuns, rule: Rule, on_layer: Callable[[int, int], None] | None, memory: Memory | None
) -> tuple[list[Table], list[CausalLayer]]:
    """From the class to the first branch; tables of candidate edges and what is known of the layers, in pass order."""
    last = len(runs.stream)
    accepted: dict[int, set[int]] = {last: {rule.target}}
    tables: list[Table] = []
    layers: list[CausalLayer] = []
    for receiver in range(last, 0, -1):
        table = _candidates(runs, receiver, sorted(accepted.get(receiver, set())))
        _measure(runs, receiver, table, rule, memory)
        for component, unit in zip(table["branch"][table["kept"]], table["source"][table["kept"]]):
            accepted.setdefault(int(component), set()).add(int(unit))
        tables.insert(0, table)
        layers.insert(0, _info(runs, receiver, table, rule))
        if on_layer is not None:
            on_layer(last + 1 - receiver, last)
    return tables, layers


def _candidates(runs: StreamRuns, receiver: int, units: list[int]) -> Table:
    """All edges into accepted units, those of one unit side by side."""
    senders = [(component, unit) for component in range(receiver) for unit in range(runs.units(component))]
    branch, source = (np.tile(np.array(column, dtype=np.int64), len(units)) for column in zip(*senders))
    target = np.repeat(np.array(units, dtype=np.int64), len(senders))
    places = [place_of(runs.stream, component) for component in range(receiver)]
    return empty_table(runs.name(receiver), places, branch, source, target)


def _measure(runs: StreamRuns, receiver: int, table: Table, rule: Rule, memory: Memory | None) -> None:
    """Fill in effects, tests and what is kept."""
    if not len(table["target"]):
        return
    edges = _edges(table, np.arange(len(table["target"])))
    table["estimate"] = runs.mean(lambda run: run.estimates(receiver, edges))
    chosen = screened(table["estimate"], rule.screen)
    some = _edges(table, chosen)

    def compute() -> np.ndarray:
        return runs.all(lambda run: run.effects(receiver, some))

    picked = {name: table[name][chosen] for name in ("branch", "source", "target")}
    what = ["stream", sorted(runs.heads), runs.means is not None, receiver, rule.target, rule.effect]
    effects = compute() if memory is None else memory.get([*what, hash_arrays(picked)], compute)
    least = max(rounding(runs.scores, rule.target, rule.effect), 4 * runs.drift)
    nothing = np.abs(effects).max(axis=1) <= least
    accept(table, chosen, np.where(nothing[:, None], 0.0, effects), rule)


def _edges(table: Mapping[str, np.ndarray], chosen: np.ndarray) -> list[tuple[Sender, int]]:
    columns = (table[name][chosen].tolist() for name in ("branch", "source", "target"))
    return [((component, source), target) for component, source, target in zip(*columns)]


def _info(runs: StreamRuns, receiver: int, table: Table, rule: Rule) -> CausalLayer:
    """What is known of a layer, and what cutting all its rejected candidates costs."""
    last = receiver == len(runs.stream)
    info = CausalLayer(
        runs.name(receiver),
        "stream",
        runs.scores.shape[1] if last else runs.units(receiver),
        tuple(place_of(runs.stream, component) for component in range(receiver)),
        tuple(runs.units(component) for component in range(receiver)),
        (1,) * receiver,
        len(table["kept"]),
        int(table["tested"].sum()),
        int(table["kept"].sum()),
    )
    gone: dict[int, set[Sender]] = {}
    for sender, unit in _edges(table, np.flatnonzero(~table["kept"])):
        gone.setdefault(unit, set()).add(sender)
    if not gone:
        return info
    drop, right = runs.all(lambda run: _cost(run.clean, run.together(receiver, gone), rule))
    return replace(info, rejected_cost=cost_figures(drop, right))


def _joint_cost(
    runs: StreamRuns, rule: Rule, edges: Mapping[str, np.ndarray]
) -> Mapping[str, float | None] | None:
    """What cutting the rejected candidates of all layers at once costs, in one pass per batch."""
    receivers = {runs.name(receiver): receiver for receiver in range(1, len(runs.stream) + 1)}
    gone: dict[int, set[int]] = {}
    for layer, component in zip(edges["layer"][~edges["kept"]], edges["branch"][~edges["kept"]]):
        gone.setdefault(receivers[layer], set()).add(int(component))
    if not gone:
        return None

    def cost(run: StreamBatch) -> Tensor:
        with cutting(runs.stream, gone, runs.means):
            return _cost(run.clean, call_model(runs.stream.model, run.inputs), rule)

    return cost_figures(*runs.all(cost))


def _cost(clean: Tensor, scores: Tensor, rule: Rule) -> Tensor:
    """Loss of evidence and hits ``(2, rows)``."""
    drop = clean - class_value(scores, rule.target, rule.effect)
    return torch.stack([drop, (scores.argmax(dim=1) == rule.target).to(drop)])
