"""Episodes of several controllers on a user's map: the work behind ``hodology swarm run``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hodology import __version__
from hodology.errors import InputError
from hodology.files import hash_arrays, hash_file, hash_json
from hodology.planning.controllers import CONTROLLERS, make_controller
from hodology.planning.episode import EpisodeReport, run_episode
from hodology.planning.grid_map import GridMap, read_map
from hodology.planning.grid_placement import Starts
from hodology.planning.lifelong_grid import LifelongGrid
from hodology.stats import t_interval
from hodology.work import UnitStore, claim_folder

if TYPE_CHECKING:
    from hodology.planning.follower_network import FollowerNetwork

__all__ = ["GENERATED", "SwarmRun", "SwarmSettings", "check_swarm", "open_map", "run_swarm"]

_AGENTS = 64  # where neither the user nor the map says how many
GENERATED = ("maze", "random", "rooms", "warehouse")


@dataclass(frozen=True)
class SwarmSettings:
    """What to run.

    Attributes
    ----------
    map : str
        A file (see `hodology.planning.read_maps`), or one of `GENERATED`.
    map_name : str, optional
        Which map of a file of several.
    agents : int, optional
        Default 64, or as many as the map names when it names fewer and they start there.
    starts : {"map", "random"}, optional
        ``"map"``: starts and first goals that the map names (see `GridMap.scenario`); default where it names some.
    steps, obs_radius : int
    policies : tuple of str
        Keys of `hodology.planning.CONTROLLERS`, the main one first.
    weights : str, optional
        File of the learned policies' weights, refused when none is learned; default the network that is trained here on
        first use.
    seed, seeds : int
        The first episode's seed, and how many episodes: seeds ``seed``, ``seed + 1``, ...
    collision : str
        See `hodology.planning.LifelongGrid`.
    jobs : int
        Threads of the planners.
    """

    map: str = "warehouse"
    map_name: str | None = None
    agents: int | None = None
    starts: Starts | None = None
    policies: tuple[str, ...] = ("follower", "pibt")
    weights: str | None = None
    steps: int = 256
    seed: int = 0
    seeds: int = 1
    collision: str = "soft"
    obs_radius: int = 5
    jobs: int = 1

    def __post_init__(self) -> None:
        for name in ("agents", "steps", "seeds", "jobs"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} must be at least 1, got {value}.")
        if not self.policies or len(set(self.policies)) != len(self.policies):
            raise InputError(
                f"policies must be one or more different names, got {', '.join(self.policies) or 'none'}."
            )
        for name in self.policies:
            if name not in CONTROLLERS:
                make_controller(name)  # says which there are
        if self.weights is not None and not self.learned:
            some = ", ".join(name for name, kind in CONTROLLERS.items() if kind.learned)
            raise InputError(
                f"weights {self.weights!r} have no use for {', '.join(self.policies)}; policies with weights are {some}."
            )

    @property
    def learned(self) -> bool:
        """Whether some policy needs weights."""
        return any(CONTROLLERS[name].learned for name in self.policies)


@dataclass(frozen=True, eq=False)
class SwarmRun:
    """Episodes of every policy and seed.

    Attributes
    ----------
    settings : SwarmSettings
        With the agents and the kind of starts that were taken.
    map : GridMap
    episodes : dict of str to tuple of EpisodeReport
        By policy, in the order of the seeds; the first of each is recorded.
    """

    settings: SwarmSettings
    map: GridMap
    episodes: dict[str, tuple[EpisodeReport, ...]]

    def rows(self) -> list[dict[str, Any]]:
        """One row per policy: throughput, share of waiting, and milliseconds of decision per agent and step.

        Over several seeds with a 95 % t interval; of one seed there is none.
        """
        rows = []
        for name, found in self.episodes.items():
            row: dict[str, Any] = {"policy": name, "label": CONTROLLERS[name].label}
            row["throughput"] = t_interval([e.throughput for e in found])
            row["wait_share"] = t_interval([e.wait_share for e in found])
            row["decision_ms"] = t_interval([e.decision_ms for e in found])
            row["goals"] = int(sum(int(e.goals_per_agent.sum()) for e in found))
            rows.append(row)
        return rows


def open_map(spec: str, name: str | None = None, *, seed: int = 0) -> GridMap:
    """Read a map, or generate one of `GENERATED` with its usual size.

    Raises
    ------
    InputError
        When there is no such file and no such generated map.
    """
    from hodology.planning import grid_generators as make

    if Path(spec).is_file():
        return read_map(spec, name)
    if spec not in GENERATED:
        raise InputError(f"map {spec!r} is no file, and generated maps are {', '.join(GENERATED)}.")
    if name is not None:
        raise InputError(f"a map's name is for files of several maps; {spec!r} is generated.")
    if spec == "maze":
        return make.maze_map(65, 65, corridor=2, seed=seed)
    if spec == "random":
        return make.random_map(32, 32, 0.2, seed=seed)
    return make.rooms_map(63, 63, seed=seed) if spec == "rooms" else make.warehouse_map()


def check_swarm(settings: SwarmSettings) -> tuple[SwarmSettings, GridMap]:
    """Open the map, choose agents and starts where the settings leave them open, and refuse what no world can be made of.

    Returns
    -------
    settings : SwarmSettings
        With `agents` and `starts`.
    map : GridMap

    Raises
    ------
    InputError
        For what the map or the world refuse, and a missing file of weights.
    """
    map = open_map(settings.map, settings.map_name, seed=settings.seed)
    starts = settings.starts or ("random" if map.scenario is None else "map")
    named = len(map.scenario) if starts == "map" and map.scenario is not None else _AGENTS
    agents = min(named, _AGENTS) if settings.agents is None else settings.agents
    chosen = replace(settings, agents=agents, starts=starts)
    _world(chosen, map, settings.seed)
    if settings.weights is not None and not Path(settings.weights).is_file():
        raise InputError(f"weights {settings.weights!r} is no file.")
    return chosen, map


def run_swarm(
    settings: SwarmSettings,
    folder: str | Path,
    *,
    network: FollowerNetwork | None = None,
    resume: bool = True,
    on_step: Callable[[int, int], None] | None = None,
) -> SwarmRun:
    """Run all episodes; those that are done are kept in ``folder/units``, so that a killed run goes on.

    Parameters
    ----------
    settings : SwarmSettings
    folder : path
        Must be empty or hold a run of the same kind.
    network : FollowerNetwork, optional
        Of the learned policies; default from ``settings.weights``.
    resume : bool
        False refuses a folder that holds a run.
    on_step : callable, optional
        Progress: steps done, steps in all.

    Raises
    ------
    InputError
        For what the map, the weights or the world refuse, and while another run uses the folder.
    """
    settings, map = check_swarm(settings)  # refuses before anything is written
    print_of = _weights_print(settings, network)
    fingerprints = {"map": map.fingerprint(), "weights": print_of}
    manifest = {"version": __version__, "settings": asdict(settings), "fingerprints": fingerprints}
    store = claim_folder(folder, "swarm", what="swarm run", manifest=manifest, resume=resume)
    with store.lock():
        episodes = _episodes(settings, map, print_of, network, store, on_step)
    return SwarmRun(settings, map, episodes)


def _episodes(
    settings: SwarmSettings,
    map: GridMap,
    print_of: str,
    network: FollowerNetwork | None,
    store: UnitStore,
    on_step: Callable[[int, int], None] | None,
) -> dict[str, tuple[EpisodeReport, ...]]:
    """All episodes, by policy."""
    total = settings.steps * settings.seeds * len(settings.policies)
    done = 0
    episodes: dict[str, tuple[EpisodeReport, ...]] = {}
    for policy in settings.policies:
        found = []
        for i in range(settings.seeds):
            base = done

            def tell(step: int, base: int = base) -> None:
                if on_step is not None:
                    on_step(base + step, total)

            learned = print_of if CONTROLLERS[policy].learned else ""
            found.append(_episode(settings, map, policy, i, learned, network, store, tell))
            done += settings.steps
            tell(settings.steps)
        episodes[policy] = tuple(found)
    return episodes


def _episode(
    settings: SwarmSettings,
    map: GridMap,
    policy: str,
    index: int,
    weights: str,
    network: FollowerNetwork | None,
    store: UnitStore,
    on_step: Callable[[int], None],
) -> EpisodeReport:
    """One episode, from the store when it is there."""
    seed, record = settings.seed + index, index == 0
    world = (settings.agents, settings.steps, settings.collision, settings.obs_radius, seed, record)
    if settings.starts == "map" and map.scenario is not None:
        world = (*world, hash_arrays({"scenario": map.scenario[: settings.agents]}))  # type: ignore[assignment]
    key = hash_json(["episode", __version__, map.fingerprint(), policy, weights, *world])[:32]
    if not store.has(key):
        env = _world(settings, map, seed)
        source = network if network is not None else settings.weights
        controller = make_controller(policy, network=source, jobs=settings.jobs)
        report = run_episode(
            env,
            controller,
            steps=settings.steps,
            record=record,
            on_step=lambda env, result: on_step(env.steps),
        )
        store.save(key, report.to_bytes())
    return EpisodeReport.from_bytes(store.load(key), source=f"unit {key}")


def _world(settings: SwarmSettings, map: GridMap, seed: int) -> LifelongGrid:
    return LifelongGrid(
        map, settings.agents or _AGENTS, seed=seed, starts=settings.starts, obs_radius=settings.obs_radius,
        collision=settings.collision, horizon=settings.steps,  # type: ignore[arg-type]
    )  # fmt: skip


def _weights_print(settings: SwarmSettings, network: FollowerNetwork | None) -> str:
    """Content hash of the weights in use; empty when no policy is learned."""
    if not settings.learned:
        return ""
    if network is not None:
        return hash_arrays(
            {name: value.detach().cpu().numpy() for name, value in network.state_dict().items()}
        )
    if settings.weights is None:
        raise InputError(f"policy {settings.policies[0]!r} needs weights.")
    return hash_file(settings.weights)
