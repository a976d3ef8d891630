"""How small networks are made and trained: the two settings of the paper and everything between.

`FIXED_READOUT` is what the theory speaks of and the main analysis uses; `ALL_WEIGHTS` is the other setting that is
compared. Results of one say nothing about the other, so each run carries its setting.

Reference: Alleman, Lindsey and Fusi, "Task structure and nonlinearity jointly determine learned representational
geometry", ICLR 2024.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.geometry.shallow_nets import Readout

__all__ = ["ALL_WEIGHTS", "FIXED_READOUT", "Optimizer", "Training"]

Optimizer = Literal["sgd", "adam", "rms"]


@dataclass(frozen=True)
class Training:
    """How networks are made and trained.

    Attributes
    ----------
    train_readout : bool
        Whether output weights and output bias learn.
    optimizer : {"sgd", "adam", "rms"}
        Plain stochastic gradient descent, Adam, or steps scaled by the running root mean square of the gradient.
    learning_rate : float
    epochs : int
        At most.
    batch_size, samples : int
        Training points, drawn once.
    tolerance : float
        A network stops when its largest change of a parameter in an epoch is no larger.
    width, depth : int
        Hidden units, hidden layers.
    readout : {"gaussian", "uniform", "unit-norm", "balanced"}
        Distribution of the output weights.
    test_samples : int
        For the test accuracy.
    """

    train_readout: bool = False
    optimizer: Optimizer = "sgd"
    learning_rate: float = 0.1
    epochs: int = 1000
    batch_size: int = 64
    samples: int = 5000
    tolerance: float = 1e-5
    width: int = 128
    depth: int = 1
    readout: Readout = "gaussian"
    test_samples: int = 1000

    def __post_init__(self) -> None:
        if self.optimizer not in get_args(Optimizer):
            known = get_args(Optimizer)
            raise UnknownNameError(
                f"optimizer {self.optimizer!r} does not exist{near_names(self.optimizer, known)}."
            )
        for name in ("epochs", "batch_size", "samples", "test_samples"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if not 0 < self.learning_rate < float("inf"):
            raise InputError(f"learning_rate must be positive, got {self.learning_rate}.")
        if not self.tolerance >= 0:
            raise InputError(f"tolerance must be at least 0, got {self.tolerance}.")

    @property
    def setting(self) -> str:
        """What learns and how, for tables."""
        learns = "all weights" if self.train_readout else "fixed read-out"
        return f"{learns}, {'SGD' if self.optimizer == 'sgd' else self.optimizer.capitalize()}"


FIXED_READOUT = Training()
"""The paper's main setting: fixed output weights, plain SGD."""
ALL_WEIGHTS = Training(train_readout=True, optimizer="adam", learning_rate=0.01)
"""All weights by Adam."""
