"""An episode's page in a browser: zoom and pan, narrow and wide, light and dark, large maps, hostile names."""

from __future__ import annotations

import pytest
from page_checks import BOXES, CONTRASTS, HOSTILE, NAMELESS, sideways
from swarm_drawing import at_cell, click_cell, figures, occupied, said, seek, settle, spot, step
from swarm_views import big_view, maze_view, tiny_view

from hodology.report import write_swarm_report
from hodology.report.swarm_view import walk

pytestmark = pytest.mark.browser

LAYERS = "nodes => nodes.map(n => n.toDataURL())"


@pytest.fixture
def open_still(open_page, tmp_path):
    """Write the page of a view and open it for a reader who wants no motion: it waits at the start."""

    def open_still(view, *, scale=1, **window):
        page = open_page(write_swarm_report(view, tmp_path / "page"), **window)
        page.emulate_media(reduced_motion="reduce")
        if scale != 1:
            screen = {"width": 1200, "height": 900, "deviceScaleFactor": scale, "mobile": False}
            page.context.new_cdp_session(page).send("Emulation.setDeviceMetricsOverride", screen)
        page.reload()
        return page

    return open_still


@pytest.fixture(scope="module")
def big(tmp_path_factory):
    """The page of 256 agents for 512 steps, and its view."""
    view = big_view()
    return write_swarm_report(view, tmp_path_factory.mktemp("big")), view


def cells_at(view, at, episode=0):
    episode = view["episodes"][episode]
    rows, columns = walk(episode["starts"], episode["moves"], width=view["map"]["width"])
    return list(zip(rows[:, at].tolist(), columns[:, at].tolist()))


def test_many_agents_load_and_play(open_page, big):
    page = open_page(big[0])
    page.locator("#speed").select_option("32")
    page.locator("#step-said", has_text="512 / 512").wait_for(timeout=30_000)
    assert page.locator("#play").get_attribute("aria-label") == "Play"
    total = big[1]["episodes"][0]["goals_total"]
    assert figures(page)["Goals so far"] == f"{total:,}"
    assert occupied(page, 65, 65) == set(cells_at(big[1], 512))
    assert page.locator("#agents [role=option]").count() == 256
    page.locator("#policy").select_option("1")
    settle(page)
    assert occupied(page, 65, 65) == set(cells_at(big[1], 512, 1))


def test_a_thousand_agents_on_a_map_of_512_by_512_are_drawn(open_still):
    view = big_view(side=512, agents=1000, steps=8)
    page = open_still(view)
    seek(page, 8)
    _, _, scale = spot(page, 0, 0)
    assert 1 < scale < 2
    for row, column in cells_at(view, 8)[::50]:
        assert at_cell(page, row, column)[3] > 60  # who waits is pale
    page.locator("#find").fill("777")
    page.locator("#find").press("Enter")
    for _ in range(5):
        page.locator("#closer").click()
    row, column = cells_at(view, 8)[777]
    page.locator("#agents [role=option]").first.press("Enter")
    settle(page)
    x, y, scale = spot(page, row, column)
    assert scale >= 8
    box = page.locator("#world").bounding_box()
    assert 0 < x < box["width"]
    assert 0 < y < box["height"]
    assert at_cell(page, row, column)[3] == 255


@pytest.mark.parametrize("scale", [1, 2, 1.5])
def test_canvases_have_a_dot_for_every_dot_of_the_screen_and_walls_are_sharp(open_still, scale):
    page = open_still(maze_view(), scale=scale)
    sizes = page.locator("#world canvas").evaluate_all(
        "n => n.map(c => [c.width, c.clientWidth, c.height, c.clientHeight])"
    )
    for wide, css_wide, high, css_high in sizes:
        assert (wide, high) == (round(css_wide * scale), round(css_high * scale))
    _, _, cell = spot(page, 0, 0)
    assert cell * scale == pytest.approx(round(cell * scale))
    row, column = next(
        (r, line.index(".#")) for r, line in enumerate(maze_view()["map"]["rows"]) if ".#" in line
    )
    beside = [at_cell(page, row, column, aside=(0.5 + k / cell / scale, 0.2), layer=0) for k in (-1.5, 1.5)]
    assert beside[0] == at_cell(page, row, column, layer=0)
    assert beside[1] == at_cell(page, row, column + 1, layer=0)


def test_buttons_zoom_about_the_middle_and_show_the_whole_map_again(open_still):
    page = open_still(maze_view())
    first = page.locator("#world").get_attribute("data-view")
    assert page.locator("#fit").is_disabled()
    box = page.locator("#world").bounding_box()
    middle = (box["width"] / 2, box["height"] / 2)
    scales = [spot(page, 0, 0)[2]]
    for _ in range(2):
        x, y, scale = spot(page, 10, 16)
        page.locator("#closer").click()
        far = spot(page, 10, 16)
        assert abs((x - middle[0]) / scale - (far[0] - middle[0]) / far[2]) < 0.1
        assert abs((y - middle[1]) / scale - (far[1] - middle[1]) / far[2]) < 0.1
        scales.append(far[2])
    assert scales[0] < scales[1] < scales[2]
    page.locator("#wider").click()
    assert spot(page, 0, 0)[2] == scales[1]
    page.locator("#fit").click()
    assert page.locator("#world").get_attribute("data-view") == first
    assert page.locator("#fit").is_disabled()


def test_a_zoomed_map_is_dragged_as_far_as_its_edge_and_a_drag_chooses_nobody(open_still):
    page = open_still(maze_view())
    page.locator("#closer").click()
    page.locator("#closer").click()
    before = spot(page, 0, 0)
    box = page.locator("#world").bounding_box()
    page.mouse.move(box["x"] + 400, box["y"] + 300)
    page.mouse.down()
    page.mouse.move(box["x"] + 340, box["y"] + 270, steps=4)
    page.mouse.up()
    after = spot(page, 0, 0)
    assert (after[0] - before[0], after[1] - before[1]) == (-60, -30)
    page.mouse.down()
    page.mouse.move(box["x"] + 4000, box["y"] + 4000, steps=3)
    page.mouse.up()
    x, y, scale = spot(page, 0, 0)
    assert (x, y) == (0.5 * scale, 0.5 * scale)
    assert page.locator("#agents [aria-selected=true]").count() == 0
    assert said(page) == ""


def test_the_wheel_zooms_with_a_key_and_scrolls_the_page_without(open_still):
    page = open_still(maze_view())
    x, y, scale = spot(page, 4, 30)
    page.locator("#world").hover(position={"x": x, "y": y})
    page.mouse.wheel(0, 120)
    page.wait_for_timeout(150)
    assert spot(page, 4, 30)[2] == scale
    page.evaluate("scrollTo(0, 0)")
    page.locator("#world").hover(position={"x": x, "y": y})
    page.keyboard.down("Control")
    for _ in range(4):
        page.mouse.wheel(0, -100)
    page.keyboard.up("Control")
    page.wait_for_timeout(100)
    near = spot(page, 4, 30)
    assert near[2] > 2 * scale
    assert abs(near[0] - x) < near[2]  # what lies under the pointer stays there, or the map has an edge


def test_two_fingers_zoom_and_a_tap_chooses(open_still):
    view = maze_view()
    page = open_still(view)
    page.locator("#world").scroll_into_view_if_needed()
    box = page.locator("#world").bounding_box()
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 2})

    def touch(kind, *points):
        places = [{"x": box["x"] + x, "y": box["y"] + y, "id": index} for index, (x, y) in enumerate(points)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})

    first = spot(page, 0, 0)[2]
    touch("touchStart", (300, 200), (400, 200))
    for reach in (60, 80, 100, 120):
        touch("touchMove", (350 - reach, 200), (350 + reach, 200))
    touch("touchEnd")
    settle(page)
    assert spot(page, 0, 0)[2] > 1.8 * first
    assert page.locator("#agents [aria-selected=true]").count() == 0
    page.locator("#fit").click()
    x, y, _ = spot(page, *cells_at(view, 0)[5])
    touch("touchStart", (x, y))
    touch("touchEnd")
    settle(page)
    assert page.locator("#facts-one h3").inner_text() == "Agent 5"


def test_keys_zoom_and_move_the_map(open_still):
    page = open_still(maze_view())
    world = page.locator("#world")
    first = spot(page, 0, 0)
    for _ in range(2):
        world.press("+")
    near = spot(page, 0, 0)
    assert near[2] > first[2]
    world.press("Shift+ArrowRight")
    world.press("Shift+ArrowDown")
    moved = spot(page, 0, 0)
    assert (moved[0] - near[0], moved[1] - near[1]) == (-60, -60)
    assert step(page) == 0
    world.press("-")
    assert spot(page, 0, 0)[2] < near[2]
    world.press("0")
    assert spot(page, 0, 0) == first


def test_a_chosen_agent_out_of_sight_is_brought_into_sight(open_still):
    view = maze_view()
    page = open_still(view)
    for _ in range(3):
        page.locator("#closer").click()
    box = page.locator("#world").bounding_box()
    hidden = 0
    for agent, cell in enumerate(cells_at(view, 0)):
        x, y, _ = spot(page, *cell)
        hidden += not (0 <= x <= box["width"] and 0 <= y <= box["height"])
        page.locator("#agents [role=option]").nth(agent).click()
        x, y, _ = spot(page, *cell)
        assert 0 <= x <= box["width"]
        assert 0 <= y <= box["height"]
    assert hidden > 5


def test_after_a_zoom_a_click_still_meets_its_agent(open_still):
    view = maze_view()
    page = open_still(view)
    page.locator("#closer").click()
    box = page.locator("#world").bounding_box()
    inside = [
        (agent, cell)
        for agent, cell in enumerate(cells_at(view, 0))
        if 20 < spot(page, *cell)[0] < box["width"] - 40 and 20 < spot(page, *cell)[1] < box["height"] - 40
    ]
    for agent, cell in inside[:3]:
        click_cell(page, *cell)
        assert page.locator("#facts-one h3").inner_text() == f"Agent {agent}"


def test_the_scheme_changes_ground_agents_and_list_and_back(open_still):
    page = open_still(tiny_view())
    looks = []
    for _ in range(3):
        dots = page.locator("#agents circle").evaluate_all("n => n.map(c => c.style.fill)")
        looks.append([*page.locator("#world canvas").evaluate_all(LAYERS), dots])
        page.locator("#theme").press("Enter")
        settle(page)
    assert looks[0] == looks[2]
    assert all(a != b for a, b in zip(looks[0], looks[1]))


def test_text_stands_out_from_its_ground_in_both_schemes(open_still):
    page = open_still(maze_view())
    page.locator("#agents [role=option]").nth(3).click()
    page.locator("#warm").check()
    page.locator("#find").fill("1")
    page.locator("summary").first.press("Enter")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        found = page.evaluate(CONTRASTS)
        assert len(found) > 120
        assert [(text, round(ratio, 2)) for text, ratio in found if ratio < 4.5] == []


def test_every_control_and_picture_has_a_name(open_still):
    page = open_still(maze_view())
    page.locator("summary").first.press("Enter")
    assert page.evaluate(NAMELESS) == []
    for role, name in (
        *(("combobox", "Policy"), ("checkbox", "Visits"), ("button", "Zoom in"), ("button", "Play")),
        *(("slider", "Step"), ("combobox", "Speed"), ("searchbox", "Agent"), ("combobox", "Sort")),
    ):
        assert page.get_by_role(role, name=name, exact=True).is_visible()
    assert page.get_by_role("listbox", name="Agents").get_by_role("option").count() == 40
    assert page.get_by_role("img").get_attribute("aria-label").startswith("Goals over time. After 64 steps")


@pytest.mark.parametrize("width", [360, 800])
def test_a_narrow_page_never_scrolls_sideways(open_still, width):
    page = open_still(maze_view(), width=width)
    page.locator("#agents [role=option]").first.click()
    page.locator("#warm").check()
    assert sideways(page) <= 0
    ((left, _, right, _),) = page.locator("#world").evaluate_all(BOXES)
    assert left >= 0
    assert right <= width


def test_names_without_a_place_to_break_do_not_widen_a_narrow_page(open_still):
    view, word = maze_view(), "organisation/model-" * 9
    view |= {"title": word, "notes": [word], "settings": view["settings"] | {word: word}}
    view["map"]["name"] = word
    for part in [*view["episodes"], *view["table"]["rows"], *view["table"]["columns"]]:
        part |= {"label": word, "note": word}
    page = open_still(view, width=360)
    assert sideways(page) <= 0


def test_without_scripts_the_page_still_tells_its_figures(open_page, tmp_path):
    page = open_page(write_swarm_report(maze_view(), tmp_path), script=False)
    text = page.locator("body").inner_text()
    for words in ("need JavaScript", "21 × 33 cells", "This episode", "Decision time", "obs_radius"):
        assert words in text
    for control in ("#world", "#play", "#find", "#chart"):
        assert not page.locator(control).is_visible()


def test_hostile_names_are_shown_as_they_are(open_still):
    view = tiny_view()
    view |= {"title": HOSTILE[1], "notes": HOSTILE}
    view["settings"] |= dict(zip(HOSTILE, HOSTILE))
    view["map"]["name"] = HOSTILE[0]
    for part, name in zip(view["episodes"], HOSTILE):
        part |= {"label": name, "note": name}
    for part in view["table"]["rows"] + view["table"]["columns"]:
        part["label"] = HOSTILE[2]
    page = open_still(view)
    assert page.locator("h1").text_content() == HOSTILE[1]
    page.locator("#policy").select_option("1")
    assert page.locator("#policy-note").text_content() == HOSTILE[1]
    assert HOSTILE[0] in page.locator("#chart-legend").text_content()
    assert said(page).startswith(HOSTILE[1])
    assert page.evaluate("window.hacked") is None
    assert page.locator("script").count() == 2
    assert page.locator("img[src=x]").count() == 0


def test_the_drawing_takes_the_room_of_the_window(open_still):
    view = maze_view()
    page = open_still(view, width=1280)
    wide = spot(page, 0, 0)[2]
    page.set_viewport_size({"width": 700, "height": 900})
    settle(page)
    assert spot(page, 0, 0)[2] < wide
    assert occupied(page, 21, 33) == set(cells_at(view, 0))


def test_one_agent_on_one_cell_is_an_episode_too(open_still):
    view = tiny_view()
    view["map"] = {"name": "cell", "height": 1, "width": 1, "rows": ["."]}
    view["settings"] = {"agents": 1, "steps": 1}
    lone = view["episodes"][1] | {
        "starts": [0],
        "moves": ["0"],
        "goals": [[[0, 0], [1, 0]]],
        "goals_total": 1,
    }
    view["episodes"] = [lone]
    page = open_still(view)
    seek(page, 1)
    assert occupied(page, 1, 1) == {(0, 0)}
    assert figures(page) == {"Goals so far": "1", "Per step so far": "1.00", "Waiting now": "1 of 1"}
