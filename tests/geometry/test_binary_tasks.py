"""Tasks: the alignment asked for is the alignment measured, by formula and not by search."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hodology.errors import InputError
from hodology.geometry.binary_tasks import Task, embed, hadamard_task, nudged_xor, recorded_task
from hodology.geometry.cka import linear_cka
from hodology.geometry.random_kernels import random_kernel_task
from hodology.geometry.task_spectra import (
    alignment_of,
    alignment_of_separability,
    even_spectrum,
    random_spectrum,
    separability_of,
)


@given(
    bits=st.integers(2, 5),
    targets=st.integers(1, 2),
    alignment=st.floats(0, 1),
    scale=st.sampled_from([0.0, 0.1, 0.5, 2.0]),
    seed=st.integers(0, 5),
)
@settings(max_examples=60)
def test_a_hadamard_task_has_exactly_the_alignment_asked_for(bits, targets, alignment, scale, seed):
    task = hadamard_task(bits, targets=targets, alignment=alignment, scale=scale, seed=seed)
    assert linear_cka(task.means, 2.0 * task.labels - 1) == pytest.approx(alignment, abs=1e-6)
    assert task.spectrum.min() >= -1e-12
    assert task.spectrum.sum() == pytest.approx(1.0)
    assert (task.means**2).mean() == pytest.approx(1.0)


def test_separability_one_gives_equidistant_conditions_and_zero_hides_the_targets():
    task = hadamard_task(3, separability=1.0)
    distances = np.linalg.norm(task.means[:, None] - task.means, axis=2)[np.triu_indices(8, 1)]
    assert np.ptp(distances) == pytest.approx(0, abs=1e-9)
    hidden = hadamard_task(3, separability=0.0)
    assert hidden.means[hidden.labels[:, 0] == 1].mean(axis=0) == pytest.approx(0, abs=1e-9)
    pure = hadamard_task(3, separability=7.0)
    assert np.linalg.matrix_rank(pure.means, tol=1e-6) == 1


def test_separability_and_alignment_are_inverse():
    for s in (0.0, 0.3, 1.0, 3.5):
        c = alignment_of_separability(s, conditions=8, targets=2)
        assert separability_of(c, conditions=8, targets=2) == pytest.approx(s)
    assert hadamard_task(3, targets=2, separability=0.7).separability == pytest.approx(0.7)


def test_the_even_spectrum_is_the_formula_and_the_limit_of_random_ones():
    pi = even_spectrum(0.4, conditions=8, targets=2)
    ratio = np.sqrt(2 * (1 - 0.16) / (5 * 0.16))
    assert pi[:2] == pytest.approx(1 / (2 + 5 * ratio))
    assert pi[2:] == pytest.approx(ratio / (2 + 5 * ratio))
    near = random_spectrum(0.4, conditions=8, targets=2, scale=1e-8)
    assert near == pytest.approx(pi, abs=1e-4)
    one, other = (random_spectrum(0.4, conditions=8, targets=2, seed=s) for s in (0, 1))
    assert np.abs(one - other).max() > 0.01
    assert alignment_of(one, 2) == pytest.approx(0.4)


@pytest.mark.parametrize("epsilon", [0.0, 0.3, 1.0])
def test_nudged_xor_has_its_closed_form_alignment(epsilon):
    task = nudged_xor(epsilon)
    assert task.alignment == pytest.approx(epsilon**2 / np.sqrt(2 + epsilon**4), abs=1e-12)
    signs = 2 * task.labels[:, 0].astype(int) - 1
    bits = np.sign(task.means[:, [0, 40]])
    assert (np.abs(bits[:, 0] * bits[:, 1] - signs * (bits[0, 0] * bits[0, 1] * signs[0])) < 1e-9).all()
    assert np.abs(task.means[:, :80]) == pytest.approx(1.0)
    assert np.abs(task.means[:, 80:]) == pytest.approx(epsilon)


@pytest.mark.parametrize("rank", [1, 3, 4, 12, 31])
@pytest.mark.parametrize("targets", [1, 4])
def test_random_kernels_have_the_rank_and_the_alignment_asked_for(rank, targets):
    most = min(1.0, np.sqrt(rank / targets))
    for share in (0.0, 0.2, 0.6, 0.97):
        task = random_kernel_task(targets=targets, alignment=share * most, rank=rank, seed=3)
        assert task.alignment == pytest.approx(share * most, abs=1e-6)
        if share:
            spectrum = np.linalg.eigvalsh(task.input_kernel)
            assert (spectrum > 1e-7 * spectrum[-1]).sum() == rank
        assert task.means.mean(axis=0) == pytest.approx(0, abs=1e-9)
    one, other = (random_kernel_task(alignment=0.2, rank=5, seed=s).input_kernel for s in (0, 1))
    assert np.abs(one - other).max() > 1


def test_bad_parameters_state_the_range():
    with pytest.raises(InputError, match=r"separability must lie from 0 to 7 .*got 9"):
        hadamard_task(3, separability=9)
    with pytest.raises(InputError, match="alignment must lie from 0 to 1, got -0.1"):
        hadamard_task(3, alignment=-0.1)
    with pytest.raises(InputError, match="exactly one of separability and alignment"):
        hadamard_task(3, alignment=0.1, separability=0.2)
    with pytest.raises(InputError, match="targets must be from 1 to 6"):
        hadamard_task(3, targets=7, alignment=0.1)
    with pytest.raises(InputError, match="dim must be at least 7 for 8 conditions, got 5"):
        hadamard_task(3, alignment=0.1, dim=5)
    with pytest.raises(InputError, match=r"0 to 0.7071 for rank 2 and 4 targets, got 0.9"):
        random_kernel_task(targets=4, rank=2, alignment=0.9)
    with pytest.raises(InputError, match="scale must be positive"):
        random_spectrum(0.1, conditions=8, targets=1, scale=0.0)
    with pytest.raises(InputError, match="multiple of 3"):
        nudged_xor(0.1, dim=100)


def test_samples_are_means_plus_noise_and_depend_on_the_seed_alone():
    task = hadamard_task(2, separability=0.5, noise=0.5)
    x, condition, y = task.sample(4000, seed=1)
    assert np.bincount(condition).tolist() == [1000] * 4
    assert (y == task.labels[condition]).all()
    residual = x - task.means[condition]
    assert residual.std() == pytest.approx(0.5, abs=0.01)
    assert (task.sample(4000, seed=1)[0] == x).all()
    clean = task.sample(10, seed=1, noise=0.0)
    assert (clean[0] == task.means[clean[1]]).all()
    with pytest.raises(InputError, match="count must be at least 1"):
        task.sample(0)


def test_recorded_samples_become_a_task_with_sorted_conditions():
    x = np.array([[1.0, 0.0], [3.0, 0.0], [0.0, 2.0], [5.0, 5.0]])
    task = recorded_task(x, ["b", "b", "a", "c"], [0, 1, 1])
    assert task.means.tolist() == [[0.0, 2.0], [2.0, 0.0], [5.0, 5.0]]
    drawn, condition, y = task.sample(4, seed=0)
    assert sorted(map(tuple, drawn)) == sorted(map(tuple, x))
    assert (y[:, 0] == np.array([0, 1, 1])[condition]).all()
    with pytest.raises(InputError, match="4 samples were recorded, 5 are asked for"):
        task.sample(5)


def test_tasks_with_bad_arrays_are_refused():
    means = np.eye(4)
    with pytest.raises(InputError, match="labels must be 0 or 1, got"):
        Task(means, np.array([[1], [-1], [1], [-1]]))
    with pytest.raises(InputError, match="target 1 has conditions of one class only"):
        Task(means, np.array([[1, 1], [0, 1], [1, 1], [0, 1]]))
    with pytest.raises(InputError, match="means and labels must be"):
        Task(means, np.array([[1], [0], [1]]))
    with pytest.raises(InputError, match="finite"):
        Task(np.where(means > 0, np.nan, 0), np.array([[1], [0], [1], [0]]))
    with pytest.raises(InputError, match="noise"):
        Task(means, np.array([[1], [0], [1], [0]]), noise=-1)


def test_embedding_keeps_geometry_up_to_scale():
    points = np.random.default_rng(0).normal(size=(6, 4))
    found = embed(points, dim=50, seed=2)
    assert found @ found.T == pytest.approx(50 * points @ points.T)
