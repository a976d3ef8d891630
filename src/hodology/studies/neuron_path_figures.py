"""The figures of one seed of the neuron-path study; `hodology.studies.neuron_path` judges them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hodology.interpret import (
    NeuronPath,
    PathResult,
    class_agreement,
    class_profile,
    evaluate_paths,
    prune_effect,
    prune_mask,
    random_masks,
)
from hodology.nn.clean_run import CleanRun
from hodology.nn.reference import digits_vit
from hodology.rng import stream, torch_stream

__all__ = ["measure"]

BASELINES = ("activation", "influence", "kn-ig", "random")
SIZES: dict[str, dict[str, Any]] = {
    "quick": {
        "images": 50,
        "epochs": 12,
        "keep": (5,),
        "choose": 6,
        "exact": 2,
        "sweep": False,
        "early": None,
    }
    | {"rule": "gauss-legendre", "steps": 4},
    "standard": {"images": 150, "epochs": 50, "keep": (1, 5, 10), "choose": 12, "exact": 24, "sweep": True}
    | {"early": 12, "rule": "left", "steps": 20},
}  # choose: images per class that choose the units to keep; exact: images whose candidates are re-scored;
# early: epochs of a second, less certain model, on which the methods are compared again


def measure(payload: Mapping[str, Any]) -> bytes:
    """All figures of one seed, as JSON."""
    seed, size = payload["seed"], SIZES[payload["size"]]
    model, x, y, accuracy = (
        _digits(seed, size) if payload["data"] is None else _real(payload["data"], seed, size)
    )
    count, integral = size["images"], {key: size[key] for key in ("rule", "steps")}
    tracer = NeuronPath(model, **integral)
    run = tracer.run(x[:count], y[:count])
    paths, methods = _methods(tracer, run, seed)
    found: dict[str, Any] = {"accuracy": accuracy, **integral, "methods": methods, "early": None}
    if size["early"] and payload["data"] is None:
        young, _, _, score = _digits(seed, {"epochs": size["early"]})
        other = NeuronPath(young, **integral)
        early = _methods(other, other.run(x[:count], y[:count]), seed)[1]
        found["early"] = {"epochs": size["early"], "accuracy": score, "methods": early}
    found["exact"] = _exact(
        tracer, run.select(torch.arange(min(size["exact"], len(run)))), paths["neuron-path"].score.double()
    )
    found["classes"] = _classes(paths["neuron-path"], run.scores, y[:count].numpy(), seed)
    found |= _pruning(model, tracer, x, y, seed, size)
    return json.dumps(found).encode()


def _methods(
    tracer: NeuronPath, run: CleanRun, seed: int
) -> tuple[dict[str, PathResult], dict[str, dict[str, Any]]]:
    """Paths of every method, and their joint score, removal and enhancement; scores are all of the paper's form."""
    paths = {"neuron-path": tracer.find(run)}
    paths |= {name: tracer.baseline(name, run, rng=seed) for name in BASELINES}  # type: ignore[arg-type]
    diagonal = NeuronPath(
        tracer.model, form="diagonal", token=tracer.token, rule=tracer.rule, steps=tracer.steps
    ).find(run)
    effects = evaluate_paths(tracer.model, run.inputs, {**paths, "diagonal": diagonal}, targets=run.targets)
    scores = {name: path.score.double() for name, path in paths.items()}
    scores["diagonal"] = tracer.score(run, diagonal).double()
    figures: dict[str, dict[str, Any]] = {
        name: {
            "jas": float(scores[name].mean()),
            "removal": 100 * effects.probability_deviation(name, 0.0),
            "enhancement": 100 * effects.probability_deviation(name, 2.0),
            "accuracy": 100 * effects.accuracy_deviation(name, 0.0),
            "jas_per_image": scores[name].tolist(),
        }
        for name in effects.methods
    }
    return paths, figures


def _exact(tracer: NeuronPath, few: CleanRun, scores: torch.Tensor) -> dict[str, Any]:
    """What better searches than the paper's would change."""
    exact, beam = tracer.find(few, exact=16), tracer.beam(few, width=4)
    return {
        "images": len(few),
        "changed": 0.0 if exact.changed is None else float(exact.changed.double().mean()),
        "search": float(scores[: len(few)].mean()),
        "exact": float(exact.score.double().mean()),
        "beam": float(beam.score.double().mean()),
    }


def _digits(seed: int, size: Mapping[str, Any]) -> tuple[Any, torch.Tensor, torch.Tensor, float]:
    trained = digits_vit(seed=seed, epochs=size["epochs"])
    x, y = torch.from_numpy(trained.split.test_images), torch.from_numpy(trained.split.test_labels)
    return trained.model, x, y, trained.accuracy


def _real(folder: str, seed: int, size: Mapping[str, Any]) -> tuple[Any, torch.Tensor, torch.Tensor, float]:
    from hodology.data import open_dataset
    from hodology.errors import InputError
    from hodology.interpret.class_labels import map_labels
    from hodology.nn.load import load_model

    loaded, images = load_model(str(Path(folder) / "model")), open_dataset(str(Path(folder) / "images"))
    labels = map_labels(images.class_names, loaded)
    if not labels:
        raise InputError(f"the class folders of {folder}/images do not name classes of the model.")
    wanted = size["images"] + 32 * len(labels)
    items: list[Any] = []
    for i in stream(seed, "images").permutation(len(images)):
        item = images.items(int(i), int(i) + 1)[0]
        if item.label in labels and len(items) < wanted:  # other class folders are none of the model's
            items.append(item)
    x: Any = loaded.prepare([item.content for item in items])
    y = torch.tensor([labels[item.label] for item in items])
    x = x["pixel_values"] if isinstance(x, Mapping) else x
    with torch.no_grad():
        scores = torch.cat([getattr(s := loaded.model(part), "logits", s) for part in x.split(32)])
    return loaded.model, x, y, float((scores.argmax(dim=1) == y).double().mean())


def _classes(paths: PathResult, scores: torch.Tensor, labels: np.ndarray, seed: int) -> dict[str, Any]:
    from scipy.stats import spearmanr

    agreement, profile = (
        class_agreement(paths, labels, n_permutations=200, rng=seed),
        class_profile(paths, labels),
    )
    given = scores.softmax(dim=1).numpy()[:, profile.classes]
    confusion = np.stack([given[labels == c].mean(axis=0) for c in profile.classes])
    pairs = np.triu_indices(len(confusion), 1)
    similar, confused = profile.similarity()[pairs], (confusion + confusion.T)[pairs]
    constant = np.ptp(similar) == 0 or np.ptp(confused) == 0  # then nothing goes with anything
    correlation = 0.0 if constant else spearmanr(similar, confused).statistic
    nearest = ", ".join(f"{a}-{b} ({s:.2f})" for a, b, s in profile.nearest(5))
    return {
        "within": agreement.within,
        "between": agreement.between,
        "p": agreement.p_value,
        "confusion": float(correlation),
        "nearest": nearest,
    }


def _pruning(
    model: Any, tracer: NeuronPath, x: torch.Tensor, y: torch.Tensor, seed: int, size: Mapping[str, Any]
) -> dict[str, Any]:
    """Choose units on some images of each class, prune on others."""
    groups = [torch.nonzero(y == c).flatten() for c in y.unique()]
    few = size["choose"]
    choose, test = torch.cat([g[:few] for g in groups]), torch.cat([g[few : few + 20] for g in groups])
    run = tracer.run(x[choose], y[choose])
    widths, classes = [a.shape[-1] for a in run.activations], int(y.max()) + 1
    sites = [site.name for site in tracer.sites]
    positions = 0 if run.positions is None else run.positions[:1]

    def masks(k: int) -> dict[str, list[torch.Tensor]]:
        found = {"ours": tracer.find(run, top_k=k), "active": tracer.baseline("activation", run, top_k=k)}
        chosen = {n: prune_mask(p, y[choose], k, widths=widths, n_classes=classes) for n, p in found.items()}
        return chosen | {"random": random_masks(widths, classes, k, torch_stream(seed, "masks", k))}

    def effect(mask: list[torch.Tensor], **how: Any) -> dict[str, float]:
        return asdict(
            prune_effect(model, x[test], y[test], sites, mask, positions=positions, rng=seed, **how)
        )

    by_k = {k: masks(k) for k in size["keep"]}
    depths = sorted({max(1, round(len(sites) * i / 4)) for i in (1, 2, 3, 4)}) if size["sweep"] else ()
    rows = [
        {"share": share, "depth": depth}
        | {n: effect(mask, share=share, depth=depth)["right_class"] for n, mask in by_k[5].items()}
        for share in (0.1, 0.3, 0.5, 1.0)
        for depth in depths
    ]
    pruning = {str(k): {n: effect(mask) for n, mask in kept.items()} for k, kept in by_k.items()}
    return {"pruning": pruning, "sweep": {"rows": rows}}
