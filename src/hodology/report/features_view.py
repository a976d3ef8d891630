"""The view of features: what their page shows, as plain values, and the check that it is one.

Keys: ``format`` (1), ``title``, ``version``, ``generated`` (optional), ``model`` (name, parameters), ``data`` (name,
n texts, tokens), ``layer``, ``settings``, ``summary`` (label, value), ``features``, ``tree`` (optional, or None),
``notes`` and ``files``. A feature has ``id``, ``label``, ``share`` (of the sum of all coefficients, 0 to 1),
``active`` (share of tokens, 0 to 1), ``norm``, ``units`` (``[unit, weight]``, heaviest first) and ``n_units``,
``contexts`` (id, value, focus, tokens as ``[text, coefficient]``, label), ``up`` and ``down`` (``[token, logit]`` or
None), ``concept`` (name, score, auroc) or None, and ``parents`` and ``children`` (ids of features). The tree's
``levels`` are a nested list of nodes (id, label, children).
"""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from typing import Any

from hodology.errors import InputError
from hodology.report.view_checks import (
    need,
    need_count,
    need_head,
    need_list,
    need_number,
    need_text,
)

__all__ = ["check_features_view"]

_KEYS = ("title", "version", "model", "data", "layer", "settings", "summary", "features", "notes", "files")
_FEATURE_KEYS = (
    *("id", "label", "share", "active", "norm", "units", "n_units", "contexts", "up", "down", "concept"),
    *("parents", "children"),
)
_CONTEXT_KEYS = ("id", "value", "focus", "tokens", "label")
_DEEPEST = 32  # levels of a tree; more is a mistake, and no page would be read that deep


def check_features_view(view: Mapping[str, Any]) -> None:
    """Refuse what the page could not show.

    Raises
    ------
    InputError
        Names the place in the view and what stands there.
    """
    need_head(view, _KEYS)
    need(view["model"], ("name", "parameters"), "view.model")
    need_count(view["model"]["parameters"], "view.model.parameters")
    need(view["data"], ("name", "n", "tokens"), "view.data")
    for key in ("n", "tokens"):
        need_count(view["data"][key], f"view.data.{key}")
    need_text(view["layer"], "view.layer")
    for index, part in enumerate(need_list(view["summary"], "view.summary")):
        need(part, ("label", "value"), f"view.summary[{index}]")
        for key in ("label", "value"):
            need_text(part[key], f"view.summary[{index}].{key}")
    features = need_list(view["features"], "view.features")
    if not features:
        raise InputError("view.features must not be empty.")
    ids: set[int] = set()
    for index, feature in enumerate(features):
        place = f"view.features[{index}]"
        need(feature, _FEATURE_KEYS, place)
        need_count(feature["id"], f"{place}.id")
        if feature["id"] in ids:
            raise InputError(f"{place}.id must be its own, {feature['id']!r} stands there before.")
        ids.add(feature["id"])
        _check_feature(feature, place)
    for index, feature in enumerate(features):
        _check_kin(feature, f"view.features[{index}]", ids)
    if view.get("tree") is not None:
        need(view["tree"], ("levels",), "view.tree")
        _check_tree(view["tree"]["levels"], "view.tree.levels")


def _check_feature(feature: Mapping[str, Any], place: str) -> None:
    need_text(feature["label"], f"{place}.label")
    for key in ("share", "active"):
        need_number(feature[key], f"{place}.{key}", low=0.0, high=1.0)
    need_number(feature["norm"], f"{place}.norm", low=0.0)
    need_count(feature["n_units"], f"{place}.n_units")
    for rank, pair in enumerate(need_list(feature["units"], f"{place}.units")):
        unit, weight = _pair(pair, f"{place}.units[{rank}]", "[unit, weight]")
        need_count(unit, f"{place}.units[{rank}][0]")
        need_number(weight, f"{place}.units[{rank}][1]")
    if feature["n_units"] < len(feature["units"]):
        raise InputError(
            f"{place}.n_units must be at least the {len(feature['units'])} of its units, got {feature['n_units']}."
        )
    for key in ("up", "down"):
        if feature[key] is not None:
            for rank, pair in enumerate(need_list(feature[key], f"{place}.{key}")):
                _check_token(pair, f"{place}.{key}[{rank}]", "[token, logit]")
    for rank, context in enumerate(need_list(feature["contexts"], f"{place}.contexts")):
        _check_context(context, f"{place}.contexts[{rank}]")
    concept = feature["concept"]
    if concept is not None:
        need(concept, ("name", "score", "auroc"), f"{place}.concept")
        need_text(concept["name"], f"{place}.concept.name")
        need_number(concept["score"], f"{place}.concept.score")
        if concept["auroc"] is not None:
            need_number(concept["auroc"], f"{place}.concept.auroc", low=0.0, high=1.0)


def _check_context(context: Any, place: str) -> None:
    need(context, _CONTEXT_KEYS, place)
    need_number(context["value"], f"{place}.value")
    tokens = need_list(context["tokens"], f"{place}.tokens")
    for rank, pair in enumerate(tokens):
        _check_token(pair, f"{place}.tokens[{rank}]", "[text, coefficient]")
    need_count(context["focus"], f"{place}.focus")
    if context["focus"] >= len(tokens):
        raise InputError(f"{place}.focus must be below its {len(tokens)} tokens, got {context['focus']}.")
    if context["label"] is not None:
        need_text(context["label"], f"{place}.label")


def _check_token(pair: Any, place: str, form: str) -> None:
    text, value = _pair(pair, place, form)
    need_text(text, f"{place}[0]")
    need_number(value, f"{place}[1]")


def _pair(part: Any, place: str, form: str) -> tuple[Any, Any]:
    if isinstance(part, (str, bytes)) or not isinstance(part, Sequence) or len(part) != 2:
        raise InputError(f"{place} must be {form}, got {part!r:.60}.")
    return part[0], part[1]


def _check_kin(feature: Mapping[str, Any], place: str, ids: set[int]) -> None:
    for key in ("parents", "children"):
        for other in need_list(feature[key], f"{place}.{key}"):
            if isinstance(other, bool) or not isinstance(other, numbers.Integral) or other not in ids:
                raise InputError(f"{place}.{key} must be ids of features, got {other!r:.60}.")


def _check_tree(nodes: Any, place: str, depth: int = 0) -> None:
    if depth == _DEEPEST:
        raise InputError(f"view.tree must be at most {_DEEPEST} levels deep; {place:.60}... is deeper.")
    for index, node in enumerate(need_list(nodes, place)):
        inner = f"{place}[{index}]"
        need(node, ("id", "label", "children"), inner)
        need_text(node["label"], f"{inner}.label")
        _check_tree(node["children"], f"{inner}.children", depth + 1)
