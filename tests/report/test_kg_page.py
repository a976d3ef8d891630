"""The files of the page of paths through a knowledge graph: complete, offline, the same for the same view."""

from __future__ import annotations

import copy
import re

import pytest
from kg_views import big_view, drug_view, neighbour_view, parallel_view, tiny_view
from page_checks import HOSTILE, check_failed_render, check_failed_write, contents, data_of

from hodology.errors import InputError
from hodology.report import kg_page, write_kg_report
from hodology.report.kg_view import check_kg_view

FILES = ["assets/data.js", "assets/kg.js", "assets/style.css", "index.html"]
VIEWS = [tiny_view, parallel_view, neighbour_view, drug_view, big_view]


@pytest.fixture
def view():
    return tiny_view()


def text_of(view, tmp_path):
    return write_kg_report(view, tmp_path / "page").read_text(encoding="utf-8")


def words_of(text):
    """The text without its tags, white space as one."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", text))


def test_a_report_is_one_folder_with_four_files_and_leaves_others_there(view, tmp_path):
    folder = tmp_path / "a" / "new folder"
    page = write_kg_report(view, str(folder))
    assert page == folder / "index.html"
    assert sorted(contents(folder)) == FILES
    (folder / "paths.jsonl").write_text("kept")
    write_kg_report(view, folder)
    assert (folder / "paths.jsonl").read_text() == "kept"


@pytest.mark.parametrize("make", VIEWS)
def test_equal_views_give_equal_bytes_and_the_view_is_not_changed(make, tmp_path):
    view, before = make(), make()
    first, second = (contents(write_kg_report(view, tmp_path / name).parent) for name in ("a", "b"))
    assert first == second == contents(write_kg_report(copy.deepcopy(before), tmp_path / "a").parent)
    assert view == before
    assert data_of(tmp_path / "a" / "index.html") == view


def test_the_page_asks_no_other_host_and_admits_only_its_own_scripts(view, tmp_path):
    text = text_of(view, tmp_path)
    addresses = re.findall(r"""\b(?:src|href|action|srcset|poster)=["']([^"']*)""", text)
    assert sorted(addresses) == [
        *("#hidden", "#main", "assets/data.js", "assets/kg.js", "assets/style.css", "data:,"),
        *("paths.jsonl", "subgraph.tsv"),
    ]
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text).group(1)
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert re.findall(r"<script[^>]*>(.*?)</script>", text, re.DOTALL) == ["", ""]
    assert re.findall(r"""\son[a-z]+=|\sstyle=["']""", text) == []
    style, script = ((tmp_path / "page/assets" / name).read_text() for name in ("style.css", "kg.js"))
    assert re.findall(r"url\(|@import|@font-face", style) == []
    found = re.findall(r"https?://[^\s\"']+|\bfetch\(|XMLHttpRequest|WebSocket|sendBeacon|import\(", script)
    assert found == ["http://www.w3.org/2000/svg"]  # a name, never asked for


def test_the_head_tells_the_two_entities_the_graph_and_what_was_asked(view, tmp_path):
    words = words_of(text_of(view, tmp_path))
    for part in (
        *("From Dolorin Compound, 40 edges", "To back pain Disease, 90 edges", "Found 3 paths"),
        "Graph tiny-kg 1,234 nodes, 56,789 edges, 5 relations",
        "Asked for 10 paths of up to 3 edges, no two with the same run of relations",
        *("Taken out 1 edge before the search", "tie break canonical", "max length 3", "diverse yes"),
    ):
        assert part in words
    view["query"] |= {"diverse": False, "k": 1, "max_length": 3}
    words = words_of(text_of(view, tmp_path))
    assert "Asked for 1 path of up to 3 edges, also with the same run of relations" in words


def test_what_was_taken_out_and_why_stands_above_the_drawing_and_in_a_table(view, tmp_path):
    words = words_of(text_of(view, tmp_path))
    assert "Not used : Dolorin treats back pain, since this would state the answer." in words
    assert "From Relation To Why Dolorin treats back pain its relation is asked for" in words
    assert "hidden in both directions" in words
    view["query"]["hide"] = "pair"
    assert "since this could state the answer" in words_of(text_of(view, tmp_path))
    words = words_of(text_of(drug_view(), tmp_path))
    assert "Donepezil treats Alzheimer&#39;s disease and 1 more edge, since" in words
    assert "it states the same answer" in words


@pytest.mark.parametrize(
    ("hide", "above", "below"),
    [
        ("task", None, "The graph has no such edge between the two."),
        ("pair", None, "All edges between the two entities are hidden, whatever their relation."),
        ("none", "Nothing was hidden : an edge that joins", "Nothing is hidden: an edge that joins"),
        ("treats only", None, "Hidden: treats only."),
    ],
)
def test_a_query_that_hid_nothing_says_so(view, tmp_path, hide, above, below):
    view["hidden"], view["query"]["hide"] = [], hide
    words = words_of(text_of(view, tmp_path))
    assert ("Nothing was hidden" in words) == (above is not None)
    assert above is None or above in words
    assert below in words
    assert "Not used" not in words
    assert "Taken out nothing" in words


def test_relations_are_counted_here_and_in_the_graph(view, tmp_path):
    words = words_of(text_of(view, tmp_path))
    assert "binds binds 3 210" in words
    assert "acts on acts on 1 33" in words
    assert "is linked to linked 3 1,400" in words
    view["paths"][0]["relations"] = ["linked", "linked"]  # twice on one path is one path
    assert "is linked to linked 3 1,400" in words_of(text_of(view, tmp_path))


def test_sentences_and_relations_can_be_read_without_scripts(view, tmp_path):
    text = text_of(view, tmp_path)
    lists = re.findall(r"<noscript>\s*<ol.*?</ol>", text, re.DOTALL)
    assert re.findall(r'<li value="(\d+)">(.*?)</li>', lists[0]) == [
        ("1", "drug binds g1 and g1 linked pain"),
        ("2", "drug binds g2 and g2 acts on g3 and g3 linked pain"),
        ("3", "drug like other and other binds g2 and g2 linked pain"),
    ]


def test_neighbours_are_never_called_paths(tmp_path):
    words = words_of(text_of(neighbour_view(), tmp_path))
    assert "Neighbours, as there is no path" in words
    assert "Found no path 4 neighbours instead" in words
    assert "they do not join them" in words
    assert "Neighbours in words" in words
    assert "Paths in words" not in words
    assert "Neighbours here" in words


def test_without_a_path_and_a_neighbour_the_rest_of_the_page_stands(view, tmp_path):
    view |= {"paths": [], "relations": []}
    text = text_of(view, tmp_path)
    assert "No path of up to 3 edges leads from" in text
    assert "neighbour to show" not in text
    view["reason"] = "No path of any length leads from here to there."
    assert "No path of any length leads from here to there." in text_of(view, tmp_path)
    assert "Not used" in text
    for mark in ('id="graph"', 'id="ways"', 'id="copy"', 'id="relations-title"'):
        assert mark not in text


def test_an_edge_whose_ends_are_on_no_path_is_called_by_its_ids(view, tmp_path):
    view["hidden"] = [{"head": "d9", "relation": "treats", "tail": "p9", "why": "stated"}]
    assert "d9 treats p9 stated" in words_of(text_of(view, tmp_path))


def test_files_and_the_time_are_told_where_the_view_has_them(view, tmp_path):
    assert "<time" not in text_of(view, tmp_path)
    del view["files"]
    text = text_of(view | {"generated": "2026-01-02T03:04"}, tmp_path)
    assert '<time datetime="2026-01-02T03:04">2026-01-02 03:04</time>' in text
    assert "Beside this page" not in text


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_escaped_in_the_page_and_in_its_data(view, tmp_path, name):
    view["title"] = view["notes"][0] = view["graph"]["name"] = view["query"]["tie_break"] = name
    view["nodes"][0]["title"] = view["relations"][0]["title"] = view["hidden"][0]["why"] = name
    view["paths"][0]["sentence"] = view["kinds"][2] = name
    for node in view["nodes"]:
        node["kind"] = name if node["kind"] == "Gene" else node["kind"]
    text = text_of(view, tmp_path)
    assert name not in text
    raw = (tmp_path / "page" / "assets" / "data.js").read_text(encoding="utf-8")
    assert not set("<>&\u2028") & set(raw)
    assert data_of(tmp_path / "page" / "index.html") == view


KEYS = ["format", "title", "version", "graph", "query", "nodes", "paths", "relations", "hidden", "kinds"]


@pytest.mark.parametrize("key", [*KEYS, "notes"])
def test_a_view_without_a_part_is_refused_by_name(view, key):
    del view[key]
    with pytest.raises(InputError, match=rf"^view lacks '{key}'; it has '(format|version)', .*\.$"):
        check_kg_view(view)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (("graph", "edges"), "view.graph lacks 'edges'"),
        (("query", "hide"), "view.query lacks 'hide'"),
        (("nodes", 2, "degree"), "view.nodes[2] lacks 'degree'; it has 'id', 'title', 'kind'."),
        (("paths", 1, "same"), "view.paths[1] lacks 'same'"),
        (("relations", 0, "count"), "view.relations[0] lacks 'count'"),
        (("hidden", 0, "why"), "view.hidden[0] lacks 'why'; it has 'head', 'relation', 'tail'."),
    ],
)
def test_a_missing_inner_part_is_named_with_its_place(view, path, message):
    part = view
    for key in path[:-1]:
        part = part[key]
    del part[path[-1]]
    with pytest.raises(InputError, match=re.escape(message)):
        check_kg_view(view)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("format",), 2, "view must have format 1, got 2."),
        (("title",), 3, "view.title must be a text, got 3."),
        (("notes", 0), None, "view.notes[0] must be a text, got None."),
        (("files", 0), "a/b", "view.files must be names of files beside the page, got 'a/b'."),
        (("graph", "nodes"), -1, "view.graph.nodes must be a whole number from 0 on, got -1."),
        (("query", "source"), "drag", "view.query.source must be the id of a node, got 'drag'."),
        (("query", "target"), "drug", "view.query.target must be another node than the source, got 'drug'."),
        (("query", "k"), 0, "view.query.k must be at least 1, got 0."),
        (("query", "max_length"), 2.5, "view.query.max_length must be a whole number from 0 on, got 2.5."),
        (("query", "diverse"), 1, "view.query.diverse must be true or false, got 1."),
        (("query", "hide"), None, "view.query.hide must be a text, got None."),
        (("kinds", 1), "Compound", "view.kinds[1] must be its own, 'Compound' stands there before."),
        (("nodes", 1, "kind"), "Sickness", "view.nodes[1].kind must be one of view.kinds, got 'Sickness'."),
        (("nodes", 1, "id"), "drug", "view.nodes[1].id must be its own, 'drug' stands there before."),
        (("nodes", 1, "title"), 7, "view.nodes[1].title must be a text, got 7."),
        (("nodes", 3, "degree"), 1.5, "view.nodes[3].degree must be a whole number from 0 on, got 1.5."),
        (("relations", 1, "name"), "binds", "view.relations[1].name must be its own, 'binds' stands there before."),
        (("relations", 1, "count"), None, "view.relations[1].count must be a whole number from 0 on, got None."),
        (("paths",), {}, "view.paths must be a list, got {}."),
        (("paths", 1, "rank"), 1, "view.paths[1].rank must be its own, 1 stands there before."),
        (("paths", 0, "kind"), "walk", "view.paths[0].kind must be one of path, neighbour, got 'walk'."),
        (("paths", 0, "kind"), "neighbour", "view.paths[0] is a neighbour: it must be one edge of 'drug' or 'pain'."),
        (("paths", 0, "length"), 3, "view.paths[0].nodes must have 4 entries for its length 3, got 3."),
        (("paths", 0, "relations"), ["binds"], "view.paths[0].relations must have 2 entries for its length 2, got 1."),
        (("paths", 0, "forward"), [True] * 3, "view.paths[0].forward must have 2 entries for its length 2, got 3."),
        (("paths", 0, "forward", 1), 0, "view.paths[0].forward[1] must be true or false, got 0."),
        (("paths", 0, "relations", 1), "treats", "view.paths[0].relations[1] must be the name of a relation, got 'treats'."),
        (("paths", 0, "nodes", 1), "g9", "view.paths[0].nodes[1] must be the id of a node, got 'g9'."),
        (("paths", 0, "nodes", 2), "g3", "view.paths[0] must lead from 'drug' to 'pain', got 'drug' to 'g3'."),
        (("paths", 1, "nodes", 2), "g2", "view.paths[1].nodes must hold no node twice, got 'drug', 'g2', 'g2', 'pain'."),
        (("paths", 1, "sentence"), None, "view.paths[1].sentence must be a text, got None."),
        (("paths", 1, "same"), -2, "view.paths[1].same must be a whole number from 0 on, got -2."),
        (("hidden", 0, "tail"), 5, "view.hidden[0].tail must be a text, got 5."),
    ],
)  # fmt: skip
def test_a_view_that_cannot_be_drawn_is_refused_and_nothing_is_written(view, tmp_path, path, value, message):
    part = view
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    with pytest.raises(InputError, match=f"^{re.escape(message)}$") as caught:
        write_kg_report(view, tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_what_is_no_mapping_is_no_view():
    with pytest.raises(InputError, match=r"^view must be a mapping, got list\.$"):
        check_kg_view([])


@pytest.mark.parametrize("broken", FILES)
def test_a_failed_write_leaves_every_file_whole_and_the_page_old(view, tmp_path, monkeypatch, broken):
    check_failed_write(write_kg_report, view, tmp_path, monkeypatch, broken=broken, files=FILES)


def test_a_page_that_cannot_be_rendered_leaves_the_old_report_alone(view, tmp_path, monkeypatch):
    check_failed_render(write_kg_report, kg_page, view, tmp_path, monkeypatch)
