"""The report of a trace: one page, with its style, script and data in a folder beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hodology.report.bars import bar_panels
from hodology.report.page_files import write_page
from hodology.report.render import render
from hodology.report.view import FILES, check_view

__all__ = ["write_trace_report"]

_STYLES = ("base.css", "trace.css")
_SCRIPTS = ("dom.js", "theme.js", "diagram.js", "strip.js", "similarity.js", "trace.js")


def write_trace_report(view: Mapping[str, Any], folder: str | Path) -> Path:
    """Write ``index.html`` and ``assets/`` (``trace.js``, ``style.css``, ``data.js``); it works without a network.

    Parameters
    ----------
    view : mapping
        See `hodology.report.view`; made by `hodology.interpret.trace_output.write_outputs`.
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
    check_view(view)
    files = view.get("files", FILES)
    page = render("trace.html", view=view, panels=bar_panels(view["table"]), files=files)
    return write_page(page, folder, name="trace", styles=_STYLES, scripts=_SCRIPTS, view=view)
