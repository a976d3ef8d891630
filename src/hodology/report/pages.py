"""Pages from templates: every page is one file with its style, script and data inside, so that it works offline."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hodology.files import write_text
from hodology.report.dots import claim_drawing

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["write_atlas", "write_study_page", "write_trace_report"]

_SCRIPTS = ("dom.js", "diagram.js", "similarity.js", "bars.js", "trace.js")


def write_trace_report(view: Mapping[str, Any], folder: str | Path) -> Path:
    """Write ``index.html`` of a trace.

    Parameters
    ----------
    view : mapping
        What `hodology.interpret.trace_output.write_outputs` returns.
    folder : path
        Must exist.

    Returns
    -------
    Path
        The page. Equal views give equal bytes.
    """
    script = "\n".join(_static(name) for name in _SCRIPTS)
    page = Path(folder) / "index.html"
    write_text(page, _render("trace.html", view=view, data=_script_json(view), script=script))
    return page


def write_study_page(record: Mapping[str, Any], folder: str | Path) -> Path:
    """Write ``SLUG.html``: the claims of one study, measured, with their verdicts."""
    drawings = [claim_drawing(claim) for claim in record["claims"]]
    counts = {v: sum(c["verdict"] == v for c in record["claims"]) for v in ("holds", "does not hold", "undecided")}
    page = Path(folder) / f"{record['slug']}.html"
    write_text(page, _render("study.html", record=record, claims=list(zip(record["claims"], drawings)), counts=counts))
    return page


def write_atlas(
    catalogue: Sequence[Mapping[str, Any]], records: Mapping[str, Mapping[str, Any]], folder: str | Path
) -> Path:
    """Write ``index.html``, the papers of the catalogue by wing, and a page per study that has a record."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for record in records.values():
        write_study_page(record, folder)
    wings: dict[str, list[Mapping[str, Any]]] = {}
    for paper in catalogue:
        wings.setdefault(paper["wing"], []).append(paper)
    page = folder / "index.html"
    script = _static("dom.js") + "\n" + _static("atlas.js")
    states = sorted({paper["state"] for paper in catalogue})
    write_text(page, _render("atlas.html", wings=wings, records=records, states=states, script=script))
    return page


@lru_cache(maxsize=1)
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=PackageLoader("hodology.report"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = lambda value: "" if value is None else f"{value:.3g}"
    return environment


def _render(template: str, **values: Any) -> str:
    return _environment().get_template(template).render(style=_static("style.css"), **values)


@lru_cache(maxsize=16)
def _static(name: str) -> str:
    return resources.files("hodology.report").joinpath("static", name).read_text(encoding="utf-8")


def _script_json(value: Any) -> str:
    """JSON that cannot end its script element, whatever names it holds."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_plain)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _plain(value: Any) -> Any:
    return value.tolist()
