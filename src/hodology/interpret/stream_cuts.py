"""Cutting edges between whole branches of the residual stream in every forward pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from hodology.errors import InputError
from hodology.interpret.causal_result import CausalGraph
from hodology.interpret.path_decomposition import as_stream
from hodology.nn.forward import Inputs
from hodology.nn.residual import ResidualStream

__all__ = ["cut_stream", "cutting", "place_of"]


@contextmanager
def cut_stream(
    model: nn.Module | ResidualStream,
    graph: CausalGraph,
    *,
    keep: bool = False,
    example: Inputs | None = None,
) -> Iterator[None]:
    """Cut the accepted edges of a graph of ``unit="block"`` in every forward pass of the block.

    Parameters
    ----------
    model : nn.Module or ResidualStream
        The one that the graph is of; left without hooks, also after an exception.
    graph : CausalGraph
        Of `hodology.interpret.causal_stream_graph` with ``unit="block"``. Cut edges carry nothing, or the graph's means.
    keep : bool
        Cut all other edges instead, also those into branches that the graph does not hold: only its edges are left.
    example : Tensor or mapping of Tensors, optional
        Inputs to find the stream of a bare module with; a `ResidualStream` has seen some.

    Raises
    ------
    InputError
        For graphs of heads (each head of a branch would need a pass of its own), of weights or of another model; and
        in a pass, for another number of tokens than the means have.

    Examples
    --------
    >>> import torch
    >>> from hodology.interpret.causal_stream import causal_stream_graph
    >>> from hodology.nn.models import VisionTransformer
    >>> model = VisionTransformer(image_size=8, patch_size=4, depth=1, width=16, heads=2, hidden=8, classes=3).eval()
    >>> stream = ResidualStream(model, torch.rand(12, 1, 8, 8, generator=torch.Generator().manual_seed(0)))
    >>> x = torch.rand(12, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    >>> graph = causal_stream_graph(stream, x, int(model(x).argmax(dim=1).mode().values), unit="block")
    >>> with cut_stream(stream, graph):
    ...     scores = model(x)
    """
    if not isinstance(model, ResidualStream) and example is None:
        raise InputError("example must be inputs of the model, to find its stream; or give a ResidualStream.")
    stream = model if isinstance(model, ResidualStream) else as_stream(model, example)  # type: ignore[arg-type]
    if isinstance(model, nn.Module) and stream.model is not model:
        raise InputError(
            "the model is in half precision; call .float() on it to cut edges in its own passes."
        )
    unit = graph.settings.get("unit")
    if unit != "block":
        why = (
            " every head of a branch would read another stream, in a pass of its own"
            if unit == "head"
            else ""
        )
        raise InputError(f"the graph must be of unit 'block', got {unit!r}{':' if why else ''}{why}.")
    names = (*stream.names[1:], "class")
    if tuple(layer.name for layer in graph.layers) != names:
        raise InputError(
            f"the graph is of another model: it has {len(graph.layers)} layers, the stream {len(names)}."
        )
    accepted: dict[int, set[int]] = {receiver: set() for receiver in range(1, len(stream) + 1)}
    kept = graph.edges["kept"]
    for layer, component in zip(graph.edges["layer"][kept], graph.edges["branch"][kept]):
        accepted[names.index(layer) + 1].add(int(component))
    gone = {r: set(range(r)) - found for r, found in accepted.items()} if keep else accepted
    means = {
        component: graph.reference[place_of(stream, component)][0][0]
        for component in range(len(stream))
        if graph.reference
    }
    with cutting(stream, gone, means or None):
        yield


@contextmanager
def cutting(
    stream: ResidualStream, gone: Mapping[int, set[int]], means: Mapping[int, Tensor] | None = None
) -> Iterator[None]:
    """Let every pass in the block run without edges from components `gone` into receivers, its keys.

    Receiver r is the branch that writes component r, or the class for the number of components. What is cut is what
    the component writes in the current pass. A reading is the sum of the components that are left, which leaves no
    rounding where all are cut.
    """
    points: list[Tensor] = []
    written: list[Tensor] = []

    def visit(point: int, value: Tensor) -> Tensor:
        del points[point:], written[point:]
        points.append(value.clone())  # a view would change where the model adds in place
        written.append(points[-1] - points[-2] if point else points[-1])
        cut = gone.get(point + 1)
        if not cut:
            return value
        total = torch.zeros_like(points[-1])
        for component, own in enumerate(written):
            if component not in cut:
                total = total + own
            elif means is not None:
                total = total + _fitting(means[component].to(own), own)
        return total

    with stream.visiting(visit, repeated=True):
        yield


def place_of(stream: ResidualStream, component: int) -> str:
    """Name of a component as the source of edges: ``"input"`` for the embedding."""
    return "input" if component == 0 else stream.names[component]


def _fitting(mean: Tensor, value: Tensor) -> Tensor:
    if mean.shape[0] != value.shape[1]:
        raise InputError(
            f"the means of the graph are of {mean.shape[0]} tokens, the pass has {value.shape[1]}; use reference='zero' for "
            "inputs of other lengths."
        )
    return mean
