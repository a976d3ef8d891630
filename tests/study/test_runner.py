"""A run keeps a whole record, measures every seed once, and goes on after a failure."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from datetime import datetime
from importlib import metadata

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hodology
from hodology.errors import InputError
from hodology.study import Paper, source
from hodology.study import study as study_file
from hodology.study.runner import run_study
from hodology.work import ProcessEngine

TOY = '''
import json
from pathlib import Path

def run(study):
    """Values 1.0, 1.1, 1.2, ... ; their interval over three seeds is 0.852 to 1.348."""
    found = study.measure(f"{__name__}:measure", factor=2)
    values = [seed["value"] for seed in found]
    study.claim("Above a half", paper="1.0", measured=values, holds_above=0.5, unit="units", note="so be it")
    study.claim("Above two", paper="2.1", measured=values, holds_above=2.0)
    study.table("Values", ["seed", "value"], [[seed["seed"], seed["value"]] for seed in found])
    study.note("All is well.")

def measure(payload):
    folder = Path(__file__).parent
    with open(folder / "calls", "a") as handle:
        handle.write(f"{payload['size']} {payload['seed']} {payload['data']} {payload['factor']}\\n")
    if (folder / f"fail-{payload['seed']}").exists():
        raise ValueError("the seed is bad")
    return json.dumps({"seed": payload["seed"], "value": 1 + payload["seed"] / 10}).encode()
'''


@pytest.fixture
def paper(tmp_path, monkeypatch):
    """A paper whose study is a module of this test alone."""
    name = f"toy_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(TOY)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("HODOLOGY_HOME", str(tmp_path / "home"))
    yield Paper(7, "toy", "A toy", "Nobody, 2000", "interpret", "Is it a toy?", module=name)
    sys.modules.pop(name, None)


@pytest.fixture
def calls(tmp_path):
    """What was measured so far, and forgotten at the next call: ``["quick 0", ...]``."""
    file = tmp_path / "calls"

    def read():
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return [line.removesuffix(" None 2") for line in lines]

    return read


def test_the_record_is_whole_and_is_what_is_on_disk(paper, tmp_path):
    record = run_study(paper, size="quick", folder=tmp_path / "out")
    assert json.loads((tmp_path / "out" / "toy-quick.json").read_text()) == json.loads(json.dumps(record))
    assert {
        key: record[key] for key in ("format", "number", "slug", "title", "wing", "question", "size")
    } == {
        "format": 1,
        "number": 7,
        "slug": "toy",
        "title": "A toy",
        "wing": "interpret",
        "question": "Is it a toy?",
        "size": "quick",
    }
    assert record["reference"] == "Nobody, 2000"
    assert record["seeds"] == [0, 1, 2]
    assert record["data"] is None
    assert record["seconds"] >= 0
    assert datetime.fromisoformat(record["started"]).utcoffset().total_seconds() == 0
    assert record["state"] == "partly"
    above_half, above_two = record["claims"]
    assert above_half["verdict"] == "holds"
    assert above_half["interval"] == pytest.approx((0.8516, 1.3484), abs=1e-4)
    assert above_half["per_seed"] == (1.0, 1.1, 1.2)
    assert (above_half["unit"], above_half["note"], above_half["rule"]) == ("units", "so be it", "above 0.5")
    assert above_two["verdict"] == "does not hold"
    assert record["tables"] == [
        {"title": "Values", "columns": ["seed", "value"], "rows": [[0, 1.0], [1, 1.1], [2, 1.2]]}
    ]
    assert record["notes"] == ["All is well."]


def test_the_record_names_the_code(paper, tmp_path):
    record = run_study(paper, size="quick", seeds=2, folder=tmp_path / "out")
    versions = record["versions"]
    assert versions["hodology"] == hodology.__version__
    assert versions["python"] == sys.version.split()[0]
    for name in ("torch", "numpy", "scipy", "scikit-learn"):
        assert versions[name] == metadata.version(name)
    assert record["commit"] is None or re.fullmatch(r"[0-9a-f]{12}\+?", record["commit"])


@pytest.mark.parametrize(("size", "count"), [("quick", 3), ("standard", 5)])
def test_the_size_decides_how_many_seeds(paper, tmp_path, calls, size, count):
    started, seen = [], []
    record = run_study(
        paper,
        size=size,
        folder=tmp_path / "out",
        on_start=started.append,
        on_seed=lambda: seen.append(1),
    )
    assert record["seeds"] == list(range(count))
    assert calls() == [f"{size} {seed}" for seed in range(count)]
    assert started == [count]
    assert len(seen) == count
    assert [file.name for file in (tmp_path / "out").glob("*.json")] == [f"toy-{size}.json"]


def test_a_second_run_measures_nothing_and_finds_the_same(paper, tmp_path, calls):
    first = run_study(paper, size="quick", folder=tmp_path / "out")
    assert len(calls()) == 3
    seen = []
    second = run_study(paper, size="quick", folder=tmp_path / "out", on_seed=lambda: seen.append(1))
    assert calls() == []
    assert len(seen) == 3
    changing = ("started", "seconds", "commit")  # other people's edits change whether the checkout is clean
    assert {k: v for k, v in second.items() if k not in changing} == {
        k: v for k, v in first.items() if k not in changing
    }


def test_only_what_is_new_is_measured(paper, tmp_path, calls, monkeypatch):
    folder = tmp_path / "out"
    run_study(paper, size="quick", seeds=2, folder=folder)
    assert calls() == ["quick 0", "quick 1"]
    assert run_study(paper, size="quick", seeds=4, folder=folder)["seeds"] == [0, 1, 2, 3]
    assert calls() == ["quick 2", "quick 3"]
    run_study(paper, size="standard", seeds=2, folder=folder)
    assert calls() == ["standard 0", "standard 1"]
    mine = tmp_path / "mine"
    mine.mkdir()
    for content in ("", "changed"):
        (mine / "file").write_text(content)
        record = run_study(paper, size="quick", seeds=1, data=str(mine), folder=folder)
        assert calls() == [f"quick 0 {mine} 2"]
        assert record["data"] == str(mine)
    monkeypatch.setattr(study_file, "source_hash", lambda: "another version of the code")
    run_study(paper, size="quick", seeds=2, folder=folder)
    assert calls() == ["quick 0", "quick 1"]
    assert run_study(paper, size="quick", seeds=2, folder=tmp_path / "elsewhere")["seeds"] == [0, 1]
    assert calls() == ["quick 0", "quick 1"]


def test_a_failed_seed_leaves_the_others_and_no_record(paper, tmp_path, calls):
    (tmp_path / "fail-1").touch()
    with pytest.raises(ValueError, match="the seed is bad"):
        run_study(paper, size="quick", folder=tmp_path / "out")
    assert not (tmp_path / "out" / "toy-quick.json").exists()
    assert calls() == ["quick 0", "quick 1"]
    (tmp_path / "fail-1").unlink()
    assert run_study(paper, size="quick", folder=tmp_path / "out")["state"] == "partly"
    assert calls() == ["quick 1", "quick 2"]


def test_processes_measure_the_same(paper, tmp_path, calls):
    serial = run_study(paper, size="quick", seeds=2, folder=tmp_path / "serial")
    assert calls() == ["quick 0", "quick 1"]
    spawned = run_study(
        paper, size="quick", seeds=2, folder=tmp_path / "spawned", engine=ProcessEngine(jobs=1)
    )
    assert calls() == ["quick 0", "quick 1"]
    assert spawned["claims"] == serial["claims"]
    assert spawned["tables"] == serial["tables"]


def test_results_go_to_the_users_store_unless_told(paper, tmp_path):
    run_study(paper, size="quick", seeds=1)
    assert (tmp_path / "home" / "results" / "toy-quick.json").is_file()


def test_one_seed_decides_nothing(paper, tmp_path):
    record = run_study(paper, size="quick", seeds=1, folder=tmp_path / "out")
    assert [claim["verdict"] for claim in record["claims"]] == ["undecided", "undecided"]
    assert [claim["interval"] for claim in record["claims"]] == [None, None]
    assert record["state"] == "does not hold"


@given(st.integers(max_value=0))
def test_there_is_at_least_one_seed(count):
    toy = Paper(7, "toy", "A toy", "Nobody, 2000", "interpret", "?", module="no_such_module")
    with pytest.raises(InputError, match=f"seeds must be at least 1, got {count}"):
        run_study(toy, seeds=count)


def test_what_is_not_built_is_not_run(tmp_path):
    toy = Paper(7, "toy", "A toy", "Nobody, 2000", "interpret", "Is it a toy?")
    with pytest.raises(InputError, match="study 'toy' is not built yet; 'hodology list' shows which are"):
        run_study(toy, size="quick", folder=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("seeds", [None, 1])
def test_an_unknown_size_is_refused(paper, tmp_path, seeds):
    with pytest.raises(InputError, match="huge"):
        run_study(paper, size="huge", seeds=seeds, folder=tmp_path / "out")


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A package of one file in a checkout of its own, taken for hodology."""
    package = tmp_path / "checkout" / "src" / "hodology"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("x = 1\n")
    monkeypatch.setattr(source.hodology, "__file__", str(package / "__init__.py"))
    return tmp_path / "checkout"


def test_the_hash_of_the_code_follows_names_and_contents_of_its_files(checkout):
    package, measured = checkout / "src" / "hodology", []

    def changed():
        measured.append(source.source_hash.__wrapped__())
        return measured.count(measured[-1]) == 1

    assert changed()
    (package / "__init__.py").write_text("x = 2\n")
    assert changed()
    (package / "more.py").write_text("y = 1\n")
    assert changed()
    (package / "more.py").rename(package / "other.py")
    assert changed()
    (package / "notes.txt").write_text("no code")
    assert not changed()


def test_the_commit_says_when_the_sources_differ(checkout):
    if shutil.which("git") is None:
        pytest.skip("no git")

    def git(*words):
        who = ("-c", "user.name=n", "-c", "user.email=n@example.org", "-c", "commit.gpgsign=false")
        done = subprocess.run(["git", *who, *words], cwd=checkout, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    assert source.commit() is None  # no checkout: installed
    git("init", "-q")
    assert source.commit() is None  # a checkout without a commit
    git("add", ".")
    git("commit", "-q", "-m", "first")
    name = git("rev-parse", "HEAD")[:12]
    assert source.commit() == name
    (checkout / "README.md").write_text("words")
    assert source.commit() == name
    (checkout / "src" / "hodology" / "__init__.py").write_text("x = 2\n")
    assert source.commit() == f"{name}+"
