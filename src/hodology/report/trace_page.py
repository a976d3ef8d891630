"""The report of a trace: one page, with its style, script and data in a folder beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hodology.files import write_text
from hodology.report.bars import bar_panels
from hodology.report.render import asset, render, script_value
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
    texts = {  # all are made before the first is written; the page comes last
        "assets/style.css": asset(*_STYLES),
        "assets/trace.js": '"use strict";\n(() => {\n' + asset(*_SCRIPTS) + "})();\n",
        "assets/data.js": f"window.HODOLOGY = {script_value(view)};\n",
        "index.html": render("trace.html", view=view, panels=bar_panels(view["table"]), files=files),
    }
    folder = Path(folder)
    (folder / "assets").mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        write_text(folder / name, text)
    return folder / "index.html"
