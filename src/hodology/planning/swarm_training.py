"""Train a Follower policy on a user's maps: the work behind ``hodology swarm train``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from hodology import __version__
from hodology.errors import InputError
from hodology.files import hash_json, write_text
from hodology.planning.follower_weights import save_network
from hodology.planning.grid_map import GridMap, read_maps
from hodology.planning.ppo import TrainingLog, TrainingRow, train_follower
from hodology.planning.ppo_rollout import training_environments
from hodology.planning.ppo_settings import TrainingSettings, training_settings
from hodology.planning.swarm_run import GENERATED, open_map
from hodology.work import claim_folder

__all__ = ["SwarmTraining", "train_swarm"]

_DRAWN = 40  # generated maps, as many as the paper trains on


@dataclass(frozen=True)
class SwarmTraining:
    """What to train and where.

    Attributes
    ----------
    maps : str
        A file of maps (all of them are used), or one of `hodology.planning.swarm_run.GENERATED`.
    preset : {"follower-lite", "follower"}
    agents : tuple of int
        Agents of the worlds that run side by side, in turns; the paper's are 128, 128, 256, 256.
    steps : int
        Agent-steps; 2e7 and 1e9 in the paper.
    batch_size, batches, environments : int, optional
        Default those of the preset, which are made for hours of training.
    horizon, seed, jobs : int
    """

    maps: str = "maze"
    preset: str = "follower-lite"
    agents: tuple[int, ...] = (128, 128, 256, 256)
    steps: int = 20_000_000
    batch_size: int | None = None
    batches: int | None = None
    environments: int | None = None
    horizon: int = 512
    seed: int = 0
    jobs: int = 1

    def settings(self) -> TrainingSettings:
        """The preset's settings with these changes."""
        chosen = training_settings(self.preset)  # type: ignore[arg-type]
        named = {name: getattr(self, name) for name in ("batch_size", "batches", "environments")}
        return replace(chosen, **{name: value for name, value in named.items() if value is not None})


def train_swarm(
    training: SwarmTraining,
    folder: str | Path,
    *,
    resume: bool = True,
    on_start: Callable[[], None] | None = None,
    on_update: Callable[[TrainingRow], None] | None = None,
) -> TrainingLog:
    """Train, with a checkpoint after every update in ``folder/checkpoint``; a killed run goes on to the same weights.

    Writes ``weights.safetensors``, ``weights.npz`` and ``training.csv``. `on_start` is called once the input is found good.

    Raises
    ------
    InputError
        For maps that cannot be read or hold too few cells, and settings out of range.
    """
    folder, settings = Path(folder), training.settings()
    maps = _maps(training)
    make = training_environments(maps, agents=training.agents, horizon=training.horizon, seed=training.seed)
    for slot in range(min(len(training.agents), settings.environments)):
        make(slot, 0)  # refuses before anything is written
    what = {key: value for key, value in asdict(training).items() if key not in ("steps", "jobs")}
    prints = {"maps": hash_json([found.fingerprint() for found in maps]), "training": hash_json(what)}
    manifest = {"version": __version__, "settings": asdict(training), "fingerprints": prints}
    store = claim_folder(
        folder, "swarm-training", what="training of a swarm", manifest=manifest, resume=resume
    )
    with store.lock():
        if on_start is not None:
            on_start()
        policy, log = train_follower(
            make, settings=settings, steps=training.steps, seed=training.seed, jobs=training.jobs,
            checkpoint=folder / "checkpoint", on_update=on_update,
        )  # fmt: skip
        save_network(policy.network, folder / "weights.safetensors")
        save_network(policy.network, folder / "weights.npz")
        _write_log(log, folder / "training.csv")
    return log


def _write_log(log: TrainingLog, file: Path) -> None:
    """The log as a table, a row per update."""
    names = [field.name for field in fields(TrainingRow)]
    lines = [",".join(names), *(",".join(f"{getattr(row, name):.8g}" for name in names) for row in log.rows)]
    write_text(file, "\n".join(lines) + "\n")


def _maps(training: SwarmTraining) -> list[GridMap]:
    if Path(training.maps).is_file():
        return list(read_maps(training.maps).values())
    if training.maps not in GENERATED:
        raise InputError(f"maps {training.maps!r} is no file, and generated maps are {', '.join(GENERATED)}.")
    return [open_map(training.maps, seed=1000 * training.seed + i) for i in range(_DRAWN)]
