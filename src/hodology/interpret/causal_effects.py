"""What cutting single edges does to the evidence for a class, exactly, without running the whole network again.

Cutting the edge from unit i into unit j of a stage changes channel j of that stage and nothing else there:

    pre_j(cut) = pre_j - w_ij * (Z_i - r_i)          r = 0 or the mean of Z_i

The change is carried as one channel through everything that keeps channels apart (edges lie on the channel axis,
so one call serves many of them), enters the next linear map or convolution as a rank-one update of what is known
there, and only from there on do full activities run, for edges x images at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, fx

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.interpret.causal_slices import Region, carry, find_region
from hodology.interpret.causal_stages import Source, Stage
from hodology.nn.operations import arguments
from hodology.nn.program import Program, Values

__all__ = ["EffectKind", "StageRun", "class_value", "rounding"]

EffectKind = Literal["logodds", "probability", "log-probability", "logit", "loss", "correct"]
_BUDGET = 3_000_000  # numbers in the largest tensor of a chunk


def class_value(scores: Tensor, target: int, kind: EffectKind = "logodds") -> Tensor:
    """Evidence L for class `target`, of shape ``scores.shape[:-1]``; higher always speaks for the class.

    ``"logodds"`` is log(p / (1 - p)), which does not saturate on certain images; ``"loss"`` is minus the cross-entropy
    (the same numbers as ``"log-probability"``), so that an effect is the loss that a cut adds; ``"correct"`` is 1 where
    the class wins.

    Raises
    ------
    UnknownNameError, InputError
        For another kind, and a target that is no class.
    """
    if not 0 <= target < scores.shape[-1]:
        raise InputError(f"target must be 0 to {scores.shape[-1] - 1}, got {target}.")
    own = scores[..., target]
    if kind == "logit":
        return own
    if kind == "correct":
        return (scores.argmax(dim=-1) == target).to(scores.dtype)
    if kind == "logodds":
        others = torch.cat([scores[..., :target], scores[..., target + 1 :]], dim=-1)
        return own - others.logsumexp(dim=-1)
    if kind in ("log-probability", "loss"):
        return own - scores.logsumexp(dim=-1)
    if kind == "probability":
        return (own - scores.logsumexp(dim=-1)).exp()
    raise UnknownNameError(f"effect {kind!r} does not exist{near_names(str(kind), get_args(EffectKind))}.")


def rounding(scores: Tensor, target: int, kind: EffectKind) -> float:
    """Size below which an effect is rounding: passes of other batch sizes add up in another order.

    Without this, edges that carry nothing get effects of some 1e-7, of one sign over all images by chance, and are all
    accepted together.
    """
    if kind == "correct":
        return 0.0
    step = 8 * torch.finfo(scores.dtype).eps * float(scores.abs().amax().clamp(min=1.0))
    return step * float(class_value(scores, target, kind).amax()) if kind == "probability" else step


@dataclass(frozen=True, eq=False)
class StageRun:
    """A clean pass over one batch, from which the edges into one stage are cut.

    Attributes
    ----------
    program : Program
    values : mapping of fx.Node to Tensor
        The clean pass.
    stage : Stage
    means : tuple of Tensor or None
        Reference of each input of the stage, shape ``(1, ...)``; None for zero.
    target : int
    effect : str
    by_column : bool
        Count the entries of a flattened map as units of their own.
    """

    program: Program
    values: Values
    stage: Stage
    means: tuple[Tensor, ...] | None
    target: int
    effect: EffectKind
    by_column: bool = False

    def evidence(self) -> Tensor:
        """L of the clean pass, shape ``(batch,)``."""
        return class_value(self.values[self.program.output], self.target, self.effect)

    def effects(self, branch: Tensor, source: Tensor, unit: Tensor) -> Tensor:
        """Effect L - L(cut) of edges, each cut alone.

        Parameters
        ----------
        branch, source, unit : Tensor of int64, shape (edges,)
            Input of the stage (0 but for sums), unit on it, unit of the stage.

        Returns
        -------
        Tensor, shape (edges, batch)
        """
        if self.stage.node is self.program.output:
            return self._final(branch, source, unit)
        region = find_region(self.program, self.stage.node)
        clean = self.evidence()
        found = [
            clean - class_value(self._scores(region, unit[part], self._cut(part, branch, source, unit)),
                                self.target, self.effect)
            for part in self._chunks(region, len(unit))
        ]  # fmt: skip
        return torch.cat(found) if found else clean.new_zeros(0, len(clean))

    def estimates(self, branch: Tensor, source: Tensor, unit: Tensor) -> Tensor:
        """First-order estimate of the same effects, gradient x contribution, mean over the batch, ``(edges,)``."""
        node = self.stage.node
        with torch.enable_grad():
            held = self.values[node].detach().clone().requires_grad_()
            scores = self.program.resume(node, held, self.values)
            smooth: EffectKind = "logodds" if self.effect == "correct" else self.effect
            (gradient,) = torch.autograd.grad(class_value(scores, self.target, smooth).sum(), held)
        found = []
        size = max(1, _BUDGET // max(1, gradient[:, 0].numel()))
        for start in range(0, len(unit), size):
            part = slice(start, start + size)
            change = self._contribution(branch[part], source[part], unit[part])
            found.append((change * gradient[:, unit[part]]).flatten(2 if change.ndim > 2 else 1))
        sums = [f.sum(dim=2) if f.ndim == 3 else f for f in found]
        return torch.cat([s.mean(dim=0) for s in sums]) if sums else gradient.new_zeros(0)

    def together(self, masks: tuple[Tensor, ...]) -> Tensor:
        """Class scores when all edges of `masks` are cut at once; a mask ``(units, sources)`` per input."""
        value = self.values[self.stage.node]
        for branch, mask in enumerate(masks):
            value = value - self.inflow(branch, mask)
        return self.program.resume(self.stage.node, value, self.values)

    def inflow(self, branch: int, mask: Tensor) -> Tensor:
        """What the edges of a mask carry into the stage, in its shape."""
        reading = self._reading(branch)
        if self.stage.kind == "add":
            shape = (1, -1) + (1,) * (reading.ndim - 2)
            return reading * mask.diagonal().to(reading.dtype).view(shape) * self._factor(branch)
        weight = self._weight()
        if self.stage.kind == "linear":
            spread = mask.repeat_interleave(weight.shape[1] // mask.shape[1], dim=1)
            return reading @ (weight * spread).T
        return self._convolve(reading, weight * mask[(...,) + (None,) * (weight.ndim - 2)], 1)

    def sources(self, branch: int) -> int:
        """Units on an input, as they are counted here."""
        source = self.stage.sources[branch]
        return source.units * source.block if self._single(source) else source.units

    def _final(self, branch: Tensor, source: Tensor, unit: Tensor) -> Tensor:
        """Edges into the class scores themselves: closed form."""
        scores = self.values[self.program.output]
        changed = scores.expand(len(unit), *scores.shape).clone()
        rows = torch.arange(len(unit), device=changed.device)
        changed[rows, :, unit] -= self._contribution(branch, source, unit).T
        return self.evidence() - class_value(changed, self.target, self.effect)

    def _cut(self, part: slice, branch: Tensor, source: Tensor, unit: Tensor) -> Tensor:
        """The changed channel of each edge, ``(batch, edges, ...)``."""
        own = self.values[self.stage.node][:, unit[part]]
        return own - self._contribution(branch[part], source[part], unit[part])

    def _contribution(self, branch: Tensor, source: Tensor, unit: Tensor) -> Tensor:
        """What each edge carries, ``(batch, edges, ...)``."""
        if self.stage.kind == "add":
            whole = torch.stack([self._reading(b) * self._factor(b) for b in range(2)], dim=1)
            return whole[:, branch, source]
        reading, weight = self._reading(0), self._weight()
        if self.stage.kind == "conv":
            return self._convolve(reading[:, source], weight[unit, source][:, None], len(unit))
        units = self.sources(0)
        columns = weight.view(len(weight), units, -1)[unit, source]
        return torch.einsum("bek,ek->be", reading.view(len(reading), units, -1)[:, source], columns)

    def _reading(self, branch: int) -> Tensor:
        """What the stage reads, less the reference."""
        value = self.values[self.stage.sources[branch].node]
        return value if self.means is None else value - self.means[branch]

    def _weight(self) -> Tensor:
        """Weights as ``(units, entries, ...)``."""
        if self.stage.kind == "conv":
            return self.values[arguments(self.stage.node)[1]]
        args = arguments(self.stage.node)
        return self.values[args[-1]].T

    def _convolve(self, x: Tensor, weight: Tensor, groups: int) -> Tensor:
        stride, padding, dilation = arguments(self.stage.node)[3:6]
        return torch.ops.aten.convolution(
            x, weight, None, stride, padding, dilation, False, [0] * len(stride), groups
        )

    def _factor(self, branch: int) -> float:
        """``alpha`` of an addition, for its second input."""
        alpha: Any = self.stage.node.kwargs.get("alpha", 1)
        return float(alpha) if branch == 1 else 1.0

    def _single(self, source: Source) -> bool:
        return self.by_column and self.stage.kind == "linear" and source.block > 1

    def _scores(self, region: Region, unit: Tensor, changed: Tensor) -> Tensor:
        """Class scores ``(edges, batch, classes)`` of changed channels ``(batch, edges, ...)``."""
        known, operations = carry(self.program, self.values, region, self.stage.node, unit, changed)
        if self.program.output in known:
            return known[self.program.output]
        nodes = list(known)

        def finish(*values: Tensor) -> Tensor:
            return self.program.resume_from(dict(zip(nodes, values, strict=True)), operations, self.values)

        return torch.func.vmap(finish)(*(known[node] for node in nodes))

    def _chunks(self, region: Region, edges: int) -> Iterator[slice]:
        shapes: Mapping[fx.Node, tuple[int, ...]] = self.program.shapes
        rest = [node for node in self.program.after(self.stage.node) if node not in region.inside]
        sizes = [torch.Size(shapes[n]).numel() for n in rest if n in shapes]
        sizes += [
            torch.Size(shapes[n]).numel() // shapes[n][1] for n in region.inside if len(shapes.get(n, ())) > 1
        ]
        size = max(1, _BUDGET // max([1, *sizes]))
        return (slice(start, start + size) for start in range(0, edges, size))
