"""What every page is looked at for: contrast of its text, names of its controls, texts that would harm a page."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

__all__ = [
    "BOXES",
    "CONTRASTS",
    "HOSTILE",
    "NAMELESS",
    "check_failed_render",
    "check_failed_write",
    "contents",
    "data_of",
    "sideways",
]

# Left, top, right and bottom of every element.
BOXES = "nodes => nodes.map(n => n.getBoundingClientRect()).map(b => [b.left, b.top, b.right, b.bottom])"

HOSTILE = [
    "<script>window.hacked = 1</script>",
    "</script><script>window.hacked = 1</script><!--",
    "\"'><img src=x onerror='window.hacked = 1'>&amp;\u2028{{ 7 * 7 }}",
]
# Every text on the page with the ratio of its contrast to the ground it lies on (WCAG 2). Colours are read off a
# canvas, since a mixed one is not written as rgb().
CONTRASTS = """() => {
  const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const known = new Map();
  const rgba = (text) => {
    if (!known.has(text)) {
      pen.clearRect(0, 0, 1, 1);
      pen.fillStyle = text;
      pen.fillRect(0, 0, 1, 1);
      known.set(text, [...pen.getImageData(0, 0, 1, 1).data]);
    }
    return known.get(text);
  };
  const light = (rgb) => rgb.slice(0, 3).map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (node) => {
    for (let n = node; n; n = n.parentElement) {
      const colour = rgba(getComputedStyle(n).backgroundColor);
      if (colour[3] === 255) return colour;
    }
  };
  const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !node.checkVisibility() || node.closest("title, script, option")) continue;
    const style = getComputedStyle(node);
    const [a, b] = [rgba(node.closest("svg") ? style.fill : style.color), ground(node)].map(light);
    found.push([walker.currentNode.data.trim(), (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)]);
  }
  return found;
}"""
# Controls, pictures and regions that a screen reader could not name.
NAMELESS = """() => {
  const named = (n) => n.getAttribute("aria-label")?.trim() || n.textContent.trim()
    || [...(n.labels ?? [])].some((label) => label.textContent.trim());
  const silent = (n) => n.closest("[aria-hidden=true]");
  return [
    ...[...document.querySelectorAll("a, button, select, input, summary, option, [tabindex='0'], [role]")]
      .filter((n) => !named(n) && n.id !== "said"),
    ...[...document.querySelectorAll("img")].filter((n) => !n.hasAttribute("alt")),
    ...[...document.querySelectorAll("svg, canvas")].filter((n) => !silent(n)
      && !(n.getAttribute("role") === "img" && n.getAttribute("aria-label"))),
  ].filter((n) => n.checkVisibility() && !silent(n)).map((n) => n.outerHTML.slice(0, 200));
}"""


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


def data_of(page: Path) -> Any:
    """The view that the page was given."""
    text = (page.parent / "assets" / "data.js").read_text(encoding="utf-8")
    assert text.startswith("window.HODOLOGY = ")
    assert text.endswith(";\n")
    return json.loads(text.removeprefix("window.HODOLOGY = ").removesuffix(";\n"))


def sideways(page: Any) -> int:
    """By how many pixels the page is wider than the window, with all that can be opened open."""
    page.locator("details").evaluate_all("nodes => nodes.forEach(n => { n.open = true; })")
    found: int = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return found


def check_failed_write(write, view, folder, monkeypatch, *, broken, files):
    """A disk that is full when one file is put in place."""
    write(view, folder)
    before, replace = contents(folder), os.replace

    def full(source, target):
        if os.fspath(target) == os.fspath(folder / broken):
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        write(view | {"title": "Another"}, folder)
    after = contents(folder)
    assert sorted(after) == files  # no leftover
    assert after[broken] == before[broken]
    assert after["index.html"] == before["index.html"]


def check_failed_render(write, module, view, folder, monkeypatch):
    """A page that cannot be rendered."""
    write(view, folder)
    before = contents(folder)

    def fail(*args, **values):
        raise ValueError("no template")

    monkeypatch.setattr(module, "render", fail)
    with pytest.raises(ValueError, match="no template"):
        write(view | {"title": "Another"}, folder)
    assert contents(folder) == before
