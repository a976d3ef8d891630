"""Searches over layered units by joint attribution: progressive, beam and exhaustive; and the score itself.

Symbols: B batch, P positions, m units of a layer, k units kept per layer. See `hodology.interpret.neuron_path`
for the equations.
"""

from __future__ import annotations

from itertools import product
from math import prod
from typing import Literal

import torch
from torch import Tensor

from hodology.errors import InputError
from hodology.nn.attribution import LineAttribution
from hodology.nn.clean_run import CleanRun
from hodology.nn.quadrature import Rule

__all__ = ["Form", "beam_search", "exhaustive_search", "path_score", "progressive_search"]

Form = Literal["product", "diagonal"]


def path_score(
    engine: LineAttribution, run: CleanRun, units: Tensor, *, form: Form, rule: Rule, n_steps: int
) -> Tensor:
    """Joint attribution score of paths, shape ``(B,)``: only the path's units move, all layers are clamped.

    Parameters
    ----------
    units : Tensor of int64, shape (B, layers) or (B, layers, k)
        May hold the first layers only; the later ones are then free.

    Raises
    ------
    InputError
        For a wrong shape or a unit out of range.
    """
    units = _check_units(units, run)
    lines = {layer: _path_line(run.activations[layer], units[:, layer]) for layer in range(units.shape[1])}
    gradients = engine.gradients(run, lines, rule=rule, n_steps=n_steps)
    activity = [_at_units(run.activations[i], units[:, i]) for i in lines]
    slopes = [_at_units(gradients[i], units[:, i]) for i in lines]
    if form == "diagonal":
        return sum((a * g).sum(dim=(1, 2)) for a, g in zip(activity, slopes, strict=True))  # type: ignore[return-value]
    both = (sum(a.sum(dim=2) for a in activity), sum(g.sum(dim=2) for g in slopes))
    return (both[0] * both[1]).sum(dim=1)  # type: ignore[union-attr]


def progressive_search(
    engine: LineAttribution,
    run: CleanRun,
    top_k: int,
    *,
    form: Form,
    rule: Rule,
    n_steps: int,
    exact: int = 0,
) -> tuple[Tensor, tuple[Tensor, ...], Tensor | None]:
    """Grow paths layer by layer; one sweep a layer scores all its units.

    Returns
    -------
    units : Tensor of int64, shape (B, layers, k)
    candidates : tuple of Tensor, each (B, m)
        Score of every unit in its layer's sweep.
    changed : Tensor of bool, shape (B, layers), or None
        With `exact`: whether the re-scored choice differs from the sweep's.
    """
    chosen: list[Tensor] = []
    candidates: list[Tensor] = []
    changed: list[Tensor] = []
    for _ in engine.sites:
        scores = _layer_scores(engine, run, chosen, form=form, rule=rule, n_steps=n_steps)
        best = scores.topk(top_k, dim=1).indices
        if exact:
            shared = best
            best = _rescored(engine, run, chosen, scores, top_k, exact, form=form, rule=rule, n_steps=n_steps)
            changed.append((best != shared).any(dim=1))
        chosen.append(best)
        candidates.append(scores)
    return torch.stack(chosen, dim=1), tuple(candidates), torch.stack(changed, dim=1) if exact else None


def beam_search(
    engine: LineAttribution, run: CleanRun, width: int, *, form: Form, rule: Rule, n_steps: int
) -> Tensor:
    """Best path of `width` kept at each layer, by true joint score; int64 of shape ``(B, layers, 1)``."""
    beams = torch.zeros(len(run), 1, 0, dtype=torch.int64, device=run.scores.device)
    for _ in engine.sites:
        rows = _repeat(len(run), beams.shape[1], run)
        flat = beams.flatten(0, 1)
        chosen = [flat[:, layer, None] for layer in range(flat.shape[1])]
        scores = _layer_scores(engine, run.select(rows), chosen, form=form, rule=rule, n_steps=n_steps)
        m = scores.shape[1]
        best = scores.view(len(run), -1).topk(min(width, beams.shape[1] * m), dim=1).indices
        kept = torch.take_along_dim(beams, (best // m)[:, :, None].expand(-1, -1, beams.shape[2]), dim=1)
        beams = torch.cat([kept, (best % m)[:, :, None]], dim=2)
    rows = _repeat(len(run), beams.shape[1], run)
    scores = path_score(engine, run.select(rows), beams.flatten(0, 1), form=form, rule=rule, n_steps=n_steps)
    winner = scores.view(len(run), -1).argmax(dim=1)
    return beams[torch.arange(len(run), device=winner.device), winner][:, :, None]


def exhaustive_search(
    engine: LineAttribution, run: CleanRun, *, limit: int, form: Form, rule: Rule, n_steps: int
) -> Tensor:
    """Best of all paths by true joint score; int64 of shape ``(B, layers, 1)``."""
    widths = [a.shape[-1] for a in run.activations]
    if prod(widths) > limit:
        raise InputError(f"there are {prod(widths)} paths, more than the limit of {limit}; use find or beam.")
    best = torch.full((len(run),), -torch.inf, device=run.scores.device)
    winner = torch.zeros(len(run), len(widths), dtype=torch.int64, device=run.scores.device)
    paths = torch.tensor(list(product(*map(range, widths))), device=run.scores.device)
    for part in paths.split(512):
        rows = _repeat(len(run), len(part), run)
        scores = path_score(
            engine, run.select(rows), part.repeat(len(run), 1), form=form, rule=rule, n_steps=n_steps
        ).view(len(run), -1)
        top = scores.max(dim=1)
        better = top.values > best
        best = torch.where(better, top.values, best)
        winner = torch.where(better[:, None], part[top.indices], winner)
    return winner[:, :, None]


def _layer_scores(
    engine: LineAttribution, run: CleanRun, chosen: list[Tensor], *, form: Form, rule: Rule, n_steps: int
) -> Tensor:
    """Score of every unit of the next layer, ``(B, m)``: the layer moves whole, below only the chosen units."""
    layer = len(chosen)
    clean = run.activations[layer]
    lines = {j: _path_line(run.activations[j], units) for j, units in enumerate(chosen)}
    lines[layer] = (torch.zeros_like(clean), clean)
    gradients = engine.gradients(run, lines, rule=rule, n_steps=n_steps)
    activity = [_at_units(run.activations[j], units) for j, units in enumerate(chosen)]
    slopes = [_at_units(gradients[j], units) for j, units in enumerate(chosen)]
    if form == "diagonal":
        below = sum(((a * g).sum(dim=(1, 2)) for a, g in zip(activity, slopes, strict=True)), torch.zeros(()))
        return (clean * gradients[layer]).sum(dim=1) + below.to(clean).reshape(-1, 1)
    total = clean + sum(a.sum(dim=2, keepdim=True) for a in activity)
    slope = gradients[layer] + sum(g.sum(dim=2, keepdim=True) for g in slopes)
    return (total * slope).sum(dim=1)


def _rescored(
    engine: LineAttribution,
    run: CleanRun,
    chosen: list[Tensor],
    scores: Tensor,
    top_k: int,
    exact: int,
    *,
    form: Form,
    rule: Rule,
    n_steps: int,
) -> Tensor:
    """The best units of the next layer by the true joint score of path and unit, one line for each."""
    pool = scores.topk(min(exact, scores.shape[1]), dim=1).indices
    rows = _repeat(len(run), pool.shape[1], run)
    units = pool.flatten()[:, None].expand(-1, top_k)  # a lone unit, written k times where the path keeps k
    paths = torch.stack([*(c[rows] for c in chosen), units], dim=1)
    true = _score_last_alone(engine, run.select(rows), paths, form=form, rule=rule, n_steps=n_steps)
    order = true.view(len(run), -1).topk(top_k, dim=1).indices
    return pool.gather(1, order)


def _score_last_alone(
    engine: LineAttribution, run: CleanRun, paths: Tensor, *, form: Form, rule: Rule, n_steps: int
) -> Tensor:
    """`path_score` of paths whose last layer has one unit (the first column of the last layer)."""
    last = paths.shape[1] - 1
    lines = {i: _path_line(run.activations[i], paths[:, i]) for i in range(last)}
    lines[last] = _path_line(run.activations[last], paths[:, last, :1])
    gradients = engine.gradients(run, lines, rule=rule, n_steps=n_steps)
    picks = [paths[:, i] if i < last else paths[:, i, :1] for i in lines]
    activity = [_at_units(run.activations[i], p) for i, p in enumerate(picks)]
    slopes = [_at_units(gradients[i], p) for i, p in enumerate(picks)]
    if form == "diagonal":
        return torch.stack([(a * g).sum(dim=(1, 2)) for a, g in zip(activity, slopes, strict=True)]).sum(
            dim=0
        )
    weight = torch.stack([a.sum(dim=2) for a in activity]).sum(dim=0)
    return (weight * torch.stack([g.sum(dim=2) for g in slopes]).sum(dim=0)).sum(dim=1)


def _path_line(clean: Tensor, units: Tensor) -> tuple[Tensor, Tensor]:
    """Line on which only `units` ``(B, k)`` move, from zero to their clean value."""
    index = units[:, None, :].expand(-1, clean.shape[1], -1)
    return clean.scatter(2, index, 0.0), clean


def _at_units(values: Tensor, units: Tensor) -> Tensor:
    """Entries `units` ``(B, k)`` of ``(B, P, m)``, shape ``(B, P, k)``."""
    return values.gather(2, units[:, None, :].expand(-1, values.shape[1], -1))


def _repeat(rows: int, times: int, run: CleanRun) -> Tensor:
    return torch.arange(rows, device=run.scores.device).repeat_interleave(times)


def _check_units(units: Tensor, run: CleanRun) -> Tensor:
    units = units[:, :, None] if units.ndim == 2 else units
    shape = tuple(units.shape)
    if units.ndim != 3 or len(units) != len(run) or not 1 <= shape[1] <= len(run.activations):
        raise InputError(
            f"paths must have shape ({len(run)}, {len(run.activations)}) or ({len(run)}, {len(run.activations)}, k), "
            f"got {shape}."
        )
    units = units.to(run.scores.device, torch.int64)
    for layer in range(shape[1]):
        m = run.activations[layer].shape[-1]
        if int(units[:, layer].min()) < 0 or int(units[:, layer].max()) >= m:
            raise InputError(
                f"paths must name units 0 to {m - 1} in layer {layer}, got {int(units[:, layer].max())}."
            )
    return units
