"""The features page in a browser: the list, the contexts token by token, what is written, by pointer and by keys."""

from __future__ import annotations

import re

import pytest
from features_views import concept_features, context, tiny_features
from page_checks import BOXES

from hodology.report import write_features_report

pytestmark = pytest.mark.browser


@pytest.fixture
def open_view(open_page, tmp_path):
    """Write the page of a view and open it."""

    def open_view(view, **window):
        return open_page(write_features_report(view, tmp_path / "page"), **window)

    return open_view


def listed(page):
    return [int(text) for text in page.locator("#list .id").all_inner_texts()]


def figures(page):
    return page.locator("#list .value").all_inner_texts()


def title(page):
    return page.locator("#shown h3").inner_text()


def shows(page, name):
    """Whether a feature is shown once the address has changed, which is told to the page a moment later."""
    page.locator("#shown h3", has_text=name).wait_for()
    return title(page) == name


def facts(page):
    texts = (page.locator(f"#shown .facts {tag}").all_inner_texts() for tag in ("dt", "dd"))
    return dict(zip(*texts, strict=True))


def part(page, name):
    return page.get_by_role("region", name=name)


def readout(page):
    return page.locator(".readout").inner_text()


def tokens(page, row):
    """Text, level of the ground and whether it is the marked one, of every token of a context."""
    found = page.locator(".contexts li").nth(row).locator(".token")
    return found.evaluate_all(
        "nodes => nodes.map(n => [n.textContent, Number(/level(\\d)/.exec(n.className)?.[1] ?? 0), n.matches('.focus')])"
    )


def test_the_list_opens_by_share_with_its_first_feature_shown(open_view):
    page = open_view(tiny_features())
    assert listed(page) == [3, 7, 2, 11]
    assert figures(page) == ["50.00 %", "25.00 %", "12.50 %", "12.50 %"]
    widths = page.locator("#list rect").evaluate_all("nodes => nodes.map(n => n.getAttribute('width'))")
    assert widths == ["100%", "50%", "25%", "25%"]
    assert title(page) == "Feature 3 cat, dog"
    assert page.locator("#list [aria-selected=true] .id").inner_text() == "3"
    assert page.locator("#count").inner_text() == "4 of 4 features"


def test_the_list_sorts_by_every_key_and_says_its_figure(open_view):
    page = open_view(tiny_features())
    orders = {}
    for name in page.locator("#sort option").all_inner_texts():
        page.locator("#sort").select_option(name)
        orders[name] = (listed(page), figures(page))
    assert orders == {
        "share of the sum": ([3, 7, 2, 11], ["50.00 %", "25.00 %", "12.50 %", "12.50 %"]),
        "how often active": ([2, 11, 7, 3], ["50.00 %", "6.00 %", "4.00 %", "2.00 %"]),
        "concept score": ([3, 7, 2, 11], ["2.50", "1.50", "–", "–"]),
        "number": ([2, 3, 7, 11], ["", "", "", ""]),
    }
    assert title(page) == "Feature 3 cat, dog"


def test_without_concepts_there_is_no_order_by_them(open_view):
    view = tiny_features()
    for feature in view["features"]:
        feature["concept"] = None
    page = open_view(view)
    assert "concept score" not in page.locator("#sort option").all_inner_texts()


def test_the_filter_finds_marked_tokens_concepts_and_numbers(open_view):
    page = open_view(tiny_features())
    for words, found in (
        ("", [3, 7, 2, 11]),
        ("monday", [7]),  # a label and a token
        ("AFTER", [7]),  # a token with a fourth of the largest coefficient
        ("the", []),  # stands beside, with next to no coefficient
        (" monday after ", [7]),
        ("tuesday", [7]),  # written
        ("animals", [3]),  # a concept
        ("weekday", [7]),  # the label of a context, and a concept
        ("#7", [7]),
        ("11", [11]),
        ("#1", []),
        ("nowhere", []),
    ):
        page.locator("#words").fill(words)
        assert listed(page) == found, words
        assert page.locator("#count").inner_text() == f"{len(found)} of 4 features"
    page.locator("#words").press("Enter")
    assert page.url.endswith("index.html")
    assert title(page) == "Feature 3 cat, dog"  # stays until another is chosen


def test_words_that_are_cut_into_tokens_are_found_whole(open_view):
    view = tiny_features()
    pieces = [("She", 0.0), (" para", 2.0), ("chute", 1.0), ("s", 0.9), (" down", 0.0)]
    view["features"][3]["contexts"] = [context("text 5", 2.0, 1, pieces)]
    page = open_view(view)
    page.locator("#words").fill("parachutes")
    assert listed(page) == [11]


def test_up_and_down_choose_in_the_list_and_the_address_follows(open_view):
    page = open_view(tiny_features())
    page.locator("#list [tabindex='0']").focus()
    seen = []
    for key in ("ArrowDown", "ArrowDown", "ArrowUp", "End", "ArrowDown", "Home", "PageDown", "PageUp"):
        page.keyboard.press(key)
        seen.append(re.search(r"#feature-(\d+)$", page.url)[1])
        assert title(page).startswith(f"Feature {seen[-1]} ")
        assert page.locator("#list [tabindex='0'] .id").all_inner_texts() == [seen[-1]]
        assert page.evaluate("document.activeElement.querySelector('.id').textContent") == seen[-1]
    assert seen == ["7", "2", "7", "11", "11", "3", "11", "3"]


def test_the_list_is_one_stop_of_the_tab_key_and_down_leads_to_it(open_view):
    page = open_view(tiny_features())
    page.locator("#words").fill("monday")
    page.locator("#words").press("ArrowDown")
    assert page.evaluate("document.activeElement.textContent").startswith("7Monday")
    page.keyboard.press("Enter")
    assert title(page) == "Feature 7 Monday, Friday"
    order = []
    for _ in range(3):
        page.keyboard.press("Tab")
        order.append(page.evaluate("document.activeElement.textContent"))
    assert order == ["2", "Aligned", "On the Monday after↵"]  # the parent, the button, the first context


def test_a_click_chooses_and_reloading_keeps_the_feature(open_view):
    page = open_view(tiny_features())
    page.locator("#list [role=option]", has_text="nouns").click()
    assert title(page) == "Feature 2 nouns"
    assert page.url.endswith("#feature-2")
    page.reload()
    assert title(page) == "Feature 2 nouns"
    assert page.locator("#list [aria-selected=true] .id").inner_text() == "2"


@pytest.mark.parametrize(
    ("address", "name"), [("#feature-11", "commas"), ("#feature-99", "cat, dog"), ("#main", "cat, dog")]
)
def test_the_address_chooses_the_feature_if_there_is_one(open_page, tmp_path, address, name):
    page = open_page(write_features_report(tiny_features(), tmp_path))
    page.goto(page.url + address)
    page.reload()
    assert title(page).endswith(name)


def test_links_lead_to_parents_and_children_and_back(open_view):
    page = open_view(tiny_features())
    assert facts(page)["Part of"] == "2"
    page.locator("#shown a", has_text="2").click()
    assert shows(page, "Feature 2 nouns")
    assert page.locator("#shown .links a").all_inner_texts() == ["7", "3"]
    page.locator("#shown .links a").first.press("Enter")
    assert shows(page, "Feature 7 Monday, Friday")
    page.go_back()
    assert shows(page, "Feature 2 nouns")
    assert page.locator("#list [aria-selected=true] .id").inner_text() == "2"


def test_the_tree_opens_by_keys_and_leads_to_its_features(open_view):
    page = open_view(tiny_features())
    assert page.locator("#tree a").all_inner_texts() == ["nouns"]
    page.locator("#tree summary").press("Enter")
    page.locator("#tree .leaf").first.wait_for()
    assert page.locator("#tree .leaf").all_inner_texts() == ["Monday, Friday", "cat, dog"]
    assert page.locator("#tree a").all_inner_texts() == ["nouns", "Monday, Friday"]  # "0:3" is no feature
    page.locator("#tree a", has_text="Monday").press("Enter")
    assert shows(page, "Feature 7 Monday, Friday")


def test_the_facts_of_a_feature_leave_out_what_is_not_known(open_view):
    page = open_view(tiny_features())
    page.locator("#list [role=option]", has_text="Monday").click()
    assert facts(page) == {
        "Share of the sum": "25.00 %",
        "Active on": "4.00 % of tokens",
        "Norm": "3.25",
        "Units": "3",
        "Concept": "weekdays\nscore 1.50, AUROC 0.970",
        "Part of": "2",
    }
    page.locator("#list [role=option]", has_text="commas").click()
    assert list(facts(page)) == ["Share of the sum", "Active on", "Norm", "Units"]
    assert page.get_by_text("No context is kept.").is_visible()
    assert page.locator("#shown .columns section").count() == 0
    page.locator("#list [role=option]", has_text="cat, dog").click()
    assert facts(page)["Concept"] == "animals\nscore 2.50"


def test_tokens_have_a_ground_by_their_coefficient_and_none_is_invisible(open_view):
    page = open_view(tiny_features())
    page.locator("#list [role=option]", has_text="Monday").click()
    assert tokens(page, 0) == [
        ["On", 0, False],
        ["the", 0, False],
        ["Monday", 8, True],
        ["after", 2, False],
        ["↵", 1, False],
    ]
    assert tokens(page, 1) == [["Friday", 4, True], ["␣", 0, False], ["⇥", 1, False], ["∅", 0, False]]
    assert (
        page.locator(".contexts li").first.locator(".passage").inner_text().replace("\n", "")
        == "On the Monday after↵"
    )
    assert page.locator(".contexts .meta").all_text_contents() == ["2.00weekday", "1.00"]
    grounds = [
        page.locator(f".ramp .level{level}").evaluate("n => getComputedStyle(n).backgroundColor")
        for level in range(1, 9)
    ]
    assert len(set(grounds)) == 8


def test_every_kind_of_token_is_visible(open_view):
    kinds = {
        "\n\n": "↵↵",
        ",\n": ",↵",
        "\r\n": "␍↵",
        "  ": "␣␣",
        "\u00a0": "␣",
        "\t\t": "⇥⇥",
        "\u202eabc": "⟨202e⟩abc",
        "\u200b": "⟨200b⟩",
        "\x00": "⟨0⟩",
        "a\u2028b": "a⟨2028⟩b",
        "\u200d": "⟨200d⟩",
        "क्\u200dष": "क्\u200dष",
        "é": "é",
        "日本": "日本",
        "x" * 61: "x" * 60 + "…",
        "\U0001f600" * 61: "\U0001f600" * 60 + "…",
        "\ufffd": "\ufffd",
        " a b": "a b",
    }
    view = tiny_features()
    view["features"][1]["contexts"] = [context("text 1", 1.0, 0, [(text, 1.0) for text in kinds])]
    assert [shown for shown, _, _ in tokens(open_view(view), 0)] == list(kinds.values())


def test_pointing_at_a_token_tells_its_coefficient(open_view):
    page = open_view(tiny_features())
    page.locator("#list [role=option]", has_text="Monday").click()
    hint = readout(page)
    page.locator(".contexts .token", has_text="after").hover()
    assert readout(page) == "after  0.500, 25 % of the largest"
    assert page.locator(".contexts .token", has_text="after").get_attribute("title") == "0.500"
    page.locator(".contexts .token", has_text="↵").hover()
    assert readout(page) == "line break  0.250, 13 % of the largest"
    page.mouse.move(2, 2)
    assert readout(page) == hint


def test_arrow_keys_walk_the_tokens_of_a_context_and_say_them(open_view):
    page = open_view(tiny_features())
    page.locator("#list [role=option]", has_text="Monday").click()
    passage = page.locator(".passage").first
    name = "Context 1, 2.00; weekday; strongest Monday 2.00, after 0.500, line break 0.250"
    assert passage.get_attribute("aria-label") == name
    passage.focus()
    seen = []
    for key in (
        "ArrowRight",
        "ArrowRight",
        "ArrowRight",
        "ArrowRight",
        "ArrowLeft",
        "Home",
        "ArrowLeft",
        "End",
    ):
        page.keyboard.press(key)
        seen.append(readout(page).split("  ")[0])
        assert page.locator(".contexts .here").count() == 1
    assert seen == ["Monday", "after", "line break", "line break", "after", "On", "On", "line break"]
    page.keyboard.press("Tab")
    assert page.locator(".contexts .here").count() == 0


def test_contexts_are_aligned_on_the_marked_token_or_shown_whole(open_view):
    page = open_view(concept_features(), width=1280)
    (left, _, right, _), *_ = page.locator(".contexts").evaluate_all(BOXES)
    marked = page.locator(".contexts b").evaluate_all(BOXES)
    middles = [(box[0] + box[2]) / 2 for box in marked]
    assert len(marked) == 25
    assert max(middles) - min(middles) < 1
    heights = [box[3] - box[1] for box in page.locator(".contexts li").evaluate_all(BOXES)]
    assert max(heights) - min(heights) < 1
    page.locator(".passage").nth(2).focus()  # the row that has the focus is whole
    assert page.locator(".passage").nth(2).evaluate("n => n.scrollWidth <= n.clientWidth")
    page.get_by_role("button", name="Aligned").press("Enter")
    assert page.get_by_role("button", name="Aligned").get_attribute("aria-pressed") == "false"
    boxes = page.locator(".contexts .token").evaluate_all(BOXES)
    assert all(left <= box[0] and box[2] <= right + 1 for box in boxes)
    page.locator("#list [role=option]").nth(1).click()  # the choice stays
    assert page.get_by_role("button", name="Aligned").get_attribute("aria-pressed") == "false"


def test_what_a_feature_writes_and_its_units_are_bars_to_scale(open_view):
    page = open_view(tiny_features())
    page.locator("#list [role=option]", has_text="Monday").click()
    bars = "nodes => nodes.map(n => [n.getAttribute('class'), n.getAttribute('x'), n.getAttribute('width')])"
    more, less, units = (part(page, name) for name in ("Writes more of", "Writes less of", "Units"))
    assert more.locator("li").all_inner_texts() == [" Tuesday\n4.00", "↵\n1.00"]
    assert more.locator("rect").evaluate_all(bars) == [["more", "0", "100%"], ["more", "0", "25%"]]
    assert less.locator("li").all_inner_texts() == [" cat\n−2.00"]
    assert less.locator("rect").evaluate_all(bars) == [["less", "0", "50%"]]
    assert units.locator(".word").all_inner_texts() == ["5", "190", "17"]
    assert units.locator(".value").all_inner_texts() == ["0.500", "−0.250", "0.125"]
    assert units.locator("rect").evaluate_all(bars) == [
        *(["more", "50%", "50%"], ["less", "25%", "25%"], ["more", "50%", "12.5%"])
    ]


def test_of_many_tokens_and_units_the_first_are_shown_and_the_rest_on_demand(open_view):
    page = open_view(concept_features())
    assert part(page, "Units, the first 20 of 39").locator("li").count() == 20
    less = part(page, "Writes less of")
    assert less.locator("li").count() == 12
    assert less.locator("summary").inner_text() == "38 more"
    less.locator("summary").press("Enter")
    less.locator("li").nth(49).wait_for()
    assert less.locator("li").count() == 50
    less.locator("summary").press("Enter")
    less.locator("summary").press("Enter")
    assert less.locator("li").count() == 50
