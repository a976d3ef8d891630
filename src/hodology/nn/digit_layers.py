"""Seeds by layers: the same deep network trained on the digits from several seeds, and what its layers answer.

One network per seed differs from the others in initial weights and in the order of training only: images for training
and for testing are the same, so layers can be compared across seeds on images that no network has seen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch

from hodology.data.digits import DigitsSplit, load_digits_split
from hodology.errors import InputError, UnknownNameError, near_names
from hodology.nn.fit import FitResult, accuracy, cached_model, fit
from hodology.nn.models.deep_cnn import DeepCNN
from hodology.nn.taps import evaluation_mode, record
from hodology.rng import check_seed, stream

__all__ = ["DigitKind", "DigitNetwork", "digit_networks", "held_out_images", "layer_patterns"]

DigitKind = Literal["cnn8", "cnn7"]

_SHAPES: dict[str, dict[str, Any]] = {
    "cnn8": {"image_size": 8, "filters": (16, 16, 32, 32, 32, 32), "pool_after": (2, 4), "hidden": 64},
    "cnn7": {"image_size": 8, "filters": (16, 16, 32, 32, 32), "pool_after": (2, 4), "hidden": 64},
}
_FIT: dict[str, Any] = {"batch_size": 32, "learning_rate": 2e-3}


@dataclass(frozen=True, eq=False, repr=False)
class DigitNetwork:
    """One trained network.

    Attributes
    ----------
    model : DeepCNN
        In eval mode.
    seed : int
    kind : {"cnn8", "cnn7"}
    epochs : int
        0 for a network at initialisation.
    accuracy : float
        On the test part.
    fit : FitResult
    """

    model: DeepCNN
    seed: int
    kind: DigitKind
    epochs: int
    accuracy: float
    fit: FitResult

    def __repr__(self) -> str:
        return (
            f"DigitNetwork({self.kind}, seed {self.seed}, {self.epochs} epochs, accuracy {self.accuracy:.3f})"
        )

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers, input to output."""
        return tuple(self.model.layers)


def digit_networks(
    seeds: Sequence[int],
    *,
    kind: DigitKind = "cnn8",
    epochs: int = 12,
    split: DigitsSplit | None = None,
    on_network: Callable[[int, int], None] | None = None,
) -> tuple[DigitNetwork, ...]:
    """Train one network per seed on the same images; networks that were trained before come from the cache.

    Parameters
    ----------
    seeds : sequence of int
        Seeds of weights and of the order of training; each a network.
    kind : {"cnn8", "cnn7"}
        Six convolutions and two dense layers, or five and two.
    epochs : int
        AdamW, one-cycle to 2e-3, batches of 32; 12 epochs take a few seconds. 0 gives the networks at
        initialisation: the weights that the trained ones started from.
    split : DigitsSplit, optional
        Images to train and to test on; default the split of seed 0.
    on_network : callable, optional
        Progress: networks done, networks in all.

    Returns
    -------
    tuple of DigitNetwork
        In the order of `seeds`.

    Raises
    ------
    UnknownNameError
        When the kind does not exist.
    InputError
        For no seeds, a seed given twice, and fewer than no epochs.
    """
    if kind not in get_args(DigitKind):
        raise UnknownNameError(f"kind {kind!r} does not exist{near_names(kind, get_args(DigitKind))}.")
    wanted = [check_seed(seed) for seed in seeds]
    if not wanted or len(set(wanted)) < len(wanted):
        raise InputError(f"seeds must be at least one, each once, got {wanted}.")
    if isinstance(epochs, bool) or epochs < 0:
        raise InputError(f"epochs must be 0 or more, got {epochs}.")
    chosen = load_digits_split() if split is None else split
    found = []
    for seed in wanted:
        found.append(_network(seed, kind, epochs, chosen))
        if on_network is not None:
            on_network(len(found), len(wanted))
    return tuple(found)


def held_out_images(count: int, *, split: DigitsSplit | None = None, rng: int = 0) -> np.ndarray:
    """Draw images that no network of `digit_networks` was trained on, equal numbers of every digit.

    Parameters
    ----------
    count : int
        What does not divide by ten goes to digits that are drawn.
    split : DigitsSplit, optional
        That of the networks.
    rng : int

    Returns
    -------
    float32 ndarray, shape (count, 1, 8, 8)
        Sorted by digit.

    Raises
    ------
    InputError
        For no images or more than the test part has of a digit.
    """
    chosen = load_digits_split() if split is None else split
    generator = stream(rng, "held-out images")
    classes = np.unique(chosen.test_labels)
    if count < 1:
        raise InputError(f"count must be at least 1, got {count}.")
    wanted = np.full(len(classes), count // len(classes))
    wanted[generator.permutation(len(classes))[: count % len(classes)]] += 1
    rows: list[int] = []
    for c, share in zip(classes, wanted, strict=True):
        own = np.flatnonzero(chosen.test_labels == c)
        if share > len(own):
            raise InputError(
                f"count must leave every digit its share; {count} asks {share} of digit {c}, {len(own)} are there."
            )
        rows += sorted(generator.permutation(own)[:share].tolist())
    return chosen.test_images[rows]


def layer_patterns(network: DigitNetwork, images: np.ndarray | torch.Tensor) -> dict[str, np.ndarray]:
    """Record what every layer answers to images.

    Parameters
    ----------
    network : DigitNetwork
    images : float ndarray or Tensor, shape (stimuli, 1, 8, 8)

    Returns
    -------
    dict of str to float32 ndarray, shape (stimuli, units)
        ``"conv1"`` ... ``"fc1"`` rectified and flattened, ``"fc2"`` the class scores.

    Raises
    ------
    InputError
        For images of another shape.
    """
    x = torch.as_tensor(images, dtype=torch.float32)
    if x.ndim != 4 or x.shape[1:] != (1, 8, 8) or len(x) == 0:
        raise InputError(f"images must have shape (stimuli, 1, 8, 8), got {tuple(x.shape)}.")
    places = network.model.layers
    with (
        evaluation_mode(network.model),
        torch.no_grad(),
        record(network.model, list(places.values())) as seen,
    ):
        network.model(x)
    return {layer: seen[place].flatten(1).numpy().copy() for layer, place in places.items()}


def _network(seed: int, kind: DigitKind, epochs: int, split: DigitsSplit) -> DigitNetwork:
    x, y = torch.from_numpy(split.train_images), torch.from_numpy(split.train_labels)

    def build() -> DeepCNN:
        return DeepCNN(**_SHAPES[kind], rng=seed)

    def train(model: torch.nn.Module, checkpoint: Path) -> FitResult:
        return fit(model, x, y, epochs=epochs, rng=seed, checkpoint=checkpoint, **_FIT)

    key = {"name": f"digits-{kind}", "shape": _SHAPES[kind], "fit": _FIT, "seed": seed, "epochs": epochs}
    if epochs == 0:
        model: Any = build().eval()
        result = FitResult()
    else:
        model, result = cached_model(build, train, key=key | {"data": split.fingerprint})
    score = accuracy(model, torch.from_numpy(split.test_images), torch.from_numpy(split.test_labels))
    return DigitNetwork(model, seed, kind, epochs, score, result)
