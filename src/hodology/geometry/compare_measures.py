"""All pairs of two sets of representations under one measure: values, intervals over stimuli, permutation tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args

import numpy as np

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.geometry.compare_inputs import RepresentationSet
from hodology.geometry.dissimilarity import Distance, dissimilarities
from hodology.geometry.model_differences import Adjustment, adjust_p_values
from hodology.geometry.patterns import Patterns
from hodology.geometry.profile_measures import profile_similarities
from hodology.geometry.profile_resampling import resample_generic, shuffle_generic
from hodology.geometry.rdms import RDMs
from hodology.geometry.rsa import Comparison, compare_rdms
from hodology.geometry.rsa_bootstrap import bootstrap_rsa
from hodology.geometry.rsa_tests import permutation_test

__all__ = [
    "MEASURE_NOTES",
    "CompareMeasure",
    "PairTable",
    "compare_sets",
    "find_measure",
    "rdms_of",
    "similarities",
]

CompareMeasure = Literal[
    "rsa-spearman", "rsa-pearson", "rsa-cosine", "rsa-kendall", "ssm", "cka", "unbiased-cka", "svcca", "pwcca"
]
MEASURE_NOTES: dict[str, str] = {
    "rsa-spearman": "Spearman correlation of dissimilarities over pairs of stimuli",
    "rsa-pearson": "Pearson correlation of dissimilarities over pairs of stimuli",
    "rsa-cosine": "cosine of dissimilarities over pairs of stimuli",
    "rsa-kendall": "Kendall's tau-a of dissimilarities over pairs of stimuli",
    "ssm": "Spearman correlation of similarity matrices (Pearson over units), without the diagonal",
    "cka": "linear centred kernel alignment; high for unrelated representations of few stimuli",
    "unbiased-cka": "linear centred kernel alignment, unbiased: zero for unrelated representations",
    "svcca": "mean canonical correlation of principal components; blind to invertible maps of the units",
    "pwcca": "canonical correlations weighted by what they account for in the first side; not symmetric",
}
_COMPARISONS: dict[str, Comparison] = {
    "rsa-spearman": "spearman",
    "rsa-pearson": "pearson",
    "rsa-cosine": "cosine",
    "rsa-kendall": "kendall-a",
    "ssm": "spearman",
}


@dataclass(frozen=True, repr=False, eq=False)
class PairTable:
    """Similarities of all pairs.

    Attributes
    ----------
    rows, columns : tuple of str
        Representations of the first and of the second side.
    values, low, high, p_value, adjusted : float64 ndarray, shape (rows, columns)
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p_value: np.ndarray
    adjusted: np.ndarray

    def __repr__(self) -> str:
        return f"PairTable({len(self.rows)} x {len(self.columns)} representations)"


def find_measure(name: str) -> CompareMeasure:
    """The measure of a name; ``"rsa"`` is ``"rsa-spearman"``.

    Raises
    ------
    UnknownNameError
        When there is none.
    """
    known = get_args(CompareMeasure)
    wanted: Any = "rsa-spearman" if name == "rsa" else name
    if wanted not in known:
        raise UnknownNameError(f"measure {name!r} does not exist{near_names(name, known)}.")
    return wanted


def rdms_of(source: RepresentationSet, *, distance: Distance = "correlation") -> RDMs:
    """The source's dissimilarity matrices, or those of its patterns."""
    return (
        source.rdms if source.rdms is not None else dissimilarities(dict(source.patterns), measure=distance)
    )


def compare_sets(
    a: RepresentationSet,
    b: RepresentationSet,
    *,
    measure: CompareMeasure = "rsa-spearman",
    distance: Distance = "correlation",
    n_boot: int = 1000,
    n_permutations: int = 1000,
    adjust: Adjustment = "bh",
    level: float = 0.95,
    max_components: int | None = None,
    rng: int = 0,
) -> PairTable:
    """Compare every representation of one set with every one of another, over the same stimuli.

    Parameters
    ----------
    a, b : RepresentationSet
        See `align_sets`.
    measure : str
        Those of `MEASURE_NOTES`. All but the ones of RSA need patterns on both sides.
    distance : str
        Dissimilarity of patterns, for RSA; SSM always takes correlations.
    n_boot : int
        Bootstrap samples of stimuli. For CKA and CCA random halves of the stimuli take their place (no copies), whose
        spread is put around the value on all stimuli.
    n_permutations : int
        Shuffles of the stimuli of one side; the alternative is a larger similarity.
    adjust : {"none", "holm", "bh"}
        Over all pairs; where `a` is `b`, each pair once and none of a representation with itself (NaN).
    level : float
    max_components : int, optional
        Of "svcca" and "pwcca".
    rng : int

    Returns
    -------
    PairTable

    Raises
    ------
    InputError
        For measures that need patterns where there are dissimilarities only.
    """
    measure = find_measure(measure)
    tails = [(1 - level) / 2, (1 + level) / 2]
    if measure in _COMPARISONS:
        one, two = (rdms_of(s, distance="correlation" if measure == "ssm" else distance) for s in (a, b))
        _check_ssm(measure, a, b)
        comparison = _COMPARISONS[measure]
        boot = bootstrap_rsa(one, two, measure=comparison, n_boot=n_boot, over="stimuli", rng=rng)
        test = permutation_test(one, two, measure=comparison, n_permutations=n_permutations, rng=rng)
        low, high = np.nanquantile(boot.values, tails, axis=0)
        adjusted = _adjusted(test.p_value, adjust, measure, same=a is b)
        return PairTable(one.names, two.names, test.statistic, low, high, test.p_value, adjusted)
    first, second = _patterns(a, measure), _patterns(b, measure)
    compare = partial(profile_similarities, metric=measure, max_components=max_components)  # type: ignore[arg-type]
    quiet = partial(compare, warn=False)
    values = compare(first, second)
    drawn = resample_generic(first, second, quiet, n_boot=n_boot, rng=rng, images=True, units=False)
    low, high = np.quantile(drawn - drawn.mean(axis=0), tails, axis=0) + values
    null = shuffle_generic(first, second, quiet, n_permutations=n_permutations, rng=rng)
    p_value = ((null >= values - 1e-12).sum(axis=0) + 1) / (n_permutations + 1)
    adjusted = _adjusted(p_value, adjust, measure, same=a is b)
    return PairTable(tuple(first), tuple(second), values, low, high, p_value, adjusted)


def _adjusted(p_value: np.ndarray, adjust: Adjustment, measure: str, *, same: bool) -> np.ndarray:
    """Adjusted over the pairs that say something: of a set with itself each pair once, and none with itself (NaN)."""
    if not same:
        return adjust_p_values(p_value, adjust)
    n = len(p_value)
    out = np.full((n, n), np.nan)
    if measure == "pwcca":  # not symmetric
        off = ~np.eye(n, dtype=bool)
        out[off] = adjust_p_values(p_value[off], adjust)
        return out
    upper = np.triu_indices(n, 1)
    out[upper] = adjust_p_values(p_value[upper], adjust)
    out.T[upper] = out[upper]
    return out


def similarities(
    a: RepresentationSet,
    b: RepresentationSet,
    *,
    measure: CompareMeasure,
    distance: Distance = "correlation",
    max_components: int | None = None,
) -> np.ndarray:
    """Values alone, shape (representations of a, representations of b)."""
    if measure in _COMPARISONS:
        one, two = (rdms_of(s, distance="correlation" if measure == "ssm" else distance) for s in (a, b))
        return compare_rdms(one, two, measure=_COMPARISONS[measure])
    metric: Any = measure
    first, second = _patterns(a, measure), _patterns(b, measure)
    return profile_similarities(first, second, metric=metric, max_components=max_components, warn=False)


def _check_ssm(measure: str, a: RepresentationSet, b: RepresentationSet) -> None:
    for source in (a, b):
        if measure == "ssm" and source.rdms is not None and source.rdms.measure not in ("", "correlation"):
            raise InputError(
                f"ssm needs correlation distances, {source.label} holds {source.rdms.measure!r}; take rsa-spearman."
            )


def _patterns(source: RepresentationSet, measure: str) -> Mapping[str, np.ndarray]:
    """Patterns in as few dimensions as there are stimuli, where the measure does not see rotations of the units."""
    if source.rdms is not None:
        raise InputError(
            f"measure {measure!r} needs patterns (stimuli x units), {source.label} holds dissimilarities only; "
            "take one of rsa-spearman, rsa-pearson, rsa-cosine, rsa-kendall."
        )
    return {name: p.values if measure == "pwcca" else _rotated(p) for name, p in source.patterns.items()}


def _rotated(patterns: Patterns) -> np.ndarray:
    values = patterns.values.astype(np.float64)
    values = values - values.mean(axis=0)
    if values.shape[1] <= len(values):
        return values
    powers, vectors = np.linalg.eigh(values @ values.T)
    kept = powers > 1e-12 * powers[-1]
    return vectors[:, kept] * np.sqrt(powers[kept])
