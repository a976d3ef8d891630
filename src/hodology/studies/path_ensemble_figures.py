"""The figures of one seed of the path-ensemble study; `hodology.studies.path_ensemble` judges them."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hodology.interpret.frequency_profile import frequency_profile
from hodology.interpret.path_decomposition import PathDecomposition, decompose, decompose_data
from hodology.interpret.path_ensemble import PathEnsemble, ScaleKind
from hodology.interpret.path_influence import PathInfluence, path_influence
from hodology.interpret.path_pruning import prune_paths
from hodology.interpret.readout_fit import ReadoutPart, fit_readout
from hodology.interpret.scale_fit import fit_scale
from hodology.interpret.scaled_branches import scale_branches
from hodology.nn.fit import fit
from hodology.nn.reference import digits_vit
from hodology.rng import stream
from hodology.stats import paired_bootstrap
from hodology.studies.path_ensemble_data import real_images
from hodology.studies.path_ensemble_training import trained_figures

__all__ = ["measure"]

SIZES: dict[str, dict[str, Any]] = {
    "quick": {"epochs": 12, "early": None, "steps": 10, "images": 60}
    | {"training": {"depths": (2, 3), "epochs": 1, "width": 32, "blocks": 2, "block_epochs": 2}},
    "standard": {"epochs": 50, "early": 12, "steps": 200, "images": 200}
    | {"training": {"depths": (6, 12, 18), "epochs": 15, "width": 32, "blocks": 6, "block_epochs": 20}},
}  # early: epochs of a second, weaker model; blocks: depth of the models of all four kinds trained from scratch


def measure(payload: Mapping[str, Any]) -> bytes:
    """All figures of one seed, as JSON."""
    seed, size = payload["seed"], SIZES[payload["size"]]
    if payload["data"] is not None:
        model, x, y = real_images(payload["data"], seed, size["images"])
        return json.dumps(
            {"trained": _figures(model, x, y, seed, size), "early": None, "training": None}
        ).encode()
    found: dict[str, Any] = {"early": None}
    for name in ("epochs", "early"):
        if size[name] is not None:
            trained = digits_vit(seed=seed, epochs=size[name])
            x, y = torch.from_numpy(trained.split.test_images), torch.from_numpy(trained.split.test_labels)
            found["trained" if name == "epochs" else name] = _figures(trained.model, x, y, seed, size)
    found["training"] = trained_figures(seed, size["training"])
    return json.dumps(found).encode()


def _figures(model: nn.Module, x: Tensor, y: Tensor, seed: int, size: Mapping[str, Any]) -> dict[str, Any]:
    """One model: exactness, influence, pruning, re-weighting and its controls, frequencies."""
    order = torch.from_numpy(stream(seed, "halves").permutation(len(x)))
    first, second = order[: len(x) // 2], order[len(x) // 2 :]
    chosen = decompose_data(model, (x[first], y[first]))
    tested = decompose_data(model, (x[second], y[second]))
    ensemble = {"chosen": path_influence(chosen, rng=seed), "tested": path_influence(tested, rng=seed)}
    knocked = path_influence(model, (x[second], y[second]), mode="knockout", rng=seed)
    scaled = _reweighted(model, chosen, tested, x, y, first, second, seed, size["steps"])
    return {
        "accuracy": ensemble["tested"].accuracy,
        "loss": ensemble["tested"].loss,
        "exact": _errors(tested),
        "influence": _influence(ensemble["chosen"], ensemble["tested"], knocked),
        "pruning": _pruned(chosen, tested, seed),
        "scale": scaled["figures"],
        "frequencies": _frequencies(model, x[second][: size["images"]], scaled["weights"]),
    }


def _errors(paths: PathDecomposition) -> dict[str, float]:
    """How far the sum is from the model's own logits, read plainly and path by path."""
    plain = paths.weighted(torch.ones(len(paths.components)))
    by_path = paths.path_logits().sum(dim=0) + paths.constant
    return {
        "sum": float((plain - paths.logits).abs().max()),
        "path logits": float((by_path - paths.logits).abs().max()),
    }


def _influence(chosen: PathInfluence, tested: PathInfluence, knocked: PathInfluence) -> dict[str, Any]:
    """The path that pulls the loss down most on one half, measured on the other; both modes for every path."""
    worst = min(chosen.rows, key=lambda row: row["d_loss"])["path"]
    rows = [
        {"path": row["path"], "alone": row["alone_accuracy"]}
        | {f"ensemble_{k}": row[k] for k in ("d_accuracy", "d_loss", "d_loss_low", "d_loss_high")}
        | {f"knockout_{k}": other[k] for k in ("d_accuracy", "d_loss")}
        for row, other in zip(tested.rows, knocked.rows, strict=True)
    ]
    test = tested[worst]
    return {
        "worst": worst,
        "chosen": chosen[worst]["d_loss"],
        "tested": test["d_loss"],
        "interval": [test["d_loss_low"], test["d_loss_high"]],
        "d_accuracy": 100 * test["d_accuracy"],
        "harmful": list(tested.harmful()),
        "rows": rows,
    }


def _pruned(chosen: PathDecomposition, tested: PathDecomposition, seed: int) -> dict[str, Any]:
    """Greedy pruning by the loss on one half, measured on the other."""
    pruning = prune_paths(chosen)
    logits = tested.weighted(torch.tensor(pruning.mask, dtype=torch.float32))
    before, after = _outcome(tested.logits, tested), _outcome(logits, tested)
    interval = paired_bootstrap(after["losses"], before["losses"], rng=seed)
    return {
        "pruned": list(pruning.pruned),
        "d_loss": interval.estimate,
        "interval": [interval.low, interval.high],
        "d_accuracy": 100 * (after["accuracy"] - before["accuracy"]),
    }


def _reweighted(
    model: nn.Module, chosen: PathDecomposition, tested: PathDecomposition, x: Tensor, y: Tensor,
    first: Tensor, second: Tensor, seed: int, steps: int,
) -> dict[str, Any]:  # fmt: skip
    """EnsembleScale on a frozen model and what it has to beat, all fitted to the same half in as many steps."""
    logits: dict[str, Tensor] = {"none": tested.logits}
    weights = torch.ones(len(chosen.components), chosen.components.shape[-1])
    kinds: tuple[ScaleKind, ...] = ("scalar", "vector")
    for kind in kinds:
        ensemble = PathEnsemble(model, scale=kind, example=x[:2])
        fit_scale(ensemble, chosen, steps=steps)
        found = torch.stack([w if w is not None else torch.ones(()) for w in ensemble.weights()]).detach()
        logits[f"EnsembleScale, {kind}"] = tested.weighted(found)
        weights = found if kind == "vector" else weights
    parts: tuple[ReadoutPart, ...] = ("norm", "head")
    for part, name in zip(parts, ("final norm refitted", "head refitted"), strict=True):
        fitted, _ = fit_readout(chosen, part=part, steps=steps)
        with torch.no_grad():
            logits[name] = fitted(tested)
    logits["LayerScale, vector"] = _layer_scale(model, x, y, first, x[second], seed, steps)
    outcomes = {name: _outcome(value, tested) for name, value in logits.items()}
    plain = outcomes["none"]
    figures = {
        name: {"accuracy": 100 * o["accuracy"], "loss": float(o["losses"].mean())}
        | {"interval": _interval(o["hits"], plain["hits"], seed)}
        for name, o in outcomes.items()
    }
    return {"figures": figures, "weights": weights}


def _layer_scale(
    model: nn.Module, x: Tensor, y: Tensor, rows: Tensor, test: Tensor, seed: int, steps: int
) -> Tensor:
    """The same number of weights in the cascade of a frozen copy; every step sees all rows, as for the others."""
    scaled = scale_branches(copy.deepcopy(model).requires_grad_(False), example=x[:2])
    fit(
        scaled, x[rows], y[rows], epochs=steps, batch_size=len(rows), learning_rate=0.01, weight_decay=0.0, rng=seed
    )  # fmt: skip
    with torch.no_grad():
        return scaled(test)


def _frequencies(model: nn.Module, x: Tensor, weights: Tensor) -> dict[str, Any]:
    """Log amplitude at the highest radius of the re-weighted patch tokens less that of the plain sum."""
    paths = decompose(model, x, tokens="all")
    tokens = paths.components.shape[2]
    side = int((tokens - 1) ** 0.5)
    lead = tokens - side * side
    plain = paths.components.sum(dim=0)
    weighted = torch.einsum("pbnd,pd->bnd", paths.components, weights)
    grid = (side, side)
    profiles = [frequency_profile(v, grid, prefix_tokens=lead) for v in (plain, weighted)]
    gap = profiles[1].delta[:, -1] - profiles[0].delta[:, -1]
    return {
        "gap": float(gap.mean()),
        "error": float(gap.std(ddof=1) / np.sqrt(len(gap))),
        "images": len(gap),
        "radius": profiles[0].radius.tolist(),
        "plain": profiles[0].mean().tolist(),
        "weighted": profiles[1].mean().tolist(),
    }


def _outcome(logits: Tensor, paths: PathDecomposition) -> dict[str, Any]:
    labels: Any = paths.labels
    hits = (logits.argmax(dim=1) == labels).double().numpy()
    losses = nn.functional.cross_entropy(logits.double(), labels, reduction="none").numpy()
    return {"accuracy": float(hits.mean()), "hits": hits, "losses": losses}


def _interval(ours: np.ndarray, theirs: np.ndarray, seed: int) -> list[float]:
    found = paired_bootstrap(100 * ours, 100 * theirs, rng=seed)
    return [found.estimate, found.low, found.high]
