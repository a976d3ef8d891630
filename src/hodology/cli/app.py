"""The command line's tree of commands. Nothing heavy is imported before a command runs."""

from __future__ import annotations

from typing import Annotated

import typer

from hodology.cli.causal import causal_app
from hodology.cli.compare import compare
from hodology.cli.features import features_app
from hodology.cli.kg import kg_app
from hodology.cli.studies import list_papers, report, run, show
from hodology.cli.swarm import swarm_app
from hodology.cli.trace import trace

__all__ = ["app"]

app = typer.Typer(
    name="hodology",
    help="Find, measure, edit and draw the paths that signals take through networks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(value: bool) -> None:  # noqa: FBT001 - the signature typer asks for
    if value:
        from hodology import __version__

        print(f"hodology {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback when something fails.")] = False,
) -> None:
    pass


app.command("trace")(trace)
app.add_typer(causal_app, name="causal")
app.command("compare")(compare)
app.add_typer(features_app, name="features")
app.add_typer(kg_app, name="kg")
app.add_typer(swarm_app, name="swarm")
app.command("list")(list_papers)
app.command("show")(show)
app.command("run")(run)
app.command("report")(report)
