"""Why no path was found between two entities of a knowledge graph: what is true of it, in a sentence."""

from __future__ import annotations

import numpy as np

from hodology.graph.search import shortest_path
from hodology.planning.kg_run import KgRun
from hodology.planning.knowledge_graph import KnowledgeGraph

__all__ = ["no_path_reason"]


def no_path_reason(run: KgRun) -> str | None:
    """What is true of a run that found no path, from a search of any length; None where there is a path.

    The search sees what the run saw: edges between the two that were hidden stay hidden.
    """
    if any(path.kind == "path" for path in run.paths):
        return None
    kg, most = run.kg, run.settings.max_length
    ends = f"from {kg.titles[run.source]} to {kg.titles[run.target]}"
    shortest = _shortest(run, kg)
    if shortest is not None and shortest <= most:
        return f"No path {ends} was found within the budget; the shortest has {_edges(shortest)}: raise --budget."
    if shortest is not None:
        return (
            f"No path of at most {_edges(most)} leads {ends}; the shortest has {_edges(shortest)}: "
            "raise --max-length."
        )
    hidden = ", apart from what was hidden between the two" if run.hidden else ""
    if kg.has_inverses:
        return f"No path of any length leads {ends}{hidden}."
    either_way = _shortest(run, kg.with_inverses()) is not None
    hint = " Walking edges either way there is one: leave --directed away." if either_way else ""
    return f"No path of any length leads {ends} along the direction of edges{hidden}.{hint}"


def _shortest(run: KgRun, kg: KnowledgeGraph) -> int | None:
    """Number of edges of a shortest path that uses none of the hidden edges."""
    flags = kg.hidden_relations(run.settings.query().hide)
    ends = (run.source, run.target)
    between = np.concatenate([kg.graph.edges_between(*ends), kg.graph.edges_between(*ends[::-1])])
    blocked = between[flags[kg.edge_relations[between]]]
    found = shortest_path(kg.graph, *ends, weight=None, blocked=blocked)
    return None if found is None else len(found.edges)


def _edges(n: int) -> str:
    return f"{n} edge" if n == 1 else f"{n} edges"
