"""Trace a whole data set: shards of it are units of work, results stream to disk, memory stays bounded.

Each shard is a slice of the data set with its own result file, named by the hash of everything that it depends
on (model, data, settings, slice). A killed run goes on from the shards that are there, and any engine gives the
same bytes when it uses the same number of threads.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch

from hodology import __version__
from hodology.data import Dataset, Item, open_dataset
from hodology.errors import FileFormatError, InputError, UnknownNameError, near_names
from hodology.files import arrays_from_bytes, arrays_to_bytes, read_json, write_json
from hodology.interpret.neuron_path import NeuronPath
from hodology.interpret.path_baselines import BaselineName
from hodology.interpret.path_evaluation import PathEffects, evaluate_paths
from hodology.interpret.path_result import PathResult, position_ranges
from hodology.nn.attribution import CleanRun
from hodology.nn.forward import to_device
from hodology.nn.load import LoadedModel, load_model
from hodology.rng import derive_seed
from hodology.work import Engine, SerialEngine, Unit, UnitStore, make_unit, run_units

__all__ = [
    "METHODS",
    "Shard",
    "TraceRun",
    "TraceSettings",
    "dataset_of",
    "map_labels",
    "model_of",
    "trace",
    "trace_shard",
]

METHODS = ("neuron-path", *get_args(BaselineName))
_FUNCTION = "hodology.interpret.trace:trace_shard"


@dataclass(frozen=True)
class TraceSettings:
    """What to trace and how; the defaults are the paper's.

    Attributes
    ----------
    model, data : str
        See `hodology.nn.load.load_model` and `hodology.data.open_dataset`.
    methods : tuple of str
        The first one is traced; the others are compared with it.
    target : str
        ``"predicted"``, ``"label"`` or a class id.
    layers : tuple of str, optional
        Site names, or None for all feed-forward blocks.
    batch : int
        Inputs per pass; it bounds memory.
    limit : int, optional
        Only the first inputs of the data set.
    shard : int
        Inputs per unit of work.
    threads : int, optional
        Threads within a unit; part of the settings because rounding may depend on it.
    """

    model: str = "digits-vit"
    data: str = "digits"
    methods: tuple[str, ...] = METHODS
    steps: int = 20
    rule: str = "left"
    form: str = "product"
    top_k: int = 1
    target: str = "predicted"
    layers: tuple[str, ...] | None = None
    units: str = "ffn"
    token: str = "auto"
    batch: int = 32
    device: str = "cpu"
    seed: int = 0
    limit: int | None = None
    shard: int = 96
    split: str | None = None
    image_column: str | None = None
    text_column: str | None = None
    label_column: str | None = None
    factors: tuple[float, ...] = field(default=(0.0, 2.0))

    def __post_init__(self) -> None:
        for name in ("batch", "shard", "top_k", "steps"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if self.limit is not None and self.limit < 1:
            raise InputError(f"limit must be at least 1, got {self.limit}.")
        if not self.methods or len(set(self.methods)) < len(self.methods):
            raise InputError(f"methods must name each method once, at least one, got {self.methods}.")
        for method in self.methods:
            if method not in METHODS:
                raise UnknownNameError(f"method {method!r} does not exist{near_names(method, METHODS)}.")
        if self.target not in ("predicted", "label") and not self.target.isdigit():
            raise InputError(f"target must be predicted, label or a class id, got {self.target!r}.")


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


@dataclass(frozen=True, eq=False)
class TraceRun:
    """A finished trace on disk.

    Attributes
    ----------
    folder : Path
    settings : TraceSettings
    manifest : mapping
        Sites, widths, fingerprints, class names, versions.
    units : tuple of Unit
        Shards in the order of the data set.
    ran : int
        How many shards this call computed (the others were there).
    """

    folder: Path
    settings: TraceSettings
    manifest: Mapping[str, Any]
    units: tuple[Unit, ...]
    ran: int

    def shards(self) -> Any:
        """Yield the shards one by one."""
        store = UnitStore(self.folder / "units")
        return (Shard.unpack(store.load(unit.key)) for unit in self.units)


def trace(
    settings: TraceSettings,
    folder: str | Path,
    *,
    engine: Engine | None = None,
    resume: bool = True,
    on_start: Callable[[int], None] | None = None,
    on_shard: Callable[[int], None] | None = None,
) -> TraceRun:
    """Trace every input of a data set into `folder`.

    Parameters
    ----------
    settings : TraceSettings
    folder : path
        Gets ``manifest.json`` and ``units/``; `hodology.interpret.trace_output` writes the readable files.
    engine : Engine, optional
        Default: serial.
    resume : bool
        Go on from shards that are there; False refuses a folder that holds any.
    on_start, on_shard : callable, optional
        Progress: called with the number of inputs in all, and with those of each finished shard.

    Raises
    ------
    InputError
        When the folder holds a run with other settings, model or data, and for what model and data refuse.
    """
    folder = Path(folder)
    _forget()
    dataset = dataset_of(settings)
    manifest = _manifest(settings, dataset)
    _claim_folder(folder, manifest, resume=resume)
    count = manifest["inputs"]
    units = tuple(
        make_unit(
            _FUNCTION,
            {"settings": _payload(settings), "start": start, "stop": min(start + settings.shard, count)}
            | {"fingerprints": manifest["fingerprints"]},
        )
        for start in range(0, count, settings.shard)
    )
    sizes = {unit.key: unit.payload["stop"] - unit.payload["start"] for unit in units}
    if on_start is not None:
        on_start(count)
    ran = run_units(
        _FUNCTION,
        units,
        UnitStore(folder / "units"),
        engine=engine or SerialEngine(),
        on_done=None if on_shard is None else lambda key: on_shard(sizes[key]),
    )
    return TraceRun(folder, settings, manifest, units, ran)


def trace_shard(payload: Mapping[str, Any]) -> bytes:
    """Trace one slice; runs in any process that sees the model and the data. Returns packed arrays."""
    raw = dict(payload["settings"])
    fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items()}
    settings = TraceSettings(**fields)
    if _fingerprints(settings) != payload["fingerprints"]:
        _forget()  # a worker that lives long may hold what was there before
    for name, found in _fingerprints(settings).items():
        if found != payload["fingerprints"][name]:
            raise InputError(
                f"the {name} {getattr(settings, name)!r} is not the one that the run began with: it changed, or a "
                "factory gives other weights at each call (set its seed)."
            )
    dataset, loaded, tracer = dataset_of(settings), model_of(settings), _tracer(settings)
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


def dataset_of(settings: TraceSettings) -> Dataset:
    """The data set of a run; opened once per process and run."""
    return _dataset(
        settings.data, settings.split, settings.image_column, settings.text_column, settings.label_column
    )


def model_of(settings: TraceSettings) -> LoadedModel:
    """The model of a run; loaded once per process and run."""
    return _model(settings.model, settings.device)


@lru_cache(maxsize=2)
def _dataset(data: str, split: str | None, image: str | None, text: str | None, label: str | None) -> Dataset:
    return open_dataset(data, split=split, image_column=image, text_column=text, label_column=label)


@lru_cache(maxsize=2)
def _model(model: str, device: str) -> LoadedModel:
    return load_model(model, device=device)


@lru_cache(maxsize=2)
def _tracer(settings: TraceSettings) -> NeuronPath:
    model = model_of(settings).model
    token: Any = int(settings.token) if settings.token.lstrip("-").isdigit() else settings.token
    layers = None if settings.layers is None else [_layer(model, text) for text in settings.layers]
    kind: Any = {"units": settings.units, "rule": settings.rule, "form": settings.form}
    return NeuronPath(model, layers, token=token, steps=settings.steps, **kind)


def _layer(model: torch.nn.Module, text: str) -> int | str:
    """An index, unless a module has that very name, as those of a plain Sequential do."""
    named = text in dict(model.named_modules())
    return int(text) if text.lstrip("-").isdigit() and not named else text


def _forget() -> None:
    """Look at model and data anew: they may have changed since this process last did."""
    for cached in (_dataset, _model, _tracer):
        cached.cache_clear()


def _fingerprints(settings: TraceSettings) -> dict[str, str]:
    return {"model": model_of(settings).fingerprint, "data": dataset_of(settings).fingerprint}


def _manifest(settings: TraceSettings, dataset: Dataset) -> dict[str, Any]:
    loaded, tracer = model_of(settings), _tracer(replace(settings, limit=None))
    if dataset.kind == "text" and loaded.kind == "image" or dataset.kind == "image" and loaded.kind == "text":
        raise InputError(f"the model takes {loaded.kind}s, the data are {dataset.kind}s.")
    return {
        "format": 1,
        "version": __version__,
        "torch": torch.__version__,
        "settings": asdict(settings),
        "fingerprints": _fingerprints(settings),
        "model": {"name": loaded.name, "parameters": loaded.parameters, "kind": loaded.kind},
        "data": {"name": dataset.name, "kind": dataset.kind, "size": len(dataset)},
        "inputs": min(len(dataset), settings.limit or len(dataset)),
        "sites": [{"name": site.name, "width": site.width} for site in tracer.sites],
        "labelled": map_labels(dataset.class_names, loaded) is not None,
    }


def _claim_folder(folder: Path, manifest: Mapping[str, Any], *, resume: bool) -> None:
    file = folder / "manifest.json"
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; --out must be a folder.")
    if not file.exists() and folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty and holds no trace; choose another --out.")
    if any((folder / "units").glob("*.unit")):  # a run that got nowhere binds nobody
        if not resume:
            raise InputError(f"{folder} holds a run already; choose another --out or leave --no-resume away.")
        try:
            other = _comparable(read_json(file))
        except FileFormatError:  # shards are named by their content, so that they can be told without it
            other = _comparable(manifest)
        differing = _differing(other, _comparable(manifest))
        if differing:
            raise InputError(f"{folder} holds a run with other {differing}; choose another --out.")
    folder.mkdir(parents=True, exist_ok=True)
    write_json(file, manifest)


def _comparable(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What two runs in one folder must share; with another limit the shards of the shorter one are reused."""
    settings = {key: v for key, v in manifest.get("settings", {}).items() if key != "limit"}
    prints = {f"{key}'s content": v[:8] for key, v in manifest.get("fingerprints", {}).items()}
    return json.loads(json.dumps({"version": manifest.get("version"), **settings, **prints}))


def _differing(other: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    return ", ".join(f"{k} ({other.get(k)}, now {v})" for k, v in wanted.items() if other.get(k) != v)


def _payload(settings: TraceSettings) -> dict[str, Any]:
    """Settings that decide a shard's content; names of places may differ between machines, hashes may not."""
    return asdict(replace(settings, limit=None))


def _label(label: int | None, mapping: dict[int, int] | None) -> int:
    if label is None or mapping is None:
        return -1
    return mapping.get(label, label if not mapping else -1)


def _plain_name(name: str) -> str:
    return name.split(",")[0].strip().lower().replace("_", " ")
