"""One pass over a few rows with a hook on every module: what went in and came out, in the order of time.

The pass can be disturbed: a random shift at one event, and norms that return what they are told. This is how
`hodology.nn.residual_survey` finds out what a model does without knowing its names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from hodology.nn.forward import Inputs, call_model
from hodology.rng import torch_stream

__all__ = ["Event", "WatchedPass", "is_norm", "same_tensor"]

Side = Literal["input", "output"]
_NORM_NAME = re.compile(r"norm|^ln", re.IGNORECASE)
_NO_NORM = (nn.Identity, nn.modules.dropout._DropoutNd, nn.Linear, nn.modules.conv._ConvNd, nn.Embedding)


def is_norm(name: str, module: nn.Module) -> bool:
    """Whether a module called `name` is a norm: one without parts, by its class or by its attribute."""
    if next(module.children(), None) is not None or isinstance(module, _NO_NORM):
        return False
    return bool(_NORM_NAME.search(type(module).__name__) or _NORM_NAME.search(name.rpartition(".")[2]))


def same_tensor(a: Tensor | None, b: Tensor | None) -> bool:
    """Whether two tensors have one shape and equal values."""
    return a is not None and b is not None and a.shape == b.shape and bool(torch.equal(a, b))


@dataclass(frozen=True, eq=False)
class Event:
    """Something that entered or left a module.

    Attributes
    ----------
    module : str
    side : {"input", "output"}
    tensor : Tensor or None
        A copy of the first floating-point tensor, as it was at this time; None when it is none of the kind that
        is kept (tokens of a width that a norm has, or one vector per row).
    ndim : int
        Axes of that tensor, 0 without one.
    identity : tuple of int
        Which tensor it was, and which version of it (in-place edits make new ones).
    norm : bool
        The module is a norm.
    """

    module: str
    side: Side
    tensor: Tensor | None = None
    ndim: int = 0
    identity: tuple[int, int] = (0, 0)
    norm: bool = False

    @property
    def opens(self) -> bool:
        """A norm takes tokens here: what it reads opens a branch."""
        return self.norm and self.side == "input" and self.ndim == 3


class WatchedPass:
    """Run a model once and keep what its modules took and returned.

    Parameters
    ----------
    model : nn.Module
    inputs : Tensor or mapping of Tensors
    shift : tuple of int and float, optional
        An event at which normal noise of this size is added.
    held : mapping of int to Tensor
        What norm calls return, by their number in the pass.
    graph : int
        Event whose tensor keeps its autograd graph.

    Attributes
    ----------
    events : list of Event
    ends : dict of int to int
        Event at which a call was left, by the event at which it was entered.
    norm_outputs : list of Tensor
    scores : Tensor, shape (rows, classes)
    """

    def __init__(
        self,
        model: nn.Module,
        inputs: Inputs,
        *,
        shift: tuple[int, float] | None = None,
        held: Mapping[int, Tensor] | None = None,
        graph: int = -1,
    ) -> None:
        norms = {name: module for name, module in model.named_modules() if name and is_norm(name, module)}
        self.events: list[Event] = []
        self.ends: dict[int, int] = {}
        self.norm_outputs: list[Tensor] = []
        self._norms = set(norms)
        self._widths = {_width(module) for module in norms.values()}
        self._shift, self._held, self._graph = shift, held or {}, graph
        self._open: list[int] = []
        self._alive: list[Tensor] = []  # so that no other tensor takes their place in memory
        with self._listening(model):
            self.scores = call_model(model, inputs)

    def norm_inputs(self) -> list[int]:
        """Events at which a norm takes tokens ``(rows, tokens, width)``."""
        return [index for index, event in enumerate(self.events) if event.opens]

    def norm_call(self, event: int) -> int:
        """The number, from 0, of the norm call that was entered at `event`."""
        return sum(e.norm and e.side == "output" for e in self.events[: self.ends[event]])

    @contextmanager
    def _listening(self, model: nn.Module) -> Iterator[None]:
        handles = []
        try:
            for name, module in model.named_modules():
                if name:
                    handles.append(module.register_forward_pre_hook(self._entered(name), with_kwargs=True))
                    handles.append(module.register_forward_hook(self._left(name)))
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _entered(self, name: str) -> Callable[..., Any]:
        def hook(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            self._open.append(len(self.events))
            for index, value in enumerate(args):
                if _is_float(value):
                    return (*args[:index], self._note(name, "input", value), *args[index + 1 :]), kwargs
            for key, value in kwargs.items():
                if _is_float(value):
                    return args, {**kwargs, key: self._note(name, "input", value)}
            self.events.append(Event(name, "input"))
            return None

        return hook

    def _left(self, name: str) -> Callable[..., Any]:
        def hook(_: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
            self.ends[self._open.pop()] = len(self.events)
            if _is_float(output):
                return self._note(name, "output", output)
            if isinstance(output, (tuple, list)) and output and _is_float(output[0]):
                first = self._note(name, "output", output[0])
                return None if first is output[0] else type(output)([first, *output[1:]])
            self.events.append(Event(name, "output"))
            return None

        return hook

    def _note(self, name: str, side: Side, value: Tensor) -> Tensor:
        """Write the event down and return the tensor that goes on."""
        norm, now = name in self._norms, len(self.events)
        if self._shift is not None and self._shift[0] == now:
            noise = torch.randn(value.shape, generator=torch_stream(0, "shift"), dtype=torch.float32)
            value = value + noise.to(value) * self._shift[1]
        if norm and side == "output":
            held = self._held.get(len(self.norm_outputs))
            value = value if held is None else held.clone()
            self.norm_outputs.append(value.detach().clone())
        elif norm:
            self._alive.append(value)
        copy = None
        if now == self._graph:
            copy = value.clone()
        elif value.ndim == 2 or value.ndim == 3 and not self._widths.isdisjoint({value.shape[-1], None}):
            copy = value.detach().clone()
        self.events.append(Event(name, side, copy, value.ndim, (id(value), value._version), norm))
        return value


def _width(module: nn.Module) -> int | None:
    """Width of the vectors that a norm takes; None when it does not tell."""
    shape = getattr(module, "normalized_shape", None)
    if shape:
        return int(shape[-1])
    weight = getattr(module, "weight", None)
    return int(weight.shape[-1]) if isinstance(weight, Tensor) and weight.ndim == 1 else None


def _is_float(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point() and value.ndim > 0
