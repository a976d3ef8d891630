"""The trace page in a browser: what it draws, and that pointer and keyboard each reach all of it."""

from __future__ import annotations

import re

import pytest

from hodology.report import write_trace_report

pytestmark = pytest.mark.browser

PREFERRED = {"cat": [0, 1, 2, 3], "dog": [4, 5, 6, 7], "owl": [8, 9, 10, 11]}
PIXEL = """([x, y]) => {
  const copy = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  copy.drawImage(document.getElementById('heat'), -x, -y);
  return [...copy.getImageData(0, 0, 1, 1).data];
}"""


def units_on(page, line):
    """The units that the drawn lines pass through, layer by layer."""
    marks = page.locator("#diagram g[data-unit]").evaluate_all(
        "nodes => nodes.map(n => [n.querySelector('.disc').cx.baseVal.value,"
        " n.querySelector('.disc').cy.baseVal.value, Number(n.dataset.unit)])"
    )
    units = {(round(x, 1), round(y, 1)): unit for x, y, unit in marks}
    found = []
    for path in page.locator(f"#diagram {line}").evaluate_all("nodes => nodes.map(n => n.getAttribute('d'))"):
        ends = [re.findall(r"[-\d.]+", part)[-2:] for part in re.split("[MC]", path)[1:]]
        found.append([units[round(float(x), 1), round(float(y), 1)] for x, y in ends])
    return found


def card(page):
    """What stands beside the diagram: its title, and every term with its value."""
    terms = page.locator("#detail dt").all_inner_texts(), page.locator("#detail dd").all_inner_texts()
    return {"title": page.locator("#detail h3").inner_text()} | dict(zip(*terms, strict=True))


def inputs(page):
    return page.locator("#strip [role=option]")


def focused(page):
    return page.evaluate("document.activeElement.id || document.activeElement.textContent")


def said(page):
    return page.locator("#said").inner_text()


def test_the_page_opens_with_all_classes_and_the_first_one_drawn(open_page, trace_page):
    page = open_page(trace_page)
    assert page.title() == page.locator("h1").inner_text() == "Paths through tiny-vit"
    assert page.locator("#class option").all_inner_texts() == ["cat (1,200)", "dog (40)", "owl (7)"]
    assert units_on(page, "path.preferred") == [PREFERRED["cat"]]
    assert page.locator("#diagram .routes path").count() == inputs(page).count() == 3
    assert card(page) == {"title": "cat", "Inputs": "1,200", "Path": "0 → 1 → 2 → 3"}


def test_choosing_a_class_changes_path_inputs_and_lists_together(open_page, trace_page, view):
    page = open_page(trace_page, width=800)
    inputs(page).nth(1).press("Enter")
    assert page.locator("#diagram .own").count() > 0
    page.locator("#class").select_option("owl (7)")
    assert units_on(page, "path.preferred") == [PREFERRED["owl"]]
    assert page.locator("#diagram .own").count() == 0
    assert page.locator("#class").input_value() == "2"
    assert card(page)["title"] == "owl"
    mine = [item for item in view["items"] if item["class"] == 23]
    labels = inputs(page).evaluate_all("nodes => nodes.map(n => n.getAttribute('aria-label'))")
    assert labels == [item["id"] for item in mine]
    sources = page.locator("#strip img").evaluate_all("nodes => nodes.map(n => n.src)")
    assert sources == [item["image"] for item in mine]
    assert page.locator("#strip [aria-selected=true]").count() == 0
    assert page.locator("#nearest-title").inner_text() == "Nearest to owl"
    assert page.locator("#nearest button").all_inner_texts() == ["dog\n0.200", "cat\n0.050"]
    assert said(page) == "Class owl, preferred path 8, 9, 10, 11"


def test_every_way_of_choosing_a_class_works_with_the_pointer(open_page, trace_page):
    page = open_page(trace_page, width=800)
    size = page.locator("#heat").bounding_box()["width"]
    ways = [
        ("owl", lambda: page.locator("#previous").click()),
        ("dog", lambda: page.locator("#next").click(click_count=2)),
        ("owl", lambda: page.locator("#nearest button", has_text="owl").click()),
        ("cat", lambda: page.locator("#heat").click(position={"x": size / 2, "y": 50})),
    ]
    for name, choose in ways:
        choose()
        assert card(page)["title"] == name
        assert units_on(page, "path.preferred") == [PREFERRED[name]]


def test_pointing_at_an_input_shows_its_path_until_the_pointer_leaves(open_page, trace_page):
    page = open_page(trace_page, width=800)
    inputs(page).nth(2).hover()
    assert units_on(page, "path.own") == [[0, 1, 23, 3]]
    assert card(page) == {
        "title": "animals/test/0002",
        "Class": "cat",
        "Predicted": "cat",
        "Probability": "71.0 %",
        "Score": "0.0369",
        "Path": "0 → 1 → 23 → 3",
        "As the class": "3 of 4 layers",
    }
    page.mouse.move(1, 1)
    assert units_on(page, "path.own") == []
    assert card(page)["title"] == "cat"


def test_a_clicked_input_stays_until_it_is_clicked_again(open_page, trace_page):
    page = open_page(trace_page, width=800)
    inputs(page).nth(1).click()
    page.mouse.move(1, 1)
    inputs(page).nth(2).hover()
    assert units_on(page, "path.own") == [[0, 20, 2, 3]]
    assert page.locator("[aria-selected=true]").get_attribute("aria-label") == "animals/test/0001"
    inputs(page).nth(1).click()
    page.mouse.move(1, 1)
    assert card(page)["title"] == "cat"


@pytest.mark.parametrize(("kind", "width"), [("image", 1200), ("text", 800), ("text", 360)])
def test_the_inputs_stay_under_the_pointer_when_one_is_shown(open_page, make_view, tmp_path, kind, width):
    page = open_page(write_trace_report(make_view(kind=kind), tmp_path), width=width)
    top = "document.getElementById('strip').getBoundingClientRect().top + scrollY"
    before = page.evaluate(top)
    for index in (2, 0):
        inputs(page).nth(index).click()
        assert inputs(page).nth(index).get_attribute("aria-selected") == "true"
        assert page.evaluate(top) == pytest.approx(before, abs=0.9)


def test_an_input_taken_for_another_class_is_marked_in_words(open_page, trace_page):
    page = open_page(trace_page, width=800)
    page.locator("#next").click()
    missed = page.get_by_role("option", name="animals/test/0005, predicted cat")
    missed.hover()
    assert card(page)["Predicted"] == "cat (differs)"
    assert page.locator("#strip .missed").count() == 1
    assert "the model decided otherwise" in page.locator("#strip-note").inner_text()


def test_pointing_at_a_unit_shows_who_uses_it(open_page, trace_page):
    page = open_page(trace_page)
    page.locator("#diagram [data-layer='1'][data-unit='20']").hover()
    assert card(page) == {
        "title": "Unit 20",
        "Layer": "2",
        "Site": "blocks.1.mlp.fc2:input",
        "Used by": "33 % of cat",
        "Also by": "dog 33 %, owl 33 %",
    }
    assert inputs(page).evaluate_all("nodes => nodes.map(n => n.classList.contains('apart'))") == [1, 0, 1]
    page.mouse.move(1, 1)
    assert page.locator("#strip .apart").count() == 0
    assert card(page)["title"] == "cat"


def test_a_kept_input_is_in_the_card_again_after_a_glance_at_a_unit(open_page, trace_page):
    page = open_page(trace_page, width=800)
    inputs(page).nth(1).click()
    page.locator("#diagram [data-unit='20']").hover()
    page.mouse.move(1, 1)
    assert units_on(page, "path.own") == [[0, 20, 2, 3]]
    assert card(page)["title"] == "animals/test/0001"


def test_tab_reaches_every_control_once_in_reading_order(open_page, trace_page):
    page = open_page(trace_page)
    order = []
    for _ in range(16):
        page.keyboard.press("Tab")
        order.append(focused(page))
    assert order == [
        *("Skip to the content", "theme", "previous", "class", "next", "diagram"),
        *("", "Units of this class as a table"),  # "": the one stop of the inputs, which hold no text
        *("The same figures as a table, with intervals", "heat", "dog0.420", "owl0.050"),
        *("The same as a table", "paths.jsonl", "summary.json", page.evaluate("document.body.textContent")),
    ]


def test_arrow_keys_walk_the_units_and_say_them(open_page, trace_page):
    page = open_page(trace_page)
    page.locator("#diagram").focus()
    steps = [
        ("ArrowRight", "Layer 1, unit 0: 100 % of cat"),
        ("ArrowRight", "Layer 2, unit 1: 67 % of cat"),
        ("ArrowDown", "Layer 2, unit 20: 33 % of cat"),
        ("ArrowDown", "Layer 2, unit 20: 33 % of cat"),
        ("ArrowRight", "Layer 3, unit 2: 67 % of cat"),
        ("ArrowUp", "Layer 3, unit 2: 67 % of cat"),
        ("ArrowLeft", "Layer 2, unit 1: 67 % of cat"),
    ]
    for key, expected in steps:
        page.keyboard.press(key)
        assert said(page) == expected
        assert page.locator("#diagram .here").count() == 1
    page.keyboard.press("Tab")
    assert page.locator("#diagram .here").count() == 0


def test_the_keyboard_moves_through_the_inputs_and_keeps_one(open_page, trace_page):
    page = open_page(trace_page)
    inputs(page).first.focus()
    assert said(page) == "animals/test/0000, predicted cat 91.0 %, path 0, 1, 2, 3"
    for key, rank in [("ArrowRight", 1), ("ArrowDown", 2), ("ArrowRight", 2), ("Home", 0), ("End", 2)]:
        page.keyboard.press(key)
        assert card(page)["title"] == f"animals/test/000{rank}"
        tabs = inputs(page).evaluate_all("nodes => nodes.map(n => n.tabIndex)")
        assert tabs == [0 if index == rank else -1 for index in range(3)]
    for key in ("Enter", " "):
        page.keyboard.press(key)
        assert inputs(page).nth(2).get_attribute("aria-selected") == "true"
        page.keyboard.press("Escape")
        assert page.locator("[aria-selected=true]").count() == 0
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert units_on(page, "path.own") == [[0, 1, 23, 3]]


def test_the_class_is_chosen_by_keys_and_goes_round(open_page, trace_page):
    page = open_page(trace_page)
    seen = []
    for control, key in [
        *(("next", "Enter"), ("next", " "), ("next", "Enter"), ("previous", "Enter")),
        *(("class", "ArrowRight"), ("class", "ArrowLeft")),
    ]:
        page.locator(f"#{control}").press(key)
        seen.append(card(page)["title"])
    assert seen == ["dog", "owl", "cat", "owl", "cat", "owl"]


def test_the_heat_map_has_a_cell_for_every_pair(open_page, trace_page, view):
    page = open_page(trace_page)
    heat, names = page.locator("#heat"), [group["name"] for group in view["classes"]]
    size = heat.bounding_box()["width"]
    cell = (size - 32) / 3  # 32: about the width of the names
    colours = {}
    for i, first in enumerate(names):
        for j, second in enumerate(names):
            x, y = (size - (2.5 - k) * cell for k in (j, i))
            heat.hover(position={"x": x, "y": y})
            value = f"{view['similarity'][i][j]:#.3g}"
            assert page.locator("#cell").inner_text() == f"{first} and {second}: {value}"
            colours[i, j] = page.evaluate(PIXEL, [round(x), round(y)])
    assert all(colours[i, j] == colours[j, i] for i, j in colours)
    assert colours[0, 0] == colours[1, 1] == colours[2, 2]
    assert colours[0, 2][0] > colours[1, 2][0] > colours[0, 1][0]  # more alike, darker


def test_the_heat_map_works_by_keys(open_page, trace_page):
    page = open_page(trace_page)
    page.locator("#heat").focus()
    cells = []
    for key in ("ArrowDown", "ArrowLeft", "ArrowLeft", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
        cells.append(page.locator("#cell").inner_text().split(":")[0])
    assert cells == ["dog and dog", "dog and cat", "dog and cat", "owl and cat", "owl and dog"]
    page.keyboard.press("Enter")
    assert card(page)["title"] == "owl"
