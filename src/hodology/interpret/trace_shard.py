"""One shard of a trace: a slice of the data set through the model, every method's paths, and what edits do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from hodology.data import Item
from hodology.errors import InputError
from hodology.files import arrays_from_bytes, arrays_to_bytes
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

__all__ = ["Shard", "map_labels", "trace_shard"]


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


def map_labels(class_names: Sequence[str] | None, loaded: LoadedModel) -> dict[int, int] | None:
    """Map a data set's label indices to the model's classes.

    By name where both have names (case and underscores aside), for a language model by the single token that a
    name is; without names on the data's side (then the mapping is empty) an index is taken as the model's class.
    Names that the model lacks, or has twice, are left out: such labels are unknown. None when no name fits.
    """
    if class_names is None:
        return {}
    if loaded.encode is not None:
        tokens = {i: loaded.encode(name) for i, name in enumerate(class_names)}
        return {i: token for i, token in tokens.items() if token is not None} or None
    if loaded.class_names is None:
        return {i: i for i in range(len(class_names))}
    plain = [_plain_name(name) for name in loaded.class_names]
    known = {name: i for i, name in enumerate(plain) if plain.count(name) == 1}
    found = {i: known[_plain_name(name)] for i, name in enumerate(class_names) if _plain_name(name) in known}
    if found:
        return found
    placeholders = all(name.startswith("LABEL_") for name in loaded.class_names)
    if placeholders and len(class_names) == len(loaded.class_names):
        return {i: i for i in range(len(class_names))}
    return None


def _trace_batch(
    settings: TraceSettings,
    loaded: LoadedModel,
    tracer: NeuronPath,
    items: list[Item],
    mapping: dict[int, int] | None,
    begin: int,
) -> Shard:
    inputs = to_device(loaded.prepare([item.content for item in items]), settings.device)
    labels = np.array([_label(item.label, mapping) for item in items], dtype=np.int64)
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


def _label(label: int | None, mapping: dict[int, int] | None) -> int:
    if label is None or mapping is None:
        return -1
    return mapping.get(label, label if not mapping else -1)


def _plain_name(name: str) -> str:
    return name.split(",")[0].strip().lower().replace("_", " ")
