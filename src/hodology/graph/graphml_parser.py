"""A streaming parser of GraphML: nodes, edges and their data, one element at a time.

Document types and entities are refused, so that no small file can unpack to a large one.

Reference: Brandes, Eiglsperger, Herman, Himsolt and Marshall, "GraphML progress report", Graph Drawing 2001.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.parsers import expat

from hodology.errors import FileFormatError, HodologyError
from hodology.graph.text_blocks import MAX_BYTES, byte_chunks

__all__ = ["GraphmlContent", "GraphmlElements", "parse_graphml"]

_DEEPEST = 200
_LONGEST = 2**20  # characters of one value
_DRAWN = "\0label"  # no attribute can have this name
_TYPES: dict[str, Callable[[str], Any]] = {
    "boolean": lambda text: {"true": True, "1": True, "false": False, "0": False}[text.strip().lower()],
    "int": int,
    "integer": int,
    "long": int,
    "float": float,
    "double": float,
    "string": str,
}


@dataclass
class GraphmlElements:
    """Nodes or edges with their data.

    Attributes
    ----------
    lines : list of int
        Where each stands in the file.
    data : dict of str to dict of int to value
        For each attribute, the values of the elements that have one.
    defaults : dict of str to value
    """

    lines: list[int] = field(default_factory=list)
    data: dict[str, dict[int, Any]] = field(default_factory=dict)
    defaults: dict[str, Any] = field(default_factory=dict)

    def column(self, name: str) -> list[Any]:
        """Value of every element: its own, else the default, else None."""
        values, default = self.data.get(name, {}), self.defaults.get(name)
        return [values.get(place, default) for place in range(len(self.lines))]

    @property
    def names(self) -> list[str]:
        """All attributes."""
        return list(dict.fromkeys([*self.data, *self.defaults]))


@dataclass
class GraphmlContent:
    """What a GraphML file holds.

    Attributes
    ----------
    ids : dict of str to int
        Nodes in the order of the file.
    ends : list of (str, str)
        Source and target of every edge.
    directed : set of bool
        What the edges say of themselves, or the graph when there are none.
    nodes, edges : GraphmlElements
    """

    ids: dict[str, int] = field(default_factory=dict)
    ends: list[tuple[str, str]] = field(default_factory=list)
    directed: set[bool] = field(default_factory=set)
    nodes: GraphmlElements = field(default_factory=GraphmlElements)
    edges: GraphmlElements = field(default_factory=GraphmlElements)


def parse_graphml(file: str | Path, *, max_bytes: int = MAX_BYTES) -> GraphmlContent:
    """Parse a GraphML file, plain or gzip.

    Raises
    ------
    FileFormatError
        For text that is no XML, a document type, a hyperedge, a node that comes twice, a value that is not of its
        type, and more than one graph; names file and line.
    """
    handler = _Handler(file)
    parser = handler.parser
    try:
        for chunk in byte_chunks(file, max_bytes=max_bytes):
            parser.Parse(chunk, False)
        parser.Parse(b"", True)
    except HodologyError:
        raise
    except (expat.ExpatError, ValueError, LookupError) as error:
        message = expat.ErrorString(error.code) if isinstance(error, expat.ExpatError) else str(error)
        raise FileFormatError(
            f"{file}, line {parser.CurrentLineNumber}: no valid XML ({message})."
        ) from error
    if handler.graphs == 0:
        raise FileFormatError(f"{file} is no GraphML: it has no element 'graph'.")
    for elements in (handler.content.nodes, handler.content.edges):
        if _DRAWN in elements.data:
            elements.data["drawn label" if "label" in elements.names else "label"] = elements.data.pop(_DRAWN)
    if not handler.content.directed:
        handler.content.directed.add(handler.edge_default)
    return handler.content


@dataclass(frozen=True)
class _Key:
    name: str
    target: str  # node, edge, all
    parse: Callable[[str], Any]
    text_element: str | None  # inside which the value stands (labels of yEd)


class _Handler:
    """Called by the XML parser for each start, end and text."""

    def __init__(self, file: str | Path) -> None:
        self.file = file
        self.content = GraphmlContent()
        self.graphs = 0
        self.edge_default = True  # of the whole graph
        self._edge_defaults: list[bool] = []  # of the graphs that are open, one in another
        self._in_default = False
        self._keys: dict[str, _Key] = {}
        self._open: list[str] = []
        self._owners: list[tuple[GraphmlElements, int] | None] = []
        self._key: _Key | None = None
        self._key_depth = 0
        self._text: list[str] | None = None
        self._length = 0
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self.parser.StartDoctypeDeclHandler = self._doctype

    def _fail(self, message: str) -> FileFormatError:
        return FileFormatError(f"{self.file}, line {self.parser.CurrentLineNumber}: {message}")

    def _doctype(self, *_: object) -> None:
        raise self._fail("a document type (DTD) is not accepted.")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition(" ")[2]
        if not self._open and name != "graphml":
            raise self._fail(f"no GraphML: the first element is {name!r}.")
        self._open.append(name)
        if len(self._open) > _DEEPEST:
            raise self._fail(f"elements stand more than {_DEEPEST} deep in each other.")
        if self._key is not None:
            if name == self._key.text_element and not self._in_default:
                self._text, self._length = [], 0
        elif name in _STARTS:
            _STARTS[name](self, attributes)

    def _end(self, tag: str) -> None:
        name = self._open.pop()
        if self._key is not None:
            at_end = len(self._open) < self._key_depth
            if self._text is not None and (at_end or name == self._key.text_element):
                self._store(self._key, "".join(self._text))
                self._text = None
            if at_end:
                self._key = None
        elif name in ("node", "edge", "graph", "port"):
            self._owners.pop()
            if name == "graph":
                self._edge_defaults.pop()

    def _characters(self, text: str) -> None:
        if self._text is not None:
            self._length += len(text)
            if self._length > _LONGEST:
                raise self._fail(f"a value is longer than {_LONGEST:,} characters.")
            self._text.append(text)

    def _store(self, key: _Key, text: str) -> None:
        """Keep a value with its node or edge; a default with its key; data of the graph are left out."""
        if self._in_default:
            value = self._parsed(key, text)
            for elements, target in ((self.content.nodes, "node"), (self.content.edges, "edge")):
                if key.target in (target, "all"):
                    elements.defaults[key.name] = value
            return
        owner = self._owners[-1] if self._owners else None
        if owner is None:
            return
        elements, place = owner
        values = elements.data.setdefault(key.name, {})
        if key.text_element is not None:
            values.setdefault(place, text.strip())  # the first label of several
        elif place in values:
            raise self._fail(f"attribute {key.name!r} comes twice.")
        else:
            values[place] = self._parsed(key, text)

    def _parsed(self, key: _Key, text: str) -> Any:
        try:
            if "_" in text and key.parse is not str:
                raise ValueError
            return key.parse(text)
        except (ValueError, KeyError):
            raise self._fail(f"{text[:80]!r} is not of the type of attribute {key.name!r}.") from None

    def _begin(self, key: _Key, *, in_default: bool) -> None:
        """Values stand in the element itself, or in one inside it (labels of yEd)."""
        self._key, self._key_depth, self._in_default = key, len(self._open), in_default
        self._text, self._length = (None if key.text_element else []), 0

    # -- starts of elements -------------------------------------------------------------------------------------------

    def _start_key(self, attributes: dict[str, str]) -> None:
        identity = attributes.get("id")
        if identity is None or identity in self._keys:
            raise self._fail("a key has no id, or one that another has.")
        kind = attributes.get("attr.type", "string")
        if kind not in _TYPES:
            raise self._fail(f"attribute type {kind!r} is not known; types are {', '.join(_TYPES)}.")
        graphics = {"nodegraphics": "NodeLabel", "edgegraphics": "EdgeLabel"}
        inside = graphics.get(attributes.get("yfiles.type", ""))
        name = (
            _DRAWN if inside else attributes.get("attr.name", identity)
        )  # networkx: one name, a key for each type
        self._last_key = self._keys[identity] = _Key(name, attributes.get("for", "all"), _TYPES[kind], inside)

    def _start_default(self, _: dict[str, str]) -> None:
        if len(self._open) >= 2 and self._open[-2] == "key":
            self._begin(self._last_key, in_default=True)

    def _start_graph(self, attributes: dict[str, str]) -> None:
        default = attributes.get("edgedefault", "directed")
        if default not in ("directed", "undirected"):
            raise self._fail(f"edgedefault must be directed or undirected, got {default!r}.")
        self.graphs += len(self._open) == 2
        if self.graphs > 1:
            raise self._fail("more than one graph.")
        if not self._edge_defaults:
            self.edge_default = default == "directed"
        self._edge_defaults.append(default == "directed")
        self._owners.append(None)

    def _start_node(self, attributes: dict[str, str]) -> None:
        identity = attributes.get("id")
        if not identity:
            raise self._fail("a node has no id.")
        if identity in self.content.ids:
            raise self._fail(f"node {identity!r} comes twice.")
        place = self.content.ids[identity] = len(self.content.ids)
        self.content.nodes.lines.append(self.parser.CurrentLineNumber)
        self._owners.append((self.content.nodes, place))

    def _start_edge(self, attributes: dict[str, str]) -> None:
        source, target = attributes.get("source"), attributes.get("target")
        if not source or not target:
            raise self._fail("an edge has no source or no target.")
        said = attributes.get("directed")
        if said not in (None, "true", "false"):
            raise self._fail(f"directed must be true or false, got {said!r}.")
        if not self._edge_defaults:
            raise self._fail("an edge outside a graph.")
        self.content.directed.add(self._edge_defaults[-1] if said is None else said == "true")
        self._owners.append((self.content.edges, len(self.content.ends)))
        self.content.ends.append((source, target))
        self.content.edges.lines.append(self.parser.CurrentLineNumber)

    def _start_data(self, attributes: dict[str, str]) -> None:
        key = self._keys.get(attributes.get("key", ""))
        if key is None:
            raise self._fail(f"data of a key {attributes.get('key')!r} that is not declared.")
        self._begin(key, in_default=False)

    def _start_port(self, _: dict[str, str]) -> None:
        self._owners.append(None)

    def _start_hyperedge(self, _: dict[str, str]) -> None:
        raise self._fail("hyperedges are not supported.")


_STARTS: dict[str, Callable[[_Handler, dict[str, str]], None]] = {
    "key": _Handler._start_key,
    "default": _Handler._start_default,
    "graph": _Handler._start_graph,
    "node": _Handler._start_node,
    "edge": _Handler._start_edge,
    "data": _Handler._start_data,
    "port": _Handler._start_port,
    "hyperedge": _Handler._start_hyperedge,
}
