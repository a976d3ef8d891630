"""The causal-paths study: its claims and controls are computed from what was measured, on digits and on a user's files."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
import torch

from hodology.errors import InputError
from hodology.studies import causal_paths_figures
from hodology.studies.causal_paths_repair import plant_cue
from hodology.study import find_paper
from hodology.study.runner import run_study

SMALL = {"classes": (0, 3), "samples": 16, "epochs": 3, "maps": 12}


@pytest.fixture
def small(monkeypatch):
    """Sizes that take seconds."""
    monkeypatch.setattr(causal_paths_figures, "SIZES", {"quick": SMALL, "standard": SMALL})


def test_five_claims_with_controls_are_judged_from_the_seeds(small, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # three epochs leave a network that is wrong on many images
        record = run_study(find_paper("causal-paths"), size="quick", seeds=2, folder=tmp_path)
    claims = record["claims"]
    assert {claim["claim"][:2] for claim in claims} == {"1.", "2.", "3.", "4.", "5."}
    words = " ".join(claim["claim"] for claim in claims)
    for part in (
        *(
            "random ones",
            "largest weights",
            "|gradient x weight|",
            "other classes keep",
            "call everything the class",
        ),
        *("input noise", "Grad-CAM", "random ranking", "cue contradicts", "Magnitude pruning"),
    ):
        assert part in words
    for claim in claims:
        assert len(claim["per_seed"]) == 2
        assert claim["measured"] == pytest.approx(np.mean(claim["per_seed"]))
        assert claim["verdict"] in ("holds", "does not hold", "undecided")
    titles = " ".join(table["title"] for table in record["tables"])
    for part in (
        "cut, or only these kept",
        "Agreement",
        "rejected candidates",
        "deletion curve",
        "planted cue",
    ):
        assert part in titles


def test_the_cue_is_a_patch_and_leaves_its_images_alone():
    images = torch.zeros(2, 1, 8, 8)
    marked = plant_cue(images)
    assert marked.sum() == 8
    assert marked[:, 0, :2, :2].eq(1).all()
    assert images.sum() == 0


def test_a_users_network_and_folder_are_measured(small, tmp_path):
    transformers = pytest.importorskip("transformers", reason="needs the hf extra")
    image = pytest.importorskip("PIL.Image", reason="needs the hf extra")
    names = {0: "cat", 1: "dog", 2: "owl"}
    config = transformers.ResNetConfig(
        embedding_size=4, hidden_sizes=[4, 6], depths=[1, 1], layer_type="basic", num_labels=3, id2label=names,
        label2id={name: i for i, name in names.items()},
    )  # fmt: skip
    transformers.ResNetForImageClassification(config).save_pretrained(tmp_path / "data" / "model")
    transformers.ViTImageProcessorPil(size={"height": 16, "width": 16}).save_pretrained(
        tmp_path / "data" / "model"
    )
    rng = np.random.default_rng(0)
    for name in names.values():
        (tmp_path / "data" / "images" / name).mkdir(parents=True)
        for i in range(36):
            pixels = rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)
            image.fromarray(pixels).save(tmp_path / "data" / "images" / name / f"{i}.png")
    payload = {"seed": 0, "size": "quick", "data": str(tmp_path / "data")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = json.loads(causal_paths_figures.measure(payload))
    assert len({row["class"] for row in found["rows"]}) == 2
    assert "repair" not in found
    (tmp_path / "data" / "images" / "cat").rename(tmp_path / "data" / "images" / "cow")
    (tmp_path / "data" / "images" / "dog").rename(tmp_path / "data" / "images" / "hen")
    (tmp_path / "data" / "images" / "owl").rename(tmp_path / "data" / "images" / "pig")
    with pytest.raises(InputError, match="do not name classes of the model"):
        causal_paths_figures.measure(payload)
