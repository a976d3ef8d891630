"""The lifelong-mapf study: claims, ablations and controls come from what was measured."""

from __future__ import annotations

import json

import numpy as np
import pytest

from hodology.errors import InputError
from hodology.planning.grid_generators import random_map
from hodology.studies import lifelong_mapf_figures
from hodology.study import find_paper
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


def test_a_folder_without_weights_is_named(small, tmp_path):
    with pytest.raises(InputError, match="must hold follower_lite_weights.npz and test-maps.yaml"):
        lifelong_mapf_figures.measure({"seed": 0, "size": "quick", "data": str(tmp_path)})
