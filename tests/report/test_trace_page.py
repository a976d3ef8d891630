"""The files of a trace report: complete, offline, the same for the same view, and replaced whole or not at all."""

from __future__ import annotations

import copy
import json
import os
import re
from pathlib import Path

import pytest
from page_checks import contents

from hodology.errors import InputError
from hodology.report import write_trace_report
from hodology.report.view import check_view

FILES = ["assets/data.js", "assets/style.css", "assets/trace.js", "index.html"]


def data_of(page):
    text = (page.parent / "assets" / "data.js").read_text(encoding="utf-8")
    assert text.startswith("window.HODOLOGY = ")
    assert text.endswith(";\n")
    return json.loads(text.removeprefix("window.HODOLOGY = ").removesuffix(";\n"))


def at(view, path):
    for key in path:
        view = view[key]
    return view


def test_a_report_is_one_folder_with_four_files(view, tmp_path):
    folder = tmp_path / "a" / "new folder"
    page = write_trace_report(view, folder)
    assert page == folder / "index.html"
    assert sorted(contents(folder)) == FILES


def test_a_report_takes_a_folder_as_text_and_leaves_other_files_there(view, tmp_path):
    (tmp_path / "paths.jsonl").write_text("kept")
    assert write_trace_report(view, str(tmp_path)) == tmp_path / "index.html"
    assert sorted(contents(tmp_path)) == [*FILES, "paths.jsonl"]
    assert (tmp_path / "paths.jsonl").read_text() == "kept"


def test_equal_views_give_equal_bytes_and_the_view_is_not_changed(view, tmp_path):
    before = copy.deepcopy(view)
    first, second = (contents(write_trace_report(view, tmp_path / name).parent) for name in ("a", "b"))
    assert first == second
    assert contents(write_trace_report(view, tmp_path / "a").parent) == second
    assert view == before


def test_the_data_of_the_page_are_the_view(trace_page, view):
    assert data_of(trace_page) == view


def test_what_is_not_a_number_reaches_the_page_as_null(view, tmp_path):
    view["items"][0]["score"] = float("nan")
    view["similarity"][0][1] = float("inf")
    data = data_of(write_trace_report(view, tmp_path))
    assert data["items"][0]["score"] is None
    assert data["similarity"][0] == [1.0, None, 0.05]


def test_the_page_asks_no_other_host(trace_page):
    text = trace_page.read_text(encoding="utf-8")
    addresses = re.findall(r"""\b(?:src|href|action|srcset|poster)=["']([^"']*)""", text)
    assert sorted(addresses) == [
        *("#main", "assets/data.js", "assets/style.css", "assets/trace.js"),
        *("data:,", "paths.jsonl", "summary.json"),
    ]
    style, script = (trace_page.with_name("assets") / name for name in ("style.css", "trace.js"))
    assert re.findall(r"url\(|@import|@font-face", style.read_text()) == []
    found = re.findall(
        r"https?://[^\s\"']+|\bfetch\(|XMLHttpRequest|WebSocket|sendBeacon|import\(", script.read_text()
    )
    assert found == ["http://www.w3.org/2000/svg"]  # a name, never asked for


def test_the_page_admits_only_its_own_scripts_and_none_of_them_is_inline(trace_page):
    text = trace_page.read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text).group(1)
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert re.findall(r"<script[^>]*>(.*?)</script>", text, re.DOTALL) == ["", ""]
    assert re.findall(r"""\son[a-z]+=|\sstyle=["']""", text) == []


def test_names_are_escaped_in_the_page_and_in_its_data(view, tmp_path):
    name = "</script><b>&\u2028\"'"
    view["title"] = view["classes"][0]["name"] = view["notes"][0] = name
    page = write_trace_report(view, tmp_path)
    assert name not in page.read_text(encoding="utf-8")
    raw = (tmp_path / "assets" / "data.js").read_text(encoding="utf-8")
    assert not set("<>&\u2028") & set(raw)
    assert data_of(page) == view


def test_what_is_not_known_is_left_out_or_a_dash(view, tmp_path):
    view["model"]["accuracy"] = view["layers"][0]["width"] = None
    text = write_trace_report(view, tmp_path).read_text(encoding="utf-8")
    assert "Accuracy" not in text
    assert text.count('<td class="number">–</td>') == 2  # the width, and the change of the random method


def test_the_page_tells_when_it_was_made_if_the_view_does(view, tmp_path):
    assert "<time" not in write_trace_report(view, tmp_path).read_text(encoding="utf-8")
    view["generated"] = "2026-01-02T03:04"
    text = write_trace_report(view, tmp_path).read_text(encoding="utf-8")
    assert '<time datetime="2026-01-02T03:04">2026-01-02 03:04</time>' in text


@pytest.mark.parametrize("names", [("cat",), ("cat", "dog")])
def test_there_is_a_heat_map_only_when_there_is_something_to_compare(make_view, tmp_path, names):
    view = make_view(names=names)
    shown = 'id="heat"' in write_trace_report(view, tmp_path).read_text(encoding="utf-8")
    assert shown == (len(names) > 1)
    view["similarity"] = None
    assert 'id="heat"' not in write_trace_report(view, tmp_path).read_text(encoding="utf-8")


def test_files_beside_the_page_are_linked_by_name(view, tmp_path):
    view["files"] = ["paths of 1.jsonl", "a&b.parquet"]
    text = write_trace_report(view, tmp_path).read_text(encoding="utf-8")
    assert (
        '<a href="paths%20of%201.jsonl">paths of 1.jsonl</a>, <a href="a%26b.parquet">a&amp;b.parquet</a>'
        in text
    )
    del view["files"]
    text = write_trace_report(view, tmp_path).read_text(encoding="utf-8")
    assert '<a href="paths.jsonl">paths.jsonl</a>, <a href="summary.json">summary.json</a>' in text


@pytest.mark.parametrize("name", ["a/b", "a\\b", "javascript:alert(1)", "x?y", "x#y", ""])
def test_a_file_elsewhere_is_not_linked(view, name):
    with pytest.raises(InputError, match=r"^view.files must be names of files beside the page, got '.*'\.$"):
        check_view(view | {"files": [name]})


@pytest.mark.parametrize(
    "key",
    [
        "title",
        "kind",
        "version",
        "model",
        "data",
        "settings",
        "layers",
        "methods",
        "classes",
        "items",
        "table",
    ]
    + ["similarity", "notes"],
)
def test_a_view_without_a_part_is_refused_by_name(view, key):
    del view[key]
    with pytest.raises(InputError, match=rf"^view lacks '{key}'; it has 'format', .*\.$"):
        check_view(view)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("format",), 2, "view must have format 1, got 2."),
        (("format",), None, "view must have format 1, got None."),
        (("kind",), "sound", "view.kind must be 'image' or 'text', got 'sound'."),
        (("layers",), [], "view.layers must not be empty."),
        (("methods",), [], "view.methods must not be empty."),
        (("classes",), [], "view.classes must not be empty."),
        (("classes", 1, "layers"), [[]], "view.classes[1].layers has 1 layers, view.layers has 4."),
        (("items", 5, "path"), [1] * 5, "view.items[5].path has 5 layers, view.layers has 4."),
        (
            ("items", 2, "image"),
            "https://example.org/cat.png",
            "view.items[2].image must be a data:image/ address or None, got 'https://example.org/cat.png'.",
        ),
        (("items", 0, "image"), "data:text/html,x", "must be a data:image/ address or None"),
        (("similarity",), [[1.0]], "view.similarity must be 3 x 3, one row and column per class, or None."),
        (("similarity", 2), [1.0], "view.similarity must be 3 x 3, one row and column per class, or None."),
    ],
)
def test_a_view_that_cannot_be_drawn_is_refused_and_nothing_is_written(view, tmp_path, path, value, message):
    at(view, path[:-1])[path[-1]] = value
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        write_trace_report(view, tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (("classes", 2, "n"), r"view\.classes\[2\] lacks 'n'; it has 'id', 'name', 'layers'\."),
        (("items", 4, "score"), r"view\.items\[4\] lacks 'score'; it has 'id', "),
    ],
)
def test_a_missing_part_is_named_with_its_place(view, path, message):
    del at(view, path[:-1])[path[-1]]
    with pytest.raises(InputError, match=message):
        check_view(view)


@pytest.mark.parametrize(
    "path",
    [("model", "name"), ("data", "n"), ("layers", 0, "label"), ("methods", 0, "label"), ("table", "columns")]
    + [("table", "rows", 0, "label")],
    ids=lambda path: ".".join(map(str, path)),
)
def test_a_missing_inner_part_is_named_with_its_place(view, tmp_path, path):
    del at(view, path[:-1])[path[-1]]
    with pytest.raises(InputError, match=re.escape(f"lacks {path[-1]!r}")):
        write_trace_report(view, tmp_path)


@pytest.mark.parametrize(
    "path", [("items", 0, "class"), ("classes", 1, "id")], ids=["no class", "two classes"]
)
def test_every_input_belongs_to_exactly_one_class(view, path):
    at(view, path[:-1])[path[-1]] = 999 if path[0] == "items" else view["classes"][0]["id"]
    with pytest.raises(InputError):
        check_view(view)


def test_an_input_whose_file_name_is_not_utf8_is_still_drawn(view, tmp_path):
    view["items"][0]["id"] = os.fsdecode(b"cat-\xff.png")
    assert data_of(write_trace_report(view, tmp_path))["items"][0]["id"] == "cat-\ufffd.png"


@pytest.mark.parametrize("broken", FILES)
def test_a_failed_write_leaves_every_file_whole_and_the_page_old(view, trace_page, monkeypatch, broken):
    folder, before, replace = trace_page.parent, contents(trace_page.parent), os.replace

    def full(source, target):
        if Path(target) == folder / broken:
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        write_trace_report(view | {"title": "Another"}, folder)
    after = contents(folder)
    assert sorted(after) == FILES  # no leftover
    assert after[broken] == before[broken]
    assert after["index.html"] == before["index.html"]


def test_a_page_that_cannot_be_rendered_leaves_the_old_report_alone(view, trace_page):
    before = contents(trace_page.parent)
    view["classes"][0]["name"] = "another"
    view["model"]["parameters"] = "many"
    with pytest.raises((InputError, ValueError)):
        write_trace_report(view, trace_page.parent)
    assert contents(trace_page.parent) == before
