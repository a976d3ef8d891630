"""Progress bars on standard error; standard output stays for results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

__all__ = ["Bar", "progress_bar"]


@dataclass
class Bar:
    """A handle on one bar: set its total and move it on."""

    start: Callable[[int], None]
    advance: Callable[[int], None]


@contextmanager
def progress_bar(title: str, *, quiet: bool, hidden: bool = False) -> Iterator[Bar]:
    """Show a bar while the block runs; `quiet` shows nothing, `hidden` nothing before there is a total."""
    if quiet:
        yield Bar(lambda total: None, lambda steps: None)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(title, total=None, visible=not hidden)
        yield Bar(
            lambda total: progress.update(task, total=total, visible=True),
            lambda steps: progress.advance(task, steps),
        )
