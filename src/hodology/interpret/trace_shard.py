"""One shard of a trace: a slice of the data set through the model, every method's paths, and what edits do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from hodology.data import Item
from hodology.errors import InputError
from hodology.files import arrays_from_bytes, arrays_to_bytes
from hodology.interpret.class_labels import known_label, map_labels
from hodology.interpret.neuron_path import NeuronPath
from hodology.interpret.path_evaluation import PathEffects, evaluate_paths
from hodology.interpret.path_result import PathResult, position_ranges
from hodology.interpret.trace_settings import (
    TraceSettings,
    dataset_of,
    fingerprints_of,
    forget,
    model_of,
    tracer_of,
)
from hodology.nn.clean_run import CleanRun
from hodology.nn.forward import to_device
from hodology.nn.load import LoadedModel
from hodology.rng import derive_seed

__all__ = ["Shard", "trace_shard"]


@dataclass(frozen=True, eq=False)
class Shard:
    """Result of one slice: what `trace_shard` packs.

    Attributes
    ----------
    ids : tuple of str
    labels, predicted : int ndarray, shape (inputs,)
        Labels are -1 where unknown.
    probability : float ndarray, shape (inputs,)
    paths : int ndarray, shape (methods, inputs, layers, k)
    positions : int ndarray, shape (inputs, 2)
        First token position that counted, and the one behind the last.
    effects : PathEffects
    """

    ids: tuple[str, ...]
    labels: np.ndarray
    predicted: np.ndarray
    probability: np.ndarray
    paths: np.ndarray
    positions: np.ndarray
    effects: PathEffects

    @classmethod
    def unpack(cls, data: bytes) -> Shard:
        """Read what `trace_shard` returned."""
        arrays = arrays_from_bytes(data, source="shard")
        effects = PathEffects(
            tuple(arrays["methods"].tolist()),
            tuple(arrays["factors"].tolist()),
            *(arrays[n] for n in ("scores", "clean", "edited", "correct", "edited_correct", "targets")),
        )
        names = ("labels", "predicted", "probability", "paths", "positions")
        return cls(
            ids=tuple(arrays["ids"].tolist()), effects=effects, **{name: arrays[name] for name in names}
        )


def trace_shard(payload: Mapping[str, Any]) -> bytes:
    """Trace one slice; runs in any process that sees the model and the data. Returns packed arrays."""
    raw = dict(payload["settings"])
    fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items()}
    settings = TraceSettings(**fields)
    if fingerprints_of(settings) != payload["fingerprints"]:
        forget()  # a worker that lives long may hold what was there before
    for name, found in fingerprints_of(settings).items():
        if found != payload["fingerprints"][name]:
            raise InputError(
                f"the {name} {getattr(settings, name)!r} is not the one that the run began with: it changed, or a "
                "factory gives other weights at each call (set its seed)."
            )
    dataset, loaded, tracer = dataset_of(settings), model_of(settings), tracer_of(settings)
    labels = map_labels(dataset.class_names, loaded)
    parts = []
    start, stop = payload["start"], payload["stop"]
    for begin in range(start, stop, settings.batch):
        items = dataset.items(begin, min(begin + settings.batch, stop))
        parts.append(_trace_batch(settings, loaded, tracer, items, labels, begin))
    effects = PathEffects.concatenate([p.effects for p in parts])
    names = ("scores", "clean", "edited", "correct", "edited_correct", "targets")
    return arrays_to_bytes(
        {
            "ids": np.array([i for p in parts for i in p.ids], dtype=np.str_),
            "labels": np.concatenate([p.labels for p in parts]),
            "predicted": np.concatenate([p.predicted for p in parts]),
            "probability": np.concatenate([p.probability for p in parts]),
            "paths": np.concatenate([p.paths for p in parts], axis=1).astype(np.int32),
            "positions": np.concatenate([p.positions for p in parts]),
            "methods": np.array(effects.methods, dtype=np.str_),
            "factors": np.array(effects.factors),
            **{name: getattr(effects, name) for name in names},
        }
    )


def _trace_batch(
    settings: TraceSettings,
    loaded: LoadedModel,
    tracer: NeuronPath,
    items: list[Item],
    mapping: dict[int, int] | None,
    begin: int,
) -> Shard:
    inputs = to_device(loaded.prepare([item.content for item in items]), settings.device)
    labels = np.array([known_label(item.label, mapping) for item in items], dtype=np.int64)
    run = tracer.run(inputs)
    labels[labels >= run.scores.shape[1]] = -1  # no class of this model
    if settings.target == "label":
        if (labels < 0).any():
            raise InputError(
                f"target=label needs a label of the model's classes for every input; {items[int((labels < 0).argmax())].id!r} "
                "has none (use --target predicted)."
            )
        run = run.with_targets(torch.from_numpy(labels))
    elif settings.target.isdigit():
        run = run.with_targets(torch.full((len(items),), int(settings.target)))
    results = {method: _paths(tracer, method, run, settings, begin) for method in settings.methods}
    effects = evaluate_paths(
        loaded.model,
        run.inputs,
        results,
        targets=run.targets,
        labels=torch.from_numpy(labels),
        factors=settings.factors,
    )
    return Shard(
        tuple(item.id for item in items),
        labels,
        run.scores.argmax(dim=1).cpu().numpy(),
        run.probability.double().cpu().numpy(),
        np.stack([result.path.cpu().numpy() for result in results.values()]),
        position_ranges(next(iter(results.values())).positions),
        effects,
    )


def _paths(tracer: NeuronPath, method: str, run: CleanRun, settings: TraceSettings, begin: int) -> PathResult:
    if method == "neuron-path":
        return tracer.find(run, top_k=settings.top_k)
    # A stream per input: the draw does not depend on how the data set is cut into shards and batches.
    seeds = [derive_seed(settings.seed, "input", begin + row) for row in range(len(run))]
    return tracer.baseline(method, run, top_k=settings.top_k, rng=seeds)  # type: ignore[arg-type]
