"""Maps of grid worlds: free cells, and where agents may start and have goals.

The text form is that of POGEMA: `.` free, `#` wall, `@` free and allowed as a start, `$` free and allowed as a goal,
`!` free but neither; a plain `.` is allowed as both, so a map without marks allows every free cell. A lower-case
letter is the start of one agent and the same letter in upper case its goal.

Reference: Skrynnik et al., "Learn to follow: decentralized lifelong multi-agent pathfinding via planning and
learning", AAAI 2024, whose maps are written so.
"""

from __future__ import annotations

import math
import string
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from hodology.errors import FileFormatError, InputError, UnknownNameError, near_names
from hodology.files import hash_arrays
from hodology.planning.grid_map_files import (
    CELL_LIMIT,
    moving_ai_cells,
    npy_array,
    read_text,
    scenario_cells,
    yaml_blocks,
)

__all__ = ["GridMap", "read_map", "read_maps"]

_CHARACTERS = ".#@$!"
_LETTERS = list(string.ascii_lowercase)
_CAPITALS = list(string.ascii_uppercase)


@dataclass(frozen=True, eq=False, repr=False)
class GridMap:
    """A map; rows run down, columns to the right, and cells are given as (row, column).

    Attributes
    ----------
    free : bool ndarray, shape (height, width)
        True where agents can go.
    starts : bool ndarray, shape (height, width)
        Free cells where agents may start.
    goals : bool ndarray, shape (height, width)
        Free cells that may be goals.
    name : str
    scenario : int32 ndarray, shape (agents, 2, 2), or None
        Start and goal cells that came with the map: ``scenario[:, 0]`` are starts, ``scenario[:, 1]`` goals.

    Raises
    ------
    InputError
        For arrays of other shapes or types, marks on walls, no cell or more than 10,000,000 cells.
    """

    free: np.ndarray
    starts: np.ndarray
    goals: np.ndarray
    name: str = ""
    scenario: np.ndarray | None = None

    def __post_init__(self) -> None:
        for mark in ("free", "starts", "goals"):
            array = np.array(getattr(self, mark))
            if array.dtype != np.bool_ or array.ndim != 2 or array.shape != np.shape(self.free):
                raise InputError(
                    f"{mark} must be boolean of shape (height, width), the same for all, got {array.dtype} of "
                    f"shape {array.shape}."
                )
            _check_size(array.shape)
            if (array & ~np.asarray(self.free)).any():
                row, column = (int(i) for i in np.argwhere(array & ~np.asarray(self.free))[0])
                raise InputError(f"{mark} holds ({row},{column}), which is no free cell.")
            array.flags.writeable = False
            object.__setattr__(self, mark, array)
        if self.scenario is not None:
            object.__setattr__(self, "scenario", _scenario_of(self.scenario, self.free))

    def __repr__(self) -> str:
        name = f"{self.name!r}, " if self.name else ""
        return f"GridMap({name}{self.height} x {self.width}, {int(self.free.sum())} free cells)"

    @property
    def height(self) -> int:
        """Rows."""
        return self.free.shape[0]

    @property
    def width(self) -> int:
        """Columns."""
        return self.free.shape[1]

    @property
    def restricted(self) -> bool:
        """Whether some free cell is no start or no goal."""
        return not (np.array_equal(self.starts, self.free) and np.array_equal(self.goals, self.free))

    @classmethod
    def from_text(cls, text: str, *, name: str = "") -> GridMap:
        """Read a map drawn in characters (see the module for their meaning); blank lines are skipped.

        Raises
        ------
        InputError
            For rows of different lengths, unknown characters, letters without their partner.
        """
        cells = _cells_of(text)
        free = cells != "#"
        return cls(
            free,
            free & ~np.isin(cells, ["$", "!"]),
            free & ~np.isin(cells, ["@", "!"]),
            name=name,
            scenario=_lettered(cells),
        )

    @classmethod
    def from_array(cls, array: ArrayLike, *, name: str = "") -> GridMap:
        """Take an array where **0 is free and 1 a wall**, as POGEMA writes them; every free cell is allowed.

        A boolean array is read the same way: True is a wall.

        Raises
        ------
        InputError
            For other shapes than (height, width) or other values than 0 and 1.
        """
        walls = np.asarray(array)
        if walls.ndim != 2 or walls.dtype.kind not in "biuf":
            raise InputError(
                f"array must hold 0 (free) and 1 (wall) in shape (height, width), got {walls.dtype} of shape "
                f"{walls.shape}."
            )
        _check_size(walls.shape)
        other = ~((walls == 0) | (walls == 1))
        if other.any():
            row, column = (int(i) for i in np.argwhere(other)[0])
            raise InputError(
                f"array must hold 0 (free) and 1 (wall), got {walls[row, column]} at ({row}, {column})."
            )
        free = walls == 0
        return cls(free, free, free, name=name)

    def to_text(self) -> str:
        """The map in characters, a line per row; `from_text` reads it back. The scenario is not part of it."""
        marks = np.array(["#", "!", "@", "$", "."])
        kind = np.where(self.free, 1 + self.starts.astype(int) + 2 * self.goals, 0)
        return "\n".join("".join(row) for row in marks[kind]) + "\n"

    def fingerprint(self) -> str:
        """SHA-256 over free cells, starts and goals; name and scenario do not count."""
        return hash_arrays({"free": self.free, "starts": self.starts, "goals": self.goals})


def read_maps(file: str | Path) -> dict[str, GridMap]:
    """Read all maps of a file, by name.

    Parameters
    ----------
    file : str or Path
        ``.yaml`` or ``.yml``: blocks ``name: |-`` of maps in characters, as POGEMA writes them. ``.map``: MovingAI
        (`.`, `G` and `S` free, `@`, `O`, `T` and `W` walls). ``.npy``: 0 free, 1 wall. Anything else: one map in
        characters (see `GridMap.from_text`).

    Returns
    -------
    dict of str to GridMap
        A file of one map names it by the file's name without suffix.

    Raises
    ------
    FileFormatError
        When the file cannot be read as what its suffix says; names file and line.
    """
    file = Path(file)
    if file.suffix == ".npy":
        with _faults_of(file):
            return {file.stem: GridMap.from_array(npy_array(file), name=file.stem)}
    text = read_text(file)
    if file.suffix == ".map":
        return {file.stem: GridMap.from_array(~moving_ai_cells(text, file), name=file.stem)}
    blocks = yaml_blocks(text, file) if file.suffix in (".yaml", ".yml") else {file.stem: (text, 1)}
    maps = {}
    for name, (block, line) in blocks.items():
        with _faults_of(f"{file}, map {name!r} from line {line}"):
            maps[name] = GridMap.from_text(block, name=name)
    return maps


def read_map(file: str | Path, name: str | None = None) -> GridMap:
    """Read one map; see `read_maps` for the formats.

    Parameters
    ----------
    file : str or Path
    name : str, optional
        Needed when the file holds several maps.

    Returns
    -------
    GridMap
        With the starts and goals of a MovingAI scenario as `scenario` when one lies beside the map: ``city.scen``
        or ``city.map.scen`` beside ``city.map``.

    Raises
    ------
    UnknownNameError
        When the file has no map of that name, or several and no name was given.
    FileFormatError
        As `read_maps`; also for a scenario that does not fit the map.
    """
    file = Path(file)
    maps = read_maps(file)
    if name is None and len(maps) > 1:
        some = ", ".join(repr(known) for known in list(maps)[:3])
        raise UnknownNameError(f"{file} holds {len(maps)} maps, so a name is needed: {some} and so on.")
    name = next(iter(maps)) if name is None else name
    if name not in maps:
        raise UnknownNameError(f"{file} has no map {name!r}{near_names(name, maps)}.")
    found = maps[name]
    for beside in (file.with_suffix(".scen"), file.with_name(file.name + ".scen")):
        if file.suffix == ".map" and beside.is_file():
            cells = scenario_cells(beside, height=found.height, width=found.width)
            with _faults_of(beside):
                return replace(found, scenario=cells)
    return found


@contextmanager
def _faults_of(source: str | Path) -> Iterator[None]:
    """What is wrong with a map that was read is wrong with its file."""
    try:
        yield
    except InputError as error:
        raise FileFormatError(f"{source}: {error}") from error


def _check_size(shape: tuple[int, ...]) -> None:
    cells = math.prod(shape)
    if not 0 < cells <= CELL_LIMIT:
        raise InputError(f"a map must have 1 to {CELL_LIMIT} cells, got {cells}.")


def _scenario_of(cells: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Start and goal cells, checked to be free and made read-only."""
    cells = np.array(cells, dtype=np.int32)
    if cells.ndim != 3 or cells.shape[1:] != (2, 2):
        raise InputError(f"scenario must have shape (agents, 2, 2), got {cells.shape}.")
    for agent, pair in enumerate(cells.tolist()):
        for what, (row, column) in zip(("start", "goal"), pair, strict=True):
            inside = 0 <= row < free.shape[0] and 0 <= column < free.shape[1]
            if not inside or not free[row, column]:
                raise InputError(f"{what} ({row},{column}) of agent {agent} is no free cell of the map.")
    cells.flags.writeable = False
    return cells


def _cells_of(text: str) -> np.ndarray:
    """Characters of the map, (height, width)."""
    rows = [row for row in (line.strip() for line in text.splitlines()) if row]
    if not rows:
        raise InputError("the map is empty.")
    for index, row in enumerate(rows):
        if len(row) != len(rows[0]):
            raise InputError(f"map row {index} has {len(row)} cells, expected {len(rows[0])}.")
    _check_size((len(rows), len(rows[0])))
    cells = np.array([list(row) for row in rows])
    other = ~(np.isin(cells, list(_CHARACTERS)) | np.isin(cells, _LETTERS) | np.isin(cells, _CAPITALS))
    if other.any():
        at, column = (int(i) for i in np.argwhere(other)[0])
        raise InputError(
            f"map row {at} has {str(cells[at, column])!r} at column {column}; cells are one of {_CHARACTERS} or letters."
        )
    return cells


def _lettered(cells: np.ndarray) -> np.ndarray | None:
    """Pairs of a lower-case letter, the start, and its capital, the goal; None without letters."""
    letters = [letter for letter in _LETTERS if (cells == letter).any() or (cells == letter.upper()).any()]
    pairs = []
    for letter in letters:
        found = [np.argwhere(cells == mark) for mark in (letter, letter.upper())]
        if [len(at) for at in found] != [1, 1]:
            raise InputError(
                f"a map with letters needs {letter!r} and {letter.upper()!r} once each, got {len(found[0])} and {len(found[1])}."
            )
        pairs.append(np.concatenate(found))
    return np.array(pairs) if pairs else None
