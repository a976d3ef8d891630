"""Natural scenes of the Allen Brain Observatory: mean responses of neurons to 118 images, from the NWB files themselves.

Two layouts are read with h5py alone: two-photon experiments of Visual Coding (dF/F of cells, session B) and Neuropixels
sessions of Visual Coding (spike times of units). The tables of both count the blank sweep, a presentation without an
image, as frame -1; it is left out. The software of the Allen Institute is not needed.

Reference: de Vries et al., "A large-scale standardized physiological survey reveals functional organization of the mouse
visual cortex", Nature Neuroscience 2020.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hodology.errors import FileFormatError, InputError, UnknownNameError, near_names
from hodology.geometry.areas import AreaResponses, as_areas, mean_by_image, pool_areas
from hodology.optional import require

__all__ = ["VISUAL_AREAS", "load_allen_natural_scenes"]

VISUAL_AREAS = ("VISp", "VISl", "VISal", "VISpm", "VISam", "VISrl")
_PHOTON = "processing/brain_observatory_pipeline/DfOverF/imaging_plane_1"
_SCENES = "stimulus/presentation/natural_scenes_stimulus"
_INTERVALS = "intervals/natural_scenes_presentations"
_PLACE = "general/optophysiology/imaging_plane_1/location"
_ELECTRODES = "general/extracellular_ephys/electrodes"
_CELLS = 64  # traces that are held at a time


def load_allen_natural_scenes(
    source: str | Path | Sequence[str | Path],
    *,
    areas: Sequence[str] | None = None,
    min_reliability: float | None = None,
    window: tuple[float, float] = (0.0, 0.5),
) -> dict[str, AreaResponses]:
    """Read the responses to natural scenes, neurons of all files stacked by area.

    Parameters
    ----------
    source : path, or sequence of paths
        NWB files, or a folder of them (its sub-folders too).
    areas : sequence of str, optional
        Such as ``("VISp", "VISl")``; default all areas in the files whose names begin with VIS.
    min_reliability : float, optional
        Keep the neurons whose odd and even trials agree at least so well (Spearman-Brown).
    window : (float, float)
        Seconds after the onset of an image over which a response is averaged; spikes are counted per second.

    Returns
    -------
    dict of str to AreaResponses
        With trials (trials, images, neurons); as many trials as the least shown image has.

    Raises
    ------
    FileFormatError
        For files that are damaged or hold no natural scenes: Visual Behavior experiments, and sessions A and C of
        Visual Coding.
    InputError
        For no files, a window that ends before it starts, dF/F that is not finite (cells named), no neurons left.
    UnknownNameError
        For an area that no file has.
    MissingExtraError
        Without h5py.
    """
    h5py = require("h5py", extra="neuro", purpose="reading NWB files")
    if not window[0] < window[1]:
        raise InputError(f"window must end after it starts, got {window}.")
    parts: dict[str, list[AreaResponses]] = {}
    for file in _files(source):
        for name, values in _read(h5py, file, window).items():
            parts.setdefault(name, []).append(values)
    wanted = list(areas) if areas is not None else [name for name in parts if name.startswith("VIS")]
    for name in wanted:
        if name not in parts:
            raise UnknownNameError(f"area {name!r} is in none of the files{near_names(name, parts)}.")
    if not wanted:
        raise InputError(f"no visual area is in the files; areas there: {', '.join(parts) or 'none'}.")
    pooled = {name: pool_areas(parts[name], name=name) for name in wanted}
    return as_areas(pooled, min_reliability=min_reliability)


def _files(source: str | Path | Sequence[str | Path]) -> list[Path]:
    if not isinstance(source, (str, Path)):
        return [Path(file) for file in source]
    path = Path(source)
    if path.is_dir():
        found = sorted(path.rglob("*.nwb"))
        if not found:
            raise InputError(f"folder {path} holds no .nwb files.")
        return found
    if not path.is_file():
        raise InputError(f"{path} does not exist.")
    return [path]


def _read(h5py: Any, file: Path, window: tuple[float, float]) -> dict[str, AreaResponses]:
    """Responses of one file by area."""
    try:
        with h5py.File(file, "r") as opened:
            if _SCENES in opened and _PHOTON in opened:
                found = _two_photon(opened, window)
            elif _INTERVALS in opened and "units" in opened:
                found = _neuropixels(opened, window)
            else:
                shown = [
                    name for group in ("stimulus/presentation", "intervals") for name in opened.get(group, ())
                ]
                raise InputError(
                    f"there are no natural scenes (stimuli: {', '.join(shown) or 'none'}); Visual Behavior experiments "
                    "and sessions A and C of Visual Coding have none, session B has."
                )
            return {name: _as_area(name, *values) for name, values in found.items()}
    except (OSError, KeyError) as error:
        raise FileFormatError(
            f"{file} cannot be read as an NWB file of the Allen Institute: {error}."
        ) from error
    except InputError as error:
        raise FileFormatError(f"{file}: {error}") from error


def _as_area(name: str, responses: np.ndarray, frames: np.ndarray) -> AreaResponses:
    return as_areas({name: mean_by_image(responses, frames, name=name)})[name]


def _two_photon(opened: Any, window: tuple[float, float]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Mean dF/F after each onset, (presentations, cells), and the image of each presentation."""
    frames = np.asarray(opened[f"{_SCENES}/data"]).astype(np.int64)
    starts = np.asarray(opened[f"{_SCENES}/frame_duration"])[:, 0].astype(np.int64)
    traces, times = opened[f"{_PHOTON}/data"], np.asarray(opened[f"{_PHOTON}/timestamps"])
    step = float(np.median(np.diff(times)))
    first = starts + round(window[0] / step)
    last = np.maximum(starts + round(window[1] / step), first + 1)
    if first.min() < 0 or last.max() > traces.shape[1]:
        raise InputError(f"presentations reach beyond the {traces.shape[1]} frames of the recording.")
    out = np.empty((len(frames), traces.shape[0]))
    for begin in range(0, traces.shape[0], _CELLS):
        block = np.asarray(traces[begin : begin + _CELLS], dtype=np.float64)
        bad = np.flatnonzero(~np.isfinite(block).all(axis=1))
        if len(bad):
            raise InputError(f"dF/F is not finite in cells {', '.join(str(begin + k) for k in bad[:5])}.")
        sums = np.concatenate([np.zeros((len(block), 1)), np.cumsum(block, axis=1)], axis=1)
        out[:, begin : begin + len(block)] = ((sums[:, last] - sums[:, first]) / (last - first)).T
    place = opened[_PLACE][()]
    text = place.decode() if isinstance(place, bytes) else str(place)
    named = re.search(r"VIS[a-z]+", text)
    return {named.group() if named else text.strip(): (out, frames)}


def _neuropixels(opened: Any, window: tuple[float, float]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Spikes per second after each onset, (presentations, units), and the image of each presentation, by area."""
    shown = opened[_INTERVALS]
    frames, onsets = np.asarray(shown["frame"]).astype(np.float64), np.asarray(shown["start_time"])
    units, electrodes = opened["units"], opened[_ELECTRODES]
    ends = np.asarray(units["spike_times_index"]).astype(np.int64)
    begins = np.concatenate([[0], ends[:-1]])
    places = {
        int(k): v.decode() if isinstance(v, bytes) else str(v)
        for k, v in zip(np.asarray(electrodes["id"]), np.asarray(electrodes["location"]), strict=True)
    }
    where = [places.get(int(channel), "") for channel in np.asarray(units["peak_channel_id"])]
    good = _good(units, len(ends))
    rates: dict[str, list[np.ndarray]] = {}
    for k in np.flatnonzero(good):
        spikes = np.sort(np.asarray(units["spike_times"][begins[k] : ends[k]]))
        count = np.searchsorted(spikes, onsets + window[1]) - np.searchsorted(spikes, onsets + window[0])
        rates.setdefault(where[k], []).append(count / (window[1] - window[0]))
    return {area: (np.stack(columns, axis=1), frames) for area, columns in rates.items() if area}


def _good(units: Any, count: int) -> np.ndarray:
    """Units that the sorter's curation calls good; all where it says nothing."""
    if "quality" not in units:
        return np.ones(count, dtype=bool)
    return np.array([v in (b"good", "good") for v in np.asarray(units["quality"])])
