"""Forces on weights: closed forms without noise, symmetry, and the two pictures of saturation."""

from __future__ import annotations

import numpy as np
import pytest

from hodology.errors import InputError
from hodology.geometry.binary_tasks import Task, hadamard_task, nudged_xor
from hodology.geometry.weight_flow import class_plane, weight_flow, weight_paths

SQUARE = Task(
    np.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]]), np.array([[0], [0], [1], [1]]), 0.0
)


@pytest.mark.parametrize("name", ["tanh", "relu", "linear"])
def test_the_flow_is_the_expectation_over_conditions(name):
    slope = {"tanh": lambda u: 1 - np.tanh(u) ** 2, "relu": lambda u: u > 0, "linear": np.ones_like}[name]
    found = weight_flow(
        SQUARE, name, plane=np.eye(2), bias=0.1, grid=5, extent=2.0, samples=400, output_sign=-2.0
    )
    y = SQUARE.labels[:, 0] - 0.5
    for i in range(5):
        for j in range(5):
            w = found.weights[i, j]
            expected = -2.0 * np.mean((y * slope(SQUARE.means @ w + 0.1))[:, None] * SQUARE.means, axis=0)
            assert found.flow[i, j] == pytest.approx(expected, abs=1e-9)
    assert found.off_plane == pytest.approx(0, abs=1e-9)
    assert found.weights[0, -1].tolist() == [2.0, -2.0]
    assert found.speed == pytest.approx(np.hypot(found.flow[..., 0], found.flow[..., 1]))


def test_a_linear_unit_is_pushed_along_the_class_difference_everywhere():
    task = hadamard_task(3, separability=1.0)
    found = weight_flow(task, "linear", grid=4)
    difference = task.means[task.labels[:, 0] == 1].mean(axis=0) - task.means[task.labels[:, 0] == 0].mean(
        axis=0
    )
    assert found.plane[0] == pytest.approx(difference / np.linalg.norm(difference))
    assert found.flow[..., 0] == pytest.approx(found.flow[0, 0, 0])
    assert found.flow[0, 0, 0] == pytest.approx(np.linalg.norm(difference) / 4, rel=0.05)
    assert np.abs(found.flow[..., 1]).max() < 0.05 * found.flow[0, 0, 0]


def test_the_plane_is_orthonormal_and_within_classes_has_no_class_difference():
    task = hadamard_task(3, separability=0.5, scale=0.5, seed=4)
    plane = class_plane(task)
    assert plane @ plane.T == pytest.approx(np.eye(2), abs=1e-9)
    projected = task.means @ plane.T
    labels = task.labels[:, 0] == 1
    assert np.ptp(projected[labels, 1]) > 0.1
    assert projected[labels, 1].mean() == pytest.approx(projected[~labels, 1].mean(), abs=1e-9)


def test_two_sided_saturation_stops_units_on_the_class_axis_and_relu_keeps_regions():
    task = hadamard_task(3, separability=0.5)
    between = class_plane(task)[0]
    ends = {}
    for name in ("tanh", "relu"):
        paths = weight_paths(task, name, units=40, steps=150, dt=0.1, samples=1000)
        ends[name] = paths.cosine(between)[-1].mean()
        assert paths.cosine(between)[0].mean() < 0.3
        assert paths.weights.shape == (151, 40, 100)
    assert ends["tanh"] > ends["relu"] + 0.1
    far = weight_flow(task, "tanh", extent=6.0, grid=7)
    assert far.speed[0, 0] < 0.1 * far.speed[3, 3]
    half = weight_flow(task, "relu", extent=6.0, grid=7)
    assert half.speed[0, 0] > 0.3 * half.speed[3, 3]


def test_a_tanh_unit_and_its_negative_are_pushed_alike():
    found = weight_flow(SQUARE, "tanh", plane=np.eye(2), grid=9, samples=400)
    assert found.flow == pytest.approx(found.flow[::-1, ::-1], abs=1e-9)
    assert found.labels.tolist() == [0, 0, 1, 1]


def test_bad_input_is_named():
    with pytest.raises(InputError, match="the classes have the same mean input"):
        weight_flow(nudged_xor(0.0), "tanh")
    with pytest.raises(InputError, match="target must be from 0 to 0, got 1"):
        weight_flow(SQUARE, "tanh", target=1)
    with pytest.raises(InputError, match=r"plane must be finite, shape \(2, 2\)"):
        weight_flow(SQUARE, "tanh", plane=np.eye(3))
    with pytest.raises(InputError, match="must not be parallel"):
        weight_flow(SQUARE, "tanh", plane=[[1, 1], [2, 2]])
    with pytest.raises(InputError, match="grid must be at least 2"):
        weight_flow(SQUARE, "tanh", grid=1)
    with pytest.raises(InputError, match="extent must be positive"):
        weight_flow(SQUARE, "tanh", extent=-1.0)
    with pytest.raises(InputError, match="dt must be positive"):
        weight_paths(SQUARE, "tanh", dt=0)
    with pytest.raises(InputError, match="units and steps must be at least 1"):
        weight_paths(SQUARE, "tanh", units=0)
    line = Task(np.array([[0.0], [0.0], [1.0], [1.0]]), np.array([[0], [0], [1], [1]]), 0.0)
    with pytest.raises(InputError, match="nothing varies within"):
        class_plane(line)
