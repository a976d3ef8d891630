"""``hodology trace``: the paths that a model's decisions take, over a whole data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hodology.cli.preparing import quiet_libraries, train_embedded
from hodology.cli.tables import print_wide

if TYPE_CHECKING:
    from hodology.interpret.trace_settings import TraceSettings

__all__ = ["trace"]


def trace(
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "-m",
            help="Hugging Face directory or hub id, file.py:factory (runs it), or digits-vit.",
        ),
    ] = "digits-vit",
    data: Annotated[
        str,
        typer.Option(
            "--data", "-d", help="Folder of images, .txt, .jsonl, .parquet, .arrow, hub id, or digits."
        ),
    ] = "digits",
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")] = Path(
        "hodology-trace"
    ),
    method: Annotated[
        str, typer.Option("--method", help="neuron-path, activation, influence, kn-ig or random.")
    ] = "neuron-path",
    compare: Annotated[
        str, typer.Option("--compare", help="Methods to compare with, comma-separated; all or none.")
    ] = "all",
    steps: Annotated[int, typer.Option("--steps", help="Nodes of the integral.")] = 20,
    rule: Annotated[
        str,
        typer.Option(
            "--rule", help="left, right, midpoint, trapezoid or gauss-legendre (4 steps are plenty)."
        ),
    ] = "left",
    form: Annotated[str, typer.Option("--form", help="product (paper) or diagonal (complete).")] = "product",
    top_k: Annotated[int, typer.Option("--top-k", help="Units per layer.")] = 1,
    target: Annotated[str, typer.Option("--target", help="predicted, label, or a class id.")] = "predicted",
    layers: Annotated[
        str | None, typer.Option("--layers", help="Comma-separated names or indices; default all blocks.")
    ] = None,
    units: Annotated[str, typer.Option("--units", help="ffn, attention or residual.")] = "ffn",
    token: Annotated[str, typer.Option("--token", help="auto, cls, patches, last, or a position.")] = "auto",
    batch: Annotated[int, typer.Option("--batch", help="Inputs per pass; bounds memory.")] = 32,
    limit: Annotated[int | None, typer.Option("--limit", help="Only the first inputs.")] = None,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1, ...")] = "cpu",
    seed: Annotated[int, typer.Option("--seed", help="Seed of random paths and intervals.")] = 0,
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="Processes on this machine.")] = 1,
    threads: Annotated[
        int | None, typer.Option("--threads", help="Threads per process; equal threads give equal bits.")
    ] = None,
    engine: Annotated[str, typer.Option("--engine", help="auto, serial, process or dask.")] = "auto",
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", help="Address of a Dask scheduler, tcp://HOST:PORT.")
    ] = None,
    split: Annotated[str | None, typer.Option("--split", help="Part of the data set.")] = None,
    image_column: Annotated[str | None, typer.Option("--image-column")] = None,
    text_column: Annotated[str | None, typer.Option("--text-column")] = None,
    label_column: Annotated[str | None, typer.Option("--label-column")] = None,
    shard: Annotated[int, typer.Option("--shard", help="Inputs per unit of work.")] = 96,
    parquet: Annotated[bool, typer.Option("--parquet", help="Also write paths.parquet.")] = False,
    resume: Annotated[bool, typer.Option("--resume/--no-resume", help="Go on from finished parts.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars.")] = False,
) -> None:
    """Trace the influential neuron path of every input and compare it with baselines.

    Without options it runs on the embedded digits and a small Vision Transformer trained on them. Writes index.html
    (works offline), paths.jsonl and summary.json to OUT.
    """
    from hodology.interpret.trace_settings import METHODS, TraceSettings

    others = {"all": [m for m in METHODS if m != method], "none": []}.get(compare)
    named = [m.strip() for m in compare.split(",") if m.strip() and m.strip() != method]
    settings = TraceSettings(
        model=model,
        data=data,
        methods=(method, *(named if others is None else others)),
        steps=steps,
        rule=rule,
        form=form,
        top_k=top_k,
        target=target,
        layers=tuple(part.strip() for part in layers.split(",")) if layers else None,
        units=units,
        token=token,
        batch=batch,
        device=device,
        seed=seed,
        limit=limit,
        shard=shard,
        split=split,
        image_column=image_column,
        text_column=text_column,
        label_column=label_column,
    )
    quiet_libraries()
    view, summary = _run(
        settings,
        out,
        options={"name": engine, "jobs": jobs, "scheduler": scheduler, "threads": threads},
        resume=resume,
        parquet=parquet,
        quiet=quiet,
    )
    if as_json:
        import json

        print(json.dumps(summary))
    else:
        _print_table(view, out)


def _run(
    settings: TraceSettings, out: Path, *, options: dict[str, Any], resume: bool, parquet: bool, quiet: bool
) -> tuple[dict[str, Any], Any]:
    from hodology.cli.progress import progress_bar
    from hodology.files import read_json
    from hodology.interpret.trace import trace as trace_data
    from hodology.interpret.trace_output import write_outputs
    from hodology.report import write_trace_report
    from hodology.work import make_engine

    engine = make_engine(**options)
    train_embedded(settings.model, quiet=quiet)
    with progress_bar("Tracing", quiet=quiet) as bar:
        run = trace_data(
            settings, out, engine=engine, resume=resume, on_start=bar.start, on_shard=bar.advance
        )
    view = write_outputs(run, parquet=parquet)
    write_trace_report(view, out)
    return view, read_json(out / "summary.json")


def _print_table(view: dict[str, Any], out: Path) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    columns = view["table"]["columns"]
    title = f"{view['title']}, {view['data']['n']} inputs of {view['data']['name']} (95 % intervals)"
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("method", no_wrap=True)
    for column in columns:
        table.add_column(column["short"], justify="right", no_wrap=True)
    for row in view["table"]["rows"]:
        table.add_row(row["label"], *(_cell(row[c["key"]], percent=c["percent"]) for c in columns))
    console = Console()
    console.print(title, soft_wrap=True, highlight=False)
    print_wide(console, table)
    accuracy = view["model"]["accuracy"]
    if accuracy is not None:
        console.print(f"Accuracy of the model on these inputs: {accuracy:.1%}")
    console.print(f"Report: {(out / 'index.html').resolve()}", soft_wrap=True, highlight=False)


def _cell(interval: dict[str, Any], *, percent: bool) -> str:
    scale, form = (100.0, "{:+.1f}") if percent else (1.0, "{:.3f}")
    low, mean, high = (form.format(scale * interval[key]) for key in ("low", "estimate", "high"))
    return f"{mean}\n{low}…{high}"
