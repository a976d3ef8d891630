"""Flow from one node of a pair to the other: a network that reads the paths between two nodes, not their surroundings.

A state starts at u alone and flows along typed edges for L steps; what arrives at v tells of all paths of up to L
edges. How much a relation carries depends on the pair:

    h_e' = relu(W sum_{(e', r, e)} a_r(u, v) (h_e' * q_r)),    a(u, v) = sigmoid(B relu(A [f_u; f_v]))

The same from v to u; both arrivals are joined and scored.

Follows the paper: start at one node, product with relation embeddings, attention by the pair's embeddings, sums over edges,
a loop at each node so that shorter paths last, both directions, one linear map to the classes. Ours: maps
without bias, so that a pair that no path joins has the state zero; relation means instead of sums when asked; no
pre-training of embeddings.

Reference: Zhang et al., "Emerging drug interaction prediction enabled by a flow-based graph neural network with
biomedical network", Nature Computational Science 3, 2023 (EmerGNN).
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.planning.rgcn import glorot, node_embedding
from hodology.planning.rgcn_messages import RelationalEdges
from hodology.rng import torch_stream

__all__ = ["EmerGNN"]

Aggregate = Literal["sum", "mean"]


class EmerGNN(nn.Module):
    """Scores of pairs by the flow between their nodes.

    Train it with `hodology.planning.edge_classifier_fit.fit_edge_scores` and a `batch_size`: memory grows with
    pairs x groups of edges x `hidden`, so it is for pruned subgraphs.

    Parameters
    ----------
    n_nodes, n_relations : int
        `n_relations` with the inverse ones.
    n_classes : int
    features : float Tensor, shape (n_nodes, F), optional
        Known embeddings, each row divided by its length; None learns them.
    hidden : int
        Width of states.
    length : int
        Steps L: the longest path that is read.
    dropout : float
        Of the joined arrivals.
    aggregate : {"sum", "mean"}
        How edges of one relation that end in one node add up; sums grow with the number of paths.
    rng : int
        Seed of the initial weights.

    Raises
    ------
    InputError
        For sizes below 1, or features that do not fit.
    UnknownNameError
        For another `aggregate`.
    """

    features: Tensor | None

    def __init__(
        self,
        n_nodes: int,
        n_relations: int,
        n_classes: int,
        *,
        features: Tensor | None = None,
        hidden: int = 32,
        length: int = 3,
        dropout: float = 0.2,
        aggregate: Aggregate = "sum",
        rng: int = 0,
    ) -> None:
        super().__init__()
        for name, value in {"hidden": hidden, "length": length, "n_classes": n_classes}.items():
            if value < 1:
                raise InputError(f"{name} must be at least 1, got {value}.")
        if aggregate not in get_args(Aggregate):
            raise UnknownNameError(
                f"aggregate {aggregate!r} does not exist{near_names(aggregate, get_args(Aggregate))}."
            )
        generator = torch_stream(rng, "flow")
        self.embedding, unit = node_embedding(n_nodes, hidden, features, generator)
        self.register_buffer("features", unit)
        all_relations = n_relations + 1  # the last is the loop
        self.relations = nn.Parameter(glorot((length, all_relations, hidden), generator))
        self.attend = nn.Parameter(glorot((length, 2 * hidden, hidden), generator))
        self.weigh = nn.Parameter(glorot((length, hidden, all_relations), generator))
        self.maps = nn.Parameter(glorot((length, hidden, hidden), generator))
        self.score = nn.Parameter(glorot((2 * hidden, n_classes), generator))
        self.bias = nn.Parameter(torch.zeros(n_classes))
        self.n_relations = n_relations
        self.length = length
        self.dropout = dropout
        self.mean = aggregate == "mean"

    def forward(self, edges: RelationalEdges, pairs: Tensor) -> Tensor:
        """Scores ``(pairs, n_classes)`` of node indices ``(pairs, 2)``.

        Raises
        ------
        InputError
            When the edges have another number of relations.
        """
        joined = torch.cat([self.arrivals(edges, pairs), self.arrivals(edges, pairs.flip(1))], dim=1)
        joined = functional.dropout(joined, self.dropout, self.training)
        return joined @ self.score + self.bias

    def arrivals(self, edges: RelationalEdges, pairs: Tensor) -> Tensor:
        """States ``(pairs, hidden)`` that arrive at the second node of each pair from the first."""
        if edges.n_relations != self.n_relations:
            raise InputError(
                f"the edges have {edges.n_relations} relations (inverse ones included), the network "
                f"{self.n_relations}."
            )
        start, end = pairs.unbind(dim=1)
        rows = torch.arange(len(pairs), device=pairs.device)
        known = self._embed()
        both = known[pairs].flatten(start_dim=1)
        states = known.new_zeros(edges.n_nodes, len(pairs), known.shape[1])
        states = states.index_put((start, rows), known[start])
        for step in range(self.length):
            carried = torch.sigmoid(torch.relu(both @ self.attend[step]) @ self.weigh[step])
            states = torch.relu(self._flow(edges, states, carried, self.relations[step]) @ self.maps[step])
        return states[end, rows]

    def _flow(self, edges: RelationalEdges, states: Tensor, carried: Tensor, relations: Tensor) -> Tensor:
        """One step: messages ``(groups, pairs, hidden)`` weighed by relation and pair, and the loop."""
        shape = states.shape
        messages = edges.gather(states.flatten(start_dim=1), mean=self.mean).view(-1, *shape[1:])
        messages = messages * carried.T[edges.relation, :, None] * relations[edges.relation, None, :]
        moved = edges.scatter(messages.flatten(start_dim=1)).view(shape)
        return moved + states * carried[:, -1, None] * relations[-1]

    def _embed(self) -> Tensor:
        if isinstance(self.embedding, nn.Linear):
            return self.embedding(self.features)
        return self.embedding.weight
