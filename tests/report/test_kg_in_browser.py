"""The page of paths through a knowledge graph in a browser: what is drawn, lit, listed, filtered, copied and said."""

from __future__ import annotations

import pytest
from kg_views import big_view, drug_view, neighbour_view, parallel_view, tiny_view

from hodology.report import write_kg_report

pytestmark = pytest.mark.browser

PLACES = """nodes => Object.fromEntries(nodes.map(n => {
  const { e, f } = n.transform.baseVal.consolidate().matrix;
  return [n.querySelector(".name").textContent, [e, f]];
}))"""
LINES = """nodes => nodes.map(n => {
  const line = n.querySelector(".line"), length = line.getTotalLength();
  const [start, middle, end] = [0, 0.5, 1].map((t) => line.getPointAtLength(t * length)).map((p) => [p.x, p.y]);
  return { start, middle, end, tip: n.querySelector(".arrow").getPointAtLength(0).x };
})"""
RADIUS = "node => node.querySelector('.shape').getBBox().width"


@pytest.fixture
def open_view(open_page, tmp_path):
    """Write the page of a view and open it."""

    def open_view(view, **window):
        return open_page(write_kg_report(view, tmp_path / "page"), **window)

    return open_view


def places(page):
    return page.locator("#graph .node").evaluate_all(PLACES)


def node(page, name):
    return page.locator("#graph .node").filter(has=page.get_by_text(name, exact=True))


def lit_nodes(page):
    return set(page.locator("#graph .node.lit .name").all_text_contents())


def lit_edges(page):
    return sorted(page.locator("#graph .over text").all_text_contents())


def options(page):
    return page.locator("#ways [role=option]")


def lit_ranks(page):
    return [int(text) for text in page.locator("#ways .lit .rank").all_inner_texts()]


def card(page):
    return page.locator("#detail h3").inner_text()


def terms(page):
    texts = (page.locator(f"#detail {tag}").all_inner_texts() for tag in ("dt", "dd"))
    return dict(zip(*texts, strict=True))


def said(page):
    return page.locator("#said").inner_text()


def test_nodes_lie_in_columns_by_their_place_between_source_and_target(open_view):
    page = open_view(tiny_view())
    x = {name: place[0] for name, place in places(page).items()}
    first, second = ("COX1", "Placebon", "COX2"), ("TRPV1",)  # COX2 is first and second: the first counts
    assert len({x[name] for name in first}) == 1
    assert x["Dolorin"] < x["COX1"] < x[second[0]] < x["back pain"]
    assert page.locator("#graph .caption").all_text_contents() == ["From", "Step 1", "Step 2", "To"]
    assert page.locator("#graph .edge").count() == 8  # Dolorin - binds - COX1 and all others are single lines
    assert terms(page)["Drawn"] == "3 paths, 6 nodes, 8 edges"


def test_an_arrow_points_along_the_edge_whichever_way_the_path_walks(open_view):
    page = open_view(tiny_view() | {"paths": tiny_view()["paths"][:1]})
    binds, linked = page.locator("#graph .edge").evaluate_all(LINES)
    assert binds["tip"] == pytest.approx(binds["end"][0], abs=0.2)  # drug -> gene, walked along
    assert linked["tip"] == pytest.approx(linked["start"][0], abs=0.2)  # pain -> gene, walked against


def test_sizes_follow_the_degree_on_a_log_scale(open_view):
    view = tiny_view()
    degrees = {"g1": 0, "other": 9, "g2": 99, "drug": 999, "pain": 1, "g3": 1}
    for part in view["nodes"]:
        part |= {"degree": degrees[part["id"]], "kind": "Compound"}
    page = open_view(view)
    none, ten, hundred, thousand = (
        node(page, name).evaluate(RADIUS) for name in ("COX1", "Placebon", "COX2", "Dolorin")
    )
    assert none < ten < hundred < thousand
    assert hundred - ten == pytest.approx(ten - none, rel=0.02)
    assert thousand - hundred == pytest.approx(ten - none, rel=0.02)


def test_every_kind_has_a_mark_of_its_own_in_drawing_and_legend(open_view):
    view = tiny_view()
    view["kinds"] = ["Gene", "Gland", "G", "gene group", "Disease", "", "Compound"]
    kinds = {"g1": "Gland", "g2": "G", "g3": "gene group", "other": "", "pain": "Disease", "drug": "Gene"}
    for part in view["nodes"]:
        part["kind"] = kinds[part["id"]]
    page = open_view(view)
    names = page.locator("#legend li").all_inner_texts()[:6]
    marks = page.locator("#legend .mark").all_text_contents()
    assert [name.split("\n")[-1] for name in names] == [
        *("Gene", "Gland", "G", "gene group", "Disease", "no kind")
    ]
    assert len(set(marks)) == 6
    assert marks[0] == "G"
    assert node(page, "COX1").locator(".mark").text_content() == marks[1]


def test_edges_that_join_the_same_two_nodes_bow_apart(open_view):
    page = open_view(parallel_view())
    lines = page.locator("#graph .edge").evaluate_all(LINES)[:4]
    heights = sorted(line["middle"][1] for line in lines)
    assert all(b - a >= 10 for a, b in zip(heights, heights[1:]))
    view = parallel_view()
    page = open_view(view | {"paths": view["paths"][:4]})  # and where nothing lies between
    heights = sorted(line["middle"][1] for line in page.locator("#graph .edge").evaluate_all(LINES))
    assert all(b - a >= 10 for a, b in zip(heights, heights[1:]))


def test_a_node_lights_its_paths_and_a_click_keeps_them(open_view):
    page = open_view(tiny_view())
    node(page, "COX2").hover()
    assert lit_nodes(page) == {"Dolorin", "COX2", "TRPV1", "Placebon", "back pain"}
    assert lit_ranks(page) == [2, 3]
    assert lit_edges(page) == sorted(["acts on", "binds", "binds", "is like", "is linked to", "is linked to"])
    assert card(page) == "COX2"
    assert terms(page) == {"Kind": "Gene", "Id": "g2", "Edges in the graph": "150", "On paths": "2 of 3"}
    page.mouse.move(2, 2)
    assert lit_nodes(page) == set()
    node(page, "COX1").click()
    page.mouse.move(2, 2)
    assert lit_nodes(page) == {"Dolorin", "COX1", "back pain"}
    assert said(page) == "COX1, Gene, 12 edges in the graph; 1 path: 1"
    node(page, "COX1").click()
    page.mouse.move(2, 2)
    assert lit_nodes(page) == set()
    assert said(page) == "Nothing is chosen."


def test_an_edge_lights_its_paths(open_view):
    page = open_view(tiny_view())
    edge = page.locator("#graph .edge").nth(0)
    box = edge.locator(".line").evaluate(
        "n => { const p = n.getPointAtLength(0.7 * n.getTotalLength()), m = n.getScreenCTM(); return [p.x + m.e, p.y + m.f]; }"
    )
    page.mouse.move(*box)
    assert card(page) == "Dolorin binds COX1"
    assert terms(page)["On paths"] == "1 of 3"
    assert terms(page)["Such edges"] == "210"
    assert lit_nodes(page) == {"Dolorin", "COX1", "back pain"}
    page.mouse.click(*box)
    page.mouse.move(2, 2)
    assert lit_ranks(page) == [1]
    page.locator("#graph svg").click(position={"x": 4, "y": 4})  # the ground lets go
    page.mouse.move(2, 2)
    assert lit_ranks(page) == []


def test_a_line_of_the_list_lights_its_path_and_is_chosen_by_click_and_keys(open_view):
    page = open_view(tiny_view())
    options(page).nth(1).hover()
    assert lit_nodes(page) == {"Dolorin", "COX2", "TRPV1", "back pain"}
    page.mouse.move(2, 2)
    assert lit_nodes(page) == set()
    options(page).nth(2).click()
    page.mouse.move(2, 2)
    assert card(page) == "Path 3"
    assert page.locator("#detail .steps li").all_inner_texts() == [
        *("C\nDolorin", "↑\nis like", "C\nPlacebon", "↓\nbinds", "G\nCOX2", "↑\nis linked to", "D\nback pain")
    ]
    chosen = []
    for key in ("ArrowUp", "Home", "ArrowUp", "End", "Enter", " ", "Escape"):
        page.keyboard.press(key)
        selected = page.locator("#ways [aria-selected=true] .rank")
        chosen.append(selected.inner_text() if selected.count() else None)
    assert chosen == ["2", "1", "1", "3", None, "3", None]
    assert options(page).nth(0).get_attribute("aria-label") == "Path 1: drug binds g1 and g1 linked pain"


def test_the_list_has_sentences_runs_of_relations_and_how_many_share_them(open_view):
    page = open_view(tiny_view())
    assert page.locator("#ways .sentence").all_inner_texts() == [p["sentence"] for p in tiny_view()["paths"]]
    assert options(page).nth(0).locator(".chip").all_inner_texts() == ["binds →", "← is linked to"]
    assert options(page).nth(2).locator(".chip").all_inner_texts() == [
        "← is like",
        "binds →",
        "← is linked to",
    ]
    assert options(page).nth(2).locator(".badge-mark").all_inner_texts() == ["C", "C", "G", "D"]
    assert page.locator("#ways .same").all_inner_texts() == [
        *("one of 4 with these relations", "no other with these relations")
    ]


def test_keys_walk_nodes_and_edges_of_the_drawing(open_view):
    page = open_view(tiny_view())
    page.locator("#graph").focus()
    seen = []
    for key in (
        "ArrowLeft",
        "Home",
        "ArrowRight",
        "ArrowRight",
        "ArrowDown",
        "ArrowDown",
        "ArrowDown",
        "End",
    ):
        page.keyboard.press(key)
        seen.append(said(page).split(";")[0])
        assert page.locator("#graph .here").count() == 1
    assert seen[:2] == ["Dolorin, Compound, 40 edges in the graph"] * 2
    column = sorted(("COX1", "COX2", "Placebon"), key=lambda name: places(page)[name][1])
    words = {
        "COX1": "Dolorin binds COX1",
        "COX2": "Dolorin binds COX2",
        "Placebon": "Placebon is like Dolorin",
    }
    assert seen[2] == words[column[1]]
    assert seen[3].split(",")[0] == column[1]
    assert seen[4].split(",")[0] == seen[6].split(",")[0] == column[2]
    assert seen[7] == "back pain, Disease, 90 edges in the graph"
    page.keyboard.press("ArrowLeft")
    first = said(page)
    page.keyboard.press("ArrowUp")  # another edge of the same side
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert said(page) != first
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert lit_nodes(page) >= {"Dolorin", "back pain"}  # kept when the drawing is left
    page.locator("#graph").press("Escape")
    assert said(page) == "Nothing is chosen."


def test_filters_narrow_the_drawing_and_the_list(open_view):
    page = open_view(tiny_view())
    assert page.locator("#relation option").all_inner_texts() == [
        *("any", "binds (3)", "acts on (1)", "is linked to (3)", "is like (1)")
    ]
    assert page.locator("#kind option").all_inner_texts() == ["any kind", "Compound (1)", "Gene (3)"]
    page.locator("#relation").select_option("acts on")
    assert page.locator("#ways .rank").all_inner_texts() == ["2"]
    assert set(places(page)) == {"Dolorin", "COX2", "TRPV1", "back pain"}
    assert page.locator("#found").inner_text() == "1 of 3 paths"
    page.locator("#relation").select_option("")
    page.locator("#kind").select_option(label="Compound (1)")
    assert page.locator("#ways .rank").all_inner_texts() == ["3"]
    page.locator("#relation").select_option("acts on")
    assert page.get_by_text("Nothing fits the filter.").is_visible()
    assert set(places(page)) == {"Dolorin", "back pain"}
    assert page.locator("#copy").is_disabled()
    page.locator("#kind").select_option("")
    page.locator("#relation").select_option("")
    assert page.locator("#found").inner_text() == "3 paths"


def test_a_search_looks_at_names_ids_relations_and_sentences_and_keeps_the_page(open_view):
    page = open_view(tiny_view())
    for words, ranks in (
        ("cox2", ["2", "3"]),
        ("COX2 trpv", ["2"]),
        ("is like", ["3"]),
        ("g1", ["1"]),
        ("zz", []),
    ):
        page.locator("#find").fill(words)
        assert page.locator("#ways .rank").all_inner_texts() == ranks
    page.locator("#find").press("Enter")
    assert page.url.endswith("index.html")


def test_what_is_chosen_is_let_go_when_the_filter_changes(open_view):
    page = open_view(tiny_view())
    options(page).nth(2).click()
    page.locator("#find").fill("cox1")
    page.mouse.move(2, 2)
    assert page.locator("#ways [aria-selected=true]").count() == 0
    assert lit_nodes(page) == set()


def test_the_sentences_listed_are_copied_from_a_file_on_disk(open_view):
    page = open_view(tiny_view())
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#find").fill("cox2")
    page.get_by_role("button", name="Copy 2 sentences").click()
    page.get_by_text("2 sentences copied.").wait_for()
    lines = [path["sentence"] for path in tiny_view()["paths"][1:]]
    assert page.evaluate("navigator.clipboard.readText()") == "\n".join(lines)
    assert not page.locator("textarea").is_visible()


@pytest.mark.parametrize("old", [True, False])
def test_where_the_clipboard_is_refused_the_text_is_copied_the_old_way_or_laid_out(open_view, old):
    page = open_view(tiny_view())
    page.evaluate(
        "old => { navigator.clipboard.writeText = () => Promise.reject(new Error('no'));"
        " document.execCommand = () => old; }",
        old,
    )
    page.locator("#copy").click()
    words = "3 sentences copied." if old else "The sentences are selected"
    page.get_by_text(words).wait_for()
    assert page.locator("textarea").is_visible() != old
    if not old:
        selected = page.evaluate(
            "(() => { const n = document.activeElement; return n.value.slice(n.selectionStart, n.selectionEnd); })()"
        )
        assert selected.split("\n") == [path["sentence"] for path in tiny_view()["paths"]]


def test_neighbours_are_spokes_of_their_own_entity_and_named_so(open_view):
    page = open_view(neighbour_view())
    assert page.locator("#graph .edge.spoke").count() == page.locator("#graph .edge").count() == 4
    assert page.locator("#graph .caption").all_text_contents() == [
        *("From", "Neighbours of Dolorin", "Neighbours of back pain", "To")
    ]
    x = {name: place[0] for name, place in places(page).items()}
    assert x["Dolorin"] < x["COX1"] < x["COX2"] < x["back pain"]
    assert (x["COX1"], x["COX2"]) == pytest.approx((x["Placebon"], x["TRPV1"]))
    node(page, "COX2").hover()
    assert lit_nodes(page) == {"COX2", "back pain"}
    assert page.locator("#ways .kindof").all_inner_texts() == ["neighbour"] * 4
    options(page).nth(0).click()
    assert card(page) == "Neighbour 1"
    assert "not a path" in page.locator("#legend").inner_text()
    assert page.locator("#found").inner_text() == "4 neighbours"


def test_neighbours_of_one_entity_leave_the_other_alone(open_view):
    view = neighbour_view()
    page = open_view(view | {"paths": view["paths"][:2]})
    assert set(places(page)) == {"Dolorin", "COX1", "Placebon", "back pain"}
    node(page, "back pain").hover()
    assert lit_nodes(page) == {"back pain"}
    assert terms(page)["Neighbours"] == "0 of 2"


def test_of_many_paths_the_first_are_drawn_and_it_is_said(open_view):
    page = open_view(big_view())
    assert (
        page.locator("#graph-note").inner_text() == "Drawn are the first 100 paths of 250; the list has all."
    )
    assert options(page).count() == 100
    page.get_by_role("button", name="Show 100 more of 150").click()
    assert options(page).count() == 200
    assert page.evaluate("document.activeElement.querySelector('.rank').textContent") == "101"
    options(page).nth(150).click()  # one that is not among the first is drawn when it is chosen
    page.mouse.move(2, 2)
    assert (
        page.locator("#graph-note")
        .inner_text()
        .startswith("Drawn are the chosen and the first 99 paths of 250")
    )
    assert page.locator("#graph .edge.lit").count() == big_view()["paths"][150]["length"]
    page.locator("#graph").press("Escape")
    assert page.locator("#graph-note").inner_text().startswith("Drawn are the first 100")


def test_no_more_than_200_nodes_are_drawn(open_view):
    view, path = tiny_view(), tiny_view()["paths"][1]
    view["paths"] = []
    for rank in range(1, 121):
        inner = [f"a{rank}", f"b{rank}"]
        view["nodes"] += [{"id": name, "title": name, "kind": "Gene", "degree": 2} for name in inner]
        view["paths"].append(path | {"rank": rank, "nodes": ["drug", *inner, "pain"]})
    page = open_view(view)
    assert page.locator("#graph .node").count() == 200
    assert page.locator("#graph-note").inner_text().startswith("Drawn are the first 99 paths of 120")


def test_tab_reaches_every_control_once_in_reading_order(open_view):
    page = open_view(drug_view())
    order = []
    for _ in range(11):
        page.keyboard.press("Tab")
        order.append(
            page.evaluate("document.activeElement.id || document.activeElement.getAttribute('role')")
        )
    assert order == [
        *(None, "theme", None, "relation", "kind", "find", "graph", "detail", "copy", "option", "region")
    ]
