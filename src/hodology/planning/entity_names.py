"""Find an entity by its id, the id without its kind, or its title; say what was probably meant.

Biomedical ids carry their kind (``Compound::DB00843``), people write ``DB00843`` or ``Donepezil``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from hodology.errors import InputError, UnknownNameError
from hodology.graph.multigraph import MultiGraph

__all__ = ["EntityNames"]

_SEVERAL = -1


class EntityNames:
    """Look-up of the entities of one graph; its tables are made at the first name that is no id.

    Parameters
    ----------
    graph : MultiGraph
    titles : sequence of str, one per node
    """

    def __init__(self, graph: MultiGraph, titles: Sequence[str]) -> None:
        self._graph = graph
        self._titles = titles
        self._loose: dict[str, int] | None = None

    def find(self, name: str | int) -> int:
        """Node of an entity; see `KnowledgeGraph.entity`."""
        if not isinstance(name, str):
            return self._graph.node(name)
        if self._graph.has_node(name):
            return self._graph.node(name)
        node = self._others().get(name)
        if node is None:
            raise UnknownNameError(f"entity {name!r} is not in the graph{self._meant(name)}")
        if node == _SEVERAL:
            raise InputError(f"several entities are called {name!r}: {self._called(name)}; give an id.")
        return node

    def has(self, name: str) -> bool:
        """Whether one entity, or several, go by this name."""
        return self._graph.has_node(name) or name in self._others()

    def _others(self) -> dict[str, int]:
        if self._loose is None:
            self._loose = self._index()
        return self._loose

    def _index(self) -> dict[str, int]:
        """Short ids and titles; one that several entities share leads nowhere."""
        found: dict[str, int] = {}
        for node, names in enumerate(zip(self._short(), self._titles, strict=True)):
            for name in set(names):
                found[name] = node if found.get(name, node) == node else _SEVERAL
        return found

    def _short(self) -> Iterable[str]:
        return (name.rpartition("::")[2] for name in self._graph.names or ())

    def _called(self, name: str) -> str:
        pairs = zip(self._short(), self._titles, strict=True)
        nodes = [node for node, names in enumerate(pairs) if name in names]
        more = f" and {len(nodes) - 3} more" if len(nodes) > 3 else ""
        return ", ".join(self._graph.name(node) for node in nodes[:3]) + more

    def _meant(self, name: str) -> str:
        close = difflib.get_close_matches(name, list(self._others()), n=1, cutoff=0.6)
        close = close or difflib.get_close_matches(name, self._graph.names or (), n=1, cutoff=0.6)
        return f" (did you mean {close[0]}?)" if close else "."
