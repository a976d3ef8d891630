"""The figures of one seed of the lifelong-mapf study; `hodology.studies.lifelong_mapf` judges them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hodology.errors import InputError
from hodology.planning.controllers import make_controller
from hodology.planning.episode import Controller, run_episode
from hodology.planning.follower_network import FollowerNetwork
from hodology.planning.follower_policy import FollowerPolicy
from hodology.planning.follower_weights import load_network
from hodology.planning.grid_generators import maze_map, random_map, warehouse_map
from hodology.planning.grid_map import GridMap, read_maps
from hodology.planning.lifelong_grid import LifelongGrid
from hodology.planning.ppo_rollout import RolloutCollector
from hodology.planning.trained_follower import SHORT, small_training_worlds, trained_follower

__all__ = ["POLICIES", "measure"]

SIZES: dict[str, dict[str, Any]] = {
    "quick": {"training": 50_000, "steps": 64, "episodes": 1, "unseen": 64, "flat": 20},
    "standard": {"training": 1_200_000, "steps": 256, "episodes": 2, "unseen": 256, "flat": 120},
}
POLICIES = (
    *(
        "follower",
        "follower-no-static",
        "follower-no-dynamic",
        "follower-no-costs",
        "a-star-costs",
        "a-star",
        "random",
    ),
    *("pibt", "windowed-prioritised"),
)
REAL = {"pico_s00_od20_na32": 32, "test-mazes-s40_wc4_od30": 64, "wfi_warehouse": 96}
REFERENCE_STEPS = 256  # of the reference runs; in shorter episodes the way to the first goals weighs more
FLAT = (32, 64, 128, 256)


def measure(payload: Mapping[str, Any]) -> bytes:
    """All figures of one seed, as JSON."""
    seed, size = payload["seed"], SIZES[payload["size"]]
    trained = trained_follower(seed=seed, steps=size["training"])
    network, maps = (trained, _generated(seed)) if payload["data"] is None else _real(payload["data"])
    episodes = {
        name: {
            policy: _episodes(map, agents, make_controller(policy, network=network), seed, size)
            for policy in POLICIES
        }
        for name, (map, agents) in maps.items()
    }
    for name, (map, agents) in maps.items():
        greedy = FollowerPolicy(network, mode="greedy", name="greedy")
        untrained = FollowerPolicy(FollowerNetwork(network.shape, rng=seed), name="untrained")
        for controller in (greedy, untrained):
            episodes[name][controller.name] = _episodes(map, agents, controller, seed, size)
    reference = None if payload["data"] is None else _as_reference(maps, network, episodes, seed, size)
    return json.dumps(
        {
            "episodes": episodes,
            "reference": reference,
            "training": _training(trained, seed, size),
            "flat": _flat(network, size["flat"]),
        }
    ).encode()


def _generated(seed: int) -> dict[str, tuple[GridMap, int]]:
    """A random map, a maze and the warehouse, new for every seed where they are drawn."""
    return {
        "random 20x20": (random_map(20, 20, 0.2, seed=10_000 + seed), 32),
        "maze 65x65": (maze_map(65, 65, corridor=2, seed=seed), 64),
        "warehouse 33x46": (warehouse_map(), 96),
    }


def _real(folder: str) -> tuple[FollowerNetwork, dict[str, tuple[GridMap, int]]]:
    """The released weights and the sheet's three maps."""
    weights = Path(folder) / "follower_lite_weights.npz"
    if not weights.is_file():
        raise InputError(f"{folder} must hold follower_lite_weights.npz and test-maps.yaml.")
    maps = read_maps(Path(folder) / "test-maps.yaml")
    return load_network(weights), {name: (maps[name], agents) for name, agents in REAL.items()}


def _episodes(
    map: GridMap, agents: int, controller: Controller, seed: int, size: Mapping[str, Any]
) -> dict[str, float]:
    """Means over episodes: throughput, share of waiting, milliseconds per agent and step."""
    reports = [
        run_episode(LifelongGrid(map, agents, seed=100 * seed + i, horizon=size["steps"]), controller)
        for i in range(size["episodes"])
    ]
    return {
        "throughput": float(np.mean([report.throughput for report in reports])),
        "wait": float(np.mean([report.wait_share for report in reports])),
        "ms": float(np.min([report.decision_ms for report in reports])),
    }


def _as_reference(
    maps: Mapping[str, tuple[GridMap, int]],
    network: FollowerNetwork,
    episodes: Mapping[str, Mapping[str, Mapping[str, float]]],
    seed: int,
    size: Mapping[str, Any],
) -> dict[str, float]:
    """Throughput of the released network in episodes as long as the reference's, in every size."""
    if size["steps"] == REFERENCE_STEPS:
        return {name: episodes[name]["follower"]["throughput"] for name in maps}
    long = {**size, "steps": REFERENCE_STEPS}
    return {
        name: _episodes(map, agents, make_controller("follower", network=network), seed, long)["throughput"]
        for name, (map, agents) in maps.items()
    }


def _training(trained: FollowerNetwork, seed: int, size: Mapping[str, Any]) -> dict[str, float]:
    """On worlds that were not trained in: reward per agent-step before and after training, and goals beside plain A*."""
    unseen = small_training_worlds(seed=500 + seed)
    figures = {}
    for name, network in (("before", FollowerNetwork(trained.shape, rng=seed)), ("after", trained)):
        collector = RolloutCollector(unseen, SHORT, seed=seed)
        figures[name] = float(collector.collect(network, 64).rewards.mean(dtype=np.float64))
    for name, controller in (("follower", FollowerPolicy(trained)), ("a-star", make_controller("a-star"))):
        worlds = [unseen(slot, 0) for slot in range(8)]
        found = [run_episode(world, controller, steps=size["unseen"]).throughput for world in worlds]
        figures[name] = float(np.mean(found))
    return figures


def _flat(network: FollowerNetwork, steps: int) -> list[float]:
    """Milliseconds of decision per agent and step, by number of agents: the least of three episodes."""
    map = maze_map(65, 65, corridor=2, seed=0)
    found = []
    for agents in FLAT:
        world = LifelongGrid(map, agents, seed=1, horizon=steps)
        found.append(min(run_episode(world, FollowerPolicy(network)).decision_ms for _ in range(3)))
    return found
