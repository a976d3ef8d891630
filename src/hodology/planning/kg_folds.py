"""Folds of pairs for knowledge graphs: no pair on both sides, nor, when asked, an entity.

The graph of a fold may hold its training pairs only: split first, augment then.

Reference: Abdullahi et al., "K-Paths", KDD 2025 (test interactions are never added to the graph).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hodology.errors import InputError
from hodology.rng import stream

__all__ = ["PairFold", "check_disjoint", "entity_folds", "stratified_folds"]

Pair = tuple[Any, Any]


@dataclass(frozen=True, eq=False)
class PairFold:
    """Rows of the training and of the test pairs, int64, ascending."""

    train: np.ndarray
    test: np.ndarray

    def __repr__(self) -> str:
        return f"PairFold({len(self.train)} train, {len(self.test)} test)"


def stratified_folds(
    pairs: Sequence[Pair],
    labels: Sequence[Any] | np.ndarray,
    *,
    n_folds: int = 5,
    seed: int = 0,
    ordered: bool = False,
) -> list[PairFold]:
    """Folds with the classes in equal shares.

    Parameters
    ----------
    pairs : sequence of (u, v)
    labels : sequence, one per pair
    n_folds : int
    seed : int
    ordered : bool
        False: (u, v) and (v, u) are the same pair.

    Raises
    ------
    InputError
        When a pair comes twice (the two could fall on different sides), or there are too few pairs.
    """
    keys = _checked(pairs, labels, n_folds, ordered)
    if len(set(keys)) != len(keys):
        raise InputError(f"{len(keys) - len(set(keys))} pairs come twice; keep one of each.")
    fold = np.empty(len(pairs), dtype=np.int64)
    rng = stream(seed, "stratified folds")
    start = 0
    texts = np.array([str(label) for label in labels])
    for label in np.unique(texts):
        rows = rng.permutation(np.flatnonzero(texts == label))
        fold[rows] = (start + np.arange(len(rows))) % n_folds
        start += len(rows)  # the next class goes on where this one ended, so that sizes stay equal
    return _folds(pairs, fold, n_folds, ordered)


def entity_folds(
    pairs: Sequence[Pair],
    labels: Sequence[Any] | np.ndarray,
    *,
    side: int = 0,
    n_folds: int = 5,
    seed: int = 0,
) -> list[PairFold]:
    """Folds by entity: none of the test pairs' entities on that side has a training pair.

    Entities are dealt out, those with most pairs first, to the fold where the classes are then most even.

    Parameters
    ----------
    pairs : sequence of (u, v)
    labels : sequence, one per pair
    side : {0, 1}
        0 splits by u (drugs), 1 by v.
    n_folds, seed : int

    Raises
    ------
    InputError
        When there are fewer entities than folds.
    """
    _checked(pairs, labels, n_folds, True)
    if side not in (0, 1):
        raise InputError(f"side must be 0 or 1, got {side}.")
    entities, of_pair = np.unique(np.array([str(pair[side]) for pair in pairs]), return_inverse=True)
    if len(entities) < n_folds:
        raise InputError(f"{len(entities)} entities are too few for {n_folds} folds.")
    classes, of_label = np.unique(np.array([str(label) for label in labels]), return_inverse=True)
    counts = np.zeros((len(entities), len(classes)))
    np.add.at(counts, (of_pair, of_label), 1.0)
    shares = counts / counts.sum(axis=0)
    order = stream(seed, "entity folds").permutation(len(entities))
    order = order[np.argsort(-counts[order].sum(axis=1), kind="stable")]
    load, fold = np.zeros((n_folds, len(classes))), np.empty(len(entities), dtype=np.int64)
    for entity in order:
        worse = ((load + shares[entity]) ** 2).sum(axis=1) - (load**2).sum(axis=1)
        fold[entity] = int(np.argmin(worse + 1e-12 * load.sum(axis=1)))
        load[fold[entity]] += shares[entity]
    folds = _folds(pairs, fold[of_pair], n_folds, True)
    for one in folds:
        shared = set(of_pair[one.train].tolist()) & set(of_pair[one.test].tolist())
        if shared:
            raise InputError(f"train and test share {len(shared)} entities: they would leak.")
    return folds


def check_disjoint(train: Iterable[Pair], test: Iterable[Pair], *, ordered: bool = False) -> None:
    """Refuse pairs that are on both sides.

    Parameters
    ----------
    train, test : iterable of (u, v)
    ordered : bool
        False: (u, v) and (v, u) are the same pair.

    Raises
    ------
    InputError
        ``train and test share 12 pairs: they would leak.``
    """
    shared = {_key(pair, ordered) for pair in train} & {_key(pair, ordered) for pair in test}
    if shared:
        raise InputError(f"train and test share {len(shared)} pairs: they would leak.")


def _key(pair: Pair, ordered: bool) -> Any:  # noqa: FBT001
    """What makes two pairs the same."""
    return tuple(pair) if ordered else frozenset(pair)


def _checked(
    pairs: Sequence[Pair],
    labels: Sequence[Any] | np.ndarray,
    n_folds: int,
    ordered: bool,  # noqa: FBT001
) -> list[Any]:
    if len(pairs) != len(labels):
        raise InputError(f"labels must be one per pair ({len(pairs)}), got {len(labels)}.")
    if not 2 <= n_folds <= max(len(pairs), 1):
        raise InputError(f"n_folds must be 2 to {len(pairs)} (the pairs), got {n_folds}.")
    return [_key(pair, ordered) for pair in pairs]


def _folds(pairs: Sequence[Pair], fold: np.ndarray, n_folds: int, ordered: bool) -> list[PairFold]:  # noqa: FBT001
    made = [PairFold(np.flatnonzero(fold != i), np.flatnonzero(fold == i)) for i in range(n_folds)]
    for one in made:
        check_disjoint([pairs[i] for i in one.train], [pairs[i] for i in one.test], ordered=ordered)
    return made
