"""The files of an episode's page: complete, offline, the same for the same view, and refusing what is none."""

from __future__ import annotations

import copy
import re

import numpy as np
import pytest
from page_checks import HOSTILE, check_failed_render, check_failed_write, contents, data_of
from swarm_views import maze_view, tiny_view

from hodology.errors import InputError
from hodology.report import swarm_page, write_swarm_report
from hodology.report.swarm_view import check_swarm_view, walk

FILES = ["assets/data.js", "assets/style.css", "assets/swarm.js", "index.html"]


@pytest.fixture
def view():
    return tiny_view()


def put(view, path, value):
    for key in path[:-1]:
        view = view[key]
    view[path[-1]] = value


def text_of(view, tmp_path):
    return write_swarm_report(view, tmp_path / "page").read_text(encoding="utf-8")


def test_a_report_is_one_folder_with_four_files_and_leaves_others_there(view, tmp_path):
    folder = tmp_path / "a" / "new folder"
    page = write_swarm_report(view, str(folder))
    assert page == folder / "index.html"
    assert sorted(contents(folder)) == FILES
    (folder / "episode.npz").write_bytes(b"kept")
    write_swarm_report(view, folder)
    assert (folder / "episode.npz").read_bytes() == b"kept"


@pytest.mark.parametrize("make", [tiny_view, maze_view])
def test_equal_views_give_equal_bytes_and_the_view_is_not_changed(make, tmp_path):
    view, before = make(), make()
    first, second = (contents(write_swarm_report(view, tmp_path / name).parent) for name in ("a", "b"))
    assert first == second == contents(write_swarm_report(copy.deepcopy(before), tmp_path / "a").parent)
    assert view == before
    assert data_of(tmp_path / "a" / "index.html") == view


def test_the_page_asks_no_other_host_and_admits_only_its_own_scripts(view, tmp_path):
    text = text_of(view, tmp_path)
    addresses = re.findall(r"""\b(?:src|href|action|srcset|poster)=["']([^"']*)""", text)
    assert sorted(addresses) == [
        *("#main", "assets/data.js", "assets/style.css", "assets/swarm.js", "data:,"),
        *("episode.npz", "summary.json"),
    ]
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text).group(1)
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert re.findall(r"<script[^>]*>(.*?)</script>", text, re.DOTALL) == ["", ""]
    assert re.findall(r"""\son[a-z]+=|\sstyle=["']""", text) == []
    style, script = ((tmp_path / "page/assets" / name).read_text() for name in ("style.css", "swarm.js"))
    assert re.findall(r"url\(|@import|@font-face", style) == []
    found = re.findall(r"https?://[^\s\"']+|\bfetch\(|XMLHttpRequest|WebSocket|sendBeacon|import\(", script)
    assert found == ["http://www.w3.org/2000/svg"]  # a name, never asked for


def test_the_figures_of_the_view_stand_in_the_page(view, tmp_path):
    text = text_of(view, tmp_path)
    for words in (
        *("3 × 5 cells, 13 free", "23.1 % of the free cells", "goals per step, Greedy", "goes where it must"),
        '<dd>4<span class="aside">waits in 38.9 % of the steps</span>',
        '<td class="number">0.667</td><td class="number">4</td><td class="number">38.9 %</td>',
        '<td class="number">0.125 ms</td>',
        'max="6"',
    ):
        assert words in text
    assert text.count('<td class="number">–</td></tr>') == 1  # the decision time of the second is not known


def test_parts_that_are_empty_are_not_offered(view, tmp_path):
    marks = ("Over all runs", "Beside this page")
    assert all(mark in text_of(view, tmp_path) for mark in marks)
    del view["files"]
    view["table"] = {"columns": [], "rows": []}
    text = text_of(view, tmp_path)
    assert not any(mark in text for mark in marks)


def test_the_page_tells_when_it_was_made_if_the_view_does(view, tmp_path):
    assert "<time" not in text_of(view, tmp_path)
    assert '<time datetime="2026-01-02T03:04">2026-01-02 03:04</time>' in text_of(
        view | {"generated": "2026-01-02T03:04"}, tmp_path
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_escaped_in_the_page_and_in_its_data(view, tmp_path, name):
    view["title"] = view["notes"][0] = view["map"]["name"] = view["settings"]["collision"] = name
    view["episodes"][0]["label"] = view["episodes"][0]["note"] = view["table"]["rows"][0]["label"] = name
    text = text_of(view, tmp_path)
    assert name not in text
    raw = (tmp_path / "page" / "assets" / "data.js").read_text(encoding="utf-8")
    assert not set("<>&\u2028") & set(raw)
    assert data_of(tmp_path / "page" / "index.html") == view


@pytest.mark.parametrize("key", ["title", "version", "map", "settings", "episodes", "table", "notes"])
def test_a_view_without_a_part_is_refused_by_name(view, key):
    del view[key]
    with pytest.raises(InputError, match=rf"^view lacks '{key}'; it has .*\.$"):
        check_swarm_view(view)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (("map", "rows"), "view.map lacks 'rows'; it has 'name', 'height', 'width'."),
        (("settings", "agents"), "view.settings lacks 'agents'"),
        (("episodes", 1, "note"), "view.episodes[1] lacks 'note'"),
        (("episodes", 0, "goals_total"), "view.episodes[0] lacks 'goals_total'"),
        (("episodes", 0, "moves"), "view.episodes[0] lacks 'moves'"),
        (("table", "columns", 0, "label"), "view.table.columns[0] lacks 'label'"),
        (("table", "rows", 0, "label"), "view.table.rows[0] lacks 'label'"),
        (("table", "rows", 1, "throughput", "low"), "view.table.rows[1].throughput lacks 'low'"),
    ],
)
def test_a_missing_inner_part_is_named_with_its_place(view, path, message):
    part = view
    for key in path[:-1]:
        part = part[key]
    del part[path[-1]]
    with pytest.raises(InputError, match=re.escape(message)):
        check_swarm_view(view)


EP = "view.episodes[0]"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("format",), 2, "view must have format 1, got 2."),
        (("title",), 3, "view.title must be a text, got 3."),
        (("notes", 0), None, "view.notes[0] must be a text, got None."),
        (("files", 0), "a/b", "view.files must be names of files beside the page, got 'a/b'."),
        (("map", "name"), 7, "view.map.name must be a text, got 7."),
        (("map", "height"), 4, "view.map.rows must hold 4 rows, got 3."),
        (("map", "width"), 0, "view.map.width must be from 1 to 4096, got 0."),
        (("map", "width"), 5.5, "view.map.width must be a whole number from 0 on, got 5.5."),
        (("map", "rows", 1), ".#.#", "view.map.rows[1] must be 5 of '.' and '#', got '.#.#'."),
        (("map", "rows", 2), "..@..", "view.map.rows[2] must be 5 of '.' and '#', got '..@..'."),
        (("settings", "agents"), 0, "view.settings.agents must be at least 1, got 0."),
        (("settings", "agents"), 4, f"{EP}.starts must hold one entry per agent, 4, got 3."),
        (("settings", "steps"), "6", "view.settings.steps must be a whole number from 0 on, got '6'."),
        (("settings", "steps"), 7, f"{EP}.moves[0] must be 7 digits from 0 to 4, got '444422'."),
        (("episodes",), [], "view.episodes must hold at least one episode, got none."),
        (("episodes",), {}, "view.episodes must be a list, got {}."),
        (("episodes", 0, "label"), None, f"{EP}.label must be a text, got None."),
        (("episodes", 1, "key"), "greedy", "view.episodes[1].key must be its own, 'greedy' stands there before."),
        (("episodes", 0, "throughput"), -1.0, f"{EP}.throughput must be a finite number from 0 on, got -1.0."),
        (("episodes", 0, "wait_share"), 38.9, f"{EP}.wait_share must be a finite number from 0 to 1, got 38.9."),
        (("episodes", 0, "decision_ms"), float("nan"), f"{EP}.decision_ms must be a finite number from 0 on, got nan."),
        (("episodes", 0, "goals_total"), 5, f"{EP}.goals_total must be the 4 goals that view.episodes[0].goals tells of, got 5."),
        (("episodes", 0, "starts", 1), 15, f"{EP}.starts[1] must be a cell below 15, got 15."),
        (("episodes", 0, "starts", 1), 6, f"{EP}.starts[1] must be a free cell, got 6, a wall."),
        (("episodes", 0, "starts", 1), -1, f"{EP}.starts[1] must be a whole number from 0 on, got -1."),
        (("episodes", 0, "moves", 2), "224500", f"{EP}.moves[2] must be 6 digits from 0 to 4, got '224500'."),
        (("episodes", 0, "moves", 2), 224000, f"{EP}.moves[2] must be a text, got 224000."),
        (("episodes", 0, "moves", 0), "444442", f"{EP}.moves[0] leads in step 5 to row 0, column 5, which is outside the map."),
        (("episodes", 0, "moves", 0), "420000", f"{EP}.moves[0] leads in step 2 to row 1, column 1, which is a wall."),
        (("episodes", 0, "moves", 1), "344000", f"{EP}.moves[1] leads in step 1 to row 2, column -1, which is outside the map."),
        (("episodes", 0, "goals", 1), [], f"{EP}.goals[1] must hold the first goal at least, got none."),
        (("episodes", 0, "goals", 1, 0), [0, 12, 3], f"{EP}.goals[1][0] must be a step and a cell, got [0, 12, 3]."),
        (("episodes", 0, "goals", 1, 0, 0), 1, f"{EP}.goals[1][0][0] must be 0, the first goal is there from the start, got 1."),
        (("episodes", 0, "goals", 1, 1, 0), 0, f"{EP}.goals[1][1][0] must be a step from 1 to 6, got 0."),
        (("episodes", 0, "goals", 1, 1, 0), 7, f"{EP}.goals[1][1][0] must be a step from 1 to 6, got 7."),
        (
            ("episodes", 0, "goals", 1, 1, 0), 2,
            f"{EP}.goals[1][1] is given in step 2, but the agent stands in cell 11 then and not on its goal 12.",
        ),
        (("episodes", 0, "goals", 1, 1, 1), 8, f"{EP}.goals[1][1][1] must be a free cell, got 8, a wall."),
        (("table", "rows", 1, "throughput", "high"), "x", "view.table.rows[1].throughput.high must be a finite number, got 'x'."),
    ],
)  # fmt: skip
def test_a_view_that_cannot_be_played_is_refused_and_nothing_is_written(view, tmp_path, path, value, message):
    put(view, path, value)
    with pytest.raises(InputError, match=f"^{re.escape(message)}$") as caught:
        write_swarm_report(view, tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_what_is_no_mapping_is_no_view():
    with pytest.raises(InputError, match=r"^view must be a mapping, got list\.$"):
        check_swarm_view([])


def test_a_walk_is_where_its_moves_lead():
    rows, columns = walk([0, 10, 2], ["444422", "044000", "224000"], width=5)
    assert rows.tolist() == [[0, 0, 0, 0, 0, 1, 2], [2] * 7, [0, 1, 2, 2, 2, 2, 2]]
    assert columns.tolist() == [[0, 1, 2, 3, 4, 4, 4], [0, 0, 1, 2, 2, 2, 2], [2, 2, 2, 3, 3, 3, 3]]


def test_a_view_of_whole_numbers_of_arrays_is_one_too(view, tmp_path):
    plain = write_swarm_report(view, tmp_path / "plain").read_bytes()
    for episode in view["episodes"]:
        episode["starts"] = [np.int32(cell) for cell in episode["starts"]]
        episode["throughput"] = np.float64(episode["throughput"])
    check_swarm_view(view)
    assert write_swarm_report(view, tmp_path / "arrays").read_bytes() == plain


@pytest.mark.parametrize("broken", FILES)
def test_a_failed_write_leaves_every_file_whole_and_the_page_old(view, tmp_path, monkeypatch, broken):
    check_failed_write(write_swarm_report, view, tmp_path, monkeypatch, broken=broken, files=FILES)


def test_a_page_that_cannot_be_rendered_leaves_the_old_report_alone(view, tmp_path, monkeypatch):
    check_failed_render(write_swarm_report, swarm_page, view, tmp_path, monkeypatch)
