"""Follower network and policy: the authors' weights and blocks, files, draws, and throughput on their maps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from hodology.errors import FileFormatError, InputError, UnknownNameError
from hodology.files import read_arrays, write_arrays
from hodology.planning.congestion_planner import CongestionPlanner
from hodology.planning.episode import run_episode
from hodology.planning.follower_network import FollowerNetwork, NetworkShape, network_shape
from hodology.planning.follower_policy import FollowerPolicy, draw_actions
from hodology.planning.follower_weights import load_network, save_network
from hodology.planning.grid_generators import random_map
from hodology.planning.grid_map import read_map
from hodology.planning.lifelong_grid import LifelongGrid
from hodology.planning.path_steppers import AStarStepper

SMALL = NetworkShape(radius=2, filters=3, blocks=2)
FULL = NetworkShape(radius=2, filters=3, blocks=1, hidden=7, recurrent=4)


def _world(seed: int = 0, **options) -> LifelongGrid:
    return LifelongGrid(random_map(10, 10, density=0.2, seed=seed), 6, seed=seed, **options)


def _inputs(n: int, side: int) -> torch.Tensor:
    return torch.randint(-1, 2, (n, 2, side, side), generator=torch.Generator().manual_seed(1)).float()


# ---------------------------------------------------------------------------------------------------------- network


class InPlaceBlock(nn.Module):
    """The authors' block: the ReLU at its head changes x, so the skip gets ReLU(x)."""

    def __init__(self, first: nn.Conv2d, second: nn.Conv2d) -> None:
        super().__init__()
        self.core = nn.Sequential(nn.ReLU(inplace=True), first, nn.ReLU(inplace=True), second)

    def forward(self, x):
        identity = x
        out = self.core(x)
        return out + identity


def test_blocks_are_those_of_in_place_relu():
    network = FollowerNetwork(SMALL, rng=1)
    inputs = _inputs(4, 5)
    x = network.stem(inputs).detach()
    for block in network.blocks:
        x = InPlaceBlock(block.first, block.second)(x)
    x = nn.functional.relu(x).flatten(1)
    logits, value, state = network(inputs)
    assert torch.allclose(logits, network.policy(x), atol=1e-6)
    assert torch.allclose(value, network.value(x)[:, 0], atol=1e-6)
    assert state is None
    plain = network.stem(inputs)
    for block in network.blocks:
        plain = plain + block.second(nn.functional.relu(block.first(nn.functional.relu(plain))))
    assert not torch.allclose(network.policy(nn.functional.relu(plain).flatten(1)), logits, atol=1e-3)


def test_sizes_are_the_papers():
    lite = FollowerNetwork(network_shape("follower-lite"))
    assert sum(p.numel() for p in lite.parameters()) == 3_678
    shape = network_shape("follower")
    assert (shape.radius, shape.filters, shape.blocks, shape.hidden, shape.recurrent) == (5, 64, 8, 512, 256)


def test_first_weights_are_orthogonal_and_of_their_seed():
    network = FollowerNetwork(FULL, rng=5)
    weight = network.linear.weight
    assert torch.allclose(weight @ weight.T, torch.eye(7), atol=1e-5)
    assert not any(p.any() for name, p in network.named_parameters() if "bias" in name)
    again, other = FollowerNetwork(FULL, rng=5), FollowerNetwork(FULL, rng=6)
    assert torch.equal(again.stem.weight, network.stem.weight)
    assert not torch.equal(other.stem.weight, network.stem.weight)


def test_a_gru_unrolled_is_the_gru_step_by_step_and_forgets_at_ends():
    network = FollowerNetwork(FULL, rng=2)
    inputs = _inputs(12, 5).unflatten(0, (4, 3))
    ends = torch.zeros(4, 3, dtype=torch.bool)
    ends[1, 2] = True
    logits, values = network.unroll(inputs, None, ends)
    state = None
    for t in range(4):
        step, value, state = network(inputs[t], state)
        assert torch.allclose(step, logits[t], atol=1e-6)
        assert torch.allclose(value, values[t], atol=1e-6)
        state = state * ~ends[t][:, None]
    assert not torch.allclose(network(inputs[3])[0], logits[3], atol=1e-4)


# ------------------------------------------------------------------------------------------------------------ files


@pytest.mark.parametrize("suffix", ["npz", "safetensors"])
@pytest.mark.parametrize("shape", [SMALL, FULL, NetworkShape(radius=1, filters=2, blocks=0, recurrent=3)])
def test_weights_come_back(tmp_path, shape, suffix):
    network = FollowerNetwork(shape, rng=3)
    file = tmp_path / f"weights.{suffix}"
    save_network(network, file)
    found = load_network(file)
    assert found.shape == shape
    inputs = _inputs(2, shape.side)
    assert torch.equal(found(inputs)[0], network(inputs)[0])
    assert "encoder.conv_head.0.weight" in (
        read_arrays(file) if suffix == "npz" else {"encoder.conv_head.0.weight"}
    )


def test_wrong_files_are_refused(tmp_path):
    file = tmp_path / "weights.npz"
    save_network(FollowerNetwork(SMALL), file)
    arrays = read_arrays(file)
    write_arrays(file, {name: a for name, a in arrays.items() if name != "critic_linear.bias"})
    with pytest.raises(
        FileFormatError, match=r"does not hold the weights of a follower network: 'critic_linear.bias'"
    ):
        load_network(file)
    write_arrays(file, {**arrays, "extra": np.zeros(2)})
    with pytest.raises(FileFormatError, match="holds 'extra', which a follower network does not have"):
        load_network(file)
    write_arrays(
        file, {**arrays, "action_parameterization.distribution_linear.weight": np.zeros((5, 12), np.float32)}
    )
    with pytest.raises(FileFormatError, match="12 features of 3 filters are no square of odd side"):
        load_network(file)
    (tmp_path / "weights.safetensors").write_bytes(b"no weights")
    with pytest.raises(FileFormatError, match="cannot be read as safetensors"):
        load_network(tmp_path / "weights.safetensors")
    with pytest.raises(InputError, match=r"written as .npz or .safetensors, got .*weights.txt"):
        save_network(FollowerNetwork(SMALL), tmp_path / "weights.txt")


def test_weights_of_another_input_are_refused(tmp_path):
    file = tmp_path / "weights.npz"
    FollowerPolicy(FollowerNetwork(network_shape("follower-lite"))).save(file)
    assert FollowerPolicy.from_npz(file).name == "follower-lite"
    with pytest.raises(InputError, match="weights expect a 7x7x2 input, planner gives 11x11"):
        FollowerPolicy.from_npz(file, shape="follower")
    with pytest.raises(InputError, match="weights are of NetworkShape"):
        FollowerPolicy.from_npz(file, shape=NetworkShape(radius=3, filters=8, blocks=2))
    with pytest.raises(InputError, match="weights expect a 7x7x2 input, planner gives 5x5"):
        FollowerPolicy.from_npz(file).reset(_world(obs_radius=2))
    with pytest.raises(InputError, match="weights expect a 7x7x2 input, planner gives 5x5"):
        FollowerNetwork(network_shape("follower-lite"))(torch.zeros(1, 2, 5, 5))
    with pytest.raises(
        UnknownNameError, match="preset 'follower-light' does not exist; close names: 'follower-lite'"
    ):
        network_shape("follower-light")
    with pytest.raises(InputError, match="filters must be at least 1, got 0"):
        NetworkShape(radius=1, filters=0, blocks=1)


# ----------------------------------------------------------------------------------------------------------- acting


def test_actions_are_drawn_by_the_softmax():
    logits = np.log(np.array([0.5, 0.25, 0.125, 0.125, 1e-30]))
    drawn = draw_actions(np.tile(logits, (40_000, 1)) + 7.0, np.random.default_rng(0))
    shares = np.bincount(drawn, minlength=5) / 40_000
    assert shares == pytest.approx([0.5, 0.25, 0.125, 0.125, 0], abs=0.01)
    assert draw_actions(np.array([[-800.0, 0, -800, -800, -800]]), np.random.default_rng(1)).tolist() == [1]


@pytest.mark.parametrize("shape", [SMALL, FULL])
def test_an_episode_is_told_by_its_seeds(shape):
    network = FollowerNetwork(shape, rng=1)
    policy = FollowerPolicy(network, seed=4)
    runs = [
        run_episode(_world(), p, steps=15, record=True)
        for p in (policy, policy, FollowerPolicy(network, seed=5))
    ]
    assert np.array_equal(runs[0].trajectories, runs[1].trajectories)
    assert not np.array_equal(runs[0].trajectories, runs[2].trajectories)
    other = LifelongGrid(_world().map, 6, seed=1, starts=_starts(_world()), goals=_goals(_world()))
    elsewhere = run_episode(other, policy, steps=1, record=True)
    assert np.array_equal(
        elsewhere.trajectories[0], runs[0].trajectories[0]
    )  # same world, other seed, other draws
    actions = []
    for world in (_world(), other):
        policy.reset(world)
        actions.append(policy.act(world))
    assert not np.array_equal(*actions)


def _starts(world: LifelongGrid) -> np.ndarray:
    return world.grid.coordinates(world.starts)


def _goals(world: LifelongGrid) -> np.ndarray:
    return world.grid.coordinates(world.goals)


def test_agents_in_a_batch_do_not_touch_each_other():
    network = FollowerNetwork(FULL, rng=1)
    inputs = _inputs(5, 5)
    whole = network(inputs)[0]
    assert torch.allclose(whole, torch.cat([network(row[None])[0] for row in inputs]), atol=1e-6)


def test_greedy_takes_the_greatest_logit():
    policy = FollowerPolicy(FollowerNetwork(SMALL, rng=1), mode="greedy")
    world = _world()
    policy.reset(world)
    actions = policy.act(world)
    policy.reset(world)
    assert np.array_equal(actions, policy.logits(world).argmax(axis=1))
    with pytest.raises(UnknownNameError, match="mode 'argmax' does not exist"):
        FollowerPolicy(policy.network, mode="argmax")
    with pytest.raises(InputError, match="does not know this episode"):
        FollowerPolicy(policy.network).act(world)


def test_released_weights_reach_the_throughput_of_the_reference(real_data):
    """The reference runs of the 20x20 map gave 1.58 goals per step, without the policy 0.04 (mean of three seeds)."""
    map = read_map(real_data / "follower" / "test-maps.yaml", "pico_s00_od20_na32")
    file = real_data / "follower" / "follower_lite_weights.npz"

    def mean(controller) -> float:
        return float(
            np.mean(
                [
                    run_episode(LifelongGrid(map, 32, seed=s, horizon=256), controller).throughput
                    for s in range(3)
                ]
            )
        )

    full = mean(FollowerPolicy.from_npz(file, shape="follower-lite"))
    assert full == pytest.approx(1.58, rel=0.1)
    assert full > 1.1 * mean(
        FollowerPolicy.from_npz(file, planner=CongestionPlanner(static=False, dynamic=False))
    )
    assert full > 10 * mean(AStarStepper())
