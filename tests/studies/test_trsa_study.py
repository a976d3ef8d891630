"""The topological RSA study: claims are computed from what was measured, on digits, on a user's matrices, on real ones."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.io import savemat

from hodology.errors import InputError
from hodology.geometry.region_identification import identify_regions
from hodology.studies import trsa, trsa_figures
from hodology.studies.trsa_data import known_subjects, labelled_rdms
from hodology.study.catalogue import Paper
from hodology.study.study import Study
from hodology.work import UnitStore

SMALL = {
    "networks": 3, "epochs": 0, "images": 16, "draws": 1, "boots": 3, "step": 0.25, "shuffles": 2,
    "noise": {"RDM": (0.0, 0.2, 1.0), "activations": (0.9,)},
}  # fmt: skip


@pytest.fixture
def small(monkeypatch):
    """Sizes that take seconds."""
    monkeypatch.setattr(trsa_figures, "SIZES", {"quick": SMALL, "standard": SMALL})


def _study(tmp_path, *, seeds=(0, 1), data=None):
    paper = Paper(44, "trsa", "", "", "geometry", "", "hodology.studies.trsa")
    return Study(paper, "quick", tuple(seeds), data, store=UnitStore(tmp_path / "units"))


def _matrices(regions=("V1", "LOC", "FFA"), subjects=4, n=10):
    rng = np.random.default_rng(0)
    shared = rng.random((len(regions), n * (n - 1) // 2))
    values = np.concatenate([shared + 0.1 * rng.random(shared.shape) for _ in range(subjects)])
    return values, np.repeat(np.arange(1, subjects + 1), len(regions)), np.tile(regions, subjects)


def test_claims_with_controls_are_judged_from_the_seeds(small, tmp_path):
    study = _study(tmp_path)
    trsa.run(study)
    words = " ".join(claim.claim for claim in study.claims)
    assert {claim.claim[:2] for claim in study.claims} == {"1.", "2.", "3."}
    for part in (
        "shuffled",
        "binary adjacency",
        "in activations",
        "on RDM entries of 1 sd",
        "corners",
        "Control",
    ):
        assert part in words
    for claim in study.claims:
        assert len(claim.per_seed) == 2
        assert claim.measured == pytest.approx(np.mean(claim.per_seed))
    first = [claim for claim in study.claims if claim.claim.startswith("1.")]
    assert [claim.verdict for claim in first] == ["holds"] * 3
    titles = " ".join(table["title"] for table in study.tables)
    for part in (
        "Identification accuracy by noise",
        "joint bootstraps",
        "Four eights",
        "low (rows)",
        "nested",
    ):
        assert part in titles
    assert any("needs --data" in note for note in study.notes)
    rows = next(t for t in study.tables if t["title"].startswith("Identification"))["rows"]
    assert [row[:2] for row in rows] == [["RDM", "0"], ["RDM", "0.2"], ["RDM", "1"], ["activations", "0.9"]]


def test_seeds_have_networks_and_images_of_their_own(small):
    kept = {"networks": 2, "epochs": 0, "images": 12}
    first, second = (labelled_rdms(None, seed, **kept) for seed in (0, 1))
    assert set(first.rdms.descriptors["subject"]) == {0, 1}
    assert set(second.rdms.descriptors["subject"]) == {2, 3}
    assert len(first.rdms) == 16
    assert first.rdms.measure == "sqeuclidean"
    again = labelled_rdms(None, 0, **kept)
    assert np.array_equal(again.rdms.values, first.rdms.values)
    x = first.patterns[0, "fc1"].astype(float)
    row = [i for i, s in enumerate(first.rdms.descriptors["subject"]) if s == 0][6]
    assert first.rdms.values[row, 0] == pytest.approx(((x[0] - x[1]) ** 2).sum(), rel=1e-4)
    noisy = first.noisy("activations", 0.5, rng=0)
    assert noisy.descriptors == first.rdms.descriptors
    assert not np.array_equal(noisy.values, first.rdms.values)
    assert np.array_equal(first.noisy("RDM", 0.0, rng=0).values, first.rdms.values)


@pytest.mark.parametrize("suffix", [".npz", ".mat"])
def test_a_users_matrices_are_measured_in_place_of_the_networks(small, tmp_path, suffix):
    values, subject, region = _matrices()
    folder = tmp_path / "data"
    folder.mkdir()
    if suffix == ".npz":
        np.savez(folder / "mine.npz", rdm=values, subj=subject, roi=region)
    else:
        savemat(folder / "mine.mat", {"rdm": values, "subj": subject, "roi": region.astype(object)})
    found = json.loads(trsa_figures.measure({"seed": 0, "size": "quick", "data": str(folder)}))
    assert found["chance"] == pytest.approx(1 / 3)
    expected = identify_regions(values, subject, region).accuracy
    assert found["settings"][0]["accuracy"]["rank"] == expected
    assert {row["kind"] for row in found["settings"]} == {"RDM"}
    study = _study(tmp_path, data=str(folder))
    trsa.run(study)
    assert not any("in activations" in claim.claim for claim in study.claims)
    (folder / "other.npz").write_bytes(b"")
    with pytest.raises(InputError, match="must hold one file of matrices .* got 2 files"):
        labelled_rdms(str(folder), 0, networks=2, epochs=0, images=12)


def test_matrices_without_labels_are_refused(tmp_path):
    values, subject, _ = _matrices()
    np.savez(tmp_path / "mine.npz", rdm=values, subj=subject)
    with pytest.raises(
        InputError, match=r"mine\.npz needs one region per matrix \(12\) under 'roi' .* it has 'subj'"
    ):
        labelled_rdms(str(tmp_path), 0, networks=2, epochs=0, images=12)


def test_reliabilities_of_the_92_images_are_the_known_ones(real_data):
    folder = real_data / "92-image-rdms"
    if not folder.is_dir():
        pytest.skip("no 92-image set")
    known = known_subjects(str(folder))
    assert known.shape == (4, 2, 4186)
    found = trsa_figures._subjects(known)
    assert found["reliability"] == pytest.approx([0.277, 0.095, 0.382, 0.120, 0.175], abs=0.002)
    assert len(found["accuracy"]) == 210
    assert found["rank"] == found["accuracy"][found["thresholds"].index((0.0, 1.0))]


def test_the_eights_are_the_same_in_every_seed():
    found = trsa_figures._eights()
    assert found["rank"] == pytest.approx((0.965, 0.443), abs=0.01)
    assert found["geodesic"] == pytest.approx((0.629, 0.783), abs=0.01)
    dropped = found["geodesic, zero edges dropped"]
    assert dropped != pytest.approx(found["geodesic"], abs=0.005)
