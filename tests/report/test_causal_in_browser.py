"""The graph of the causal page in a browser: what is drawn, thinned, lit and said, by pointer and by keys."""

from __future__ import annotations

import re

import pytest
from causal_drawing import (
    COLOURS,
    card,
    disc,
    discs,
    edges_on,
    lit,
    path_options,
    rows,
    said,
    settle,
    terms,
    thin,
)
from causal_views import parted_view, tiny_view

from hodology.report import write_causal_report

pytestmark = pytest.mark.browser

ALL = {("in", "a0"), ("in", "a1"), ("a0", "b1"), ("a0", "b0"), ("a1", "b0"), ("a1", "cat"), ("b1", "cat")}
ALL |= {("b0", "cat")}


@pytest.fixture
def open_view(open_page, tmp_path):
    """Write the page of a view and open it."""

    def open_view(view, **window):
        return open_page(write_causal_report(view, tmp_path / "page"), **window)

    return open_view


def test_every_unit_and_edge_is_drawn_in_the_column_of_its_layer(open_view):
    page = open_view(tiny_view())
    places = discs(page)
    columns = [{places[name][0] for name in names} for names in (["in"], ["a0", "a1"], ["b0", "b1"], ["cat"])]
    assert [len(column) for column in columns] == [1, 1, 1, 1]
    assert [max(column) for column in columns] == sorted(max(column) for column in columns)
    assert set(edges_on(page, "under")) == ALL
    assert page.locator("#graph .layer").evaluate_all("nodes => nodes.map(n => n.firstChild.data)") == [
        *("input", "conv1", "conv2", "class")
    ]
    counts = page.locator("#graph .caption").evaluate_all("nodes => nodes.map(n => n.firstChild.data)")
    assert counts == ["1/1", "2/4", "2/8", "1/10"]
    assert card(page) == "cat"
    assert terms(page) == {
        "Drawn": "8 edges, 6 units",
        "Kept": "8 edges, 6 units",
        "Strongest": "conv2 · 1 → class · cat, 1.00 log odds",
    }


def test_areas_of_discs_follow_the_scores(open_view):
    page = open_view(tiny_view())
    radius = {name: r for name, (_, _, r) in discs(page).items()}
    assert radius["b1"] == 9.0
    assert (radius["a0"] / radius["b1"]) ** 2 == pytest.approx(0.875, abs=0.02)
    assert (radius["a1"] / radius["a0"]) ** 2 == pytest.approx(0.5, abs=0.02)
    assert (radius["b0"] / radius["b1"]) ** 2 == pytest.approx(0.1875, abs=0.02)


def test_stronger_edges_are_thicker_darker_and_on_top(open_view):
    page = open_view(tiny_view())
    effects = {(edge["source"], edge["target"]): edge["effect"] for edge in tiny_view()["edges"]}
    order = edges_on(page, "under")
    assert [effects[pair] for pair in order] == sorted(effects.values())
    lines = page.locator("#graph .under path")
    widths = [float(w) for w in lines.evaluate_all("nodes => nodes.map(n => n.getAttribute('stroke-width'))")]
    reds = [int(re.findall(r"\d+", colour)[0]) for colour in lines.evaluate_all(COLOURS)]
    assert widths == sorted(widths)
    assert reds == sorted(reds, reverse=True)
    assert widths[0] < widths[-1]
    assert reds[0] > reds[-1]


def test_a_skip_edge_is_dashed_and_bows_clear_of_the_layer_that_it_passes(open_view):
    page = open_view(tiny_view())
    dashed = page.locator("#graph .under path[stroke-dasharray]")
    assert dashed.count() == 1
    numbers = [float(v) for v in re.findall(r"-?[\d.]+", dashed.get_attribute("d"))]
    ends, controls = (numbers[1], numbers[-1]), (numbers[3], numbers[5])
    assert abs(controls[0] - ends[0]) > 20
    assert abs(controls[1] - ends[1]) > 20
    assert "skip edge" in page.locator("#legend").inner_text()


def test_pointing_at_a_unit_lights_its_edges_and_lists_them(open_view):
    page = open_view(tiny_view())
    disc(page, "b0").hover()
    assert lit(page) == {("a0", "b0"), ("a1", "b0"), ("b0", "cat")}
    assert card(page) == "conv2 · 0"
    assert terms(page) == {"Site": "features.3", "Score": "0.188 log odds"}
    assert page.locator("#detail caption").all_inner_texts() == ["2 edges in from conv1", "1 edge out"]
    assert rows(page, "#detail") == [
        ["0", "0.125", "0.10 to 0.15", "0.0012"],
        ["1", "0.0625", "0.050 to 0.075", "0.0012"],
        ["class · cat", "0.188", "–", "–"],
    ]
    page.mouse.move(2, 2)
    assert lit(page) == set()
    assert card(page) == "cat"


def test_clicking_a_unit_traces_all_that_leads_to_it_and_all_that_follows(open_view):
    page = open_view(tiny_view())
    disc(page, "a1").click()
    page.mouse.move(2, 2)
    traced = {("in", "a1"), ("a1", "b0"), ("a1", "cat"), ("b0", "cat")}
    assert lit(page) == traced
    found = terms(page)
    assert (found["Upstream"], found["Downstream"]) == ("1 unit, 1 edge", "2 units, 3 edges")
    assert said(page) == "conv1 · 1: upstream 1 unit, 1 edge; downstream 2 units, 3 edges"
    disc(page, "b1").hover()  # a glance at another, and back
    assert lit(page) == {("a0", "b1"), ("b1", "cat")}
    page.mouse.move(2, 2)
    assert lit(page) == traced
    disc(page, "a1").click()
    page.mouse.move(2, 2)
    assert lit(page) == set()


def test_a_click_on_the_ground_lets_go(open_view):
    page = open_view(tiny_view())
    disc(page, "b1").click()
    page.locator("#graph .sheet").click(position={"x": 60, "y": 250})
    page.mouse.move(2, 2)
    assert lit(page) == set()
    assert card(page) == "cat"


def test_arrow_keys_walk_the_units_and_enter_traces(open_view):
    page = open_view(tiny_view())
    page.locator("#graph").focus()
    seen = []
    for key in ("ArrowRight", "ArrowLeft", "ArrowRight", "ArrowDown", "ArrowDown", "ArrowUp", "ArrowRight"):
        page.keyboard.press(key)
        seen.append(said(page).split(";")[0])
        assert page.locator("#graph .rings .here").count() == 1
    places = discs(page)
    upper, lower = sorted(("a0", "a1"), key=lambda name: places[name][1])
    words = {"a0": "conv1 · 0, score 0.875", "a1": "conv1 · 1, score 0.438"}
    first = min(("a0", "a1"), key=lambda name: (abs(places[name][1] - places["in"][1]), places[name][1]))
    assert seen[:3] == ["input · pixels", "input · pixels", words[first]]
    assert seen[3:6] == [words[lower], words[lower], words[upper]]
    assert seen[6].startswith("conv2 · ")
    page.keyboard.press("Enter")
    assert said(page).split(":")[0] == seen[6].split(",")[0]
    assert len(lit(page)) >= 3
    page.keyboard.press("Escape")
    assert said(page) == "Nothing is chosen."
    page.keyboard.press("Tab")
    assert lit(page) == set()


def test_the_edges_of_a_unit_are_said_with_the_strongest(open_view):
    page = open_view(tiny_view())
    page.locator("#graph").focus()
    page.keyboard.press("ArrowRight")
    assert said(page) == "input · pixels; no edge in; 2 edges out, strongest to conv1 · 0 0.500"


def test_the_slider_thins_the_graph_from_the_weakest_edge_on(open_view):
    page = open_view(tiny_view())
    effects = sorted((edge["effect"] for edge in tiny_view()["edges"]), reverse=True)
    shown = []
    for place in (0, 30, 60, 100):
        thin(page, place)
        drawn = set(edges_on(page, "under"))
        shown.append(len(drawn))
        limit = {8: "0.0625", 4: "0.375", 2: "0.750", 1: "1.00"}[len(drawn)]
        words = f"{limit} log odds: {len(drawn)} of 8 edges"
        assert page.locator("#thin-said").inner_text() == words
        assert page.locator("#thin").get_attribute("aria-valuetext") == f"at least {words}"
        kept = {
            (e["source"], e["target"]) for e in tiny_view()["edges"] if e["effect"] >= effects[len(drawn) - 1]
        }
        assert drawn == kept
        assert set(discs(page)) == {end for pair in drawn for end in pair}
    assert shown == [8, 4, 2, 1]


def test_the_slider_works_by_keys(open_view):
    page = open_view(tiny_view())
    page.locator("#thin").press("End")
    settle(page)
    assert page.locator("#thin-said").inner_text() == "1.00 log odds: 1 of 8 edges"


def test_of_the_card_of_a_thinned_graph_all_edges_are_listed_and_those_drawn_counted(open_view):
    page = open_view(tiny_view())
    thin(page, 60)
    disc(page, "b1").hover()
    assert lit(page) == {("a0", "b1"), ("b1", "cat")}
    disc(page, "a0").hover()
    assert page.locator("#detail caption").all_inner_texts() == [
        "1 edge in, 0 drawn",
        "2 edges out to conv2, 1 drawn",
    ]


def test_a_chosen_path_is_lit_also_where_the_graph_was_thinned(open_view):
    page = open_view(tiny_view())
    thin(page, 100)
    texts = path_options(page).locator(".units").all_inner_texts()
    assert texts == ["pixels → 0 → 1 → cat", "pixels → 1 → – → cat", "pixels → 0 → 0 → cat"]
    path_options(page).nth(1).click()
    assert lit(page) == {("in", "a1"), ("a1", "cat")}
    assert set(edges_on(page, "under")) == {("in", "a1"), ("a1", "cat"), ("b1", "cat")}
    assert card(page) == "Path 2"
    assert rows(page, "#detail") == [
        ["conv1 · 1", "0.250", "0.20 to 0.30", "0.0012"],
        ["class · cat", "0.375", "0.30 to 0.45", "0.0012"],
    ]
    path_options(page).nth(1).click()
    assert set(edges_on(page, "under")) == {("b1", "cat")}
    assert page.locator("#routes [aria-selected=true]").count() == 0


def test_paths_are_chosen_by_keys(open_view):
    page = open_view(tiny_view())
    path_options(page).first.focus()
    chosen = []
    for key in ("ArrowDown", "ArrowDown", "ArrowDown", "Home", "Enter", " ", "End"):
        page.keyboard.press(key)
        selected = page.locator("#routes [aria-selected=true]")
        chosen.append(selected.locator(".rank").inner_text() if selected.count() else None)
        assert len(lit(page)) == {"1": 3, "2": 2, "3": 3, None: 0}[chosen[-1]]
    assert chosen == ["2", "3", "3", "1", None, "1", "3"]
    page.keyboard.press("Escape")
    assert lit(page) == set()
    disc(page, "b1").click()  # a unit takes the place of a path
    path_options(page).first.click()
    disc(page, "a1").click()
    assert page.locator("#routes [aria-selected=true]").count() == 0
    first = path_options(page).first.get_attribute("aria-label")
    assert first == "Path 1, score 0.375: input · pixels, conv1 · 0, conv2 · 1, class · cat"


def test_a_search_marks_units_and_enter_traces_one_after_the_other(open_view):
    page = open_view(tiny_view())
    page.locator("#find").fill("conv1")
    assert page.locator("#found").inner_text() == "2 units; Enter traces the next"
    assert page.locator("#graph .rings .found").count() == 2
    names = []
    for _ in range(3):
        page.locator("#find").press("Enter")
        names.append(card(page))
    assert names == ["conv1 · 0", "conv1 · 1", "conv1 · 0"]
    page.locator("#find").fill("1")  # an exact unit before names that hold it
    page.locator("#find").press("Enter")
    assert card(page) == "conv1 · 1"
    page.locator("#find").fill("xyz")
    assert page.locator("#found").inner_text() == "0 units"
    page.locator("#find").press("Enter")
    assert card(page) == "conv1 · 1"
    assert page.locator("#graph .rings .found").count() == 0
    assert page.url.endswith("index.html")


def test_a_unit_that_is_found_but_not_drawn_is_shown_by_its_strongest_route(open_view):
    page = open_view(tiny_view())
    thin(page, 100)
    page.locator("#find").fill("conv2 0")
    page.locator("#find").press("Enter")
    assert set(edges_on(page, "under")) == {("in", "a0"), ("a0", "b0"), ("b0", "cat"), ("b1", "cat")}
    assert lit(page) == {("in", "a0"), ("a0", "b0"), ("b0", "cat")}


def test_units_are_ordered_so_that_few_edges_cross(open_view):
    view = tiny_view()
    last = view["edges"][0]
    for layer, letter in ((1, "a"), (2, "b")):
        view["nodes"] += [
            {"id": f"{letter}{i}", "layer": layer, "unit": str(i), "score": 1.0} for i in range(2, 9)
        ]
    view["edges"] += [last | {"source": "in", "target": f"a{i}"} for i in range(2, 9)]
    view["edges"] += [last | {"source": f"a{i}", "target": f"b{10 - i}"} for i in range(2, 9)]
    view["edges"] += [last | {"source": f"b{i}", "target": "cat"} for i in range(2, 9)]
    page = open_view(view)
    places = discs(page)
    ends = [(places[f"a{i}"][1], places[f"b{10 - i}"][1]) for i in range(2, 9)]
    assert sorted(ends) == sorted(ends, key=lambda pair: pair[1])  # no two of the seven cross


def test_the_table_of_edges_sorts_by_every_column(open_view):
    page = open_view(tiny_view())
    table, note = "#edge-table", page.locator("#edges-note")
    assert [row[3] for row in rows(page, table)] == [
        "1.00",
        "0.750",
        "0.500",
        "0.375",
        "0.250",
        "0.188",
        "0.125",
        "0.0625",
    ]
    assert note.inner_text() == "8 edges by effect, descending. A column's name sorts by it."
    firsts = {}
    for column in ("From", "To", "Kind", "Effect, log odds", "Interval", "p"):
        head = page.locator(f"{table} th", has=page.get_by_role("button", name=column, exact=True))
        for _ in range(2):
            head.get_by_role("button").press("Enter")
            firsts[column, head.get_attribute("aria-sort")] = rows(page, table)[0]
        assert page.locator(f"{table} [aria-sort]").count() == 1
    assert {key: row[:4] for key, row in firsts.items()} == {
        ("From", "ascending"): ["input · pixels", "conv1 · 0", "weight", "0.500"],
        ("From", "descending"): ["conv2 · 1", "class · cat", "weight", "1.00"],
        ("To", "ascending"): ["input · pixels", "conv1 · 0", "weight", "0.500"],
        ("To", "descending"): ["conv2 · 1", "class · cat", "weight", "1.00"],
        ("Kind", "ascending"): ["conv1 · 1", "class · cat", "skip", "0.375"],
        ("Kind", "descending"): ["conv2 · 1", "class · cat", "weight", "1.00"],
        ("Effect, log odds", "ascending"): ["conv1 · 1", "conv2 · 0", "weight", "0.0625"],
        ("Effect, log odds", "descending"): ["conv2 · 1", "class · cat", "weight", "1.00"],
        ("Interval", "descending"): ["conv2 · 1", "class · cat", "weight", "1.00"],
        ("Interval", "ascending"): ["conv2 · 0", "class · cat", "weight", "0.188"],
        ("p", "ascending"): ["conv2 · 1", "class · cat", "weight", "1.00"],
        ("p", "descending"): ["conv2 · 0", "class · cat", "weight", "0.188"],
    }


def test_edges_that_do_not_hurt_are_drawn_too(open_view):
    view = tiny_view()
    for edge in view["edges"]:
        edge |= {"effect": -edge["effect"], "low": None, "high": None}
    page = open_view(view)
    assert set(edges_on(page, "under")) == ALL
    assert page.locator("#thin-said").inner_text() == "−1.00 log odds: 8 of 8 edges"


def test_tab_reaches_every_control_once_in_reading_order(open_view):
    page = open_view(tiny_view())
    order = []
    for _ in range(10):
        page.keyboard.press("Tab")
        order.append(
            page.evaluate("document.activeElement.id || document.activeElement.getAttribute('role')")
        )
    assert order == [None, "theme", "thin", "find", "graph", "detail", "option", None, "heat", "region"]


def test_parts_of_a_unit_join_what_is_drawn_and_are_not_counted_as_edges(open_view):
    page = open_view(parted_view())
    parts = {("a", "f0"), ("a", "f1")}  # f2 has no edge of its own
    assert set(edges_on(page, "under")) == {*parts, ("in", "a"), ("f0", "cat"), ("f1", "cat")}
    assert page.locator("#graph .under path[stroke-dasharray]").count() == 2
    assert "part of a unit, not tested" in page.locator("#legend").inner_text()
    assert terms(page)["Drawn"] == "3 edges, 5 units"
    assert len(rows(page, "#edge-table")) == 3
    disc(page, "a").click()
    assert (terms(page)["Upstream"], terms(page)["Downstream"]) == ("1 unit, 1 edge", "3 units, 2 edges")
    assert rows(page, "#detail")[1:] == [["0", "–", "–", "–"], ["1", "–", "–", "–"], ["2", "–", "–", "–"]]
    page.locator("#graph").press("Escape")
    thin(page, 100)
    assert set(edges_on(page, "under")) == {("a", "f0"), ("f0", "cat")}
    path_options(page).nth(1).click()
    assert lit(page) == {("in", "a"), ("a", "f1"), ("f1", "cat")}


def test_a_graph_of_parts_alone_is_no_graph(open_view):
    view = parted_view()
    page = open_view(view | {"edges": [e for e in view["edges"] if e["kind"] == "part"], "paths": []})
    assert page.get_by_text("No edge was kept").is_visible()
