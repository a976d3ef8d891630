"""The causal graph of a class over a user's model and data, its check on other images, and readable files of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from hodology import __version__
from hodology.data import Dataset, open_dataset
from hodology.errors import InputError
from hodology.interpret.causal_evaluation import GraphEvaluation, evaluate_graph
from hodology.interpret.causal_graph import causal_graph
from hodology.interpret.causal_result import CausalGraph
from hodology.interpret.class_labels import find_class
from hodology.interpret.class_sample import ClassSample, draw_class
from hodology.nn.forward import call_model
from hodology.nn.load import LoadedModel, load_model
from hodology.nn.taps import evaluation_mode
from hodology.work import UnitStore, claim_folder

__all__ = ["CausalRun", "CausalSettings", "run_causal"]


@dataclass(frozen=True)
class CausalSettings:
    """What to explain and how; see `hodology.interpret.causal_graph` for the options of the same name.

    Attributes
    ----------
    model, data : str
        See `hodology.nn.load.load_model` and `hodology.data.open_dataset`.
    target : str
        A class: its id or its name.
    limit, others : int
        Images of the class to build on; test images of other classes.
    """

    model: str = "digits-cnn"
    data: str = "digits"
    target: str = "3"
    layers: tuple[str, ...] | None = None
    unit: str = "channel"
    effect: str = "logodds"
    reference: str = "zero"
    alpha: float = 0.01
    correction: str = "bh"
    test: str = "auto"
    min_effect: float = 0.0
    max_parents: int | None = None
    screen: float = 1.0
    noise: float | None = None
    limit: int = 60
    others: int = 300
    batch: int = 64
    device: str = "cpu"
    seed: int = 0
    split: str | None = None
    image_column: str | None = None
    label_column: str | None = None

    def __post_init__(self) -> None:
        for name in ("limit", "others", "batch"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}.")


@dataclass(frozen=True, eq=False)
class CausalRun:
    """A causal graph and how it did on other images.

    Attributes
    ----------
    settings : CausalSettings
    loaded : LoadedModel
    dataset : Dataset
    sample : ClassSample
    graph : CausalGraph
    evaluation : GraphEvaluation
    """

    settings: CausalSettings
    loaded: LoadedModel
    dataset: Dataset
    sample: ClassSample
    graph: CausalGraph
    evaluation: GraphEvaluation


def run_causal(
    settings: CausalSettings,
    folder: str | Path,
    *,
    resume: bool = True,
    on_layer: Callable[[int, int], None] | None = None,
) -> CausalRun:
    """Build and check the graph; layers that are done are kept in ``folder/units``, so that a killed run goes on.

    Parameters
    ----------
    settings : CausalSettings
    folder : path
        Must be empty or hold a run of the same kind.
    resume : bool
        False refuses a folder that holds a run.
    on_layer : callable, optional
        Progress: layers done, layers in all.

    Raises
    ------
    InputError
        For what the model, the data or the method refuse.
    """
    folder = Path(folder)
    loaded = load_model(settings.model, device=settings.device)
    dataset = open_dataset(
        settings.data,
        split=settings.split,
        image_column=settings.image_column,
        label_column=settings.label_column,
    )
    if dataset.kind == "text":
        raise InputError(
            "causal graphs are of image classifiers and other networks of channels; the data are texts."
        )
    target = find_class(loaded, settings.target, classes=_classes(loaded, dataset, settings.device))
    sample = draw_class(
        loaded, dataset, target, limit=settings.limit, others=settings.others,
        fewest=1 if settings.noise or settings.test == "none" else 8,
        batch=settings.batch, device=settings.device, seed=settings.seed,
    )  # fmt: skip
    store = _folder_of(folder, settings, loaded, dataset, resume=resume)
    options: dict[str, Any] = {
        name: getattr(settings, name)
        for name in (
            *("unit", "effect", "reference", "alpha", "correction", "test", "min_effect", "max_parents"),
            *("screen", "noise", "layers"),
        )
    }
    graph = causal_graph(
        loaded.model, sample.choose, target, batch_size=settings.batch, rng=settings.seed, store=store,
        on_layer=on_layer, **options,
    )  # fmt: skip
    labels = sample.test_labels.to(settings.device)
    evaluation = evaluate_graph(
        loaded.model, graph, sample.test, labels, choose=sample.choose, rng=settings.seed
    )
    return CausalRun(settings, loaded, dataset, sample, graph, evaluation)


def _classes(loaded: LoadedModel, dataset: Dataset, device: str) -> int:
    if loaded.class_names is not None:
        return len(loaded.class_names)
    first = loaded.prepare([dataset.items(0, 1)[0].content])
    with evaluation_mode(loaded.model), torch.no_grad():
        given = {k: v.to(device) for k, v in first.items()} if isinstance(first, dict) else first.to(device)  # type: ignore[union-attr]
        return call_model(loaded.model, given).shape[1]


def _folder_of(
    folder: Path, settings: CausalSettings, loaded: LoadedModel, dataset: Dataset, *, resume: bool
) -> UnitStore:
    """The run's folder, claimed."""
    prints = {"model": loaded.fingerprint, "data": dataset.fingerprint}
    head = {"version": __version__, "torch": torch.__version__}
    manifest = {**head, "settings": asdict(settings), "fingerprints": prints}
    return claim_folder(folder, "causal", what="causal graph", manifest=manifest, resume=resume)
