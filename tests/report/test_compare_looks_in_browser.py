"""The page of a comparison: narrow and wide, light and dark, one pair and sixty by sixty, long and hostile names."""

from __future__ import annotations

import pytest
from compare_views import areas_view, big_view, pair_view, self_view, tiny_view
from page_checks import BOXES, CONTRASTS, HOSTILE, NAMELESS, sideways

from hodology.report import write_compare_report

pytestmark = pytest.mark.browser

# The scale's ends and middle, and steps between: how light each is.
STEPS = """() => {
  const canvas = document.querySelector("#heat-legend canvas");
  const { data } = canvas.getContext("2d").getImageData(0, 4, canvas.width, 1);
  const light = (rgb) => rgb.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
  return Array.from({ length: canvas.width }, (_, x) => light([...data.slice(4 * x, 4 * x + 3)]));
}"""


@pytest.fixture
def open_view(open_page, tmp_path):
    """Write the page of a view and open it."""

    def open_view(view, **window):
        return open_page(write_compare_report(view, tmp_path / "page"), **window)

    return open_view


@pytest.fixture(scope="module")
def big(tmp_path_factory):
    """The page of sixty by sixty."""
    return write_compare_report(big_view(), tmp_path_factory.mktemp("big"))


@pytest.mark.parametrize("make", [tiny_view, self_view, areas_view])
def test_text_stands_out_from_its_ground_in_both_schemes(open_view, make):
    page = open_view(make())
    page.locator("#heat").focus()
    page.keyboard.press("ArrowDown")
    page.locator("details").evaluate_all("nodes => nodes.forEach(n => { n.open = true; })")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found = page.evaluate(CONTRASTS)
        assert len(found) > 60
        assert [(text, round(ratio, 2)) for text, ratio in found if ratio < 4.5] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_scale_is_told_by_lightness_alone(open_view, scheme):
    steps = open_view(self_view(), scheme=scheme).evaluate(STEPS)
    rising = steps if steps[0] < steps[-1] else steps[::-1]
    assert all(a <= b + 1e-3 for a, b in zip(rising, rising[1:]))
    assert (max(steps) + 0.05) / (min(steps) + 0.05) > 9
    both = open_view(tiny_view(), scheme=scheme).evaluate(STEPS)
    middle = len(both) // 2
    for half in (both[: middle + 1][::-1], both[middle:]):
        turned = half if half[0] < half[-1] else half[::-1]
        assert all(a <= b + 1e-3 for a, b in zip(turned, turned[1:]))


def test_the_picture_is_painted_again_when_the_scheme_changes(open_view):
    page = open_view(areas_view())
    before = [page.evaluate(f"document.getElementById('{id}').toDataURL()") for id in ("heat", "rdm-row-map")]
    page.locator("#theme").press("Enter")
    after = [page.evaluate(f"document.getElementById('{id}').toDataURL()") for id in ("heat", "rdm-row-map")]
    assert before[0] != after[0]
    assert before[1] != after[1]


def test_every_control_and_picture_has_a_name(open_view):
    page = open_view(areas_view())
    page.locator("#heat").focus()
    page.keyboard.press("ArrowDown")
    page.locator("details").evaluate_all("nodes => nodes.forEach(n => { n.open = true; })")
    page.locator("#rdm-row-map").hover(position={"x": 100, "y": 20})
    assert (
        page.evaluate("() => (" + NAMELESS + ")().filter(html => !html.includes('role=\"application\"'))")
        == []
    )
    for kind in ("heat map", "line chart", "dissimilarity matrix", "scatter plot"):
        assert page.locator(f"[aria-roledescription='{kind}'][aria-label]").count()
    assert page.get_by_role("combobox", name="Representation, row").is_visible()


@pytest.mark.parametrize("make", [tiny_view, pair_view, self_view, areas_view])
def test_no_page_scrolls_sideways(open_view, make):
    page = open_view(make(), width=1280)
    for width in (1280, 820, 390, 360):  # the pictures follow the window
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        assert sideways(page) <= 0
        assert page.locator("#heat-room").evaluate("n => n.scrollWidth <= n.clientWidth")


@pytest.mark.parametrize("width", [390, 1280])
def test_sixty_by_sixty_fits(open_page, big, width):
    page = open_page(big, width=width)
    assert sideways(page) <= 0
    assert page.locator("#heat-room").evaluate("n => n.scrollWidth <= n.clientWidth")
    assert page.locator("#heat").bounding_box()["height"] < 900
    texts = page.locator("#profile text[transform]").evaluate_all(BOXES)
    assert len(texts) > 8
    rights = sorted(box[0] for box in texts)
    assert min(b - a for a, b in zip(rights, rights[1:])) > 10  # names of the axis stand apart


@pytest.mark.parametrize("width", [360, 1280])
def test_names_without_a_place_to_break_do_not_widen_the_page(open_view, width):
    view, word = tiny_view(), "organisation/model-" * 9
    view |= {"title": word, "notes": [word], "stimuli": [word + str(i) for i in range(4)]}
    view["measure"] = {"name": word, "note": word}
    for side, key in ((0, "rows"), (1, "columns")):
        view["sets"][side]["label"] = word
        names = [f"{word}{index}" for index in range(len(view["sets"][side]["representations"]))]
        view["matrix"][key] = names
        for one, name in zip(view["sets"][side]["representations"], names, strict=True):
            one["name"] = name
    for point, name in zip(
        view["embedding"]["points"], view["matrix"]["rows"] + view["matrix"]["columns"], strict=True
    ):
        point["name"] = name
    view["table"]["rows"][0]["label"] = word
    page = open_view(view, width=width)
    page.locator("#rdm-row-map").hover(position={"x": 100, "y": 20})
    assert sideways(page) <= 0
    assert (
        page.locator("#plane text").all_text_contents()[0].startswith("…")
    )  # what differs is left of a name


def test_what_lies_below_does_not_move_when_the_pointer_moves(open_view):
    page = open_view(areas_view())
    top = "document.querySelector('#matches').getBoundingClientRect().top + scrollY"
    below = "document.querySelector('#rdm-title').getBoundingClientRect().top + scrollY"
    before = page.evaluate(f"[{top}, {below}]")
    for x in (80, 200, 400, 600):
        page.locator("#heat").hover(position={"x": x, "y": 120})
        assert page.evaluate(f"[{top}, {below}]") == before


def test_without_scripts_the_page_still_tells_its_figures(open_view):
    page = open_view(tiny_view(), script=False)
    text = page.locator("body").inner_text()
    for words in ("need JavaScript", "V1", "0.550 to 0.700", "rsa-spearman", "Best match", "n_boot"):
        assert words in text
    for control in ("#heat", "#range", "#row", "#rdm-kind", "#plane"):
        assert not page.locator(control).is_visible()


def test_hostile_names_are_shown_as_they_are(open_view):
    view = tiny_view()
    view |= {"title": HOSTILE[1], "notes": HOSTILE, "stimuli": [*HOSTILE, "tree"]}
    view["measure"]["name"] = HOSTILE[0]
    view["matrix"]["rows"][0] = view["sets"][0]["representations"][0]["name"] = HOSTILE[2]
    view["matrix"]["columns"][1] = view["sets"][1]["representations"][1]["name"] = HOSTILE[1]
    view["embedding"]["points"][0]["name"] = HOSTILE[2]
    view["embedding"]["points"][3]["name"] = HOSTILE[1]
    page = open_view(view)
    assert page.locator("h1").text_content() == HOSTILE[1]
    assert page.locator("#detail .side strong").all_text_contents() == [HOSTILE[2], HOSTILE[1]]
    page.locator("#rdm-row-map").hover(position={"x": 300, "y": 10})
    assert page.locator("#rdm-said strong").text_content() == f"{HOSTILE[0]} and {HOSTILE[2]}"
    assert page.evaluate("window.hacked") is None
    assert page.locator("script").count() == 2
    assert page.locator("img[src=x]").count() == 0
