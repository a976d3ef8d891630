"""Whether a feature detects its concept: scores on sentences, best matches with labels, names, descriptions, judges.

The concept detection score compares sentences that show a concept with neutral ones. With c_s the largest cosine
between the feature's direction and the activity of any token of sentence s,

    S_CD = log( mean over activating sentences of c_s / mean over neutral sentences of c_s ),

above 0 where the feature detects the concept. Descriptions and judgements of texts are the work of a person or a language
model: `describe_features` and `judge_texts` take any callable, and nothing here stands in for one.

Reference: Shafran, Geiger and Geva, "Decomposing MLP activations into interpretable features via semi-nonnegative
matrix factorization", 2025.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from torch import nn

from hodology.errors import InputError
from hodology.interpret.activations import collect_activations
from hodology.interpret.concept_match import (
    ConceptMatch,
    FeatureNames,
    concept_auroc,
    match_concepts,
    name_features,
)
from hodology.interpret.feature_output import unit_directions
from hodology.interpret.feature_reading import Context
from hodology.interpret.semi_nmf_input import check_count
from hodology.interpret.steering import harmonic_score
from hodology.nn.sites import Site
from hodology.rng import stream

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "ConceptMatch",
    "ConceptScores",
    "Describer",
    "FeatureNames",
    "Judge",
    "Judgement",
    "concept_auroc",
    "concept_scores",
    "describe_features",
    "judge_texts",
    "match_concepts",
    "name_features",
]

_CHUNK = 256  # sentences whose activity is held at a time
_TOP = 2.0  # a judge's best score


@dataclass(frozen=True, eq=False, repr=False)
class ConceptScores:
    """The concept detection score of every feature.

    Attributes
    ----------
    score : float64 ndarray, shape (features,)
        S_CD. The logarithm needs two positive means: where only the activating one is positive the score is +inf,
        where only the neutral one is, -inf, and where neither is, NaN (the feature says nothing either way).
    low, high : float64 ndarray, shape (features,)
        Percentile bootstrap interval over the sentences of both kinds.
    activating, neutral : tuple of float64 ndarray, one a feature
        c_s of every sentence.
    level : float
    """

    score: np.ndarray
    low: np.ndarray
    high: np.ndarray
    activating: tuple[np.ndarray, ...] = field(repr=False)
    neutral: tuple[np.ndarray, ...] = field(repr=False)
    level: float = 0.95

    def __repr__(self) -> str:
        return f"ConceptScores({len(self.score)} features, median {self.median:.3g}, {self.share_positive:.0%} above 0)"

    @property
    def difference(self) -> np.ndarray:
        """Mean of the activating sentences less that of the neutral ones; defined whatever the signs."""
        return np.array([a.mean() - n.mean() for a, n in zip(self.activating, self.neutral, strict=True)])

    @property
    def share_positive(self) -> float:
        """Share of features with a score above 0; one without a score counts as none."""
        return float((self.score > 0.0).mean())

    @property
    def median(self) -> float:
        """Median score; features without a score count as the lowest."""
        return float(np.median(np.where(np.isnan(self.score), -np.inf, self.score)))

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "score": self.score.tolist(),
            "low": self.low.tolist(),
            "high": self.high.tolist(),
            "level": self.level,
            "difference": self.difference.tolist(),
            "median": self.median,
            "share_positive": self.share_positive,
            "activating": [values.tolist() for values in self.activating],
            "neutral": [values.tolist() for values in self.neutral],
        }


class Describer(Protocol):
    """Says in a few words what the contexts of a feature have in common: a person, or a call of a language model."""

    def __call__(self, contexts: Sequence[Context], /) -> str:
        """Describe the contexts, the strongest first."""


class Judge(Protocol):
    """Scores a text: how much it shows a concept, and how fluent it is, each from 0 to 2."""

    def __call__(self, text: str, description: str, /) -> tuple[float, float]:
        """Return the score of the concept and that of fluency."""


@dataclass(frozen=True, eq=False)
class Judgement:
    """What a judge said of texts.

    Attributes
    ----------
    concept, fluency : float64 ndarray, shape (texts,)
        0 to 2.
    final : float64 ndarray, shape (texts,)
        Their harmonic mean, 0 where either is 0.
    """

    concept: np.ndarray
    fluency: np.ndarray
    final: np.ndarray

    @property
    def mean(self) -> float:
        """Mean of `final`."""
        return float(self.final.mean())


def concept_scores(
    model: nn.Module,
    tokenizer: Any,
    layer: str | int | Site,
    directions: np.ndarray | Tensor,
    activating: Sequence[str] | Sequence[Sequence[str]],
    neutral: Sequence[str] | Sequence[Sequence[str]],
    *,
    level: float = 0.95,
    n_resamples: int = 2000,
    batch_size: int = 32,
    rng: int = 0,
) -> ConceptScores:
    """Score how well each direction tells sentences of its concept from neutral ones.

    Parameters
    ----------
    model : nn.Module
    tokenizer : transformers tokenizer, LoadedModel or callable
        As in `collect_activations`, which leaves out begin tokens and padding.
    layer : str, int or Site
    directions : ndarray or Tensor, shape (features, units) or (units,)
    activating, neutral : sequence of str, or one such sequence per feature
        Sentences that show the concept and that do not (paper: 5 of each, written for the feature's description). A
        sentence that several features have is run once.
    level : float
        Of the intervals.
    n_resamples : int
        Bootstrap draws of sentences.
    batch_size : int
        Sentences in one pass.
    rng : int
        Seed of the bootstrap.

    Returns
    -------
    ConceptScores

    Raises
    ------
    InputError
        When a feature has no sentences of a kind, there are not as many lists as features, or a sentence has no token.
    """
    if not 0.0 < level < 1.0:
        raise InputError(f"level must lie between 0 and 1, got {level}.")
    check_count(n_resamples, "n_resamples")
    unit = unit_directions(directions).numpy().astype(np.float64)
    kinds = [
        _per_feature(s, len(unit), name) for s, name in ((activating, "activating"), (neutral, "neutral"))
    ]
    sentences = list(dict.fromkeys(text for kind in kinds for group in kind for text in group))
    strongest = np.concatenate(
        [
            _strongest_cosines(model, tokenizer, layer, unit, sentences[start : start + _CHUNK], batch_size)
            for start in range(0, len(sentences), _CHUNK)
        ]
    )
    place = {text: index for index, text in enumerate(sentences)}
    found = [
        tuple(strongest[[place[text] for text in group], row] for row, group in enumerate(kind))
        for kind in kinds
    ]
    generator = stream(rng, "concept-scores")
    scores = np.array([_log_ratio(a.mean(), n.mean()) for a, n in zip(*found, strict=True)]).reshape(-1)
    ends = np.array(
        [_interval(a, n, level, n_resamples, generator) for a, n in zip(*found, strict=True)]
    ).reshape(-1, 2)
    return ConceptScores(scores, ends[:, 0], ends[:, 1], found[0], found[1], level)


def describe_features(contexts: Sequence[Sequence[Context]], describer: Describer) -> tuple[str | None, ...]:
    """Describe every feature by its contexts; None for one without contexts, which the describer is not asked about.

    Raises
    ------
    InputError
        When a description is no text, or empty.
    """
    found: list[str | None] = []
    for index, some in enumerate(contexts):
        text = describer(some) if some else None
        if some and (not isinstance(text, str) or not text.strip()):
            raise InputError(f"the description of feature {index} must be a text, got {text!r:.60}.")
        found.append(text.strip() if text is not None else None)
    return tuple(found)


def judge_texts(texts: Sequence[str], description: str, judge: Judge) -> Judgement:
    """Let a judge score texts (as `generate_steered` returns) for a description.

    Raises
    ------
    InputError
        For no texts, and for what is no pair of scores from 0 to 2.
    """
    if isinstance(texts, str) or len(texts) == 0:
        raise InputError(f"texts must be a list of texts, at least one, got {texts!r:.60}.")
    scores = np.empty((len(texts), 2))
    for index, text in enumerate(texts):
        given = judge(text, description)
        try:
            scores[index] = np.asarray(given, dtype=np.float64)
            fits = np.shape(given) == (2,) and bool(((scores[index] >= 0.0) & (scores[index] <= _TOP)).all())
        except (TypeError, ValueError):
            fits = False
        if not fits:
            raise InputError(
                f"a judge must give a concept and a fluency score from 0 to 2, got {given!r:.60} for text {index}."
            )
    final = np.asarray(harmonic_score(scores[:, 0], scores[:, 1]))
    return Judgement(scores[:, 0], scores[:, 1], final)


def _per_feature(sentences: Any, count: int, name: str) -> list[list[str]]:
    """A list of sentences for every feature."""
    if isinstance(sentences, str) or len(sentences) == 0:
        raise InputError(f"{name} must hold sentences, got {sentences!r:.60}.")
    if all(isinstance(text, str) for text in sentences):
        return [list(sentences)] * count
    if len(sentences) != count:
        raise InputError(f"{name} must hold one list per direction ({count}), got {len(sentences)}.")
    for index, group in enumerate(sentences):
        if isinstance(group, str) or len(group) == 0 or not all(isinstance(text, str) for text in group):
            raise InputError(f"{name}[{index}] must be a list of sentences, at least one, got {group!r:.60}.")
    return [list(group) for group in sentences]


def _strongest_cosines(
    model: nn.Module,
    tokenizer: Any,
    layer: str | int | Site,
    unit: np.ndarray,
    sentences: list[str],
    size: int,
) -> np.ndarray:
    """Largest cosine over the tokens of each sentence, ``(sentences, features)``."""
    table = collect_activations(model, tokenizer, sentences, layer, batch_size=size)
    if table.n_units != unit.shape[1]:
        raise InputError(
            f"directions must have {table.n_units} units (columns) for this layer, got {unit.shape}."
        )
    owners, starts = np.unique(table.samples, return_index=True)
    if len(owners) < len(sentences):
        missing = next(i for i in range(len(sentences)) if i not in set(owners.tolist()))
        raise InputError(f"sentence {sentences[missing]!r:.60} has no token that is not special.")
    activity = table.matrix.astype(np.float64)
    norm = np.linalg.norm(activity, axis=1, keepdims=True)
    cosine = (activity / np.where(norm > 0.0, norm, 1.0)) @ unit.T
    return np.maximum.reduceat(cosine, starts, axis=0)


def _log_ratio(activating: Any, neutral: Any) -> np.ndarray:
    """log(a / n); +inf where only a is positive, -inf where only n is, NaN where neither is."""
    a, n = np.asarray(activating, dtype=np.float64), np.asarray(neutral, dtype=np.float64)
    logs = [np.log(np.where(value > 0.0, value, 1.0)) for value in (a, n)]
    one_sided = np.where(a > 0.0, np.inf, np.where(n > 0.0, -np.inf, np.nan))
    return np.where((a > 0.0) & (n > 0.0), logs[0] - logs[1], one_sided)


def _interval(
    a: np.ndarray, n: np.ndarray, level: float, count: int, generator: np.random.Generator
) -> tuple[float, float]:
    """Percentile interval of the score; draws without a score count as the lowest."""
    means = [value[generator.integers(0, len(value), (count, len(value)))].mean(axis=1) for value in (a, n)]
    draws = np.sort(_log_ratio(*means))  # NaN last
    if np.isnan(draws[0]):
        return np.nan, np.nan
    draws = np.r_[np.full(np.isnan(draws).sum(), -np.inf), draws[~np.isnan(draws)]]
    tails = np.array([(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    low, high = draws[np.clip(np.floor(tails * count).astype(int), 0, count - 1)]  # no mean of an infinity
    return float(low), float(high)
