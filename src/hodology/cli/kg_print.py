"""What ``hodology kg`` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hodology.cli.tables import print_wide

if TYPE_CHECKING:
    from hodology.planning.kg_question import Answer
    from hodology.planning.kg_run import KgRun

__all__ = ["answer_json", "counted", "print_head", "print_table"]


def answer_json(found: KgRun, answer: Answer, *, model: str, task: str) -> str:
    """Question and answer; the answer is null where none could be read from the text."""
    import json

    name = found.kg.graph.name
    record = {"source": name(found.source), "target": name(found.target), "task": task, "model": model}
    return json.dumps(record | {"answer": answer.answer, "text": answer.text}, indent=2, ensure_ascii=False)


def print_head(found: KgRun, reason: str | None) -> None:
    """The two entities, how many paths there are or why there is none, and what was not seen."""
    kg = found.kg
    near = sum(path.kind == "neighbour" for path in found.paths)
    count = f"no path, {counted(near, 'neighbour')}" if near else counted(len(found.paths), "path")
    print(f"{kg.titles[found.source]} - {kg.titles[found.target]}: {count} in {kg!r}")
    if reason is not None:
        print(reason)
    for a, name, b, why in found.hidden:
        print(f"not seen: {kg.titles[a]} {name} {kg.titles[b]} ({why})")


def print_table(found: KgRun) -> None:
    """Paths by rank: their relations, and the entities on the way."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from hodology.planning.kg_output import relation_names

    kg = found.kg
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("", justify="right", no_wrap=True)
    for name in ("relations", "through"):
        table.add_column(name, overflow="fold")
    for rank, path in enumerate(found.paths, start=1):
        names, forward = relation_names(kg, path)
        walked = " ".join(f"-{n}->" if f else f"<-{n}-" for n, f in zip(names, forward, strict=True))
        inner = path.nodes[1:-1] if path.kind == "path" else path.nodes
        table.add_row(str(rank), walked, ", ".join(kg.titles[node] for node in inner))
    print_wide(Console(), table)


def counted(n: int, thing: str) -> str:
    """``1 path``, ``2 paths``."""
    return f"{n} {thing}" if n == 1 else f"{n} {thing}s"
