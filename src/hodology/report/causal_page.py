"""The page of a causal graph: the edges whose cut hurts one class, with its style, script and data in one folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hodology.files import write_text
from hodology.report.bars import bar_panels
from hodology.report.causal_view import check_causal_view
from hodology.report.render import asset, render, script_value

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
    texts = {  # all are made before the first is written; the page comes last
        "assets/style.css": asset(*_STYLES),
        "assets/causal.js": '"use strict";\n(() => {\n' + asset(*_SCRIPTS) + "})();\n",
        "assets/data.js": f"window.HODOLOGY = {script_value(view)};\n",
        "index.html": render("causal.html", view=view, **values),
    }
    folder = Path(folder)
    (folder / "assets").mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        write_text(folder / name, text)
    return folder / "index.html"
