"""The pages of the studies in a browser: links, verdicts in words, drawings of claims, the filter of the atlas."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.browser


def papers(page):
    return page.locator(".papers li:visible h3").all_inner_texts()


def test_atlas_and_study_lead_to_each_other_by_keys(open_page, atlas_page):
    page = open_page(atlas_page)
    link = page.get_by_role("link", name="Influential paths <and> others")
    link.press("Enter")
    page.wait_for_url("**/neuron-path.html")
    assert page.locator("h1").inner_text() == "Influential paths <and> others"
    page.get_by_role("link", name="hodology · studies").press("Enter")
    page.wait_for_url("**/index.html")
    assert link.is_visible()


def test_only_a_study_that_was_run_is_a_link(open_page, atlas_page):
    page = open_page(atlas_page)
    assert page.locator("main a").all_inner_texts() == ["Influential paths <and> others"]
    assert page.locator("main a").get_attribute("href") == "neuron-path.html"


def test_a_study_alone_does_not_link_to_an_atlas(open_page, study_page):
    page = open_page(study_page)
    assert page.locator("a:not(.skip)").count() == 0
    assert page.locator(".kind").inner_text() == "hodology · study · 01"


def test_verdicts_are_words_and_not_only_colours(open_page, study_page):
    page = open_page(study_page)
    assert page.locator(".claim .badge").all_inner_texts() == ["✓ holds", "✕ does not hold", "? undecided"]
    assert (
        page.locator(".claim .badge > span").evaluate_all("nodes => nodes.map(n => n.ariaHidden)")
        == ["true"] * 3
    )
    assert page.locator("header .badge").inner_text() == "◐ partly"
    assert "1 of 3 claims hold, 1 does not, 1 undecided" in page.locator("header").inner_text()


def test_a_claim_is_drawn_with_threshold_interval_seeds_and_the_side_where_it_holds(open_page, study_page):
    page = open_page(study_page)
    marks = []
    for drawing in page.locator(".claim svg").all():
        counts = [drawing.locator(f".{kind}").count() for kind in ("interval", "seed", "mean", "zone")]
        lines = drawing.locator("line.threshold, line.mean").evaluate_all(
            "nodes => nodes.map(n => +n.getAttribute('x1'))"
        )
        marks.append((counts, lines[0] < lines[1], drawing.locator("text.threshold").text_content()))
    assert marks == [
        ([1, 3, 1, 1], True, "2.00"),
        ([1, 3, 1, 1], False, "−5.00"),
        ([0, 1, 1, 1], False, "0.500"),
    ]
    named = page.get_by_role(
        "img", name="mean 3.03; interval 2.10 to 3.90; seeds 3.10, 2.60, 3.40; must be above 2"
    )
    assert named.is_visible()
    assert page.locator(".rule").all_inner_texts() == [
        "must be above 2",
        "must be above -5; in points",
        "must be below 0.5",
    ]


def test_the_interval_lies_on_the_tinted_side_exactly_when_the_claim_holds(open_page, study_page):
    page = open_page(study_page)
    inside = []
    for claim in page.locator(".claim").all()[:2]:
        zone, line = (claim.locator(kind).bounding_box() for kind in ("rect.zone", "line.interval"))
        inside.append(zone["x"] <= line["x"] and line["x"] + line["width"] <= zone["x"] + zone["width"])
    assert inside == [True, False]


@pytest.mark.parametrize("width", [1200, 360])
def test_no_two_labels_of_a_drawing_overlap_or_leave_it(open_page, study_page, width):
    page = open_page(study_page, width=width)
    for drawing in page.locator(".claim svg").all():
        frame = drawing.bounding_box()
        boxes = sorted(
            (text.bounding_box() for text in drawing.locator("text").all()), key=lambda box: box["x"]
        )
        ends = [(box["x"], box["x"] + box["width"]) for box in boxes]
        assert all(a[1] < b[0] for a, b in zip(ends, ends[1:]))
        assert frame["x"] <= ends[0][0]
        assert ends[-1][1] <= frame["x"] + frame["width"]


def test_the_filter_finds_papers_by_words_state_and_wing(open_page, atlas_page):
    page = open_page(atlas_page)
    words, state, wing, count = (page.locator(f"#{key}") for key in ("words", "state", "wing", "count"))
    assert count.inner_text() == "5 papers"
    words.fill("PATHS  author")
    assert papers(page) == ["Influential paths <and> others", "Transformers as ensembles of paths"]
    state.select_option("not run")
    assert papers(page) == ["Transformers as ensembles of paths"]
    assert count.inner_text() == "1 paper"
    assert page.locator(".wing:visible h2").all_inner_texts() == ["Interpret"]
    wing.select_option("optics")
    assert papers(page) == []
    assert count.inner_text() == "0 papers"
    assert page.get_by_text("No paper fits the filter.").is_visible()
    words.fill("")
    state.select_option("all")
    assert papers(page) == ["Rays in a lens"]
    wing.select_option("all")
    assert len(papers(page)) == 5
    assert not page.locator("#none").is_visible()


def test_enter_in_the_filter_does_not_leave_the_page(open_page, atlas_page):
    page = open_page(atlas_page)
    page.locator("#words").fill("lens")
    page.locator("#words").press("Enter")
    assert page.url == atlas_page.as_uri()
    assert papers(page) == ["Rays in a lens"]
