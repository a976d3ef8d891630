"""What a path search returns: unit indices per layer and image, their scores, and how to keep them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hodology.errors import FileFormatError, InputError
from hodology.files import read_arrays, write_arrays
from hodology.path import PathSet

__all__ = ["PathResult", "position_ranges"]

_FORMAT = 1
_TENSORS = ("path", "score", "target", "predicted", "probability")


@dataclass(frozen=True, eq=False, repr=False)
class PathResult:
    """Paths of a batch of inputs: one unit (or the k best) per layer.

    Attributes
    ----------
    path : Tensor of int64, shape (batch, layers, k)
        Unit indices, best first.
    score : Tensor, shape (batch,)
        Joint attribution score of the path in the chosen form. For several positions (patches) it is the sum
        over them; divide by ``positions.shape[1]`` for the mean.
    sites : tuple of str
        Names of the layers (`hodology.nn.sites`).
    target, predicted : Tensor of int64, shape (batch,)
        The class that was explained, and the model's own choice.
    probability : Tensor, shape (batch,)
        Probability of the target in the undisturbed pass.
    positions : Tensor of int64, shape (batch, positions)
        Token positions that counted.
    method, form : str
        How the path was found and which score is meant.
    candidate_scores : tuple of Tensor, each (batch, units)
        Score of every unit when its layer was searched; empty for methods without.
    activations : tuple of Tensor, each (batch, positions, units)
        Clean activity at the layers; empty when not kept.
    changed : Tensor, shape (batch, layers), or None
        With ``exact``: whether re-scoring changed the choice.
    """

    path: Tensor
    score: Tensor
    sites: tuple[str, ...]
    target: Tensor
    predicted: Tensor
    probability: Tensor
    positions: Tensor
    method: str
    form: str
    candidate_scores: tuple[Tensor, ...] = field(default=())
    activations: tuple[Tensor, ...] = field(default=())
    changed: Tensor | None = None

    def __len__(self) -> int:
        return len(self.path)

    def __repr__(self) -> str:
        return (
            f"PathResult(method={self.method!r}, form={self.form!r}, path={tuple(self.path.shape)}, "
            f"score={tuple(self.score.shape)})"
        )

    @property
    def k(self) -> int:
        """Units per layer."""
        return self.path.shape[2]

    @classmethod
    def concatenate(cls, results: Sequence[PathResult]) -> PathResult:
        """Join the results of several batches of the same search.

        Raises
        ------
        InputError
            When there is none, or layers, method or k differ.
        """
        if not results:
            raise InputError("results must hold at least one PathResult, got none.")
        first = results[0]
        for other in results[1:]:
            if (other.sites, other.method, other.form, other.k) != (
                first.sites,
                first.method,
                first.form,
                first.k,
            ):
                raise InputError(f"results must come from one search, got {first!r} and {other!r}.")
        joined = {name: torch.cat([getattr(r, name) for r in results]) for name in _TENSORS}
        same_width = len({r.positions.shape[1] for r in results}) == 1
        keep = all(r.activations for r in results) and same_width
        return cls(
            **joined,
            sites=first.sites,
            method=first.method,
            form=first.form,
            positions=torch.cat([r.positions for r in results]) if same_width else results[0].positions[:0],
            candidate_scores=_join([r.candidate_scores for r in results]),
            activations=_join([r.activations for r in results]) if keep else (),
            changed=None
            if first.changed is None
            else torch.cat([r.changed for r in results if r.changed is not None]),
        )

    def to_path_set(self, ids: Sequence[str] | None = None) -> PathSet:
        """The paths as a `PathSet`, with method, target, prediction, probability and token positions as attributes."""
        names = [str(i) for i in range(len(self))] if ids is None else list(ids)
        return PathSet.from_units(
            self.path.cpu().numpy(),
            self.sites,
            self.score.double().cpu().numpy(),
            measure=f"joint attribution score ({self.form})",
            ids=names,
            attributes={
                "method": [self.method] * len(self),
                "target": self.target.tolist(),
                "predicted": self.predicted.tolist(),
                "probability": self.probability.double().tolist(),
                "positions": [f"{start}:{stop}" for start, stop in position_ranges(self.positions).tolist()],
            },
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, without candidate scores and activations."""
        out: dict[str, Any] = {name: getattr(self, name).tolist() for name in _TENSORS}
        return out | {"sites": list(self.sites), "method": self.method, "form": self.form}

    def save(self, file: str | FilePath) -> None:
        """Write to an ``.npz`` file (format version 1, no pickle)."""
        arrays = {name: getattr(self, name).cpu().numpy() for name in (*_TENSORS, "positions")}
        arrays |= {f"candidates.{i}": t.cpu().numpy() for i, t in enumerate(self.candidate_scores)}
        arrays |= {f"activations.{i}": t.cpu().numpy() for i, t in enumerate(self.activations)}
        if self.changed is not None:
            arrays["changed"] = self.changed.cpu().numpy()
        arrays["format"] = np.array(_FORMAT)
        arrays["names"] = np.array([self.method, self.form, *self.sites], dtype=np.str_)
        write_arrays(FilePath(file), arrays)

    @classmethod
    def load(cls, file: str | FilePath) -> PathResult:
        """Read what `save` wrote.

        Raises
        ------
        FileFormatError
            When the file is none of ours, damaged, or of a newer format.
        """
        arrays = read_arrays(FilePath(file))
        missing = [name for name in ("format", "names", "positions", *_TENSORS) if name not in arrays]
        if missing:
            raise FileFormatError(f"{file} is not a path result: it has no {missing[0]!r}.")
        if int(arrays["format"]) != _FORMAT:
            raise FileFormatError(
                f"{file} has format {int(arrays['format'])}; this version reads format {_FORMAT}."
            )
        method, form, *sites = (str(name) for name in arrays["names"])
        if arrays["path"].ndim != 3 or arrays["path"].shape[1] != len(sites):
            raise FileFormatError(f"{file} has path of shape {arrays['path'].shape} for {len(sites)} layers.")
        tensors = {name: torch.from_numpy(arrays[name]) for name in (*_TENSORS, "positions")}
        return cls(
            **tensors,
            sites=tuple(sites),
            method=method,
            form=form,
            candidate_scores=_numbered(arrays, "candidates"),
            activations=_numbered(arrays, "activations"),
            changed=torch.from_numpy(arrays["changed"]) if "changed" in arrays else None,
        )


def position_ranges(positions: Tensor) -> np.ndarray:
    """First position and the one behind the last of each row, int64 of shape ``(batch, 2)``; rows are ranges."""
    return torch.stack([positions[:, 0], positions[:, -1] + 1], dim=1).cpu().numpy()


def _join(parts: Sequence[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    return tuple(torch.cat(layer) for layer in zip(*parts, strict=True)) if all(parts) else ()


def _numbered(arrays: dict[str, np.ndarray], prefix: str) -> tuple[Tensor, ...]:
    count = sum(1 for key in arrays if key.startswith(prefix + "."))
    return tuple(torch.from_numpy(arrays[f"{prefix}.{i}"]) for i in range(count))
