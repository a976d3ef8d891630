"""Tables on standard output."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = ["print_wide"]


def print_wide(console: Console, table: Table) -> None:
    """Print a table between empty lines; in a narrow terminal lines wrap, but no figure is cut."""
    from rich.measure import Measurement

    needed = Measurement.get(console, console.options.update(width=1000), table).maximum
    before = console.width
    console.width = max(before, needed)
    console.print("", table, "", sep="\n")
    console.width = before
