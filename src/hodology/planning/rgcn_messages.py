"""Sums over typed edges, laid out once so that each pass is two sparse products.

Edges of one relation that end in one node form a group. ``gather`` averages (or sums) the heads of every
group, giving one row per group; ``scatter`` adds rows of groups to their tails. Groups are far fewer than edges
in biomedical graphs, so what depends on the relation is applied to groups, never to edges.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hodology.errors import InputError

__all__ = ["RelationalEdges", "relational_edges"]

_Csr = tuple[Tensor, Tensor]  # a sparse matrix and its transpose


@dataclass(frozen=True, repr=False)
class RelationalEdges:
    """Typed edges ready for message passing from head to tail.

    Build it with `relational_edges`.

    Attributes
    ----------
    n_nodes, n_relations, n_edges : int
        With `inverse`, counts of relations and edges include the inverse ones.
    tail : int64 Tensor, shape (groups,)
        Node in which the edges of a group end; groups are sorted by (relation, tail).
    relation : int64 Tensor, shape (groups,)
    bounds : tuple of int, length n_relations + 1
        Groups of relation r are ``bounds[r]`` to ``bounds[r + 1]``.
    inverse : bool
    counts : float32 Tensor, shape (groups,)
        Edges of each group.
    """

    n_nodes: int
    n_relations: int
    n_edges: int
    tail: Tensor
    relation: Tensor
    bounds: tuple[int, ...]
    inverse: bool
    counts: Tensor
    _mean: _Csr
    _scatter: _Csr

    def __repr__(self) -> str:
        return (
            f"RelationalEdges(nodes={self.n_nodes}, relations={self.n_relations}, edges={self.n_edges}, "
            f"groups={len(self.tail)})"
        )

    @property
    def device(self) -> torch.device:
        """Where the matrices are."""
        return self.tail.device

    def gather(self, x: Tensor, *, mean: bool = True) -> Tensor:
        """Mean (or sum) of `x` ``(nodes, width)`` over the heads of each group, ``(groups, width)``."""
        means = _product(self._mean, x)
        return means if mean else means * self.counts[:, None].to(x.dtype)

    def scatter(self, rows: Tensor) -> Tensor:
        """Sum of `rows` ``(groups, width)`` at their tails, ``(nodes, width)``."""
        return _product(self._scatter, rows)

    def to(self, device: torch.device | str) -> RelationalEdges:
        """The same edges on another device."""
        mean, scatter = ((a.to(device), b.to(device)) for a, b in (self._mean, self._scatter))
        return RelationalEdges(
            self.n_nodes,
            self.n_relations,
            self.n_edges,
            self.tail.to(device),
            self.relation.to(device),
            self.bounds,
            self.inverse,
            self.counts.to(device),
            mean,
            scatter,
        )


def relational_edges(
    edges: np.ndarray | Tensor,
    relations: np.ndarray | Tensor,
    *,
    n_nodes: int,
    n_relations: int,
    inverse: bool = True,
    device: torch.device | str = "cpu",
) -> RelationalEdges:
    """Lay typed edges out for message passing.

    Parameters
    ----------
    edges : int, shape (E, 2)
        Head and tail of each edge. Messages go from head to tail. An edge given twice counts twice.
    relations : int, shape (E,)
    n_nodes, n_relations : int
    inverse : bool
        Add relation ``r + n_relations`` from tail to head for every edge, as Schlichtkrull et al. do; without
        it a node that is only ever a head hears from no other.
    device : str or torch.device

    Raises
    ------
    InputError
        For wrong shapes, types that are no integers, and nodes or relations out of range.

    Examples
    --------
    >>> relational_edges([[0, 1], [2, 1]], [0, 0], n_nodes=3, n_relations=1)
    RelationalEdges(nodes=3, relations=2, edges=4, groups=3)
    """
    heads, tails, kinds = _checked(edges, relations, n_nodes, n_relations)
    if inverse:
        heads, tails = np.concatenate([heads, tails]), np.concatenate([tails, heads])
        kinds = np.concatenate([kinds, kinds + n_relations])
        n_relations = 2 * n_relations
    order = np.lexsort((heads, tails, kinds))
    heads, tails, kinds = heads[order], tails[order], kinds[order]
    keys = kinds * n_nodes + tails
    first = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]]) if len(keys) else np.empty(0, np.int64)
    counts = np.diff(np.r_[first, len(keys)])
    group = np.repeat(np.arange(len(first)), counts)
    shape = (len(first), n_nodes)
    group_tail = tails[first]
    laid_out = RelationalEdges(
        n_nodes,
        n_relations,
        len(heads),
        torch.from_numpy(group_tail),
        torch.from_numpy(kinds[first]),
        tuple(int(b) for b in np.searchsorted(kinds[first], np.arange(n_relations + 1))),
        inverse,
        torch.from_numpy(counts.astype(np.float32)),
        _matrices(group, heads, 1.0 / counts[group], shape),
        _matrices(group_tail, np.arange(len(first)), np.ones(len(first)), shape[::-1]),
    )
    return laid_out.to(device)


class _SparseProduct(torch.autograd.Function):
    """A constant sparse matrix times a dense one; its transpose is kept, so that no pass converts layouts."""

    @staticmethod
    def forward(context: Any, matrix: Tensor, transposed: Tensor, x: Tensor) -> Tensor:
        context.transposed = transposed
        return matrix @ x

    @staticmethod
    def backward(context: Any, *grads: Tensor) -> tuple[None, None, Tensor]:
        return None, None, context.transposed @ grads[0].contiguous()


def _product(matrices: _Csr, x: Tensor) -> Tensor:
    matrix, transposed = matrices
    if x.ndim != 2 or x.shape[0] != matrix.shape[1]:
        raise InputError(f"x must have shape ({matrix.shape[1]}, width), got {tuple(x.shape)}.")
    if x.dtype != matrix.dtype:
        matrix, transposed = matrix.to(x.dtype), transposed.to(x.dtype)
    return _SparseProduct.apply(matrix, transposed, x.contiguous())


def _matrices(rows: np.ndarray, columns: np.ndarray, values: np.ndarray, shape: tuple[int, int]) -> _Csr:
    """Both layouts; equal entries add up, in a fixed order."""
    from scipy.sparse import csr_array

    matrix = csr_array((values, (rows, columns)), shape=shape)
    return _tensor(matrix), _tensor(matrix.T.tocsr())


def _tensor(matrix: Any) -> Tensor:
    index = np.int32 if max(matrix.nnz, *matrix.shape) < 2**31 else np.int64
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(
            torch.from_numpy(matrix.indptr.astype(index)),
            torch.from_numpy(matrix.indices.astype(index)),
            torch.from_numpy(matrix.data.astype(np.float32)),
            size=matrix.shape,
            check_invariants=True,
        )


def _checked(
    edges: np.ndarray | Tensor, relations: np.ndarray | Tensor, n_nodes: int, n_relations: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    pairs, kinds = np.asarray(edges), np.asarray(relations)
    if pairs.size == 0:
        pairs, kinds = pairs.reshape(0, 2).astype(np.int64), kinds.reshape(0).astype(np.int64)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or not np.issubdtype(pairs.dtype, np.integer):
        raise InputError(f"edges must be integers of shape (E, 2), got {pairs.dtype} of shape {pairs.shape}.")
    if kinds.shape != (len(pairs),) or not np.issubdtype(kinds.dtype, np.integer):
        raise InputError(
            f"relations must be integers of shape ({len(pairs)},), got {kinds.dtype} of shape {kinds.shape}."
        )
    for name, values, size in (("edges", pairs, n_nodes), ("relations", kinds, n_relations)):
        if size < 1:
            raise InputError(
                f"n_{'nodes' if name == 'edges' else 'relations'} must be at least 1, got {size}."
            )
        wrong = values[(values < 0) | (values >= size)]
        if wrong.size:
            raise InputError(f"{name} must be 0 to {size - 1}, got {wrong.flat[0]}.")
    pairs, kinds = pairs.astype(np.int64), kinds.astype(np.int64)
    return np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1]), kinds
