"""01 Neuron paths: does the jointly scored chain of units carry the decision of a Vision Transformer?

Wang et al., "Discovering influential neuron path in vision transformers", ICLR 2025. Here: a compact ViT trained
on scikit-learn's digits, one per seed (split, weights and order differ); with ``--data DIR`` a Hugging Face
image classifier in DIR/model and images in class folders in DIR/images (the seeds then draw the images).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hodology.study import Study

__all__ = ["run"]


def run(study: Study) -> None:
    """Measure the five claims of the paper, with their controls."""
    found = study.measure("hodology.studies.neuron_path_figures:measure")

    def of(method: str, figure: str) -> np.ndarray:
        return np.array([seed["methods"][method][figure] for seed in found])

    ours, active, influence, single = (
        of(m, "jas") for m in ("neuron-path", "activation", "influence", "kn-ig")
    )
    higher = "box plots over 1000 classes: above both baselines on four models"
    study.claim(
        "1. The found path's JAS is at least twice that of the most active units",
        paper=higher,
        measured=np.log2(ours / active),
        holds_above=1.0,
        unit="log2 of the ratio of mean JAS",
    )
    study.claim(
        "1. ... and at least 1.5 times that of influence patterns",
        paper=higher,
        measured=np.log2(ours / influence),
        holds_above=0.585,
        unit="log2 of the ratio of mean JAS",
    )
    study.claim(
        "1. Control: a random path scores next to nothing",
        paper="not in the paper",
        measured=np.abs(of("random", "jas")) / ours,
        holds_below=0.05,
        unit="share of our JAS",
    )

    removal, doubling = of("neuron-path", "removal"), of("neuron-path", "enhancement")
    figure = "figure of zero-out and doubling: lowest and highest of all methods"
    study.claim(
        "2. Removing the path lowers the probability more than removing the most active units",
        paper=figure,
        measured=removal - of("activation", "removal"),
        holds_below=0.0,
        unit="points of %",
    )
    study.claim(
        "2. ... and more than removing influence patterns",
        paper=figure,
        measured=removal - of("influence", "removal"),
        holds_below=0.0,
        unit="points of %",
    )
    study.claim(
        "2. Removing the path costs at least 4 points of accuracy",
        paper="tables: largest loss",
        measured=of("neuron-path", "accuracy"),
        holds_below=-4.0,
        unit="points",
    )
    study.claim(
        "2. Doubling the path raises the probability",
        paper=figure,
        measured=doubling,
        holds_above=0.0,
        unit="%",
    )
    study.claim(
        "2. ... more than doubling the most active units",
        paper=figure,
        measured=doubling - of("activation", "enhancement"),
        holds_above=0.0,
        unit="points of %",
    )

    classes = [seed["classes"] for seed in found]
    study.claim(
        "3. Two images of a class share more of their paths than two of different classes",
        paper="histograms per class and layer",
        measured=[c["within"] - c["between"] for c in classes],
        holds_above=0.0,
        unit="share of layers",
        note="permutation test per seed: p = " + ", ".join(f"{c['p']:.3f}" for c in classes),
    )
    study.claim(
        "3. Classes that share units are classes that the model confuses",
        paper="semantically close classes are nearest",
        measured=[c["confusion"] for c in classes],
        holds_above=0.0,
        unit="rank correlation",
    )
    study.note("Nearest classes, seed by seed: " + "; ".join(c["nearest"] for c in classes) + ".")

    k = "5"
    kept = {name: [seed["pruning"][k][name] for seed in found] for name in ("ours", "active", "random")}
    right = {name: np.array([p["right_class"] for p in kept[name]]) for name in kept}
    figures = "ViT-B/16, depth 12: base 67.6 %, keep top-5 68.8 %"
    study.claim(
        "4. Keeping 5 path units per layer preserves more than 5 random ones",
        paper=figures,
        measured=100 * (right["ours"] - right["random"]),
        holds_above=0.0,
        unit="points of probability",
    )
    study.claim(
        "4. ... and more than the 5 most active ones",
        paper="not in the paper",
        measured=100 * (right["ours"] - right["active"]),
        holds_above=0.0,
        unit="points of probability",
    )
    wrong = np.array([p["wrong_class"] for p in kept["ours"]])
    study.claim(
        "4. Control: the gain is not the label speaking through the mask (wrong-class masks keep as much)",
        paper="not in the paper",
        measured=100 * (wrong - right["ours"]),
        holds_above=-5.0,
        unit="points of probability",
    )
    free = np.array([p["predicted_class"] for p in kept["ours"]])
    study.claim(
        "4. Label-free: masks of the predicted class still beat random masks",
        paper="not in the paper",
        measured=100 * (free - [p["predicted_class"] for p in kept["random"]]),
        holds_above=0.0,
        unit="points of probability",
    )

    study.claim(
        "5. Joint search finds a higher JAS than scoring each layer alone (knowledge neurons)",
        paper="the reason for the joint score",
        measured=ours - single,
        holds_above=0.0,
        unit="JAS",
    )
    study.claim(
        "5. ... and its removal hurts more",
        paper="the reason for the joint score",
        measured=removal - of("kn-ig", "removal"),
        holds_below=0.0,
        unit="points of %",
    )
    _tables(study, found)


def _tables(study: Study, found: list[dict[str, Any]]) -> None:
    names = list(found[0]["methods"])
    figures = ("jas", "removal", "accuracy", "enhancement")

    def mean(name: str, figure: str) -> str:
        values = [seed["methods"][name][figure] for seed in found]
        return "" if np.isnan(values).any() else f"{np.mean(values):.3g}"

    study.table(
        "Mean over seeds: JAS, change of probability (%) and accuracy (points) under removal, doubling (%)",
        ["method", "JAS", "removal", "accuracy under removal", "doubling"],
        [[name, *(mean(name, figure) for figure in figures)] for name in names],
    )
    rows = []
    for k in found[0]["pruning"]:
        for name in ("ours", "active", "random"):
            cells = [
                [seed["pruning"][k][name][key] for seed in found]
                for key in ("base", "right_class", "wrong_class", "predicted_class", "union", "share 0.5")
            ]
            rows.append([k, name, *(f"{np.mean(c):.3f}" for c in cells)])
    study.table(
        "Mean probability of the true class when all other class-token units are zeroed",
        ["k", "units kept", "base", "own class", "wrong class", "predicted class", "union", "half zeroed"],
        rows,
    )
    study.note("Test accuracy of the models: " + ", ".join(f"{seed['accuracy']:.3f}" for seed in found) + ".")
    study.note("Knowledge-neuron IG comes close to the joint search; the diagonal form is in the table too.")
    changed = np.mean([seed["exact"]["changed"] for seed in found])
    gain = np.mean([seed["exact"]["gain"] for seed in found])
    study.note(
        f"Exact re-scoring of the best 16 candidates changes {changed:.1%} of the choices and the JAS by {gain:+.4f}."
    )
