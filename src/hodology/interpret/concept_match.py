"""Which feature tells which concept: AUROC of every feature for every label, matches, and names that chance would not give.

AUROC is the probability that a token of the concept has a larger coefficient than a token of another (ties count
half). It is computed from ranks, ``(R_c - n_c (n_c + 1) / 2) / (n_c (n - n_c))`` with R_c the sum of the ranks of the
n_c tokens of concept c.

Labels belong to texts, and the tokens of one text are not independent. A name's p-value therefore comes from
giving the labels to other texts, all tokens of a text together, and asks how often the feature's best concept is then
as good.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.interpret.activation_table import ActivationTable, code_labels
from hodology.interpret.feature_reading import feature_matrix
from hodology.interpret.semi_nmf_input import check_count
from hodology.rng import stream
from hodology.stats.multiple import benjamini_hochberg, holm

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ConceptMatch", "FeatureNames", "concept_auroc", "match_concepts", "name_features"]

Correction = Literal["holm", "benjamini-hochberg"]
_PERMUTATIONS = 2_000  # at least, when their number is left open
_CELLS = 8_000_000  # numbers held while labels are shuffled


@dataclass(frozen=True, eq=False, repr=False)
class ConceptMatch:
    """The feature that tells each concept best.

    Attributes
    ----------
    concepts : int64 ndarray, shape (concepts,)
        Labels, ascending.
    names : tuple of str
        Their names, or numbers as text.
    features : int64 ndarray, shape (concepts,)
        Index of the feature; -1 without one (one-to-one, with fewer features than concepts).
    auroc : float64 ndarray, shape (concepts,)
        Of the match; NaN without one.
    signs : int64 ndarray, shape (concepts,)
        -1 where the match tells the concept by small values (``either_sign`` only).
    table : float64 ndarray, shape (features, concepts)
        AUROC of every feature for every concept.
    """

    concepts: np.ndarray
    names: tuple[str, ...]
    features: np.ndarray
    auroc: np.ndarray
    signs: np.ndarray
    table: np.ndarray = field(repr=False)

    def __repr__(self) -> str:
        features, concepts = self.table.shape
        return f"ConceptMatch({features} features, {concepts} concepts, mean AUROC {self.mean:.3f})"

    @property
    def mean(self) -> float:
        """Mean AUROC over the concepts that have a match."""
        return float(np.nanmean(self.auroc))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, without the table."""
        arrays = {name: getattr(self, name).tolist() for name in ("concepts", "features", "auroc", "signs")}
        return arrays | {"names": list(self.names), "mean": self.mean}


@dataclass(frozen=True, eq=False, repr=False)
class FeatureNames:
    """A concept for each feature that has one beyond chance.

    Attributes
    ----------
    names : tuple of str or None
        One a feature.
    concepts : int64 ndarray, shape (features,)
        The label that each feature tells best, named or not.
    auroc : float64 ndarray, shape (features,)
        How well.
    p_values, adjusted : float64 ndarray, shape (features,)
        Of the permutation test, and corrected for the number of features.
    n_permutations : int
    """

    names: tuple[str | None, ...]
    concepts: np.ndarray
    auroc: np.ndarray
    p_values: np.ndarray
    adjusted: np.ndarray
    n_permutations: int

    def __repr__(self) -> str:
        return f"FeatureNames({sum(name is not None for name in self.names)} of {len(self.names)} features named)"

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        arrays = {
            name: getattr(self, name).tolist() for name in ("concepts", "auroc", "p_values", "adjusted")
        }
        return arrays | {"names": list(self.names), "n_permutations": self.n_permutations}


def match_concepts(
    values: np.ndarray | Tensor,
    labels: Sequence[Any] | np.ndarray | ActivationTable,
    *,
    label_names: Sequence[str] = (),
    one_to_one: bool = False,
    either_sign: bool = False,
) -> ConceptMatch:
    """Match each concept with the feature that tells it best.

    Parameters
    ----------
    values : ndarray or Tensor, shape (tokens, features)
        Coefficients of semi-NMF, latents, or projections on directions.
    labels : sequence of int, str or None, shape (tokens,), or ActivationTable
        Tokens of label -1 or None are left out. A table stands for its own labels and names.
    label_names : sequence of str
        Names of integer labels.
    one_to_one : bool
        Give every feature to one concept at most, so that the sum of AUROC is largest (Hungarian method).
    either_sign : bool
        Let a feature tell a concept by small values too, for directions without a sign of their own (PCA, ICA).

    Returns
    -------
    ConceptMatch

    Raises
    ------
    InputError
        Without two concepts, or when values and labels differ in number.

    Notes
    -----
    The best of many features tells a concept somewhat even when all are noise; compare with as many random directions.

    Examples
    --------
    >>> import numpy as np
    >>> found = match_concepts(np.eye(4)[[0, 0, 2, 3]], ["a", "a", "b", "b"])
    >>> found.features.tolist(), found.auroc.tolist()
    ([0, 2], [1.0, 0.75])
    """
    if isinstance(labels, ActivationTable):
        if labels.labels is None:
            raise InputError("match_concepts needs labels, and the table has none.")
        label_names = label_names or labels.label_names
        labels = labels.labels
    coded, names = _coded(labels, label_names)
    matrix = feature_matrix(values, len(coded), "values")[coded >= 0]
    concepts, index = np.unique(coded[coded >= 0], return_inverse=True)
    _check_concepts(concepts)
    table = concept_auroc(matrix, index, len(concepts))
    strength = np.maximum(table, 1.0 - table) if either_sign else table
    features = np.full(len(concepts), -1)
    if one_to_one:
        from scipy.optimize import linear_sum_assignment

        rows, columns = linear_sum_assignment(strength, maximize=True)
        features[columns] = rows
    else:
        features = strength.argmax(axis=0)
    column = np.arange(len(concepts))
    return ConceptMatch(
        concepts=concepts,
        names=tuple(names[c] if names else str(c) for c in concepts.tolist()),
        features=features,
        auroc=np.where(features >= 0, strength[features, column], np.nan),
        signs=np.where((features >= 0) & (strength[features, column] > table[features, column]), -1, 1),
        table=table,
    )


def name_features(
    table: ActivationTable,
    coefficients: np.ndarray | Tensor,
    labels: Sequence[Any] | np.ndarray | None = None,
    *,
    label_names: Sequence[str] = (),
    min_auroc: float = 0.75,
    level: float = 0.05,
    correction: Correction = "holm",
    n_permutations: int | None = None,
    rng: int = 0,
) -> FeatureNames:
    """Name features after the concept of the texts on which they are strong.

    Parameters
    ----------
    table : ActivationTable
    coefficients : ndarray or Tensor, shape (tokens, features)
    labels : sequence of int, str or None, shape (tokens,), optional
        Default those of the table. All tokens of a sample must have the same.
    label_names : sequence of str
        Names of integer labels; default the table's.
    min_auroc : float
        A name needs at least this AUROC ...
    level : float
        ... and an adjusted p-value of at most this.
    correction : {"holm", "benjamini-hochberg"}
        Bound the chance that any name is wrong, or the expected share of wrong names.
    n_permutations : int, optional
        Default 2000, or as many as let a single feature be named at `level`.
    rng : int
        Seed of the shuffles.

    Returns
    -------
    FeatureNames

    Raises
    ------
    InputError
        When labels differ within a sample, there are less than two concepts or three samples, or so few permutations
        that no feature could be named.
    """
    if labels is None and table.labels is None:
        raise InputError("name_features needs labels: pass them, or collect the table with labels.")
    given = table.labels if labels is None else labels
    names = label_names or (table.label_names if labels is None else ())
    coded, names = _coded(given if given is not None else (), names)
    values = feature_matrix(coefficients, len(table), "coefficients")
    count = _permutations(n_permutations, values.shape[1], level, correction, min_auroc)
    if len(coded) != len(table):
        raise InputError(f"labels must be one per token ({len(table)}), got {len(coded)}.")
    known = coded >= 0
    concepts, index = np.unique(coded[known], return_inverse=True)
    _check_concepts(concepts)
    sums, lengths, of_sample = _by_sample(average_ranks(values[known]), table.samples[known], index)
    observed = _auroc_of_sums(sums, lengths, of_sample[None], len(concepts))[0]
    best = observed.argmax(axis=1)
    auroc = observed.max(axis=1)
    p_values = _p_values(sums, lengths, of_sample, len(concepts), auroc, count, rng)
    adjusted = holm(p_values) if correction == "holm" else benjamini_hochberg(p_values)
    texts = [names[c] if names else str(c) for c in concepts.tolist()]
    passed = (auroc >= min_auroc) & (adjusted <= level)
    return FeatureNames(
        names=tuple(texts[b] if ok else None for b, ok in zip(best, passed, strict=True)),
        concepts=concepts[best],
        auroc=auroc,
        p_values=p_values,
        adjusted=adjusted,
        n_permutations=count,
    )


def concept_auroc(values: np.ndarray, labels: np.ndarray, n_concepts: int) -> np.ndarray:
    """AUROC of each column of `values` for each label against the rest, float64, ``(features, concepts)``."""
    one_hot = np.zeros((len(values), n_concepts))
    one_hot[np.arange(len(values)), labels] = 1.0
    return _auroc(average_ranks(values).T @ one_hot, one_hot.sum(axis=0), len(values))


def average_ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1 within every column, ties sharing the mean of theirs; float64, as `values`."""
    n = len(values)
    order = np.argsort(values, axis=0, kind="stable")
    ordered = np.take_along_axis(values, order, axis=0)
    new = np.ones(values.shape, dtype=bool)
    new[1:] = ordered[1:] != ordered[:-1]
    place = np.arange(n)[:, None]
    first = np.maximum.accumulate(np.where(new, place, 0), axis=0)
    ends = np.ones(values.shape, dtype=bool)
    ends[:-1] = new[1:]
    last = np.minimum.accumulate(np.where(ends, place, n)[::-1], axis=0)[::-1]
    ranks = np.empty(values.shape)
    np.put_along_axis(ranks, order, (first + last) / 2.0 + 1.0, axis=0)
    return ranks


def _auroc(rank_sums: np.ndarray, positives: np.ndarray, n: int) -> np.ndarray:
    return (rank_sums - positives * (positives + 1.0) / 2.0) / (positives * (n - positives))


def _by_sample(
    ranks: np.ndarray, samples: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sums of ranks ``(features, samples)``, tokens and label of every sample."""
    owners, owner, lengths = np.unique(samples, return_inverse=True, return_counts=True)
    of_sample = np.empty(len(owners), dtype=np.int64)
    of_sample[owner] = labels
    wrong = np.flatnonzero(of_sample[owner] != labels)
    if len(wrong):
        raise InputError(
            f"labels must be the same for all tokens of a sample, sample {samples[wrong[0]]} has several; a p-value from "
            "shuffled samples would not hold for them."
        )
    if len(owners) < 3:
        raise InputError(f"name_features needs at least three labelled samples, got {len(owners)}.")
    sums = np.zeros((len(owners), ranks.shape[1]))
    np.add.at(sums, owner, ranks)
    return sums.T, lengths.astype(np.float64), of_sample


def _auroc_of_sums(sums: np.ndarray, lengths: np.ndarray, labels: np.ndarray, n_concepts: int) -> np.ndarray:
    """AUROC for several labellings ``(labellings, samples)``: ``(labellings, features, concepts)``."""
    one_hot = (labels[:, :, None] == np.arange(n_concepts)).astype(np.float64)
    rank_sums = np.matmul(sums, one_hot)
    positives = np.einsum("s,psc->pc", lengths, one_hot)
    return _auroc(rank_sums, positives[:, None, :], int(lengths.sum()))


def _p_values(
    sums: np.ndarray,
    lengths: np.ndarray,
    labels: np.ndarray,
    n_concepts: int,
    observed: np.ndarray,
    count: int,
    rng: int,
) -> np.ndarray:
    """Share of shuffles in which a feature's best concept is as good as its own, by the (b + 1) / (n + 1) rule."""
    generator = stream(rng, "name-features")
    hits = np.zeros(len(observed))
    size = max(1, _CELLS // (n_concepts * max(len(labels), len(observed))))
    for start in range(0, count, size):
        some = np.tile(labels, (min(size, count - start), 1))
        null = _auroc_of_sums(sums, lengths, generator.permuted(some, axis=1), n_concepts).max(axis=2)
        hits += (null >= observed - 1e-12).sum(axis=0)  # sums in another order must not make a tie a win
    return (hits + 1.0) / (count + 1.0)


def _permutations(count: int | None, n_features: int, level: float, correction: str, min_auroc: float) -> int:
    if correction not in get_args(Correction):
        raise UnknownNameError(
            f"correction must be one of {get_args(Correction)}, got {correction!r}"
            f"{near_names(str(correction), get_args(Correction))}."
        )
    if not 0.0 < level < 1.0 or not 0.0 <= min_auroc <= 1.0:
        raise InputError(f"level must lie in (0, 1) and min_auroc in [0, 1], got {level} and {min_auroc}.")
    needed = math.ceil(n_features / level)
    if count is None:
        return max(_PERMUTATIONS, needed)
    if check_count(count, "n_permutations") + 1 < needed:
        raise InputError(
            f"n_permutations must be at least {needed - 1}, or none of {n_features} features could be named alone at level "
            f"{level}, got {count}."
        )
    return count


def _coded(labels: Sequence[Any] | np.ndarray, names: Sequence[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    coded, own = code_labels(labels)
    known = own or tuple(names)
    if known and len(coded) and int(coded.max()) >= len(known):
        raise InputError(f"label {int(coded.max())} has no name; there are {len(known)} label_names.")
    return coded, known


def _check_concepts(concepts: np.ndarray) -> None:
    if len(concepts) < 2:
        raise InputError(f"labels must name at least two concepts, got {len(concepts)}.")
