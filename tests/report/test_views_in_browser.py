"""The trace page of other views: texts, two units a layer, one class, many inputs; its bars and its tables."""

from __future__ import annotations

import pytest

from hodology.report import write_trace_report
from hodology.report.render import number

pytestmark = pytest.mark.browser

# Of every bar the places of its whisker's three lines, and the end of the bar that is not at zero.
BARS = """bars => bars.map(bar => {
  const left = (node) => node.getBoundingClientRect().left, zero = left(bar.querySelector(".zero"));
  const box = bar.querySelector(".bar")?.getBoundingClientRect();
  const end = box && (Math.abs(box.left - zero) > Math.abs(box.right - zero) ? box.left : box.right);
  return [[...bar.querySelectorAll(".whisker")].map(left), end];
})"""


@pytest.fixture
def open_view(open_page, tmp_path):
    """Write the report of a view and open it."""

    def open_view(view, **window):
        return open_page(write_trace_report(view, tmp_path / "view"), **window)

    return open_view


def value(page, term):
    return page.locator("#detail dt", has_text=term).locator("+ dd").inner_text()


def rows(page, place):
    return page.locator(f"{place} tr").evaluate_all(
        "rows => rows.map(row => [...row.cells].map(c => c.innerText))"
    )


def test_texts_are_shown_as_texts(open_view, make_view):
    page = open_view(make_view(kind="text"))
    texts = [f"The 0 sat on the mat, {rank} times." for rank in range(3)]
    assert page.locator("#strip [role=option]").all_inner_texts() == texts
    assert page.locator("img").count() == 0
    page.get_by_role("option", name=texts[1]).press("Enter")
    assert page.locator("#detail .passage").inner_text() == texts[1]
    assert page.locator("#detail h3").inner_text() == "animals/test/0001"


def test_two_units_a_layer_make_two_lines_and_one_path_in_words(open_view, make_view):
    page = open_view(make_view(top_k=2))
    assert page.locator("#diagram .routes path").count() == 6
    page.locator("#strip [role=option]").nth(2).press("Enter")
    assert page.locator("#diagram path.own:not(.more)").count() == 1
    assert page.locator("#diagram path.own.more").count() == 1
    marked = page.locator("#diagram g.own").evaluate_all(
        "nodes => nodes.map(n => +n.dataset.unit).sort((a, b) => a - b)"
    )
    assert marked == [0, 1, 3, 12, 13, 15, 22, 23]
    assert value(page, "Path") == "0+12 → 1+13 → 23+22 → 3+15"
    assert value(page, "As the class") == "3 of 4 layers"
    assert page.locator("#said").inner_text().endswith("path 0 and 12, 1 and 13, 23 and 22, 3 and 15")
    page.locator("#diagram [data-layer='0'][data-unit='0']").hover()
    assert page.locator("#strip .apart").count() == 0


def test_of_one_class_there_is_nothing_to_choose(open_view, make_view):
    view = make_view(names=("cat",))
    view["items"][1] |= {"class": None, "predicted": 77, "predictedName": "lynx"}  # no label: still its input
    page = open_view(view)
    assert not page.locator("#chooser").is_visible()
    assert page.locator("#strip [role=option]").count() == 3
    page.locator("#strip [role=option]").nth(1).press("Enter")
    assert page.locator("#detail dt").all_inner_texts()[0] == "Predicted"
    assert value(page, "Predicted") == "lynx"
    assert page.locator("#heat").count() == 0


def test_a_class_without_inputs_or_units_is_still_drawn(open_view, view):
    view["items"] = view["items"][3:]
    view["classes"][0]["layers"][2] = []
    page = open_view(view)
    assert page.locator("#strip-note").inner_text() == "No input of this class is shown."
    assert not page.locator("#strip").is_visible()
    assert value(page, "Path") == "0 → 1 → – → 3"
    assert page.locator("#diagram path.preferred").get_attribute("d").count("C") == 2
    page.locator("#diagram").focus()
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    assert page.locator("#diagram .here").get_attribute("data-layer") == "1"


def test_arrow_keys_pass_over_a_layer_without_units(open_view, view):
    view["classes"][0]["layers"][2] = []
    page = open_view(view)
    page.locator("#diagram").focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    assert page.locator("#diagram .here").get_attribute("data-layer") == "3"


def test_inputs_beyond_the_strip_are_counted(open_view, view):
    view["items"] += [view["items"][0] | {"id": f"more/{index}"} for index in range(130)]
    page = open_view(view)
    assert page.locator("#strip [role=option]").count() == 120
    assert page.locator("#strip-note").inner_text() == "13 more in the files."


def test_forty_classes_are_all_in_chooser_and_table_and_the_twenty_nearest_in_the_list(open_view, view):
    names = [f"class {index}" for index in range(40)]
    view["classes"] = [view["classes"][0] | {"id": index, "name": name} for index, name in enumerate(names)]
    view["similarity"] = [[1 - abs(i - j) / 40 for j in range(40)] for i in range(40)]
    view["items"] = []
    page = open_view(view)
    assert page.locator("#class option").count() == 40
    page.locator("#previous").click()
    nearest = page.locator("#nearest .name").all_inner_texts()
    assert nearest == [f"class {index}" for index in range(38, 18, -1)]
    page.locator("#matrix summary").press("Enter")
    page.locator("#matrix table").wait_for()
    assert page.locator("#matrix tbody tr").count() == 40
    assert page.locator("#matrix tbody td").count() == 1600


def test_a_score_reads_the_same_in_card_and_tables(open_view, view):
    view["items"][0]["score"], view["items"][1]["score"] = scores = 1240.0, -0.000012
    page = open_view(view)
    found = []
    for index in range(2):
        page.locator("#strip [role=option]").nth(index).focus()
        found.append(value(page, "Score"))
    assert found == [number(score) for score in scores]


def test_bars_show_their_intervals_in_place_and_in_words(open_page, trace_page):
    page = open_page(trace_page)
    places = page.locator(".panel li").evaluate_all(BARS)
    assert [len(whisker) for whisker, _ in places] == [3, 3, 0, 3, 3, 0]
    for (_, low, high), end in [place for place in places if place[0]]:
        assert low < end < high
    assert page.locator(".panel .value").all_inner_texts() == [
        "0.114",
        "0.0212",
        "5.0e-04",
        "−4.0 %",
        "−0.9 %",
        "–",
    ]
    assert page.locator(".panel title").first.text_content() == "Neuron path: 0.114 (0.0630 to 0.176)"
    page.get_by_text("The same figures as a table, with intervals").press("Enter")
    assert rows(page, ".figures")[1:] == [
        ["Neuron path", "0.114\n0.0630 to 0.176", "−4.0 %\n−5.8 % to −2.5 %"],
        ["Activation", "0.0212\n0.00400 to 0.0450", "−0.9 %\n−1.7 % to +0.3 %"],
        ["Random", "5.0e-04", "–"],
    ]


def test_drawings_have_tables_that_say_the_same_and_follow_the_class(open_page, trace_page):
    page = open_page(trace_page)
    for name in ("units", "matrix"):
        page.locator(f"#{name} summary").press("Enter")
        page.locator(f"#{name} table").wait_for()
    assert rows(page, "#units")[1:] == [
        ["1", "0 (100 %)"],
        ["2", "1 (67 %), 20 (33 %)"],
        ["3", "2 (67 %)"],
        ["4", "3 (100 %)"],
    ]
    assert rows(page, "#matrix") == [
        ["class", "cat", "dog", "owl"],
        ["cat", "1.000", "0.420", "0.050"],
        ["dog", "0.420", "1.000", "0.200"],
        ["owl", "0.050", "0.200", "1.000"],
    ]
    page.locator("#next").press("Enter")
    assert rows(page, "#units")[2] == ["2", "5 (67 %), 20 (33 %)"]
