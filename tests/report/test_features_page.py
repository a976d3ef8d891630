"""The files of a features page: complete, offline, the same for the same view, and refusing what is none."""

from __future__ import annotations

import copy
import re

import pytest
from features_views import concept_features, tiny_features
from page_checks import HOSTILE, check_failed_render, check_failed_write, contents, data_of

from hodology.errors import InputError
from hodology.report import features_page, write_features_report
from hodology.report.features_view import check_features_view

FILES = ["assets/data.js", "assets/features.js", "assets/style.css", "index.html"]


@pytest.fixture
def view():
    return tiny_features()


def text_of(view, tmp_path):
    return write_features_report(view, tmp_path / "page").read_text(encoding="utf-8")


def test_a_report_is_one_folder_with_four_files_and_leaves_others_there(view, tmp_path):
    folder = tmp_path / "a" / "new folder"
    page = write_features_report(view, str(folder))
    assert page == folder / "index.html"
    assert sorted(contents(folder)) == FILES
    (folder / "features.npz").write_text("kept")
    write_features_report(view, folder)
    assert (folder / "features.npz").read_text() == "kept"


@pytest.mark.parametrize("make", [tiny_features, concept_features])
def test_equal_views_give_equal_bytes_and_the_view_is_not_changed(make, tmp_path):
    view, before = make(), make()
    first, second = (contents(write_features_report(view, tmp_path / name).parent) for name in ("a", "b"))
    assert first == second == contents(write_features_report(copy.deepcopy(before), tmp_path / "a").parent)
    assert view == before
    assert data_of(tmp_path / "a" / "index.html") == view


def test_the_page_asks_no_other_host_and_admits_only_its_own_scripts(view, tmp_path):
    text = text_of(view, tmp_path)
    addresses = re.findall(r"""\b(?:src|href|action|srcset|poster)=["']([^"']*)""", text)
    assert sorted(addresses) == [
        *("#main", "assets/data.js", "assets/features.js", "assets/style.css"),
        *("contexts.jsonl", "data:,", "features.npz"),
    ]
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text).group(1)
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert re.findall(r"<script[^>]*>(.*?)</script>", text, re.DOTALL) == ["", ""]
    assert re.findall(r"""\son[a-z]+=|\sstyle=["']""", text) == []
    style, script = ((tmp_path / "page/assets" / name).read_text() for name in ("style.css", "features.js"))
    assert re.findall(r"url\(|@import|@font-face", style) == []
    found = re.findall(r"https?://[^\s\"']+|\bfetch\(|XMLHttpRequest|WebSocket|sendBeacon|import\(", script)
    assert found == ["http://www.w3.org/2000/svg"]  # a name, never asked for


def test_every_feature_stands_in_the_table_of_the_page(view, tmp_path):
    text = text_of(view, tmp_path)
    rows = re.findall(r'<tr><th scope="row" class="number">(\d+)</th>(.*?)</tr>', text)
    cells = {int(number): re.findall(r"<td[^>]*>(.*?)</td>", rest) for number, rest in rows}
    assert cells == {
        7: ["Monday, Friday", "25.0 %", "4.0 %", "3.25", "3", "weekdays", "1.50", "0.970"],
        3: ["cat, dog", "50.0 %", "2.0 %", "3.25", "3", "animals", "2.50", "–"],
        2: ["nouns", "12.5 %", "50.0 %", "3.25", "3", "–", "–", "–"],
        11: ["commas", "12.5 %", "6.0 %", "3.25", "0", "–", "–", "–"],
    }
    for words in ("123,456 parameters", "12 texts, 3,000 tokens", "Variance explained", "83.1 %"):
        assert words in text
    assert '<span class="code">blocks.<wbr>1.<wbr>mlp.<wbr>fc2:input</span>' in text


def test_a_view_without_a_tree_has_no_tree_and_without_files_no_links(view, tmp_path):
    assert 'id="tree"' in text_of(view, tmp_path)
    assert 'id="tree"' not in text_of(view | {"tree": None}, tmp_path)
    del view["tree"]
    text = text_of(view | {"files": []}, tmp_path)
    assert 'id="tree"' not in text
    assert "Beside this page" not in text


def test_the_page_tells_when_it_was_made_if_the_view_does(view, tmp_path):
    assert "<time" not in text_of(view, tmp_path)
    assert '<time datetime="2026-01-02T03:04">2026-01-02 03:04</time>' in text_of(
        view | {"generated": "2026-01-02T03:04"}, tmp_path
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_names_and_tokens_are_escaped_in_the_page_and_in_its_data(view, tmp_path, name):
    view["title"] = view["layer"] = view["notes"][0] = view["features"][0]["label"] = name
    view["features"][0]["concept"]["name"] = view["summary"][0]["value"] = name
    view["features"][0]["contexts"][0]["tokens"][1][0] = view["features"][0]["up"][0][0] = name
    view["tree"]["levels"][0]["label"] = name
    text = text_of(view, tmp_path)
    assert name not in text
    raw = (tmp_path / "page" / "assets" / "data.js").read_text(encoding="utf-8")
    assert not set("<>&\u2028") & set(raw)
    assert data_of(tmp_path / "page" / "index.html") == view


def test_half_a_pair_of_bytes_in_a_token_becomes_a_mark(view, tmp_path):
    view["features"][0]["contexts"][0]["tokens"][0][0] = "a\ud83d"
    tokens = data_of(write_features_report(view, tmp_path))["features"][0]["contexts"][0]["tokens"]
    assert tokens[0] == ["a\ufffd", 0.0]


def test_a_label_without_end_is_cut_in_the_table_and_whole_in_the_data(view, tmp_path):
    view["features"][0]["label"] = "Monday, " * 400
    text = text_of(view, tmp_path)
    assert len(re.search(r"<td>(Monday[^<]*)</td>", text).group(1)) <= 80
    assert data_of(tmp_path / "page" / "index.html")["features"][0]["label"] == "Monday, " * 400


KEYS = ["title", "version", "model", "data", "layer", "settings", "summary", "features", "notes", "files"]


@pytest.mark.parametrize("key", KEYS)
def test_a_view_without_a_part_is_refused_by_name(view, key):
    del view[key]
    with pytest.raises(InputError, match=rf"^view lacks '{key}'; it has 'format', .*\.$"):
        check_features_view(view)


FEATURE_KEYS = ["id", "label", "share", "active", "norm", "units", "n_units", "contexts", "up", "down"]


@pytest.mark.parametrize("key", [*FEATURE_KEYS, "concept", "parents", "children"])
def test_a_feature_without_a_part_is_refused_by_its_place(view, key):
    del view["features"][1][key]
    with pytest.raises(InputError, match=rf"^view\.features\[1\] lacks '{key}'; it has "):
        check_features_view(view)


F = ("features", 0)
C = (*F, "contexts", 0)
T = "view.features[0].contexts[0].tokens"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("format",), None, "view must have format 1, got None."),
        (("layer",), 3, "view.layer must be a text, got 3."),
        (("model",), {"name": "x"}, "view.model lacks 'parameters'; it has 'name'."),
        (("data", "tokens"), 1.5, "view.data.tokens must be a whole number from 0 on, got 1.5."),
        (("summary", 0, "value"), 0.831, "view.summary[0].value must be a text, got 0.831."),
        (("features",), [], "view.features must not be empty."),
        (("features",), {}, "view.features must be a list, got {}."),
        ((*F, "id"), -1, "view.features[0].id must be a whole number from 0 on, got -1."),
        (("features", 1, "id"), 7, "view.features[1].id must be its own, 7 stands there before."),
        ((*F, "share"), 12.5, "view.features[0].share must be a finite number from 0 to 1, got 12.5."),
        ((*F, "active"), float("nan"), "view.features[0].active must be a finite number from 0 to 1, got nan."),
        ((*F, "norm"), -2.0, "view.features[0].norm must be a finite number from 0 on, got -2.0."),
        ((*F, "units", 1), [3], "view.features[0].units[1] must be [unit, weight], got [3]."),
        ((*F, "units", 1), [0.5, 3], "view.features[0].units[1][0] must be a whole number from 0 on, got 0.5."),
        ((*F, "units", 1), [3, None], "view.features[0].units[1][1] must be a finite number, got None."),
        ((*F, "n_units"), 2, "view.features[0].n_units must be at least the 3 of its units, got 2."),
        ((*F, "up"), "Tuesday", "view.features[0].up must be a list, got 'Tuesday'."),
        ((*F, "down", 0), "ab", "view.features[0].down[0] must be [token, logit], got 'ab'."),
        ((*F, "down", 0), [5, 1.0], "view.features[0].down[0][0] must be a text, got 5."),
        ((*C, "value"), None, "view.features[0].contexts[0].value must be a finite number, got None."),
        ((*C, "focus"), 5, "view.features[0].contexts[0].focus must be below its 5 tokens, got 5."),
        ((*C, "tokens"), [], "view.features[0].contexts[0].focus must be below its 0 tokens, got 2."),
        ((*C, "tokens", 3), [" a", 1, 2], f"{T}[3] must be [text, coefficient], got [' a', 1, 2]."),
        ((*C, "tokens", 3), [" a", float("inf")], f"{T}[3][1] must be a finite number, got inf."),
        ((*C, "label"), 4, "view.features[0].contexts[0].label must be a text, got 4."),
        ((*F, "concept"), {"name": "x"}, "view.features[0].concept lacks 'score'; it has 'name'."),
        ((*F, "concept", "auroc"), 97, "view.features[0].concept.auroc must be a finite number from 0 to 1, got 97."),
        ((*F, "parents"), [99], "view.features[0].parents must be ids of features, got 99."),
        ((*F, "children"), ["3"], "view.features[0].children must be ids of features, got '3'."),
        (("tree",), {"nodes": []}, "view.tree lacks 'levels'; it has 'nodes'."),
        (("tree", "levels", 0, "children", 1), {"id": 1}, "view.tree.levels[0].children[1] lacks 'label'; it has 'id'."),
        (("files", 0), "", "view.files must be names of files beside the page, got ''."),
    ],
)  # fmt: skip
def test_a_view_that_cannot_be_shown_is_refused_and_nothing_is_written(view, tmp_path, path, value, message):
    part = view
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        write_features_report(view, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_tree_without_end_is_refused(view):
    view["tree"]["levels"][0]["children"] = view["tree"]["levels"]
    with pytest.raises(InputError, match=r"^view\.tree must be at most 32 levels deep; view\.tree\.levels\["):
        check_features_view(view)


@pytest.mark.parametrize("broken", FILES)
def test_a_failed_write_leaves_every_file_whole_and_the_page_old(view, tmp_path, monkeypatch, broken):
    check_failed_write(write_features_report, view, tmp_path, monkeypatch, broken=broken, files=FILES)


def test_a_page_that_cannot_be_rendered_leaves_the_old_report_alone(view, tmp_path, monkeypatch):
    check_failed_render(write_features_report, features_page, view, tmp_path, monkeypatch)
