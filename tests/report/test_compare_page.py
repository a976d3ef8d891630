"""The files of the page of a comparison: complete, offline, the same for the same view; and what is no view."""

from __future__ import annotations

import base64
import copy
import re

import numpy as np
import pytest
from compare_views import areas_view, big_view, pair_view, self_view, tiny_view
from hypothesis import given
from hypothesis import strategies as st
from page_checks import HOSTILE, check_failed_render, check_failed_write, contents, data_of

from hodology.errors import InputError
from hodology.report import compare_page, write_compare_report
from hodology.report.compare_view import best_matches, check_compare_view, pack_rdm

FILES = ["assets/compare.js", "assets/data.js", "assets/style.css", "index.html"]
VIEWS = [tiny_view, pair_view, self_view, areas_view, big_view]


@pytest.fixture
def view():
    return tiny_view()


def text_of(view, tmp_path):
    return write_compare_report(view, tmp_path / "page").read_text(encoding="utf-8")


def words_of(text):
    """The text without its tags, white space as one."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", text))


def unpacked(part):
    """The matrix that the page's data hold."""
    upper = np.frombuffer(base64.b64decode(part["triangle"]), dtype="<f4")
    matrix = np.zeros((part["n"], part["n"]), dtype=np.float32)
    matrix[np.triu_indices(part["n"])] = upper
    return np.maximum(matrix, matrix.T)


def test_a_report_is_one_folder_with_four_files_and_leaves_others_there(view, tmp_path):
    folder = tmp_path / "a" / "new folder"
    page = write_compare_report(view, str(folder))
    assert page == folder / "index.html"
    assert sorted(contents(folder)) == FILES
    (folder / "table.csv").write_text("kept")
    write_compare_report(view, folder)
    assert (folder / "table.csv").read_text() == "kept"


@pytest.mark.parametrize("make", VIEWS)
def test_equal_views_give_equal_bytes_and_the_view_is_not_changed(make, tmp_path):
    view, before = make(), make()
    first, second = (contents(write_compare_report(view, tmp_path / name).parent) for name in ("a", "b"))
    assert first == second == contents(write_compare_report(copy.deepcopy(before), tmp_path / "a").parent)
    assert view == before


@pytest.mark.parametrize("make", VIEWS)
def test_the_data_are_the_view_with_packed_matrices_and_the_best_matches(make, tmp_path):
    view = make()
    data = data_of(write_compare_report(view, tmp_path))
    assert data["matches"] == best_matches(view["matrix"], same=len(view["sets"]) == 1)
    for key in view.keys() - {"sets"}:
        assert data[key] == view[key]
    for part, packed in zip(view["sets"], data["sets"], strict=True):
        for one, found in zip(part["representations"], packed["representations"], strict=True):
            assert {**one, "rdm": None} == {**found, "rdm": None}
            if one["rdm"] is None:
                assert found["rdm"] is None
            else:
                np.testing.assert_array_equal(unpacked(found["rdm"]), np.float32(one["rdm"]))


def test_the_page_asks_no_other_host_and_admits_only_its_own_scripts(view, tmp_path):
    text = text_of(view, tmp_path)
    addresses = re.findall(r"""\b(?:src|href|action|srcset|poster)=["']([^"']*)""", text)
    assert sorted(addresses) == [
        *("#main", "assets/compare.js", "assets/data.js", "assets/style.css", "data:,"),
        *("rdms.npz", "summary.json", "table.csv"),
    ]
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text).group(1)
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert re.findall(r"<script[^>]*>(.*?)</script>", text, re.DOTALL) == ["", ""]
    assert re.findall(r"""\son[a-z]+=|\sstyle=["']""", text) == []
    style, script = ((tmp_path / "page/assets" / name).read_text() for name in ("style.css", "compare.js"))
    assert re.findall(r"url\(|@import|@font-face", style) == []
    assert re.findall(r"https?://[^\s\"']+|\bfetch\(|XMLHttpRequest|WebSocket|import\(", script) == [
        "http://www.w3.org/2000/svg"
    ]  # a name, never asked for


def test_the_head_tells_the_sets_the_measure_and_the_most_similar_pair(view, tmp_path):
    words = words_of(text_of(view, tmp_path))
    for part in (
        *("Rows mouse.npz 2 representations", "Columns small-cnn 3 representations", "Stimuli 4"),
        "Measure rsa-spearman Spearman correlation of dissimilarities",
        "Most similar 0.620 V1 and conv2, 0.550 to 0.700",
    ):
        assert part in words


def test_the_best_of_each_row_stands_in_a_table_that_needs_no_script(view, tmp_path):
    words = words_of(text_of(view, tmp_path))
    assert "V1 conv2 0.620 0.550 to 0.700 0.00100 conv3" in words
    assert "IT conv3 0.450 – 0.0100 –" in words  # without an interval nothing can be within it
    assert "V1 0.300 0.200 to 0.400 p 0.0400 ★ 0.620" in words
    assert "● 0.580" in words


def test_a_set_alone_is_compared_with_itself_and_the_diagonal_is_no_match(tmp_path):
    words = words_of(text_of(self_view(), tmp_path))
    assert "With itself mouse.nwb 6 representations" in words
    assert "Most similar 0.850 layer 0 and layer 1" in words
    assert "layer 2 layer 1 0.850 0.790 to 0.920 0.00100 layer 3" in words
    assert "★ 1.00" not in words


def test_parts_that_the_view_lacks_are_not_on_the_page(tmp_path):
    text = text_of(pair_view(), tmp_path)
    assert "rdm-title" not in text
    assert "plane-title" not in text
    assert "bars-title" not in text
    assert "1 representation" in words_of(text)


def test_of_many_pairs_the_table_has_values_alone_and_bars_are_folded(tmp_path):
    text = text_of(big_view(), tmp_path)
    assert "intervals are in the files" in text
    assert "59 bars" in text
    assert " and 1 more" in text


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_escaped_in_the_page_and_in_its_data(view, tmp_path, name):
    view["title"] = view["notes"][0] = view["stimuli"][0] = view["measure"]["name"] = name
    view["sets"][0]["label"] = view["sets"][0]["representations"][0]["name"] = name
    view["matrix"]["rows"][0] = view["embedding"]["points"][0]["name"] = name
    text = text_of(view, tmp_path)
    assert name not in text
    raw = (tmp_path / "page" / "assets" / "data.js").read_text(encoding="utf-8")
    assert not set("<>&\u2028") & set(raw)
    assert data_of(tmp_path / "page" / "index.html")["matrix"] == view["matrix"]


def test_best_matches_are_the_first_of_the_highest_and_those_above_its_lower_end():
    matrix = {"values": [[0.1, 0.5, 0.5, 0.45]], "low": [[0.0, 0.45, 0.1, 0.1]], "high": None}
    assert best_matches(matrix) == [{"column": 1, "within": [2, 3]}]
    assert best_matches(matrix | {"low": None}) == [{"column": 1, "within": []}]
    assert best_matches({"values": [[None, float("nan")]], "low": None}) == [{"column": None, "within": []}]


@given(st.lists(st.lists(st.none() | st.floats(-1, 1), min_size=4, max_size=4), min_size=4, max_size=4))
def test_no_value_of_a_row_is_above_its_best_match(values):
    low = [[None if v is None else v - 0.1 for v in line] for line in values]
    for row, (line, match) in enumerate(zip(values, best_matches({"values": values, "low": low}, same=True))):
        others = [v for column, v in enumerate(line) if column != row and v is not None]
        if match["column"] is None:
            assert not others
            continue
        top = line[match["column"]]
        assert top == max(others)
        assert len(match["within"]) == sum(v >= top - 0.1 for v in others) - 1


def test_a_matrix_is_packed_with_its_diagonal_and_its_holes():
    packed = pack_rdm([[0.5, 2.0], [2.0, None]])
    assert packed["n"] == 2
    found = np.frombuffer(base64.b64decode(packed["triangle"]), dtype="<f4")
    np.testing.assert_array_equal(found, np.float32([0.5, 2.0, np.nan]))


KEYS = [
    "format",
    "title",
    "version",
    "settings",
    "sets",
    "stimuli",
    "measure",
    "matrix",
    "embedding",
    "table",
]


@pytest.mark.parametrize("key", [*KEYS, "notes"])
def test_a_view_without_a_part_is_refused_by_name(view, key):
    del view[key]
    message = "view must have format 1" if key == "format" else f"view lacks '{key}'"
    with pytest.raises(InputError, match=f"^{message}"):
        check_compare_view(view)


ONE, TWO = (f"view.sets[0].representations[{index}]" for index in (0, 1))
FIRST, SECOND = (("sets", 0, "representations", index) for index in (0, 1))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("format",), 2, "view must have format 1, got 2."),
        (("title",), 3, "view.title must be a text, got 3."),
        (("files", 0), "a/b", "view.files must be names of files beside the page, got 'a/b'."),
        (("stimuli", 1), 7, "view.stimuli[1] must be a text, got 7."),
        (("measure",), {"name": "x"}, "view.measure lacks 'note'; it has 'name'."),
        (("sets",), [], "view.sets must be two, of the rows and of the columns, or one, got 0."),
        (("sets", 1, "key"), "a", "view.sets[1].key must be its own, 'a' stands there before."),
        (("sets", 0, "representations"), [], "view.sets[0].representations must hold at least one, got none."),
        ((*SECOND, "n_units"), -1, f"{TWO}.n_units must be a whole number from 0 on, got -1."),
        ((*SECOND, "rdm"), [[0, 1]], f"{TWO}.rdm must be a square matrix, got shape (1, 2)."),
        ((*SECOND, "rdm"), [[0], [1, 2]], f"{TWO}.rdm must be a square matrix of numbers, got rows of other kinds."),
        ((*SECOND, "rdm"), [[0.0, 1.0], [2.0, 0.0]], f"{TWO}.rdm must be symmetric."),
        ((*SECOND, "rdm"), [[0.0, float("inf")], [float("inf"), 0.0]],
         f"{TWO}.rdm must hold finite numbers or NaN, got an infinite one."),
        ((*SECOND, "rdm"), [[0.0, 1.0], [1.0, 0.0]], f"{TWO}.rdm must have 4 rows as {ONE} has, got 2."),
        (("stimuli",), ["face", "hand"], f"{ONE}.rdm must have no more than 2 rows, one per stimulus, got 4."),
        ((*FIRST, "points"), [{"stimulus": 4, "x": 0.0, "y": 0.0}],
         f"{ONE}.points[0].stimulus must be below 4, got 4."),
        (("matrix", "rows"), ["V1"], "view.matrix.rows must be the names of view.sets[0], got ['V1']."),
        (("matrix", "columns", 2), "fc",
         "view.matrix.columns must be the names of view.sets[1], got ['conv1', 'conv2', 'fc']."),
        (("matrix", "p"), [[0.1]], "view.matrix.p must be 2 x 3, one entry per pair."),
        (("matrix", "values", 0, 1), "high", "view.matrix.values[0][1] must be a finite number, got 'high'."),
        (("matrix", "p", 0, 1), 1.5, "view.matrix.p[0][1] must be a finite number from 0 to 1, got 1.5."),
        (("matrix", "low", 0, 1), 0.8, "view.matrix must have low <= high, got 0.8 and 0.7 at [0][1]."),
        (("embedding", "points", 0, "set"), "c", "view.embedding.points[0].set must be the key of a set, got 'c'."),
        (("embedding", "points", 0, "name"), "V9",
         "view.embedding.points[0].name must be a representation of its set, got 'V9'."),
        (("embedding", "points", 0, "x"), "left", "view.embedding.points[0].x must be a finite number, got 'left'."),
        (("table", "rows", 0, "similarity"), {"estimate": 1.0},
         "view.table.rows[0].similarity lacks 'low'; it has 'estimate'."),
    ],
)  # fmt: skip
def test_a_view_that_cannot_be_drawn_is_refused_and_nothing_is_written(view, tmp_path, path, value, message):
    view = copy.deepcopy(view)
    part = view
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        write_compare_report(view, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_no_mapping_is_no_view():
    with pytest.raises(InputError, match=r"^view must be a mapping, got list\.$"):
        check_compare_view([])


@pytest.mark.parametrize("broken", FILES)
def test_a_failed_write_leaves_every_file_whole_and_the_page_old(view, tmp_path, monkeypatch, broken):
    check_failed_write(write_compare_report, view, tmp_path, monkeypatch, broken=broken, files=FILES)


def test_a_page_that_cannot_be_rendered_leaves_the_old_report_alone(view, tmp_path, monkeypatch):
    check_failed_render(write_compare_report, compare_page, view, tmp_path, monkeypatch)
