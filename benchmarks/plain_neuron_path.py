"""The neuron-path search in the plain schedule, written from the paper's algorithm, for comparison.

A clean pass per layer, the whole model run again at every step, one backward pass per layer of a sweep. It is
slow on purpose and shares nothing with the library but torch: tests take it as the reference, benchmarks as
the peer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

__all__ = ["plain_joint_score", "plain_neuron_path"]


def _run(model: nn.Module, maps: Sequence[nn.Module], x: Tensor, values: Sequence[Tensor | None]) -> Tensor:
    """Scores while the class-token input of maps[l] is replaced by values[l] (None: free)."""
    handles = []

    def replace(value: Tensor) -> Callable[[nn.Module, tuple[Tensor, ...]], tuple[Tensor, ...]]:
        def hook(_: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            hidden = args[0].clone()
            hidden[:, 0] = value
            return (hidden,)

        return hook

    try:
        for module, value in zip(maps, values, strict=False):
            if value is not None:
                handles.append(module.register_forward_pre_hook(replace(value)))
        return model(x)
    finally:
        for handle in handles:
            handle.remove()


def _clean(model: nn.Module, module: nn.Module, x: Tensor) -> Tensor:
    """Class-token input of one map in an undisturbed pass."""
    kept = []
    handle = module.register_forward_pre_hook(lambda _, args: kept.append(args[0][:, 0].detach()))
    with torch.no_grad():
        model(x)
    handle.remove()
    return kept[0]


def _mean_gradients(
    model: nn.Module,
    maps: Sequence[nn.Module],
    x: Tensor,
    target: Tensor,
    ends: list[Tensor],
    starts: list[Tensor],
    steps: int,
) -> list[Tensor]:
    """Mean gradient over left steps at each clamped layer; one backward pass per layer."""
    count = len(x)
    alphas = torch.arange(steps, dtype=x.dtype) / steps
    leaves = [
        (s[None] + alphas[:, None, None] * (e - s)[None]).flatten(0, 1).requires_grad_()
        for s, e in zip(starts, ends, strict=True)
    ]
    scores = _run(model, maps, x.repeat(steps, *[1] * (x.ndim - 1)), leaves)
    value = scores.softmax(dim=1).gather(1, target.repeat(steps)[:, None]).sum()
    gradients = [torch.autograd.grad(value, leaf, retain_graph=True)[0] for leaf in leaves]
    return [g.view(steps, count, -1).mean(dim=0) for g in gradients]


def plain_neuron_path(
    model: nn.Module, maps: Sequence[nn.Module], x: Tensor, target: Tensor, *, steps: int = 20
) -> tuple[Tensor, list[Tensor]]:
    """Units of the path, shape ``(batch, layers)``, and the scores of all candidates, a tensor a layer."""
    path: list[Tensor] = []
    candidates: list[Tensor] = []
    clean: list[Tensor] = []
    rows = torch.arange(len(x))
    for layer, module in enumerate(maps):
        clean.append(_clean(model, module, x))
        starts = [clean[j].clone() for j in range(layer)]
        for j in range(layer):
            starts[j][rows, path[j]] = 0.0
        starts.append(torch.zeros_like(clean[layer]))
        gradients = _mean_gradients(model, maps, x, target, clean, starts, steps)
        weight = clean[layer] + sum(clean[j][rows, path[j]][:, None] for j in range(layer))
        slope = gradients[layer] + sum(gradients[j][rows, path[j]][:, None] for j in range(layer))
        candidates.append(weight * slope)
        path.append(candidates[-1].argmax(dim=1))
    return torch.stack(path, dim=1), candidates


def plain_joint_score(
    model: nn.Module, maps: Sequence[nn.Module], x: Tensor, target: Tensor, path: Tensor, *, steps: int = 20
) -> Tensor:
    """Joint attribution score (product form) of paths ``(batch, layers)``."""
    rows = torch.arange(len(x))
    clean = [_clean(model, module, x) for module in maps]
    starts = [c.clone() for c in clean]
    for layer, start in enumerate(starts):
        start[rows, path[:, layer]] = 0.0
    gradients = _mean_gradients(model, maps, x, target, clean, starts, steps)
    weight = sum(c[rows, path[:, j]] for j, c in enumerate(clean))
    return weight * sum(g[rows, path[:, j]] for j, g in enumerate(gradients))
