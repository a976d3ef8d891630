"""Noise ceilings, reliability, permutation and sign tests."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import squareform

from hodology.errors import InputError, UnknownNameError
from hodology.geometry.dissimilarity import dissimilarities
from hodology.geometry.noise_ceiling import noise_ceiling, spearman_brown, split_half_reliability
from hodology.geometry.rdms import as_rdms
from hodology.geometry.rsa import compare_rdms
from hodology.geometry.rsa_tests import permutation_test, subject_test
from hodology.rng import stream

TRUTH = stream(0, "truth").random(66)
DATA = TRUTH + 0.5 * stream(0, "noise").random((5, 66))
MEASURES = ("spearman", "pearson", "cosine", "kendall-a", "rho-a", "whitened-cosine", "whitened-pearson")


@pytest.mark.parametrize("measure", MEASURES)
def test_bounds_are_in_order_and_the_truth_lies_between(measure: Any) -> None:
    data = TRUTH + 0.5 * stream(1, "many").random((20, 66))
    found = noise_ceiling(data, measure=measure)
    assert found.lower < found.upper
    reached = compare_rdms(data, TRUTH[None], measure=measure).mean()
    assert found.lower - 0.02 < reached < found.upper + 0.02


@pytest.mark.parametrize("measure", ["cosine", "pearson", "whitened-cosine", "whitened-pearson"])
def test_no_matrix_does_better_than_the_upper_bound(measure: Any) -> None:
    bound = noise_ceiling(DATA, measure=measure).upper
    tried = DATA.mean(axis=0) + 0.05 * stream(0, "tries").normal(size=(200, 66))
    tried = np.concatenate([tried, DATA, TRUTH[None], DATA.mean(axis=0, keepdims=True)])
    assert compare_rdms(DATA, tried, measure=measure).mean(axis=0).max() <= bound + 1e-12


def test_lower_bound_by_hand() -> None:
    z = stats.zscore(DATA, axis=1)
    expected = [stats.pearsonr(np.delete(z, i, axis=0).mean(axis=0), z[i])[0] for i in range(5)]
    found = noise_ceiling(DATA, measure="pearson")
    assert found.lower_by_subject == pytest.approx(expected)
    assert found.lower == pytest.approx(np.mean(expected))


def test_a_subject_is_left_out_with_all_sessions() -> None:
    twice = np.repeat(DATA, 2, axis=0)
    by_subject = noise_ceiling(twice, subjects=np.repeat(list("abcde"), 2))
    assert by_subject.lower == pytest.approx(noise_ceiling(DATA).lower)
    assert by_subject.subjects == tuple("abcde")
    assert noise_ceiling(twice).lower > by_subject.lower


def test_noise_ceiling_needs_two_subjects() -> None:
    with pytest.raises(InputError, match="none can be left out"):
        noise_ceiling(DATA, subjects=["a"] * 5)
    with pytest.raises(InputError, match=r"one per matrix \(5\), got 2"):
        noise_ceiling(DATA, subjects=["a", "b"])


@pytest.mark.parametrize(
    ("measure", "theirs"),
    [("cosine", "cosine"), ("pearson", "corr"), ("spearman", "spearman"), ("rho-a", "rho-a")],
)
def test_noise_ceiling_agrees_with_rsatoolbox(measure: Any, theirs: str) -> None:
    rsatoolbox = pytest.importorskip("rsatoolbox")
    lower, upper = rsatoolbox.inference.boot_noise_ceiling(rsatoolbox.rdm.RDMs(DATA), method=theirs)
    found = noise_ceiling(DATA, measure=measure)
    assert (found.lower, found.upper) == pytest.approx((lower, upper), abs=1e-10)


def test_reliability_of_halves_predicts_that_of_the_whole() -> None:
    rng = stream(3, "trials")
    truth = rng.normal(size=(20, 50))
    trials = truth + 4.0 * rng.normal(size=(40, 20, 50))
    found = split_half_reliability(trials[:20], n_splits=40)
    wholes = [dissimilarities(part.mean(axis=0)) for part in (trials[:20], trials[20:])]
    assert found.half < found.full
    assert found.full == pytest.approx(compare_rdms(*wholes, measure="pearson")[0, 0], abs=0.08)


def test_reliability_of_matrices_by_hand() -> None:
    found = split_half_reliability(as_rdms(DATA[:2]), measure="spearman", n_splits=3)
    r = stats.spearmanr(DATA[0], DATA[1])[0]
    assert found.by_split == pytest.approx((r, r, r))
    assert found.full == pytest.approx(2 * r / (1 + r))


def test_spearman_brown() -> None:
    assert spearman_brown(0.5, factor=3) == pytest.approx(0.75)
    with pytest.warns(UserWarning, match="halves that disagree"):
        assert np.isnan(spearman_brown(-1.0))


def test_reliability_errors() -> None:
    with pytest.raises(InputError, match="two repeats and one split, got 1"):
        split_half_reliability(np.ones((1, 3, 4)))
    with pytest.raises(InputError, match=r"array \(repeats, stimuli, units\)"):
        split_half_reliability(np.ones((3, 4)))


@pytest.mark.parametrize("measure", MEASURES)
def test_permutations_move_rows_and_columns_together(measure: Any) -> None:
    found = permutation_test(DATA[:2], TRUTH[None], measure=measure, n_permutations=30, rng=4)
    generator = stream(4, "relabel")
    square = squareform(TRUTH)
    null = []
    for _ in range(30):
        order = generator.permutation(12)
        moved = squareform(square[np.ix_(order, order)])[None]
        null.append(compare_rdms(DATA[:2], moved, measure=measure))
    assert found.null[:, 0] == pytest.approx(np.mean(null, axis=1)[:, 0])
    expected = ((np.array(null) >= found.statistic - 1e-12).sum(axis=0) + 1) / 31
    assert np.array_equal(found.p_value, expected)


def test_related_matrices_are_found_and_unrelated_ones_are_not() -> None:
    other = stream(5, "other").random((1, 66))
    found = permutation_test(DATA, np.concatenate([TRUTH[None], other]), n_permutations=500)
    assert (found.p_value[:, 0] < 0.01).all()
    assert found.mean_p_value[0] < 0.01 < found.mean_p_value[1]
    assert (found.adjusted >= found.p_value).all()


def test_p_values_are_uniform_where_nothing_is_related() -> None:
    """Matrices of points in a plane: their entries depend on each other, so single entries must not be shuffled."""
    rng = stream(6, "null")
    points = rng.normal(size=(60, 10, 2))
    matrices = np.stack([squareform(np.linalg.norm(p[:, None] - p, axis=2), checks=False) for p in points])
    p = permutation_test(matrices[:30], matrices[30:], n_permutations=99).p_value
    diagonal = np.diag(p)
    assert (diagonal <= 0.1).mean() < 0.3
    assert 0.35 < p.mean() < 0.65


def test_alternatives() -> None:
    options: dict[str, Any] = {"n_permutations": 99, "measure": "pearson"}
    up = permutation_test(DATA[:1], -TRUTH[None], alternative="less", **options)
    both = permutation_test(DATA[:1], -TRUTH[None], alternative="two-sided", **options)
    down = permutation_test(DATA[:1], -TRUTH[None], alternative="greater", **options)
    assert up.p_value < 0.05
    assert both.p_value < 0.05
    assert down.p_value > 0.9


def test_subjects_by_signs() -> None:
    values = np.array([[0.3, 0.1], [0.4, 0.1], [0.2, 0.15], [0.5, -0.1], [0.3, -0.2]])
    zero = subject_test(values)
    assert zero.p_value[0] == pytest.approx(1 / 32)
    models = subject_test(values, against="models", alternative="two-sided", adjust="holm")
    assert models.statistic[0, 1] == pytest.approx((values[:, 0] - values[:, 1]).mean())
    assert models.p_value[0, 1] == models.p_value[1, 0] == pytest.approx(2 / 32)
    assert models.adjusted[0, 1] == pytest.approx(2 / 32)  # a single test
    assert models.adjusted[0, 0] == 1.0


def test_bad_arguments() -> None:
    with pytest.raises(UnknownNameError, match="alternative 'bigger' does not exist"):
        permutation_test(DATA, TRUTH[None], alternative="bigger")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="n_permutations must be at least 1"):
        permutation_test(DATA, TRUTH[None], n_permutations=0)
    gap = DATA.copy()
    gap[0, 0] = np.nan
    with pytest.raises(InputError, match="none may be missing"):
        permutation_test(as_rdms(gap, missing="keep"), TRUTH[None])
    with pytest.raises(InputError, match="two subjects at least"):
        subject_test(np.ones((1, 3)))
    with pytest.raises(UnknownNameError, match="against='noise'"):
        subject_test(np.ones((3, 3)), against="noise")  # type: ignore[arg-type]
