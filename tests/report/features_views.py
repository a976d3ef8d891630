"""Views of features: one to know by heart, one as a study would hand over, and one as large as any."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["big_features", "concept_features", "context", "feature", "tiny_features"]

CONCEPTS = {
    "weekdays": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday weekend",
    "colours": "red green blue yellow purple orange crimson violet",
    "rivers": "Danube Rhine Seine Thames Volga Nile Amazon Ganges",
    "tools": "hammer chisel wrench saw drill pliers screwdriver axe",
    "birds": "heron sparrow falcon owl magpie wren swallow kestrel",
    "metals": "copper iron zinc nickel cobalt silver tin titanium",
    "spices": "cumin saffron pepper cloves turmeric paprika nutmeg ginger",
    "emotions": "anger delight grief shame envy pride relief dread",
}
FRAMES = (
    "She said that {0} and {1} were the only ones left, while {2} had gone before the others came back\n",
    "In the end they chose {0} over {1}, because {2} was no longer to be had anywhere in the whole town.",
    "Of all that he knew about {0}, {1} and {2}, little was written down, and less was ever read again;",
    "What the letter said of {0} was true:\n\n{1} never came alone, and {2} was seldom far behind it there.",
)


def tiny_features() -> dict[str, Any]:
    """Four features: a parent of two, one of them without a concept, and one that shows no context."""
    days = [
        context("text 3", 2.0, 2, [("On", 0.0), (" the", 0.01), (" Monday", 2.0), (" after", 0.5), ("\n", 0.25)]),
        context("text 9", 1.0, 0, [("Friday", 1.0), (" ", 0.0), ("\t", 0.125), ("", 0.0)], label=None),
    ]  # fmt: skip
    features = [
        feature(7, "Monday, Friday", share=0.25, active=0.04, contexts=days, parents=[2])
        | {
            "up": [[" Tuesday", 4.0], ["\n", 1.0]],
            "down": [[" cat", -2.0]],
            "concept": {"name": "weekdays", "score": 1.5, "auroc": 0.97},
        },
        feature(3, "cat, dog", share=0.5, active=0.02, parents=[2])
        | {
            "contexts": [
                context("text 1", 0.75, 1, [("The", 0.0), (" cat", 0.75), (" sat", 0.0)], label=None)
            ],
            "concept": {"name": "animals", "score": 2.5, "auroc": None},
        },
        feature(2, "nouns", share=0.125, active=0.5, children=[7, 3]),
        feature(11, "commas", share=0.125, active=0.06) | {"units": [], "n_units": 0},
    ]
    return _view(
        title="Features of tiny-gpt",
        model={"name": "tiny-gpt", "parameters": 123_456},
        data={"name": "twelve sentences", "n": 12, "tokens": 3000},
        layer="blocks.1.mlp.fc2:input",
        summary=[{"label": "Variance explained", "value": "83.1 %"}],
        features=features,
        tree={
            "levels": [
                {
                    "id": 2,
                    "label": "nouns",
                    "children": [
                        {"id": 7, "label": "Monday, Friday", "children": []},
                        {"id": "0:3", "label": "cat, dog", "children": []},
                    ],
                }
            ]
        },
    )


def concept_features() -> dict[str, Any]:
    """Three features a concept, as they come out of a small language model trained on sentences of eight concepts."""
    draws = np.random.default_rng(17)
    names = list(CONCEPTS)
    shares = np.sort(draws.dirichlet(np.full(24, 2.0)))[::-1]
    features = [
        _concept_feature(draws, number, names[number % 8], float(shares[number])) for number in range(24)
    ]
    tree = []
    for top, name in enumerate(names):
        children = [top + 8, top + 16]
        features[top]["children"] = children
        for child in children:
            features[child]["parents"] = [top]
        leaves = [{"id": child, "label": features[child]["label"], "children": []} for child in children]
        tree.append({"id": top, "label": name, "children": leaves})
    return _view(
        title="Features of a small GPT's second MLP",
        model={"name": "small-gpt:0", "parameters": 1_204_224},
        data={"name": "topics (train)", "n": 1200, "tokens": 30_000},
        layer="blocks.1.mlp.fc2:input",
        summary=[
            {"label": "Variance explained", "value": "83.1 %"},
            {"label": "Concept score > 0", "value": "22 of 24"},
        ],
        features=features,
        tree={"levels": tree},
    )


def big_features(*, count: int = 400, n_contexts: int = 25, n_tokens: int = 31) -> dict[str, Any]:
    """Many features of many long contexts."""
    draws = np.random.default_rng(5)
    words = [f" {w}" for line in CONCEPTS.values() for w in line.split()] + [" the", " of", ",", "\n", " and"]
    features = []
    for number in range(count):
        contexts = []
        for rank in range(n_contexts):
            coefficients = np.round(draws.exponential(0.3, n_tokens), 4)
            focus = n_tokens // 2
            coefficients[focus] = 9.0 - 0.1 * rank
            picked = draws.integers(0, len(words), n_tokens)
            tokens = [[words[w], float(c)] for w, c in zip(picked, coefficients)]
            contexts.append(context(f"text {rank}", 9.0 - 0.1 * rank, focus, tokens))
        features.append(
            feature(number, f"feature of {words[number % 64].strip()}", share=1.0 / count, active=0.01)
            | {"contexts": contexts, "share": float(round(1.0 / (number + 2), 6))}
        )
    return _view(
        title="Features of a large model",
        model={"name": "gpt2", "parameters": 124_439_808},
        data={"name": "wiki", "n": 5000, "tokens": 400_000},
        layer="transformer.h.10.mlp.c_proj:input",
        summary=[],
        features=features,
    )


def feature(
    number: int,
    label: str,
    *,
    share: float = 0.1,
    active: float = 0.01,
    contexts: Any = (),
    parents: Any = (),
    children: Any = (),
) -> dict[str, Any]:
    """A feature of three units that was not projected and has no concept."""
    return {
        "id": number,
        "label": label,
        "share": share,
        "active": active,
        "norm": 3.25,
        "units": [[5, 0.5], [190, -0.25], [17, 0.125]],
        "n_units": 3,
        "contexts": list(contexts),
        "up": None,
        "down": None,
        "concept": None,
        "parents": list(parents),
        "children": list(children),
    }


def context(
    name: str, value: float, focus: int, tokens: Any, *, label: str | None = "weekday"
) -> dict[str, Any]:
    """A context of ``(text, coefficient)`` pairs."""
    pairs = [list(token) for token in tokens]
    return {"id": name, "value": value, "focus": focus, "tokens": pairs, "label": label}


def _concept_feature(draws: np.random.Generator, number: int, name: str, share: float) -> dict[str, Any]:
    """A feature of some words of a concept, which writes all of them and less of the others."""
    words = CONCEPTS[name].split()
    others = [word for other in CONCEPTS if other != name for word in CONCEPTS[other].split()]
    kept = [words[i] for i in draws.permutation(len(words))[: 3 + number % 4]]
    contexts = [_sentence(draws, name, kept, rank) for rank in range(25)]
    up = [[f" {word}", float(value)] for word, value in zip(words, np.linspace(6.0, 1.5, len(words)))]
    down = [
        [f" {others[i]}", -3.6 + 0.06 * rank] for rank, i in enumerate(draws.permutation(len(others))[:50])
    ]
    weights = draws.normal(0.0, 0.4, 39)
    units = [[int(unit), float(weight)] for unit, weight in zip(draws.permutation(768), weights)]
    concept = {"name": name, "score": float(draws.normal(1.2, 0.8)), "auroc": float(draws.uniform(0.7, 0.99))}
    return feature(number, ", ".join(kept[:3]), share=share, active=float(draws.uniform(0.004, 0.09))) | {
        "contexts": sorted(contexts, key=lambda context: -context["value"]),
        "up": [*up, ["\n", 0.4], [" ", 0.2], *([f" {word}", 0.1] for word in others[:20])],
        "down": down,
        "units": sorted(units, key=lambda pair: -abs(pair[1])),
        "n_units": len(units),
        "concept": concept,
    }


def _sentence(draws: np.random.Generator, name: str, kept: list[str], rank: int) -> dict[str, Any]:
    """A sentence of the concept; its kept words are active, the second of them most, its frame a little."""
    frame = FRAMES[rank % len(FRAMES)]
    chosen = [kept[i % len(kept)] for i in draws.permutation(max(3, len(kept)))[:3]]
    tokens: list[list[Any]] = []
    for piece in frame.format(*chosen).replace("\n", " \n ").split(" "):
        if piece == "\n":
            tokens.append(["\n", float(draws.uniform(0, 0.4))])
        elif piece:
            word = piece.rstrip(",.;:")
            active = word in kept
            value = draws.uniform(2.5, 5.0) if active else max(0.0, draws.normal(0.0, 0.25))
            tokens.append([(" " if tokens else "") + word, float(round(value, 3))])
            if piece != word:
                tokens.append([piece[len(word) :], float(round(max(0.0, draws.normal(0, 0.2)), 3))])
    focus = int(np.argmax([value for _, value in tokens]))
    return context(f"{name}/{rank:03d}", tokens[focus][1], focus, tokens, label=name)


def _view(**parts: Any) -> dict[str, Any]:
    return {
        "format": 1,
        "version": "0.1.0",
        "settings": {"k": len(parts["features"]), "sparsity": 0.05, "init": "random", "solver": "hals"},
        "notes": ["Coefficients are those of the best of three starts."],
        "files": ["features.npz", "contexts.jsonl"],
    } | parts
