"""Does a model keep its ability when all units but those of chosen paths are zeroed?

Masks made per class let the label in: an image is judged under the mask of its own class. `prune_effect`
therefore also reports the wrong-class masks and two label-free variants.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hodology.errors import InputError
from hodology.interpret.ablation import keep_units
from hodology.nn.clean_run import output_value
from hodology.nn.forward import Inputs, call_model, check_inputs, usable_model
from hodology.nn.taps import evaluation_mode

__all__ = ["PruneEffect", "prune_effect", "random_masks"]


@dataclass(frozen=True)
class PruneEffect:
    """Mean probability of the true class after pruning.

    Attributes
    ----------
    base : float
        Unpruned.
    right_class : float
        Under the mask of the image's own class (the paper's protocol; the label leaks in).
    wrong_class : float
        Mean over the masks of all other classes.
    predicted_class : float
        Under the mask of the class that the unpruned model predicts: no label needed.
    union : float
        One mask for all: the union over classes.
    kept : float
        Mean number of units that a class's mask keeps per layer.
    """

    base: float
    right_class: float
    wrong_class: float
    predicted_class: float
    union: float
    kept: float


def prune_effect(
    model: nn.Module,
    inputs: Inputs,
    labels: Tensor | Sequence[int],
    sites: Sequence[str],
    masks: Sequence[Tensor],
    *,
    share: float = 1.0,
    depth: int | None = None,
    positions: Tensor | int = 0,
    rng: int = 0,
) -> PruneEffect:
    """Zero a share of all units outside class masks and measure what is left.

    Parameters
    ----------
    model : nn.Module
    inputs : Tensor or mapping of Tensors
    labels : Tensor of int64, shape (batch,)
    sites : sequence of str
    masks : sequence of bool Tensor, each (classes, units)
        From `hodology.interpret.prune_mask`.
    share : float
        Share of the other units that is zeroed (paper: 10, 30, 50 and 100 %).
    depth : int, optional
        Only the first layers.
    positions : int or Tensor
        Token positions (paper: the class token).
    rng : int
        Seed of the share's draw.
    """
    model, inputs, labels = usable_model(model), check_inputs(model, inputs), torch.as_tensor(labels)
    classes = len(masks[0])
    if int(labels.min()) < 0 or int(labels.max()) >= classes or any(len(m) != classes for m in masks):
        raise InputError(
            f"masks must have a row per class (0 to {int(labels.max())}), got {[len(m) for m in masks]}."
        )

    def probability(rows: Tensor) -> Tensor:
        picked = [m[rows] for m in masks]
        with keep_units(model, sites, picked, share=share, depth=depth, positions=positions, rng=rng):
            return output_value(call_model(model, inputs), labels)

    with evaluation_mode(model), torch.no_grad():
        scores = call_model(model, inputs)
        base = output_value(scores, labels)
        under = torch.stack([probability(torch.full_like(labels, c)) for c in range(classes)])
        whole = [m.any(dim=0, keepdim=True) for m in masks]
        with keep_units(model, sites, whole, share=share, depth=depth, positions=positions, rng=rng):
            union = output_value(call_model(model, inputs), labels)
    right = under.gather(0, labels[None])[0]
    predicted = under.gather(0, scores.argmax(dim=1)[None])[0]
    return PruneEffect(
        base=float(base.mean()),
        right_class=float(right.mean()),
        wrong_class=float((under.sum(dim=0) - right).mean() / max(classes - 1, 1)),
        predicted_class=float(predicted.mean()),
        union=float(union.mean()),
        kept=float(torch.stack([m.sum(dim=1).double().mean() for m in masks]).mean()),
    )


def random_masks(widths: Sequence[int], classes: int, k: int, generator: torch.Generator) -> list[Tensor]:
    """Masks of k random units per class and layer: bool, each ``(classes, units)``."""
    masks = []
    for width in widths:
        order = torch.rand(classes, width, generator=generator).argsort(dim=1)
        masks.append(torch.zeros(classes, width, dtype=torch.bool).scatter(1, order[:, :k], value=True))
    return masks
