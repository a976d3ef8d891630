"""The view of a causal graph: what its page draws, as plain values, and the check that it is one.

Keys: ``format`` (1), ``title``, ``version``, ``generated`` (optional), ``model`` (name, parameters, accuracy),
``data`` (name, n, shown), ``target`` (id, name), ``settings``, ``layers`` (name, label, units, candidates, tested,
kept, rejected_cost), from the input, which has no candidates, to the output; ``nodes`` (id, layer, unit, score),
``edges`` (source, target, effect, low, high, p, kind), each from a lower layer to a higher one, those of kind "part"
(a unit and a part of it) without a test and an effect; ``paths`` (nodes, score), the best first, along edges;
``effect_unit``, ``cost_unit`` (optional: what rejected_cost is counted in), ``table`` (columns and one row of
intervals per method, as in `hodology.report.view`), ``maps`` (id, image, heat, score, note; a heat picture is the
brighter the more the kept units answer), ``notes`` and ``files``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hodology.errors import InputError
from hodology.report.view_checks import need, need_count, need_head, need_list, need_number, need_text

__all__ = ["KINDS", "check_causal_view"]

KINDS = ("weight", "skip", "part", "stream")
_KEYS = (
    *("title", "version", "model", "data", "target", "settings", "layers", "nodes", "edges", "paths"),
    *("effect_unit", "table", "maps", "notes", "files"),
)
_LAYER_KEYS = ("name", "label", "units", "candidates", "tested", "kept", "rejected_cost")
_EDGE_KEYS = ("source", "target", "effect", "low", "high", "p", "kind")
_MAP_KEYS = ("id", "image", "heat", "score", "note")


def check_causal_view(view: Mapping[str, Any]) -> None:
    """Refuse what the page could not draw, or what would make it ask another host.

    Raises
    ------
    InputError
        Names the place in the view and what stands there.
    """
    need_head(view, _KEYS)
    need(view["model"], ("name", "parameters", "accuracy"), "view.model")
    need_count(view["model"]["parameters"], "view.model.parameters")
    if view["model"]["accuracy"] is not None:
        need_number(view["model"]["accuracy"], "view.model.accuracy", low=0.0, high=1.0)
    need(view["data"], ("name", "n", "shown"), "view.data")
    for key in ("n", "shown"):
        need_count(view["data"][key], f"view.data.{key}")
    need(view["target"], ("id", "name"), "view.target")
    need_text(view["effect_unit"], "view.effect_unit")
    _check_layers(need_list(view["layers"], "view.layers"))
    layers = _check_nodes(need_list(view["nodes"], "view.nodes"), len(view["layers"]))
    joined = _check_edges(need_list(view["edges"], "view.edges"), layers)
    _check_paths(need_list(view["paths"], "view.paths"), joined)
    _check_table(view["table"])
    _check_maps(need_list(view["maps"], "view.maps"))


def _check_layers(layers: Sequence[Any]) -> None:
    if len(layers) < 2:
        raise InputError(f"view.layers must reach from the input to the output, got {len(layers)} layers.")
    for index, layer in enumerate(layers):
        place = f"view.layers[{index}]"
        need(layer, _LAYER_KEYS, place)
        for key in ("name", "label"):
            need_text(layer[key], f"{place}.{key}")
        for key in ("units", "candidates", "tested", "kept"):
            need_count(layer[key], f"{place}.{key}")
        if not layer["kept"] <= layer["tested"] <= layer["candidates"]:
            raise InputError(
                f"{place} must have kept <= tested <= candidates, got {layer['kept']}, {layer['tested']}, "
                f"{layer['candidates']}."
            )
        cost = layer["rejected_cost"]
        if cost is not None:
            need(cost, ("estimate", "low", "high", "n"), f"{place}.rejected_cost")
            _check_interval(cost["estimate"], cost, f"{place}.rejected_cost", "estimate")
    if layers[0]["candidates"]:
        raise InputError(
            "view.layers[0] is the input, into which no edge leads: candidates must be 0, "
            f"got {layers[0]['candidates']}."
        )


def _check_nodes(nodes: Sequence[Any], depth: int) -> dict[str, int]:
    """The layer of every node."""
    layers: dict[str, int] = {}
    for index, node in enumerate(nodes):
        place = f"view.nodes[{index}]"
        need(node, ("id", "layer", "unit", "score"), place)
        need_text(node["id"], f"{place}.id")
        need_text(node["unit"], f"{place}.unit")
        need_count(node["layer"], f"{place}.layer")
        if node["layer"] >= depth:
            raise InputError(f"{place}.layer must be below {depth}, got {node['layer']}.")
        if node["score"] is not None:
            need_number(node["score"], f"{place}.score")
        if node["id"] in layers:
            raise InputError(f"{place}.id must be its own, {node['id']!r} stands there before.")
        layers[node["id"]] = node["layer"]
    return layers


def _check_edges(edges: Sequence[Any], layers: Mapping[str, int]) -> set[tuple[str, str]]:
    """The pairs of nodes that an edge joins."""
    seen: set[tuple[str, str, str]] = set()
    for index, edge in enumerate(edges):
        place = f"view.edges[{index}]"
        need(edge, _EDGE_KEYS, place)
        for key in ("source", "target"):
            if edge[key] not in layers:
                raise InputError(f"{place}.{key} must be the id of a node, got {edge[key]!r:.60}.")
        if layers[edge["source"]] >= layers[edge["target"]]:
            raise InputError(
                f"{place} must lead to a higher layer, got layer {layers[edge['source']]} to "
                f"{layers[edge['target']]}."
            )
        if edge["kind"] not in KINDS:
            raise InputError(f"{place}.kind must be one of {', '.join(KINDS)}, got {edge['kind']!r:.60}.")
        _check_interval(edge["effect"], edge, place, "effect")
        if edge["p"] is not None:
            need_number(edge["p"], f"{place}.p", low=0.0, high=1.0)
        ends = (edge["source"], edge["target"], edge["kind"])
        if ends in seen:
            raise InputError(
                f"{place} must be its own, {ends[0]} -> {ends[1]} ({ends[2]}) stands there before."
            )
        seen.add(ends)
    return {(source, target) for source, target, _ in seen}


def _check_interval(value: Any, part: Mapping[str, Any], place: str, name: str) -> None:
    need_number(value, f"{place}.{name}")
    for key in ("low", "high"):
        if part[key] is not None:
            need_number(part[key], f"{place}.{key}")
    if part["low"] is not None and part["high"] is not None and part["low"] > part["high"]:
        raise InputError(f"{place} must have low <= high, got {part['low']} and {part['high']}.")


def _check_paths(paths: Sequence[Any], joined: set[tuple[str, str]]) -> None:
    for index, path in enumerate(paths):
        place = f"view.paths[{index}]"
        need(path, ("nodes", "score"), place)
        need_number(path["score"], f"{place}.score")
        steps = need_list(path["nodes"], f"{place}.nodes")
        if len(steps) < 2:
            raise InputError(f"{place}.nodes must hold at least 2 nodes, got {len(steps)}.")
        for step in zip(steps, steps[1:]):
            if step not in joined:
                raise InputError(f"{place} steps from {step[0]!r} to {step[1]!r}, which no edge joins.")


def _check_table(table: Any) -> None:
    need(table, ("columns", "rows"), "view.table")
    columns = need_list(table["columns"], "view.table.columns")
    for index, column in enumerate(columns):
        need(column, ("key", "label", "percent"), f"view.table.columns[{index}]")
    for index, row in enumerate(need_list(table["rows"], "view.table.rows")):
        need(row, ("label",), f"view.table.rows[{index}]")
        for key in (column["key"] for column in columns):
            place, cell = f"view.table.rows[{index}].{key}", row.get(key)
            if cell is not None:
                need(cell, ("estimate", "low", "high"), place)
                for part in ("estimate", "low", "high"):
                    if cell[part] is not None:
                        need_number(cell[part], f"{place}.{part}")


def _check_maps(maps: Sequence[Any]) -> None:
    for index, part in enumerate(maps):
        place = f"view.maps[{index}]"
        need(part, _MAP_KEYS, place)
        need_text(part["note"], f"{place}.note")
        if part["score"] is not None:
            need_number(part["score"], f"{place}.score")
        for key in ("image", "heat"):
            address = part[key]
            missing = address is None and key == "heat"
            if not missing and not str(address).startswith("data:image/"):
                kinds = "a data:image/ address or None" if key == "heat" else "a data:image/ address"
                raise InputError(f"{place}.{key} must be {kinds}, got {address!r:.60}.")
