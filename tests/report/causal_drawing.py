"""What a drawn graph shows, read off its page: units, edges, what is lit, what the card and the tables say."""

from __future__ import annotations

import re

__all__ = [
    "COLOURS",
    "card",
    "disc",
    "discs",
    "edges_on",
    "lit",
    "path_options",
    "rows",
    "said",
    "settle",
    "terms",
    "thin",
]

COLOURS = "nodes => nodes.map(n => n.getAttribute('stroke'))"


def discs(page):
    found = page.locator("#graph .discs circle").evaluate_all(
        "nodes => nodes.map(n => [n.dataset.id, n.cx.baseVal.value, n.cy.baseVal.value, n.r.baseVal.value])"
    )
    return {name: (x, y, r) for name, x, y, r in found}


def edges_on(page, part):
    """The pairs of nodes that the drawn lines join, weakest first as they are drawn."""
    at = {(round(x, 1), round(y, 1)): name for name, (x, y, _) in discs(page).items()}
    lines = page.locator(f"#graph .{part} path").evaluate_all("nodes => nodes.map(n => n.getAttribute('d'))")
    points = [[float(v) for v in re.findall(r"-?[\d.]+", line)] for line in lines]
    return [(at[p[0], p[1]], at[p[-2], p[-1]]) for p in points]


def lit(page):
    return set(edges_on(page, "over"))


def disc(page, name):
    return page.locator(f"#graph .discs circle[data-id='{name}']")


def card(page):
    return page.locator("#detail h3").inner_text()


def terms(page):
    texts = (page.locator(f"#detail {tag}").all_inner_texts() for tag in ("dt", "dd"))
    return dict(zip(*texts, strict=True))


def rows(page, place):
    return page.locator(f"{place} tbody tr").evaluate_all(
        "rows => rows.map(row => [...row.cells].map(c => c.innerText))"
    )


def said(page):
    return page.locator("#said").inner_text()


def path_options(page):
    return page.locator("#routes [role=option]")


def settle(page):
    """Wait for a drawing that follows with the next frame."""
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def thin(page, place):
    """Move the slider."""
    page.locator("#thin").fill(str(place))
    settle(page)
