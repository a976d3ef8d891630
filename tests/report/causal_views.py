"""Views of causal graphs: one to know by heart, one as a study would hand over, and one as large as any."""

from __future__ import annotations

from typing import Any

import numpy as np

from hodology.report import png_data_uri

__all__ = ["big_view", "digits_view", "parted_view", "tiny_view"]


def tiny_view() -> dict[str, Any]:
    """An input, two hidden layers and a class; eight edges, one of which passes over a layer.

    The strongest path is in -> a0 -> b1 -> cat; a1 reaches the class only through its skip edge.
    """
    edges = [
        _edge("in", "a0", 0.5),
        _edge("in", "a1", 0.25),
        _edge("a0", "b1", 0.75),
        _edge("a0", "b0", 0.125),
        _edge("a1", "b0", 0.0625),
        _edge("a1", "cat", 0.375, kind="skip"),
        _edge("b1", "cat", 1.0),
        _edge("b0", "cat", 0.1875, low=None, high=None, p=None),
    ]
    nodes = [
        ("in", 0, "pixels", None),
        ("a0", 1, "0", 0.875),
        ("a1", 1, "1", 0.4375),
        ("b0", 2, "0", 0.1875),
        ("b1", 2, "1", 1.0),
        ("cat", 3, "cat", None),
    ]
    return _view(
        title="What makes tiny-net say cat",
        model={"name": "tiny-net", "parameters": 1234, "accuracy": 0.9611},
        data={"name": "animals (test)", "n": 60, "shown": 2},
        target={"id": 3, "name": "cat"},
        layers=[
            _layer("input", "input", 1, (0, 0, 0), None),
            _layer("features.0", "conv1", 4, (4, 4, 2), (0.012, -0.004, 0.031)),
            _layer("features.3", "conv2", 8, (16, 12, 3), None),
            _layer("classifier", "class", 10, (12, 12, 3), (-0.02, None, None)),
        ],
        nodes=nodes,
        edges=edges,
        paths=[
            (["in", "a0", "b1", "cat"], 0.375),
            (["in", "a1", "cat"], 0.09375),
            (["in", "a0", "b0", "cat"], 0.0117),
        ],
        maps=[_map("animals/1", 0, 0.91, ""), _map("animals/2", 1, None, "taken for a dog", heat=False)],
    )


def parted_view() -> dict[str, Any]:
    """A channel, three entries of its flattened map, and a class that reads two of them."""
    parts = [_edge("a", f"f{i}", 0.0, kind="part", low=None, high=None, p=None) for i in range(3)]
    nodes = [("in", 0, "0", 0.5), ("a", 1, "7", None)]
    nodes += [*((f"f{i}", 2, str(i), None) for i in range(3)), ("cat", 3, "cat", None)]
    return tiny_view() | _view(
        layers=[
            _layer("input", "input", 1, (0, 0, 0), None),
            _layer("conv", "conv", 8, (1, 1, 1), None),
            _layer("conv:flat", "conv flat", 3, (0, 0, 0), None),
            _layer("fc", "class", 10, (3, 3, 2), None),
        ],
        nodes=nodes,
        edges=[*parts, _edge("in", "a", 0.5), _edge("f0", "cat", 1.0), _edge("f1", "cat", 0.25)],
        paths=[(["in", "a", "f0", "cat"], 0.5), (["in", "a", "f1", "cat"], 0.25)],
    )


def digits_view() -> dict[str, Any]:
    """A small convolutional network on digits: 12 and 16 filters, 32 hidden units, the class 3."""
    draws = np.random.default_rng(36)
    sizes = [1, 12, 16, 32, 1]
    layers = [
        _layer("input", "input", 1, (0, 0, 0), None),
        _layer("features.0", "conv1", 12, (12, 12, 9), (0.0, -0.01, 0.02)),
        _layer("features.3", "conv2", 16, (108, 108, 44), (0.013, 0.0, 0.03)),
        _layer("classifier.0", "dense", 32, (352, 352, 62), (0.05, 0.02, 0.09)),
        _layer("classifier.2", "class", 10, (32, 32, 11), (0.002, -0.003, 0.007)),
    ]
    edges = _random_edges(draws, sizes, [0, 9, 44, 62, 11])
    return _graph_view(
        edges,
        sizes,
        title="What makes digits-cnn see a three",
        model={"name": "digits-cnn:0", "parameters": 20_378, "accuracy": 0.9611},
        data={"name": "digits (test)", "n": 72, "shown": 8},
        target={"id": 3, "name": "3"},
        layers=layers,
        maps=_digit_maps(8),
    )


def big_view(*, depth: int = 12, width: int = 512, n_edges: int = 20_000) -> dict[str, Any]:
    """`depth` layers of `width` units with `n_edges` edges, every tenth of them past a layer."""
    draws = np.random.default_rng(7)
    sizes = [3, *[width] * (depth - 2), 1]
    per_layer = [0, *[n_edges // (depth - 1)] * (depth - 1)]
    per_layer[-1] = min(width, per_layer[-1])
    edges = _random_edges(draws, sizes, per_layer, skips=0.1)
    labels = ["input", *[f"layer{i // 3 + 1}.{i % 3}.conv2" for i in range(depth - 2)], "class"]
    layers = [
        _layer(f"model.{label}", label, size, (0, 0, 0) if i == 0 else (size * 40, size * 30, size), None)
        for i, (label, size) in enumerate(zip(labels, sizes))
    ]
    return _graph_view(
        edges,
        sizes,
        title="What makes resnet see an English springer",
        model={"name": "resnet", "parameters": 11_689_512, "accuracy": 0.89},
        data={"name": "imagenette (validation)", "n": 395, "shown": 0},
        target={"id": 217, "name": "English springer, English springer spaniel"},
        layers=layers,
        maps=[],
    )


def _random_edges(
    draws: np.random.Generator, sizes: list[int], per_layer: list[int], *, skips: float = 0.0
) -> list[dict[str, Any]]:
    """Edges between units of which few are busy, with effects of which few are large; every unit stays reachable."""
    busy = [draws.pareto(2.0, size) + 0.3 for size in sizes]
    edges = []
    for layer in range(1, len(sizes)):
        for back in (1, 2) if skips and layer > 2 else (1,):
            chance = np.outer(busy[layer - back], busy[layer]).ravel()
            share = 1.0 if not skips or layer < 3 else skips if back == 2 else 1.0 - skips
            count = min(len(chance), round(share * per_layer[layer]))
            for pair in draws.choice(len(chance), count, replace=False, p=chance / chance.sum()):
                source, target = divmod(int(pair), sizes[layer])
                effect = float(round(draws.lognormal(-3.0, 1.1), 5)) + 1e-4
                spread = effect * float(draws.uniform(0.2, 0.6))
                more = {
                    "low": effect - spread,
                    "high": effect + spread,
                    "p": float(10 ** -draws.uniform(3, 22)),
                }
                kind = "skip" if back == 2 else "weight"
                edges.append(
                    _edge(f"{layer - back}:{source}", f"{layer}:{target}", effect, kind=kind, **more)
                )
    return edges


def _graph_view(edges: list[dict[str, Any]], sizes: list[int], **parts: Any) -> dict[str, Any]:
    """Only what reaches the class stays; scores are sums of effects, paths the strongest by their weakest edge."""
    output = f"{len(sizes) - 1}:0"
    reaching = {output}
    for edge in sorted(edges, key=lambda edge: -int(edge["source"].split(":")[0])):
        if edge["target"] in reaching:
            reaching.add(edge["source"])
    edges = [edge for edge in edges if edge["target"] in reaching]
    names = {end for edge in edges for end in (edge["source"], edge["target"])}
    score: dict[str, float] = dict.fromkeys(names, 0.0)
    for edge in edges:
        score[edge["source"]] += edge["effect"]
    nodes = []
    for name in sorted(names, key=lambda name: [int(part) for part in name.split(":")]):
        layer, unit = name.split(":")
        last = name == output
        nodes.append(
            (name, int(layer), parts["target"]["name"] if last else unit, None if last else score[name])
        )
    return _view(edges=edges, nodes=nodes, paths=_best_paths(edges, output), **parts)


def _best_paths(edges: list[dict[str, Any]], output: str, count: int = 12) -> list[tuple[list[str], float]]:
    best: dict[str, list[tuple[float, list[str]]]] = {}
    for edge in sorted(edges, key=lambda edge: int(edge["source"].split(":")[0])):
        starts = best.get(edge["source"], [])
        if edge["source"].startswith("0:"):
            starts = [(np.inf, [edge["source"]])]
        found = [(min(score, edge["effect"]), [*nodes, edge["target"]]) for score, nodes in starts]
        best[edge["target"]] = sorted([*best.get(edge["target"], []), *found], key=lambda p: -p[0])[:count]
    return [(nodes, float(score)) for score, nodes in best[output]]


def _view(*, nodes: Any, paths: Any, **parts: Any) -> dict[str, Any]:
    keys = ("id", "layer", "unit", "score")
    return {
        "format": 1,
        "version": "0.1.0",
        "settings": {
            "effect": "logodds",
            "reference": "zero",
            "alpha": 0.01,
            "correction": "bh",
            "min_effect": 0.0,
        },
        "nodes": [dict(zip(keys, node)) for node in nodes],
        "paths": [{"nodes": steps, "score": score} for steps, score in paths],
        "effect_unit": "log odds",
        "cost_unit": "class accuracy",
        "table": _table(),
        "notes": [
            "Edges were tested on 60 training images of the class with a one-sided t test and Benjamini-Hochberg at 0.01.",
            "Cutting an edge sets its source to zero on that edge alone; biases stay.",
        ],
        "files": ["graph.graphml", "edges.csv", "summary.json"],
    } | parts


def _edge(source: str, target: str, effect: float, **more: Any) -> dict[str, Any]:
    edge = {"source": source, "target": target, "effect": effect}
    return edge | {"low": 0.8 * effect, "high": 1.2 * effect, "p": 0.0012, "kind": "weight"} | more


def _layer(
    name: str, label: str, units: int, counts: tuple[int, int, int], cost: tuple[Any, ...] | None
) -> dict[str, Any]:
    rejected = None if cost is None else dict(zip(("estimate", "low", "high"), cost)) | {"n": 60}
    found = dict(zip(("candidates", "tested", "kept"), counts))
    return {"name": name, "label": label, "units": units, "rejected_cost": rejected} | found


def _table() -> dict[str, Any]:
    columns = [
        {"key": "cut", "label": "Class accuracy after cutting", "percent": True, "share": True, "better": "lower"},
        {"key": "keep", "label": "Class accuracy, all else cut", "percent": True, "share": True, "better": "higher"},
        {"key": "stable", "label": "Half-to-half Jaccard", "percent": False, "better": "higher"},
    ]  # fmt: skip
    rows = [
        ("Causal edges", (0.0, 0.0, 0.04), (1.0, 0.95, 1.0), (0.89, 0.83, 0.95)),
        ("Gradient × weight", (0.31, 0.2, 0.42), (0.72, 0.6, 0.81), (0.56, 0.35, 0.71)),
        ("Largest weights", (0.83, 0.63, 0.96), (0.46, 0.33, 0.58), (1.0, None, None)),
        ("Random edges", (0.92, 0.87, 0.99), (0.39, 0.29, 0.5), None),
    ]
    return {
        "columns": columns,
        "rows": [
            {"method": label.lower(), "label": label, "cut": _cell(cut), "keep": _cell(keep), "stable": _cell(stable)}
            for label, cut, keep, stable in rows
        ],
    }  # fmt: skip


def _cell(values: tuple[float | None, ...] | None) -> dict[str, Any] | None:
    return None if values is None else dict(zip(("estimate", "low", "high"), values)) | {"n": 72}


def _map(name: str, rank: int, score: float | None, note: str, *, heat: bool = True) -> dict[str, Any]:
    pixels = np.full((8, 8), 90 * rank + 40, dtype=np.uint8)
    warm = np.zeros((4, 4), dtype=np.uint8)
    warm[rank, 2] = 255
    return {
        "id": name,
        "image": png_data_uri(pixels),
        "heat": png_data_uri(warm) if heat else None,
        "score": score,
        "note": note,
    }


def _digit_maps(count: int) -> list[dict[str, Any]]:
    """Threes of scikit-learn, warm where a stroke bends to the right."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    threes = digits.images[digits.target == 3][:count]
    maps = []
    for index, image in enumerate(threes):
        ink = np.clip(image / 16.0, 0.0, 1.0)
        warm = np.clip(np.diff(ink, axis=1, append=0.0) * -1.0, 0.0, None) * np.linspace(0.4, 1.0, 8)
        warm = (warm[::2, ::2] + warm[1::2, ::2] + warm[::2, 1::2] + warm[1::2, 1::2]) / 4
        maps.append(
            {
                "id": f"digits/test/{40 + 11 * index:04d}",
                "image": png_data_uri((255 * ink).astype(np.uint8)),
                "heat": png_data_uri((255 * warm / max(warm.max(), 1e-9)).astype(np.uint8)),
                "score": round(0.99 - 0.04 * index, 3),
                "note": "taken for an 8" if index == 6 else "",
            }
        )
    return maps
