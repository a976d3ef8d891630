"""Bootstrap of similarities between dissimilarity matrices: over stimuli, over matrices (subjects), or both.

One sequence of samples serves all measures and models, so differences between models are paired. Resampling both
factors overstates the variance, because the variance between measurements enters twice; the standard errors here take
2 (V_stimuli + V_matrices) - V_both, kept between the larger single variance and V_both.

Reference: Schuett, Kipnis, Diedrichsen and Kriegeskorte, "Statistical inference on representational geometries",
eLife 2023.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal, get_args

import numpy as np

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.geometry.model_differences import Adjustment, ModelDifference, adjust_p_values, percentile_test
from hodology.geometry.rsa import Comparison, check_comparison, compare_rows, pair_rdms
from hodology.geometry.rsa_resampling import RESAMPLED, count_stimuli, draw_stimuli, resampled_similarity
from hodology.rng import stream
from hodology.stats import Interval

__all__ = ["Over", "RsaBootstrap", "bootstrap_rsa"]

Over = Literal["stimuli", "rdms", "both"]


@dataclass(frozen=True, repr=False, eq=False)
class RsaBootstrap:
    """Similarities in every sample.

    Attributes
    ----------
    values : float64 ndarray, shape (samples, matrices of a, matrices of b)
        Under the sample's stimuli; the same in every sample when stimuli were not resampled.
    estimate : float64 ndarray, shape (matrices of a, matrices of b)
        On the data as they are.
    rdm_weights : int ndarray, shape (samples, matrices of a)
        How often each matrix of `a` is in the sample; ones when matrices were not resampled.
    n_stimuli, n_groups : int
        Sizes of the two factors.
    measure : str
    over : {"stimuli", "rdms", "both"}
    a_names, b_names : tuple of str
    """

    values: np.ndarray
    estimate: np.ndarray
    rdm_weights: np.ndarray
    n_stimuli: int
    n_groups: int
    measure: Comparison
    over: Over
    a_names: tuple[str, ...]
    b_names: tuple[str, ...]

    def __repr__(self) -> str:
        samples, first, second = self.values.shape
        return (
            f"RsaBootstrap({samples} samples over {self.over}, {first} x {second} matrices, {self.measure})"
        )

    @property
    def means(self) -> np.ndarray:
        """Mean similarity over the sample's matrices of `a`, shape (samples, matrices of b)."""
        return _weighted_means(self.rdm_weights, self.values)

    def standard_errors(self) -> np.ndarray:
        """Standard error of the mean similarity to each matrix of `b`, corrected when both factors were resampled."""
        return np.sqrt(self._variances(np.eye(len(self.b_names))))

    def intervals(self, *, level: float = 0.95) -> tuple[Interval, ...]:
        """Percentile interval of the mean similarity to each matrix of `b`."""
        lows, highs = np.quantile(self.means, _tails(level), axis=0)
        size = self._factor_size()
        return tuple(
            Interval(float(mean), float(low), float(high), level, size, "percentile")
            for mean, low, high in zip(self.estimate.mean(axis=0), lows, highs, strict=True)
        )

    def differences(
        self,
        *,
        level: float = 0.95,
        test: Literal["t", "percentile"] = "t",
        adjust: Adjustment = "holm",
    ) -> tuple[ModelDifference, ...]:
        """Paired differences between all matrices of `b`.

        Parameters
        ----------
        level : float
        test : {"t", "percentile"}
            "t" refers difference / standard error to Student's t with one degree of freedom less than the smaller
            resampled factor; "percentile" takes the share of samples on the other side of zero, with the
            (b + 1) / (n + 1) rule.
        adjust : {"none", "holm", "bh"}

        Returns
        -------
        tuple of ModelDifference
            In the order of ``itertools.combinations`` over the matrices of `b`.

        Raises
        ------
        InputError
            When `b` has a single matrix.
        """
        if test not in ("t", "percentile"):
            raise UnknownNameError(f"test {test!r} does not exist{near_names(test, ('t', 'percentile'))}.")
        pairs = list(combinations(range(len(self.b_names)), 2))
        if not pairs:
            raise InputError("differences need at least two matrices of b, got one.")
        contrasts = np.zeros((len(pairs), len(self.b_names)))
        for row, (i, j) in enumerate(pairs):
            contrasts[row, i], contrasts[row, j] = 1.0, -1.0
        drawn = self.means @ contrasts.T
        found = contrasts @ self.estimate.mean(axis=0)
        errors = np.sqrt(self._variances(contrasts))
        p_values = self._t_test(found, errors) if test == "t" else percentile_test(drawn)
        adjusted = adjust_p_values(p_values, adjust)
        rows = np.stack(
            [found, errors, *np.quantile(drawn, _tails(level), axis=0), p_values, adjusted], axis=1
        ).tolist()
        return tuple(
            ModelDifference(self.b_names[i], self.b_names[j], *row)
            for (i, j), row in zip(pairs, rows, strict=True)
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values: what was done, estimates and intervals."""
        return {
            "measure": self.measure,
            "over": self.over,
            "n_boot": len(self.values),
            "a_names": list(self.a_names),
            "b_names": list(self.b_names),
            "estimate": self.estimate.tolist(),
            "standard_errors": self.standard_errors().tolist(),
            "intervals": [interval.to_dict() for interval in self.intervals()],
        }

    def _factor_size(self) -> int:
        sizes = {"stimuli": self.n_stimuli, "rdms": self.n_groups, "both": min(self.n_stimuli, self.n_groups)}
        return sizes[self.over]

    def _t_test(self, found: np.ndarray, errors: np.ndarray) -> np.ndarray:
        from scipy.stats import t

        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(found == 0, 0.0, np.abs(found) / errors)
        return 2.0 * np.asarray(t.sf(ratio, self._factor_size() - 1))

    def _variances(self, contrasts: np.ndarray) -> np.ndarray:
        """Variances of linear combinations of the means."""
        both = (self.means @ contrasts.T).var(axis=0, ddof=1)
        if self.over != "both":
            return both
        stimuli = (self.values.mean(axis=1) @ contrasts.T).var(axis=0, ddof=1)
        fixed = np.broadcast_to(self.estimate, self.values.shape)
        rdms = (_weighted_means(self.rdm_weights, fixed) @ contrasts.T).var(axis=0, ddof=1)
        least = np.maximum(stimuli, rdms)
        return np.clip(2.0 * (stimuli + rdms) - both, least, np.maximum(both, least))


def bootstrap_rsa(
    a: Any,
    b: Any,
    *,
    measure: Comparison = "spearman",
    over: Over = "stimuli",
    n_boot: int = 1000,
    groups: Sequence[Any] | np.ndarray | None = None,
    samples: np.ndarray | None = None,
    rng: int = 0,
    jobs: int = 1,
) -> RsaBootstrap:
    """Bootstrap the similarity of every matrix of `a` (data) to every matrix of `b` (models).

    Parameters
    ----------
    a, b : RDMs or anything `as_rdms` reads
    measure : {"spearman", "pearson", "cosine", "kendall-a", "rho-a"}
    over : {"stimuli", "rdms", "both"}
        What is drawn with replacement. Pairs of two copies of one stimulus are left out.
    n_boot : int
    groups : sequence, optional
        Which matrices of `a` belong together (sessions of one subject) and are drawn as one; default each alone.
    samples : int ndarray, shape (n_boot, n_stimuli), optional
        Stimuli of every sample, to share them with other work; default `draw_stimuli` with the same `rng`.
    rng : int
        Equal seeds draw equal samples whatever the measure and the models.
    jobs : int
        Threads for the rank measures; the result does not depend on it.

    Returns
    -------
    RsaBootstrap

    Raises
    ------
    UnknownNameError
        When the measure or the factor does not exist.
    InputError
        For fewer than four stimuli, fewer than two groups of matrices, a measure that cannot be resampled, and a
        matrix that is constant in a sample.
    """
    check_comparison(measure, RESAMPLED)
    if over not in get_args(Over):
        raise UnknownNameError(f"over={over!r} does not exist{near_names(over, get_args(Over))}.")
    if isinstance(jobs, bool) or jobs < 1:
        raise InputError(f"jobs must be at least 1, got {jobs}.")
    if n_boot < 2:
        raise InputError(f"n_boot must be at least 2, got {n_boot}.")
    pair = pair_rdms(a, b)
    n = pair.a.n_stimuli
    estimate = compare_rows(pair.a_rows, pair.b_rows, measure=measure)
    if over == "rdms":
        if samples is not None:
            raise InputError("samples are stimuli; over='rdms' does not draw any.")
        values = np.broadcast_to(estimate, (n_boot, *estimate.shape))
    else:
        drawn = draw_stimuli(n, n_boot=n_boot, rng=rng) if samples is None else samples
        counts = count_stimuli(drawn, n)
        values = resampled_similarity(
            pair.a_rows, pair.b_rows, counts, measure=measure, kept=pair.kept, jobs=jobs
        )
    if not np.isfinite(values).all():
        sample, i, j = np.argwhere(~np.isfinite(values))[0]
        raise InputError(
            f"sample {sample} leaves no variation in matrix {pair.a.names[i]!r} of a or {pair.b.names[j]!r} of b; "
            "there are too few stimuli, or too many equal values, to resample."
        )
    weights, n_groups = _rdm_weights(len(pair.a), groups, len(values), rng, drawn=over != "stimuli")
    return RsaBootstrap(
        values, estimate, weights, n, n_groups, measure, over, pair.a.names, pair.b.names
    )  # fmt: skip


def _rdm_weights(
    count: int, groups: Any, n_boot: int, rng: int, *, drawn: bool
) -> tuple[np.ndarray, int]:  # fmt: skip
    """How often each matrix is in each sample, and the number of groups."""
    labels = [str(g) for g in (range(count) if groups is None else groups)]
    if len(labels) != count:
        raise InputError(f"groups must be one per matrix of a ({count}), got {len(labels)}.")
    names = list(dict.fromkeys(labels))
    member = np.array([names.index(label) for label in labels])
    if not drawn:
        return np.ones((n_boot, count), dtype=np.int64), len(names)
    if len(names) < 2:
        raise InputError("resampling matrices needs at least two groups of them, got one.")
    picks = stream(rng, "rdms").integers(0, len(names), (n_boot, len(names)))
    return count_stimuli(picks, len(names))[:, member], len(names)


def _weighted_means(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.einsum("sa,sab->sb", weights, values) / weights.sum(axis=1)[:, None]


def _tails(level: float) -> list[float]:
    if not 0 < level < 1:
        raise InputError(f"level must lie between 0 and 1, got {level}.")
    return [(1 - level) / 2, (1 + level) / 2]
