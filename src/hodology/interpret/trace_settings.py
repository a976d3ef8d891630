"""What to trace and how: the settings, and the data set, the model and the tracer that they name."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, get_args

import torch

from hodology.data import Dataset, open_dataset
from hodology.errors import InputError, UnknownNameError, near_names
from hodology.interpret.neuron_path import NeuronPath
from hodology.interpret.path_baselines import BaselineName
from hodology.nn.load import LoadedModel, load_model

__all__ = ["METHODS", "TraceSettings", "dataset_of", "fingerprints_of", "forget", "model_of", "tracer_of"]

METHODS = ("neuron-path", *get_args(BaselineName))


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
    factors : tuple of float
        What path units are multiplied by to see what a path does.
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
def tracer_of(settings: TraceSettings) -> NeuronPath:
    """The search of a run on its model; made once per process and run."""
    model = model_of(settings).model
    token: Any = int(settings.token) if settings.token.lstrip("-").isdigit() else settings.token
    layers = None if settings.layers is None else [_layer(model, text) for text in settings.layers]
    kind: Any = {"units": settings.units, "rule": settings.rule, "form": settings.form}
    return NeuronPath(model, layers, token=token, steps=settings.steps, **kind)


def _layer(model: torch.nn.Module, text: str) -> int | str:
    """An index, unless a module has that very name, as those of a plain Sequential do."""
    named = text in dict(model.named_modules())
    return int(text) if text.lstrip("-").isdigit() and not named else text


def forget() -> None:
    """Look at model and data anew: they may have changed since this process last did."""
    for cached in (_dataset, _model, tracer_of):
        cached.cache_clear()


def fingerprints_of(settings: TraceSettings) -> dict[str, str]:
    """Hashes of the content of model and data, by name."""
    return {"model": model_of(settings).fingerprint, "data": dataset_of(settings).fingerprint}
