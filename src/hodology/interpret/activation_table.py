"""Activations of many tokens with what each token was: the data of every factorisation of a layer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hodology.errors import FileFormatError, InputError
from hodology.files import read_arrays, write_arrays
from hodology.interpret.semi_nmf_input import mean_square, to_host, to_matrix

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ActivationTable", "code_labels"]

_FORMAT = 1
_ARRAYS = ("format", "matrix", "token_ids", "samples", "positions", "labels", "text")


@dataclass(frozen=True, eq=False, repr=False)
class ActivationTable:
    """Activity of the units of one layer for many tokens; rows are tokens, columns are units.

    Attributes
    ----------
    matrix : float32 ndarray, shape (tokens, units)
    token_ids : int64 ndarray, shape (tokens,)
        -1 where a token is no piece of a text (patches, bare arrays).
    tokens : tuple of str
        Text of each token, with the white space before it.
    samples : int64 ndarray, shape (tokens,)
        Index of the text or image that each token belongs to.
    positions : int64 ndarray, shape (tokens,)
        Place of the token in its sample, a begin token counted; for images the index of the patch.
    labels : int64 ndarray, shape (tokens,), or None
        Label of the token's sample, -1 where it is unknown.
    label_names : tuple of str
        Names of the labels; empty when they are numbers only.
    layer : str
        The site, in the grammar of `hodology.nn.sites`.

    Raises
    ------
    InputError
        When there is not one of everything per row, or a label has no name.
    """

    matrix: np.ndarray
    token_ids: np.ndarray
    tokens: tuple[str, ...]
    samples: np.ndarray
    positions: np.ndarray
    labels: np.ndarray | None = None
    label_names: tuple[str, ...] = ()
    layer: str = ""

    def __post_init__(self) -> None:
        if self.matrix.ndim != 2:
            raise InputError(f"matrix must be (tokens, units), got shape {self.matrix.shape}.")
        for name in ("token_ids", "tokens", "samples", "positions", "labels"):
            value = getattr(self, name)
            if value is not None and len(value) != len(self.matrix):
                raise InputError(f"{name} must be one per row ({len(self.matrix)}), got {len(value)}.")
        if self.label_names and self.labels is not None and len(self.labels):
            top = int(self.labels.max())
            if top >= len(self.label_names):
                raise InputError(f"label {top} has no name; there are {len(self.label_names)} label_names.")

    def __len__(self) -> int:
        return len(self.matrix)

    def __repr__(self) -> str:
        known = "" if self.labels is None else f", {len(np.unique(self.labels[self.labels >= 0]))} labels"
        return (
            f"ActivationTable(layer={self.layer!r}, matrix={self.matrix.shape}, "
            f"{len(np.unique(self.samples))} samples{known})"
        )

    @property
    def n_units(self) -> int:
        """Number of columns."""
        return int(self.matrix.shape[1])

    def label_name(self, label: int) -> str | None:
        """Name of a label, or its number; None for -1."""
        if label < 0:
            return None
        return self.label_names[label] if self.label_names else str(label)

    def select(self, rows: Any) -> ActivationTable:
        """The table of some rows.

        Parameters
        ----------
        rows : slice, bool ndarray of shape (tokens,), or int sequence
        """
        index = np.arange(len(self))[rows if isinstance(rows, slice) else np.asarray(rows)]
        return replace(
            self,
            matrix=self.matrix[index],
            token_ids=self.token_ids[index],
            tokens=tuple(self.tokens[i] for i in index),
            samples=self.samples[index],
            positions=self.positions[index],
            labels=None if self.labels is None else self.labels[index],
        )

    @classmethod
    def from_array(
        cls,
        source: np.ndarray | Tensor | str | Path,
        *,
        labels: Sequence[Any] | np.ndarray | None = None,
        samples: Sequence[int] | np.ndarray | None = None,
        tokens: Sequence[str] | None = None,
        layer: str = "",
    ) -> ActivationTable:
        """Make a table of activations that were recorded elsewhere.

        Parameters
        ----------
        source : ndarray, Tensor, anything NumPy reads as an array (Zarr), or the path of a ``.npy`` file
            Shape (tokens, units). A file is memory-mapped, and read at once when it is not float32.
        labels : sequence of int, str or None, optional
            One per row.
        samples : sequence of int, optional
            Which rows belong to one text, in order; default every row is a sample of its own.
        tokens : sequence of str, optional
            Text of each row.
        layer : str

        Raises
        ------
        InputError
            For what is no finite matrix, all zeros, or not one label, sample and token per row.
        FileFormatError
            When the file cannot be read, or holds objects.
        """
        value = _from_file(Path(source)) if isinstance(source, (str, Path)) else source
        matrix = to_host(to_matrix(value, dtype="float32"))
        if mean_square(matrix) == 0.0:
            raise InputError(
                "activations must not all be zero (rows are samples (tokens) and columns are units)."
            )
        n = len(matrix)
        owner = np.arange(n) if samples is None else np.asarray(samples, dtype=np.int64)
        coded, names = (None, ()) if labels is None else code_labels(labels)
        if owner.shape != (n,):
            raise InputError(f"samples must be one per row ({n}), got shape {owner.shape}.")
        return cls(
            matrix=matrix,
            token_ids=np.full(n, -1, dtype=np.int64),
            tokens=("",) * n if tokens is None else tuple(str(token) for token in tokens),
            samples=owner,
            positions=_counted(owner),
            labels=coded,
            label_names=names,
            layer=layer,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, without the matrix."""
        return {
            "layer": self.layer,
            "units": self.n_units,
            "token_ids": self.token_ids.tolist(),
            "tokens": list(self.tokens),
            "samples": self.samples.tolist(),
            "positions": self.positions.tolist(),
            "labels": None if self.labels is None else self.labels.tolist(),
            "label_names": list(self.label_names),
        }

    def save(self, file: str | Path) -> None:
        """Write to an ``.npz`` file (format version 1, no pickle)."""
        distinct = {text: index for index, text in enumerate(dict.fromkeys(self.tokens))}
        text = {"layer": self.layer, "label_names": list(self.label_names), "tokens": list(distinct)}
        write_arrays(
            file,
            {
                "format": np.array(_FORMAT),
                "matrix": self.matrix,
                "token_ids": self.token_ids,
                "token_index": np.array([distinct[text] for text in self.tokens], dtype=np.int64),
                "samples": self.samples,
                "positions": self.positions,
                "labels": np.empty(0, dtype=np.int64) if self.labels is None else self.labels,
                "text": np.frombuffer(json.dumps(text).encode(), dtype=np.uint8),
            },
        )

    @classmethod
    def load(cls, file: str | Path) -> ActivationTable:
        """Read what `save` wrote.

        Raises
        ------
        FileFormatError
            When the file is none of ours, damaged, or of a newer format.
        """
        arrays = read_arrays(file, names=(*_ARRAYS, "token_index"))
        if arrays["format"].shape != () or int(arrays["format"]) != _FORMAT:
            raise FileFormatError(
                f"{file} has format {arrays['format']}; this version reads format {_FORMAT}."
            )
        try:
            text = json.loads(arrays["text"].tobytes().decode())
            tokens = [str(token) for token in text["tokens"]]
            table = cls(
                matrix=arrays["matrix"].astype(np.float32, casting="same_kind", copy=False),
                token_ids=_whole(arrays["token_ids"]),
                tokens=tuple(tokens[i] for i in _whole(arrays["token_index"]).tolist()),
                samples=_whole(arrays["samples"]),
                positions=_whole(arrays["positions"]),
                labels=_whole(arrays["labels"]) if len(arrays["labels"]) else None,
                label_names=tuple(str(name) for name in text["label_names"]),
                layer=str(text["layer"]),
            )
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise FileFormatError(f"{file} is no table of activations: {error}") from error
        return table


def code_labels(labels: Sequence[Any] | np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels as int64 codes with their names: texts by first appearance, integers as they are, None as -1.

    Raises
    ------
    InputError
        For texts and numbers mixed, fractions, and numbers below -1.
    """
    values = labels.tolist() if hasattr(labels, "tolist") else list(labels)
    known = [value for value in values if value is not None]
    if known and all(isinstance(value, str) for value in known):
        names = tuple(dict.fromkeys(known))
        code = {name: index for index, name in enumerate(names)}
        return np.array([-1 if v is None else code[v] for v in values], dtype=np.int64), names
    for value in known:
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < -1:
            raise InputError(f"labels must be texts, or integers from 0 (-1 for unknown), got {value!r}.")
    return np.array([-1 if v is None else v for v in values], dtype=np.int64), ()


def _from_file(path: Path) -> np.ndarray:
    if path.suffix != ".npy":
        raise InputError(f"activations of one's own must be in a .npy file, got {str(path)!r}.")
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise FileFormatError(f"{path} cannot be read as .npy without pickle: {error}.") from error


def _whole(value: np.ndarray) -> np.ndarray:
    return value.astype(np.int64, casting="same_kind", copy=False)


def _counted(samples: np.ndarray) -> np.ndarray:
    """How many rows of the same sample stand before each row."""
    order = np.argsort(samples, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(samples[order]) != 0])
    place = np.arange(len(samples)) - np.repeat(starts, np.diff(np.r_[starts, len(samples)]))
    counted = np.empty(len(samples), dtype=np.int64)
    counted[order] = place
    return counted
