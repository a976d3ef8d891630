"""``hodology causal graph`` works on users' models and pictures, resumes, and answers misuse in one line."""

from __future__ import annotations

import csv
import json
import warnings

import numpy as np
import pytest
import torch

from hodology.cli import main
from hodology.data import open_dataset
from hodology.errors import UnknownNameError
from hodology.interpret import CausalGraph
from hodology.interpret.class_labels import find_class
from hodology.interpret.edge_sets import cut
from hodology.nn.load import load_model
from hodology.path import PathSet

FACTORY = """
import torch
from torch import nn
from types import SimpleNamespace
def build():
    torch.manual_seed(1)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(36, 10))
    net[5].weight.data.mul_(4)
    return net.eval()
def named():
    return SimpleNamespace(model=build(), prepare=None, class_names=[f"digit {i}" for i in range(10)])
def attention():
    from hodology.nn.models import VisionTransformer
    return VisionTransformer(image_size=8, patch_size=4, depth=1, width=8, heads=2, hidden=8)
"""


@pytest.fixture
def net(tmp_path):
    (tmp_path / "net.py").write_text(FACTORY)
    return f"{tmp_path / 'net.py'}:build"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def graph(net, out, capsys, monkeypatch):
    """Call ``hodology causal graph`` on the digits and a tiny network; later options win."""
    for name in ("TRANSFORMERS_VERBOSITY", "HF_HUB_DISABLE_PROGRESS_BARS", "TQDM_DISABLE"):
        monkeypatch.setenv(name, "error" if name == "TRANSFORMERS_VERBOSITY" else "1")

    def call(*words):
        head = ["causal", "graph", "--model", net, "--data", "digits", "--target", "3", "--out", str(out)]
        with pytest.raises(SystemExit) as stop, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the untrained network is wrong on most images
            main([*head, "--limit", "20", "--others", "30", "--quiet", *words])
        return stop.value.code, *capsys.readouterr()

    return call


def test_every_file_is_written_and_agrees(graph, out, net):
    code, text, error = graph()
    assert code == 0
    assert "digits (test)" in text
    assert "Causal edges" in text
    names = {file.name for file in out.iterdir() if file.is_file()}
    assert names == {
        *(
            "index.html",
            "graph.json",
            "graph.graphml",
            "graph.dot",
            "edges.csv",
            "paths.jsonl",
            "summary.json",
        ),
        "manifest.json",
    }
    found = CausalGraph.from_json(out / "graph.json")
    with open(out / "edges.csv") as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == len(found.edges["kept"])
    assert sum(row["kept"] == "True" for row in rows) == int(found.edges["kept"].sum())
    summary = json.loads((out / "summary.json").read_text())
    assert summary["target"] == {"id": 3, "name": "3"}
    assert [layer["kept"] for layer in summary["layers"]] == [layer.kept for layer in found.layers]
    assert len(PathSet.from_jsonl(out / "paths.jsonl")) == len(found.paths(20))
    with cut(load_model(net).model, found.edge_set()):  # the edges are of this model
        pass


def test_a_second_run_takes_finished_layers_from_disk(graph, out, monkeypatch):
    assert graph()[0] == 0
    first = json.loads((out / "graph.json").read_text())
    units = {file.name: file.stat().st_mtime_ns for file in (out / "units").iterdir()}

    def fail(*_):
        raise AssertionError("effects were computed again")

    monkeypatch.setattr("hodology.interpret.causal_effects.StageRun.effects", fail)
    assert graph("--alpha", "0.2")[0] == 0  # another level needs no other effects in the last layer
    assert (
        json.loads((out / "graph.json").read_text())["settings"]["alpha"] == 0.2 != first["settings"]["alpha"]
    )
    assert units.items() <= {f.name: f.stat().st_mtime_ns for f in (out / "units").iterdir()}.items()


def test_a_class_is_named_or_numbered(net):
    loaded = load_model(net.replace(":build", ":named"))
    assert find_class(loaded, "Digit_3", classes=10) == 3
    assert find_class(loaded, "7", classes=10) == 7
    with pytest.raises(
        UnknownNameError, match=r"class 'digit 33' is none of the model's 10 classes; close names"
    ):
        find_class(loaded, "digit 33", classes=10)


def test_without_known_labels_the_models_own_classes_count(graph, net, out):
    """The network's names are none of the data's, so that the data count as unlabelled."""
    factory = net.replace(":build", ":named")
    said = torch.stack([torch.from_numpy(item.content) for item in open_dataset("digits").items(0, 700)])
    with torch.no_grad():
        often = int(load_model(net).model(said).argmax(dim=1).mode().values)
    assert graph("--model", factory, "--target", f"digit {often}")[0] == 0
    summary = json.loads((out / "summary.json").read_text())
    assert summary["labelled"] is False
    assert summary["clean"]["own"] == 1.0
    assert "no labels" in (out / "index.html").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--effect", "odds"), "effect 'odds' does not exist"),
        (("--reference", "median"), "reference 'median' does not exist"),
        (("--alpha", "2"), "alpha must lie between 0 and 1"),
        (("--layers", "9"), "layer '9' has no edges in this model"),
        (("--layers", "0"), "without a gap"),
        (("--limit", "5"), "at least 8 for a test"),
        (("--screen", "0"), "screen must be a share"),
        (("--target", "11"), "class '11' is none of the model's 10 classes"),
        (("--data", "topics"), "the data are texts"),
        (("--unit", "pixel"), "unit 'pixel' does not exist"),
    ],
)
def test_misuse_is_one_line(graph, words, message):
    code, text, error = graph(*words)
    assert (code, text) == (2, "")
    assert error.startswith("hodology: ")
    assert message in error
    assert error.count("\n") == 1


def test_a_network_that_mixes_channels_is_refused_by_name(graph, net):
    code, _, error = graph("--model", net.replace(":build", ":attention"))
    assert code == 2
    assert "keep channels apart" in error
    assert error.count("\n") == 1


def test_a_folder_with_something_else_is_left_alone(graph, out):
    out.mkdir()
    (out / "thesis.txt").write_text("keep me")
    code, _, error = graph()
    assert code == 2
    assert "not empty" in error
    assert [f.name for f in out.iterdir()] == ["thesis.txt"]
    (out / "thesis.txt").unlink()
    assert graph()[0] == 0
    code, _, error = graph("--no-resume")
    assert code == 2
    assert "holds a run already" in error


def test_a_hub_model_and_a_folder_of_pictures(graph, tmp_path, out):
    transformers = pytest.importorskip("transformers", reason="needs the hf extra")
    image = pytest.importorskip("PIL.Image", reason="needs the hf extra")
    names = {0: "cat", 1: "dog"}
    config = transformers.ResNetConfig(
        embedding_size=4, hidden_sizes=[4, 6], depths=[1, 1], layer_type="basic", num_labels=2,
        id2label=names, label2id={"cat": 0, "dog": 1},
    )  # fmt: skip
    transformers.ResNetForImageClassification(config).save_pretrained(tmp_path / "model")
    transformers.ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(tmp_path / "model")
    rng = np.random.default_rng(0)
    for name in names.values():
        (tmp_path / "images" / name).mkdir(parents=True)
        for i in range(14):
            pixels = rng.integers(0, 255, (40, 36, 3), dtype=np.uint8)
            image.fromarray(pixels).save(tmp_path / "images" / name / f"{i}.png")
    code, text, _ = graph(
        "--model", str(tmp_path / "model"), "--data", str(tmp_path / "images"), "--target", "dog",
        "--screen", "0.5", "--reference", "mean", "--limit", "9",
    )  # fmt: skip
    assert code == 0, text
    found = CausalGraph.from_json(out / "graph.json")
    assert any(layer.kind == "add" for layer in found.layers)
    assert found.reference  # read back from the file beside it
    assert found.samples == 9
    for layer in found.layers:
        assert layer.tested <= max(1, round(0.5 * layer.candidates))


def test_local_explanations_need_few_images(graph, out):
    assert graph("--limit", "2", "--noise", "0.1")[0] == 0
    assert CausalGraph.from_json(out / "graph.json").samples == 64  # 2 images, 32 noisy copies of each


@pytest.mark.parametrize("unit", ["head", "block"])
def test_a_transformers_graph_has_a_page_but_no_table_of_cuts(graph, net, out, unit):
    code, text, _ = graph("--model", net.replace(":build", ":attention"), "--unit", unit, "--test", "none")
    assert code == 0
    assert "there is no table of cuts" in text
    assert "Causal edges" not in text
    found = CausalGraph.from_json(out / "graph.json")
    heads = 2 if unit == "head" else 1
    assert [(layer.name, layer.units) for layer in found.layers] == [
        ("attention 1", heads),
        ("ffn 1", 1),
        ("class", 10),
    ]
    assert found.edges["kept"].any()
    summary = json.loads((out / "summary.json").read_text())
    assert summary["evaluation"] == summary["over_layers"] == []
    assert (summary["joint_cost"] is None) == (unit == "head")
    page = (out / "index.html").read_text()
    assert "Put to the test" not in page
    assert "there is no table of cuts beside" in page
    assert "heads and branches of a transformer are no filters" in page
    assert ("All rejected edges cut at once cost" in page) == (unit == "block")
    for path in PathSet.from_jsonl(out / "paths.jsonl"):
        assert (path.steps[0].place, path.steps[-1].place) == ("input", "class")
    code, _, error = graph("--unit", unit, "--layers", "5")
    assert code == 2
    assert "layers must be None for unit" in error
