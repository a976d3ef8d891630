"""Comparisons of files and models: sources, all measures, files, and the view of the page."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from hodology.errors import FileFormatError, InputError, UnknownNameError
from hodology.files import read_json, write_arrays
from hodology.geometry.cka import linear_cka
from hodology.geometry.compare_inputs import ModelInputs, RepresentationSet, align_sets, open_representations
from hodology.geometry.compare_measures import MEASURE_NOTES, compare_sets
from hodology.geometry.compare_output import shrink_matrix, write_compare_outputs
from hodology.geometry.compare_run import CompareSettings, run_compare
from hodology.geometry.dissimilarity import dissimilarities
from hodology.geometry.embedding import classical_mds, distances_of
from hodology.geometry.patterns import Patterns
from hodology.geometry.rdm_files import read_rdms, write_rdms
from hodology.geometry.rsa import compare_rdms
from hodology.report import write_compare_report
from hodology.stats import holm


def draws(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


@pytest.fixture
def files(tmp_path):
    """Two layers with labels, and a noisy copy of the first in another order."""
    x, labels = draws(24, 40), np.array([f"s{i:02d}" for i in range(24)])
    write_arrays(tmp_path / "a.npz", {"one": x, "two": x @ draws(40, 10, seed=1), "stimuli": labels})
    order = np.random.default_rng(2).permutation(24)
    noisy = x + draws(24, 40, seed=3)
    write_arrays(tmp_path / "b.npz", {"noisy": noisy[order], "stimuli": labels[order]})
    np.save(tmp_path / "b.npy", noisy)
    return tmp_path


def settings(files, b="b.npz", **options):
    given = {"n_boot": 20, "n_permutations": 20, **options}
    return CompareSettings(a=str(files / "a.npz"), b=str(files / b) if b else "", **given)


@pytest.mark.parametrize("measure", list(MEASURE_NOTES))
def test_every_measure_gives_values_intervals_and_p(files, tmp_path, measure):
    capped = {"max_components": 3} if measure.endswith("wcca") or measure == "svcca" else {}
    found = run_compare(settings(files, measure=measure, **capped), tmp_path / "out").table
    assert found.rows == ("one", "two")
    assert found.columns == ("noisy",)
    assert (found.low <= found.values).all()
    assert (found.values <= found.high).all()
    assert found.values[0, 0] > 0.2
    assert found.p_value[0, 0] == pytest.approx(1 / 21)
    assert (found.adjusted >= found.p_value).all()


def test_stimuli_are_aligned_by_their_labels(files, tmp_path):
    labelled = run_compare(settings(files), tmp_path / "1").table.values
    ordered = run_compare(settings(files, b="b.npy"), tmp_path / "2").table.values
    np.testing.assert_allclose(labelled, ordered, atol=1e-12)
    a, b = (open_representations(str(files / name)) for name in ("a.npz", "b.npz"))
    expected = compare_rdms(
        dissimilarities(dict(a.patterns)), dissimilarities(dict(align_sets(a, b)[1].patterns))
    )
    np.testing.assert_allclose(labelled, expected)


def test_rotations_are_invisible_to_cka_and_svcca(files):
    a, b = (open_representations(str(files / name)) for name in ("a.npz", "b.npy"))
    turned = np.linalg.qr(draws(40, 40, seed=5))[0]
    np.save(files / "c.npy", b.patterns["b"].values @ turned)
    c = open_representations(str(files / "c.npy"))
    for measure in ("cka", "unbiased-cka", "svcca"):
        one, two = (
            compare_sets(a, other, measure=measure, n_boot=2, n_permutations=2, max_components=3)
            for other in (b, c)
        )
        np.testing.assert_allclose(one.values, two.values, atol=1e-9)
        if measure == "cka":
            expected = linear_cka(a.patterns["one"].values, b.patterns["b"].values)
            assert one.values[0, 0] == pytest.approx(expected, abs=1e-9)


def test_files_and_view_say_the_same(files, tmp_path):
    run = run_compare(settings(files, measure="rsa"), tmp_path / "out")
    view = write_compare_outputs(run, tmp_path / "out")
    json.dumps(view, allow_nan=False)
    assert set(view) == {
        *(
            "format",
            "title",
            "version",
            "settings",
            "sets",
            "stimuli",
            "measure",
            "matrix",
            "embedding",
            "table",
        ),
        *("notes", "files"),
    }
    assert view["measure"]["name"] == "rsa-spearman"
    assert [s["key"] for s in view["sets"]] == ["a", "b"]
    first = view["sets"][0]["representations"][0]
    assert first["name"] == "one"
    assert first["n_units"] == 40
    np.testing.assert_allclose(first["rdm"], run.rdms[0].square()[0])
    assert len(first["points"]) == 24
    assert {p["name"] for p in view["embedding"]["points"]} == {"one", "two", "noisy"}
    assert view["matrix"]["values"][0][0] == run.table.values[0, 0]
    with open(tmp_path / "out" / "table.csv") as handle:
        rows = list(csv.DictReader(handle))
    assert [(r["a"], r["b"]) for r in rows] == [("one", "noisy"), ("two", "noisy")]
    assert float(rows[1]["value"]) == run.table.values[1, 0]
    bars = view["table"]
    assert bars["rows"][0]["label"] == "one – noisy"
    assert bars["rows"][0][bars["columns"][0]["key"]]["estimate"] == run.table.values[0, 0]
    summary = read_json(tmp_path / "out" / "summary.json")
    assert summary["pairs"][0]["value"] == run.table.values[0, 0]
    kept = read_rdms(tmp_path / "out" / "rdms.npz")
    assert kept.names == ("one", "two", "noisy")
    assert kept.descriptors["side"] == ("a", "a", "b")
    assert kept.stimuli == run.stimuli


@pytest.mark.parametrize("b", ["b.npz", ""])
def test_the_page_takes_the_view(files, tmp_path, b):
    view = write_compare_outputs(run_compare(settings(files, b=b), tmp_path / "out"), tmp_path / "out")
    page = write_compare_report(view, tmp_path / "out").read_text()
    for name in view["matrix"]["rows"] + view["matrix"]["columns"]:
        assert name in page


def test_matrices_of_a_run_can_be_compared_again_and_with_themselves(files, tmp_path):
    run = run_compare(settings(files), tmp_path / "out")
    write_compare_outputs(run, tmp_path / "out")
    again = run_compare(
        CompareSettings(a=str(tmp_path / "out" / "rdms.npz"), n_boot=5, n_permutations=5), tmp_path / "again"
    )
    assert again.table.values[0, 2] == pytest.approx(run.table.values[0, 0])
    view = write_compare_outputs(again, tmp_path / "again")
    assert len(view["table"]["rows"]) == 3  # each pair once
    assert view["sets"][0]["representations"][0]["n_units"] is None
    with pytest.raises(InputError, match="measure 'cka' needs patterns"):
        run_compare(
            CompareSettings(a=str(tmp_path / "out" / "rdms.npz"), measure="cka", n_boot=5), tmp_path / "cka"
        )


def test_models_are_shown_data_and_read_at_layers(tmp_path):
    (tmp_path / "net.py").write_text(
        "import torch\nfrom torch import nn\n\n\n"
        "def make():\n    torch.manual_seed(0)\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, 12), nn.ReLU(), nn.Linear(12, 10))\n"
    )
    inputs = ModelInputs(data="digits", layers=("1", "3"), limit=20)
    found = open_representations(f"{tmp_path}/net.py:make", inputs=inputs)
    assert found.names == ("1", "3")
    assert found.n_stimuli == 20
    assert found.patterns["1"].n_units == 12
    assert found.stimuli is not None
    assert found.stimuli[0] == "digits/test/0000"
    with pytest.raises(InputError, match="taken as a model, which needs --data"):
        open_representations(f"{tmp_path}/net.py:make")


def test_square_symmetric_matrices_are_taken_as_dissimilarities(files):
    rdm = dissimilarities(draws(12, 5), measure="euclidean")
    np.save(files / "r.npy", rdm.square()[0])
    assert open_representations(str(files / "r.npy")).rdms is not None
    assert open_representations(str(files / "r.npy"), kind="patterns").rdms is None
    write_rdms(files / "r.npz", rdm)
    assert open_representations(str(files / "r.npz")).n_stimuli == 12
    assert open_representations(str(files / "b.npy")).rdms is None
    with pytest.raises(InputError, match="ssm needs correlation distances"):
        found = open_representations(str(files / "r.npz"))
        compare_sets(found, found, measure="ssm")


def test_parquet_columns_are_units(tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="needs the hf extra")
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs the hf extra")
    table = pyarrow.table({"id": ["x", "y", "z"], "u1": [0.0, 1.0, 2.0], "u2": [3, 4, 6]})
    parquet.write_table(table, tmp_path / "a.parquet")
    found = open_representations(str(tmp_path / "a.parquet"))
    np.testing.assert_array_equal(found.patterns["a"].values, [[0, 3], [1, 4], [2, 6]])
    assert found.stimuli == ("x", "y", "z")
    (tmp_path / "b.parquet").write_bytes(b"no")
    with pytest.raises(FileFormatError, match="cannot be read as Parquet"):
        open_representations(str(tmp_path / "b.parquet"))


def test_hdf5_arrays_are_representations(tmp_path):
    h5py = pytest.importorskip("h5py", reason="needs the neuro extra")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["conv"], file["stimuli"] = draws(6, 2, 3), np.array([b"a", b"b", b"c", b"d", b"e", b"f"])
    found = open_representations(str(tmp_path / "a.h5"))
    assert found.patterns["conv"].n_units == 6
    assert found.stimuli == ("a", "b", "c", "d", "e", "f")


@pytest.mark.parametrize("measure", ["rsa-spearman", "cka", "pwcca"])
def test_of_a_set_with_itself_only_pairs_that_say_something_are_corrected(measure):
    """Four unrelated sets: the diagonal, always least likely by chance, must not make the others look less so."""
    given = {f"x{k}": draws(30, 50, seed=k) for k in range(4)}
    write = {name: Patterns(x) for name, x in given.items()}
    source = RepresentationSet("a", write, None, None, 30, "")
    table = compare_sets(
        source, source, measure=measure, n_boot=20, n_permutations=60, adjust="holm", max_components=5
    )
    assert np.isnan(np.diagonal(table.adjusted)).all()
    rows, columns = np.triu_indices(4, 1) if measure != "pwcca" else np.nonzero(~np.eye(4, dtype=bool))
    expected = holm(table.p_value[rows, columns])
    np.testing.assert_allclose(table.adjusted[rows, columns], expected)
    if measure != "pwcca":
        np.testing.assert_allclose(table.adjusted, table.adjusted.T)


def test_matrices_keep_the_names_of_their_arrays(tmp_path):
    one, two = (dissimilarities(draws(8, 5, seed=k)).square()[0] for k in (0, 1))
    labels = np.array(list("abcdefgh"))
    write_arrays(tmp_path / "m.npz", {"V1": one, "V4": two, "stimuli": labels})
    found = open_representations(str(tmp_path / "m.npz"))
    assert found.names == ("V1", "V4")
    assert found.stimuli == tuple("abcdefgh")
    np.testing.assert_allclose(found.rdms.square()[1], two)


def test_a_stimulus_that_all_units_answer_alike_has_cka_but_no_correlation_distance(tmp_path):
    x = draws(12, 6)
    x[3] = 0.5
    write_arrays(tmp_path / "x.npz", {"dead": x, "single": draws(12, 1)})
    options = {"n_boot": 20, "n_permutations": 20}
    run = run_compare(CompareSettings(a=str(tmp_path / "x.npz"), measure="cka", **options), tmp_path / "out")
    assert run.rdms[0].measure == "euclidean"
    with pytest.raises(InputError, match="constant|same"):
        run_compare(CompareSettings(a=str(tmp_path / "x.npz"), **options), tmp_path / "rsa")


def test_classes_do_not_name_stimuli(tmp_path):
    write_arrays(tmp_path / "c.npz", {"x": draws(6, 4), "labels": np.array([0, 0, 1, 1, 2, 2])})
    with pytest.raises(FileFormatError, match="array 'labels' names the stimuli, but '0' stands there twice"):
        open_representations(str(tmp_path / "c.npz"))


def test_what_is_wrong_is_said(files, tmp_path):
    with pytest.raises(UnknownNameError, match="measure 'rsa-spearmen' does not exist"):
        settings(files, measure="rsa-spearmen")
    with pytest.raises(InputError, match="n_boot must be at least 2"):
        settings(files, n_boot=1)
    with pytest.raises(InputError, match="level must lie between 0 and 1"):
        settings(files, level=95.0)
    with pytest.raises(InputError, match="file .*none.npz does not exist"):
        open_representations(str(tmp_path / "none.npz"))
    with pytest.raises(InputError, match="holds one representation; name a second source"):
        run_compare(CompareSettings(a=str(files / "b.npy")), tmp_path / "out")
    np.save(files / "short.npy", draws(20, 4))
    with pytest.raises(InputError, match="over the same stimuli, got 24"):
        run_compare(settings(files, b="short.npy"), tmp_path / "out")
    write_arrays(files / "odd.npz", {"x": draws(24, 3), "stimuli": np.array([f"t{i}" for i in range(24)])})
    with pytest.raises(InputError, match="'s00' is on one side only"):
        run_compare(settings(files, b="odd.npz"), tmp_path / "out")
    write_arrays(files / "two.npz", {"x": draws(24, 3), "y": draws(25, 3)})
    with pytest.raises(FileFormatError, match="over the same stimuli \\(rows\\), got 'x' 24, 'y' 25"):
        open_representations(str(files / "two.npz"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty and holds no comparison"):
        run_compare(settings(files), tmp_path / "full")


def test_scaling_gives_back_places_in_a_plane():
    places = draws(9, 2)
    distances = np.linalg.norm(places[:, None] - places[None], axis=2)
    found = classical_mds(distances)
    np.testing.assert_allclose(np.linalg.norm(found[:, None] - found[None], axis=2), distances, atol=1e-9)
    np.testing.assert_allclose(found.mean(axis=0), 0.0, atol=1e-9)
    assert classical_mds(np.zeros((1, 1))).tolist() == [[0.0, 0.0]]
    np.testing.assert_allclose(distances_of(np.array([[1.0, 0.5], [0.5, 1.0]])), [[0.0, 1.0], [1.0, 0.0]])
    with pytest.raises(InputError, match="finite square matrix"):
        classical_mds(np.zeros((2, 3)))


def test_matrices_shrink_by_averages_over_blocks():
    matrix = np.arange(36.0).reshape(6, 6)
    found = shrink_matrix(matrix, size=3)
    assert found.shape == (3, 3)
    assert found[0, 1] == matrix[:2, 2:4].mean()
    np.testing.assert_array_equal(shrink_matrix(matrix, size=6), matrix)
    assert shrink_matrix(draws(7, 7), size=3).shape == (3, 3)
    with pytest.raises(InputError, match="square matrix"):
        shrink_matrix(np.zeros((2, 3)))
