"""The files of a page that is a folder: ``index.html`` and beside it, in ``assets/``, style, script and data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hodology.files import write_text
from hodology.report.render import asset, script_value

__all__ = ["write_page"]


def write_page(
    page: str,
    folder: str | Path,
    *,
    name: str,
    styles: Sequence[str],
    scripts: Sequence[str],
    view: Mapping[str, Any],
) -> Path:
    """Write ``index.html`` and ``assets/`` (``NAME.js``, ``style.css``, ``data.js``), the page last.

    All texts are made before the first is written, and each file appears whole or not at all. A page that stands
    there from before is therefore whole until the very last step.

    Parameters
    ----------
    page : str
        What stands in ``index.html``; it asks for ``assets/style.css``, ``assets/data.js`` and ``assets/NAME.js``.
    folder : path
        Made when missing.
    name : str
        Of the script.
    styles, scripts : sequence of str
        Static files, in the order in which the browser reads them. The scripts share one scope of their own.
    view : mapping
        What the scripts find as ``window.HODOLOGY``.

    Returns
    -------
    Path
        The page. Equal arguments give equal bytes.
    """
    texts = {
        "assets/style.css": asset(*styles),
        f"assets/{name}.js": '"use strict";\n(() => {\n' + asset(*scripts) + "})();\n",
        "assets/data.js": f"window.HODOLOGY = {script_value(view)};\n",
        "index.html": page,
    }
    folder = Path(folder)
    (folder / "assets").mkdir(parents=True, exist_ok=True)
    for file, text in texts.items():
        write_text(folder / file, text)
    return folder / "index.html"
