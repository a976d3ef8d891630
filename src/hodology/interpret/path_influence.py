"""What each path of a transformer contributes to accuracy and loss.

Two questions that have different answers, and are never mixed in one table:

- ``"ensemble"``: the component is left out of the sum that the head reads, while every later path still receives
  it: y_{-p} = W norm(x_L - O_p) + b. One pass over the data, then calls of the head.
- ``"knockout"``: the component is also taken out of the inputs of all later paths, which are run again.

Changes are "without it" minus "with it": where d_loss is below zero, the path pulls the performance down. Each has
a paired bootstrap interval over the data. ``alone`` reads the component by the trained head; ``probe`` by a linear
classifier that was fitted to it on other data.

Reference: Chang et al., "Revisiting vision transformer from the view of path ensemble", ICCV 2023.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from hodology.errors import FileFormatError, InputError, UnknownNameError, near_names
from hodology.files import read_json, write_json
from hodology.interpret.labelled_batches import Data
from hodology.interpret.path_decomposition import PathDecomposition, decomposed_batches, labels_of
from hodology.interpret.path_knockout import knock_out
from hodology.interpret.path_probes import Probe, check_probe, component_features, probe_accuracies
from hodology.nn.forward import Inputs
from hodology.nn.residual import ResidualStream
from hodology.nn.taps import evaluation_mode
from hodology.optional import require
from hodology.rng import stream as random_stream
from hodology.stats import Interval

__all__ = ["InfluenceMode", "PathInfluence", "path_influence"]

InfluenceMode = Literal["ensemble", "knockout"]
_CELLS = 4_000_000  # resampled values held at a time


@dataclass(frozen=True, repr=False)
class PathInfluence:
    """A row per component.

    Attributes
    ----------
    mode : {"ensemble", "knockout"}
        What "without" means in this table.
    rows : tuple of dict
        ``path``, ``kind``, ``depth``; ``accuracy`` and ``loss`` without the component; ``d_accuracy``, ``d_loss``
        with ``_low`` and ``_high``; ``alone_accuracy``; ``probe_accuracy`` (None without probe).
    accuracy, loss : float
        Of the whole model.
    n : int
        Number of inputs.
    level : float
        Of the intervals.
    """

    mode: InfluenceMode
    rows: tuple[dict[str, Any], ...]
    accuracy: float
    loss: float
    n: int
    level: float

    def __repr__(self) -> str:
        return f"PathInfluence(mode={self.mode!r}, {len(self.rows)} paths, n={self.n})"

    def __getitem__(self, path: str) -> dict[str, Any]:
        """The row of one path."""
        names = [row["path"] for row in self.rows]
        if path not in names:
            raise UnknownNameError(f"path {path!r} is not in the table{near_names(path, names)}.")
        return self.rows[names.index(path)]

    def harmful(self) -> tuple[str, ...]:
        """Paths whose removal lowers the loss with the whole interval below zero."""
        return tuple(row["path"] for row in self.rows if row["d_loss_high"] < 0)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        names = ("mode", "accuracy", "loss", "n", "level")
        return {**{name: getattr(self, name) for name in names}, "rows": [dict(row) for row in self.rows]}

    def to_pandas(self) -> Any:
        """The rows as a DataFrame; `mode` is in its ``attrs``."""
        pandas = require("pandas", extra="hf", purpose="a table of path influence")
        table = pandas.DataFrame(list(self.rows))
        table.attrs["mode"] = self.mode
        return table

    def save(self, path: str | Path) -> None:
        """Write as JSON."""
        write_json(path, self.to_dict())

    @classmethod
    def load(cls, path: str | Path) -> PathInfluence:
        """Read what `save` wrote."""
        record = read_json(path)
        try:
            return cls(**{**record, "rows": tuple(record["rows"])})
        except (TypeError, KeyError) as error:
            raise FileFormatError(f"{path} is not a table of path influence: {error}.") from error


def path_influence(
    model: PathDecomposition | nn.Module | ResidualStream,
    data: Data | None = None,
    *,
    mode: InfluenceMode = "ensemble",
    probe_data: PathDecomposition | Data | None = None,
    probe: Probe = "logistic",
    level: float = 0.95,
    n_resamples: int = 2000,
    batch_size: int = 128,
    rng: int = 0,
) -> PathInfluence:
    """Measure every component on labelled data.

    Parameters
    ----------
    model : nn.Module, ResidualStream or PathDecomposition
        A labelled decomposition needs no `data` and no pass, for ``"ensemble"``.
    data : pair or loader, optional
        Inputs and labels (for a language model the next token), or an iterable of such batches.
    mode : {"ensemble", "knockout"}
        See the module's text.
    probe_data : pair, loader or PathDecomposition, optional
        Other data, on which a linear classifier is fitted to each component; it is tested on `data`.
    probe : {"logistic", "ridge"}
    level : float
        Confidence of the intervals.
    n_resamples : int
        Of the paired bootstrap; all components share the draws.
    batch_size : int
        Rows in one pass, for pairs.
    rng : int
        Seed of the draws.

    Returns
    -------
    PathInfluence

    Raises
    ------
    UnknownNameError
        For a mode or probe that does not exist.
    InputError
        For data without labels, labels that are no class, and models without a residual stream.

    Examples
    --------
    >>> import torch
    >>> from hodology.nn.models import VisionTransformer
    >>> model = VisionTransformer(image_size=8, patch_size=2, depth=2, width=16, heads=2, hidden=32).eval()
    >>> table = path_influence(model, (torch.rand(20, 1, 8, 8), torch.arange(20) % 10))
    >>> [row["path"] for row in table.rows]
    ['embedding', 'attention 1', 'ffn 1', 'attention 2', 'ffn 2']
    """
    _check(mode, probe, level, n_resamples, decomposed=isinstance(model, PathDecomposition))
    parts = [
        _measure(paths, inputs, mode, probed=probe_data is not None)
        for paths, inputs in decomposed_batches(model, data, batch_size=batch_size)
    ]
    full, cut, alone = (
        np.concatenate([getattr(p, n) for p in parts], axis=-1) for n in ("full", "cut", "alone")
    )
    intervals = _paired_bootstrap(cut - full, level=level, n_resamples=n_resamples, rng=rng)
    probed = _probed(parts, probe_data, probe, batch_size)
    rows = tuple(
        {
            "path": component.name,
            "kind": component.kind,
            "depth": component.depth,
            "accuracy": float(cut[0, p].mean()),
            "loss": float(cut[1, p].mean()),
            **_named_interval("d_accuracy", intervals[0][p]),
            **_named_interval("d_loss", intervals[1][p]),
            "alone_accuracy": float(alone[0, p].mean()),
            "probe_accuracy": probed[p],
        }
        for p, component in enumerate(parts[0].stream.components)
    )
    return PathInfluence(mode, rows, float(full[0].mean()), float(full[1].mean()), full.shape[2], level)


@dataclass(frozen=True, eq=False)
class _Measured:
    """Hits and losses of a batch: ``(2, 1, n)`` for the whole model, ``(2, P, n)`` otherwise."""

    stream: ResidualStream
    full: np.ndarray
    cut: np.ndarray
    alone: np.ndarray
    labels: np.ndarray
    features: np.ndarray | None


def _measure(
    paths: PathDecomposition, inputs: Inputs | None, mode: InfluenceMode, *, probed: bool
) -> _Measured:
    labels, values, stream = labels_of(paths), paths.values, paths.stream
    total = values.sum(dim=0)

    def outcomes(logits: Tensor, rows: Tensor) -> Tensor:
        return _outcomes(logits, labels[rows])

    rows = torch.arange(len(labels), device=labels.device)
    with evaluation_mode(stream.model), torch.no_grad():
        # A component at a time: the logits of all of them over a vocabulary would be large.
        alone = torch.stack([outcomes(stream.head(value), rows) for value in values])
        if mode == "ensemble":
            cut = torch.stack([outcomes(stream.head(total - value), rows) for value in values])
        elif inputs is not None:
            cut = knock_out(stream, inputs, summary=outcomes)
    full = outcomes(paths.logits, rows)[None]
    arrays = {
        name: kept.permute(2, 0, 1).cpu().numpy()
        for name, kept in (("full", full), ("cut", cut), ("alone", alone))
    }
    features = component_features(paths) if probed else None
    return _Measured(stream, labels=labels.cpu().numpy(), features=features, **arrays)


def _probed(
    parts: list[_Measured], data: PathDecomposition | Data | None, probe: Probe, batch_size: int
) -> Sequence[float | None]:
    """Accuracy of each component's probe on the measured batches."""
    stream = parts[0].stream
    if data is None:
        return [None] * len(stream)
    if isinstance(data, PathDecomposition):
        others = [data]
    else:
        others = [paths for paths, _ in decomposed_batches(stream, data, batch_size=batch_size)]
    x = np.concatenate([component_features(paths) for paths in others], axis=1)
    y = np.concatenate([labels_of(paths).cpu().numpy() for paths in others])
    tested = np.concatenate([part.features for part in parts if part.features is not None], axis=1)
    return probe_accuracies(x, y, tested, np.concatenate([part.labels for part in parts]), probe)


def _check(mode: str, probe: str, level: float, n_resamples: int, *, decomposed: bool) -> None:
    if mode not in get_args(InfluenceMode):
        raise UnknownNameError(f"mode {mode!r} does not exist{near_names(mode, get_args(InfluenceMode))}.")
    if mode == "knockout" and decomposed:
        raise InputError(
            "mode 'knockout' runs the model again: pass the model and data, not a decomposition."
        )
    if not 0 < level < 1:
        raise InputError(f"level must lie between 0 and 1, got {level}.")
    if n_resamples < 1:
        raise InputError(f"n_resamples must be at least 1, got {n_resamples}.")
    check_probe(probe)


def _outcomes(logits: Tensor, labels: Tensor) -> Tensor:
    """Hit and loss of each row, float64 ``(n, 2)``."""
    hits = (logits.argmax(dim=1) == labels).double()
    losses = -logits.double().log_softmax(dim=1).gather(1, labels[:, None])[:, 0]
    return torch.stack([hits, losses], dim=1)


def _paired_bootstrap(
    differences: np.ndarray, *, level: float, n_resamples: int, rng: int
) -> list[list[Interval]]:
    """Intervals of the means of ``(2, P, n)``; as `hodology.stats.paired_bootstrap`, all with the same draws."""
    n = differences.shape[2]
    flat = differences.reshape(-1, n)
    generator = random_stream(rng, "bootstrap")
    per_chunk = max(1, _CELLS // n)
    draws = []
    for done in range(0, n_resamples, per_chunk):
        picked = generator.integers(0, n, (min(per_chunk, n_resamples - done), n))
        cells = picked + n * np.arange(len(picked))[:, None]
        counts = np.bincount(cells.ravel(), minlength=picked.size).reshape(picked.shape)
        draws.append(counts.astype(float) @ flat.T / n)
    low, high = np.quantile(np.concatenate(draws), [(1 - level) / 2, (1 + level) / 2], axis=0)
    estimates = flat.mean(axis=1)
    intervals = [
        Interval(float(e), float(a), float(b), level, n, "percentile")
        for e, a, b in zip(estimates, low, high, strict=True)
    ]
    return [intervals[: len(flat) // 2], intervals[len(flat) // 2 :]]


def _named_interval(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.estimate, f"{name}_low": interval.low, f"{name}_high": interval.high}
