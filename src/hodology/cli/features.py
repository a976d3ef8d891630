"""``hodology features``: what the units of a language model's layer say together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hodology.cli.preparing import quiet_libraries, train_embedded
from hodology.cli.tables import print_wide

if TYPE_CHECKING:
    from hodology.interpret.features_run import FeaturesRun

__all__ = ["features_app"]

features_app = typer.Typer(
    help="Features: sparse groups of units, found by semi-NMF of a layer's activations.", no_args_is_help=True
)


@features_app.callback()
def _features() -> None:
    pass


@features_app.command("fit")
def fit(
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "-m",
            help="Hugging Face directory or hub id of a language model, file.py:factory, or topics-gpt.",
        ),
    ] = "topics-gpt",
    data: Annotated[
        str, typer.Option("--data", "-d", help="Texts: .txt, .jsonl, .parquet, .arrow, hub id, or topics.")
    ] = "topics",
    layer: Annotated[
        str,
        typer.Option(
            "--layer", "-l", help="Index of a feed-forward block (negative from the end) or a site."
        ),
    ] = "-1",
    k: Annotated[int, typer.Option("-k", "--features", help="Number of features.")] = 50,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")] = Path(
        "hodology-features"
    ),
    sparsity: Annotated[
        float | None,
        typer.Option("--sparsity", help="Share of units in a feature; default 0.01, at least 10 units."),
    ] = None,
    init: Annotated[str, typer.Option("--init", help="random, svd or kmeans.")] = "random",
    solver: Annotated[str, typer.Option("--solver", help="hals, or mu (the paper's).")] = "hals",
    max_iter: Annotated[int, typer.Option("--max-iter", help="Most iterations.")] = 2000,
    restarts: Annotated[int, typer.Option("--restarts", help="Starts; the best is kept.")] = 3,
    ranks: Annotated[
        str | None, typer.Option("--ranks", help="Levels of concepts above the features, such as 25,10.")
    ] = None,
    tokens: Annotated[int, typer.Option("--tokens", help="Most tokens; bounds memory.")] = 20_000,
    limit: Annotated[int | None, typer.Option("--limit", help="Only the first texts.")] = None,
    batch: Annotated[int, typer.Option("--batch", help="Texts per pass.")] = 32,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1, ...")] = "cpu",
    seed: Annotated[int, typer.Option("--seed", help="Seed of starts and tests.")] = 0,
    split: Annotated[str | None, typer.Option("--split", help="Part of the data set.")] = None,
    text_column: Annotated[str | None, typer.Option("--text-column")] = None,
    label_column: Annotated[str | None, typer.Option("--label-column")] = None,
    resume: Annotated[bool, typer.Option("--resume/--no-resume", help="Go on from finished parts.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars.")] = False,
) -> None:
    """Find features of a layer on texts, show the tokens where they are strong and the words that they write.

    Without options it runs on generated sentences and a small GPT trained on them. Writes index.html (works offline),
    features.jsonl, components.npz and summary.json to OUT. Labels of the texts, where there are any, name features.
    """
    from hodology.interpret.features_run import FeaturesSettings

    settings = FeaturesSettings(
        model=model,
        data=data,
        layer=layer,
        k=k,
        sparsity=sparsity,
        init=init,
        solver=solver,
        max_iter=max_iter,
        restarts=restarts,
        ranks=_numbers(ranks),
        tokens=tokens,
        limit=limit,
        batch=batch,
        device=device,
        seed=seed,
        split=split,
        text_column=text_column,
        label_column=label_column,
    )
    quiet_libraries()
    train_embedded(model, quiet=quiet)
    run, rows = _run(settings, out, resume=resume, quiet=quiet)
    if as_json:
        print((out / "summary.json").read_text())
    else:
        _print_table(run, rows, out)


def _numbers(text: str | None) -> tuple[int, ...]:
    from hodology.errors import InputError

    parts = [part.strip() for part in text.split(",")] if text else []
    if not all(part.isdigit() for part in parts):
        raise InputError(f"ranks must be numbers such as 25,10, got {text!r}.")
    return tuple(int(part) for part in parts)


def _run(settings: Any, out: Path, *, resume: bool, quiet: bool) -> tuple[FeaturesRun, list[dict[str, Any]]]:
    from hodology.cli.progress import progress_bar
    from hodology.interpret.features_output import write_features_outputs
    from hodology.interpret.features_run import run_features
    from hodology.report import write_features_report

    with progress_bar("Reading texts", quiet=quiet) as bar:
        done = [0]

        def on_texts(now: int, total: int) -> None:
            bar.start(total)
            bar.advance(now - done[0])
            done[0] = now

        run = run_features(settings, out, resume=resume, on_texts=on_texts)
    view = write_features_outputs(run, out)
    write_features_report(view, out)
    return run, view["features"]


def _print_table(run: FeaturesRun, rows: list[dict[str, Any]], out: Path) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print(
        f"Features of {run.loaded.name} at {run.table.layer}: {len(run.table):,} tokens of {run.dataset.name}, variance "
        f"explained {run.explained:.1%}",
        soft_wrap=True,
        highlight=False,
    )
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for name, justify in (("feature", "right"), ("share", "right"), ("active", "right")):
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for name in ("strongest on", "writes", "concept (AUROC)"):
        table.add_column(name, overflow="fold")
    for row in rows[:30]:
        words = "" if not row["up"] else ", ".join(word.strip() for word, _ in row["up"][:5])
        concept = row["concept"]
        named = "" if concept is None else f"{concept['name']} ({concept['auroc']:.2f})"
        table.add_row(
            str(row["id"]), f"{row['share']:.1%}", f"{row['active']:.0%}", row["label"], words, named
        )
    print_wide(console, table)
    if len(rows) > 30:
        console.print(f"... and {len(rows) - 30} more in features.jsonl", highlight=False)
    console.print(f"Report: {(out / 'index.html').resolve()}", soft_wrap=True, highlight=False)
