"""A pass through a model as a graph of pure tensor operations, which can run again from any value in it.

`record_program` runs the user's own module once and writes down every tensor operation (in-place ones as their
pure forms), whatever modules, functions or control flow it is written with. `Program.resume` then computes the
scores that follow when one intermediate value is another, running only what depends on it. The model is not
changed and its code is not called again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, fx, nn

from hodology.errors import InputError
from hodology.nn.forward import Inputs, batch_size, call_model, select_rows
from hodology.nn.taps import evaluation_mode

__all__ = ["Program", "copy_inputs", "record_program"]

Values = dict[fx.Node, Any]


@dataclass(frozen=True, eq=False)
class Program:
    """The operations of one pass, for inputs of one shape.

    Attributes
    ----------
    nodes : tuple of fx.Node
        Inputs, constants and operations in the order in which they ran.
    output : fx.Node
        Holds the class scores ``(batch, classes)``.
    parameters : mapping of fx.Node to str
        Names of the model's parameters and buffers that enter as constants.
    constants : mapping of fx.Node to Tensor
    shapes : mapping of fx.Node to tuple of int
        Of every node that holds a tensor.
    rows : int
        The batch size it was recorded with; shapes are part of the operations.
    keys : tuple of str
        Names of the inputs, where they are a mapping.
    """

    nodes: tuple[fx.Node, ...]
    output: fx.Node
    parameters: Mapping[fx.Node, str]
    constants: Mapping[fx.Node, Tensor]
    shapes: Mapping[fx.Node, tuple[int, ...]]
    rows: int
    keys: tuple[str, ...] = ()

    @cached_property
    def inputs(self) -> tuple[fx.Node, ...]:
        """The nodes that hold the model's inputs."""
        return tuple(node for node in self.nodes if node.op == "placeholder")

    def run(self, inputs: Inputs) -> Values:
        """Value of every node for a batch of the recorded shape."""
        if set(inputs if isinstance(inputs, Mapping) else ()) != set(self.keys):
            got = ", ".join(inputs) if isinstance(inputs, Mapping) else "a tensor"
            raise InputError(
                f"the program was recorded for {', '.join(self.keys) or 'a tensor'} as input, got {got}."
            )
        values: Values = dict(zip(self.inputs, _tensors(inputs, self.keys), strict=True))
        for node, value in values.items():
            recorded = self.shapes.get(node, tuple(value.shape))
            if tuple(value.shape) != recorded:
                raise InputError(
                    f"the program was recorded for inputs of shape {recorded}, got {tuple(value.shape)}."
                )
        values.update(self.constants)
        for node in self.nodes:
            if node.op == "call_function":
                values[node] = _call(node, values)
        return values

    def after(self, node: fx.Node) -> tuple[fx.Node, ...]:
        """The operations that depend on `node`, in order."""
        known = self._after.get(node)
        if known is None:
            reached = {node}
            for other in self.nodes:
                if other.op == "call_function" and any(a in reached for a in other.all_input_nodes):
                    reached.add(other)
            wanted = _needed(self.output, reached)
            known = tuple(other for other in self.nodes if other in wanted and other is not node)
            self._after[node] = known
        return known

    def resume(self, node: fx.Node, value: Tensor, values: Values) -> Tensor:
        """Class scores when `node` holds `value`, everything that does not depend on it being as in `values`."""
        return self.resume_from({node: value}, self.after(node), values)

    def resume_from(
        self, changed: Mapping[fx.Node, Tensor], operations: Sequence[fx.Node], values: Values
    ) -> Tensor:
        """Class scores when some nodes hold other values and only `operations` run."""
        now: Values = dict(changed)
        for operation in operations:
            if operation not in now:
                now[operation] = _call(operation, values, now)
        return now[self.output] if self.output in now else values[self.output]

    @cached_property
    def _after(self) -> dict[fx.Node, tuple[fx.Node, ...]]:
        return {}


def record_program(model: nn.Module, inputs: Inputs) -> Program:
    """Run `model` once on `inputs` in eval mode and return what it did.

    Parameters
    ----------
    model : nn.Module
        Any eager module; control flow is followed as it runs for these inputs.
    inputs : Tensor or mapping of str to Tensor
        A batch; the program is for this shape only.

    Raises
    ------
    InputError
        When the pass cannot be recorded, with the reason: values of tensors decide where it goes on, it draws random
        numbers, leaves torch or changes a buffer.
    """
    from torch.func import functionalize
    from torch.fx.experimental.proxy_tensor import make_fx

    keys = tuple(inputs) if isinstance(inputs, Mapping) else ()

    def scores(*given: Tensor) -> Tensor:
        copies = [tensor.clone() for tensor in given]  # a pass may change its input in place
        return call_model(model, dict(zip(keys, copies, strict=True)) if keys else copies[0])

    named = {id(p): name for name, p in [*model.named_parameters(), *model.named_buffers()]}
    with evaluation_mode(model), torch.no_grad():
        try:
            module = make_fx(functionalize(scores))(*_tensors(inputs, keys))
        except InputError:
            raise
        except Exception as error:  # tracing raises what the model's own code does with a proxy
            raise _refused(model, (str(error).strip() or type(error).__name__).splitlines()[0]) from error
        nodes = tuple(node for node in module.graph.nodes if node.op != "output")
        (output,) = [node.all_input_nodes[0] for node in module.graph.nodes if node.op == "output"]
        constants = {node: _attribute(module, str(node.target)) for node in nodes if node.op == "get_attr"}
        parameters = {node: named[id(c)] for node, c in constants.items() if id(c) in named}
        program = Program(nodes, output, parameters, constants, {}, batch_size(inputs), keys)
        return _checked(model, program, inputs)


def _checked(model: nn.Module, program: Program, inputs: Inputs) -> Program:
    """The program with its shapes, if it gives what the model gives, also for rows that it has not seen."""
    for node in program.nodes:
        if getattr(getattr(node.target, "_schema", None), "is_mutable", False):
            raise _refused(model, f"{str(node.target)!r} changes a tensor in place")
    values = program.run(inputs)
    found = {node: tuple(value.shape) for node, value in values.items() if isinstance(value, Tensor)}
    whole = replace(program, shapes=found)
    scores = values[program.output]
    first = select_rows(inputs, torch.zeros(program.rows, dtype=torch.int64, device=scores.device))
    try:
        same = _alike(scores, call_model(model, copy_inputs(inputs)))
        same = same and _alike(whole.run(first)[program.output], call_model(model, copy_inputs(first)))
    except RuntimeError:  # an operation whose recorded shape does not fit other rows
        same = False
    if not same:
        raise _refused(model, "it draws random numbers, leaves torch, or has shapes that values decide")
    return whole


def _alike(scores: Tensor, expected: Tensor) -> bool:
    slack = 1e-3 * float(expected.abs().nan_to_num().amax().clamp(min=1))
    return scores.shape == expected.shape and torch.allclose(scores, expected, 0, slack, equal_nan=True)


def copy_inputs(inputs: Inputs) -> Inputs:
    """Inputs for a pass that may change them in place."""
    return {k: v.clone() for k, v in inputs.items()} if isinstance(inputs, Mapping) else inputs.clone()


def _refused(model: nn.Module, reason: str) -> InputError:
    return InputError(
        f"the pass of {type(model).__name__} cannot be recorded as operations: {reason.rstrip('.')}."
    )


def _tensors(inputs: Inputs, keys: Sequence[str]) -> list[Tensor]:
    return [inputs[key] for key in keys] if isinstance(inputs, Mapping) else [inputs]


def _call(node: fx.Node, values: Values, first: Values | None = None) -> Any:
    def held(other: fx.Node) -> Any:
        return first[other] if first is not None and other in first else values[other]

    function: Any = node.target
    return function(*fx.map_arg(node.args, held), **fx.map_arg(node.kwargs, held))


def _needed(output: fx.Node, among: set[fx.Node]) -> set[fx.Node]:
    """Those of `among` that the output depends on."""
    needed: set[fx.Node] = set()
    stack = [output]
    while stack:
        node = stack.pop()
        if node in among and node not in needed:
            needed.add(node)
            stack.extend(node.all_input_nodes)
    return needed


def _attribute(module: nn.Module, name: str) -> Any:
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part)
    return found
