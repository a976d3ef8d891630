"""``hodology swarm``: many agents that find their ways on one grid."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hodology.cli.tables import print_wide

if TYPE_CHECKING:
    from hodology.planning.swarm_run import SwarmRun, SwarmSettings

__all__ = ["swarm_app"]

swarm_app = typer.Typer(
    help="Lifelong path finding: many agents on a grid, each with a new goal as soon as it reaches one.",
    no_args_is_help=True,
)


@swarm_app.callback()
def _swarm() -> None:
    pass


@swarm_app.command("run")
def run(
    map: Annotated[
        str,
        typer.Argument(
            metavar="MAP",
            help="MovingAI .map, POGEMA .yaml, text of . and #, .npy; or warehouse, maze, rooms, random.",
        ),
    ] = "warehouse",
    map_name: Annotated[
        str | None, typer.Option("--map-name", help="Which map of a file that holds several.")
    ] = None,
    agents: Annotated[
        int | None,
        typer.Option(
            "--agents", "-n", help="How many agents; default 64, or fewer when the map names fewer."
        ),
    ] = None,
    starts: Annotated[
        str | None,
        typer.Option(
            "--starts",
            help="map: starts and first goals that the map names (letters, .scen), default where it names some; random.",
        ),
    ] = None,
    policy: Annotated[
        str,
        typer.Option(
            "--policy",
            "-p",
            help="Comma-separated, the main one first: follower, pibt, windowed-prioritised, a-star, a-star-costs, random, "
            "follower-no-static, follower-no-dynamic, follower-no-costs.",
        ),
    ] = "follower,pibt",
    weights: Annotated[
        str | None,
        typer.Option(
            "--weights",
            "-w",
            help="Follower weights (.npz, .safetensors); default: trained here on first use.",
        ),
    ] = None,
    steps: Annotated[int, typer.Option("--steps", help="Steps of an episode; 512 in the paper.")] = 256,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")] = Path(
        "hodology-swarm"
    ),
    collision: Annotated[str, typer.Option("--collision", help="soft, priority or block.")] = "soft",
    obs_radius: Annotated[
        int, typer.Option("--obs-radius", help="Cells that an agent sees to each side.")
    ] = 5,
    seed: Annotated[int, typer.Option("--seed", help="Seed of starts, goals and actions.")] = 0,
    seeds: Annotated[int, typer.Option("--seeds", help="Episodes of each policy, for intervals.")] = 1,
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="Threads that plan.")] = 1,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Go on from finished episodes.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars.")] = False,
) -> None:
    """Run an episode of every policy and animate it.

    Writes index.html (works offline), summary.json, throughput.csv, map.txt and each policy's trajectories to OUT.
    """
    from hodology.planning.swarm_run import SwarmSettings

    settings = SwarmSettings(
        map=map,
        map_name=map_name,
        agents=agents,
        starts=starts,  # type: ignore[arg-type]
        policies=tuple(part.strip() for part in policy.split(",") if part.strip()),
        weights=weights,
        steps=steps,
        seed=seed,
        seeds=seeds,
        collision=collision,
        obs_radius=obs_radius,
        jobs=jobs,
    )
    found = _run(settings, out, resume=resume, quiet=quiet)
    if as_json:
        print((out / "summary.json").read_text())
    else:
        _print_table(found, out)


@swarm_app.command("train")
def train(
    maps: Annotated[
        str,
        typer.Argument(metavar="MAPS", help="File of one or many maps; or maze, random, rooms, warehouse."),
    ] = "maze",
    preset: Annotated[str, typer.Option("--preset", help="follower-lite or follower.")] = "follower-lite",
    agents: Annotated[
        str, typer.Option("--agents", "-n", help="Agents of the worlds side by side, in turns.")
    ] = "128,128,256,256",
    agent_steps: Annotated[
        int, typer.Option("--agent-steps", help="2e7 (lite) and 1e9 in the paper.")
    ] = 20_000_000,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", help="Agent-steps of a batch; 512 for runs of minutes.")
    ] = None,
    batches: Annotated[int | None, typer.Option("--batches", help="Batches of an update.")] = None,
    environments: Annotated[int | None, typer.Option("--environments", help="Worlds side by side.")] = None,
    horizon: Annotated[int, typer.Option("--horizon", help="Steps of an episode.")] = 512,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the weights.")] = Path(
        "hodology-swarm-training"
    ),
    seed: Annotated[int, typer.Option("--seed", help="Seed of weights, maps and actions.")] = 0,
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="Threads over the worlds.")] = 1,
    resume: Annotated[bool, typer.Option("--resume/--no-resume", help="Go on from the checkpoint.")] = True,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars.")] = False,
) -> None:
    """Train a Follower policy by PPO on your maps, for --weights of `swarm run`.

    Writes weights.safetensors, weights.npz and training.csv to OUT; a checkpoint after every update.
    """
    from hodology.cli.progress import progress_bar
    from hodology.errors import InputError
    from hodology.planning.swarm_training import SwarmTraining, train_swarm

    try:
        counts = tuple(int(part) for part in agents.split(","))
    except ValueError:
        raise InputError(f"--agents must be whole numbers with commas, got {agents!r}.") from None
    training = SwarmTraining(
        maps, preset, counts, agent_steps, batch_size, batches, environments, horizon, seed, jobs
    )
    with progress_bar("Agent-steps", quiet=quiet, hidden=True) as bar:
        done = 0

        def on_update(row: Any) -> None:
            nonlocal done
            bar.advance(row.steps - done)
            done = row.steps

        log = train_swarm(
            training, out, resume=resume, on_start=lambda: bar.start(agent_steps), on_update=on_update
        )
    first, last = log.rows[0], log.rows[-1]
    print(
        f"Reward per agent-step: {first.reward:.5f} at first, {last.reward:.5f} now (0.01 is every planned step)"
    )
    print(
        f"Goals per step of one world: {last.throughput:.2f}; {last.steps} agent-steps, {last.seconds:.0f} s"
    )
    print(f"Weights: {(out / 'weights.npz').resolve()}")


def _run(settings: SwarmSettings, out: Path, *, resume: bool, quiet: bool) -> SwarmRun:
    from hodology.cli.preparing import trained_network
    from hodology.cli.progress import progress_bar
    from hodology.planning.swarm_output import write_swarm_outputs
    from hodology.planning.swarm_run import check_swarm, run_swarm
    from hodology.report import write_swarm_report

    network = None
    if settings.weights is None and settings.learned:
        check_swarm(settings)  # before a minute of training
        network = trained_network(quiet=quiet)
    with progress_bar("Steps", quiet=quiet, hidden=True) as bar:
        moved = 0

        def on_step(done: int, total: int) -> None:
            nonlocal moved
            bar.start(total)
            bar.advance(done - moved)
            moved = done

        found = run_swarm(settings, out, network=network, resume=resume, on_step=on_step)
    write_swarm_report(write_swarm_outputs(found, out), out)
    return found


def _print_table(found: SwarmRun, out: Path) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console, settings = Console(), found.settings
    many = settings.seeds > 1
    words = f"{settings.agents} agents on {found.map.name or settings.map}, {settings.steps} steps"
    console.print(
        words + (f", {settings.seeds} seeds (95 % intervals)" if many else ""),
        soft_wrap=True,
        highlight=False,
    )
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("policy", no_wrap=True)
    for name in ("goals per step", "waiting", "ms per agent-step", "goals"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in found.rows():
        speed, wait, time = row["throughput"], row["wait_share"], row["decision_ms"]
        table.add_row(
            row["label"],
            f"{speed.estimate:.2f} [{speed.low:.2f}, {speed.high:.2f}]" if many else f"{speed.estimate:.2f}",
            f"{wait.estimate:.0%}",
            f"{time.estimate:.4f}",
            str(row["goals"]),
        )
    print_wide(console, table)
    console.print(f"Report: {(out / 'index.html').resolve()}", soft_wrap=True, highlight=False)
