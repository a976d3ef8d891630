"""15 Learn to Follow: does planning plus a small learned policy coordinate many agents that nobody commands?

Skrynnik, Andreychuk, Nesterova, Yakovlev, Panov, "Learn to Follow: decentralized lifelong multi-agent pathfinding via
planning and learning", AAAI 2024. Here: a FollowerLite network trained for a minute, one per seed, on generated maps; with
``--data DIR`` the released weights and the paper's maps.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hodology.studies.lifelong_mapf_tables import write_tables
from hodology.study import Study

__all__ = ["run"]

_BETTER = "higher throughput than learnable competitors (figures; no single number confirmed)"
_COSTS = "both costs help (ablation)"
_PEERS = (
    "higher throughput than the rule-based solver, an order of magnitude faster than the search-based one"
)
_SHEET = "not in the paper: a control"
_REFERENCE = {"pico_s00_od20_na32": 1.58, "test-mazes-s40_wc4_od30": 1.01, "wfi_warehouse": 2.41}
_GAIN = "% of throughput, least of three maps"


def run(study: Study) -> None:
    """Measure the claims of the paper's sheet, with their baselines and controls."""
    found = study.measure("hodology.studies.lifelong_mapf_figures:measure")
    _order(study, found)
    _ablations(study, found)
    _peers(study, found)
    _trainable(study, found)
    _scaling(study, found)
    write_tables(study, found)


def throughput(seed: dict[str, Any], policy: str) -> np.ndarray:
    """Goals per step of a policy on the three maps."""
    return np.array([found[policy]["throughput"] for found in seed["episodes"].values()])


def gains(seed: dict[str, Any], policy: str, other: str) -> np.ndarray:
    """By how many percent a policy is above another on the three maps; below 0.001 goals per step counts as 0.001."""
    return 100 * (throughput(seed, policy) / np.maximum(throughput(seed, other), 1e-3) - 1)


def least_gain(found: list[dict[str, Any]], policy: str, other: str) -> np.ndarray:
    """The gain on the map where it is least, one value per seed."""
    return np.array([gains(seed, policy, other).min() for seed in found])


def _order(study: Study, found: list[dict[str, Any]]) -> None:
    if study.data is not None:
        off = [
            max(abs(value / _REFERENCE[name] - 1) for name, value in seed["reference"].items())
            for seed in found
        ]
        words = (
            "1. The released FollowerLite is within 10 % of the reference's throughput on each of three maps"
        )
        study.claim(words, paper="1.58, 1.01 and 2.41 goals per step (reference runs)", measured=100 * np.array(off),
                    holds_below=10.0, unit="% off, greatest of three maps")  # fmt: skip
    for words, policy, other in (
        ("1. Follower reaches more goals than A* with both costs and no policy", "follower", "a-star-costs"),
        ("1. ... A* with both costs more than plain A*", "a-star-costs", "a-star"),
        ("1. ... and plain A* more than random steps", "a-star", "random"),
        ("1. Control: the trained network more than the untrained one", "follower", "untrained"),
    ):
        paper = _SHEET if words.startswith("1. Control") else _BETTER
        study.claim(
            words, paper=paper, measured=least_gain(found, policy, other), holds_above=0.0, unit=_GAIN
        )


def _ablations(study: Study, found: list[dict[str, Any]]) -> None:
    for words, other in (
        ("2. Follower reaches more goals than without the dynamic cost", "follower-no-dynamic"),
        ("2. ... and than with neither cost", "follower-no-costs"),
    ):
        study.claim(
            words, paper=_COSTS, measured=least_gain(found, "follower", other), holds_above=0.0, unit=_GAIN
        )
    gain = np.array([gains(seed, "follower", "follower-no-static")[2] for seed in found])
    words = "2. ... and by 5 % more than without the static cost in the warehouse"
    study.claim(words, paper=_COSTS, measured=gain, holds_above=5.0, unit="% of throughput")


def _peers(study: Study, found: list[dict[str, Any]]) -> None:
    names = list(found[0]["episodes"])
    for place, name in enumerate(names):
        gain = np.array([gains(seed, "follower", "pibt")[place] for seed in found])
        words = f"3. Follower reaches more goals than PIBT, which is central ({name})"
        study.claim(words, paper=_PEERS, measured=gain, holds_above=0.0, unit="% of throughput")
    ratio = [
        np.mean([e["windowed-prioritised"]["ms"] for e in s["episodes"].values()])
        / np.mean([e["follower"]["ms"] for e in s["episodes"].values()])
        for s in found
    ]
    words = "3. Windowed prioritised planning takes 10 times as long to decide"
    note = "the peer is compiled too and looks 5 steps ahead; it stands for RHCR's search only in kind"
    study.claim(words, paper=_PEERS, measured=np.array(ratio), holds_above=10.0, unit="x", note=note)


def _trainable(study: Study, found: list[dict[str, Any]]) -> None:
    after = np.array([s["training"]["after"] for s in found])
    before = np.array([s["training"]["before"] for s in found])
    study.claim(
        "4. Training by PPO without shaping lifts the reward per agent-step to 0.004 on maps not trained on",
        paper="trained in 2e7 agent-steps (FollowerLite)",
        measured=after,
        holds_above=0.004,
        unit="reward (0.01 per planned step)",
        note="untrained: " + ", ".join(f"{value:.4f}" for value in before),
    )
    ratio = np.array([s["training"]["follower"] / max(s["training"]["a-star"], 1e-3) for s in found])
    words = "4. ... and the trained network reaches 5 times the goals of plain A* there"
    study.claim(words, paper="no figure confirmed", measured=ratio, holds_above=5.0, unit="x")


def _scaling(study: Study, found: list[dict[str, Any]]) -> None:
    paper = "decentralised: linear in the number of agents"
    growth = np.array([100 * (max(s["flat"][1:]) / s["flat"][0] - 1) for s in found])
    words = "5. From 32 to 256 agents the decision time per agent grows by at most 30 %"
    note = "the greatest of the larger numbers of agents beside 32 agents; below 0 where it falls"
    study.claim(
        words, paper=paper, measured=growth, holds_below=30.0, unit="% above that of 32 agents", note=note
    )
    spread = np.array([100 * (max(s["flat"]) / min(s["flat"]) - 1) for s in found])
    words = "5. ... and stays constant within 30 %, falls counted as well as rises"
    note = "what a batch costs whatever its size is shared by more agents, so that the time can fall"
    study.claim(
        words, paper=paper, measured=spread, holds_below=30.0, unit="% greatest above least", note=note
    )
