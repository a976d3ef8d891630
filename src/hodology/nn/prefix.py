"""Prefix reuse: run a model many times from a point inside it, computing what lies before only once.

While a clean pass runs, `Prefix.capture` keeps the outputs of the largest modules that finish before the first
of the given sites is reached. `Prefix.reuse` lets a later pass over repeated rows of the same batch return
these outputs instead of computing them. Operations between modules (residual sums, class token, position
codes) are computed again, so any model that keeps its heavy work in modules gains, without a word about its
family.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from hodology.errors import InputError
from hodology.nn.sites import Site, up_projections
from hodology.nn.taps import hook_site

__all__ = ["Prefix", "block_of", "is_position_wise", "linear_map", "reads_elsewhere", "run_last_block_at"]

T = TypeVar("T")


def is_position_wise(module: nn.Module) -> bool:
    """Whether the module is a plain linear map over the last axis, so that positions do not mix in it."""
    plain = isinstance(module, nn.Linear) and type(module).forward is nn.Linear.forward
    return plain or type(module).__name__ == "Conv1D" and hasattr(module, "nf")


def linear_map(module: nn.Module, value: Tensor) -> Tensor:
    """The map of a position-wise module, also while its own forward is replaced."""
    if isinstance(module, nn.Linear):
        return nn.functional.linear(value, module.weight, module.bias)
    weight, bias = module.get_parameter("weight"), module.get_parameter("bias")
    return value @ weight + bias  # Conv1D keeps its weight transposed


@contextmanager
def run_last_block_at(model: nn.Module, site: Site, positions: Tensor) -> Iterator[None]:
    """Compute the feed-forward block of `site` only at `positions` ``(rows, count)``; elsewhere it adds nothing.

    Right only where the output reads no other position behind this block: see `reads_elsewhere`.
    Does nothing when the block is not made of plain linear maps or carries hooks of others.
    """
    maps = [model.get_submodule(name) for name in up_projections(model, site)]
    down = model.get_submodule(site.module)
    plain = [*maps, down]
    if not maps or not all(
        is_position_wise(m) and not m._forward_hooks and not m._forward_pre_hooks for m in plain
    ):
        yield
        return
    index = torch.arange(len(positions), device=positions.device)[:, None]
    tokens: list[int] = []

    def narrow(module: nn.Module) -> Callable[[Tensor], Tensor]:
        def forward(x: Tensor) -> Tensor:
            tokens.append(x.shape[1])
            return linear_map(module, x[index, positions])

        return forward

    def widen(x: Tensor) -> Tensor:
        narrowed = linear_map(down, x)
        return narrowed.new_zeros(len(x), tokens[-1], narrowed.shape[-1]).index_put(
            (index, positions), narrowed
        )

    before = [m.__dict__.get("forward") for m in plain]
    try:
        for module in maps:
            module.__dict__["forward"] = narrow(module)
        down.__dict__["forward"] = widen
        yield
    finally:
        for module, forward in zip(plain, before, strict=True):
            if forward is None:
                del module.__dict__["forward"]
            else:
                module.__dict__["forward"] = forward


def block_of(model: nn.Module, site: Site) -> str:
    """Dotted name of what holds both maps of the feed-forward block of `site`."""
    names = [name.split(".") for name in (*up_projections(model, site), site.module)]
    shared = 0
    while all(len(n) > shared and n[shared] == names[0][shared] for n in names):
        shared += 1
    return ".".join(names[0][:shared])


def reads_elsewhere(model: nn.Module, site: Site, positions: Tensor, run: Callable[[], Tensor]) -> bool:
    """Whether what `run` returns depends on the site at other positions than `positions` ``(rows, count)``."""
    held: list[Tensor] = []

    def hold(value: Tensor) -> Tensor:
        held.append(value.detach().clone().requires_grad_())
        return held[-1]

    with torch.enable_grad(), hook_site(model, site, hold):
        result = run()
        if len(held) != 1 or held[0].ndim != 3 or not result.requires_grad:
            return True
        (gradient,) = torch.autograd.grad(result.sum(), held)
    rows = torch.arange(len(positions), device=positions.device)[:, None]
    gradient[rows, positions] = 0.0
    return bool(gradient.any())


@dataclass(frozen=True, eq=False)
class Prefix:
    """Outputs of the modules that finish before the first site, for one batch.

    Attributes
    ----------
    outputs : dict of str to object
        Module name to its output; tensors are copies.
    rows : int
        Number of rows of the batch.
    hooked : frozenset of str
        Modules that are sites themselves: their hooks still run.
    row_bytes : int
        Size of all that the pass made, per row: what a pass with gradients has to hold, roughly.
    index : Tensor of int64, optional
        Row of the captured batch that each row of a selection stands for (`select`).
    """

    model: nn.Module
    rows: int
    outputs: dict[str, Any] = field(default_factory=dict)
    hooked: frozenset[str] = frozenset()
    row_bytes: int = 0
    index: Tensor | None = None

    @classmethod
    def capture(
        cls, model: nn.Module, sites: tuple[Site, ...], rows: int, run: Callable[[], T], *, whole: bool
    ) -> tuple[Prefix, T]:
        """Call `run` (one forward pass of `model` over `rows` rows) and keep what can be reused.

        With `whole` the sites will be replaced at all positions, else only at some: a position-wise map at
        the first site is then kept too, and the edited positions are put on top of its output.

        Returns
        -------
        prefix : Prefix
        result
            What `run` returned.
        """
        watch = _Watch(model, sites, whole=whole)
        with watch.listening():
            result = run()
        hooked = frozenset(watch.names[module] for module in watch.at_exit)
        return cls(model, rows, watch.outputs, hooked, watch.made // max(rows, 1)), result

    def select(self, rows: Tensor) -> Prefix:
        """The prefix of a batch made of rows `rows` (int64, may repeat) of this one; nothing is copied."""
        return replace(self, index=rows if self.index is None else self.index[rows])

    @contextmanager
    def reuse(self, rows: Tensor) -> Iterator[None]:
        """Let passes in the block take the kept outputs of rows `rows` (int64) of the batch.

        The input of such a pass must be these rows of the captured batch.
        """
        kept = rows if self.index is None else self.index[rows]

        def repeat(value: Any) -> Any:
            # A tensor without the batch in front (a rotary table, say) holds for all rows.
            if isinstance(value, Tensor) and value.ndim > 0 and len(value) == self.rows:
                return value.index_select(0, kept)
            return value

        def replay(output: Any) -> Callable[..., Any]:
            return lambda *args, **kwargs: tree_map(repeat, output)

        replaced = []
        try:
            for name, output in self.outputs.items():
                module = self.model.get_submodule(name)
                # Hooks of others have left their mark on the kept output already, so they are passed over;
                # at the site itself the output was kept before its hooks ran, and they run again.
                attribute = "forward" if name in self.hooked else "_call_impl"
                replaced.append((module, attribute, module.__dict__.get(attribute)))
                module.__dict__[attribute] = replay(output)
            yield
        finally:
            for module, attribute, before in reversed(replaced):
                if before is None:
                    del module.__dict__[attribute]
                else:
                    module.__dict__[attribute] = before


class _Watch:
    """Follows one pass and keeps the outputs of the largest modules finished before the first site."""

    def __init__(self, model: nn.Module, sites: tuple[Site, ...], *, whole: bool) -> None:
        self.model = model
        self.names = {module: name for name, module in model.named_modules() if name}
        self.at_entry: set[nn.Module] = set()
        self.at_exit: set[nn.Module] = set()
        for site in sites:
            module = model.get_submodule(site.module)
            if site.side == "input" and (whole or not is_position_wise(module)):
                self.at_entry.add(module)
            else:
                self.at_exit.add(module)
        self.outputs: dict[str, Any] = {}
        self.reached = False
        self.finished: set[nn.Module] = set()
        self.made = 0

    @contextmanager
    def listening(self) -> Iterator[None]:
        handles = []
        try:
            for module in self.names:
                if isinstance(module, torch.jit.ScriptModule):
                    raise InputError(
                        f"module {self.names[module]!r} is scripted; paths need the eager nn.Module it was made from."
                    )
                handles.append(module.register_forward_pre_hook(self._enter))
                handles.append(module.register_forward_hook(self._leave, prepend=module in self.at_exit))
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _enter(self, module: nn.Module, _: Any) -> None:
        if module in self.finished:  # runs more than once: its second output would be another one
            self.outputs.pop(self.names[module], None)
        if module in self.at_entry:
            self.reached = True

    def _leave(self, module: nn.Module, _: Any, output: Any) -> None:
        repeated = module in self.finished
        self.finished.add(module)
        if isinstance(output, Tensor):
            self.made += output.numel() * output.element_size()
        if self.reached:
            return
        if module in self.at_exit:
            self.reached = True
        name = self.names[module]
        for inner in [key for key in self.outputs if key.startswith(name + ".")]:
            del self.outputs[inner]
        if not repeated:
            self.outputs[name] = tree_map(lambda v: v.clone() if isinstance(v, Tensor) else v, output)
