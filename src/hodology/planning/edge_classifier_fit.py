"""The training of an edge classifier: a plateau schedule, early stopping, the best state kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.rng import derive_seed, torch_stream

__all__ = ["EdgeSettings", "EdgeTraining", "fit_edge_scores", "macro_f1"]

Monitor = Literal["macro_f1", "loss"]
Scores = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class EdgeSettings:
    """How a network on a graph is built and trained; the defaults are those of K-Paths where it gives them.

    Attributes
    ----------
    hidden, depth, n_bases, dropout
        Of `RGCN` and `EdgeMlp`; `n_bases` None gives each relation a matrix of its own.
    inverse : bool
        Pass messages against the edges too, as relations of their own (Schlichtkrull et al.).
    learning_rate, weight_decay : float
        Of AdamW.
    epochs, patience : int
        At most this many passes, and at most this many without a better validation score.
    plateau_factor : float
    plateau_patience : int
        The learning rate is multiplied by the factor after this many epochs without a better score (50 is
        ours; the paper's is not known).
    monitor : {"macro_f1", "loss"}
        What "better" means on the validation pairs (ours: the paper does not say); the other breaks ties.
    balanced : bool
        Weigh classes by the inverse of their count in the training loss (not in the paper).
    batch_size : int, optional
        Pairs of one step, in a new order each epoch; None takes all at once, as a network whose cost hardly depends
        on the number of pairs should.
    """

    hidden: int = 128
    depth: int = 3
    n_bases: int | None = 2
    dropout: float = 0.5
    inverse: bool = True
    learning_rate: float = 1e-3
    weight_decay: float = 5e-4
    epochs: int = 1000
    patience: int = 400
    plateau_factor: float = 0.5
    plateau_patience: int = 50
    monitor: Monitor = "macro_f1"
    balanced: bool = False
    batch_size: int | None = None

    def __post_init__(self) -> None:
        for name in ("hidden", "depth", "epochs", "patience"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if self.batch_size is not None and self.batch_size < 1:
            raise InputError(f"batch_size must be at least 1, got {self.batch_size}.")
        if not 0 < self.plateau_factor < 1:
            raise InputError(f"plateau_factor must lie between 0 and 1, got {self.plateau_factor}.")
        if self.plateau_patience < 0:
            raise InputError(f"plateau_patience must be at least 0, got {self.plateau_patience}.")
        for name in ("learning_rate", "weight_decay"):
            value = getattr(self, name)
            if not 0 <= value < float("inf") or (name == "learning_rate" and value == 0):
                raise InputError(f"{name} must be a positive number, got {value}.")
        if self.monitor not in get_args(Monitor):
            raise UnknownNameError(
                f"monitor {self.monitor!r} does not exist{near_names(self.monitor, get_args(Monitor))}."
            )


@dataclass(frozen=True, repr=False)
class EdgeTraining:
    """What a training run did, an entry per epoch.

    Attributes
    ----------
    losses : tuple of float
        Cross-entropy on the training pairs, with dropout.
    validation_losses, validation_f1 : tuple of float
        On the validation pairs, without dropout.
    learning_rates : tuple of float
    seconds : tuple of float
        Wall time of each epoch, its validation included.
    best_epoch : int
        The first is 1; its state is the one that was kept.
    stopped_early : bool
    """

    losses: tuple[float, ...]
    validation_losses: tuple[float, ...]
    validation_f1: tuple[float, ...]
    learning_rates: tuple[float, ...]
    seconds: tuple[float, ...]
    best_epoch: int
    stopped_early: bool

    def __repr__(self) -> str:
        return f"EdgeTraining({len(self.losses)} epochs, best {self.best_epoch})"

    @property
    def seconds_per_epoch(self) -> float:
        """Median wall time of an epoch; the median, since the first ones warm up."""
        return float(np.median(self.seconds))

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def fit_edge_scores(
    network: nn.Module,
    scores: Scores,
    train: tuple[Tensor, Tensor],
    validation: tuple[Tensor, Tensor],
    *,
    n_classes: int,
    settings: EdgeSettings,
    seed: int = 0,
    on_epoch: Callable[[int, int, float], None] | None = None,
) -> EdgeTraining:
    """Train `network` in place; it ends in eval mode and in its best state.

    Parameters
    ----------
    network : nn.Module
        Holds all parameters that `scores` uses.
    scores : callable
        From pairs ``(n, 2)`` to scores ``(n, n_classes)``.
    train, validation : pairs and labels
    n_classes : int
    settings : EdgeSettings
    seed : int
        Of dropout; each epoch has a stream of its own.
    on_epoch : callable, optional
        Called with epochs done, epochs in all and the training loss.

    Raises
    ------
    InputError
        When the loss stops being finite.
    """
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, "max", factor=settings.plateau_factor, patience=settings.plateau_patience, threshold=0.0
    )
    weight = _class_weights(train[1], n_classes) if settings.balanced else None
    log: list[tuple[float, float, float, float, float]] = []
    best, best_epoch = (-float("inf"), -float("inf")), 0
    kept = _copy(network)
    for epoch in range(1, settings.epochs + 1):
        began = time.perf_counter()
        rate = optimizer.param_groups[0]["lr"]
        with _dropout_stream(seed, epoch, train[1].device):
            loss = _epoch(
                network, scores, _batches(train, settings.batch_size, seed, epoch), optimizer, weight
            )
        if not np.isfinite(loss):
            raise InputError(f"the loss is {loss} in epoch {epoch}; lower the learning rate.")
        held_out, f1 = _validate(network, scores, validation, n_classes, settings.batch_size)
        rank = (f1, -held_out) if settings.monitor == "macro_f1" else (-held_out, f1)
        schedule.step(rank[0])
        if rank > best:
            best, best_epoch, kept = rank, epoch, _copy(network)
        log.append((loss, held_out, f1, rate, time.perf_counter() - began))
        if on_epoch is not None:
            on_epoch(epoch, settings.epochs, loss)
        if epoch - best_epoch >= settings.patience:
            break
    network.load_state_dict(kept, strict=False)
    network.eval()
    losses, held_losses, f1s, rates, seconds = zip(*log)
    stopped = len(log) < settings.epochs
    return EdgeTraining(losses, held_losses, f1s, rates, seconds, best_epoch, stopped)


def macro_f1(labels: np.ndarray, predicted: np.ndarray, n_classes: int) -> float:
    """Mean F1 over the classes that occur among `labels` or `predicted`.

    Parameters
    ----------
    labels, predicted : int ndarray, shape (n,)
    n_classes : int
    """
    counts = np.bincount(labels, minlength=n_classes) + np.bincount(predicted, minlength=n_classes)
    hits = np.bincount(labels[labels == predicted], minlength=n_classes)
    there = counts > 0
    return float(np.mean(2 * hits[there] / counts[there]))


def _batches(
    data: tuple[Tensor, Tensor], batch_size: int | None, seed: int, epoch: int
) -> list[tuple[Tensor, Tensor]]:
    pairs, labels = data
    if batch_size is None or batch_size >= len(pairs):
        return [data]
    order = torch.randperm(len(pairs), generator=torch_stream(seed, "order", epoch)).to(pairs.device)
    return [(pairs[rows], labels[rows]) for rows in order.split(batch_size)]


def _epoch(
    network: nn.Module,
    scores: Scores,
    batches: list[tuple[Tensor, Tensor]],
    optimizer: torch.optim.Optimizer,
    weight: Tensor | None,
) -> float:
    network.train()
    total = 0.0
    for pairs, labels in batches:
        optimizer.zero_grad(set_to_none=True)
        loss = functional.cross_entropy(scores(pairs), labels, weight=weight)
        loss.backward()
        optimizer.step()
        total += float(loss.detach()) * len(labels)
    return total / sum(len(labels) for _, labels in batches)


def _validate(
    network: nn.Module,
    scores: Scores,
    validation: tuple[Tensor, Tensor],
    n_classes: int,
    batch_size: int | None,
) -> tuple[float, float]:
    network.eval()
    pairs, labels = validation
    with torch.no_grad():
        found = torch.cat([scores(rows) for rows in pairs.split(batch_size or len(pairs))])
    loss = float(functional.cross_entropy(found.double(), labels))
    return loss, macro_f1(labels.cpu().numpy(), found.argmax(dim=1).cpu().numpy(), n_classes)


def _class_weights(labels: Tensor, n_classes: int) -> Tensor:
    counts = torch.bincount(labels, minlength=n_classes).float()
    return len(labels) / (counts.clamp(min=1) * max(1, int((counts > 0).sum())))


def _copy(network: nn.Module) -> dict[str, Tensor]:
    """The learned state; constant features are not copied each time."""
    constant = {name for name, _ in network.named_buffers() if name.endswith("features")}
    state: Sequence[tuple[str, Tensor]] = list(network.state_dict().items())
    return {name: value.detach().clone() for name, value in state if name not in constant}


@contextmanager
def _dropout_stream(seed: int, epoch: int, device: torch.device) -> Iterator[None]:
    """Torch's dropout reads global random state: set it for the epoch, then put it back."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(derive_seed(seed, "dropout", epoch))
        yield
