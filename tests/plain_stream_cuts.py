"""Edges of a residual stream cut the plain way: hooks and whole passes, nothing cached, for comparison."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn


@dataclass
class PlainStream:
    """A transformer by its modules: norm of each branch and final norm, out-projections and factors by component."""

    run: Callable[[], Tensor]
    norms: list[nn.Module]
    outs: Mapping[int, nn.Module]
    heads: int = 1
    factors: Mapping[int, Tensor | float] = field(default_factory=dict)
    points: list[Tensor] = field(default_factory=list)
    mixed: dict[int, Tensor] = field(default_factory=dict)
    scores: Tensor | None = None

    def __post_init__(self) -> None:
        def note(point: int):
            return lambda x: self.points.append(x.clone()) if len(self.points) == point else None

        changes = {norm: note(point) for point, norm in enumerate(self.norms)}
        changes |= {out: self._note_heads(component) for component, out in self.outs.items()}
        self.scores = self.changed(changes)

    def _note_heads(self, component: int):
        def note(z: Tensor) -> None:
            self.mixed[component] = z.clone()

        return note

    def changed(self, changes: Mapping[nn.Module, Callable[[Tensor], Tensor | None]]) -> Tensor:
        """Scores of a pass in which modules get another input."""

        def hook(change):
            def before(module, args, kwargs):
                if args:
                    new = change(args[0])
                    return None if new is None else ((new, *args[1:]), kwargs)
                new = change(kwargs["hidden_states"])
                return None if new is None else (args, {**kwargs, "hidden_states": new})

            return before

        with torch.no_grad(), ExitStack() as stack:
            for module, change in changes.items():
                stack.callback(module.register_forward_pre_hook(hook(change), with_kwargs=True).remove)
            return self.run()

    def component(self, index: int) -> Tensor:
        return self.points[index] - (self.points[index - 1] if index else 0)

    def senders(self, receiver: int) -> list[tuple[int, int]]:
        return [(c, h) for c in range(receiver) for h in range(self.heads if c in self.outs else 1)]

    def units(self, receiver: int) -> range:
        return range(self.heads if receiver in self.outs else 1)

    def own(self, component: int, head: int) -> slice:
        size = self.mixed[component].shape[-1] // self.heads
        return slice(head * size, (head + 1) * size)

    def written(self, sender: tuple[int, int]) -> Tensor:
        """What a sender writes, by the weights of its out-projection."""
        component, head = sender
        if component not in self.outs:
            return self.component(component)
        out, own = self.outs[component], self.own(component, head)
        weight = out.weight.T if isinstance(out, nn.Linear) else out.weight
        return self.mixed[component][..., own] @ weight[own] * self.factors.get(component, 1.0)

    def cut(self, receiver: int, unit: int, away: Tensor) -> Tensor:
        """Scores when one unit of a receiver reads the stream less `away`."""
        norm = self.norms[receiver - 1]
        if receiver not in self.outs:
            return self.changed({norm: lambda x: x - away})
        seen: list[Tensor] = []
        self.changed({norm: lambda x: x - away, self.outs[receiver]: lambda z: seen.append(z.clone())})
        return self.changed({self.outs[receiver]: lambda z: self._patched(z, seen[0], receiver, unit)})

    def _patched(self, z: Tensor, other: Tensor, receiver: int, unit: int) -> Tensor:
        own = self.own(receiver, unit)
        z = z.clone()
        z[..., own] = other[..., own]
        return z

    def together(self, gone: Mapping[int, set[int]], means: Mapping[int, Tensor] | None = None) -> Tensor:
        """Scores when whole branches do not read what components write in this very pass."""
        points: list[Tensor] = []

        def read(point: int):
            def change(x: Tensor) -> Tensor:
                del points[point:]
                points.append(x.clone())
                for component in gone.get(point + 1, ()):
                    written = points[component] - (points[component - 1] if component else 0)
                    x = x - written + (0 if means is None else means[component])
                return x

            return change

        return self.changed({norm: read(point) for point, norm in enumerate(self.norms)})


def log_odds(scores: Tensor, target: int) -> Tensor:
    p = scores.double().softmax(dim=-1)
    others = torch.cat([p[:, :target], p[:, target + 1 :]], dim=1).sum(dim=1)
    return p[:, target].log() - others.log()
