"""Bootstraps of region identification: samples written out by plain code, copies of stimuli and of subjects, regimes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import squareform
from scipy.stats import t as student

from hodology.errors import InputError, UnknownNameError
from hodology.geometry.geo_topological import sigmoid_ranks, threshold_ranks
from hodology.geometry.geodesic_rdm import geodesic_ranks
from hodology.geometry.identification_bootstrap import bootstrap_identification, draw_subjects
from hodology.geometry.ranks import rank_minmax
from hodology.geometry.regime_tests import compare_regimes, regime_transforms
from hodology.geometry.region_identification import identify_regions
from hodology.geometry.region_layout import accuracies, centroid_distances, read_layout
from hodology.geometry.rsa_resampling import draw_stimuli
from hodology.geometry.topological_rdm import TopologicalRDM

N, SUBJECTS, REGIONS = 9, 4, 3
TRANSFORMS = {
    "raw": "raw",
    "rank": "rank",
    "local": TopologicalRDM(low=0.0, high=0.3),
    "topology": TopologicalRDM(low=0.45, high=0.55),
    "adjacency": TopologicalRDM(low=0.5, high=0.5),
    "smooth": TopologicalRDM(method="sigmoid"),
}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(5)
    shared = rng.random((REGIONS, N * (N - 1) // 2))
    subject, region = np.repeat(np.arange(SUBJECTS), REGIONS), np.tile(np.arange(REGIONS), SUBJECTS)
    values = np.abs(shared[region] + 0.5 * rng.standard_normal((len(region), shared.shape[1])))
    values[:, :6] = np.round(values[:, :6])  # ties
    return values, subject, region


def _apply(values, transform):
    if transform == "raw":
        return values
    if transform == "rank":
        return rank_minmax(values)
    if transform.method == "sigmoid":
        return sigmoid_ranks(rank_minmax(values))
    return threshold_ranks(rank_minmax(values), low=transform.low, high=transform.high)


def _written_out(data, stimuli, subjects, transform, *, copies="drop"):
    """The sample as matrices of their own, the subjects' copies under one name."""
    values, subject, region = data
    n = len(stimuli)
    upper = np.triu_indices(n, 1)
    same = stimuli[upper[0]] == stimuli[upper[1]]
    rows = np.stack([squareform(v)[np.ix_(stimuli, stimuli)][upper] for v in values])
    if copies == "drop":
        rows = rows[:, ~same]
    elif copies == "impute":
        rows[:, same] = rows[:, ~same].mean(axis=1, keepdims=True)
    x = _apply(rows, transform)
    right, total = 0, 0
    for s in subjects:
        others = [o for o in subjects if o != s]
        centroids = [
            np.mean([x[(subject == o) & (region == k)][0] for o in others], axis=0) for k in range(REGIONS)
        ]
        for k in range(REGIONS):
            distances = [np.linalg.norm(x[(subject == s) & (region == k)][0] - c) for c in centroids]
            right += int(np.argmin(np.round(distances, 9)) == k)
            total += 1
    return right / total


@pytest.mark.parametrize("duplicates", ["drop", "impute"])
def test_samples_are_those_that_plain_code_writes_out(data, duplicates):
    found = bootstrap_identification(*data, transforms=TRANSFORMS, n_boot=25, duplicates=duplicates, rng=2)
    stimuli = draw_stimuli(N, n_boot=25, rng=2)
    subjects = draw_subjects(SUBJECTS, n_boot=25, rng=2)
    for column, transform in enumerate(TRANSFORMS.values()):
        expected = [_written_out(data, a, b, transform, copies=duplicates) for a, b in zip(stimuli, subjects)]
        assert found.values[:, column] == pytest.approx(expected), list(TRANSFORMS)[column]
    assert [identify_regions(*data, transform=t).accuracy for t in TRANSFORMS.values()] == pytest.approx(
        found.estimate.tolist()
    )


def test_copies_of_a_stimulus_as_zeros_would_give_other_accuracies(data):
    """The trap: a pair of two copies has dissimilarity zero in all matrices alike."""
    found = bootstrap_identification(
        *data, transforms={"adjacency": TRANSFORMS["topology"]}, n_boot=60, over="stimuli"
    )
    stimuli, subjects = draw_stimuli(N, n_boot=60), np.arange(SUBJECTS)
    zeros = [_written_out(data, a, subjects, TRANSFORMS["topology"], copies="zero") for a in stimuli]
    dropped = [_written_out(data, a, subjects, TRANSFORMS["topology"]) for a in stimuli]
    assert found.values[:, 0] == pytest.approx(dropped)
    assert np.abs(np.array(zeros) - found.values[:, 0]).max() > 0.1


def test_samples_are_shared_by_transforms_and_do_not_depend_on_threads(data):
    alone = bootstrap_identification(*data, transforms={"rank": "rank"}, n_boot=20, rng=7)
    several = bootstrap_identification(*data, transforms=TRANSFORMS, n_boot=20, rng=7, jobs=3)
    assert np.array_equal(alone.values[:, 0], several.values[:, several.column("rank")])
    other = bootstrap_identification(*data, transforms={"rank": "rank"}, n_boot=20, rng=8)
    assert not np.array_equal(other.values, alone.values)
    whole = TopologicalRDM(low=0.0, high=1.0)
    both = bootstrap_identification(*data, transforms={"rank": "rank", "whole": whole}, n_boot=20)
    assert np.array_equal(both.values[:, 0], both.values[:, 1])


def test_one_factor_alone(data):
    subjects = bootstrap_identification(*data, transforms=TRANSFORMS, n_boot=15, over="subjects", rng=1)
    drawn = draw_subjects(SUBJECTS, n_boot=15, rng=1)
    assert all(len(set(row.tolist())) > 1 for row in drawn)
    expected = [_written_out(data, np.arange(N), s, "rank") for s in drawn]
    assert subjects.values[:, 1] == pytest.approx(expected)
    stimuli = bootstrap_identification(*data, transforms=TRANSFORMS, n_boot=15, over="stimuli", rng=1)
    expected = [_written_out(data, s, np.arange(SUBJECTS), "rank") for s in draw_stimuli(N, n_boot=15, rng=1)]
    assert stimuli.values[:, 1] == pytest.approx(expected)
    assert (subjects.factor_size, stimuli.factor_size) == (SUBJECTS, N)


@pytest.mark.parametrize("zero_edges", ["keep", "drop"])
def test_geodesics_in_samples_are_those_of_a_graph_with_the_copies_written_out(data, zero_edges):
    values, subject, region = data
    path = TopologicalRDM(low=0.1, high=0.5, geodesic="two-step", zero_edges=zero_edges)
    found = bootstrap_identification(*data, transforms={"path": path}, n_boot=12, over="stimuli", rng=3)
    upper = np.triu_indices(N, 1)
    for stimuli, accuracy in zip(draw_stimuli(N, n_boot=12, rng=3), found.values[:, 0]):
        same = stimuli[upper[0]] == stimuli[upper[1]]
        rows = []
        for v in values:
            d = squareform(v)[np.ix_(stimuli, stimuli)][upper]
            g = np.full(len(d), np.inf)
            g[~same] = threshold_ranks(rank_minmax(d[~same][None]), low=0.1, high=0.5)[0]
            g[g >= 1] = np.inf
            if zero_edges == "drop":
                g[g == 0] = np.inf
            paths = squareform(g)
            for k in range(N):
                paths = np.minimum(paths, paths[:, k : k + 1] + paths[k])
            rows.append(paths[upper][~same])
        x = geodesic_ranks(np.array(rows))
        layout = read_layout(subject, region, count=len(x))
        expected = accuracies(centroid_distances(x[layout.order], layout), layout)[1]
        assert accuracy == pytest.approx(expected)


def test_transforms_without_a_weighted_form_are_resampled_over_subjects_only(data):
    path = {"path": TopologicalRDM(high=0.5, geodesic="two-step")}
    near = {"near": TopologicalRDM(geodesic="k-nearest", k=4)}
    square = {"square": lambda v: v**2}
    for transforms in (path, near, square):
        found = bootstrap_identification(*data, transforms=transforms, n_boot=5, over="subjects")
        assert found.values.shape == (5, 1)
    with pytest.raises(InputError, match="transform 'near' cannot be resampled over stimuli"):
        bootstrap_identification(*data, transforms=near, n_boot=5)
    with pytest.raises(InputError, match="transform 'square' cannot be resampled"):
        bootstrap_identification(*data, transforms=square, n_boot=5)
    with pytest.raises(InputError, match="'path' cannot be resampled over stimuli with duplicates='impute'"):
        bootstrap_identification(*data, transforms=path, n_boot=5, duplicates="impute")


def test_regimes_are_means_over_draws_and_their_tests_are_paired(data):
    draws = regime_transforms(n_draws=2, rng=0)
    groups = {name: [f"{name} {i}" for i in range(2)] for name in draws}
    transforms = {f"{name} {i}": t for name, ts in draws.items() for i, t in enumerate(ts)} | {"raw": "raw"}
    boot = bootstrap_identification(*data, transforms=transforms, n_boot=40)
    found = compare_regimes(boot, {**groups, "raw": ["raw"]})
    assert [r.name for r in found.regimes] == [*draws, "raw"]
    assert len(found.differences) == 15
    first = found.regimes[0]
    samples = boot.values[:, [boot.column(name) for name in groups["topology"]]].mean(axis=1)
    assert first.accuracy == pytest.approx(boot.estimate[:2].mean())
    assert first.standard_error == pytest.approx(samples.std(ddof=1))
    gap = next(d for d in found.differences if (d.first, d.second) == ("topology", "raw"))
    paired = (samples - boot.values[:, boot.column("raw")]).std(ddof=1)
    assert gap.standard_error == pytest.approx(paired)
    assert gap.df == SUBJECTS - 1
    assert gap.p_value == pytest.approx(2 * student.sf(abs(gap.difference / paired), SUBJECTS - 1))
    p = sorted(d.p_value for d in found.differences)
    least = min(found.differences, key=lambda d: d.p_value)
    assert least.adjusted == pytest.approx(min(15 * value / (i + 1) for i, value in enumerate(p)))
    same = compare_regimes(boot, {"a": ["raw"], "b": ["raw"]}).differences[0]
    assert (same.difference, same.p_value) == (0.0, 1.0)


def test_bad_input_is_explained(data):
    with pytest.raises(InputError, match="transforms must name at least one"):
        bootstrap_identification(*data, transforms={})
    with pytest.raises(UnknownNameError, match="over='stimulus' does not exist; close names: 'stimuli'"):
        bootstrap_identification(*data, transforms=TRANSFORMS, over="stimulus")
    with pytest.raises(UnknownNameError, match="duplicates='zero' does not exist"):
        bootstrap_identification(*data, transforms=TRANSFORMS, duplicates="zero")
    with pytest.raises(InputError, match="n_boot must be at least 2, got 1"):
        bootstrap_identification(*data, transforms=TRANSFORMS, n_boot=1)
    boot = bootstrap_identification(*data, transforms=TRANSFORMS, n_boot=2)
    with pytest.raises(
        UnknownNameError, match="transform 'ranks' is not in the bootstrap; close names: 'rank'"
    ):
        compare_regimes(boot, {"a": ["ranks"]})
    with pytest.raises(InputError, match="groups must be at least one"):
        compare_regimes(boot, {"a": []})
    with pytest.raises(InputError, match="at least two subjects, got 1"):
        draw_subjects(1, n_boot=3)
