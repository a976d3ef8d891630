"""Take the documentation's pictures from the reports of embedded runs; needs chromium and the extras dev and hf."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hodology.files import atomic_path
from hodology.interpret.causal_output import write_causal_outputs
from hodology.interpret.causal_run import CausalSettings, run_causal
from hodology.interpret.features_output import write_features_outputs
from hodology.interpret.features_run import FeaturesSettings, run_features
from hodology.interpret.trace import TraceSettings, trace
from hodology.interpret.trace_output import write_outputs
from hodology.report import write_causal_report, write_features_report, write_trace_report

PICTURES = Path(__file__).parent / "pictures"


def main() -> int:
    """Make the pages and photograph them."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium")
    if program is None:
        print("no program named chromium", file=sys.stderr)
        return 1
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for title, (make, height, prepare) in PAGES.items():
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


def _choose(page: Any) -> None:
    page.locator("#strip [role=option]").nth(3).click()  # its own path is drawn in red


def _wait(page: Any) -> None:
    page.wait_for_timeout(500)


PAGES: dict[str, tuple[Callable[[Path], Path], int, Callable[[Any], None]]] = {
    "trace": (_trace, 1010, _choose),
    "causal": (_causal, 940, _wait),
    "features": (_features, 1010, _wait),
}


if __name__ == "__main__":
    raise SystemExit(main())
