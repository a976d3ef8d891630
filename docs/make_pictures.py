"""Take the documentation's pictures from the reports of embedded runs; needs chromium and the extras dev and hf."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hodology.files import atomic_path
from hodology.geometry import CompareSettings, run_compare, write_compare_outputs
from hodology.interpret.causal_output import write_causal_outputs
from hodology.interpret.causal_run import CausalSettings, run_causal
from hodology.interpret.features_output import write_features_outputs
from hodology.interpret.features_run import FeaturesSettings, run_features
from hodology.interpret.trace import TraceSettings, trace
from hodology.interpret.trace_output import write_outputs
from hodology.planning.kg_output import write_kg_outputs
from hodology.planning.kg_run import KgSettings, find_paths
from hodology.planning.swarm_output import write_swarm_outputs
from hodology.planning.swarm_run import SwarmSettings, run_swarm
from hodology.planning.trained_follower import trained_follower
from hodology.report import (
    write_causal_report,
    write_compare_report,
    write_features_report,
    write_kg_report,
    write_swarm_report,
    write_trace_report,
)

PICTURES = Path(__file__).parent / "pictures"


def main(titles: list[str]) -> int:
    """Make the pages of these titles, or all, and photograph them."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium")
    if program is None:
        print("no program named chromium", file=sys.stderr)
        return 1
    unknown = [title for title in titles if title not in PAGES]
    if unknown:
        print(f"no page {unknown[0]!r}; there are {', '.join(PAGES)}", file=sys.stderr)
        return 2
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for title in titles or PAGES:
            make, height, prepare = PAGES[title]
            page = browser.new_page(viewport={"width": 1100, "height": height}, device_scale_factor=1.5)
            page.goto(make(Path(name) / title).resolve().as_uri())
            prepare(page)
            with atomic_path(PICTURES / f"{title}.png") as temporary:
                temporary.write_bytes(page.screenshot(type="png"))
            page.close()
        browser.close()
    return 0


def _trace(folder: Path) -> Path:
    return write_trace_report(write_outputs(trace(TraceSettings(), folder)), folder)


def _causal(folder: Path) -> Path:
    return write_causal_report(write_causal_outputs(run_causal(CausalSettings(), folder), folder), folder)


def _features(folder: Path) -> Path:
    run = run_features(FeaturesSettings(k=24, sparsity=0.05), folder)
    return write_features_report(write_features_outputs(run, folder), folder)


def _kg(folder: Path) -> Path:
    run = find_paths(KgSettings(graph="generated"), "Compound::0002", "Disease::0048")
    return write_kg_report(write_kg_outputs(run, folder), folder)


def _swarm(folder: Path) -> Path:
    run = run_swarm(SwarmSettings(), folder, network=trained_follower())
    return write_swarm_report(write_swarm_outputs(run, folder), folder)


def _compare(folder: Path) -> Path:
    run = run_compare(CompareSettings(b="digits-cnn:1", data="digits"), folder)
    return write_compare_report(write_compare_outputs(run, folder), folder)


def _choose(page: Any) -> None:
    page.locator("#strip [role=option]").nth(3).click()  # its own path is drawn in red


def _follow(page: Any) -> None:
    page.locator("#play[aria-label=Pause]").click()  # it plays by itself; a picture shows a fixed step
    page.locator("#scrubber").evaluate(
        "bar => { bar.value = 120; bar.dispatchEvent(new Event('input', {bubbles: true})); }"
    )
    page.locator("#agents [role=option]").nth(9).click()  # its goal and its way are drawn
    page.wait_for_timeout(500)


def _keep(page: Any) -> None:
    page.locator("#ways [role=option]").first.click()  # its edges stand out in the drawing
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(500)


def _wait(page: Any) -> None:
    page.wait_for_timeout(500)


PAGES: dict[str, tuple[Callable[[Path], Path], int, Callable[[Any], None]]] = {
    "trace": (_trace, 1010, _choose),
    "causal": (_causal, 940, _wait),
    "features": (_features, 1010, _wait),
    "kg": (_kg, 780, _keep),
    "swarm": (_swarm, 900, _follow),
    "compare": (_compare, 830, _wait),
}


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
