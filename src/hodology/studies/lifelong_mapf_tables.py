"""Tables and notes of the lifelong-mapf study."""

from __future__ import annotations

from typing import Any

import numpy as np

from hodology.study import Study

__all__ = ["write_tables"]


def write_tables(study: Study, found: list[dict[str, Any]]) -> None:
    """Means over seeds of everything that was measured, and what is said beside the claims."""
    names = list(found[0]["episodes"])
    policies = list(found[0]["episodes"][names[0]])
    for title, figure, form in (
        ("Throughput: goals per step of all agents", "throughput", ".2f"),
        ("Share of steps spent waiting", "wait", ".2f"),
        ("Milliseconds of decision per agent and step", "ms", ".4f"),
    ):
        rows = [
            [policy, *(_mean(found, name, policy, figure, form) for name in names)] for policy in policies
        ]
        study.table(title, ["policy", *names], rows)
    training = found[0]["training"]
    study.table(
        "Training: reward per agent-step before and after, goals per step of 16 agents after training and of plain A*",
        ["figure", "mean"],
        [[name, f"{np.mean([seed['training'][name] for seed in found]):.4f}"] for name in training],
    )
    _notes(study, found)


def _notes(study: Study, found: list[dict[str, Any]]) -> None:
    if study.data is None:
        study.note(
            "Weights: a FollowerLite network trained here for 1.2 million agent-steps (quick: 50,000) on random maps of 16 x 16 "
            "cells, one per seed, by the paper's rule and settings but batches of 512. It has never seen mazes or warehouses."
        )
    study.note(
        "Soft collisions, views of 5 cells. All policies of a seed start from the same cells with the same goals. Follower, A* "
        "and random decide agent by agent; PIBT and windowed prioritised planning are central and know all positions and goals. "
        "'greedy' takes the likeliest action instead of drawing one, 'untrained' is the network before training."
    )
    flat = np.mean([seed["flat"] for seed in found], axis=0)
    study.note(
        "Decision time per agent at 32, 64, 128 and 256 agents on a maze: "
        + ", ".join(f"{1e3 * value:.0f}" for value in flat)
        + " microseconds."
    )


def _mean(found: list[dict[str, Any]], name: str, policy: str, figure: str, form: str) -> str:
    return format(np.mean([seed["episodes"][name][policy][figure] for seed in found]), form)
