"""What an episode on its page shows, read off it: where agents are painted, figures at the step, what is said."""

from __future__ import annotations

__all__ = [
    "FLOOR",
    "at_cell",
    "click_cell",
    "figures",
    "occupied",
    "pixel",
    "said",
    "seek",
    "settle",
    "spot",
    "step",
]

FLOOR = (255, 255, 255, 255)  # in light
PAINTED = """([layer, points]) => {
  const canvas = document.querySelectorAll("#world canvas")[layer], dots = canvas.width / canvas.clientWidth;
  const pen = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
  pen.drawImage(canvas, 0, 0);
  const { data, width } = pen.getImageData(0, 0, canvas.width, canvas.height);
  const place = ([x, y]) => 4 * (Math.round(y * dots) * width + Math.round(x * dots));
  return points.map(place).map((at) => [...data.slice(at, at + 4)]);
}"""


def spot(page, row, column):
    """Where the middle of a cell lies on the canvas, and how wide a cell is."""
    left, top, scale = (float(part) for part in page.locator("#world").get_attribute("data-view").split())
    return left + (column + 0.5) * scale, top + (row + 0.5) * scale, scale


def at_cell(page, row, column, *, aside=(0.0, 0.0), layer=1):
    """The colour at a cell, beside its middle by parts of a cell; layer 0 is the ground, 1 the agents."""
    x, y, scale = spot(page, row, column)
    return pixel(page, x + aside[0] * scale, y + aside[1] * scale, layer=layer)


def pixel(page, x, y, *, layer=1):
    return tuple(page.evaluate(PAINTED, [layer, [[x, y]]])[0])


def occupied(page, rows, columns):
    """The cells in which a disc lies."""
    cells = [(row, column) for row in range(rows) for column in range(columns)]
    x, y, scale = spot(page, 0, 0)
    points = [[x + (column + 0.16) * scale, y + (row + 0.16) * scale] for row, column in cells]
    colours = page.evaluate(PAINTED, [1, points])
    return {cell for cell, colour in zip(cells, colours) if colour[3]}


def click_cell(page, row, column):
    x, y, _ = spot(page, row, column)
    page.locator("#world").click(position={"x": x, "y": y})
    settle(page)


def figures(page, part="facts-all"):
    texts = (page.locator(f"#{part} {tag}").all_inner_texts() for tag in ("dt", "dd"))
    return dict(zip(*texts, strict=True))


def said(page):
    return page.locator("#said").inner_text()


def step(page):
    return int(page.locator("#step-said").inner_text().split("/")[0])


def seek(page, to):
    page.locator("#scrubber").fill(str(to))
    settle(page)


def settle(page):
    """Wait for a drawing that follows with the next frame."""
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
