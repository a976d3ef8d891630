"""Cutting single edges of the residual stream: from what one component writes to what one branch reads.

With x_i the stream that receiver r reads and c_s(x) what sender s has written into it, the intervention on the edge
from s to r gives r alone the reading x_i - c_s(x), or x_i - c_s(x) + mean c_s; the stream itself and all other readers
of this point stay as they were. What r then writes differs, and everything behind it runs on normally. A head as
receiver: the attention of its block runs on the changed reading, but only the head's own slice of the concatenated head
outputs is taken, the other heads keep their clean values. This is path patching of one direct edge, and it is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

import torch
from torch import Tensor

from hodology.errors import InputError
from hodology.interpret.causal_effects import EffectKind, class_value
from hodology.interpret.stream_restart import StreamRestart
from hodology.nn.attention_heads import AttentionHeads
from hodology.nn.forward import Inputs, last_positions
from hodology.nn.residual import ResidualStream
from hodology.nn.taps import hook_site

__all__ = ["Heads", "Sender", "StreamBatch"]

Heads = dict[int, AttentionHeads]
Sender = tuple[int, int]  # number of the component, and of the head in it


class StreamBatch:
    """The stream of one batch of samples, and passes in which edges of it are cut.

    Receivers are numbered as the components that they write; the class, which reads the stream's end, has the number
    P of components.

    Parameters
    ----------
    stream : ResidualStream
        Of a model in eval mode.
    heads : mapping of int to AttentionHeads
        Of each attention branch, by component; empty to take branches whole.
    inputs : Tensor or mapping of Tensors
    means : mapping of int to Tensor, optional
        What stands on a cut edge, see `hodology.interpret.stream_runs.stream_means`; zero without.
    size : int
        Most rows (edges times samples) in one pass; at least one edge's.
    target : int
    effect : str

    Attributes
    ----------
    rows : int
    points : Tensor, shape (P, rows, tokens, width)
        What is read: point i is the sum of the first i + 1 components.
    mixed : dict of int to Tensor
        Clean head outputs ``(rows, tokens, heads * size)`` of each attention branch.
    scores : Tensor, shape (rows, classes)
        The model's own.
    clean : Tensor, shape (rows,)
        Their L.
    drift : float
        How far L differs in another pass over the same rows: rounding.
    """

    def __init__(
        self,
        stream: ResidualStream,
        heads: Heads,
        inputs: Inputs,
        *,
        means: dict[int, Tensor] | None = None,
        size: int = 64,
        target: int,
        effect: EffectKind,
    ) -> None:
        self.stream, self.heads, self.inputs, self.means = stream, heads, inputs, means
        self.target, self.effect = target, effect
        self.mixed: dict[int, Tensor] = {}
        with ExitStack() as stack:
            for component, own in heads.items():
                stack.enter_context(hook_site(stream.model, own.site, self._keep(component)))
            self.restart = StreamRestart(stream, inputs)
        self.rows = self.restart.rows
        self.points, self.scores = self.restart.points, self.restart.logits
        self.last = last_positions(inputs, self.points.shape[-2])
        self.clean = class_value(self.scores, target, effect)
        self._edges = max(1, size // self.rows)
        self.drift = self._drift()

    def senders(self, receiver: int) -> list[Sender]:
        """All that has written what a receiver reads."""
        return [(c, unit) for c in range(receiver) for unit in range(self.units(c))]

    def units(self, component: int) -> int:
        """Heads of a component; 1 where it is one unit."""
        return self.heads[component].heads if component in self.heads else 1

    def contribution(self, sender: Sender) -> Tensor:
        """What a sender writes into the stream, ``(rows, tokens, width)``."""
        component, unit = sender
        if component in self.heads:
            return self.heads[component].contribution(self.mixed[component], unit)
        return self.restart.components[component]

    def mean(self, sender: Sender) -> Tensor:
        """What stands on a cut edge, ``(tokens, width)``; zero without means."""
        component, unit = sender
        if self.means is None:
            return torch.zeros_like(self.points[0, 0])
        if component in self.heads:
            return self.heads[component].contribution(self.means[component], unit)
        return self.means[component]

    def effects(self, receiver: int, edges: Sequence[tuple[Sender, int]]) -> Tensor:
        """Effect L - L(cut) of edges into units of a receiver, each cut alone.

        Parameters
        ----------
        receiver : int
        edges : sequence of (sender, unit of the receiver)

        Returns
        -------
        Tensor, shape (edges, rows)
        """
        found = self.clean.new_empty(len(edges), self.rows)
        if receiver not in self.heads:
            for part in self._chunks(len(edges)):
                away = torch.stack([self._away(sender) for sender, _ in edges[part]])
                scores = self._scores(receiver, self._reading(receiver) - away)
                found[part] = self._effect(scores, away)
            return found
        order: dict[Sender, list[int]] = {}
        for index, (sender, _) in enumerate(edges):
            order.setdefault(sender, []).append(index)
        own, senders = self.heads[receiver], list(order)
        for part in self._chunks(
            len(senders)
        ):  # one run of the attention serves all heads that read a sender
            away = torch.stack([self._away(sender) for sender in senders[part]])
            mixed = self._mix(receiver, self._reading(receiver) - away)
            pairs = [(i, place) for place, sender in enumerate(senders[part]) for i in order[sender]]
            for some in self._chunks(len(pairs)):
                changed = self.mixed[receiver].expand(len(pairs[some]), -1, -1, -1).clone()
                for row, (index, place) in enumerate(pairs[some]):
                    slice_ = own.units(edges[index][1])
                    changed[row, ..., slice_] = mixed[place, ..., slice_]
                indices, places = (list(column) for column in zip(*pairs[some]))
                found[indices] = self._effect(self._write(receiver, changed), away[places])
        return found

    def estimates(self, receiver: int, edges: Sequence[tuple[Sender, int]]) -> Tensor:
        """First-order estimate of the same effects, gradient x contribution, mean over the batch, ``(edges,)``."""
        units = sorted({unit for _, unit in edges})
        senders = list(dict.fromkeys(sender for sender, _ in edges))
        gradients = self._gradients(receiver, units).flatten(1)
        table = torch.stack([gradients @ self._away(sender).flatten() for sender in senders]) / self.rows
        rows = [senders.index(sender) for sender, _ in edges]
        return table[rows, [units.index(unit) for _, unit in edges]]

    def together(self, receiver: int, gone: dict[int, set[Sender]]) -> Tensor:
        """Class scores when edges into units of one receiver are cut at once; `gone` names the senders by unit."""
        readings = [self._without(receiver, gone[unit])[None] for unit in gone]
        if receiver not in self.heads:
            return self._scores(receiver, readings[0])[0]
        changed, own = self.mixed[receiver].clone(), self.heads[receiver]
        for unit, reading in zip(gone, readings):
            changed[..., own.units(unit)] = self._mix(receiver, reading)[0, ..., own.units(unit)]
        return self._write(receiver, changed[None])[0]

    def _reading(self, receiver: int) -> Tensor:
        return self.points[receiver - 1]

    def _away(self, sender: Sender) -> Tensor:
        """What a cut edge takes out of the reading."""
        value = self.contribution(sender)
        return value if self.means is None else value - self.mean(sender)

    def _without(self, receiver: int, gone: set[Sender]) -> Tensor:
        """The reading without some senders, as the sum of the others: no rounding is left where all are gone."""
        total = torch.zeros_like(self.points[0])
        for sender in self.senders(receiver):
            total += self.mean(sender) if sender in gone else self.contribution(sender)
        for component in self.heads:
            if component < receiver:
                total += self.heads[component].constant
        return total

    def _effect(self, scores: Tensor, away: Tensor) -> Tensor:
        effect = self.clean - class_value(scores, self.target, self.effect)
        silent = away.flatten(2).abs().amax(dim=2) == 0  # nothing was cut: what differs is rounding
        return effect.masked_fill(silent, 0.0)

    def _scores(self, receiver: int, reading: Tensor) -> Tensor:
        """Class scores ``(edges, rows, classes)`` when a branch reads ``(edges, rows, tokens, width)``."""
        if receiver == len(self.stream):
            return self._read(reading)
        return self._run(receiver, reading)

    def _run(self, receiver: int, reading: Tensor | None, edges: int = 1) -> Tensor:
        """Scores of a pass from a receiver's block on, with another reading or the cached one."""
        edges = edges if reading is None else len(reading)
        end = self.restart.run(receiver - 1, self._visitor(receiver, reading), self._repeated(edges))
        return self._read(end.unflatten(0, (edges, self.rows)))

    def _mix(self, receiver: int, reading: Tensor) -> Tensor:
        """Head outputs ``(edges, rows, tokens, units)`` of an attention branch that reads something else."""
        edges, site = len(reading), self.heads[receiver].site
        found = self.restart.run(
            receiver - 1, self._visitor(receiver, reading), self._repeated(edges), stop=site
        )
        return found.unflatten(0, (edges, self.rows))

    def _write(self, receiver: int, mixed: Tensor) -> Tensor:
        """Class scores when the heads of a branch give ``(edges, rows, tokens, units)``."""
        flat = mixed.flatten(0, 1)
        with hook_site(self.stream.model, self.heads[receiver].site, lambda _: flat):
            return self._run(receiver, None, len(mixed))

    def _visitor(self, receiver: int, reading: Tensor | None) -> Callable[[int, Tensor], Tensor]:
        flat = None if reading is None else reading.flatten(0, 1)
        return lambda point, value: flat if flat is not None and point == receiver - 1 else value

    def _read(self, end: Tensor) -> Tensor:
        return self.stream.head(self.stream.readout.select(end, self.last))

    def _gradients(self, receiver: int, units: Sequence[int]) -> Tensor:
        """Gradient of L by what each unit reads, ``(units, rows, tokens, width)``."""
        smooth: EffectKind = "logodds" if self.effect == "correct" else self.effect
        with torch.enable_grad():
            reading = self._reading(receiver).clone().requires_grad_()
            if receiver not in self.heads:
                value = class_value(self._scores(receiver, reading[None]), self.target, smooth).sum()
                return torch.autograd.grad(value, reading)[0][None]
            mixed = self._mix(receiver, reading[None])
            held = mixed.detach().clone().requires_grad_()
            value = class_value(self._write(receiver, held), self.target, smooth).sum()
            (gradient,) = torch.autograd.grad(value, held)
            found: list[Tensor] = []
            for unit in units:
                own = self.heads[receiver].units(unit)
                found += torch.autograd.grad(mixed[..., own], reading, gradient[..., own], retain_graph=True)
        return torch.stack(found)

    def _drift(self) -> float:
        """Run rows again as cuts do, over all that is reused; without reuse where that gives other scores.

        A module that gives one vector per token, and no batch in front, is taken for one that gives one per row where
        there are as many rows as tokens.
        """
        slack = 1e-3 * float(self.scores.abs().max()) + 1e-5
        for reuse in (True, False):
            if not reuse:
                self.restart = StreamRestart(self.stream, self.inputs, reuse=False)
            try:
                scores = self._run(len(self.stream) - 1, None, edges=min(2, self._edges))
            except RuntimeError:
                if not reuse:
                    raise
                continue  # shapes that do not fit: the same mistake
            if float((scores - self.scores).abs().max()) <= slack:
                return float((class_value(scores, self.target, self.effect) - self.clean).abs().max())
        raise InputError(
            f"{type(self.stream.model).__name__} gives other scores for the same inputs in a larger batch; edges cannot be "
            "cut in batches."
        )

    def _repeated(self, edges: int) -> Tensor:
        return torch.arange(self.rows, device=self.points.device).repeat(edges)

    def _chunks(self, count: int) -> Iterator[slice]:
        return (slice(start, start + self._edges) for start in range(0, count, self._edges))

    def _keep(self, component: int) -> Callable[[Tensor], Tensor]:
        def keep(value: Tensor) -> Tensor:
            self.mixed[component] = value.clone()
            return value

        return keep
