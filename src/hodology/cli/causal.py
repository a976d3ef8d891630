"""``hodology causal``: which connections of a network a class rests on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hodology.cli.preparing import quiet_libraries, train_embedded
from hodology.cli.tables import print_wide

if TYPE_CHECKING:
    from hodology.interpret.causal_run import CausalRun

__all__ = ["causal_app"]

causal_app = typer.Typer(
    help="Causal graphs: cut connections on purpose and see what a class needs.", no_args_is_help=True
)


@causal_app.callback()
def _causal() -> None:
    pass


@causal_app.command("graph")
def graph(
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "-m",
            help="Hugging Face directory or hub id, file.py:factory (runs it), digits-cnn, or digits-vit.",
        ),
    ] = "digits-cnn",
    data: Annotated[
        str, typer.Option("--data", "-d", help="Folder of images, .parquet, .arrow, hub id, or digits.")
    ] = "digits",
    target: Annotated[str, typer.Option("--target", "-t", help="The class: its id or its name.")] = "3",
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")] = Path(
        "hodology-causal"
    ),
    layers: Annotated[
        str | None,
        typer.Option("--layers", help="Comma-separated modules, down from the output; default all."),
    ] = None,
    unit: Annotated[
        str,
        typer.Option(
            "--unit",
            help="channel, or neuron (entries of a flattened map apart); of a transformer head, or block (attention whole).",
        ),
    ] = "channel",
    effect: Annotated[
        str,
        typer.Option("--effect", help="logodds, probability, log-probability, logit, loss or correct."),
    ] = "logodds",
    reference: Annotated[
        str, typer.Option("--reference", help="What a cut connection carries: zero or mean.")
    ] = "zero",
    alpha: Annotated[float, typer.Option("--alpha", help="Level of the corrected tests.")] = 0.01,
    correction: Annotated[str, typer.Option("--correction", help="bh, holm or none.")] = "bh",
    test: Annotated[str, typer.Option("--test", help="auto, t, permutation or none.")] = "auto",
    min_effect: Annotated[float, typer.Option("--min-effect", help="Smallest mean effect to keep.")] = 0.0,
    max_parents: Annotated[
        int | None, typer.Option("--max-parents", help="Most connections kept into one unit.")
    ] = None,
    screen: Annotated[
        float,
        typer.Option("--screen", help="Share of the candidates tested exactly, best first-order ones first."),
    ] = 1.0,
    noise: Annotated[
        float | None,
        typer.Option("--noise", help="Local: noisy copies of the images, this standard deviation."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", help="Images of the class to build on.")] = 60,
    others: Annotated[int, typer.Option("--others", help="Test images of other classes.")] = 300,
    batch: Annotated[int, typer.Option("--batch", help="Images per pass; bounds memory.")] = 64,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1, ...")] = "cpu",
    seed: Annotated[int, typer.Option("--seed", help="Seed of the images' draw, noise and tests.")] = 0,
    split: Annotated[str | None, typer.Option("--split", help="Part of the data set.")] = None,
    image_column: Annotated[str | None, typer.Option("--image-column")] = None,
    label_column: Annotated[str | None, typer.Option("--label-column")] = None,
    resume: Annotated[bool, typer.Option("--resume/--no-resume", help="Go on from finished layers.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars.")] = False,
) -> None:
    """Build the causal graph of a class and check it on other images.

    Without options it runs on the embedded digits and a small CNN trained on them. Writes index.html (works offline),
    graph.json, graph.graphml, graph.dot, edges.csv, paths.jsonl and summary.json to OUT.
    """
    from hodology.interpret.causal_run import CausalSettings

    settings = CausalSettings(
        model=model,
        data=data,
        target=target,
        layers=tuple(part.strip() for part in layers.split(",")) if layers else None,
        unit=unit,
        effect=effect,
        reference=reference,
        alpha=alpha,
        correction=correction,
        test=test,
        min_effect=min_effect,
        max_parents=max_parents,
        screen=screen,
        noise=noise,
        limit=limit,
        others=others,
        batch=batch,
        device=device,
        seed=seed,
        split=split,
        image_column=image_column,
        label_column=label_column,
    )
    quiet_libraries()
    train_embedded(model, quiet=quiet)
    run = _run(settings, out, resume=resume, quiet=quiet)
    if as_json:
        print((out / "summary.json").read_text())
    else:
        _print_tables(run, out)


def _run(settings: Any, out: Path, *, resume: bool, quiet: bool) -> CausalRun:
    from hodology.cli.progress import progress_bar
    from hodology.interpret.causal_output import write_causal_outputs
    from hodology.interpret.causal_run import run_causal
    from hodology.report import write_causal_report

    with progress_bar("Cutting edges, layers", quiet=quiet) as bar:

        def on_layer(done: int, total: int) -> None:
            bar.start(total)
            bar.advance(1)

        run = run_causal(settings, out, resume=resume, on_layer=on_layer)
    write_causal_report(write_causal_outputs(run, out), out)
    return run


def _print_tables(run: CausalRun, out: Path) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from hodology.interpret.causal_output import EFFECT_UNITS, RULE_LABELS

    graph, console = run.graph, Console()
    unit = EFFECT_UNITS[str(graph.settings["effect"])]
    console.print(
        f"What {run.loaded.name} needs to say {run.loaded.class_name(graph.target)!r}: {graph.samples} images of "
        f"{run.dataset.name}, effects in {unit} (95 % intervals)",
        soft_wrap=True,
        highlight=False,
    )
    layers = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    layers.add_column("layer", no_wrap=True)
    for name in ("kept", "tested", "candidates", "largest effect", "all rejected cut"):
        layers.add_column(name, justify="right", no_wrap=True)
    for layer in graph.layers:
        first = next((row for row in graph.rows() if row["layer"] == layer.name), None)
        best = (
            "" if first is None else f"{first['effect']:.2f} [{first['ci_low']:.2f}, {first['ci_high']:.2f}]"
        )
        cost = layer.rejected_cost
        rejected = "" if cost is None else f"{cost['effect']:+.2f}, acc. {cost['accuracy']:.0%}"
        layers.add_row(layer.name, str(layer.kept), str(layer.tested), str(layer.candidates), best, rejected)
    cuts = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    cuts.add_column("as many edges of each layer", no_wrap=True)
    for name in ("cut: class", "cut: others", "kept: class", "kept: called"):
        cuts.add_column(name, justify="right", no_wrap=True)
    for row in run.evaluation.table(rng=run.settings.seed):
        cells = [row[key] for key in ("cut_own", "cut_others", "keep_own", "keep_called")]
        texts = [
            "" if c is None else f"{100 * c.estimate:.0f} [{100 * c.low:.0f}, {100 * c.high:.0f}]"
            for c in cells
        ]
        cuts.add_row(RULE_LABELS[row["rule"]], *texts)
    print_wide(console, layers)
    clean = run.evaluation.clean
    console.print(
        f"Test images, % recognised; nothing cut: class {clean.own:.0%}, others {clean.others:.0%}, called the class "
        f"{clean.called:.0%}",
        soft_wrap=True,
        highlight=False,
    )
    if run.evaluation.sizes:
        print_wide(console, cuts)
    else:
        console.print(
            "Edges of the residual stream are no weights: there is no table of cuts.", highlight=False
        )
    console.print(f"Report: {(out / 'index.html').resolve()}", soft_wrap=True, highlight=False)
