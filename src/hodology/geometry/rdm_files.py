"""Dissimilarity matrices in files: ``.npz`` (plain arrays), HDF5 as rsatoolbox writes it, MATLAB up to version 7.2."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hodology.errors import FileFormatError, InputError, near_names
from hodology.files import read_arrays, write_arrays
from hodology.geometry.rdm_reading import Missing
from hodology.geometry.rdms import RDMs, as_rdms
from hodology.optional import require

__all__ = ["read_rdms", "write_rdms"]

_HDF5 = (".h5", ".hdf5", ".hdf")


def write_rdms(path: str | Path, rdms: RDMs) -> None:
    """Write an ``.npz`` file that `read_rdms` gives back unchanged; no pickle.

    Descriptors are kept as JSON text, so they must be text, numbers or booleans.

    Raises
    ------
    InputError
        For another suffix, or a descriptor that JSON cannot keep.
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise InputError(f"matrices are written as .npz, got {path.name!r}.")
    described = {
        key: [v.item() if hasattr(v, "item") else v for v in items] for key, items in rdms.descriptors.items()
    }
    try:
        text = json.dumps(described, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"a descriptor cannot be written: {error}.") from error
    arrays = {
        "rdm": rdms.values,
        "names": np.array(rdms.names),
        "measure": np.array(rdms.measure),
        "descriptors": np.array(text),
    }
    if rdms.stimuli is not None:
        arrays["stimuli"] = np.array(rdms.stimuli)
    write_arrays(path, arrays)


def read_rdms(path: str | Path, *, key: str | None = None, missing: Missing = "error") -> RDMs:
    """Read matrices from ``.npz``, ``.mat`` or HDF5.

    Parameters
    ----------
    path : str or Path
    key : str, optional
        Which array (``.npz``), variable (``.mat``) or data set (HDF5) holds the matrices. Default what `write_rdms`
        or rsatoolbox wrote, else the only array that can be one.
    missing : {"error", "keep", "drop", "impute"}
        As in `as_rdms`.

    Returns
    -------
    RDMs
        Text or numbers beside the matrices, one per matrix (``subj``, ``roi``), become descriptors. A MATLAB struct
        array with the fields ``RDM`` and ``name`` gives one matrix per element.

    Raises
    ------
    FileFormatError
        When the file cannot be read, or holds no matrices under `key`, or several and no key was given.
    MissingExtraError
        For HDF5 without h5py.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix == ".npz":
        found = read_arrays(path)
    elif suffix == ".mat":
        found = _matlab(path)
    elif suffix in _HDF5:
        found = _hdf5(path)
    else:
        raise FileFormatError(f"{path} must end in .npz, .mat, {' or '.join(_HDF5)}.")
    try:
        return _from_arrays(found, key, missing)
    except InputError as error:
        raise FileFormatError(f"{path}: {error}") from error


def _from_arrays(found: Mapping[str, Any], key: str | None, missing: Missing) -> RDMs:
    """Matrices under `key` and what describes them."""
    name = _which(found, key)
    array = found[name]
    labels = {k: _texts(v) for k, v in found.items() if k != name and _is_list(v)}
    described: dict[str, list[Any]] = {}
    if "descriptors" in found and np.asarray(found["descriptors"]).dtype.kind == "U":
        described.update(json.loads(str(np.asarray(found["descriptors"])[()])))
        labels.pop("descriptors", None)
    names = labels.pop("names", labels.pop("name", None))
    stimuli = labels.pop("stimuli", labels.pop("stimulus", None))
    count = len(as_rdms(array, missing="keep"))
    described.update({k: v for k, v in labels.items() if len(v) == count})
    measure = str(np.asarray(found.get("measure", found.get("dissimilarity_measure", "")))[()])
    return as_rdms(
        array,
        names=names if names is None or len(names) == count else None,
        measure=measure,
        stimuli=stimuli,
        descriptors=described,
        missing=missing,
    )


def _which(found: Mapping[str, Any], key: str | None) -> str:
    if key is not None:
        if key not in found:
            raise InputError(f"there is no array {key!r}{near_names(key, found)}.")
        return key
    for usual in ("rdm", "rdms", "RDM", "RDMs", "dissimilarities"):
        if usual in found:
            return usual
    able = [name for name, value in found.items() if _able(value)]
    if len(able) != 1:
        raise InputError(
            f"{'several arrays' if able else 'no array'} can be matrices ({', '.join(able) or ', '.join(found)}); "
            "name one with key=."
        )
    return able[0]


def _able(value: Any) -> bool:
    """Whether an array can be read as matrices."""
    array = np.asarray(value)
    if array.dtype.kind != "f" or array.ndim == 0:
        return False
    try:
        as_rdms(array, missing="keep")
    except InputError:
        return False
    return True


def _is_list(value: Any) -> bool:
    return np.asarray(value).squeeze().ndim == 1 or np.asarray(value).size == 1


def _texts(value: Any) -> list[Any]:
    """Plain labels; HDF5 gives bytes, MATLAB pads text with blanks."""
    items = np.asarray(value).ravel().tolist()
    return [
        item.decode("utf-8", "replace")
        if isinstance(item, bytes)
        else item.rstrip()
        if isinstance(item, str)
        else item
        for item in items
    ]


def _matlab(path: Path) -> dict[str, Any]:
    """Variables of a MATLAB file; struct arrays become stacked fields."""
    from scipy.io import loadmat

    try:
        held = loadmat(path, squeeze_me=True, struct_as_record=True)
    except NotImplementedError as error:
        raise FileFormatError(
            f"{path} is a MATLAB 7.3 file, which is HDF5; save it with -v7, or rename it to .h5 and pass key=."
        ) from error
    except Exception as error:  # scipy raises many types on damaged bytes
        raise FileFormatError(f"{path} cannot be read as a MATLAB file: {error}.") from error
    variables = {name: value for name, value in held.items() if not name.startswith("__")}
    out: dict[str, Any] = {}
    for name, value in variables.items():
        if value.dtype.names:
            fields = {
                str(f).lower(): [np.asarray(v) for v in np.atleast_1d(value[f])] for f in value.dtype.names
            }
            prefix = "" if len(variables) == 1 else f"{name}."
            out.update({prefix + field: _stacked(path, field, parts) for field, parts in fields.items()})
        else:
            out[name] = value
    return out


def _stacked(path: Path, field: str, parts: list[np.ndarray]) -> np.ndarray:
    """One array of a field over the elements of a struct array."""
    plain = [part[()] if part.dtype == object and part.ndim == 0 else part for part in parts]
    arrays = [np.asarray(part) for part in plain]
    if len({array.shape for array in arrays}) > 1:
        raise FileFormatError(f"{path}: field {field!r} has other sizes in some elements.")
    return arrays[0] if len(arrays) == 1 else np.stack(arrays)


def _hdf5(path: Path) -> dict[str, Any]:
    """Data sets by name; those of rsatoolbox's groups under their own names."""
    h5py = require("h5py", extra="neuro", purpose="reading HDF5")
    out: dict[str, Any] = {}
    try:
        with h5py.File(path, "r") as file:
            for name, value in file.attrs.items():
                if name == "dissimilarity_measure":
                    out[name] = np.array(str(value))
            for name, item in file.items():
                if isinstance(item, h5py.Dataset):
                    if item.shape is not None:
                        out[name] = item[()]
                elif name in ("rdm_descriptors", "pattern_descriptors"):
                    out.update(_described(item, h5py, stimuli=name.startswith("pattern")))
    except OSError as error:
        raise FileFormatError(f"{path} cannot be read as HDF5: {error}.") from error
    return out


def _described(group: Any, h5py: Any, *, stimuli: bool) -> dict[str, Any]:
    """Labels of matrices, or the first list of labels of the stimuli that names each once."""
    lists = {
        key: np.asarray(item[()]).ravel()
        for key, item in group.items()
        if isinstance(item, h5py.Dataset) and item.shape is not None and key != "index"
    }
    if not stimuli:
        return lists
    named = [lists["stimulus"]] if "stimulus" in lists else list(lists.values())
    for labels in named:
        if len(set(labels.tolist())) == len(labels):
            return {"stimuli": labels}
    return {}
