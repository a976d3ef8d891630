"""``hodology swarm run``: an episode of every policy on users' maps, resumed, and misuse in one line."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from hodology.cli import main
from hodology.cli.preparing import trained_network
from hodology.path import PathSet
from hodology.planning.controllers import CONTROLLERS, make_controller
from hodology.planning.episode import EpisodeReport, run_episode
from hodology.planning.follower_network import FollowerNetwork, network_shape
from hodology.planning.follower_weights import save_network
from hodology.planning.grid_map import read_map
from hodology.planning.lifelong_grid import LifelongGrid
from hodology.planning.swarm_run import SwarmSettings, check_swarm
from hodology.work.lock import folder_lock

MAP = "\n".join(["........", ".##..##.", "........", ".##..##.", "........", "........"]) + "\n"


@pytest.fixture
def files(tmp_path):
    (tmp_path / "hall.txt").write_text(MAP)
    save_network(FollowerNetwork(network_shape("follower-lite"), rng=0), tmp_path / "weights.npz")
    return tmp_path


@pytest.fixture
def swarm(files, capsys):
    """Call ``hodology swarm run`` on the small map; later options win."""

    def call(*words, map=None):
        head = ["swarm", "run", str(map or files / "hall.txt"), "--agents", "6", "--steps", "40", "--quiet"]
        with pytest.raises(SystemExit) as stop:
            main([*head, "--out", str(files / "out"), *map_words(words)])
        return stop.value.code, *capsys.readouterr()

    def map_words(words):
        return [str(word) for word in words]

    return call


def test_every_file_is_written_and_agrees(swarm, files):
    code, text, error = swarm("--policy", "pibt,a-star-costs,random", "--seeds", "2")
    assert (code, error) == (0, "")
    assert "6 agents on hall, 40 steps, 2 seeds" in text
    out = files / "out"
    names = {f.name for f in out.iterdir() if f.is_file()}
    policies = ("pibt", "a-star-costs", "random")
    assert names == {
        *("index.html", "manifest.json", "summary.json", "throughput.csv", "map.txt"),
        *(f"{p}.npz" for p in policies),
        *(f"{p}-paths.jsonl" for p in policies),
    }
    rows = list(csv.DictReader((out / "throughput.csv").read_text().splitlines()))
    assert [(r["policy"], r["seed"]) for r in rows] == [(p, s) for p in policies for s in ("0", "1")]
    summary = json.loads((out / "summary.json").read_text())
    first = [float(r["throughput"]) for r in rows[:2]]
    assert summary["rows"][0]["throughput"]["estimate"] == pytest.approx(np.mean(first))
    report = EpisodeReport.load(out / "pibt.npz")
    again = run_episode(
        LifelongGrid(read_map(files / "hall.txt"), 6, horizon=40), make_controller("pibt"), record=True
    )
    assert np.array_equal(report.trajectories, again.trajectories)
    paths = PathSet.from_jsonl(out / "pibt-paths.jsonl")
    assert len(paths) == 6
    assert paths.scores.sum() == report.goals_per_agent.sum()


def _begins(folder):
    """First cells and goals of the recorded agents as (row, column)."""
    report = EpisodeReport.load(folder / "out" / "pibt.npz")
    return report.coordinates()[0].tolist(), report.coordinates(report.goals)[0].tolist()


def test_agents_start_where_the_map_says_and_have_its_goals_first(swarm, files):
    lettered = files / "letters.txt"
    lettered.write_text("a..A\n....\nb..B\n")
    words = ("--policy", "pibt", "--agents", "2")
    assert swarm(*words, map=lettered)[0] == 0
    assert _begins(files) == ([[0, 0], [2, 0]], [[0, 3], [2, 3]])
    assert "Agents start where the map says" in (files / "out" / "index.html").read_text()
    assert json.loads((files / "out" / "summary.json").read_text())["settings"]["starts"] == "map"
    assert (
        swarm(*words, "--starts", "random", map=lettered)[0] == 0
    )  # the same folder: no episode of the other
    drawn = LifelongGrid(read_map(lettered), 2)
    assert _begins(files)[0] == drawn.grid.coordinates(drawn.starts).tolist() != [[0, 0], [2, 0]]
    lettered.write_text("A..a\n....\nb..B\n")  # the same cells are free
    assert swarm(*words, map=lettered)[0] == 0
    assert _begins(files) == ([[0, 3], [2, 0]], [[0, 0], [2, 3]])


def test_a_scenario_beside_a_map_is_taken(swarm, files):
    (files / "city.map").write_text("type octile\nheight 2\nwidth 3\nmap\n...\n...\n")
    (files / "city.scen").write_text(
        "version 1\n0\tcity.map\t3\t2\t2\t0\t0\t1\t3\n0\tcity.map\t3\t2\t0\t0\t1\t1\t2\n"
    )
    assert swarm("--policy", "pibt", "--agents", "2", map=files / "city.map")[0] == 0
    assert _begins(files) == ([[0, 2], [0, 0]], [[1, 0], [1, 1]])


def test_the_map_says_how_many_agents_when_nobody_else_does(files):
    (files / "letters.txt").write_text("a..A\n....\nb..B\n")
    for settings, expected in (
        (SwarmSettings(map=str(files / "letters.txt"), policies=("pibt",)), (2, "map")),
        (SwarmSettings(map=str(files / "letters.txt"), policies=("pibt",), agents=1), (1, "map")),
        (SwarmSettings(policies=("pibt",)), (64, "random")),
    ):
        chosen, _ = check_swarm(settings)
        assert (chosen.agents, chosen.starts) == expected


@pytest.mark.parametrize(
    ("map", "words", "message"),
    [
        ("a..A\n....\nb..B", ["--agents", "3"],
         "names starts and goals of 2 agents, got 3 agents; take at most 2, or starts 'random'"),
        ("a.#A\n..#.\nb.#B", ["--agents", "2"],
         "goal (0,3) of agent 0 lies in another component than its start in the map's own"),
        (MAP, ["--starts", "map"], "starts 'map' need a map that names starts and goals"),
        (MAP, ["--starts", "mapp"], "starts 'mapp' does not exist; close names: 'map'"),
    ],
)  # fmt: skip
def test_starts_that_cannot_be_are_one_line(swarm, files, map, words, message):
    (files / "own.txt").write_text(map)
    code, _, error = swarm("--policy", "pibt", *words, map=files / "own.txt")
    assert (code, len(error.splitlines())) == (2, 1)
    assert message in error
    assert not (files / "out").exists()


def test_no_bar_stands_before_an_error_and_nothing_is_trained_for_one(files, capsys, monkeypatch):
    monkeypatch.setattr("hodology.cli.preparing.trained_network", lambda **_: pytest.fail("trained"))
    for words in (["--agents", "600"], ["--policy", "pibt", "--agents", "600"]):
        with pytest.raises(SystemExit):
            main(["swarm", "run", str(files / "hall.txt"), *words, "--out", str(files / "out")])
        error = capsys.readouterr().err
        assert error.strip().startswith("hodology: 600 agents but only"), error


def test_a_folder_in_use_is_refused(swarm, files, capsys):
    (files / "trained" / "units").mkdir(parents=True)
    (files / "trained" / "manifest.json").write_text('{"kind": "swarm-training"}')
    (files / "out" / "units").mkdir(parents=True)
    (files / "out" / "manifest.json").write_text('{"kind": "swarm"}')
    with folder_lock(files / "out" / "units"), folder_lock(files / "trained" / "units"):
        code, _, error = swarm("--policy", "pibt")
        assert code == 2
        assert "is in use by process" in error
        code, _, error = _train(files, capsys, "--agent-steps", "300")
        assert code == 2
        assert "is in use by process" in error
    assert swarm("--policy", "pibt")[0] == 0


def test_the_bar_of_first_use_shows_its_total_in_80_columns(capsys, monkeypatch):
    class Row:
        steps = 1_200_000

    def trained(*, steps, on_update):
        on_update(Row)

    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("hodology.planning.trained_follower.trained_follower", trained)
    trained_network(quiet=False)
    assert "1200000/1200000" in capsys.readouterr().err


def test_a_second_run_takes_what_is_there(swarm, files):
    assert swarm("--policy", "pibt")[0] == 0
    first = (files / "out" / "throughput.csv").read_bytes()
    assert swarm("--policy", "pibt")[0] == 0
    assert (files / "out" / "throughput.csv").read_bytes() == first  # also the times: nothing was run again
    code, _, error = swarm("--policy", "pibt", "--no-resume")
    assert code == 2
    assert "holds a run already" in error


def test_weights_of_a_file_are_followed_on_a_generated_map(swarm, files):
    code, text, error = swarm(
        "--policy", "follower,follower-no-costs", "--weights", files / "weights.npz", map="warehouse"
    )
    assert (code, error) == (0, "")
    assert "Follower, neither cost" in text


def test_every_policy_makes_a_controller(files):
    env = LifelongGrid(read_map(files / "hall.txt"), 5, horizon=6)
    for name in CONTROLLERS:
        report = run_episode(env, make_controller(name, network=files / "weights.npz"))
        assert report.steps == 6


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--policy", "pibbt"], "policy 'pibbt' does not exist; close names: 'pibt'"),
        (["--policy", "pibt,pibt"], "policies must be one or more different names"),
        (["--policy", "follower", "--weights", "none.npz"], "weights 'none.npz' is no file"),
        (
            ["--policy", "pibt,a-star", "--weights", "none.npz"],
            "weights 'none.npz' have no use for pibt, a-star; policies",
        ),
        (["--policy", "pibt", "--agents", "60"], "60 agents but only"),
        (["--policy", "pibt", "--agents", "0"], "agents must be at least 1, got 0"),
        (["--policy", "pibt", "--collision", "hard"], "collision 'hard' does not exist"),
        (["--policy", "pibt", "--map-name", "other"], "has no map 'other'"),
    ],
)
def test_misuse_is_one_line(swarm, files, words, message):
    code, _, error = swarm(*words)
    assert code == 2
    assert message in error
    assert len(error.splitlines()) == 1
    assert not (files / "out").exists()


def test_a_missing_map_is_named(swarm):
    assert "map 'nothing.map' is no file, and generated maps are maze, random" in swarm(map="nothing.map")[2]


def _train(files, capsys, *words):
    head = [
        "swarm",
        "train",
        str(files / "hall.txt"),
        "--agents",
        "6,8",
        "--environments",
        "2",
        "--batch-size",
        "56",
    ]
    with pytest.raises(SystemExit) as stop:
        main([*head, "--batches", "2", "--horizon", "20", "--quiet", "--out", str(files / "trained"), *words])
    return stop.value.code, *capsys.readouterr()


def test_training_goes_on_and_its_weights_can_be_followed(files, capsys, swarm):
    code, text, error = _train(files, capsys, "--agent-steps", "300")
    assert (code, error) == (0, "")
    assert "Weights:" in text
    rows = list(csv.DictReader((files / "trained" / "training.csv").read_text().splitlines()))
    assert int(float(rows[-1]["steps"])) >= 300
    code, _, _ = _train(files, capsys, "--agent-steps", "600")
    assert code == 0
    more = list(csv.DictReader((files / "trained" / "training.csv").read_text().splitlines()))
    assert more[: len(rows)] == rows
    assert len(more) > len(rows)
    assert swarm("--policy", "follower", "--weights", files / "trained" / "weights.safetensors")[0] == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--agents", "x"], "--agents must be whole numbers with commas, got 'x'"),
        (["--agents", "500"], "500 agents but only"),
        (["--preset", "lite"], "preset 'lite' does not exist"),
        (["--batch-size", "0"], "batch_size must be at least 1, got 0"),
    ],
)
def test_training_misuse_is_one_line(files, capsys, words, message):
    code, _, error = _train(files, capsys, *words)
    assert code == 2
    assert message in error
    assert not (files / "trained").exists()
