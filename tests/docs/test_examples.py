"""Every Python block of the pages that promise to run does, and every example of a docstring gives what it says."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import hodology

DOCS = Path(__file__).parents[2] / "docs"
MODULES = [info.name for info in pkgutil.walk_packages(hodology.__path__, "hodology.")]
BLOCK = re.compile(r"^```python\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    ("page", "left"),
    [
        ("tutorial.md", ["out/index.html", "paths.graphml", "paths.jsonl", "paths.svg"]),
        ("neuron-path.md", ["paths.jsonl"]),
        ("add-a-method.md", []),
        ("graphs.md", ["roads.graphml", "routes.jsonl"]),
        ("knowledge-graphs.md", []),
        ("swarm.md", ["agents.jsonl", "follower.npz", "frame.svg"]),
        ("compare.md", ["brain.npz", "network.npz", "out/index.html"]),
        ("geometry.md", ["areas.npz"]),
    ],
)
def test_the_blocks_of_a_page_run_in_order_and_leave_their_files(page, left, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (DOCS / page).read_text(encoding="utf-8")
    names: dict[str, object] = {"__name__": "tutorial"}
    blocks = list(BLOCK.finditer(text))
    assert blocks
    for block in blocks:
        lines_before = text.count("\n", 0, block.start()) + 1
        code = compile("\n" * lines_before + block.group(1), page, "exec")  # errors name the page's line
        exec(code, names)
    assert [file for file in left if not (tmp_path / file).is_file()] == []


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("__main__")])
def test_the_examples_of_a_module(name):
    failed = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert failed.failed == 0


def test_there_are_examples_to_look_at():
    finder = doctest.DocTestFinder(exclude_empty=True)
    modules = ("hodology.interpret.neuron_path", "hodology.path.pathset", "hodology.rng", "hodology.errors")
    for name in modules:
        assert any(test.examples for test in finder.find(importlib.import_module(name)))
