"""Answers are read as they are meant or not at all; scores are those of scikit-learn, unread answers wrong."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, cohen_kappa_score, f1_score

from hodology.errors import InputError, UnknownNameError
from hodology.planning.answer_scores import bert_score, score_answers
from hodology.planning.answers import STOP_WORDS, answer_text, parse_answer

SEVERITY = ("major", "moderate", "minor")
INDICATION = ("disease-modifying", "palliates", "non-indication")
DRUGBANK = (
    "The serum concentration of #Drug2 can be decreased when it is combined with #Drug1.",
    "The serum concentration of #Drug2 can be increased when it is combined with #Drug1.",
    "#Drug1 may increase the anticoagulant activities of #Drug2.",
    "The metabolism of #Drug2 can be decreased when combined with #Drug1.",
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("##Answer: moderate", "moderate"),
        ("thinking: major? minor?\n##Answer: <Moderate>", "moderate"),
        ("**##Answer:** **Moderate**", "moderate"),
        ("## **Answer**: `moderate`.", "moderate"),
        ("### ANSWER : MODERATE\n", "moderate"),
        ("##Answer:\n\n  - moderate\n", "moderate"),
        ("##Answer: major\nOn reflection.\n##Answer: minor", "minor"),
        ("##Answer: minor\n##Answer: <...>", "minor"),
        ("##Answer: minor\n##Answer:", "minor"),
        ("##Answer: minor\n##Answer: unclear", None),
        ("The severity is moderate.", None),
        ("moderate", "moderate"),
        ("Final answer: moderate", "moderate"),
        ("**Answer:** The severity of this interaction is moderate.", "moderate"),
        ("##Answer: moderate, since major effects are rare", "moderate"),
        ("##Answer: moderate (not major)", "moderate"),
        ("##Answer: In short, moderate; major effects are rare", "moderate"),
        ("##Answer: moderate. It is moderate.", "moderate"),
        ("##Answer: major, moderate", None),
        ("##Answer: major or moderate", None),
        ("##Answer: major/moderate", None),
        ("##Answer: major <or> moderate", None),
        ("##Answer: not major", None),
        ("##Answer: not a major one", None),
        ("##Answer: the majority", None),
        ("##Answer: moderately", None),
        ("##Answer: 3", None),
        ("##Answer:", None),
        ("", None),
    ],
)
def test_severity_answers(text, expected):
    assert parse_answer(text, SEVERITY) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("##Answer: Disease Modifying", "disease-modifying"),
        ("##Answer: disease_modifying.", "disease-modifying"),
        ("##Answer: Non-indication", "non-indication"),
        ("##Answer: It is a non‑indication", "non-indication"),  # a hyphen that does not break
        ("##Answer: donepezil palliates Alzheimer's disease", "palliates"),
        ("##Answer: disease, modifying", "disease-modifying"),
        ("##Answer: indication", None),
        ("##Answer: palliative", None),
    ],
)
def test_indication_answers(text, expected):
    assert parse_answer(text, INDICATION) == expected
    assert (
        parse_answer("##Answer: DM", INDICATION, aliases={"dm": "disease-modifying"}) == "disease-modifying"
    )


def test_a_label_inside_a_longer_one_does_not_count():
    labels = ("indication", "non-indication", "strong indication")
    assert parse_answer("##Answer: clearly a non-indication here", labels) == "non-indication"
    assert parse_answer("##Answer: clearly a strong indication here", labels) == "strong indication"
    assert parse_answer("##Answer: clearly an indication here", labels) == "indication"
    assert parse_answer("##Answer: an indication, no: a non-indication", labels) is None


def test_sentences_are_matched_without_stop_words():
    for label in DRUGBANK:
        assert parse_answer(f"##Answer: {label}", DRUGBANK) == label
        short = " ".join(word for word in label.split() if word.lower() not in STOP_WORDS)
        assert short != label
        assert parse_answer(f"##Answer: {short}", DRUGBANK) == label
    assert parse_answer("##Answer: The serum concentration of #Drug2 changes", DRUGBANK) is None


def test_stop_words_are_words_of_their_own():
    assert {"and", "by"} <= STOP_WORDS  # with a comma missing they would be the one word "andby"
    assert all(word.isalpha() and len(word) <= 5 for word in STOP_WORDS)
    assert not STOP_WORDS & {"not", "no", "non", "increase", "decrease", "without"}
    assert parse_answer("##Answer: raised and by x", ("raised x", "y")) == "raised x"


def test_open_answers():
    assert answer_text("##Answer: **QT prolongation** is possible") == "QT prolongation is possible"
    assert answer_text("##Answer: <levels of A_1 rise>") == "levels of A_1 rise"
    assert answer_text("##Answer: <your answer>") is None
    assert answer_text("no answer") is None


@given(st.text(max_size=60), st.sampled_from(SEVERITY))
def test_whatever_stands_before_the_answer_it_is_read(before, label):
    assert parse_answer(f"{before}\n##Answer: {label}", SEVERITY) == label


def test_labels_that_cannot_be_told_apart_are_refused():
    with pytest.raises(InputError, match="labels 'a rise' and 'Rise!' are the same"):
        parse_answer("x", ("a rise", "Rise!"))
    with pytest.raises(InputError, match="label 'by the' has no words besides stop words"):
        parse_answer("x", ("by the", "y"))
    assert parse_answer("##Answer: by the", ("by the", "y"), stop_words=()) == "by the"
    with pytest.raises(InputError, match="labels must be at least one text, got 'major'"):
        parse_answer("x", "major")
    with pytest.raises(UnknownNameError, match="alias 'DM' stands for 'disease'; close names: 'disease-mod"):
        parse_answer("x", INDICATION, aliases={"DM": "disease"})


# ------------------------------------------------------------------------------------------------------ scores


def _answers(seed, n=60, unread=0.1, labels=SEVERITY):
    rng = np.random.default_rng(seed)
    gold = rng.choice(labels, n)
    found = np.where(rng.random(n) < 0.5, gold, rng.choice(labels, n))
    return gold.tolist(), [None if rng.random() < unread else str(p) for p in found]


@pytest.mark.parametrize("seed", range(5))
def test_scores_are_those_of_sklearn(seed):
    gold, found = _answers(seed)
    scores = score_answers(gold, found, SEVERITY, n_resamples=50)
    written = [p or "unread" for p in found]
    assert scores.accuracy.estimate == pytest.approx(accuracy_score(gold, written))
    expected = f1_score(gold, written, average="macro", labels=list(SEVERITY))
    assert scores.macro_f1.estimate == pytest.approx(expected)
    assert scores.kappa.estimate == pytest.approx(cohen_kappa_score(gold, written))
    assert scores.n_unparsed == found.count(None) > 0
    assert scores.confusion.sum() == scores.n == 60
    assert scores.confusion[:, -1].sum() == scores.n_unparsed
    each = f1_score(gold, written, average=None, labels=list(SEVERITY))
    assert list(scores.f1.values()) == pytest.approx(each.tolist())
    assert f"unparsed={scores.n_unparsed}" in repr(scores)


def test_intervals_are_those_of_resampled_answers():
    gold, found = _answers(3, n=40)
    scores = score_answers(gold, found, SEVERITY, n_resamples=400, rng=5)
    from hodology.rng import stream

    picks = stream(5, "bootstrap").integers(0, 40, (400, 40))
    written = np.array([p or "unread" for p in found])
    drawn = [
        f1_score(
            np.array(gold)[rows],
            written[rows],
            average="macro",
            labels=sorted({*np.array(gold)[rows], *found} - {None}),
        )
        for rows in picks
    ]
    assert (scores.macro_f1.low, scores.macro_f1.high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]))
    assert scores.kappa.low < scores.kappa.estimate < scores.kappa.high
    assert score_answers(gold, found, SEVERITY, n_resamples=400, rng=5).to_dict() == scores.to_dict()


def test_labels_that_do_not_occur_and_single_labels():
    scores = score_answers(["major", "minor"], ["major", "minor"], SEVERITY, n_resamples=20)
    assert scores.macro_f1.estimate == 1.0
    assert set(scores.f1) == {"major", "minor"}
    same = score_answers(["major"] * 3, ["major"] * 3, SEVERITY, n_resamples=20)
    assert same.kappa.estimate == 0.0
    unread = score_answers(["major"] * 3, [None] * 3, SEVERITY, n_resamples=20)
    assert (unread.accuracy.estimate, unread.macro_f1.estimate, unread.kappa.estimate) == (0.0, 0.0, 0.0)
    assert unread.n_unparsed == 3


def test_bad_answers_are_refused():
    with pytest.raises(InputError, match="must have one length, at least 1, got 1 and 2"):
        score_answers(["major"], ["major", None], SEVERITY)
    with pytest.raises(InputError, match="at least 1, got 0 and 0"):
        score_answers([], [], SEVERITY)
    with pytest.raises(UnknownNameError, match="label 'majr' is not among labels; close names: 'major'"):
        score_answers(["majr"], [None], SEVERITY)
    with pytest.raises(UnknownNameError, match="label None is not among labels"):
        score_answers([None], [None], SEVERITY)
    with pytest.raises(InputError, match="labels must be texts that differ"):
        score_answers(["a"], ["a"], ["a", "a"])


def test_bert_score_by_hand():
    vectors = {"x": [[1.0, 0.0]], "y": [[0.0, 2.0]], "xy": [[3.0, 0.0], [0.0, 1.0]], "d": [[1.0, 1.0]]}
    calls = []

    def embed(text):
        calls.append(text)
        return np.array(vectors[text])

    found = bert_score(["x", "y", "xy", "d", None], ["x", "x", "x", "xy", "x"], embed=embed)
    half = 0.5**0.5
    assert found.precision == pytest.approx([1.0, 0.0, 0.5, half, 0.0])
    assert found.recall == pytest.approx([1.0, 0.0, 1.0, half, 0.0])
    assert found.f1 == pytest.approx([1.0, 0.0, 2 / 3, half, 0.0])
    assert sorted(calls) == ["d", "x", "xy", "y"]
    with pytest.raises(InputError, match=r"shape \(tokens, width\) .*, got shape \(2,\) for 'x'"):
        bert_score(["x"], ["x"], embed=lambda text: np.ones(2))
    with pytest.raises(InputError, match="embed must give one width, got 2 and 1"):
        bert_score(["xx"], ["x"], embed=lambda text: np.ones((1, len(text))))
    with pytest.raises(InputError, match="must have one length, got 1 and 0"):
        bert_score(["x"], [], embed=embed)
