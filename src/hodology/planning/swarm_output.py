"""The readable files of a swarm run, and the view that its page draws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from hodology import __version__
from hodology.files import write_json, write_text
from hodology.planning.controllers import CONTROLLERS
from hodology.planning.episode import EpisodeReport
from hodology.planning.swarm_run import SwarmRun
from hodology.stats import Interval

__all__ = ["write_swarm_outputs"]

_COLUMNS = (
    ("throughput", "Throughput: goals per step", "goals\nper step", "higher"),
    ("wait_share", "Share of steps spent waiting", "waiting", "lower"),
    ("decision_ms", "Decision: ms per agent and step", "ms per\ndecision", "lower"),
)


def write_swarm_outputs(run: SwarmRun, folder: str | Path) -> dict[str, Any]:
    """Write ``summary.json``, ``throughput.csv``, ``map.txt`` and, per policy, ``POLICY.npz`` and ``POLICY-paths.jsonl``.

    Returns
    -------
    dict
        What `hodology.report.write_swarm_report` draws.
    """
    folder = Path(folder)
    files = ["summary.json", "throughput.csv", "map.txt"]
    for name, found in run.episodes.items():
        found[0].save(folder / f"{name}.npz")
        found[0].path_set().to_jsonl(folder / f"{name}-paths.jsonl")
        files += [f"{name}.npz", f"{name}-paths.jsonl"]
    write_text(folder / "map.txt", run.map.to_text())
    write_text(folder / "throughput.csv", _throughput_table(run))
    rows = [{key: _plain(value) for key, value in row.items()} for row in run.rows()]
    settings = {key: value for key, value in vars(run.settings).items() if value is not None}
    head = {"map": {"name": run.map.name, "height": run.map.height, "width": run.map.width}}
    write_json(
        folder / "summary.json",
        {"format": 1, "version": __version__, **head, "settings": settings, "rows": rows},
    )
    return _view(run, rows, settings, files)


def _view(
    run: SwarmRun, rows: list[dict[str, Any]], settings: dict[str, Any], files: list[str]
) -> dict[str, Any]:
    walls = ["".join("." if cell else "#" for cell in row) for row in run.map.free]
    name = run.map.name or "map"
    return {
        "format": 1,
        "title": f"{run.settings.agents} agents on {name}",
        "version": __version__,
        "map": {"name": name, "height": run.map.height, "width": run.map.width, "rows": walls},
        "settings": settings,
        "episodes": [_episode(key, found[0]) for key, found in run.episodes.items()],
        "table": {
            "columns": [
                {
                    "key": key,
                    "label": label,
                    "short": short,
                    "percent": key == "wait_share",
                    "share": True,
                    "better": better,
                }
                for key, label, short, better in _COLUMNS
            ],
            "rows": [{"method": row["policy"], **row} for row in rows],
        },
        "notes": _notes(run),
        "files": files,
    }


def _episode(key: str, report: EpisodeReport) -> dict[str, Any]:
    kind = CONTROLLERS[key]
    cells = report.coordinates()
    flat = cells[..., 0] * report.width + cells[..., 1]
    step = np.diff(cells, axis=0)
    moves = (
        (step[..., 0] == -1) * 1
        + (step[..., 0] == 1) * 2
        + (step[..., 1] == -1) * 3
        + (step[..., 1] == 1) * 4
    )
    goals = report.coordinates(report.goals)
    goals = goals[..., 0] * report.width + goals[..., 1]
    return {
        "key": key,
        "label": kind.label,
        "note": kind.note,
        "throughput": report.throughput,
        "goals_total": int(report.goals_per_agent.sum()),
        "wait_share": report.wait_share,
        "decision_ms": report.decision_ms,
        "starts": flat[0].tolist(),
        "moves": ["".join(map(str, agent)) for agent in moves.T.tolist()],
        "goals": _given(report, goals),
    }


def _given(report: EpisodeReport, goals: np.ndarray) -> list[list[list[int]]]:
    """Per agent ``[step, cell]``: the first goal, and the new one at every step in which it reached one.

    By what was reached, since a new goal may be the same cell again.
    """
    given = [[[0, int(goals[0, agent])]] for agent in range(report.n_agents)]
    for step, agent in report.reached.tolist():
        given[agent].append([step, int(goals[step, agent])])
    return given


def _plain(value: Any) -> Any:
    """Intervals as mappings; the ends that one seed does not have are None."""
    if not isinstance(value, Interval):
        return value
    return {key: None if part != part else part for key, part in value.to_dict().items()}


def _throughput_table(run: SwarmRun) -> str:
    lines = ["policy,seed,throughput,wait_share,decision_ms,goals"]
    for name, found in run.episodes.items():
        for e in found:
            figures = (
                f"{e.throughput:.6g},{e.wait_share:.6g},{e.decision_ms:.6g},{int(e.goals_per_agent.sum())}"
            )
            lines.append(f"{name},{e.seed},{figures}")
    return "\n".join(lines) + "\n"


def _notes(run: SwarmRun) -> list[str]:
    """What a reader of the page has to know of its figures."""
    s = run.settings
    notes = [
        "Throughput is goals reached per step by all agents together. All policies start from the same cells and each agent "
        "gets the same sequence of goals, whatever the policy.",
        f"Collisions are settled by the {s.collision!r} rule; agents see {s.obs_radius} cells around them.",
    ]
    if s.starts == "map":
        notes.append("Agents start where the map says and have its goals first; later goals are drawn.")
    if s.seeds > 1:
        notes.append(
            f"Figures are means over {s.seeds} seeds with 95 % t intervals; the animation shows seed {s.seed}."
        )
    else:
        notes.append("One seed has no interval: add --seeds 5 before comparing policies.")
    central = [CONTROLLERS[p].label for p in s.policies if p in ("pibt", "windowed-prioritised")]
    if central:
        notes.append(
            f"{' and '.join(central)}: central, with all positions and goals; the others decide agent by agent."
        )
    return notes
