"""The task-geometry study: claims and controls are computed from what was measured, on digits and on a user's files."""

from __future__ import annotations

import json

import numpy as np
import pytest

from hodology.errors import InputError
from hodology.studies import task_geometry, task_geometry_figures
from hodology.studies.task_geometry_data import folder_images
from hodology.study import Study, find_paper
from hodology.work import UnitStore

SMALL = {
    **task_geometry_figures.SIZES["standard"],
    "bits": (3,),
    "nets": 1,
    "free_epochs": 3,
    "fixed_epochs": 2,
    "controls": task_geometry_figures.SIZES["quick"]["controls"],
    "abstraction": (0.5,),
    "noises": (0.5, 2.0),
    "sweep_epochs": 2,
    "points": 2,
    "outer": 1,
    "draws": 1,
    "nudges": 2,
    "mlp_epochs": 3,
    "conv_epochs": 3,
    "images": (60, 40),
}


@pytest.fixture
def small(monkeypatch):
    """Sizes that take seconds."""
    monkeypatch.setattr(task_geometry_figures, "SIZES", {"quick": SMALL, "standard": SMALL})


def test_claims_controls_and_tables_come_from_what_was_measured(small, tmp_path):
    study = Study(find_paper("task-geometry"), "quick", (0, 1), store=UnitStore(tmp_path))
    task_geometry.run(study)
    assert {claim.claim[:2] for claim in study.claims} == {"1.", "2.", "3.", "4.", "5."}
    words = " ".join(claim.claim for claim in study.claims)
    for part in (
        "all weights, Adam",
        "fixed read-out, SGD",
        "95 %",
        "before training",
        "mean kernel",
        "kink at 1",
    ):
        assert part in words
    for claim in study.claims:
        assert len(claim.per_seed) == 2
        assert claim.verdict in ("holds", "does not hold", "undecided")
    titles = " ".join(table["title"] for table in study.tables)
    for part in (
        "Trained networks",
        "Control activations",
        "Two bits",
        "Sweep",
        "Read-outs",
        "Flow",
        "Images",
    ):
        assert part in titles
    for table in study.tables:
        assert table["rows"]
        assert all(len(row) == len(table["columns"]) for row in table["rows"])


def _row(activation, input_, target, **marks):
    return {"activation": activation, "input": input_, "target": target, **marks}


def test_gaps_are_tanh_minus_relu_cell_by_cell():
    cells = [
        _row(name, value, 1 - value, setting="a", separability=s)
        for s, tanh, relu in ((0.5, 0.3, 0.7), (1.0, 0.2, 0.9), (0.0, 0.8, 0.8))
        for name, value in (("tanh", tanh), ("relu", relu))
    ]
    seed = {"cells": cells}
    assert task_geometry.gaps(seed, "a", "input", (0.5, 1.0)) == pytest.approx([-0.4, -0.7])
    assert task_geometry.gaps(seed, "a", "target", (0.0,)) == pytest.approx([0.0])


def test_saturation_is_judged_on_the_right_side_of_both_alignments(tmp_path):
    values = {
        "tanh": (0.5, 0.99),
        "relu": (0.8, 0.84),
        "relu clipped at 1": (0.47, 0.98),
        "relu clipped at 2": (0.63, 0.95),
        "relu(x-1)": (0.93, 0.63),
    }
    controls = [_row(name, *pair) for name, pair in values.items()]
    study = Study(find_paper("task-geometry"), "quick", (0, 1), store=UnitStore(tmp_path))
    task_geometry._saturation(study, [{"controls": controls}] * 2)
    measured = [claim.measured for claim in study.claims]
    assert measured == pytest.approx([0.01, 0.27, 0.04, 0.13, 0.79 - 0.45])


def _folder(path, count):
    image = pytest.importorskip("PIL.Image", reason="needs the hf extra")
    rng = np.random.default_rng(0)
    for part in ("train", "test"):
        for name, level in (("cat", 60), ("dog", 120), ("owl", 200)):
            (path / part / name).mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(level - 40, level + 40, (16, 16, 3), dtype=np.uint8)
                image.fromarray(pixels).save(path / part / name / f"{i}.png")
    return path


def test_a_users_images_are_measured_alone(small, tmp_path):
    folder = _folder(tmp_path / "data", 24)
    found = json.loads(task_geometry_figures.measure({"seed": 0, "size": "quick", "data": str(folder)}))
    assert set(found) == {"images"}
    assert {row["layer"] for row in found["images"]} == {"hidden", "act1", "act2", "act3"}
    assert {row["label"] for row in found["images"]} == {"second half of the classes"}
    for row in found["images"]:
        assert 0 <= row["input"] <= 1
        assert 0 <= row["target"] <= 1


def test_bad_folders_are_named(tmp_path):
    folder = _folder(tmp_path / "data", 4)
    with pytest.raises(InputError, match=r"train has 12 images, 60 are needed"):
        folder_images(str(folder), 0, train=60, test=4)
    with pytest.raises(InputError, match=r"needs train.parquet or a folder train"):
        folder_images(str(tmp_path), 0, train=6, test=4)


def test_cifar_classes_are_vehicles_and_animals(real_data):
    pytest.importorskip("pyarrow", reason="needs the hf extra")
    found = folder_images(str(real_data / "cifar-10"), 1, train=200, test=100)
    assert found.train.shape == (200, 3, 32, 32)
    assert np.abs(found.train).max() <= 1
    assert found.coarse["vehicle"].tolist() == [1, 1, 0, 0, 0, 0, 0, 0, 1, 1]
    again = folder_images(str(real_data / "cifar-10"), 1, train=200, test=100)
    assert (again.test == found.test).all()
