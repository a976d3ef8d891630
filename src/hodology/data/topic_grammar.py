"""The grammar of the generated topic sentences: what may follow, with which probability, and the entropy."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hodology.errors import InputError, UnknownNameError, near_names

__all__ = ["TopicGrammar"]


@dataclass(frozen=True, eq=False, repr=False)
class TopicGrammar:
    """The language that the sentences come from.

    Attributes
    ----------
    concepts : tuple of str
    words : tuple of tuple of str
        Each concept's words, all concepts having the same number.
    function_words : tuple of tuple of str
        The function words that each concept's sentences use, all concepts having the same number.
    supers : tuple of str
        Super-concepts; empty when the concepts are separate.
    super_of : int64 ndarray, shape (concepts,)
        Index into `supers` of each concept; its own index when the concepts are separate.
    pairs : (int, int)
        Least and greatest number of pairs in a sentence.

    Raises
    ------
    InputError
        When concepts differ in their number of words.

    Notes
    -----
    A sentence of concept c has L pairs with probability ``1 / (pairs[1] - pairs[0] + 1)``, then L times a
    function word of c with ``1 / F`` and a word of c with ``1 / K``.
    """

    concepts: tuple[str, ...]
    words: tuple[tuple[str, ...], ...]
    function_words: tuple[tuple[str, ...], ...]
    supers: tuple[str, ...]
    super_of: np.ndarray
    pairs: tuple[int, int]

    def __post_init__(self) -> None:
        sizes = {(len(f), len(w)) for f, w in zip(self.function_words, self.words, strict=True)}
        if len(sizes) != 1 or len(self.words) != len(self.concepts):
            raise InputError(
                f"all {len(self.concepts)} concepts must have the same number of function words and of words, got "
                f"{sorted(sizes)} for {len(self.words)}."
            )

    def __repr__(self) -> str:
        return f"TopicGrammar({len(self.concepts)} concepts, {len(self.supers)} supers, {len(self.vocabulary)} words)"

    @cached_property
    def vocabulary(self) -> tuple[str, ...]:
        """All words, function words first."""
        return tuple(dict.fromkeys(word for part in (*self.function_words, *self.words) for word in part))

    @property
    def tree(self) -> dict[str, tuple[str, ...]]:
        """The concepts of each super-concept; empty when the concepts are separate."""
        return {
            name: tuple(c for c, s in zip(self.concepts, self.super_of, strict=True) if s == index)
            for index, name in enumerate(self.supers)
        }

    @property
    def mean_tokens(self) -> float:
        """Expected number of tokens of a sentence, its end included."""
        return float(sum(self.pairs)) + 1.0

    @cached_property
    def entropy(self) -> float:
        """Entropy of a sentence, nats: what no language model's mean loss can fall below.

        Notes
        -----
        ``H = log n_L + log C + E[L] (log F + log K) - H(C | sentence)``, with n_L possible numbers of pairs
        and C concepts. The last term is 0 when no word is shared; else the concepts that a sentence leaves
        possible are intersected pair by pair, and the posterior over those left is uniform.
        """
        low, high = self.pairs
        known = np.log(high - low + 1) + np.log(len(self.concepts))
        drawn = np.log(len(self.function_words[0])) + np.log(len(self.words[0]))
        return float(known + (low + high) / 2 * drawn - self._concept_entropy())

    @property
    def entropy_rate(self) -> float:
        """Entropy per token (words and the end of each sentence), nats."""
        return self.entropy / self.mean_tokens

    def grammatical_next(self, prefix: str, *, concept: int | None = None) -> np.ndarray:
        """Which words may follow the beginning of a sentence.

        Parameters
        ----------
        prefix : str
            The words so far, separated by spaces; empty at the beginning.
        concept : int, optional
            Count only this concept's words; by default those of any concept, so that a sentence may change
            its subject but not its grammar.

        Returns
        -------
        bool ndarray, shape (words + 1,)
            Over `vocabulary`; the last entry is the end of the sentence.

        Raises
        ------
        InputError
            When `prefix` is no beginning of a sentence, or `concept` does not exist.
        """
        if concept is not None and not 0 <= concept < len(self.concepts):
            raise InputError(f"concept must be 0 to {len(self.concepts) - 1}, got {concept}.")
        tokens = self._parsed(prefix)
        support = self._supports[len(tokens) % 2]
        allowed = support.any(axis=0) if concept is None else support[concept]
        ends = self._end_probability(len(tokens))
        return np.append(allowed & (ends < 1.0), ends > 0.0)

    def next_probabilities(self, prefix: str) -> np.ndarray:
        """Probability of every next word, by Bayes' rule over the concepts that `prefix` leaves possible.

        Parameters
        ----------
        prefix : str
            The words so far, of one concept.

        Returns
        -------
        float64 ndarray, shape (words + 1,)
            Over `vocabulary`; the last entry is the end of the sentence. Sums to 1.

        Raises
        ------
        InputError
            When no concept allows `prefix`.
        """
        tokens = self._parsed(prefix)
        possible = self._possible(tokens)
        if not possible.any():
            raise InputError(f"the words of {prefix!r} belong to no single concept.")
        support = self._supports[len(tokens) % 2]
        ends = self._end_probability(len(tokens))
        words = support[possible].mean(axis=0) / support[0].sum()
        return np.append(words * (1.0 - ends), ends)

    def log_probability(self, sentences: Sequence[str]) -> np.ndarray:
        """Log probability of whole sentences, nats, shape ``(sentences,)``; minus infinity for impossible ones.

        Raises
        ------
        InputError
            For what is not a row of function word and concept word in turn.
        """
        low, high = self.pairs
        drawn = np.log(self._supports[0][0].sum()) + np.log(self._supports[1][0].sum())
        values = np.full(len(sentences), -np.inf)
        for index, sentence in enumerate(sentences):
            tokens = self._parsed(sentence)
            share = self._possible(tokens).mean()
            if share and len(tokens) % 2 == 0 and low <= len(tokens) // 2:
                values[index] = np.log(share / (high - low + 1)) - len(tokens) // 2 * drawn
        return values

    @cached_property
    def _index(self) -> dict[str, int]:
        return {word: index for index, word in enumerate(self.vocabulary)}

    @cached_property
    def _supports(self) -> tuple[np.ndarray, np.ndarray]:
        """Which function words and which words each concept may draw, bool, (concepts, words)."""
        tables = []
        for parts in (self.function_words, self.words):
            table = np.zeros((len(self.concepts), len(self.vocabulary)), dtype=bool)
            for row, part in zip(table, parts, strict=True):
                row[[self._index[word] for word in part]] = True
            tables.append(table)
        return tables[0], tables[1]

    def _parsed(self, prefix: str) -> list[int]:
        """Indices of the words, after checking that they alternate and are not too many."""
        words = prefix.split()
        if len(words) > 2 * self.pairs[1]:
            raise InputError(f"a sentence has at most {2 * self.pairs[1]} words, got {len(words)}.")
        tokens = []
        for place, word in enumerate(words):
            if word not in self._index:
                raise UnknownNameError(
                    f"word {word!r} is not in the vocabulary{near_names(word, self.vocabulary)}."
                )
            tokens.append(self._index[word])
            if not self._supports[place % 2][:, tokens[-1]].any():
                wanted = "concept" if place % 2 else "function"
                raise InputError(f"word {place + 1} of {prefix!r} must be a {wanted} word, got {word!r}.")
        return tokens

    def _possible(self, tokens: Sequence[int]) -> np.ndarray:
        """Which concepts may have given all of `tokens`, bool, (concepts,)."""
        possible = np.ones(len(self.concepts), dtype=bool)
        for place, token in enumerate(tokens):
            possible &= self._supports[place % 2][:, token]
        return possible

    def _end_probability(self, n_words: int) -> float:
        """Probability that a sentence ends after `n_words`, having come so far."""
        low, high = self.pairs
        if n_words % 2 or n_words // 2 < low:
            return 0.0
        return 1.0 / (high - n_words // 2 + 1)

    def _concept_entropy(self) -> float:
        """Expected entropy of the concept given the whole sentence, nats."""
        low, high = self.pairs
        everything = frozenset(range(len(self.concepts)))
        left_by: dict[int, list[Counter[frozenset[int]]]] = {}
        for place, table in enumerate(self._supports):
            columns = [frozenset(np.flatnonzero(column).tolist()) for column in table.T]
            left_by[place] = [Counter(columns[word] for word in np.flatnonzero(row)) for row in table]
        total = 0.0
        for concept in everything:
            left = {everything: 1.0}
            for pair in range(1, high + 1):
                for place in (0, 1):
                    left = _intersected(left, left_by[place][concept])
                if pair >= low:
                    total += sum(p * np.log(len(some)) for some, p in left.items())
        return float(total / len(everything) / (high - low + 1))


def _intersected(
    left: dict[frozenset[int], float], drawn: Counter[frozenset[int]]
) -> dict[frozenset[int], float]:
    """Distribution of the concepts left possible after one more word."""
    total = drawn.total()
    after: defaultdict[frozenset[int], float] = defaultdict(float)
    for some, p in left.items():
        for allowed, count in drawn.items():
            after[some & allowed] += p * count / total
    return dict(after)
