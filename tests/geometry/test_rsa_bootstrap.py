"""Bootstraps: the values of samples that are written out, the trap of copied stimuli, paired differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import squareform

from hodology.errors import InputError, UnknownNameError
from hodology.geometry.model_differences import adjust_p_values
from hodology.geometry.rdms import as_rdms
from hodology.geometry.rsa import compare_rdms, compare_rows
from hodology.geometry.rsa_bootstrap import bootstrap_rsa
from hodology.geometry.rsa_resampling import RESAMPLED, count_stimuli, draw_stimuli
from hodology.rng import stream

N = 12
A = stream(0, "a").random((3, N * (N - 1) // 2))
B = np.round(A[:2] + stream(0, "b").random((2, A.shape[1])), 1)  # with ties


def _written_out(a: np.ndarray, b: np.ndarray, sample: np.ndarray, measure: Any) -> np.ndarray:
    """The sample's matrices with the pairs of two copies of one stimulus left out."""
    first, second = np.triu_indices(len(sample), 1)
    different = sample[first] != sample[second]
    where = sample[first[different]], sample[second[different]]
    rows = [np.stack([squareform(row)[where] for row in values]) for values in (a, b)]
    return compare_rows(*rows, measure=measure)


@pytest.mark.parametrize("measure", RESAMPLED)
def test_values_are_those_of_samples_that_are_written_out(measure: Any) -> None:
    samples = draw_stimuli(N, n_boot=40, rng=3)
    found = bootstrap_rsa(A, B, measure=measure, samples=samples)
    expected = np.stack([_written_out(A, B, sample, measure) for sample in samples])
    assert found.values == pytest.approx(expected, abs=1e-12)
    assert found.estimate == pytest.approx(compare_rdms(A, B, measure=measure))


@pytest.mark.parametrize("measure", RESAMPLED)
def test_copies_of_a_stimulus_are_no_evidence(measure: Any) -> None:
    """With their distance of zero kept, unrelated matrices become similar in every sample."""
    a, b = stream(1, "a").random((1, 435)) + 1.0, stream(1, "b").random((1, 435)) + 1.0
    samples = draw_stimuli(30, n_boot=100, rng=0)
    found = bootstrap_rsa(a, b, measure=measure, samples=samples)
    naive = np.array(
        [
            compare_rows(
                *(squareform(squareform(row[0])[np.ix_(s, s)], checks=False)[None] for row in (a, b)),
                measure=measure,
            )[0, 0]
            for s in samples
        ]
    )
    shift = found.values.mean() - found.estimate[0, 0]
    assert abs(shift) < 0.02
    if measure != "cosine":  # whose estimate for positive values is near 1 already
        assert naive.mean() - found.estimate[0, 0] > 3 * abs(shift) + 0.05


def test_missing_pairs_are_left_out_of_samples_too() -> None:
    gaps = A.copy()
    gaps[1, [3, 17]] = np.nan
    samples = draw_stimuli(N, n_boot=10)
    kept = np.setdiff1d(np.arange(A.shape[1]), [3, 17])
    for measure in ("pearson", "spearman"):
        found = bootstrap_rsa(as_rdms(gaps, missing="keep"), B, measure=measure, samples=samples)
        for sample, value in zip(samples, found.values, strict=True):
            first, second = np.triu_indices(N, 1)
            counts = np.bincount(sample, minlength=N)
            times = (counts[first] * counts[second])[kept]
            rows = [np.repeat(values[:, kept], times, axis=1) for values in (A, B)]
            assert value == pytest.approx(compare_rows(*rows, measure=measure), abs=1e-12)


def test_results_depend_on_the_seed_alone() -> None:
    for measure in ("spearman", "kendall-a", "pearson"):
        one = bootstrap_rsa(A, B, measure=measure, n_boot=60, rng=5)
        again = bootstrap_rsa(A, B, measure=measure, n_boot=60, rng=5, jobs=3)
        assert np.array_equal(one.values, again.values)
        assert not np.array_equal(one.values, bootstrap_rsa(A, B, measure=measure, n_boot=60, rng=6).values)


def test_blocks_of_products_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = bootstrap_rsa(A, B, measure="pearson", n_boot=30).values
    monkeypatch.setattr("hodology.geometry.rsa_resampling._PRODUCTS", 1)
    monkeypatch.setattr("hodology.geometry.rsa_resampling._WEIGHTS", 1)
    assert bootstrap_rsa(A, B, measure="pearson", n_boot=30).values == pytest.approx(whole, abs=1e-13)


def test_one_sequence_serves_all_models() -> None:
    both = bootstrap_rsa(A, B, n_boot=20, over="both")
    alone = bootstrap_rsa(A, B[1:], n_boot=20, over="both")
    assert both.values[:, :, 1:] == pytest.approx(alone.values, abs=1e-12)
    assert np.array_equal(both.rdm_weights, alone.rdm_weights)
    more = draw_stimuli(N, n_boot=50, rng=2)
    assert np.array_equal(more[:20], draw_stimuli(N, n_boot=20, rng=2))


def test_a_model_is_no_better_than_itself() -> None:
    twice = np.concatenate([B[:1], B[:1]])
    for over in ("stimuli", "rdms", "both"):
        difference = bootstrap_rsa(A, twice, n_boot=50, over=over).differences()[0]  # type: ignore[arg-type]
        assert (difference.difference, difference.standard_error, difference.p_value) == (0.0, 0.0, 1.0)


def test_bootstrap_over_matrices_is_that_of_their_mean() -> None:
    found = bootstrap_rsa(A, B, over="rdms", n_boot=4000)
    spread = found.estimate.std(axis=0, ddof=0) / np.sqrt(len(A))
    assert found.standard_errors() == pytest.approx(spread, rel=0.05)
    assert found.means.mean(axis=0) == pytest.approx(found.estimate.mean(axis=0), abs=0.01)


def test_groups_are_drawn_as_one() -> None:
    found = bootstrap_rsa(A, B, over="rdms", groups=["s1", "s1", "s2"], n_boot=50)
    assert np.array_equal(found.rdm_weights[:, 0], found.rdm_weights[:, 1])
    assert (found.rdm_weights[:, [0, 2]].sum(axis=1) == 2).all()
    assert found.n_groups == 2


def test_corrected_error_lies_between_one_factor_and_both() -> None:
    found = bootstrap_rsa(A, B, over="both", n_boot=500)
    stimuli = bootstrap_rsa(A, B, over="stimuli", n_boot=500).standard_errors()
    rdms = bootstrap_rsa(A, B, over="rdms", n_boot=500).standard_errors()
    uncorrected = found.means.std(axis=0, ddof=1)
    assert (found.standard_errors() <= uncorrected + 1e-12).all()
    assert (found.standard_errors() >= np.maximum(stimuli, rdms) - 1e-12).all()
    raw = 2 * (stimuli**2 + rdms**2) - uncorrected**2
    inside = (raw > np.maximum(stimuli, rdms) ** 2) & (raw < uncorrected**2)
    assert found.standard_errors()[inside] ** 2 == pytest.approx(raw[inside])


def test_a_better_model_is_found_and_intervals_hold_the_estimate() -> None:
    truth = stream(2, "truth").random(190)
    data = truth + 0.2 * stream(2, "noise").random((6, 190))
    models = np.stack([truth, stream(2, "other").random(190)])
    found = bootstrap_rsa(data, models, over="both", n_boot=300, measure="pearson")
    for test in ("t", "percentile"):
        difference = found.differences(test=test)[0]  # type: ignore[arg-type]
        assert difference.difference > 0.5
        assert difference.p_value < 0.01
        assert difference.low > 0
    for interval, estimate in zip(found.intervals(), found.estimate.mean(axis=0), strict=True):
        assert interval.low < estimate < interval.high
    assert "RsaBootstrap(300 samples over both, 6 x 2 matrices, pearson)" in repr(found)
    assert found.to_dict()["n_boot"] == 300


def test_interval_over_stimuli_covers_the_truth() -> None:
    """Samples of stimuli from a large pool: the interval of the correlation holds the pool's about as often as it says."""
    rng = stream(4, "pool")
    size, covered = 300, 0
    x = rng.normal(size=(size, 6))
    y = x + rng.normal(size=(size, 6))
    pools = [squareform(np.linalg.norm(v[:, None] - v, axis=2), checks=False) for v in (x, y)]
    truth = stats.pearsonr(*pools)[0]
    for k in range(60):
        chosen = rng.choice(size, 40, replace=False)
        a, b = (np.linalg.norm(v[chosen][:, None] - v[chosen], axis=2) for v in (x, y))
        interval = bootstrap_rsa(a, b, measure="pearson", n_boot=200, rng=k).intervals()[0]
        covered += interval.low <= truth <= interval.high
    assert covered >= 48


def test_samples_have_three_different_stimuli() -> None:
    drawn = draw_stimuli(4, n_boot=3000)
    assert min(len(set(row)) for row in drawn.tolist()) == 3
    assert count_stimuli(drawn, 4).sum() == 4 * 3000


def test_adjustments_keep_the_shape() -> None:
    p = np.array([[0.01, 0.04], [0.03, 0.5]])
    assert adjust_p_values(p, "holm").tolist() == [[0.04, 0.09], [0.09, 0.5]]
    assert adjust_p_values(p, "bh")[0, 0] == pytest.approx(0.04)
    assert np.array_equal(adjust_p_values(p, "none"), p)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"measure": "whitened-cosine"}, "'whitened-cosine' is not available here; take one of spearman"),
        ({"measure": "speerman"}, "does not exist; close names: 'spearman'"),
        ({"over": "subjects"}, "over='subjects' does not exist"),
        ({"n_boot": 1}, "n_boot must be at least 2"),
        ({"jobs": 0}, "jobs must be at least 1"),
        ({"over": "rdms", "groups": ["a", "a", "a"]}, "at least two groups"),
        ({"groups": ["a"]}, r"groups must be one per matrix of a \(3\), got 1"),
        ({"samples": np.full((2, 3), 12)}, "stimuli 0 to 11, got 12"),
        ({"samples": np.zeros((2, 3))}, "samples must be integers"),
        ({"over": "rdms", "samples": np.zeros((2, 3), dtype=int)}, "samples are stimuli"),
        ({"samples": np.array([[0] * 11 + [1], [2] * 12])}, "leaves no variation in matrix '0' of a"),
    ],
)
def test_bad_arguments(options: dict[str, Any], message: str) -> None:
    with pytest.raises((InputError, UnknownNameError), match=message):
        bootstrap_rsa(A, B, **options)


def test_too_few_stimuli() -> None:
    with pytest.raises(InputError, match="at least four stimuli, got 3"):
        bootstrap_rsa(np.ones((1, 3)) * [1, 2, 3], np.ones((1, 3)) * [1, 2, 3])


@pytest.mark.parametrize(
    ("measure", "theirs"),
    [
        ("cosine", "cosine"),
        ("pearson", "corr"),
        ("spearman", "spearman"),
        ("kendall-a", "tau-a"),
        ("rho-a", "rho-a"),
    ],
)
def test_agreement_with_rsatoolbox(measure: Any, theirs: str) -> None:
    rsatoolbox = pytest.importorskip("rsatoolbox")
    samples = draw_stimuli(N, n_boot=10)
    a, b = rsatoolbox.rdm.RDMs(A), rsatoolbox.rdm.RDMs(B)
    expected = [
        rsatoolbox.rdm.compare(a.subsample_pattern("index", s), b.subsample_pattern("index", s), theirs)
        for s in samples
    ]
    found = bootstrap_rsa(A, B, measure=measure, samples=samples)
    assert found.values == pytest.approx(np.array(expected), abs=1e-10)
