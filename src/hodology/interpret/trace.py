"""Trace a whole data set: shards of it are units of work, results stream to disk, memory stays bounded.

Each shard is a slice of the data set with its own result file, named by the hash of everything that it depends
on (model, data, settings, slice). A killed run goes on from the shards that are there, and any engine gives the
same bytes when it uses the same number of threads.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from hodology import __version__
from hodology.data import Dataset
from hodology.errors import FileFormatError, InputError
from hodology.files import read_json, write_json
from hodology.interpret.class_labels import map_labels
from hodology.interpret.trace_settings import (
    TraceSettings,
    dataset_of,
    fingerprints_of,
    forget,
    model_of,
    tracer_of,
)
from hodology.interpret.trace_shard import Shard
from hodology.work import Engine, SerialEngine, Unit, UnitStore, make_unit, run_units

__all__ = ["TraceRun", "TraceSettings", "trace"]

_FUNCTION = "hodology.interpret.trace_shard:trace_shard"


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
    forget()
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


def _manifest(settings: TraceSettings, dataset: Dataset) -> dict[str, Any]:
    loaded, tracer = model_of(settings), tracer_of(replace(settings, limit=None))
    if dataset.kind == "text" and loaded.kind == "image" or dataset.kind == "image" and loaded.kind == "text":
        raise InputError(f"the model takes {loaded.kind}s, the data are {dataset.kind}s.")
    return {
        "format": 1,
        "version": __version__,
        "torch": torch.__version__,
        "settings": asdict(settings),
        "fingerprints": fingerprints_of(settings),
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
