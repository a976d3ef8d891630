"""What is compared: representations from files of patterns, files of dissimilarity matrices, or the layers of a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hodology.data import open_dataset
from hodology.errors import FileFormatError, InputError
from hodology.files import hash_arrays, read_arrays
from hodology.geometry.activations_of import Pool, patterns_of
from hodology.geometry.areas import read_top_arrays
from hodology.geometry.patterns import Patterns, as_patterns, check_labels
from hodology.geometry.rdm_files import read_rdms
from hodology.geometry.rdms import RDMs, as_rdms, stack_rdms
from hodology.nn.load import load_model
from hodology.optional import require

__all__ = ["ModelInputs", "RepresentationSet", "SourceKind", "align_sets", "open_representations"]

SourceKind = Literal["auto", "patterns", "rdms"]
_ARRAYS = (".npy", ".npz", ".h5", ".hdf5", ".hdf", ".parquet", ".mat")
_RDM_NAMES = ("rdm", "rdms", "dissimilarities")
_LABELS = ("stimuli", "stimulus", "images", "labels")


@dataclass(frozen=True)
class ModelInputs:
    """What a model is shown, and which layers are read; see `hodology.data.open_dataset` for the columns.

    Attributes
    ----------
    data : str or None
    layers : tuple of str or None
    pool : {"mean", "cls"} or None
    limit : int
        Items at most, the first ones.
    """

    data: str | None = None
    layers: tuple[str, ...] | None = None
    pool: Pool | None = None
    limit: int = 500
    batch: int = 64
    device: str = "cpu"
    split: str | None = None
    image_column: str | None = None
    text_column: str | None = None


@dataclass(frozen=True, repr=False, eq=False)
class RepresentationSet:
    """Representations of the same stimuli from one source.

    Attributes
    ----------
    label : str
        Name of the source.
    patterns : mapping of str to Patterns
        Empty when the source holds dissimilarities only.
    rdms : RDMs or None
        The source's own matrices; None when they follow from the patterns.
    stimuli : tuple of str or None
    n_stimuli : int
    fingerprint : str
    """

    label: str
    patterns: Mapping[str, Patterns]
    rdms: RDMs | None
    stimuli: tuple[str, ...] | None
    n_stimuli: int
    fingerprint: str

    def __repr__(self) -> str:
        what = "matrices" if self.rdms is not None else "sets of patterns"
        return f"RepresentationSet({self.label!r}, {len(self.names)} {what}, {self.n_stimuli} stimuli)"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the representations."""
        return self.rdms.names if self.rdms is not None else tuple(self.patterns)

    def select_stimuli(self, stimuli: np.ndarray) -> RepresentationSet:
        """Some stimuli, by position, in the order asked for."""
        return replace(
            self,
            patterns={name: p.select_stimuli(stimuli) for name, p in self.patterns.items()},
            rdms=None if self.rdms is None else self.rdms.select_stimuli(stimuli),
            stimuli=None if self.stimuli is None else tuple(self.stimuli[i] for i in stimuli),
            n_stimuli=len(stimuli),
        )


def open_representations(
    source: str, *, kind: SourceKind = "auto", inputs: ModelInputs | None = None
) -> RepresentationSet:
    """Open what the user named.

    Parameters
    ----------
    source : str
        ``.npy``, ``.npz``, HDF5 or ``.parquet`` of patterns (stimuli x units; every array of two or more dimensions is
        a representation, an array ``stimuli`` names the stimuli; further dimensions are flattened); a file of
        dissimilarity matrices as `read_rdms` takes it; or a model, see `hodology.nn.load.load_model`.
    kind : {"auto", "patterns", "rdms"}
        What a file holds. "auto" takes ``.mat``, arrays called ``rdm`` or ``rdms``, vectors, and square symmetric
        matrices with a zero diagonal as dissimilarities, all else as patterns.
    inputs : ModelInputs, optional
        What a model is shown.

    Raises
    ------
    InputError
        When nothing fits, a model has no data, or arrays have other numbers of stimuli.
    FileFormatError
        For files that cannot be read.
    """
    path = Path(source)
    if path.suffix.lower() in _ARRAYS:
        if not path.is_file():
            raise InputError(f"file {source} does not exist.")
        return _from_file(path, kind)
    given = ModelInputs() if inputs is None else inputs
    if given.data is None:
        raise InputError(
            f"{source!r} is no file of arrays ({', '.join(_ARRAYS)}), so it is taken as a model, which needs --data."
        )
    return _from_model(source, given)


def align_sets(a: RepresentationSet, b: RepresentationSet) -> tuple[RepresentationSet, RepresentationSet]:
    """Bring the second set into the order of the first by labels.

    Raises
    ------
    InputError
        For other numbers of stimuli, or labels that only one has.
    """
    if a.n_stimuli != b.n_stimuli:
        raise InputError(
            f"both sides must be over the same stimuli, got {a.n_stimuli} ({a.label}) and {b.n_stimuli} ({b.label})."
        )
    if a.stimuli is None or b.stimuli is None or a.stimuli == b.stimuli:
        return a, b
    odd = sorted(set(a.stimuli) ^ set(b.stimuli))
    if odd:
        raise InputError(f"both sides must be over the same stimuli; {odd[0]!r} is on one side only.")
    place = {label: i for i, label in enumerate(b.stimuli)}
    return a, b.select_stimuli(np.array([place[label] for label in a.stimuli]))


def _from_file(path: Path, kind: SourceKind) -> RepresentationSet:
    suffix = path.suffix.lower()
    if suffix == ".mat":
        return _of_rdms(path, read_rdms(path))
    if suffix == ".parquet":
        return _of_patterns(path, *_parquet(path))
    if suffix == ".npy":
        arrays = {path.stem: _npy(path)}
    else:
        arrays = dict(read_arrays(path)) if suffix == ".npz" else read_top_arrays(path)
    if kind == "rdms" or (kind == "auto" and _holds_rdms(arrays)):
        return _of_rdms(path, _matrices(path, arrays))
    labels = _labels(path, arrays)
    held = {
        name: a.reshape(len(a), -1) for name, a in arrays.items() if a.dtype.kind in "biuf" and a.ndim >= 2
    }
    if not held:
        raise FileFormatError(f"{path} holds no array of shape (stimuli, units).")
    return _of_patterns(path, held, labels)


def _labels(path: Path, arrays: dict[str, np.ndarray]) -> list[str] | None:
    """Take the array that names the stimuli out of the others."""
    name = next((n for n in _LABELS if n in arrays and arrays[n].ndim == 1), None)
    if name is None:
        return None
    texts = [v.decode() if isinstance(v, bytes) else str(v) for v in arrays.pop(name).tolist()]
    if len(set(texts)) < len(texts):
        double = next(text for i, text in enumerate(texts) if text in texts[:i])
        raise FileFormatError(
            f"{path}: array {name!r} names the stimuli, but {double!r} stands there twice; classes go under another name."
        )
    return texts


def _matrices(path: Path, arrays: dict[str, np.ndarray]) -> RDMs:
    """Matrices under the usual names, or every array that holds some, under its own name."""
    if path.suffix.lower() != ".npy" and any(name.lower() in _RDM_NAMES for name in arrays):
        return read_rdms(path)
    labels = _labels(path, arrays)
    try:
        parts = []
        for name, array in arrays.items():
            if array.dtype.kind != "f":
                continue
            found = as_rdms(array, stimuli=labels)
            names = (name,) if len(found) == 1 else tuple(f"{name} {i}" for i in range(len(found)))
            parts.append(replace(found, names=names))
        if not parts:
            raise InputError("no array holds dissimilarity matrices.")
        return stack_rdms(parts)
    except InputError as error:
        raise FileFormatError(f"{path}: {error}") from error


def _of_patterns(path: Path, held: Mapping[str, np.ndarray], labels: list[str] | None) -> RepresentationSet:
    try:
        counts = {len(values) for values in held.values()}
        if len(counts) > 1:
            sizes = ", ".join(f"{name!r} {len(values)}" for name, values in held.items())
            raise InputError(f"arrays must be over the same stimuli (rows), got {sizes}.")
        patterns = {name: as_patterns(values, name=name, stimuli=labels) for name, values in held.items()}
        stimuli = check_labels(labels, counts.pop(), what="patterns")
    except InputError as error:
        raise FileFormatError(f"{path}: {error}") from error
    values = {name: p.values for name, p in patterns.items()}
    count = next(iter(patterns.values())).n_stimuli
    return RepresentationSet(path.name, patterns, None, stimuli, count, hash_arrays(values))


def _of_rdms(path: Path, rdms: RDMs) -> RepresentationSet:
    names = (
        rdms.names
        if len(set(rdms.names)) == len(rdms)
        else tuple(f"{n} {i}" for i, n in enumerate(rdms.names))
    )
    named = replace(rdms, names=names)
    print_ = hash_arrays({"rdm": rdms.values})
    return RepresentationSet(path.name, {}, named, rdms.stimuli, rdms.n_stimuli, print_)


def _from_model(source: str, inputs: ModelInputs) -> RepresentationSet:
    loaded = load_model(source, device=inputs.device)
    dataset = open_dataset(
        str(inputs.data), split=inputs.split, image_column=inputs.image_column, text_column=inputs.text_column
    )
    if inputs.limit < 4:
        raise InputError(f"limit must be at least 4, got {inputs.limit}.")
    items = dataset.items(0, min(inputs.limit, len(dataset)))
    given: Any = loaded.prepare([item.content for item in items])
    tensors = dict(given) if hasattr(given, "keys") else given
    labels = [item.id for item in items]
    found = patterns_of(
        loaded.model, tensors, inputs.layers, pool=inputs.pool, batch_size=inputs.batch, stimuli=labels,
        device=inputs.device,
    )  # fmt: skip
    print_ = f"{loaded.fingerprint}:{dataset.fingerprint}"
    return RepresentationSet(loaded.name, found, None, tuple(labels), len(labels), print_)


def _holds_rdms(arrays: Mapping[str, np.ndarray]) -> bool:
    """Whether arrays are dissimilarities, by name or by what they look like."""
    if any(name.lower() in _RDM_NAMES for name in arrays):
        return True
    numbers = {k: a for k, a in arrays.items() if a.dtype.kind == "f" and k not in _LABELS}
    return bool(numbers) and all(_looks_like_rdm(a) for a in numbers.values())


def _looks_like_rdm(array: np.ndarray) -> bool:
    if array.ndim == 1:
        return True
    square = array.ndim in (2, 3) and array.shape[-1] == array.shape[-2] and array.shape[-1] > 1
    if not square or not np.isfinite(array).all():
        return False
    return not np.diagonal(array, axis1=-2, axis2=-1).any() and np.array_equal(
        array, np.swapaxes(array, -1, -2)
    )


def _npy(path: Path) -> np.ndarray:
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise FileFormatError(f"{path} cannot be read as .npy without pickle: {error}.") from error
    if array.dtype.kind not in "biuf" or array.ndim == 0:
        raise FileFormatError(f"{path} must hold numbers, got {array.dtype} of shape {array.shape}.")
    return array


def _parquet(path: Path) -> tuple[dict[str, np.ndarray], list[str] | None]:
    """Columns of numbers are units, the first column of text names the stimuli."""
    parquet = require("pyarrow.parquet", extra="hf", purpose="reading Parquet files")
    arrow = require("pyarrow", extra="hf", purpose="reading Parquet files")
    try:
        table = parquet.read_table(path)
    except (OSError, arrow.ArrowException) as error:
        raise FileFormatError(f"{path} cannot be read as Parquet: {error}.") from error
    types = {name: table.schema.field(name).type for name in table.column_names}
    numbers = [n for n, t in types.items() if arrow.types.is_floating(t) or arrow.types.is_integer(t)]
    texts = [n for n, t in types.items() if arrow.types.is_string(t) or arrow.types.is_large_string(t)]
    if not numbers:
        raise FileFormatError(f"{path} has no column of numbers.")
    values = np.stack([np.asarray(table[name].to_numpy(), dtype=np.float64) for name in numbers], axis=1)
    return {path.stem: values}, [str(v) for v in table[texts[0]].to_pylist()] if texts else None
