"""Images of one class and of others out of a user's data set, in two parts: to choose on and to test on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hodology.data import Dataset, Item
from hodology.errors import InputError
from hodology.interpret.class_labels import known_label, map_labels
from hodology.nn.forward import Inputs, call_model, to_device
from hodology.nn.load import LoadedModel
from hodology.nn.taps import evaluation_mode
from hodology.rng import stream

__all__ = ["ClassSample", "draw_class"]

_SCANNED = 5_000  # unlabelled items that are looked at


@dataclass(frozen=True, eq=False)
class ClassSample:
    """Images of a class and of others.

    Attributes
    ----------
    choose : Tensor or mapping of str to Tensor
        Images of the class on which to build.
    test : Tensor or mapping of str to Tensor
        Other images: of the class, and of the other classes.
    test_labels : int64 Tensor, shape (test,)
        Classes of the model.
    shown : tuple of Item
        The test images of the class.
    ids : tuple of str
        Of the images to build on.
    labelled : bool
        Whether labels are the data's own; else they are what the model says.
    """

    choose: Inputs
    test: Inputs
    test_labels: Tensor
    shown: tuple[Item, ...]
    ids: tuple[str, ...]
    labelled: bool


def draw_class(
    loaded: LoadedModel,
    dataset: Dataset,
    target: int,
    *,
    limit: int = 60,
    others: int = 300,
    fewest: int = 8,
    batch: int = 32,
    device: str = "cpu",
    seed: int = 0,
) -> ClassSample:
    """Draw images of a class, two thirds to build on and a third to test on, and images of other classes.

    Parameters
    ----------
    loaded, dataset
    target : int
        Class of the model. With labels, images that carry it; else images that the model gives to it.
    limit : int
        Most images to build on; half as many are for the test.
    others : int
        Most test images of other classes.
    fewest : int
        Images to build on that there must be.
    batch, device, seed

    Raises
    ------
    InputError
        When the data set has too few images of the class.
    """
    mapping = map_labels(dataset.class_names, loaded)
    labels = np.array([known_label(label, mapping) for label in dataset.labels()])
    labelled = bool((labels >= 0).any())
    order = stream(seed, "class-sample").permutation(len(dataset))
    if not labelled:
        order = order[:_SCANNED]
        labels = np.full(len(dataset), -1)
        labels[order] = _predictions(loaded, dataset, order, batch, device)
    own, rest = order[labels[order] == target], order[(labels[order] != target) & (labels[order] >= 0)]
    count = min(limit, max(fewest, round(len(own) * 2 / 3)))
    if len(own) < count:
        word = "labelled as" if labelled else "given by the model to"
        raise InputError(
            f"{dataset.name} has {len(own)} images {word} class {loaded.class_name(target)!r}, at least {fewest} are "
            "needed."
        )
    choose, test = own[:count], own[count : count + max(1, count // 2)]
    if not len(test):
        raise InputError(
            f"{dataset.name} has no image of class {loaded.class_name(target)!r} left to test on."
        )
    tested = np.concatenate([test, rest[:others]])
    items = [dataset.items(int(i), int(i) + 1)[0] for i in [*choose, *tested]]
    inputs = [_prepared(loaded, part, device) for part in (items[:count], items[count:])]
    return ClassSample(
        inputs[0],
        inputs[1],
        torch.from_numpy(labels[tested].astype(np.int64)),
        tuple(items[count : count + len(test)]),
        tuple(item.id for item in items[:count]),
        labelled,
    )


def _prepared(loaded: LoadedModel, items: Sequence[Item], device: str) -> Inputs:
    return to_device(loaded.prepare([item.content for item in items]), device)


def _predictions(
    loaded: LoadedModel, dataset: Dataset, order: np.ndarray, batch: int, device: str
) -> np.ndarray:
    found = []
    with evaluation_mode(loaded.model), torch.no_grad():
        for start in range(0, len(order), batch):
            items = [dataset.items(int(i), int(i) + 1)[0] for i in order[start : start + batch]]
            found.append(
                call_model(loaded.model, _prepared(loaded, items, device)).argmax(dim=1).cpu().numpy()
            )
    return np.concatenate(found)
