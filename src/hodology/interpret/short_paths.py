"""Self-distillation: the whole ensemble teaches its short paths.

The partial sum S_l = x_0 + sum_{j <= l} (A_j + F_j) holds the paths of at most l blocks. Read by the shared norm and
head it gives logits y_l, and with the full logits y as teacher (without gradient) the loss is

    CE(y) + w mean_l KL( softmax(y / T) || softmax(y_l / T) ) T^2  [ + v mean_l ( 1 - cos(f_l, f) ) ]

where f are the normed features. T = 1 and w = 1 are start values of ours.

Reference: Chang et al., "Revisiting vision transformer from the view of path ensemble", ICCV 2023.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from hodology.errors import InputError
from hodology.interpret.path_ensemble import PathEnsemble
from hodology.nn.fit import Augment, FitResult, fit
from hodology.nn.forward import Inputs

__all__ = ["ShortPathLoss", "ShortPathScores", "ShortPaths", "distill_short_paths"]


@dataclass(frozen=True, eq=False)
class ShortPathScores:
    """What `ShortPaths` returns while it trains.

    Attributes
    ----------
    logits : Tensor, shape (batch, classes)
        Of the full sum.
    short : Tensor, shape (depths, batch, classes)
        Of the partial sums.
    features : Tensor, shape (batch, ...)
        What the head takes for the full sum.
    short_features : Tensor, shape (depths, batch, ...)
    """

    logits: Tensor
    short: Tensor
    features: Tensor
    short_features: Tensor


class ShortPaths(nn.Module):
    """A model that also reads its partial sums while it trains; in eval mode it returns plain scores.

    Together with `ShortPathLoss` it fits any loop of the form ``loss(model(x), y)``, `hodology.nn.fit.fit` among them.

    Parameters
    ----------
    model : nn.Module or PathEnsemble
        With an ensemble, the partial sums are those of its masked and re-weighted components.
    depths : sequence of int, optional
        Blocks l whose partial sum is a student, 0 (the embedding) to L - 1; by default 1 to L - 1.
    heads : sequence of nn.Module, optional
        A head of its own for each depth, from what is read of the sum to scores; by default the norm and head of the
        model are shared.

    Raises
    ------
    InputError
        For depths that the model lacks, or another number of heads.
    """

    def __init__(
        self,
        model: nn.Module | PathEnsemble,
        *,
        depths: Sequence[int] | None = None,
        heads: Sequence[nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.ensemble = model if isinstance(model, PathEnsemble) else PathEnsemble(model, state="all")
        last = self.ensemble.depth
        self.depths = tuple(range(1, last)) if depths is None else tuple(depths)
        if not self.depths or not all(0 <= depth < last for depth in self.depths):
            raise InputError(f"depths must be some of 0 to {last - 1}, got {list(self.depths)}.")
        if len(set(self.depths)) != len(self.depths):
            raise InputError(f"depths must differ, got {list(self.depths)}.")
        if heads is not None and len(heads) != len(self.depths):
            raise InputError(f"heads must be one per depth ({len(self.depths)}), got {len(heads)}.")
        self.heads = None if heads is None else nn.ModuleList(heads)

    def forward(self, inputs: Inputs) -> Tensor | ShortPathScores:
        """Scores ``(batch, classes)`` in eval mode, everything that the loss needs while training."""
        if not self.training:
            scores: Tensor = self.ensemble(inputs)
            return scores
        stream = self.ensemble.find_stream(inputs)
        ends = stream.boundaries()
        *short, total = self.ensemble.sums(inputs, [*(ends[depth] for depth in self.depths), ends[-1]])
        stacked = torch.stack(short)
        if self.heads is None:
            read = stream.head(stacked)
        else:
            read = torch.stack([head(part) for head, part in zip(self.heads, short, strict=True)])
        return ShortPathScores(stream.head(total), read, stream.features(total), stream.features(stacked))


@dataclass(frozen=True)
class ShortPathLoss:
    """Cross-entropy of the full sum and the divergence of the short paths from it.

    Attributes
    ----------
    weight : float
        w, of the divergence.
    temperature : float
        T.
    feature_weight : float
        v, of the cosine term.
    """

    weight: float = 1.0
    temperature: float = 1.0
    feature_weight: float = 0.0

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise InputError(f"temperature must be above 0, got {self.temperature}.")
        if self.weight < 0 or self.feature_weight < 0:
            raise InputError(
                f"weight and feature_weight must be at least 0, got {self.weight} and {self.feature_weight}."
            )

    def __call__(self, scores: Tensor | ShortPathScores, targets: Tensor) -> Tensor:
        """The mean loss; plain scores give their cross-entropy."""
        if isinstance(scores, Tensor):
            return functional.cross_entropy(scores, targets)
        loss = functional.cross_entropy(scores.logits, targets)
        teacher = (scores.logits.detach() / self.temperature).log_softmax(dim=-1).expand_as(scores.short)
        student = (scores.short / self.temperature).log_softmax(dim=-1)
        divergence = functional.kl_div(student, teacher, reduction="none", log_target=True).sum(dim=-1).mean()
        loss = loss + self.weight * self.temperature**2 * divergence
        if self.feature_weight:
            full = scores.features.detach().expand_as(scores.short_features)
            cosine = functional.cosine_similarity(scores.short_features, full, dim=-1)
            loss = loss + self.feature_weight * (1.0 - cosine).mean()
        return loss


def distill_short_paths(
    model: nn.Module | PathEnsemble,
    x: Tensor,
    y: Tensor,
    *,
    depths: Sequence[int] | None = None,
    heads: Sequence[nn.Module] | None = None,
    weight: float = 1.0,
    temperature: float = 1.0,
    feature_weight: float = 0.0,
    epochs: int = 50,
    batch_size: int = 64,
    learning_rate: float = 2e-3,
    weight_decay: float = 0.05,
    augment: Augment | None = None,
    validation: tuple[Tensor, Tensor] | None = None,
    patience: int | None = None,
    rng: int = 0,
    checkpoint: Path | None = None,
    on_epoch: Callable[[int, int, float], None] | None = None,
) -> FitResult:
    """Train a model with self-distillation; it is trained in place and left in eval mode.

    Parameters
    ----------
    model : nn.Module or PathEnsemble
        An ensemble with a scale trains the scale too, which weight decay spares.
    x, y : Tensor
        Inputs and classes, batch first.
    depths, heads
        As in `ShortPaths`.
    weight, temperature, feature_weight
        As in `ShortPathLoss`.
    epochs, batch_size, learning_rate, weight_decay, augment, validation, patience, rng, checkpoint, on_epoch
        As in `hodology.nn.fit.fit`.

    Raises
    ------
    InputError
        For wrong depths or weights, and a checkpoint of an ensemble whose state leaves the model out.
    """
    if checkpoint is not None and isinstance(model, PathEnsemble) and model.state != "all":
        raise InputError("a checkpoint needs the whole model: make the ensemble with state='all'.")
    loss = ShortPathLoss(weight, temperature, feature_weight)
    student = ShortPaths(model, depths=depths, heads=heads)
    return fit(
        student,
        x,
        y,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        without_decay=student.ensemble.parameters_to_scale(),
        loss=loss,
        augment=augment,
        validation=validation,
        patience=patience,
        rng=rng,
        checkpoint=checkpoint,
        on_epoch=on_epoch,
    )
