"""Areas from dictionaries and files, the blank sweep, Allen files, and the simulated mouse."""

from __future__ import annotations

import numpy as np
import pytest

from hodology.errors import FileFormatError, InputError, UnknownNameError
from hodology.files import write_arrays
from hodology.geometry.allen_scenes import load_allen_natural_scenes
from hodology.geometry.areas import AreaResponses, as_areas, mean_by_image, pool_areas, read_areas
from hodology.geometry.layer_profile import layer_profile
from hodology.geometry.similarity_matrix import ssm
from hodology.geometry.simulated_mouse import simulated_mouse


def draws(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def test_trials_and_means_are_told_apart():
    trials = draws(4, 12, 5)
    found = as_areas({"VISp": trials, "VISl": draws(12, 3)})
    np.testing.assert_allclose(found["VISp"].values, trials.mean(axis=0))
    assert found["VISl"].trials is None
    assert repr(found["VISp"]) == "AreaResponses('VISp', 12 images, 5 neurons, 4 trials)"
    assert found["VISp"].patterns().n_units == 5
    profile = layer_profile(found, {"a": draws(12, 4), "b": draws(12, 4, seed=1)}, n_boot=2, n_folds=2)
    assert profile.areas == ("VISp", "VISl")


def test_the_blank_sweep_is_no_image():
    frames = np.array([2, -1, 0, 1, -1, 0, 2, 1, 0])
    responses = frames[:, None] * 10.0 + np.arange(9)[:, None] * np.array([1.0, 0.0])
    found = mean_by_image(responses, frames)
    assert found.shape == (2, 3, 2)  # two trials of images 0, 1, 2; the third of image 0 has no partners
    np.testing.assert_array_equal(found[:, :, 1], [[0.0, 10.0, 20.0]] * 2)
    np.testing.assert_array_equal(found[0, :, 0], [2.0, 13.0, 20.0])
    with pytest.raises(InputError, match="blank sweeps only"):
        mean_by_image(np.ones((2, 1)), np.array([-1, -1]))
    with pytest.raises(InputError, match="one frame per presentation"):
        mean_by_image(np.ones((2, 1)), np.array([0]))
    with pytest.raises(InputError, match="whole numbers"):
        mean_by_image(np.ones((2, 1)), np.array([0.5, 1.0]))


def test_areas_come_from_npz_with_labels_or_frames(tmp_path):
    trials = draws(3, 10, 4)
    write_arrays(tmp_path / "a.npz", {"VISp": trials, "images": np.array([f"scene {i}" for i in range(10)])})
    found = read_areas(tmp_path / "a.npz")["VISp"]
    np.testing.assert_allclose(found.values, trials.mean(axis=0))
    assert found.stimuli is not None
    assert found.stimuli[3] == "scene 3"
    frames = np.repeat(np.arange(-1, 10), 2)
    write_arrays(tmp_path / "b.npz", {"VISl": draws(22, 4), "frame": frames})
    assert read_areas(tmp_path / "b.npz")["VISl"].trials.shape == (2, 10, 4)
    write_arrays(tmp_path / "c.npz", {"names": np.array(["x"])})
    with pytest.raises(FileFormatError, match=r"c.npz holds no array of shape \(images, neurons\)"):
        read_areas(tmp_path / "c.npz")
    with pytest.raises(FileFormatError, match="NWB files are for load_allen_natural_scenes"):
        read_areas(tmp_path / "d.nwb")


def test_nan_neurons_are_named():
    trials = draws(2, 10, 6)
    trials[1, 4, 3] = np.nan
    with pytest.raises(InputError, match="'VISp' must be finite, got NaN or infinity in neurons 3, images 4"):
        as_areas({"VISp": trials})
    with pytest.raises(InputError, match="at least one area"):
        as_areas({})


def test_unreliable_neurons_are_left_out():
    signal = np.concatenate([draws(30, 3) * 3.0, np.zeros((30, 3))], axis=1)
    trials = signal + draws(10, 30, 6, seed=1)
    found = as_areas({"VISp": trials}, min_reliability=0.8)["VISp"]
    assert found.values.shape == (30, 3)
    np.testing.assert_allclose(found.trials, trials[:, :, :3])
    reliability = as_areas({"VISp": trials})["VISp"].reliability(n_splits=5)
    assert reliability.half < reliability.full < 1.0
    with pytest.raises(InputError, match="no neuron of 'VISp' has a reliability of 2"):
        as_areas({"VISp": trials}, min_reliability=2.0)
    with pytest.raises(InputError, match="has means only"):
        as_areas({"VISp": signal}, min_reliability=0.5)


def test_recordings_are_stacked_into_one_population():
    one = as_areas({"VISp": draws(4, 10, 3)})["VISp"]
    two = as_areas({"VISp": draws(6, 10, 2, seed=1)})["VISp"]
    found = pool_areas([one, two], name="VISp")
    assert found.values.shape == (10, 5)
    assert found.trials.shape == (4, 10, 5)
    assert pool_areas([one, AreaResponses("VISp", two.values)], name="VISp").trials is None
    with pytest.raises(InputError, match="drop the blank, frame -1"):
        pool_areas([one, AreaResponses("VISp", draws(11, 2))], name="VISp")


def test_xarray_dimensions_are_put_in_order():
    xarray = pytest.importorskip("xarray", reason="needs the neuro extra")
    trials = draws(4, 10, 3)
    array = xarray.DataArray(
        trials.transpose(1, 2, 0), dims=("image", "neuron", "trial"), coords={"image": np.arange(10)}
    )
    found = as_areas({"VISp": array})["VISp"]
    np.testing.assert_allclose(found.trials, trials)
    assert found.stimuli == tuple(map(str, range(10)))


def test_a_simulated_area_has_the_geometry_of_its_layer():
    features = {"a": np.maximum(draws(40, 60), 0), "b": np.maximum(draws(40, 60, seed=1), 0)}
    found = simulated_mouse(
        features, {"VISp": "a", "VISl": "b"}, n_neurons={"VISp": 300, "VISl": 200}, n_trials=20
    )
    assert found["VISp"].trials.shape == (20, 40, 300)
    assert ssm(found["VISp"].values, features["a"]) > 0.6 > 0.2 > ssm(found["VISp"].values, features["b"])
    again = simulated_mouse(features, {"VISp": "a"}, n_neurons=300, n_trials=20)
    np.testing.assert_array_equal(again["VISp"].trials, found["VISp"].trials)
    clean = simulated_mouse(features, {"VISp": "a"}, n_neurons=50, n_trials=3, noise=0.0)["VISp"]
    np.testing.assert_allclose(clean.trials[0], clean.trials[1], rtol=1e-5)
    with pytest.raises(UnknownNameError, match="layer 'c' is not here"):
        simulated_mouse(features, {"VISp": "c"})
    with pytest.raises(InputError, match="shared_noise from 0 to 1"):
        simulated_mouse(features, {"VISp": "a"}, shared_noise=2.0)


def test_shared_noise_is_shared_by_the_neurons_of_an_area():
    features = {"a": draws(30, 40)}
    own, shared = (
        simulated_mouse(features, {"VISp": "a"}, n_neurons=40, n_trials=30, noise=2.0, shared_noise=s)[
            "VISp"
        ].trials
        for s in (0.0, 0.8)
    )

    def correlation(trials):
        rest = (trials - trials.mean(axis=0)).reshape(-1, 40)
        return np.corrcoef(rest.T)[np.triu_indices(40, 1)].mean()

    assert correlation(shared) == pytest.approx(0.8, abs=0.05)
    assert abs(correlation(own)) < 0.05


def two_photon(h5py, path, *, cells=5, images=12, trials=3, place=b"VISp", nan=False):
    """A file in the layout of two-photon experiments, with blank sweeps; the response to image i is i times a gain."""
    frames = np.tile(np.arange(-1, images), trials)
    starts = 10 + 8 * np.arange(len(frames))
    data = np.zeros((cells, starts[-1] + 40))
    for frame, start in zip(frames, starts, strict=True):
        data[:, start : start + 8] = frame * (1.0 + np.arange(cells))[:, None]
    if nan:
        data[2, 5] = np.nan
    with h5py.File(path, "w") as file:
        traces = file.create_group("processing/brain_observatory_pipeline/DfOverF/imaging_plane_1")
        traces["data"], traces["timestamps"] = data, np.arange(data.shape[1]) / 30.0
        shown = file.create_group("stimulus/presentation/natural_scenes_stimulus")
        shown["data"], shown["frame_duration"] = frames, np.stack([starts, starts + 7], axis=1)
        file["general/optophysiology/imaging_plane_1/location"] = place


def test_two_photon_files_are_read_without_the_blank(tmp_path):
    h5py = pytest.importorskip("h5py", reason="needs the neuro extra")
    two_photon(h5py, tmp_path / "1.nwb")
    two_photon(h5py, tmp_path / "2.nwb", cells=3)
    two_photon(h5py, tmp_path / "3.nwb", place=b"Area: VISl, depth: 175 um")
    found = load_allen_natural_scenes(tmp_path, window=(0.0, 0.25))
    assert found["VISp"].trials.shape == (3, 12, 8)
    assert found["VISl"].values.shape == (12, 5)
    np.testing.assert_allclose(found["VISp"].values[:, 1], 2.0 * np.arange(12))
    assert list(load_allen_natural_scenes(tmp_path, areas=("VISl",))) == ["VISl"]
    with pytest.raises(UnknownNameError, match="area 'VISam' is in none of the files"):
        load_allen_natural_scenes(tmp_path, areas=("VISam",))
    two_photon(h5py, tmp_path / "1.nwb", nan=True)
    with pytest.raises(FileFormatError, match="dF/F is not finite in cells 2"):
        load_allen_natural_scenes(tmp_path / "1.nwb")


def test_files_without_natural_scenes_say_what_they_are(tmp_path):
    h5py = pytest.importorskip("h5py", reason="needs the neuro extra")
    with h5py.File(tmp_path / "a.nwb", "w") as file:
        file["stimulus/presentation/natural_movie_one_stimulus/data"] = np.arange(3)
    with pytest.raises(FileFormatError, match="no natural scenes .*natural_movie_one.*Visual Behavior"):
        load_allen_natural_scenes(tmp_path / "a.nwb")
    (tmp_path / "b.nwb").write_bytes(b"not HDF5")
    with pytest.raises(FileFormatError, match="cannot be read as an NWB file"):
        load_allen_natural_scenes(tmp_path / "b.nwb")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no .nwb files"):
        load_allen_natural_scenes(tmp_path / "empty")
    with pytest.raises(InputError, match="window must end after it starts"):
        load_allen_natural_scenes(tmp_path / "a.nwb", window=(1.0, 0.0))


def test_spikes_of_neuropixels_files_are_counted_by_area(tmp_path):
    h5py = pytest.importorskip("h5py", reason="needs the neuro extra")
    frames = np.tile(np.arange(-1, 4), 2).astype(float)
    onsets = 1.0 + np.arange(len(frames))
    times = [
        np.concatenate([t + np.arange(int(f) * k) / 100 for f, t in zip(frames, onsets)]) for k in (1, 2, 3)
    ]
    with h5py.File(tmp_path / "a.nwb", "w") as file:
        shown = file.create_group("intervals/natural_scenes_presentations")
        shown["frame"], shown["start_time"] = frames, onsets
        units = file.create_group("units")
        units["spike_times"] = np.concatenate(times)
        units["spike_times_index"] = np.cumsum([len(t) for t in times])
        units["peak_channel_id"] = np.array([7, 8, 7])
        units["quality"] = np.array([b"good", b"good", b"noise"])
        electrodes = file.create_group("general/extracellular_ephys/electrodes")
        electrodes["id"], electrodes["location"] = np.array([7, 8]), np.array([b"VISp", b"CA1"])
    found = load_allen_natural_scenes(tmp_path / "a.nwb")
    assert list(found) == ["VISp"]
    np.testing.assert_allclose(found["VISp"].values[:, 0], 2.0 * np.arange(4))
    other = load_allen_natural_scenes(tmp_path / "a.nwb", areas=("CA1",))
    assert list(other) == ["CA1"]
    np.testing.assert_allclose(other["CA1"].values[:, 0], 4.0 * np.arange(4))


def test_hdf5_tables_hold_areas_too(tmp_path):
    h5py = pytest.importorskip("h5py", reason="needs the neuro extra")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["VISp"] = draws(2, 10, 3)
    assert read_areas(tmp_path / "a.h5")["VISp"].trials.shape == (2, 10, 3)
