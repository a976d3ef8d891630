"""Runs in the environment of POGEMA, alone: reads a task as JSON from stdin, prints seconds and a digest of the way.

The task has map, n_agents, seed, obs_radius, collision, steps, repeats and action_seed.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time

import numpy as np
from pogema import GridConfig, pogema_v0


def main() -> None:
    """Print ``{"seconds": ..., "digest": ..., "goals": ...}``; seconds are the least of the repeats."""
    task = json.load(sys.stdin)
    config = GridConfig(
        map=task["map"],
        num_agents=task["n_agents"],
        seed=task["seed"],
        obs_radius=task["obs_radius"],
        collision_system=task["collision"],
        on_target="restart",
        observation_type="POMAPF",
        max_episode_steps=task["steps"] + 1,
    )
    rows = (
        np.random.default_rng(task["action_seed"])
        .integers(5, size=(task["steps"], task["n_agents"]))
        .tolist()
    )
    env = pogema_v0(config)
    seconds = []
    for _ in range(task["repeats"]):
        env.reset()
        began = time.perf_counter()
        for row in rows:
            env.step(row[:])
        seconds.append(time.perf_counter() - began)
    env.reset()
    positions, goals = [env.get_agents_xy(ignore_borders=True)], 0.0
    for row in rows:
        goals += sum(env.step(row[:])[1])
        positions.append(env.get_agents_xy(ignore_borders=True))
    digest = hashlib.sha256(np.array(positions, dtype="<i4").tobytes()).hexdigest()
    print(json.dumps({"seconds": min(seconds), "digest": digest, "goals": goals}))


if __name__ == "__main__":
    main()
