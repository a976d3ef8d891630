"""``hodology trace`` writes what its options say, goes on where it was, and answers misuse in one line."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from hodology.cli import main
from hodology.data import open_dataset
from hodology.interpret import NeuronPath
from hodology.interpret.trace_settings import METHODS
from hodology.nn.load import load_model
from hodology.path import PathSet

FACTORY = """
import torch
from hodology.nn.models import VisionTransformer
def build():
    model = VisionTransformer(image_size=8, patch_size=4, depth=2, width=16, heads=2, hidden=12, rng=1)
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(2)
    return model
def fail():
    raise RuntimeError("the first line\\nand the second")
"""
QUICK = ("--data", "digits", "--limit", "12", "--steps", "2", "--batch", "4", "--shard", "6", "--quiet")


@pytest.fixture
def net(tmp_path):
    (tmp_path / "net.py").write_text(FACTORY)
    return f"{tmp_path / 'net.py'}:build"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def trace(net, out, capsys, monkeypatch):
    """Call ``hodology trace`` on 12 digits and a tiny model; later options win. Returns code, output, error."""
    for name in ("TRANSFORMERS_VERBOSITY", "HF_HUB_DISABLE_PROGRESS_BARS", "TQDM_DISABLE"):
        monkeypatch.setenv(name, "error" if name == "TRANSFORMERS_VERBOSITY" else "1")  # or main sets them

    def call(*words, base=QUICK):
        with pytest.raises(SystemExit) as stop:
            main(["trace", "--model", net, "--out", str(out), *base, *words])
        return stop.value.code, *capsys.readouterr()

    return call


def digits(count: int) -> torch.Tensor:
    return torch.from_numpy(np.stack([item.content for item in open_dataset("digits").items(0, count)]))


def manifest(folder) -> dict:
    return json.loads((folder / "manifest.json").read_text())


def one_line(error: str) -> str:
    """The message of a failure, when it is all there is on standard error."""
    assert error.startswith("hodology: ")
    assert error.count("\n") == 1
    assert error.endswith("\n")
    return error.removeprefix("hodology: ").rstrip("\n")


def test_a_trace_writes_every_file_and_says_where(trace, out):
    code, text, error = trace()
    assert (code, error) == (0, "")
    files = {file.name for file in out.iterdir() if file.is_file()}
    others = {f"paths-{method}.jsonl" for method in METHODS[1:]}
    assert files == {"index.html", "paths.jsonl", "summary.json", "manifest.json"} | others
    assert "Paths through" in text
    for label in ("Neuron path", "Activation", "Influence pattern", "Knowledge neurons", "Random"):
        assert label in text
    assert text.endswith(f"Report: {out / 'index.html'}\n")


def test_the_paths_are_those_of_the_library(trace, net, out):
    trace()
    paths = PathSet.from_jsonl(out / "paths.jsonl")
    tracer = NeuronPath(load_model(net).model, steps=2)
    expected = tracer.find(digits(12))
    assert paths.units()[:, :, 0].tolist() == expected.path[:, :, 0].tolist()
    np.testing.assert_allclose(paths.scores, expected.score.numpy(), rtol=1e-4, atol=1e-7)


def test_json_is_the_summary_and_all_there_is_on_standard_output(trace, out):
    code, text, error = trace("--json")
    assert (code, error) == (0, "")
    summary = json.loads(text)
    assert summary == json.loads((out / "summary.json").read_text())
    assert [row["method"] for row in summary["table"]] == list(METHODS)
    assert summary["inputs"] == 12


def test_progress_goes_to_standard_error(trace):
    code, text, error = trace("--json", base=QUICK[:-1])
    assert code == 0
    assert json.loads(text)["inputs"] == 12
    assert "Tracing" in error
    assert "12/12" in error


def test_the_printed_table_is_not_cut(trace, out, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    _, text, _ = trace()
    summary = json.loads((out / "summary.json").read_text())
    for row in summary["table"]:
        jas = row["jas"]
        assert f"{jas['low']:.3f}…{jas['high']:.3f}" in text


@pytest.mark.parametrize("compare", ["none", "", "neuron-path"])
def test_nothing_to_compare_with(trace, out, compare):
    assert trace("--compare", compare)[0] == 0
    assert not list(out.glob("paths-*.jsonl"))
    assert manifest(out)["settings"]["methods"] == ["neuron-path"]
    assert len(json.loads((out / "summary.json").read_text())["table"]) == 1


def test_another_method_is_traced_and_compared(trace, net, out):
    assert trace("--method", "activation", "--compare", "random")[0] == 0
    assert manifest(out)["settings"]["methods"] == ["activation", "random"]
    assert [file.name for file in out.glob("paths-*.jsonl")] == ["paths-random.jsonl"]
    tracer = NeuronPath(load_model(net).model, steps=2)
    expected = tracer.baseline("activation", tracer.run(digits(12)))
    paths = PathSet.from_jsonl(out / "paths.jsonl")
    assert paths.units()[:, :, 0].tolist() == expected.path[:, :, 0].tolist()
    drawn = PathSet.from_jsonl(out / "paths-random.jsonl")
    assert drawn.units().tolist() != paths.units().tolist()


def test_spaces_and_the_method_itself_are_allowed_among_the_compared(trace, out):
    assert trace("--compare", "random , neuron-path, kn-ig,")[0] == 0
    assert manifest(out)["settings"]["methods"] == ["neuron-path", "random", "kn-ig"]


def test_all_compares_with_every_other_method(trace, out):
    assert trace("--method", "random", "--compare", "all")[0] == 0
    methods = manifest(out)["settings"]["methods"]
    assert methods[0] == "random"
    assert sorted(methods) == sorted(METHODS)


def test_several_units_a_layer(trace, out):
    assert trace("--top-k", "2")[0] == 0
    units = PathSet.from_jsonl(out / "paths.jsonl").units()
    assert units.shape == (12, 2, 2)
    assert (units[:, :, 0] != units[:, :, 1]).all()


def test_parquet_holds_the_same_paths(trace, out):
    pytest.importorskip("pyarrow", reason="needs the hf extra")
    assert trace("--parquet")[0] == 0
    read, lines = PathSet.from_parquet(out / "paths.parquet"), PathSet.from_jsonl(out / "paths.jsonl")
    assert read.units().tolist() == lines.units().tolist()
    np.testing.assert_array_equal(read.scores, lines.scores)


@pytest.mark.parametrize("layers", ["0,1", "0, -1", "blocks.0.mlp.fc2:input, blocks.1.mlp.fc2:input"])
def test_layers_are_picked_by_index_or_name(trace, out, layers):
    assert trace("--layers", layers)[0] == 0
    assert [site["width"] for site in manifest(out)["sites"]] == [12, 12]


def test_a_class_can_be_the_target_of_every_input(trace, net, out):
    assert trace("--target", "3", "--compare", "none")[0] == 0
    tracer = NeuronPath(load_model(net).model, steps=2)
    expected = tracer.find(digits(12), target=3)
    assert (
        PathSet.from_jsonl(out / "paths.jsonl").units()[:, :, 0].tolist() == expected.path[:, :, 0].tolist()
    )


def test_labels_can_be_the_targets(trace, out):
    assert trace("--target", "label", "--compare", "none")[0] == 0
    labels = [item.label for item in open_dataset("digits").items(0, 12)]
    lines = [json.loads(line) for line in (out / "paths.jsonl").read_text().splitlines()[1:]]
    assert [line["attributes"]["target"] for line in lines] == labels


def test_a_second_start_goes_on_and_a_forced_new_one_is_refused(trace, out):
    trace()
    kept = {file: file.stat().st_mtime_ns for file in (out / "units").glob("*.unit")}
    assert len(kept) == 2
    assert trace()[0] == 0
    assert {file: file.stat().st_mtime_ns for file in (out / "units").glob("*.unit")} == kept
    code, _, error = trace("--no-resume")
    assert code == 2
    assert "holds a run already" in one_line(error)


def test_processes_give_the_same_files(trace, out, tmp_path):
    assert trace("--threads", "1")[0] == 0
    other = tmp_path / "other"
    assert trace("--threads", "1", "--jobs", "2", "--out", str(other))[0] == 0
    for name in ("paths.jsonl", "paths-random.jsonl", "summary.json"):
        assert (out / name).read_bytes() == (other / name).read_bytes()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--steps", "0"), "steps must be at least 1, got 0"),
        (("--batch", "-1"), "batch must be at least 1, got -1"),
        (("--top-k", "13"), "top_k"),
        (("--limit", "0"), "limit must be at least 1, got 0"),
        (("--jobs", "0"), "jobs must be at least 1, got 0"),
        (("--method", "activations"), "close names: 'activation'"),
        (("--compare", "randm"), "close names: 'random'"),
        (("--rule", "gauss"), "gauss"),
        (("--form", "cubic"), "'cubic'"),
        (("--target", "seven"), "target must be predicted, label or a class id, got 'seven'"),
        (("--target", "10"), "10"),
        (("--layers", "2"), "layer"),
        (("--layers", "blocks.0.mlp.fc3"), "close names: 'blocks.0.mlp.fc"),
        (("--units", "neurons"), "'neurons'"),
        (("--token", "first"), "'first'"),
        (("--device", "tpu"), "tpu"),
        (("--engine", "spark"), "engine must be auto, serial, process or dask, got 'spark'"),
        (("--engine", "dask"), "needs the scheduler's address"),
        (("--model", "no/such.py:build"), "no/such.py"),
        (("--data", "no/such.jsonl"), "no/such.jsonl"),
    ],
)
def test_misuse_is_told_in_one_line_and_leaves_nothing(trace, out, words, message):
    code, text, error = trace(*words)
    assert (code, text) == (2, "")
    assert message in one_line(error)
    assert not list(out.rglob("*.unit"))
    assert not list(out.rglob(".part*"))


def test_a_factory_that_fails_is_told_in_one_line(trace, net, out):
    code, _, error = trace("--model", net.replace(":build", ":fail"))
    assert code == 2
    assert "the first line" in one_line(error)
    assert not out.exists()


def test_a_folder_of_someone_else_is_left_alone(trace, out):
    out.mkdir()
    (out / "thesis.txt").write_text("mine")
    code, _, error = trace()
    assert code == 2
    assert "is not empty and holds no trace" in one_line(error)
    assert [file.name for file in out.iterdir()] == ["thesis.txt"]
