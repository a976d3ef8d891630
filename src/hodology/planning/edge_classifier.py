"""A classifier of node pairs on a typed graph: R-GCN states of both nodes, then a small network.

This is what K-Paths trains on the union of its paths in place of the whole graph. Nodes are those of the whole
graph, so a trained classifier can read another subgraph: pass its edges to `EdgeClassifier.predict_proba`.

Reference: Abdullahi et al., "K-Paths: reasoning over graph paths for drug repurposing and drug interaction
prediction", KDD 2025; Schlichtkrull et al., ESWC 2018.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hodology.errors import FileFormatError, InputError
from hodology.files import atomic_path
from hodology.nn.taps import evaluation_mode
from hodology.planning.edge_classifier_fit import EdgeSettings, EdgeTraining, fit_edge_scores
from hodology.planning.labelled_pairs import check_answer_edges, check_disjoint_pairs, node_pairs, pair_labels
from hodology.planning.rgcn import RGCN, EdgeMlp
from hodology.planning.rgcn_messages import RelationalEdges, relational_edges
from hodology.rng import check_seed

__all__ = ["EdgeClassifier", "EdgeNetwork", "train_edge_classifier"]

_FORMAT = "hodology-edge-classifier-1"


class EdgeNetwork(nn.Module):
    """`RGCN` and `EdgeMlp` in one module.

    Parameters
    ----------
    n_nodes, n_relations, n_classes : int
        `n_relations` with the inverse ones.
    settings : EdgeSettings
    features : float Tensor, shape (n_nodes, F), optional
    rng : int
    """

    def __init__(
        self,
        n_nodes: int,
        n_relations: int,
        n_classes: int,
        *,
        settings: EdgeSettings,
        features: Tensor | None = None,
        rng: int = 0,
    ) -> None:
        super().__init__()
        self.graph = RGCN(
            n_nodes,
            n_relations,
            features=features,
            hidden=settings.hidden,
            depth=settings.depth,
            n_bases=settings.n_bases,
            dropout=settings.dropout,
            rng=rng,
        )
        self.head = EdgeMlp(settings.hidden, n_classes, dropout=settings.dropout, rng=rng)

    def forward(self, edges: RelationalEdges, pairs: Tensor) -> Tensor:
        """Scores ``(pairs, classes)``."""
        return self.head(self.graph(edges), pairs)


@dataclass(frozen=True, repr=False)
class EdgeClassifier:
    """A trained classifier.

    Attributes
    ----------
    network : EdgeNetwork
        In eval mode, on the CPU.
    states : float32 Tensor, shape (n_nodes, hidden)
        Of all nodes, on the graph of the training.
    n_relations, n_classes : int
        Forward relations, and classes.
    settings : EdgeSettings
    training : EdgeTraining
    """

    network: EdgeNetwork
    states: Tensor
    n_relations: int
    n_classes: int
    settings: EdgeSettings
    training: EdgeTraining

    def __repr__(self) -> str:
        nodes, hidden = self.states.shape
        return f"EdgeClassifier(nodes={nodes}, hidden={hidden}, classes={self.n_classes}, {self.training!r})"

    def predict_proba(
        self,
        pairs: np.ndarray | Tensor,
        *,
        edges: np.ndarray | Tensor | None = None,
        relations: np.ndarray | Tensor | None = None,
    ) -> np.ndarray:
        """Probabilities of the classes, float64 of shape ``(n, n_classes)``.

        Parameters
        ----------
        pairs : int, shape (n, 2)
        edges, relations : int, shapes (E, 2) and (E,), optional
            Another graph over the same nodes and relations, such as the subgraph of the test queries; default
            the graph of the training. Learned embeddings of nodes that had no edge in training carry nothing.

        Raises
        ------
        InputError
            For pairs or edges that do not fit, or only one of `edges` and `relations`.
        """
        if (edges is None) != (relations is None):
            raise InputError("edges and relations must be given together, got one of them.")
        rows = torch.from_numpy(node_pairs("pairs", pairs, len(self.states)))
        with evaluation_mode(self.network), torch.no_grad():
            states = self.states
            if edges is not None and relations is not None:
                states = self.network.graph(
                    relational_edges(
                        edges,
                        relations,
                        n_nodes=len(self.states),
                        n_relations=self.n_relations,
                        inverse=self.settings.inverse,
                    )
                )
            return self.network.head(states, rows).double().softmax(dim=1).numpy()

    def predict(self, pairs: np.ndarray | Tensor) -> np.ndarray:
        """Most probable class of each pair on the graph of the training, int64 of shape ``(n,)``."""
        return self.predict_proba(pairs).argmax(axis=1)

    def save(self, path: str | Path) -> None:
        """Write weights, states and settings to one safetensors file."""
        from safetensors.torch import save_file

        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        tensors = {name: value.detach().contiguous().clone() for name, value in tensors.items()}
        record = {
            "n_relations": self.n_relations,
            "n_classes": self.n_classes,
            "settings": asdict(self.settings),
            "training": self.training.to_dict(),
        }
        with atomic_path(path) as temporary:
            save_file(
                tensors | {"states": self.states.contiguous().clone()},
                temporary,
                {"format": _FORMAT, "record": json.dumps(record)},
            )

    @classmethod
    def load(cls, path: str | Path) -> EdgeClassifier:
        """Read what `save` wrote.

        Raises
        ------
        FileFormatError
            When the file is missing, damaged or no edge classifier.
        """
        from safetensors import SafetensorError, safe_open
        from safetensors.torch import load_file

        try:
            with safe_open(path, "pt") as opened:
                found = opened.metadata() or {}
            if found.get("format") != _FORMAT:
                raise FileFormatError(f"{path} is no edge classifier of this package ({_FORMAT}).")
            record, tensors = json.loads(found["record"]), load_file(path)
            return cls._from_record(record, tensors)
        except FileFormatError:
            raise
        except (SafetensorError, OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
            raise FileFormatError(f"{path} cannot be read as an edge classifier: {error}") from error

    @classmethod
    def _from_record(cls, record: dict, tensors: dict[str, Tensor]) -> EdgeClassifier:
        settings = EdgeSettings(**record["settings"])
        state = {name[8:]: value for name, value in tensors.items() if name.startswith("network.")}
        states = tensors["states"]
        n_relations, n_classes = int(record["n_relations"]), int(record["n_classes"])
        network = EdgeNetwork(
            len(states),
            (2 if settings.inverse else 1) * n_relations,
            n_classes,
            settings=settings,
            features=state.get("graph.features"),
        )
        network.load_state_dict(state)
        training: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in record["training"].items()
        }
        return cls(network.eval(), states, n_relations, n_classes, settings, EdgeTraining(**training))


def train_edge_classifier(
    edges: np.ndarray | Tensor,
    relations: np.ndarray | Tensor,
    n_nodes: int,
    n_relations: int,
    train_pairs: np.ndarray | Tensor,
    train_labels: np.ndarray | Tensor,
    val_pairs: np.ndarray | Tensor,
    val_labels: np.ndarray | Tensor,
    *,
    settings: EdgeSettings | None = None,
    features: np.ndarray | Tensor | None = None,
    n_classes: int | None = None,
    answer_relations: Sequence[int] = (),
    seed: int = 0,
    device: torch.device | str = "cpu",
    on_epoch: Callable[[int, int, float], None] | None = None,
) -> EdgeClassifier:
    """Train an R-GCN with a pair classifier on a graph.

    Parameters
    ----------
    edges, relations : int, shapes (E, 2) and (E,)
        Head and tail of each edge, and its relation. Edges that state a label must not be in it.
    n_nodes, n_relations : int
    train_pairs, val_pairs : int, shape (n, 2)
        The first node and the second one, in an order that means something (drug, disease).
    train_labels, val_labels : int, shape (n,)
        Classes from 0. The validation pairs select the state that is kept, so test on other pairs.
    settings : EdgeSettings, optional
        Default: those of K-Paths.
    features : float, shape (n_nodes, F), optional
        Embeddings of the nodes, for example of their descriptions; default are learned ones.
    n_classes : int, optional
        Default: one more than the highest training label.
    answer_relations : sequence of int
        Relations that state the label: an edge of one that joins a given pair, in either direction, is refused.
    seed : int
        Of initial weights and dropout. On the CPU the same seed gives the same classifier, for the same
        number of threads.
    device : str or torch.device
    on_epoch : callable, optional
        Called with epochs done, epochs in all and the training loss.

    Raises
    ------
    InputError
        When pairs are both in training and validation, in either order; for shapes, labels, nodes or relations that
        do not fit; and for answers in the graph.
    """
    settings = EdgeSettings() if settings is None else settings
    check_seed(seed)
    train = (
        node_pairs("train_pairs", train_pairs, n_nodes),
        pair_labels("train_labels", train_labels, train_pairs),
    )
    n_classes = int(train[1].max()) + 1 if n_classes is None else n_classes
    held = node_pairs("val_pairs", val_pairs, n_nodes), pair_labels("val_labels", val_labels, val_pairs)
    for name, labels in (("train_labels", train[1]), ("val_labels", held[1])):
        if labels.min() < 0 or labels.max() >= n_classes:
            wrong = labels[(labels < 0) | (labels >= n_classes)][0]
            raise InputError(f"{name} must be 0 to {n_classes - 1}, got {wrong}.")
    check_disjoint_pairs(train[0], held[0], names=("train", "validation"))
    laid_out = relational_edges(
        edges, relations, n_nodes=n_nodes, n_relations=n_relations, inverse=settings.inverse, device=device
    )
    check_answer_edges(edges, relations, answer_relations, (("training", train[0]), ("validation", held[0])))
    given = None if features is None else torch.as_tensor(features)
    network = EdgeNetwork(
        n_nodes, laid_out.n_relations, n_classes, settings=settings, features=given, rng=seed
    ).to(device)
    training = fit_edge_scores(
        network,
        lambda pairs: network(laid_out, pairs),
        _to(train, device),
        _to(held, device),
        n_classes=n_classes,
        settings=settings,
        seed=seed,
        on_epoch=on_epoch,
    )
    with torch.no_grad():
        states = network.graph(laid_out).cpu()
    return EdgeClassifier(network.cpu(), states, n_relations, n_classes, settings, training)


def _to(data: tuple[np.ndarray, np.ndarray], device: torch.device | str) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(data[0]).to(device), torch.from_numpy(data[1]).to(device)
