"""The causal graph of a class: its edges with their tests, its nodes, its best paths, and files of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from torch import Tensor

from hodology.errors import FileFormatError, InputError
from hodology.files import atomic_path, read_json, write_json, write_text
from hodology.interpret.edge_sets import EdgeSet
from hodology.optional import require
from hodology.path import PathSet

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["COLUMNS", "CausalGraph", "CausalLayer"]

COLUMNS = (
    "layer",
    "source_layer",
    "branch",
    "source",
    "target",
    "estimate",
    "effect",
    "ci_low",
    "ci_high",
) + (*("p", "p_adjusted", "tested", "kept"),)
_FORMAT = {"format": "hodology-causal-graph", "version": 1}
PathMeasure = Literal["product", "minimum"]


@dataclass(frozen=True)
class CausalLayer:
    """One layer of a causal graph.

    Attributes
    ----------
    name, kind : str
        ``kind`` is ``"linear"``, ``"conv"``, ``"add"`` (two branches are summed) or ``"stream"``.
    units : int
    sources : tuple of str
        Where it reads: a layer's name or ``"input"``, one per input.
    source_units : tuple of int
        Units on each input.
    blocks : tuple of int
        Entries per unit on each input, where the entries of a flattened map are counted as units; else 1.
    candidates, tested, kept : int
        Edges into accepted units, those tested exactly, those accepted.
    rejected_cost : mapping or None
        What cutting all rejected candidates at once still costs: ``effect``, ``low``, ``high`` (evidence for the
        class) and ``accuracy`` (share of the class still recognised). Far from zero it says that edges stand in for
        one another, which single cuts cannot see.
    """

    name: str
    kind: str
    units: int
    sources: tuple[str, ...]
    source_units: tuple[int, ...]
    blocks: tuple[int, ...]
    candidates: int = 0
    tested: int = 0
    kept: int = 0
    rejected_cost: Mapping[str, float | None] | None = None


@dataclass(frozen=True, eq=False, repr=False)
class CausalGraph:
    """Edges whose cut lowers the evidence for one class, from input channels to the class.

    Attributes
    ----------
    target : int
    layers : tuple of CausalLayer
        In the order of the pass.
    edges : mapping of str to ndarray
        One entry per candidate edge: ``layer`` (the one it leads into), ``source_layer``, ``branch``, ``source``,
        ``target``, ``estimate`` (first order), ``effect`` (exact; NaN when not tested), ``ci_low``, ``ci_high``, ``p``,
        ``p_adjusted``, ``tested``, ``kept``.
    samples : int
    accuracy : float
        Share of the samples that the model gives to the class.
    settings : mapping
    reference : mapping of str to tuple of Tensor
        What stands on a cut edge, by layer; empty for zero. In a graph of transformer blocks by source.
    joint_cost : mapping or None
        What cutting the rejected candidates of all layers at once costs, as `CausalLayer.rejected_cost` has it for one
        layer; of transformer blocks only.
    """

    target: int
    layers: tuple[CausalLayer, ...]
    edges: Mapping[str, np.ndarray]
    samples: int
    accuracy: float
    settings: Mapping[str, Any]
    reference: Mapping[str, tuple[Tensor, ...]] = field(default_factory=dict)
    joint_cost: Mapping[str, float | None] | None = None

    def __repr__(self) -> str:
        kept, count = int(self.edges["kept"].sum()), len(self.edges["kept"])
        return f"CausalGraph(class {self.target}, {kept} of {count} edges in {len(self.layers)} layers)"

    def rows(self, *, kept: bool = True) -> Iterator[dict[str, Any]]:
        """Edges as plain values, the largest effect first; with ``kept=False`` all candidates."""
        order = np.argsort(-np.nan_to_num(self.edges["effect"], nan=-np.inf), kind="stable")
        for i in order:
            if self.edges["kept"][i] or not kept:
                yield {name: self.edges[name][i].item() for name in COLUMNS}

    def to_pandas(self) -> Any:
        """All candidate edges as a DataFrame (needs pandas, extra ``hf``)."""
        pandas = require("pandas", extra="hf", purpose="a table of edges as DataFrame")
        return pandas.DataFrame({name: self.edges[name] for name in COLUMNS})

    def edge_set(self, *layers: str, rejected: bool = False) -> EdgeSet:
        """The accepted edges of some layers (default: all) for `cut` and `keep_only`; or the rejected candidates."""
        masks = self.mask(rejected=rejected)
        found = EdgeSet(masks, {k: v for k, v in self.reference.items() if k in masks})
        return found.only(*layers) if layers else found

    def mask(self, *, rejected: bool = False) -> dict[str, np.ndarray]:
        """Accepted edges by layer, ``(units, sources)``, or ``(2, units)`` for a sum; or the rejected candidates.

        Edges of a residual stream are no weights and have no mask.
        """
        masks = {}
        wanted = self.edges["kept"] if not rejected else ~self.edges["kept"]
        for layer in self.layers:
            if layer.kind == "stream":
                continue
            here = wanted & (self.edges["layer"] == layer.name)
            source, target, branch = (self.edges[k][here] for k in ("source", "target", "branch"))
            if layer.kind == "add":
                mask = np.zeros((2, layer.units), dtype=bool)
                mask[branch, target] = True
            else:
                mask = np.zeros((layer.units, layer.source_units[0]), dtype=bool)
                mask[target, source] = True
            masks[layer.name] = mask
        return masks

    @cached_property
    def graph(self) -> nx.DiGraph:
        """The accepted edges: nodes ``LAYER#UNIT``, edges with ``effect``, ``ci_low``, ``ci_high``, ``p``, ``kind``."""
        from hodology.interpret.causal_drawing import to_networkx

        return to_networkx(self)

    @property
    def nodes(self) -> dict[str, float]:
        """Score of every node: the sum of the effects of its accepted out-edges (NaN for the class)."""
        return {name: data["score"] for name, data in self.graph.nodes(data=True)}

    def paths(self, k: int = 10, *, measure: PathMeasure = "product") -> PathSet:
        """The k best paths from an input channel, the embedding, or a unit below the searched layers, to the class.

        Parameters
        ----------
        k : int
        measure : {"product", "minimum"}
            Of the effects along the path, each over the largest of its layer.
        """
        from hodology.interpret.causal_drawing import best_paths

        return best_paths(self, k, measure)

    def explain(self, model: Any, images: Any, *, layer: str | None = None) -> Tensor:
        """Explanation maps: ReLU of the score-weighted sum of the accepted filters' maps.

        Parameters
        ----------
        model : nn.Module
            The one that the graph is of.
        images : Tensor or mapping of str to Tensor
        layer : str, optional
            A convolution or a sum of branches; default the last one with accepted filters.

        Returns
        -------
        Tensor, shape (batch, height, width)
            In the size of the images.

        Raises
        ------
        InputError
            For graphs of heads and blocks, which have no filters; and what `hodology.interpret.causal_maps` refuses.
        """
        if any(found.kind == "stream" for found in self.layers):
            raise InputError("heads and branches of a transformer are no filters with maps.")
        from hodology.interpret.causal_maps import causal_maps

        return causal_maps(self, model, images, layer=layer)

    def to_json(self, file: str | FilePath) -> None:
        """Write the graph; read back with `from_json`.

        References other than zero go to a ``.safetensors`` file of the same name beside it.
        """
        file = FilePath(file)
        layers = [vars(layer) for layer in self.layers]
        columns = {name: values.tolist() for name, values in self.edges.items()}
        head: dict[str, Any] = {"target": self.target, "samples": self.samples, "accuracy": self.accuracy}
        counts = {name: len(tensors) for name, tensors in self.reference.items()}
        head |= {"referenced": counts}
        head |= {} if self.joint_cost is None else {"joint_cost": self.joint_cost}
        if self.reference:
            from safetensors.torch import save_file

            tensors = {
                f"{name}|{i}": t.contiguous() for name, ts in self.reference.items() for i, t in enumerate(ts)
            }
            with atomic_path(file.with_suffix(".safetensors")) as temporary:
                save_file(tensors, temporary)
        write_json(file, {**_FORMAT, **head, "settings": self.settings, "layers": layers, "edges": columns})

    @classmethod
    def from_json(cls, file: str | FilePath) -> CausalGraph:
        """Read what `to_json` wrote.

        Raises
        ------
        FileFormatError
            When the file is something else or damaged.
        """
        record = read_json(file)
        if not isinstance(record, dict) or any(record.get(k) != v for k, v in _FORMAT.items()):
            raise FileFormatError(f"{file} holds no causal graph of version {_FORMAT['version']}.")
        try:
            layers = tuple(_layer(layer) for layer in record["layers"])
            edges = {name: _column(name, record["edges"][name]) for name in COLUMNS}
            _check_edges(layers, edges, int(record["target"]))
            reference = _read_reference(FilePath(file), record.get("referenced", {}))
            head = int(record["target"]), layers, edges, int(record["samples"]), float(record["accuracy"])
            joint = record.get("joint_cost")
            return cls(*head, dict(record["settings"]), reference, None if joint is None else dict(joint))
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
            raise FileFormatError(f"{file} is a damaged causal graph: {error}.") from error

    def to_csv(self, file: str | FilePath) -> None:
        """Write all candidate edges as comma-separated values."""
        import csv

        with atomic_path(file) as temporary, open(temporary, "w", newline="", encoding="utf-8") as handle:
            writer = csv.writer(handle)
            writer.writerow(COLUMNS)
            writer.writerows([row[name] for name in COLUMNS] for row in self.rows(kept=False))

    def to_graphml(self, file: str | FilePath) -> None:
        """Write the graph of accepted edges as GraphML."""
        import networkx

        with atomic_path(file) as temporary:
            networkx.write_graphml(self.graph, temporary)

    def to_dot(self, file: str | FilePath) -> None:
        """Write the graph of accepted edges in Graphviz's language, layers as ranks."""
        from hodology.interpret.causal_drawing import to_dot

        write_text(file, to_dot(self))


def _read_reference(file: FilePath, counts: Mapping[str, int]) -> dict[str, tuple[Tensor, ...]]:
    """References of a graph from the file beside it."""
    if not counts:
        return {}
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    beside = file.with_suffix(".safetensors")
    try:
        tensors = load_file(beside)
        return {name: tuple(tensors[f"{name}|{i}"] for i in range(n)) for name, n in counts.items()}
    except (OSError, SafetensorError, KeyError) as error:
        raise FileFormatError(f"{beside} with the graph's references cannot be read: {error}.") from error


def _check_edges(layers: tuple[CausalLayer, ...], edges: Mapping[str, np.ndarray], target: int) -> None:
    """Refuse columns of different length, and a class and edges that the layers do not have."""
    if not layers or not 0 <= target < layers[-1].units:
        raise ValueError(f"class {target} is not of its layers")
    if len({len(values) for values in edges.values()}) != 1:
        raise ValueError("columns of different length")
    left = np.ones(len(edges["layer"]), dtype=bool)
    for layer in layers:
        here = edges["layer"] == layer.name
        for branch, (source, units) in enumerate(zip(layer.sources, layer.source_units, strict=True)):
            mine = here & (edges["branch"] == branch) & (edges["source_layer"] == source)
            known = (edges["source"] >= 0) & (edges["source"] < units)
            known &= (edges["target"] >= 0) & (edges["target"] < layer.units)
            left &= ~(mine & known)
    if left.any():
        raise ValueError(f"edge {int(np.argmax(left))} is not of its layers")


def _column(name: str, values: list[Any]) -> np.ndarray:
    if name in ("layer", "source_layer"):
        return np.array(values, dtype=object).astype(str)
    if name in ("tested", "kept"):
        if not all(isinstance(value, bool) for value in values):
            raise ValueError(f"column {name} is not of truth values")
        return np.array(values, dtype=bool)
    if name in ("branch", "source", "target"):
        return np.array(values, dtype=np.int64)
    return np.array([np.nan if v is None else v for v in values], dtype=np.float64)


def _layer(record: dict[str, Any]) -> CausalLayer:
    tuples: dict[str, Any] = {name: tuple(record[name]) for name in ("sources", "source_units", "blocks")}
    return CausalLayer(**{**record, **tuples})
