"""``hodology list | show | run | report`` say what happened by text, JSON and exit code."""

from __future__ import annotations

import html
import json
import os
import subprocess
import sys
from dataclasses import asdict

import pytest

from hodology import __version__
from hodology.cli import main
from hodology.study import Paper, catalogue
from hodology.study.runner import run_study

REAL_PAPERS = catalogue.papers()
CLAIM_KEYS = {"claim", "paper", "measured", "interval", "verdict"}
RECORD_KEYS = {"slug", "size", "seeds", "versions", "seconds", "claims"}

TOY = '''
import json

def run(study):
    """Values 1.0, 1.1, 1.2, ... ; their interval over three seeds is 0.852 to 1.348."""
    found = study.measure(f"{{__name__}}:measure")
    values = [seed["value"] for seed in found]
    study.claim("The value is large", paper="it was 3", measured=values, holds_above={threshold}, unit="ells")
    study.claim("The value is no elephant", paper="", measured=values, holds_below=1e3, note="grey, too")
    study.note("All is well.")

def measure(payload):
    return json.dumps({{"value": 1 + payload["seed"] / 10}}).encode()
'''
FAILS_AT_ONCE = """
def run(study):
    raise RuntimeError("the first line\\nand the second")
"""
FAILS_IN_A_SEED = """
from hodology.errors import InputError
def run(study):
    study.measure(f"{__name__}:measure")
def measure(payload):
    raise InputError("the seed is bad.")
"""
CLAIMS_NOTHING = """
def run(study):
    study.note("Nothing to claim.")
"""
STOPS = """
def run(study):
    raise KeyboardInterrupt
"""


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A user's folder for every test."""
    monkeypatch.setenv("HODOLOGY_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def studies(tmp_path, monkeypatch):
    """Put papers of this test in the place of the catalogue; returns a function that adds one."""
    kept: list[Paper] = []
    modules: list[str] = []
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(catalogue, "papers", lambda: tuple(kept))

    def add(slug, source):
        module = None
        if source is not None:
            module = f"{slug}_{tmp_path.name}"
            (tmp_path / f"{module}.py").write_text(source)
            modules.append(module)
        kept.append(
            Paper(len(kept) + 1, slug, f"On {slug}", "Nobody, 2000", "interpret", f"Is {slug} so?", module)
        )
        return kept[-1]

    yield add
    for module in modules:
        sys.modules.pop(module, None)


@pytest.fixture
def hodology(capsys):
    """Call the command; returns exit code, standard output and standard error."""

    def call(*words):
        with pytest.raises(SystemExit) as stop:
            main([str(word) for word in words])
        return stop.value.code, *capsys.readouterr()

    return call


def one_line(error: str) -> str:
    """The message of a failure, when it is all there is on standard error."""
    assert error.startswith("hodology: ")
    assert error.count("\n") == 1
    assert error.endswith("\n")
    return error.removeprefix("hodology: ").rstrip("\n")


def test_the_list_has_a_line_for_every_paper(hodology):
    code, out, error = hodology("list")
    assert (code, error) == (0, "")
    lines = out.splitlines()
    assert len(lines) == 45
    for paper, line in zip(REAL_PAPERS, lines):
        assert line.split()[:3] == [str(paper.number), paper.slug, paper.wing]
        assert line.endswith(paper.title)
        assert ("not built" in line) == (paper.module is None)


def test_the_list_is_printed_as_json(hodology):
    code, out, error = hodology("list", "--json")
    assert (code, error) == (0, "")
    rows = json.loads(out)
    assert [(row["number"], row["slug"], row["title"], row["wing"]) for row in rows] == [
        (paper.number, paper.slug, paper.title, paper.wing) for paper in REAL_PAPERS
    ]
    assert {row["state"] for row in rows} <= {"holds", "partly", "does not hold", "not run", "not built"}


@pytest.mark.parametrize("name", ["1", "01", "neuron-path", "01-neuron-path"])
def test_a_paper_is_shown_by_every_name(hodology, name):
    code, out, error = hodology("show", name)
    paper = REAL_PAPERS[0]
    assert (code, error) == (0, "")
    assert out.startswith(f"01 {paper.title}\n")
    for text in (paper.reference, paper.question, f"wing: {paper.wing}"):
        assert text in out


def test_a_paper_without_results_is_shown_as_json(hodology):
    code, out, _ = hodology("show", "2", "--json")
    assert code == 0
    assert json.loads(out) == {**asdict(REAL_PAPERS[1]), "state": "not built", "record": None}


def test_what_was_found_is_shown(hodology, studies):
    paper = studies("toy", TOY.format(threshold=1.1))
    record = run_study(paper, size="quick")
    code, out, error = hodology("show", "toy")
    assert (code, error) == (0, "")
    assert "state: partly" in out
    assert f"Measured with size quick over 3 seeds, hodology {__version__}:" in out
    assert "undecided     The value is large: 1.1 [0.852, 1.35] ells (must be above 1.1)" in out
    assert "paper: it was 3" in out
    assert "grey, too" in out
    assert "All is well." in out
    shown = json.loads(hodology("show", "toy", "--json")[1])
    assert shown == {**asdict(paper), "state": "partly", "record": json.loads(json.dumps(record))}
    assert "partly" in hodology("list")[1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("show", "neuron-pth"), "study 'neuron-pth' is not in the catalogue; close names: 'neuron-path'"),
        (("show", "46"), "study '46' is not in the catalogue"),
        (("run", "nothing"), "study 'nothing' is not in the catalogue"),
        (("run",), "name studies, or pass --all (not both)"),
        (("run", "1", "--all"), "name studies, or pass --all (not both)"),
        (("run", "1", "--size", "huge"), "size must be quick or standard, got 'huge'"),
        (("run", "1", "--size", "quick", "--seeds", "0"), "seeds must be at least 1, got 0"),
        (("run", "1", "--size", "quick", "--jobs", "-1"), "jobs must be at least 1, got -1"),
        (("run", "2", "--size", "quick"), "study 'dynamic-connectome' is not built yet"),
    ],
)
def test_misuse_is_told_in_one_line(hodology, home, words, message):
    code, out, error = hodology(*words, *(("--quiet",) if words[0] == "run" else ()))
    assert (code, out) == (2, "")
    assert message in one_line(error)
    assert not home.exists()


@pytest.mark.parametrize(
    "words", [("frobnicate",), ("list", "--no-such"), ("show",), ("run", "1", "--seeds", "x")]
)
def test_unknown_commands_and_options_are_misuse(hodology, words):
    code, out, error = hodology(*words)
    assert (code, out) == (2, "")
    assert "Traceback" not in error
    assert error.strip()


def test_no_processes_are_misuse(hodology, studies):
    studies("toy", CLAIMS_NOTHING)
    code, _, error = hodology("run", "toy", "--jobs", "0", "--quiet")
    assert code == 2
    assert "jobs must be at least 1, got 0" in one_line(error)


@pytest.mark.parametrize(("threshold", "verdict", "code"), [(0.5, "holds", 0), (2.0, "does not hold", 1)])
def test_the_exit_code_says_whether_all_claims_hold(hodology, studies, tmp_path, threshold, verdict, code):
    studies("toy", TOY.format(threshold=threshold))
    out_folder = tmp_path / "out"
    found, out, error = hodology("run", "toy", "--size", "quick", "-j", 1, "-q", "--out", out_folder)
    assert (found, error) == (code, "")
    state = "holds" if code == 0 else "partly"
    assert out.startswith("toy (quick, 3 seeds, ")
    assert out.splitlines()[0].endswith(f" s): {state}")
    assert f"  {verdict:13} The value is large: 1.1 [0.852, 1.35] ells (must be above" in out
    assert "  holds         The value is no elephant: 1.1 [0.852, 1.35] (must be below 1000)" in out
    page = out_folder / "report" / "index.html"
    assert out.endswith(f"\nReport: {page}\n")
    assert page.is_file()
    assert json.loads((out_folder / "toy-quick.json").read_text())["state"] == state


def test_a_claim_that_is_undecided_is_not_a_success(hodology, studies):
    studies("toy", TOY.format(threshold=0.5))
    code, out, _ = hodology("run", "toy", "--size", "quick", "--seeds", 1, "-j", 1, "-q")
    assert code == 1
    assert "  undecided     The value is large: 1 ells (must be above 0.5)" in out


def test_a_study_that_claims_nothing_is_not_a_success(hodology, studies):
    studies("toy", CLAIMS_NOTHING)
    code, out, _ = hodology("run", "toy", "--size", "quick", "-q")
    assert "does not hold" in out
    assert code == 1


def test_json_is_one_object_and_all_there_is_on_standard_output(hodology, studies, home):
    studies("toy", TOY.format(threshold=0.5))
    code, out, error = hodology("run", "toy", "--size", "quick", "--seeds", 2, "--jobs", 1, "--json")
    assert code == 1  # two seeds do not decide: 1.05 +- 0.64
    assert "seeds" in error  # the progress bar
    assert out.count("\n") == 1
    record = json.loads(out)
    assert record.keys() >= RECORD_KEYS
    assert (record["slug"], record["size"], record["seeds"]) == ("toy", "quick", [0, 1])
    assert record["versions"]["hodology"] == __version__
    assert [claim["verdict"] for claim in record["claims"]] == ["undecided", "holds"]
    for claim in record["claims"]:
        assert claim.keys() >= CLAIM_KEYS
        assert claim["interval"][0] < claim["measured"] < claim["interval"][1]
    kept = json.loads((home / "results" / "toy-quick.json").read_text())
    assert record == {key: kept[key] for key in record}


def test_all_runs_every_built_study_and_one_failed_claim_decides(hodology, studies, tmp_path):
    studies("first", TOY.format(threshold=0.5))
    studies("second", None)
    studies("third", TOY.format(threshold=2.0))
    code, out, _ = hodology(
        "run", "--all", "--size", "quick", "-j", 1, "-q", "--json", "--out", tmp_path / "o"
    )
    assert code == 1
    records = [json.loads(line) for line in out.splitlines()]
    assert [(record["slug"], record["state"]) for record in records] == [
        ("first", "holds"),
        ("third", "partly"),
    ]
    pages = {page.name for page in (tmp_path / "o" / "report").glob("*.html")}
    assert pages == {"index.html", "first.html", "third.html"}


def test_all_passes_over_a_study_that_needs_a_missing_package(hodology, studies, tmp_path):
    studies("first", TOY.format(threshold=0.5))
    need = "require('no_such_package_at_all', extra='hf', purpose='this study')"
    studies("second", f"from hodology.optional import require\n\ndef run(study):\n    {need}\n")
    words = ("--size", "quick", "-j", 1, "-q", "--out", tmp_path / "o")
    code, out, error = hodology("run", "--all", *words)
    assert code == 1
    assert "first (quick" in out
    assert "second: not run, this study needs no_such_package_at_all: pip install 'hodology[hf]'" in error
    code, _, error = hodology("run", "second", *words)
    assert code == 2
    assert one_line(error).startswith("this study needs")


def test_seeds_that_were_measured_are_not_measured_again(hodology, studies, tmp_path):
    studies("toy", TOY.format(threshold=0.5))
    words = ("run", "toy", "--size", "quick", "-j", 1, "-q", "--out", tmp_path / "o")
    assert hodology(*words)[0] == 0
    kept = {file: file.stat().st_mtime_ns for file in (tmp_path / "o").rglob("*.unit")}
    assert len(kept) == 3
    assert hodology(*words)[0] == 0
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "o").rglob("*.unit")} == kept


def test_misuse_is_found_before_anything_is_measured(hodology, studies, home):
    studies("toy", TOY.format(threshold=0.5))
    studies("second", None)
    code, _, error = hodology("run", "toy", "second", "--size", "quick", "-j", 1, "-q")
    assert code == 2
    assert "study 'second' is not built yet" in one_line(error)
    assert not list(home.rglob("*.json"))


def test_an_unexpected_error_is_one_line(hodology, studies, home):
    studies("toy", FAILS_AT_ONCE)
    code, out, error = hodology("run", "toy", "--size", "quick", "--quiet")
    assert (code, out) == (2, "")
    assert one_line(error) == "RuntimeError: the first line and the second (--debug shows where)"
    assert not list(home.rglob("*.json"))


@pytest.mark.parametrize("place", ["before", "after"])
def test_debug_shows_where_it_failed(hodology, studies, place):
    studies("toy", FAILS_AT_ONCE)
    words = ["run", "toy", "--size", "quick", "--quiet"]
    words.insert(0 if place == "before" else len(words), "--debug")
    code, out, error = hodology(*words)
    assert (code, out) == (2, "")
    assert error.startswith("Traceback (most recent call last):")
    assert 'raise RuntimeError("the first line' in error


def test_debug_shows_where_an_expected_error_came_from(hodology):
    code, out, error = hodology("show", "nothing", "--debug")
    assert (code, out) == (2, "")
    assert "Traceback (most recent call last):" in error
    assert "UnknownNameError: study 'nothing' is not in the catalogue" in error


def test_debug_changes_nothing_when_all_is_well(hodology):
    assert hodology("list", "--debug") == hodology("list")


def test_an_error_in_a_process_names_the_seeds_unit(hodology, studies):
    studies("toy", FAILS_IN_A_SEED)
    code, out, error = hodology("run", "toy", "--size", "quick", "--seeds", 1, "-j", 1, "-q")
    assert (code, out) == (2, "")
    message, _, unit = one_line(error).partition(" (in unit ")
    assert message == "the seed is bad."
    assert len(unit.rstrip(")")) == 32


def test_ctrl_c_says_that_the_run_can_go_on(hodology, studies):
    studies("toy", STOPS)
    code, _, error = hodology("run", "toy", "--size", "quick", "--quiet")
    assert code == 130
    assert "finished parts are kept" in one_line(error)


def test_ctrl_c_ends_with_130(hodology, studies):
    studies("toy", STOPS)
    code, out, _ = hodology("run", "toy", "--size", "quick", "--quiet")
    assert (code, out) == (130, "")


def test_the_report_holds_every_paper(hodology, tmp_path):
    code, out, error = hodology("report", "--out", tmp_path / "atlas")
    page = tmp_path / "atlas" / "report" / "index.html"
    assert (code, out, error) == (0, f"{page}\n", "")
    text = html.unescape(page.read_text(encoding="utf-8"))
    for paper in REAL_PAPERS:
        assert paper.title in text


def test_the_report_goes_to_the_users_store_and_links_what_was_run(hodology, studies, home):
    run_study(studies("toy", TOY.format(threshold=0.5)), size="quick")
    studies("second", None)
    code, out, _ = hodology("report")
    folder = home / "results" / "report"
    assert (code, out) == (0, f"{folder / 'index.html'}\n")
    assert "toy.html" in (folder / "index.html").read_text()
    assert "second.html" not in (folder / "index.html").read_text()
    assert "The value is no elephant" in (folder / "toy.html").read_text()


def test_a_report_elsewhere_takes_its_own_results_before_the_users(hodology, studies, tmp_path):
    paper = studies("toy", TOY.format(threshold=0.5))
    run_study(paper, size="quick")
    run_study(paper, size="standard", seeds=1, folder=tmp_path / "other")
    hodology("report", "--out", tmp_path / "other")
    assert "undecided" in (tmp_path / "other" / "report" / "toy.html").read_text()
    hodology("report", "--out", tmp_path / "empty")
    assert "quick" in (tmp_path / "empty" / "report" / "toy.html").read_text()


@pytest.mark.parametrize("words", [("list",), ("show", "1", "--json")])
def test_a_reader_that_leaves_early_is_no_error(words):
    reader, writer = os.pipe()
    os.close(reader)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    try:
        command = [sys.executable, "-m", "hodology", *words]
        done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, env=environment)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


def test_the_version_is_printed(hodology):
    assert hodology("--version") == (0, f"hodology {__version__}\n", "")


def test_help_names_every_command(hodology):
    code, out, _ = hodology("--help")
    assert code == 0
    for command in ("trace", "list", "show", "run", "report", "--version", "--debug"):
        assert command in out
