"""Paths survive every format, similarities equal brute force, and hostile files are refused with their line."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hodology.errors import FileFormatError, InputError, UnknownNameError
from hodology.path import JsonlWriter, Path, PathSet, Step, read_path_graph

NAMES = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=6)


@st.composite
def path_sets(draw):
    numeric = draw(st.booleans())
    unit = st.integers(0, 10**6) if numeric else st.one_of(st.integers(0, 9), NAMES)
    paths = []
    for i in range(draw(st.integers(0, 6))):
        steps = draw(st.lists(st.tuples(NAMES, unit), max_size=5))
        score = draw(st.floats(allow_infinity=False))
        value = draw(st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), NAMES))
        paths.append(Path(tuple(Step(*s) for s in steps), score, "measure", f"p{i}", {"class": value}))
    return PathSet.from_paths(paths)


@settings(max_examples=40, deadline=None)
@given(path_sets())
def test_json_lines_round_trip(tmp_path_factory, paths):
    file = tmp_path_factory.mktemp("j") / "p.jsonl"
    paths.to_jsonl(file)
    assert PathSet.from_jsonl(file).equals(paths) or len(paths) == 0


@settings(max_examples=15, deadline=None)
@given(path_sets())
def test_parquet_round_trip(tmp_path_factory, paths):
    pytest.importorskip("pyarrow", reason="needs the hf extra")
    file = tmp_path_factory.mktemp("q") / "p.parquet"
    paths.to_parquet(file)
    assert PathSet.from_parquet(file).equals(paths) or len(paths) == 0


@settings(max_examples=40, deadline=None)
@given(path_sets(), path_sets())
def test_similarities_equal_brute_force(a, b):
    found = {kind: a.similarity(b, kind=kind) for kind in ("overlap", "jaccard", "dice")}
    for i, p in enumerate(a):
        for j, q in enumerate(b):
            s, t = set(p.steps), set(q.steps)
            shared = len(s & t)
            for kind, whole in (
                ("overlap", max(len(s), len(t))),
                ("jaccard", len(s | t)),
                ("dice", (len(s) + len(t)) / 2),
            ):
                assert found[kind][i, j] == pytest.approx(shared / whole if whole else 0.0)


@pytest.fixture
def layered():
    units = np.array([[[1, 2], [3, 4]], [[1, 5], [3, 6]], [[7, 8], [9, 0]]])
    return PathSet.from_units(
        units, ["low", "high"], np.array([0.5, 1.5, -1.0]), measure="m", attributes={"class": ["a", "a", "b"]}
    )


def test_units_and_indexing(layered):
    assert layered.units().shape == (3, 2, 2)
    assert layered[1].steps == (Step("low", 1), Step("low", 5), Step("high", 3), Step("high", 6))
    assert layered[-1].score == -1.0
    assert layered[1:].ids == ("1", "2")
    assert layered[np.array([True, False, True])].units().tolist() == [[[1, 2], [3, 4]], [[7, 8], [9, 0]]]
    assert len(layered.where("class", "a")) == 2
    assert layered.concat(layered)[4].steps == layered[1].steps
    np.testing.assert_allclose(layered.overlap()[0], [1, 0.5, 0])
    with pytest.raises(IndexError):
        layered[3]
    with pytest.raises(ValueError, match="read-only"):
        layered.scores[0] = 1


def test_counts_by_attribute(layered):
    rows = layered.unit_counts(by="class")
    assert rows[0] == {"class": "a", "place": "low", "unit": 1, "count": 2}
    with pytest.raises(UnknownNameError, match="close names: 'class'"):
        layered.unit_counts(by="klass")


def test_the_graph_holds_counts_and_mean_scores(layered, tmp_path):
    layered.to_graphml(tmp_path / "g.graphml")
    graph = read_path_graph(tmp_path / "g.graphml")
    edge = graph.edges["low#5", "high#3"]
    assert (edge["weight"], edge["score"]) == (1, 1.5)
    assert graph.nodes["low#1"] == {"place": "low", "unit": 1}
    (tmp_path / "bad.graphml").write_text("<graphml><unclosed>")
    with pytest.raises(FileFormatError, match="not a readable GraphML"):
        read_path_graph(tmp_path / "bad.graphml")


def test_the_drawing_is_valid_and_escapes(layered):
    hostile = PathSet.from_paths([Path((Step("<a>", "x&y"), Step("b", "<script>")), 1.0, "m")])
    for paths in (layered, hostile, layered[:0]):
        root = ElementTree.fromstring(paths.draw())
        assert root.tag.endswith("svg")
    assert "<script>" not in hostile.draw()


def test_irregular_paths_have_no_unit_table(layered):
    mixed = PathSet.from_paths([*layered[:1], Path((Step("low", 1),), 0.0, "m")])
    with pytest.raises(InputError, match="do not run through the same places"):
        mixed.units()
    named = PathSet.from_paths([Path((Step("low", "x"),), 0.0, "m")])
    with pytest.raises(InputError, match="names, not indices"):
        named.units()


@pytest.mark.parametrize(
    ("units", "message"),
    [
        (np.zeros((2, 3)), "must be integers"),
        (np.zeros((2, 3), int), r"shape \(paths, 2\)"),
        (-np.ones((2, 2), int), "0 or more"),
    ],
)
def test_wrong_unit_arrays_are_explained(units, message):
    with pytest.raises(InputError, match=message):
        PathSet.from_units(units, ["a", "b"], np.zeros(2), measure="m")


def test_lengths_and_measures_must_fit():
    with pytest.raises(InputError, match="one entry per path"):
        PathSet.from_units(np.zeros((2, 1), int), ["a"], np.zeros(3), measure="m")
    with pytest.raises(InputError, match="one measure"):
        PathSet.from_paths([Path((), 0.0, "m"), Path((), 0.0, "n")])
    with pytest.raises(InputError, match="more than"):
        big = PathSet.from_units(np.zeros((30_000, 1), int), ["a"], np.zeros(30_000), measure="m")
        big.overlap()


HEADER = json.dumps({"format": "hodology-paths", "version": 1, "measure": "m"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: not valid JSON"),
        ('{"format": "other"}', "line 1: not a file of paths"),
        ('{"format": "hodology-paths", "version": 2}', "has version 2; this package reads version 1"),
        (f"{HEADER}\n[1]", "line 2: must be an object, got list"),
        (f'{HEADER}\n{{"id": "a", "score"', "line 2: not valid JSON"),
        (f'{HEADER}\n{{"score": "high", "steps": []}}', "line 2: score must be a number or null"),
        (f'{HEADER}\n{{"score": 1, "steps": [["a"]]}}', r"line 2: a step must be \[place, unit\]"),
        (f'{HEADER}\n{{"score": 1, "steps": [["a", true]]}}', "line 2: a step must be"),
        (f'{HEADER}\n{{"score": 1}}', "line 2: needs 'steps'"),
        (f'{HEADER}\n{{"score": 1, "steps": [], "attributes": 3}}', "line 2: attributes must be an object"),
    ],
)
def test_hostile_json_lines_are_refused_with_their_line(tmp_path, text, message):
    file = tmp_path / "p.jsonl"
    file.write_text(text)
    with pytest.raises(FileFormatError, match=message):
        PathSet.from_jsonl(file)


def test_a_failing_writer_leaves_no_file(tmp_path, layered):
    file = tmp_path / "p.jsonl"
    with pytest.raises(RuntimeError, match="stop"), JsonlWriter(file, measure="m") as writer:
        writer.extend(layered)
        raise RuntimeError("stop")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="must have measure"), JsonlWriter(file, measure="n") as writer:
        writer.extend(layered)
    with pytest.raises(FileFormatError, match="cannot be read"):
        PathSet.from_jsonl(tmp_path / "none.jsonl")
    (tmp_path / "p.parquet").write_bytes(b"PAR1")
    with pytest.raises(FileFormatError, match="not a readable Parquet"):
        PathSet.from_parquet(tmp_path / "p.parquet")
