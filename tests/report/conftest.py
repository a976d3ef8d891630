"""Shared by the tests of the pages: a small view, a study record, a catalogue, and a browser that notes all it does."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hodology.report import png_data_uri, write_atlas, write_study_page, write_trace_report

SWITCHES = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run", "--disable-quic"),
)
SHARED, RARE, RARER = 20, 23, 22  # units: one that all classes use, two that no class lists


@pytest.fixture
def make_view() -> Callable[..., dict[str, Any]]:
    """Build what a trace hands over: 4 layers of 24 units, three inputs a class.

    Of every class the first input takes the preferred path, the second the shared unit in layer 2, and the third
    a unit in layer 3 that the class does not list; the third of the second class is taken for the first class.
    """
    return _view


@pytest.fixture
def view() -> dict[str, Any]:
    return _view()


@pytest.fixture
def record() -> dict[str, Any]:
    """A study of three claims, one of every verdict."""
    return {
        "format": 1,
        "number": 1,
        "slug": "neuron-path",
        "title": "Influential paths <and> others",
        "reference": "Wang et al., ICLR 2025",
        "wing": "interpret",
        "question": "Which chain of hidden units carries a decision?",
        "size": "quick",
        "seeds": [0, 1, 2],
        "data": None,
        "versions": {"hodology": "0.1.0", "torch": "2.6.0"},
        "commit": "0123456789ab",
        "started": "2026-01-02T03:04:05+00:00",
        "seconds": 12.5,
        "state": "partly",
        "claims": [
            _claim("Paths score over twice as much", [3.1, 2.6, 3.4], (2.1, 3.9), "above 2", 2.0, "holds"),
            _claim("Wrong masks lose < 5 points", [-17.0, -21.0, -31.0], (-41.0, -6.0), "above -5", -5.0)
            | {"verdict": "does not hold", "note": 'measured with "care"', "unit": "points"},
            _claim("One seed tells nothing", [0.25], None, "below 0.5", 0.5, "undecided"),
        ],
        "tables": [
            {
                "title": "Methods",
                "columns": ["method", "score", "change"],
                "rows": [["ours", 0.0746, "\u22123.95"], ["random", 0.000231, "-0.0307"], ["none", None, ""]],
            }
        ],
        "notes": ["Accuracy of the models: 0.975."],
    }


@pytest.fixture
def catalogue() -> list[dict[str, Any]]:
    """Five papers of three wings, one of them unknown to the atlas; only the first was run."""
    rows = [
        (7, "mode-paths", "Linear mode connectivity", "geometry", "not built"),
        (1, "neuron-path", "Influential paths <and> others", "interpret", "partly"),
        (3, "light-paths", "Rays in a lens", "optics", "not built"),
        (2, "path-ensemble", "Transformers as ensembles of paths", "interpret", "not run"),
        (9, "rich-lazy", "Rich and lazy learning", "geometry", "not built"),
    ]
    return [
        {
            "number": n,
            "slug": slug,
            "title": title,
            "reference": f"Author {n}, 2025",
            "wing": wing,
            "state": state,
        }
        | ({"question": "Is a model many short paths?"} if n == 2 else {})
        for n, slug, title, wing, state in rows
    ]


@pytest.fixture
def trace_page(view, tmp_path) -> Path:
    """The trace report of the small view."""
    return write_trace_report(view, tmp_path / "trace")


@pytest.fixture
def study_page(record, tmp_path) -> Path:
    """The page of a study on its own, without an atlas."""
    return write_study_page(record, tmp_path / "study")


@pytest.fixture
def atlas_page(catalogue, record, tmp_path) -> Path:
    """The atlas, with the page of the one study that was run beside it."""
    return write_atlas(catalogue, {record["slug"]: record}, tmp_path / "atlas")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One Chromium for all tests of this process."""
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright, of the dev extra")
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("no program named chromium: install it to test the pages in a browser")
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=list(SWITCHES))
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser) -> Iterator[Callable[..., Any]]:
    """Open a file in a window of its own; afterwards nothing went wrong in it and nothing was asked of a network."""
    contexts, troubles, addresses = [], [], []

    def note(message: Any) -> None:
        if message.type in ("error", "warning"):
            troubles.append(f"{message.type}: {message.text}")

    def open_file(file: Path, *, width: int = 1200, scheme: str = "light", script: bool = True) -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=script
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(5000)
        page.on("console", note)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("request", lambda request: addresses.append(request.url))
        page.goto(file.resolve().as_uri())
        return page

    yield open_file
    for context in contexts:
        context.close()
    assert troubles == []
    assert [address for address in addresses if not address.startswith(("file:", "data:"))] == []


def _view(
    *, kind: str = "image", names: tuple[str, ...] = ("cat", "dog", "owl"), top_k: int = 1
) -> dict[str, Any]:
    classes, items = [], []
    for index, name in enumerate(names):
        best = [4 * index + layer for layer in range(4)]
        taken = [list(best), [best[0], SHARED, *best[2:]], [*best[:2], RARE, best[3]]]
        layers = [[[unit, 1.0]] for unit in best]
        layers[1] = [[best[1], 0.6667], [SHARED, 0.3333]]
        layers[2] = [[best[2], 0.6667]]
        classes.append({"id": 10 * index + 3, "name": name, "n": (1200, 40, 7)[index], "layers": layers})
        items += [_item(index, rank, path, names, kind, top_k) for rank, path in enumerate(taken)]
    known = [[1.0, 0.42, 0.05], [0.42, 1.0, 0.2], [0.05, 0.2, 1.0]]
    return {
        "format": 1,
        "title": "Paths through tiny-vit",
        "kind": kind,
        "version": "0.1.0",
        "model": {"name": "tiny-vit", "parameters": 115450, "accuracy": 0.8888},
        "data": {"name": "animals (test)", "n": 1247, "shown": len(items)},
        "settings": {"model": "tiny-vit", "methods": ["neuron-path", "random"], "steps": 20, "top_k": top_k},
        "layers": [{"name": f"blocks.{i}.mlp.fc2:input", "label": str(i + 1), "width": 24} for i in range(4)],
        "methods": [
            {"key": "neuron-path", "label": "Neuron path", "note": "grown layer by layer"},
            {"key": "activation", "label": "Activation", "note": "most active unit of each layer"},
            {"key": "random", "label": "Random", "note": "a uniform draw"},
        ],
        "classes": classes,
        "similarity": [line[: len(names)] for line in known[: len(names)]],
        "items": items,
        "table": _table(),
        "files": ["paths.jsonl", "summary.json"],
        "notes": ["Intervals are 95 % bootstrap intervals over 1247 inputs."],
    }


def _item(
    index: int, rank: int, path: list[int], names: tuple[str, ...], kind: str, top_k: int
) -> dict[str, Any]:
    wrong = (index, rank) == (1, 2)
    steps: list[Any] = list(path)
    if top_k == 2:
        steps = [[unit, RARER if unit == RARE else unit + 12] for unit in path]
    pixels = np.full((8, 8), 40 * index + 20, dtype=np.uint8)
    pixels[rank] = 255
    return {
        "id": f"animals/test/{3 * index + rank:04d}",
        "class": 10 * index + 3,
        "predicted": 3 if wrong else 10 * index + 3,
        "predictedName": names[0] if wrong else names[index],
        "probability": round(0.91 - 0.1 * rank, 4),
        "score": 0.0123 * (rank + 1),
        "path": steps,
        "image": png_data_uri(pixels) if kind == "image" else None,
        "text": f"The {index} sat on the mat, {rank} times." if kind == "text" else None,
    }


def _table() -> dict[str, Any]:
    score = {"key": "jas", "label": "Joint attribution score", "percent": False, "better": "higher"}
    removal = {"key": "probability_x0", "label": "Removal: probability", "percent": True, "better": "lower"}
    rows = [
        ("Neuron path", (0.114, 0.063, 0.176), (-0.04, -0.058, -0.025)),
        ("Activation", (0.0212, 0.004, 0.045), (-0.009, -0.017, 0.003)),
        ("Random", (0.0005, None, None), None),
    ]
    return {
        "columns": [score, removal],
        "rows": [
            {"method": label.lower(), "label": label, "jas": _cell(jas), "probability_x0": _cell(change)}
            for label, jas, change in rows
        ],
    }


def _cell(values: tuple[float | None, ...] | None) -> dict[str, Any] | None:
    return None if values is None else dict(zip(("estimate", "low", "high"), values)) | {"n": 1247}


def _claim(
    claim: str,
    seeds: list[float],
    interval: tuple[float, float] | None,
    rule: str,
    threshold: float,
    verdict: str = "",
) -> dict[str, Any]:
    return {
        "claim": claim,
        "paper": "not in the paper",
        "measured": sum(seeds) / len(seeds),
        "interval": interval,
        "per_seed": seeds,
        "unit": "",
        "rule": rule,
        "threshold": threshold,
        "verdict": verdict,
        "note": "",
    }
