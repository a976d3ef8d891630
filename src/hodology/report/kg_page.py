"""The page of paths between two entities of a knowledge graph, with its style, script and data in one folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hodology.report.kg_view import check_kg_view
from hodology.report.page_files import write_page
from hodology.report.render import render

__all__ = ["write_kg_report"]

_STYLES = ("base.css", "trace.css", "causal.css", "kg.css")  # stage, card, tools and tables are the same
_SCRIPTS = (
    *("dom.js", "theme.js", "kg_index.js", "kg_layout.js", "kg_curves.js", "kg_labels.js", "kg_graph.js"),
    *("kg_card.js", "kg_list.js", "kg_copy.js", "kg.js"),
)


def write_kg_report(view: Mapping[str, Any], folder: str | Path) -> Path:
    """Write ``index.html`` and ``assets/`` (``kg.js``, ``style.css``, ``data.js``); it works without a network.

    Parameters
    ----------
    view : mapping
        See `hodology.report.kg_view`.
    folder : path
        Made when missing.

    Returns
    -------
    Path
        The page. Equal views give equal bytes.

    Raises
    ------
    InputError
        When the view is incomplete or its paths are none; names the place.
    """
    check_kg_view(view)
    by_id = {node["id"]: node for node in view["nodes"]}
    values = {
        "source": by_id[view["query"]["source"]],
        "target": by_id[view["query"]["target"]],
        "titles": {node["id"]: node["title"] for node in view["nodes"]},
        "relation_titles": {relation["name"]: relation["title"] for relation in view["relations"]},
        "on_paths": Counter(name for path in view["paths"] for name in dict.fromkeys(path["relations"])),
        "found": [path for path in view["paths"] if path["kind"] == "path"],
    }
    page = render("kg.html", view=view, **values)
    return write_page(page, folder, name="kg", styles=_STYLES, scripts=_SCRIPTS, view=view)
