"""The catalogue is whole, found by every name, light to import, and tells what is on disk."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib import import_module
from types import SimpleNamespace

import pytest

from hodology.errors import UnknownNameError
from hodology.study import Paper, catalogue, find_paper, papers
from hodology.study.catalogue import find_record, state_of

WINGS = {"interpret", "geometry", "connectome", "spiking", "learning", "planning", "generative"}
BUILT = [paper for paper in papers() if paper.module]


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Empty folders of the user's results and of those that come with the package."""
    monkeypatch.setenv("HODOLOGY_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(catalogue, "resources", SimpleNamespace(files=lambda package: tmp_path / package))
    own, published = tmp_path / "home" / "results", tmp_path / "hodology.study" / "published"
    own.mkdir(parents=True)
    published.mkdir(parents=True)
    return own, published


def put(folder, size, state):
    (folder / f"toy-{size}.json").write_text(json.dumps({"slug": "toy", "size": size, "state": state}))


def in_a_new_process(code: str) -> subprocess.CompletedProcess[str]:
    """Run code; its last line on standard error is the list of heavy modules that it loaded."""
    tail = "import sys; print([m for m in ('torch', 'numpy', 'scipy') if m in sys.modules], file=sys.stderr)"
    script = f"import atexit\n@atexit.register\ndef told():\n    {tail}\n{code}\n"
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=os.environ.copy(), check=True
    )


def test_45_papers_are_numbered_through():
    assert [paper.number for paper in papers()] == list(range(1, 46))
    assert len({paper.slug for paper in papers()}) == 45
    assert len({paper.title for paper in papers()}) == 45
    assert {paper.wing for paper in papers()} == WINGS


def test_every_entry_is_filled_and_its_slug_can_be_a_file_name():
    for paper in papers():
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", paper.slug)
        assert not paper.slug.isdigit()  # it would hide a number
        assert all(text and text == text.strip() for text in (paper.title, paper.reference, paper.question))
        assert paper.question.endswith("?")


def test_there_are_built_studies():
    assert "neuron-path" in {paper.slug for paper in BUILT}


@pytest.mark.parametrize("paper", BUILT, ids=lambda paper: paper.slug)
def test_every_built_study_can_be_run(paper):
    assert callable(import_module(paper.module).run)


def test_a_paper_is_found_by_every_name():
    for paper in papers():
        number = paper.number
        for name in (paper.slug, f"{number}", f"{number:02d}", f"{number:02d}-{paper.slug}"):
            assert find_paper(name) is paper


@pytest.mark.parametrize("name", ["", "0", "46", "001", "-1", "02-neuron-path", "Neuron-Path"])
def test_nothing_else_is_a_name(name):
    with pytest.raises(UnknownNameError, match=f"study {name!r} is not in the catalogue"):
        find_paper(name)


def test_a_misspelt_name_is_answered_with_near_ones():
    with pytest.raises(UnknownNameError, match="close names: 'neuron-path'"):
        find_paper("neurn-path")


@pytest.mark.parametrize(
    ("own", "published", "expected"),
    [
        ((), (), None),
        (("quick",), (), ("own", "quick")),
        (("quick", "standard"), (), ("own", "standard")),
        ((), ("quick",), ("published", "quick")),
        ((), ("quick", "standard"), ("published", "standard")),
        (("standard",), ("standard",), ("own", "standard")),
        (("quick",), ("standard",), ("own", "quick")),
    ],
)
def test_own_results_come_first_and_standard_before_quick(folders, own, published, expected):
    for folder, name, sizes in zip(folders, ("own", "published"), (own, published)):
        for size in sizes:
            put(folder, size, name)
    record = find_record("toy")
    assert (record and (record["state"], record["size"])) == expected


def test_a_size_can_be_asked_for(folders):
    own, published = folders
    put(own, "standard", "own")
    assert find_record("toy", size="quick") is None
    put(published, "quick", "published")
    assert find_record("toy", size="quick")["state"] == "published"
    assert find_record("toy", size="standard")["state"] == "own"
    assert find_record("tow") is None


def test_the_state_of_a_study_is_read_from_its_record(folders):
    paper = Paper(1, "toy", "Toy", "Nobody, 2000", "interpret", "Is it a toy?", module="toy")
    assert state_of(paper) == "not run"
    put(folders[1], "standard", "holds")
    assert state_of(paper) == "holds"
    put(folders[0], "quick", "partly")
    assert state_of(paper) == "partly"
    unbuilt = Paper(1, "toy", "Toy", "Nobody, 2000", "interpret", "Is it a toy?")
    assert state_of(unbuilt) == "not built"


def test_a_damaged_record_is_named(folders):
    from hodology.errors import FileFormatError

    (folders[0] / "toy-quick.json").write_text('{"slug": "toy", ')
    with pytest.raises(FileFormatError, match=r"toy-quick\.json, line 1: not valid JSON"):
        find_record("toy")


def test_the_package_loads_no_array_library():
    assert in_a_new_process("import hodology").stderr.splitlines()[-1] == "[]"


def test_the_catalogue_loads_no_torch():
    found = in_a_new_process("import hodology.study.catalogue")
    assert "torch" not in found.stderr.splitlines()[-1]


def test_the_list_of_papers_loads_no_torch():
    found = in_a_new_process("from hodology.cli import main\nmain(['list', '--json'])")
    assert [row["number"] for row in json.loads(found.stdout)] == list(range(1, 46))
    assert "torch" not in found.stderr.splitlines()[-1]
