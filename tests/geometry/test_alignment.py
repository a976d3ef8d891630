"""Alignment with inputs and targets, dimensions, sparsity, and samples by condition."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hodology.errors import InputError
from hodology.geometry.alignment import alignment_over_runs, input_target_alignment
from hodology.geometry.binary_tasks import hadamard_task
from hodology.geometry.cka import linear_cka
from hodology.geometry.conditions import group_samples
from hodology.geometry.dimensionality import active_share, participation_ratio

TASK = hadamard_task(3, targets=2, separability=0.8)


def test_inputs_and_targets_align_with_themselves_and_with_each_other_by_the_formula():
    of_inputs = input_target_alignment(TASK.means, TASK.means, TASK.labels)
    assert of_inputs.input == pytest.approx(1)
    assert of_inputs.target == pytest.approx(np.sqrt(0.8 * 2 / 7))
    of_targets = input_target_alignment(TASK.labels.astype(float), TASK.means, TASK.labels)
    assert of_targets.target == pytest.approx(1)
    assert of_targets.input == pytest.approx(of_inputs.target)


@given(seed=st.integers(0, 100), scale=st.floats(0.01, 100))
def test_targets_as_0_1_or_signs_and_rotation_scale_and_shift_do_not_matter(seed, scale):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(8, 5))
    one = input_target_alignment(z, TASK.means, TASK.labels)
    turn = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    two = input_target_alignment(scale * z @ turn + 7, TASK.means, 2 * TASK.labels - 1)
    assert (two.input, two.target) == pytest.approx((one.input, one.target))
    assert one.input == pytest.approx(linear_cka(z, TASK.means))
    debiased = input_target_alignment(z, TASK.means, TASK.labels, debiased=True)
    assert debiased.target == pytest.approx(linear_cka(z, TASK.labels.astype(float), unbiased=True))


def test_the_mean_kernel_and_the_mean_score_are_both_there_and_differ():
    z = np.random.default_rng(0).normal(size=(20, 8, 3)) + TASK.means[:, :3]
    found = alignment_over_runs(z, TASK.means, TASK.labels)
    assert found.input_each == pytest.approx([linear_cka(v, TASK.means) for v in z])
    assert found.mean_input == pytest.approx(found.input_each.mean())
    kernel = np.mean([v @ v.T for v in z - z.mean(axis=1, keepdims=True)], axis=0)
    values, vectors = np.linalg.eigh(kernel)
    factor = vectors * np.sqrt(np.maximum(values, 0))
    assert found.target == pytest.approx(linear_cka(factor, TASK.labels.astype(float)))
    assert abs(found.target - found.mean_target) > 0.01


def test_noise_of_samples_is_averaged_out_over_conditions():
    x, condition, _ = TASK.sample(8000, seed=0)
    found = input_target_alignment(x, x, TASK.labels, condition=condition)
    assert found.target == pytest.approx(np.sqrt(0.8 * 2 / 7), abs=0.01)
    each = linear_cka(x[:200], 2.0 * TASK.labels[condition[:200]] - 1)
    assert each < found.target - 0.02


def test_dead_units_warn_and_dead_layers_are_nan():
    z = np.column_stack([TASK.means[:, :4], np.zeros(8)])
    with pytest.warns(UserWarning, match="1 constant units are left out"):
        found = input_target_alignment(z, TASK.means, TASK.labels)
    assert found.input == pytest.approx(linear_cka(z[:, :4], TASK.means))
    with pytest.warns(UserWarning, match="undefined"):
        dead = alignment_over_runs(np.zeros((2, 8, 3)), TASK.means, TASK.labels)
    assert np.isnan(dead.input)
    assert np.isnan(dead.target_each).all()


def test_participation_ratio_counts_equal_dimensions():
    basis = np.linalg.qr(np.random.default_rng(0).normal(size=(30, 30)))[0]
    for rank in (1, 4, 9):
        points = np.concatenate([np.eye(rank), -np.eye(rank)]) @ basis[:rank]
        assert participation_ratio(points) == pytest.approx(rank)
        assert participation_ratio(np.tile(points, (20, 1))) == pytest.approx(rank)
    assert participation_ratio(np.eye(8)) == pytest.approx(7)
    noisy = np.repeat(np.array([[1.0] * 50, [-1.0] * 50]), 20, axis=0)
    noisy = noisy + np.random.default_rng(1).normal(size=noisy.shape)
    assert participation_ratio(noisy, [0] * 20 + [1] * 20) == pytest.approx(1)
    with pytest.warns(UserWarning, match="undefined"):
        assert np.isnan(participation_ratio(np.full((4, 3), 0.1)))


def test_active_share_is_the_share_above_threshold():
    z = np.array([[0.0, 1.0, -1.0, 2.0], [0.0, 0.0, 3.0, 0.5]])
    assert active_share(z) == 0.5
    assert active_share(z, threshold=0.9) == pytest.approx(3 / 8)
    with pytest.raises(InputError, match="threshold must be finite"):
        active_share(z, threshold=np.nan)


def test_samples_are_grouped_by_sorted_condition():
    grouped = group_samples([[1.0, 5.0], [3.0, 1.0], [2.0, 0.0]], ["b", "a", "b"])
    assert grouped.names == ("a", "b")
    assert grouped.means.tolist() == [[3.0, 1.0], [1.5, 2.5]]
    assert grouped.condition.tolist() == [1, 0, 1]
    with pytest.raises(InputError, match="at least 2 conditions are needed, got 1"):
        group_samples(np.eye(2), [1, 1])
    with pytest.raises(InputError, match="one kind that can be sorted"):
        group_samples(np.eye(2), np.array(["a", 1], dtype=object))


def test_bad_input_is_named():
    with pytest.raises(InputError, match="targets are the same for all conditions"):
        input_target_alignment(TASK.means, TASK.means, np.ones(8))
    with pytest.raises(InputError, match="over the same conditions, got 8, 8 and 4"):
        input_target_alignment(TASK.means, TASK.means, np.ones(4))
    with pytest.raises(InputError, match=r"shape \(runs, conditions, units\)"):
        alignment_over_runs(TASK.means, TASK.means, TASK.labels)
    with pytest.raises(InputError, match="at least 3 conditions, got 2"):
        input_target_alignment(np.eye(2), np.eye(2), [0, 1])


def test_plain_input_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        input_target_alignment(TASK.means, TASK.means, TASK.labels)
