"""How good predicted answers are: accuracy, macro-F1 and kappa with intervals, and BERTScore for open answers.

References: Abdullahi et al., "K-Paths", KDD 2025 (the measures); Cohen, "A coefficient of agreement for nominal
scales", 1960; Zhang et al., "BERTScore: evaluating text generation with BERT", ICLR 2020 (equations 1 and 2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.stats import Interval, bootstrap_interval

__all__ = ["AnswerScores", "BertScore", "bert_score", "score_answers"]


@dataclass(frozen=True, repr=False)
class AnswerScores:
    """Measures of predicted answers, each an estimate with a bootstrap interval.

    Attributes
    ----------
    accuracy, macro_f1, kappa : Interval
        An answer that could not be read counts as wrong in all three.
    f1 : mapping of str to float
        By label; labels that occur neither as gold nor as answer are left out, here and in the mean.
    confusion : int ndarray, shape (labels, labels + 1)
        Gold by answered label, in the order of `labels`; the last column counts unread answers.
    labels : tuple of str
    n, n_unparsed : int
        Answers, and those that could not be read.
    """

    accuracy: Interval
    macro_f1: Interval
    kappa: Interval
    f1: Mapping[str, float]
    confusion: np.ndarray
    labels: tuple[str, ...]
    n: int
    n_unparsed: int

    def __repr__(self) -> str:
        return (
            f"AnswerScores(n={self.n}, unparsed={self.n_unparsed}, accuracy={self.accuracy}, "
            f"macro_f1={self.macro_f1}, kappa={self.kappa})"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self) | {"confusion": self.confusion.tolist()}


def score_answers(
    gold: Sequence[str],
    predicted: Sequence[str | None],
    labels: Sequence[str],
    *,
    level: float = 0.95,
    n_resamples: int = 2000,
    rng: int = 0,
) -> AnswerScores:
    """Compare answers with gold labels.

    Parameters
    ----------
    gold : sequence of str
    predicted : sequence of str or None
        None where no answer could be read (see `hodology.planning.answers.parse_answer`).
    labels : sequence of str
        All labels.
    level : float
        Of the percentile bootstrap over answers.
    n_resamples : int
    rng : int

    Notes
    -----
    Macro-F1 is the mean over the labels that occur in gold or answers, as in scikit-learn; in a resample, over
    those that occur there. Kappa is 0 where it is undefined (a single label everywhere), as nothing is agreed on
    beyond chance.

    Raises
    ------
    InputError
        For no answers, unequal lengths, or a label twice.
    UnknownNameError
        For a gold or predicted label that is not among `labels`.
    """
    index = {label: i for i, label in enumerate(labels)}
    if isinstance(labels, str) or not index or len(index) != len(labels):
        raise InputError(f"labels must be texts that differ, at least one, got {labels!r}.")
    if len(gold) != len(predicted) or not len(gold):
        raise InputError(
            f"gold and predicted must have one length, at least 1, got {len(gold)} and {len(predicted)}."
        )
    n_labels = len(labels)
    codes = np.array([[_code(g, index), _code(p, index, none=n_labels)] for g, p in zip(gold, predicted)])
    measures = {
        "accuracy": lambda c: (c[..., 0] == c[..., 1]).mean(axis=-1),
        "macro_f1": lambda c: _macro_f1(*_counts(c, n_labels)),
        "kappa": lambda c: _kappa(*_counts(c, n_labels), c.shape[-2]),
    }
    found = {
        name: bootstrap_interval(codes, statistic=measure, level=level, n_resamples=n_resamples, rng=rng)
        for name, measure in measures.items()
    }
    confusion = np.zeros((n_labels, n_labels + 1), dtype=np.int64)
    np.add.at(confusion, (codes[:, 0], codes[:, 1]), 1)
    hits, of_gold, of_answers = _counts(codes, n_labels)
    there = np.flatnonzero(of_gold + of_answers).tolist()
    f1 = {labels[i]: float(2 * hits[i] / (of_gold[i] + of_answers[i])) for i in there}
    unparsed = int(confusion[:, -1].sum())
    return AnswerScores(
        found["accuracy"],
        found["macro_f1"],
        found["kappa"],
        f1,
        confusion,
        tuple(labels),
        len(gold),
        unparsed,
    )


@dataclass(frozen=True, repr=False)
class BertScore:
    """Likeness of texts by their tokens' embeddings.

    Attributes
    ----------
    precision, recall, f1 : float64 ndarray, shape (n,)
        By pair of texts; 0 where there is no answer.
    """

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray

    def __repr__(self) -> str:
        return f"BertScore(n={len(self.f1)})"

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {name: getattr(self, name).tolist() for name in ("precision", "recall", "f1")}


def bert_score(
    predicted: Sequence[str | None], gold: Sequence[str], *, embed: Callable[[str], np.ndarray]
) -> BertScore:
    """Greedy matching of contextual token embeddings, for open answers.

    No model is downloaded: the caller gives the embedding, for example the hidden states of an encoder's layer
    without those of its special tokens. Values of different embeddings cannot be compared.

    Parameters
    ----------
    predicted, gold : sequence of str
        Answers (None where there is none) and references.
    embed : callable
        From a text to ``(tokens, width)``. It is called once per distinct text.

    Notes
    -----
    With unit vectors x of the reference and y of the answer, recall is the mean over x of max_y x.y, precision
    the mean over y of max_x x.y. Tokens weigh alike (no idf), and nothing is rescaled.

    Raises
    ------
    InputError
        For unequal lengths, or an embedding of another shape, that is not finite, or without tokens.
    """
    if len(predicted) != len(gold):
        raise InputError(f"predicted and gold must have one length, got {len(predicted)} and {len(gold)}.")
    texts = dict.fromkeys([*gold, *(p for p in predicted if p is not None)])
    units = {text: _unit_tokens(text, embed) for text in texts}
    rows = [(0.0, 0.0) if p is None else _matched(units[p], units[g]) for p, g in zip(predicted, gold)]
    precision, recall = np.array(rows, dtype=np.float64).reshape(-1, 2).T
    total = precision + recall
    f1 = np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total != 0)
    return BertScore(precision, recall, f1)


def _code(label: str | None, index: Mapping[str, int], *, none: int | None = None) -> int:
    if label is None and none is not None:
        return none
    if label is None or label not in index:
        raise UnknownNameError(f"label {label!r} is not among labels{near_names(str(label), index)}.")
    return index[label]


def _counts(codes: np.ndarray, n_labels: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hits, gold and answers per label, ``(..., n_labels)``, for stacked resamples ``(..., n, 2)``."""
    codes = np.asarray(codes, dtype=np.int64)
    gold, answers = codes[..., 0], codes[..., 1]
    hits = np.where(gold == answers, gold, n_labels)
    rows = [_histogram(values, n_labels + 1)[..., :n_labels] for values in (hits, gold, answers)]
    return rows[0], rows[1], rows[2]


def _histogram(values: np.ndarray, size: int) -> np.ndarray:
    flat = values.reshape(-1, values.shape[-1])
    shifted = flat + size * np.arange(len(flat))[:, None]
    return np.bincount(shifted.ravel(), minlength=size * len(flat)).reshape(*values.shape[:-1], size)


def _macro_f1(hits: np.ndarray, gold: np.ndarray, answers: np.ndarray) -> np.ndarray:
    total = gold + answers
    f1 = np.divide(2.0 * hits, total, out=np.zeros(total.shape), where=total > 0)
    return f1.sum(axis=-1) / np.maximum((total > 0).sum(axis=-1), 1)


def _kappa(hits: np.ndarray, gold: np.ndarray, answers: np.ndarray, n: int) -> np.ndarray:
    agreed = hits.sum(axis=-1) / n
    chance = (gold.astype(np.float64) * answers).sum(axis=-1) / n**2
    defined = chance < 1
    return np.where(defined, (agreed - chance) / np.where(defined, 1 - chance, 1.0), 0.0)


def _unit_tokens(text: str, embed: Callable[[str], np.ndarray]) -> np.ndarray:
    tokens = np.asarray(embed(text), dtype=np.float64)
    if tokens.ndim != 2 or not len(tokens) or not np.isfinite(tokens).all():
        raise InputError(
            f"embed must give finite values of shape (tokens, width) with a token at least, got shape "
            f"{tokens.shape} for {text[:40]!r}."
        )
    norms = np.linalg.norm(tokens, axis=1, keepdims=True)
    return tokens / np.where(norms > 0, norms, 1.0)


def _matched(answer: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    if answer.shape[1] != reference.shape[1]:
        raise InputError(f"embed must give one width, got {answer.shape[1]} and {reference.shape[1]}.")
    likeness = answer @ reference.T
    return float(likeness.max(axis=1).mean()), float(likeness.max(axis=0).mean())
