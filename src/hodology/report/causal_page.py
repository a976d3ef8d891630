"""The page of a causal graph: the edges whose cut hurts one class, with its style, script and data in one folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hodology.report.bars import bar_panels
from hodology.report.causal_view import check_causal_view
from hodology.report.page_files import write_page
from hodology.report.render import render

__all__ = ["write_causal_report"]

_STYLES = ("base.css", "trace.css", "causal.css")  # trace.css: stage, card, bars and tables are the same
_SCRIPTS = (
    *("dom.js", "theme.js", "causal_index.js", "causal_layout.js", "causal_graph.js", "causal_card.js"),
    *("causal_lists.js", "causal_maps.js", "causal.js"),
)


def write_causal_report(view: Mapping[str, Any], folder: str | Path) -> Path:
    """Write ``index.html`` and ``assets/`` (``causal.js``, ``style.css``, ``data.js``); it works without a network.

    Parameters
    ----------
    view : mapping
        See `hodology.report.causal_view`.
    folder : path
        Made when missing.

    Returns
    -------
    Path
        The page. Equal views give equal bytes.

    Raises
    ------
    InputError
        When the view is incomplete; names the place.
    """
    check_causal_view(view)
    counts = {key: sum(layer[key] for layer in view["layers"]) for key in ("candidates", "tested", "kept")}
    values = {
        "panels": bar_panels(view["table"]),
        "counts": counts,
        "drawn": any(edge["kind"] != "part" for edge in view["edges"]),
    }
    page = render("causal.html", view=view, **values)
    return write_page(page, folder, name="causal", styles=_STYLES, scripts=_SCRIPTS, view=view)
