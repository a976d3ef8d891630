"""PPO: estimates and loss by hand, the reward alone, resuming to the bit, and that a policy learns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hodology.errors import FileFormatError, InputError, NotConvergedError, UnknownNameError
from hodology.planning.follower_network import FollowerNetwork, NetworkShape
from hodology.planning.grid_generators import random_map
from hodology.planning.ppo import train_follower
from hodology.planning.ppo_rollout import Experience, RolloutCollector, training_environments
from hodology.planning.ppo_settings import TrainingSettings, training_settings
from hodology.planning.ppo_update import adapted_rate, advantages, ppo_loss, update_policy

PLAIN = NetworkShape(radius=2, filters=2, blocks=1)
RECURRENT = NetworkShape(radius=2, filters=2, blocks=0, hidden=6, recurrent=5)
MAPS = [random_map(8, 8, density=0.15, seed=seed) for seed in range(3)]


def _settings(shape: NetworkShape = PLAIN, **changes) -> TrainingSettings:
    base = replace(
        training_settings("follower-lite"),
        shape=shape,
        environments=2,
        batch_size=64,
        batches=3,
        learning_rate=2e-3,
    )
    return replace(base, **changes)


def _make(horizon: int = 13, agents: tuple[int, ...] = (4, 6)):
    return training_environments(MAPS, agents=agents, horizon=horizon, obs_radius=3, seed=1)


def _weights(policy) -> list[torch.Tensor]:
    return list(policy.network.state_dict().values())


# ------------------------------------------------------------------------------------------------- advantages, loss


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 3), st.floats(0, 1), st.floats(0, 1))
def test_advantages_are_the_discounted_sums_of_errors(seed, rollouts, gamma, weight):
    draws = np.random.default_rng(seed)
    steps, agents, rollout = 4 * rollouts, 3, 4
    values, after, rewards = (draws.normal(size=(steps, agents)).astype(np.float32) for _ in range(3))
    ends = draws.random((steps, agents)) < 0.2
    data = Experience(*[np.zeros(0)] * 3, values, after, rewards, ends, np.zeros(0), 0)
    found = advantages(data, gamma=gamma, gae_lambda=weight, rollout=rollout)
    for agent in range(agents):
        for t in range(steps):
            total, factor = 0.0, 1.0
            for k in range(t, (t // rollout + 1) * rollout):
                total += factor * (rewards[k, agent] + gamma * after[k, agent] - values[k, agent])
                factor *= gamma * weight
                if ends[k, agent]:
                    break
            assert found[t, agent] == pytest.approx(total, abs=1e-4)


def _batch(n: int = 50, seed: int = 0) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return {
        "actions": torch.randint(0, 5, (n,), generator=draw),
        "old_logits": torch.randn(n, 5, generator=draw),
        "old_values": torch.randn(n, generator=draw),
        "advantage": torch.randn(n, generator=draw),
        "returns": torch.randn(n, generator=draw),
    }


def test_the_loss_is_its_formula():
    batch, chosen = _batch(), _settings(clip=0.3, value_clip=0.4, value_weight=0.7, entropy_weight=0.05)
    draw = torch.Generator().manual_seed(9)
    logits, values = torch.randn(50, 5, generator=draw), torch.randn(50, generator=draw)
    loss, parts = ppo_loss(logits, values, settings=chosen, **batch)
    now, old = (torch.distributions.Categorical(logits=x) for x in (logits, batch["old_logits"]))
    ratio = (now.log_prob(batch["actions"]) - old.log_prob(batch["actions"])).exp().numpy().astype(float)
    gain = batch["advantage"].numpy().astype(float)
    gain = (gain - gain.mean()) / gain.std()
    policy = -np.minimum(ratio * gain, np.clip(ratio, 0.7, 1.3) * gain).mean()
    target = batch["returns"]
    near = batch["old_values"] + (values - batch["old_values"]).clamp(-0.4, 0.4)
    value = torch.maximum((values - target) ** 2, (near - target) ** 2).mean()
    assert float(loss) == pytest.approx(policy + float(0.7 * value - 0.05 * now.entropy().mean()), abs=1e-5)
    kl = torch.distributions.kl_divergence(now, old).mean()
    assert (parts.kl, parts.entropy) == pytest.approx((float(kl), float(now.entropy().mean())), abs=1e-5)
    assert parts.clipped == pytest.approx(((ratio < 0.7) | (ratio > 1.3)).mean())


def test_the_rate_follows_the_divergence():
    chosen = _settings()
    assert adapted_rate(1e-3, 0.02, chosen) == pytest.approx(1e-3 / 1.5)
    assert adapted_rate(1e-3, 0.001, chosen) == pytest.approx(1.5e-3)
    assert adapted_rate(1e-3, 0.008, chosen) == 1e-3
    assert adapted_rate(1e-6, 1.0, chosen) == 1e-6
    assert adapted_rate(1e-2, 0.0, chosen) == 1e-2
    assert adapted_rate(1e-3, 1.0, replace(chosen, schedule="constant")) == 1e-3


# -------------------------------------------------------------------------------------------------------- experience


def test_the_reward_is_for_the_planned_step_and_nothing_else():
    chosen = _settings()
    collector = RolloutCollector(_make(horizon=100), chosen, seed=0)
    network = FollowerNetwork(PLAIN)
    total, goals = 0, 0
    for _ in range(30):
        wanted = [p.update(w).next_cell for p, w in zip(collector.planners, collector.worlds)]
        before = sum(int(w.reached_total.sum()) for w in collector.worlds)
        data = _one(collector, network)
        standing = np.concatenate([w.positions == c for w, c in zip(collector.worlds, wanted)])
        assert data.rewards[0] == pytest.approx(0.01 * standing)
        assert data.goals == sum(int(w.reached_total.sum()) for w in collector.worlds) - before
        total, goals = total + int(standing.sum()), goals + data.goals
    assert total > 20
    assert all(world.collision == "priority" for world in collector.worlds)


def _one(collector: RolloutCollector, network: FollowerNetwork) -> Experience:
    collector.settings = replace(collector.settings, rollout=1, recurrence=1)
    return collector.collect(network, 1)


@pytest.mark.parametrize("shape", [PLAIN, RECURRENT])
def test_experience_is_what_the_network_said_and_values_follow_each_other(shape):
    collector = RolloutCollector(_make(), _settings(shape), seed=0)
    network = FollowerNetwork(shape, rng=1)
    first, data = collector.collect(network, 8), collector.collect(network, 16)
    assert not first.ends.any()
    assert data.ends.sum() == 10  # all ten agents' episodes of 13 steps end once in steps 9 .. 24
    assert data.ends[4].all()
    with torch.no_grad():
        for part in range(2):
            rows = slice(8 * part, 8 * part + 8)
            state = torch.from_numpy(data.states[part]) if shape.recurrent else None
            logits, values = network.unroll(
                torch.from_numpy(data.inputs[rows]).float(), state, torch.from_numpy(data.ends[rows])
            )
            assert np.allclose(logits, data.logits[rows], atol=1e-5)
            assert np.allclose(values, data.values[rows], atol=1e-5)
    going = ~data.ends[:-1]
    assert np.array_equal(data.next_values[:-1][going], data.values[1:][going])
    assert not np.allclose(
        data.next_values[4], data.values[5]
    )  # of the state it ended in, not of the next start
    assert set(np.unique(data.inputs)) <= {-1, 0, 1}


def test_threads_do_not_change_what_is_collected():
    found = [
        RolloutCollector(_make(), _settings(), seed=3, jobs=n).collect(FollowerNetwork(PLAIN), 16)
        for n in (1, 3)
    ]
    for name in ("inputs", "actions", "rewards", "values"):
        assert np.array_equal(*(getattr(data, name) for data in found))


def test_agents_go_round_the_slots_and_maps_change_with_episodes():
    make = training_environments(MAPS, agents=(2, 2, 5), horizon=7)
    assert [make(slot, 0).n_agents for slot in range(5)] == [2, 2, 5, 2, 2]
    assert len({make(0, episode).map.name for episode in range(12)}) == 3
    assert np.array_equal(make(1, 4).goals, make(1, 4).goals)
    assert make(1, 4).seed != make(1, 5).seed
    with pytest.raises(InputError, match="maps and agents must not be empty, got 0 and 4"):
        training_environments([])
    uneven = RolloutCollector(lambda slot, episode: make(2 if episode else 0, 0), _settings(), seed=0)
    with pytest.raises(InputError, match="slot 0 must have 2 agents in each episode, got 5"):
        uneven.collect(FollowerNetwork(PLAIN), 8)


# ---------------------------------------------------------------------------------------------------------- training


@pytest.mark.parametrize("shape", [PLAIN, RECURRENT])
def test_an_interrupted_run_ends_in_the_same_bits(shape, tmp_path):
    chosen, steps = _settings(shape, epochs=2), 900
    whole, log = train_follower(_make(), settings=chosen, steps=steps, seed=5)

    class Stop(Exception):
        pass

    def stop(row):
        if len(seen) == 2:
            raise Stop
        seen.append(row)

    seen: list = []
    with pytest.raises(Stop):
        train_follower(_make(), settings=chosen, steps=steps, seed=5, checkpoint=tmp_path, on_update=stop)
    resumed, again = train_follower(
        _make(), settings=chosen, steps=steps, seed=5, checkpoint=tmp_path, jobs=2
    )
    assert len(log.rows) == len(again.rows) > 4
    assert all(torch.equal(a, b) for a, b in zip(_weights(whole), _weights(resumed), strict=True))
    for name in ("reward", "throughput", "kl", "learning_rate", "steps"):
        assert np.array_equal(log.column(name), again.column(name))
    other, _ = train_follower(_make(), settings=chosen, steps=steps, seed=6)
    assert not all(torch.equal(a, b) for a, b in zip(_weights(whole), _weights(other)))


def test_checkpoints_of_other_runs_are_refused(tmp_path):
    train_follower(_make(), settings=_settings(), steps=1, checkpoint=tmp_path)
    for changed in ({"settings": _settings(gamma=0.5)}, {"settings": _settings(), "seed": 1}):
        with pytest.raises(FileFormatError, match="is of other settings, worlds or another seed"):
            train_follower(_make(), steps=1, checkpoint=tmp_path, **changed)
    file = tmp_path / "checkpoint.safetensors"
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(FileFormatError, match="cannot be read"):
        train_follower(_make(), settings=_settings(), steps=1, checkpoint=tmp_path)


def test_a_policy_learns_to_make_the_planned_step():
    chosen = _settings(NetworkShape(radius=2, filters=4, blocks=1), environments=4, batch_size=128, batches=4)
    chosen = replace(chosen, learning_rate=5e-3)
    policy, log = train_follower(_make(horizon=64, agents=(6,)), settings=chosen, steps=25_000, seed=0)
    reward = log.column("reward")
    assert reward[:3].mean() < 0.004
    assert reward[-10:].mean() > 1.5 * reward[:3].mean()
    assert policy.name == "follower-trained"
    assert log.to_dict()["rows"][-1]["steps"] == log.rows[-1].steps >= 25_000


def test_settings_are_the_papers():
    lite, full = training_settings("follower-lite"), training_settings("follower")
    assert (lite.learning_rate, lite.schedule, lite.gamma, lite.entropy_weight) == (
        1.33e-4,
        "kl-adaptive",
        0.9716,
        0.01565,
    )
    assert (full.learning_rate, full.schedule, full.gamma, full.entropy_weight) == (
        2.2e-4,
        "constant",
        0.9756,
        0.023,
    )
    for s in (lite, full):
        assert (s.gae_lambda, s.clip, s.value_clip, s.value_weight, s.kl_target) == (
            0.95,
            0.2,
            1.0,
            0.5,
            0.008,
        )
        assert (s.batch_size, s.batches, s.epochs, s.rollout, s.recurrence) == (16_384, 16, 1, 8, 8)
        assert (s.adam_eps, s.max_grad_norm, s.reward) == (1e-6, 4.0, 0.01)


def test_what_training_cannot_be_is_said():
    for change, message in (
        ({"schedule": "kl"}, "schedule 'kl' does not exist"),
        ({"recurrence": 3}, "recurrence must divide the rollout's 8 steps, got 3"),
        ({"batches": 0}, "batches must be at least 1, got 0"),
        ({"clip": 0.0}, "clip must be a number above 0, got 0.0"),
        ({"gamma": 1.5}, "gamma must be 0 to 1, got 1.5"),
    ):
        with pytest.raises(InputError, match=message):
            _settings(**change)
    with pytest.raises(UnknownNameError, match="preset 'lite' does not exist"):
        training_settings("lite")
    with pytest.raises(InputError, match="steps must be at least 1, got 0"):
        train_follower(_make(), settings=_settings(), steps=0)
    network = FollowerNetwork(PLAIN)
    data = RolloutCollector(_make(), _settings(), seed=0).collect(network, 8)
    data.rewards[2, 1] = np.nan
    with pytest.raises(NotConvergedError, match="the loss is nan in update 4; lower the learning rate"):
        update_policy(network, torch.optim.Adam(network.parameters()), data, _settings(), seed=0, update=4)
