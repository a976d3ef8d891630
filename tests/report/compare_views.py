"""Views of comparisons: one to know by heart, one as areas and layers give it, one pair, one large, one of a set alone."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["areas_view", "big_view", "pair_view", "self_view", "tiny_view"]

VALUES = [[0.30, 0.62, 0.58], [None, -0.20, 0.45]]
LOW = [[0.20, 0.55, 0.50], [None, -0.30, None]]
HIGH = [[0.40, 0.70, 0.66], [None, -0.10, None]]
P = [[0.04, 0.001, 0.002], [None, 0.9, 0.01]]


def tiny_view() -> dict[str, Any]:
    """Two areas and three layers over four stimuli.

    V1 is best at conv2 (0.62, 0.55 to 0.70), and conv3 lies within; IT has no value at conv1, is against conv2, and is
    best at conv3, whose interval is not known. IT has no units and fc no matrix.
    """
    return {
        "format": 1,
        "title": "mouse.npz and small-cnn",
        "version": "0.1.0",
        "settings": {"a": "mouse.npz", "b": "small-cnn", "measure": "rsa", "n_boot": 1000, "seed": 0},
        "sets": [
            {"key": "a", "label": "mouse.npz", "representations": [_one("V1", 120, _rdm()), _one("IT", None, _rdm(2.0))]},
            {
                "key": "b",
                "label": "small-cnn",
                "representations": [_one("conv1", 64, _rdm(3.0)), _one("conv2", 256, _rdm(0.5)), _one("conv3", 1024, None)],
            },
        ],
        "stimuli": ["face", "hand", "house", "tree"],
        "measure": {"name": "rsa-spearman", "note": "Spearman correlation of dissimilarities over pairs of stimuli"},
        "matrix": {"rows": ["V1", "IT"], "columns": ["conv1", "conv2", "conv3"], "values": VALUES, "low": LOW}
        | {"high": HIGH, "p": P},
        "embedding": {
            "points": [
                {"name": name, "set": key, "x": x, "y": y}
                for name, key, x, y in [
                    ("V1", "a", 0.0, 0.0), ("IT", "a", 1.0, 0.5), ("conv1", "b", -1.0, 0.2),
                    ("conv2", "b", 0.1, 0.4), ("conv3", "b", 0.6, -0.3),
                ]
            ]
        },
        "table": _table([("V1 \u2013 conv2", 0.62, 0.55, 0.70), ("IT \u2013 conv3", 0.45, None, None)]),
        "notes": ["Intervals (95%) are of 1,000 bootstrap samples of the stimuli."],
        "files": ["table.csv", "summary.json", "rdms.npz"],
    }  # fmt: skip


def pair_view() -> dict[str, Any]:
    """One representation on each side, without intervals, tests, matrices and a plane."""
    view = tiny_view()
    view["sets"] = [
        {"key": side, "label": f"{side}.npy", "representations": [_one(name, 10, None)]}
        for side, name in (("a", "left"), ("b", "right"))
    ]
    view["matrix"] = {"rows": ["left"], "columns": ["right"], "values": [[0.5]]}
    view["matrix"] |= {"low": None, "high": None, "p": None}
    return view | {"title": "a.npy and b.npy", "embedding": None, "table": {"columns": [], "rows": []}}


def self_view(n: int = 6) -> dict[str, Any]:
    """The layers of one network with each other."""
    names = [f"layer {i}" for i in range(n)]
    values = [[1.0 - 0.15 * abs(i - j) for j in range(n)] for i in range(n)]
    view = _drawn(names, None, values, n_stimuli=12, seed=3)
    return view | {"title": "Representations of small-cnn"}


def areas_view(*, n_stimuli: int = 48, seed: int = 11) -> dict[str, Any]:
    """Six areas against twelve layers, each best somewhere in the middle; V1 lowest."""
    areas = ["VISp", "VISl", "VISal", "VISpm", "VISam", "VISrl"]
    layers = [f"features.{i}" for i in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 28)]
    peaks = [3, 6, 6, 7, 7, 8]
    values = [
        [0.55 * float(np.exp(-(((j - peak) / 3.5) ** 2))) - 0.04 for j in range(len(layers))]
        for peak in peaks
    ]
    return _drawn(areas, layers, values, n_stimuli=n_stimuli, seed=seed)


def big_view(n: int = 60, *, seed: int = 5) -> dict[str, Any]:
    """`n` representations on each side, matrices that stand for blocks of stimuli, a hole here and there."""
    draws = np.random.default_rng(seed)
    rows = [f"area {i} of the left hemisphere" for i in range(n)]
    columns = [f"transformer.encoder.layers.{i}.mlp.output" for i in range(n)]
    i, j = np.mgrid[:n, :n] / n
    values = np.exp(-(((i - j) * 4) ** 2)) - 0.2 + 0.05 * draws.normal(size=(n, n))
    lines: list[list[float | None]] = np.clip(values, -1, 1).tolist()
    for at in range(0, n, 7):
        lines[at][(3 * at) % n] = None
    lines[n // 2] = [None] * n
    return _drawn(rows, columns, lines, n_stimuli=400, seed=seed, size=60)


def _drawn(
    rows: list[str],
    columns: list[str] | None,
    values: list[list[Any]],
    *,
    n_stimuli: int,
    seed: int,
    size: int | None = None,
) -> dict[str, Any]:
    """A view whose matrices and places are drawn at random around groups of stimuli."""
    draws = np.random.default_rng(seed)
    names = [("a", row) for row in rows] + [("b", column) for column in columns or []]
    places = draws.normal(size=(len(names), 2)) * 0.05
    places[:, 0] += [at / len(part) for part in (rows, columns or []) for at in range(len(part))]
    sets = []
    for key in ("a", "b") if columns else ("a",):
        shown = []
        for index, (_, name) in enumerate([pair for pair in names if pair[0] == key]):
            rdm, points = _stimuli(draws, size or n_stimuli)
            shown.append(_one(name, 100 + index, rdm) | ({"points": points} if size is None else {}))
        sets.append({"key": key, "label": {"a": "mouse.nwb", "b": "vgg16"}[key], "representations": shown})

    def moved(by: float) -> list[list[float | None]]:
        return [[None if v is None else v + by for v in line] for line in values]

    p = [[None if v is None else float(np.clip(0.5 - v, 0.001, 1)) for v in line] for line in values]
    kinds = ["face", "hand", "house", "tree"]
    best = []
    for row, line in zip(rows, values, strict=True):
        known = [(v, c) for v, c in zip(line, columns or rows, strict=True) if v is not None and c != row]
        best += [(row, max(known))] if known else []
    return tiny_view() | {
        "title": "mouse.nwb and vgg16",
        "sets": sets,
        "stimuli": [f"{kinds[k * 4 // n_stimuli]} {k}" for k in range(n_stimuli)],
        "matrix": {"rows": rows, "columns": columns or list(rows), "values": values}
        | {"low": moved(-0.06), "high": moved(0.07), "p": p},
        "embedding": {
            "points": [
                {"name": name, "set": key, "x": float(x), "y": float(y)}
                for (key, name), (x, y) in zip(names, places, strict=True)
            ]
        },
        "table": _table([(f"{row} \u2013 {column}", v, v - 0.06, v + 0.07) for row, (v, column) in best]),
    }


def _stimuli(draws: np.random.Generator, n: int) -> tuple[list[list[float]], list[dict[str, Any]]]:
    """Distances of `n` stimuli of four groups, and their places in a plane."""
    at = draws.normal(size=(n, 6)) + 2.0 * np.eye(6)[np.arange(n) * 4 // n]
    rdm = np.sqrt(((at[:, None] - at[None]) ** 2).sum(axis=2)).round(4).tolist()
    return rdm, [{"stimulus": k, "x": float(x), "y": float(y)} for k, (x, y) in enumerate(at[:, :2])]


def _table(rows: list[tuple[str, float, float | None, float | None]]) -> dict[str, Any]:
    return {
        "columns": [{"key": "similarity", "label": "rsa-spearman", "percent": False, "better": ""}],
        "rows": [
            {"method": label, "label": label, "similarity": {"estimate": v, "low": low, "high": high, "n": 4}}
            for label, v, low, high in rows
        ],
    }


def _one(name: str, n_units: int | None, rdm: Any) -> dict[str, Any]:
    return {"name": name, "n_units": n_units, "rdm": rdm}


def _rdm(factor: float = 1.0) -> list[list[float]]:
    """Six dissimilarities of four stimuli: 1 to 6 in the order of the pairs, times `factor`."""
    matrix = np.zeros((4, 4))
    matrix[np.triu_indices(4, 1)] = factor * np.arange(1.0, 7.0)
    return (matrix + matrix.T).tolist()
