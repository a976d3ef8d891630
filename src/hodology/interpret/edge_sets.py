"""Sets of edges of a network, and editing them while it runs.

An edge is one weight between two units (for a convolution, the slice of the kernel between two channels; behind a
flattening, all columns of one channel), or one channel of one branch of a sum. Cutting it leaves the unit's other
edges and the rest of the network as they are, unlike removing the unit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from hodology.errors import InputError, UnknownNameError, near_names

__all__ = ["EdgeSet", "cut", "keep_only", "sum_names", "without_edges"]


@dataclass(frozen=True, eq=False, repr=False)
class EdgeSet:
    """Edges of some layers of one model.

    Attributes
    ----------
    masks : mapping of str to bool ndarray
        By layer: ``(units, sources)`` for linear maps and convolutions, ``(2, units)`` for the two branches of a sum
        (named ``MODULE+``, see `sum_names`).
    reference : mapping of str to tuple of Tensor
        What stands in place of the activity on a cut edge, shape ``(1, ...)`` as the layer reads it, one per input;
        layers that are not named get zero. Intersection and difference keep those of the first set.

    Examples
    --------
    >>> a = EdgeSet.from_edges([("fc", 0, 1), ("fc", 2, 1)], {"fc": (3, 4)})
    >>> b = EdgeSet.from_edges([("fc", 2, 1)], {"fc": (3, 4)})
    >>> len(a), len(a - b), a.jaccard(b)
    (2, 1, 0.5)
    """

    masks: Mapping[str, np.ndarray]
    reference: Mapping[str, tuple[Tensor, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        masks = {layer: np.asarray(mask) for layer, mask in self.masks.items()}
        for layer, mask in masks.items():
            if mask.dtype != bool or mask.ndim != 2:
                raise InputError(
                    f"masks of edges must be boolean matrices, got {mask.dtype} of shape {mask.shape} for {layer!r}."
                )
        object.__setattr__(self, "masks", masks)

    @classmethod
    def from_edges(
        cls, edges: Iterable[tuple[str, int, int]], shapes: Mapping[str, tuple[int, int]]
    ) -> EdgeSet:
        """Build from (layer, source, target) and the shape ``(units, sources)`` of each layer.

        For the sum of two branches the shape is ``(2, units)`` and an edge is (layer, branch, unit).
        """
        masks = {layer: np.zeros(shape, dtype=bool) for layer, shape in shapes.items()}
        for layer, source, target in edges:
            if layer not in masks:
                raise UnknownNameError(f"layer {layer!r} has no shape{near_names(layer, masks)}.")
            mask = masks[layer]
            row, column = (source, target) if is_sum_layer(layer) else (target, source)
            if not (0 <= row < mask.shape[0] and 0 <= column < mask.shape[1]):
                raise InputError(
                    f"edge {source} -> {target} is not in layer {layer!r} of shape {mask.shape}."
                )
            mask[row, column] = True
        return cls(masks)

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers, those without an edge too."""
        return tuple(self.masks)

    def only(self, *layers: str) -> EdgeSet:
        """The edges of some layers."""
        for layer in layers:
            if layer not in self.masks:
                raise UnknownNameError(f"layer {layer!r} is not in this set{near_names(layer, self.masks)}.")
        reference = {layer: value for layer, value in self.reference.items() if layer in layers}
        return EdgeSet({layer: self.masks[layer] for layer in layers}, reference)

    def edges(self) -> Iterator[tuple[str, int, int]]:
        """Edges as (layer, source, target); of a sum as (layer, branch, unit)."""
        for layer, mask in self.masks.items():
            for row, column in np.argwhere(mask).tolist():
                yield (layer, row, column) if is_sum_layer(layer) else (layer, column, row)

    def jaccard(self, other: EdgeSet) -> float:
        """Shared edges over all edges of both, whatever stands in their place; 1 when both are empty."""
        shared = len(self & other)
        union = len(self) + len(other) - shared
        return shared / union if union else 1.0

    def __len__(self) -> int:
        return int(sum(mask.sum() for mask in self.masks.values()))

    def __repr__(self) -> str:
        return f"EdgeSet({len(self)} edges of {len(self.masks)} layers)"

    def __or__(self, other: EdgeSet) -> EdgeSet:
        reference = dict(self.reference)
        for layer, theirs in other.masks.items():
            mine = self.masks.get(layer)
            if mine is not None and not theirs.any():
                continue
            given = other.reference.get(layer)
            if mine is not None and mine.any() and not _same(self.reference.get(layer), given):
                raise InputError(f"edges of {layer!r} carry another reference in one set than in the other.")
            reference.pop(layer, None)
            if given is not None:
                reference[layer] = given
        return EdgeSet(self._with(other, np.logical_or).masks, reference)

    def __and__(self, other: EdgeSet) -> EdgeSet:
        return self._with(other, np.logical_and)

    def __sub__(self, other: EdgeSet) -> EdgeSet:
        return self._with(other, lambda a, b: a & ~b)

    def __invert__(self) -> EdgeSet:
        return EdgeSet({layer: ~mask for layer, mask in self.masks.items()}, self.reference)

    def _with(self, other: EdgeSet, how: Any) -> EdgeSet:
        masks = {}
        for layer in dict.fromkeys((*self.masks, *other.masks)):
            mine, theirs = self.masks.get(layer), other.masks.get(layer)
            mine = np.zeros_like(theirs) if mine is None else mine
            theirs = np.zeros_like(mine) if theirs is None else theirs
            if mine.shape != theirs.shape:
                raise InputError(
                    f"layer {layer!r} has shape {mine.shape} in one set, {theirs.shape} in the other."
                )
            masks[layer] = how(mine, theirs)
        return EdgeSet(masks, self.reference)


@contextmanager
def cut(model: nn.Module, edges: EdgeSet) -> Iterator[None]:
    """Cut edges in every forward pass of the block; weights are not touched.

    Parameters
    ----------
    model : nn.Module
        The one that the edges are of; left without hooks, also after an exception.
    edges : EdgeSet
        A cut edge carries zero, or its reference. Only the named module is concerned when weights are tied. Gradients
        see cuts of weights; those of branches of a sum act below them.

    Raises
    ------
    UnknownNameError, InputError
        When a layer is not in the model, is no linear map or ungrouped convolution, or its shape does not fit; for a
        sum that does not occur, after the pass.

    Examples
    --------
    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.Linear(2, 1, bias=False))
    >>> _ = torch.nn.init.ones_(model[0].weight)
    >>> with cut(model, EdgeSet.from_edges([("0", 1, 0)], {"0": (1, 2)})):
    ...     print(model(torch.tensor([[3.0, 4.0]])).item())
    3.0
    """
    with ExitStack() as stack:
        sums = {}
        for layer, mask in edges.masks.items():
            reference = edges.reference.get(layer)
            if is_sum_layer(layer):
                if mask.shape[0] != 2:
                    raise InputError(f"the mask of sum {layer!r} must have 2 rows, got shape {mask.shape}.")
                sums[layer] = (torch.from_numpy(np.ascontiguousarray(mask)), reference)
            elif mask.any():
                module = edge_module(model, layer)
                spread = spread_mask(mask, module, layer)
                for other in module._forward_hooks.values():  # an edge that is cut already is not cut twice
                    spread = spread & ~other.mask if isinstance(other, _Change) else spread
                change = _Change(spread, reference)
                stack.callback(module.register_forward_hook(change, with_kwargs=True).remove)
        sums = {layer: found for layer, found in sums.items() if bool(found[0].any())}
        if sums:
            stack.enter_context(_Names(model, sums))
        yield


@contextmanager
def keep_only(model: nn.Module, edges: EdgeSet) -> Iterator[None]:
    """Cut all *other* edges of the layers that `edges` names; layers that it does not name run free."""
    with cut(model, ~edges):
        yield


def without_edges(model: nn.Module, edges: EdgeSet) -> nn.Module:
    """A copy of the model whose weights on these edges are zero, to be kept or trained on.

    Where weights are tied, the named module gets its own.

    Raises
    ------
    InputError
        For branches of a sum, which have no weights, and for references other than zero.
    """
    import copy

    pruned = copy.deepcopy(model)
    for layer, mask in edges.masks.items():
        if is_sum_layer(layer) and mask.any():
            raise InputError(f"{layer!r} has no weights that could be zero; use cut(...) for it.")
        if mask.any() and layer in edges.reference:
            raise InputError(f"edges of {layer!r} carry a reference other than zero; use cut(...) for them.")
        if mask.any():
            module = edge_module(pruned, layer)
            weight = module.weight
            if not isinstance(weight, nn.Parameter):
                raise InputError(f"the weights of {layer!r} are computed; use cut(...) for them.")
            left = weight.detach().masked_fill(spread_mask(mask, module, layer).to(weight.device), 0.0)
            module.weight = nn.Parameter(left, requires_grad=weight.requires_grad)
    return pruned


def _same(a: tuple[Tensor, ...] | None, b: tuple[Tensor, ...] | None) -> bool:
    if a is None or b is None:
        return a is b
    return len(a) == len(b) and all(x.shape == y.shape and bool((x == y).all()) for x, y in zip(a, b))


def is_sum_layer(layer: str) -> bool:
    """Whether a layer's name is that of a sum of branches; no module has a plus in its name."""
    return "+" in layer


def sum_names(model: nn.Module, run: Any) -> tuple[str, ...]:
    """Names of the sums of two tensors in a pass, in order: ``MODULE+``, where there are several ``MODULE+2``, ...

    Parameters
    ----------
    model : nn.Module
    run : callable
        Runs the pass.
    """
    return sums_and_calls(model, run)[0]


def sums_and_calls(model: nn.Module, run: Any) -> tuple[tuple[str, ...], frozenset[str]]:
    """Names of the sums in a pass, see `sum_names`, and of the modules that were called in it."""
    names = _Names(model, {})
    with names, torch.no_grad():
        run()
    return tuple(names.names), frozenset(names.called)


class _Change:
    """Takes from a layer's output what the cut edges carry."""

    def __init__(self, mask: Tensor, reference: tuple[Tensor, ...] | None) -> None:
        self.mask, self.reference = mask, reference

    def __call__(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Tensor
    ) -> Tensor:
        weight: Any = module.weight
        x = args[0] if args else kwargs["input"]
        if self.reference is not None:
            x = x - self.reference[0].to(x.device)
        cut_weight = weight * self.mask.to(weight.device)
        if isinstance(module, nn.Linear):
            return output - nn.functional.linear(x, cut_weight)
        return output - module._conv_forward(x, cut_weight, None)  # type: ignore[operator]


class _Names(TorchDispatchMode):
    """Counts and names the sums of two tensors in a pass, and edits those that are asked for."""

    def __init__(
        self, model: nn.Module, edits: Mapping[str, tuple[Tensor, tuple[Tensor, ...] | None]]
    ) -> None:
        super().__init__()
        self.model, self.edits = model, edits
        self.inside: list[str] = []
        self.names: list[str] = []
        self.counts: dict[str, int] = {}
        self.called: set[str] = set()
        self.handles: list[Any] = []

    def __enter__(self) -> Any:
        for name, module in self.model.named_modules():
            self.handles.append(module.register_forward_pre_hook(lambda *_, name=name: self._begin(name)))
            self.handles.append(module.register_forward_hook(lambda *_: self._end(), always_call=True))
        self.handles.append(self.model.register_forward_hook(lambda *_: self._check()))
        return super().__enter__()

    def __exit__(self, *error: Any) -> Any:
        for handle in self.handles:
            handle.remove()
        return super().__exit__(*error)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        packet = getattr(func.overloadpacket, "__name__", "")
        if packet not in ("add", "add_") or len(args) < 2 or not all(isinstance(a, Tensor) for a in args[:2]):
            return func(*args, **kwargs)
        holder = self.inside[-1] if self.inside else ""
        self.counts[holder] = count = self.counts.get(holder, 0) + 1
        name = f"{holder}+{count if count > 1 else ''}"
        self.names.append(name)
        if name in self.edits:
            mask, reference = self.edits[name]
            kept = args[0]
            args = (*(_branch(a, mask[b], reference, b, name) for b, a in enumerate(args[:2])), *args[2:])
            if packet == "add_":
                return kept.copy_(torch.ops.aten.add(*args, **kwargs))
        return func(*args, **kwargs)

    def _begin(self, name: str) -> None:
        if not name:  # a new pass
            self.counts, self.names, self.inside, self.called = {}, [], [], set()
        self.inside.append(name)
        self.called.add(name)

    def _end(self) -> None:
        if self.inside:
            self.inside.pop()

    def _check(self) -> None:
        for name in self.edits:
            if name not in self.names:
                near = near_names(name, self.names)
                raise UnknownNameError(f"layer {name!r} is no sum of two branches in this pass{near}.")


def _branch(
    value: Tensor, mask: Tensor, reference: tuple[Tensor, ...] | None, branch: int, name: str
) -> Tensor:
    if len(mask) != value.shape[1]:
        raise InputError(f"mask of {name!r} is for {len(mask)} units, the sum has {value.shape[1]}.")
    cut_here = mask.to(value.device).view(1, -1, *(1,) * (value.ndim - 2))
    instead = (
        torch.zeros_like(value) if reference is None else reference[branch].to(value.device).expand_as(value)
    )
    return torch.where(cut_here, instead, value)


def edge_module(model: nn.Module, layer: str) -> nn.Module:
    """The module of a layer, refused when its edges are not those of a linear map or an ungrouped convolution."""
    try:
        module = model.get_submodule(layer)
    except AttributeError:
        known = [name for name, _ in model.named_modules() if name]
        raise UnknownNameError(f"layer {layer!r} is not in this model{near_names(layer, known)}.") from None
    plain = [kind for kind in (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d) if isinstance(module, kind)]
    if not plain or getattr(module, "groups", 1) != 1:
        raise InputError(
            f"layer {layer!r} is {type(module).__name__}; edges are of linear maps and ungrouped convolutions."
        )
    if type(module).forward is not plain[0].forward:
        raise InputError(
            f"layer {layer!r} is {type(module).__name__}, whose forward is its own; cannot cut it."
        )
    return module


def spread_mask(mask: np.ndarray, module: nn.Module, layer: str) -> Tensor:
    """A mask ``(units, sources)`` over the weights, the columns of one source side by side."""
    shape: tuple[int, ...] = tuple(module.weight.shape)  # type: ignore[arg-type]
    units, entries = shape[:2]
    exact = len(shape) == 2 or mask.shape[1] == entries  # only a linear map reads flattened channels
    if mask.shape[0] != units or not mask.shape[1] or entries % mask.shape[1] or not exact:
        raise InputError(f"the mask of layer {layer!r} has shape {mask.shape}, its weights {shape}.")
    spread = torch.from_numpy(np.ascontiguousarray(mask)).repeat_interleave(entries // mask.shape[1], dim=1)
    return spread.view(units, entries, *(1,) * (len(shape) - 2))
