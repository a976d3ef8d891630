"""The page of features: their contexts, what they write, their units, with style, script and data in one folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hodology.files import write_text
from hodology.report.features_view import check_features_view
from hodology.report.render import asset, render, script_value

__all__ = ["write_features_report"]

_STYLES = ("base.css", "features.css")
_SCRIPTS = (
    *("dom.js", "theme.js", "features_tokens.js", "features_contexts.js", "features_detail.js"),
    *("features_list.js", "features_tree.js", "features.js"),
)


def write_features_report(view: Mapping[str, Any], folder: str | Path) -> Path:
    """Write ``index.html`` and ``assets/`` (``features.js``, ``style.css``, ``data.js``); no network is needed.

    Parameters
    ----------
    view : mapping
        See `hodology.report.features_view`.
    folder : path
        Made when missing.

    Returns
    -------
    Path
        The page. Equal views give equal bytes. ``index.html#feature-7`` opens with feature 7.

    Raises
    ------
    InputError
        When the view is incomplete; names the place.
    """
    check_features_view(view)
    texts = {  # all are made before the first is written; the page comes last
        "assets/style.css": asset(*_STYLES),
        "assets/features.js": '"use strict";\n(() => {\n' + asset(*_SCRIPTS) + "})();\n",
        "assets/data.js": f"window.HODOLOGY = {script_value(view)};\n",
        "index.html": render("features.html", view=view),
    }
    folder = Path(folder)
    (folder / "assets").mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        write_text(folder / name, text)
    return folder / "index.html"
