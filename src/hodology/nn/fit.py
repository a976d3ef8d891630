"""The one training loop that all studies share: progress, early stopping, checkpoints that resume to the bit."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hodology.errors import FileFormatError, InputError
from hodology.files import atomic_path, cache_dir, hash_json
from hodology.rng import derive_seed, torch_stream

__all__ = ["Augment", "FitResult", "accuracy", "cached_model", "fit"]

Augment = Callable[[Tensor, torch.Generator], Tensor]
Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class FitResult:
    """What a training run did.

    Attributes
    ----------
    losses : tuple of float
        Mean training loss of each epoch.
    validation : tuple of float
        Validation accuracy after each epoch; empty without validation data.
    epochs : int
        Epochs run.
    seconds : float
        Wall time, earlier parts of a resumed run included.
    stopped_early : bool
    """

    losses: tuple[float, ...] = ()
    validation: tuple[float, ...] = ()
    epochs: int = 0
    seconds: float = 0.0
    stopped_early: bool = False


@dataclass
class _State:
    losses: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    seconds: float = 0.0


def fit(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    epochs: int = 50,
    batch_size: int = 64,
    learning_rate: float = 2e-3,
    weight_decay: float = 0.05,
    without_decay: Sequence[nn.Parameter] = (),
    loss: Loss = nn.functional.cross_entropy,
    augment: Augment | None = None,
    validation: tuple[Tensor, Tensor] | None = None,
    patience: int | None = None,
    rng: int = 0,
    checkpoint: Path | None = None,
    on_epoch: Callable[[int, int, float], None] | None = None,
) -> FitResult:
    """Train with AdamW and a one-cycle schedule; the model is trained in place and left in eval mode.

    Parameters
    ----------
    model : nn.Module
    x, y : Tensor
        Inputs and targets, batch first.
    epochs, batch_size, learning_rate, weight_decay
        The learning rate is the peak of the cycle.
    without_decay : sequence of nn.Parameter
        Parameters of the model that weight decay spares.
    loss : callable
        From scores and targets to a mean loss.
    augment : callable, optional
        From a batch and a generator to a batch of the same shape.
    validation : (x, y), optional
        Data for the accuracy after each epoch.
    patience : int, optional
        Stop after this many epochs without a better validation accuracy (needs `validation`).
    rng : int
        Seed of order, augmentation and dropout; each epoch has streams of its own.
    checkpoint : Path, optional
        A safetensors file written after each epoch; when it exists, training goes on from it and ends in the
        same weights as an uninterrupted run.
    on_epoch : callable, optional
        Called with epochs done, epochs in all and the last loss; for progress bars.

    Raises
    ------
    InputError
        For empty or unequal data, `patience` without `validation`, or a loss that is not finite.
    FileFormatError
        When the checkpoint is damaged or of another model.
    """
    if len(x) == 0 or len(x) != len(y):
        raise InputError(
            f"x and y must have the same number of rows, at least one, got {len(x)} and {len(y)}."
        )
    if patience is not None and validation is None:
        raise InputError("patience needs validation data, got None.")
    per_epoch = -(-len(x) // batch_size)
    groups = _groups(model, without_decay, weight_decay)
    optimizer = torch.optim.AdamW(groups, lr=learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=epochs * per_epoch)
    state = (
        _resume(checkpoint, model, optimizer) if checkpoint is not None and checkpoint.exists() else _State()
    )
    stopped = False
    for epoch in range(epochs):
        if epoch < len(state.losses):
            _advance(schedule, per_epoch)
            continue
        began = time.perf_counter()
        state.losses.append(_epoch(model, x, y, optimizer, schedule, batch_size, loss, augment, rng, epoch))
        if validation is not None:
            state.validation.append(accuracy(model, *validation))
        state.seconds += time.perf_counter() - began
        if checkpoint is not None:
            _save(checkpoint, model, optimizer, state)
        if on_epoch is not None:
            on_epoch(epoch + 1, epochs, state.losses[-1])
        if patience is not None and _stale(state.validation) >= patience:
            stopped = True
            break
    model.eval()
    return FitResult(tuple(state.losses), tuple(state.validation), len(state.losses), state.seconds, stopped)


def accuracy(model: nn.Module, x: Tensor, y: Tensor, *, batch_size: int = 512) -> float:
    """Share of rows whose highest score is the target's, the model being in eval mode."""
    training = model.training
    model.eval()
    with torch.no_grad():
        hits = [(model(a).argmax(dim=1) == b).sum() for a, b in zip(x.split(batch_size), y.split(batch_size))]
    model.train(training)
    return float(torch.stack(hits).sum()) / len(x)


def cached_model(
    build: Callable[[], nn.Module],
    train: Callable[[nn.Module, Path], FitResult],
    *,
    key: Mapping[str, Any],
) -> tuple[nn.Module, FitResult]:
    """Return the trained model of `key` from the cache, or build, train and keep it.

    Parameters
    ----------
    build : callable
        Makes the untrained model.
    train : callable
        Gets the model and a checkpoint path (pass it to `fit`, so that a killed run resumes).
    key : mapping
        Everything the weights depend on: data hash, shape, recipe, seed. Its hash names the file, so a
        changed recipe never meets old weights.

    Returns
    -------
    model : nn.Module
        In eval mode.
    result : FitResult
    """
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import load_file, save_file

    name = f"{key.get('name', 'model')}-{hash_json(dict(key))[:16]}"
    file = cache_dir() / "models" / f"{name}.safetensors"
    model = build()
    if file.exists():
        try:
            model.load_state_dict(load_file(file))
            with safe_open(file, "pt") as opened:
                return model.eval(), _result(json.loads(opened.metadata()["fit"]))
        except (SafetensorError, RuntimeError, KeyError, ValueError):
            file.unlink()  # damaged: the cache can always be made again
            model = build()
    file.parent.mkdir(parents=True, exist_ok=True)
    checkpoint = file.with_suffix(".part.safetensors")
    try:
        result = train(model, checkpoint)
    except FileFormatError:
        checkpoint.unlink(missing_ok=True)
        model = build()
        result = train(model, checkpoint)
    with atomic_path(file) as temporary:
        save_file(_plain(model.state_dict()), temporary, {"fit": json.dumps(asdict(result))})
    checkpoint.unlink(missing_ok=True)
    return model.eval(), result


def _groups(model: nn.Module, without_decay: Sequence[nn.Parameter], decay: float) -> list[dict[str, Any]]:
    spared = {id(parameter) for parameter in without_decay}
    known = list(model.parameters())
    if not spared <= {id(parameter) for parameter in known}:
        raise InputError("without_decay must hold parameters of the model only.")
    groups = [
        {"params": [p for p in known if id(p) not in spared], "weight_decay": decay},
        {"params": [p for p in known if id(p) in spared], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def _epoch(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.OneCycleLR,
    batch_size: int,
    loss: Loss,
    augment: Augment | None,
    rng: int,
    epoch: int,
) -> float:
    order = torch.randperm(len(x), generator=torch_stream(rng, "order", epoch))
    noise = torch_stream(rng, "augment", epoch)
    total = 0.0
    model.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(rng, "dropout", epoch))
        for rows in order.split(batch_size):
            batch = x[rows] if augment is None else augment(x[rows], noise)
            value = loss(model(batch), y[rows])
            optimizer.zero_grad(set_to_none=True)
            value.backward()
            optimizer.step()
            schedule.step()
            total += float(value.detach()) * len(rows)
    if not total < float("inf"):
        raise InputError(f"the loss is {total / len(x)} after epoch {epoch + 1}; lower the learning rate.")
    return total / len(x)


def _advance(schedule: torch.optim.lr_scheduler.OneCycleLR, steps: int) -> None:
    """Bring the schedule to where the resumed run left off; the optimizer's counters are not touched."""
    optimizer = schedule.optimizer
    with torch.no_grad():
        for _ in range(steps):
            optimizer._opt_called = True  # type: ignore[attr-defined]  # else torch warns of steps out of order
            schedule.step()


def _stale(values: list[float]) -> int:
    return len(values) - 1 - values.index(max(values))


def _plain(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}


def _save(file: Path, model: nn.Module, optimizer: torch.optim.Optimizer, state: _State) -> None:
    from safetensors.torch import save_file

    tensors = {f"model.{k}": v for k, v in model.state_dict().items()}
    for index, entry in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{k}": v for k, v in entry.items()}
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(file) as temporary:
        save_file(_plain(tensors), temporary, {"state": json.dumps(asdict(state))})


def _resume(file: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> _State:
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import load_file

    try:
        tensors = load_file(file)
        with safe_open(file, "pt") as opened:
            state = _State(**json.loads(opened.metadata()["state"]))
        model.load_state_dict({k[6:]: v for k, v in tensors.items() if k.startswith("model.")})
    except (SafetensorError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise FileFormatError(f"checkpoint {file} cannot be used for this model: {error}") from error
    entries: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, index, name = key.split(".")
            entries.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": entries, "param_groups": optimizer.state_dict()["param_groups"]})
    return state


def _result(record: Mapping[str, Any]) -> FitResult:
    return FitResult(
        tuple(record["losses"]),
        tuple(record["validation"]),
        int(record["epochs"]),
        float(record["seconds"]),
        bool(record["stopped_early"]),
    )
