"""Which units the paths of a class prefer, and which classes share them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hodology.errors import InputError
from hodology.interpret.path_result import PathResult
from hodology.path import PathSet
from hodology.rng import stream

__all__ = ["Agreement", "ClassProfile", "class_agreement", "class_profile", "prune_mask"]


@dataclass(frozen=True, eq=False, repr=False)
class ClassProfile:
    """How often each class's paths use each unit.

    Attributes
    ----------
    classes : int ndarray, shape (classes,)
        The class ids that occur, ascending.
    counts : int ndarray, shape (classes,)
        Number of images of each.
    frequency : tuple of float ndarray, each (classes, units)
        Share of a class's images whose path has the unit, a table per layer.
    """

    classes: np.ndarray
    counts: np.ndarray
    frequency: tuple[np.ndarray, ...]

    def __repr__(self) -> str:
        return f"ClassProfile({len(self.classes)} classes, {len(self.frequency)} layers)"

    def preferred(self) -> np.ndarray:
        """Each class's preferred path, the most frequent unit of every layer; int, (classes, layers)."""
        return np.stack([f.argmax(axis=1) for f in self.frequency], axis=1)

    def similarity(self) -> np.ndarray:
        """Cosine similarity of the classes' frequency tables, (classes, classes)."""
        flat = np.concatenate(self.frequency, axis=1)
        unit = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-300)
        return np.clip(unit @ unit.T, 0.0, 1.0)

    def nearest(self, count: int = 5) -> list[tuple[int, int, float]]:
        """The most similar pairs of classes: (class, class, cosine), nearest first."""
        similarity = self.similarity()
        a, b = np.triu_indices(len(self.classes), 1)
        order = np.argsort(-similarity[a, b], kind="stable")[:count]
        return [
            (int(self.classes[a[i]]), int(self.classes[b[i]]), float(similarity[a[i], b[i]])) for i in order
        ]


@dataclass(frozen=True)
class Agreement:
    """Whether images of one class share more of their paths than images of two classes.

    Attributes
    ----------
    within, between : float
        Mean share of equal units per layer of two images of one class, and of two classes.
    p_value : float
        Of a permutation test on ``within - between`` under shuffled labels, ``(b + 1) / (n + 1)``.
    n_permutations : int
    """

    within: float
    between: float
    p_value: float
    n_permutations: int


def class_profile(
    paths: PathResult | PathSet,
    labels: Sequence[int] | np.ndarray | Tensor,
    *,
    widths: Sequence[int] | None = None,
) -> ClassProfile:
    """Count, for every class, how often its paths use each unit.

    Parameters
    ----------
    paths : PathResult or PathSet
    labels : int, shape (images,)
    widths : sequence of int, optional
        Units per layer; default what the result's activity tells, else one more than the largest used.

    Raises
    ------
    InputError
        When labels and paths differ in number.
    """
    units, labels = _units(paths), _labels(labels)
    _check_lengths(units, labels)
    if widths is None and isinstance(paths, PathResult) and paths.activations:
        widths = [a.shape[-1] for a in paths.activations]
    widths = [int(units[:, layer].max()) + 1 for layer in range(units.shape[1])] if widths is None else widths
    classes, index, counts = np.unique(labels, return_inverse=True, return_counts=True)
    frequency = []
    for layer, width in enumerate(widths):
        table = np.zeros((len(classes), width))
        np.add.at(table, (np.repeat(index, units.shape[2]), units[:, layer].reshape(-1)), 1.0)
        frequency.append(table / counts[:, None])
    return ClassProfile(classes, counts, tuple(frequency))


def class_agreement(
    paths: PathResult | PathSet,
    labels: Sequence[int] | np.ndarray | Tensor,
    *,
    n_permutations: int = 200,
    rng: int = 0,
) -> Agreement:
    """Compare path agreement within and between classes by a permutation test.

    The agreement of two images is the share of layers in which they take the same units (for k > 1 the share
    of common ones). Memory is (images)^2 bytes.
    """
    units, labels = _units(paths), _labels(labels)
    _check_lengths(units, labels)
    n = len(units)
    if n < 3 or len(np.unique(labels)) in (1, n):
        raise InputError(f"agreement needs at least two classes and two images of one, got {n} images.")
    shared = np.zeros((n, n), dtype=np.float32)
    for layer in range(units.shape[1]):
        one_hot = np.zeros((n, int(units[:, layer].max()) + 1), dtype=np.float32)
        one_hot[np.arange(n)[:, None], units[:, layer]] = 1.0
        shared += one_hot @ one_hot.T
    shared /= units.shape[1] * units.shape[2]
    np.fill_diagonal(shared, 0.0)
    total = float(shared.sum(dtype=np.float64))

    def means(values: np.ndarray) -> tuple[float, float]:
        groups = (values[:, None] == np.unique(values)).astype(np.float32)
        inside = float(((shared @ groups) * groups).sum(dtype=np.float64))
        pairs = float((groups.sum(axis=0) ** 2).sum() - n)
        return inside / pairs, (total - inside) / (n * n - n - pairs)

    within, between = means(labels)
    generator = stream(rng, "class-agreement")
    null = [np.subtract(*means(generator.permutation(labels))) for _ in range(n_permutations)]
    p_value = (1 + sum(value >= within - between for value in null)) / (1 + n_permutations)
    return Agreement(within, between, p_value, n_permutations)


def prune_mask(
    paths: PathResult | PathSet,
    labels: Sequence[int] | np.ndarray | Tensor,
    k: int,
    *,
    widths: Sequence[int] | None = None,
    n_classes: int | None = None,
) -> list[Tensor]:
    """Masks of the k most frequent units per layer and class, for `keep_units`.

    Returns
    -------
    list of bool Tensor, each (n_classes, units)
        Indexed by class id; classes without images keep nothing. Units that no path used are never kept.
    """
    profile = class_profile(paths, labels, widths=widths)
    rows = int(profile.classes.max()) + 1 if n_classes is None else n_classes
    if k < 1:
        raise InputError(f"k must be at least 1, got {k}.")
    masks = []
    for table in profile.frequency:
        mask = np.zeros((rows, table.shape[1]), dtype=bool)
        best = np.argsort(-table, axis=1, kind="stable")[:, :k]
        np.put_along_axis(
            kept := np.zeros(table.shape, dtype=bool), best, np.take_along_axis(table, best, 1) > 0, 1
        )
        mask[profile.classes] = kept
        masks.append(torch.from_numpy(mask))
    return masks


def _units(paths: PathResult | PathSet) -> np.ndarray:
    return paths.path.cpu().numpy() if isinstance(paths, PathResult) else paths.units()


def _labels(labels: Sequence[int] | np.ndarray | Tensor) -> np.ndarray:
    return labels.cpu().numpy() if isinstance(labels, Tensor) else np.asarray(labels)


def _check_lengths(units: np.ndarray, labels: np.ndarray) -> None:
    if len(units) != len(labels) or len(units) == 0:
        raise InputError(f"labels must be one per path, got {len(labels)} labels for {len(units)} paths.")
