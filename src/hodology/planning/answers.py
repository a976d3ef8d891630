"""Read the answer out of a model's text.

The answer stands behind the last ``##Answer:``. It is compared with the labels word by word, after case,
markup, punctuation and stop words are gone, so that "**Disease Modifying**." is "disease-modifying".

Reference: Abdullahi et al., "K-Paths: reasoning over graph paths for drug repurposing and drug interaction
prediction", KDD 2025 (exact match after the removal of stop words; the rules for several labels are ours).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence

from hodology.errors import InputError, UnknownNameError, near_names

__all__ = ["STOP_WORDS", "answer_text", "parse_answer"]

STOP_WORDS = frozenset(
    (
        "a", "an", "and", "are", "as", "at", "be", "been", "being", "by", "can", "could", "for", "from", "has",
        "have", "in", "is", "it", "its", "may", "might", "of", "on", "or", "that", "the", "their", "this", "to",
        "was", "were", "when", "which", "will", "with", "would",
    )
)  # fmt: skip
"""Words that no comparison counts. Negations and directions are not among them."""

_MARK = re.compile(r"#+[ \t]*[*_`]*[ \t]*answer[*_`]*[ \t]*[:：][*_`]*", re.IGNORECASE)
_LOOSE_MARK = re.compile(
    r"^[\W_]*(?:final[ \t]+)?answer[*_`]*[ \t]*[:：][*_`]*", re.IGNORECASE | re.MULTILINE
)
_PLACEHOLDER = re.compile(r"<(?:\.*|…|(?:your |the )?answer|one of the options.*)>", re.IGNORECASE)
_CLAUSE = re.compile(r"[.,;:()—–\n]|\s-\s")
_NEGATIONS = frozenset(("not", "no", "non", "never", "neither", "nor", "isn", "cannot", "without"))

_Words = tuple[str, ...]
_Spans = list[tuple[int, int, str]]  # begin, end, label


def parse_answer(
    text: str,
    labels: Sequence[str],
    *,
    aliases: Mapping[str, str] | None = None,
    stop_words: Collection[str] = STOP_WORDS,
) -> str | None:
    """The label that a model's text ends in, or None.

    Parameters
    ----------
    text : str
        With ``##Answer: ...`` near its end (see `answer_text` for what else is understood).
    labels : sequence of str
    aliases : mapping of str to str, optional
        Other words for labels, such as ``{"DM": "disease-modifying"}``.
    stop_words : collection of str
        Words that do not count, each a word of its own.

    Returns
    -------
    str or None
        None when there is no answer, none of the labels is in it, several are, or it is negated: a guess would
        flatter the model.

    Notes
    -----
    1. An answer that is a label and nothing else is that label.
    2. Else labels are looked for as whole runs of words ("majority" is not "major"); a label inside a longer
       one that is there ("indication" in "non-indication") does not count.
    3. One label found is the answer, unless a negation stands directly before it. Of several, the one in the first
       clause that has any, if it is alone there and no later clause is a bare label ("moderate, since major
       effects are rare" is moderate; "major, moderate" is None).

    Raises
    ------
    InputError
        When labels or aliases become the same, or nothing, without stop words.
    UnknownNameError
        When an alias stands for no label.

    Examples
    --------
    >>> labels = ("major", "moderate", "minor")
    >>> parse_answer("Both bind CYP3A4.\\n**##Answer:** <Moderate>", labels)
    'moderate'
    >>> parse_answer("##Answer: major or moderate", labels) is None
    True
    """
    known = _known(labels, aliases or {}, frozenset(word.casefold() for word in stop_words))
    skip = frozenset(word.casefold() for word in stop_words)
    answer = answer_text(text)
    if answer is None:
        return known.get(_words(text, skip))
    words = _words(answer, skip)
    if words in known:
        return known[words]
    spans = _spans(words, known)
    if len({label for _, _, label in spans}) > 1:
        return _of_several(answer, known, skip)
    return _unnegated(spans, words)


def answer_text(text: str) -> str | None:
    """What stands behind the last ``##Answer:``, for open questions; None when there is nothing.

    Case, one ``#`` or more, and bold or code marks around the word do not matter. Without any ``##Answer:``, a
    line that begins with "Answer:" or "Final answer:" counts. The answer is the rest of the line, or the next
    line with words; angle brackets and markup around it are taken off. The empty form ``<...>`` is no answer.

    Parameters
    ----------
    text : str

    Examples
    --------
    >>> answer_text("##Answer: <...>\\n ... \\n## answer: `QT prolongation`.")
    'QT prolongation.'
    """
    marks = list(_MARK.finditer(text)) or list(_LOOSE_MARK.finditer(text))
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    for mark, end in zip(reversed(marks), reversed(ends)):
        for line in text[mark.end() : end].splitlines():
            if _PLACEHOLDER.fullmatch(line.strip(" \t*_`")):
                break
            bare = re.sub(r"[*_`]{1,3}(?=\W|$)|(?<!\w)[*_`]{1,3}|^[\s<\"']+|[\s>\"']+$", "", line.strip())
            if re.search(r"\w", bare):
                return bare.strip("<> \t\"'")
    return None


def _known(labels: Sequence[str], aliases: Mapping[str, str], skip: frozenset[str]) -> dict[_Words, str]:
    """Labels by their words."""
    if isinstance(labels, str) or not labels:
        raise InputError(f"labels must be at least one text, got {labels!r}.")
    found: dict[_Words, str] = {}
    for written, label in [*((label, label) for label in labels), *aliases.items()]:
        if label not in labels:
            raise UnknownNameError(f"alias {written!r} stands for {label!r}{near_names(label, labels)}.")
        words = _words(written, skip)
        if not words:
            raise InputError(f"label {written!r} has no words besides stop words; pass other stop_words.")
        if found.get(words, label) != label or (words in found and written in labels):
            raise InputError(
                f"labels {found[words]!r} and {written!r} are the same without case, punctuation and stop words."
            )
        found[words] = label
    return found


def _words(text: str, skip: frozenset[str]) -> _Words:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return tuple(word for word in re.findall(r"[^\W_]+", folded) if word not in skip)


def _spans(words: _Words, known: Mapping[_Words, str]) -> _Spans:
    """Where labels stand; those inside another's longer span are left out."""
    found = [
        (begin, begin + len(label_words), label)
        for label_words, label in known.items()
        for begin in range(len(words) - len(label_words) + 1)
        if words[begin : begin + len(label_words)] == label_words
    ]
    return [s for s in found if not any(o[0] <= s[0] and s[1] <= o[1] and o[:2] != s[:2] for o in found)]


def _unnegated(spans: _Spans, words: _Words) -> str | None:
    plain = {label for begin, _, label in spans if not (begin and words[begin - 1] in _NEGATIONS)}
    denied = len({label for _, _, label in spans}) != len(plain)
    return next(iter(plain)) if len(plain) == 1 and not denied else None


def _of_several(answer: str, known: Mapping[_Words, str], skip: frozenset[str]) -> str | None:
    clauses = [_words(clause, skip) for clause in _CLAUSE.split(answer)]
    for index, words in enumerate(clauses):
        spans = _spans(words, known)
        if spans:
            bare = any(later in known and known[later] != spans[0][2] for later in clauses[index + 1 :])
            return None if bare else _unnegated(spans, words)
    return None
