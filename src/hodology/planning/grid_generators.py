"""Seeded maps for grid worlds: random cells, mazes with loops, rooms with doors, a warehouse.

Mazes and rooms are laid out on a lattice of square open blocks with walls of one cell between them. A random
spanning tree of the lattice is opened first, then a share of the walls that are left, so that every map is connected.

Reference: the kinds of map of Skrynnik et al., "Learn to follow: decentralized lifelong multi-agent pathfinding via
planning and learning", AAAI 2024. The default warehouse is the one used there.
"""

from __future__ import annotations

import numpy as np

from hodology.errors import InputError
from hodology.planning.grid_map import GridMap
from hodology.planning.grid_map_files import CELL_LIMIT
from hodology.rng import stream

__all__ = ["maze_map", "random_map", "rooms_map", "warehouse_map"]

_Wall = tuple[
    int, int, int
]  # row and column of a block, and 0 for the wall below it or 1 for the wall to its right


def random_map(height: int, width: int, density: float = 0.3, *, seed: int = 0) -> GridMap:
    """Each cell is a wall with probability `density`, on its own; the map may fall into components.

    Parameters
    ----------
    height, width : int
    density : float
        0 to 1.
    seed : int

    Raises
    ------
    InputError
        For values out of range.
    """
    _check_size(height, width)
    _check_share("density", density)
    walls = stream(seed, "random map").random((height, width)) < density
    return GridMap.from_array(walls, name=f"random-{height}x{width}-d{density:g}-s{seed}")


def maze_map(height: int, width: int, *, corridor: int = 1, loops: float = 0.5, seed: int = 0) -> GridMap:
    """A maze: corridors of one width, walls of one cell, every free cell reachable.

    Parameters
    ----------
    height, width : int
        Multiples of ``corridor + 1``, less 1: 65 for corridors of 1, 2 or 5.
    corridor : int
        Width of the corridors in cells.
    loops : float
        Share of the walls of the perfect maze that are taken out. 0 leaves exactly one way between any two cells;
        the mazes of the paper, where 30 to 70% of the walls stand, are near 0.5.
    seed : int

    Raises
    ------
    InputError
        For values out of range or a size that the corridors do not fill.
    """
    rows, columns = _blocks(height, width, corridor, "corridor")
    _check_share("loops", loops)
    standing = _standing_walls(rows, columns, loops, seed, "maze")
    free = np.ones((height, width), dtype=bool)
    pitch = corridor + 1
    for row, column, right in standing:
        top, left = row * pitch, column * pitch
        if right:
            free[top : top + corridor, left + corridor] = False
        else:
            free[top + corridor, left : left + corridor] = False
    _close_corners(free, pitch)
    return GridMap.from_array(~free, name=f"maze-{height}x{width}-c{corridor}-l{loops:g}-s{seed}")


def rooms_map(height: int, width: int, *, room: int = 7, doors: float = 0.5, seed: int = 0) -> GridMap:
    """Square rooms with doors of one cell, every room reachable.

    Parameters
    ----------
    height, width : int
        Multiples of ``room + 1``, less 1: 63 for rooms of 7.
    room : int
        Side of a room in cells.
    doors : float
        Share of the walls without a door, after each room can be reached, that get one too.
    seed : int

    Raises
    ------
    InputError
        For values out of range or a size that the rooms do not fill.
    """
    rows, columns = _blocks(height, width, room, "room")
    _check_share("doors", doors)
    closed = set(_standing_walls(rows, columns, doors, seed, "rooms"))
    generator = stream(seed, "rooms", "door places")
    pitch = room + 1
    free = np.ones((height, width), dtype=bool)
    free[room::pitch], free[:, room::pitch] = False, False
    for wall in _all_walls(rows, columns):
        place = int(generator.integers(room))
        row, column, right = wall
        if wall not in closed:
            at = (
                (row * pitch + place, column * pitch + room)
                if right
                else (row * pitch + room, column * pitch + place)
            )
            free[at] = True
    return GridMap.from_array(~free, name=f"rooms-{height}x{width}-r{room}-d{doors:g}-s{seed}")


def warehouse_map(
    *, shelf_rows: int = 8, shelf_columns: int = 3, shelf_length: int = 10, station_columns: int = 2
) -> GridMap:
    """A warehouse: shelves with goals along both sides, pairs of start columns at both ends, aisles of one cell.

    The default is the map of 46 x 33 cells used in the paper: 480 goals, 192 starts.

    Parameters
    ----------
    shelf_rows, shelf_columns : int
        Shelves from top to bottom and from left to right.
    shelf_length : int
        Cells of a shelf.
    station_columns : int
        Double columns of starts at each end.

    Raises
    ------
    InputError
        When a number is below 1.
    """
    numbers = {
        "shelf_rows": shelf_rows,
        "shelf_columns": shelf_columns,
        "shelf_length": shelf_length,
        "station_columns": station_columns,
    }
    for name, number in numbers.items():
        if number < 1:
            raise InputError(f"{name} must be at least 1, got {number}.")
    station = "@@!" * station_columns
    bands = [f"!{station}" + (mark * shelf_length + "!") * shelf_columns + station for mark in "$#$"]
    _check_size(4 * shelf_rows + 1, len(bands[0]))
    aisle = "!" * len(bands[0])
    rows = [aisle, *bands] * shelf_rows + [aisle]
    return GridMap.from_text("\n".join(rows), name=f"warehouse-{len(rows)}x{len(aisle)}")


def _standing_walls(rows: int, columns: int, share: float, seed: int, name: str) -> list[_Wall]:
    """Walls between blocks that stay after a spanning tree and a share of the others were opened."""
    opened = _spanning_tree(rows, columns, stream(seed, name, "tree"))
    left = [wall for wall in _all_walls(rows, columns) if wall not in opened]
    order = stream(seed, name, "openings").permutation(len(left))
    return [left[i] for i in sorted(order[round(share * len(left)) :].tolist())]


def _spanning_tree(rows: int, columns: int, generator: np.random.Generator) -> set[_Wall]:
    """Walls that a random depth-first walk over all blocks passes through."""
    opened: set[_Wall] = set()
    seen = np.zeros((rows, columns), dtype=bool)
    trail = [(int(generator.integers(rows)), int(generator.integers(columns)))]
    seen[trail[0]] = True
    while trail:
        row, column = trail[-1]
        around = [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)]
        fresh = [(r, c) for r, c in around if 0 <= r < rows and 0 <= c < columns and not seen[r, c]]
        if not fresh:
            trail.pop()
            continue
        to = fresh[int(generator.integers(len(fresh)))]
        opened.add((min(row, to[0]), min(column, to[1]), int(row == to[0])))
        seen[to] = True
        trail.append(to)
    return opened


def _all_walls(rows: int, columns: int) -> list[_Wall]:
    below = [(row, column, 0) for row in range(rows - 1) for column in range(columns)]
    return below + [(row, column, 1) for row in range(rows) for column in range(columns - 1)]


def _close_corners(free: np.ndarray, pitch: int) -> None:
    """Posts where walls meet: closed as soon as one wall touches them."""
    height, width = free.shape
    for row in range(pitch - 1, height, pitch):
        for column in range(pitch - 1, width, pitch):
            around = (
                free[row - 1, column],
                free[row + 1, column],
                free[row, column - 1],
                free[row, column + 1],
            )
            free[row, column] = all(around)


def _blocks(height: int, width: int, side: int, name: str) -> tuple[int, int]:
    """Lattice size; the blocks must fill the map."""
    if side < 1:
        raise InputError(f"{name} must be at least 1, got {side}.")
    _check_size(height, width)
    for what, value in (("height", height), ("width", width)):
        if (value + 1) % (side + 1):
            low = value - (value + 1) % (side + 1)
            raise InputError(
                f"{what} must be a multiple of {side + 1}, less 1, for a {name} of {side}; got {value}, near it are "
                f"{low} and {low + side + 1}."
            )
    return (height + 1) // (side + 1), (width + 1) // (side + 1)


def _check_size(height: int, width: int) -> None:
    if height < 1 or width < 1 or height * width > CELL_LIMIT:
        raise InputError(f"a map must have 1 to {CELL_LIMIT} cells, got {height} x {width}.")


def _check_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise InputError(f"{name} must be 0 to 1, got {value}.")
