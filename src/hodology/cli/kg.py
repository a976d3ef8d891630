"""``hodology kg``: paths between entities of a knowledge graph."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hodology.cli.kg_print import answer_json, counted, print_head, print_table

if TYPE_CHECKING:
    from hodology.planning.kg_run import KgSettings

__all__ = ["kg_app"]

kg_app = typer.Typer(
    help="Knowledge graphs: short, relationally different paths between two entities.", no_args_is_help=True
)

_Graph = Annotated[
    str,
    typer.Argument(
        metavar="GRAPH",
        help="Triples (.tsv, .csv, .parquet, .sif, .graphml, .nt, .npz; .gz too), a Hetionet folder, or generated[:SEED].",
    ),
]
_Nodes = Annotated[str | None, typer.Option("--nodes", help="Table of entities with columns id, name, kind.")]
_Templates = Annotated[
    str | None,
    typer.Option(
        "--templates", help="JSON: relation to sentence, or to [forward, inverse]; {u} and {v} are the ends."
    ),
]
_Format = Annotated[
    str | None, typer.Option("--format", help="Format of the graph's file, where its suffix does not say it.")
]
_Head = Annotated[str, typer.Option("--head", help="Column of the head.")]
_Relation = Annotated[str, typer.Option("--relation", help="Column of the relation.")]
_Tail = Annotated[str, typer.Option("--tail", help="Column of the tail.")]
_Task = Annotated[
    str | None,
    typer.Option(
        "--task-relations", help="Comma-separated relations that state the answer, for --hide task."
    ),
]
_Inverses = Annotated[
    bool, typer.Option("--inverses/--directed", help="Whether paths may walk edges against their direction.")
]
_K = Annotated[int, typer.Option("-k", "--paths", help="Most paths.")]
_Length = Annotated[int, typer.Option("--max-length", help="Most edges of a path.")]
_Diverse = Annotated[
    bool,
    typer.Option("--diverse/--all", help="No two paths with the same sequence of relations, or all paths."),
]
_Ties = Annotated[
    str, typer.Option("--tie-break", help="Order of equally long paths: canonical, rare-first, seeded.")
]
_Hide = Annotated[
    str,
    typer.Option(
        "--hide", help="Edges between the two that are not seen: pair (all), task (the answer's), none."
    ),
]
_Budget = Annotated[
    int | None, typer.Option("--budget", help="Most edges looked at, for paths of 4 edges and more.")
]
_Seed = Annotated[int, typer.Option("--seed", help="Seed of --tie-break seeded.")]


@kg_app.callback()
def _kg() -> None:
    pass


@kg_app.command("paths")
def paths(
    graph: _Graph,
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Id or name of an entity.")],
    target: Annotated[str, typer.Argument(metavar="TARGET", help="Id or name of another.")],
    k: _K = 10,
    max_length: _Length = 3,
    diverse: _Diverse = True,
    tie_break: _Ties = "canonical",
    hide: _Hide = "pair",
    task_relations: _Task = None,
    inverses: _Inverses = True,
    nodes: _Nodes = None,
    templates: _Templates = None,
    format: _Format = None,
    head: _Head = "head",
    relation: _Relation = "relation",
    tail: _Tail = "tail",
    budget: _Budget = None,
    seed: _Seed = 0,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")] = Path("hodology-kg"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print nothing but the table of paths.")
    ] = False,
) -> None:
    """Find and explain the paths between two entities.

    Writes index.html (works offline), paths.tsv, paths.jsonl, sentences.txt, the subgraph of the paths (subgraph.tsv,
    subgraph.graphml) and summary.json to OUT. Example: hodology kg paths generated Compound::0002 Disease::0048
    """
    from hodology.planning.kg_output import write_kg_outputs
    from hodology.planning.kg_run import find_paths
    from hodology.report import write_kg_report

    settings = _settings(
        graph, nodes, templates, head, relation, tail, task_relations, inverses, k, max_length, diverse, tie_break, hide,
        budget, seed, format,
    )  # fmt: skip
    found = find_paths(settings, source, target)
    view = write_kg_outputs(found, out)
    write_kg_report(view, out)
    if as_json:
        print((out / "summary.json").read_text())
        return
    if not quiet:
        print_head(found, view.get("reason"))
    if found.paths:
        print_table(found)
    if not quiet:
        print(f"Report: {(out / 'index.html').resolve()}")


@kg_app.command("retrieve")
def retrieve(
    graph: _Graph,
    pairs: Annotated[
        Path, typer.Argument(metavar="PAIRS", help="TSV or CSV of pairs: columns u and v, or the first two.")
    ],
    source_column: Annotated[
        str | None,
        typer.Option(
            "--source-column", help="Column of PAIRS with the first entity: its name, or place from 0."
        ),
    ] = None,
    target_column: Annotated[
        str | None, typer.Option("--target-column", help="Column of PAIRS with the second entity.")
    ] = None,
    k: _K = 10,
    max_length: _Length = 3,
    diverse: _Diverse = True,
    tie_break: _Ties = "canonical",
    hide: _Hide = "pair",
    task_relations: _Task = None,
    inverses: _Inverses = True,
    nodes: _Nodes = None,
    templates: _Templates = None,
    format: _Format = None,
    head: _Head = "head",
    relation: _Relation = "relation",
    tail: _Tail = "tail",
    budget: _Budget = None,
    skip_unknown: Annotated[
        bool,
        typer.Option(
            "--skip-unknown", help="List the known one's edges where an entity is not in the graph."
        ),
    ] = False,
    seed: _Seed = 0,
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="Threads.")] = 1,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")] = Path(
        "hodology-kg-pairs"
    ),
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Go on from pairs that are done.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars.")] = False,
) -> None:
    """Find the paths of many pairs, and the subgraph that they make.

    Writes paths.jsonl, sentences.tsv, subgraph.tsv, subgraph-nodes.tsv and summary.json to OUT.
    """
    from hodology.cli.progress import progress_bar
    from hodology.planning.kg_pairs import read_pairs, retrieve_pairs

    settings = _settings(
        graph, nodes, templates, head, relation, tail, task_relations, inverses, k, max_length, diverse, tie_break, hide,
        budget, seed, format,
    )  # fmt: skip
    asked = read_pairs(pairs, source=source_column, target=target_column)
    with progress_bar("Pairs", quiet=quiet, hidden=True) as bar:
        found = retrieve_pairs(
            settings, asked, out, jobs=jobs, missing="empty" if skip_unknown else "raise", resume=resume,
            on_pair=lambda done, total: bar.advance(1) if done else bar.start(total),
        )  # fmt: skip
    if as_json:
        print((out / "summary.json").read_text())
        return
    share = found.subgraph_edges / max(found.graph_edges, 1)
    print(
        f"{counted(found.pairs, 'pair')}: {counted(found.paths, 'path')}, "
        f"{counted(found.without_path, 'pair')} without one, {found.unknown} unknown"
    )
    print(f"Subgraph: {found.subgraph_edges} of {found.graph_edges} edges ({share:.1%})")
    print(f"Results: {out.resolve()}")


@kg_app.command("ask")
def ask(
    graph: _Graph,
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Id or name of an entity.")],
    target: Annotated[str, typer.Argument(metavar="TARGET", help="Id or name of another.")],
    model: Annotated[
        str,
        typer.Option(
            "--model", "-m", help="URL of an OpenAI-compatible endpoint, or a transformers model here."
        ),
    ],
    model_name: Annotated[
        str | None, typer.Option("--model-name", help="The model's name at the endpoint.")
    ] = None,
    task: Annotated[
        str, typer.Option("--task", "-t", help="indication, severity or interaction-type.")
    ] = "indication",
    key_env: Annotated[
        str, typer.Option("--key-env", help="Environment variable of the key.")
    ] = "OPENAI_API_KEY",
    max_size: Annotated[
        int | None, typer.Option("--max-size", help="Most characters of the paths' text.")
    ] = None,
    max_tokens: Annotated[int, typer.Option("--max-tokens", help="Most tokens of the answer.")] = 512,
    no_graph: Annotated[
        bool, typer.Option("--no-graph", help="Ask without the paths, as a control.")
    ] = False,
    k: _K = 10,
    max_length: _Length = 3,
    diverse: _Diverse = True,
    tie_break: _Ties = "canonical",
    hide: _Hide = "pair",
    task_relations: _Task = None,
    inverses: _Inverses = True,
    nodes: _Nodes = None,
    templates: _Templates = None,
    format: _Format = None,
    head: _Head = "head",
    relation: _Relation = "relation",
    tail: _Tail = "tail",
    budget: _Budget = None,
    seed: _Seed = 0,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for prompt and answer.")] = Path(
        "hodology-kg-ask"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print question and answer as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but the answer.")] = False,
) -> None:
    """Ask a language model about two entities, with the paths between them.

    Writes prompt.json and answer.txt to OUT.
    """
    from hodology.planning.kg_question import ask_about, open_chat_model
    from hodology.planning.kg_run import find_paths

    settings = _settings(
        graph, nodes, templates, head, relation, tail, task_relations, inverses, k, max_length, diverse, tie_break, hide,
        budget, seed, format,
    )  # fmt: skip
    found = find_paths(settings, source, target)
    chat = open_chat_model(model, name=model_name, key_env=key_env)
    answer = ask_about(
        found, chat, out, task=task, max_size=max_size, max_tokens=max_tokens, with_graph=not no_graph
    )
    if as_json:
        print(answer_json(found, answer, model=chat.name, task=task))
        return
    said = answer.answer if answer.answer is not None else "could not be read"
    print(said if quiet else f"Answer: {said}")
    if not quiet:
        print(f"Prompt and answer: {out.resolve()}")


def _settings(
    graph: str, nodes: str | None, templates: str | None, head: str, relation: str, tail: str, task: str | None,
    inverses: bool, k: int, max_length: int, diverse: bool, tie_break: str, hide: str, budget: int | None, seed: int,
    format: str | None,
) -> KgSettings:  # fmt: skip
    from hodology.planning.kg_run import KgSettings

    return KgSettings(
        graph=graph,
        format=format,
        nodes=nodes,
        templates=templates,
        head=head,
        relation=relation,
        tail=tail,
        task_relations=tuple(part.strip() for part in task.split(",") if part.strip()) if task else (),
        inverses=inverses,
        k=k,
        max_length=max_length,
        diverse=diverse,
        tie_break=tie_break,
        seed=seed,
        hide=hide,
        budget=budget,
    )
