"""All pages in a browser: narrow and wide, light and dark, without scripts, with hostile names, for all readers."""

from __future__ import annotations

import pytest

from hodology.report import write_atlas, write_study_page, write_trace_report

pytestmark = pytest.mark.browser

HOSTILE = [
    "<script>window.hacked = 1</script>",
    "</script><script>window.hacked = 1</script><!--",
    "\"'><img src=x onerror='window.hacked = 1'>&amp;\u2028{{ 7 * 7 }}",
]
# Every text on the page with the ratio of its contrast to the ground it lies on (WCAG 2).
CONTRASTS = """() => {
  const rgba = (text) => { const n = text.match(/[\\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n; };
  const light = (rgb) => rgb.slice(0, 3).map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (node) => {
    for (let n = node; n; n = n.parentElement) {
      const colour = rgba(getComputedStyle(n).backgroundColor);
      if (colour[3] === 1) return colour;
    }
  };
  const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !node.checkVisibility() || node.closest("title, script, option")) continue;
    const style = getComputedStyle(node);
    const [a, b] = [rgba(node.closest("svg") ? style.fill : style.color), ground(node)].map(light);
    found.push([walker.currentNode.data.trim(), (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)]);
  }
  return found;
}"""
# Controls, pictures and regions that a screen reader could not name.
NAMELESS = """() => {
  const named = (n) => n.getAttribute("aria-label")?.trim() || n.textContent.trim()
    || [...(n.labels ?? [])].some((label) => label.textContent.trim());
  const silent = (n) => n.closest("[aria-hidden=true]");
  return [
    ...[...document.querySelectorAll("a, button, select, input, summary, option, [tabindex='0'], [role]")]
      .filter((n) => !named(n) && n.id !== "said"),
    ...[...document.querySelectorAll("img")].filter((n) => !n.hasAttribute("alt")),
    ...[...document.querySelectorAll("svg")].filter((n) => !silent(n)
      && !(n.getAttribute("role") === "img" && n.getAttribute("aria-label"))),
  ].filter((n) => n.checkVisibility() && !silent(n)).map((n) => n.outerHTML.slice(0, 200));
}"""


@pytest.fixture
def page_of(trace_page, atlas_page):
    return {
        "trace": trace_page,
        "atlas": atlas_page,
        "study": atlas_page.with_name("neuron-path.html"),
    }


@pytest.fixture
def long_view(make_view):
    """A dozen layers, and names without a place to break."""
    view = make_view(kind="text", names=("English springer spaniel, " * 4, "cock", "dog"))
    view |= {"title": "Paths" * 30, "layers": [view["layers"][0] | {"label": str(i)} for i in range(12)]}
    view["model"]["name"] = view["data"]["name"] = view["layers"][0]["name"] = "organisation/model-" * 9
    view["settings"]["model"] = view["notes"][0] = view["items"][0]["id"] = "folder/" * 40
    view["items"][0]["text"] = "word" * 60
    for part, key in [(c, "layers") for c in view["classes"]] + [(i, "path") for i in view["items"]]:
        part[key] = part[key] * 3
    for place in view["table"]["rows"] + view["methods"]:
        place["label"] = "Knowledge neurons of all layers"
    return view


@pytest.mark.parametrize("kind", ["trace", "study", "atlas"])
def test_a_narrow_page_never_scrolls_sideways(open_page, page_of, kind):
    page = open_page(page_of[kind], width=360)
    for details in page.locator("summary").all():
        details.press("Enter")
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_long_names_and_many_layers_do_not_widen_a_narrow_page(open_page, long_view, tmp_path):
    page = open_page(write_trace_report(long_view, tmp_path), width=360)
    for details in page.locator("summary").all():
        details.press("Enter")
    page.locator("#strip [role=option]").first.press("Enter")
    assert page.locator("#detail h3").inner_text() == "folder/" * 40
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_a_long_class_name_does_not_widen_a_narrow_page(open_page, make_view, tmp_path):
    name = "African_hunting_dog_hyena_dog_Cape_hunting_dog_Lycaon_pictus"
    page = open_page(write_trace_report(make_view(names=(name, "cat", "dog")), tmp_path), width=360)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


@pytest.mark.parametrize("kind", ["trace", "study", "atlas"])
def test_text_stands_out_from_its_ground_in_both_schemes(open_page, page_of, kind):
    page = open_page(page_of[kind])
    if kind == "trace":
        page.locator("#strip [role=option]").nth(2).press("Enter")
    grounds = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found = page.evaluate(CONTRASTS)
        assert len(found) > 20
        assert [(text, round(ratio, 2)) for text, ratio in found if ratio < 4.5] == []
        grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert grounds == ["rgb(252, 251, 248)", "rgb(21, 24, 27)"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_button_changes_the_scheme_and_the_heat_map_follows(open_page, trace_page, scheme):
    page = open_page(trace_page, scheme=scheme)
    looks = []
    for _ in range(3):
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        heat = page.evaluate("document.getElementById('heat').toDataURL()")
        looks.append((page.locator("#theme").get_attribute("aria-pressed"), ground, heat))
        page.locator("#theme").press("Enter")
    assert looks[0] == looks[2]
    assert all(a != b for a, b in zip(looks[0], looks[1]))
    assert looks[0][0] == ("true" if scheme == "dark" else "false")


@pytest.mark.parametrize("kind", ["trace", "study", "atlas"])
def test_every_control_and_picture_has_a_name(open_page, page_of, kind):
    page = open_page(page_of[kind])
    for details in page.locator("summary").all():
        details.press("Enter")
    assert page.evaluate(NAMELESS) == []
    assert page.get_by_role("button", name="Dark").is_visible()
    if kind == "trace":
        assert page.get_by_role("group", name="Class").get_by_role("button").count() == 2
        assert page.get_by_role("listbox", name="Inputs of cat").get_by_role("option").count() == 3
        page.locator("#strip [role=option]").nth(2).press("Enter")
        assert page.get_by_role("img", name="Input animals/test/0002").is_visible()


def test_without_scripts_the_trace_still_tells_its_figures(open_page, trace_page):
    page = open_page(trace_page, script=False)
    text = page.locator("body").inner_text()
    assert "The diagram and the heat map need JavaScript; figures, notes and settings are below." in text
    for words in (
        "115,450 parameters",
        "88.9 %",
        "Joint attribution score",
        "0.114",
        "blocks.3.mlp.fc2:input",
    ):
        assert words in text
    page.get_by_text("The same figures as a table, with intervals").click()
    assert page.get_by_text("0.0630 to 0.176", exact=True).is_visible()


def test_without_scripts_studies_are_whole_and_the_filter_is_not_offered(open_page, atlas_page):
    page = open_page(atlas_page, script=False)
    assert page.locator(".papers li:visible").count() == 5
    assert not page.locator("#filter").is_visible()
    assert not page.locator("#theme").is_visible()
    page.locator("a", has_text="Influential paths").click()
    assert page.locator(".claim svg:visible").count() == 3


def _unharmed(page):
    assert page.evaluate("window.hacked") is None
    assert page.locator("script").count() <= 2
    assert page.locator("img[src=x]").count() == 0
    assert "49" not in page.title()


@pytest.mark.parametrize("kind", ["image", "text"])
def test_hostile_names_in_a_trace_are_shown_as_they_are(open_page, make_view, tmp_path, kind):
    view = make_view(kind=kind, names=tuple(HOSTILE))
    view["title"] = view["model"]["name"] = view["data"]["name"] = view["notes"][0] = HOSTILE[1]
    view["settings"] = {name: name for name in HOSTILE}
    for part in view["layers"] + view["methods"] + view["table"]["rows"] + view["table"]["columns"]:
        part |= {"label": HOSTILE[1], "name": HOSTILE[2], "note": HOSTILE[0]}
    for index, item in enumerate(view["items"]):
        item |= {"id": HOSTILE[index % 3], "text": HOSTILE[index % 3] if kind == "text" else None}
    page = open_page(write_trace_report(view, tmp_path), width=800)
    assert page.locator("h1").text_content() == HOSTILE[1]
    for details in page.locator("summary").all():
        details.press("Enter")
    for name in HOSTILE:
        assert page.locator("#detail h3").text_content() == name
        for index in range(3):
            page.locator("#strip [role=option]").nth(index).focus()
            assert page.locator("#detail h3").text_content() == HOSTILE[index]
        page.locator("#diagram").press("ArrowRight")
        page.locator("#next").press("Enter")
    _unharmed(page)


def test_hostile_names_in_studies_are_shown_as_they_are(open_page, record, catalogue, tmp_path):
    for key in ("title", "question", "reference", "size", "commit", "state"):
        record[key] = HOSTILE[1]
    for claim in record["claims"]:
        claim |= {
            "claim": HOSTILE[0],
            "paper": HOSTILE[1],
            "note": HOSTILE[2],
            "rule": HOSTILE[0],
            "unit": HOSTILE[1],
        }
    record |= {"notes": HOSTILE, "versions": {HOSTILE[2]: HOSTILE[0]}}
    record["tables"] = [{"title": HOSTILE[2], "columns": HOSTILE, "rows": [HOSTILE]}]
    catalogue[1] |= {"title": HOSTILE[0], "wing": HOSTILE[2], "state": HOSTILE[1], "question": HOSTILE[1]}
    page = open_page(write_atlas(catalogue, {"neuron-path": record}, tmp_path))
    assert page.locator("h3 a").text_content() == HOSTILE[0]
    page.locator("#state").select_option(HOSTILE[1])
    assert page.locator("#count").inner_text() == "1 paper"
    _unharmed(page)
    page.locator("h3 a").click()
    assert page.locator("h1").text_content() == HOSTILE[1]
    assert page.locator("table th").all_text_contents() == [*HOSTILE, HOSTILE[0]]
    _unharmed(page)
    _unharmed(open_page(write_study_page(record, tmp_path / "alone")))
