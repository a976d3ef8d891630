"""The files of a causal graph's page: complete, offline, the same for the same view, and refusing what is none."""

from __future__ import annotations

import copy
import os
import re

import pytest
from causal_views import digits_view, tiny_view
from page_checks import HOSTILE, check_failed_render, check_failed_write, contents, data_of

from hodology.errors import InputError
from hodology.report import causal_page, write_causal_report
from hodology.report.causal_view import check_causal_view

FILES = ["assets/causal.js", "assets/data.js", "assets/style.css", "index.html"]


@pytest.fixture
def view():
    return tiny_view()


def put(view, path, value):
    for key in path[:-1]:
        view = view[key]
    view[path[-1]] = value


def text_of(view, tmp_path):
    return write_causal_report(view, tmp_path / "page").read_text(encoding="utf-8")


def test_a_report_is_one_folder_with_four_files_and_leaves_others_there(view, tmp_path):
    folder = tmp_path / "a" / "new folder"
    page = write_causal_report(view, str(folder))
    assert page == folder / "index.html"
    assert sorted(contents(folder)) == FILES
    (folder / "edges.csv").write_text("kept")
    write_causal_report(view, folder)
    assert (folder / "edges.csv").read_text() == "kept"


@pytest.mark.parametrize("make", [tiny_view, digits_view])
def test_equal_views_give_equal_bytes_and_the_view_is_not_changed(make, tmp_path):
    view, before = make(), make()
    first, second = (contents(write_causal_report(view, tmp_path / name).parent) for name in ("a", "b"))
    assert first == second == contents(write_causal_report(copy.deepcopy(before), tmp_path / "a").parent)
    assert view == before
    assert data_of(tmp_path / "a" / "index.html") == view


def test_the_page_asks_no_other_host_and_admits_only_its_own_scripts(view, tmp_path):
    text = text_of(view, tmp_path)
    addresses = re.findall(r"""\b(?:src|href|action|srcset|poster)=["']([^"']*)""", text)
    assert sorted(addresses) == [
        *("#main", "assets/causal.js", "assets/data.js", "assets/style.css"),
        *("data:,", "edges.csv", "graph.graphml", "summary.json"),
    ]
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text).group(1)
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert re.findall(r"<script[^>]*>(.*?)</script>", text, re.DOTALL) == ["", ""]
    assert re.findall(r"""\son[a-z]+=|\sstyle=["']""", text) == []
    style, script = ((tmp_path / "page/assets" / name).read_text() for name in ("style.css", "causal.js"))
    assert re.findall(r"url\(|@import|@font-face", style) == []
    found = re.findall(r"https?://[^\s\"']+|\bfetch\(|XMLHttpRequest|WebSocket|sendBeacon|import\(", script)
    assert found == ["http://www.w3.org/2000/svg"]  # a name, never asked for


def test_the_figures_of_the_view_stand_in_the_page(view, tmp_path):
    text = text_of(view, tmp_path)
    for words in (
        *("1,234 parameters", "60 inputs, 2 shown", "96.1 %", "output 3", "What drives cat"),
        '<dd>8<span class="aside">of 28 tested, 32 candidates</span>',
        *("Class accuracy after cutting", "100.0 %", "50.0 %", "−0.00400 to 0.0310", "class accuracy</th>"),
    ):
        assert words in text


def test_what_is_not_known_is_left_out_or_a_dash(view, tmp_path):
    view["model"]["accuracy"] = None
    del view["cost_unit"]
    for layer in view["layers"]:
        layer["rejected_cost"] = None
    text = text_of(view, tmp_path)
    assert "Accuracy" not in text
    assert "Cost of cutting all rejected</th>" in text
    assert (
        text.count('<td class="number">–</td></tr>') == 4 + 1
    )  # four costs, and one method without a Jaccard


def test_parts_that_are_empty_are_not_offered(view, tmp_path):
    marks = ('id="figures-title"', 'id="maps"', 'id="graph"', 'id="edges"', "Beside this page")
    assert all(mark in text_of(view, tmp_path) for mark in marks)
    view |= {"edges": [], "paths": [], "maps": [], "table": {"columns": [], "rows": []}, "files": []}
    text = text_of(view, tmp_path)
    assert not any(mark in text for mark in marks)
    assert "No edge was kept" in text


def test_the_page_tells_when_it_was_made_if_the_view_does(view, tmp_path):
    assert "<time" not in text_of(view, tmp_path)
    assert '<time datetime="2026-01-02T03:04">2026-01-02 03:04</time>' in text_of(
        view | {"generated": "2026-01-02T03:04"}, tmp_path
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_escaped_in_the_page_and_in_its_data(view, tmp_path, name):
    view["title"] = view["target"]["name"] = view["notes"][0] = view["layers"][1]["label"] = name
    view["nodes"][0]["unit"] = view["maps"][0]["note"] = view["effect_unit"] = view["cost_unit"] = name
    text = text_of(view, tmp_path)
    assert name not in text
    raw = (tmp_path / "page" / "assets" / "data.js").read_text(encoding="utf-8")
    assert not set("<>&\u2028") & set(raw)
    assert data_of(tmp_path / "page" / "index.html") == view


def test_a_map_whose_file_name_is_not_utf8_is_still_drawn(view, tmp_path):
    view["maps"][0]["id"] = os.fsdecode(b"cat-\xff.png")
    assert data_of(write_causal_report(view, tmp_path))["maps"][0]["id"].encode() == "cat-\ufffd.png".encode()


KEYS = ["title", "version", "model", "data", "target", "settings", "layers", "nodes", "edges", "paths"]


@pytest.mark.parametrize("key", [*KEYS, "effect_unit", "table", "maps", "notes", "files"])
def test_a_view_without_a_part_is_refused_by_name(view, key):
    del view[key]
    with pytest.raises(InputError, match=rf"^view lacks '{key}'; it has 'format', .*\.$"):
        check_causal_view(view)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (("model", "name"), "view.model lacks 'name'; it has 'parameters', 'accuracy'."),
        (("target", "id"), "view.target lacks 'id'; it has 'name'."),
        (("layers", 2, "tested"), "view.layers[2] lacks 'tested'"),
        (("layers", 1, "rejected_cost", "n"), "view.layers[1].rejected_cost lacks 'n'"),
        (("nodes", 3, "score"), "view.nodes[3] lacks 'score'"),
        (("edges", 7, "p"), "view.edges[7] lacks 'p'"),
        (("paths", 1, "score"), "view.paths[1] lacks 'score'"),
        (("maps", 0, "heat"), "view.maps[0] lacks 'heat'"),
        (("table", "columns", 1, "label"), "view.table.columns[1] lacks 'label'"),
        (("table", "rows", 0, "label"), "view.table.rows[0] lacks 'label'"),
        (("table", "rows", 0, "cut", "low"), "view.table.rows[0].cut lacks 'low'"),
    ],
)
def test_a_missing_inner_part_is_named_with_its_place(view, path, message):
    part = view
    for key in path[:-1]:
        part = part[key]
    del part[path[-1]]
    with pytest.raises(InputError, match=re.escape(message)):
        check_causal_view(view)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("format",), 2, "view must have format 1, got 2."),
        (("title",), 3, "view.title must be a text, got 3."),
        (("settings",), [], "view.settings must be a mapping, got list."),
        (("notes", 0), None, "view.notes[0] must be a text, got None."),
        (("notes",), "note", "view.notes must be a list, got 'note'."),
        (("files", 0), "a/b", "view.files must be names of files beside the page, got 'a/b'."),
        (("files",), "edges.csv", "view.files must be names of files beside the page, got 'edges.csv'."),
        (("model", "parameters"), "many", "view.model.parameters must be a whole number from 0 on, got 'many'."),
        (("model", "accuracy"), 96.1, "view.model.accuracy must be a finite number from 0 to 1, got 96.1."),
        (("data", "n"), -1, "view.data.n must be a whole number from 0 on, got -1."),
        (("layers",), [{}], "view.layers must reach from the input to the output, got 1 layers."),
        (("layers", 0, "candidates"), 4, "view.layers[0] is the input, into which no edge leads: candidates must be 0, got 4."),
        (("layers", 2, "kept"), 13, "view.layers[2] must have kept <= tested <= candidates, got 13, 12, 16."),
        (("layers", 1, "rejected_cost", "low"), 0.5, "view.layers[1].rejected_cost must have low <= high, got 0.5 and 0.031."),
        (("layers", 3, "units"), True, "view.layers[3].units must be a whole number from 0 on, got True."),
        (("nodes", 1, "layer"), 4, "view.nodes[1].layer must be below 4, got 4."),
        (("nodes", 1, "unit"), 7, "view.nodes[1].unit must be a text, got 7."),
        (("nodes", 1, "score"), float("nan"), "view.nodes[1].score must be a finite number, got nan."),
        (("nodes", 2, "id"), "a0", "view.nodes[2].id must be its own, 'a0' stands there before."),
        (("edges",), {}, "view.edges must be a list, got {}."),
        (("edges", 0, "source"), "x9", "view.edges[0].source must be the id of a node, got 'x9'."),
        (("edges", 0, "target"), "in", "view.edges[0] must lead to a higher layer, got layer 0 to 0."),
        (("edges", 6, "source"), "cat", "view.edges[6] must lead to a higher layer, got layer 3 to 3."),
        (("edges", 1, "target"), "a0", "view.edges[1] must be its own, in -> a0 (weight) stands there before."),
        (("edges", 2, "kind"), "wire", "view.edges[2].kind must be one of weight, skip, part, stream, got 'wire'."),
        (("edges", 2, "effect"), None, "view.edges[2].effect must be a finite number, got None."),
        (("edges", 2, "high"), float("inf"), "view.edges[2].high must be a finite number, got inf."),
        (("edges", 2, "low"), 3.0, "view.edges[2] must have low <= high, got 3.0 and 0.8999999999999999."),
        (("edges", 2, "p"), 1.5, "view.edges[2].p must be a finite number from 0 to 1, got 1.5."),
        (("paths", 0, "nodes"), ["in"], "view.paths[0].nodes must hold at least 2 nodes, got 1."),
        (("paths", 0, "nodes"), ["in", "b1"], "view.paths[0] steps from 'in' to 'b1', which no edge joins."),
        (("paths", 2, "score"), None, "view.paths[2].score must be a finite number, got None."),
        (("effect_unit",), None, "view.effect_unit must be a text, got None."),
        (("table", "rows", 1, "keep", "high"), "much", "view.table.rows[1].keep.high must be a finite number, got 'much'."),
        (("maps", 0, "image"), None, "view.maps[0].image must be a data:image/ address, got None."),
        (("maps", 1, "heat"), "https://example.org/heat.png", "view.maps[1].heat must be a data:image/ address or None, got 'https://example.org/heat.png'."),
        (("maps", 0, "image"), "data:text/html,x", "view.maps[0].image must be a data:image/ address, got 'data:text/html,x'."),
    ],
)  # fmt: skip
def test_a_view_that_cannot_be_drawn_is_refused_and_nothing_is_written(view, tmp_path, path, value, message):
    put(view, path, value)
    with pytest.raises(InputError, match=f"^{re.escape(message)}$") as caught:
        write_causal_report(view, tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_what_is_no_mapping_is_no_view():
    with pytest.raises(InputError, match=r"^view must be a mapping, got list\.$"):
        check_causal_view([])


def test_two_edges_of_different_kinds_may_join_the_same_nodes(view):
    first = view["edges"][0]
    view["edges"].append(first | {"kind": "skip"})
    check_causal_view(view)
    view["edges"].append(dict(first))
    with pytest.raises(InputError, match=r"view\.edges\["):
        check_causal_view(view)


@pytest.mark.parametrize("broken", FILES)
def test_a_failed_write_leaves_every_file_whole_and_the_page_old(view, tmp_path, monkeypatch, broken):
    check_failed_write(write_causal_report, view, tmp_path, monkeypatch, broken=broken, files=FILES)


def test_a_page_that_cannot_be_rendered_leaves_the_old_report_alone(view, tmp_path, monkeypatch):
    check_failed_render(write_causal_report, causal_page, view, tmp_path, monkeypatch)
