"""Features of a layer of a user's language model on a user's texts, found by semi-NMF; finished parts stay on disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hodology import __version__
from hodology.data import Dataset, open_dataset
from hodology.errors import InputError
from hodology.files import arrays_from_bytes, arrays_to_bytes, hash_json
from hodology.interpret.activation_table import ActivationTable
from hodology.interpret.activations import collect_activations
from hodology.interpret.concept_match import FeatureNames, name_features
from hodology.interpret.semi_nmf import SemiNMF
from hodology.interpret.semi_nmf_recursive import RecursiveSemiNMF
from hodology.nn.load import LoadedModel, load_model
from hodology.work import UnitStore, claim_folder

__all__ = ["FeaturesRun", "FeaturesSettings", "run_features"]

_TABLE = ("matrix", "token_ids", "samples", "positions")
_CHUNK = 256  # texts between looks at the token limit


@dataclass(frozen=True)
class FeaturesSettings:
    """What to factorise and how; see `hodology.interpret.SemiNMF` for the options of the same name.

    Attributes
    ----------
    model, data : str
        See `hodology.nn.load.load_model` and `hodology.data.open_dataset`.
    layer : str
        Index of a feed-forward block (negative from the end) or the name of a site.
    k : int
        Features.
    sparsity : float, optional
        Share of units in a feature; default the paper's 0.01, or 10 units where that is more.
    ranks : tuple of int
        Further levels of the hierarchy, each smaller than the one before; empty for none.
    tokens : int
        Most tokens that are collected.
    """

    model: str = "topics-gpt"
    data: str = "topics"
    layer: str = "-1"
    k: int = 50
    sparsity: float | None = None
    init: str = "random"
    solver: str = "hals"
    max_iter: int = 2000
    restarts: int = 3
    ranks: tuple[int, ...] = ()
    tokens: int = 20_000
    limit: int | None = None
    batch: int = 32
    device: str = "cpu"
    seed: int = 0
    split: str | None = None
    text_column: str | None = None
    label_column: str | None = None

    def __post_init__(self) -> None:
        for name in ("k", "max_iter", "restarts", "tokens", "batch"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if self.limit is not None and self.limit < 1:
            raise InputError(f"limit must be at least 1, got {self.limit}.")
        if any(a <= b for a, b in zip((self.k, *self.ranks), self.ranks)):
            raise InputError(f"ranks must fall from k = {self.k}, got {', '.join(map(str, self.ranks))}.")


@dataclass(frozen=True, eq=False)
class FeaturesRun:
    """Features and what they were found in.

    Attributes
    ----------
    settings : FeaturesSettings
    loaded : LoadedModel
    dataset : Dataset
    ids : tuple of str
        Of the texts that were read.
    table : ActivationTable
    components : float32 ndarray, shape (k, units)
        The largest share of all coefficients first.
    coefficients : float32 ndarray, shape (tokens, k)
    explained : float
    iterations : int
    converged : bool
    names : FeatureNames or None
        When the texts have labels of at least two kinds.
    hierarchy : tuple of ndarray
        W2, W3, ...: weights from each level to the one below; empty without `ranks`.
    """

    settings: FeaturesSettings
    loaded: LoadedModel
    dataset: Dataset
    ids: tuple[str, ...]
    table: ActivationTable
    components: np.ndarray
    coefficients: np.ndarray
    explained: float
    iterations: int
    converged: bool
    names: FeatureNames | None
    hierarchy: tuple[np.ndarray, ...]


def run_features(
    settings: FeaturesSettings,
    folder: str | Path,
    *,
    resume: bool = True,
    on_texts: Callable[[int, int], None] | None = None,
    on_step: Callable[[str], None] | None = None,
) -> FeaturesRun:
    """Collect activations, factorise them, name the features.

    Activations and factors are kept in ``folder/units`` under the hash of all that they depend on, so that a killed run
    goes on, and another k needs no second pass over the texts.

    Parameters
    ----------
    settings : FeaturesSettings
    folder : path
        Must be empty or hold a run of the same kind.
    resume : bool
        False refuses a folder that holds a run.
    on_texts : callable, optional
        Progress: texts done, texts in all.
    on_step : callable, optional
        Called with the name of each further step.

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
        text_column=settings.text_column,
        label_column=settings.label_column,
    )
    if dataset.kind != "text" or loaded.kind == "image":
        raise InputError(f"features are found in texts by a language model; the data are {dataset.kind}s.")
    store = _folder_of(folder, settings, loaded, dataset, resume=resume)
    content: list[Any] = [__version__, loaded.fingerprint, dataset.fingerprint]
    what = ["activations", *content, settings.layer, settings.tokens, settings.limit, settings.text_column]
    what += [settings.label_column, settings.split]
    kept = _kept(store, what, lambda: _activations(settings, loaded, dataset, on_texts))
    table, ids = _table(kept, loaded, dataset, settings)
    if on_step is not None:
        on_step("factorising")
    sparsity = settings.sparsity if settings.sparsity is not None else default_sparsity(table.n_units)
    how = [
        settings.k,
        sparsity,
        settings.init,
        settings.solver,
        settings.max_iter,
        settings.restarts,
        settings.seed,
    ]
    factors = _kept(store, ["factors", what, how], lambda: _factors(settings, table, sparsity))
    hierarchy: tuple[np.ndarray, ...] = ()
    if settings.ranks:
        levels = _kept(
            store, ["levels", what, how, list(settings.ranks)], lambda: _levels(settings, factors, sparsity)
        )
        hierarchy = tuple(levels[f"w{i:02d}"] for i in range(len(settings.ranks)))
    names = None
    if table.labels is not None and len(np.unique(table.labels[table.labels >= 0])) > 1:
        if on_step is not None:
            on_step("naming")
        names = name_features(table, factors["coefficients"], rng=settings.seed)
    figures = factors["figures"]
    return FeaturesRun(
        settings, loaded, dataset, ids, table, factors["components"], factors["coefficients"], float(figures[0]),
        int(figures[1]), bool(figures[2]), names, hierarchy,
    )  # fmt: skip


def default_sparsity(units: int) -> float:
    """The paper's 0.01, or 10 units where that is more."""
    return min(1.0, max(0.01, 10 / units))


def _layer(text: str) -> int | str:
    return int(text) if text.lstrip("-").isdigit() else text


def _activations(
    settings: FeaturesSettings,
    loaded: LoadedModel,
    dataset: Dataset,
    on_texts: Callable[[int, int], None] | None,
) -> dict[str, np.ndarray]:
    count = min(len(dataset), settings.limit or len(dataset))
    parts: list[ActivationTable] = []
    labels: list[int] = []
    names: list[str] = []
    left, done = settings.tokens, 0
    while done < count and left > 0:
        items = dataset.items(done, min(done + _CHUNK, count))
        table = collect_activations(
            loaded.model, loaded, [item.content for item in items], _layer(settings.layer),
            batch_size=settings.batch, max_tokens=left,
        )  # fmt: skip
        parts.append(table)
        labels += [-1 if item.label is None else int(item.label) for item in items]
        names += [item.id for item in items]
        left -= len(table)
        if on_texts is not None:
            on_texts(done + len(items), count)
        done += len(items)
    offsets = np.concatenate([np.full(len(t), i * _CHUNK) for i, t in enumerate(parts)])
    arrays = {name: np.concatenate([getattr(t, name) for t in parts]) for name in _TABLE}
    arrays["samples"] = arrays["samples"] + offsets
    arrays |= {"labels": np.array(labels, dtype=np.int64), "ids": np.array(names, dtype=np.str_)}
    arrays["texts"] = np.array([t for part in parts for t in part.tokens], dtype=np.str_)
    return arrays | {"layer": np.array([parts[0].layer], dtype=np.str_)}


def _table(
    kept: dict[str, np.ndarray], loaded: LoadedModel, dataset: Dataset, settings: FeaturesSettings
) -> tuple[ActivationTable, tuple[str, ...]]:
    labels = kept["labels"][kept["samples"]]
    known = bool((labels >= 0).any())
    table = ActivationTable(
        kept["matrix"], kept["token_ids"], tuple(kept["texts"].tolist()), kept["samples"], kept["positions"],
        labels if known else None, tuple(dataset.class_names or ()) if known else (), str(kept["layer"][0]),
    )  # fmt: skip
    return table, tuple(kept["ids"].tolist())


def _factors(settings: FeaturesSettings, table: ActivationTable, sparsity: float) -> dict[str, np.ndarray]:
    model = _model(settings, sparsity).fit(table.matrix)
    strength = model.coefficients_.sum(axis=0) * np.linalg.norm(model.components_, axis=1)
    order = np.argsort(-strength, kind="stable")
    figures = np.array([model.explained_, model.n_iter_, model.converged_], dtype=np.float64)
    return {
        "components": model.components_[order],
        "coefficients": model.coefficients_[:, order],
        "figures": figures,
    }


def _levels(
    settings: FeaturesSettings, factors: dict[str, np.ndarray], sparsity: float
) -> dict[str, np.ndarray]:
    """Factor the features, and their features: each level has room for the units of what it merges."""
    rows = factors["components"]
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    shares = [min(1.0, sparsity * settings.k / rank) for rank in settings.ranks]
    model = RecursiveSemiNMF(settings.ranks, estimator=_model(settings, shares[0]), sparsities=shares).fit(
        rows
    )
    return {f"w{i:02d}": layer.weights for i, layer in enumerate(model.layers_)}


def _model(settings: FeaturesSettings, sparsity: float) -> SemiNMF:
    return SemiNMF(
        settings.k, sparsity=sparsity, init=settings.init, solver=settings.solver,  # type: ignore[arg-type]
        max_iter=settings.max_iter, restarts=settings.restarts if settings.init != "svd" else 1,
        random_state=settings.seed, device=settings.device,
    )  # fmt: skip


def _kept(
    store: UnitStore, what: list[Any], compute: Callable[[], dict[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    key = hash_json(what)[:32]
    if not store.has(key):
        store.save(key, arrays_to_bytes(compute()))
    return arrays_from_bytes(store.load(key))


def _folder_of(
    folder: Path, settings: FeaturesSettings, loaded: LoadedModel, dataset: Dataset, *, resume: bool
) -> UnitStore:
    """The run's folder, claimed."""
    prints = {"model": loaded.fingerprint, "data": dataset.fingerprint}
    head = {"version": __version__, "torch": torch.__version__}
    manifest = {**head, "settings": asdict(settings), "fingerprints": prints}
    return claim_folder(folder, "features", what="features", manifest=manifest, resume=resume)
