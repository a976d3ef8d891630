"""The mouse-hierarchy study: its claims are computed from what was measured; measured brains give the known figures."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest

from hodology.errors import FileFormatError
from hodology.studies import mouse_hierarchy_figures
from hodology.studies.mouse_hierarchy_data import REFERENCE, measured_brains, stimulus_sets, study_networks
from hodology.study import find_paper
from hodology.study.runner import run_study

SMALL = {
    "epochs": 1, "draws": 1, "n_images": (30, 60, 118), "n_units": (20, 100), "slow_draws": 1, "many": 120,
    "n_boot": 20, "n_trials": 4, "metrics": ("cka",),
}  # fmt: skip


@pytest.fixture
def small(monkeypatch):
    """Sizes that take seconds."""
    monkeypatch.setattr(mouse_hierarchy_figures, "SIZES", {"quick": SMALL, "standard": SMALL})


def test_claims_with_controls_are_judged_from_the_seeds(small, tmp_path):
    paper = replace(find_paper("mouse-hierarchy"), module="hodology.studies.mouse_hierarchy")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # after one epoch some layers are no use
        record = run_study(paper, size="quick", seeds=2, folder=tmp_path)
    claims = record["claims"]
    assert {claim["claim"][:2] for claim in claims} == {"1.", "2.", "3.", "5."}
    words = " ".join(claim["claim"] for claim in claims)
    for part in (
        "shuffled images",
        "three classes",
        "noise",
        "99 %",
        "six components",
        "VISp",
        "false order",
        "initial",
    ):
        assert part in words
    for claim in claims:
        assert len(claim["per_seed"]) == 2
        assert claim["measured"] == pytest.approx(np.mean(claim["per_seed"]))
    titles = " ".join(table["title"] for table in record["tables"])
    for part in ("known layer", "other images", "SVCCA", "unrelated", "Pseudo-depth", "two training seeds"):
        assert part in titles


def test_seeds_share_no_network_and_untrained_ones_are_where_training_began():
    one, two = (study_networks(seed, epochs=0) for seed in (3, 4))
    assert len({one.brain.seed, one.other.seed, two.brain.seed, two.other.seed}) == 4
    assert one.untrained.seed == one.other.seed
    assert one.untrained.epochs == 0
    sets = stimulus_sets(one.split, 60, seed=0)
    assert {len(images) for images in sets.values()} == {60}


def test_measured_brains_give_the_reference_figures(real_data):
    folder = real_data / "92-image-rdms"
    if not folder.is_dir():
        pytest.skip("the 92-image matrices are not there")
    found = measured_brains(str(folder), seed=0, n_boot=100)
    for name, values in REFERENCE.items():
        np.testing.assert_allclose(found[name]["profile"], values, atol=0.002)
    assert found["V1 model"]["best"] == "conv3"
    assert sum(found["V1 model"]["shares"][:3]) > 0.95
    assert found["mean behaviour"]["best"] == "fc8"


def test_a_folder_without_the_matrices_is_refused(tmp_path):
    with pytest.raises(FileFormatError, match="rdms92.npz"):
        measured_brains(str(tmp_path), seed=0, n_boot=10)
