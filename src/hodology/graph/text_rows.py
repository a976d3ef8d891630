"""Rows of delimited text as columns of cells: fast for plain rows, by the csv module where cells are quoted."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from hodology.errors import FileFormatError, InputError
from hodology.graph.text_blocks import MAX_BYTES, TextBlock, text_blocks

__all__ = ["DelimitedText", "RowBlock", "find_delimiter", "split_block"]

_ROWS = 50_000  # of a piece of quoted rows


@dataclass(frozen=True)
class RowBlock:
    """Some rows of a table.

    Attributes
    ----------
    columns : list of list of str
        Cells, column by column; all columns of the file.
    lines : sequence of int
        Line of each row.
    """

    columns: list[list[str]]
    lines: Sequence[int]


class DelimitedText:
    """A text file of rows; the first row is looked at before the others are read.

    Parameters
    ----------
    file : path
    delimiter : str, optional
        One ASCII character. Default: found in the first row: tab, else comma or semicolon (the more frequent), else
        the vertical bar, else the blank.
    quoted : bool, optional
        Whether cells may stand in double quotes (and then hold delimiters and line feeds). Default: yes for comma
        and semicolon, no for the others, where a quote is a character like any other.
    comment : str, optional
        Lines that start with this are left out.
    max_bytes : int
        Most bytes of unpacked text.

    Attributes
    ----------
    first_row : list of str
        Empty when the file has no rows.
    """

    def __init__(
        self,
        file: str | Path,
        *,
        delimiter: str | None = None,
        quoted: bool | None = None,
        comment: str | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        if delimiter is not None and (
            len(delimiter) != 1 or not delimiter.isascii() or delimiter in '\r\n"\0'
        ):
            raise InputError(f"delimiter must be one ASCII character, got {delimiter!r}.")
        if comment == "":
            raise InputError("comment must be at least one character, got ''.")
        self.file, self.comment = file, comment
        self._blocks = text_blocks(file, max_bytes=max_bytes)
        self._first = self._leading_block()
        line = "" if self._first is None else self._first.text[: self._first.text.index("\n")]
        self.delimiter = delimiter or find_delimiter(line)
        self.quoted = self.delimiter in ",;" if quoted is None else quoted
        self.first_line = 1 if self._first is None else self._first.first
        self.first_row = self._cells_of(line) if self._first is not None else []

    def rows(self, *, skip_first: bool) -> Iterator[RowBlock]:
        """Yield all rows, with or without the first; every row must have as many cells as the first.

        Raises
        ------
        FileFormatError
            For a row of another length; names file and line. Empty lines are left out.
        """
        if self._first is None:
            return
        width = len(self.first_row)
        blocks = chain([self._first], self._blocks)
        if self.quoted:
            for block in blocks:
                if '"' in block.text:
                    yield from self._quoted_rows(chain([block], blocks), width, skip_first=skip_first)
                    return
                yield from self._plain(block, width, skip_first=skip_first)
                skip_first = False
            return
        for block in blocks:
            yield from self._plain(block, width, skip_first=skip_first)
            skip_first = False

    def _leading_block(self) -> TextBlock | None:
        """The first block, from its first row on."""
        for block in self._blocks:
            text, first = block.text, block.first
            while text:
                end = text.index("\n") + 1
                if end > 1 and not (self.comment and text.startswith(self.comment)):
                    return TextBlock(text.encode(), text, first, text.count("\n"))
                text, first = text[end:], first + 1
        return None

    def _cells_of(self, line: str) -> list[str]:
        if not (self.quoted and '"' in line):
            return line.split(self.delimiter)
        try:
            return next(csv.reader([line], delimiter=self.delimiter, strict=True))
        except csv.Error as error:
            raise FileFormatError(f"{self.file}, line {self.first_line}: {error}.") from error

    def _plain(self, block: TextBlock, width: int, *, skip_first: bool) -> Iterator[RowBlock]:
        columns = None
        if not (self.comment and self.comment in block.text):
            columns = split_block(block, width, self.delimiter)
        if columns is None:
            found = self._one_by_one(block, width)
        else:
            found = RowBlock(columns, range(block.first, block.first + block.lines))
        if skip_first:
            found = RowBlock([column[1:] for column in found.columns], found.lines[1:])
        yield found

    def _one_by_one(self, block: TextBlock, width: int) -> RowBlock:
        """Rows of a block in which some line is no plain row: empty, a comment, or wrong."""
        rows, lines = [], []
        for number, line in enumerate(block.text.split("\n")[:-1], start=block.first):
            if not line or (self.comment and line.startswith(self.comment)):
                continue
            cells = line.split(self.delimiter)
            if len(cells) != width:
                raise FileFormatError(
                    f"{self.file}, line {number}: {_columns(len(cells))}, expected {width}."
                )
            rows.append(cells)
            lines.append(number)
        return _by_column(rows, lines, width)

    def _quoted_rows(
        self, blocks: Iterator[TextBlock], width: int, *, skip_first: bool
    ) -> Iterator[RowBlock]:
        numbers: list[int] = []
        rows: list[list[str]] = []
        lines: list[int] = []
        reader = csv.reader(self._lines(blocks, numbers), delimiter=self.delimiter, strict=True)
        try:
            for cells in reader:
                if cells and len(cells) != width:
                    where = f"{self.file}, line {numbers[-1]}"
                    raise FileFormatError(f"{where}: {_columns(len(cells))}, expected {width}.")
                if cells and not skip_first:
                    rows.append(cells)
                    lines.append(numbers[-1])
                skip_first = skip_first and not cells
                if len(rows) == _ROWS:
                    yield _by_column(rows, lines, width)
                    rows, lines = [], []
        except csv.Error as error:
            where = f"{self.file}, line {numbers[-1]}" if numbers else str(self.file)
            raise FileFormatError(f"{where}: {error}.") from error
        yield _by_column(rows, lines, width)

    def _lines(self, blocks: Iterator[TextBlock], numbers: list[int]) -> Iterator[str]:
        """Lines with their ends for the csv module; `numbers` holds the number of the latest."""
        for block in blocks:
            for number, line in enumerate(block.text.split("\n")[:-1], start=block.first):
                if self.comment and line.startswith(self.comment):
                    continue
                numbers[:] = [number]
                yield line + "\n"


def split_block(block: TextBlock, width: int, delimiter: str) -> list[list[str]] | None:
    """Columns of a block whose every line has `width` cells, or None when one has not."""
    data = np.frombuffer(block.data, dtype=np.uint8)
    code = ord(delimiter)
    marks = data[(data == code) | (data == 10)]
    if len(marks) != width * block.lines:
        return None
    marks = marks.reshape(-1, width)
    if (marks[:, -1] != 10).any() or (marks[:, :-1] != code).any():
        return None
    cells = block.text.replace("\n", delimiter).split(delimiter)
    return [cells[place : width * block.lines : width] for place in range(width)]


def _by_column(rows: list[list[str]], lines: list[int], width: int) -> RowBlock:
    return RowBlock([[row[place] for row in rows] for place in range(width)], lines)


def find_delimiter(line: str) -> str:
    """What parts the cells of a row; see `DelimitedText`."""
    if "\t" in line:
        return "\t"
    comma, semicolon = line.count(","), line.count(";")
    if comma or semicolon:
        return "," if comma >= semicolon else ";"
    return next((mark for mark in "| " if mark in line), "\t")


def _columns(n: int) -> str:
    return f"{n} column" if n == 1 else f"{n} columns"
