"""Readers of map files: the blocks of POGEMA's YAML, MovingAI maps and scenarios, arrays.

What is read is taken as hostile: sizes are bounded before anything is allocated, and every error names the file and
the line.

Reference: Sturtevant, "Benchmarks for grid-based pathfinding", IEEE Transactions on Computational Intelligence and
AI in Games, 2012, for the formats of MovingAI.
"""

from __future__ import annotations

import io
import math
import re
from pathlib import Path

import numpy as np

from hodology.errors import FileFormatError

__all__ = ["CELL_LIMIT", "moving_ai_cells", "npy_array", "read_text", "scenario_cells", "yaml_blocks"]

CELL_LIMIT = 10_000_000  # cells of a map, refused above
_BYTES = 20 * CELL_LIMIT
_KEY = re.compile(r"""(?:"([^"\\]+)"|'([^']+)'|([^\s"'#:][^"':#]*?))\s*:\s*\|[-+]?\s*(?:#.*)?""")
_FREE, _WALLS = ".GS", "@OTW"


def read_text(file: Path) -> str:
    """The text of a file of bounded size.

    Raises
    ------
    FileFormatError
        When it is missing, larger than 200 MB or not UTF-8.
    """
    try:
        return _bounded(file).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{file} is not UTF-8 text.") from error


def yaml_blocks(text: str, file: Path) -> dict[str, tuple[str, int]]:
    """Blocks ``name: |-`` of a YAML file: name to text and the line of the name, from 1.

    Only this part of YAML is read: a key at the start of a line, then indented lines. Comments at the start of a
    line, blank lines and ``---`` are skipped.

    Raises
    ------
    FileFormatError
        For any other line, a name that comes twice, or a file without maps.
    """
    blocks: dict[str, list[str]] = {}
    lines: dict[str, int] = {}
    name = None
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#") or line.rstrip() == "---":
            continue
        if line[0] in " \t":
            if name is None:
                raise FileFormatError(f"{file}, line {number}: an indented line before any 'name: |-'.")
            blocks[name].append(line)
            continue
        found = _KEY.fullmatch(line)
        if found is None:
            raise FileFormatError(f"{file}, line {number}: expected 'name: |-', got {line[:40]!r}.")
        name = next(group for group in found.groups() if group)
        if name in blocks:
            raise FileFormatError(
                f"{file}, line {number}: map {name!r} comes twice, first on line {lines[name]}."
            )
        blocks[name], lines[name] = [], number
    if not blocks:
        raise FileFormatError(f"{file} holds no map.")
    return {name: ("\n".join(rows), lines[name]) for name, rows in blocks.items()}


def moving_ai_cells(text: str, file: Path) -> np.ndarray:
    """Free cells of a MovingAI map: bool ``(height, width)``; `.`, `G`, `S` are free, `@`, `O`, `T`, `W` walls.

    Raises
    ------
    FileFormatError
        For a header other than type, height, width and map, or rows that do not fit it.
    """
    lines = text.splitlines()
    height, width, first = _moving_ai_header(lines, file)
    rows = lines[first : first + height]
    if len(rows) < height:
        raise FileFormatError(f"{file} ends after {len(rows)} map rows, expected {height}.")
    for number, line in enumerate(lines[first + height :], start=first + height + 1):
        if line.strip():
            raise FileFormatError(f"{file}, line {number}: text after the last of {height} map rows.")
    for index, row in enumerate(rows):
        at = f"{file}, line {first + index + 1}"
        if len(row) != width:
            raise FileFormatError(f"{at}: map row {index} has {len(row)} cells, expected {width}.")
        for column, cell in enumerate(row):
            if cell not in _FREE and cell not in _WALLS:
                raise FileFormatError(f"{at}: map row {index} has {cell!r} at column {column}.")
    return np.isin(np.array([list(row) for row in rows]), list(_FREE))


def npy_array(file: Path) -> np.ndarray:
    """The array of a ``.npy`` file, its size read from the header before it is loaded.

    Raises
    ------
    FileFormatError
        When missing, damaged, holding objects, or too large.
    """
    handle = io.BytesIO(_bounded(file))
    try:
        version = np.lib.format.read_magic(handle)
        header = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        cells = math.prod(header(handle)[0])
        if cells > CELL_LIMIT:
            raise FileFormatError(f"{file} holds {cells} cells, at most {CELL_LIMIT} are read.")
        handle.seek(0)
        return np.lib.format.read_array(handle, allow_pickle=False)
    except FileFormatError:
        raise
    except (ValueError, EOFError) as error:
        raise FileFormatError(f"{file} cannot be read as .npy without pickle: {error}.") from error


def scenario_cells(file: Path, *, height: int, width: int) -> np.ndarray:
    """Start and goal cells of a MovingAI scenario for a map of that size.

    Returns
    -------
    int32 ndarray, shape (agents, 2, 2)
        Start and goal as (row, column); the file gives column before row.

    Raises
    ------
    FileFormatError
        For a line of other than nine columns, or one for a map of another size.
    """
    pairs = []
    for number, line in enumerate(read_text(file).splitlines(), start=1):
        if not line.strip() or line.startswith("version"):
            continue
        fields = line.split("\t") if "\t" in line else line.split()
        try:
            wide, high, start_x, start_y, goal_x, goal_y = (int(value) for value in fields[2:8])
            if len(fields) != 9:
                raise ValueError
        except ValueError as error:
            raise FileFormatError(
                f"{file}, line {number}: expected bucket, map, width, height, start x, start y, goal x, goal y and length."
            ) from error
        if (high, wide) != (height, width):
            raise FileFormatError(
                f"{file}, line {number}: for a map of {high} x {wide}, this one has {height} x {width}."
            )
        pairs.append([[start_y, start_x], [goal_y, goal_x]])
    if not pairs:
        raise FileFormatError(f"{file} holds no start and goal.")
    return np.array(pairs, dtype=np.int32)


def _moving_ai_header(lines: list[str], file: Path) -> tuple[int, int, int]:
    """Height, width and the index of the first row."""
    values: dict[str, str] = {}
    for index, line in enumerate(lines):
        key, _, value = line.strip().partition(" ")
        if key == "map":
            break
        if key not in ("type", "height", "width") or key in values:
            raise FileFormatError(
                f"{file}, line {index + 1}: expected type, height, width and map, got {line[:40]!r}."
            )
        values[key] = value.strip()
    else:
        raise FileFormatError(f"{file} has no line 'map' after its header.")
    for key in ("height", "width"):
        if not values.get(key, "").isascii() or not values.get(key, "").isdigit():
            raise FileFormatError(
                f"{file}: the header needs '{key}' and a whole number, got {values.get(key)!r}."
            )
    height, width = int(values["height"]), int(values["width"])
    if not 0 < height * width <= CELL_LIMIT:
        raise FileFormatError(f"{file}: a map of {height * width} cells; 1 to {CELL_LIMIT} are read.")
    return height, width, index + 1


def _bounded(file: Path) -> bytes:
    """The bytes of a file that is not too large to be a map."""
    try:
        if file.stat().st_size > _BYTES:
            raise FileFormatError(f"{file} has {file.stat().st_size} bytes, at most {_BYTES} are read.")
        return file.read_bytes()
    except OSError as error:
        raise FileFormatError(f"{file} cannot be read: {error.strerror}.") from error
