"""Adapters of the grid world: the packages' own checks, rewards, what comes out is what the world did."""

from __future__ import annotations

import numpy as np
import pytest

from hodology.errors import InputError, MissingExtraError, UnknownNameError
from hodology.planning import grid_adapters
from hodology.planning.grid_adapters import gymnasium_env, parallel_env, stacked_views
from hodology.planning.grid_generators import random_map
from hodology.planning.grid_map import GridMap
from hodology.planning.lifelong_grid import LifelongGrid


def _world(n: int = 7, **options) -> LifelongGrid:
    return LifelongGrid(random_map(10, 9, density=0.2, seed=2), n, horizon=30, obs_radius=3, **options)


@pytest.mark.parametrize("form", ["dict", "box"])
def test_pettingzoo_s_own_checks_pass(form):
    pytest.importorskip("pettingzoo")
    from pettingzoo.test import parallel_api_test, parallel_seed_test

    parallel_api_test(parallel_env(_world(), observation=form), num_cycles=80)
    parallel_seed_test(lambda: parallel_env(_world(), observation=form))


def test_gymnasium_s_own_check_passes():
    pytest.importorskip("gymnasium")
    from gymnasium.utils.env_checker import check_env

    check_env(gymnasium_env(_world()), skip_render_check=True)  # nothing is rendered


@pytest.mark.parametrize("form", ["dict", "box"])
def test_the_parallel_environment_is_the_world(form):
    pytest.importorskip("pettingzoo")
    plain, env = _world(seed=3), parallel_env(_world(), observation=form)
    seen, infos = env.reset(seed=3)
    assert list(seen) == list(infos) == env.agents == [f"agent_{i}" for i in range(7)]
    for step, actions in enumerate(np.random.default_rng(0).integers(5, size=(30, 7)), start=1):
        result = plain.step(actions)
        seen, rewards, terminated, truncated, infos = env.step(
            dict(zip(env.possible_agents, actions, strict=True))
        )
        expected = plain.observe()
        stacked = stacked_views(expected)
        for i, name in enumerate(env.possible_agents):
            assert env.observation_space(name).contains(seen[name])
            if form == "box":
                assert np.array_equal(seen[name], stacked[i])
            else:
                assert all(
                    np.array_equal(part, getattr(expected, key)[i]) for key, part in seen[name].items()
                )
        assert list(rewards.values()) == result.reached.astype(float).tolist()
        assert [info["reached"] for info in infos.values()] == result.reached.tolist()
        assert set(terminated.values()) == {False}
        assert set(truncated.values()) == {step == 30}
    assert env.agents == []
    with pytest.raises(InputError, match="the episode is over; call reset first"):
        env.step({})


def test_the_gymnasium_environment_is_the_world():
    pytest.importorskip("gymnasium")
    plain, env = _world(seed=3), gymnasium_env(_world())
    assert np.array_equal(env.reset(seed=3)[0], stacked_views(plain.observe()))
    total = 0.0
    for actions in np.random.default_rng(0).integers(5, size=(30, 7)):
        result = plain.step(actions)
        seen, reward, terminated, truncated, info = env.step(actions)
        assert np.array_equal(seen, stacked_views(plain.observe()))
        assert reward == result.reached.sum()
        assert np.array_equal(info["rewards"], result.reached)
        total += reward
    assert truncated
    assert not terminated
    assert total == plain.reached_total.sum() > 0
    first = env.reset()[0]
    assert np.array_equal(first, env.reset(seed=3)[0])  # without a seed the last one is used again


def test_rewards_can_be_one_s_own():
    pytest.importorskip("pettingzoo")
    env = parallel_env(_world(3), reward=lambda world, result: 0.5 * result.moved - world.steps)
    env.reset(seed=0)
    before = env.world.positions
    _, rewards, *_ = env.step({f"agent_{i}": 1 for i in range(3)})
    moved = env.world.positions != before
    assert list(rewards.values()) == (0.5 * moved - 1).tolist()
    bad = gymnasium_env(_world(3), reward=lambda world, result: np.zeros(2))
    with pytest.raises(InputError, match=r"reward must give shape \(3,\), got \(2,\)"):
        bad.step([0, 0, 0])


def test_the_goal_s_channel_by_hand():
    map = GridMap.from_array(np.zeros((9, 9), dtype=int))
    world = LifelongGrid(
        map, 3, starts=[[4, 4], [0, 0], [8, 0]], goals=[[3, 5], [8, 8], [8, 0]], obs_radius=2
    )
    views = stacked_views(world.observe())
    assert views.dtype == np.float32
    assert [np.argwhere(view).tolist() for view in views[:, 2]] == [[[1, 3]], [[4, 4]], [[2, 2]]]
    assert np.array_equal(views[:, 0], world.observe().obstacles)
    assert np.array_equal(views[:, 1], world.observe().agents)


def test_bad_use_is_named(monkeypatch):
    pytest.importorskip("pettingzoo")
    with pytest.raises(UnknownNameError, match="observation 'bok' does not exist; close names: 'box'"):
        parallel_env(_world(), observation="bok")
    env = parallel_env(_world(2))
    env.reset()
    with pytest.raises(InputError, match="none came for 'agent_1'"):
        env.step({"agent_0": 0})


def test_missing_packages_name_their_extra(monkeypatch):
    def absent(module, *, extra, purpose):
        raise MissingExtraError(f"{purpose} needs {module}: pip install 'hodology[{extra}]'")

    monkeypatch.setattr(grid_adapters, "require", absent)
    with pytest.raises(
        MissingExtraError, match=r"a PettingZoo environment needs pettingzoo: .*hodology\[swarm\]"
    ):
        parallel_env(_world())
    with pytest.raises(
        MissingExtraError, match=r"a Gymnasium environment needs gymnasium: .*hodology\[swarm\]"
    ):
        gymnasium_env(_world())
