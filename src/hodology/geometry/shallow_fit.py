"""Train many small networks on a task at once, in one tensor program with back-propagation written out.

Networks share the order of the samples and are otherwise independent: a network ends in the same weights (up to
rounding) whether it is trained alone or beside others.

Reference: Alleman, Lindsey and Fusi, "Task structure and nonlinearity jointly determine learned representational
geometry", ICLR 2024.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from hodology.errors import InputError, NotConvergedError, UnknownNameError, near_names
from hodology.geometry.binary_tasks import Task
from hodology.geometry.shallow_activations import Activation, find_activation
from hodology.geometry.shallow_nets import ShallowNets, initial_nets, join_nets
from hodology.geometry.shallow_program import Program
from hodology.geometry.shallow_training import FIXED_READOUT, Training
from hodology.rng import derive_seed, torch_stream

__all__ = ["ShallowRun", "train_shallow"]

_CELLS = 2**17  # hidden responses of a batch that are held at a time


@dataclass(frozen=True, repr=False, eq=False)
class ShallowRun:
    """Trained networks and how training went.

    Attributes
    ----------
    nets, initial : ShallowNets
        After and before training.
    task : Task
    training : Training
    losses : float64 ndarray, shape (nets, epochs)
        Mean over samples of the negative log likelihood, summed over targets; NaN after a network stopped.
    epochs : int64 ndarray, shape (nets,)
        Epochs run.
    converged : bool ndarray, shape (nets,)
        Whether the stop rule was met.
    train_accuracy, test_accuracy : float64 ndarray, shape (nets,)
        Mean over targets. Recorded tasks are tested on samples that were not trained on; NaN when none are left.
    seed : int
    """

    nets: ShallowNets
    initial: ShallowNets
    task: Task
    training: Training
    losses: np.ndarray
    epochs: np.ndarray
    converged: np.ndarray
    train_accuracy: np.ndarray
    test_accuracy: np.ndarray
    seed: int

    def __repr__(self) -> str:
        return f"ShallowRun({self.nets!r}, {self.training.setting}, {int(self.epochs.max())} epochs)"

    @property
    def final_loss(self) -> np.ndarray:
        """Training loss of the last epoch of each network, shape (nets,)."""
        return self.losses[np.arange(len(self.losses)), self.epochs - 1]

    def nets_of(self, activation: str) -> np.ndarray:
        """Positions of the networks with an activation.

        Raises
        ------
        UnknownNameError
            When none has it.
        """
        names = [a.name for a in self.nets.activations]
        if activation not in names:
            raise UnknownNameError(
                f"no network has activation {activation!r}{near_names(activation, dict.fromkeys(names))}."
            )
        return np.array([i for i, name in enumerate(names) if name == activation])

    def hidden(self, activation: str | None = None, *, x: Any = None, layer: int = -1) -> np.ndarray:
        """Responses of the networks with an activation (default all).

        Parameters
        ----------
        activation : str, optional
        x : array-like, shape (samples, inputs), optional
            Default the clean inputs of the conditions.
        layer : int

        Returns
        -------
        float32 ndarray, shape (nets, samples, width)
        """
        nets = self.nets if activation is None else self.nets.select(self.nets_of(activation))
        return nets.hidden(self.task.means if x is None else x, layer=layer)


def train_shallow(
    task: Task,
    activation: str | Activation | Sequence[str | Activation],
    *,
    n_nets: int = 10,
    training: Training = FIXED_READOUT,
    seed: int = 0,
    jobs: int = 1,
) -> ShallowRun:
    """Train networks on a task.

    Parameters
    ----------
    task : Task
    activation : str, Activation or sequence of them
        See `ACTIVATIONS`. All are trained in one program, from the same initial weights and in the same order of
        samples.
    n_nets : int
        Initialisations of each activation; 10 in the paper.
    training : Training
        Default `FIXED_READOUT`; use `ALL_WEIGHTS` or ``dataclasses.replace`` for others.
    seed : int
        Of samples, initial weights and order.
    jobs : int
        Threads that train groups of networks side by side; the result does not depend on it.

    Returns
    -------
    ShallowRun

    Raises
    ------
    NotConvergedError
        When a loss stops being finite.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from hodology.geometry.binary_tasks import hadamard_task
    >>> from hodology.geometry.shallow_training import ALL_WEIGHTS
    >>> task = hadamard_task(2, separability=1.0)
    >>> quick = replace(ALL_WEIGHTS, epochs=20, samples=200, batch_size=50)
    >>> run = train_shallow(task, ["tanh", "relu"], n_nets=2, training=quick)
    >>> bool((run.test_accuracy > 0.9).all())
    True
    """
    given = [activation] if isinstance(activation, (str, Activation)) else list(activation)
    if not given:
        raise InputError("at least one activation is needed, got none.")
    if isinstance(jobs, bool) or jobs < 1:
        raise InputError(f"jobs must be at least 1, got {jobs}.")
    x, y, test = _draws(task, training, seed)
    initial = initial_nets(
        [find_activation(a) for a in given],
        inputs=x.shape[1],
        targets=task.n_targets,
        n_nets=n_nets,
        width=training.width,
        depth=training.depth,
        readout=training.readout,
        seed=seed,
    )
    with torch.no_grad():
        trained, losses, epochs, converged = _run(initial, x, y, training, n_nets, seed, jobs)
        train_accuracy, test_accuracy = _accuracy(trained, x, y), _accuracy(trained, *test)
    return ShallowRun(
        trained, initial, task, training, losses, epochs, converged, train_accuracy, test_accuracy, seed
    )  # fmt: skip


def _draws(
    task: Task, training: Training, seed: int
) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Training samples and other samples to test on; recorded samples that are not trained on, if there are any."""
    x, _, y = task.sample(training.samples, seed=derive_seed(seed, "train"))
    if task.samples is None:
        found = task.sample(training.test_samples, seed=derive_seed(seed, "test"))
        return x, y, (found[0], found[2])
    whole = task.sample(len(task.samples[0]), seed=derive_seed(seed, "train"))
    rest = slice(training.samples, training.samples + training.test_samples)
    return whole[0][: training.samples], y, (whole[0][rest], whole[2][rest])


def _accuracy(nets: ShallowNets, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Share of right labels of each network; NaN without samples."""
    if len(x) == 0:
        return np.full(len(nets), np.nan)
    return ((nets.logits(x) > 0) == y).mean(axis=(1, 2))


def _run(
    initial: ShallowNets,
    x: np.ndarray,
    y: np.ndarray,
    training: Training,
    n_nets: int,
    seed: int,
    jobs: int,
) -> tuple[ShallowNets, np.ndarray, np.ndarray, np.ndarray]:
    """Train in groups of networks of one activation whose activity fits the processor's cache."""
    most = max(1, _CELLS // (min(training.batch_size, len(x)) * training.width))
    inputs, targets = torch.as_tensor(x, dtype=torch.float32), torch.as_tensor(y, dtype=torch.float32)
    losses = np.full((len(initial), training.epochs), np.nan)
    epochs, converged = np.zeros(len(initial), dtype=np.int64), np.zeros(len(initial), dtype=bool)

    def train(rows: np.ndarray) -> ShallowNets:
        program = Program(
            initial.select(rows),
            optimizer=training.optimizer,
            learning_rate=training.learning_rate,
            train_readout=training.train_readout,
            noise=[torch_stream(seed, "slope", int(i % n_nets)) for i in rows],
        )
        with torch.no_grad():  # holds in the thread that enters it
            losses[rows], epochs[rows], converged[rows] = _epochs(program, inputs, targets, training, seed)
        return program.nets()

    groups = [
        np.arange(begin, min(begin + most, block.stop))
        for _, block in initial.blocks
        for begin in range(block.start, block.stop, most)
    ]
    if jobs == 1:
        parts = [train(rows) for rows in groups]
    else:
        with ThreadPoolExecutor(jobs) as pool:
            parts = list(pool.map(train, groups))
    return join_nets(parts), losses[:, : epochs.max()], epochs, converged


def _epochs(
    program: Program, x: torch.Tensor, y: torch.Tensor, training: Training, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Epochs until all networks of a group have stopped: losses, epochs run, and whether each met the stop rule."""
    order = torch_stream(seed, "epochs")
    count = len(program)
    losses = np.full((count, training.epochs), np.nan)
    active, epochs = np.ones(count, dtype=bool), np.zeros(count, dtype=np.int64)
    for epoch in range(training.epochs):
        rows = torch.randperm(len(x), generator=order)
        found, change = program.epoch(x[rows], y[rows], training.batch_size)
        if not np.isfinite(found[active]).all():
            raise NotConvergedError(f"the loss is not finite in epoch {epoch + 1}; lower learning_rate.")
        losses[active, epoch] = found[active]
        epochs[active] += 1
        stopped = active & (change <= training.tolerance)
        if stopped.any():
            active &= ~stopped
            program.freeze(active)
        if not active.any():
            break
    return losses, epochs, ~active
