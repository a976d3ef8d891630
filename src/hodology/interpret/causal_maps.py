"""Explanation maps of a causal graph: where the filters that a class rests on answer.

ReLU(sum_i s_i Z_i(x)) over the accepted filters of a layer, s_i the sum of the effects of a filter's accepted edges
(Ahmad et al., "Causal analysis for robust interpretability of neural networks", WACV 2024).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, fx, nn

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.interpret.causal_slices import find_region
from hodology.interpret.causal_stages import Stage, find_stages
from hodology.interpret.edge_sets import sum_names
from hodology.interpret.map_inputs import resized, row_chunks, usable_images
from hodology.nn.forward import Inputs, call_model, select_rows
from hodology.nn.program import Program, record_program
from hodology.nn.taps import evaluation_mode

if TYPE_CHECKING:
    from hodology.interpret.causal_result import CausalGraph

__all__ = ["causal_maps"]


def causal_maps(
    graph: CausalGraph, model: nn.Module, images: Inputs, *, layer: str | None = None, batch_size: int = 64
) -> Tensor:
    """Maps of the filters that a causal graph accepted, weighted by their score, summed, rectified and resized.

    Z_i is taken behind the filter's batch norm and non-linearity and before pooling shrinks it: at the last place that
    all later layers read it through and up to which channels stay apart and the map keeps its size. A filter that is
    summed with another branch ends before the sum, often without a non-linearity; the sum's own units (``BLOCK+``) then
    make the better maps.

    Parameters
    ----------
    graph : CausalGraph
    model : nn.Module
        The one that the graph is of; run in eval mode and never changed.
    images : Tensor, shape (batch, channels, height, width), or mapping with ``pixel_values``
    layer : str, optional
        A convolution, or a sum of branches (``BLOCK+``). Default the last of both with accepted filters, those with a
        score above zero.
    batch_size : int
        Images in one pass; memory and speed, not the result.

    Returns
    -------
    Tensor, shape (batch, height, width)
        Not negative, in units of the graph's effect times activity; resized bilinearly.

    Raises
    ------
    UnknownNameError
        When the layer is not in the model's pass.
    InputError
        When no filter of it is accepted, it holds no maps (linear maps, the input), or the graph is of another model.
    """
    model, inputs, pixels = usable_images(model, images)
    parts = row_chunks(len(pixels), 1, batch_size, pixels.device)
    size = max(2, min(batch_size, len(pixels)))  # a program is of one size, and of two rows at least

    def padded(rows: Tensor) -> Inputs:
        return select_rows(inputs, torch.cat([rows, rows[-1:].expand(size - len(rows))]))

    with evaluation_mode(model), torch.no_grad():
        program = record_program(model, padded(parts[0][0]))
        names = sum_names(model, lambda: call_model(model, padded(parts[0][0])))
        stages = find_stages(model, program, names_of_sums=names)
        stage, scores = _accepted(graph, stages, layer)
        node = _behind(program, stages, stage)
        upper = program.nodes.index(node) + 1
        program = replace(program, nodes=program.nodes[:upper], output=node)  # nothing above it has to run
        units = torch.tensor(list(scores), device=pixels.device)
        weights = torch.tensor(list(scores.values()), dtype=pixels.dtype, device=pixels.device)
        found = []
        for rows, _ in parts:
            activity = program.run(padded(rows))[node][: len(rows), units]
            found.append(torch.einsum("nkhw,k->nhw", activity, weights))
    return resized(torch.cat(found).relu(), pixels)


def _accepted(
    graph: CausalGraph, stages: Sequence[Stage], layer: str | None
) -> tuple[Stage, dict[int, float]]:
    """The stage whose maps are asked for, and the positive scores of its units."""
    scores: dict[str, dict[int, float]] = {}
    for _, data in graph.graph.nodes(data=True):
        if data["score"] > 0:  # the class itself has none, NaN
            scores.setdefault(data["layer"], {})[data["unit"]] = data["score"]
    known = {stage.name: stage for stage in stages if stage.kind in ("conv", "add")}
    able = [name for name in known if name in scores]
    if layer is None:
        if not able:
            raise InputError(f"the graph of class {graph.target} accepts no filter of a convolution.")
        layer = able[-1]
    if layer not in known:
        kind = next((stage.kind for stage in stages if stage.name == layer), None)
        if kind is None:
            raise UnknownNameError(f"layer {layer!r} is not in the model's pass{near_names(layer, known)}.")
        what = (
            "a linear map, whose units have no maps" if kind == "linear" else "no layer but the model's input"
        )
        raise InputError(f"layer {layer!r} is {what}; layers with accepted filters: {able}.")
    if layer not in able:
        raise InputError(
            f"no filter of layer {layer!r} is accepted in the graph of class {graph.target}; layers with accepted "
            f"filters: {able}."
        )
    if max(scores[layer]) >= known[layer].units:
        raise InputError(
            f"layer {layer!r} has {known[layer].units} filters, the graph names {max(scores[layer])}; it is of another "
            "model."
        )
    return known[layer], scores[layer]


def _behind(program: Program, stages: Sequence[Stage], stage: Stage) -> fx.Node:
    """The last node that keeps channels and size and that everything behind the stage reads through."""
    shape = program.shapes[stage.node]
    if len(shape) != 4:
        raise InputError(f"layer {stage.name!r} holds no maps (batch, channels, height, width), got {shape}.")
    ends = {other.node for other in stages if other is not stage}  # a sum of branches is another unit
    last, own = stage.node, {stage.node}
    region = find_region(program, stage.node).inside
    for node in region[1:]:
        if node not in ends and all(p in own for p in node.all_input_nodes if p in region):
            own.add(node)
            if program.shapes.get(node) == shape and _all_through(program, stage.node, node):
                last = node
    return last


def _all_through(program: Program, start: fx.Node, node: fx.Node) -> bool:
    """Whether every way from `start` to the output passes `node`."""
    reached = {start}
    for operation in program.after(start):
        if operation is not node and any(p in reached for p in operation.all_input_nodes):
            reached.add(operation)
    return program.output not in reached
