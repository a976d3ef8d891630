"""``hodology compare``: how similar two sets of representations are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hodology.cli.tables import print_wide

if TYPE_CHECKING:
    from hodology.geometry.compare_run import CompareRun

__all__ = ["compare"]

_WIDEST = 8  # columns: of more, the table has the best of each row


def compare(
    a: Annotated[
        str,
        typer.Argument(
            metavar="A",
            help="Patterns (.npy, .npz, .h5, .parquet; stimuli x units, each array a representation), dissimilarities "
            "(.npz, .h5, .mat), or a model: Hugging Face directory or hub id, file.py:factory (runs it), digits-cnn, ...",
        ),
    ],
    b: Annotated[
        str, typer.Argument(metavar="[B]", help="The same; without it A is compared with itself.")
    ] = "",
    measure: Annotated[
        str,
        typer.Option(
            "--measure",
            "-m",
            help="rsa (rsa-spearman), rsa-pearson, rsa-cosine, rsa-kendall, ssm, cka, unbiased-cka, svcca or pwcca.",
        ),
    ] = "rsa",
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            "-d",
            help="What models are shown: folder of images, .parquet, .arrow, .jsonl, hub id, or digits.",
        ),
    ] = None,
    layers: Annotated[
        str | None,
        typer.Option(
            "--layers",
            help="Comma-separated modules of models; default a transformer's blocks, else all convolutions and linear maps.",
        ),
    ] = None,
    layers_b: Annotated[
        str | None, typer.Option("--layers-b", help="The same of a model B; default those of --layers.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")] = Path(
        "hodology-compare"
    ),
    samples: Annotated[int, typer.Option("--samples", help="Bootstrap samples of the stimuli.")] = 1000,
    permutations: Annotated[
        int, typer.Option("--permutations", help="Shuffles of the stimuli, for p-values.")
    ] = 1000,
    correction: Annotated[
        str, typer.Option("--correction", help="Of the p-values over all pairs: bh, holm or none.")
    ] = "bh",
    level: Annotated[float, typer.Option("--level", help="Of the intervals.")] = 0.95,
    distance: Annotated[
        str,
        typer.Option(
            "--distance", help="Between patterns, for rsa: correlation, euclidean, sqeuclidean or cosine."
        ),
    ] = "correlation",
    kind: Annotated[
        str, typer.Option("--kind", help="What files hold: auto, patterns or rdms; A,B where they differ.")
    ] = "auto",
    max_components: Annotated[
        int | None, typer.Option("--max-components", help="Most components that svcca and pwcca keep.")
    ] = None,
    pool: Annotated[
        str | None, typer.Option("--pool", help="Tokens of a transformer's layer: mean or cls; default all.")
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", help="Stimuli that models are shown, the first ones.")
    ] = 500,
    batch: Annotated[int, typer.Option("--batch", help="Stimuli per pass of a model; bounds memory.")] = 64,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1, ...")] = "cpu",
    seed: Annotated[int, typer.Option("--seed", help="Seed of samples and shuffles.")] = 0,
    split: Annotated[str | None, typer.Option("--split", help="Part of the data set.")] = None,
    image_column: Annotated[str | None, typer.Option("--image-column")] = None,
    text_column: Annotated[str | None, typer.Option("--text-column")] = None,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Write over an earlier comparison in OUT, or refuse.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars.")] = False,
) -> None:
    """Compare every representation of A with every one of B, with intervals and tests.

    Writes index.html (works offline), table.csv, summary.json and rdms.npz to OUT.
    """
    from hodology.cli.preparing import quiet_libraries, train_embedded
    from hodology.geometry.compare_run import CompareSettings

    kind_a, kind_b = _kinds(kind)
    names = _names(layers)
    options: dict[str, Any] = {
        "a": a,
        "b": b,
        "measure": measure,
        "distance": distance,
        "kind_a": kind_a,
        "kind_b": kind_b,
        "data": data,
        "layers_a": names,
        "layers_b": _names(layers_b) or names,
        "pool": pool,
        "limit": limit,
        "batch": batch,
        "device": device,
        "n_boot": samples,
        "n_permutations": permutations,
        "adjust": correction,
        "level": level,
        "max_components": max_components,
        "seed": seed,
        "split": split,
        "image_column": image_column,
        "text_column": text_column,
    }
    settings = CompareSettings(**options)
    quiet_libraries()
    for spec in dict.fromkeys((a, b)):
        train_embedded(spec, quiet=quiet)
    found = _run(settings, out, resume=resume, quiet=quiet)
    if as_json:
        print((out / "summary.json").read_text())
    else:
        _print_table(found, out)


def _names(text: str | None) -> tuple[str, ...] | None:
    return tuple(part.strip() for part in text.split(",") if part.strip()) if text else None


def _kinds(text: str) -> tuple[str, str]:
    """One kind for both sides, or two."""
    from hodology.errors import InputError

    parts = [part.strip() for part in text.split(",")]
    if len(parts) > 2 or any(part not in ("auto", "patterns", "rdms") for part in parts):
        raise InputError(f"kind must be auto, patterns or rdms, or two of them, got {text!r}.")
    return parts[0], parts[-1]


def _run(settings: Any, out: Path, *, resume: bool, quiet: bool) -> CompareRun:
    from hodology.cli.progress import progress_bar
    from hodology.geometry.compare_output import write_compare_outputs
    from hodology.geometry.compare_run import run_compare
    from hodology.report import write_compare_report

    with progress_bar("Comparing, steps", quiet=quiet) as bar:
        bar.start(2)
        found = run_compare(settings, out, resume=resume)
        bar.advance(1)
        write_compare_report(write_compare_outputs(found, out), out)
        bar.advance(1)
    return found


def _print_table(found: CompareRun, out: Path) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console, table, labels = Console(), found.table, [source.label for source in found.sets]
    console.print(
        f"{' and '.join(labels)}: {found.measure} over {found.sets[0].n_stimuli} stimuli "
        f"({found.settings.level:.0%} intervals)",
        soft_wrap=True,
        highlight=False,
    )
    shown = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    shown.add_column(labels[0], no_wrap=True)
    if len(table.columns) <= _WIDEST:
        for name in table.columns:
            shown.add_column(name, justify="right", no_wrap=True)
        for row, name in enumerate(table.rows):
            shown.add_row(name, *(_pair(found, row, column) for column in range(len(table.columns))))
    else:
        for name in ("best match", "similarity", "p, corrected", "also within the interval"):
            shown.add_column(name, no_wrap=True, justify="left" if "match" in name else "right")
        for row, name in enumerate(table.rows):
            shown.add_row(name, *_best(found, row))
    print_wide(console, shown)
    console.print(f"Report: {(out / 'index.html').resolve()}", soft_wrap=True, highlight=False)


def _pair(found: CompareRun, row: int, column: int) -> str:
    """A value with its interval, and a star where the corrected test rejects chance at 5 %."""
    table = found.table
    if len(found.sets) == 1 and row == column:
        return ""
    value, low, high = (part[row, column] for part in (table.values, table.low, table.high))
    star = "*" if table.adjusted[row, column] < 0.05 else " "
    return f"{value:.2f} [{low:.2f}, {high:.2f}]{star}"


def _best(found: CompareRun, row: int) -> list[str]:
    """The best column of a row, and how many others its interval does not tell from it."""
    from hodology.report.compare_view import best_matches

    table = found.table
    parts = {key: getattr(table, key).tolist() for key in ("values", "low", "high")}
    match = best_matches(parts, same=len(found.sets) == 1)[row]
    best = match["column"]
    if best is None:
        return ["", "", "", ""]
    pair = _pair(found, row, best).rstrip("* ")
    return [table.columns[best], pair, f"{table.adjusted[row, best]:.3g}", str(len(match["within"]))]
