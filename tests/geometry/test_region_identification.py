"""Identification of regions with a subject left out: against plain loops, with gaps, sessions, leaks."""

from __future__ import annotations

import numpy as np
import pytest

from hodology.errors import InputError, UnknownNameError
from hodology.geometry.geo_topological import geo_topological
from hodology.geometry.ranks import rank_minmax
from hodology.geometry.rdm_noise import add_pattern_noise, add_rdm_noise
from hodology.geometry.rdms import as_rdms
from hodology.geometry.region_identification import identify_regions
from hodology.geometry.region_layout import centroid_distances, read_layout
from hodology.geometry.topological_rdm import TopologicalRDM


def labelled(subjects=5, regions=4, n=8, noise=0.6, seed=0):
    """Matrices of regions that subjects share but for noise, in a shuffled order, with labels."""
    rng = np.random.default_rng(seed)
    shared = rng.random((regions, n * (n - 1) // 2))
    labels = np.array([(s, k) for s in range(subjects) for k in range(regions)])
    labels = labels[rng.permutation(len(labels))]
    values = np.abs(shared[labels[:, 1]] + noise * rng.standard_normal((len(labels), shared.shape[1])))
    return values, labels[:, 0], labels[:, 1]


def plain(x, subject, region, copies=None):
    """Predictions by loops; rows of the subject that is left out never enter a centroid."""
    names = list(dict.fromkeys(region))
    out = []
    for i in range(len(x)):
        best, found = np.inf, None
        for name in names:
            rows = [j for j in range(len(x)) if region[j] == name and subject[j] != subject[i]]
            if copies is not None:
                rows = [j for j in rows for _ in range(copies[subject[j]])]
            if rows:
                distance = np.linalg.norm(x[i] - np.mean([x[j] for j in rows], axis=0))
                if distance < best - 1e-9:  # the first of equal ones
                    best, found = distance, name
        out.append(found)
    return out


@pytest.mark.parametrize("transform", ["raw", "rank", (0.0, 0.3), (0.5, 0.5), "callable"])
def test_predictions_are_those_of_plain_loops(transform):
    values, subject, region = labelled()
    if transform == "callable":
        given, x = (lambda v: v**2), values**2
    elif isinstance(transform, tuple):
        given = TopologicalRDM(low=transform[0], high=transform[1])
        x = geo_topological(values, low=transform[0], high=transform[1])
    else:
        given, x = transform, values if transform == "raw" else rank_minmax(values)
    kept = values.copy()
    found = identify_regions(values, subject, region, transform=given)
    expected = plain(x, subject, region)
    assert list(found.predicted) == expected
    assert found.accuracy == np.mean(np.array(expected) == region)
    assert found.confusion.sum() == 20
    assert np.trace(found.confusion) == pytest.approx(20 * found.accuracy)
    for s, accuracy in zip(found.subjects, found.per_subject):
        assert accuracy == np.mean((np.array(expected) == region)[subject == s])
    assert found.chance == 0.25
    assert np.array_equal(values, kept)


def test_confusion_has_true_regions_in_rows():
    values, subject, region = labelled(noise=0.05)
    names = np.array(["V1", "V2", "LOC", "FFA"])[region]
    found = identify_regions(values, subject, names)
    assert found.accuracy == 1.0
    swapped = values.copy()
    row = np.flatnonzero((subject == 2) & (names == "V1"))[0]
    swapped[row] = values[np.flatnonzero((subject == 3) & (names == "LOC"))[0]]
    found = identify_regions(swapped, subject, names)
    assert found.confusion[found.regions.index("V1"), found.regions.index("LOC")] == 1
    assert repr(found) == "IdentificationResult(accuracy=0.950, chance=0.250, 4 regions, 5 subjects)"


def test_the_subject_that_is_left_out_does_not_leak():
    rng = np.random.default_rng(0)
    values = rng.random(
        (24, 45)
    )  # nothing is shared, so with its own matrix in the centroid every one is found
    subject, region = np.repeat(np.arange(6), 4), np.tile(np.arange(4), 6)
    found = identify_regions(values, subject, region, transform="raw")
    with_own = [
        np.argmin([np.linalg.norm(v - values[region == k].mean(0)) for k in range(4)]) for v in values
    ]
    assert np.mean(np.array(with_own) == region) > 0.9
    assert found.accuracy < 0.5
    changed = values.copy()
    changed[subject == 2] = rng.random((4, 45))
    order = read_layout(subject, region, count=24)
    before, after = centroid_distances(values, order), centroid_distances(changed, order)
    centroids_alike = np.abs(before[subject == 2] - after[subject == 2]).max() > 0
    assert centroids_alike
    probe = np.full((1, 45), 0.5)  # the same probe in place of one matrix of subject 2: equal distances
    values[8], changed[8] = probe[0], probe[0]
    assert np.allclose(centroid_distances(values, order)[8], centroid_distances(changed, order)[8])


def test_several_sessions_of_a_subject_are_left_out_together():
    values, subject, region = labelled(subjects=8, noise=1.0, seed=3)
    subject = subject // 2  # four subjects of two sessions
    found = identify_regions(values, subject, region, transform="raw")
    assert list(found.predicted) == plain(values, subject, region)


def test_a_region_that_some_subjects_lack_is_reported_and_the_rest_goes_on():
    values, subject, region = labelled()
    kept = ~((region == 2) & (subject < 2))
    with pytest.warns(UserWarning, match=r"not all of the 5 subjects have all regions: 2 in 3\."):
        found = identify_regions(values[kept], subject[kept], region[kept], transform="raw")
    assert list(found.predicted) == plain(values[kept], subject[kept], region[kept])
    assert found.confusion.sum() == 18


def test_copies_of_a_subject_weigh_its_matrices_and_are_left_out_with_it():
    values, subject, region = labelled(noise=1.0)
    layout = read_layout(subject, region, count=20)
    copies = {0: 2, 1: 0, 2: 1, 3: 2, 4: 0}
    weights = np.array([copies[s] for s in layout.subjects])
    found = centroid_distances(values[layout.order], layout, weights=weights).argmin(axis=1)
    expected = plain(values, subject, region, copies)
    assert [layout.regions[k] for k in found] == [expected[i] for i in layout.order]


def test_within_and_across_are_mean_distances_to_other_subjects():
    values, subject, region = labelled(noise=0.2)
    found = identify_regions(values, subject, region, transform="raw")
    s = found.subjects[1]
    within, across = [], []
    for i in np.flatnonzero(subject == s):
        for j in np.flatnonzero(subject != s):
            (within if region[i] == region[j] else across).append(np.linalg.norm(values[i] - values[j]))
    assert found.within[1] == pytest.approx(np.mean(within))
    assert found.across[1] == pytest.approx(np.mean(across))
    assert found.ratio[1] == pytest.approx(np.mean(within) / np.mean(across))
    assert (found.ratio < 1).all()


def test_labels_come_from_descriptors_and_results_are_written(tmp_path):
    from hodology.files import read_arrays

    values, subject, region = labelled()
    rdms = as_rdms(values, descriptors={"subj": subject.tolist(), "roi": region.tolist()})
    found = identify_regions(rdms, "subj", "roi")
    assert found.predicted == identify_regions(values, subject, region).predicted
    found.save(tmp_path / "found.npz")
    held = read_arrays(tmp_path / "found.npz")
    assert np.array_equal(held["confusion"], found.confusion)
    assert found.to_dict()["accuracy"] == float(held["accuracy"])
    with pytest.raises(
        UnknownNameError, match="subject 'sub' is no descriptor of the matrices; close names: 'subj'"
    ):
        identify_regions(rdms, "sub", "roi")


def test_noise_has_the_size_it_says_and_nothing_falls_below_zero():
    rng = np.random.default_rng(1)
    values = rng.random((4, 1225)) * np.array([[1.0], [1.0], [1.0], [9.0]]) + 20
    noisy = add_rdm_noise(values, level=0.5).values
    assert (noisy - values)[0].std() == pytest.approx(0.5 * values.std(), rel=0.1)
    each = add_rdm_noise(values, level=0.5, scale="each").values
    assert (each - values)[0].std() == pytest.approx(0.5 * values[0].std(), rel=0.1)
    assert add_rdm_noise(values - 20, level=3.0).values.min() == 0.0
    patterns = rng.standard_normal((50, 40)).astype(np.float32)
    found = add_pattern_noise(patterns, level=0.3, name="conv1")
    assert found.values.dtype == np.float32
    assert (found.values - patterns).std() == pytest.approx(0.3 * patterns.std(), rel=0.1)
    assert not np.array_equal(found.values, add_pattern_noise(patterns, level=0.3, name="conv2").values)
    with pytest.raises(InputError, match="level must be 0 or more, got -1"):
        add_rdm_noise(values, level=-1)
    with pytest.raises(UnknownNameError, match="scale 'every' does not exist"):
        add_rdm_noise(values, level=1, scale="every")


def test_bad_input_is_explained():
    values, subject, region = labelled()
    with pytest.raises(InputError, match=r"one subject \(0\) cannot be left out"):
        identify_regions(values, [0] * 20, region)
    with pytest.raises(InputError, match=r"one region \('V1'\) leaves nothing to identify"):
        identify_regions(values, subject, ["V1"] * 20)
    with pytest.raises(InputError, match=r"region must have one label per matrix \(20\), got 19"):
        identify_regions(values, subject, region[:19])
    kept = ~((region == 1) & (subject > 0))
    with pytest.raises(InputError, match="regions of one subject have no centroid when it is left out: 1"):
        identify_regions(values[kept], subject[kept], region[kept])
    with pytest.raises(UnknownNameError, match="transform 'ranks' does not exist; close names: 'rank'"):
        identify_regions(values, subject, region, transform="ranks")
    with pytest.raises(InputError, match="transform must give finite rows for 20 matrices"):
        identify_regions(values, subject, region, transform=lambda v: v[:3])
    values[0, 0] = np.nan
    with pytest.raises(InputError, match="missing"):
        identify_regions(values, subject, region)
    assert identify_regions(values, subject, region, missing="impute").accuracy > 0.25
