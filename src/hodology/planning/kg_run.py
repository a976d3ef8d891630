"""Paths between two entities of a user's graph: the work behind ``hodology kg paths`` and ``hodology kg retrieve``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.files import read_json
from hodology.graph.edge_columns import RELATION_NAMES
from hodology.planning.diverse_paths import k_diverse_paths
from hodology.planning.knowledge_graph import KnowledgeGraph
from hodology.planning.path_query import KgPath, PathQuery

__all__ = ["KgRun", "KgSettings", "check_hiding", "find_paths", "open_knowledge_graph"]


@dataclass(frozen=True)
class KgSettings:
    """What to read and what to ask; see `hodology.planning.k_diverse_paths` for the options of the same name.

    Attributes
    ----------
    graph : str
        A file (see `hodology.graph.read_graph`), a folder as Hetionet's (see `read_hetionet`), ``generated``, or
        ``generated:SEED``.
    format : str, optional
        Of a file; default by its suffix.
    nodes : str, optional
        Table of entities: id, name, kind. Not for a generated graph.
    templates : str, optional
        JSON file: relation to sentence, or to a forward and an inverse sentence. Of a file alone.
    head, relation, tail : str
        Names of a table's columns. Of a file alone.
    task_relations : tuple of str
        Relations that state the answer to what is asked: they are hidden between the two entities.
    inverses : bool
        Whether paths may walk edges against their direction.
    """

    graph: str = "generated"
    format: str | None = None
    nodes: str | None = None
    templates: str | None = None
    head: str = "head"
    relation: str = "relation"
    tail: str = "tail"
    task_relations: tuple[str, ...] = ()
    inverses: bool = True
    k: int = 10
    max_length: int = 3
    diverse: bool = True
    tie_break: str = "canonical"
    seed: int = 0
    hide: str = "pair"
    budget: int | None = None

    def query(self) -> PathQuery:
        """The search that these settings ask for, checked."""
        return PathQuery(
            self.k, self.max_length, self.diverse, self.tie_break, self.seed, self.hide, True, self.budget  # type: ignore[arg-type]
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class KgRun:
    """What was found between two entities.

    Attributes
    ----------
    settings : KgSettings
    kg : KnowledgeGraph
    source, target : int
        Nodes.
    paths : tuple of KgPath
    hidden : tuple of (head node, relation, tail node, why)
        Edges between the two entities that the search did not see.
    """

    settings: KgSettings
    kg: KnowledgeGraph
    source: int
    target: int
    paths: tuple[KgPath, ...]
    hidden: tuple[tuple[int, str, int, str], ...]


def open_knowledge_graph(settings: KgSettings) -> KnowledgeGraph:
    """Read a graph with its names, kinds and sentences.

    Raises
    ------
    InputError
        When there is no such file or folder, it has no relations, or an option does not apply to it.
    UnknownNameError
        For a task relation that no edge has.
    FileFormatError
        When it cannot be read; names file and line.
    """
    spec = Path(settings.graph)
    if settings.graph.partition(":")[0] == "generated":
        _refuse(settings, ("nodes", "templates", "format", "head", "relation", "tail"), "the generated graph")
        kg = _generated(settings)
    elif spec.is_dir():
        from hodology.planning.knowledge_graph_files import read_hetionet

        _refuse(settings, ("templates", "format", "head", "relation", "tail"), f"the folder {settings.graph}")
        kg = read_hetionet(spec, nodes=settings.nodes, task_relations=settings.task_relations)
    elif spec.is_file():
        kg = _from_file(settings)
    else:
        raise InputError(f"graph {settings.graph!r} is no file, no folder and not 'generated'.")
    counts = kg.relation_counts()
    for name in settings.task_relations:
        if not counts.get(name):
            known = near_names(name, [known for known, count in counts.items() if count])
            raise UnknownNameError(f"no edge of the graph has the task relation {name!r}{known}.")
    return kg.with_inverses() if settings.inverses else kg


def find_paths(settings: KgSettings, source: str, target: str) -> KgRun:
    """Search between two entities, given by id or name.

    Raises
    ------
    UnknownNameError
        For an entity that is not in the graph.
    InputError
        For options that do not fit.
    """
    query = settings.query()
    kg = open_knowledge_graph(settings)
    check_hiding(kg, query)
    u, v = kg.entity(source), kg.entity(target)
    if u == v:
        both = f"{source!r} and {target!r} are both {kg.graph.name(u)}"
        raise InputError(
            f"the two entities must differ, {f'got {source!r} twice' if source == target else both}."
        )
    options = {key: value for key, value in asdict(query).items() if key != "neighbours"}
    paths = k_diverse_paths(kg, u, v, **options)
    return KgRun(settings, kg, u, v, tuple(paths), _hidden(kg, u, v, query))


def check_hiding(kg: KnowledgeGraph, query: PathQuery) -> None:
    """Refuse to hide the task's relations of a graph that has none."""
    if query.hide == "task" and not kg.task_relations:
        raise InputError("--hide task needs --task-relations: which relations state the answer?")


def _hidden(kg: KnowledgeGraph, u: int, v: int, query: PathQuery) -> tuple[tuple[int, str, int, str], ...]:
    """Edges of the pair that the query hides, each once and forward, with the reason."""
    flags = kg.hidden_relations(query.hide)
    answers = kg.answer_parts()
    found = []
    for a, b in ((u, v), (v, u)):
        for edge in kg.graph.edges_between(a, b).tolist():
            relation = int(kg.edge_relations[edge])
            forward = min(kg.parts[relation]) < kg.offset
            if flags[relation] and forward:
                states = not answers.isdisjoint(kg.parts[relation])
                why = "states the answer" if states else "joins the two entities directly"
                found.append((a, kg.graph.relation_names[relation], b, why))
    return tuple(found)


def _generated(settings: KgSettings) -> KnowledgeGraph:
    """The embedded graph with all its labelled pairs as task relations."""
    from hodology.data.repurposing import SENTENCES, generate_repurposing

    world = generate_repurposing(seed=_seed(settings.graph))
    pairs = [(drug, label, disease) for (drug, disease), label in zip(world.pairs, world.labels, strict=True)]
    task = settings.task_relations or ("treats", "palliates", "not")
    return KnowledgeGraph.from_triples(
        [*world.triples, *pairs],
        titles=world.titles,
        kinds=world.kinds,
        templates=SENTENCES,
        task_relations=task,
    )


def _seed(graph: str) -> int:
    """The seed that ``generated:SEED`` names; 0 for ``generated``."""
    _, colon, seed = graph.partition(":")
    if colon and not (seed.isascii() and seed.isdecimal()):
        raise InputError(f"graph {graph!r}: generated:SEED needs a whole number of 0 or more.")
    return int(seed or 0)


def _refuse(settings: KgSettings, options: tuple[str, ...], graph: str) -> None:
    """Name the first option that was given and would be left aside."""
    for name in options:
        if getattr(settings, name) != getattr(KgSettings, name):
            raise InputError(f"--{name} does not apply to {graph}.")


def _from_file(settings: KgSettings) -> KnowledgeGraph:
    from hodology.graph.files import read_graph

    graph = read_graph(
        settings.graph,
        format=settings.format,
        head=settings.head,
        relation=settings.relation,
        tail=settings.tail,
        nodes=settings.nodes,
    )
    if graph.relations is None:
        known = ", ".join(RELATION_NAMES[:-1])
        raise InputError(
            f"{settings.graph}: edges have no relation; name its column (in GraphML, the attribute of edges) by "
            f"--relation. Without it these are tried: {known}."
        )
    titles = _titles(graph)
    templates = None if settings.templates is None else _templates(settings.templates)
    return KnowledgeGraph.from_triples(
        graph,
        titles=titles,
        kinds=_column(graph, "kind"),
        templates=templates,
        task_relations=settings.task_relations,
    )


def _titles(graph: Any) -> dict[str, str] | None:
    """What entities are called: the column "name", else "label"; an entity without one is left out."""
    found = _column(graph, "name") or _column(graph, "label") or {}
    return {node: name for node, name in found.items() if name.strip() and name != "nan"} or None


def _column(graph: Any, name: str) -> dict[str, str] | None:
    """A column of the node table by entity."""
    if name not in graph.node_data or graph.names is None:
        return None
    return dict(zip(graph.names, map(str, graph.node_data[name].tolist()), strict=True))


def _templates(file: str) -> dict[str, Any]:
    """Sentences from a JSON file."""
    found = read_json(file)
    if not isinstance(found, dict):
        raise InputError(f"{file} must hold an object: relation to sentence.")
    made: dict[str, Any] = {}
    for name, value in found.items():
        pair = isinstance(value, list) and len(value) == 2 and all(isinstance(v, str) for v in value)
        if not isinstance(value, str) and not pair:
            raise InputError(
                f"{file}: {name!r} must be a sentence or a forward and an inverse one, got {value!r}."
            )
        made[name] = tuple(value) if pair else value
    return made
