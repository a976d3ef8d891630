"""The view of paths between two entities of a knowledge graph: what the page shows, as plain values, and its check.

Keys: ``format`` (1), ``title``, ``version``, ``generated`` (optional), ``graph`` (name; nodes, edges, relations and
kinds are counts), ``query`` (source and target are ids of nodes; k, max_length, diverse, tie_break, hide), ``nodes``
(id, title, kind, degree), those on the paths and always the source and the target; ``paths`` (rank, kind "path" or
"neighbour", length, nodes, relations, forward, sentence, same), the best first; ``relations`` (name, title, count in
the whole graph), those on the paths; ``hidden`` (head, relation, tail, why), the edges that were taken out because
they would state the answer; ``kinds``, all names in the order of their colours; ``notes``, ``files`` (optional:
names beside the page) and ``reason`` (optional: why there is no path, a sentence).

A path of kind "path" leads from the source to the target and meets no node twice. One of kind "neighbour" is a
single edge of one of the two, shown where no path was found. ``forward`` is false where an edge is walked against
its direction; ``same`` tells how many paths of the query have this run of relations, or is None.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hodology.errors import InputError
from hodology.report.view_checks import need, need_count, need_head, need_list, need_text

__all__ = ["PATH_KINDS", "check_kg_view"]

PATH_KINDS = ("path", "neighbour")
_KEYS = (
    *("format", "title", "version", "graph", "query", "nodes", "paths", "relations", "hidden", "kinds"),
    "notes",
)
_QUERY_KEYS = ("source", "target", "k", "max_length", "diverse", "tie_break", "hide")
_PATH_KEYS = ("rank", "kind", "length", "nodes", "relations", "forward", "sentence", "same")


def check_kg_view(view: Mapping[str, Any]) -> None:
    """Refuse what the page could not show: steps that are none, ids of no node, kinds without a colour.

    Raises
    ------
    InputError
        Names the place in the view and what stands there.
    """
    if isinstance(view, Mapping):
        need(view, _KEYS, "view")
        need_head({"settings": {}, "files": [], **view}, _KEYS)
    else:
        need_head(view, _KEYS)
    need(view["graph"], ("name", "nodes", "edges", "relations", "kinds"), "view.graph")
    need_text(view["graph"]["name"], "view.graph.name")
    for key in ("nodes", "edges", "relations", "kinds"):
        need_count(view["graph"][key], f"view.graph.{key}")
    kinds = _check_kinds(need_list(view["kinds"], "view.kinds"))
    nodes = _check_nodes(need_list(view["nodes"], "view.nodes"), kinds)
    _check_query(view["query"], nodes)
    relations = _check_relations(need_list(view["relations"], "view.relations"))
    _check_paths(need_list(view["paths"], "view.paths"), nodes, relations, view["query"])
    for index, edge in enumerate(need_list(view["hidden"], "view.hidden")):
        place = f"view.hidden[{index}]"
        need(edge, ("head", "relation", "tail", "why"), place)
        for key in ("head", "relation", "tail", "why"):
            need_text(edge[key], f"{place}.{key}")


def _check_kinds(kinds: Sequence[Any]) -> set[str]:
    for index, kind in enumerate(kinds):
        need_text(kind, f"view.kinds[{index}]")
        if kind in kinds[:index]:
            raise InputError(f"view.kinds[{index}] must be its own, {kind!r} stands there before.")
    return set(kinds)


def _check_nodes(nodes: Sequence[Any], kinds: set[str]) -> set[str]:
    """The ids of the nodes."""
    ids: set[str] = set()
    for index, node in enumerate(nodes):
        place = f"view.nodes[{index}]"
        need(node, ("id", "title", "kind", "degree"), place)
        for key in ("id", "title", "kind"):
            need_text(node[key], f"{place}.{key}")
        need_count(node["degree"], f"{place}.degree")
        if node["kind"] not in kinds:
            raise InputError(f"{place}.kind must be one of view.kinds, got {node['kind']!r:.60}.")
        if node["id"] in ids:
            raise InputError(f"{place}.id must be its own, {node['id']!r} stands there before.")
        ids.add(node["id"])
    return ids


def _check_query(query: Any, nodes: set[str]) -> None:
    need(query, _QUERY_KEYS, "view.query")
    for key in ("source", "target"):
        _need_node(query[key], f"view.query.{key}", nodes)
    if query["source"] == query["target"]:
        raise InputError(f"view.query.target must be another node than the source, got {query['target']!r}.")
    for key in ("k", "max_length"):
        need_count(query[key], f"view.query.{key}")
        if query[key] < 1:
            raise InputError(f"view.query.{key} must be at least 1, got {query[key]}.")
    if not isinstance(query["diverse"], bool):
        raise InputError(f"view.query.diverse must be true or false, got {query['diverse']!r:.60}.")
    for key in ("tie_break", "hide"):
        need_text(query[key], f"view.query.{key}")


def _check_relations(relations: Sequence[Any]) -> set[str]:
    """The names of the relations."""
    names: set[str] = set()
    for index, relation in enumerate(relations):
        place = f"view.relations[{index}]"
        need(relation, ("name", "title", "count"), place)
        for key in ("name", "title"):
            need_text(relation[key], f"{place}.{key}")
        need_count(relation["count"], f"{place}.count")
        if relation["name"] in names:
            raise InputError(f"{place}.name must be its own, {relation['name']!r} stands there before.")
        names.add(relation["name"])
    return names


def _check_paths(
    paths: Sequence[Any], nodes: set[str], relations: set[str], query: Mapping[str, Any]
) -> None:
    ranks: set[int] = set()
    for index, path in enumerate(paths):
        place = f"view.paths[{index}]"
        need(path, _PATH_KEYS, place)
        need_count(path["rank"], f"{place}.rank")
        if path["rank"] in ranks:
            raise InputError(f"{place}.rank must be its own, {path['rank']} stands there before.")
        ranks.add(path["rank"])
        if path["kind"] not in PATH_KINDS:
            raise InputError(
                f"{place}.kind must be one of {', '.join(PATH_KINDS)}, got {path['kind']!r:.60}."
            )
        need_text(path["sentence"], f"{place}.sentence")
        if path["same"] is not None:
            need_count(path["same"], f"{place}.same")
        _check_steps(path, place, relations)
        for at, node in enumerate(path["nodes"]):
            _need_node(node, f"{place}.nodes[{at}]", nodes)
        _check_ends(path, place, query)


def _check_steps(path: Mapping[str, Any], place: str, relations: set[str]) -> None:
    """As many steps as the length says, each with a relation and a direction."""
    need_count(path["length"], f"{place}.length")
    wanted = {"nodes": path["length"] + 1, "relations": path["length"], "forward": path["length"]}
    for key, count in wanted.items():
        if len(need_list(path[key], f"{place}.{key}")) != count:
            raise InputError(
                f"{place}.{key} must have {count} entries for its length {path['length']}, got {len(path[key])}."
            )
    for at, (name, forward) in enumerate(zip(path["relations"], path["forward"], strict=True)):
        if not isinstance(name, str) or name not in relations:
            raise InputError(f"{place}.relations[{at}] must be the name of a relation, got {name!r:.60}.")
        if not isinstance(forward, bool):
            raise InputError(f"{place}.forward[{at}] must be true or false, got {forward!r:.60}.")


def _check_ends(path: Mapping[str, Any], place: str, query: Mapping[str, Any]) -> None:
    steps, ends = path["nodes"], (query["source"], query["target"])
    if path["kind"] == "neighbour":
        if len(steps) != 2 or set(steps).isdisjoint(ends):
            raise InputError(f"{place} is a neighbour: it must be one edge of {ends[0]!r} or {ends[1]!r}.")
    elif (steps[0], steps[-1]) != ends:
        raise InputError(
            f"{place} must lead from {ends[0]!r} to {ends[1]!r}, got {steps[0]!r} to {steps[-1]!r}."
        )
    if len(set(steps)) < len(steps):
        raise InputError(f"{place}.nodes must hold no node twice, got {', '.join(map(repr, steps)):.200}.")


def _need_node(value: Any, place: str, nodes: set[str]) -> None:
    """Refuse what is no id of a node."""
    if not isinstance(value, str) or value not in nodes:
        raise InputError(f"{place} must be the id of a node, got {value!r:.60}.")
