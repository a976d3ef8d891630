"""The embedded image set: 1,797 real 8 x 8 scans of handwritten digits from scikit-learn (UCI, NIST forms)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from hodology.data.dataset import Dataset, Item
from hodology.errors import InputError
from hodology.files import hash_arrays

__all__ = ["DigitsDataset", "DigitsSplit", "load_digits_split"]


@dataclass(frozen=True, repr=False)
class DigitsSplit:
    """A stratified split.

    Attributes
    ----------
    train_images, test_images : float32 ndarray, shape (n, 1, 8, 8)
        Grey values 0 (paper) to 1 (ink).
    train_labels, test_labels : int64 ndarray, shape (n,)
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all four arrays."""
        return hash_arrays(vars(self))


def load_digits_split(*, seed: int = 0, train_share: float = 0.6) -> DigitsSplit:
    """Split the digits, equal shares of every class.

    Parameters
    ----------
    seed : int
        Seed of the split.
    train_share : float
        Share for training (default 0.6: 1,078 for training, 719 for testing).
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    if not 0.0 < train_share < 1.0:
        raise InputError(f"train_share must lie between 0 and 1, got {train_share}.")
    images, labels = load_digits(return_X_y=True)
    images = (images / 16.0).astype(np.float32).reshape(-1, 1, 8, 8)
    train, test = train_test_split(
        np.arange(len(labels)), train_size=train_share, stratify=labels, random_state=seed
    )
    labels = labels.astype(np.int64)
    return DigitsSplit(images[train], labels[train], images[test], labels[test])


class DigitsDataset(Dataset):
    """One part of the digits as a data set of arrays ``(1, 8, 8)``."""

    kind = "array"

    def __init__(self, *, part: Literal["train", "test"] = "test", seed: int = 0) -> None:
        if part not in ("train", "test"):
            raise InputError(f"part must be 'train' or 'test', got {part!r}.")
        split = load_digits_split(seed=seed)
        self.name = f"digits ({part})"
        self.class_names = tuple(str(i) for i in range(10))
        self.images = split.test_images if part == "test" else split.train_images
        self.labels_ = split.test_labels if part == "test" else split.train_labels
        self.part = part

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of images and labels."""
        return hash_arrays({"images": self.images, "labels": self.labels_})

    def items(self, start: int, stop: int) -> list[Item]:
        """Items start .. stop - 1."""
        return [
            Item(f"digits/{self.part}/{i:04d}", self.images[i], int(self.labels_[i]))
            for i in range(start, min(stop, len(self)))
        ]

    def labels(self) -> list[int | None]:
        """Label of every item."""
        return [int(label) for label in self.labels_]
