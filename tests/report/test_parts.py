"""The parts of the pages in closed form: figures as text, values in scripts, bars, drawings of claims, pictures."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hodology.errors import InputError
from hodology.report import encode_png, png_data_uri
from hodology.report.bars import bar_panels
from hodology.report.claim_drawing import claim_drawing
from hodology.report.render import asset, number, percent, render, script_value, signed

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
COLUMN = {"key": "x", "label": "X", "percent": False, "better": "higher"}
CLAIM = {"measured": 0.5, "interval": None, "per_seed": [0.0, 1.0], "rule": "above 0.5", "threshold": 0.5}


def interval(estimate, low=None, high=None):
    return {"estimate": estimate, "low": low, "high": high, "n": 7}


def panel(*cells, **column):
    rows = [{"label": f"m{index}", "x": cell} for index, cell in enumerate(cells)]
    (found,) = bar_panels({"columns": [COLUMN | column], "rows": rows})
    return found


def pixels_of(uri):
    image = pytest.importorskip("PIL.Image", reason="needs Pillow, of the hf extra")
    kind, _, data = uri.partition(",")
    assert kind == "data:image/png;base64"
    return np.asarray(image.open(io.BytesIO(base64.b64decode(data, validate=True))))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *(
            (0, "0"),
            (0.0, "0"),
            (-0.0, "0"),
            (1, "1.00"),
            (12.94, "12.9"),
            (-0.3164, "−0.316"),
            (0.001, "0.00100"),
        ),
        *((100, "100"), (1240, "1,240"), (999_999, "999,999"), (1e6, "1.0e+06"), (-2.14e-5, "−2.1e-05")),
        *((None, "–"), (float("nan"), "–"), (float("-inf"), "–"), (np.float32(0.5), "0.500")),
    ],
)
def test_numbers_have_three_figures_and_a_true_minus(value, text):
    assert number(value) == text


@pytest.mark.parametrize(("value", "text"), [(9.996, "10.0"), (0.9996, "1.00"), (99.96, "100")])
def test_numbers_that_round_up_have_three_figures_too(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "share", "change"),
    [
        *((0.979, "97.9 %", "+97.9 %"), (-0.129, "−12.9 %", "−12.9 %"), (0.0, "0.0 %", "0.0 %")),
        *((1e-5, "0.0 %", "0.0 %"), (-1e-5, "0.0 %", "0.0 %"), (12.0, "1200.0 %", "+1200.0 %")),
        *((None, "–", "–"), (float("nan"), "–", "–"), (float("inf"), "–", "–")),
    ],
)
def test_shares_have_no_sign_and_changes_do_unless_they_round_to_nothing(value, share, change):
    assert percent(value) == share
    assert signed(value) == change


@pytest.mark.parametrize(("digits", "text"), [(0, "0 %"), (2, "0.00 %")])
def test_a_change_that_rounds_to_nothing_has_no_sign_with_any_digits(digits, text):
    assert signed(1e-5, digits=digits) == text


@given(JSON)
def test_a_value_survives_the_way_into_a_script_and_cannot_end_it(value):
    text = script_value(value)
    assert json.loads(text) == value
    assert not set("<>&\u2028\u2029") & set(text)


def test_values_of_arrays_reach_a_script_and_what_is_not_finite_becomes_null():
    value = {1: np.array([1.0, np.nan]), "b": (np.int64(3), np.float32(np.inf)), "c": True}
    assert script_value(value) == '{"1":[1.0,null],"b":[3,null],"c":true}'


def test_styles_and_scripts_are_joined_in_order_and_end_in_one_newline():
    both = asset("base.css", "trace.css")
    assert both == asset("base.css") + asset("trace.css")
    assert both.endswith("}\n")


def test_templates_escape_what_they_are_given():
    text = render("atlas.html", style="", script="", wings={}, wing_names={}, states={"<b>": 1})
    assert "&lt;b&gt;" in text
    assert "<b>" not in text


def test_a_panel_of_bars_spans_the_values_and_zero():
    found = panel(interval(0.5, 0.0, 1.0), interval(0.25), label="Score", unit="bits")
    assert (found["label"], found["unit"], found["better"]) == ("Score", "bits", "higher is better")
    first, second = found["bars"]
    assert found["zero"] == first["left"] == second["left"] == 1.0
    assert (first["width"], first["low"], first["high"]) == (49.0, 1.0, 99.0)
    assert (first["value"], first["interval"], first["n"]) == ("0.500", "0 to 1.00", 7)
    assert (second["width"], second["low"], second["high"], second["interval"]) == (24.5, None, None, None)


def test_bars_of_losses_end_at_zero_on_the_right():
    found = panel(interval(-0.3, -0.4, -0.1), percent=True, better="lower")
    (bar,) = found["bars"]
    assert (found["zero"], bar["left"], bar["width"], bar["low"], bar["high"]) == (
        99.0,
        25.5,
        73.5,
        1.0,
        74.5,
    )
    assert (bar["value"], bar["interval"]) == ("−30.0 %", "−40.0 % to −10.0 %")


@pytest.mark.parametrize(("share", "text"), [(True, "30.0 %"), (False, "+30.0 %")])
def test_changes_in_percent_carry_their_sign_and_shares_do_not(share, text):
    assert panel(interval(0.3), percent=True, share=share)["bars"][0]["value"] == text


@pytest.mark.parametrize("cell", [None, interval(None), interval(float("nan")), {}])
def test_a_method_without_a_figure_has_a_dash_and_no_bar(cell):
    bar = panel(cell, interval(1.0))["bars"][0]
    assert bar["value"] == "–"
    assert all(bar[key] is None for key in ("left", "width", "low", "high", "interval"))


def test_a_panel_of_zeros_and_unknowns_is_still_a_panel():
    found = panel(interval(0.0), None, better="sideways")
    assert (found["zero"], found["better"], found["bars"][0]["width"]) == (1.0, "", 0.0)


@given(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3).map(sorted))
def test_bars_and_whiskers_stay_inside_the_chart_in_their_order(values):
    low, estimate, high = values
    found = panel(interval(estimate, low, high))
    (bar,) = found["bars"]
    assert 1.0 <= bar["low"] <= bar["high"] <= 99.0
    ends = (bar["left"], bar["left"] + bar["width"])
    assert found["zero"] == pytest.approx(ends[0] if estimate >= 0 else ends[1], abs=0.02)
    assert bar["left"] + bar["width"] <= 99.02


def test_a_claim_is_drawn_to_scale():
    found = claim_drawing(CLAIM | {"interval": (0.25, 0.75)})
    assert found["threshold"] == found["mean"] == 180.0  # the middle of 360
    assert found["seeds"] == [(28.1, 21), (331.9, 27)]  # 16 + 328 * 0.04 / 1.08, and its mirror image
    assert found["interval"] == (104.1, 255.9)
    assert found["zone"] == (180.0, 180.0)
    assert found["labels"] == [(180.0, "middle", "0.500", "threshold"), (28.1, "start", "0", "end")] + [
        (331.9, "end", "1.00", "end")
    ]
    assert found["summary"] == "mean 0.500; interval 0.250 to 0.750; seeds 0, 1.00; must be above 0.5"


@pytest.mark.parametrize(
    ("rule", "exact", "side", "zone"),
    [
        ("below 0.5", None, "below", (0.0, 180.0)),
        ("above 0.2", 0.5, "above", (180.0, 180.0)),  # the words are rounded, the number is not
        ("above 5e-1", None, "above", (180.0, 180.0)),
        ("about the same", 0.5, None, None),
    ],
)
def test_the_side_of_a_claim_follows_from_its_rule(rule, exact, side, zone):
    found = claim_drawing(CLAIM | {"rule": rule, "threshold": exact})
    assert (found["side"], found["zone"]) == (side, zone)
    assert found["threshold"] == (None if side is None else 180.0)


def test_a_minus_in_a_rule_may_be_a_hyphen_or_a_true_minus():
    rules = [CLAIM | {"rule": f"above {sign}2", "threshold": None} for sign in "-\u2212"]
    assert claim_drawing(rules[0])["threshold"] == claim_drawing(rules[1])["threshold"] == 28.1


def test_a_threshold_far_off_stays_in_the_drawing_and_labels_do_not_collide():
    found = claim_drawing(CLAIM | {"threshold": 1000.0})
    assert (found["threshold"], [text for *_, text, _ in found["labels"]]) == (331.9, ["1,000", "0"])


@pytest.mark.parametrize("measured", [None, float("nan")])
def test_what_was_not_measured_is_not_drawn(measured):
    assert claim_drawing(CLAIM | {"measured": measured, "per_seed": [float("inf")]}) is None


def test_equal_values_are_drawn_without_a_division_by_zero():
    assert claim_drawing(CLAIM | {"per_seed": [0.5]})["seeds"] == [(28.1, 21)]
    assert claim_drawing(CLAIM | {"measured": 0.0, "per_seed": [0.0], "threshold": 0.0})["mean"] == 28.1


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (5, 3, 3), (1, 7, 3)])
def test_a_picture_holds_exactly_the_pixels_it_was_given(shape):
    array = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    np.testing.assert_array_equal(pixels_of(png_data_uri(array)), array)
    np.testing.assert_array_equal(pixels_of(png_data_uri(array[::-1])), array[::-1])  # not contiguous
    assert base64.b64decode(png_data_uri(array).split(",")[1]) == encode_png(array)


def test_enlarging_repeats_pixels():
    array = np.arange(6, dtype=np.uint8).reshape(2, 3)
    np.testing.assert_array_equal(pixels_of(png_data_uri(array, size=9)), array.repeat(3, 0).repeat(3, 1))


def test_reducing_takes_the_mean_of_the_area():
    array = np.array([[0, 30, 90]], dtype=np.uint8)
    np.testing.assert_array_equal(pixels_of(png_data_uri(array, size=2)), [[10, 70]])  # pixels of 1.5
    blocks = np.random.default_rng(2).integers(0, 256, (8, 4, 3), dtype=np.uint8)
    expected = np.rint(blocks.reshape(4, 2, 2, 2, 3).astype(float).mean((1, 3)))
    np.testing.assert_array_equal(pixels_of(png_data_uri(blocks, size=4)), expected)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 60), st.integers(0, 255))
def test_a_plain_picture_stays_plain_at_every_size(height, width, size, grey):
    found = pixels_of(png_data_uri(np.full((height, width), grey, dtype=np.uint8), size=size))
    assert max(found.shape) == size
    assert (found == grey).all()


@pytest.mark.parametrize("size", [0, -1, 4097, 2.0, True, "3"])
def test_a_size_out_of_range_is_refused(size):
    with pytest.raises(InputError, match=rf"^size must be an integer from 1 to 4096, got {size!r}\.$"):
        png_data_uri(np.zeros((2, 2), dtype=np.uint8), size=size)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((0, 3), dtype=np.uint8), r"^array must hold pixels, got shape \(0, 3\)\.$"),
        (np.zeros((2, 2)), r"must be uint8 \(h, w\) or \(h, w, 3\), got float64 \(2, 2\)\.$"),
        (np.zeros((2, 2, 4), dtype=np.uint8), r"got uint8 \(2, 2, 4\)\.$"),
        (np.zeros(4, dtype=np.uint8), r"got uint8 \(4,\)\.$"),
    ],
)
@pytest.mark.parametrize("size", [None, 2])
def test_what_is_no_picture_is_refused_with_its_shape(array, message, size):
    with pytest.raises(InputError, match=message):
        png_data_uri(array, size=size)
