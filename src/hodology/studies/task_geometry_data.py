"""Images of the task-geometry study: the digits, or the user's ``train`` and ``test`` files with coarse labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hodology.data import Dataset, open_dataset
from hodology.data.digits import load_digits_split
from hodology.errors import InputError

__all__ = ["ImageSplit", "digit_images", "folder_images"]

_VEHICLES = (0, 1, 8, 9)  # of CIFAR-10: airplane, automobile, ship, truck


@dataclass(frozen=True)
class ImageSplit:
    """Images with classes, and coarse labels of the classes.

    Attributes
    ----------
    train, test : float32 ndarray, shape (n, channels, side, side)
    train_classes, test_classes : int64 ndarray, shape (n,)
    coarse : dict of str to int ndarray of 0 and 1, one per class
    """

    train: np.ndarray
    train_classes: np.ndarray
    test: np.ndarray
    test_classes: np.ndarray
    coarse: dict[str, np.ndarray]


def digit_images(seed: int) -> ImageSplit:
    """Digits with the labels odd and at least five."""
    split = load_digits_split(seed=seed)
    digits = np.arange(10)
    coarse = {"odd": digits % 2, "at least 5": (digits >= 5).astype(int)}
    return ImageSplit(split.train_images, split.train_labels, split.test_images, split.test_labels, coarse)


def folder_images(folder: str, seed: int, *, train: int, test: int) -> ImageSplit:
    """Some images of ``DIR/train.parquet`` and ``DIR/test.parquet`` (or class folders ``DIR/train``, ``DIR/test``).

    Ten classes without names are taken for CIFAR-10's, whose coarse label is vehicle; otherwise the coarse label is the
    second half of the classes.

    Raises
    ------
    InputError
        For a missing part, too few images, images of several sizes, or a class that is not in the test part.
    """
    parts = [_part(Path(folder), name, seed, count) for name, count in (("train", train), ("test", test))]
    classes = int(max(part[1].max() for part in parts)) + 1
    for name, part in zip(("train", "test"), parts, strict=True):
        missing = sorted(set(range(classes)) - set(part[1].tolist()))
        if missing:
            raise InputError(
                f"class {missing[0]} has no image among the {len(part[1])} drawn of {folder}/{name}."
            )
    numbers = np.arange(classes)
    named = parts[0][2] is not None
    if classes == 10 and not named:
        coarse = {"vehicle": np.isin(numbers, _VEHICLES).astype(int)}
    else:
        coarse = {"second half of the classes": (numbers >= classes // 2).astype(int)}
    return ImageSplit(parts[0][0], parts[0][1], parts[1][0], parts[1][1], coarse)


def _part(
    folder: Path, name: str, seed: int, count: int
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...] | None]:
    """Pixels -1 to 1 and classes of a run of rows, another for each seed."""
    found = next((p for p in (folder / f"{name}.parquet", folder / name) if p.exists()), None)
    if found is None:
        raise InputError(f"{folder} needs {name}.parquet or a folder {name} of class folders.")
    dataset = open_dataset(str(found))
    rows = _rows(dataset, seed, count, str(found))
    items = [dataset.items(int(i), int(i) + 1)[0] for i in rows]
    sizes = {np.asarray(item.content).shape for item in items}
    if len(sizes) > 1:
        raise InputError(f"{found}: images must be of one size, got {sorted(sizes)[:3]}.")
    if any(item.label is None for item in items):
        raise InputError(f"{found}: every image needs a label.")
    pixels = np.stack([np.asarray(item.content, dtype=np.float32) for item in items])
    classes = np.array([item.label for item in items], dtype=np.int64)
    return pixels.transpose(0, 3, 1, 2) / 127.5 - 1.0, classes, dataset.class_names


def _rows(dataset: Dataset, seed: int, count: int, name: str) -> np.ndarray:
    """Neighbouring rows of a table, which are quick to read; an even choice where rows are sorted by class."""
    size = len(dataset)
    if size < count:
        raise InputError(f"{name} has {size} images, {count} are needed.")
    if dataset.class_names is None:
        return (seed * count) % (size - count + 1) + np.arange(count)
    return (np.arange(count) * size) // count
