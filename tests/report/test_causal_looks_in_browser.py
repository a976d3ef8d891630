"""The causal page in a browser: narrow and wide, light and dark, large graphs, maps and bars, hostile names."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest
from causal_drawing import COLOURS, card, disc, discs, edges_on, path_options, rows, settle, terms, thin
from causal_views import big_view, digits_view, tiny_view
from page_checks import BOXES, CONTRASTS, HOSTILE, NAMELESS, sideways

from hodology.report import png_data_uri, write_causal_report

pytestmark = pytest.mark.browser


@pytest.fixture
def open_view(open_page, tmp_path):
    """Write the page of a view and open it."""

    def open_view(view, **window):
        return open_page(write_causal_report(view, tmp_path / "page"), **window)

    return open_view


@pytest.fixture(scope="module")
def big(tmp_path_factory):
    """The page of twelve layers with some 17,000 edges, and those edges."""
    view = big_view()
    return write_causal_report(view, tmp_path_factory.mktemp("big")), view["edges"]


@pytest.mark.parametrize("width", [1280, 360])
def test_no_two_names_of_the_drawing_overlap(open_view, width):
    page = open_view(digits_view(), width=width)
    for kind in ("text.layer", "text.caption", ".names text"):
        boxes = page.locator(f"#graph {kind}").evaluate_all(BOXES)
        assert len(boxes) >= 5
        for index, a in enumerate(boxes):
            for b in boxes[:index]:
                assert (
                    a[2] <= b[0] or b[2] <= a[0] or abs(a[1] - b[1]) >= 11
                )  # the box is higher than the letters


@pytest.mark.parametrize("width", [1280, 800, 360])
def test_long_names_of_layers_stand_apart_and_inside_the_drawing(open_view, width):
    view = digits_view()
    for index, layer in enumerate(view["layers"]):
        layer["label"] = f"backbone.stage{index}.block{index}.conv2"
    page = open_view(view, width=width)
    ((left, _, right, _),) = page.locator("#graph svg").evaluate_all(BOXES)
    boxes = page.locator("#graph text.layer").evaluate_all(BOXES)
    for line in (boxes[::2], boxes[1::2]):
        assert all(a[2] <= b[0] for a, b in zip(line, line[1:]))
    assert min(box[0] for box in boxes) >= left - 2  # the box holds the ground of the letters too
    assert max(box[2] for box in boxes) <= right + 2


def test_heat_lies_over_an_input_where_its_picture_is_bright(open_view):
    page = open_view(tiny_view())
    page.locator(".maps canvas").wait_for()
    assert page.locator(".maps img").count() == 2
    assert page.locator(".maps canvas").count() == 1
    alpha = page.locator(".maps canvas").evaluate(
        "c => [...c.getContext('2d').getImageData(0, 0, 4, 4).data].filter((_, i) => i % 4 === 3)"
    )
    assert alpha == [0, 0, 255, 0] + [0] * 12
    opacity = "c => Number(getComputedStyle(c).opacity)"
    assert page.locator(".maps canvas").evaluate(opacity) == 0.85
    page.locator("#heat").fill("0")
    assert page.locator(".maps canvas").evaluate(opacity) == 0
    captions = page.locator(".maps figcaption").all_inner_texts()
    assert [re.sub(r"\s+", " ", text) for text in captions] == [
        "animals/1 0.910",
        "animals/2 taken for a dog",
    ]


def test_a_photograph_is_smooth_and_few_pixels_are_not(open_view):
    view = tiny_view()
    view["maps"][0]["image"] = png_data_uri(np.zeros((64, 64), dtype=np.uint8))
    page = open_view(view)
    page.locator(".maps img.smooth").wait_for()
    assert page.locator(".maps img").evaluate_all("n => n.map(i => i.classList.contains('smooth'))") == [
        True,
        False,
    ]


def test_bars_and_layers_tell_their_figures(open_view):
    page = open_view(tiny_view())
    assert page.locator(".panel").count() == 3
    assert page.locator(".panel").first.locator(".value").all_inner_texts() == [
        "0.0 %",
        "31.0 %",
        "83.0 %",
        "92.0 %",
    ]
    layers = page.get_by_role("region", name="Layers").locator("tbody tr")
    assert layers.nth(1).locator("td").all_inner_texts() == [
        *("features.0", "4", "4", "4", "2\n50.0 %", "0.0120\n−0.00400 to 0.0310")
    ]
    assert layers.nth(0).locator("td").all_inner_texts() == ["input", "1", "–", "–", "–", "–"]


def test_without_edges_the_rest_of_the_page_stands(open_view):
    page = open_view(tiny_view() | {"edges": [], "paths": []})
    assert page.get_by_text("No edge was kept").is_visible()
    page.locator(".maps canvas").wait_for()
    assert page.locator("#graph").count() == 0


def test_the_scheme_changes_lines_and_legend_and_back(open_view):
    page = open_view(tiny_view())
    looks = []
    for _ in range(3):
        lines = page.locator("#graph .under path").evaluate_all(COLOURS)
        looks.append((lines, page.locator("#legend line").evaluate_all(COLOURS)))
        page.locator("#theme").press("Enter")
    assert looks[0] == looks[2]
    assert all(a != b for a, b in zip(looks[0], looks[1]))


def test_text_stands_out_from_its_ground_in_both_schemes(open_view):
    page = open_view(digits_view())
    disc(page, "2:4").click()
    page.locator("summary").first.press("Enter")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found = page.evaluate(CONTRASTS)
        assert len(found) > 200
        assert [(text, round(ratio, 2)) for text, ratio in found if ratio < 4.5] == []


def test_every_control_and_picture_has_a_name(open_view):
    page = open_view(digits_view())
    for details in page.locator("summary").all():
        details.press("Enter")
    page.locator(".maps canvas").first.wait_for()
    assert page.evaluate(NAMELESS) == []
    assert page.get_by_role("slider", name="At least").is_visible()
    assert page.get_by_role("searchbox", name="Find").is_visible()
    assert page.get_by_role("listbox", name="Best paths").get_by_role("option").count() == 12


def test_a_narrow_page_never_scrolls_sideways(open_view):
    page = open_view(digits_view(), width=360)
    path_options(page).first.click()
    assert sideways(page) <= 0


def test_names_without_a_place_to_break_do_not_widen_a_narrow_page(open_view):
    view, word = tiny_view(), "organisation/model-" * 9
    view |= {"title": word, "notes": [word], "settings": {word: word}, "effect_unit": word, "cost_unit": word}
    view["model"]["name"] = view["data"]["name"] = view["target"]["name"] = view["maps"][0]["note"] = word
    for layer in view["layers"]:
        layer |= {"name": word, "label": word}
    for node in view["nodes"]:
        node["unit"] = word
    page = open_view(view, width=360)
    disc(page, "b1").click()
    path_options(page).first.click()
    assert sideways(page) <= 0


def test_without_scripts_the_page_still_tells_its_figures(open_view):
    page = open_view(tiny_view(), script=False)
    text = page.locator("body").inner_text()
    for words in (
        "need JavaScript",
        "1,234 parameters",
        "Class accuracy after cutting",
        "features.3",
        "alpha",
    ):
        assert words in text
    for control in ("#thin", "#find", "#heat", "#edge-table"):
        assert not page.locator(control).is_visible()


def test_hostile_names_are_shown_as_they_are(open_view):
    view = tiny_view()
    view |= {
        "title": HOSTILE[1],
        "notes": HOSTILE,
        "settings": dict(zip(HOSTILE, HOSTILE)),
        "effect_unit": HOSTILE[2],
    }
    view["target"]["name"] = view["model"]["name"] = view["maps"][0]["note"] = view["cost_unit"] = HOSTILE[0]
    for index, part in enumerate(view["nodes"] + view["layers"]):
        part |= (
            {"unit": HOSTILE[index % 3], "label": HOSTILE[index % 3]}
            if "unit" in part
            else {"label": HOSTILE[2]}
        )
    for part in view["table"]["rows"] + view["table"]["columns"]:
        part["label"] = HOSTILE[1]
    page = open_view(view)
    assert page.locator("h1").text_content() == HOSTILE[1]
    disc(page, "a1").click()
    assert (
        card(page).endswith(HOSTILE[2].replace("\u2028", " "))
        or HOSTILE[2] in page.locator("#detail h3").text_content()
    )
    path_options(page).first.click()
    page.locator("#find").fill("script")
    assert page.evaluate("window.hacked") is None
    assert page.locator("script").count() == 2
    assert page.locator("img[src=x]").count() == 0


def test_of_a_large_graph_the_strongest_edges_are_drawn_first_and_said(open_page, big):
    file, count = big[0], len(big[1])
    page = open_page(file, width=1280)
    assert count > 15_000
    found = re.fullmatch(
        r"([\d.]+) log odds: (\d+) of ([\d,]+) edges", page.locator("#thin-said").inner_text()
    )
    assert int(found[3].replace(",", "")) == count
    assert 400 <= int(found[2]) <= 500
    assert page.locator("#graph .under path").count() == int(found[2])
    assert page.locator("#graph canvas:visible").count() == 0
    assert len(rows(page, "#edge-table")) == 500
    assert page.locator("#edges-note").inner_text().startswith(f"The first 500 of {count:,} edges by effect")


def test_all_edges_of_a_large_graph_lie_on_a_canvas_that_follows_the_scheme(open_page, big):
    page = open_page(big[0], width=1280)
    thin(page, 0)
    assert page.locator("#thin-said").inner_text().endswith("{0:,} of {0:,} edges".format(len(big[1])))
    assert page.locator("#graph .under path").count() == 0
    canvas = page.locator("#graph canvas:visible")
    assert canvas.count() == 1
    painted = "c => { const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
    painted += (
        " let n = 0; for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n / (c.width * c.height); }"
    )
    assert canvas.evaluate(painted) > 0.3
    before = canvas.evaluate("c => c.toDataURL()")
    page.locator("#theme").press("Enter")
    assert canvas.evaluate("c => c.toDataURL()") != before


def test_every_unit_of_a_large_graph_can_be_pointed_at_traced_and_let_go(open_page, big):
    page = open_page(big[0], width=1280)
    thin(page, 0)
    places = discs(page)
    assert len(places) > 3000
    targets = Counter(edge["target"] for edge in big[1] if edge["target"].startswith("6:"))
    name, many = targets.most_common(1)[0]
    x, y, _ = places[name]
    page.locator("#graph .sheet").hover(position={"x": x, "y": y})
    assert card(page) == f"layer2.2.conv2 · {name.split(':')[1]}"
    assert page.locator("#detail caption").first.inner_text().startswith(f"{many} edges in")
    assert page.locator("#graph .over path").count() > many
    assert page.locator("#detail p").first.inner_text() == f"and {many - 40} weaker"
    page.mouse.down()
    page.mouse.up()
    assert re.fullmatch(r"[\d,]+ units, [\d,]+ edges", terms(page)["Upstream"])
    page.locator("#graph").press("Escape")
    page.mouse.move(2, 2)
    assert page.locator("#graph .sheet.busy").count() == 0


def test_a_large_graph_does_not_widen_a_narrow_page(open_page, big):
    page = open_page(big[0], width=360)
    assert sideways(page) <= 0
    assert page.locator("#graph").evaluate("n => n.scrollWidth > n.clientWidth")


def test_the_drawing_takes_the_room_of_the_window(open_view):
    page = open_view(digits_view(), width=1280)
    wide = page.locator("#graph svg").bounding_box()["width"]
    page.set_viewport_size({"width": 900, "height": 900})
    settle(page)
    assert page.locator("#graph svg").bounding_box()["width"] < wide - 100
    assert len(edges_on(page, "under")) == len(digits_view()["edges"])
