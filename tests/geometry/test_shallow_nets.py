"""Small networks trained together: the gradients, the independence of networks, the settings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from hodology.errors import InputError, NotConvergedError, UnknownNameError
from hodology.geometry import shallow_fit
from hodology.geometry.activations_of import patterns_of
from hodology.geometry.binary_tasks import hadamard_task, recorded_task
from hodology.geometry.shallow_activations import (
    ACTIVATIONS,
    Activation,
    clipped_relu,
    find_activation,
    shifted_relu,
)
from hodology.geometry.shallow_fit import train_shallow
from hodology.geometry.shallow_nets import initial_nets, join_nets
from hodology.geometry.shallow_program import Program
from hodology.geometry.shallow_training import ALL_WEIGHTS, FIXED_READOUT, Training

SHORT = {"epochs": 4, "samples": 90, "batch_size": 40, "width": 12}
TASK = hadamard_task(3, targets=2, separability=0.5, dim=10)


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rms"])
def test_training_equals_autograd_with_the_optimizers_of_torch(depth, optimizer):
    activations = [find_activation("tanh"), find_activation("relu")]
    nets = initial_nets(activations, inputs=10, targets=2, n_nets=2, width=7, depth=depth, seed=1)
    x, _, y = TASK.sample(60, seed=0)
    x, y = torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)
    program = Program(nets, optimizer=optimizer, learning_rate=0.02, train_readout=True, noise=[])
    with torch.no_grad():
        losses = program.epoch(x, y, 25)[0]
    trained = program.nets()
    for net in range(4):
        module = nets.module(net).train()
        kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}.get(optimizer)
        if kind is None:
            steps = _rms_steps(module)
        else:
            steps = kind(module.parameters(), lr=0.02)
        total = 0.0
        for begin in range(0, 60, 25):
            part = slice(begin, begin + 25)
            loss = nn.functional.binary_cross_entropy_with_logits(module(x[part]), y[part], reduction="sum")
            steps.zero_grad()
            (loss / len(x[part])).backward()
            steps.step()
            total += float(loss.detach())
        assert losses[net] == pytest.approx(total / 60, rel=1e-4)
        for layer in range(depth):
            expected = module.get_submodule(f"hidden{layer + 1}")
            torch.testing.assert_close(
                trained.weights[layer][net].T, expected.weight.data, atol=2e-5, rtol=1e-3
            )
            torch.testing.assert_close(
                trained.biases[layer][net][0], expected.bias.data, atol=2e-5, rtol=1e-3
            )
        torch.testing.assert_close(trained.readout[net].T, module.readout.weight.data, atol=2e-5, rtol=1e-3)


def _rms_steps(module):
    """RMS-scaled steps with the bias correction that the running square of Adam has."""
    return torch.optim.Adam(module.parameters(), lr=0.02, betas=(0.0, 0.999))


def test_a_network_does_not_know_its_neighbours():
    training = Training(**SHORT)
    names = ["tanh", "relu", "relu, noisy derivative"]
    together = train_shallow(TASK, names, n_nets=3, training=training, seed=5)
    for name in names:
        alone = train_shallow(TASK, name, n_nets=2, training=training, seed=5)
        rows = together.nets_of(name)[:2]
        assert together.nets.weights[0][rows].numpy() == pytest.approx(
            alone.nets.weights[0].numpy(), abs=1e-5
        )
        assert together.losses[rows] == pytest.approx(alone.losses, abs=1e-5)
    starts = [together.initial.weights[0][together.nets_of(name)] for name in names]
    assert torch.equal(starts[0], starts[1])


def test_the_fixed_readout_stays_and_the_free_one_moves():
    fixed = train_shallow(TASK, "tanh", n_nets=2, training=replace(FIXED_READOUT, **SHORT))
    assert torch.equal(fixed.nets.readout, fixed.initial.readout)
    assert torch.equal(fixed.nets.readout_bias, fixed.initial.readout_bias)
    assert not torch.equal(fixed.nets.weights[0], fixed.initial.weights[0])
    free = train_shallow(TASK, "tanh", n_nets=2, training=replace(ALL_WEIGHTS, **SHORT))
    assert not torch.equal(free.nets.readout, free.initial.readout)
    assert fixed.training.setting == "fixed read-out, SGD"
    assert free.training.setting == "all weights, Adam"
    assert torch.equal(free.initial.weights[0], fixed.initial.weights[0])


def test_a_task_is_learnt_and_read_out_in_every_form():
    training = replace(ALL_WEIGHTS, epochs=40, samples=400, batch_size=100, width=32)
    run = train_shallow(hadamard_task(2, separability=1.0), ["tanh", "relu"], n_nets=2, training=training)
    assert (run.test_accuracy > 0.95).all()
    assert (run.final_loss < run.losses[:, 0]).all()
    x = run.task.means
    hidden = run.hidden("relu")
    module = run.nets.module(int(run.nets_of("relu")[0]))
    recorded = patterns_of(module, torch.tensor(x, dtype=torch.float32), ["activation1"])["activation1"]
    assert recorded.values == pytest.approx(hidden[0], abs=1e-5)
    logits = module(torch.tensor(x, dtype=torch.float32)).detach().numpy()
    assert run.nets.logits(x)[2] == pytest.approx(logits, abs=1e-5)
    assert run.nets.select([2]).hidden(x)[0] == pytest.approx(hidden[0], abs=1e-6)


def test_networks_stop_when_nothing_moves_and_others_go_on():
    dead = Activation("dead", torch.zeros_like, lambda x, h: torch.zeros_like(h))
    run = train_shallow(TASK, [dead, "tanh"], n_nets=2, training=Training(**SHORT))
    assert run.epochs.tolist() == [1, 1, 4, 4]
    assert run.converged.tolist() == [True, True, False, False]
    assert np.isnan(run.losses[0, 1:]).all()
    assert np.isfinite(run.final_loss).all()
    beside = train_shallow(TASK, "tanh", n_nets=2, training=Training(**SHORT))
    assert beside.losses == pytest.approx(run.losses[2:], abs=1e-6)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_frozen_network_stays_while_the_others_learn_as_before(optimizer):
    nets = initial_nets([find_activation("tanh")], inputs=10, targets=2, n_nets=3, width=6, seed=1)
    x, _, y = TASK.sample(60, seed=0)
    x, y = torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)
    programs = [
        Program(nets, optimizer=optimizer, learning_rate=0.1, train_readout=True, noise=[]) for _ in "ab"
    ]
    programs[0].freeze(np.array([True, False, True]))
    with torch.no_grad():
        changes = [program.epoch(x, y, 20)[1] for program in programs]
    frozen, free = (program.nets() for program in programs)
    assert torch.equal(frozen.weights[0][1], nets.weights[0][1])
    assert torch.equal(frozen.readout[1], nets.readout[1])
    assert torch.equal(frozen.weights[0][[0, 2]], free.weights[0][[0, 2]])
    assert changes[0][1] == 0 < changes[1][1]


def test_the_size_of_a_group_does_not_matter(monkeypatch):
    training = Training(**SHORT)
    whole = train_shallow(TASK, "relu", n_nets=5, training=training)
    monkeypatch.setattr(shallow_fit, "_CELLS", 2 * 40 * 12)
    parts = train_shallow(TASK, "relu", n_nets=5, training=training)
    threads = train_shallow(TASK, "relu", n_nets=5, training=training, jobs=3)
    assert (threads.losses == parts.losses).all()
    assert torch.equal(threads.nets.weights[0], parts.nets.weights[0])
    with pytest.raises(InputError, match="jobs must be at least 1, got 0"):
        train_shallow(TASK, "relu", jobs=0)
    assert parts.losses == pytest.approx(whole.losses, abs=1e-6)
    assert parts.nets.weights[0].numpy() == pytest.approx(whole.nets.weights[0].numpy(), abs=1e-5)
    with pytest.raises(InputError, match="at least one group"):
        join_nets([])


def test_recorded_samples_are_tested_on_those_left_over():
    x, condition, _ = TASK.sample(100, seed=0)
    task = recorded_task(x, condition, TASK.labels)
    most = train_shallow(task, "tanh", n_nets=1, training=replace(ALL_WEIGHTS, **{**SHORT, "epochs": 40}))
    assert 0.5 < most.test_accuracy[0] <= most.train_accuracy[0]
    every = train_shallow(task, "tanh", n_nets=1, training=Training(**{**SHORT, "samples": 100}))
    assert np.isnan(every.test_accuracy).all()
    with pytest.raises(InputError, match="100 samples were recorded, 101 are asked for"):
        train_shallow(task, "tanh", training=Training(**{**SHORT, "samples": 101}))


@pytest.mark.parametrize("name", [n for n in ACTIVATIONS if "derivative" not in n])
def test_true_derivatives_are_the_slope_of_the_value(name):
    found = ACTIVATIONS[name]
    x = torch.linspace(-3.03, 3.07, 400, dtype=torch.float64).requires_grad_()
    (expected,) = torch.autograd.grad(found.value(x).sum(), x)
    plain = x.detach()
    assert found.slope(plain, found.value(plain)) == pytest.approx(expected)


@pytest.mark.parametrize("name", [n for n in ACTIVATIONS if "derivative" in n])
def test_false_derivatives_leave_the_response_alone(name):
    x = torch.linspace(-3, 3, 31)
    base = ACTIVATIONS[name.split(",")[0]]
    assert torch.equal(ACTIVATIONS[name].value(x), base.value(x))
    slope = ACTIVATIONS[name].slope(x, base.value(x))
    if "linear" in name:
        assert slope.eq(1).all()
    else:
        assert (slope >= 0).all()


def test_controls_saturate_where_they_say():
    x = torch.tensor([-2.0, 0.7, 5.0])
    assert clipped_relu(1.5).value(x).tolist() == pytest.approx([0, 0.7, 1.5])
    assert shifted_relu(-0.5).value(x).tolist() == pytest.approx([0, 0.2, 4.5])
    assert shifted_relu(-0.5).name == "relu(x-0.5)"
    assert x.tolist() == pytest.approx([-2.0, 0.7, 5.0])


def test_readout_distributions_have_their_scale():
    for kind in ("gaussian", "uniform", "unit-norm", "balanced"):
        nets = initial_nets(
            [find_activation("tanh")], inputs=3, targets=2, n_nets=5, width=400, readout=kind, seed=2
        )
        out = nets.readout.numpy()
        assert out.std() == pytest.approx(0.05, rel=0.05)
        if kind == "unit-norm":
            assert np.linalg.norm(out, axis=1) == pytest.approx(1, abs=1e-5)
        if kind == "balanced":
            assert np.abs(out) == pytest.approx(0.05)
            assert out.sum(axis=1) == pytest.approx(0, abs=1e-4)
        if kind == "uniform":
            assert np.abs(out).max() <= 0.05 * 3**0.5


def test_bad_settings_are_named():
    with pytest.raises(UnknownNameError, match="activation 'tahn' does not exist; close names: 'tanh'"):
        train_shallow(TASK, "tahn")
    with pytest.raises(UnknownNameError, match="optimizer 'adamw'"):
        Training(optimizer="adamw")
    with pytest.raises(InputError, match="epochs must be at least 1, got 0"):
        Training(epochs=0)
    with pytest.raises(InputError, match="learning_rate must be positive"):
        Training(learning_rate=0)
    with pytest.raises(InputError, match="even width, got 5"):
        initial_nets([], inputs=2, targets=1, n_nets=1, width=5, readout="balanced")
    with pytest.raises(InputError, match="depth must be at least 1"):
        initial_nets([], inputs=2, targets=1, n_nets=1, depth=0)
    with pytest.raises(InputError, match="at least one activation"):
        train_shallow(TASK, [])
    run = train_shallow(TASK, "tanh", n_nets=1, training=Training(**SHORT))
    with pytest.raises(UnknownNameError, match="no network has activation 'relu'"):
        run.hidden("relu")
    with pytest.raises(InputError, match=r"x must have shape \(samples, 10\)"):
        run.hidden(x=np.ones((2, 3)))
    with pytest.raises(InputError, match="layer must be from 0 to 0, got 1"):
        run.hidden(layer=1)
    with pytest.raises(NotConvergedError, match="lower learning_rate"):
        train_shallow(TASK, "linear", training=Training(train_readout=True, learning_rate=1e30, **SHORT))
