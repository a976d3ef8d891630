"""The methods that neuron paths are compared with; each scores every unit of every layer on its own.

- ``"activation"``: the unit's clean activity.
- ``"influence"`` (influence pattern, adapted): the mean gradient at the unit while the *input* moves from zero
  to itself and activity is free (Lu et al., "Influence patterns for explaining information flow in BERT",
  NeurIPS 2021). Vectorised over the batch, all layers in one sweep.
- ``"kn-ig"`` (knowledge neurons): integrated gradients of one layer at a time, the layer scaled whole (Dai et
  al., "Knowledge neurons in pretrained transformers", ACL 2022).
- ``"random"``: a uniform draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.nn.attribution import LineAttribution
from hodology.nn.clean_run import CleanRun
from hodology.nn.quadrature import Rule
from hodology.rng import torch_stream

__all__ = ["BaselineName", "baseline_units", "knowledge_neurons"]

BaselineName = Literal["activation", "influence", "kn-ig", "random"]


def baseline_units(
    name: BaselineName,
    engine: LineAttribution,
    run: CleanRun,
    *,
    rule: Rule = "left",
    n_steps: int = 20,
    rng: int | Sequence[int] = 0,
) -> tuple[Tensor, ...]:
    """Score every unit of every layer by one baseline.

    Parameters
    ----------
    name : {"activation", "influence", "kn-ig", "random"}
    engine, run
        The model's lines, and a batch of inputs.
    rule, n_steps
        Quadrature of ``"influence"`` and ``"kn-ig"``.
    rng : int or sequence of int
        Seed of ``"random"``; with one per row, a row's draw does not depend on the batch it stands in.

    Returns
    -------
    tuple of Tensor, each (batch, units)
        Higher is better; summed over positions.

    Raises
    ------
    UnknownNameError, InputError
        For another name; for a number of seeds that is not the number of rows.
    """
    if name == "activation":
        return tuple(a.sum(dim=1) for a in run.activations)
    if name == "influence":
        return tuple(g.sum(dim=1) for g in engine.along_input(run, rule=rule, n_steps=n_steps))
    if name == "kn-ig":
        return tuple(_layer_attribution(engine, run, i, rule, n_steps) for i in range(len(engine.sites)))
    if name == "random":
        return _uniform([a.shape[-1] for a in run.activations], rng, run)
    raise UnknownNameError(f"baseline {name!r} does not exist{near_names(name, get_args(BaselineName))}.")


def knowledge_neurons(scores: tuple[Tensor, ...], *, threshold: float = 0.2) -> tuple[Tensor, ...]:
    """Units above a share of the largest score of their row, over all layers, as in the original method.

    Parameters
    ----------
    scores : tuple of Tensor, each (batch, units)
        From ``baseline_units("kn-ig", ...)``.
    threshold : float
        Share of the largest score (original: 0.1 to 0.2).

    Returns
    -------
    tuple of bool Tensor, each (batch, units)
    """
    largest = torch.stack([s.max(dim=1).values for s in scores]).max(dim=0).values
    return tuple(s >= threshold * largest[:, None] for s in scores)


def _uniform(widths: Sequence[int], rng: int | Sequence[int], run: CleanRun) -> tuple[Tensor, ...]:
    rows, seeds = (len(run), [rng]) if isinstance(rng, (int, np.integer)) else (1, list(rng))
    if rows * len(seeds) != len(run):
        raise InputError(f"rng must be a seed or one per row ({len(run)}), got {len(seeds)}.")
    parts = []
    for seed in seeds:
        generator = torch_stream(seed, "random-path")
        parts.append([torch.rand(rows, width, generator=generator) for width in widths])
    device = run.scores.device
    return tuple(torch.cat(layer).to(device) for layer in zip(*parts, strict=True))


def _layer_attribution(
    engine: LineAttribution, run: CleanRun, layer: int, rule: Rule, n_steps: int
) -> Tensor:
    clean = run.activations[layer]
    lines = {layer: (torch.zeros_like(clean), clean)}
    gradient = engine.gradients(run, lines, rule=rule, n_steps=n_steps)[layer]
    return (clean * gradient).sum(dim=1)
