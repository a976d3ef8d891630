"""What happens to a model's decision when paths are removed or enhanced.

The probability deviation of a group of images is ``mean(p_edited) / mean(p_clean) - 1`` for the target class.
(The mean of per-image ratios is unbounded for images that the model gets wrong, where p_clean is near zero; the
ratio of means is not.) The accuracy deviation is ``accuracy(edited) - accuracy(clean)``; it counts hits of the
label where one is given, else of the target (which is then the share of decisions that stay).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.interpret.ablation import ablate
from hodology.interpret.path_result import PathResult
from hodology.nn.clean_run import check_targets, output_value
from hodology.nn.forward import Inputs, batch_size, call_model, check_inputs, usable_model
from hodology.nn.taps import evaluation_mode
from hodology.stats import Interval, bootstrap_interval

__all__ = ["PathEffects", "evaluate_paths"]


@dataclass(frozen=True, eq=False, repr=False)
class PathEffects:
    """Removal and enhancement of several methods' paths over the same images.

    Attributes
    ----------
    methods : tuple of str
    factors : tuple of float
        What path units were multiplied by (0: removal, 2: enhancement).
    scores : float ndarray, shape (methods, images)
        Joint attribution score of each path.
    clean, edited : float ndarray, shapes (images,) and (methods, factors, images)
        Probability of the target class.
    correct, edited_correct : bool ndarray, same shapes
        Whether the model's choice is the label, or the target where the label is unknown.
    targets : int ndarray, shape (images,)
    """

    methods: tuple[str, ...]
    factors: tuple[float, ...]
    scores: np.ndarray
    clean: np.ndarray
    edited: np.ndarray
    correct: np.ndarray
    edited_correct: np.ndarray
    targets: np.ndarray

    def __repr__(self) -> str:
        return f"PathEffects(methods={self.methods}, factors={self.factors}, images={len(self.clean)})"

    @classmethod
    def concatenate(cls, parts: Sequence[PathEffects]) -> PathEffects:
        """Join the effects of several batches."""
        if not parts or any((p.methods, p.factors) != (parts[0].methods, parts[0].factors) for p in parts):
            raise InputError("parts must be effects of the same methods and factors, at least one.")

        def join(name: str) -> np.ndarray:
            return np.concatenate([getattr(p, name) for p in parts], axis=-1)

        names = ("scores", "clean", "edited", "correct", "edited_correct", "targets")
        return cls(parts[0].methods, parts[0].factors, **{name: join(name) for name in names})

    def probability_deviation(self, method: str, factor: float, *, rows: np.ndarray | None = None) -> float:
        """``mean(p_edited) / mean(p_clean) - 1`` over images (or `rows` of them)."""
        pick = slice(None) if rows is None else rows
        m, f = self._place(method, factor)
        return float(self.edited[m, f][pick].mean() / self.clean[pick].mean() - 1.0)

    def accuracy_deviation(self, method: str, factor: float) -> float:
        """``accuracy(edited) - accuracy(clean)``, a share of images."""
        m, f = self._place(method, factor)
        return float(self.edited_correct[m, f].mean() - self.correct.mean())

    def _place(self, method: str, factor: float) -> tuple[int, int]:
        if method not in self.methods:
            raise UnknownNameError(f"method {method!r} was not evaluated{near_names(method, self.methods)}.")
        if factor not in self.factors:
            raise InputError(f"factor must be one of {self.factors}, got {factor}.")
        return self.methods.index(method), self.factors.index(factor)

    def by_class(self, method: str, factor: float) -> dict[int, float]:
        """Probability deviation of each target class, for box plots."""
        return {
            int(c): self.probability_deviation(method, factor, rows=self.targets == c)
            for c in np.unique(self.targets)
        }

    def table(self, *, level: float = 0.95, n_resamples: int = 2000, rng: int = 0) -> list[dict[str, Any]]:
        """A row per method with bootstrap intervals over images.

        Returns
        -------
        list of dict
            Keys ``method``, ``jas`` and, for each factor, ``probability_x{factor}`` and
            ``accuracy_x{factor}``; values are `hodology.stats.Interval`.
        """
        rows = []
        for m, method in enumerate(self.methods):
            row: dict[str, Any] = {"method": method}
            row["jas"] = bootstrap_interval(self.scores[m], level=level, n_resamples=n_resamples, rng=rng)
            for f, factor in enumerate(self.factors):
                pairs = np.stack([self.edited[m, f], self.clean], axis=1)
                row[f"probability_x{factor:g}"] = _interval(pairs, _ratio, level, n_resamples, rng)
                hits = np.stack([self.edited_correct[m, f], self.correct], axis=1).astype(float)
                row[f"accuracy_x{factor:g}"] = _interval(hits, _difference, level, n_resamples, rng)
            rows.append(row)
        return rows


def evaluate_paths(
    model: nn.Module,
    inputs: Inputs,
    paths: Mapping[str, PathResult] | PathResult,
    *,
    targets: Tensor | Sequence[int] | int | None = None,
    labels: Tensor | Sequence[int] | None = None,
    factors: Sequence[float] = (0.0, 2.0),
) -> PathEffects:
    """Run the model with each method's paths removed and enhanced, all else free.

    Parameters
    ----------
    model : nn.Module
    inputs : Tensor or mapping of Tensors
        The batch that the paths belong to, in order.
    paths : mapping of str to PathResult, or PathResult
        Method name to its paths of these rows; a single result goes by its own method.
    targets : int64, shape (batch,), or int, optional
        Class whose probability counts; None takes the paths' own targets.
    labels : int64, shape (batch,), optional
        True classes, which accuracy is measured against; -1 where unknown, which counts the target instead.
    factors : sequence of float

    Raises
    ------
    InputError
        When there is no method, or a result has another number of rows.
    """
    model, inputs = usable_model(model), check_inputs(model, inputs)
    paths = {paths.method: paths} if isinstance(paths, PathResult) else paths
    rows = batch_size(inputs)
    if not paths or any(len(result) != rows for result in paths.values()):
        got = {name: len(result) for name, result in paths.items()}
        raise InputError(
            f"paths must have one path per row of inputs ({rows}) for at least one method, got {got}."
        )
    first = next(iter(paths.values()))
    with evaluation_mode(model), torch.no_grad():
        scores = call_model(model, inputs)
        goal = first.target if targets is None else check_targets(torch.as_tensor(targets), scores)
        truth = goal if labels is None else torch.as_tensor(labels, device=goal.device)
        if truth.shape != goal.shape:
            raise InputError(
                f"labels must be one per row of inputs ({rows}), got shape {tuple(truth.shape)}."
            )
        truth = torch.where(truth < 0, goal, truth)
        edited = []
        for result in paths.values():
            for factor in factors:
                with ablate(model, result, factor=factor):
                    edited.append(call_model(model, inputs))
    shape = (len(paths), len(factors), rows)
    return PathEffects(
        methods=tuple(paths),
        factors=tuple(float(f) for f in factors),
        scores=np.stack([r.score.double().cpu().numpy() for r in paths.values()]),
        clean=output_value(scores, goal).double().cpu().numpy(),
        edited=torch.stack([output_value(s, goal) for s in edited]).double().cpu().numpy().reshape(shape),
        correct=(scores.argmax(dim=1) == truth).cpu().numpy(),
        edited_correct=torch.stack([s.argmax(dim=1) == truth for s in edited]).cpu().numpy().reshape(shape),
        targets=goal.cpu().numpy(),
    )


def _interval(values: np.ndarray, statistic: Any, level: float, n_resamples: int, rng: int) -> Interval:
    return bootstrap_interval(values, statistic=statistic, level=level, n_resamples=n_resamples, rng=rng)


def _ratio(pairs: np.ndarray) -> np.ndarray:
    means = pairs.mean(axis=-2)
    return means[..., 0] / means[..., 1] - 1.0


def _difference(pairs: np.ndarray) -> np.ndarray:
    means = pairs.mean(axis=-2)
    return means[..., 0] - means[..., 1]
