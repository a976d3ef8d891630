"""Windowed prioritised planning: plans without collisions, best around what is reserved, carried out as planned."""

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
from hodology.planning.path_steppers import RandomStepper
from hodology.planning.windowed_kernels import plan_in_order, reserve
from hodology.planning.windowed_prioritised import WindowedPrioritised


def _world(seed: int, agents: int = 14, side: int = 9, **options) -> LifelongGrid:
    return LifelongGrid(
        random_map(side, side, density=0.15, seed=seed), agents, seed=seed, obs_radius=1, **options
    )


def _collides(plans: np.ndarray) -> bool:
    for t in range(plans.shape[1]):
        if len(set(plans[:, t].tolist())) < len(plans):
            return True
        if t:
            moves = set(zip(plans[:, t - 1].tolist(), plans[:, t].tolist()))
            if any(a != b and (b, a) in moves for a, b in moves):
                return True
    return False


def _brute(world: LifelongGrid, agent: int, others: np.ndarray, window: int) -> float:
    """Least cost by trying all ways around the other plans."""
    grid, goal = world.grid, int(world.goals[agent])
    far = grid.distances(goal)
    costs = {int(world.positions[agent]): 0}
    for t in range(window):
        after: dict[int, int] = {}
        for cell, cost in costs.items():
            for near in (cell, cell - grid.stride, cell + grid.stride, cell - 1, cell + 1):
                if not grid.free[near] or near in others[:, t + 1]:
                    continue
                if any(o[t] == near and o[t + 1] == cell for o in others):
                    continue
                step = cost + (0 if near == cell == goal else 1)
                after[near] = min(after.get(near, 10**9), step)
        costs = after
    return min((cost + far[cell] for cell, cost in costs.items()), default=np.inf)


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 6))
def test_each_plan_is_the_best_around_those_before(seed, window):
    world = _world(seed % 60, agents=7, side=6)
    controller = WindowedPrioritised(window=window, replan_every=window)
    controller.reset(world)
    controller.act(world)
    plans = controller._plans
    order = np.lexsort((controller._tie, -controller._waited))
    if controller.restarts:
        return  # another order was taken
    assert not _collides(plans)
    for place, agent in enumerate(order.tolist()):
        others = plans[order[:place]]
        cost, goal = 0, world.goals[agent]
        for a, b in zip(plans[agent], plans[agent, 1:]):
            assert b - a in (0, 1, -1, world.grid.stride, -world.grid.stride)
            cost += 0 if a == b == goal else 1
        cost += world.grid.distances(int(goal))[plans[agent, -1]]
        assert cost == _brute(world, agent, others, window)


@settings(max_examples=12)
@given(st.integers(0, 60), st.integers(1, 5))
def test_plans_are_carried_out_and_never_collide(seed, replan_every):
    world = _world(seed)
    controller = WindowedPrioritised(window=5, replan_every=replan_every)
    controller.reset(world)
    for _ in range(40):
        actions = controller.act(world)
        if controller.failures:
            return
        rest = controller._plans[:, controller._at - 1 :]
        assert not _collides(rest)
        world.step(actions)
        assert np.array_equal(world.positions, controller._plans[:, controller._at])


def test_an_agent_without_a_way_goes_first_and_all_plan_again():
    # In a dead end one step deep the agent inside can leave only if the other gives way, which it does when it plans second.
    world = LifelongGrid(
        GridMap.from_text(".....\n#.###"), 2, starts=[[0, 1], [1, 1]], goals=[[1, 1], [0, 4]], obs_radius=1
    )
    controller = WindowedPrioritised(window=3, replan_every=3)
    report = run_episode(world, controller, steps=12)
    assert report.goals_per_agent.min() >= 1
    assert controller.failures == 0


def test_where_no_order_works_agents_wait_and_it_is_counted():
    world = LifelongGrid(
        GridMap.from_text("..."), 2, starts=[[0, 0], [0, 1]], goals=[[0, 2], [0, 0]], obs_radius=1
    )
    controller = WindowedPrioritised(window=4, replan_every=4)
    run_episode(world, controller, steps=8)
    assert controller.restarts > 0
    assert len(set(world.positions.tolist())) == 2


def test_the_kernel_leaves_its_scratch_clean_and_reports_who_is_stuck():
    grid = LifelongGrid(
        GridMap.from_text("...\n###"), 2, starts=[[0, 0], [0, 1]], goals=[[0, 2], [0, 0]], obs_radius=1
    )
    down, size = grid.grid.stride, grid.grid.size
    plans = np.repeat(grid.positions[:, None], 3, axis=1).astype(np.int32)
    table = np.full((3, size), -1, np.int32)
    value = np.full((3, size), 1 << 40, np.int64)
    fields = np.stack(
        [np.where(grid.grid.distances(int(g)) < 0, 1 << 30, grid.grid.distances(int(g))) for g in grid.goals]
    )
    table[1:, grid.positions[0]] = 9  # someone stands where agent 0 is, at all later times
    table[1:, grid.positions[1]] = 9
    rest = (
        np.array([0, -down, down, -1, 1]),
        grid.grid.free,
        fields.astype(np.int32),
        grid.goals,
        plans,
        table,
        value,
    )
    done = plan_in_order(
        np.array([0, 1]), 0, *rest, np.empty((3, size), np.int32), np.empty((3, 25), np.int32)
    )
    assert done == 0
    assert (value == 1 << 40).all()
    table[:] = -1
    reserve(1, 0, plans, table)
    assert table[:, grid.positions[1]].tolist() == [1, 1, 1]


@pytest.mark.parametrize("collision", ["soft", "priority", "block"])
def test_more_goals_than_random_steps_under_every_rule(collision):
    world = _world(2, collision=collision, horizon=120)
    controller = WindowedPrioritised()
    report = run_episode(world, controller)
    assert report.throughput > 5 * run_episode(world, RandomStepper()).throughput
    assert np.array_equal(run_episode(world, controller).reached, report.reached)


def test_what_it_cannot_be_is_said():
    with pytest.raises(InputError, match="window must be at least 1, got 0"):
        WindowedPrioritised(window=0)
    with pytest.raises(InputError, match="replan_every must be 1 to the window's 5, got 6"):
        WindowedPrioritised(replan_every=6)
    with pytest.raises(InputError, match="does not know this episode"):
        WindowedPrioritised().act(_world(0))
