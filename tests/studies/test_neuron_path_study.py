"""The neuron-path study: its claims and controls are computed from what was measured, on digits and on a user's files."""

from __future__ import annotations

import json

import numpy as np
import pytest

from hodology.errors import InputError
from hodology.studies import neuron_path_figures
from hodology.study import find_paper
from hodology.study.runner import run_study

SMALL = {"images": 16, "epochs": 2, "keep": (5,), "choose": 2, "exact": 1, "sweep": False, "early": None}


@pytest.fixture
def small(monkeypatch):
    """Sizes that take a second: two epochs, sixteen images, two nodes."""
    sizes = {"quick": SMALL | {"rule": "gauss-legendre", "steps": 2}}
    sizes["standard"] = sizes["quick"] | {"early": 1}
    monkeypatch.setattr(neuron_path_figures, "SIZES", sizes)


def test_five_claims_with_controls_are_judged_from_the_seeds(small, tmp_path):
    record = run_study(find_paper("neuron-path"), size="standard", seeds=2, folder=tmp_path)
    claims = record["claims"]
    assert {claim["claim"][:2] for claim in claims} == {"1.", "2.", "3.", "4.", "5."}
    words = " ".join(claim["claim"] for claim in claims)
    for control in (
        "random path",
        "shuffled labels",
        "masks of wrong classes",
        "Label-free",
        "each layer alone",
    ):
        assert control in words
    for claim in claims:
        assert len(claim["per_seed"]) == 2
        assert claim["measured"] == pytest.approx(np.mean(claim["per_seed"]))
        assert claim["verdict"] in ("holds", "does not hold", "undecided")
    methods = {row[0] for row in record["tables"][0]["rows"]}
    assert methods == {"neuron-path", "activation", "influence", "kn-ig", "random", "diagonal"}
    assert any("less certain" in table["title"] for table in record["tables"])


def test_a_users_classifier_and_folder_are_measured(small, tmp_path):
    transformers = pytest.importorskip("transformers", reason="needs the hf extra")
    image = pytest.importorskip("PIL.Image", reason="needs the hf extra")
    names = {0: "cat", 1: "dog", 2: "owl"}
    config = transformers.ViTConfig(
        image_size=16,
        patch_size=8,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        id2label=names,
        label2id={n: i for i, n in names.items()},
    )
    transformers.ViTForImageClassification(config).save_pretrained(tmp_path / "data" / "model")
    processor = getattr(transformers, "ViTImageProcessorPil", None) or transformers.ViTImageProcessor
    processor(size={"height": 16, "width": 16}).save_pretrained(tmp_path / "data" / "model")
    draw = np.random.default_rng(0)
    for name in ("cat", "dog", "owl", "zebra"):  # no class of the model: left out
        folder = tmp_path / "data" / "images" / name
        folder.mkdir(parents=True)
        for i in range(8):
            image.fromarray(draw.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(folder / f"{i}.png")
    payload = {"seed": 0, "size": "quick", "data": str(tmp_path / "data")}
    found = json.loads(neuron_path_figures.measure(payload))
    assert 0.0 <= found["accuracy"] <= 1.0
    assert len(found["methods"]["neuron-path"]["jas_per_image"]) == 16
    assert np.isfinite(found["pruning"]["5"]["ours"]["right_class"])


def test_data_that_are_not_there_are_named(small, tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        run_study(find_paper("neuron-path"), size="quick", data=str(tmp_path / "no"), folder=tmp_path / "out")
