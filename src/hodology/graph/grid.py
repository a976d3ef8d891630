"""Grids of free cells and walls, 4-connected: components, distances, costs to go, shortest paths.

A cell is a flat index into an array that is padded with wall cells, so that the neighbours of any free cell are
-stride (up), +stride (down), -1 (left) and +1 (right) away and no search looks at borders.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from hodology.errors import FileFormatError, InputError
from hodology.files import cache_dir, hash_arrays, read_arrays, write_arrays

if TYPE_CHECKING:
    from hodology.graph.multigraph import MultiGraph

__all__ = ["Grid"]

_CACHED = 2_000  # free cells above which all-pairs distances are kept on disk
_TILE = 8  # 64 neighbouring sources, one word of bits, search together
_CELLS = 10_000_000


class Grid:
    """A 4-connected grid of free cells, padded by `margin` wall cells on every side.

    Parameters
    ----------
    free : bool ndarray, shape (height, width)
        True where one can go.
    margin : int
        Wall cells around the map, at least 1. A view of radius `margin` around any free cell lies inside the
        padded array.

    Attributes
    ----------
    free : uint8 ndarray, shape (size,)
        1 on free cells, 0 on walls and on the margin; read-only.
    height, width : int
        Of the map without the margin.
    margin : int
    stride : int
        ``width + 2 * margin``: the row below is `stride` further.
    size : int
        Padded cells.
    cells : int32 ndarray
        Flat ids of the free cells, row by row; read-only.

    Raises
    ------
    InputError
        For arrays that are not boolean and two-dimensional, a margin below 1, more than 10,000,000 padded cells.

    Examples
    --------
    >>> import numpy as np
    >>> grid = Grid(np.array([[1, 0, 1], [1, 1, 1]], dtype=bool))
    >>> grid.coordinates(grid.shortest_path(*grid.flat([0, 0], [0, 2]))).tolist()
    [[0, 0], [1, 0], [1, 1], [1, 2], [0, 2]]
    """

    def __init__(self, free: np.ndarray, *, margin: int = 1) -> None:
        free = np.asarray(free)
        if free.ndim != 2 or free.dtype != np.bool_ or free.size == 0:
            raise InputError(
                f"free must be a boolean array of shape (height, width), got {free.dtype} of shape {free.shape}."
            )
        if margin < 1:
            raise InputError(f"margin must be at least 1, got {margin}.")
        self.height, self.width = free.shape
        self.margin = int(margin)
        self.stride = self.width + 2 * self.margin
        self.size = self.stride * (self.height + 2 * self.margin)
        if self.size > _CELLS:
            raise InputError(f"a grid of {self.size} cells with its margin is above the limit of {_CELLS}.")
        self.free = _frozen(np.pad(free, self.margin).astype(np.uint8).reshape(-1))
        self.cells = _frozen(np.flatnonzero(self.free).astype(np.int32))
        self._components: np.ndarray | None = None

    def __repr__(self) -> str:
        return f"Grid({self.height} x {self.width}, {len(self.cells)} free cells)"

    def flat(self, rows: ArrayLike, columns: ArrayLike) -> np.ndarray:
        """Flat ids (int32) of cells given by row and column of the map without margin; walls are allowed.

        Raises
        ------
        InputError
            When a cell lies outside the map.
        """
        rows, columns = np.broadcast_arrays(np.asarray(rows), np.asarray(columns))
        outside = (rows < 0) | (rows >= self.height) | (columns < 0) | (columns >= self.width)
        if outside.any():
            at = np.flatnonzero(outside.reshape(-1))[0]
            cell = (int(rows.reshape(-1)[at]), int(columns.reshape(-1)[at]))
            raise InputError(f"cell {cell} is outside the map of {self.height} x {self.width} cells.")
        return ((rows + self.margin) * self.stride + columns + self.margin).astype(np.int32)

    def coordinates(self, flat: ArrayLike) -> np.ndarray:
        """Rows and columns in the map without margin, int32 ``(..., 2)``, of flat ids ``(...)``."""
        rows, columns = np.divmod(np.asarray(flat), self.stride)
        return np.stack([rows - self.margin, columns - self.margin], axis=-1).astype(np.int32)

    def components(self) -> np.ndarray:
        """Connected component of every padded cell, int32 ``(size,)``: numbered by first cell, -1 on walls."""
        if self._components is None:
            from hodology.graph import grid_kernels

            self._components = _frozen(grid_kernels.label(self.free, self.stride, self.cells))
        return self._components

    def distances(self, goal: int) -> np.ndarray:
        """Steps from every padded cell to `goal`, int32 ``(size,)``; -1 where there is no way.

        Raises
        ------
        InputError
            When `goal` is no free cell.
        """
        from hodology.graph import grid_kernels

        goal = self._free_cell(goal, "goal")
        return grid_kernels.breadth_first(self.free, self.stride, goal, len(self.cells))

    def cost_to_go(self, goal: int, cost: np.ndarray | None = None) -> np.ndarray:
        """Least sum of the costs of the cells entered on the way to `goal`, for every padded cell.

        The goal's own cost is part of the sum, the cost of the cell that one starts from is not, so the goal
        itself has 0. By one backward Dijkstra search.

        Parameters
        ----------
        goal : int
            Flat id of a free cell.
        cost : float64 ndarray, shape (size,), optional
            Cost of entering each cell; positive and finite on free cells. Default 1 everywhere.

        Returns
        -------
        float64 ndarray, shape (size,)
            Infinite where there is no way.

        Raises
        ------
        InputError
            When `goal` is no free cell, or `cost` has another shape or a value that is not positive.
        """
        from hodology.graph import grid_kernels

        if cost is None:
            steps = self.distances(goal)
            return np.where(steps >= 0, steps.astype(np.float64), np.inf)
        goal, cost = self._free_cell(goal, "goal"), self._cost(cost)
        return grid_kernels.dijkstra(self.free, self.stride, goal, cost, len(self.cells))

    def average_distances(self, *, jobs: int = 1) -> np.ndarray:
        """Mean distance in steps from each free cell to all other cells that it reaches.

        One breadth-first search per free cell, 64 of them at a time as the bits of a word. Above 2,000 free cells
        the result is kept on disk, by the content of the map, and read back the next time.

        Parameters
        ----------
        jobs : int
            Threads. The result does not depend on it.

        Returns
        -------
        float64 ndarray, shape (size,)
            0 on walls and on cells without a free neighbour.

        Raises
        ------
        InputError
            When `jobs` is below 1.
        """
        if jobs < 1:
            raise InputError(f"jobs must be at least 1, got {jobs}.")
        sums = self._stored_sums(jobs) if len(self.cells) > _CACHED else self._sums(jobs)
        parts = self.components()[self.cells]
        others = np.bincount(parts)[parts] - 1 if len(parts) else parts
        average = np.zeros(self.size)
        average[self.cells] = sums / np.maximum(others, 1)
        return average

    def shortest_path(self, start: int, goal: int, cost: np.ndarray | None = None) -> np.ndarray:
        """Path of least cost by A*; the estimate is the Manhattan distance times the smallest cost.

        Parameters
        ----------
        start, goal : int
            Flat ids of free cells.
        cost : float64 ndarray, shape (size,), optional
            Cost of entering each cell, as in `cost_to_go`. Default 1 everywhere.

        Returns
        -------
        int32 ndarray
            Flat ids from `start` to `goal`, both included.

        Raises
        ------
        InputError
            When there is no way, or as in `cost_to_go`.
        """
        from hodology.graph import grid_kernels

        start, goal = self._free_cell(start, "start"), self._free_cell(goal, "goal")
        cost = np.ones(self.size) if cost is None else self._cost(cost)
        least = float(cost[self.cells].min())
        path = grid_kernels.a_star(self.free, self.stride, start, goal, cost, least, len(self.cells))
        if not len(path):
            ends = " to ".join(str(tuple(self.coordinates(cell).tolist())) for cell in (start, goal))
            raise InputError(f"no way leads from {ends}: they lie in different components.")
        return path

    def to_graph(self, cost: np.ndarray | None = None) -> MultiGraph:
        """The free cells as nodes, in the order of `cells`, named ``"row,column"``, joined to their free neighbours.

        Parameters
        ----------
        cost : float64 ndarray, shape (size,), optional
            Cost of entering each cell. With it, the graph is directed and an edge weighs the cost of the cell it enters;
            without, the graph is undirected and has no weights.

        Raises
        ------
        InputError
            When `cost` has another shape or a value that is not positive.
        """
        from hodology.graph.multigraph import MultiGraph

        place = np.full(self.size, -1, dtype=np.int64)
        place[self.cells] = np.arange(len(self.cells))
        steps = (1, self.stride) if cost is None else (-self.stride, self.stride, -1, 1)
        ends = [(self.cells, self.cells + step) for step in steps]
        pairs = [(place[a[place[b] >= 0]], place[b[place[b] >= 0]]) for a, b in ends]
        tails, heads = (np.concatenate(part) for part in zip(*pairs, strict=True))
        where = self.coordinates(self.cells)
        weights = None if cost is None else self._cost(cost)[self.cells][heads]
        return MultiGraph(
            tails,
            heads,
            n_nodes=len(self.cells),
            names=[f"{row},{column}" for row, column in where.tolist()],
            weights=weights,
            directed=cost is not None,
            node_data={"row": where[:, 0], "column": where[:, 1]},
        )

    def _free_cell(self, cell: int, name: str) -> int:
        if not 0 <= cell < self.size:
            raise InputError(f"{name} must be a flat cell id from 0 to {self.size - 1}, got {cell}.")
        if not self.free[cell]:
            raise InputError(f"{name} {tuple(self.coordinates(cell).tolist())} is no free cell.")
        return int(cell)

    def _cost(self, cost: np.ndarray) -> np.ndarray:
        cost = np.ascontiguousarray(cost, dtype=np.float64)
        if cost.shape != (self.size,):
            raise InputError(f"cost must have shape ({self.size},), got {cost.shape}.")
        values = cost[self.cells]
        bad = ~((values > 0) & np.isfinite(values))
        if bad.any():
            cell = tuple(self.coordinates(self.cells[bad][0]).tolist())
            raise InputError(f"costs must be positive and finite, got {values[bad][0]} at {cell}.")
        return cost

    def _sums(self, jobs: int) -> np.ndarray:
        """Sum of the distances of each free cell to all others, int64, in whole words of 64 sources a job."""
        from hodology.graph import grid_kernels

        rows, columns = self.coordinates(self.cells).T
        tiles = rows // _TILE * (self.width // _TILE + 1) + columns // _TILE
        sources = self.cells[np.argsort(tiles, kind="stable")]
        words = -(-len(sources) // 64)
        bounds = [64 * (words * job // jobs) for job in range(jobs)] + [len(sources)]

        def part(begin: int, end: int) -> np.ndarray:
            sums = np.zeros(self.size, dtype=np.int64)
            grid_kernels.distance_sums(self.free, self.stride, sources[begin:end], sums)
            return sums[self.cells]

        with ThreadPoolExecutor(jobs) as pool:
            return sum(pool.map(part, bounds[:-1], bounds[1:]), np.zeros(len(self.cells), dtype=np.int64))

    def _stored_sums(self, jobs: int) -> np.ndarray:
        """`_sums` through the cache; a file that cannot be read is made again."""
        free = self.free.reshape(-1, self.stride)[self.margin : -self.margin, self.margin : -self.margin]
        file = cache_dir() / "grids" / f"distance-sums-{hash_arrays({'free': free})}.npz"
        if file.is_file():
            try:
                sums = read_arrays(file, names=["sums"])["sums"]
            except FileFormatError:
                file.unlink(missing_ok=True)
            else:
                if sums.shape == self.cells.shape and sums.dtype == np.int64:
                    return sums
        sums = self._sums(jobs)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_arrays(file, {"sums": sums})
        return sums


def _frozen(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array
