"""The controllers of lifelong path finding by name, as the command and the study call them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hodology.errors import InputError, UnknownNameError, near_names

if TYPE_CHECKING:
    from hodology.planning.episode import Controller
    from hodology.planning.follower_network import FollowerNetwork

__all__ = ["CONTROLLERS", "ControllerKind", "make_controller"]


@dataclass(frozen=True)
class ControllerKind:
    """What a name stands for.

    Attributes
    ----------
    label, note : str
        In pages and tables: the name for people, and what it knows and does.
    learned : bool
        Whether it needs weights.
    costs : dict
        Which costs its planner uses.
    """

    label: str
    note: str
    learned: bool = False
    costs: tuple[tuple[str, bool], ...] = ()


_ALONE = "Each agent knows the map, its own goal and whom it sees"
CONTROLLERS: dict[str, ControllerKind] = {
    "follower": ControllerKind("Follower", f"{_ALONE}: a learned policy follows its congestion-averse path.", learned=True),
    "follower-no-static": ControllerKind(
        "Follower, no static cost", "Central cells cost no more than others.", learned=True, costs=(("static", False),)
    ),
    "follower-no-dynamic": ControllerKind(
        "Follower, no dynamic cost", "Where others were seen costs nothing.", learned=True, costs=(("dynamic", False),)
    ),
    "follower-no-costs": ControllerKind(
        "Follower, neither cost", "The policy follows a shortest path.", learned=True,
        costs=(("static", False), ("dynamic", False)),
    ),
    "a-star": ControllerKind("A*", f"{_ALONE}: it takes the first step of a shortest path blindly."),
    "a-star-costs": ControllerKind(
        "A* with both costs", f"{_ALONE}: it takes the first step of its congestion-averse path blindly.",
        costs=(("static", True), ("dynamic", True)),
    ),
    "pibt": ControllerKind("PIBT", "A central rule that knows all positions and goals: priorities are inherited."),
    "windowed-prioritised": ControllerKind(
        "Windowed prioritised planning", "A central search that knows all positions and goals, 5 steps ahead."
    ),
    "random": ControllerKind("Random", "Each agent draws one of the five actions."),
}  # fmt: skip


def make_controller(
    name: str,
    *,
    network: FollowerNetwork | str | Path | None = None,
    seed: int = 0,
    jobs: int = 1,
) -> Controller:
    """Make a controller for `hodology.planning.run_episode`.

    Parameters
    ----------
    name : str
        A key of `CONTROLLERS`.
    network : FollowerNetwork or path, optional
        Weights of the learned ones: a network, or a file that `load_network` reads.
    seed : int
        Of what the controller draws.
    jobs : int
        Threads of the planner; results do not depend on them.

    Raises
    ------
    UnknownNameError
        For another name.
    InputError
        When a learned controller gets no network.
    """
    kind = CONTROLLERS.get(name)
    if kind is None:
        raise UnknownNameError(f"policy {name!r} does not exist{near_names(name, CONTROLLERS, n=9)}.")
    costs: dict[str, Any] = dict(kind.costs)
    if kind.learned:
        return _follower(name, network, costs, seed, jobs)
    if name.startswith("a-star"):
        from hodology.planning.path_steppers import AStarStepper

        return AStarStepper(**costs, jobs=jobs)
    if name == "pibt":
        from hodology.planning.pibt import PIBT

        return PIBT(seed=seed)
    if name == "windowed-prioritised":
        from hodology.planning.windowed_prioritised import WindowedPrioritised

        return WindowedPrioritised(seed=seed)
    from hodology.planning.path_steppers import RandomStepper

    return RandomStepper(seed=seed)


def _follower(
    name: str, network: FollowerNetwork | str | Path | None, costs: dict[str, Any], seed: int, jobs: int
) -> Controller:
    from hodology.planning.congestion_planner import CongestionPlanner
    from hodology.planning.follower_policy import FollowerPolicy
    from hodology.planning.follower_weights import load_network

    if network is None:
        raise InputError(f"policy {name!r} needs the weights of a network.")
    made = load_network(network) if isinstance(network, (str, Path)) else network
    return FollowerPolicy(made, planner=CongestionPlanner(**costs, jobs=jobs), seed=seed, name=name)
