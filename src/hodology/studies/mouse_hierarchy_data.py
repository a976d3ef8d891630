"""Networks and images of the mouse-hierarchy study, and the measured matrices of ``--data DIR``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hodology.data.digits import DigitsSplit, load_digits_split
from hodology.files import read_arrays
from hodology.geometry.profile_resampling import resample_images
from hodology.geometry.rsa import compare_rows
from hodology.nn.digit_layers import DigitNetwork, digit_networks, held_out_images
from hodology.rng import stream

__all__ = ["ALEXNET", "REFERENCE", "Networks", "measured_brains", "stimulus_sets", "study_networks"]

# Spearman's rho with AlexNet conv1 .. fc8, as the paper's sheet gives them for these data
REFERENCE: dict[str, tuple[float, ...]] = {
    "V1 model": (0.505, 0.438, 0.529, 0.382, 0.246, 0.141, 0.146, 0.140),
    "mean behaviour": (0.156, 0.177, 0.173, 0.089, 0.162, 0.204, 0.254, 0.419),
    "monkey IT": (0.115, 0.172, 0.216, 0.186, 0.081, 0.158, 0.161, 0.230),
}
ALEXNET = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8")


@dataclass(frozen=True, eq=False)
class Networks:
    """What one seed compares.

    Attributes
    ----------
    split : DigitsSplit
    brain, other, deeper, untrained : DigitNetwork
        The network that plays the brain; another training seed; another architecture; `other` at initialisation.
    """

    split: DigitsSplit
    brain: DigitNetwork
    other: DigitNetwork
    deeper: DigitNetwork
    untrained: DigitNetwork


def study_networks(seed: int, *, epochs: int) -> Networks:
    """Networks of a seed: no seed shares a network or a split with another."""
    split = load_digits_split(seed=seed)
    brain, other = digit_networks([2 * seed, 2 * seed + 1], kind="cnn7", epochs=epochs, split=split)
    (deeper,) = digit_networks([2 * seed], kind="cnn8", epochs=epochs, split=split)
    (untrained,) = digit_networks([2 * seed + 1], kind="cnn7", epochs=0, split=split)
    return Networks(split, brain, other, deeper, untrained)


def stimulus_sets(split: DigitsSplit, count: int, *, seed: int) -> dict[str, np.ndarray]:
    """Image sets of one size: held-out digits, digits of three classes only, and images of noise."""
    three = np.flatnonzero(np.isin(split.test_labels, stream(seed, "three digits").permutation(10)[:3]))
    chosen = stream(seed, "of three digits").permutation(three)[:count]
    noise = stream(seed, "noise images").random((count, 1, 8, 8), dtype=np.float32)
    return {
        "digits": held_out_images(count, split=split, rng=seed),
        "three digits": split.test_images[np.sort(chosen)],
        "noise": noise,
    }


def measured_brains(folder: str, *, seed: int, n_boot: int) -> dict[str, Any]:
    """Profiles of measured and modelled dissimilarities of 92 images over the layers of AlexNet.

    Raises
    ------
    FileFormatError
        When ``rdms92.npz`` is missing, damaged, or lacks an array.
    """
    needed = (
        "models",
        "model_names",
        "behaviour",
        "monkey_human_it_fig1",
        "human_it",
        "alexnet",
        "alexnet_layer",
    )
    held = read_arrays(Path(folder) / "rdms92.npz", names=(*needed, "alexnet_measurement"))
    brains = np.stack(list(_brains(held).values())).astype(np.float64)
    layers = _layers(held)
    found = compare_rows(brains, layers, measure="spearman")
    boot = resample_images(brains, layers, 92, n_boot=n_boot, rng=seed)
    low, high = np.quantile(boot, [0.025, 0.975], axis=0)
    best = boot.argmax(axis=2)
    return {
        name: {
            "profile": found[i].tolist(),
            "low": low[i].tolist(),
            "high": high[i].tolist(),
            "best": ALEXNET[int(found[i].argmax())],
            "shares": (np.bincount(best[:, i], minlength=len(ALEXNET)) / n_boot).tolist(),
        }
        for i, name in enumerate(_brains(held))
    }


def _brains(held: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    names = [str(name) for name in held["model_names"]]
    return {
        "V1 model": held["models"][names.index("V1")],
        "mean behaviour": held["behaviour"].mean(axis=0, dtype=np.float64),
        "monkey IT": held["monkey_human_it_fig1"][0],
        "human IT": held["human_it"].mean(axis=0, dtype=np.float64),
    }


def _layers(held: Mapping[str, np.ndarray]) -> np.ndarray:
    """AlexNet's layers as all their units give them."""
    kinds = [str(k) for k in held["alexnet_measurement"]]
    names = [str(k) for k in held["alexnet_layer"]]
    where = [
        next(i for i, (n, k) in enumerate(zip(names, kinds, strict=True)) if n == layer and k == "complete")
        for layer in ALEXNET
    ]
    return held["alexnet"][where].astype(np.float64)
