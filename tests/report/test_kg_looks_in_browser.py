"""The page of paths through a knowledge graph: narrow and wide, light and dark, crowded, with long and hostile names."""

from __future__ import annotations

import pytest
from kg_views import big_view, drug_view, neighbour_view, parallel_view, tiny_view
from page_checks import BOXES, CONTRASTS, HOSTILE, NAMELESS, sideways

from hodology.report import write_kg_report

pytestmark = pytest.mark.browser

# Lines that run over a node which is none of their ends, or over its name. The ends are those the line starts and
# stops beside; a line has 40 samples.
HIDING = """() => {
  const boxes = [...document.querySelectorAll("#graph .node")].map((n) => {
    const { e, f } = n.transform.baseVal.consolidate().matrix;
    return [n.querySelector(".shape"), ...n.querySelectorAll(".name")].map((p) => p.getBBox())
      .map((b) => [b.x + e, b.y + f + 2, b.x + b.width + e, b.y + b.height + f - 2]);
  });
  const inside = ([x, y], [l, t, r, b]) => x > l && x < r && y > t && y < b;
  const found = [];
  for (const line of document.querySelectorAll("#graph .edge .line")) {
    const length = line.getTotalLength();
    for (let k = 0; k <= 40; k++) {
      const p = line.getPointAtLength((k / 40) * length);
      if (boxes.some((parts) => parts.some((box) => inside([p.x, p.y], box)))) { found.push(line.getAttribute("d")); break; }
    }
  }
  return found;
}"""
# How often two lines between neighbouring columns cross, of the order that is drawn.
CROSSINGS = """() => {
  const lines = [...document.querySelectorAll("#graph .edge .line")].map((n) => {
    const length = n.getTotalLength();
    return Array.from({ length: 200 }, (_, k) => n.getPointAtLength((k / 199) * length));
  });
  const height = (line, x) => { const at = line.findIndex((p) => p.x >= x); return at > 0 ? line[at].y : null; };
  let count = 0;
  for (let i = 0; i < lines.length; i++) for (let j = 0; j < i; j++) {
    let before = 0;
    for (let x = 0; x < 900; x += 6) {
      const [a, b] = [height(lines[i], x), height(lines[j], x)];
      if (a === null || b === null || Math.abs(a - b) < 1.5) continue;
      if (before && Math.sign(a - b) !== before) count += 1;
      before = Math.sign(a - b);
    }
  }
  return count;
}"""


@pytest.fixture
def open_view(open_page, tmp_path):
    """Write the page of a view and open it."""

    def open_view(view, **window):
        return open_page(write_kg_report(view, tmp_path / "page"), **window)

    return open_view


@pytest.fixture(scope="module")
def big(tmp_path_factory):
    """The page of 250 paths, of which 100 are drawn."""
    return write_kg_report(big_view(), tmp_path_factory.mktemp("big"))


def apart(boxes, slack=2.0):
    """Pairs of boxes that overlap by more than the ground around their letters."""
    return [
        (a, b)
        for i, a in enumerate(boxes)
        for b in boxes[:i]
        if min(a[2], b[2]) - max(a[0], b[0]) > slack and min(a[3], b[3]) - max(a[1], b[1]) > 4 + slack
    ]


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("make", [tiny_view, parallel_view, neighbour_view, drug_view])
def test_no_line_hides_a_node_and_no_two_names_overlap(open_view, make, width):
    page = open_view(make(), width=width)
    assert page.evaluate(HIDING) == []
    names = page.locator("#graph .node text.name").evaluate_all(BOXES)
    relations = page.locator("#graph text.relation").evaluate_all(BOXES)
    assert apart(names + relations) == []
    unnamed = page.locator("#graph .edge").count() - len(relations)
    assert unnamed <= 1  # what found no place is told when its path is chosen


def test_a_crowded_drawing_hides_no_node_and_keeps_names_apart(open_page, big):
    page = open_page(big, width=1280)
    assert page.locator("#graph .node").count() > 140
    assert page.evaluate(HIDING) == []
    names = page.locator("#graph .node text.name").evaluate_all(BOXES)
    relations = page.locator("#graph text.relation").evaluate_all(BOXES)
    assert apart(names + relations) == []
    assert len(relations) > 0.7 * page.locator("#graph .edge").count()
    assert page.locator("#graph .node").first.evaluate(
        "n => n.getBoundingClientRect().top > n.closest('#graph').getBoundingClientRect().top"
    )  # the source is in view


def test_names_that_found_no_place_are_told_when_their_path_is_chosen(open_page, big):
    page = open_page(big, width=1280)
    length = big_view()["paths"][7]["length"]
    page.locator("#ways [role=option]").nth(7).click()
    page.mouse.move(2, 2)
    assert page.locator("#graph .over text:visible").count() == length
    assert page.locator("#graph .names:not(.over) text:visible").count() == 0


def test_columns_are_ordered_so_that_few_lines_cross(open_view):
    view, path = tiny_view(), tiny_view()["paths"][1]
    inner = ["hub", *(f"{letter}{i}" for letter in "ab" for i in range(6))]
    view["nodes"] = view["nodes"][:2]
    view["nodes"] += [{"id": name, "title": name, "kind": "Gene", "degree": 3} for name in inner]
    steps = [("hub", f"b{i}") for i in (0, 5)]  # they give the b an order that is wrong for the a
    steps += [("a0", "b5"), ("a1", "b1"), ("a2", "b4"), ("a3", "b2"), ("a4", "b3"), ("a5", "b0")]
    view["paths"] = [
        path | {"rank": rank, "nodes": ["drug", *pair, "pain"]} for rank, pair in enumerate(steps, start=1)
    ]
    page = open_view(view)
    assert page.locator("#graph .edge").count() == 7 + 8 + 6
    assert page.evaluate(CROSSINGS) <= 4


def test_the_drawing_fits_the_room_of_the_window_and_follows_it(open_view):
    page = open_view(drug_view(), width=1280)
    seen = []
    for width in (1280, 1160, 1000, 860):
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        assert page.locator("#graph").evaluate("n => n.scrollWidth <= n.clientWidth")
        seen.append(page.locator("#graph svg").bounding_box()["width"])
    assert seen[0] > seen[1]
    assert seen[2] > seen[3]


def test_a_drawing_of_long_paths_takes_the_room_of_the_card(open_view):
    view = drug_view()
    long = view["paths"][1]
    steps = ["DB00843", "43", "DB00674", "DOID:1596", "11261", "DOID:10652"]
    relations = ["binds", "binds", "treats", "associates", "associates"]
    way = [True, False, True, True, False]
    view["paths"].append(
        long | {"rank": 11, "length": 5, "nodes": steps, "relations": relations, "forward": way}
    )
    page = open_view(view, width=1280)
    (graph,), (detail,) = (page.locator(place).evaluate_all(BOXES) for place in ("#graph", "#detail"))
    assert graph[2] - graph[0] > 1100
    assert detail[1] >= graph[3]
    assert page.locator("#graph").evaluate("n => n.scrollWidth <= n.clientWidth")
    page.locator("#find").fill("rivastigmine")  # what is left is short
    assert page.locator("#detail").evaluate_all(BOXES)[0][1] < graph[3]


@pytest.mark.parametrize("width", [390, 1280])
def test_what_lies_below_the_card_does_not_move_when_something_is_chosen(open_view, width):
    view = tiny_view()
    for path in view["paths"]:
        path["sentence"] = "a long sentence " * 40
    page = open_view(view, width=width)
    below = "document.querySelector('#ways').offsetTop - document.querySelector('#graph').offsetTop"
    before = page.evaluate(below)
    page.locator("#ways [role=option]").first.dispatch_event("click")
    assert page.locator("#detail h3").inner_text() == "Path 1"
    assert page.evaluate(below) == before


@pytest.mark.parametrize("make", [drug_view, neighbour_view])
def test_text_stands_out_from_its_ground_in_both_schemes(open_view, make):
    page = open_view(make())
    page.locator("#ways [role=option]").first.click()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found = page.evaluate(CONTRASTS)
        assert len(found) > 60
        assert [(text, round(ratio, 2)) for text, ratio in found if ratio < 4.5] == []


def test_kinds_are_told_by_shape_and_letters_and_colour(open_view):
    page = open_view(drug_view())
    looks = page.locator("#legend .node").evaluate_all(
        "nodes => nodes.map(n => [n.querySelector('.mark').textContent, getComputedStyle(n.querySelector('.shape')).stroke])"
    )
    assert [mark for mark, _ in looks] == ["C", "D", "G", "PC", "S"]
    assert len({colour for _, colour in looks}) == 5
    before = looks
    page.locator("#theme").press("Enter")
    after = page.locator("#legend .node").evaluate_all(
        "nodes => nodes.map(n => [n.querySelector('.mark').textContent, getComputedStyle(n.querySelector('.shape')).stroke])"
    )
    assert all(a[1] != b[1] for a, b in zip(before, after))


def test_every_control_and_picture_has_a_name(open_view):
    page = open_view(drug_view())
    page.locator("#ways [role=option]").first.click()
    assert page.evaluate(NAMELESS) == []
    assert page.get_by_role("searchbox", name="Find").is_visible()
    assert page.get_by_role("combobox", name="Relation").is_visible()
    assert page.get_by_role("combobox", name="Through").is_visible()
    assert page.get_by_role("listbox", name="Paths in words").get_by_role("option").count() == 10
    assert page.get_by_role("application", name="Drawing of the paths").is_visible()


@pytest.mark.parametrize("make", [drug_view, neighbour_view])
def test_a_narrow_page_never_scrolls_sideways(open_view, make):
    page = open_view(make(), width=360)
    page.locator("#ways [role=option]").first.click()
    assert sideways(page) <= 0


def test_a_crowded_drawing_does_not_widen_a_narrow_page(open_page, big):
    page = open_page(big, width=360)
    assert sideways(page) <= 0
    assert page.locator("#graph").evaluate(
        "n => n.scrollWidth > n.clientWidth && n.scrollHeight > n.clientHeight"
    )


@pytest.mark.parametrize("width", [360, 1280])
def test_names_without_a_place_to_break_do_not_widen_the_page(open_view, width):
    view, word = tiny_view(), "organisation/model-" * 9
    view |= {"title": word, "notes": [word], "kinds": ["Compound", "Disease", word]}
    view["graph"]["name"] = view["hidden"][0]["why"] = view["hidden"][0]["relation"] = word
    view["query"] |= {"tie_break": word, "hide": word}
    for part in view["nodes"]:
        part |= {"title": word, "kind": word if part["kind"] == "Gene" else part["kind"]}
    for part in view["relations"]:
        part["title"] = word
    for part in view["paths"]:
        part["sentence"] = word
    page = open_view(view, width=width)
    page.locator("#ways [role=option]").first.click()
    assert sideways(page) <= 0
    assert page.evaluate(HIDING) == []


def test_without_scripts_the_page_still_tells_its_paths(open_view):
    page = open_view(tiny_view(), script=False)
    text = page.locator("body").inner_text()
    for words in (
        *("need JavaScript", "56,789 edges", "drug binds g1 and g1 linked pain", "Not used", "is linked to"),
        *("its relation is asked for", "tie break"),
    ):
        assert words in text
    for control in ("#find", "#relation", "#copy", "#graph", "#more"):
        assert not page.locator(control).is_visible()


def test_hostile_names_are_shown_as_they_are(open_view):
    view = tiny_view()
    view |= {"title": HOSTILE[1], "notes": HOSTILE, "kinds": ["Compound", "Disease", HOSTILE[0]]}
    for index, part in enumerate(view["nodes"]):
        part |= {"title": HOSTILE[index % 3], "kind": HOSTILE[0] if part["kind"] == "Gene" else part["kind"]}
    for index, part in enumerate(view["relations"]):
        part["title"] = HOSTILE[index % 3]
    for part in view["paths"]:
        part["sentence"] = HOSTILE[1]
    view["hidden"][0] |= {"relation": HOSTILE[2], "why": HOSTILE[0]}
    page = open_view(view)
    assert page.locator("h1").text_content() == HOSTILE[1]
    page.locator("#ways [role=option]").first.click()
    assert page.locator("#ways .sentence").first.text_content() == HOSTILE[1]
    page.locator("#graph").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    page.locator("#find").fill("script")
    assert page.evaluate("window.hacked") is None
    assert page.locator("script").count() == 2
    assert page.locator("img[src=x]").count() == 0


def test_without_paths_there_is_nothing_to_choose(open_view):
    page = open_view(tiny_view() | {"paths": [], "relations": []})
    assert page.locator("p.notice").get_by_text("No path of up to").is_visible()
    assert page.locator("#graph, #find, #copy").count() == 0
    page.locator("#theme").press("Enter")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
