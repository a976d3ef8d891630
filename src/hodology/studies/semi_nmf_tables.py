"""Tables and notes of the semi-NMF study."""

from __future__ import annotations

from typing import Any

import numpy as np

from hodology.study import Study

__all__ = ["write_tables"]


def write_tables(study: Study, found: list[dict[str, Any]]) -> None:
    """Means over seeds of everything that was measured, and what is said beside the claims."""
    kinds = list(next(iter(found[0]["detection"].values())))
    study.table(
        "AUROC of the best feature for each concept on held-out tokens, mean over concepts",
        ["features", *("all tokens" if kind == "auroc" else f"at {kind}" for kind in kinds)],
        [
            [name, *(f"{np.mean([s['detection'][name][kind] for s in found]):.3f}" for kind in kinds)]
            for name in found[0]["detection"]
        ],
    )
    study.table(
        "Concept detection score of named features: 5 sentences of the concept against 5 others, held out",
        ["features", "named", "median S_CD", "share above 0"],
        [
            [
                name,
                f"{np.mean([s['scores'][name]['features'] for s in found]):.1f}",
                f"{np.mean([s['scores'][name]['median'] for s in found]):.2f}",
                f"{np.mean([s['scores'][name]['share'] for s in found]):.1%}",
            ]
            for name in found[0]["scores"]
        ],
    )
    made = [seed["generated"] for seed in found if seed["generated"]]
    if made:
        _steering(study, made)
    _notes(study, found, made)


def _steering(study: Study, found: list[dict[str, Any]]) -> None:
    """Masses by divergence and direction, and the regimes."""
    rows = []
    for divergence, methods in found[0]["steering"].items():
        for name in methods:
            parts = [seed["steering"][divergence][name] for seed in found]
            cells = [f"{np.mean([p[key] for p in parts]):.3f}" for key in ("concept", "fluency", "score")]
            rows.append([divergence, name, *cells, f"{np.mean([p['reached'] for p in parts]):.0%}"])
    study.table(
        "Steering at equal divergence (nats): probability of the concept's words, of all grammatical words, their "
        "harmonic mean",
        ["divergence", "direction", "concept", "grammatical", "harmonic", "divergence reached"],
        rows,
    )
    if found[0]["sweep"]:
        _sweep(study, found)


def _sweep(study: Study, found: list[dict[str, Any]]) -> None:
    """Where to prefer which: more concepts in fewer units."""
    names = list(found[0]["sweep"][0]["steering"])
    rows = []
    for index, first in enumerate(found[0]["sweep"]):
        parts = [seed["sweep"][index] for seed in found]
        cells = [f"{np.mean([p['auroc'][n] for p in parts]):.3f}" for n in names]
        cells += [f"{np.mean([p['steering'][n] for p in parts]):.3f}" for n in names]
        rows.append([first["concepts"], first["width"], first["rank"], *cells])
    study.table(
        "Regimes: concepts, MLP units and rank; detection (AUROC) and steering at 0.5 nats",
        ["concepts", "units", "k", *(f"AUROC: {n}" for n in names), *(f"steering: {n}" for n in names)],
        rows,
    )


def _notes(study: Study, found: list[dict[str, Any]], made: list[dict[str, Any]]) -> None:
    study.note(
        "Features are fitted to tokens of one half of the test sentences; detection is measured on the other half, of the "
        "feature that tells the concept best on the first. In generated sentences the word behind a concept word is a function "
        "word of any concept, so that the model need not hold the concept there."
    )
    study.note(
        "Best of many: among 24 random directions, of either sign, some tell a concept by chance; a single random direction has "
        "an AUROC of 0.5. Single units and differences of means are chosen with labels."
    )
    stability = [seed["stability"] for seed in found]
    study.note(
        "Median cosine of matched features between starts: semi-NMF "
        + ", ".join(f"{s['semi-NMF']:.2f}" for s in stability)
        + "; sparse autoencoder "
        + ", ".join(f"{s['SAE']:.2f}" for s in stability)
        + "."
    )
    if made:
        _made_notes(study, made)


def _made_notes(study: Study, made: list[dict[str, Any]]) -> None:
    study.note(
        "Nats per token that the models lose beyond the best possible: "
        + ", ".join(f"{seed['excess']:.4f}" for seed in made)
        + "."
    )
    study.note(
        "The sentences' grammar (6 function words) and the model's weight decay were settled while looking at the AUROC of "
        "claim 1 for seeds 0 and 1, in settings that did not favour semi-NMF over PCA; nothing was changed afterwards."
    )
    trees = [seed["hierarchy"] for seed in made]
    study.note(
        "Hierarchy: purity "
        + ", ".join(f"{t['purity']:.2f} (shuffled {t['shuffled']:.2f}, p {t['purity_p']:.3f})" for t in trees)
        + "; overlap of supports within and across super-concepts "
        + ", ".join(f"{t['within']:.3f} and {t['across']:.3f} (p {t['shared_p']:.3f})" for t in trees)
        + "."
    )
