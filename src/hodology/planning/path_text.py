"""Say paths in sentences: one line per path, its edges joined by "and".

An edge that states the task's answer between the two entities of a query is never said: not alone, and not as a
part of a composite relation.

Reference: Abdullahi et al., "K-Paths", KDD 2025 (verbalised paths, leakage guard).
"""

from __future__ import annotations

from collections.abc import Iterable

from hodology.errors import InputError
from hodology.planning.path_query import KgPath, PairPaths
from hodology.planning.relation_graph import RelationGraph

__all__ = ["path_sentence", "verbalise"]


def verbalise(
    paths: PairPaths | Iterable[KgPath],
    kg: RelationGraph,
    *,
    pair: tuple[str | int, str | int] | None = None,
) -> str:
    """Sentences of paths, a line each.

    Parameters
    ----------
    paths : PairPaths or iterable of KgPath
    kg : KnowledgeGraph
        The graph that was searched.
    pair : (u, v), optional
        Between these two, relations of the task and those that state the same answer are left unsaid, in both
        directions. A `PairPaths` knows its own pair; paths of `k_diverse_paths` have such edges only with
        ``hide="none"``.

    Returns
    -------
    str
        Without a line for a path of which nothing is left.

    Raises
    ------
    InputError
        ``relation 'treats' has no sentence template``.
    """
    ends = None
    if isinstance(paths, PairPaths):
        ends = (paths.u_node, paths.v_node)
    if pair is not None:
        ends = (kg.entity(pair[0]), kg.entity(pair[1]))
    lines = (_line(path, kg, ends) for path in paths)
    return "\n".join(line for line in lines if line)


def path_sentence(path: KgPath, kg: RelationGraph) -> str:
    """One path as one line; nothing is left unsaid."""
    return _line(path, kg, None)


def _line(path: KgPath, kg: RelationGraph, pair: tuple[int, int] | None) -> str:
    said: list[str] = []
    for u, relation, v in zip(path.nodes, path.relations, path.nodes[1:]):
        if not 0 <= relation < len(kg.parts):
            raise InputError(
                f"relation id {relation} is not in the graph, which has {len(kg.parts)} relations."
            )
        unsaid = kg.answer_parts() if pair is not None and {u, v} == set(pair) else frozenset()
        said += [_edge(kg, u, part, v) for part in kg.parts[relation] if part not in unsaid]
    return " and ".join(said)


def _edge(kg: RelationGraph, u: int, part: int, v: int) -> str:
    return kg.templates.sentence(part, kg.titles[u], kg.titles[v], u_kind=kg.kinds[u], v_kind=kg.kinds[v])
