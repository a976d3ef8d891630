"""PIBT: no collisions ever, every move carried out, the recursion written out, goals reached."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hodology.errors import InputError
from hodology.planning.episode import run_episode
from hodology.planning.grid_generators import random_map
from hodology.planning.grid_map import GridMap
from hodology.planning.lifelong_grid import LifelongGrid
from hodology.planning.path_steppers import AStarStepper, RandomStepper, actions_towards
from hodology.planning.pibt import PIBT, GoalDistances
from hodology.planning.pibt_kernels import inherit_priorities


def _world(seed: int, agents: int = 20, side: int = 9, **options) -> LifelongGrid:
    return LifelongGrid(
        random_map(side, side, density=0.15, seed=seed), agents, seed=seed, obs_radius=1, **options
    )


def _plain(order, sides, free, fields, noise, positions, now) -> list[int]:
    """The algorithm as its authors tell it, by recursion."""
    then: dict[int, int] = {}
    target: dict[int, int] = {}

    def choose(agent: int) -> bool:
        ranked = sorted(
            (fields[agent, cell] + noise[agent, side], cell)
            for side, cell in enumerate(positions[agent] + sides)
            if free[cell]
        )
        for _, cell in ranked:
            holder = int(now[cell])
            if cell in then or (holder >= 0 and holder != agent and target.get(holder) == positions[agent]):
                continue
            target[agent], then[cell] = cell, agent
            if holder >= 0 and holder != agent and holder not in target and not choose(holder):
                continue
            return True
        target[agent], then[positions[agent]] = positions[agent], agent
        return False

    for agent in order:
        if agent not in target:
            choose(int(agent))
    return [int(target[agent]) for agent in range(len(positions))]


@settings(max_examples=60)
@given(st.integers(0, 100_000), st.integers(1, 28))
def test_a_step_is_the_recursion_written_out_and_never_collides(seed, agents):
    draws = np.random.default_rng(seed)
    world = _world(seed % 50, agents=agents)
    distances = GoalDistances(world)
    distances.update(world)
    order, noise = draws.permutation(agents), draws.random((agents, 5), dtype=np.float32)
    then, target = np.full(world.grid.size, -1, np.int32), np.empty(agents, np.int32)
    scratch = [np.empty(shape, np.int32) for shape in (agents, (agents, 5), agents)]
    given_ = (
        order,
        distances.sides,
        world.grid.free,
        distances.fields,
        noise,
        world.positions,
        world.occupied(),
    )
    inherit_priorities(*given_, then, target, *scratch)
    assert target.tolist() == _plain(*given_)
    assert (then == -1).all()
    assert len(set(target.tolist())) == agents
    moves = set(zip(world.positions.tolist(), target.tolist()))
    assert not any(a != b and (b, a) in moves for a, b in moves)
    before = world.positions
    world.step(actions_towards(world, target))
    assert np.array_equal(world.positions, target), before  # the soft rule refuses nothing


def test_the_first_in_order_always_comes_nearer_where_every_edge_lies_on_a_ring():
    world = LifelongGrid(GridMap.from_array(np.zeros((7, 7))), 24, obs_radius=1)
    controller = PIBT()
    controller.reset(world)
    for _ in range(40):
        controller.act(world)
        first = int(np.lexsort((controller._tie, -controller._waited))[0])
        goal = int(world.goals[first])
        before = world.grid.distances(goal)[world.positions[first]]
        target = controller._target.copy()
        assert world.grid.distances(goal)[target[first]] == before - 1
        world.step(actions_towards(world, target))


def test_distances_are_breadth_first_and_renewed_with_goals():
    world = _world(1, agents=6)
    distances = GoalDistances(world)
    assert distances.update(world).all()
    assert not distances.update(world).any()
    draws = np.random.default_rng(0)
    while not world.step(draws.integers(5, size=6)).reached.any():
        pass
    assert distances.update(world).any()
    for agent in range(6):
        expected = world.grid.distances(int(world.goals[agent]))
        reachable = expected >= 0
        assert np.array_equal(distances.fields[agent][reachable], expected[reachable])
        assert (distances.fields[agent][~reachable] > 10**6).all()


@pytest.mark.parametrize("collision", ["soft", "priority", "block"])
def test_more_goals_than_blind_steps_under_every_rule(collision):
    reports = [
        run_episode(_world(2, agents=24, collision=collision, horizon=150), c)
        for c in (PIBT(), AStarStepper(), RandomStepper())
    ]
    assert reports[0].throughput > 2 * max(reports[1].throughput, reports[2].throughput)
    again = run_episode(_world(2, agents=24, collision=collision, horizon=150), PIBT())
    assert np.array_equal(again.reached, reports[0].reached)


def test_a_controller_must_know_the_episode():
    world = _world(0)
    for controller in (PIBT(), RandomStepper(), AStarStepper()):
        with pytest.raises(InputError, match="does not know this episode: call reset"):
            controller.act(world)
    controller = PIBT()
    controller.reset(world)
    with pytest.raises(InputError, match="does not know this episode"):
        controller.act(_world(0))


def test_random_steps_are_even_and_of_their_seed():
    world = LifelongGrid(GridMap.from_array(np.zeros((50, 50))), 1000, obs_radius=1)
    controller = RandomStepper(seed=3)
    controller.reset(world)
    first = controller.act(world)
    assert (np.bincount(first, minlength=5) > 150).all()
    controller.reset(world)
    assert np.array_equal(controller.act(world), first)
