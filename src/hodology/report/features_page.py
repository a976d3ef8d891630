"""The page of features: their contexts, what they write, their units, with style, script and data in one folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hodology.report.features_view import check_features_view
from hodology.report.page_files import write_page
from hodology.report.render import render

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
    page = render("features.html", view=view)
    return write_page(page, folder, name="features", styles=_STYLES, scripts=_SCRIPTS, view=view)
