"""What the task-geometry study measures of networks that were trained on one task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hodology.geometry.alignment import alignment_over_runs
from hodology.geometry.binary_tasks import Task
from hodology.geometry.ccgp import ccgp
from hodology.geometry.dimensionality import active_share, participation_ratio
from hodology.geometry.parallelism import parallelism_score
from hodology.geometry.shallow_fit import ShallowRun, train_shallow
from hodology.geometry.shallow_training import Training
from hodology.geometry.shattering import shattering_dimension
from hodology.rng import derive_seed

__all__ = ["abstraction_rows", "run_rows", "task_rows"]


def task_rows(
    task: Task,
    activations: Sequence[str],
    training: Training,
    n_nets: int,
    seed: int,
    *,
    marks: Mapping[str, str | float] | None = None,
) -> list[dict[str, Any]]:
    """Train networks and measure them; `marks` are kept in each row."""
    run = train_shallow(task, list(activations), n_nets=n_nets, training=training, seed=seed)
    return [{**(marks or {}), **row} for row in run_rows(run)]


def run_rows(run: ShallowRun) -> list[dict[str, Any]]:
    """One row per activation, means over networks."""
    rows = []
    task = run.task
    for name in dict.fromkeys(a.name for a in run.nets.activations):
        own = run.nets_of(name)
        hidden = run.hidden(name)
        found = alignment_over_runs(hidden, task.means, task.labels)
        before = alignment_over_runs(
            run.initial.select(own).hidden(task.means), task.means, task.labels
        )  # fmt: skip
        rows.append(
            {
                "activation": name,
                "setting": run.training.setting,
                "input": found.mean_input,
                "target": found.mean_target,
                "input_kernel": found.input,
                "target_kernel": found.target,
                "input_before": before.mean_input,
                "target_before": before.mean_target,
                "loss": float(run.final_loss[own].mean()),
                "test": float(run.test_accuracy[own].min()),
                "active": float(np.mean([active_share(h) for h in hidden])),
                "dimensions": float(np.mean([participation_ratio(h) for h in hidden])),
                "epochs": int(run.epochs[own].max()),
            }
        )
    return rows


def abstraction_rows(
    run: ShallowRun,
    noises: Sequence[float],
    seed: int,
    *,
    machines: bool,
    marks: Mapping[str, float] | None = None,
) -> list[dict[str, Any]]:
    """Parallelism, cross-condition generalisation and decodability of each activation, means over nets and targets.

    Cross-condition classifiers learn from clean conditions and are tested on noisy inputs; decodability is learned and
    tested on noisy inputs, by ridge and, with `machines`, by support vector machines of one network.
    """
    rows = []
    task = run.task
    for name in dict.fromkeys(a.name for a in run.nets.activations):
        clean = run.hidden(name)
        targets = task.labels.T
        parallel = np.mean([parallelism_score(h, None, t).value for h in clean for t in targets])
        for noise in noises:
            x, c, _ = task.sample(480, seed=derive_seed(seed, "learn"), noise=noise)
            xt, ct, _ = task.sample(800, seed=derive_seed(seed, "test"), noise=noise)
            learn, test = run.hidden(name, x=x), run.hidden(name, x=xt)
            conditions = np.arange(task.n_conditions)
            across = {
                kind: np.mean(
                    [
                        ccgp(h, conditions, t, classifier=kind, test=(n, ct)).value
                        for h, n in zip(clean, test, strict=True)
                        for t in targets
                    ]
                )
                for kind in ("svm", "mean-difference")
            }
            decoded = [
                shattering_dimension(h, c, trained=targets, classifier="ridge", test=(n, ct))
                for h, n in zip(learn, test, strict=True)
            ]
            machine = None
            if machines and noise == max(
                noises
            ):  # the slow classifier where it matters, as a check of the quick one
                machine = shattering_dimension(learn[0], c, trained=targets, test=(test[0], ct))
            rows.append(
                {
                    **(marks or {}),
                    "activation": name,
                    "setting": run.training.setting,
                    "noise": float(noise),
                    "parallelism": float(parallel),
                    "ccgp": float(across["svm"]),
                    "ccgp_mean_difference": float(across["mean-difference"]),
                    "trained": float(np.mean([d.trained for d in decoded])),
                    "untrained": float(np.mean([d.untrained for d in decoded])),
                    "untrained_svm": None if machine is None else machine.untrained,
                }
            )
    return rows
