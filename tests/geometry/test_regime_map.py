"""The map of accuracies over thresholds, and its nested estimate."""

from __future__ import annotations

import numpy as np
import pytest

from hodology.errors import InputError
from hodology.geometry.grid_map import grid_map
from hodology.geometry.region_identification import identify_regions
from hodology.geometry.topological_rdm import TopologicalRDM


def _data(subjects=5, regions=4, n=9, noise=0.5, seed=0):
    rng = np.random.default_rng(seed)
    shared = rng.random((regions, n * (n - 1) // 2))
    subject, region = np.repeat(np.arange(subjects), regions), np.tile(np.arange(regions), subjects)
    return (
        np.abs(shared[region] + noise * rng.standard_normal((len(region), shared.shape[1]))),
        subject,
        region,
    )


def test_cells_are_the_accuracies_of_their_thresholds():
    data = _data()
    found = grid_map(*data, step=0.25)
    assert found.thresholds.tolist()[:2] == [[0.0, 0.25], [0.0, 0.5]]
    for (low, high), accuracy in zip(found.thresholds, found.accuracy):
        assert accuracy == identify_regions(*data, transform=TopologicalRDM(low=low, high=high)).accuracy
    assert found.raw == identify_regions(*data, transform="raw").accuracy
    assert found.rank == identify_regions(*data, transform="rank").accuracy
    square = found.square()
    assert square.shape == (5, 5)
    assert square[1, 3] == found.accuracy[(found.thresholds == [0.25, 0.75]).all(axis=1)][0]
    assert np.isnan(square[np.tril_indices(5)]).all()
    assert found.interior.tolist() == [low > 0 and high < 1 for low, high in found.thresholds]
    assert found.accuracy[(found.thresholds == found.best).all(axis=1)] == found.accuracy.max()
    again = grid_map(*data, step=0.25, jobs=2)
    assert np.array_equal(again.accuracy, found.accuracy)
    assert again.nested == found.nested
    assert len(grid_map(*data, nested=False).accuracy) == 210


def test_thresholds_are_chosen_without_the_subject_that_is_identified():
    values, subject, region = _data(noise=0.8, seed=1)
    found = grid_map(values, subject, region, step=0.25)
    rights = []
    for s in range(5):
        kept = subject != s
        inner = grid_map(values[kept], subject[kept], region[kept], step=0.25, nested=False)
        best = inner.accuracy >= inner.accuracy.max() - 1e-12
        assert found.chosen[s] == pytest.approx(inner.thresholds[best].mean(axis=0))
        outer = [
            identify_regions(
                values, subject, region, transform=TopologicalRDM(low=low, high=high)
            ).per_subject[s]
            for low, high in inner.thresholds[best]
        ]
        rights.append(np.mean(outer))
    assert found.nested == pytest.approx(np.mean(rights))


def test_without_any_signal_the_largest_cell_is_above_chance_and_the_nested_estimate_is_not():
    flattered, honest = [], []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        values = rng.random((20, 36))
        found = grid_map(values, np.repeat(np.arange(5), 4), np.tile(np.arange(4), 5), step=0.1)
        flattered.append(found.accuracy.max())
        honest.append(found.nested)
    assert np.mean(flattered) > 0.4
    assert np.mean(honest) == pytest.approx(0.25, abs=0.07)


def test_two_subjects_leave_nothing_to_choose_on():
    values, subject, region = _data(subjects=2)
    found = grid_map(values, subject, region, step=0.5)
    assert found.nested is None
    assert np.isnan(found.chosen).all()
    assert repr(found).endswith("nested none)")
    with pytest.raises(InputError, match="step must divide 1"):
        grid_map(values, subject, region, step=0.3)
    with pytest.raises(InputError, match="jobs must be at least 1, got 0"):
        grid_map(values, subject, region, jobs=0)
