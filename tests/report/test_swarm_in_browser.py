"""An episode in a browser: what is played, counted, chosen, compared and said, by pointer and by keys."""

from __future__ import annotations

import pytest
from swarm_drawing import FLOOR, at_cell, click_cell, figures, occupied, said, seek, settle, spot, step
from swarm_views import tiny_view

from hodology.report import write_swarm_report
from hodology.report.swarm_view import walk

pytestmark = pytest.mark.browser

# Cells of the agents 0, 1, 2 after each step.
PLACES = [
    [(0, 0), (2, 0), (0, 2)],
    [(0, 1), (2, 0), (1, 2)],
    [(0, 2), (2, 1), (2, 2)],
    [(0, 3), (2, 2), (2, 3)],
    [(0, 4), (2, 2), (2, 3)],
    [(1, 4), (2, 2), (2, 3)],
    [(2, 4), (2, 2), (2, 3)],
]
MADE = [0, 0, 0, 2, 3, 3, 4]
WAITING = [0, 1, 0, 0, 2, 2, 2]
ASIDE = (0.16, 0.16)  # of a disc's middle: in the disc, beside its number, inside the ring of one that waits


@pytest.fixture
def open_still(open_page, tmp_path):
    """Write the page of a view and open it for a reader who wants no motion: it waits at the start."""

    def open_still(view, **window):
        page = open_page(write_swarm_report(view, tmp_path / "page"), **window)
        page.emulate_media(reduced_motion="reduce")
        page.reload()
        return page

    return open_still


@pytest.fixture
def page(open_still):
    return open_still(tiny_view())


def test_a_page_without_motion_waits_at_the_start(page):
    assert step(page) == 0
    assert page.locator("#play").get_attribute("aria-label") == "Play"
    page.wait_for_timeout(400)
    assert step(page) == 0


def test_a_page_plays_to_the_end_and_says_what_came_of_it(open_page, tmp_path):
    page = open_page(write_swarm_report(tiny_view(), tmp_path))
    page.locator("#said:not(:empty)").wait_for(state="attached")
    assert said(page) == "Step 6 of 6: 4 goals, 2 agents waiting"
    assert step(page) == 6
    assert page.locator("#play").get_attribute("aria-label") == "Play"
    page.locator("#play").click()  # from the start again
    assert page.locator("#play").get_attribute("aria-label") == "Pause"
    page.locator("#step-said", has_text="1 / 6").wait_for()


def test_the_walk_of_the_test_is_that_of_the_view():
    first = tiny_view()["episodes"][0]
    rows, columns = walk(first["starts"], first["moves"], width=5)
    found = [list(zip(rows[:, at].tolist(), columns[:, at].tolist())) for at in range(7)]
    assert found == PLACES


def test_at_every_step_every_agent_lies_in_its_cell_and_nothing_elsewhere(page):
    for at, places in enumerate(PLACES):
        seek(page, at)
        assert occupied(page, 3, 5) == set(places)


def test_an_agent_keeps_its_colour_and_one_that_waits_is_hollow(page):
    colours = {}
    for at, places in enumerate(PLACES):
        seek(page, at)
        for agent, cell in enumerate(places):
            waits = at > 0 and places[agent] == PLACES[at - 1][agent]
            inside = at_cell(page, *cell, aside=ASIDE)
            if waits:
                assert inside == FLOOR
            else:
                assert inside == colours.setdefault(agent, inside)
            assert at_cell(page, *cell, aside=(0.0, -0.34)) == colours[agent]  # a disc's edge, and the ring
    assert len(set(colours.values())) == 3
    assert FLOOR not in colours.values()


def test_walls_and_floor_lie_where_the_map_has_them(page):
    seen = {}
    for row, text in enumerate(tiny_view()["map"]["rows"]):
        for column, cell in enumerate(text):
            seen.setdefault(cell, set()).add(at_cell(page, row, column, layer=0))
    assert seen["."] == {FLOOR}
    assert len(seen["#"]) == 1
    assert seen["."].isdisjoint(seen["#"])


def test_figures_follow_the_step(page):
    for at in (0, 3, 4, 6, 1):
        seek(page, at)
        assert figures(page) == {
            "Goals so far": str(MADE[at]),
            "Per step so far": {0: "–", 1: "0", 3: "0.667", 4: "0.750", 6: "0.667"}[at],
            "Waiting now": f"{WAITING[at]} of 3",
        }
        assert step(page) == at
        words = f"Step {at} of 6: {MADE[at]} goals, {WAITING[at]} agent{'s' * (WAITING[at] != 1)} waiting"
        assert page.locator("#scrubber").get_attribute("aria-valuetext") == words


def test_buttons_and_keys_go_a_step_and_no_further_than_the_ends(page):
    page.locator("#ahead").click()
    assert (step(page), said(page)) == (1, "Step 1 of 6: 0 goals, 1 agent waiting")
    page.keyboard.press("ArrowRight")  # the button still has the focus
    assert step(page) == 2
    page.locator("#back").click()
    assert step(page) == 1
    page.locator("#world").focus()
    for key, at in (("ArrowRight", 2), ("ArrowLeft", 1), ("ArrowLeft", 0), ("ArrowLeft", 0), ("End", 6)):
        page.keyboard.press(key)
        assert step(page) == at
    page.keyboard.press("ArrowRight")
    assert (step(page), said(page)) == (6, "Step 6 of 6: 4 goals, 2 agents waiting")
    page.keyboard.press("Home")
    assert step(page) == 0


@pytest.mark.parametrize("where", ["#world", None])
def test_space_plays_and_pauses(page, where):
    page.locator("#speed").select_option("1")
    page.locator("#speed").blur()
    if where:
        page.locator(where).focus()
    page.keyboard.press("Space")
    assert page.locator("#play").get_attribute("aria-label") == "Pause"
    assert page.locator("#play").get_attribute("title") == "Pause (space)"
    page.keyboard.press("Space")
    assert page.locator("#play").get_attribute("aria-label") == "Play"
    assert said(page).startswith("Step ")
    assert page.evaluate("scrollY") == 0


def test_keys_in_a_field_stay_in_it(page):
    page.locator("#find").press("Space")
    page.locator("#find").press("ArrowRight")
    assert (page.locator("#play").get_attribute("aria-label"), step(page)) == ("Play", 0)
    page.locator("#scrubber").press("ArrowRight")
    assert step(page) == 1
    page.keyboard.press("Control+ArrowRight")  # the browser's own
    assert step(page) in (1, 2)


def test_time_goes_by_at_the_chosen_speed_and_agents_glide(open_page, tmp_path):
    page = open_page(write_swarm_report(tiny_view(), tmp_path))
    page.locator("#play").click()
    page.clock.install()
    page.clock.pause_at(page.evaluate("Date.now()") + 5000)
    page.locator("#world").press("Home")
    assert step(page) == 0
    page.locator("#speed").select_option("1")
    page.locator("#play").click()
    page.clock.run_for(375)  # of 250 a step: agent 0 is half-way from its second cell to its third
    assert step(page) == 1
    x, y, scale = spot(page, 0, 1)
    seen = [at_cell(page, 0, 1, aside=(0.25 * k, 0.2))[3] for k in range(5)]
    assert seen[0] == seen[4] == 0
    assert min(seen[1:4]) > 200  # the rim is smoothed
    assert said(page).startswith("Step 0 of 6")  # nothing is said while it plays
    page.locator("#speed").select_option("8")
    page.clock.run_for(75)  # two and a half steps
    assert step(page) in (3, 4)
    page.clock.run_for(1000)
    assert said(page) == "Step 6 of 6: 4 goals, 2 agents waiting"


def test_a_click_on_an_agent_chooses_it_and_on_the_ground_lets_go(page):
    seek(page, 1)
    assert page.locator("#facts-hint").is_visible()
    click_cell(page, 2, 0)
    assert page.locator("#facts-one h3").inner_text() == "Agent 1"
    assert figures(page, "facts-one") == {
        "Stands in": "row 2, column 0",
        "Goal": "row 2, column 2",
        "At least": "2 moves away",
        "On its way for": "1 step",
        "Goals so far": "0",
        "Waited so far": "1 step",
    }
    assert said(page) == "Agent 1 in row 2, column 0, goal row 2, column 2, 0 goals reached"
    assert page.locator("#agents [aria-selected=true]").get_attribute("aria-label").startswith("Agent 1,")
    click_cell(page, 0, 4)
    assert said(page) == "No agent is chosen."
    assert not page.locator("#facts-one").is_visible()
    assert page.locator("#agents [aria-selected=true]").count() == 0


def test_of_the_chosen_agent_goal_and_way_are_drawn(page):
    seek(page, 3)
    assert at_cell(page, 0, 4, aside=(0.42, 0.0))[3] == 0
    click_cell(page, 0, 3)
    ring = at_cell(page, 0, 4, aside=(0.42, 0.0))
    assert ring[3] == 255
    assert ring == at_cell(page, 0, 4) == at_cell(page, 0, 1)  # the dot of the goal; the way of three steps
    assert at_cell(page, 0, 0, aside=(-0.3, 0.0))[3] == 0
    seek(page, 5)  # it has the next goal, and a new way
    assert at_cell(page, 0, 1)[3] == 0
    assert at_cell(page, 0, 4) == ring == at_cell(page, 2, 4)
    seek(page, 6)
    assert figures(page, "facts-one")["On its way for"] == "0 steps"
    assert at_cell(page, 0, 0) == ring


def test_what_an_agent_sees_is_framed_if_the_view_tells_how_far(page, open_still):
    click_cell(page, 0, 2)
    assert "what it sees" in page.locator("#legend").inner_text()
    view = tiny_view()
    view["settings"]["obs_radius"] = None
    page = open_still(view)
    click_cell(page, 0, 2)
    assert "its goal" in page.locator("#legend").inner_text()
    assert "what it sees" not in page.locator("#legend").inner_text()


def test_arrow_keys_choose_agents_and_escape_lets_go(page):
    page.locator("#world").focus()
    names = []
    for key in ("ArrowDown", "ArrowDown", "ArrowUp", "ArrowUp", "ArrowUp"):
        page.keyboard.press(key)
        names.append(said(page).split(" in ")[0])
    assert names == ["Agent 0", "Agent 1", "Agent 0", "Agent 2", "Agent 1"]
    page.keyboard.press("Escape")
    assert said(page) == "No agent is chosen."


def options(page):
    return page.locator("#agents [role=option]").evaluate_all("n => n.map(o => o.getAttribute('aria-label'))")


def test_the_list_tells_of_every_agent_and_sorts(page):
    zero, one, two = (
        "Agent 0, 2 goals, waits 0 %",
        "Agent 1, 1 goal, waits 67 %",
        "Agent 2, 1 goal, waits 50 %",
    )
    orders = {
        "number": [zero, one, two],
        "most": [zero, one, two],
        "fewest": [one, two, zero],
        "waits": [one, two, zero],
    }
    for key, order in orders.items():
        page.locator("#sort").select_option(key)
        assert options(page) == order
    page.locator("#policy").select_option("1")
    assert options(page)[-1] == "Agent 0, 0 goals, waits 83 %"


def test_the_list_is_one_stop_of_the_tab_key_and_chooses_by_keys(page):
    page.locator("#agents [tabindex='0']").focus()
    chosen = []
    for key in ("Enter", "ArrowDown", "End", "ArrowDown", "Home", "PageDown"):
        page.keyboard.press(key)
        chosen.append(page.locator("#agents [aria-selected=true] .id").inner_text())
        assert page.locator("#agents [tabindex='0']").count() == 1
    assert chosen == ["0", "1", "2", "2", "0", "2"]
    page.keyboard.press("Escape")
    assert page.locator("#agents [aria-selected=true]").count() == 0


def test_an_agent_is_found_by_its_number(page):
    page.locator("#find").fill("2")
    assert page.locator("#found").inner_text() == "1 agent; Enter chooses 2"
    page.locator("#find").press("Enter")
    assert page.locator("#facts-one h3").inner_text() == "Agent 2"
    page.locator("#find").fill("7")
    assert page.locator("#found").inner_text() == "no such agent"
    assert options(page) == []
    page.locator("#find").press("Enter")
    assert page.locator("#facts-one h3").inner_text() == "Agent 2"
    page.locator("#find").fill("")
    assert len(options(page)) == 3


def test_another_policy_keeps_step_and_agent(page):
    assert page.locator("#policy option").all_inner_texts() == ["Greedy", "Idle"]
    assert page.locator("#policy-note").inner_text() == "goes where it must"
    seek(page, 3)
    click_cell(page, 0, 3)
    page.locator("#policy").select_option("1")
    settle(page)
    assert said(page) == "Idle. Step 3 of 6: 0 goals, 3 agents waiting"
    assert occupied(page, 3, 5) == {(0, 1), (2, 0), (0, 2)}
    assert page.locator("#facts-one h3").inner_text() == "Agent 0"
    assert figures(page, "facts-one")["Stands in"] == "row 0, column 1"
    assert not page.locator("#policy-note").is_visible()
    page.locator("#policy").select_option("0")
    settle(page)
    assert occupied(page, 3, 5) == set(PLACES[3])


def test_goals_over_time_of_all_policies_stand_in_one_chart(page):
    assert page.locator("#chart svg").get_attribute("aria-label") == (
        "Goals over time. After 6 steps: Greedy 4, Idle 0."
    )
    assert page.locator("#chart path.made").count() == 2
    legend = page.locator("#chart-legend li")
    for at in (0, 3, 6):
        seek(page, at)
        assert legend.locator(".value").all_inner_texts() == [str(MADE[at]), "0"]
    assert page.locator("#chart-legend .main").inner_text().startswith("Greedy")
    page.locator("#policy").select_option("1")
    assert page.locator("#chart-legend .main").inner_text().startswith("Idle")


def test_the_line_of_goals_rises_where_goals_were_reached(page):
    line = page.locator("#chart path.made-0").get_attribute("d")
    points = [[float(v) for v in pair.split()] for pair in line[1:].split("L")]
    heights = [y for _, y in points]
    size = (heights[0] - heights[6]) / 4
    assert [round((heights[0] - y) / size, 2) for y in heights] == MADE
    gaps = [b[0] - a[0] for a, b in zip(points, points[1:])]
    assert max(gaps) - min(gaps) < 0.11


def test_a_click_in_the_chart_goes_to_its_step(page):
    line = page.locator("#chart path.made-0").get_attribute("d")
    x = [float(pair.split()[0]) for pair in line[1:].split("L")]
    page.locator("#chart svg").click(position={"x": x[4] + 3, "y": 60})
    assert (step(page), said(page)) == (4, "Step 4 of 6: 3 goals, 2 agents waiting")
    assert abs(float(page.locator("#chart .now").get_attribute("x1")) - x[4]) < 0.2


def test_visits_tint_the_cells_that_were_entered_on_one_scale_for_all_policies(page):
    page.locator("#warm").check()
    settle(page)
    shade = {cell: sum(at_cell(page, *cell, layer=0)[:3]) for cell in [(1, 0), (0, 0), (2, 2), (1, 1)]}
    plain = 3 * 255
    assert shade[1, 0] == plain  # free, but no one came
    assert plain > shade[0, 0] > shade[2, 2]  # one step, and five by two agents
    assert "whole episode, 1 to 7" in page.locator("#legend").inner_text()  # seven of an idle agent
    page.locator("#policy").select_option("1")
    assert "1 to 7" in page.locator("#legend").inner_text()
    assert sum(at_cell(page, 0, 0, layer=0)[:3]) == shade[0, 0]
    page.locator("#warm").uncheck()
    assert sum(at_cell(page, 2, 2, layer=0)[:3]) == plain
    assert "steps spent" not in page.locator("#legend").inner_text()


def test_tab_reaches_every_control_once_in_reading_order(page):
    order = []
    for _ in range(17):
        page.keyboard.press("Tab")
        order.append(
            page.evaluate("document.activeElement.id || document.activeElement.getAttribute('role')")
        )
    assert order == [
        *(None, "theme", "policy", "warm", "wider", "closer", "world", "play", "back", "ahead", "scrubber"),
        *("speed", "find", "sort", "option", "region", None),
    ]
