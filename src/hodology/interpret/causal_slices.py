"""Carry changes of single channels through a program, edges standing on the channel axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx

from hodology.nn.operations import (
    CONSTANT,
    ELEMENTWISE,
    NORMS,
    REDUCTIONS,
    SHAPES,
    SPATIAL,
    arguments,
    channels_apart,
    operation_name,
)
from hodology.nn.program import Program, Values

__all__ = ["Region", "carry", "find_region"]

_SLICEABLE = ELEMENTWISE | NORMS | SPATIAL | CONSTANT


@dataclass(frozen=True, eq=False)
class Region:
    """The operations behind a stage that treat each of its channels alone.

    Attributes
    ----------
    inside : tuple of fx.Node
        In order; the stage's own node first.
    flattened : set of fx.Node
        Those that hold a map's entries behind each other on axis 1.
    readers : tuple of (fx.Node, fx.Node)
        Linear maps and convolutions that read a node of the region: (reader, what it reads).
    whole : tuple of fx.Node
        Nodes of the region that something else reads, so that they are needed with all channels.
    rest : tuple of fx.Node
        Operations that run on full activities afterwards.
    """

    inside: tuple[fx.Node, ...]
    flattened: frozenset[fx.Node]
    readers: tuple[tuple[fx.Node, fx.Node], ...]
    whole: tuple[fx.Node, ...]
    rest: tuple[fx.Node, ...]


def find_region(program: Program, node: fx.Node) -> Region:
    """Return the region behind `node`."""
    inside: dict[fx.Node, None] = {node: None}
    flattened: set[fx.Node] = set()
    after = program.after(node)
    reached = {node, *after}
    for operation in after:
        parents = [p for p in operation.all_input_nodes if p in reached]
        if not all(p in inside for p in parents) or operation.op != "call_function":
            continue
        flat = any(p in flattened for p in parents)
        if _alone(program, operation, parents[0], flat=flat):
            inside[operation] = None
            if flat or _flattens(program, operation, parents[0]):
                flattened.add(operation)
    readers: list[tuple[fx.Node, fx.Node]] = []
    whole: list[fx.Node] = []
    for operation in after:
        if operation in inside:
            continue
        read = [p for p in operation.all_input_nodes if p in inside]
        if len(read) == 1 and _maps(program, operation, read[0], reached):
            readers.append((operation, read[0]))
        else:
            whole.extend(p for p in read if p not in whole)
    if program.output in inside:
        whole.append(program.output)
    mapped = {reader for reader, _ in readers}
    rest = tuple(op for op in after if op not in inside and op not in mapped)
    return Region(tuple(inside), frozenset(flattened), tuple(readers), tuple(whole), rest)


def carry(
    program: Program, values: Values, region: Region, node: fx.Node, unit: Tensor, changed: Tensor
) -> tuple[dict[fx.Node, Tensor], tuple[fx.Node, ...]]:
    """Carry changed channels to the end of their region.

    Parameters
    ----------
    program, values, region
    node : fx.Node
        The stage whose channels change.
    unit : Tensor of int64, shape (edges,)
        The channel that each edge changes.
    changed : Tensor, shape (batch, edges, ...)
        Its new values.

    Returns
    -------
    known : dict of fx.Node to Tensor, each (edges, batch, ...)
        Nodes behind the region with their new values.
    operations : tuple of fx.Node
        What is left to run.
    """
    now: dict[fx.Node, Any] = {node: changed}
    for operation in region.inside[1:]:
        now[operation] = _sliced(program, values, operation, now, unit)
    known = {}
    for reader, read in region.readers:
        width = program.shapes[read][1]
        old = values[read]
        if read in region.flattened:
            old = old.view(len(old), -1, now[read].shape[2])
        change = now[read] - old[:, unit]
        update = _update_conv if operation_name(reader) == "convolution" else _update_linear
        known[reader] = values[reader] + update(values, reader, change, unit, width)
    for read in region.whole:
        known[read] = _whole(values[read], now[read], unit, flat=read in region.flattened)
    return known, region.rest


def _alone(program: Program, operation: fx.Node, parent: fx.Node, *, flat: bool) -> bool:
    """Whether an operation treats every channel alone, in a form that `_sliced` knows."""
    name = operation_name(operation)
    if name == "getitem":
        return arguments(operation)[1] == 0
    if flat:
        return name in ELEMENTWISE and _constants(operation, parent) == []
    if name in SHAPES and name != "expand":
        before, after = program.shapes[parent], program.shapes[operation]
        return before[:2] == after[:2] or _flattens(program, operation, parent)
    if name in REDUCTIONS:
        ndim = len(program.shapes[parent])
        dims = arguments(operation)[1] if len(arguments(operation)) > 1 else None
        return isinstance(dims, (list, tuple)) and {int(d) % ndim for d in dims}.isdisjoint({0, 1})
    return name in _SLICEABLE and channels_apart(operation, parent, program.shapes)


def _flattens(program: Program, operation: fx.Node, parent: fx.Node) -> bool:
    before, after = program.shapes.get(parent, ()), program.shapes.get(operation, ())
    return (
        operation_name(operation) in SHAPES
        and len(before) > 2
        and len(after) == 2
        and after[0] == before[0]
        and after[1] == torch.Size(before[1:]).numel()
        and before[:2] != after
    )


def _constants(operation: fx.Node, parent: fx.Node) -> list[fx.Node]:
    return [n for n in operation.all_input_nodes if n is not parent]


def _maps(program: Program, operation: fx.Node, read: fx.Node, reached: set[fx.Node]) -> bool:
    """Whether an operation is a linear map or an ungrouped convolution of what it reads."""
    name = operation_name(operation)
    if any(p in reached for p in operation.all_input_nodes if p is not read):
        return False
    if name == "convolution":
        return (
            arguments(operation)[0] is read and arguments(operation)[8] == 1 and not arguments(operation)[6]
        )
    data = {"addmm": 1, "mm": 0}.get(name)
    plain = not operation.kwargs
    return data is not None and plain and arguments(operation)[data] is read


def _sliced(
    program: Program, values: Values, operation: fx.Node, now: dict[fx.Node, Any], unit: Tensor
) -> Any:
    """One operation of a region, on edges in place of channels."""
    name = operation_name(operation)
    parent = next(p for p in operation.all_input_nodes if p in now)
    if name in SHAPES:
        value = now[parent]
        if _flattens(program, operation, parent):
            return value.flatten(2)
        return value.reshape(*value.shape[:2], *program.shapes[operation][2:])
    before = program.shapes.get(parent, ())

    def held(node: fx.Node) -> Any:
        if node in now:
            return now[node]
        constant = values[node]
        if len(before) < 2 or not isinstance(constant, Tensor):
            return constant
        by_channel = name in NORMS or name == "prelu"  # else the constant broadcasts as written
        axis = 0 if by_channel else constant.ndim - (len(before) - 1)
        if 0 <= axis < constant.ndim and constant.shape[axis] == before[1] and before[1] > 1:
            return constant.index_select(axis, unit)
        return constant.expand(len(unit)) if by_channel and constant.shape == (1,) else constant

    function: Any = operation.target
    return function(*fx.map_arg(operation.args, held), **fx.map_arg(operation.kwargs, held))


def _update_linear(values: Values, reader: fx.Node, change: Tensor, unit: Tensor, width: int) -> Tensor:
    """Change of a linear map's output, ``(edges, batch, outputs)``."""
    args = arguments(reader)
    weight = values[args[-1]]  # (entries, outputs)
    change = change if change.ndim == 3 else change[:, :, None]
    columns = weight.reshape(-1, change.shape[2], weight.shape[1])[unit]
    return change.transpose(0, 1) @ columns


def _update_conv(values: Values, reader: fx.Node, change: Tensor, unit: Tensor, width: int) -> Tensor:
    """Change of a convolution's output, ``(edges, batch, outputs, ...)``."""
    args = arguments(reader)
    weight, (stride, padding, dilation) = values[args[1]], args[3:6]
    batch, edges = change.shape[:2]
    found: list[Tensor] = []
    start = 0
    for channel, count in zip(*torch.unique_consecutive(unit, return_counts=True), strict=True):
        part = change[:, start : start + int(count)].transpose(0, 1).reshape(-1, 1, *change.shape[2:])
        own = weight[:, int(channel)][:, None].contiguous()
        moved = torch.ops.aten.convolution(
            part, own, None, stride, padding, dilation, False, [0] * len(stride), 1
        )
        found.append(moved.view(int(count), batch, *moved.shape[1:]))
        start += int(count)
    return torch.cat(found)


def _whole(old: Tensor, channel: Tensor, unit: Tensor, *, flat: bool) -> Tensor:
    """All channels of an activity with one replaced, ``(edges, batch, channels, ...)``."""
    full = old.expand(len(unit), *old.shape).clone()
    rows = torch.arange(len(unit), device=full.device)
    if flat:
        full.view(len(unit), len(old), -1, channel.shape[2])[rows, :, unit] = channel.transpose(0, 1)
    else:
        full[rows, :, unit] = channel.transpose(0, 1)
    return full
