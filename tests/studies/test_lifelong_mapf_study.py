"""The lifelong-mapf study: claims, ablations and controls come from what was measured."""

from __future__ import annotations

import json

import numpy as np
import pytest

from hodology.errors import InputError
from hodology.planning.controllers import make_controller
from hodology.planning.episode import run_episode
from hodology.planning.follower_weights import load_network
from hodology.planning.grid_generators import random_map
from hodology.planning.lifelong_grid import LifelongGrid
from hodology.studies import lifelong_mapf, lifelong_mapf_figures
from hodology.study import Study, find_paper
from hodology.study.runner import run_study

SMALL = {"training": 3000, "steps": 12, "episodes": 1, "unseen": 8, "flat": 3}


@pytest.fixture
def small(monkeypatch):
    """Sizes that take seconds."""
    monkeypatch.setattr(lifelong_mapf_figures, "SIZES", {"quick": SMALL, "standard": SMALL})
    monkeypatch.setattr(lifelong_mapf_figures, "FLAT", (8, 16))


@pytest.fixture
def two_maps(monkeypatch):
    maps = {f"map {i}": (random_map(12, 12, 0.1, seed=i), 10) for i in range(3)}
    monkeypatch.setattr(lifelong_mapf_figures, "_generated", lambda seed: maps)


def test_five_claims_with_controls_are_judged_from_the_seeds(small, two_maps, tmp_path):
    record = run_study(find_paper("lifelong-mapf"), size="quick", seeds=2, folder=tmp_path)
    claims = record["claims"]
    assert {claim["claim"][:2] for claim in claims} == {"1.", "2.", "3.", "4.", "5."}
    words = " ".join(claim["claim"] for claim in claims)
    for part in (
        "random steps",
        "untrained",
        "dynamic cost",
        "neither cost",
        "static cost",
        "PIBT",
        "Windowed",
        "PPO",
    ):
        assert part in words
    for claim in claims:
        assert len(claim["per_seed"]) == 2
        assert claim["measured"] == pytest.approx(np.mean(claim["per_seed"]))
    first = record["tables"][0]
    assert [row[0] for row in first["rows"]] == [*lifelong_mapf_figures.POLICIES, "greedy", "untrained"]
    assert first["columns"] == ["policy", "map 0", "map 1", "map 2"]


def test_the_released_weights_and_maps_are_read(small, real_data):
    found = json.loads(
        lifelong_mapf_figures.measure({"seed": 0, "size": "quick", "data": str(real_data / "follower")})
    )
    assert set(found["episodes"]) == set(lifelong_mapf_figures.REAL)
    for name, (map, agents) in lifelong_mapf_figures._real(str(real_data / "follower"))[1].items():
        world = LifelongGrid(
            map, agents, seed=0, horizon=256
        )  # as long as the reference's, whatever the size
        network = load_network(real_data / "follower" / "follower_lite_weights.npz")
        expected = run_episode(world, make_controller("follower", network=network)).throughput
        assert found["reference"][name] == expected != found["episodes"][name]["follower"]["throughput"]


@pytest.mark.parametrize(
    ("flat", "growth", "spread"),
    [([1.0, 0.8, 0.7, 0.75], -20.0, 100 * (1 / 0.7 - 1)), ([1.0, 1.1, 1.2, 1.5], 50.0, 50.0)],
)
def test_the_decision_time_may_fall_and_may_fail(flat, growth, spread):
    study = Study(find_paper("lifelong-mapf"), size="quick", seeds=(0, 1))
    lifelong_mapf._scaling(study, [{"flat": flat}, {"flat": flat}])
    assert [claim.measured for claim in study.claims] == pytest.approx([growth, spread])
    assert [claim.verdict == "holds" for claim in study.claims] == [growth < 30, spread < 30]


def test_a_folder_without_weights_is_named(small, tmp_path):
    with pytest.raises(InputError, match="must hold follower_lite_weights.npz and test-maps.yaml"):
        lifelong_mapf_figures.measure({"seed": 0, "size": "quick", "data": str(tmp_path)})
