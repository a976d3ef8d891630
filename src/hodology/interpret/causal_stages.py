"""The causal model of a network: which units feed which, read off the operations of one pass.

A stage is a place where units are combined: a linear map or a convolution (its edges carry weights), or the sum of
two branches (its edges are identities, so a skip connection is an edge of its own). Between stages only operations
that keep channels apart are passed through: non-linearities, pooling, batch normalisation in eval mode, padding,
flattening. Anything that mixes channels is refused by name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from torch import fx, nn

from hodology.errors import InputError
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
from hodology.nn.program import Program

__all__ = ["Source", "Stage", "find_stages"]

_ATTENTION = re.compile(r"attn|attention", re.IGNORECASE)
_LINEAR = ("addmm", "mm")
_APART = ELEMENTWISE | NORMS | SPATIAL | CONSTANT
_FINAL = (
    _APART | SHAPES | REDUCTIONS | {"getitem", "_log_softmax", "_softmax"}
)  # between last stage and scores


@dataclass(frozen=True)
class Source:
    """What a stage reads on one of its inputs.

    Attributes
    ----------
    stage : str
        Name of the stage whose units are read; ``"input"`` for the model's input.
    node : fx.Node
        Holds the values that are read, channels (or flattened channels) on axis 1.
    block : int
        Consecutive entries of axis 1 that belong to one unit: 1, or the map's size behind a flattening.
    units : int
    """

    stage: str
    node: fx.Node
    block: int
    units: int


@dataclass(frozen=True)
class Stage:
    """One place where units are combined.

    Attributes
    ----------
    name : str
        Name of the module that holds the weights; ``BLOCK+`` for a sum of branches; ``"input"``.
    kind : {"input", "linear", "conv", "add"}
    node : fx.Node
        Holds the stage's units on axis 1, before any non-linearity.
    units : int
    sources : tuple of Source
        One for weights, two for a sum, none for the input.
    """

    name: str
    kind: Literal["input", "linear", "conv", "add"]
    node: fx.Node
    units: int
    sources: tuple[Source, ...] = ()


def find_stages(
    model: nn.Module, program: Program, *, names_of_sums: Sequence[str] = ()
) -> tuple[Stage, ...]:
    """Return the stages between input and class scores, in the order of the pass.

    Parameters
    ----------
    model : nn.Module
    program : Program
        Of a batch of at least two rows.
    names_of_sums : sequence of str
        Names of the tensor sums of a pass, in order (see `hodology.interpret.edge_sets.sum_names`).

    Raises
    ------
    InputError
        For operations that mix channels, modules called twice, weights that are computed, and outputs that are no
        class scores of a stage; names them, and the way that is open to models with attention.
    """
    try:
        return _Reader(model, program, names_of_sums).stages()
    except InputError as error:
        if not _has_attention(model):
            raise
        raise InputError(
            f"{error} The model has attention: unit='head' or 'block' follows the residual stream of a transformer."
        ) from error


def _has_attention(model: nn.Module) -> bool:
    return any(_ATTENTION.search(f"{name} {type(module).__name__}") for name, module in model.named_modules())


class _Reader:
    def __init__(self, model: nn.Module, program: Program, names_of_sums: Sequence[str]) -> None:
        self.model = model
        self.program = program
        self.found: dict[fx.Node, Stage] = {}
        self.traced: dict[fx.Node, Source] = {}
        sums = [node for node in program.nodes if operation_name(node) == "add" and is_sum(node)]
        plain = [f"sum{i + 1}" for i in range(len(sums))]
        self.sum_names = dict(zip(sums, names_of_sums or plain, strict=True))

    def stages(self) -> tuple[Stage, ...]:
        final = self._last_stage(self.program.output)
        order = {node: i for i, node in enumerate(self.program.nodes)}
        stages = sorted(self.found.values(), key=lambda stage: order[stage.node])
        names = [stage.name for stage in stages]
        for name in names:
            if "+" in name and name not in self.sum_names.values():
                raise InputError(
                    f"module {name!r} has a plus sign in its name, which marks sums of branches."
                )
            if names.count(name) > 1:
                if name == "input":
                    raise InputError("the pass reads several inputs; units of one input are supported.")
                raise InputError(
                    f"the weights of {name!r} are used more than once in a pass (called twice, or tied to those of "
                    "another module); its edges are not one each."
                )
        if final is not stages[-1]:
            raise InputError(f"stage {stages[-1].name!r} comes after the class scores' {final.name!r}.")
        return tuple(stages)

    def _last_stage(self, output: fx.Node) -> Stage:
        """The stage of the class scores; behind it only what leaves classes in their places, or a log-softmax."""
        node, classes = output, self._shape(output)[1]
        while True:
            stage = self._stage(node)
            if stage is not None and stage.kind != "input":
                if stage.units != classes:
                    raise InputError(
                        f"the model ends in {stage.name!r} with {stage.units} units, but returns {classes} classes."
                    )
                return stage
            parents = self._inputs(node)
            if len(parents) != 1 or operation_name(node) not in _FINAL:
                raise InputError(
                    f"the class scores come from operation {operation_name(node)!r}; a linear map or convolution with "
                    "one unit per class is needed."
                )
            node = parents[0]

    def _stage(self, node: fx.Node) -> Stage | None:
        if node in self.found:
            return self.found[node]
        made = self._made(node)
        if made is not None:
            self.found[node] = made
        return made

    def _made(self, node: fx.Node) -> Stage | None:
        if node.op == "placeholder":
            return Stage("input", "input", node, int(self._shape(node)[1]))
        name = operation_name(node)
        if name == "convolution":
            return self._convolution(node)
        if name in _LINEAR and (self._weight(node) is not None or self._constant(arguments(node)[-1])):
            return self._linear(node)
        if (
            name == "add"
            and is_sum(node)
            and not self._constant(arguments(node)[0])
            and not self._constant(arguments(node)[1])
        ):
            return self._sum(node)
        return None

    def _convolution(self, node: fx.Node) -> Stage:
        weight: Any = arguments(node)[1]
        name = self._module_of(weight, "convolution")
        groups, transposed = arguments(node)[8], arguments(node)[6]
        if groups != 1:
            raise InputError(f"module {name!r} is a convolution with {groups} groups; it is not supported.")
        if transposed:
            raise InputError(f"module {name!r} is a transposed convolution; it is not supported.")
        return Stage(name, "conv", node, int(self._shape(node)[1]), (self._source(arguments(node)[0], name),))

    def _linear(self, node: fx.Node) -> Stage:
        name = self._module_of(self._weight(node), "linear map")
        plain = operation_name(node) == "mm"
        if not plain and (node.kwargs or not self._constant(arguments(node)[0])):
            raise InputError(f"linear map {name!r} adds more than a constant; it is not supported.")
        source = arguments(node)[0] if plain else arguments(node)[1]
        if len(self._shape(node)) != 2 or self._shape(node)[0] != self.program.rows:
            raise InputError(
                f"linear map {name!r} acts on more than one token of an input; tokens are not channels."
            )
        return Stage(name, "linear", node, int(self._shape(node)[1]), (self._source(source, name),))

    def _sum(self, node: fx.Node) -> Stage:
        name = self.sum_names[node]
        sources = tuple(self._source(arg, name) for arg in arguments(node)[:2])
        if any(source.block != 1 for source in sources) or len({self._shape(s.node) for s in sources}) > 1:
            raise InputError(f"{name!r} adds tensors of different shape; it is not supported.")
        return Stage(name, "add", node, int(self._shape(node)[1]), sources)

    def _source(self, node: Any, reader: str) -> Source:
        """Walk back from what a stage reads to the stage that made it."""
        steps: list[fx.Node] = []
        at = node
        while True:
            if not isinstance(at, fx.Node) or (not steps and len(self._shape(at)) < 2):
                raise InputError(f"what {reader!r} reads holds no channels.")
            stage = self._stage(at)
            if stage is not None:
                break
            steps.append(at)
            at = self._parent(at, reader)
        block = 1
        for step in reversed(steps):
            block = self._block(step, block, stage.units, reader)
        return Source(stage.name, node, block, self._shape(node)[1] // block)

    def _parent(self, node: fx.Node, reader: str) -> fx.Node:
        name = operation_name(node)
        parents = self._inputs(node)
        if name == "getitem":
            if arguments(node)[1] == 0 and operation_name(parents[0]) in NORMS | SPATIAL:
                return parents[0]
            name = operation_name(parents[0])
        elif name in SHAPES and len(set(parents)) == 1:
            return parents[0]
        elif name in _APART and len(set(parents)) == 1:
            if not channels_apart(node, parents[0], self.program.shapes):
                raise InputError(
                    f"operation {name!r} before {reader!r} moves, joins or widens channels, or joins rows of the batch: it "
                    "is not supported."
                )
            return parents[0]
        elif name in REDUCTIONS and len(parents) == 1:
            ndim = len(self._shape(parents[0]))
            dims = {int(d) % ndim for d in _as_list(arguments(node)[1])} if len(arguments(node)) > 1 else {1}
            if dims.isdisjoint({0, 1}):
                return parents[0]
        raise InputError(
            f"operation {name!r} stands before {reader!r} and is not known to keep channels apart; only linear maps, "
            "ungrouped convolutions, sums of branches and operations that keep channels apart are supported."
        )

    def _block(self, step: fx.Node, block: int, units: int, reader: str) -> int:
        """Entries of axis 1 per unit after a step, given those before it."""
        if operation_name(step) not in SHAPES:
            return block
        before, after = self._shape(self._inputs(step)[0]), self._shape(step)
        if before[:2] == after[:2]:
            return block
        if len(after) == 2 and after[0] == before[0] and after[1] == math.prod(before[1:]):
            return after[1] // units
        raise InputError(
            f"operation {operation_name(step)!r} before {reader!r} moves channels: {before} to {after}."
        )

    def _weight(self, node: fx.Node) -> fx.Node | None:
        """The parameter of a linear map, with or without its transposition."""
        last: Any = arguments(node)[2] if operation_name(node) == "addmm" else arguments(node)[1]
        if not isinstance(last, fx.Node):
            return None
        inner = arguments(last)[0] if operation_name(last) in ("t", "transpose", "permute") else last
        return inner if isinstance(inner, fx.Node) and inner.op == "get_attr" else None

    def _module_of(self, weight: Any, what: str) -> str:
        name = self.program.parameters.get(weight)
        if name is None:
            raise InputError(
                f"a {what} has weights that are computed or no parameter of the model; not supported."
            )
        module, _, parameter = name.rpartition(".")
        if not module or parameter != "weight":
            raise InputError(
                f"a {what} uses parameter {name!r}, which is not the weight of a module; not supported."
            )
        return module

    def _inputs(self, node: fx.Node) -> list[fx.Node]:
        """The inputs of an operation that depend on the model's input."""
        return [other for other in node.all_input_nodes if not self._constant(other)]

    def _shape(self, node: Any) -> tuple[int, ...]:
        return self.program.shapes.get(node, ())

    def _constant(self, node: Any) -> bool:
        if not isinstance(node, fx.Node):
            return True
        if node.op != "call_function":
            return node.op == "get_attr"
        return all(self._constant(other) for other in node.all_input_nodes)


def is_sum(node: fx.Node) -> bool:
    """Whether an addition adds two tensors (rather than a number)."""
    return len(arguments(node)) > 1 and all(isinstance(arg, fx.Node) for arg in arguments(node)[:2])


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]
