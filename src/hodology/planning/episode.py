"""Run a controller through an episode and keep what happened: throughput, waits, times, trajectories."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from hodology.errors import FileFormatError, InputError
from hodology.files import arrays_from_bytes, arrays_to_bytes, write_bytes

if TYPE_CHECKING:
    from hodology.path import PathSet
    from hodology.planning.lifelong_grid import LifelongGrid, StepResult

__all__ = ["Controller", "EpisodeReport", "run_episode"]

_ARRAYS = ("goals_per_agent", "reached", "trajectories", "goals")


class Controller(Protocol):
    """What decides on the agents' actions. Write one to compare it with those that are here."""

    name: str

    def reset(self, env: LifelongGrid) -> None:
        """Begin an episode of this environment."""

    def act(self, env: LifelongGrid) -> np.ndarray:
        """Integers ``(n,)``: 0 stay, 1 up, 2 down, 3 left, 4 right."""


@dataclass(frozen=True, eq=False, repr=False)
class EpisodeReport:
    """What one episode gave.

    Attributes
    ----------
    controller, map_name, collision : str
    seed, steps, n_agents : int
    throughput : float
        Goals reached per step, by all agents together.
    goals_per_agent : int64 ndarray, shape (n,)
    wait_share : float
        Share of agent-steps in which the agent stayed in its cell, by choice or because a move was refused.
    decision_seconds : float
        Wall time of all calls of the controller, without `reset`.
    reached : int32 ndarray, shape (k, 2)
        Step (1 .. steps) and agent of each goal that was reached, in order.
    height, width, margin : int
        Of the map; `trajectories` and `goals` are flat cells of the map padded by `margin` on every side.
    map_text : str
        The map's rows, ``.`` free and ``#`` wall; empty when nothing was recorded.
    trajectories : int32 ndarray, shape (steps + 1, n), or None
        Cell of each agent before the first step and after each.
    goals : int32 ndarray, shape (steps + 1, n), or None
        Goal that each agent had then.
    """

    controller: str
    map_name: str
    collision: str
    seed: int
    steps: int
    n_agents: int
    throughput: float
    goals_per_agent: np.ndarray
    wait_share: float
    decision_seconds: float
    reached: np.ndarray
    height: int
    width: int
    margin: int
    map_text: str = ""
    trajectories: np.ndarray | None = None
    goals: np.ndarray | None = None

    def __repr__(self) -> str:
        kept = "recorded" if self.trajectories is not None else "not recorded"
        return f"EpisodeReport({self.controller!r}, {self.n_agents} agents, {self.steps} steps, {kept})"

    @property
    def decision_ms(self) -> float:
        """Milliseconds of decision per agent and step."""
        return 1e3 * self.decision_seconds / max(self.steps * self.n_agents, 1)

    def coordinates(self, cells: np.ndarray | None = None) -> np.ndarray:
        """Rows and columns of the unpadded map, int ``(..., 2)``, of flat `cells` (default: the trajectories)."""
        cells = self._recorded() if cells is None else np.asarray(cells)
        stride = self.width + 2 * self.margin
        return np.stack([cells // stride - self.margin, cells % stride - self.margin], axis=-1)

    def to_dict(self) -> dict[str, Any]:
        """Plain values; recorded cells as row * width + column of the unpadded map, one list per step."""
        left: dict[str, Any] = {"map_text": self.map_text.splitlines()}
        for name in ("trajectories", "goals"):
            cells = getattr(self, name)
            left[name] = None if cells is None else self._unpadded(cells).tolist()
        return {
            field.name: _plain(getattr(self, field.name)) for field in fields(self) if field.name not in left
        } | left

    def path_set(self) -> PathSet:
        """One path per agent: place = step, unit = row * width + column of the unpadded map, score = goals reached.

        Raises
        ------
        InputError
            When the episode was not recorded.
        """
        from hodology.path import PathSet

        return PathSet.from_units(
            self._unpadded(self._recorded()).T,
            [str(step) for step in range(self.steps + 1)],
            self.goals_per_agent.astype(np.float64),
            measure="goals reached",
            ids=[f"agent {agent}" for agent in range(self.n_agents)],
        )

    def to_bytes(self) -> bytes:
        """As the bytes of an ``.npz`` file without pickle; `from_bytes` reads them."""
        arrays = {name: getattr(self, name) for name in _ARRAYS if getattr(self, name) is not None}
        plain = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in _ARRAYS}
        return arrays_to_bytes({**arrays, "plain": np.array(json.dumps(plain))})

    @classmethod
    def from_bytes(cls, data: bytes, *, source: str = "data") -> EpisodeReport:
        """Read what `to_bytes` made; `source` names it in errors.

        Raises
        ------
        FileFormatError
            When the bytes are damaged or hold something else.
        """
        arrays = arrays_from_bytes(data, source=source)
        try:
            plain: dict[str, Any] = json.loads(str(arrays.pop("plain")))
            report = cls(**{**plain, **arrays})
            _check_arrays(report)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise FileFormatError(f"{source} does not hold an episode: {error}.") from error
        return report

    def save(self, file: str | Path) -> None:
        """Write an ``.npz`` file without pickle; `load` reads it."""
        write_bytes(file, self.to_bytes())

    @classmethod
    def load(cls, file: str | Path) -> EpisodeReport:
        """Read what `save` wrote.

        Raises
        ------
        FileFormatError
            When the file is missing, damaged or holds something else.
        """
        try:
            data = Path(file).read_bytes()
        except OSError as error:
            raise FileFormatError(f"{file} cannot be read: {error.strerror}.") from error
        return cls.from_bytes(data, source=str(file))

    def _recorded(self) -> np.ndarray:
        if self.trajectories is None:
            raise InputError("the episode holds no trajectories: run it with record=True.")
        return self.trajectories

    def _unpadded(self, cells: np.ndarray) -> np.ndarray:
        rows_columns = self.coordinates(cells)
        return rows_columns[..., 0] * self.width + rows_columns[..., 1]


def run_episode(
    env: LifelongGrid,
    controller: Controller,
    *,
    steps: int | None = None,
    record: bool = False,
    on_step: Callable[[LifelongGrid, StepResult], None] | None = None,
) -> EpisodeReport:
    """Run one episode from its start.

    Parameters
    ----------
    env : LifelongGrid
        It is reset first, with its own seed, and left in its last state.
    controller : Controller
    steps : int, optional
        Default: the horizon of `env`.
    record : bool
        Keep the cells and goals of all agents at all steps.
    on_step : callable, optional
        Called after each step with the environment and what the step did; for progress and live drawing.

    Raises
    ------
    InputError
        For `steps` below 1, or actions that the environment refuses.
    """
    steps = env.horizon if steps is None else steps
    if isinstance(steps, bool) or steps < 1:
        raise InputError(f"steps must be at least 1, got {steps}.")
    env.reset()
    controller.reset(env)
    n, seconds, moved = env.n_agents, 0.0, 0
    cells, goals = [env.positions.copy()], [env.goals.copy()]
    reached: list[np.ndarray] = []
    for step in range(1, steps + 1):
        began = time.perf_counter()
        actions = controller.act(env)
        seconds += time.perf_counter() - began
        result = env.step(actions)
        moved += int(result.moved.sum())
        agents = np.flatnonzero(result.reached)
        reached.append(np.stack([np.full(len(agents), step), agents], axis=1))
        if record:
            cells.append(env.positions.copy())
            goals.append(env.goals.copy())
        if on_step is not None:
            on_step(env, result)
    return EpisodeReport(
        controller=controller.name,
        map_name=env.map.name,
        collision=env.collision,
        seed=int(env.seed),
        steps=steps,
        n_agents=n,
        throughput=float(env.reached_total.sum()) / steps,
        goals_per_agent=env.reached_total.copy(),
        wait_share=1.0 - moved / (steps * n),
        decision_seconds=seconds,
        reached=np.concatenate(reached).astype(np.int32),
        height=env.grid.height,
        width=env.grid.width,
        margin=env.grid.margin,
        map_text=_walls(env) if record else "",
        trajectories=np.stack(cells) if record else None,
        goals=np.stack(goals) if record else None,
    )


def _walls(env: LifelongGrid) -> str:
    return "\n".join("".join("." if cell else "#" for cell in row) for row in env.map.free)


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def _check_arrays(report: EpisodeReport) -> None:
    """Shapes and ranges, so that a damaged file is no wrong picture."""
    n, steps = report.n_agents, report.steps
    shapes: Mapping[str, tuple[int, ...]] = {
        "goals_per_agent": (n,),
        "trajectories": (steps + 1, n),
        "goals": (steps + 1, n),
    }
    size = (report.height + 2 * report.margin) * (report.width + 2 * report.margin)
    for name, shape in shapes.items():
        array = getattr(report, name)
        if array is None:
            continue
        if array.shape != shape or array.dtype.kind != "i":
            raise ValueError(f"{name} must be integers of shape {shape}, got {array.dtype} of {array.shape}")
        if name != "goals_per_agent" and not (array.min() >= 0 and array.max() < size):
            raise ValueError(f"{name} must be cells 0 to {size - 1}")
    if report.reached.ndim != 2 or report.reached.shape[1] != 2:
        raise ValueError(f"reached must have shape (k, 2), got {report.reached.shape}")
