"""Tables and notes of the mouse-hierarchy study."""

from __future__ import annotations

from typing import Any

import numpy as np

from hodology.studies.mouse_hierarchy_data import ALEXNET
from hodology.study import Study

__all__ = ["sweep_row", "write_tables"]


def sweep_row(seed: dict[str, Any], candidate: str, n_images: int, n_units: int) -> dict[str, Any]:
    """The setting of a seed's sweep."""
    return next(
        row
        for row in seed["sweep"]
        if (row["candidate"], row["n_images"], row["n_units"]) == (candidate, n_images, n_units)
    )


def write_tables(study: Study, found: list[dict[str, Any]]) -> None:
    """Means over seeds of everything that was measured, and what is said beside the claims."""
    _sweep_table(study, found)
    _stimulus_table(study, found)
    _component_tables(study, found)
    _area_tables(study, found)
    layers = found[0]["layers"]
    between = np.mean([seed["between_seeds"] for seed in found], axis=0)
    study.table(
        "SSM between layers of two training seeds (118 images)",
        ["layer", *layers],
        [[layer, *(f"{v:.2f}" for v in row)] for layer, row in zip(layers, between, strict=True)],
    )
    if all("brains" in seed for seed in found):
        _brain_table(study, found)
    _notes(study, found)


def _sweep_table(study: Study, found: list[dict[str, Any]]) -> None:
    keys = [(row["candidate"], row["n_images"], row["n_units"]) for row in found[0]["sweep"]]

    def mean(key: tuple[str, int, int], figure: str) -> str:
        return f"{np.mean([sweep_row(seed, *key)[figure] for seed in found]):.2f}"

    figures = ("mean_error", "exact", "within_one", "profile_correlation", "shuffled_error")
    study.table(
        "Finding a known layer with SSM, by images and recorded units (50 trials, noise of 1)",
        [
            "looked for in",
            "images",
            "units",
            "error (layers)",
            "exact",
            "within 1",
            "profile r",
            "error, shuffled",
        ],
        [[*key, *(mean(key, figure) for figure in figures)] for key in keys],
    )


def _stimulus_table(study: Study, found: list[dict[str, Any]]) -> None:
    figures = ("mean_error", "exact", "within_one", "profile_correlation")
    study.table(
        "The same with other images (118 images, 100 units, another training seed)",
        ["images", "error (layers)", "exact", "within 1", "profile r"],
        [
            [name, *(f"{_mean(found, 'stimuli', name, figure):.2f}" for figure in figures)]
            for name in found[0]["stimuli"]
        ],
    )


def _component_tables(study: Study, found: list[dict[str, Any]]) -> None:
    parts = found[0]["components"]
    study.table(
        "SVCCA: error in layers by images (100 units)",
        ["images", "99 % of the variance", "six components", "layers with a warning (99 %)"],
        [
            [
                n,
                f"{_mean(found, 'components', 'whole', n):.2f}",
                f"{_mean(found, 'components', 'capped', n):.2f}" if n in parts["capped"] else "",
                f"{_mean(found, 'components', 'warned', n):.0%}",
            ]
            for n in parts["whole"]
        ],
    )
    measures = list(found[0]["unrelated"]["related"])
    study.table(
        "A related and an unrelated population of 300 units against the middle layer",
        ["population", *measures],
        [
            [kind, *(f"{_mean(found, 'unrelated', kind, m):.3f}" for m in measures)]
            for kind in ("related", "unrelated")
        ],
    )
    study.table(
        "Other measures on the same question (118 images, 100 units, another training seed)",
        ["measure", "error (layers)", "within 1", "error, shuffled"],
        [
            [
                m,
                *(f"{_mean(found, 'metrics', m, k):.2f}" for k in ("error", "within_one", "shuffled")),
            ]
            for m in found[0]["metrics"]
        ],
    )


def _area_tables(study: Study, found: list[dict[str, Any]]) -> None:
    mice = [seed["mouse"] for seed in found]
    areas, layers = list(mice[0]["true"]), found[0]["layers"]
    for title, key in (
        ("Simulated mouse: SSM of areas with the layers of another network", "profile"),
        ("The same network at initialisation", "untrained"),
    ):
        values = np.mean([mouse[key] for mouse in mice], axis=0)
        rows = [
            [area, mice[0]["true"][area], *(f"{v:.3f}" for v in row)]
            for area, row in zip(areas, values, strict=True)
        ]
        study.table(title, ["area", "made of", *layers], rows)
    rows = []
    for i, area in enumerate(areas):
        best = "; ".join(
            "{layer} [{low:.2f}, {high:.2f}]".format(**mouse["depths"]["argmax"][i]) for mouse in mice
        )
        centroid = np.mean([mouse["depths"]["centroid"][i]["depth"] for mouse in mice])
        good = np.mean([len(mouse["depths"]["argmax"][i]["as_good"]) for mouse in mice])
        ceiling = np.mean([mouse["ceiling"][area] for mouse in mice])
        spread = np.mean([np.std(np.array(mouse["folds"])[:, i].argmax(axis=1)) for mouse in mice])
        rows.append([area, best, f"{centroid:.3f}", f"{good:.1f}", f"{spread:.2f}", f"{ceiling:.3f}"])
    study.table(
        "Pseudo-depth of the areas",
        [
            "area",
            "best layer by seed [relative depth]",
            "centroid",
            "layers as good",
            "sd over folds",
            "ceiling",
        ],
        rows,
    )


def _brain_table(study: Study, found: list[dict[str, Any]]) -> None:
    brains = found[0]["brains"]
    study.table(
        "Measured brains: Spearman's rho of dissimilarities with the layers of AlexNet (92 images; 95 % over images)",
        ["matrix", *ALEXNET, "best", "share of bootstraps"],
        [
            [
                name,
                *(
                    f"{v:.3f} [{lo:.2f}, {hi:.2f}]"
                    for v, lo, hi in zip(b["profile"], b["low"], b["high"], strict=True)
                ),
                b["best"],
                f"{b['shares'][ALEXNET.index(b['best'])]:.0%}",
            ]
            for name, b in brains.items()
        ],
    )


def _notes(study: Study, found: list[dict[str, Any]]) -> None:
    study.note(
        "Accuracy of the networks (brain, other seed, other architecture) by seed: "
        + "; ".join(", ".join(f"{100 * a:.1f}" for a in seed["accuracy"]) for seed in found)
        + " %."
    )
    study.note(
        "Clusters of layers (1 - SSM, Ward, five), by seed: "
        + "; ".join(" | ".join(" ".join(group) for group in seed["clusters"]) for seed in found)
        + ". A pseudo-depth is no finer than these."
    )
    study.note(
        "Every seed has networks and a split of the images of its own. The design (neurons that mix two units, noise of 1, "
        "the sizes of the areas) was tried on seeds from 100 on, which are not reported. Areas of the simulated mouse share "
        "noise within themselves, which inflates their ceilings."
    )
    study.note(
        "SVCCA averages canonical correlations: a layer that keeps few components (the class scores) has a high mean, so "
        "its best layer can follow the number of components more than the similarity. Its table has 99 % of the variance "
        "beside six components for all layers."
    )


def _mean(found: list[dict[str, Any]], *keys: str) -> float:
    """Mean over seeds of the figure under nested keys."""
    values = []
    for seed in found:
        figure: Any = seed
        for key in keys:
            figure = figure[key]
        values.append(figure)
    return float(np.mean(values))
