"""The features page in a browser: narrow and wide, light and dark, 400 features, hostile names and tokens."""

from __future__ import annotations

import pytest
from features_views import big_features, concept_features, context, tiny_features
from page_checks import BOXES, CONTRASTS, HOSTILE, NAMELESS, sideways

from hodology.report import write_features_report

pytestmark = pytest.mark.browser


@pytest.fixture
def open_view(open_page, tmp_path):
    """Write the page of a view and open it."""

    def open_view(view, **window):
        return open_page(write_features_report(view, tmp_path / "page"), **window)

    return open_view


@pytest.fixture(scope="module")
def big(tmp_path_factory):
    """The page of 400 features with 25 contexts of 31 tokens each."""
    return write_features_report(big_features(), tmp_path_factory.mktemp("big"))


def listed(page):
    return [int(text) for text in page.locator("#list .id").all_inner_texts()]


def title(page):
    return page.locator("#shown h3").inner_text()


def readout(page):
    return page.locator(".readout").inner_text()


def tokens(page, row):
    """Text, level of the ground and whether it is the marked one, of every token of a context."""
    found = page.locator(".contexts li").nth(row).locator(".token")
    return found.evaluate_all(
        "nodes => nodes.map(n => [n.textContent, Number(/level(\\d)/.exec(n.className)?.[1] ?? 0), n.matches('.focus')])"
    )


def test_of_400_features_only_the_chosen_one_is_built(open_page, big):
    page = open_page(big)
    assert page.locator("#list [role=option]").count() == 400
    assert page.locator(".token").count() == 25 * 31
    page.locator("#list [tabindex='0']").focus()
    for key in ("PageDown", "PageDown", "PageDown", "ArrowDown"):
        page.keyboard.press(key)
    assert title(page).startswith("Feature 31 ")
    assert page.locator(".token").count() == 25 * 31
    ((_, top, _, bottom),) = page.locator("#list").evaluate_all(BOXES)
    ((_, high, _, low),) = page.locator("#list [aria-selected=true]").evaluate_all(BOXES)
    assert top <= high
    assert low <= bottom + 1
    page.locator("#words").fill("danube")
    assert 0 < len(listed(page)) < 400


def test_a_large_page_does_not_widen_a_narrow_window(open_page, big):
    assert sideways(open_page(big, width=360)) <= 0


def test_a_narrow_page_never_scrolls_sideways_and_shows_contexts_whole(open_view):
    page = open_view(concept_features(), width=360)
    assert page.get_by_role("button", name="Aligned").get_attribute("aria-pressed") == "false"
    assert sideways(page) <= 0
    page.get_by_role("button", name="Aligned").press("Enter")
    assert sideways(page) <= 0


def test_names_without_a_place_to_break_do_not_widen_a_narrow_page(open_view):
    view, word = tiny_features(), "organisation/model-" * 9
    view |= {"title": word, "layer": word, "notes": [word], "settings": {word: word}}
    view["model"]["name"] = view["data"]["name"] = view["summary"][0]["value"] = word
    first = view["features"][1]
    first |= {
        "label": word,
        "up": [[word, 1.0]],
        "units": [[10**12, 1.0]],
        "concept": {"name": word, "score": 1.0, "auroc": 0.5},
    }
    first["contexts"] = [
        context(word, 1.0, 1, [("x" * 4000, 0.5), (word, 1.0), ("y" * 4000, 0.5)], label=word)
    ]
    view["tree"]["levels"][0]["label"] = word
    page = open_view(view, width=360)
    assert title(page).endswith(word)
    assert sideways(page) <= 0
    page.get_by_role("button", name="Aligned").press("Enter")
    assert sideways(page) <= 0


def test_text_stands_out_from_its_ground_in_both_schemes(open_view):
    page = open_view(concept_features())
    page.get_by_role("button", name="Aligned").press("Enter")
    grounds = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found = page.evaluate(CONTRASTS)
        assert len(found) > 500
        assert [(text, round(ratio, 2)) for text, ratio in found if ratio < 4.5] == []
        grounds.append(page.locator(".level8").first.evaluate("n => getComputedStyle(n).backgroundColor"))
    assert grounds[0] != grounds[1]
    page.locator("#theme").press("Enter")
    assert page.locator(".level8").first.evaluate("n => getComputedStyle(n).backgroundColor") == grounds[0]


def test_every_control_and_picture_has_a_name(open_view):
    page = open_view(concept_features())
    for details in page.locator("summary").all():
        details.press("Enter")
    assert page.evaluate(NAMELESS) == []
    assert page.get_by_role("listbox", name="Features").get_by_role("option").count() == 24
    assert page.get_by_role("searchbox", name="Find").is_visible()
    assert page.get_by_role("combobox", name="Sort by").is_visible()
    assert page.get_by_role("article", name="The chosen feature").is_visible()
    assert page.locator(".passage").evaluate_all(
        "n => n.every(p => p.getAttribute('aria-label').includes('strongest'))"
    )


@pytest.mark.parametrize("width", [1280, 360])
def test_no_two_texts_of_the_page_overlap(open_view, width):
    page = open_view(concept_features(), width=width)
    for kind in (
        "#list .name, #list .value, #list .id",
        "#shown dt, #shown dd",
        ".bars .word, .bars .value",
        ".meta > span",
    ):
        boxes = page.locator(kind).evaluate_all(BOXES)
        assert len(boxes) > 8
        for index, a in enumerate(boxes):
            for b in boxes[max(0, index - 3) : index]:
                assert a[2] <= b[0] + 0.5 or b[2] <= a[0] + 0.5 or a[3] <= b[1] + 0.5 or b[3] <= a[1] + 0.5


def test_without_scripts_the_page_still_tells_its_figures(open_view):
    page = open_view(tiny_features(), script=False)
    text = page.locator("body").inner_text()
    for words in ("need JavaScript", "123,456 parameters", "83.1 %", "sparsity"):
        assert words in text
    for control in ("#viewer", "#tree-part"):
        assert not page.locator(control).is_visible()
    page.locator("summary").click()
    assert page.get_by_text("Monday, Friday").is_visible()


def test_hostile_names_and_tokens_are_shown_as_they_are(open_view):
    view = tiny_features()
    view |= {
        "title": HOSTILE[1],
        "layer": HOSTILE[2],
        "notes": HOSTILE,
        "settings": dict(zip(HOSTILE, HOSTILE)),
    }
    view["summary"] = [{"label": HOSTILE[0], "value": HOSTILE[1]}]
    for feature in view["features"]:
        feature |= {"label": HOSTILE[1], "up": [[name, 1.0] for name in HOSTILE]}
        feature["concept"] = {"name": HOSTILE[0], "score": 1.0, "auroc": None}
        feature["contexts"] = [
            context(HOSTILE[2], 1.0, 1, [(name, 1.0) for name in HOSTILE], label=HOSTILE[0])
        ]
    view["tree"]["levels"][0]["label"] = HOSTILE[0]
    page = open_view(view)
    assert page.locator("h1").text_content() == HOSTILE[1]
    assert title(page) == f"Feature 3 {HOSTILE[1]}"
    assert [text for text, _, _ in tokens(page, 0)][:2] == HOSTILE[:2]
    page.locator("#words").fill("<script>")
    page.locator(".passage").first.press("ArrowRight")
    assert readout(page).startswith(HOSTILE[1])
    assert page.evaluate("window.hacked") is None
    assert page.locator("script").count() == 2
    assert page.locator("img").count() == 0
