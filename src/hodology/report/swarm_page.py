"""The page of many agents on a grid: the episodes of all policies, played on the map, in one folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hodology.report.bars import bar_panels
from hodology.report.page_files import write_page
from hodology.report.render import render
from hodology.report.swarm_view import check_swarm_view

__all__ = ["write_swarm_report"]

_STYLES = ("base.css", "trace.css", "swarm.css")  # trace.css: stage, card, bars and tables are the same
_SCRIPTS = (
    *("dom.js", "theme.js", "swarm_episode.js", "swarm_camera.js", "swarm_ground.js", "swarm_agents.js"),
    *("swarm_world.js", "swarm_facts.js", "swarm_list.js", "swarm_chart.js", "swarm_player.js", "swarm.js"),
)


def write_swarm_report(view: Mapping[str, Any], folder: str | Path) -> Path:
    """Write ``index.html`` and ``assets/`` (``swarm.js``, ``style.css``, ``data.js``); it works without a network.

    Parameters
    ----------
    view : mapping
        See `hodology.report.swarm_view`.
    folder : path
        Made when missing.

    Returns
    -------
    Path
        The page. Equal views give equal bytes.

    Raises
    ------
    InputError
        When the view is incomplete or its walks are none; names the place.
    """
    check_swarm_view(view)
    free = sum(row.count(".") for row in view["map"]["rows"])
    page = render("swarm.html", view=view, panels=bar_panels(view["table"]), free=free)
    return write_page(page, folder, name="swarm", styles=_STYLES, scripts=_SCRIPTS, view=view)
