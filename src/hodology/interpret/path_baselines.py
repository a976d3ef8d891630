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

from typing import Literal, get_args

import torch
from torch import Tensor

from hodology.errors import UnknownNameError, near_names
from hodology.nn.attribution import CleanRun, LineAttribution
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
    rng: int = 0,
) -> tuple[Tensor, ...]:
    """Score every unit of every layer by one baseline.

    Returns
    -------
    tuple of Tensor, each (batch, units)
        Higher is better; summed over positions.

    Raises
    ------
    UnknownNameError
        For another name.
    """
    if name == "activation":
        return tuple(a.sum(dim=1) for a in run.activations)
    if name == "influence":
        return tuple(g.sum(dim=1) for g in engine.along_input(run, rule=rule, n_steps=n_steps))
    if name == "kn-ig":
        return tuple(_layer_attribution(engine, run, i, rule, n_steps) for i in range(len(engine.sites)))
    if name == "random":
        generator = torch_stream(rng, "random-path")
        return tuple(
            torch.rand(len(run), a.shape[-1], generator=generator).to(a.device) for a in run.activations
        )
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


def _layer_attribution(
    engine: LineAttribution, run: CleanRun, layer: int, rule: Rule, n_steps: int
) -> Tensor:
    clean = run.activations[layer]
    lines = {layer: (torch.zeros_like(clean), clean)}
    gradient = engine.gradients(run, lines, rule=rule, n_steps=n_steps)[layer]
    return (clean * gradient).sum(dim=1)
