"""Paths of all agents at one step, and the cost of where a cell lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from hodology.graph.grid import Grid

__all__ = ["PlannedPaths", "static_costs"]


@dataclass(frozen=True, eq=False, repr=False)
class PlannedPaths:
    """One path per agent, from its cell to its goal.

    Attributes
    ----------
    cells : int32 ndarray, shape (n, longest)
        Flat cells of the padded grid, the agent's own first; -1 after the end.
    length : int64 ndarray, shape (n,)
        Cells of each path; 1 on the goal, 0 where the goal cannot be reached.
    expanded : int64 ndarray, shape (n,)
        Cells that each search expanded.
    """

    cells: np.ndarray
    length: np.ndarray
    expanded: np.ndarray

    def __repr__(self) -> str:
        return f"PlannedPaths({len(self.length)} agents, at most {self.cells.shape[1]} cells)"

    @property
    def next_cell(self) -> np.ndarray:
        """int32 (n,): the second cell of each path; -1 where there is none."""
        if self.cells.shape[1] < 2:
            return np.full(len(self.length), -1, dtype=np.int32)
        return self.cells[:, 1]


def static_costs(grid: Grid, *, dtype: type[np.floating] = np.float64) -> np.ndarray:
    """Cost of entering each cell by where it lies: the greatest mean distance over the cell's own.

    Parameters
    ----------
    grid : Grid
    dtype : type
        In which they are divided.

    Returns
    -------
    ndarray of `dtype`, shape (grid.size,)
        At least 1; the more central a cell, the more. 1 for free cells without neighbours and for walls.
    """
    average = grid.average_distances().astype(dtype)
    costs = np.ones_like(average)
    np.divide(average.max(initial=0), average, out=costs, where=average > 0)
    return costs
