"""Verdicts follow from the t interval over seeds alone, and a study keeps no claim that it cannot judge."""

from __future__ import annotations

import json

import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given
from hypothesis import strategies as st

from hodology.errors import InputError
from hodology.study import Paper, Study, judge
from hodology.study.claims import overall_state

PAPER = Paper(1, "toy", "Toy", "Nobody, 2000", "interpret", "Is it a toy?")
NUMBERS = st.floats(-1e3, 1e3)
VALUES = st.lists(NUMBERS, min_size=1, max_size=6)
SIDES = st.sampled_from(["holds_above", "holds_below"])
OTHER = {"holds_above": "holds_below", "holds_below": "holds_above"}


@pytest.mark.parametrize(
    ("threshold", "above", "below"),
    [
        (-5.0, "holds", "does not hold"),
        (-0.49, "holds", "does not hold"),
        (-0.48, "undecided", "undecided"),
        (2.0, "undecided", "undecided"),
        (4.48, "undecided", "undecided"),
        (4.49, "does not hold", "holds"),
        (9.0, "does not hold", "holds"),
    ],
)
def test_the_verdict_is_the_side_of_the_whole_interval(threshold, above, below):
    values = [1.0, 2.0, 3.0]
    found = judge("It is so.", values, paper="p", holds_above=threshold)
    expected = scipy.stats.t.interval(0.95, 2, loc=2.0, scale=1 / np.sqrt(3))  # -0.484 to 4.484
    assert found.interval == pytest.approx(expected, rel=1e-12)
    assert found.measured == 2.0
    assert found.verdict == above
    assert judge("It is so.", values, paper="p", holds_below=threshold).verdict == below


@given(VALUES.filter(lambda v: len(v) > 1 and np.std(v) > 1e-3), NUMBERS, SIDES)
def test_the_verdict_is_the_one_of_scipys_interval(values, threshold, side):
    low, high = scipy.stats.t.interval(0.95, len(values) - 1, np.mean(values), scipy.stats.sem(values))
    assume(min(abs(low - threshold), abs(high - threshold)) > 1e-6)
    right, wrong = low > threshold, high < threshold
    if side == "holds_below":
        right, wrong = wrong, right
    expected = "holds" if right else "does not hold" if wrong else "undecided"
    assert judge("c", values, paper="p", **{side: threshold}).verdict == expected


@given(VALUES, NUMBERS, SIDES)
def test_a_claim_and_its_mirror_image_have_one_verdict(values, threshold, side):
    claim = judge("c", values, paper="p", **{side: threshold})
    mirror = judge("c", [-v for v in values], paper="p", **{OTHER[side]: -threshold})
    assert mirror.verdict == claim.verdict
    assert mirror.measured == -claim.measured


@given(VALUES, NUMBERS, SIDES, st.integers(-20, 20))
def test_the_unit_of_measurement_does_not_change_a_verdict(values, threshold, side, power):
    assume(all(v == 0 or abs(v) > 1e-100 for v in (threshold, *values)))
    scale = 2.0**power  # exact, so that a threshold on the edge of the interval stays there
    claim = judge("c", values, paper="p", **{side: threshold})
    scaled = judge("c", [scale * v for v in values], paper="p", **{side: scale * threshold})
    assert scaled.verdict == claim.verdict


@given(VALUES.filter(lambda v: len(v) > 1), NUMBERS)
def test_no_claim_holds_on_both_sides(values, threshold):
    sides = {side: judge("c", values, paper="p", **{side: threshold}).verdict for side in OTHER}
    both = (sides["holds_above"], sides["holds_below"])
    assert both in {("holds", "does not hold"), ("does not hold", "holds"), ("undecided", "undecided")}


@pytest.mark.parametrize("side", ["holds_above", "holds_below"])
def test_equal_seeds_decide_unless_they_lie_on_the_threshold(side):
    verdicts = [judge("c", [0.5] * 3, paper="p", **{side: t}).verdict for t in (0.25, 0.5, 0.75)]
    expected = ["holds", "undecided", "does not hold"]
    assert verdicts == (expected if side == "holds_above" else expected[::-1])


@pytest.mark.parametrize("side", ["holds_above", "holds_below"])
def test_one_seed_decides_nothing(side):
    found = judge("c", [7.0], paper="p", **{side: 0.0})
    assert found.verdict == "undecided"
    assert found.interval is None
    assert found.measured == 7.0


@pytest.mark.parametrize("sides", [{}, {"holds_above": 0.0, "holds_below": 1.0}])
def test_a_claim_has_exactly_one_threshold(sides):
    with pytest.raises(InputError, match="claim 'So it is' needs exactly one of holds_above and holds_below"):
        judge("So it is", [1.0, 2.0], paper="p", **sides)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0, float("nan")], "must be finite, got nan"),
        ([float("inf"), 1.0], "must be finite, got inf"),
        ([], "at least one number"),
    ],
)
def test_what_was_not_measured_is_not_judged(values, message):
    with pytest.raises(InputError, match=message):
        judge("c", values, paper="p", holds_above=0.0)


def test_a_claim_keeps_what_its_verdict_can_be_computed_from_again():
    values = np.array([1, 2, 4], dtype=np.float32)
    found = judge("c", values, paper="p", unit="%", holds_below=np.float32(9.5), note="n").to_dict()
    assert json.loads(json.dumps(found, allow_nan=False)) == {
        "claim": "c",
        "paper": "p",
        "measured": pytest.approx(7 / 3),
        "interval": pytest.approx(scipy.stats.t.interval(0.95, 2, np.mean(values), scipy.stats.sem(values))),
        "per_seed": [1.0, 2.0, 4.0],
        "unit": "%",
        "rule": "below 9.5",
        "threshold": 9.5,
        "verdict": "holds",
        "note": "n",
    }


@pytest.mark.parametrize(
    ("verdicts", "state"),
    [
        (["holds"], "holds"),
        (["holds", "holds"], "holds"),
        (["holds", "undecided"], "partly"),
        (["does not hold", "holds"], "partly"),
        (["undecided", "undecided"], "does not hold"),
        (["does not hold"], "does not hold"),
        ([], "does not hold"),
    ],
)
def test_a_study_holds_only_when_all_its_claims_do(verdicts, state):
    assert overall_state(verdicts) == state


def test_a_study_judges_one_value_per_seed():
    study = Study(PAPER, "quick", (0, 1, 2))
    with pytest.raises(InputError, match=r"claim 'c' needs one value per seed \(3\), got 2"):
        study.claim("c", paper="p", measured=[1.0, 2.0], holds_above=0.0)
    assert study.claims == []
    kept = study.claim("c", paper="p", measured=[1.0, 2.0, 3.0], holds_below=0.0, unit="u", note="n")
    assert kept == judge("c", [1.0, 2.0, 3.0], paper="p", holds_below=0.0, unit="u", note="n")
    assert study.claims == [kept]


def test_a_study_without_a_store_measures_nothing():
    study = Study(PAPER, "quick", (0,))
    with pytest.raises(InputError, match="needs a store for its units"):
        study.measure("json:dumps")


def test_tables_and_notes_are_kept_in_order():
    study = Study(PAPER, "quick", (0,))
    rows = [(1, "a"), (2, "b")]
    study.table("First", ("number", "letter"), rows)
    study.table("Second", [], [])
    rows.clear()
    study.note("One.")
    study.note("Two.")
    assert study.tables == [
        {"title": "First", "columns": ["number", "letter"], "rows": [[1, "a"], [2, "b"]]},
        {"title": "Second", "columns": [], "rows": []},
    ]
    assert study.notes == ["One.", "Two."]


def test_units_of_different_runs_have_different_places():
    runs = [
        Study(PAPER, "quick", (0, 1)),
        Study(PAPER, "standard", (0, 1)),
        Study(PAPER, "quick", (0, 1), data="folder"),
        Study(Paper(2, "other", "Toy", "Nobody, 2000", "interpret", "?"), "quick", (0, 1)),
    ]
    assert len({run.key for run in runs}) == len(runs)
    assert Study(PAPER, "quick", (0, 1, 2)).key == runs[0].key  # more seeds go on from those that are there
