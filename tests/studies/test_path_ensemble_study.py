"""The path-ensemble study: its claims and controls are computed from what was measured, on digits and on a user's files."""

from __future__ import annotations

import json

import numpy as np
import pytest

from hodology.errors import InputError
from hodology.studies import path_ensemble_figures
from hodology.study import find_paper
from hodology.study.runner import run_study

SMALL = {"epochs": 2, "early": 1, "steps": 4, "images": 20} | {
    "training": {"depths": (2, 3), "epochs": 1, "width": 16, "blocks": 2, "block_epochs": 1}
}


@pytest.fixture
def small(monkeypatch):
    """Sizes that take seconds."""
    monkeypatch.setattr(path_ensemble_figures, "SIZES", {"quick": SMALL, "standard": SMALL})


def test_six_claims_with_controls_are_judged_from_the_seeds(small, tmp_path):
    record = run_study(find_paper("path-ensemble"), size="quick", seeds=2, folder=tmp_path)
    claims = record["claims"]
    assert {claim["claim"][:2] for claim in claims} == {"1.", "2.", "3.", "4.", "5.", "6."}
    words = " ".join(claim["claim"] for claim in claims)
    for part in (
        *(
            "frozen norm",
            "on one half lowers the loss on the other",
            "knocking a path out",
            "final norm refitted",
        ),
        *(
            "head refitted",
            "LayerScale",
            "from scratch",
            "grows with depth",
            "highest frequency",
            "partial sums",
        ),
        "less trained network",
    ):
        assert part in words
    for claim in claims:
        assert len(claim["per_seed"]) == 2
        assert claim["measured"] == pytest.approx(np.mean(claim["per_seed"]))
    exact = [claim for claim in claims if claim["claim"].startswith("1.")]
    assert all(claim["verdict"] == "holds" for claim in exact)  # an identity, at any size
    titles = " ".join(table["title"] for table in record["tables"])
    for part in (
        "in the sum alone",
        "Fitted to one half",
        "Log amplitude",
        "up to block l",
        "several depths",
    ):
        assert part in titles


def test_nothing_is_fitted_on_the_half_that_is_measured(small, monkeypatch):
    """Fits see the first half only: other labels in the second half change no weight."""
    seen = []
    fit_scale = path_ensemble_figures.fit_scale

    def watch(ensemble, paths, **options):
        seen.append(set(np.round(paths.logits.sum(dim=1).tolist(), 4)))
        return fit_scale(ensemble, paths, **options)

    tested = []
    weighted = path_ensemble_figures.PathDecomposition.weighted

    def note(paths, weights):
        tested.append(set(np.round(paths.logits.sum(dim=1).tolist(), 4)))
        return weighted(paths, weights)

    monkeypatch.setattr(path_ensemble_figures, "fit_scale", watch)
    monkeypatch.setattr(path_ensemble_figures.PathDecomposition, "weighted", note)
    monkeypatch.setattr(path_ensemble_figures, "trained_figures", lambda *_: None)
    path_ensemble_figures.measure({"seed": 0, "size": "quick", "data": None})
    models = len(seen) // 2  # two kinds of scale for each model
    assert models == 2
    for part in seen:
        assert sum(not part & other for other in tested) >= len(tested) // 2


def test_a_users_classifier_and_folder_are_measured(small, tmp_path):
    transformers = pytest.importorskip("transformers", reason="needs the hf extra")
    image = pytest.importorskip("PIL.Image", reason="needs the hf extra")
    names = {0: "cat", 1: "dog"}
    config = transformers.ViTConfig(
        image_size=16, patch_size=8, hidden_size=16, intermediate_size=24, num_hidden_layers=2,
        num_attention_heads=2, id2label=names, label2id={"cat": 0, "dog": 1},
    )  # fmt: skip
    transformers.ViTForImageClassification(config).save_pretrained(tmp_path / "data" / "model")
    transformers.ViTImageProcessorPil(size={"height": 16, "width": 16}).save_pretrained(
        tmp_path / "data" / "model"
    )
    rng = np.random.default_rng(0)
    for name in names.values():
        (tmp_path / "data" / "images" / name).mkdir(parents=True)
        for i in range(14):
            pixels = rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)
            image.fromarray(pixels).save(tmp_path / "data" / "images" / name / f"{i}.png")
    payload = {"seed": 0, "size": "quick", "data": str(tmp_path / "data")}
    found = json.loads(path_ensemble_figures.measure(payload))
    assert found["training"] is None
    assert len(found["trained"]["influence"]["rows"]) == 5
    for name in names.values():
        (tmp_path / "data" / "images" / name).rename(tmp_path / "data" / "images" / f"no {name}")
    with pytest.raises(InputError, match="do not name classes of the model"):
        path_ensemble_figures.measure(payload)
