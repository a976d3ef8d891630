"""The page of a comparison in a browser: what is painted, marked, chosen, drawn and said, by pointer and by keys."""

from __future__ import annotations

import numpy as np
import pytest
from compare_views import areas_view, big_view, pair_view, self_view, tiny_view

from hodology.report import write_compare_report

pytestmark = pytest.mark.browser

# Colours of points of a canvas, in pixels of the page.
PIXELS = """([id, points]) => {
  const canvas = document.getElementById(id), dots = canvas.width / canvas.clientWidth;
  const pen = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
  pen.drawImage(canvas, 0, 0);
  const { data, width } = pen.getImageData(0, 0, canvas.width, canvas.height);
  const place = ([x, y]) => 4 * (Math.floor(y * dots) * width + Math.floor(x * dots));
  return points.map(place).map((at) => [...data.slice(at, at + 3)]);
}"""


@pytest.fixture
def open_view(open_page, tmp_path):
    """Write the page of a view and open it."""

    def open_view(view, **window):
        return open_page(write_compare_report(view, tmp_path / "page"), **window)

    return open_view


@pytest.fixture
def page(open_view):
    return open_view(tiny_view())


def spot(page, row, column, *, aside=(0.5, 0.5)):
    left, top, width, height = (
        float(part) for part in page.locator("#heat").get_attribute("data-box").split()
    )
    return {"x": left + (column + aside[0]) * width, "y": top + (row + aside[1]) * height}


def colour(page, row, column, *, aside=(0.16, 0.8)):
    """The colour of a cell, beside its words and marks."""
    at = spot(page, row, column, aside=aside)
    return page.evaluate(PIXELS, ["heat", [[at["x"], at["y"]]]])[0]


def sides(page):
    return page.locator("#detail .side strong").all_inner_texts()


def terms(page):
    texts = (page.locator(f"#detail {tag}").all_inner_texts() for tag in ("dt", "dd"))
    return dict(zip(*texts, strict=True))


def said(page):
    return page.locator("#said").inner_text()


def drawn_rows(page):
    return {
        int(n) for n in page.locator("#profile [data-row]").evaluate_all("ns => ns.map(n => n.dataset.row)")
    }


def test_the_most_similar_pair_is_chosen_first_and_told(page):
    assert sides(page) == ["V1", "conv2"]
    assert terms(page) == {
        "rsa-spearman": "0.620",
        "interval": "0.550 to 0.700",
        "p, corrected": "0.00100",
        "in its row": "1 of 3",
    }
    assert "Within that interval too: conv3." in page.locator("#detail").inner_text()
    assert "120 units" in page.locator("#detail").inner_text()


def test_colours_are_those_of_the_values_and_of_their_signs(open_view):
    page = open_view(self_view())
    page.locator("#heat").hover(position=spot(page, 0, 0))
    near, middle, far = (colour(page, 0, column) for column in (2, 3, 5))
    assert sum(near) < sum(middle) < sum(far)  # darker is more similar, in light
    page = open_view(tiny_view())
    red, _, blue = colour(page, 0, 0)
    assert blue > red  # 0.30
    red, _, blue = colour(page, 1, 1)
    assert red > blue  # -0.20
    red, green, blue = colour(page, 1, 0, aside=(0.2, 0.3))
    assert max(red, green, blue) - min(red, green, blue) < 16  # no value, no hue


def test_equal_values_have_equal_colours_and_the_span_can_be_stretched(open_view):
    page = open_view(self_view())
    assert colour(page, 2, 4) == colour(page, 4, 2) == colour(page, 3, 1)
    assert page.locator("#heat-legend .low").inner_text() == "0"
    before = colour(page, 0, 5)
    page.locator("#range").select_option("span")
    assert page.locator("#heat-legend .low").inner_text() == "0.25"
    assert page.locator("#heat-legend .high").inner_text() == "0.85"
    assert sum(colour(page, 0, 5)) > sum(before)  # the lowest is now the palest


def test_the_pointer_looks_and_a_click_chooses(page):
    page.locator("#heat").hover(position=spot(page, 1, 2))
    assert sides(page) == ["IT", "conv3"]
    page.mouse.move(2, 2)
    assert sides(page) == ["V1", "conv2"]
    page.locator("#heat").click(position=spot(page, 1, 0))
    page.mouse.move(2, 2)
    assert sides(page) == ["IT", "conv1"]
    assert terms(page) == {"rsa-spearman": "no value"}
    assert page.locator("#row").input_value() == "1"
    assert page.locator("#rdm-row").input_value() == "1"
    assert page.locator("#rdm-column").input_value() == "0"


def test_keys_move_between_pairs_stop_at_the_ends_and_are_said(page):
    page.locator("#heat").focus()
    page.keyboard.press("ArrowRight")
    assert sides(page) == ["V1", "conv3"]
    assert said(page) == (
        "V1 and conv3: 0.580, interval 0.500 to 0.660, corrected p 0.00200, within the interval of the best"
    )
    page.keyboard.press("ArrowRight")
    assert sides(page) == ["V1", "conv3"]
    page.keyboard.press("ArrowDown")
    assert said(page) == "IT and conv3: 0.450, corrected p 0.0100, best of its row"
    page.keyboard.press("Home")
    assert said(page) == "IT and conv1: –"
    page.keyboard.press("Enter")
    assert sides(page) == ["IT", "conv3"]


def test_the_profile_of_the_chosen_row_has_a_band_and_a_ring_at_its_best(page):
    assert drawn_rows(page) == {0, 1}
    assert page.locator("#profile .main").get_attribute("data-row") == "0"
    assert page.locator("#profile .band").count() == 1
    ring = page.locator("#profile .ring").evaluate("n => [n.cx.baseVal.value, n.cy.baseVal.value]")
    points = page.locator("#profile .main .point").evaluate_all(
        "ns => ns.map(n => [n.cx.baseVal.value, n.cy.baseVal.value])"
    )
    assert ring == points[1]
    heights = [y for _, y in points]
    assert heights[1] < heights[2] < heights[0]
    assert page.locator("#profile-said").inner_text() == "conv2 V1 0.620 (0.550 to 0.700) · IT −0.200"


def test_a_line_does_not_jump_over_a_hole(open_view):
    view = tiny_view()
    view["matrix"]["values"] = [[0.3, None, 0.5], [0.1, 0.2, 0.3]]
    page = open_view(view)
    first = page.locator("#profile [data-row='0'] .curve").get_attribute("d")
    assert first.count("M") == 2
    assert "L" not in first
    assert page.locator("#profile [data-row='1'] .curve").get_attribute("d").count("L") == 2


def test_the_axis_of_profiles_follows_the_scale(open_view):
    page = open_view(self_view())
    texts = page.locator("#profile text[text-anchor='end']")
    assert texts.first.text_content() == "0"
    low = page.locator("#profile .main .point").last.evaluate("n => n.cy.baseVal.value")
    page.locator("#range").select_option("span")
    assert "0" not in texts.all_text_contents()
    assert page.locator("#profile .main .point").last.evaluate("n => n.cy.baseVal.value") > low


def test_rows_are_drawn_and_taken_away(open_view):
    page = open_view(areas_view())
    assert drawn_rows(page) == set(range(6))
    page.get_by_role("checkbox", name="VISal").uncheck()
    assert drawn_rows(page) == {0, 1, 3, 4, 5}
    page.get_by_role("button", name="None").click()
    assert drawn_rows(page) == {0}  # the chosen one stays
    page.get_by_role("combobox", name="Row", exact=True).select_option("VISrl")
    assert drawn_rows(page) == {5}
    assert sides(page)[0] == "VISrl"
    page.get_by_role("button", name="All").click()
    assert drawn_rows(page) == set(range(6))


def test_the_profile_answers_to_keys_and_clicks(open_view):
    page = open_view(areas_view())
    page.locator("#profile").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    assert sides(page) == ["VISl", "features.10"]
    assert said(page).startswith("VISl and features.10: ")
    page.locator("#profile svg").click(position={"x": 52, "y": 30})
    page.mouse.move(2, 2)
    assert sides(page) == ["VISl", "features.0"]


def test_both_matrices_tell_the_same_pair_of_stimuli(page):
    page.locator("#heat").click(position=spot(page, 1, 1))
    page.locator("#rdm-row-map").hover(position={"x": 300, "y": 10})  # house, face
    assert (
        page.locator("#rdm-said").inner_text()
        == "face and house IT: 4.00, rank 33 % · conv2: 1.00, rank 33 %"
    )
    page.locator("#rdm-column-map").focus()
    page.keyboard.press("ArrowDown")
    assert (
        page.locator("#rdm-said").inner_text()
        == "hand and house IT: 8.00, rank 67 % · conv2: 2.00, rank 67 %"
    )
    page.keyboard.press("ArrowDown")
    assert page.locator("#rdm-said").inner_text() == "house with itself IT: 0 · conv2: 0"


def test_ranks_share_ties_and_values_have_their_own_scale(open_view):
    view = tiny_view()
    tied = np.ones((4, 4)) - np.eye(4)
    tied[0, 1] = tied[1, 0] = 9.0
    view["sets"][0]["representations"][0]["rdm"] = tied.tolist()
    page = open_view(view)
    page.locator("#rdm-row-map").hover(position={"x": 450, "y": 10})
    assert "V1: 1.00, rank 50 %" in page.locator("#rdm-said").inner_text()  # five tied: (1 + 5) / 2 of 6
    pale = page.evaluate(PIXELS, ["rdm-row-map", [[250, 130]]])[0]
    page.locator("#rdm-kind").select_option("values")
    assert page.locator("#rdm-row-scale").inner_text().split("\n")[0].startswith("similar, 1.00")
    assert sum(page.evaluate(PIXELS, ["rdm-row-map", [[250, 130]]])[0]) > sum(pale)  # the lowest value


def test_a_representation_without_a_matrix_says_so(page):
    page.locator("#rdm-column").select_option("2")
    assert sides(page) == ["V1", "conv3"]
    assert page.locator("#rdm-column-none").is_visible()
    assert not page.locator("#rdm-column-map").is_visible()
    page.locator("#rdm-row-map").hover(position={"x": 300, "y": 10})
    assert page.locator("#rdm-said").inner_text() == "face and house V1: 2.00, rank 33 %"
    page.locator("#rdm-column").select_option("0")
    assert page.locator("#rdm-column-map").is_visible()


def test_an_entry_of_a_smaller_matrix_is_a_block_of_stimuli(open_view):
    page = open_view(big_view(8))
    page.locator("#rdm-row-map").hover(position={"x": 1, "y": 12})
    assert page.locator("#rdm-said").inner_text().startswith("face 6 to face 12 and face 0 to face 5 ")


def test_stimuli_of_the_pair_are_named_in_both_planes(open_view):
    page = open_view(areas_view())
    page.locator("#rdm-row-map").hover(position={"x": 100, "y": 20})
    for side in ("row", "column"):
        assert sorted(page.locator(f"#rdm-{side}-places text").all_text_contents()) == ["face 11", "face 2"]
        assert page.locator(f"#rdm-{side}-places .dot").count() == 48


def test_points_of_the_plane_keep_their_distances_and_choose(page):
    at = page.locator("#plane .spot .touch").evaluate_all(
        "ns => ns.map(n => [n.cx.baseVal.value, n.cy.baseVal.value])"
    )
    wanted = np.array([[p["x"], -p["y"]] for p in tiny_view()["embedding"]["points"]])
    found = np.array(at)
    scale = np.ptp(found[:, 0]) / np.ptp(wanted[:, 0])
    np.testing.assert_allclose(found - found[0], (wanted - wanted[0]) * scale, atol=0.3)
    page.locator("#plane .spot").nth(1).click()  # IT
    page.locator("#plane").focus()
    for key in ("ArrowLeft", "Enter"):  # from IT, on which the pointer still is, back to V1
        page.keyboard.press(key)
    assert sides(page)[0] == "V1"
    for key in ("ArrowRight", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    assert sides(page) == ["V1", "conv1"]


def test_names_of_the_plane_do_not_overlap_and_the_rest_is_counted(open_view):
    page = open_view(big_view(40))
    boxes = page.locator("#plane text:not(.chosen)").evaluate_all(
        "ns => ns.map(n => n.getBoundingClientRect()).map(b => [b.left, b.top, b.right, b.bottom])"
    )
    for i, a in enumerate(boxes):
        for b in boxes[:i]:
            assert min(a[2], b[2]) - max(a[0], b[0]) < 2 or min(a[3], b[3]) - max(a[1], b[1]) < 4
    named = page.locator("#plane text").count()
    assert page.locator("#plane-note").inner_text().startswith(f"{80 - named} names found no room")


def test_one_pair_is_a_page_too(open_view):
    page = open_view(pair_view())
    assert sides(page) == ["left", "right"]
    assert terms(page) == {"rsa-spearman": "0.500", "in its row": "1 of 1"}
    assert page.locator("#profile .point").count() == 1
    assert page.locator("#profile .band").count() == 0
    page.locator("#heat").focus()
    for key in ("ArrowDown", "ArrowRight", "End", "Enter"):
        page.keyboard.press(key)
    assert said(page) == "left and right: 0.500, best of its row"


def test_a_set_alone_has_no_match_on_the_diagonal_and_no_point_there(open_view):
    page = open_view(self_view())
    assert sides(page) == ["layer 0", "layer 1"]
    assert page.locator("#profile .main .point").count() == 5
    assert page.get_by_text("with itself", exact=True).is_visible()
    page.locator("#heat").focus()
    page.keyboard.press("Home")
    assert "in its row" not in terms(page)


def test_pages_without_any_value_can_be_opened(open_view):
    view = tiny_view()
    view["matrix"] |= {"values": [[None] * 3] * 2, "low": None, "high": None, "p": None}
    page = open_view(view)
    assert "V1 has no value with any column." in page.locator("#detail").inner_text()
    assert page.locator("#profile .ring").count() == 0


def test_tab_reaches_every_control_once_in_reading_order(page):
    order = []
    for _ in range(20):
        page.keyboard.press("Tab")
        name = page.evaluate("document.activeElement.id || document.activeElement.tagName")
        order.append(name.lower())
    wanted = ["range", "heat", "detail", "row", "profile", "rows-all", "rows-none"]
    wanted += ["rdm-kind", "rdm-row", "rdm-row-map", "rdm-column", "rdm-column-map", "plane"]
    assert [name for name in order if name in wanted] == wanted
