"""Responses of brain areas to images: from dictionaries, files and labelled arrays, as means over trials or as trials.

Areas of several animals may be stacked into one pseudo-population. That hides noise which neurons of one session share:
split halves then agree better than independent ones would, so a ceiling from them is an upper one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hodology.errors import FileFormatError, InputError
from hodology.files import read_arrays
from hodology.geometry.noise_ceiling import Reliability, split_half_reliability
from hodology.geometry.patterns import Patterns, as_patterns, check_labels, listed
from hodology.optional import require

__all__ = [
    "BLANK",
    "AreaResponses",
    "as_areas",
    "mean_by_image",
    "pool_areas",
    "read_areas",
    "read_top_arrays",
]

BLANK = -1  # frame number of the sweep without a stimulus in the Allen Brain Observatory's tables


@dataclass(frozen=True, repr=False, eq=False)
class AreaResponses:
    """Responses of one area to images.

    Attributes
    ----------
    name : str
    values : float ndarray, shape (images, neurons)
        Mean over trials.
    trials : float ndarray, shape (trials, images, neurons), or None
    stimuli : tuple of str or None
        One label per image.
    """

    name: str
    values: np.ndarray
    trials: np.ndarray | None = None
    stimuli: tuple[str, ...] | None = None

    def __repr__(self) -> str:
        trials = "" if self.trials is None else f", {len(self.trials)} trials"
        return (
            f"AreaResponses({self.name!r}, {len(self.values)} images, {self.values.shape[1]} neurons{trials})"
        )

    def patterns(self) -> Patterns:
        """The means as `Patterns`."""
        return Patterns(self.values, self.stimuli, self.name)

    def reliability(self, *, n_splits: int = 20, rng: int = 0) -> Reliability:
        """SSM between halves of the trials; the root of ``.full`` bounds the SSM that any layer can reach.

        Raises
        ------
        InputError
            Without trials.
        """
        if self.trials is None:
            raise InputError(f"area {self.name!r} has means only; reliability needs its trials.")
        return split_half_reliability(self.trials, measure="spearman", n_splits=n_splits, rng=rng)

    def neuron_reliability(self) -> np.ndarray:
        """Correlation over images of the means of odd and even trials of each neuron, Spearman-Brown, shape (neurons,)."""
        if self.trials is None:
            raise InputError(f"area {self.name!r} has means only; reliability needs its trials.")
        one, two = (self.trials[k::2].mean(axis=0, dtype=np.float64) for k in (0, 1))
        one, two = one - one.mean(axis=0), two - two.mean(axis=0)
        scale = np.sqrt((one**2).sum(axis=0) * (two**2).sum(axis=0))
        r = np.divide((one * two).sum(axis=0), scale, out=np.zeros(one.shape[1]), where=scale > 0)
        return 2.0 * r / np.maximum(1.0 + r, 1e-12)

    def select_neurons(self, neurons: np.ndarray) -> AreaResponses:
        """Some neurons, by position or mask."""
        trials = None if self.trials is None else self.trials[:, :, neurons]
        return AreaResponses(self.name, self.values[:, neurons], trials, self.stimuli)


def as_areas(
    responses: Mapping[str, Any], *, min_reliability: float | None = None
) -> dict[str, AreaResponses]:
    """Read areas from a dictionary of arrays.

    Parameters
    ----------
    responses : mapping of str to array
        (images, neurons) or (trials, images, neurons): numpy, torch, xarray (the dimension called ``"trial"`` or
        ``"trials"``, if any, is put first), pandas, or `AreaResponses`.
    min_reliability : float, optional
        Keep the neurons whose halves of the trials agree at least so well (needs trials).

    Returns
    -------
    dict of str to AreaResponses

    Raises
    ------
    InputError
        For no areas, values that are not finite (NaN dF/F: the places are named), other shapes, and areas that no neuron
        is left of.

    Examples
    --------
    >>> as_areas({"VISp": np.zeros((4, 10, 3)) + np.arange(3)})
    {'VISp': AreaResponses('VISp', 10 images, 3 neurons, 4 trials)}
    """
    if not isinstance(responses, Mapping) or not responses:
        raise InputError("responses must be a mapping of areas to arrays, at least one area.")
    found = {str(name): _area(str(name), x) for name, x in responses.items()}
    if min_reliability is None:
        return found
    for name, area in found.items():
        kept = area.neuron_reliability() >= min_reliability
        if not kept.any():
            raise InputError(f"no neuron of {name!r} has a reliability of {min_reliability:g}.")
        found[name] = area.select_neurons(kept)
    return found


def read_areas(path: str | Path, *, min_reliability: float | None = None) -> dict[str, AreaResponses]:
    """Read areas from a file with one array per area.

    Parameters
    ----------
    path : str or Path
        ``.npz``, or HDF5 (``.h5``, ``.hdf5``), whose arrays are (images, neurons) or (trials, images, neurons). An array
        ``frame`` of shape (presentations,) says that the others are (presentations, neurons): they are ordered by image
        and the blank sweep (frame -1) is left out. An array ``images`` of labels names the images. Files of the Allen
        Brain Observatory are for `hodology.geometry.allen_scenes.load_allen_natural_scenes`.
    min_reliability : float, optional
        As in `as_areas`.

    Raises
    ------
    FileFormatError
        For another kind of file, one that is damaged, or one without areas.
    MissingExtraError
        For HDF5 without h5py.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix == ".npz":
        arrays = dict(read_arrays(path))
    elif suffix in (".h5", ".hdf5", ".hdf"):
        arrays = read_top_arrays(path)
    else:
        raise FileFormatError(
            f"{path} must end in .npz, .h5 or .hdf5; NWB files are for load_allen_natural_scenes."
        )
    frames = arrays.pop("frame", None)
    labels = arrays.pop("images", None)
    held = {name: a for name, a in arrays.items() if a.dtype.kind in "biuf" and a.ndim in (2, 3)}
    if not held:
        raise FileFormatError(
            f"{path} holds no array of shape (images, neurons) or (trials, images, neurons)."
        )
    try:
        if frames is not None:
            held = {name: mean_by_image(a, frames, name=name) for name, a in held.items()}
        found = as_areas(held, min_reliability=min_reliability)
        if labels is None:
            return found
        texts = [v.decode() if isinstance(v, bytes) else str(v) for v in labels.ravel().tolist()]
        return {
            name: AreaResponses(
                name, a.values, a.trials, check_labels(texts, len(a.values), what=f"area {name!r}")
            )
            for name, a in found.items()
        }
    except InputError as error:
        raise FileFormatError(f"{path}: {error}") from error


def read_top_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays at the top of an HDF5 file.

    Raises
    ------
    FileFormatError
        When the file cannot be read.
    MissingExtraError
        Without h5py.
    """
    h5py = require("h5py", extra="neuro", purpose="reading HDF5")
    try:
        with h5py.File(path, "r") as file:
            return {k: np.asarray(v[()]) for k, v in file.items() if isinstance(v, h5py.Dataset) and v.shape}
    except OSError as error:
        raise FileFormatError(f"{path} cannot be read as HDF5: {error}.") from error


def mean_by_image(responses: np.ndarray, frames: np.ndarray, *, name: str = "area") -> np.ndarray:
    """Order presentations by image: trials of every image, the blank sweep left out.

    Parameters
    ----------
    responses : float ndarray, shape (presentations, neurons)
    frames : int ndarray, shape (presentations,)
        Which image each presentation showed; -1 is the blank sweep.
    name : str
        For messages.

    Returns
    -------
    float ndarray, shape (trials, images, neurons)
        As many trials as the least shown image has; images in ascending order of their number.

    Raises
    ------
    InputError
        For other numbers of presentations, or frames that are not whole numbers.
    """
    numbers, values = np.asarray(frames), np.asarray(responses)
    if numbers.ndim != 1 or values.ndim != 2 or len(numbers) != len(values):
        raise InputError(
            f"{name!r} must have one frame per presentation, got responses {values.shape} and frames {numbers.shape}."
        )
    if not np.isfinite(numbers).all() or (numbers != np.round(numbers)).any():
        raise InputError(f"frames of {name!r} must be whole numbers (-1 for the blank sweep).")
    shown, counts = np.unique(numbers[numbers != BLANK], return_counts=True)
    if len(shown) == 0:
        raise InputError(f"{name!r} has blank sweeps only.")
    least = int(counts.min())
    order = np.argsort(numbers, kind="stable")
    starts = np.searchsorted(numbers[order], shown)
    picked = order[starts[None, :] + np.arange(least)[:, None]]
    return values[picked]


def pool_areas(parts: Sequence[AreaResponses], *, name: str) -> AreaResponses:
    """Stack the neurons of several recordings of the same images into a pseudo-population.

    Trials are kept to the least number. They were not recorded together: shared noise within a recording stays, between
    recordings there is none.

    Raises
    ------
    InputError
        For no parts, or other numbers of images.
    """
    if not parts:
        raise InputError("parts must hold at least one recording, got none.")
    if len({len(part.values) for part in parts}) > 1:
        counts = ", ".join(f"{part.name!r} {len(part.values)}" for part in parts)
        raise InputError(f"recordings must be of the same images, got {counts}: drop the blank, frame -1.")
    values = np.concatenate([part.values for part in parts], axis=1)
    given = [part.trials for part in parts if part.trials is not None]
    trials = None
    if len(given) == len(parts):
        least = min(len(t) for t in given)
        trials = np.concatenate([t[:least] for t in given], axis=2)
    return AreaResponses(name, values, trials, parts[0].stimuli)


def _area(name: str, x: Any) -> AreaResponses:
    if isinstance(x, AreaResponses):
        return x
    labels = None
    if hasattr(x, "dims") and hasattr(x, "coords"):  # xarray
        extra = [d for d in x.dims if str(d).lower() in ("trial", "trials")]
        x = x.transpose(*extra, *(d for d in x.dims if d not in extra))
        image = x.dims[len(extra)] if x.ndim > len(extra) else None
        labels = None if image not in x.coords else [str(v) for v in x.coords[image].values]
        x = x.values
    if hasattr(x, "detach"):
        x = x.detach().cpu().numpy()
    if getattr(x, "ndim", 2) != 3:
        found = as_patterns(x, name=name, stimuli=labels)
        return AreaResponses(name, found.values, None, found.stimuli)
    trials = np.asarray(x)
    if trials.dtype.kind not in "biuf" or 0 in trials.shape:
        raise InputError(
            f"area {name!r} must be numbers (trials, images, neurons), got {trials.dtype} {trials.shape}."
        )
    bad = ~np.isfinite(trials)
    if bad.any():
        raise InputError(
            f"area {name!r} must be finite, got NaN or infinity in neurons {listed(np.flatnonzero(bad.any(axis=(0, 1))))}, "
            f"images {listed(np.flatnonzero(bad.any(axis=(0, 2))))}."
        )
    return AreaResponses(
        name, trials.mean(axis=0, dtype=np.float64), trials, check_labels(labels, trials.shape[1], what=name)
    )
