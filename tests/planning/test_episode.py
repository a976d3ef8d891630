"""Episodes: what a report says is what happened, files come back, pictures show it."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pytest

from hodology.errors import FileFormatError, InputError
from hodology.files import write_arrays
from hodology.planning.episode import EpisodeReport, run_episode
from hodology.planning.episode_drawing import agent_colours, episode_gif, episode_svg
from hodology.planning.grid_generators import random_map
from hodology.planning.grid_map import GridMap
from hodology.planning.lifelong_grid import LifelongGrid
from hodology.planning.path_steppers import AStarStepper, RandomStepper
from hodology.planning.pibt import PIBT


class Scripted:
    """Actions given beforehand."""

    name = "scripted"

    def __init__(self, *actions: list[int]) -> None:
        self.actions = actions

    def reset(self, env):
        assert env.steps == 0

    def act(self, env):
        return np.array(self.actions[env.steps])


@pytest.fixture
def report() -> EpisodeReport:
    world = LifelongGrid(random_map(9, 12, density=0.2, seed=4), 6, seed=2, obs_radius=3, horizon=30)
    return run_episode(world, PIBT(), record=True)


def test_a_small_episode_by_hand():
    world = LifelongGrid(
        GridMap.from_text("....\n####"), 2, starts=[[0, 0], [0, 3]], goals=[[0, 1], [0, 0]], obs_radius=2
    )
    found = run_episode(world, Scripted([4, 0], [3, 3], [0, 0], [0, 4]), steps=4, record=True)
    assert found.coordinates()[..., 1].tolist()[:3] == [[0, 3], [1, 3], [0, 2]]
    assert found.reached[0].tolist() == [1, 0]
    assert found.goals[0].tolist() == world.grid.flat([0, 0], [1, 0]).tolist()
    assert found.wait_share == pytest.approx(1 - 4 / 8)
    assert found.throughput == found.goals_per_agent.sum() / 4 == len(found.reached) / 4
    assert found.map_text == "....\n####"
    assert (found.controller, found.steps, found.n_agents, found.collision) == ("scripted", 4, 2, "soft")
    assert found.decision_seconds > 0
    assert found.decision_ms == pytest.approx(found.decision_seconds * 1e3 / 8)


def test_the_record_is_what_the_world_did(report):
    world = LifelongGrid(random_map(9, 12, density=0.2, seed=4), 6, seed=2, obs_radius=3, horizon=30)
    seen = []
    again = run_episode(
        world, PIBT(), on_step=lambda env, result: seen.append((env.positions, result.reached))
    )
    assert np.array_equal(np.stack([positions for positions, _ in seen]), report.trajectories[1:])
    assert np.array_equal(np.argwhere(np.stack([r for _, r in seen])) + [1, 0], report.reached)
    assert np.array_equal(again.reached, report.reached)
    assert again.trajectories is None
    at_goal = report.trajectories[1:] == report.goals[:-1]
    assert np.array_equal(np.argwhere(at_goal) + [1, 0], report.reached)
    assert len(report.reached) == report.goals_per_agent.sum() > 0
    moved = (np.diff(report.trajectories, axis=0) != 0).mean()
    assert report.wait_share == pytest.approx(1 - moved)


def test_a_report_as_paths_and_plain_values(report):
    paths = report.path_set()
    assert (len(paths), len(paths.places)) == (6, 31)
    cells = report.coordinates()
    assert np.array_equal(paths.units()[:, :, 0], (cells[..., 0] * 12 + cells[..., 1]).T)
    assert paths.scores.tolist() == report.goals_per_agent.tolist()
    plain = json.loads(json.dumps(report.to_dict()))
    assert plain["trajectories"] == paths.units()[:, :, 0].T.tolist()
    assert len(plain["map_text"]) == 9
    assert all(plain["map_text"][c // 12][c % 12] == "." for row in plain["goals"] for c in row)
    assert plain["reached"] == report.reached.tolist()


def test_a_report_comes_back_from_its_file(report, tmp_path):
    for number, one in enumerate((report, replace(report, trajectories=None, goals=None, map_text=""))):
        one.save(tmp_path / f"{number}.npz")
        found = EpisodeReport.load(tmp_path / f"{number}.npz")
        assert found.to_dict() == one.to_dict()
        assert repr(found) == repr(one)


def test_files_that_hold_no_episode_are_refused(report, tmp_path):
    file = tmp_path / "episode.npz"
    write_arrays(file, {"reached": report.reached})
    with pytest.raises(FileFormatError, match="does not hold an episode: 'plain'"):
        EpisodeReport.load(file)
    for change, message in (
        (
            {"trajectories": report.trajectories[1:]},
            r"trajectories must be integers of shape \(31, 6\), got int32 of \(30, 6\)",
        ),
        ({"goals": report.goals + 10_000}, "goals must be cells 0 to 269"),
        ({"reached": report.reached[:, :1]}, r"reached must have shape \(k, 2\)"),
    ):
        replace(report, **change).save(file)
        with pytest.raises(FileFormatError, match=message):
            EpisodeReport.load(file)
    write_arrays(
        file, {"plain": np.array("{"), "goals_per_agent": report.goals_per_agent, "reached": report.reached}
    )
    with pytest.raises(FileFormatError, match="does not hold an episode"):
        EpisodeReport.load(file)


def test_what_cannot_be_run_or_read_is_said():
    world = LifelongGrid(random_map(6, 6, density=0.1, seed=0), 3, horizon=4)
    with pytest.raises(InputError, match="steps must be at least 1, got 0"):
        run_episode(world, RandomStepper(), steps=0)
    bare = run_episode(world, AStarStepper())
    for call in (bare.path_set, bare.coordinates, lambda: episode_svg(bare)):
        with pytest.raises(InputError, match="holds no trajectories: run it with record=True"):
            call()


# --------------------------------------------------------------------------------------------------------- pictures


def test_a_frame_shows_agents_goals_and_walls_where_they_are(report):
    for step in (0, 7, -1):
        picture = ElementTree.fromstring(episode_svg(report, step=step, cell=10))
        circles = [e for e in picture.iter() if e.tag.endswith("circle")]
        discs = [e for e in circles if e.get("fill") != "none"]
        rings = [e for e in circles if e.get("fill") == "none"]
        for marks, cells in ((discs, report.trajectories[step]), (rings, report.goals[step])):
            places = [(float(e.get("cy")), float(e.get("cx"))) for e in marks]
            assert np.allclose(places, (report.coordinates(cells) + 0.5) * 10)
        trails = [e for e in picture.iter() if e.tag.endswith("polyline")]
        assert len(trails) == (0 if step == 0 else 6)
    walls = next(e for e in picture.iter() if e.get("class") == "wall").get("d")
    covered = sum(int(width) for width in re.findall(r"h(\d+)v", walls))
    assert covered == 10 * report.map_text.count("#")
    assert "trail" not in episode_svg(report, trail=0).split("</style>")[1]


def test_a_gif_has_a_frame_per_step_with_agents_in_their_cells(report, tmp_path):
    image = pytest.importorskip("PIL.Image")
    file = tmp_path / "episode.gif"
    episode_gif(report, file, cell=6, first=3, last=12)
    colours = [tuple(int(c[k : k + 2], 16) for k in (1, 3, 5)) for c in agent_colours(6)]
    with image.open(file) as gif:
        assert gif.n_frames == 10
        assert gif.size == (72, 54)
        for frame in range(10):
            gif.seek(frame)
            pixels = np.array(gif.convert("RGB"))
            for (row, column), colour in zip(report.coordinates()[3 + frame].tolist(), colours, strict=True):
                assert tuple(pixels[6 * row + 1, 6 * column + 1].tolist()) == colour


def test_pictures_that_cannot_be_are_refused(report, tmp_path):
    with pytest.raises(InputError, match="step must be 0 to 30, got 31"):
        episode_svg(report, step=31)
    with pytest.raises(InputError, match="trail must be at least 0 and cell at least 1, got -1 and 12"):
        episode_svg(report, trail=-1)
    pytest.importorskip("PIL.Image")
    with pytest.raises(InputError, match="first to last must be 1 to 2000 frames, got steps 9 to 3"):
        episode_gif(report, tmp_path / "a.gif", first=9, last=3)
    with pytest.raises(InputError, match="at most 2048 pixels an edge, got cell 400"):
        episode_gif(report, tmp_path / "a.gif", cell=400)


def test_colours_of_agents_differ():
    assert len(set(agent_colours(200))) == 200
