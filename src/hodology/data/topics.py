"""Generated sentences about one concept each, from a grammar whose every probability is known.

A sentence is a row of pairs, a function word and then a word of the sentence's concept: "the lion near a
goat". `make_topics` draws from separate concepts; `make_nested_topics` from concepts that belong to
super-concepts (working days and weekend to the week), whose concepts share words and function words.
Everything is drawn uniformly, so that what a perfect language model would predict, the entropy and the
grammatical next words follow exactly (`TopicGrammar`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from hodology.data.dataset import Dataset, Item
from hodology.data.topic_grammar import TopicGrammar
from hodology.errors import InputError
from hodology.files import hash_json
from hodology.rng import stream

__all__ = [
    "TopicCorpus",
    "TopicsDataset",
    "load_topics_split",
    "make_nested_topics",
    "make_topics",
]

_FUNCTION = "the a near with under this behind some beside every above each inside any around no"
_CONCEPTS = """
animals: lion horse rabbit tiger wolf goat camel otter
colours: red blue green yellow purple pink black white
tools: hammer saw drill wrench chisel pliers axe shovel
fruits: apple pear plum cherry grape peach melon fig
vehicles: car bus lorry tram taxi van bicycle tractor
clothing: shirt coat hat scarf glove sock jacket skirt
weather: rain snow fog wind storm hail frost cloud
instruments: violin flute drum piano guitar trumpet harp cello
vegetables: carrot onion potato cabbage leek turnip pea bean
birds: owl robin eagle crow swan heron gull sparrow
trees: oak pine birch maple cedar willow elm ash
metals: iron copper silver gold tin lead zinc nickel
furniture: chair table sofa desk shelf stool bench wardrobe
limbs: arm leg nose ear knee elbow finger shoulder
relatives: mother father sister brother uncle aunt cousin nephew
jobs: baker nurse farmer pilot lawyer miner tailor judge
sports: tennis football rugby hockey golf boxing rowing archery
drinks: tea coffee milk juice wine beer water cider
rooms: kitchen cellar attic bedroom hall pantry study garage
countries: france spain kenya peru japan india norway chile
gems: ruby diamond emerald sapphire opal pearl amber jade
insects: ant bee wasp moth beetle fly cricket locust
shapes: circle square triangle cube sphere cone oval spiral
feelings: joy fear anger pride hope grief envy shame
"""
# super-concept (its own function words; words that all its concepts share), then its concepts
_NESTED = """
week (on until before; day date calendar week)
working days: monday tuesday wednesday thursday friday weekday
weekend: saturday sunday brunch picnic outing rest
feast days: easter christmas ramadan passover diwali carnival
clock (during since after; time hour duration interval)
short times: second minute moment instant blink jiffy
long times: year decade century era epoch millennium
times of day: dawn morning noon evening dusk midnight
family (for against without; relative name home household)
parents: mother father parent stepmother stepfather guardian
children: son daughter child twin toddler baby
wider kin: uncle aunt cousin nephew niece grandfather
food (of from into; meal plate taste recipe)
fruit: apple pear plum cherry grape peach
vegetables: carrot onion potato cabbage leek turnip
drinks: tea coffee milk juice wine cider
travel (by towards across; journey ticket route passenger)
road vehicles: car bus lorry bicycle tram taxi
ships: boat ferry canoe yacht raft barge
aircraft: plane glider helicopter balloon rocket airship
music (to over through; melody concert note tune)
strings: violin cello guitar harp lute banjo
winds: flute oboe trumpet clarinet bassoon tuba
percussion: drum gong cymbal tambourine bongo timpani
"""
_TRAIN, _TEST = 12_000, 1_000  # sentences of the embedded corpora


@dataclass(frozen=True, eq=False, repr=False)
class TopicCorpus:
    """Sentences of a grammar, with the concept of each.

    Attributes
    ----------
    grammar : TopicGrammar
    sentences : list of str
        Words separated by single spaces.
    labels : int64 ndarray, shape (sentences,)
        Index of the concept.
    """

    grammar: TopicGrammar
    sentences: list[str]
    labels: np.ndarray

    def __repr__(self) -> str:
        return (
            f"TopicCorpus({len(self)} sentences, {len(self.concepts)} concepts, {len(self.vocabulary)} words)"
        )

    def __len__(self) -> int:
        return len(self.sentences)

    @property
    def concepts(self) -> tuple[str, ...]:
        """Names of the concepts."""
        return self.grammar.concepts

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """All words of the grammar, function words first."""
        return self.grammar.vocabulary

    @property
    def super_labels(self) -> np.ndarray:
        """Index of the super-concept of each sentence, int64; the label when the concepts are separate."""
        return self.grammar.super_of[self.labels]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of sentences, labels and grammar."""
        grammar = vars(self.grammar)
        names = ("concepts", "words", "function_words", "supers", "super_of", "pairs")
        return hash_json([self.sentences, self.labels, [grammar[name] for name in names]])

    def split(self, *, n_test: int) -> tuple[TopicCorpus, TopicCorpus]:
        """Split into the first sentences (for training) and the last `n_test` ones (for testing)."""
        if not 1 <= n_test < len(self):
            raise InputError(f"n_test must be 1 to {len(self) - 1}, got {n_test}.")
        cut = len(self) - n_test
        return (
            TopicCorpus(self.grammar, self.sentences[:cut], self.labels[:cut]),
            TopicCorpus(self.grammar, self.sentences[cut:], self.labels[cut:]),
        )


class TopicsDataset(Dataset):
    """One part of an embedded corpus as a data set of texts.

    Parameters
    ----------
    part : {"test", "train"}
        1,000 or 12,000 sentences.
    seed : int
        Seed of the sentences.
    nested : bool
        Concepts within super-concepts (see `make_nested_topics`).
    """

    kind = "text"

    def __init__(
        self, *, part: Literal["train", "test"] = "test", seed: int = 0, nested: bool = False
    ) -> None:
        if part not in ("train", "test"):
            raise InputError(f"part must be 'train' or 'test', got {part!r}.")
        train, test = load_topics_split(seed=seed, nested=nested)
        self.corpus = test if part == "test" else train
        self.part = part
        self.prefix = "topics-nested" if nested else "topics"
        self.name = f"{self.prefix} ({part})"
        self.class_names = self.corpus.concepts

    def __len__(self) -> int:
        return len(self.corpus)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of sentences, labels and grammar."""
        return self.corpus.fingerprint

    def items(self, start: int, stop: int) -> list[Item]:
        """Items start .. stop - 1."""
        corpus = self.corpus
        return [
            Item(f"{self.prefix}/{self.part}/{i:05d}", corpus.sentences[i], int(corpus.labels[i]))
            for i in range(start, min(stop, len(self)))
        ]

    def labels(self) -> list[int | None]:
        """Concept of every item."""
        return [int(label) for label in self.corpus.labels]


def load_topics_split(*, seed: int = 0, nested: bool = False) -> tuple[TopicCorpus, TopicCorpus]:
    """Return the embedded corpus for training (12,000 sentences) and for testing (1,000).

    Parameters
    ----------
    seed : int
        Seed of the sentences.
    nested : bool
        Four super-concepts of three concepts each instead of eight separate concepts.
    """
    make = make_nested_topics if nested else make_topics
    return make(_TRAIN + _TEST, seed=seed).split(n_test=_TEST)


def make_topics(
    n_sentences: int,
    *,
    n_concepts: int = 8,
    words_per_concept: int = 8,
    n_function_words: int = 6,
    pairs: tuple[int, int] = (4, 8),
    seed: int = 0,
) -> TopicCorpus:
    """Draw sentences about separate concepts.

    Parameters
    ----------
    n_sentences : int
        Any `n_concepts` of them in a row that begin at a multiple of it hold every concept once. A larger
        number keeps the sentences of a smaller one and adds to them.
    n_concepts, words_per_concept : int
        The first 24 concepts (animals, colours, tools, ...) have real names and 8 real words; what goes
        beyond is called ``c24`` and ``c24w0``.
    n_function_words : int
        All concepts use the same; beyond 16 they are called ``f16``.
    pairs : (int, int)
        Least and greatest number of pairs of function word and concept word.
    seed : int

    Returns
    -------
    TopicCorpus

    Raises
    ------
    InputError
        For a number that is too small.

    Examples
    --------
    >>> corpus = make_topics(16, seed=0)
    >>> corpus.concepts[:3]
    ('animals', 'colours', 'tools')
    >>> round(corpus.grammar.entropy_rate, 4)
    2.0705
    """
    _check_counts(
        n_concepts=n_concepts, words_per_concept=words_per_concept, n_function_words=n_function_words
    )
    named = [line.split(": ") for line in _CONCEPTS.strip().splitlines()]
    concepts = [name for name, _ in named] + [f"c{i}" for i in range(len(named), n_concepts)]
    real = [text.split() for _, text in named]
    words = [
        _extended(real[i] if i < len(real) else [], words_per_concept, f"c{i}w") for i in range(n_concepts)
    ]
    function = _extended(_FUNCTION.split(), n_function_words, "f")
    return _draw(
        TopicGrammar(
            tuple(concepts[:n_concepts]),
            tuple(words),
            (function,) * n_concepts,
            (),
            np.arange(n_concepts),
            _checked_pairs(pairs),
        ),
        n_sentences,
        seed,
    )


def make_nested_topics(
    n_sentences: int,
    *,
    n_supers: int = 4,
    concepts_per_super: int = 3,
    own_words: int = 6,
    shared_words: int = 2,
    n_function_words: int = 4,
    super_function_words: int = 3,
    pairs: tuple[int, int] = (4, 8),
    seed: int = 0,
) -> TopicCorpus:
    """Draw sentences about concepts that belong to super-concepts.

    A sentence has one concept. Concepts of one super-concept share `shared_words` of their words and
    `super_function_words` of their function words, so that predicting the next word asks for both levels.

    Parameters
    ----------
    n_sentences : int
        As in `make_topics`.
    n_supers, concepts_per_super : int
        The first six super-concepts (week, clock, family, food, travel, music) have real names and three real
        concepts; what goes beyond is called ``s6`` and ``s6c0``.
    own_words, shared_words : int
        Words that only the concept has (6 real ones), and words of all concepts of the super-concept (4 real
        ones); beyond they are called ``s0c0w6`` and ``s0w4``.
    n_function_words, super_function_words : int
        Function words that all sentences use, and those of one super-concept (3 real ones, then ``s0f3``).
    pairs : (int, int)
        Least and greatest number of pairs of function word and concept word.
    seed : int

    Raises
    ------
    InputError
        For a number that is too small, or when nothing is shared within a super-concept.
    """
    _check_counts(
        n_supers=n_supers,
        concepts_per_super=concepts_per_super,
        own_words=own_words,
        n_function_words=n_function_words,
    )
    if min(shared_words, super_function_words) < 0 or shared_words + super_function_words == 0:
        raise InputError(
            "shared_words and super_function_words must be at least 0 and not both 0 (nothing would join a "
            f"super-concept's concepts), got {shared_words} and {super_function_words}."
        )
    general = _extended(_FUNCTION.split(), n_function_words, "f")
    supers, concepts, words, function = [], [], [], []
    for index in range(n_supers):
        name, links, shared, inside = _super_concept(index)
        supers.append(name)
        common = _extended(shared, shared_words, f"s{index}w")
        for j in range(concepts_per_super):
            concept, own = inside[j] if j < len(inside) else (f"s{index}c{j}", [])
            concepts.append(concept)
            words.append(_extended(own, own_words, f"s{index}c{j}w") + common)
            function.append(general + _extended(links, super_function_words, f"s{index}f"))
    above = np.repeat(np.arange(n_supers), concepts_per_super)
    grammar = TopicGrammar(
        tuple(concepts), tuple(words), tuple(function), tuple(supers), above, _checked_pairs(pairs)
    )
    return _draw(grammar, n_sentences, seed)


def _draw(grammar: TopicGrammar, n_sentences: int, seed: int) -> TopicCorpus:
    _check_counts(n_sentences=n_sentences)
    n_concepts, (low, high) = len(grammar.concepts), grammar.pairs
    blocks = np.tile(np.arange(n_concepts), (-(-n_sentences // n_concepts), 1))
    labels = stream(seed, "topics", "labels").permuted(blocks, axis=1).reshape(-1)[:n_sentences]
    lengths = stream(seed, "topics", "lengths").integers(low, high + 1, size=n_sentences)
    shape = (n_sentences, high)
    function = stream(seed, "topics", "function").integers(len(grammar.function_words[0]), size=shape)
    words = stream(seed, "topics", "words").integers(len(grammar.words[0]), size=shape)
    pairs = np.stack(
        [
            np.array(grammar.function_words)[labels[:, None], function],
            np.array(grammar.words)[labels[:, None], words],
        ],
        axis=2,
    )
    rows = pairs.reshape(n_sentences, -1).tolist()
    sentences = [" ".join(row[: 2 * length]) for row, length in zip(rows, lengths, strict=True)]
    return TopicCorpus(grammar, sentences, labels)


def _super_concept(index: int) -> tuple[str, list[str], list[str], list[tuple[str, list[str]]]]:
    """Name, own function words, shared words and concepts of a super-concept, as far as the table goes."""
    lines = _NESTED.strip().splitlines()
    heads = [number for number, line in enumerate(lines) if line.endswith(")")]
    if index >= len(heads):
        return f"s{index}", [], [], []
    name, _, rest = lines[heads[index]].rstrip(")").partition(" (")
    links, shared = rest.split("; ")
    inside = [line.split(": ") for line in lines[heads[index] + 1 : [*heads, len(lines)][index + 1]]]
    return name, links.split(), shared.split(), [(concept, words.split()) for concept, words in inside]


def _extended(real: list[str], count: int, stem: str) -> tuple[str, ...]:
    """The first `count` real words, then numbered forms."""
    return (*real[:count], *(f"{stem}{i}" for i in range(len(real), count)))


def _check_counts(**counts: int) -> None:
    for name, value in counts.items():
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
            raise InputError(f"{name} must be an integer of at least 1, got {value!r}.")


def _checked_pairs(pairs: tuple[int, int]) -> tuple[int, int]:
    whole = isinstance(pairs, (tuple, list)) and all(isinstance(value, (int, np.integer)) for value in pairs)
    if not whole or len(pairs) != 2 or not 1 <= pairs[0] <= pairs[1]:
        raise InputError(
            f"pairs must be (least, greatest), integers with 1 <= least <= greatest, got {pairs!r}."
        )
    return int(pairs[0]), int(pairs[1])
