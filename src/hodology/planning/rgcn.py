"""Relational graph convolution, and the network that K-Paths trains on its subgraphs.

A node adds up the means of its neighbours, one mean per relation r with its own matrix W_r:

    h_i' = sum_r W_r^T mean_{j in N_r(i)} h_j + W_0^T h_i + b,    W_r = sum_b a_rb V_b

The matrices of all relations are mixtures of a few bases V_b, so that rare relations do not overfit.

References: Schlichtkrull et al., "Modeling relational data with graph convolutional networks", ESWC 2018
(equations 2 and 3); Abdullahi et al., "K-Paths", KDD 2025 (the network).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from hodology.errors import InputError
from hodology.planning.rgcn_messages import RelationalEdges
from hodology.rng import derive_seed, torch_stream

__all__ = ["RGCN", "EdgeMlp", "RgcnLayer", "glorot", "node_embedding"]


class RgcnLayer(nn.Module):
    """One relational graph convolution (no non-linearity behind it).

    Parameters
    ----------
    n_in, n_out : int
    n_relations : int
        Inverse relations included: that of `RelationalEdges`.
    n_bases : int, optional
        Bases of the decomposition; None gives each relation a matrix of its own.
    rng : int
        Seed of the initial weights (Glorot uniform); global random state is left alone.

    Notes
    -----
    With bases the groups' means are weighted by ``a_rb`` before they are summed at the nodes, so that a matrix
    is applied per node and basis, never per edge. Memory grows with the groups of the edges (distinct pairs of
    relation and tail).

    Raises
    ------
    InputError
        For sizes below 1.
    """

    def __init__(
        self, n_in: int, n_out: int, n_relations: int, *, n_bases: int | None = 2, rng: int = 0
    ) -> None:
        super().__init__()
        sizes = {"n_in": n_in, "n_out": n_out, "n_relations": n_relations}
        for name, value in (sizes | ({} if n_bases is None else {"n_bases": n_bases})).items():
            if value < 1:
                raise InputError(f"{name} must be at least 1, got {value}.")
        self.n_relations = n_relations
        generator = torch_stream(rng, "rgcn")
        n_matrices = n_relations if n_bases is None else n_bases
        self.bases = nn.Parameter(glorot((n_matrices, n_in, n_out), generator))
        self.mixture = None if n_bases is None else nn.Parameter(glorot((n_relations, n_bases), generator))
        self.own = nn.Parameter(glorot((n_in, n_out), generator))
        self.bias = nn.Parameter(torch.zeros(n_out))

    def forward(self, x: Tensor, edges: RelationalEdges) -> Tensor:
        """States ``(nodes, n_out)`` from states ``(nodes, n_in)``.

        Raises
        ------
        InputError
            When the edges have another number of relations, or `x` another number of nodes.
        """
        if edges.n_relations != self.n_relations:
            raise InputError(
                f"the edges have {edges.n_relations} relations (inverse ones included), the layer "
                f"{self.n_relations}."
            )
        means = edges.gather(x)
        out = torch.addmm(self.bias, x, self.own)
        if self.mixture is None:
            spans = zip(edges.bounds, edges.bounds[1:])
            moved = [means[begin:end] @ self.bases[r] for r, (begin, end) in enumerate(spans) if end > begin]
            return out + edges.scatter(torch.cat(moved)) if moved else out
        weights = self.mixture[edges.relation]
        for basis in range(len(self.bases)):
            out = out + edges.scatter(means * weights[:, basis, None]) @ self.bases[basis]
        return out

    def matrices(self) -> Tensor:
        """The relations' matrices W_r, shape ``(n_relations, n_in, n_out)``."""
        if self.mixture is None:
            return self.bases
        return torch.einsum("rb,bio->rio", self.mixture, self.bases)


class RGCN(nn.Module):
    """States of all nodes of a typed graph: embeddings, then layers with batch norm, ReLU and dropout between.

    Defaults are those of K-Paths. The last layer has neither norm nor ReLU.

    Parameters
    ----------
    n_nodes, n_relations : int
        `n_relations` with the inverse ones.
    features : float Tensor, shape (n_nodes, F), optional
        Known embeddings of the nodes (768 wide in the paper). Each row is divided by its length, then
        mapped to `hidden` by a learned matrix; a node of zeros stays zeros. None learns an embedding per node, which
        says nothing about nodes without edges in training.
    hidden, depth, n_bases, dropout
        Width of states, number of layers, bases of each layer and dropout rate.
    rng : int
        Seed of the initial weights.

    Raises
    ------
    InputError
        For features that do not fit or are not finite, and sizes out of range.
    """

    features: Tensor | None

    def __init__(
        self,
        n_nodes: int,
        n_relations: int,
        *,
        features: Tensor | None = None,
        hidden: int = 128,
        depth: int = 3,
        n_bases: int | None = 2,
        dropout: float = 0.5,
        rng: int = 0,
    ) -> None:
        super().__init__()
        if depth < 1:
            raise InputError(f"depth must be at least 1, got {depth}.")
        if not 0 <= dropout < 1:
            raise InputError(f"dropout must lie from 0 to below 1, got {dropout}.")
        self.embedding, unit = node_embedding(n_nodes, hidden, features, torch_stream(rng, "embedding"))
        self.register_buffer("features", unit)
        self.layers = nn.ModuleList(
            RgcnLayer(hidden, hidden, n_relations, n_bases=n_bases, rng=derive_seed(rng, "layer", i))
            for i in range(depth)
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(hidden) for _ in range(depth - 1))
        self.dropout = dropout

    def forward(self, edges: RelationalEdges) -> Tensor:
        """States ``(n_nodes, hidden)``; `edges` may be another graph over the same nodes."""
        x = self._start()
        for index, layer in enumerate(self.layers):
            if index:
                x = functional.relu(self.norms[index - 1](x))
                x = functional.dropout(x, self.dropout, self.training)
            x = layer(x, edges)
        return x

    def _start(self) -> Tensor:
        if isinstance(self.embedding, nn.Linear):
            return self.embedding(self.features)
        return self.embedding.weight


class EdgeMlp(nn.Module):
    """Scores of a pair's classes from the states of both nodes: 2 x `hidden` -> `hidden` -> classes.

    The order of a pair counts: the first half reads the first node.

    Parameters
    ----------
    hidden, n_classes : int
    dropout : float
    rng : int
    """

    def __init__(self, hidden: int, n_classes: int, *, dropout: float = 0.5, rng: int = 0) -> None:
        super().__init__()
        generator = torch_stream(rng, "mlp")
        self.first = nn.utils.skip_init(nn.Linear, 2 * hidden, hidden)
        self.second = nn.utils.skip_init(nn.Linear, hidden, n_classes)
        _glorot_linear(self.first, generator)
        _glorot_linear(self.second, generator)
        self.dropout = dropout

    def forward(self, states: Tensor, pairs: Tensor) -> Tensor:
        """Scores ``(pairs, classes)`` from states ``(nodes, hidden)`` and node indices ``(pairs, 2)``."""
        joined = states[pairs].flatten(start_dim=1)
        hidden = functional.dropout(functional.relu(self.first(joined)), self.dropout, self.training)
        return self.second(hidden)


def node_embedding(
    n_nodes: int, hidden: int, features: Tensor | None, generator: torch.Generator
) -> tuple[nn.Linear | nn.Embedding, Tensor | None]:
    """The learned part of the nodes' embeddings, and the unit rows of known ones.

    Parameters
    ----------
    n_nodes, hidden : int
    features : float Tensor, shape (n_nodes, F), optional
    generator : torch.Generator

    Returns
    -------
    module : nn.Linear or nn.Embedding
        A map of known features, or a table when there are none.
    features : float32 Tensor or None

    Raises
    ------
    InputError
        For features of another shape, no floats, or not finite.
    """
    if features is None:
        table = nn.utils.skip_init(nn.Embedding, n_nodes, hidden)
        table.weight.data.normal_(std=hidden**-0.5, generator=generator)  # rows of length about 1
        return table, None
    unit = _unit_rows(features, n_nodes)
    linear = nn.utils.skip_init(nn.Linear, unit.shape[1], hidden)
    _glorot_linear(linear, generator)
    return linear, unit


def glorot(shape: Sequence[int], generator: torch.Generator) -> Tensor:
    """Glorot uniform values; the last two axes are inputs and outputs."""
    bound = (6 / (shape[-1] + shape[-2])) ** 0.5
    return (2 * torch.rand(*shape, generator=generator) - 1) * bound


def _glorot_linear(module: nn.Linear, generator: torch.Generator) -> None:
    """Glorot uniform from a stream of its own: torch's own initialisation reads global random state."""
    with torch.no_grad():
        module.weight.copy_(glorot(module.weight.shape, generator))
        module.bias.zero_()


def _unit_rows(features: Tensor, n_nodes: int) -> Tensor:
    features = torch.as_tensor(features)
    if features.ndim != 2 or len(features) != n_nodes or not features.is_floating_point():
        raise InputError(
            f"features must be floating point of shape ({n_nodes}, F), got {features.dtype} of shape "
            f"{tuple(features.shape)}."
        )
    if not torch.isfinite(features).all():
        raise InputError("features must be finite, got NaN or infinity.")
    return functional.normalize(features.detach().float(), dim=1)
