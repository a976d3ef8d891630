"""``hodology compare``: files and models of the user, what is written and printed, and misuse in one line."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from hodology.cli import main
from hodology.geometry.dissimilarity import dissimilarities
from hodology.geometry.rsa import compare_rdms

FACTORY = """
import torch
from torch import nn
def build():
    torch.manual_seed(3)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10)).eval()
"""


@pytest.fixture
def patterns():
    draws = np.random.default_rng(0)
    x = draws.normal(size=(20, 30))
    return {
        "a": {"V1": x, "V2": x @ draws.normal(size=(30, 8))},
        "b": {"one": x + draws.normal(size=(20, 30)), "two": np.tanh(x), "three": draws.normal(size=(20, 9))},
    }


@pytest.fixture
def compare(tmp_path, patterns, capsys, monkeypatch):
    """Call ``hodology compare`` with few samples; later options win."""
    for name in ("TRANSFORMERS_VERBOSITY", "HF_HUB_DISABLE_PROGRESS_BARS", "TQDM_DISABLE"):
        monkeypatch.setenv(name, "error" if name == "TRANSFORMERS_VERBOSITY" else "1")
    monkeypatch.chdir(tmp_path)
    for name, arrays in patterns.items():
        np.savez(tmp_path / f"{name}.npz", **arrays)
    (tmp_path / "net.py").write_text(FACTORY)

    def call(*words):
        head = ["--out", "out", "--samples", "20", "--permutations", "19", "--quiet"]
        with pytest.raises(SystemExit) as stop:
            main(["compare", *head, *words])
        return stop.value.code, *capsys.readouterr()

    return call


def test_every_file_is_written_and_agrees_with_the_method(compare, patterns, tmp_path):
    code, text, error = compare("a.npz", "b.npz", "--level", "0.9")
    assert (code, error) == (0, "")
    assert "a.npz and b.npz: rsa-spearman over 20 stimuli (90% intervals)" in text
    names = {f.name for f in (tmp_path / "out").iterdir() if f.is_file()}
    assert names == {"index.html", "manifest.json", "summary.json", "table.csv", "rdms.npz"}
    expected = compare_rdms(dissimilarities(patterns["a"]), dissimilarities(patterns["b"]))
    rows = list(csv.DictReader((tmp_path / "out" / "table.csv").read_text().splitlines()))
    assert [(r["a"], r["b"]) for r in rows] == [(a, b) for a in ("V1", "V2") for b in ("one", "two", "three")]
    np.testing.assert_allclose([float(r["value"]) for r in rows], expected.ravel())
    line = next(line for line in text.splitlines() if line.startswith("V1"))
    assert f"{expected[0, 1]:.2f} [" in line
    assert (tmp_path / "out" / "assets" / "compare.js").is_file()


def test_a_set_alone_is_compared_with_itself(compare):
    code, text, error = compare("b.npz", "--measure", "cka", "--correction", "holm")
    assert (code, error) == (0, "")
    assert "b.npz: cka over 20 stimuli" in text
    assert len([line for line in text.splitlines() if line.startswith(("one ", "two ", "three "))]) == 3


def test_of_many_columns_the_best_of_each_row_is_printed(compare, patterns, tmp_path):
    many = {f"layer{i}": patterns["a"]["V1"] + i * patterns["b"]["three"][:, :1] for i in range(10)}
    np.savez(tmp_path / "many.npz", **many)
    code, text, _ = compare("a.npz", "many.npz")
    assert code == 0
    assert "best match" in text
    row = next(line for line in text.splitlines() if line.startswith("V1"))
    assert row.split()[1] == "layer0"
    assert "1.00 [1.00, 1.00]" in row


def test_json_is_the_summary_and_nothing_else(compare, tmp_path):
    code, text, error = compare("a.npz", "b.npz", "--measure", "unbiased-cka", "--json")
    assert (code, error) == (0, "")
    assert json.loads(text) == json.loads((tmp_path / "out" / "summary.json").read_text())
    assert json.loads(text)["settings"]["adjust"] == "bh"


def test_equal_seeds_give_equal_files_and_other_seeds_other_intervals(compare, tmp_path):
    tables = []
    for name, seed in (("1", "4"), ("2", "4"), ("3", "5")):
        assert compare("a.npz", "b.npz", "--out", name, "--seed", seed)[0] == 0
        tables.append((tmp_path / name / "table.csv").read_bytes())
    assert tables[0] == tables[1] != tables[2]


def test_layers_of_models_are_compared_over_shown_data(compare):
    code, text, error = compare(
        *("net.py:build", "net.py:build", "--data", "digits", "--limit", "30", "--layers", "0,3"),
        *("--layers-b", "3", "--json"),
    )
    assert (code, error) == (0, "")
    pairs = {(row["a"], row["b"]): row["value"] for row in json.loads(text)["pairs"]}
    assert set(pairs) == {("0", "3"), ("3", "3")}
    assert pairs["3", "3"] == pytest.approx(1.0)


def test_a_folder_with_a_run_is_written_again_or_refused(compare):
    assert compare("a.npz", "b.npz")[0] == 0
    assert compare("a.npz", "b.npz")[0] == 0
    code, _, error = compare("a.npz", "b.npz", "--no-resume")
    assert code == 2
    assert "holds a run already" in error


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a.npz", "b.npz", "--measure", "ckaa"], "measure 'ckaa' does not exist; close names: 'cka'"),
        (["a.npz", "b.npz", "--correction", "bhh"], "correction 'bhh' does not exist; close names: 'bh'"),
        (["a.npz", "b.npz", "--distance", "cosin"], "distance 'cosin' does not exist; close names: 'cosine'"),
        (["a.npz", "b.npz", "--distance", "crossnobis"], "takes noise and runs, and compare these"),
        (["a.npz", "b.npz", "--pool", "max"], "pool 'max' does not exist"),
        (["a.npz", "b.npz", "--kind", "auto,rdm"], "kind must be auto, patterns or rdms, or two of them"),
        (["a.npz", "b.npz", "--samples", "0"], "n_boot must be at least 2, got 0"),
        (["a.npz", "b.npz", "--level", "95"], "level must lie between 0 and 1, got 95"),
        (["a.npz", "none.npz"], "file none.npz does not exist"),
        (["net.py:build", "a.npz"], "needs --data"),
    ],
)
def test_misuse_is_one_line(compare, tmp_path, words, message):
    code, _, error = compare(*words)
    assert code == 2
    assert message in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "out").exists()
