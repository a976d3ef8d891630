"""Labelled pairs of nodes: what they must look like, and what would leak their labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from hodology.errors import InputError

__all__ = ["check_answer_edges", "check_disjoint_pairs", "node_pairs", "pair_labels"]


def check_disjoint_pairs(
    first: np.ndarray | Tensor, second: np.ndarray | Tensor, *, names: tuple[str, str] = ("train", "test")
) -> None:
    """Refuse two sets of pairs that share a pair, in either order.

    Parameters
    ----------
    first, second : int, shape (n, 2)
    names : tuple of two str
        What the sets are called in the error.

    Raises
    ------
    InputError
        "train and test share 12 pairs: they would leak".
    """
    sets = [{tuple(sorted(pair)) for pair in np.asarray(pairs).tolist()} for pairs in (first, second)]
    shared = len(sets[0] & sets[1])
    if shared:
        raise InputError(
            f"{names[0]} and {names[1]} share {shared} pair{'s' if shared > 1 else ''}: they would leak."
        )


def node_pairs(name: str, pairs: np.ndarray | Tensor, n_nodes: int) -> np.ndarray:
    """Pairs of nodes as int64 of shape ``(n, 2)``, or `InputError` that calls them `name`."""
    array = np.asarray(pairs)
    if array.ndim != 2 or array.shape[1:] != (2,) or not np.issubdtype(array.dtype, np.integer):
        raise InputError(
            f"{name} must be integers of shape (n, 2), got {array.dtype} of shape {array.shape}."
        )
    if not len(array):
        raise InputError(f"{name} must hold at least one pair, got none.")
    wrong = array[(array < 0) | (array >= n_nodes)]
    if wrong.size:
        raise InputError(f"{name} must be nodes from 0 to {n_nodes - 1}, got {wrong[0]}.")
    return array.astype(np.int64)


def pair_labels(name: str, labels: np.ndarray | Tensor, pairs: np.ndarray | Tensor) -> np.ndarray:
    """Labels of pairs as int64 of shape ``(n,)``, or `InputError` that calls them `name`."""
    array = np.asarray(labels)
    if array.shape != (len(pairs),) or not np.issubdtype(array.dtype, np.integer):
        raise InputError(
            f"{name} must be integers of shape ({len(pairs)},), got {array.dtype} of shape {array.shape}."
        )
    return array.astype(np.int64)


def check_answer_edges(
    edges: np.ndarray | Tensor,
    relations: np.ndarray | Tensor,
    answer_relations: Sequence[int],
    sets: Sequence[tuple[str, np.ndarray]],
) -> None:
    """Refuse a graph with an edge that states the label of a pair: it would be read, not predicted.

    Parameters
    ----------
    edges, relations : int, shapes (E, 2) and (E,)
    answer_relations : sequence of int
        Relations that state labels.
    sets : sequence of (name, pairs)
        The pairs, and what they are called in the error.

    Raises
    ------
    InputError
        When an edge of `answer_relations` joins one of the pairs, in either direction.
    """
    stated = np.asarray(edges)[np.isin(np.asarray(relations), list(answer_relations))].reshape(-1, 2)
    known = {tuple(sorted(pair)) for pair in stated.tolist()}
    for name, pairs in sets:
        count = sum(tuple(sorted(pair)) in known for pair in pairs.tolist())
        if count:
            raise InputError(
                f"the graph joins {count} {name} pair{'s' if count > 1 else ''} by an answer relation: "
                "remove these edges, they would leak."
            )
