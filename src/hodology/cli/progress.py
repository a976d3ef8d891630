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
    progress = Progress(*columns, console=Console(stderr=True))
    task = progress.add_task(title, total=None)

    def begin(total: int) -> None:
        progress.update(task, total=total)
        progress.start()

    if not hidden:
        progress.start()
    try:
        yield Bar(begin, lambda steps: progress.advance(task, steps))
    finally:
        if progress.live.is_started:  # one that never began prints nothing, not even an empty line
            progress.stop()
